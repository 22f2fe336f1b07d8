//! Functions that exporters take apart, by their names again.

use super::super::draft::DraftNode;
use super::{Sweep, parameter};
use crate::ops::{
    ActivationConfig, ElementwiseAffineConfig, Function, LinearConfig, OperatorConfig,
    StandardiseConfig,
};

impl Sweep<'_> {
    /// Gated functions that exporters write as products, by their names.
    pub(super) fn product(&mut self, position: usize) {
        let &[a, b] = self.draft.nodes[position].from.as_slice() else { return };
        if let Some((x, block, epsilon)) =
            self.standardised(a, b).or_else(|| self.standardised(b, a))
        {
            self.rewire(position, vec![x]);
            let config = StandardiseConfig { block, epsilon };
            self.draft.nodes[position].operator = OperatorConfig::Standardise(config);
            return;
        }
        let found = self
            .gated(a, b)
            .map(|found| (found, b))
            .or_else(|| self.gated(b, a).map(|found| (found, a)));
        let Some(((function, x, gain), gate)) = found else { return };
        let named = OperatorConfig::Activation(ActivationConfig { function });
        if gain == 1.0 {
            self.rewire(position, vec![x]);
            self.draft.nodes[position].operator = named;
        } else if self.readers[gate] == 1 {
            // The gate becomes the function, the product its multiple.
            self.rewire(gate - 1, vec![x]);
            self.rewire(position, vec![gate]);
            let shape = self.draft.nodes[position].shape.clone();
            let inner = shape.iter().product();
            let function = &mut self.draft.nodes[gate - 1];
            function.operator = named;
            function.parameters = vec![];
            function.shape = shape;
            let multiple = &mut self.draft.nodes[position];
            let config = ElementwiseAffineConfig { size: 1, inner };
            multiple.operator = OperatorConfig::ElementwiseAffine(config);
            multiple.parameters =
                vec![("scale", vec![1], vec![gain]), ("shift", vec![1], vec![0.0])];
        }
    }

    /// The function f with `a gate = gain f(x)`, with x and gain.
    fn gated(&self, a: usize, gate: usize) -> Option<(Function, usize, f32)> {
        match self.function_of(gate) {
            Some((Function::Sigmoid, x)) if x == a => return Some((Function::Silu, x, 1.0)),
            Some((Function::HardSigmoid { slope, offset }, x))
                if x == a && (slope - 1.0 / 6.0).abs() < 1e-6 && offset == 0.5 =>
            {
                return Some((Function::HardSwish, x, 1.0));
            }
            _ => {}
        }
        // gain x (1 + erf(..)) or gain x (1 + tanh(..))
        let (slope, shift, inside) = self.line_of(gate);
        let (function, argument) = self.function_of(inside)?;
        let (scale, offset, inner) = self.line_of(argument);
        let (function, x) = match function {
            Function::Erf if near(scale, std::f64::consts::FRAC_1_SQRT_2) => {
                (Function::Gelu, inner)
            }
            Function::Tanh if near(scale, (2.0 / std::f64::consts::PI).sqrt()) => {
                (Function::GeluTanh, self.cubic_of(inner)?)
            }
            _ => return None,
        };
        let factor = if a == x {
            1.0
        } else {
            match self.line_of(a) {
                (factor, 0.0, same) if same == x => factor,
                _ => return None,
            }
        };
        (offset == 0.0 && slope == shift).then_some((function, x, 2.0 * factor * slope))
    }

    /// The x of `x + 0.044715 x^3`.
    fn cubic_of(&self, value: usize) -> Option<usize> {
        let DraftNode { operator: OperatorConfig::Add(_), from, .. } = self.writer(value)? else {
            return None;
        };
        let &[a, b] = from.as_slice() else { return None };
        [(a, b), (b, a)].into_iter().find_map(|(x, term)| {
            let (scale, shift, cube) = self.line_of(term);
            let is_cube = match self.function_of(cube) {
                Some((Function::Power { exponent }, base)) => exponent == 3.0 && base == x,
                _ => self.is_square_times(cube, x),
            };
            (near(scale, 0.044_715) && shift == 0.0 && is_cube).then_some(x)
        })
    }

    /// Whether `value` is `x^2 x`.
    fn is_square_times(&self, value: usize, x: usize) -> bool {
        let Some(DraftNode { operator: OperatorConfig::Multiply(_), from, .. }) =
            self.writer(value)
        else {
            return false;
        };
        let square = from.iter().find(|&&factor| factor != x);
        from.contains(&x)
            && square.is_some_and(|&square| self.function_of(square) == Some((Function::Square, x)))
    }

    /// The function of which value `value` is, if it is one.
    fn function_of(&self, value: usize) -> Option<(Function, usize)> {
        match self.writer(value)? {
            DraftNode { operator: OperatorConfig::Activation(config), from, .. } => {
                Some((config.function, from[0]))
            }
            _ => None,
        }
    }

    /// `scale * from + shift` with single numbers, which every value is of itself.
    fn line_of(&self, value: usize) -> (f32, f32, usize) {
        match self.writer(value) {
            Some(
                node @ DraftNode {
                    operator:
                        OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size: 1, .. }),
                    ..
                },
            ) if !node.from.is_empty() => {
                (parameter(node, "scale")[0], parameter(node, "shift")[0], node.from[0])
            }
            _ => (1.0, 0.0, value),
        }
    }

    /// The x, block and epsilon of `d / sqrt(mean(d^2) + epsilon)` with `d = x - mean(x)`, means
    /// over blocks of neighbouring features; `gate` is the reciprocal of the root.
    fn standardised(&self, d: usize, gate: usize) -> Option<(usize, usize, f64)> {
        let (mut reciprocal, mut root, mut value) = (false, false, gate);
        let mut spread = None;
        // Reciprocal, root and repetition may come in any order.
        let variance = loop {
            let node = self.writer(value)?;
            match &node.operator {
                OperatorConfig::Activation(ActivationConfig { function }) => match function {
                    Function::Reciprocal if !reciprocal => reciprocal = true,
                    Function::Sqrt if !root => root = true,
                    _ => return None,
                },
                OperatorConfig::Gather(_) if spread.is_none() => spread = Some(value),
                OperatorConfig::Reshape(_) => {}
                OperatorConfig::Linear(_) => break value,
                _ => return None,
            }
            value = node.from[0];
        };
        let (square, block, epsilon) = self.mean_of(variance)?;
        let squared = self.function_of(self.behind_reshapes(square))?;
        if !reciprocal
            || !root
            || squared != (Function::Square, d)
            || !self.repeats(spread?, block)
            || epsilon <= 0.0
        {
            return None;
        }
        // d = x - mean(x)
        let DraftNode { operator: OperatorConfig::Add(_), from, .. } = self.writer(d)? else {
            return None;
        };
        let &[x, negated] = from.as_slice() else { return None };
        let (scale, shift, repeated) = self.line_of(negated);
        let mean = self.behind_reshapes(self.writer(repeated)?.from.first().copied()?);
        let (of, same_block, offset) = self.mean_of(mean)?;
        let is_difference = (scale, shift, offset) == (-1.0, 0.0, 0.0)
            && same_block == block
            && self.repeats(repeated, block)
            && self.behind_reshapes(of) == self.behind_reshapes(x);
        is_difference.then_some((x, block, epsilon.into()))
    }

    /// The value whose blocks `value` holds the means of, their size, and what is added.
    fn mean_of(&self, value: usize) -> Option<(usize, usize, f32)> {
        let node = self.writer(value)?;
        let OperatorConfig::Linear(LinearConfig { inputs, outputs: 1 }) = node.operator else {
            return None;
        };
        let share = 1.0 / inputs as f32;
        let equal = parameter(node, "weight").iter().all(|&weight| weight == share);
        equal.then(|| (node.from[0], inputs, parameter(node, "bias")[0]))
    }

    /// Whether `value` repeats each feature `block` times in a row.
    fn repeats(&self, value: usize, block: usize) -> bool {
        match self.writer(value).map(|node| &node.operator) {
            Some(OperatorConfig::Gather(gather)) => gather
                .indices
                .iter()
                .enumerate()
                .all(|(place, from)| from == Some((place / block) as u32)),
            _ => false,
        }
    }
}

fn near(x: f32, y: f64) -> bool {
    (f64::from(x) - y).abs() < 1e-5
}
