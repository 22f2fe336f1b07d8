//! Lipschitz constants of networks, in l2: no two inputs' outputs are further apart than the
//! constant times the distance of the inputs.
//!
//! The constant of a value follows from those of the values it is computed from: products along
//! chains, sums where values are added. It holds everywhere, and so says little of ordinary
//! networks, but all there is to say of networks whose layers are orthogonal.
//!
//! Constants hold for the function of real numbers that the stored parameters define, with all
//! rounding of their computation charged.

mod convolution;
mod spectral;

use std::f64::consts::FRAC_2_SQRT_PI;

use burn::tensor::Tensor;

use crate::bounds::real::{self, in_double};
use crate::ops::{
    Calculus, Conv2dConfig, ConvTranspose2dConfig, ElementwiseAffine, Evaluation, Function,
    GatherConfig, MaxPool2dConfig, Operator, OperatorConfig,
};
use crate::{Error, Network, Value};

/// Convolutions whose matrices have at most so many elements, and so many rows or columns, are
/// bounded as matrices, which knows of their borders.
const MOST_ELEMENTS: usize = 1 << 23;
const MOST_ROWS: usize = 800;

/// By how much the norms of matrices may be exceeded, relatively.
const EXCESS: f64 = 1e-7;

/// More than the relative rounding errors of what is done to a constant at one node.
const ROUNDING: f64 = 1e-14;

impl Network {
    /// A Lipschitz constant of an output.
    ///
    /// # Errors
    /// Names the node and operator that has no Lipschitz constant, or none that is finite.
    pub fn lipschitz(&self, output: usize) -> Result<f64, Error> {
        self.constants(self.outputs[output], &|node| norm(&self.nodes[node].operator))
    }

    /// A Lipschitz constant of `exp(factor * output)`: of a logarithm, or of what does not depend on
    /// the input.
    ///
    /// # Errors
    /// Names the node and operator that has no Lipschitz constant, or because of which this has
    /// none.
    pub fn lipschitz_of_exp(&self, output: usize, factor: f64) -> Result<f64, Error> {
        let mut value = self.outputs[output];
        let (mut factor, mut offset) = (factor, 0.0);
        while let Some(position) = value.checked_sub(1) {
            let node = &self.nodes[position];
            match (&node.operator, node.operator.config()) {
                (Operator::Reshape(_), _) => {}
                (Operator::ElementwiseAffine(affine), _) => match uniform(affine) {
                    Some((scale, shift)) => {
                        offset += factor * shift;
                        factor *= scale;
                    }
                    None => break,
                },
                (_, OperatorConfig::Activation(activation))
                    if activation.function == Function::Log && factor == 1.0 =>
                {
                    let log = node.inputs[0];
                    let inner = self.constants(log, &|node| norm(&self.nodes[node].operator))?;
                    return Ok(inner * offset.exp() * (1.0 + ROUNDING));
                }
                _ => break,
            }
            if factor == 0.0 {
                return Ok(0.0);
            }
            value = node.inputs[0];
        }
        // What does not depend on the input, whatever it is made of: where a weight is 0, its norm
        // is, which would take longer to find.
        let moves = |node: usize| {
            let largest =
                |weight: Tensor<1>| Ok(f64::from(weight.abs().max().into_scalar::<f32>()));
            match &self.nodes[node].operator {
                Operator::Linear(linear) => largest(linear.weight.val().flatten(0, 1)),
                Operator::Conv2d(conv) => largest(conv.weight.val().flatten(0, 3)),
                Operator::ConvTranspose2d(conv) => largest(conv.weight.val().flatten(0, 3)),
                operator => norm(operator),
            }
        };
        if self.constants(value, &moves).is_ok_and(|constant| constant == 0.0) {
            return Ok(0.0);
        }
        let node = value.saturating_sub(1);
        let operator = if value == 0 { "input" } else { self.nodes[node].operator.name() };
        let reason = "exp of what it returns is unbounded".to_string();
        Err(Error::NotLipschitz { node, operator, reason })
    }

    /// What the constant of an output would be if all linear maps and convolutions had norm 1.
    ///
    /// # Errors
    /// As [`lipschitz`](Self::lipschitz).
    pub fn lipschitz_of_unit_layers(&self, value: Value) -> Result<f64, Error> {
        self.constants(value, &|node| match &self.nodes[node].operator {
            Operator::Linear(_) | Operator::Conv2d(_) | Operator::ConvTranspose2d(_) => Ok(1.0),
            operator => norm(operator),
        })
    }

    /// The constant of a value, given how the nodes on the way to it stretch their inputs.
    fn constants(
        &self,
        value: Value,
        stretch: &dyn Fn(usize) -> Result<f64, String>,
    ) -> Result<f64, Error> {
        let mut needed = vec![false; self.shapes.len()];
        needed[value] = true;
        for (position, node) in self.nodes.iter().enumerate().rev() {
            if needed[position + 1] {
                node.inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        let mut constants = vec![1.0];
        for (position, node) in self.nodes.iter().enumerate() {
            if !needed[position + 1] {
                constants.push(f64::NAN);
                continue;
            }
            let inputs = node.inputs.iter().map(|&input| constants[input]);
            let together = match &node.operator {
                Operator::Concat(_) => inputs.map(|c| c * c).sum::<f64>().sqrt(),
                // The others take one input, or are refused.
                _ => inputs.sum(),
            };
            let operator = node.operator.name();
            let fail = |reason| Error::NotLipschitz { node: position, operator, reason };
            let stretch = if together == 0.0 { 0.0 } else { stretch(position).map_err(fail)? };
            let constant = together * stretch * (1.0 + ROUNDING * (1 + node.inputs.len()) as f64);
            if !constant.is_finite() {
                return Err(fail("the constant is not finite".to_string()));
            }
            constants.push(constant);
        }
        Ok(constants[value])
    }
}

/// A Lipschitz constant of an operator, for values of one that takes several side by side; of a
/// sum, for each of them.
///
/// # Errors
/// Why there is none.
pub fn norm(operator: &Operator) -> Result<f64, String> {
    let constant = match (operator, operator.config()) {
        (Operator::Linear(linear), _) => {
            let weight = real::numbers(linear.weight.val());
            let [inputs, outputs] = linear.weight.dims();
            spectral::spectral_norm(real::tensor(weight, [1, inputs, outputs]), EXCESS)
        }
        (Operator::Conv2d(conv), OperatorConfig::Conv2d(config)) => {
            let sizes = [config.input, config.output()?];
            let Conv2dConfig { stride, dilation, groups, .. } = config;
            matrix_of(operator, sizes)
                .map(|matrix| spectral::spectral_norm(matrix, EXCESS))
                .unwrap_or_else(|| {
                    convolution::convolution_norm(conv.weight.val(), stride, dilation, groups)
                })
        }
        (Operator::ConvTranspose2d(conv), OperatorConfig::ConvTranspose2d(config)) => {
            let sizes = [config.input, config.output()?];
            let ConvTranspose2dConfig { stride, dilation, groups, .. } = config;
            matrix_of(operator, sizes)
                .map(|matrix| spectral::spectral_norm(matrix, EXCESS))
                .unwrap_or_else(|| {
                    convolution::convolution_norm(conv.weight.val(), stride, dilation, groups)
                })
        }
        (_, OperatorConfig::Activation(config)) => {
            config.function.lipschitz().ok_or("it has no Lipschitz constant")?
        }
        (Operator::ElementwiseAffine(affine), _) => {
            let scales = real::numbers(affine.scale.val());
            // NaN stays.
            scales
                .into_iter()
                .fold(0.0, |m: f64, s| if s.abs() <= m || m.is_nan() { m } else { s.abs() })
        }
        (_, OperatorConfig::Gather(config)) => most_taken(&config).sqrt(),
        (_, OperatorConfig::MaxPool2d(config)) => most_windows(&config).sqrt(),
        (
            Operator::Reshape(_) | Operator::Add(_) | Operator::Concat(_) | Operator::GroupSort(_),
            _,
        ) => 1.0,
        // The norm of diag(p) - p p' is the largest variance of a unit vector's entries: by
        // Popoviciu's inequality a quarter of their squared range, which is at most 2.
        (Operator::Softmax(_), _) => 0.5,
        _ => return Err("it has no Lipschitz constant".to_string()),
    };
    Ok(constant)
}

/// The matrix of an affine operator in f64, `[1, inputs, outputs]`, if it is small.
fn matrix_of(operator: &Operator, sizes: [[usize; 3]; 2]) -> Option<Tensor<3>> {
    let [inputs, outputs] = sizes.map(|size| size.iter().product::<usize>());
    let small = inputs.min(outputs) <= MOST_ROWS
        && inputs.checked_mul(outputs).is_some_and(|elements| elements <= MOST_ELEMENTS);
    if !small {
        return None;
    }
    let unit = |side: usize| {
        let mut identity = vec![0.0; side * side];
        identity.iter_mut().step_by(side + 1).for_each(|one| *one = 1.0);
        real::tensor(identity, [1, side, side])
    };
    let operator = in_double(operator.clone());
    let (x, y) = (
        real::tensor(vec![0.0; inputs], [1, inputs]),
        real::tensor(vec![0.0; outputs], [1, outputs]),
    );
    let at = Evaluation { inputs: &[&x], output: &y };
    // By the fewer passes.
    Some(if inputs <= outputs {
        operator.jvp(at, &[unit(inputs)])
    } else {
        operator.vjp(at, unit(outputs)).remove(0)
    })
}

/// The scale and shift of a map that has one of each.
fn uniform(affine: &ElementwiseAffine) -> Option<(f64, f64)> {
    let only = |numbers: Vec<f64>| {
        let first = *numbers.first()?;
        numbers.iter().all(|&number| number == first).then_some(first)
    };
    only(real::numbers(affine.scale.val())).zip(only(real::numbers(affine.shift.val())))
}

/// How often the feature is taken that is taken most often.
fn most_taken(config: &GatherConfig) -> f64 {
    let mut taken = vec![];
    for index in config.indices.iter().flatten() {
        let index = index as usize;
        if index >= taken.len() {
            taken.resize(index + 1, 0usize);
        }
        taken[index] += 1;
    }
    taken.into_iter().max().unwrap_or(0) as f64
}

/// How many windows an element is under at most: a maximum moves by no more than the largest
/// move of an element, whose square is at most the sum of all squares.
fn most_windows(config: &MaxPool2dConfig) -> f64 {
    let along = |axis: usize| {
        let (kernel, stride) = (config.kernel[axis], config.stride[axis]);
        let mut taps = vec![0usize; stride];
        (0..kernel).for_each(|tap| taps[tap * config.dilation[axis] % stride] += 1);
        taps.into_iter().max().unwrap_or(0)
    };
    (along(0) * along(1)) as f64
}

impl Function {
    /// The least Lipschitz constant, rounded up, if there is one.
    pub fn lipschitz(self) -> Option<f64> {
        match self {
            Self::Relu
            | Self::Celu { .. }
            | Self::Softplus
            | Self::Softsign
            | Self::Tanh
            | Self::Abs
            | Self::Sin
            | Self::Cos => Some(1.0),
            Self::LeakyRelu { slope } => Some(slope.abs().max(1.0)),
            Self::Elu { alpha } => Some(alpha.abs().max(1.0)),
            Self::Selu => Some(1.758_099_340_847_377),
            // At the square root of 2.
            Self::Gelu => Some(1.128_904_146),
            Self::GeluTanh => Some(1.129),
            Self::Silu => Some(1.099_839_321),
            Self::Mish => Some(1.088_5),
            Self::Sigmoid => Some(0.25),
            Self::HardSigmoid { slope, .. } => Some(slope.abs()),
            // At 3.
            Self::HardSwish => Some(1.5),
            Self::Clip { low: Some(low), high: Some(high) } if low >= high => Some(0.0),
            Self::Clip { .. } => Some(1.0),
            Self::Erf => Some(FRAC_2_SQRT_PI * (1.0 + f64::EPSILON)),
            // The largest variance of a continuous Bernoulli is that of the uniform distribution.
            Self::ContinuousBernoulliMean => Some(0.083_333_333_333_333_4),
            Self::Power { exponent: 1.0 } => Some(1.0),
            Self::Exp
            | Self::Log
            | Self::Sqrt
            | Self::Square
            | Self::Power { .. }
            | Self::Reciprocal => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Initialiser;
    use burn::tensor::Device;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// By frequencies and as a matrix, which is below by what its borders take: little of
        /// large images.
        #[test]
        fn both_ways_to_bound_a_convolution_agree(
            channels in 1usize..4, inputs in 1usize..3, kernel in [1usize..5, 1usize..5],
            stride in [1usize..4, 1usize..4], dilation in [1usize..3, 1usize..3],
            groups in 1usize..3, padding in 0usize..2, seed in any::<u64>(),
        ) {
            let config = Conv2dConfig {
                input: [groups * inputs, 20, 24], channels: groups * channels, kernel, stride,
                padding: [padding; 2], dilation, groups,
            };
            let sizes = [config.input, config.output().unwrap()];
            let operator = OperatorConfig::Conv2d(config.clone());
            let operator = operator.init(&mut Initialiser::new(seed), &Device::flex());
            let Operator::Conv2d(conv) = &operator else { unreachable!("a convolution") };
            let weight = conv.weight.val();
            let by_frequencies =
                convolution::convolution_norm(weight, stride, dilation, groups);
            if let Some(matrix) = matrix_of(&operator, sizes) {
                let exact = spectral::spectral_norm(matrix, EXCESS);
                prop_assert!(exact <= by_frequencies * (1.0 + 2.0 * EXCESS), "{exact} {by_frequencies}");
                prop_assert!(by_frequencies <= exact * 1.25, "{exact} {by_frequencies}");
            }
        }
    }
}
