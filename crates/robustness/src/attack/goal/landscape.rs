//! The share of draws beyond r as a model of the damage has it.

use vaegis_vae::Posterior;

use burn::tensor::Tensor;

use super::{Goal, MaximumDamage, Response, Statistic};
use crate::Model;
use crate::model::host;
use crate::surrogate::Quartic;

/// Of posteriors farther from that of the quartic nothing is promised: it errs there, and an ascent
/// would find its errors.
const FAR: f64 = 3.0;

/// The exceedance of [`MaximumDamage`], with `|g(z) - reference|^2` replaced by a quartic of z
/// fitted to decoded draws.
///
/// Draws cost next to nothing here. Where r is close to the damage at rest, the share of draws
/// beyond r changes so little with the posterior that few draws see nothing but noise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Landscape<'a> {
    quartic: &'a Quartic,
    statistic: Statistic,
}

impl<'a> Landscape<'a> {
    /// The exceedance of r, smoothed by `width`.
    pub(crate) fn new(quartic: &'a Quartic, r: f64, width: f64) -> Self {
        Self { quartic, statistic: Statistic::Exceedance { r, width } }
    }
}

impl Goal for Landscape<'_> {
    fn respond(&self, model: &Model, posterior: &Posterior, eta: &Tensor<2>) -> Response {
        let (z, spread) = super::samples(posterior, eta);
        let [_, draws, latent] = spread.dims();
        let (squares, mut slopes) = self.quartic.values_and_slopes(model, &host(z));
        let damages: Vec<f32> =
            squares.into_iter().map(|square| square.max(0.0).sqrt() as f32).collect();
        let (mut values, weights) = MaximumDamage::weigh(self.statistic, &damages, draws);
        let means = host(posterior.mu.clone());
        for (value, mu) in values.iter_mut().zip(means.chunks_exact(latent)) {
            if self.quartic.distance(mu) > FAR {
                *value = 0.0;
            }
        }
        // d damage = d damage^2 / 2 damage.
        for (slope, weight) in slopes.chunks_exact_mut(latent).zip(weights) {
            slope.iter_mut().for_each(|slope| *slope *= 0.5 * weight);
        }
        let at_z = model.tensor(slopes, latent).reshape(spread.dims());
        Response::through_noise(values, at_z, spread)
    }

    fn noises(&self) -> usize {
        1
    }
}
