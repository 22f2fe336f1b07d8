use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, blocks, host, merge, only, split};
use crate::bounds::{Interval, Pulled, Relaxation, real};

/// Configuration of [`GroupSort`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSortConfig {
    /// Features from one of a pair to the other: 1 for neighbours, `height * width` for
    /// neighbouring channels.
    pub inner: usize,
}

impl GroupSortConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> GroupSort {
        GroupSort { config: self.clone() }
    }
}

/// Sorts pairs of features, the larger first (MaxMin, Anil et al. 2019): in every block of
/// `2 inner` features, number k of the first half and of the second are a pair.
///
/// It moves features about, so that it is 1-Lipschitz in every norm and its derivative loses no
/// length. Equal features stay where they are.
#[derive(Module, Debug)]
pub struct GroupSort {
    #[module(skip)]
    pub(super) config: GroupSortConfig,
}

impl GroupSort {
    /// The first and the second of every pair, `[rows, blocks, inner]` each.
    fn halves(&self, x: Tensor<2>) -> [Tensor<3>; 2] {
        let inner = self.config.inner;
        let [rows, features] = x.dims();
        let blocks = x.reshape([rows, features / (2 * inner), 2 * inner]);
        [blocks.clone().narrow(2, 0, inner), blocks.narrow(2, inner, inner)]
    }

    /// Undoes [`halves`](Self::halves).
    fn joined(first: Tensor<3>, second: Tensor<3>) -> Tensor<2> {
        let [rows, blocks, inner] = first.dims();
        Tensor::cat(vec![first, second], 2).reshape([rows, blocks * 2 * inner])
    }

    /// Exchanges the features of the pairs that are chosen.
    fn exchanged(&self, x: Tensor<2>, chosen: Tensor<3, Bool>) -> Tensor<2> {
        let [first, second] = self.halves(x);
        let left = first.clone().mask_where(chosen.clone(), second.clone());
        Self::joined(left, second.mask_where(chosen, first))
    }

    /// Tangents and cotangents alike move with the features.
    fn moved(&self, x: &Tensor<2>, vectors: Tensor<3>) -> Tensor<3> {
        let count = vectors.dims()[1];
        let inner = self.config.inner;
        if host::holds(x) && host::holds(&vectors) {
            let features = x.dims()[1];
            let x = host::read(x.clone());
            let moved = host::map_rows(merge(vectors), features, |row, input, output| {
                let x = &x.get()[row / count * features..][..features];
                output.copy_from_slice(input);
                let blocks = x.chunks_exact(2 * inner).zip(output.chunks_exact_mut(2 * inner));
                for (x, output) in blocks {
                    for k in (0..inner).filter(|k| x[k + inner] > x[*k]) {
                        output.swap(k, k + inner);
                    }
                }
            });
            return split(moved, count);
        }
        let [first, second] = self.halves(x.clone());
        let [rows, blocks, _] = first.dims();
        let chosen = second.greater(first).unsqueeze_dim::<4>(1);
        let chosen = chosen.expand([rows, count, blocks, inner]);
        split(self.exchanged(merge(vectors), chosen.reshape([rows * count, blocks, inner])), count)
    }
}

impl Calculus for GroupSort {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        blocks(only(inputs)?, self.config.inner.saturating_mul(2))
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.forward_owned(vec![inputs[0].clone()])
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        let x = inputs.remove(0);
        if !host::holds(&x) {
            let [first, second] = self.halves(x.clone());
            return self.exchanged(x, second.greater(first));
        }
        let inner = self.config.inner;
        host::in_place(x, |values| {
            for block in values.chunks_exact_mut(2 * inner) {
                let (first, second) = block.split_at_mut(inner);
                for (a, b) in first.iter_mut().zip(second) {
                    let exchange = *b > *a;
                    (*a, *b) = if exchange { (*b, *a) } else { (*a, *b) };
                }
            }
        })
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        self.moved(at.inputs[0], tangents[0].clone())
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![self.moved(at.inputs[0], cotangent)]
    }

    fn interval(&self, inputs: &[&Interval]) -> Result<Interval, String> {
        // Both ends of the sorted features are the sorted ends.
        let sorted = |ends: &[f64]| {
            let mut ends = ends.to_vec();
            for block in ends.chunks_exact_mut(2 * self.config.inner) {
                let (first, second) = block.split_at_mut(self.config.inner);
                for (a, b) in first.iter_mut().zip(second) {
                    (*a, *b) = (a.max(*b), a.min(*b));
                }
            }
            ends
        };
        Interval::new(inputs[0].rows(), sorted(inputs[0].low()), sorted(inputs[0].high()))
    }

    fn relax(&self, inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
        let input = inputs[0];
        let inner = self.config.inner;
        let magnitudes = input.magnitudes();
        let mut pairs = Pairs {
            inner,
            features: input.features(),
            lines: vec![],
            reach: vec![0.0; magnitudes.len()],
        };
        for start in (0..magnitudes.len()).step_by(2 * inner) {
            for first in start..start + inner {
                let second = first + inner;
                let ends = |feature: usize| [input.low()[feature], input.high()[feature]];
                let size = magnitudes[first].max(magnitudes[second]);
                let line = Ramp::new(ends(first), ends(second), size);
                pairs.reach[first] = 3.0 * size + line.offset;
                pairs.reach[second] = 3.0 * size + line.offset;
                pairs.lines.push(line);
            }
        }
        Ok(Box::new(pairs))
    }
}

/// Lines below and above `max(a - b, 0)`: `below (a - b)` and `above (a - b) + offset`. With them
/// the larger of a and b is `b + max(a - b, 0)`, the smaller `a - max(a - b, 0)`.
#[derive(Debug, Clone, Copy)]
struct Ramp {
    below: f64,
    above: f64,
    offset: f64,
}

impl Ramp {
    /// For a and b in intervals; `size` is the largest absolute end.
    fn new(a: [f64; 2], b: [f64; 2], size: f64) -> Self {
        let (low, high) = (a[0] - b[1], a[1] - b[0]);
        if a[0] >= b[1] {
            return Self { below: 1.0, above: 1.0, offset: 0.0 };
        }
        if a[1] <= b[0] {
            return Self { below: 0.0, above: 0.0, offset: 0.0 };
        }
        let above = (high / (high - low)).clamp(0.0, 1.0);
        // Whatever the slope, this is above both ends; what differences and slopes are rounded by
        // is paid for.
        let offset = (-above * low).max(high - above * high) + 16.0 * f64::EPSILON * size;
        Self { below: f64::from(u8::from(high > -low)), above, offset }
    }
}

/// The relaxation of [`GroupSort`].
#[derive(Debug)]
struct Pairs {
    inner: usize,
    /// Of a row.
    features: usize,
    /// One for each pair, row after row.
    lines: Vec<Ramp>,
    reach: Vec<f64>,
}

impl Relaxation for Pairs {
    fn pull(&self, coefficients: Tensor<3>) -> Pulled {
        let shape = coefficients.dims();
        let [_, count, features] = shape;
        let mut functions = real::numbers(coefficients);
        let mut constants = Vec::with_capacity(functions.len() / features.max(1));
        for (position, function) in functions.chunks_exact_mut(features).enumerate() {
            let mut lines = self.lines[position / count * self.features / 2..].iter();
            let mut constant = 0.0;
            for block in function.chunks_exact_mut(2 * self.inner) {
                let (first, second) = block.split_at_mut(self.inner);
                for ((first, second), line) in first.iter_mut().zip(second).zip(&mut lines) {
                    let (larger, smaller) = (*first, *second);
                    // A lower bound takes what is below the ramp where it counts positively.
                    let ramp = |a: f64| {
                        if a > 0.0 {
                            (a * line.below, 0.0)
                        } else {
                            (a * line.above, a * line.offset)
                        }
                    };
                    let (up, up_offset) = ramp(larger);
                    let (down, down_offset) = ramp(-smaller);
                    // larger (b + ramp) + smaller (a - ramp)
                    *first = smaller + up + down;
                    *second = larger - up - down;
                    constant += up_offset + down_offset;
                }
            }
            constants.push(constant);
        }
        Pulled { inputs: vec![Some(real::tensor(functions, shape))], constants }
    }

    fn reach(&self) -> &[f64] {
        &self.reach
    }
}
