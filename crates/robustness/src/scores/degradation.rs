//! What a perturbation costs in likelihood \[C21\]:
//! `|log p(x|z*) - log p(x|z)| / |log p(x|z)|`, with z from the posterior of x and z*
//! from that of x + d, both in expectation over the same noise.

use burn::tensor::Tensor;
use vaegis_vae::{Noise, Purpose};

use crate::model::{Draws, host};
use crate::{Encoding, Error, Model};

/// Draws behind each expectation.
const DRAWS: u64 = 256;

/// `E[log p(x|z)]` over the posterior `encoding`, in nats.
///
/// # Errors
/// If it is not finite.
pub fn expected_log_likelihood(
    model: &Model,
    noise: &Noise,
    index: u64,
    encoding: &Encoding,
    x: &[f32],
) -> Result<f64, Error> {
    let draws = Draws { noise, purpose: Purpose::Scores, index };
    let target = model.tensor(x.to_vec(), x.len());
    let mut sum = 0.0;
    let mut first = 0;
    while first < DRAWS {
        let count = (DRAWS - first).min(model.rows() as u64) as usize;
        let natural =
            model.decoder().forward(model.sample(encoding, draws, first, count)).remove(0);
        let targets: Tensor<2> = target.clone().expand([count, x.len()]);
        let scores = host(model.likelihood().log_probability(natural, targets));
        sum += scores.iter().map(|&score| f64::from(score)).sum::<f64>();
        first += count as u64;
    }
    let mean = sum / DRAWS as f64;
    if mean.is_finite() { Ok(mean) } else { Err(Error::NotFinite("the log-likelihood")) }
}

/// The relative degradation between two expected log-likelihoods. Unstable for densities
/// (Gaussian, continuous Bernoulli) whose log-likelihood is near 0, and NaN at 0.
pub fn relative_degradation(original: f64, perturbed: f64) -> f64 {
    (perturbed - original).abs() / original.abs()
}
