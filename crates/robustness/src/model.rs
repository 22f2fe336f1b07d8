use std::sync::{Arc, OnceLock};

use burn::tensor::{DType, Device, Tensor, TensorData};
use vaegis_network::Network;
use vaegis_network::bounds::Bounder;
use vaegis_vae::{Likelihood, LipschitzConstants, Noise, Posterior, Purpose, Vae};

use crate::{Error, jacobian, lanes, surrogate};

/// Rows per batch: larger batches no longer speed up the matrix products, and their
/// values fall out of the processor's cache.
const PREFERRED_ROWS: usize = 512;

/// Models with large values take fewer rows, so that a batch stays below this.
const BATCH_BYTES: usize = 64 << 20;

/// A VAE as the theory sees it: encoder, deterministic decoder `g`, likelihood.
#[derive(Debug, Clone)]
pub struct Model {
    vae: Vae,
    generator: Network,
    rows: usize,
    /// The encoder prepared for bounds, when it is first needed.
    bounder: Arc<OnceLock<Bounder>>,
    /// Lipschitz constants, if it has any, when they are first needed.
    lipschitz: Arc<OnceLock<Option<LipschitzConstants>>>,
}

/// The posterior of one input on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// `[latent]`.
    pub mu: Vec<f32>,
    /// `[latent]`.
    pub sigma: Vec<f32>,
}

impl Encoding {
    /// Latent samples `mu + eta sigma`, for noise given as one row of `latent` numbers per draw.
    pub(crate) fn samples(&self, eta: &[f32]) -> Vec<f32> {
        let of = |(eta, (mu, sigma)): (&f32, (&f32, &f32))| mu + eta * sigma;
        let posterior = || self.mu.iter().zip(&self.sigma);
        eta.chunks_exact(self.mu.len())
            .flat_map(|eta| eta.iter().zip(posterior()).map(of))
            .collect()
    }
}

impl Model {
    /// Prepares `vae`. The size of a batch depends on the model alone: other batches
    /// round differently, and an attack can turn a rounding error into another optimum.
    pub fn new(vae: &Vae) -> Self {
        let generator = vae.generator();
        let (bounder, lipschitz) = (Arc::default(), Arc::default());
        let mut model = Self { vae: vae.clone(), generator, rows: 1, bounder, lipschitz };
        model.rows = (BATCH_BYTES / model.batch_bytes()).clamp(1, PREFERRED_ROWS);
        model
    }

    /// Bytes that assessing one point takes: what one thread needs, whatever the number of
    /// draws.
    pub fn point_bytes(&self) -> usize {
        self.batch_bytes() + jacobian::bytes(self).max(surrogate::bytes(self))
    }

    /// Bytes that the values of one batch take.
    fn batch_bytes(&self) -> usize {
        // A gradient keeps the values of a pass and the cotangents on their way back.
        let features = self.generator.trace_features() + self.vae.encoder().trace_features();
        self.rows * 2 * size_of::<f32>() * features
    }

    /// `x -> (mu, log sigma^2)`.
    pub fn encoder(&self) -> &Network {
        self.vae.encoder()
    }

    /// The encoder prepared for bounds.
    pub(crate) fn encoder_bounder(&self) -> &Bounder {
        self.bounder.get_or_init(|| self.vae.encoder().bounder())
    }

    /// Lipschitz constants of decoder, mean and sigma, if all are finite.
    pub(crate) fn lipschitz(&self) -> Option<LipschitzConstants> {
        *self.lipschitz.get_or_init(|| self.vae.lipschitz().ok())
    }

    /// The deterministic decoder `g`.
    pub fn generator(&self) -> &Network {
        &self.generator
    }

    /// `z ->` natural parameters of `p(x|z)`.
    pub fn decoder(&self) -> &Network {
        self.vae.decoder()
    }

    /// `p(x|z)`.
    pub fn likelihood(&self) -> Likelihood {
        self.vae.likelihood()
    }

    /// Dimensions of the latent space.
    pub fn latent(&self) -> usize {
        self.vae.latent()
    }

    /// Features of an input.
    pub fn features(&self) -> usize {
        self.vae.encoder().input_features()
    }

    /// Most rows that are evaluated at once.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The device everything runs on.
    pub fn device(&self) -> Device {
        self.vae.encoder().device()
    }

    /// Host values as `[rows, columns]` on the device.
    pub(crate) fn tensor(&self, values: Vec<f32>, columns: usize) -> Tensor<2> {
        let rows = values.len() / columns;
        Tensor::from_data(TensorData::new(values, [rows, columns]), &self.device())
    }

    /// The posterior of a batch, `x`: `[rows, features]`.
    pub fn encode(&self, x: Tensor<2>) -> Posterior {
        self.vae.encode(x)
    }

    /// The posterior of one input.
    ///
    /// # Errors
    /// If a mean or standard deviation is not finite, or a standard deviation is 0.
    pub fn encoding(&self, x: &[f32]) -> Result<Encoding, Error> {
        Ok(self.encodings(x.to_vec())?.remove(0))
    }

    /// The posteriors of several inputs, one after the other.
    ///
    /// # Errors
    /// If a mean or standard deviation is not finite, or a standard deviation is 0.
    pub(crate) fn encodings(&self, inputs: Vec<f32>) -> Result<Vec<Encoding>, Error> {
        let posterior = self.encode(self.tensor(inputs, self.features()));
        let sigma = host(posterior.sigma());
        let mu = host(posterior.mu);
        if !mu.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite("the encoder's mu"));
        }
        if !sigma.iter().all(|value| value.is_finite() && *value > 0.0) {
            return Err(Error::NotFinite("the encoder's log sigma"));
        }
        let rows = mu.chunks(self.latent()).zip(sigma.chunks(self.latent()));
        Ok(rows.map(|(mu, sigma)| Encoding { mu: mu.to_vec(), sigma: sigma.to_vec() }).collect())
    }

    /// The mean reconstruction `g(mu)`, `[1, features]`.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn reconstruct(&self, mu: &[f32]) -> Result<Tensor<2>, Error> {
        let reconstruction = self.generator.forward(self.tensor(mu.to_vec(), mu.len())).remove(0);
        if host(reconstruction.clone()).iter().all(|value| value.is_finite()) {
            Ok(reconstruction)
        } else {
            Err(Error::NotFinite("the mean reconstruction"))
        }
    }

    /// Latent samples `mu + eta sigma`, `[count, latent]`, of the draws
    /// `first .. first + count`.
    pub(crate) fn sample(
        &self,
        encoding: &Encoding,
        draws: Draws<'_>,
        first: u64,
        count: usize,
    ) -> Tensor<2> {
        let latent = self.latent();
        let eta = draws.noise.normal(draws.purpose, draws.index, first, count, latent);
        self.tensor(encoding.samples(&eta), latent)
    }

    /// `g(z) - reference`, `[rows, features]`.
    ///
    /// # Shapes
    /// `z`: `[rows, latent]`, `reference`: `[1, features]`.
    pub(crate) fn change(&self, z: Tensor<2>, reference: &Tensor<2>) -> Tensor<2> {
        self.generator.forward(z).remove(0) - reference.clone()
    }

    /// `|g(z) - reference|` of each row.
    ///
    /// # Shapes
    /// `z`: `[rows, latent]`, `reference`: `[1, features]`.
    pub(crate) fn damages(&self, z: Tensor<2>, reference: &Tensor<2>) -> Vec<f32> {
        if self.device() != Device::flex() {
            return lengths(self.change(z, reference));
        }
        // One pass over values that no longer are in the nearest cache, rather than three.
        let output = self.generator.forward(z).remove(0).into_data().convert_dtype(DType::F32);
        let output = output.as_slice::<f32>().expect("converted to f32 just above");
        let reference = host(reference.clone());
        output.chunks_exact(reference.len()).map(|output| distance(output, &reference)).collect()
    }

    /// Visits the noise and `|Delta|` of the draws `first .. first + count` of a posterior, batch by
    /// batch.
    pub(crate) fn for_each_damage(
        &self,
        encoding: &Encoding,
        reference: &Tensor<2>,
        draws: Draws<'_>,
        range: std::ops::Range<u64>,
        mut visit: impl FnMut(&[f32], &[f32]),
    ) {
        let Draws { noise, purpose, index } = draws;
        let latent = self.latent();
        let mut first = range.start;
        while first < range.end {
            let count = (range.end - first).min(self.rows as u64) as usize;
            let eta = noise.normal(purpose, index, first, count, latent);
            let z = self.tensor(encoding.samples(&eta), latent);
            visit(&eta, &self.damages(z, reference));
            first += count as u64;
        }
    }
}

/// A stream of noise: which draws, short of their numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draws<'a> {
    pub noise: &'a Noise,
    pub purpose: Purpose,
    pub index: u64,
}

/// The l2 length of each row.
pub(crate) fn lengths(rows: Tensor<2>) -> Vec<f32> {
    host(rows.square().sum_dim(1).sqrt())
}

/// The l2 distance of two rows.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    lanes::sum(a, b, |a, b| (a - b) * (a - b)).sqrt()
}

/// The values of a tensor, row-major, on the host.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert_dtype(DType::F32);
    data.try_to_vec::<f32>().expect("converted to f32 just above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_what_is_no_number_are_none() {
        assert!(distance(&[f32::NAN, 0.0], &[0.0, 0.0]).is_nan());
    }
}
