//! The standard normal distribution function and its inverse.
//!
//! The bounds turn a probability into a distance by `PhiInv` and back by `Phi`, often far out in
//! the tail, where only *relative* accuracy means anything. The inverse in `statrs` is good to the
//! last bit, but its `erfc` only to `1e-10`. So `Phi` takes one step of Newton's method towards
//! the value that the inverse sends back to `x`, which squares that error.

use std::f64::consts::{PI, SQRT_2};

use statrs::function::erf::{erfc, erfc_inv};

/// `Phi(x)`, the probability that a standard normal variable is at most `x`.
///
/// Accurate to `1e-12` relative for every `x` down to the smallest normal result (at -37.5).
pub fn normal_cdf(x: f64) -> f64 {
    if x > 0.0 {
        return 1.0 - normal_cdf(-x);
    }
    let rough = 0.5 * erfc(-x / SQRT_2);
    if rough == 0.0 { rough } else { rough + normal_density(x) * (x - normal_quantile(rough)) }
}

/// `P(|t| > c)` of a standard normal variable, for positive c: to 1e-10 relative only, and several
/// times as fast as from [`normal_cdf`].
pub(crate) fn normal_tails(c: f64) -> f64 {
    erfc(c / SQRT_2)
}

/// The density of a standard normal variable at `x`.
pub fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// `PhiInv(p)`, the number that a standard normal variable stays below with probability `p`.
///
/// Minus infinity at 0, infinity at 1 and NaN outside `[0, 1]`; in between accurate to the last
/// bits of the result, for the smallest `p` as for `p` next to one half.
pub fn normal_quantile(p: f64) -> f64 {
    if (0.0..=1.0).contains(&p) { -SQRT_2 * erfc_inv(2.0 * p) } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x` and `Phi(x)`: mpmath, 60 digits, `erfc(-x / sqrt(2)) / 2`.
    const CDF: [(f64, f64); 16] = [
        (-37.5, 4.605353009581955e-308),
        (-35.0, 1.1249107064724062e-268),
        (-30.0, 4.906713927148187e-198),
        (-20.0, 2.7536241186062337e-89),
        (-10.0, 7.619853024160525e-24),
        (-6.0, 9.86587645037698e-10),
        (-4.0, 3.1671241833119924e-05),
        (-3.0, 0.0013498980316300946),
        (-2.0, 0.02275013194817921),
        (-1.0, 0.15865525393145705),
        (-0.1, 0.460172162722971),
        (-1e-10, 0.49999999996010575),
        (0.3, 0.6179114221889527),
        (1.0, 0.8413447460685429),
        (5.0, 0.9999997133484281),
        (8.2, 0.9999999999999999),
    ];

    /// `p` and `PhiInv(p)`: mpmath, 60 digits, the root of `ln Phi(x) = ln p`.
    const QUANTILE: [(f64, f64); 12] = [
        (5e-324, -38.467405617144344),
        (1e-300, -37.0470962993612),
        (1e-100, -21.273453560965326),
        (1e-20, -9.262340089798407),
        (1e-07, -5.1993375821928165),
        (0.001, -3.0902323061678136),
        (0.1, -1.2815515655446004),
        (0.25, -0.6744897501960817),
        (0.4999999, -2.5066282747031063e-07),
        (0.51, 0.025068908258711057),
        (0.999, 3.090232306167813),
        (0.9999999999, 6.361340889697422),
    ];

    #[test]
    fn cdf_is_accurate_far_into_the_tail() {
        for (x, expected) in CDF {
            let relative = normal_cdf(x) / expected - 1.0;
            assert!(relative.abs() < 1e-12, "Phi({x}) is off by {relative:e}");
        }
    }

    #[test]
    fn quantile_is_accurate_everywhere() {
        for (p, expected) in QUANTILE {
            let relative = normal_quantile(p) / expected - 1.0;
            assert!(relative.abs() < 1e-14, "PhiInv({p}) is off by {relative:e}");
        }
        assert_eq!(normal_quantile(0.5), 0.0);
    }

    #[test]
    fn the_ends_and_beyond() {
        assert_eq!((normal_cdf(f64::NEG_INFINITY), normal_cdf(f64::INFINITY)), (0.0, 1.0));
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(
            [-1e-300, 1.0 + f64::EPSILON, f64::NAN].map(normal_quantile).iter().all(|z| z.is_nan())
        );
        assert!(normal_cdf(f64::NAN).is_nan());
    }

    proptest::proptest! {
        #[test]
        fn each_undoes_the_other(x in -37.0..5.0) {
            proptest::prop_assert!((normal_quantile(normal_cdf(x)) - x).abs() < 1e-9);
        }

        #[test]
        fn cdf_increases_and_is_symmetric(x in -38.0..38.0, step in 1e-3..1.0) {
            proptest::prop_assert!(normal_cdf(x) <= normal_cdf(x + step));
            proptest::prop_assert!((normal_cdf(x) + normal_cdf(-x) - 1.0).abs() < 1e-15);
        }
    }
}
