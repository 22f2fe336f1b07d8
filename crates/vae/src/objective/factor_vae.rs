use serde::{Deserialize, Serialize};

use super::{Batch, Regulariser, Term};
use crate::LipschitzConfig;

/// `-E[log p(x|z)] + KL(q(z|x) || N(0, I)) + gamma E[log D(z) - log(1 - D(z))]`, where a discriminator
/// D tells draws of the aggregate posterior from those of the product of its marginals, so that the
/// last term estimates the total correlation. D learns along with the VAE, by an Adam of its own
/// (decay rates 0.5 and 0.9), from a second batch whose latents are permuted among rows, each by
/// itself.
///
/// Source: Kim & Mnih, *Disentangling by factorising*, ICML 2018, equations 2 and 3, algorithms 1
/// and 2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FactorVae {
    /// Weight of the total correlation.
    pub gamma: f64,
    /// Hidden layers of the discriminator (leaky ReLU of slope 0.2).
    pub discriminator_layers: usize,
    /// Their width.
    pub discriminator_width: usize,
    /// Step size of the discriminator's Adam.
    pub discriminator_learning_rate: f64,
    /// Epochs over which all weights rise linearly from 0; 0 switches it off.
    pub warm_up: usize,
}

impl Default for FactorVae {
    fn default() -> Self {
        Self {
            gamma: 10.0,
            discriminator_layers: 6,
            discriminator_width: 1000,
            discriminator_learning_rate: 1e-4,
            warm_up: 0,
        }
    }
}

impl Regulariser for FactorVae {
    fn name(&self) -> String {
        "FactorVAE".to_string()
    }

    fn strengths(&self) -> Vec<(&'static str, f64)> {
        vec![("gamma", self.gamma)]
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn terms(&self, batch: &Batch) -> Vec<Term> {
        let discriminator = batch.setting.discriminator.expect("the trainer has one for it");
        let total_correlation = discriminator.log_ratio(batch.z.clone()).mean();
        let warmth = batch.setting.warmth;
        vec![
            Term::rate(&batch.posterior, warmth),
            Term::new("total_correlation", total_correlation, self.gamma * warmth),
        ]
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = vec![];
        if self.discriminator_layers == 0 || self.discriminator_width == 0 {
            problems.push(format!(
                "a discriminator needs at least 1 layer of width 1, found {} of width {}",
                self.discriminator_layers, self.discriminator_width
            ));
        }
        let rate = self.discriminator_learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            problems.push(format!("discriminator learning rate must be positive, found {rate}"));
        }
        problems
    }

    fn is_aggregate(&self) -> bool {
        true
    }

    fn misfits(&self, latent: usize, _: Option<&LipschitzConfig>) -> Vec<String> {
        no_total_correlation(latent)
    }
}

pub(super) fn no_total_correlation(latent: usize) -> Vec<String> {
    if latent > 1 {
        return vec![];
    }
    vec!["a single latent has no total correlation: latent must be at least 2".to_string()]
}
