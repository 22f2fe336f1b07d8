//! The verdict on a perturbation: whether `P(|Delta| <= r) < 1/2`, by draws that no attack ever
//! saw.
//!
//! What is expected of a perturbation makes the variance of what is tested small. The mean is
//! tested by betting, which may stop as soon as it is decided.

use vaegis_vae::Purpose;

use super::expectation::Expectation;
use crate::{Encoding, Error, Target};

/// Draws that are decoded before the test is looked at again: larger batches are hardly faster.
const BATCH: u64 = 256;

/// Draws after which a verdict may be given up as out of reach.
const FUTILITY_DRAWS: u64 = 500;

/// What a verdict may cost, as shares of the draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Budget {
    /// Within which it should be reached, on average.
    pub(super) average: f64,
    /// That it must be in reach of at a hopeful rate, or be given up.
    pub(super) patience: f64,
}

impl Budget {
    /// A longer perturbation costs fewer draws.
    pub(super) const SMALL: Self = Self { average: 0.4, patience: 0.3 };
    /// Where that had to be much longer.
    pub(super) const LARGE: Self = Self { average: 0.7, patience: 0.7 };
}

/// A hopeful rate is that found and this many standard errors.
const HOPE: f64 = 0.5;

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

impl Verdict {
    /// Tests at `level` with at most `draws` fresh draws, from number `first` on, under a
    /// posterior.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub(super) fn reach(
        target: Target<'_>,
        encoding: &Encoding,
        expectation: &Expectation<'_>,
        draws: u64,
        level: f64,
        budget: Budget,
        first: u64,
    ) -> Result<Self, Error> {
        let Budget { average, patience } = budget;
        let mut test = expectation.test(expectation.distance(draws, level, average));
        let (mut count, mut sum, mut squares) = (0u64, 0.0, 0.0);
        while count < draws && test.p_value() > level {
            let rows = (draws - count).min(BATCH).min(target.model.rows() as u64) as usize;
            let batch = expectation.choose(Purpose::Verdict, first + count, rows);
            let damages = target.damages(encoding, batch.eta.clone())?;
            for y in expectation.values(&batch, &damages) {
                count += 1;
                sum += y;
                squares += y * y;
                test.observe(0.5 - y);
            }
            let (n, left) = (count as f64, (draws - count) as f64);
            let (mean, variance) = moments(n, sum, squares);
            // What is missing at a hopeful rate.
            let hope = (0.5 - mean + HOPE * (variance / n).sqrt()).max(0.0);
            let missing = (test.p_value() / level).ln();
            let within_reach = hope * hope * left.min(patience * draws as f64);
            if count >= FUTILITY_DRAWS && missing * 2.0 * variance > within_reach {
                break;
            }
        }
        let n = (count as f64).max(1.0);
        let (mean, variance) = moments(n, sum, squares);
        let standard_error = (variance / n).sqrt();
        Ok(Self { p: mean.clamp(0.0, 1.0), standard_error, p_value: test.p_value(), draws: count })
    }
}

/// Mean and variance.
fn moments(count: f64, sum: f64, squares: f64) -> (f64, f64) {
    let mean = sum / count;
    (mean, (squares / count - mean * mean).max(0.0))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use vaegis_vae::Noise;

    use super::*;
    use crate::attack::linear::{LATENT, Linear, U, X};
    use crate::attack::ray::Ray;
    use crate::surrogate::{Moments, Quartic, Sample, Surrogate};
    use crate::{Ball, Domain, InputBox};

    /// A quartic fitted to changes that are `scale` times the true ones.
    fn quartic(
        target: Target<'_>,
        about: &Encoding,
        draws: usize,
        r: f64,
        scale: f32,
    ) -> Option<Quartic> {
        let Target { model, noise, index, .. } = target;
        let mut moments = Moments::new(model, about, draws, r * r)?;
        let eta = noise.normal(Purpose::Attack, index, 0, draws, LATENT);
        let add = |z: &[f32], change: &Tensor<2>| {
            moments.add(model, z, &(change.clone() * scale));
        };
        target.decode(&about.samples(&eta), add).unwrap();
        moments.fit(model)
    }

    /// How many seeds call a perturbation of probability p a break, with what is known from a ray
    /// of `draws` draws at `distance` times its norm.
    /// The damages that its quartic was fitted to are `scale` times the true ones.
    fn called_broken(
        p: f64,
        level: f64,
        (draws, distance, scale): (usize, f64, f32),
        seeds: u64,
    ) -> u64 {
        let linear = Linear::new();
        let Linear { model, reference, .. } = &linear;
        let domain = Domain::l2(InputBox::None);
        let ball = &Ball::new(&domain, &X);
        let norm = ball.length(&U);
        let perturbed = model.encoding(&ball.perturbed(&U)).unwrap();
        let r = linear.radius(&perturbed, p);
        let broken = |seed: &u64| {
            let noise = &Noise::new(*seed);
            let target = Target { model, x: &X, reference, noise, index: 5, ball };
            let ray = Ray::sample(target, U.to_vec(), norm, 0.4, 0, draws.max(8), r).unwrap();
            let quartic = quartic(target, &perturbed, draws, r, scale);
            // What no draws tell.
            let nothing = Surrogate::fit(&Sample { latent: LATENT, ..Sample::default() }, r * r);
            let form = if draws == 0 {
                (nothing.at(0.0), nothing.residual)
            } else {
                ray.form(distance * norm)
            };
            let expectation = Expectation::new(target, &perturbed, r, form, quartic.as_ref());
            let budget = if seed.is_multiple_of(2) { Budget::SMALL } else { Budget::LARGE };
            let verdict =
                Verdict::reach(target, &perturbed, &expectation, 600, level, budget, 0).unwrap();
            verdict.p_value <= level
        };
        (0..seeds).filter(broken).count() as u64
    }

    #[test]
    fn robust_perturbations_are_called_broken_as_rarely_as_they_may_be() {
        let (seeds, level) = (400, 0.2);
        let most = level * seeds as f64 + 4.0 * (seeds as f64 * level * (1.0 - level)).sqrt();
        // Surrogates that are as good as exact, quadratics that know the norm wrong, fits to
        // derivatives, none, and quartics that are far off.
        let cases = [
            (384, 1.0, 1.0),
            (384, 0.6, 1.0),
            (384, 1.5, 1.0),
            (40, 1.0, 1.0),
            (40, 0.6, 1.0),
            (40, 1.5, 1.0),
            (0, 1.0, 1.0),
            (384, 1.0, 0.8),
            (384, 0.8, 1.3),
        ];
        for case in cases {
            let wrong = called_broken(0.5002, level, case, seeds);
            assert!(wrong as f64 <= most, "{wrong} of {seeds}: {case:?}");
        }
    }

    #[test]
    fn breaks_are_recognised_whatever_the_surrogate() {
        for case in
            [(384, 1.0, 1.0), (384, 1.5, 1.0), (40, 1.0, 1.0), (0, 1.0, 1.0), (384, 1.0, 0.9)]
        {
            let right = called_broken(0.4, 0.01, case, 50);
            assert!(right >= 45, "{right} of 50: {case:?}");
        }
    }
}
