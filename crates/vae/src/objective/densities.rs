use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::prelude::*;
use vaegis_network::ops::Function;

use crate::Posterior;

/// Logarithms of densities at one draw of each posterior of a batch, averaged over the draws.
#[derive(Debug)]
pub(super) struct LogDensities {
    /// `log q(z|x)`, of the posterior that it was drawn from.
    pub(super) conditional: Tensor<1>,
    /// `log q(z)`, estimated.
    pub(super) aggregate: Tensor<1>,
    /// `sum_j log q(z_j)`, estimated.
    pub(super) product: Tensor<1>,
    /// `log p(z)`.
    pub(super) prior: Tensor<1>,
}

impl LogDensities {
    /// Estimates densities of the aggregate posterior by minibatch stratified sampling, for a batch
    /// that was drawn from `population` rows.
    ///
    /// All draws under all posteriors are many numbers, and their derivatives are known: both are
    /// computed here: by autodiff they took up to a quarter of a small VAE's epoch.
    ///
    /// # Shapes
    /// `z`: `[rows, latent]`.
    pub(super) fn estimate(posterior: &Posterior, z: Tensor<2>, population: usize) -> Self {
        let Posterior { mu, log_variance } = posterior.clone();
        let prior = log_normal(z.clone().square(), z.zeros_like());
        let precision = (log_variance.clone() * -1.0).exp();
        let own = (z.clone() - mu.clone()).square() * precision;
        let conditional = log_normal(own, log_variance.clone());

        let variables = [z, mu, log_variance];
        let latents = Latent::all(&variables);
        let weights = log_weights(variables[0].dims()[0], population);
        let mut joint = weights.clone();
        let mut product = (0.0, vec![]);
        // A few latents at a time, so that memory does not grow with them.
        for some in latents.chunks(LATENTS) {
            let estimates: Vec<_> =
                some.par_iter().map(|latent| latent.marginal(&weights)).collect();
            for (densities, value, gradient) in estimates {
                joint.iter_mut().zip(densities).for_each(|(joint, density)| *joint += density);
                product.0 += value;
                product.1.push(gradient);
            }
        }
        let (value, shares) = log_sum_exp(joint, latents[0].rows());
        let gradients = latents.par_iter().map(|latent| latent.pull(&shares)).collect();
        Self {
            conditional,
            aggregate: with_gradient(value, &variables, gradients),
            product: with_gradient(product.0, &variables, product.1),
            prior,
        }
    }
}

/// Latents whose densities are in memory at once.
const LATENTS: usize = 16;

/// `log N` of squared standardised distances and log variances, summed over latents and averaged
/// over rows.
fn log_normal(squares: Tensor<2>, log_variance: Tensor<2>) -> Tensor<1> {
    let each = (squares + log_variance + std::f64::consts::TAU.ln()) * -0.5;
    each.sum_dim(1).mean()
}

/// Logarithms of the weights that posteriors of a batch (second) have for the draw of one of them
/// (first), `[rows, rows]`. Of N rows in all and M others in the batch, the draw's own posterior
/// stands for itself, so it has 1/N; one of the others takes what is missing to 1, the rest have 1/M.
fn log_weights(rows: usize, population: usize) -> Vec<f32> {
    // Alone, a posterior is all that is known of the aggregate.
    let mut weights = vec![0.0; rows * rows];
    if rows > 1 {
        let (all, others) = (population.max(rows) as f64, (rows - 1) as f64);
        weights.fill((1.0 / others).ln() as f32);
        for row in 0..rows {
            weights[row * rows + row] = (1.0 / all).ln() as f32;
            weights[row * rows + (row + 1) % rows] = ((all - others) / (all * others)).ln() as f32;
        }
    }
    weights
}

/// One latent of a batch of draws and posteriors: a number for every row of each.
struct Latent {
    z: Vec<f32>,
    mu: Vec<f32>,
    log_variance: Vec<f32>,
    precision: Vec<f32>,
}

/// The derivatives of a number with respect to a latent of the draws, of the posterior means and of
/// the log variances, each `[rows]`.
type Gradient = [Vec<f32>; 3];

impl Latent {
    /// # Shapes
    /// z, mu and log variances: each `[rows, latent]`.
    fn all(variables: &[Tensor<2>; 3]) -> Vec<Self> {
        let [rows, latents] = variables[0].dims();
        let numbers = variables.each_ref().map(|tensor| {
            let data = tensor.clone().into_data().convert_dtype(DType::F32);
            data.try_to_vec::<f32>().expect("converted to f32 on the way here")
        });
        let latent = |latent: usize| {
            let column = |numbers: &Vec<f32>| -> Vec<f32> {
                (0..rows).map(|row| numbers[row * latents + latent]).collect()
            };
            let [z, mu, log_variance] = numbers.each_ref().map(column);
            let precision = log_variance.iter().map(|log_variance| (-log_variance).exp()).collect();
            Self { z, mu, log_variance, precision }
        };
        (0..latents).map(latent).collect()
    }

    fn rows(&self) -> usize {
        self.z.len()
    }

    /// Log densities of every draw (first) under every posterior (second), and the mean over draws
    /// of those under the posteriors together, with its derivatives.
    fn marginal(&self, log_weights: &[f32]) -> (Vec<f32>, f64, Gradient) {
        let mut densities = Vec::with_capacity(log_weights.len());
        for z in &self.z {
            let posteriors = self.mu.iter().zip(&self.log_variance).zip(&self.precision);
            densities.extend(posteriors.map(|((mu, log_variance), precision)| {
                let square = (z - mu) * (z - mu) * precision;
                (square + log_variance + std::f32::consts::TAU.ln()) * -0.5
            }));
        }
        let weighted = densities.iter().zip(log_weights).map(|(density, weight)| density + weight);
        let (value, shares) = log_sum_exp(weighted.collect(), self.rows());
        (densities, value, self.pull(&shares))
    }

    /// The derivatives of the mean over draws of a number that depends on the log densities of a
    /// draw by `shares`, `[rows, rows]`.
    fn pull(&self, shares: &[f32]) -> Gradient {
        let rows = self.rows();
        let [mut by_z, mut by_mu, mut by_log_variance] = [(); 3].map(|()| vec![0f32; rows]);
        for ((z, by_z), shares) in self.z.iter().zip(&mut by_z).zip(shares.chunks_exact(rows)) {
            for row in 0..rows {
                let distance = z - self.mu[row];
                let slope = shares[row] * distance * self.precision[row];
                *by_z -= slope;
                by_mu[row] += slope;
                by_log_variance[row] += 0.5 * (slope * distance - shares[row]);
            }
        }
        let gradient = [by_z, by_mu, by_log_variance];
        gradient.map(|each| each.into_iter().map(|slope| slope / rows as f32).collect())
    }
}

/// `log sum exp` of every row of a square matrix, averaged; and the shares of the numbers of a row in
/// its sum, which are its derivatives.
fn log_sum_exp(mut values: Vec<f32>, rows: usize) -> (f64, Vec<f32>) {
    let mut mean = 0.0;
    for row in values.chunks_exact_mut(rows) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|value| *value -= largest);
        mean += f64::from(largest) / rows as f64;
    }
    let values = Tensor::<2>::from_data(TensorData::new(values, [rows, rows]), &Device::flex());
    let mut exponentials: Vec<f32> =
        Function::Exp.value(values).into_data().try_to_vec().expect("f32 as it was made");
    for row in exponentials.chunks_exact_mut(rows) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
        mean += f64::from(sum.ln()) / rows as f64;
    }
    (mean, exponentials)
}

/// A number as a function of `variables`, of whose latents the derivatives are known.
fn with_gradient(value: f64, variables: &[Tensor<2>; 3], gradients: Vec<Gradient>) -> Tensor<1> {
    let [rows, latents] = variables[0].dims();
    let device = variables[0].device();
    let mut along = Tensor::<1>::zeros([1], &device);
    for (place, variable) in variables.iter().enumerate() {
        let slopes: Vec<f32> =
            gradients.iter().flat_map(|gradient| &gradient[place]).copied().collect();
        let slopes = Tensor::<2>::from_data(TensorData::new(slopes, [latents, rows]), &device);
        along = along + (variable.clone() * slopes.transpose()).sum();
    }
    along.clone() - along.detach() + value
}
