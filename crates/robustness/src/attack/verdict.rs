//! The verdict on a perturbation: whether `P(|Delta| <= r) < 1/2`, by draws that no attack ever
//! saw.
//!
//! A surrogate says of most draws on which side of r they fall, and its own probability F is
//! known. Only where it errs must be counted: a draw counts as
//! `Y = F + (is within - surrogate says within)`, whose mean is the probability asked for and
//! whose variance is small. Draws near the surrogate's boundary, where most errors are, are
//! taken more often than they occur, and count for less. All of this holds for any surrogate: a
//! bad one costs draws, not truth. The mean is tested by betting, which may stop as soon as it
//! is decided.

use std::collections::VecDeque;

use vaegis_vae::Purpose;

use crate::statistics::{BettingTest, normal_quantile};
use crate::surrogate::QuadraticForm;
use crate::{Encoding, Error, Target};

/// Draws looked at for one that is taken, at most: parts can be rare.
const LOOKS: u64 = 64;

/// Half the width of the near part, in standard errors of the surrogate.
const NEAR: f64 = 2.0;

/// Share of draws far from the boundary that are expected to be on the wrong side, at most.
const FAR_ERRORS: f64 = 0.002;

/// Draws from the far part count at most this much.
const MOST_WEIGHT: f64 = 2.0;

/// Draws after which a verdict may be given up as out of reach.
const FUTILITY_DRAWS: u64 = 1_000;

/// Share of the draws within which a verdict should be reached, on average.
const SHARE: f64 = 0.45;

/// Where the noise begins that decides which part a draw is taken from.
const CHOICES: u64 = 1 << 39;

/// What fresh draws say of a perturbation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Estimate of `P(|Delta| <= r)`.
    pub p: f64,
    /// Standard error of that estimate.
    pub standard_error: f64,
    /// The error probability at which fewer than half of all draws stay within r.
    pub p_value: f64,
    /// Draws that were decoded.
    pub draws: u64,
}

/// What is known of the damages under a perturbation before its verdict.
#[derive(Debug)]
pub(super) struct Expectation<'a> {
    form: Option<QuadraticForm<'a>>,
    /// `r^2`, and half the width of the near part about it.
    square: f64,
    half_width: f64,
    /// Probability of the form to be within.
    within: f64,
    /// Probability of the near part, and the share of draws that are taken from it.
    near: f64,
    near_share: f64,
    /// Variance of Y.
    variance: f64,
}

impl<'a> Expectation<'a> {
    /// What a form expects of r that errs by about `residual`, and puts a share `misplaced` of
    /// all draws on the wrong side.
    pub(super) fn new(form: QuadraticForm<'a>, r: f64, residual: f64, misplaced: f64) -> Self {
        let (square, half_width) = (r * r, NEAR * residual);
        let within = form.below(square);
        let near = form.below(square + half_width) - form.below(square - half_width);
        if form.is_constant() || !within.is_finite() || !near.is_finite() {
            // Nothing is known: draws are counted as they come.
            return Self {
                form: None,
                square,
                half_width,
                within: 0.0,
                near: 1.0,
                near_share: 1.0,
                variance: 0.25,
            };
        }
        // A normal error of the form puts about this share of the near part on the wrong side.
        let near = near.clamp(0.0, 1.0);
        let wrong = 0.2;
        let far_errors = FAR_ERRORS.min(misplaced);
        let far = 1.0 - near;
        let weights = [near * f64::sqrt(wrong), far * f64::sqrt(far_errors)];
        let share = weights[0] / (weights[0] + weights[1]);
        // The far part must not be so rare that one of its draws outweighs many.
        let near_share = share.min(1.0 - far / MOST_WEIGHT).max(near);
        let far_variance =
            if far > 0.0 { far * far / (1.0 - near_share) * far_errors } else { 0.0 };
        let variance = near * near / near_share.max(1e-9) * wrong + far_variance;
        Self { form: Some(form), square, half_width, within, near, near_share, variance }
    }

    /// How far below 1/2 the probability must be for at most `draws` draws to decide at
    /// `level`: what their variance asks for, with draws to spare for bad luck, and what can be
    /// won at the largest stakes, where luck has no part.
    pub(super) fn distance(&self, draws: u64, level: f64) -> f64 {
        let information = -level.ln() / draws as f64;
        let largest = self.most_loss() * information / BettingTest::MOST_AT_STAKE;
        (2.0 * information / SHARE * self.variance).sqrt().max(1.1 * largest)
    }

    /// No draw moves the sum towards "robust" by more than this: `Y - 1/2` is at most
    /// `F + weight - 1/2`, and 1/2 without a form.
    fn most_loss(&self) -> f64 {
        let [near, far] = self.weights();
        if self.form.is_some() { self.within + near.max(far) - 0.5 } else { 0.5 }
    }

    /// The weight of a draw of the near and of the far part.
    fn weights(&self) -> [f64; 2] {
        let far = 1.0 - self.near;
        let weight = |p: f64, share: f64| if share > 0.0 { p / share } else { 0.0 };
        [weight(self.near, self.near_share), weight(far, 1.0 - self.near_share)]
    }

    /// Tests with at most `draws` fresh draws, from number `first` on, under a posterior.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub(super) fn judge(
        &self,
        target: Target<'_>,
        encoding: &Encoding,
        draws: u64,
        level: f64,
        first: u64,
    ) -> Result<Verdict, Error> {
        let weights = self.weights();
        let expected = self.distance(draws, level);
        let mut test = BettingTest::new(self.most_loss(), expected, self.variance);
        let mut source = Source::new(self, target, first);
        let (mut count, mut sum, mut squares) = (0u64, 0.0, 0.0);
        while count < draws && test.p_value() > level {
            let batch = source.take((draws - count).min(target.model.rows() as u64) as usize);
            if batch.parts.is_empty() {
                break;
            }
            let damages = target.damages(encoding, batch.eta)?;
            for (damage, (part, says)) in damages.into_iter().zip(batch.parts) {
                let is = f64::from(u8::from(f64::from(damage).powi(2) <= self.square));
                let y = self.within + weights[part] * (is - f64::from(u8::from(says)));
                count += 1;
                sum += y;
                squares += y * y;
                test.observe(0.5 - y);
            }
            let (n, left) = (count as f64, (draws - count) as f64);
            let (mean, variance) = moments(n, sum, squares);
            // What is missing at the most hopeful rate that the draws so far allow.
            let hope = (0.5 - mean + 2.0 * (variance / n).sqrt()).max(0.0);
            let missing = (test.p_value() / level).ln();
            if count >= FUTILITY_DRAWS && missing * 2.0 * variance > hope * hope * left {
                break;
            }
        }
        let n = (count as f64).max(1.0);
        let (mean, variance) = moments(n, sum, squares);
        let standard_error = (variance / n).sqrt();
        Ok(Verdict {
            p: mean.clamp(0.0, 1.0),
            standard_error,
            p_value: test.p_value(),
            draws: count,
        })
    }
}

/// Mean and variance.
fn moments(count: f64, sum: f64, squares: f64) -> (f64, f64) {
    let mean = sum / count;
    (mean, (squares / count - mean * mean).max(0.0))
}

/// Fresh draws, near and far ones as often as they are wanted.
struct Source<'a> {
    expectation: &'a Expectation<'a>,
    target: Target<'a>,
    first: u64,
    looked: u64,
    taken: u64,
    /// A normal choice below this takes a near draw.
    threshold: f64,
    /// Draws that were found and not wanted yet, with what the form says of them.
    waiting: [VecDeque<(Vec<f32>, bool)>; 2],
}

/// Draws to decode: noise, and for each its part and what the form says.
struct Batch {
    eta: Vec<f32>,
    parts: Vec<(usize, bool)>,
}

impl<'a> Source<'a> {
    fn new(expectation: &'a Expectation<'a>, target: Target<'a>, first: u64) -> Self {
        let threshold = normal_quantile(expectation.near_share);
        let waiting = [VecDeque::new(), VecDeque::new()];
        Self { expectation, target, first, looked: 0, taken: 0, threshold, waiting }
    }

    /// The next `count` draws; fewer if a part is too rare to be found.
    fn take(&mut self, count: usize) -> Batch {
        let Target { noise, index, .. } = self.target;
        let mut batch = Batch { eta: vec![], parts: Vec::with_capacity(count) };
        let choices =
            noise.normal(Purpose::Verdict, index, self.first + CHOICES + self.taken, count, 1);
        for choice in choices {
            let part = usize::from(f64::from(choice) >= self.threshold);
            while self.waiting[part].is_empty() {
                if self.looked > LOOKS * (self.taken + count as u64) {
                    return batch;
                }
                self.look();
            }
            let Some((eta, says)) = self.waiting[part].pop_front() else { return batch };
            batch.eta.extend(eta);
            batch.parts.push((part, says));
            self.taken += 1;
        }
        batch
    }

    /// Sorts another block of noise.
    fn look(&mut self) {
        let Target { model, noise, index, .. } = self.target;
        let first = self.first + self.looked;
        let rows = model.rows();
        let block = noise.normal(Purpose::Verdict, index, first, rows, model.latent());
        for eta in block.chunks(model.latent()) {
            let (part, says) = match &self.expectation.form {
                None => (0, false),
                Some(form) => {
                    let distance = form.value(eta) - self.expectation.square;
                    let far = distance.abs() > self.expectation.half_width;
                    (usize::from(far), distance <= 0.0)
                }
            };
            self.waiting[part].push_back((eta.to_vec(), says));
        }
        self.looked += rows as u64;
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use nalgebra::{DMatrix, DVector};
    use vaegis_network::ops::Function;
    use vaegis_vae::{Architecture, Likelihood, Noise, VaeConfig};

    use super::*;
    use crate::attack::ray::Ray;
    use crate::model::host;
    use crate::statistics::GeneralisedChiSquare;
    use crate::{Ball, Domain, InputBox, Model};

    const LATENT: usize = 3;
    const FEATURES: usize = 6;

    /// Encoder and decoder are linear: damages are Gaussian, and their probabilities known.
    fn model() -> Model {
        let architecture = Architecture::Mlp { hidden: vec![], activation: Function::Tanh };
        let likelihood = Likelihood::Gaussian { sigma: 1.0 };
        let config =
            VaeConfig { input_shape: vec![FEATURES], latent: LATENT, architecture, likelihood };
        Model::new(&config.init(3, &Device::flex()).unwrap())
    }

    /// The radius within which reconstructions stay with probability p.
    fn radius(model: &Model, rest: &Encoding, perturbed: &Encoding, p: f64) -> f64 {
        // g(mu' + sigma' eta) - g(mu) = B (S eta + m), S = diag(sigma') and m = mu' - mu.
        let image = |z: &[f32]| -> DVector<f64> {
            let found = host(model.reconstruct(z).unwrap());
            DVector::from_iterator(FEATURES, found.into_iter().map(f64::from))
        };
        let origin = image(&[0.0; LATENT]);
        let columns: Vec<_> = (0..LATENT)
            .map(|k| {
                let mut z = [0.0; LATENT];
                z[k] = 1.0;
                image(&z) - &origin
            })
            .collect();
        let b = DMatrix::from_columns(&columns);
        let moved = perturbed.mu.iter().zip(&rest.mu).map(|(a, b)| f64::from(*a) - f64::from(*b));
        let moved = DVector::from_iterator(LATENT, moved);
        let sigma = perturbed.sigma.iter().map(|&sigma| f64::from(sigma));
        let sigma = DVector::from_iterator(LATENT, sigma);
        let spread = &b * DMatrix::from_diagonal(&sigma);
        let eigen = spread.tr_mul(&spread).symmetric_eigen();
        let shifts = eigen.eigenvectors.tr_mul(&moved.component_div(&sigma));
        let squares = GeneralisedChiSquare::new(
            eigen.eigenvalues.as_slice().to_vec(),
            shifts.as_slice().to_vec(),
        );
        let squares = squares.unwrap();
        let (mut low, mut high) = (0.0, 100.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if squares.cdf(middle * middle) < p { low = middle } else { high = middle }
        }
        high
    }

    /// How many seeds call a perturbation of probability p a break, with what is known from a ray
    /// of `draws` draws at `distance` times its norm.
    fn called_broken(p: f64, level: f64, draws: usize, distance: f64, seeds: u64) -> u64 {
        let model = model();
        let x = [0.2, 0.5, 0.9, 0.1, 0.7, 0.4];
        let domain = Domain::l2(InputBox::None);
        let ball = Ball::new(&domain, &x);
        let rest = model.encoding(&x).unwrap();
        let reference = model.reconstruct(&rest.mu).unwrap();
        let u = [0.3f32, -0.5, 0.8, 0.2, -0.4, 0.6];
        let norm = ball.length(&u);
        let perturbed = model.encoding(&ball.perturbed(&u)).unwrap();
        let r = radius(&model, &rest, &perturbed, p);
        let broken = |seed: &u64| {
            let noise = &Noise::new(*seed);
            let target = Target {
                model: &model,
                x: &x,
                reference: &reference,
                noise,
                index: 5,
                ball: &ball,
            };
            let ray = Ray::sample(target, u.to_vec(), norm, 0.4, 0, draws, r).unwrap();
            let (form, residual) = ray.form(distance * norm);
            let expectation = Expectation::new(form, r, residual, ray.misplaced());
            let verdict = expectation.judge(target, &perturbed, 600, level, 0).unwrap();
            verdict.p_value <= level
        };
        (0..seeds).filter(broken).count() as u64
    }

    #[test]
    fn robust_perturbations_are_called_broken_as_rarely_as_they_may_be() {
        let (seeds, level) = (400, 0.2);
        let most = level * seeds as f64 + 4.0 * (seeds as f64 * level * (1.0 - level)).sqrt();
        // A surrogate that is as good as exact, one that knows the norm wrong, one fitted to so
        // few draws that it knows squares only, and none.
        for (draws, distance) in [(384, 1.0), (384, 0.6), (384, 1.5), (160, 1.0), (8, 1.0)] {
            let wrong = called_broken(0.5002, level, draws, distance, seeds);
            assert!(wrong as f64 <= most, "{wrong} of {seeds}: {draws} draws at {distance}");
        }
    }

    #[test]
    fn breaks_are_recognised_whatever_the_surrogate() {
        for (draws, distance) in [(384, 1.0), (384, 1.5), (160, 1.0), (8, 1.0)] {
            let right = called_broken(0.4, 0.01, draws, distance, 50);
            assert!(right >= 45, "{right} of 50: {draws} draws at {distance}");
        }
    }
}
