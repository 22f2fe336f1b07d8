//! Scores of posteriors that need no factors: which latents are used, and how the aggregate
//! posterior, their mixture, differs from the prior.

use rayon::prelude::*;

use crate::bootstrap::Interval;
use crate::error::Error;

/// Latents whose mean varies less are inactive (Burda, Grosse and Salakhutdinov, ICLR 2016).
const LEAST_VARIANCE: f64 = 0.01;

/// Gaussian posteriors `q(z|x) = N(mu, diag(sigma^2))` of at least one row: finite means, positive
/// finite standard deviations.
#[derive(Debug, Clone)]
pub struct Posteriors {
    rows: usize,
    latents: Vec<Latent>,
}

/// One latent of all rows.
#[derive(Debug, Clone)]
struct Latent {
    mu: Vec<f64>,
    sigma: Vec<f64>,
    log_sigma: Vec<f64>,
}

/// How the aggregate posterior `q(z)`, the mixture of the posteriors of N rows in equal parts, differs
/// from the prior N(0, I), in nats.
///
/// The mean rate (KL of a row's posterior from the prior) is the sum of mutual information, total
/// correlation and marginal KL (Hoffman and Johnson 2016; Chen, Li, Grosse and Duvenaud, NeurIPS
/// 2018); the last two are the aggregate KL. The estimates keep to that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aggregate {
    /// KL(q(z) || N(0, I)).
    pub kl: Interval,
    /// KL(q(z) || prod_j q(z_j)): how far latents depend on each other.
    pub total_correlation: Interval,
    /// The sum of KL(q(z_j) || N(0, 1)) over latents.
    pub marginal_kl: Interval,
    /// Of rows and latents: what z tells of which row it is from. At most ln N.
    pub mutual_information: Interval,
}

/// Logarithms of densities at a draw, each short of the same constant.
struct Densities {
    /// Of the posterior that it is from.
    own: f64,
    /// Of the aggregate posterior.
    aggregate: f64,
    /// Of the product of its marginals.
    marginals: f64,
}

impl Posteriors {
    /// Posteriors from rows of numbers.
    ///
    /// # Shapes
    /// - `mu`, `sigma`: n x `latents`, row-major
    ///
    /// # Errors
    /// Lists what does not hold.
    pub fn new(mu: &[f32], sigma: &[f32], latents: usize) -> Result<Self, Error> {
        if latents == 0
            || mu.is_empty()
            || mu.len() != sigma.len()
            || !mu.len().is_multiple_of(latents)
        {
            let found = format!(
                "{} means and {} standard deviations are not whole rows of {latents} latents, \
                 expected at least one row",
                mu.len(),
                sigma.len()
            );
            return Err(Error::Sample(vec![found]));
        }
        let problem = |name: &str, numbers: &[f32], holds: fn(f32) -> bool, expected: &str| {
            let place = numbers.iter().position(|&number| !holds(number))?;
            let (row, latent, found) = (place / latents, place % latents, numbers[place]);
            Some(format!("{name} of latent {latent} of row {row} is {found}, expected {expected}"))
        };
        let spread = |sigma: f32| sigma.is_finite() && sigma > 0.0;
        let problems: Vec<String> = [
            problem("mu", mu, f32::is_finite, "a finite number"),
            problem("sigma", sigma, spread, "a positive number"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !problems.is_empty() {
            return Err(Error::Sample(problems));
        }
        let column = |numbers: &[f32], j: usize| -> Vec<f64> {
            numbers.iter().skip(j).step_by(latents).map(|&number| number.into()).collect()
        };
        let latent = |j: usize| {
            let sigma = column(sigma, j);
            let log_sigma = sigma.iter().map(|sigma| sigma.ln()).collect();
            Latent { mu: column(mu, j), sigma, log_sigma }
        };
        Ok(Self { rows: mu.len() / latents, latents: (0..latents).map(latent).collect() })
    }

    /// The number of latents that are active: whose mean has a variance above 0.01 over the rows
    /// (Burda, Grosse and Salakhutdinov, ICLR 2016).
    pub fn active_units(&self) -> usize {
        let variance = |latent: &&Latent| {
            let mean = latent.mu.iter().sum::<f64>() / self.rows as f64;
            latent.mu.iter().map(|mu| (mu - mean).powi(2)).sum::<f64>() / self.rows as f64
        };
        self.latents.iter().filter(|latent| variance(latent) > LEAST_VARIANCE).count()
    }

    /// KL(q(z|x) || N(0, I)) of each row, in nats.
    pub fn rates(&self) -> Vec<f64> {
        let of_latent = |latent: &Latent, row: usize| {
            let (mu, sigma) = (latent.mu[row], latent.sigma[row]);
            0.5 * (mu * mu + sigma * sigma - 1.0) - latent.log_sigma[row]
        };
        let rate = |row: usize| self.latents.iter().map(|latent| of_latent(latent, row)).sum();
        (0..self.rows).map(rate).collect()
    }

    /// How the aggregate posterior of exactly these rows differs from the prior.
    ///
    /// Draw m of M is from the posterior of row `floor(m N / M)`, so that rows have even shares if
    /// M is a multiple of N; fewer draws are from rows at even distances. Densities are exact: all N posteriors are evaluated at every draw. The limits are about
    /// what is left, the choice of draws, as if rows had been chosen at random, too; that other
    /// rows would have made another mixture is not in them. Mutual information is measured directly, and
    /// the aggregate KL is the rate, which is known exactly, less of it: so it has no error where
    /// posteriors are all the same or far apart.
    ///
    /// The estimates are those of N rows: mutual information cannot exceed ln N, and latents that
    /// are independent over all inputs are correlated over few. It takes M N operations for each
    /// latent.
    ///
    /// # Shapes
    /// - `noise`: M x latents standard normal numbers, row-major
    ///
    /// # Errors
    /// If the noise is not at least two whole draws of finite numbers.
    ///
    /// # Panics
    /// If `confidence` is not within 0..1.
    pub fn aggregate(&self, noise: &[f32], confidence: f64) -> Result<Aggregate, Error> {
        let latents = self.latents.len();
        let draws = noise.len() / latents;
        let whole = noise.len().is_multiple_of(latents) && draws >= 2;
        if !whole || !noise.iter().all(|eta| eta.is_finite()) {
            let found = format!(
                "{} numbers of noise, expected finite ones for at least 2 whole draws of {latents}",
                noise.len()
            );
            return Err(Error::Sample(vec![found]));
        }
        let densities: Vec<Densities> = (0..draws)
            .into_par_iter()
            .map_init(Vec::new, |terms, draw| {
                let eta = &noise[draw * latents..(draw + 1) * latents];
                self.densities(draw * self.rows / draws, eta, terms)
            })
            .collect();
        let mean = |of: fn(&Densities) -> f64| {
            Interval::of_mean(&densities.iter().map(of).collect::<Vec<_>>(), confidence)
        };
        let rate = self.rates().iter().sum::<f64>() / self.rows as f64;
        let less = |part: Interval| Interval {
            estimate: rate - part.estimate,
            low: rate - part.high,
            high: rate - part.low,
        };
        let mutual_information = mean(|at| at.own - at.aggregate);
        Ok(Aggregate {
            kl: less(mutual_information),
            total_correlation: mean(|at| at.aggregate - at.marginals),
            marginal_kl: less(mean(|at| at.own - at.marginals)),
            mutual_information,
        })
    }

    /// Densities at `mu + eta sigma` of a row; `terms` is room to work in.
    fn densities(&self, row: usize, eta: &[f32], terms: &mut Vec<f64>) -> Densities {
        let mut joint = vec![0.0; self.rows];
        let mut marginals = 0.0;
        for (latent, &eta) in self.latents.iter().zip(eta) {
            let z = latent.mu[row] + f64::from(eta) * latent.sigma[row];
            terms.clear();
            let posteriors = latent.mu.iter().zip(&latent.sigma).zip(&latent.log_sigma);
            terms.extend(posteriors.map(|((mu, sigma), log_sigma)| {
                let distance = (z - mu) / sigma;
                -0.5 * distance * distance - log_sigma
            }));
            joint.iter_mut().zip(&*terms).for_each(|(joint, term)| *joint += term);
            marginals += log_mean_exp(terms);
        }
        Densities { own: joint[row], aggregate: log_mean_exp(&joint), marginals }
    }
}

/// The logarithm of the mean of `e^x`, which neither overflows nor vanishes.
fn log_mean_exp(numbers: &[f64]) -> f64 {
    let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = numbers.iter().map(|x| (x - most).exp()).sum();
    most + (sum / numbers.len() as f64).ln()
}

#[cfg(test)]
mod tests;
