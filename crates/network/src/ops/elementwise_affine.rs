use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, features, host, merge, only, split};

/// Configuration of [`ElementwiseAffine`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ElementwiseAffineConfig {
    /// Scales and shifts: 1 for a scalar, or the channels, or all features.
    pub size: usize,
    /// Consecutive features that share a scale and a shift: `height * width` for channels.
    pub inner: usize,
}

impl ElementwiseAffineConfig {
    /// The operator as the identity: all scales 1, all shifts 0.
    pub fn init(&self, _initialiser: &mut Initialiser, device: &Device) -> ElementwiseAffine {
        ElementwiseAffine {
            scale: Param::from_tensor(Tensor::ones([self.size], device)),
            shift: Param::from_tensor(Tensor::zeros([self.size], device)),
            config: self.clone(),
        }
    }
}

/// `scale x + shift`, where feature f has the scale and shift number `(f / inner) % size`.
#[derive(Module, Debug)]
pub struct ElementwiseAffine {
    /// `[size]`.
    pub scale: Param<Tensor<1>>,
    /// `[size]`.
    pub shift: Param<Tensor<1>>,
    #[module(skip)]
    pub(super) config: ElementwiseAffineConfig,
}

impl ElementwiseAffine {
    fn apply(&self, x: Tensor<2>, shift: Tensor<1>) -> Tensor<2> {
        let ElementwiseAffineConfig { size, inner } = self.config;
        let scale = self.scale.val();
        if host::holds(&x) && host::holds(&scale) && host::holds(&shift) {
            let (scale, shift) = (host::read(scale), host::read(shift));
            // A scalar is shared by all features, however the periods are cut.
            let inner = if size == 1 { x.dims()[1] } else { inner };
            return host::in_place(x, |values| affine(values, scale.get(), shift.get(), inner));
        }
        let [rows, features] = x.dims();
        let folded = x.reshape([rows * features / (size * inner), size, inner]);
        let (scale, shift) = (scale.reshape([1, size, 1]), shift.reshape([1, size, 1]));
        (folded * scale + shift).reshape([rows, features])
    }

    /// The linear part.
    fn scaled(&self, vectors: Tensor<3>) -> Tensor<3> {
        let count = vectors.dims()[1];
        split(self.apply(merge(vectors), self.shift.val().zeros_like()), count)
    }
}

#[multiversion(targets = "simd")]
fn affine(values: &mut [f32], scale: &[f32], shift: &[f32], inner: usize) {
    for period in values.chunks_exact_mut(scale.len() * inner) {
        if inner == 1 {
            for ((value, scale), shift) in period.iter_mut().zip(scale).zip(shift) {
                *value = *value * scale + shift;
            }
        } else {
            for ((values, scale), shift) in period.chunks_exact_mut(inner).zip(scale).zip(shift) {
                values.iter_mut().for_each(|value| *value = *value * scale + shift);
            }
        }
    }
}

impl Calculus for ElementwiseAffine {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let ElementwiseAffineConfig { size, inner } = self.config;
        let input = only(inputs)?;
        let period = size.checked_mul(inner).unwrap_or(0);
        if features(input)?.checked_rem(period) != Some(0) {
            return Err(format!("{size} scales of {inner} features do not divide {input:?}"));
        }
        Ok(input.to_vec())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.apply(inputs[0].clone(), self.shift.val())
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        self.apply(inputs.remove(0), self.shift.val())
    }

    fn jvp(&self, _at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        self.scaled(tangents[0].clone())
    }

    fn vjp(&self, _at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![self.scaled(cotangent)]
    }

    fn is_affine(&self) -> bool {
        true
    }
}
