use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, blocks, host, only, scalar};

/// Configuration of [`Softmax`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoftmaxConfig {
    /// Consecutive features that sum to 1.
    pub block: usize,
}

impl SoftmaxConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Softmax {
        Softmax { config: self.clone() }
    }
}

/// `e^x / sum(e^x)` in every block of consecutive features.
#[derive(Module, Debug)]
pub struct Softmax {
    #[module(skip)]
    pub(super) config: SoftmaxConfig,
}

impl Softmax {
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let block = self.config.block;
        if host::holds(&x) {
            return host::in_place(x, |values| softmax(values, block));
        }
        let [rows, features] = x.dims();
        let folded = x.reshape([rows, features / block, block]);
        activation::softmax(folded, 2).reshape([rows, features])
    }

    /// The derivative, which is symmetric: with `y` the output, `t` becomes
    /// `y (t - sum(y t))`. On the CPU, t is taken relative to that of the largest y, so that
    /// nothing cancels where one y is nearly 1.
    fn derivative(&self, at: Evaluation<'_>, vectors: Tensor<3>) -> Tensor<3> {
        let block = self.config.block;
        let [rows, count, features] = vectors.dims();
        let y = at.output.clone();
        if host::holds(&y) && host::holds(&vectors) {
            let y = host::read(y);
            return host::in_place(vectors, |vectors| {
                let samples = y.get().chunks_exact(features);
                for (y, vectors) in samples.zip(vectors.chunks_exact_mut(count * features)) {
                    differentiate(y, vectors, block);
                }
            });
        }
        let y = y.reshape([rows, 1, features / block, block]);
        let vectors = vectors.reshape([rows, count, features / block, block]);
        let mean = (vectors.clone() * y.clone()).sum_dim(3);
        ((vectors - mean) * y).reshape([rows, count, features])
    }
}

#[multiversion(targets = "simd")]
fn softmax(values: &mut [f32], block: usize) {
    for block in values.chunks_exact_mut(block) {
        let largest = host::largest(block);
        block.iter_mut().for_each(|value| *value = scalar::exp(*value - largest));
        let scale = host::sum(block, f64::from).recip() as f32;
        block.iter_mut().for_each(|value| *value *= scale);
    }
}

/// The derivative of one sample applied to `k` vectors, one after another.
#[multiversion(targets = "simd")]
fn differentiate(y: &[f32], vectors: &mut [f32], block: usize) {
    let peak = |y: &[f32]| {
        let largest = host::largest(y);
        y.iter().position(|&y| y == largest).unwrap_or(0)
    };
    let peaks: Vec<usize> = y.chunks_exact(block).map(peak).collect();
    for vector in vectors.chunks_exact_mut(y.len()) {
        let blocks = vector.chunks_exact_mut(block).zip(y.chunks_exact(block));
        for ((vector, y), &peak) in blocks.zip(&peaks) {
            let base = vector[peak];
            let share = |y, t| f64::from(y) * f64::from(t - base);
            let mean = host::sum_of_two(y, vector, share) as f32;
            vector.iter_mut().zip(y).for_each(|(value, y)| *value = (*value - base - mean) * y);
        }
    }
}

impl Calculus for Softmax {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        blocks(only(inputs)?, self.config.block)
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.apply(inputs[0].clone())
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        self.apply(inputs.remove(0))
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        self.derivative(at, tangents[0].clone())
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![self.derivative(at, cotangent)]
    }
}
