//! The attacked margin: the curve inverted at one radius, refined, and re-judged.

use vaegis_vae::Purpose;

use super::Effort;
use super::ascent::{Candidate, ascend};
use super::curve::{CurvePoint, DamageCurve, JUDGING_DRAWS, damages, rescale};
use super::gradient::Goal;
use crate::ball::distance;
use crate::criterion::quantile;
use crate::probability::within;
use crate::statistics::Proportion;
use crate::{Error, Target};

/// Draws that compare norms along a direction.
const LINE_DRAWS: u64 = 1_024;

/// Evaluations of one search along a direction.
const LINE_STEPS: usize = 3;

/// Rounds of ascent and search along the best direction.
const ROUNDS: usize = 2;

/// The share of draws within r that the search aims at: so far below 1/2 that the
/// verdict on fresh noise is, as a rule, significant at the first try.
const AIM: f64 = 0.47;

/// Verdicts asked for before the attack is given up; each has draws of its own, and
/// alpha is split between them.
const TRIES: u64 = 7;

/// How much longer the perturbation becomes after the first verdict that was not
/// significant; twice as much after each further one.
const LENGTHEN: f64 = 0.01;

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
        let mut candidate = self.refine(target, effort, slot, r, inner, outer)?;
        let mut lengthen = LENGTHEN;
        for attempt in 0..TRIES {
            // What is judged is exactly what is stored.
            let (perturbation, perturbed) =
                target.bounds.perturbation(target.x, &candidate.perturbed);
            let encoding = target.model.encoding(&perturbed)?;
            let range = attempt * draws..(attempt + 1) * draws;
            let verdict = within(target, Purpose::Verdict, &encoding, &[r], range)?[0];
            let norm = distance(target.x, &perturbed);
            if verdict.below_half(alpha / TRIES as f64) {
                let by = candidate.name;
                return Ok(Some(AttackedMargin { norm, perturbation, perturbed, verdict, by }));
            }
            rescale(target, &mut candidate, norm * (1.0 + lengthen));
            lengthen *= 2.0;
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
        let mut candidates = outer.candidates.clone();
        candidates.truncate(3);
        candidates
            .extend(inner.map(|point| point.candidates[0].clone()).filter(|c| c.name != "none"));
        // The scale on which damages vary about their median decides how far a draw may
        // be from r and still count for the gradient.
        let damages = damages(target, &candidates[0].perturbed, 0..JUDGING_DRAWS)?;
        let goal = Goal::Exceedance { r, width: (0.5 * deviation(&damages)).max(1e-3 * r) };
        let draws = 2 * effort.draws;
        for round in 0..ROUNDS {
            for candidate in &mut candidates {
                rescale(target, candidate, norm);
            }
            let first = self.draws_used + ((slot * ROUNDS + round) * draws) as u64;
            ascend(target, goal, &mut candidates, norm, effort.steps, first, draws)?;
            candidates.sort_by(|a, b| b.value.total_cmp(&a.value));
            norm = self.shortest(target, &candidates[0], r, norm)?;
            candidates.truncate(2);
        }
        let mut best = candidates.swap_remove(0);
        rescale(target, &mut best, norm);
        Ok(best)
    }

    /// The norm along a candidate's direction at which a share [`AIM`] of the draws is
    /// within r: where that quantile of the damages is r.
    ///
    /// Damages grow like `sqrt(noise^2 + (slope c)^2)`, so the square of the quantile is
    /// nearly linear in the square of the norm: a few secant steps suffice.
    fn shortest(
        &self,
        target: Target<'_>,
        candidate: &Candidate,
        r: f64,
        start: f64,
    ) -> Result<f64, Error> {
        let range = JUDGING_DRAWS..JUDGING_DRAWS + LINE_DRAWS;
        let at_rest = quantile(&mut damages(target, target.x, range.clone())?, AIM);
        let (mut inside, mut outside) = ((0.0, at_rest.powi(2).min(r * r)), None);
        let mut norm = start;
        for _ in 0..LINE_STEPS {
            let mut moved = candidate.clone();
            rescale(target, &mut moved, norm);
            let damage = quantile(&mut damages(target, &moved.perturbed, range.clone())?, AIM);
            let point = (norm * norm, damage * damage);
            let from = inside;
            if damage < r {
                inside = point
            } else {
                outside = Some(point)
            }
            let (near, far) = match outside {
                Some(outside) => (inside, outside),
                None => (from, point),
            };
            let slope = (far.1 - near.1) / (far.0 - near.0);
            let square = near.0 + (r * r - near.1) / slope;
            // Never beyond the bracket, and no wild extrapolation.
            norm = match outside {
                _ if !square.is_finite() => norm * 1.2,
                Some(outside) => square.clamp(inside.0, outside.0).sqrt(),
                None => square.clamp(1.02 * inside.0, 4.0 * inside.0).sqrt(),
            };
        }
        Ok(norm)
    }
}

fn deviation(damages: &[f32]) -> f64 {
    let count = damages.len() as f64;
    let mean = damages.iter().map(|&damage| f64::from(damage)).sum::<f64>() / count;
    let squares = damages.iter().map(|&damage| (f64::from(damage) - mean).powi(2)).sum::<f64>();
    (squares / count).sqrt()
}
