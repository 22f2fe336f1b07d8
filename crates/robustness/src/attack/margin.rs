//! The attacked margin: the curve inverted at one radius, refined, and re-judged.

use std::cell::Cell;

use super::Effort;
use super::curve::{CurvePoint, DamageCurve, INNER_STEPS, JUDGING_DRAWS, judging_damages};
use super::goal::{Goal, MaximumDamage, Statistic};
use super::objective::PointObjective;
use super::optimiser::{Candidate, ascend};
use super::ray::Ray;
use super::verdict::{Expectation, Verdict};
use crate::ball::Perturbation;
use crate::{Error, Target};

/// Draws that search along a direction: in a wide range of norms, and in a narrow one.
const RAY_DRAWS: [usize; 2] = [384, 1152];

/// Those ranges, relative to their middles.
const RAY_SPANS: [f64; 2] = [0.4, 0.25];

/// How often a ray is sampled anew around the end of what it could say.
const RECENTRINGS: usize = 16;

/// The smallest norm that is looked at, relative to where the sweep found a break.
const LEAST_NORM: f64 = 0.003;

/// Numbers of draws for the searches along directions at one radius.
const RAY_BLOCK: u64 = 1 << 32;

/// Numbers of draws for the gradients at one radius.
const GRADIENT_BLOCK: u64 = 1 << 24;

/// Draws per gradient of the two rounds of ascent at a radius, in units of the sweep's.
const ROUND_DRAWS: [usize; 2] = [2, 16];

/// Draws and steps of an ascent on a [`Landscape`](super::goal::Landscape): both cost little.
const LANDSCAPE_DRAWS: usize = 4096;
const LANDSCAPE_STEPS: usize = 3;

/// Share of its norm that a perturbation may be lengthened by so that fewer draws decide on it.
const LENGTHENING: f64 = 0.005;

/// Verdicts asked for the refined perturbation, lengthened by what each says is missing, and
/// the share of alpha that each may err with. Each has draws of its own.
const REFINED: [f64; 4] = [0.375, 0.125, 0.125, 0.0625];

/// Further verdicts go to the first perturbation of the sweep with at most this share of draws
/// within r: damage need not rise along a ray, and a box can end it.
const FALLBACKS: [f64; 3] = [0.47, 0.43, 0.37];

/// The share of alpha of each of those.
const FALLBACK_LEVEL: f64 = 0.0625;

/// The share of alpha of the test of the point at rest.
const AT_REST_LEVEL: f64 = 0.125;

/// Numbers of draws that a verdict may look at: each has a block of its own.
const VERDICT_BLOCK: u64 = 1 << 40;

/// A perturbation that breaks r-robustness, judged on fresh noise: an upper bound on
/// the margin.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackedMargin {
    /// The perturbation, measured as it is stored.
    pub perturbation: Perturbation,
    /// What fresh draws say of it: significantly fewer than half stay within r.
    pub verdict: Verdict,
    /// Estimate of the norm at which perturbations in its direction begin to break
    /// r-robustness: what the attack aimed beyond, judged by nothing.
    pub crossing: Option<f64>,
    /// The start it came from.
    pub by: String,
}

/// The fewest draws with which a verdict can be significant at `alpha`: as many as no
/// coin shows the same side that often.
pub fn least_draws(alpha: f64) -> u64 {
    ((alpha * REFINED[0]).log(0.5).floor() + 1.0) as u64
}

/// The error probability of the test that may call a point broken at rest.
pub(crate) fn level_at_rest(alpha: f64) -> f64 {
    alpha * AT_REST_LEVEL
}

impl DamageCurve {
    /// The attacked margin at `radii[slot]`: inverts the curve, refines the perturbation
    /// for this very radius, and has it judged on fresh draws, of which no verdict decodes
    /// more than `draws`, with a probability below `alpha` of calling a robust perturbation
    /// a break.
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
        let first = JUDGING_DRAWS as u64 + slot as u64 * RAY_BLOCK;
        let least = LEAST_NORM * self.points[position + 1].norm;
        let search = Search { target, effort, slot, r, least, next_draw: Cell::new(first) };
        let (mut ray, best) =
            search.refine(self, &self.points[position], &self.points[position + 1])?;
        let judge = Judge { target, r, draws };

        let mut norm = search.least;
        // By how much verdicts contradict what the ray says of p.
        let mut correction = 0.0;
        for (attempt, share) in REFINED.into_iter().enumerate() {
            let level = alpha * share;
            let crossing = ray.norm_of(r, 0.5).max(norm);
            let distance = judge.clear_distance(&ray, crossing, level);
            let aimed = ray.norm_of(r, 0.5 - distance - correction);
            if ray.ends_at(aimed) {
                // What verdicts said of this ray says nothing of another.
                correction = 0.0;
                (ray, norm) = search.seek(ray, &best, 0.5 - distance, 0)?;
            } else {
                norm = aimed.max(norm);
            }
            let u = ray.at(target, norm);
            let margin = judge.judge(&u, &ray, norm, level, attempt, &best.name)?;
            if margin.verdict.p_value <= level {
                return Ok(Some(margin));
            }
            let missed = margin.verdict.p - ray.within(r, norm);
            correction = f64::max(correction + 0.25 * distance, missed);
            // Where the ray says no more, it says so by not moving.
            norm *= 1.002;
        }
        for (attempt, share) in (REFINED.len()..).zip(FALLBACKS) {
            let clear = |point: &&CurvePoint| point.within[slot] <= share;
            let Some(point) = self.points.iter().skip(1).find(clear) else { break };
            let candidate = &point.candidates[0];
            let ray = search.ray(candidate, point.norm, 0)?;
            let level = alpha * FALLBACK_LEVEL;
            let name = &candidate.name;
            let margin = judge.judge(&candidate.u, &ray, point.norm, level, attempt, name)?;
            if margin.verdict.p_value <= level {
                return Ok(Some(margin));
            }
        }
        Ok(None)
    }
}

/// What verdicts at one radius have in common.
struct Judge<'a> {
    target: Target<'a>,
    r: f64,
    /// Most draws of a verdict.
    draws: u64,
}

impl Judge<'_> {
    /// What `ray` knows of the damages at a norm.
    fn expectation<'a>(&self, ray: &'a Ray, norm: f64) -> Expectation<'a> {
        let (form, residual) = ray.form(norm);
        Expectation::new(form, self.r, residual, ray.misplaced())
    }

    /// How far below 1/2 to aim: as far as some lengthening brings, and at least so far that
    /// the draws can decide.
    fn clear_distance(&self, ray: &Ray, norm: f64, level: f64) -> f64 {
        let slope = ray.within(self.r, 0.95 * norm) - ray.within(self.r, 1.05 * norm);
        let least = self.expectation(ray, norm).distance(self.draws, level);
        least.max(LENGTHENING * slope / 0.1)
    }

    /// Judges exactly what is stored of u, with what `ray` knows at `norm`.
    fn judge(
        &self,
        u: &[f32],
        ray: &Ray,
        norm: f64,
        level: f64,
        attempt: usize,
        name: &str,
    ) -> Result<AttackedMargin, Error> {
        let perturbation = self.target.ball.store(u);
        let encoding = self.target.model.encoding(&perturbation.perturbed)?;
        let expectation = self.expectation(ray, norm);
        let first = attempt as u64 * VERDICT_BLOCK;
        let verdict = expectation.judge(self.target, &encoding, self.draws, level, first)?;
        let crossing = ray.norm_of(self.r, 0.5);
        let crossing = (!ray.ends_at(crossing)).then_some(crossing);
        Ok(AttackedMargin { perturbation, verdict, crossing, by: name.to_string() })
    }
}

/// The search for the smallest perturbation at one radius.
struct Search<'a> {
    target: Target<'a>,
    effort: &'a Effort,
    slot: usize,
    r: f64,
    /// No norm below this is looked at: where a point is broken nearly at rest, searches would
    /// shrink for ever.
    least: f64,
    /// Number of the first draw of the next search along a direction.
    next_draw: Cell<u64>,
}

impl Search<'_> {
    /// Alternates ascent at the current norm, on the share of draws beyond r, with a
    /// search for the norm along the best direction.
    fn refine(
        &self,
        curve: &DamageCurve,
        inner: &CurvePoint,
        outer: &CurvePoint,
    ) -> Result<(Ray, Candidate), Error> {
        let Self { target, effort, slot, r, .. } = *self;
        // The inner point may itself be close to breaking, or the input at rest.
        let (above, below) = (inner.within[slot] - 0.5, 0.5 - outer.within[slot]);
        let share = (above / (above + below).max(1e-9)).clamp(0.2, 1.0);
        let mut norm = inner.norm + (outer.norm - inner.norm) * share;
        let mut candidates = outer.candidates.clone();
        if inner.norm > 0.0 {
            candidates.truncate(2);
            candidates.extend(inner.candidates.first().cloned());
        }
        // The scale on which damages vary about their median decides how far a draw may
        // be from r and still count for the gradient.
        let damages = judging_damages(target, &candidates[0].u)?;
        let width = (0.5 * deviation(&damages)).max(1e-3 * r);
        let goal = MaximumDamage {
            statistic: Statistic::Exceedance { r, width },
            reference: target.reference.clone(),
        };
        let mut first = curve.draws_used + slot as u64 * GRADIENT_BLOCK;
        let mut ray: Option<Ray> = None;
        for (round, share) in ROUND_DRAWS.into_iter().enumerate() {
            for candidate in &mut candidates {
                candidate.u = target.ball.along(&candidate.u, norm);
            }
            let landscape = ray.as_ref().and_then(|ray| ray.landscape(target, r, width));
            let (goal, draws, steps): (&dyn Goal, _, _) = match &landscape {
                Some(landscape) => (landscape, LANDSCAPE_DRAWS, LANDSCAPE_STEPS),
                None => (&goal, effort.draws * share, effort.steps),
            };
            let mut objective = PointObjective::new(target, goal, first, draws);
            first += draws as u64;
            ascend(target.ball, &mut objective, &mut candidates, norm, steps, INNER_STEPS)?;
            candidates.sort_by(|a, b| b.value.total_cmp(&a.value));
            candidates.truncate(1);
            let found = self.ray(&candidates[0], norm, round)?;
            let (found, crossing) = self.seek(found, &candidates[0], 0.5, round)?;
            norm = crossing;
            ray = Some(found);
        }
        Ok((ray.expect("there are rounds"), candidates.swap_remove(0)))
    }

    /// The norm along a candidate's ray at which a share p of the draws stays within r; where
    /// that lies beyond what the ray can say, another is sampled there.
    fn seek(
        &self,
        mut ray: Ray,
        candidate: &Candidate,
        p: f64,
        round: usize,
    ) -> Result<(Ray, f64), Error> {
        let mut norm = ray.norm_of(self.r, p).max(self.least);
        for _ in 0..RECENTRINGS {
            if !ray.ends_at(norm) {
                break;
            }
            ray = self.ray(candidate, norm, round)?;
            norm = ray.norm_of(self.r, p).max(self.least);
        }
        Ok((ray, norm))
    }

    /// Samples the ray through a candidate as the given round does.
    fn ray(&self, candidate: &Candidate, norm: f64, round: usize) -> Result<Ray, Error> {
        let (span, draws) = (RAY_SPANS[round], RAY_DRAWS[round]);
        let first = self.next_draw.get();
        self.next_draw.set(first + 2 * draws as u64);
        Ray::sample(self.target, candidate.u.clone(), norm, span, first, draws, self.r)
    }
}

fn deviation(damages: &[f32]) -> f64 {
    let count = damages.len() as f64;
    let mean = damages.iter().map(|&damage| f64::from(damage)).sum::<f64>() / count;
    let squares = damages.iter().map(|&damage| (f64::from(damage) - mean).powi(2)).sum::<f64>();
    (squares / count).sqrt()
}
