//! Damages of candidates, and the gradient of what an ascent increases.

use burn::tensor::Tensor;
use vaegis_vae::Purpose;

use crate::model::host;
use crate::{Error, Target};

/// What an ascent increases, as a function of the damages `|Delta|` of one candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// The expected damage.
    ExpectedDamage,
    /// The share of draws whose damage exceeds r, smoothed: the mean of
    /// `sigmoid((|Delta| - r) / width)`. What matters at the margin, where half do.
    Exceedance {
        /// The radius.
        r: f64,
        /// Scale of the smoothing.
        width: f64,
    },
}

impl Goal {
    /// The goal's value for the damages of one candidate.
    pub fn value(self, damages: &[f32]) -> f64 {
        let sum: f64 = damages.iter().map(|&damage| self.score(f64::from(damage)).0).sum();
        sum / damages.len() as f64
    }

    /// Score of one damage and its derivative.
    fn score(self, damage: f64) -> (f64, f64) {
        match self {
            Self::ExpectedDamage => (damage, 1.0),
            Self::Exceedance { r, width } => {
                let share = 1.0 / (1.0 + ((r - damage) / width).exp());
                (share, share * (1.0 - share) / width)
            }
        }
    }
}

/// Damages of candidates and the gradient of a goal.
#[derive(Debug, Clone)]
pub struct Damage {
    /// `damages[candidate][draw]`.
    pub damages: Vec<Vec<f32>>,
    /// `gradients[candidate]`, with respect to the perturbed input.
    pub gradients: Vec<Vec<f32>>,
}

/// Evaluates `candidates` (perturbed inputs) with the attack's draws
/// `first .. first + draws`, the same for every candidate, and differentiates `goal`.
///
/// One pass back through decoder and encoder serves all candidates and draws: the
/// cotangents of a candidate's draws are summed at its posterior.
///
/// # Errors
/// If a damage is not finite.
pub fn damage(
    target: Target<'_>,
    goal: Goal,
    candidates: &[Vec<f32>],
    first: u64,
    draws: usize,
) -> Result<Damage, Error> {
    let mut result = Damage { damages: vec![], gradients: vec![] };
    let per_batch = (target.model.rows() / draws).max(1);
    for batch in candidates.chunks(per_batch) {
        evaluate(target, goal, batch, first, draws, &mut result);
    }
    if result.damages.iter().flatten().all(|damage| damage.is_finite()) {
        Ok(result)
    } else {
        Err(Error::NotFinite("a perturbed reconstruction"))
    }
}

fn evaluate(
    target: Target<'_>,
    goal: Goal,
    batch: &[Vec<f32>],
    first: u64,
    draws: usize,
    result: &mut Damage,
) {
    let model = target.model;
    let (latent, features, count) = (model.latent(), model.features(), batch.len());
    let encoder_trace = model.encoder().trace(model.tensor(batch.concat(), features));
    let mu = model.encoder().output(&encoder_trace, 0);
    let sigma = (model.encoder().output(&encoder_trace, 1) * 0.5).exp();

    // Antithetic pairs: what noise does to the gradient to first order cancels.
    let half = draws.div_ceil(2);
    let mut eta = target.noise.normal(Purpose::Attack, target.index, first, half, latent);
    eta.extend_from_within(..(draws - half) * latent);
    eta[half * latent..].iter_mut().for_each(|value| *value = -*value);
    let eta: Tensor<3> = model.tensor(eta, latent).unsqueeze();
    let spread = eta * sigma.unsqueeze_dim::<3>(1);
    let z = (spread.clone() + mu.unsqueeze_dim(1)).reshape([count * draws, latent]);
    let decoder_trace = model.generator().trace(z);
    let change = model.generator().output(&decoder_trace, 0) - target.reference.clone();
    let damages = host(change.clone().square().sum_dim(1).sqrt());

    // d goal / d change = weight * change / |change|, averaged over draws.
    let weights = damages
        .iter()
        .map(|&damage| {
            let derivative = goal.score(f64::from(damage)).1;
            (derivative / f64::from(damage).max(1e-12) / draws as f64) as f32
        })
        .collect();
    let cotangent = change * model.tensor(weights, 1);
    let at_z = model.generator().vjp(&decoder_trace, vec![Some(cotangent.unsqueeze_dim(1))]);
    let at_z = at_z.reshape([count, draws, latent]);
    // z = mu + eta exp(log_variance / 2).
    let at_log_variance = (at_z.clone() * spread).sum_dim(1) * 0.5;
    let at_mu = at_z.sum_dim(1);
    let gradients =
        host(model.encoder().vjp(&encoder_trace, vec![Some(at_mu), Some(at_log_variance)]));

    result.damages.extend(damages.chunks(draws).map(<[f32]>::to_vec));
    result.gradients.extend(gradients.chunks(features).map(<[f32]>::to_vec));
}
