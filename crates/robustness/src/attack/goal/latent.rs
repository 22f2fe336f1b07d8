//! Attacks on the posterior itself: towards that of another input [Tabacof 2016, Gondim-Ribeiro
//! 2018, Kos 2018], or away from its own [Kuzina 2021].
//!
//! None of them looks at reconstructions, so none has noise.

use burn::tensor::Tensor;
use vaegis_vae::Posterior;

use super::{Goal, Response};
use crate::{Encoding, Model};

/// How far two posteriors are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatentDistance {
    /// `KL(q(.|x+d) || q_t)`, in nats.
    Kl,
    /// `|mu(x+d) - mu_t|`.
    L2,
}

/// Towards the posterior of another input: minus the distance to it.
#[derive(Debug, Clone)]
pub struct TargetedLatent {
    /// What is decreased.
    pub distance: LatentDistance,
    /// The posterior aimed at.
    pub aim: Encoding,
}

impl Goal for TargetedLatent {
    fn respond(&self, model: &Model, posterior: &Posterior, _: &Tensor<2>) -> Response {
        match self.distance {
            LatentDistance::Kl => {
                let gap = Gap::new(model, posterior, &self.aim);
                let [value, at_mu, at_log_variance] = gap.forward();
                Response::new(value * -1.0, at_mu * -1.0, at_log_variance * -1.0)
            }
            LatentDistance::L2 => {
                let away = away_from(model, posterior, &self.aim);
                let length = away.clone().square().sum_dim(1).sqrt();
                // Where the target is met, nothing is left to gain.
                let at_mu = away / length.clone().clamp_min(1e-12);
                let still = posterior.log_variance.zeros_like();
                Response::new(length * -1.0, at_mu * -1.0, still)
            }
        }
    }

    fn noises(&self) -> usize {
        0
    }
}

/// Away from the posterior of x: the mean of the Kullback-Leibler divergences in both orders.
///
/// Its gradient vanishes at x: ascents must start elsewhere, best at the top right-singular vector
/// of J.
#[derive(Debug, Clone)]
pub struct SymmetricKl {
    /// The posterior of x.
    pub original: Encoding,
}

impl Goal for SymmetricKl {
    fn respond(&self, model: &Model, posterior: &Posterior, _: &Tensor<2>) -> Response {
        let gap = Gap::new(model, posterior, &self.original);
        let (forward, backward) = (gap.forward(), gap.backward());
        let [value, at_mu, at_log_variance] =
            std::array::from_fn(|part| (forward[part].clone() + backward[part].clone()) * 0.5);
        Response::new(value, at_mu, at_log_variance)
    }

    fn noises(&self) -> usize {
        0
    }
}

/// `mu - mu_0`, `[candidates, latent]`.
fn away_from(model: &Model, posterior: &Posterior, other: &Encoding) -> Tensor<2> {
    posterior.mu.clone() - model.tensor(other.mu.clone(), other.mu.len())
}

/// What the divergences between posteriors q of candidates and one other posterior are made of.
struct Gap {
    away: Tensor<2>,
    /// `log (sigma^2 / sigma_0^2)`.
    log_ratio: Tensor<2>,
    /// `sigma_0^2`, `[1, latent]`.
    variance: Tensor<2>,
}

impl Gap {
    fn new(model: &Model, posterior: &Posterior, other: &Encoding) -> Self {
        let latent = other.mu.len();
        let log_variances = other.sigma.iter().map(|sigma| 2.0 * sigma.ln()).collect();
        let log_variance = model.tensor(log_variances, latent);
        Self {
            away: away_from(model, posterior, other),
            log_ratio: posterior.log_variance.clone() - log_variance.clone(),
            variance: log_variance.exp(),
        }
    }

    /// `KL(q || q_0)` and its derivatives with respect to mu and `log sigma^2`.
    fn forward(&self) -> [Tensor<2>; 3] {
        let ratio = self.log_ratio.clone().exp();
        let pull = self.away.clone() / self.variance.clone();
        let terms = ratio.clone() - 1.0 - self.log_ratio.clone() + pull.clone() * self.away.clone();
        [terms.sum_dim(1) * 0.5, pull, (ratio - 1.0) * 0.5]
    }

    /// `KL(q_0 || q)`, likewise.
    fn backward(&self) -> [Tensor<2>; 3] {
        let inverse = (self.log_ratio.clone() * -1.0).exp();
        let pull = self.away.clone() / self.variance.clone() * inverse.clone();
        let square = inverse + pull.clone() * self.away.clone();
        let terms = square.clone() - 1.0 + self.log_ratio.clone();
        [terms.sum_dim(1) * 0.5, pull, (square * -1.0 + 1.0) * 0.5]
    }
}
