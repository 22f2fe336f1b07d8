use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Batch, Regulariser, Term};
use crate::{LipschitzConfig, PosteriorSigma};

/// `-E[log p(x|z)] + gamma |KL(q(z|x) || N(0, I)) - C|`, for a capacity C that rises during training.
/// The KL term is that of the batch, as in published implementations: single inputs may have more
/// or less.
///
/// Source: Burgess et al., *Understanding disentangling in beta-VAE*, 2018, equation 8.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capacity {
    /// Weight of the distance between KL term and capacity.
    pub gamma: f64,
    /// The capacity C that is reached, in nats.
    pub capacity: f64,
    /// Epochs over which C rises linearly from 0; 0: it is what it is from the start.
    pub warm_up: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { gamma: 1000.0, capacity: 25.0, warm_up: 25 }
    }
}

impl Regulariser for Capacity {
    fn name(&self) -> String {
        "annealed capacity".to_string()
    }

    fn strengths(&self) -> Vec<(&'static str, f64)> {
        vec![("gamma", self.gamma), ("capacity", self.capacity)]
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn terms(&self, batch: &Batch) -> Vec<Term> {
        let rate = Term::rate(&batch.posterior, 0.0);
        let capacity = self.capacity * batch.setting.warmth;
        let gap = (rate.value.clone() - capacity).abs();
        let told = Tensor::from_floats([capacity as f32], &batch.posterior.mu.device());
        vec![rate, Term::new("capacity_gap", gap, self.gamma), Term::new("capacity", told, 0.0)]
    }

    fn misfits(&self, latent: usize, lipschitz: Option<&LipschitzConfig>) -> Vec<String> {
        let Some(lipschitz) = lipschitz else { return vec![] };
        let sigma = match lipschitz.sigma {
            PosteriorSigma::Fixed { sigma } => sigma,
            PosteriorSigma::Bounded { low, high, .. } => 1f64.clamp(low, high),
        };
        let least = latent as f64 * 0.5 * (sigma * sigma - 1.0 - 2.0 * sigma.ln());
        if self.capacity > least {
            return vec![];
        }
        vec![format!(
            "posteriors of {latent} latents with sigma {sigma} have a KL term of at least \
             {least:.2}, so capacity must be above, found {}",
            self.capacity
        )]
    }
}
