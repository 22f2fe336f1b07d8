//! Draws about posteriors that are shifted along the axis.

use std::collections::HashMap;

use vaegis_vae::Purpose;

use super::cover;
use super::draws::Plan;
use crate::probability::PREDICTED;
use crate::statistics::{CorrectedMoments, MomentLimits, Sectors};
use crate::surrogate::Prediction;
use crate::{Encoding, Error, Target, probability};

/// Draws about each other centre, as a share of those at x: where they are predicted and where not.
const SHARES: [u64; 2] = [10, 4];

/// Draws by which others are predicted, and it is guessed whether those are worth it.
const GUESSED: u64 = 400;

/// Between the numbers of the first draws of two centres.
const APART: u64 = 1 << 40;

/// What draws say of a point's radii about other centres, once it is asked for.
pub(super) struct Centres<'a> {
    target: Target<'a>,
    encoding: &'a Encoding,
    radii: &'a [f64],
    axis: Option<&'a [f64]>,
    sectors: &'a Sectors,
    /// About each centre.
    draws: u64,
    /// Error probability of what is said about each.
    alpha: f64,
    /// Predictions for the radii that were fitted about x.
    predictions: &'a [Option<Prediction>],
    /// None where a reconstruction is not finite.
    guessed: HashMap<isize, Option<Vec<Vec<MomentLimits>>>>,
    measured: HashMap<isize, Option<Vec<CorrectedMoments>>>,
}

impl<'a> Centres<'a> {
    /// About a posterior with so many draws; along no axis there are none.
    pub(super) fn new(
        target: Target<'a>,
        encoding: &'a Encoding,
        radii: &'a [f64],
        axis: Option<&'a [f64]>,
        sectors: &'a Sectors,
        plan: &'a Plan,
        alpha: f64,
    ) -> Self {
        let Plan { draws, predictions } = plan;
        let (guessed, measured) = (HashMap::new(), HashMap::new());
        let predicted = !predictions.is_empty() && predictions.iter().all(Option::is_some);
        let [with, without] = SHARES;
        let draws = draws / if predicted { with } else { without };
        let alpha = alpha * cover::share(1);
        Self {
            target,
            encoding,
            radii,
            axis,
            sectors,
            draws,
            alpha,
            predictions,
            guessed,
            measured,
        }
    }

    /// What limits about a centre may be near to, in each sector.
    pub(super) fn guess(&mut self, centre: isize, slot: usize) -> Option<&[MomentLimits]> {
        if !self.guessed.contains_key(&centre) {
            let shifted = self.shifted(centre)?;
            let guessed = self.expected(centre, &shifted).ok();
            self.guessed.insert(centre, guessed);
        }
        Some(&self.guessed[&centre].as_ref()?[slot])
    }

    /// What draws say about a centre.
    pub(super) fn moments(&mut self, centre: isize, slot: usize) -> Option<&CorrectedMoments> {
        if !self.measured.contains_key(&centre) {
            let shifted = self.shifted(centre)?;
            let measured = self.measure(centre, &shifted).ok();
            self.measured.insert(centre, measured);
        }
        Some(&self.measured[&centre].as_ref()?[slot])
    }

    /// By what was predicted about x if anything was, or by few draws.
    fn expected(&self, centre: isize, shifted: &Encoding) -> Result<Vec<Vec<MomentLimits>>, Error> {
        let (target, radii, purpose) = (self.target, self.radii, Purpose::Pilot);
        let (first, few) = (first(centre), self.draws.min(GUESSED));
        if !self.predictions.is_empty() && self.predictions.iter().all(Option::is_some) {
            let range = first..first + PREDICTED * few;
            let said = Prediction::moments(self.predictions, target, purpose, shifted, range);
            return Ok(said.iter().flatten().map(|said| said.guess(self.sectors)).collect());
        }
        let seen =
            probability::beyond(target, purpose, shifted, radii, first, &Plan::exactly(few))?;
        Ok(seen.iter().map(|beyond| beyond.moments.guess(self.sectors)).collect())
    }

    fn measure(&self, centre: isize, shifted: &Encoding) -> Result<Vec<CorrectedMoments>, Error> {
        let (target, radii, first) = (self.target, self.radii, first(centre));
        // Where predictions about x do not help, others would not.
        let plan = if self.predictions.iter().any(Option::is_some) {
            let range = first..first + self.draws.min(GUESSED);
            let fitted = Prediction::fit(target, Purpose::Pilot, shifted, radii, range)?;
            Plan::predicted(self.draws, fitted, self.alpha)
        } else {
            Plan::exactly(self.draws)
        };
        let purpose = Purpose::Certification;
        let found = probability::beyond(target, purpose, shifted, radii, first, &plan)?;
        Ok(found.into_iter().map(|beyond| beyond.moments).collect())
    }

    /// The posterior of a centre.
    fn shifted(&self, centre: isize) -> Option<Encoding> {
        let Encoding { mu, sigma } = self.encoding;
        let shift = centre as f64 * cover::STEP;
        let moved = mu.iter().zip(sigma).zip(self.axis?);
        let moved = moved.map(|((&mu, &sigma), along)| {
            (f64::from(mu) + shift * f64::from(sigma) * along) as f32
        });
        Some(Encoding { mu: moved.collect(), sigma: sigma.clone() })
    }
}

/// Number of the first draw: every centre has draws of its own, and so has x, from 0 on.
fn first(centre: isize) -> u64 {
    APART * (centre + cover::CENTRES + 1) as u64
}
