//! How many draws a certificate needs.
//!
//! The number may depend on draws that are seen before, as long as those are not used again: then
//! the draws of the certificate are as independent of the number as if it were fixed. To stop when
//! the result is good enough, on the same draws, would not be sound.

use crate::statistics::{Proportion, normal_quantile};

/// Times as many draws as asked for that a certificate may take.
pub const MOST_DRAWS: u64 = 4;

/// Draws that the number of others is chosen by, at most.
pub const PILOT_DRAWS: u64 = 1_000;

/// The least number of draws, between `least` and `most`, of which the lower limit of `p_r(x)` is
/// expected to certify a share `tightness` of the shift that p itself would, `PhiInv(p)`.
///
/// `selection` counts other draws within r. Where it says that x is not r-robust there is nothing to
/// certify, and `least` draws will say so as well.
///
/// # Panics
/// If `least` is more than `most`.
pub fn draws_needed(
    selection: Proportion,
    alpha: f64,
    tightness: f64,
    least: u64,
    most: u64,
) -> u64 {
    assert!(least <= most, "at least {least} draws and at most {most}");
    // Half a failure more than seen: none seen does not mean that there are none.
    let failures = (selection.draws() - selection.successes()) as f64 + 0.5;
    let beyond = failures / (selection.draws() as f64 + 1.0);
    let wanted = tightness * -normal_quantile(beyond);
    if beyond >= 0.5 {
        return least;
    }
    let enough = |draws: u64| {
        let expected = (beyond * draws as f64).ceil() as u64;
        let limit = Proportion::new(expected.min(draws), draws).upper_limit(alpha);
        -normal_quantile(limit) >= wanted
    };
    let (mut low, mut high) = (least, most);
    while low < high {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// The error that each of a number of statements may have so that all hold together with error
/// alpha, however they depend on each other (Bonferroni).
pub fn simultaneous(alpha: f64, statements: usize) -> f64 {
    alpha / statements.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_many_draws_are_as_tight_as_asked_for() {
        for (within, tightness) in [(600, 0.8), (900, 0.9), (990, 0.95), (1_000, 0.9)] {
            let selection = Proportion::new(within, 1_000);
            let needed = draws_needed(selection, 1e-3, tightness, 100, 10_000_000);
            let p = (within as f64 + 0.5) / 1_001.0;
            let reached = |draws: u64| {
                let counted = Proportion::new((p * draws as f64) as u64, draws);
                normal_quantile(counted.lower_limit(1e-3)) / normal_quantile(p)
            };
            assert!(reached(needed) > tightness - 0.01, "{within}: {needed} draws");
            assert!(reached(needed / 2) < tightness, "{within}: {needed} draws");
        }
    }

    #[test]
    fn what_is_hopeless_or_too_much_is_not_tried() {
        let needed = |within, tightness| {
            draws_needed(Proportion::new(within, 1_000), 1e-3, tightness, 100, 100_000)
        };
        assert_eq!((needed(400, 0.9), needed(500, 0.9)), (100, 100));
        assert_eq!((needed(510, 0.99), needed(900, f64::NAN)), (100_000, 100_000));
        assert_eq!(needed(900, 0.0), 100);
        assert_eq!(draws_needed(Proportion::new(0, 0), 1e-3, 0.9, 7, 9), 7);
    }

    #[test]
    fn errors_are_shared_out() {
        assert_eq!((simultaneous(0.01, 100), simultaneous(0.01, 0)), (1e-4, 0.01));
    }
}
