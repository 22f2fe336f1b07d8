//! What learns along with a FactorVAE: its discriminator, by an optimiser of its own.

use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::{Device, Tensor, TensorData};
use vaegis_network::{load_weights, save_weights};

use super::adam::Adam;
use super::numbered;
use crate::objective::{Discriminator, number};
use crate::{Error, FactorVae, Objective};

/// [Kim & Mnih 2018, appendix].
const ADAM: Adam = Adam { beta_1: 0.5, beta_2: 0.9 };

/// Keeps the discriminator's first parameters apart from the VAE's, which have the run's seed.
const SEED: u64 = 0x6469_7363_7269_6d69;

pub(super) struct Adversary {
    /// Without gradients: to the VAE, it is a constant.
    discriminator: Discriminator,
    optimiser: ModuleOptimizer,
    learning_rate: f64,
}

impl std::fmt::Debug for Adversary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_struct("Adversary").field("discriminator", &self.discriminator).finish()
    }
}

impl Adversary {
    /// The one that an objective has, if it has one.
    ///
    /// # Errors
    /// If its network cannot be made.
    pub(super) fn of(
        objective: Objective,
        latent: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Option<Self>, Error> {
        let Objective::FactorVae(config) = objective else { return Ok(None) };
        Self::new(&config, latent, seed, device).map(Some)
    }

    fn new(config: &FactorVae, latent: usize, seed: u64, device: &Device) -> Result<Self, Error> {
        let discriminator = Discriminator::new(config, latent, seed ^ SEED, device)?;
        Ok(Self {
            discriminator: numbered(discriminator),
            optimiser: ModuleOptimizer::from(ADAM),
            learning_rate: config.discriminator_learning_rate,
        })
    }

    pub(super) fn discriminator(&self) -> &Discriminator {
        &self.discriminator
    }

    /// One step, from draws of the aggregate posterior and of the product of its marginals.
    /// Returns the loss before it.
    ///
    /// # Shapes
    /// `z`, `permuted`: `[rows, latent]`.
    pub(super) fn step(&mut self, z: Tensor<2>, permuted: Tensor<2>) -> f64 {
        let model = self.discriminator.clone().train();
        let [z, permuted] = [z, permuted].map(|draws| draws.without_autodiff().autodiff());
        let loss = model.loss(z, permuted);
        let value = number(loss.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        self.discriminator = self.optimiser.step(self.learning_rate, model, gradients).valid();
        value
    }

    /// # Errors
    /// Names the file that could not be written.
    pub(super) fn save(&self, folder: &Path) -> Result<(), Error> {
        save_weights(&self.discriminator.weights(), &folder.join(WEIGHTS))?;
        let record = folder.join(OPTIMISER);
        self.optimiser.save(&record).map_err(|error| Error::format(&record, error))
    }

    /// This one as [`save`](Self::save) wrote it.
    ///
    /// # Errors
    /// Names the file that is missing or damaged.
    pub(super) fn load(self, folder: &Path) -> Result<Self, Error> {
        let weights = folder.join(WEIGHTS);
        let discriminator = self.discriminator.with_weights(&load_weights(&weights)?, &weights)?;
        let record = folder.join(OPTIMISER);
        let state =
            OptimizerRecord::load(&record).map_err(|error| Error::format(&record, error))?;
        Ok(Self {
            discriminator: numbered(discriminator),
            optimiser: self.optimiser.load_record(state),
            learning_rate: self.learning_rate,
        })
    }
}

const WEIGHTS: &str = "discriminator.safetensors";
const OPTIMISER: &str = "discriminator.burnpack";

/// Draws of the aggregate posterior as draws of the product of its marginals: each latent permuted
/// among rows by itself, in the order of its `keys`.
///
/// # Shapes
/// `z`, `keys` and result: `[rows, latent]`.
pub(super) fn permuted(z: Tensor<2>, keys: &[f32]) -> Tensor<2> {
    let [rows, latent] = z.dims();
    let device = z.device();
    let values = z.into_data().convert_dtype(burn::tensor::DType::F32);
    let values = values.as_slice::<f32>().expect("converted to f32 on the way here");
    let mut permuted = vec![0.0; rows * latent];
    let mut order: Vec<usize> = (0..rows).collect();
    for column in 0..latent {
        order.sort_by(|&a, &b| keys[a * latent + column].total_cmp(&keys[b * latent + column]));
        for (to, &from) in order.iter().enumerate() {
            permuted[to * latent + column] = values[from * latent + column];
        }
    }
    Tensor::from_data(TensorData::new(permuted, [rows, latent]), &device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Noise, Purpose};

    #[test]
    fn latents_are_permuted_each_by_itself() {
        let device = Device::flex();
        let (rows, latent) = (50, 3);
        let values: Vec<f32> = (0..rows * latent).map(|k| k as f32).collect();
        let z = Tensor::from_data(TensorData::new(values.clone(), [rows, latent]), &device);
        let keys = Noise::new(1).normal(Purpose::Permutation, 0, 0, rows, latent);
        let permuted: Vec<f32> = permuted(z, &keys).into_data().try_to_vec().unwrap();
        let column = |values: &[f32], k: usize| -> Vec<f32> {
            values.iter().skip(k).step_by(latent).copied().collect()
        };
        let orders: Vec<Vec<f32>> = (0..latent)
            .map(|k| column(&permuted, k).iter().map(|value| (value - k as f32) / 3.0).collect())
            .collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_by(f32::total_cmp);
            assert_eq!(sorted, (0..rows).map(|k| k as f32).collect::<Vec<_>>());
        }
        assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2]);
    }

    /// Of two standard normals with correlation c, the total correlation is `-ln(1 - c^2) / 2`, and
    /// the logarithm of the ratio is known at every point.
    #[test]
    fn a_discriminator_learns_a_ratio_that_is_known() {
        let device = Device::flex();
        let correlation = 0.8f64;
        let rest = 1.0 - correlation * correlation;
        let config = FactorVae {
            gamma: 1.0,
            discriminator_layers: 2,
            discriminator_width: 64,
            discriminator_learning_rate: 2e-3,
            warm_up: 0,
        };
        let mut adversary = Adversary::new(&config, 2, 5, &device).unwrap();
        let noise = Noise::new(3);
        let rows = 512;
        let draws = |purpose, step: u64, rows: usize| {
            let mut values = noise.normal(purpose, step, 0, rows, 2);
            for pair in values.chunks_mut(2) {
                let mixed = correlation * f64::from(pair[0]) + rest.sqrt() * f64::from(pair[1]);
                pair[1] = mixed as f32;
            }
            Tensor::<2>::from_data(TensorData::new(values, [rows, 2]), &device)
        };
        let mut losses = vec![];
        for step in 0..1_500 {
            let keys = noise.normal(Purpose::Permutation, step, 0, rows, 2);
            let other = permuted(draws(Purpose::Discriminator, step, rows), &keys);
            losses.push(adversary.step(draws(Purpose::Training, step, rows), other));
        }
        assert!((losses[0] - 2f64.ln()).abs() < 0.05, "{}", losses[0]);
        let z = draws(Purpose::Validation, 0, 20_000);
        let found = adversary.discriminator().log_ratio(z.clone());
        let total_correlation = number(found.clone().mean());
        let exact = -0.5 * rest.ln();
        assert!((total_correlation - exact).abs() < 0.06, "{total_correlation} {exact}");
        let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
        let z: Vec<f32> = z.into_data().try_to_vec().unwrap();
        let mut error = 0.0;
        for (pair, found) in z.chunks(2).zip(&found) {
            let (a, b) = (f64::from(pair[0]), f64::from(pair[1]));
            let joint = (a * a - 2.0 * correlation * a * b + b * b) / rest;
            let ratio = -0.5 * rest.ln() - 0.5 * (joint - a * a - b * b);
            error += (f64::from(*found) - ratio).abs() / 20_000.0;
        }
        assert!(error < 0.15, "{error}");
    }
}
