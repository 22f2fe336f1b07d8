//! Which draws a certificate takes.
//!
//! Their number, and what predicts them, may depend on draws that are seen before, as long as those
//! are not used again: then the draws of the certificate are as independent of the choice as if it
//! were fixed. To stop when the result is good enough, on the same draws, would not be sound.

use vaegis_vae::Purpose;

use crate::probability::PREDICTED;
use crate::statistics::{Proportion, corrected_limit, normal_quantile};
use crate::surrogate::Prediction;
use crate::{Encoding, Error, Target};

/// Times as many draws as asked for that a certificate may take.
pub const MOST_DRAWS: u64 = 4;

/// Draws that the others are chosen by, at most.
pub const PILOT_DRAWS: u64 = 1_000;

/// Draws about a posterior.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How many.
    pub(crate) draws: u64,
    /// What predicts for each radius whether they are beyond it.
    pub(crate) predictions: Vec<Option<Prediction>>,
}

impl Plan {
    /// So many, and nothing that predicts them.
    pub(crate) fn exactly(draws: u64) -> Self {
        Self { draws, predictions: vec![] }
    }

    /// Exactly so many, and of predictions those that are expected to help, given how many others
    /// were within each radius.
    pub(crate) fn predicted(
        draws: u64,
        fitted: Vec<(Proportion, Option<Prediction>)>,
        alpha: f64,
    ) -> Self {
        let helpful = |(seen, prediction): (Proportion, Option<Prediction>)| {
            prediction.filter(|prediction| {
                let plain = Expected { beyond: seen.complement(), wrong: None };
                let predicted = Expected { wrong: Some(prediction.wrong), ..plain };
                predicted.limit(draws, alpha) < plain.limit(draws, alpha)
            })
        };
        Self { draws, predictions: fitted.into_iter().map(helpful).collect() }
    }

    /// At least `draws`, of which limits of `p_r(x)` at error `alpha` are expected to certify, at all
    /// radii, a share `tightness` of the shift that p itself would, `PhiInv(p)`.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub(crate) fn new(
        target: Target<'_>,
        encoding: &Encoding,
        radii: &[f64],
        draws: u64,
        (alpha, tightness): (f64, f64),
    ) -> Result<Self, Error> {
        let pilot = 0..draws.min(PILOT_DRAWS);
        let fitted = Prediction::fit(target, Purpose::Pilot, encoding, radii, pilot)?;
        let most = draws.saturating_mul(MOST_DRAWS);
        let needed = fitted.iter().map(|(seen, prediction)| {
            let plain = Expected { beyond: seen.complement(), wrong: None };
            let wrong = prediction.as_ref().map(|prediction| prediction.wrong);
            let either = [plain, Expected { wrong, ..plain }];
            let needed = either.map(|expected| expected.needed(alpha, tightness, draws, most));
            needed[0].min(needed[1])
        });
        let draws = needed.max().unwrap_or(draws);
        Ok(Self::predicted(draws, fitted, alpha))
    }
}

/// What is expected of draws.
#[derive(Debug, Clone, Copy)]
struct Expected {
    /// Others that were beyond r.
    beyond: Proportion,
    /// The share that predictions are wrong about, if there are any.
    wrong: Option<f64>,
}

impl Expected {
    fn share(&self) -> f64 {
        // Half an event more than seen: none seen does not mean that there are none.
        (self.beyond.successes() as f64 + 0.5) / (self.beyond.draws() as f64 + 1.0)
    }

    /// The upper limit of the probability beyond r that so many draws give.
    fn limit(&self, draws: u64, alpha: f64) -> f64 {
        let count = |share: f64, draws: u64| {
            Proportion::new(((share * draws as f64).ceil() as u64).min(draws), draws)
        };
        match self.wrong {
            None => count(self.share(), draws).upper_limit(0.5 * alpha),
            Some(wrong) => {
                let predicted = count(self.share(), draws.saturating_mul(PREDICTED));
                let one_way = count(0.5 * wrong, draws);
                corrected_limit([predicted, one_way, one_way], alpha)
            }
        }
    }

    /// The least number of draws, between `least` and `most`, of which the limit is expected to
    /// certify a share `tightness` of the shift that p itself would. Where x does not seem
    /// r-robust there is nothing to certify, and `least` draws will say so as well.
    fn needed(&self, alpha: f64, tightness: f64, least: u64, most: u64) -> u64 {
        let wanted = tightness * -normal_quantile(self.share());
        if self.share() >= 0.5 {
            return least;
        }
        let enough = |draws: u64| -normal_quantile(self.limit(draws, alpha)) >= wanted;
        let (mut low, mut high) = (least, most);
        while low < high {
            let middle = low + (high - low) / 2;
            if enough(middle) { high = middle } else { low = middle + 1 }
        }
        low
    }
}

/// The error that each of a number of statements may have so that all hold together with error
/// alpha, however they depend on each other (Bonferroni).
pub fn simultaneous(alpha: f64, statements: usize) -> f64 {
    alpha / statements.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(within: u64, draws: u64, wrong: Option<f64>) -> Expected {
        Expected { beyond: Proportion::new(within, draws).complement(), wrong }
    }

    #[test]
    fn that_many_draws_are_as_tight_as_asked_for() {
        for (within, tightness) in [(600, 0.8), (900, 0.9), (990, 0.95), (1_000, 0.9)] {
            let needed =
                |wrong| expected(within, 1_000, wrong).needed(1e-3, tightness, 100, 10_000_000);
            let p = (within as f64 + 0.5) / 1_001.0;
            let reached = |draws: u64| {
                let counted = Proportion::new((p * draws as f64) as u64, draws);
                normal_quantile(counted.lower_limit(5e-4)) / normal_quantile(p)
            };
            let plain = needed(None);
            assert!(reached(plain) > tightness - 0.01, "{within}: {plain} draws");
            assert!(reached(plain / 2) < tightness, "{within}: {plain} draws");
            // The better those beyond are predicted, the fewer are needed.
            if within <= 900 {
                let wrong = [0.1 * (1.0 - p), 0.02 * (1.0 - p)];
                let [some, few] = wrong.map(|wrong| needed(Some(wrong)));
                assert!(
                    few < some && some < plain && 2 * few < plain,
                    "{few}, {some} instead of {plain}"
                );
            }
        }
    }

    #[test]
    fn what_is_hopeless_or_too_much_is_not_tried() {
        let needed =
            |within, tightness| expected(within, 1_000, None).needed(1e-3, tightness, 100, 100_000);
        assert_eq!((needed(400, 0.9), needed(500, 0.9)), (100, 100));
        assert_eq!((needed(510, 0.99), needed(900, f64::NAN)), (100_000, 100_000));
        assert_eq!(needed(900, 0.0), 100);
        assert_eq!(expected(0, 0, None).needed(1e-3, 0.9, 7, 9), 7);
    }

    /// Counting says most of what hardly ever happens.
    #[test]
    fn predictions_do_not_help_where_nothing_is_to_be_predicted() {
        let limit = |within, wrong| expected(within, 1_000, wrong).limit(10_000, 1e-3);
        assert!(limit(1_000, Some(5e-4)) > limit(1_000, None));
        assert!(limit(700, Some(0.03)) < limit(700, None));
    }

    #[test]
    fn errors_are_shared_out() {
        assert_eq!((simultaneous(0.01, 100), simultaneous(0.01, 0)), (1e-4, 0.01));
    }
}
