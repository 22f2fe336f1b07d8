//! Exact confidence limits for a proportion estimated by counting draws.
//!
//! After `k` successes in `n` independent draws the one-sided lower limit at error `alpha` is the
//! probability `p` at which `k` or more successes would still happen with chance `alpha`:
//! `P(Bin(n, p) >= k) = alpha`, that is `p = BetaInv(alpha; k, n - k + 1)` (Clopper and Pearson,
//! Biometrika 26, 1934). Whatever the true probability, the limit exceeds it with chance at most
//! `alpha`; nothing is asymptotic. The upper limit is the same statement about failures.
//!
//! That guarantee is the reason these numbers are reported at all, so it has to survive rounding.
//! Library quantiles of the beta distribution lose digits (or stop iterating) beyond about a
//! million draws, and round to either side. Here the equation is solved directly:
//!
//! - The tail is summed from its largest term. All terms are positive, and the leading binomial
//!   probability is written around the observed frequency, so nothing cancels.
//! - In the log-odds of `p` the beta density is log-concave, hence so is its integral: the
//!   logarithm of the tail is concave and increasing, and Newton's method converges from any
//!   start, without a bracket.
//! - The equation solved is for slightly less than `alpha`, by the rounding error of the tail.
//!   The limit returned is thereby on the safe side, by less than `1e-12` of its value.
//!
//! The cost grows with the standard deviation of the count: microseconds at ten thousand draws,
//! about a millisecond at `10^8`.

use std::f64::consts::PI;

/// A number of successes in a number of independent draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proportion {
    successes: u64,
    draws: u64,
}

impl Proportion {
    /// `successes` out of `draws`, both below `2^53`.
    ///
    /// # Panics
    ///
    /// If there are more successes than draws: the caller's count is wrong.
    pub fn new(successes: u64, draws: u64) -> Self {
        assert!(successes <= draws, "{successes} successes in only {draws} draws");
        Self { successes, draws }
    }

    /// How many draws succeeded.
    pub fn successes(self) -> u64 {
        self.successes
    }

    /// The draws that did not succeed.
    pub fn complement(self) -> Self {
        Self { successes: self.draws - self.successes, draws: self.draws }
    }

    /// How many draws were made.
    pub fn draws(self) -> u64 {
        self.draws
    }

    /// The observed frequency `k / n`, NaN before the first draw.
    pub fn estimate(self) -> f64 {
        self.successes as f64 / self.draws as f64
    }

    /// The two-sided interval that misses the true probability with chance at most `alpha`: the
    /// one-sided limits at `alpha / 2`.
    pub fn interval(self, alpha: f64) -> (f64, f64) {
        (self.lower_limit(alpha / 2.0), self.upper_limit(alpha / 2.0))
    }

    /// The lower limit, above the true probability with chance at most `alpha`.
    ///
    /// For `alpha` up to one half it is never above the exact limit, and below it by less than
    /// `1e-12` of its value. An `alpha` outside `(0, 1)` gives the limit that is always right: 0.
    pub fn lower_limit(self, alpha: f64) -> f64 {
        let log_odds = log_odds_limit(self.successes, self.draws - self.successes, alpha);
        logistic(log_odds).next_down().max(0.0)
    }

    /// The upper limit, below the true probability with chance at most `alpha`.
    ///
    /// One minus the lower limit on the failures, with the same guarantees; 1 for an `alpha`
    /// outside `(0, 1)`.
    pub fn upper_limit(self, alpha: f64) -> f64 {
        let log_odds = log_odds_limit(self.draws - self.successes, self.successes, alpha);
        logistic(-log_odds).next_up().min(1.0)
    }

    /// Whether the true probability is above one half, with error at most `alpha`.
    pub fn exceeds_half(self, alpha: f64) -> bool {
        self.lower_limit(alpha) > 0.5
    }

    /// Whether the true probability is below one half, with error at most `alpha`.
    pub fn below_half(self, alpha: f64) -> bool {
        self.upper_limit(alpha) < 0.5
    }
}

fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// The log-odds of the lower limit after `k` successes and `m` failures.
fn log_odds_limit(k: u64, m: u64, alpha: f64) -> f64 {
    let inside = 0.0 < alpha && alpha < 1.0;
    let (k, m) = (k as f64, m as f64);
    if k == 0.0 || !inside {
        return f64::NEG_INFINITY;
    }
    if m == 0.0 {
        // p^k = alpha, and 1 - p is not left to cancellation.
        let ln_p = alpha.ln() / k * (1.0 + 4.0 * f64::EPSILON);
        return ln_p - (-ln_p.exp_m1()).ln();
    }
    let mut log_odds = (k / m).ln();
    // Some ten steps. Those down are limited, lest the first overshoot the floating-point range
    // when `alpha` is minute. Should the iteration fail there, NaN becomes the trivial limit.
    for _ in 0..200 {
        let tail = UpperTail::new(k, m, log_odds);
        let excess = tail.ln_probability + 2.0 * tail.error - alpha.ln();
        if excess.abs() <= tail.error {
            break;
        }
        log_odds -= (excess / tail.slope).min(8.0);
    }
    log_odds
}

/// `P(Bin(k + m, p) >= k)` as a function of the log-odds of `p`.
struct UpperTail {
    ln_probability: f64,
    /// The derivative of `ln_probability` by the log-odds.
    slope: f64,
    /// A bound on the rounding error of `ln_probability`.
    error: f64,
}

impl UpperTail {
    fn new(k: f64, m: f64, log_odds: f64) -> Self {
        let n = k + m;
        let (p, q, odds) = (logistic(log_odds), logistic(-log_odds), log_odds.exp());

        // P(Bin = k), after Loader (2000): Stirling's formula, its corrections, and the deviance
        // of the observed from the expected counts. The rarer outcome gives their difference.
        let difference = if p < q { k - n * p } else { n * q - m };
        let deviance = k * (difference / (n * p)).ln_1p() + m * (-difference / (n * q)).ln_1p();
        let corrections = stirling_error(n) - stirling_error(k) - stirling_error(m);
        let ln_first = corrections - deviance - 0.5 * (2.0 * PI * k * (m / n)).ln();

        // P(Bin >= k) in units of P(Bin = k).
        let (mut term, mut sum, mut j) = (1.0, 1.0, 0.0);
        while term > 1e-18 * sum {
            term *= odds * (m - j) / (k + 1.0 + j);
            sum += term;
            j += 1.0;
        }

        let ln_probability = ln_first + sum.ln();
        let error = 4.0 * f64::EPSILON * (16.0 + difference.abs() + ln_probability.abs());
        Self { ln_probability, slope: k * q / sum, error }
    }
}

/// `ln n!` minus Stirling's formula for it.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        let factorial: f64 = (1..=n as u64).map(|i| i as f64).product();
        return factorial.ln() - (n + 0.5) * n.ln() + n - 0.5 * (2.0 * PI).ln();
    }
    let r = 1.0 / (n * n);
    (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r / 1188.0)))) / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Successes, draws, `alpha`, lower limit, and one minus it: mpmath at 40 digits, Newton's
    /// method on the summed tail, agreeing with `scipy.stats.beta.ppf(alpha, k, n - k + 1)`.
    #[rustfmt::skip]
    const REFERENCE: [(u64, u64, f64, f64, f64); 17] = [
        (1, 1, 0.001, 0.001, 0.999),
        (1, 2, 1e-09, 5.00000000125e-10, 0.9999999995),
        (5, 10, 0.05, 0.22244110100812908, 0.7775588989918709),
        (9, 10, 1e-15, 0.01670911320837136, 0.9832908867916287),
        (10, 10, 0.001, 0.5011872336272722, 0.4988127663727277),
        (30, 100, 1e-200, 3.0507180979174555e-08, 0.999999969492819),
        (997, 1_000, 0.001, 0.9870033028522363, 0.012996697147763749),
        (5_100, 10_000, 0.001, 0.4944993067265927, 0.5055006932734073),
        (9_999, 10_000, 1e-09, 0.9976087710357744, 0.0023912289642256607),
        (10_000, 10_000, 0.001, 0.9993094630025899, 0.0006905369974100783),
        (3, 1_000_000, 1e-09, 1.8179484163235717e-09, 0.9999999981820515),
        (499_000, 1_000_000, 0.001, 0.49745439771829875, 0.5025456022817013),
        (1, 100_000_000, 1e-09, 1.0000000005e-17, 1.0),
        (50_000_000, 100_000_000, 0.001, 0.499845483388767, 0.500154516611233),
        (50_000_000, 100_000_000, 1e-09, 0.49970010467697096, 0.500299895323029),
        (99_999_900, 100_000_000, 0.001, 0.999998650757045, 1.349242955005616e-06),
        (99_999_999, 100_000_000, 1e-09, 0.9999997606027488, 2.3939725119719967e-07),
    ];

    #[test]
    fn limits_are_accurate_and_on_the_safe_side() {
        for (k, n, alpha, lower, upper) in REFERENCE {
            let relative = Proportion::new(k, n).lower_limit(alpha) / lower - 1.0;
            assert!((-1e-12..=0.0).contains(&relative), "{k}/{n} at {alpha}: lower {relative:e}");
            let relative = Proportion::new(n - k, n).upper_limit(alpha) / upper - 1.0;
            assert!((0.0..1e-12).contains(&relative), "{k}/{n} at {alpha}: upper {relative:e}");
        }
    }

    #[test]
    fn all_or_nothing() {
        let (none, all) = (Proportion::new(0, 10_000), Proportion::new(10_000, 10_000));
        assert_eq!((none.lower_limit(1e-3), all.upper_limit(1e-3)), (0.0, 1.0));
        assert!((all.lower_limit(1e-3) - 1e-3_f64.powf(1e-4)).abs() < 1e-15);
        assert!((none.upper_limit(1e-3) + all.lower_limit(1e-3) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn without_draws_or_with_an_impossible_alpha_anything_is_possible() {
        assert_eq!(Proportion::new(0, 0).interval(0.05), (0.0, 1.0));
        assert!(Proportion::new(0, 0).estimate().is_nan());
        for alpha in [0.0, -1.0, 1.0, f64::NAN, f64::INFINITY, 5e-324] {
            let some = Proportion::new(3, 10);
            assert!(some.lower_limit(alpha) < 1e-100 && some.upper_limit(alpha) == 1.0, "{alpha}");
        }
    }

    #[test]
    fn significance_against_one_half() {
        let (many, few) = (Proportion::new(5_200, 10_000), Proportion::new(4_800, 10_000));
        assert!(many.exceeds_half(1e-3) && !many.below_half(1e-3));
        assert!(few.below_half(1e-3) && !few.exceeds_half(1e-3));
        assert!(!Proportion::new(5_100, 10_000).exceeds_half(1e-3));
    }

    /// The chance that a limit is wrong, summed over the binomial distribution, for true
    /// probabilities on a grid and just beside every limit, where it is largest.
    #[test]
    fn coverage_is_exact() {
        for (n, alpha) in [(1, 0.05), (2, 0.3), (7, 0.05), (40, 1e-3), (300, 0.01)] {
            let counts: Vec<_> = (0..=n).map(|k| Proportion::new(k, n)).collect();
            let limits = counts.iter().flat_map(|c| [c.lower_limit(alpha), c.upper_limit(alpha)]);
            let beside = limits.flat_map(|p| [p.next_down(), p, p.next_up()]);
            let grid = (1..100).map(|i| i as f64 / 100.0);
            for p in grid.chain(beside).filter(|p| 0.0 < *p && *p < 1.0) {
                let chance = |wrong: &dyn Fn(Proportion) -> bool| -> f64 {
                    let weight = |c: Proportion| {
                        let (k, m) = (c.successes(), c.draws() - c.successes());
                        let ways = statrs::function::factorial::ln_binomial(n, k);
                        (ways + k as f64 * p.ln() + m as f64 * (-p).ln_1p()).exp()
                    };
                    counts.iter().filter(|c| wrong(**c)).map(|c| weight(*c)).sum()
                };
                let allowed = alpha * (1.0 + 1e-10);
                assert!(chance(&|c| c.lower_limit(alpha) > p) <= allowed, "lower {n} {p}");
                assert!(chance(&|c| c.upper_limit(alpha) < p) <= allowed, "upper {n} {p}");
                let outside = |c: Proportion| {
                    let (low, high) = c.interval(alpha);
                    p < low || high < p
                };
                assert!(chance(&outside) <= allowed, "interval {n} {p}");
            }
        }
    }

    proptest! {
        #[test]
        fn interval_contains_the_estimate_and_grows_with_k(
            n in 1_u64..1_000_000, share in 0.0..1.0, exponent in -12.0..-0.05,
        ) {
            let (k, alpha) = ((share * n as f64) as u64, 10_f64.powf(exponent));
            let (here, next) = (Proportion::new(k, n), Proportion::new(k + 1, n));
            let (low, high) = here.interval(alpha);
            prop_assert!(0.0 <= low && low <= here.estimate());
            prop_assert!(here.estimate() <= high && high <= 1.0);
            prop_assert!(low < next.interval(alpha).0);
            prop_assert!(high < next.interval(alpha).1 || high == 1.0);
        }
    }
}
