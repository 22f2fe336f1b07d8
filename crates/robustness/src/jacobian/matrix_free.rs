//! Norms and directions of Jacobians that are too big to form, from products with vectors.
//!
//! One product `J J' u` is a pass of reverse derivatives and one of forward derivatives. Spectral
//! norms come from the Lanczos method on the latent side, with an error that holds whatever the
//! spectrum ([`lanczos`]). The Frobenius norm is the root of a trace, `tr J J'`: its share on
//! the Lanczos space is known, the rest is the mean of `|J' g|^2` over Gaussian `g` orthogonal to
//! it (Hutchinson's estimator, deflated as in Meyer, Musco, Musco and Woodruff's Hutch++, 2021),
//! with the error that the spread of those numbers shows.

use burn::tensor::Tensor;
use vaegis_network::Trace;
use vaegis_vae::Purpose;

use super::lanczos::{Ritz, add_multiple, dot, lanczos, norm, steps};
use super::{DECODER, Directions, ENCODER, Jacobians, LinearisedDecoder, Norm, finite};
use crate::model::{Draws, host};
use crate::{Encoding, Error, Model, Target};

/// Relative error to which norms are found.
const ERROR: f64 = 0.01;
/// Probability with which they may miss it.
const FAILURE: f64 = 1e-3;
/// Standard errors that a normal variable exceeds with that probability.
const STANDARD_ERRORS: f64 = 3.291;
/// Probes of the trace at a time, and at most.
const PROBES: usize = 16;
const MOST_PROBES: usize = 256;
/// Steps towards the directions that attacks start in, which need not be exact.
const DIRECTION_STEPS: usize = 16;
/// Most draws of the linearised decoder: a share of them has a standard error of 0.011 or less.
const MOST_SAMPLES: u64 = 2048;

/// Where the draws of each purpose begin in the stream of probes.
const START: u64 = 0;
const WHITENED_START: u64 = 1;
const TRACE: u64 = 16;
const DECODER_SAMPLES: u64 = 1024;
/// Beyond all draws of latent size.
const COMPOSED_START: u64 = 1 << 20;

pub(super) fn jacobians(
    target: Target<'_>,
    encoding: &Encoding,
    directions: usize,
    draws: u64,
) -> Result<Jacobians, Error> {
    let Target { model, noise, index, .. } = target;
    let products = Products::at(target, encoding);
    let probes = Draws { noise, purpose: Purpose::Probes, index };
    let ones = vec![1.0; model.latent()];
    let precisions: Vec<f64> = encoding.sigma.iter().map(|&sigma| 1.0 / f64::from(sigma)).collect();
    let (encoder, along_encoder) = products.spectrum(&ones, directions, probes, START)?;
    let (whitened, along_whitened) =
        products.spectrum(&precisions, directions, probes, WHITENED_START)?;
    let composed = match directions {
        0 => None,
        _ => Some(products.composed(probes)?),
    };
    let spectral = |ritz: &Ritz| Norm {
        value: ritz.values[0].sqrt(),
        error: if ritz.basis.len() < model.latent() { ERROR } else { 0.0 },
    };
    Ok(Jacobians {
        frobenius: products.frobenius(&encoder, probes)?,
        spectral: spectral(&encoder),
        whitened_spectral: spectral(&whitened),
        composed_spectral: composed.as_ref().map_or(0.0, |ritz| ritz.values[0].sqrt()),
        directions: Directions {
            composed: composed.map_or(vec![], |ritz| {
                let count = directions.min(ritz.values.len());
                (0..count).filter(|&k| ritz.values[k] > 0.0).map(|k| ritz.vector(k)).collect()
            }),
            whitened: along_whitened,
            encoder: along_encoder,
        },
        decoder: products.sampled_decoder(encoding, draws.min(MOST_SAMPLES) as usize, probes)?,
    })
}

/// Bytes of the Krylov spaces of a point.
pub(super) fn bytes(model: &Model) -> usize {
    let (latent, features) = (model.latent(), model.features());
    size_of::<f64>() * (2 * steps(latent, ERROR, FAILURE) * latent + DIRECTION_STEPS * features)
}

/// Products of the Jacobians at a point with vectors.
struct Products<'a> {
    model: &'a Model,
    encoder: Trace,
    decoder: Trace,
    /// Of the features, `[1, 1, features]`, if they are not all 1.
    units: Option<Tensor<3>>,
}

impl<'a> Products<'a> {
    fn at(target: Target<'a>, encoding: &Encoding) -> Self {
        let Target { model, x, ball, .. } = target;
        Self {
            model,
            encoder: model.encoder().trace(model.tensor(x.to_vec(), model.features())),
            decoder: model.generator().trace(model.tensor(encoding.mu.clone(), model.latent())),
            units: ball.units().map(|units| model.tensor(units.to_vec(), units.len()).unsqueeze()),
        }
    }

    /// One vector as a batch, `[1, 1, features]`.
    fn tensor(&self, vector: &[f64]) -> Tensor<3> {
        let values = vector.iter().map(|&value| value as f32).collect();
        self.model.tensor(values, vector.len()).unsqueeze()
    }

    /// `J' u` for each `u` of a batch, `[1, k, latent]` to `[1, k, features]`.
    fn pull_batch(&self, u: Tensor<3>) -> Tensor<3> {
        self.in_units(self.model.encoder().vjp(&self.encoder, vec![Some(u), None]))
    }

    /// Features, or cotangents of them, times the units.
    fn in_units(&self, features: Tensor<3>) -> Tensor<3> {
        match &self.units {
            Some(units) => features * units.clone(),
            None => features,
        }
    }

    fn pull(&self, u: &[f64]) -> Result<Vec<f64>, Error> {
        widen(self.pull_batch(self.tensor(u)), ENCODER)
    }

    fn push(&self, v: &[f64]) -> Result<Vec<f64>, Error> {
        let tangent = self.in_units(self.tensor(v));
        widen(self.model.encoder().jvp(&self.encoder, tangent).swap_remove(0), ENCODER)
    }

    /// Eigenpairs of `S J J' S` with the diagonal matrix `S` of `scales`, and the leading right
    /// singular vectors of `S J`.
    fn spectrum(
        &self,
        scales: &[f64],
        directions: usize,
        probes: Draws<'_>,
        start: u64,
    ) -> Result<(Ritz, Vec<Vec<f64>>), Error> {
        let latent = self.model.latent();
        let scaled = |u: &[f64]| -> Vec<f64> { u.iter().zip(scales).map(|(u, s)| u * s).collect() };
        let ritz = lanczos(probe(probes, start, latent), steps(latent, ERROR, FAILURE), |u| {
            Ok(scaled(&self.push(&self.pull(&scaled(u))?)?))
        })?;
        let mut right = vec![];
        for k in 0..directions.min(ritz.values.len()) {
            let mut direction = self.pull(&scaled(&ritz.vector(k)))?;
            let length = norm(&direction);
            if length > 0.0 {
                direction.iter_mut().for_each(|value| *value /= length);
                right.push(direction);
            }
        }
        Ok((ritz, right))
    }

    /// Eigenpairs of `(Jg J)' (Jg J)` near the top, roughly.
    fn composed(&self, probes: Draws<'_>) -> Result<Ritz, Error> {
        let features = self.model.features();
        let generator = self.model.generator();
        lanczos(probe(probes, COMPOSED_START, features), DIRECTION_STEPS.min(features), |v| {
            let latent = self.tensor(&self.push(v)?);
            let reconstruction = generator.jvp(&self.decoder, latent).swap_remove(0);
            let back = generator.vjp(&self.decoder, vec![Some(reconstruction)]);
            self.pull(&widen(back, DECODER)?)
        })
    }

    /// `|J|_F`; the trace on the space of `known` is the sum of its values.
    fn frobenius(&self, known: &Ritz, probes: Draws<'_>) -> Result<Norm, Error> {
        let latent = self.model.latent();
        let deflated: f64 = known.values.iter().sum();
        if known.basis.len() == latent {
            return Ok(Norm { value: deflated.sqrt(), error: 0.0 });
        }
        let mut squares: Vec<f64> = vec![];
        let (mut trace, mut error) = (0.0, f64::INFINITY);
        while error > ERROR && squares.len() < MOST_PROBES {
            let batch = PROBES.min(self.model.rows());
            let first = TRACE + squares.len() as u64;
            let mut values = Vec::with_capacity(batch * latent);
            for number in 0..batch as u64 {
                let mut g = probe(probes, first + number, latent);
                for direction in &known.basis {
                    let along = dot(&g, direction);
                    add_multiple(&mut g, -along, direction);
                }
                values.extend(g.iter().map(|&value| value as f32));
            }
            let batch = self.model.tensor(values, latent).unsqueeze();
            squares.extend(lengths_squared(self.pull_batch(batch), ENCODER)?);
            let (mean, standard_error) = mean(&squares);
            trace = deflated + mean;
            let relative = if trace > 0.0 { STANDARD_ERRORS * standard_error / trace } else { 0.0 };
            // Of the root, on its longer side.
            error = 1.0 - (1.0 - relative.min(1.0)).sqrt();
        }
        Ok(Norm { value: trace.sqrt(), error })
    }

    /// `count` draws of `|Jg Sigma^(1/2) eta|^2`, in rising order.
    fn sampled_decoder(
        &self,
        encoding: &Encoding,
        count: usize,
        probes: Draws<'_>,
    ) -> Result<LinearisedDecoder, Error> {
        let (latent, generator) = (self.model.latent(), self.model.generator());
        let mut squares = Vec::with_capacity(count);
        while squares.len() < count {
            let batch = self.model.rows().min(count - squares.len());
            let first = DECODER_SAMPLES + squares.len() as u64;
            let Draws { noise, purpose, index } = probes;
            let mut values = noise.normal(purpose, index, first, batch, latent);
            for eta in values.chunks_mut(latent) {
                eta.iter_mut().zip(&encoding.sigma).for_each(|(eta, sigma)| *eta *= sigma);
            }
            let tangents: Tensor<3> = self.model.tensor(values, latent).unsqueeze();
            let pushed = generator.jvp(&self.decoder, tangents).swap_remove(0);
            squares.extend(lengths_squared(pushed, DECODER)?);
        }
        squares.sort_by(f64::total_cmp);
        Ok(LinearisedDecoder::Sampled(squares))
    }
}

/// A draw of the probes' noise.
fn probe(probes: Draws<'_>, number: u64, dimensions: usize) -> Vec<f64> {
    let values = probes.noise.normal(probes.purpose, probes.index, number, 1, dimensions);
    values.into_iter().map(f64::from).collect()
}

/// The values of a tensor on the host, in f64.
fn widen(tensor: Tensor<3>, what: &'static str) -> Result<Vec<f64>, Error> {
    Ok(finite(host(tensor), what)?.into_iter().map(f64::from).collect())
}

/// Squared length of each vector of a batch `[1, k, features]`.
fn lengths_squared(batch: Tensor<3>, what: &'static str) -> Result<Vec<f64>, Error> {
    widen(batch.square().sum_dim(2), what)
}

/// Mean of values and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}
