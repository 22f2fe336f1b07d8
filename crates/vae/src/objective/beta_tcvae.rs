use serde::{Deserialize, Serialize};

use super::densities::LogDensities;
use super::factor_vae::no_total_correlation;
use super::{Batch, Regulariser, Setting, Term};
use crate::LipschitzConfig;

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
        let mutual_information = conditional - aggregate.clone();
        let total_correlation = aggregate - product.clone();
        let dimension_wise = product - prior;
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
