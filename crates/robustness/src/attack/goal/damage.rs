//! Maximum damage, `[C21]`: how far reconstructions move, in expectation, in the median, or as the
//! share that moves beyond r.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vaegis_vae::Posterior;

use super::{Goal, Response};
use crate::criterion::median;
use crate::model::host;
use crate::{Encoding, Model};

/// What is made of the damages `|Delta|` of one candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// Their mean.
    Expected,
    /// Their median, what r-robustness is about.
    Median,
    /// The share of them beyond r, smoothed: the mean of `sigmoid((|Delta| - r) / width)`.
    /// What matters at the margin, where half of them are.
    Exceedance {
        /// The radius.
        r: f64,
        /// Scale of the smoothing.
        width: f64,
    },
}

impl Statistic {
    /// The value, and its derivatives with respect to the damages.
    fn of(self, damages: &[f32]) -> (f64, Vec<f64>) {
        let count = damages.len() as f64;
        let values = damages.iter().map(|&damage| f64::from(damage));
        match self {
            Self::Expected => (values.sum::<f64>() / count, vec![1.0 / count; damages.len()]),
            Self::Median => {
                let middle = median(&mut damages.to_vec());
                // The draws next to the median move it: a share of them by their distance.
                let mean = values.clone().sum::<f64>() / count;
                let variance = values.clone().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
                let width = 0.5 * variance.sqrt() + 1e-6 * middle + f64::MIN_POSITIVE;
                let weights: Vec<f64> =
                    values.map(|v| (-0.5 * ((v - middle) / width).powi(2)).exp()).collect();
                let sum: f64 = weights.iter().sum();
                (middle, weights.into_iter().map(|weight| weight / sum).collect())
            }
            Self::Exceedance { r, width } => {
                let shares: Vec<f64> =
                    values.map(|v| 1.0 / (1.0 + ((r - v) / width).exp())).collect();
                let derivative = |&share: &f64| share * (1.0 - share) / width / count;
                (shares.iter().sum::<f64>() / count, shares.iter().map(derivative).collect())
            }
        }
    }
}

/// The damage `|g(mu' + eta sigma') - reference|`.
#[derive(Debug, Clone)]
pub struct MaximumDamage {
    /// What is increased.
    pub statistic: Statistic,
    /// What reconstructions are compared with: the mean reconstruction, `[1, features]`, or
    /// samples of it, `[draws, features]`.
    pub reference: Tensor<2>,
}

impl MaximumDamage {
    /// The statistic of each candidate's damages, and its derivative with respect to each of
    /// them, over the damage itself.
    pub(super) fn weigh(
        statistic: Statistic,
        damages: &[f32],
        draws: usize,
    ) -> (Vec<f64>, Vec<f32>) {
        let (mut values, mut weights) = (vec![], Vec::with_capacity(damages.len()));
        for damages in damages.chunks(draws) {
            let (value, derivatives) = statistic.of(damages);
            values.push(value);
            weights.extend(
                damages.iter().zip(derivatives).map(|(&damage, derivative)| {
                    (derivative / f64::from(damage).max(1e-12)) as f32
                }),
            );
        }
        (values, weights)
    }
}

impl Goal for MaximumDamage {
    fn respond(&self, model: &Model, posterior: &Posterior, eta: &Tensor<2>) -> Response {
        let (z, spread) = super::samples(posterior, eta);
        let [count, draws, _] = spread.dims();
        let trace = model.generator().trace(z);
        let output = model.generator().output(&trace, 0);
        let change = if self.reference.dims()[0] == 1 {
            output - self.reference.clone()
        } else {
            output - self.reference.clone().repeat_dim(0, count)
        };
        let damages = host(change.clone().square().sum_dim(1).sqrt());

        // d value / d change = weight * change.
        let (values, weights) = Self::weigh(self.statistic, &damages, draws);
        let cotangent = change * model.tensor(weights, 1);
        let at_z = model.generator().vjp(&trace, vec![Some(cotangent.unsqueeze_dim(1))]);
        Response::through_noise(values, at_z.reshape(spread.dims()), spread)
    }

    fn noises(&self) -> usize {
        1
    }
}

/// What damages are measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// The mean reconstruction `g(mu(x))`, as r-robustness is defined.
    #[default]
    Mean,
    /// Reconstructions of x by draws of their own, as in the code released with [Barrett et al.
    /// 2022].
    Sampled,
}

/// The damage between independent draws, `|g(mu' + eta sigma') - g(mu + eta_0 sigma)|`.
#[derive(Debug, Clone)]
pub struct SampledDamage {
    /// What is increased.
    pub statistic: Statistic,
    /// The posterior of x.
    pub original: Encoding,
}

impl Goal for SampledDamage {
    fn respond(&self, model: &Model, posterior: &Posterior, eta: &Tensor<2>) -> Response {
        let Encoding { mu, sigma } = &self.original;
        let latent = mu.len();
        let row = |values: &[f32]| model.tensor(values.to_vec(), latent);
        let z = eta.clone().narrow(1, latent, latent) * row(sigma) + row(mu);
        let reference = model.generator().forward(z).remove(0);
        let damage = MaximumDamage { statistic: self.statistic, reference };
        damage.respond(model, posterior, &eta.clone().narrow(1, 0, latent))
    }

    fn noises(&self) -> usize {
        2
    }
}
