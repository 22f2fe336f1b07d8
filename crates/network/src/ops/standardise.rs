use burn::module::Module;
use burn::tensor::{Device, Tensor};
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, blocks, host, only};

/// Configuration of [`Standardise`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandardiseConfig {
    /// Consecutive features that are standardised together.
    pub block: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl StandardiseConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Standardise {
        Standardise { config: self.clone() }
    }
}

/// `(x - mean) / sqrt(variance + epsilon)` in every block of consecutive features, with the
/// biased variance: the core of layer, group and instance normalisation.
#[derive(Module, Debug)]
pub struct Standardise {
    #[module(skip)]
    pub(super) config: StandardiseConfig,
}

impl Standardise {
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let StandardiseConfig { block, epsilon } = self.config;
        if host::holds(&x) {
            return host::in_place(x, |values| standardise(values, block, epsilon));
        }
        let [rows, features] = x.dims();
        let (centred, deviation) = self.moments(x);
        (centred / deviation).reshape([rows, features])
    }

    /// Centred features `[rows, blocks, block]` and square roots `[rows, blocks, 1]` of
    /// variance plus epsilon.
    fn moments(&self, x: Tensor<2>) -> (Tensor<3>, Tensor<3>) {
        let StandardiseConfig { block, epsilon } = self.config;
        let [rows, features] = x.dims();
        let x = x.reshape([rows, features / block, block]);
        let centred = x.clone() - x.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        (centred, (variance + epsilon).sqrt())
    }

    /// The derivative, which is symmetric: with `y` the output, `t` becomes
    /// `(t - mean(t) - y mean(y t)) / sqrt(variance + epsilon)`.
    fn derivative(&self, at: Evaluation<'_>, vectors: Tensor<3>) -> Tensor<3> {
        let StandardiseConfig { block, epsilon } = self.config;
        let x = at.inputs[0];
        let [rows, count, features] = vectors.dims();
        if host::holds(x) && host::holds(&vectors) {
            let x = host::read(x.clone());
            return host::in_place(vectors, |vectors| {
                let samples = x.get().chunks_exact(features);
                for (x, vectors) in samples.zip(vectors.chunks_exact_mut(count * features)) {
                    differentiate(x, vectors, block, epsilon);
                }
            });
        }
        let (centred, deviation) = self.moments(x.clone());
        let y = (centred / deviation.clone()).unsqueeze_dim::<4>(1);
        let vectors = vectors.reshape([rows, count, features / block, block]);
        let along = (vectors.clone() * y.clone()).mean_dim(3);
        let pushed =
            (vectors.clone() - vectors.mean_dim(3) - y * along) / deviation.unsqueeze_dim(1);
        pushed.reshape([rows, count, features])
    }
}

#[multiversion(targets = "simd")]
fn standardise(values: &mut [f32], block: usize, epsilon: f64) {
    for block in values.chunks_exact_mut(block) {
        let (mean, scale) = mean_and_scale(block, epsilon);
        block.iter_mut().for_each(|value| *value = ((f64::from(*value) - mean) * scale) as f32);
    }
}

/// The derivative of one sample applied to `k` vectors, one after another.
#[multiversion(targets = "simd")]
fn differentiate(x: &[f32], vectors: &mut [f32], block: usize, epsilon: f64) {
    for start in (0..x.len()).step_by(block) {
        let x_block = &x[start..start + block];
        let (mean, scale) = mean_and_scale(x_block, epsilon);
        let count = block as f64;
        for vector in vectors.chunks_exact_mut(x.len()) {
            let vector = &mut vector[start..start + block];
            let shift = host::sum(vector, f64::from) / count;
            let centred = |x: f32| f64::from(x) - mean;
            let along = host::sum_of_two(x_block, vector, |x, t| centred(x) * f64::from(t)) / count;
            let slope = along * scale * scale;
            for (value, &x) in vector.iter_mut().zip(x_block) {
                *value = ((f64::from(*value) - shift - centred(x) * slope) * scale) as f32;
            }
        }
    }
}

/// Mean and `1 / sqrt(variance + epsilon)`.
#[inline(always)]
fn mean_and_scale(block: &[f32], epsilon: f64) -> (f64, f64) {
    let count = block.len() as f64;
    let mean = host::sum(block, f64::from) / count;
    let squares = host::sum(block, |x| (f64::from(x) - mean).powi(2));
    (mean, (squares / count + epsilon).sqrt().recip())
}

impl Calculus for Standardise {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let epsilon = self.config.epsilon;
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(format!("epsilon must be finite and at least 0, found {epsilon}"));
        }
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
