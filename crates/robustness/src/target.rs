use burn::tensor::Tensor;
use vaegis_vae::Noise;

use crate::{InputBox, Model};

/// One point under assessment: what every estimate and attack needs to know of it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The model.
    pub model: &'a Model,
    /// The input.
    pub x: &'a [f32],
    /// The mean reconstruction `g(mu(x))`, `[1, features]`.
    pub reference: &'a Tensor<2>,
    /// The source of all noise.
    pub noise: &'a Noise,
    /// The point's index, which addresses its noise.
    pub index: u64,
    /// Where perturbed inputs must stay.
    pub bounds: InputBox,
}
