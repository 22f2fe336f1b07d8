//! Confidence intervals by leaving rows out, for scores that must not see a row twice.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::bootstrap::Interval;
use crate::sample::{Sample, mean};

/// Random halves of the rows that are scored.
const HALVES: usize = 20;

/// Scores of a sample, each with an interval by the delete-half jackknife (Shao and Wu, Annals of
/// Statistics 1989), cut to 0..1: the spread among random halves of the rows is the standard error of the
/// whole.
///
/// Cross-validation inside a score, as that of [`dci`](crate::dci()), is fooled by a bootstrap: a row
/// that is drawn twice is held out and learned from. Here no row repeats. Leaving out few rows at a time
/// would not do, because scores jump where a penalty or a weight falls away. The halves are a
/// function of `seed`.
///
/// # Panics
/// If the sample has fewer than 4 rows, or if `confidence` is not within 0..1.
pub fn jackknife<const K: usize>(
    sample: &Sample,
    scores: impl Fn(&Sample) -> [f64; K] + Sync,
    confidence: f64,
    seed: u64,
) -> [Interval; K] {
    let rows = sample.rows();
    assert!(rows >= 4 && (0.0..1.0).contains(&confidence), "{rows} rows at {confidence}");
    let half = |stream: usize| {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream as u64);
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_cached_key(|_| generator.random::<u64>());
        scores(&sample.select(&order[..rows / 2]))
    };
    let halves: Vec<[f64; K]> = (0..HALVES).into_par_iter().map(half).collect();
    let freedom = (HALVES - 1) as f64;
    let t = StudentsT::new(0.0, 1.0, freedom).expect("positive parameters");
    let t = t.inverse_cdf(0.5 + confidence / 2.0);
    let estimates = scores(sample);
    std::array::from_fn(|k| {
        let centre = mean(halves.iter().map(|scores| scores[k]));
        let squares: f64 = halves.iter().map(|scores| (scores[k] - centre).powi(2)).sum();
        let reach = t * (squares / freedom).sqrt();
        let limit = |limit: f64| limit.clamp(0.0, 1.0);
        let estimate = estimates[k];
        Interval { estimate, low: limit(estimate - reach), high: limit(estimate + reach) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dci::dci;
    use crate::sample::tests::{close, drawn};

    /// Two latents, turned by half a radian, and noise.
    fn turned(rows: usize, seed: u64) -> Sample {
        let (sine, cosine) = 0.5_f64.sin_cos();
        drawn(rows, seed, &[6, 6], |v, noise| {
            let [a, b] = [v[0] + 2.0 * noise(), v[1] + 2.0 * noise()];
            vec![cosine * a + sine * b, cosine * b - sine * a]
        })
    }

    fn of_dci(sample: &Sample) -> [f64; 3] {
        let found = dci(sample);
        [found.disentanglement, found.completeness, found.informativeness]
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_all_rows() {
        let sample = drawn(400, 2, &[2], |_, noise| vec![0.5 + 0.3 * noise()]);
        let of_mean = |sample: &Sample| [mean(sample.latents[0].iter().copied())];
        let [found] = jackknife(&sample, of_mean, 0.95, 4);
        let expected = Interval::of_mean(&sample.latents[0], 0.95);
        close(found.estimate, expected.estimate, 1e-15);
        // Known from 20 halves, rather than from 400 rows.
        let ratio = (found.high - found.low) / (expected.high - expected.low);
        assert!((0.6..1.6).contains(&ratio), "{ratio}");
        close(found.high - found.estimate, found.estimate - found.low, 1e-12);
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let truth = of_dci(&turned(200_000, 1));
        let mut holds = [0; 3];
        for seed in 0..100 {
            let found = jackknife(&turned(500, 10 + seed), of_dci, 0.9, seed);
            for (k, interval) in found.iter().enumerate() {
                holds[k] += usize::from(interval.low <= truth[k] && truth[k] <= interval.high);
            }
        }
        // Binomial(100, 0.9) has a standard deviation of 3; intervals are approximate.
        assert!(holds.iter().all(|holds| (80..=99).contains(holds)), "{holds:?}");
    }

    #[test]
    fn halves_are_a_function_of_the_seed() {
        let run = |seed| jackknife(&turned(100, 3), of_dci, 0.95, seed);
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
