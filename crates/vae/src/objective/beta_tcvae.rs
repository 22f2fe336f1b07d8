use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::factor_vae::no_total_correlation;
use super::{Batch, Regulariser, Setting, Term};
use crate::{LipschitzConfig, Posterior};

/// The ELBO with its KL term in three parts, each with a weight:
///
/// `-E[log p(x|z)] + alpha KL(q(z, x) || q(z) p(x)) + beta KL(q(z) || prod_j q(z_j))
/// + gamma sum_j KL(q(z_j) || p(z_j))`,
///
/// the mutual information of input and latents, the total correlation of the latents, and the
/// dimension-wise KL, for the aggregate posterior `q(z) = E_x[q(z|x)]`. Its densities are estimated
/// from the batch by minibatch stratified sampling.
///
/// Source: Chen et al., *Isolating sources of disentanglement in variational autoencoders*,
/// NeurIPS 2018, equations 2 and 4 and appendix C.2. The weights are those of the appendix: the
/// authors' program misplaces two of the three.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BetaTcVae {
    /// Weight of the mutual information.
    pub alpha: f64,
    /// Weight of the total correlation.
    pub beta: f64,
    /// Weight of the dimension-wise KL.
    pub gamma: f64,
    /// Epochs over which the weights rise linearly from 0; 0 switches it off.
    pub warm_up: usize,
}

impl Default for BetaTcVae {
    fn default() -> Self {
        Self { alpha: 1.0, beta: 6.0, gamma: 1.0, warm_up: 0 }
    }
}

impl Regulariser for BetaTcVae {
    fn name(&self) -> String {
        "beta-TCVAE".to_string()
    }

    fn strengths(&self) -> Vec<(&'static str, f64)> {
        vec![("alpha", self.alpha), ("beta", self.beta), ("gamma", self.gamma)]
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn terms(&self, batch: &Batch) -> Vec<Term> {
        let Setting { warmth, population, .. } = batch.setting;
        let densities = LogDensities::estimate(&batch.posterior, batch.z.clone(), population);
        let LogDensities { conditional, aggregate, product, prior } = densities;
        let mutual_information = (conditional - aggregate.clone()).mean();
        let total_correlation = (aggregate - product.clone()).mean();
        let dimension_wise = (product - prior).mean();
        vec![
            Term::rate(&batch.posterior, 0.0),
            Term::new("mutual_information", mutual_information, self.alpha * warmth),
            Term::new("total_correlation", total_correlation, self.beta * warmth),
            Term::new("dimension_wise_kl", dimension_wise, self.gamma * warmth),
        ]
    }

    fn is_aggregate(&self) -> bool {
        true
    }

    fn misfits(&self, latent: usize, _: Option<&LipschitzConfig>) -> Vec<String> {
        no_total_correlation(latent)
    }
}

/// Logarithms of densities at one draw of each posterior of a batch, each `[rows]`.
#[derive(Debug)]
pub(super) struct LogDensities {
    /// `log q(z|x)`, of the posterior that it was drawn from.
    pub(super) conditional: Tensor<1>,
    /// `log q(z)`, estimated.
    pub(super) aggregate: Tensor<1>,
    /// `sum_j log q(z_j)`, estimated.
    pub(super) product: Tensor<1>,
    /// `log p(z)`.
    pub(super) prior: Tensor<1>,
}

impl LogDensities {
    /// # Shapes
    /// `z`: `[rows, latent]`.
    pub(super) fn estimate(posterior: &Posterior, z: Tensor<2>, population: usize) -> Self {
        let rows = z.dims()[0];
        let device = z.device();
        let prior = log_normal(z.clone().square(), z.zeros_like()).sum_dim(1).squeeze_dim(1);
        let Posterior { mu, log_variance } = posterior.clone();
        let precision = (log_variance.clone() * -1.0).exp();
        let own = (z.clone() - mu.clone()).square() * precision.clone();
        let conditional = log_normal(own, log_variance.clone()).sum_dim(1).squeeze_dim(1);
        // Of each draw (first) under each posterior (second): [rows, rows, latent].
        let each = |of: Tensor<2>| of.unsqueeze_dim::<3>(0);
        let squares = (z.unsqueeze_dim::<3>(1) - each(mu)).square() * each(precision);
        let all = log_normal(squares, each(log_variance));
        let weights = log_weights(rows, population, &device).unsqueeze_dim::<3>(2);
        let joint = all.clone().sum_dim(2) + weights.clone();
        let aggregate = log_sum_exp(joint).squeeze_dim(1);
        let product = log_sum_exp(all + weights).sum_dim(1).squeeze_dim(1);
        Self { conditional, aggregate, product, prior }
    }
}

/// `log N`, of squared standardised distances and log variances.
fn log_normal<const D: usize>(squares: Tensor<D>, log_variance: Tensor<D>) -> Tensor<D> {
    (squares + log_variance + std::f64::consts::TAU.ln()) * -0.5
}

/// Logarithms of the weights that posteriors of a batch (second) have for the draw of one of them
/// (first), `[rows, rows]`. Of N rows in all and M others in the batch, the draw's own posterior
/// stands for itself, so it has 1/N; one of the others takes what is missing to 1, the rest have 1/M.
fn log_weights(rows: usize, population: usize, device: &Device) -> Tensor<2> {
    // Alone, a posterior is all that is known of the aggregate.
    let mut weights = vec![1.0; rows * rows];
    if rows > 1 {
        let (all, others) = (population.max(rows) as f64, (rows - 1) as f64);
        weights.fill(1.0 / others);
        for row in 0..rows {
            weights[row * rows + row] = 1.0 / all;
            weights[row * rows + (row + 1) % rows] = (all - others) / (all * others);
        }
    }
    let logarithms: Vec<f32> = weights.iter().map(|weight: &f64| weight.ln() as f32).collect();
    Tensor::from_data(TensorData::new(logarithms, [rows, rows]), device)
}

/// Over the second axis.
fn log_sum_exp(values: Tensor<3>) -> Tensor<2> {
    let largest = values.clone().detach().max_dim(1);
    ((values - largest.clone()).exp().sum_dim(1).log() + largest).squeeze_dim(1)
}
