//! The attacked margin: the curve inverted at one radius, refined, and re-judged.

use vaegis_vae::Purpose;

use super::ascent::{Candidate, ascend};
use super::curve::{CurvePoint, DamageCurve, JUDGING_DRAWS, damages, rescale, share_within};
use super::gradient::Goal;
use super::{Effort, Target};
use crate::Error;
use crate::ball::distance;
use crate::probability::within;
use crate::statistics::Proportion;

/// Draws that compare norms along a direction.
const LINE_DRAWS: u64 = 1_024;

/// Evaluations of one search along a direction.
const LINE_STEPS: usize = 6;

/// Rounds of ascent and search along the best direction.
const ROUNDS: usize = 2;

/// The share of draws within r that the search aims at: so far below 1/2 that the
/// verdict on fresh noise is, as a rule, significant at the first try.
const AIM: f64 = 0.475;

/// Verdicts asked for before the attack is given up; each has draws of its own, and
/// alpha is split between them.
const TRIES: u64 = 6;

/// How much longer the perturbation becomes after a verdict that was not significant.
const LENGTHEN: f64 = 1.01;

/// A perturbation that breaks r-robustness, judged on fresh noise: an upper bound on
/// the margin.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackedMargin {
    /// `|x' - x|_2`, measured from x and x' as they are stored.
    pub norm: f64,
    /// The perturbation d.
    pub perturbation: Vec<f32>,
    /// The perturbed input `x' = x + d`.
    pub perturbed: Vec<f32>,
    /// Fresh draws within r: significantly fewer than half.
    pub verdict: Verdict,
    /// The start it came from.
    pub by: String,
}

/// Draws within r under a perturbation, by noise that no attack ever saw.
pub type Verdict = Proportion;

impl DamageCurve {
    /// The attacked margin at `radii[slot]`: inverts the curve, refines the perturbation
    /// for this very radius, and has it judged on `draws` fresh draws, with a
    /// probability below `alpha` of calling a robust perturbation a break.
    ///
    /// `None` if no perturbation within the search range breaks r-robustness.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub fn margin(
        &self,
        target: Target<'_>,
        effort: &Effort,
        slot: usize,
        r: f64,
        draws: u64,
        alpha: f64,
    ) -> Result<Option<AttackedMargin>, Error> {
        let breaks = |point: &CurvePoint| point.within[slot] <= 0.5;
        let Some(position) = self.points.iter().position(breaks) else { return Ok(None) };
        let outer = &self.points[position];
        let inner = position.checked_sub(1).map(|inside| &self.points[inside]);
        let mut verdicts = 0;
        // First the refined perturbation; if even lengthened it does not convince, the
        // points of the curve beyond it, which were not tuned to be marginal.
        let refined = self.refine(target, effort, slot, r, inner, outer)?;
        let mut attempts = vec![refined];
        attempts.extend(self.points[position..].iter().map(|point| point.candidates[0].clone()));
        for mut candidate in attempts {
            for _ in 0..TRIES / 2 {
                if verdicts == TRIES {
                    return Ok(None);
                }
                let range = verdicts * draws..(verdicts + 1) * draws;
                verdicts += 1;
                let (perturbation, perturbed) =
                    target.bounds.perturbation(target.x, &candidate.perturbed);
                let encoding = target.model.encoding(&perturbed)?;
                let verdict = within(
                    target.model,
                    target.noise,
                    Purpose::Verdict,
                    target.index,
                    &encoding,
                    target.reference,
                    &[r],
                    range,
                )?[0];
                let norm = distance(target.x, &perturbed);
                if verdict.below_half(alpha / TRIES as f64) {
                    let by = candidate.name;
                    return Ok(Some(AttackedMargin { norm, perturbation, perturbed, verdict, by }));
                }
                rescale(target, &mut candidate, norm * LENGTHEN);
            }
        }
        Ok(None)
    }

    /// Alternates ascent at the current norm, on the share of draws beyond r, with a
    /// search for the smallest norm along the best direction.
    fn refine(
        &self,
        target: Target<'_>,
        effort: &Effort,
        slot: usize,
        r: f64,
        inner: Option<&CurvePoint>,
        outer: &CurvePoint,
    ) -> Result<Candidate, Error> {
        let inside = inner.map_or(0.0, |point| point.norm);
        let mut norm = match inner {
            Some(point) => {
                let (above, below) = (point.within[slot] - 0.5, 0.5 - outer.within[slot]);
                inside + (outer.norm - inside) * above / (above + below).max(1e-9)
            }
            None => outer.norm,
        };
        let mut best = outer.candidates[0].clone();
        let mut candidates = outer.candidates.clone();
        candidates.truncate(3);
        candidates
            .extend(inner.map(|point| point.candidates[0].clone()).filter(|c| c.name != "none"));
        // The scale on which damages vary about their median decides how far a draw may
        // be from r and still count for the gradient.
        let spread = damages(target, &best.perturbed, 0..JUDGING_DRAWS)?;
        let mean = spread.iter().map(|&d| f64::from(d)).sum::<f64>() / spread.len() as f64;
        let variance = spread.iter().map(|&d| (f64::from(d) - mean).powi(2)).sum::<f64>()
            / spread.len() as f64;
        let goal = Goal::Exceedance { r, width: (0.5 * variance.sqrt()).max(1e-3 * r) };
        let draws = 2 * effort.draws;
        for round in 0..ROUNDS {
            for candidate in &mut candidates {
                rescale(target, candidate, norm);
            }
            let first = self.draws_used + ((slot * ROUNDS + round) * draws) as u64;
            ascend(target, goal, &mut candidates, norm, effort.steps, first, draws)?;
            candidates.sort_by(|a, b| b.value.total_cmp(&a.value));
            let (found, reached) = shortest(target, &candidates[0], r, norm)?;
            if reached < distance(target.x, &best.perturbed) {
                best = found;
            }
            norm = reached;
            candidates.truncate(2);
        }
        Ok(best)
    }
}

/// The smallest norm along a candidate's direction with a share of about [`AIM`] within r.
fn shortest(
    target: Target<'_>,
    candidate: &Candidate,
    r: f64,
    start: f64,
) -> Result<(Candidate, f64), Error> {
    let range = JUDGING_DRAWS..JUDGING_DRAWS + LINE_DRAWS;
    let share = |norm: f64| -> Result<(Candidate, f64), Error> {
        let mut moved = candidate.clone();
        rescale(target, &mut moved, norm);
        let damages = damages(target, &moved.perturbed, range.clone())?;
        Ok((moved, share_within(&damages, r) - AIM))
    };
    // Bracket the crossing (excess above 0 inside, at most 0 outside), then regula falsi
    // kept away from the ends.
    let (mut inside, mut outside) = ((0.0, 1.0 - AIM), None);
    let mut norm = start;
    for _ in 0..LINE_STEPS {
        let (moved, excess) = share(norm)?;
        if excess > 0.0 {
            inside = (norm, excess);
        } else {
            outside = Some((norm, excess, moved));
        }
        norm = match &outside {
            None => norm * 1.15,
            Some((far, below, _)) => {
                let width = far - inside.0;
                if width < 2e-3 * far {
                    break;
                }
                let fraction = if inside.0 == 0.0 { 0.9 } else { inside.1 / (inside.1 - below) };
                inside.0 + width * fraction.clamp(0.1, 0.9)
            }
        };
    }
    match outside {
        Some((norm, _, moved)) => Ok((moved, norm)),
        None => {
            let (moved, _) = share(norm)?;
            Ok((moved, norm))
        }
    }
}
