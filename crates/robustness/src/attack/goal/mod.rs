//! What attacks increase: functions of the posterior of the perturbed input.
//!
//! A goal knows nothing of balls, boxes or optimisers: it says what a posterior is worth
//! and how that changes with the posterior. The encoder does the rest, alike for all.

mod damage;
mod degradation;
mod kind;
mod landscape;
mod latent;
mod output;
mod pathway;
#[cfg(test)]
mod tests;

pub use damage::{MaximumDamage, Reference, SampledDamage, Statistic};
pub use degradation::LikelihoodDegradation;
pub use kind::Kind;
pub(crate) use landscape::Landscape;
pub use latent::{LatentDistance, SymmetricKl, TargetedLatent};
pub use output::TargetedOutput;
pub use pathway::{Pathway, Through};

use burn::tensor::Tensor;
use vaegis_vae::Posterior;

use crate::Model;
use crate::model::host;

/// What an attack increases.
pub trait Goal: std::fmt::Debug + Sync {
    /// Values and derivatives at the posteriors of several candidates, all under the same
    /// noise.
    ///
    /// # Shapes
    /// `posterior`: `[candidates, latent]`; `eta`: `[draws, noises * latent]`.
    fn respond(&self, model: &Model, posterior: &Posterior, eta: &Tensor<2>) -> Response;

    /// Normal vectors of the latent space behind each draw; 0 if the value depends on no noise.
    fn noises(&self) -> usize;
}

/// What a goal makes of the posteriors of several candidates.
#[derive(Debug, Clone)]
pub struct Response {
    /// One value per candidate.
    pub values: Vec<f64>,
    /// Derivatives with respect to mu, `[candidates, latent]`.
    pub at_mu: Tensor<2>,
    /// Derivatives with respect to `log sigma^2`, `[candidates, latent]`.
    pub at_log_variance: Tensor<2>,
}

impl Response {
    /// From values, `[candidates, 1]`, and derivatives.
    fn new(values: Tensor<2>, at_mu: Tensor<2>, at_log_variance: Tensor<2>) -> Self {
        let values = host(values).into_iter().map(f64::from).collect();
        Self { values, at_mu, at_log_variance }
    }

    /// Derivatives with respect to the posterior from those with respect to its samples
    /// `z = mu + eta exp(log_variance / 2)`.
    ///
    /// # Shapes
    /// `at_z` and `spread`, the part of z that is noise: `[candidates, draws, latent]`.
    fn through_noise(values: Vec<f64>, at_z: Tensor<3>, spread: Tensor<3>) -> Self {
        let [count, _, latent] = at_z.dims();
        let at_log_variance = (at_z.clone() * spread).sum_dim(1).reshape([count, latent]) * 0.5;
        let at_mu = at_z.sum_dim(1).reshape([count, latent]);
        Self { values, at_mu, at_log_variance }
    }
}

/// Samples `mu + eta sigma`, `[candidates * draws, latent]`, and the part of them that is noise,
/// `[candidates, draws, latent]`.
fn samples(posterior: &Posterior, eta: &Tensor<2>) -> (Tensor<2>, Tensor<3>) {
    let [count, latent] = posterior.mu.dims();
    let draws = eta.dims()[0];
    let spread = eta.clone().unsqueeze::<3>() * posterior.sigma().unsqueeze_dim::<3>(1);
    let z = spread.clone() + posterior.mu.clone().unsqueeze_dim(1);
    (z.reshape([count * draws, latent]), spread)
}
