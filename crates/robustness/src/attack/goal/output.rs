//! Towards a chosen reconstruction [Kos 2018, Gondim-Ribeiro 2018]: minus `|g(mu(x+d)) - x_t|`.

use burn::tensor::Tensor;
use vaegis_vae::Posterior;

use super::{Goal, Response};
use crate::Model;

/// Minus the l2 distance of the mean reconstruction from an input that is aimed at.
#[derive(Debug, Clone)]
pub struct TargetedOutput {
    /// The input aimed at, `[1, features]`.
    pub aim: Tensor<2>,
}

impl Goal for TargetedOutput {
    fn respond(&self, model: &Model, posterior: &Posterior, _: &Tensor<2>) -> Response {
        let trace = model.generator().trace(posterior.mu.clone());
        let change = model.generator().output(&trace, 0) - self.aim.clone();
        let length = change.clone().square().sum_dim(1).sqrt();
        let cotangent = change / length.clone().clamp_min(1e-12) * -1.0;
        let at_mu = model.generator().vjp(&trace, vec![Some(cotangent.unsqueeze_dim(1))]);
        let at_mu = at_mu.reshape(posterior.mu.dims());
        Response::new(length * -1.0, at_mu, posterior.log_variance.zeros_like())
    }

    fn noises(&self) -> usize {
        0
    }
}
