use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, features};
use crate::bounds::{Interval, Relaxation, bilinear_interval, bilinear_relaxation};

/// Configuration of [`MatMul`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatMulConfig {
    /// Products per sample, independent of each other (the heads of an attention).
    pub batch: usize,
    /// Rows of the left matrices and of the products.
    pub rows: usize,
    /// Columns of the left and rows of the right matrices.
    pub inner: usize,
    /// Columns of the right matrices and of the products.
    pub columns: usize,
    /// Sample shape of the output.
    pub shape: Vec<usize>,
}

impl MatMulConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> MatMul {
        MatMul { config: self.clone() }
    }
}

/// Matrix product of two values: `[batch, rows, inner]` times `[batch, inner, columns]`.
#[derive(Module, Debug)]
pub struct MatMul {
    #[module(skip)]
    pub(super) config: MatMulConfig,
}

impl MatMul {
    /// `[samples, k, batch, rows, inner]`, where `k` may be 1.
    fn left(&self, vectors: Tensor<3>) -> Tensor<5> {
        let [samples, count, _] = vectors.dims();
        vectors.reshape([samples, count, self.config.batch, self.config.rows, self.config.inner])
    }

    /// `[samples, k, batch, inner, columns]`, where `k` may be 1.
    fn right(&self, vectors: Tensor<3>) -> Tensor<5> {
        let [samples, count, _] = vectors.dims();
        vectors.reshape([samples, count, self.config.batch, self.config.inner, self.config.columns])
    }
}

impl Calculus for MatMul {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let MatMulConfig { batch, rows, inner, columns, ref shape } = self.config;
        let &[left, right] = inputs else {
            return Err(format!("takes two inputs, found {}", inputs.len()));
        };
        for (value, expected) in [
            (left, [batch, rows, inner]),
            (right, [batch, inner, columns]),
            (shape, [batch, rows, columns]),
        ] {
            if features(value)? != features(&expected)? {
                return Err(format!("expects {expected:?} or the like, found {value:?}"));
            }
        }
        Ok(shape.clone())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        let (left, right) =
            (inputs[0].clone().unsqueeze_dim(1), inputs[1].clone().unsqueeze_dim(1));
        self.left(left).matmul(self.right(right)).flatten(1, 4)
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        let left = self.left(at.inputs[0].clone().unsqueeze_dim(1));
        let right = self.right(at.inputs[1].clone().unsqueeze_dim(1));
        let through_left = self.left(tangents[0].clone()).matmul(right);
        let through_right = left.matmul(self.right(tangents[1].clone()));
        (through_left + through_right).flatten(2, 4)
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let MatMulConfig { batch, rows, columns, .. } = self.config;
        let left = self.left(at.inputs[0].clone().unsqueeze_dim(1));
        let right = self.right(at.inputs[1].clone().unsqueeze_dim(1));
        let [samples, count, _] = cotangent.dims();
        let cotangent = cotangent.reshape([samples, count, batch, rows, columns]);
        vec![
            cotangent.clone().matmul(right.swap_dims(3, 4)).flatten(2, 4),
            left.swap_dims(3, 4).matmul(cotangent).flatten(2, 4),
        ]
    }

    fn interval(&self, inputs: &[&Interval]) -> Result<Interval, String> {
        bilinear_interval(self, inputs)
    }

    fn relax(&self, inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
        Ok(bilinear_relaxation(self, inputs))
    }
}
