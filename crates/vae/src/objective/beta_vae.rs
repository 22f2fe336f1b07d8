use serde::{Deserialize, Serialize};

use super::{Batch, Regulariser, Term};

/// `-E[log p(x|z)] + beta KL(q(z|x) || N(0, I))`, the negative ELBO at beta = 1.
///
/// Source: Higgins et al., *beta-VAE: Learning basic visual concepts with a constrained variational
/// framework*, ICLR 2017, equation 4.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BetaVae {
    /// Weight of the KL term.
    pub beta: f64,
    /// Epochs over which the weight rises linearly from 0 to beta; 0 switches it off.
    pub warm_up: usize,
}

impl Default for BetaVae {
    fn default() -> Self {
        Self { beta: 1.0, warm_up: 0 }
    }
}

impl Regulariser for BetaVae {
    fn name(&self) -> String {
        "beta-VAE".to_string()
    }

    fn describe(&self) -> String {
        if self.beta == 1.0 { "VAE".to_string() } else { format!("beta-VAE (beta {})", self.beta) }
    }

    fn strengths(&self) -> Vec<(&'static str, f64)> {
        vec![("beta", self.beta)]
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn terms(&self, batch: &Batch) -> Vec<Term> {
        vec![Term::rate(&batch.posterior, self.beta * batch.setting.warmth)]
    }
}
