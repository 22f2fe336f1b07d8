//! What a shift of the posterior mean can do to a set of which only the probability is known.
//!
//! Of all sets of the same probability under `N(mu, Sigma)`, a half-space loses most when the mean
//! moves (Neyman and Pearson 1933; Cohen, Rosenfeld and Kolter 2019).

use crate::statistics::{normal_cdf, normal_quantile};

/// The most that `P(|Delta| > r)` can be after a whitened shift of at most `shift`, if it is at
/// most `beyond` without: `Phi(PhiInv(beyond) + shift)`, rounded up. NaN if either is.
pub fn shifted(beyond: f64, shift: f64) -> f64 {
    if shift == 0.0 {
        return beyond;
    }
    // The quantile is good to its last bits, which is 1e-12 of the tail at most.
    (normal_cdf(normal_quantile(beyond) + shift) * (1.0 + 1e-11)).min(1.0) + 0.0 * (beyond + shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_spaces_lose_exactly_this() {
        for (p, shift) in [(0.6, 0.1), (0.9, 1.0), (0.999, 3.0), (1.0 - 1e-9, 2.0)] {
            let beyond = 1.0 - p;
            let exact = normal_cdf(normal_quantile(beyond) + shift);
            let found = shifted(beyond, shift);
            assert!((exact..exact * (1.0 + 1e-10)).contains(&found), "{found}, exactly {exact}");
        }
    }

    #[test]
    fn edges() {
        assert_eq!(shifted(0.3, 0.0), 0.3);
        assert_eq!(shifted(0.0, 5.0), 0.0);
        assert_eq!(shifted(1.0, 5.0), 1.0);
        assert!(shifted(f64::NAN, 1.0).is_nan() && shifted(0.1, f64::NAN).is_nan());
        assert!(shifted(f64::NAN, 0.0).is_nan());
    }
}
