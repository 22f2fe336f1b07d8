//! The attacked margin: the curve inverted at one radius, refined, and re-judged.

use vaegis_vae::Purpose;

use super::Effort;
use super::ascent::{Candidate, ascend};
use super::curve::{CurvePoint, DamageCurve, JUDGING_DRAWS, damages, rescale};
use super::gradient::Goal;
use crate::ball::distance;
use crate::criterion::quantile;
use crate::probability::within;
use crate::statistics::{Proportion, normal_quantile};
use crate::{Error, Target};

/// Draws that compare norms along a direction.
const LINE_DRAWS: u64 = 1_024;

/// Evaluations of one search along a direction.
const LINE_STEPS: usize = 3;

/// Rounds of ascent and search along the best direction.
const ROUNDS: usize = 2;

/// Verdicts asked for before the attack is given up; each has draws of its own, and
/// alpha is split between them.
const TRIES: u64 = REFINED + FALLBACKS.len() as u64;

/// Tries for the refined perturbation, lengthened by what each verdict says is missing.
const REFINED: u64 = 4;

/// The other tries go to the first perturbation of the sweep with at most this share of
/// draws within r: damage need not rise along a ray, and a box can end it.
const FALLBACKS: [f64; 3] = [0.47, 0.43, 0.37];

/// Fractions of r that a verdict also counts draws within: they say by how much the
/// damages fall short when it is not significant.
const SHORTFALLS: usize = 30;

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

/// The fewest draws with which a verdict can be significant at `alpha`: as many as no
/// coin shows the same side that often.
pub fn least_draws(alpha: f64) -> u64 {
    (level(alpha).log(0.5).floor() + 1.0) as u64
}

/// The error probability of each of the tests that may call a point broken: the
/// verdicts, and the test of the point at rest.
pub(crate) fn level(alpha: f64) -> f64 {
    alpha / (TRIES + 1) as f64
}

/// The share of draws within r that the search aims at: so far below 1/2, for this
/// number of draws, that a verdict on fresh noise is, as a rule, significant.
fn aim(draws: u64, alpha: f64) -> f64 {
    let significant = -normal_quantile(level(alpha));
    (0.5 - 0.5 * (significant + 2.0) / (draws as f64).sqrt()).clamp(0.25, 0.48)
}

impl DamageCurve {
    /// The attacked margin at `radii[slot]`: inverts the curve, refines the perturbation
    /// for this very radius, and has it judged on fresh draws, `draws` for each verdict,
    /// with a probability below `alpha` of calling a robust perturbation a break.
    ///
    /// `None` if no perturbation within the search range was shown to break
    /// r-robustness.
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
        // The input itself has no direction to refine: the first norm above 0 counts.
        let Some(position) = self.points.iter().skip(1).position(breaks) else { return Ok(None) };
        let (inner, outer) = (&self.points[position], &self.points[position + 1]);
        let aim = aim(draws, alpha);
        let search = Search { target, effort, slot, r, aim };
        let (mut candidate, at_rest) = search.refine(self, inner, outer)?;
        let fractions: Vec<f64> = (0..SHORTFALLS).map(|k| r * (1.0 - k as f64 / 100.0)).collect();
        for attempt in 0..TRIES {
            // What is judged is exactly what is stored.
            let (perturbation, perturbed) =
                target.bounds.perturbation(target.x, &candidate.perturbed);
            let encoding = target.model.encoding(&perturbed)?;
            let range = attempt * draws..(attempt + 1) * draws;
            let shares = within(target, Purpose::Verdict, &encoding, &fractions, range)?;
            let (norm, verdict) = (distance(target.x, &perturbed), shares[0]);
            if verdict.below_half(level(alpha)) {
                let by = candidate.name;
                return Ok(Some(AttackedMargin { norm, perturbation, perturbed, verdict, by }));
            }
            match attempt.checked_sub(REFINED - 1).map(|after| FALLBACKS.get(after as usize)) {
                None => {
                    // The quantile that should be r, and the norm that makes it so.
                    let reached = shares.iter().position(|share| share.estimate() <= aim);
                    let reached = fractions[reached.unwrap_or(SHORTFALLS - 1)];
                    let gained = (reached * reached - at_rest * at_rest) / (norm * norm);
                    let longer = (norm * norm + (r * r - reached * reached) / gained).sqrt();
                    let longer = if gained > 0.0 { longer.min(2.0 * norm) } else { 1.5 * norm };
                    rescale(target, &mut candidate, longer.max(1.005 * norm));
                }
                Some(share) => {
                    let clear =
                        |point: &CurvePoint| share.is_some_and(|&s| point.within[slot] <= s);
                    let Some(point) = self.points.iter().skip(1).find(|point| clear(point)) else {
                        break;
                    };
                    candidate = point.candidates[0].clone();
                }
            }
        }
        Ok(None)
    }
}

/// The search for the smallest perturbation at one radius.
struct Search<'a> {
    target: Target<'a>,
    effort: &'a Effort,
    slot: usize,
    r: f64,
    /// The share of draws within r to aim at.
    aim: f64,
}

impl Search<'_> {
    /// Alternates ascent at the current norm, on the share of draws beyond r, with a
    /// search for the smallest norm along the best direction. Also the quantile of the
    /// damages at rest that this search compares with r.
    fn refine(
        &self,
        curve: &DamageCurve,
        inner: &CurvePoint,
        outer: &CurvePoint,
    ) -> Result<(Candidate, f64), Error> {
        let Self { target, effort, slot, r, aim } = *self;
        // The inner point may itself be close to breaking, or the input at rest.
        let (above, below) = (inner.within[slot] - 0.5, 0.5 - outer.within[slot]);
        let share = (above / (above + below).max(1e-9)).clamp(0.2, 1.0);
        let mut norm = inner.norm + (outer.norm - inner.norm) * share;
        let mut candidates = outer.candidates.clone();
        if inner.norm > 0.0 {
            candidates.extend(inner.candidates.first().cloned());
        }
        // The scale on which damages vary about their median decides how far a draw may
        // be from r and still count for the gradient.
        let damages = damages(target, &candidates[0].perturbed, 0..JUDGING_DRAWS)?;
        let goal = Goal::Exceedance { r, width: (0.5 * deviation(&damages)).max(1e-3 * r) };
        let draws = 2 * effort.draws;
        let at_rest = quantile(&mut line_damages(target, target.x)?, aim);
        for round in 0..ROUNDS {
            for candidate in &mut candidates {
                rescale(target, candidate, norm);
            }
            let first = curve.draws_used + ((slot * ROUNDS + round) * draws) as u64;
            ascend(target, goal, &mut candidates, norm, effort.steps, first, draws)?;
            rank(target, &mut candidates, goal)?;
            norm = shortest(target, &candidates[0], r, norm, aim, at_rest)?;
            candidates.truncate(2);
        }
        let mut best = candidates.swap_remove(0);
        rescale(target, &mut best, norm);
        Ok((best, at_rest))
    }
}

/// Orders candidates by the goal, strongest first, on more draws than their ascent had,
/// and others: few draws favour whoever fits their noise.
fn rank(target: Target<'_>, candidates: &mut [Candidate], goal: Goal) -> Result<(), Error> {
    for candidate in candidates.iter_mut() {
        candidate.value = goal.value(&damages(target, &candidate.perturbed, 0..JUDGING_DRAWS)?);
    }
    candidates.sort_by(|a, b| b.value.total_cmp(&a.value));
    Ok(())
}

/// The norm along a candidate's direction at which a share `aim` of the draws is within
/// r: where that quantile of the damages is r.
///
/// Damages grow like `sqrt(noise^2 + (slope c)^2)`, so the square of the quantile is
/// nearly linear in the square of the norm: a few secant steps suffice.
fn shortest(
    target: Target<'_>,
    candidate: &Candidate,
    r: f64,
    start: f64,
    aim: f64,
    at_rest: f64,
) -> Result<f64, Error> {
    if at_rest >= r {
        // As good as broken at rest: nothing to shorten.
        return Ok(start);
    }
    let (mut inside, mut outside) = ((0.0, at_rest * at_rest), None);
    let mut norm = start;
    for _ in 0..LINE_STEPS {
        let mut moved = candidate.clone();
        rescale(target, &mut moved, norm);
        let damage = quantile(&mut line_damages(target, &moved.perturbed)?, aim);
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
    // At norm 0 the direction would be lost.
    Ok(norm.max(0.01 * start))
}

/// Damages that compare norms: not those that rank the sweep's candidates.
fn line_damages(target: Target<'_>, perturbed: &[f32]) -> Result<Vec<f32>, Error> {
    damages(target, perturbed, JUDGING_DRAWS..JUDGING_DRAWS + LINE_DRAWS)
}

fn deviation(damages: &[f32]) -> f64 {
    let count = damages.len() as f64;
    let mean = damages.iter().map(|&damage| f64::from(damage)).sum::<f64>() / count;
    let squares = damages.iter().map(|&damage| (f64::from(damage) - mean).powi(2)).sum::<f64>();
    (squares / count).sqrt()
}
