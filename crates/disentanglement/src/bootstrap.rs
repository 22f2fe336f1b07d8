//! Confidence intervals: of scores by resampling rows, of means by Student's t.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::sample::{Sample, mean};

/// An estimate and its confidence limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The best guess.
    pub estimate: f64,
    /// Lower limit.
    pub low: f64,
    /// Upper limit.
    pub high: f64,
}

impl Interval {
    /// The mean of independent numbers with limits by Student's t.
    ///
    /// # Panics
    /// If there are fewer than two numbers, or if `confidence` is not within 0..1.
    pub fn of_mean(numbers: &[f64], confidence: f64) -> Self {
        let count = numbers.len();
        assert!(count > 1 && (0.0..1.0).contains(&confidence), "{count} at {confidence}");
        let (estimate, freedom) = (mean(numbers.iter().copied()), (count - 1) as f64);
        let variance = numbers.iter().map(|x| (x - estimate).powi(2)).sum::<f64>() / freedom;
        let t = StudentsT::new(0.0, 1.0, freedom).expect("positive parameters");
        let half = t.inverse_cdf(0.5 + confidence / 2.0) * (variance / count as f64).sqrt();
        Self { estimate, low: estimate - half, high: estimate + half }
    }
}

/// The score of a sample with a basic bootstrap interval (Davison and Hinkley 1997, section 5.2) from
/// `replicates` resamples of its rows, cut to 0..1.
///
/// That is the percentile interval mirrored at the estimate. Estimates of information are biased
/// upwards, the more the fewer different rows there are, and resamples once more: the mirrored
/// interval undoes the bias, where percentiles would double it. So the estimate may lie outside.
/// The interval says what other inputs would have given for the same model; other trainings of it may
/// differ by more. A resample is a function of `seed` and its number.
///
/// # Panics
/// If `replicates` is 0 or `confidence` is not within 0..1.
pub fn bootstrap(
    sample: &Sample,
    score: impl Fn(&Sample) -> f64 + Sync,
    replicates: usize,
    confidence: f64,
    seed: u64,
) -> Interval {
    assert!(replicates > 0 && (0.0..1.0).contains(&confidence), "{replicates} at {confidence}");
    let estimate = score(sample);
    let rows = sample.rows();
    let replicate = |stream: usize| {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream as u64);
        let drawn: Vec<usize> = (0..rows).map(|_| generator.random_range(0..rows)).collect();
        score(&sample.select(&drawn))
    };
    let mut scores: Vec<f64> = (0..replicates).into_par_iter().map(replicate).collect();
    scores.sort_by(f64::total_cmp);
    let quantile = |share: f64| scores[((replicates - 1) as f64 * share).round() as usize];
    let tail = (1.0 - confidence) / 2.0;
    let limit = |share| (2.0 * estimate - quantile(share)).clamp(0.0, 1.0);
    Interval { estimate, low: limit(1.0 - tail), high: limit(tail) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::information::mutual_information_gap;
    use crate::sample::tests::{close, drawn};

    /// A latent that shows a bit with errors in a quarter of all rows, and one of noise.
    fn channel(rows: usize, seed: u64) -> Sample {
        drawn(rows, seed, &[2], |v, noise| {
            vec![if noise() < -0.5 { 1.0 - v[0] } else { v[0] }, noise()]
        })
    }

    #[test]
    fn limits_of_means_are_those_of_student() {
        // Mean 2, standard error 1 / sqrt(3); t of 2 degrees of freedom at 0.975.
        let found = Interval::of_mean(&[1.0, 2.0, 3.0], 0.95);
        close(found.estimate, 2.0, 1e-15);
        close(found.high - 2.0, 4.302_652_73 / 3_f64.sqrt(), 1e-7);
        close(2.0 - found.low, found.high - 2.0, 1e-12);
        let many: Vec<f64> = (0..100_000).map(|i| f64::from(i % 2)).collect();
        close(Interval::of_mean(&many, 0.95).high, 0.5 + 1.959_98 * 0.5 / 1e5_f64.sqrt(), 1e-7);
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let truth = 1.0 + (0.25 * 0.25_f64.ln() + 0.75 * 0.75_f64.ln()) / 2_f64.ln();
        let holds = (0..200).filter(|&seed| {
            let found = bootstrap(&channel(1000, seed), mutual_information_gap, 200, 0.9, seed);
            found.low <= truth && truth <= found.high
        });
        // Binomial(200, 0.9): mean 180, standard deviation 4.2; intervals are approximate.
        let holds = holds.count();
        assert!((164..=194).contains(&holds), "{holds}");
    }

    #[test]
    fn intervals_shrink_as_the_root_of_rows_and_repeat() {
        let width = |rows| {
            let found = bootstrap(&channel(rows, 5), mutual_information_gap, 400, 0.95, 1);
            assert_eq!(found, bootstrap(&channel(rows, 5), mutual_information_gap, 400, 0.95, 1));
            found.high - found.low
        };
        close(width(1000) / width(16_000), 4.0, 1.0);
    }
}
