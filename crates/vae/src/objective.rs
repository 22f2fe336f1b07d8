use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::Vae;

/// What training minimises.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Objective {
    /// `-E[log p(x|z)] + beta KL(q(z|x) || N(0, I))` [Higgins et al. 2017]; the ELBO at beta = 1.
    BetaVae {
        /// Weight of the KL term.
        beta: f64,
        /// Epochs over which the weight rises linearly from 0 to beta; 0 switches it off.
        warm_up: usize,
    },
}

impl Objective {
    /// The negative ELBO.
    pub const ELBO: Self = Self::BetaVae { beta: 1.0, warm_up: 0 };

    /// Weight of the KL term after `progress` epochs (fractions count).
    pub fn beta_at(self, progress: f64) -> f64 {
        let Self::BetaVae { beta, warm_up } = self;
        if warm_up == 0 { beta } else { beta * (progress / warm_up as f64).min(1.0) }
    }

    /// Whether the warm-up is over after `epochs` epochs.
    pub fn is_settled(self, epochs: usize) -> bool {
        let Self::BetaVae { warm_up, .. } = self;
        epochs >= warm_up
    }

    /// What cannot work, in words.
    pub fn problems(self) -> Vec<String> {
        let Self::BetaVae { beta, .. } = self;
        if beta >= 0.0 && beta.is_finite() {
            vec![]
        } else {
            vec![format!("beta must be finite and not negative, found {beta}")]
        }
    }

    /// Name with its strength, as summaries show it: `beta-VAE (beta 4)`.
    pub fn describe(self) -> String {
        let Self::BetaVae { beta, warm_up } = self;
        let name = if beta == 1.0 { "VAE".to_string() } else { format!("beta-VAE (beta {beta})") };
        if warm_up == 0 { name } else { format!("{name}, warm-up {warm_up}") }
    }

    /// The loss of a batch, averaged over rows, and its terms as plain numbers once
    /// [`BatchLoss::terms`] asks for them.
    ///
    /// # Shapes
    /// `x`: `[rows, features]`, `eta`: `[rows, latent]` of standard normal noise.
    pub fn loss(self, vae: &Vae, x: Tensor<2>, eta: Tensor<2>, beta: f64) -> BatchLoss {
        let posterior = vae.encode(x.clone());
        let natural = vae.decoder().forward(posterior.sample(eta)).remove(0);
        let distortion = vae.likelihood().log_probability(natural, x).mean() * -1.0;
        let rate = posterior.kl_to_prior().mean();
        BatchLoss { total: distortion.clone() + rate.clone() * beta, distortion, rate }
    }
}

/// The differentiable loss of one batch.
#[derive(Debug, Clone)]
pub struct BatchLoss {
    /// What is minimised.
    pub total: Tensor<1>,
    distortion: Tensor<1>,
    rate: Tensor<1>,
}

impl BatchLoss {
    /// The terms as numbers.
    pub fn terms(&self) -> Losses {
        Losses {
            total: number(self.total.clone()),
            distortion: number(self.distortion.clone()),
            rate: number(self.rate.clone()),
        }
    }
}

pub(crate) fn number(scalar: Tensor<1>) -> f64 {
    let data = scalar.into_data().convert_dtype(DType::F64);
    data.as_slice::<f64>().map_or(f64::NAN, |values| values[0])
}

/// Loss terms averaged over rows, in nats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// What is minimised.
    pub total: f64,
    /// `-E[log p(x|z)]`.
    pub distortion: f64,
    /// `KL(q(z|x) || N(0, I))`, without its weight.
    pub rate: f64,
}

impl Losses {
    /// The evidence lower bound: `-(distortion + rate)`.
    pub fn elbo(&self) -> f64 {
        -(self.distortion + self.rate)
    }

    /// Adds `rows` rows of `other` to a sum over rows.
    pub(crate) fn add(&mut self, other: Losses, rows: usize) {
        let rows = rows as f64;
        self.total += other.total * rows;
        self.distortion += other.distortion * rows;
        self.rate += other.rate * rows;
    }

    /// A sum over `rows` rows as an average.
    pub(crate) fn averaged(self, rows: usize) -> Losses {
        let rows = rows.max(1) as f64;
        Losses {
            total: self.total / rows,
            distortion: self.distortion / rows,
            rate: self.rate / rows,
        }
    }
}
