//! Probabilities: counted, bounded and computed.
//!
//! Every verdict of this crate is about one number, the probability that a reconstruction stays
//! within `r`, and it is known in these ways. They are the files here, kept together since
//! a report sets their results side by side and each is only as honest as the weakest:
//!
//! - [`Proportion`] *counts*: draws give a frequency and an exact confidence limit, true of any
//!   decoder, up to an error probability chosen in advance.
//! - [`BettingTest`] *tests*: draws that a model of them makes less variable decide sooner, and
//!   the test may stop when it is decided.
//! - [`GeneralisedChiSquare`] *computes*: under a linearised decoder the squared distance is a
//!   weighted sum of squared normals and its distribution needs no draws, but it is only as true
//!   as the linearisation. Its Markov bound is the crudest form of the same number.
//! - [`IndicatorMoments`] *bounds* where in the noise the other draws were, by low moments;
//!   [`CorrectedMoments`] from fewer draws, where they can be predicted; in [`Sectors`] of
//!   directions, which differ.
//! - [`normal_quantile`] and [`normal_cdf`] *convert*: a probability becomes a distance in latent
//!   space and so a bound on the margin.
//!
//! A limit rounded to the wrong side, or a tail with no correct digit, would pass from one to the
//! next unseen. Hence all promise accuracy in the tails and not only in the middle, and the
//! tests below hold them against one another.

mod betting;
mod clopper_pearson;
mod corrected_moments;
mod generalised_chi_square;
mod indicator_moments;
mod normal;
mod sectors;

pub use betting::BettingTest;
pub use clopper_pearson::Proportion;
pub use corrected_moments::{CorrectedMoments, corrected_limit};
pub use generalised_chi_square::{GeneralisedChiSquare, InvalidChiSquare};
pub use indicator_moments::{IndicatorMoments, MomentLimits};
pub(crate) use normal::normal_tails;
pub use normal::{normal_cdf, normal_density, normal_quantile};
pub use sectors::Sectors;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use statrs::function::gamma::gamma_lr;

    fn close(computed: f64, expected: f64, tolerance: f64) {
        let error = (computed - expected).abs();
        assert!(error <= tolerance, "{computed} is not {expected}: {error:e}");
    }

    fn chi_square(weights: &[f64], shifts: &[f64]) -> GeneralisedChiSquare {
        GeneralisedChiSquare::new(weights.to_vec(), shifts.to_vec()).expect("valid")
    }

    #[test]
    fn edges_of_the_weighted_sum() {
        let sum = chi_square(&[1.0, 1e-12, 0.0], &[0.0, 1e4, 7.0]);
        assert_eq!(sum.mean(), 1.0 + 1e-12 * (1.0 + 1e8));
        assert_eq!([-1.0, 0.0, f64::INFINITY].map(|q| sum.cdf(q)), [0.0, 0.0, 1.0]);
        assert!(sum.cdf(1e-320) < 1e-150 && sum.cdf(f64::MAX) > 1.0 - 1e-14);
        assert!(sum.cdf(f64::NAN).is_nan() && sum.markov_lower_bound(f64::NAN).is_nan());
        assert_eq!([-1.0, 0.0, 0.5].map(|q| sum.markov_lower_bound(q)), [0.0; 3]);
        assert_eq!(chi_square(&[1.0], &[0.0]).markov_lower_bound(4.0), 0.75);
        for nothing in [chi_square(&[], &[]), chi_square(&[0.0], &[3.0])] {
            assert_eq!([-1.0, 0.0, 1.0].map(|q| nothing.cdf(q)), [0.0, 1.0, 1.0]);
        }
    }

    #[test]
    fn numbers_that_define_no_sum() {
        let reason = |weights: &[f64], shifts: &[f64]| {
            GeneralisedChiSquare::new(weights.to_vec(), shifts.to_vec()).unwrap_err().to_string()
        };
        assert_eq!(reason(&[1.0], &[]), "1 weights but 0 noncentralities");
        assert!(reason(&[1.0, -1e-9], &[0.0; 2]).starts_with("weight 1 is -0.000000001;"));
        assert!(reason(&[f64::NAN], &[0.0]).starts_with("weight 0 is NaN;"));
        assert!(reason(&[1.0], &[1e200]).starts_with("noncentrality 0 is 1"));
    }

    /// `P(w (eta + delta)^2 <= q)` is the mass of an interval.
    #[test]
    fn one_weight_is_an_interval_of_the_normal() {
        for (shift, tolerance) in [(0.0, 1e-14), (0.5, 1e-14), (8.0, 2e-14), (1e4, 1e-12)] {
            for root in [1e-9, 1e-3, 0.3, 1.0, 2.5, 7.0, 12.0] {
                for root in [root, shift - 3.0, shift, shift + 2.0, shift + 7.0] {
                    let expected = match root {
                        root if root <= 0.0 => continue,
                        root => normal_cdf(root - shift) - normal_cdf(-root - shift),
                    };
                    for weight in [1.0, 1e-12, 3e200] {
                        let cdf = chi_square(&[weight], &[shift]).cdf(weight * root * root);
                        close(cdf, expected, tolerance);
                    }
                }
            }
        }
    }

    #[test]
    fn equal_weights_are_a_gamma() {
        for m in [2, 3, 10, 50, 200, 20_000] {
            let sum = chi_square(&vec![0.25; m], &vec![0.0; m]);
            for ratio in [1e-3, 0.1, 0.7, 1.0, 1.2, 2.0, 10.0] {
                let half = 0.5 * m as f64;
                let tolerance = 1e-15 * m.max(100) as f64;
                close(sum.cdf(sum.mean() * ratio), gamma_lr(half, half * ratio), tolerance);
            }
        }
    }

    #[test]
    fn pairs_of_weights_are_sums_of_exponentials() {
        for (a, b) in [(1.0, 0.5), (1.0, 1e-3), (1.0, 1e-6), (1.0, 1e-12)] {
            let sum = chi_square(&[a, b, a, b], &[0.0; 4]);
            for q in [1e-6, 1e-2, 0.5, 1.0, 3.0, 10.0, 60.0_f64] {
                let (slow, fast) = ((-0.5 * q / a).exp(), (-0.5 * q / b).exp());
                close(sum.cdf(q), 1.0 - (a * slow - b * fast) / (a - b), 1e-14);
            }
        }
    }

    /// Counting draws of the sum agrees with computing its distribution.
    #[test]
    fn draws_agree() {
        let (weights, shifts) = ([2.0, 1.0, 0.5, 0.1, 1e-3, 0.0], [0.0, 1.0, -2.0, 5.0, 9.0, 1.0]);
        let sum = chi_square(&weights, &shifts);
        let mut noise = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut uniform = || ((noise.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let draws: Vec<f64> = (0..20_000)
            .map(|_| {
                let term = |(w, d): (&f64, &f64)| w * (normal_quantile(uniform()) + d).powi(2);
                weights.iter().zip(&shifts).map(term).sum()
            })
            .collect();
        for q in [2.0, 5.0, 9.0, 20.0] {
            let inside = draws.iter().filter(|draw| **draw <= q).count() as u64;
            let (low, high) = Proportion::new(inside, draws.len() as u64).interval(1e-6);
            assert!((low..=high).contains(&sum.cdf(q)), "{q}: {} not in {low}..{high}", sum.cdf(q));
        }
    }

    fn terms() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec(((-12.0..0.0_f64).prop_map(|e| 10_f64.powf(e)), -20.0..20.0), 1..30)
    }

    proptest! {
        #[test]
        fn cdf_increases_above_markovs_bound(
            terms in terms(), exponent in -6.0..1.0, growth in 1.0..2.0,
        ) {
            let (weights, shifts): (Vec<_>, Vec<_>) = terms.into_iter().unzip();
            let sum = chi_square(&weights, &shifts);
            let q = sum.mean() * 10_f64.powf(exponent);
            prop_assert!(sum.cdf(q) <= sum.cdf(q * growth) + 1e-13);
            prop_assert!(sum.markov_lower_bound(q) <= sum.cdf(q) + 1e-13);
        }

        #[test]
        fn only_ratios_matter_and_zero_weights_do_not(
            terms in terms(), exponent in -6.0..1.0, scale in -100.0..100.0, extra in -1e4..1e4,
        ) {
            let (mut weights, mut shifts): (Vec<_>, Vec<_>) = terms.into_iter().unzip();
            let sum = chi_square(&weights, &shifts);
            let (q, scale) = (sum.mean() * 10_f64.powf(exponent), 10_f64.powf(scale));
            let scaled: Vec<_> = weights.iter().map(|weight| scale * weight).collect();
            prop_assert!((chi_square(&scaled, &shifts).cdf(scale * q) - sum.cdf(q)).abs() < 1e-12);
            weights.insert(0, 0.0);
            shifts.insert(0, extra);
            prop_assert_eq!(chi_square(&weights, &shifts).cdf(q), sum.cdf(q));
        }
    }
}
