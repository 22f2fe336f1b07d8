//! The search for the smallest perturbation that breaks r-robustness at one radius.

use std::cell::Cell;

use super::Attack;
use super::curve::{CurvePoint, JUDGING_DRAWS, judging_damages};
use super::goal::{Goal, MaximumDamage, Statistic};
use super::objective::PointObjective;
use super::optimiser::{Candidate, Optimiser};
use super::ray::Ray;
use crate::{Error, Target};

/// Draws that search along a direction: in a wide range of norms, and in a narrow one.
const RAY_DRAWS: [usize; 2] = [384, 768];

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

/// The search for the smallest perturbation at one radius.
pub(super) struct Search<'a> {
    target: Target<'a>,
    slot: usize,
    r: f64,
    /// No norm below this is looked at: where a point is broken nearly at rest, searches would
    /// shrink for ever.
    pub(super) least: f64,
    /// Number of the first draw of the next search along a direction.
    next_draw: Cell<u64>,
}

impl<'a> Search<'a> {
    /// At `radii[slot] = r`, about a norm where it is broken.
    pub(super) fn new(target: Target<'a>, slot: usize, r: f64, broken: f64) -> Self {
        let first = JUDGING_DRAWS as u64 + slot as u64 * RAY_BLOCK;
        Self { target, slot, r, least: LEAST_NORM * broken, next_draw: Cell::new(first) }
    }

    /// The ray through a perturbation, about the norm at which it begins to break r-robustness.
    pub(super) fn along(&self, candidate: &Candidate, norm: f64) -> Result<Ray, Error> {
        let last = RAY_DRAWS.len() - 1;
        let (_, norm) = self.seek(self.ray(candidate, norm, 0)?, candidate, 0.5, 0)?;
        let ray = self.ray(candidate, norm, last)?;
        Ok(self.seek(ray, candidate, 0.5, last)?.0)
    }

    /// Alternates ascent at the current norm, on the share of draws beyond r, with a
    /// search for the norm along the best direction. `used`: draws of the attack's noise that its
    /// sweep used up.
    pub(super) fn refine(
        &self,
        attack: &Attack,
        used: u64,
        inner: &CurvePoint,
        outer: &CurvePoint,
    ) -> Result<(Ray, Candidate), Error> {
        let Self { target, slot, r, .. } = *self;
        let effort = &attack.effort;
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
        let mut first = used + slot as u64 * GRADIENT_BLOCK;
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
            let optimiser = Optimiser::ConditionalGradient;
            optimiser.ascend(target.ball, &mut objective, &mut candidates, norm, steps)?;
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
    pub(super) fn seek(
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
    pub(super) fn ray(&self, candidate: &Candidate, norm: f64, round: usize) -> Result<Ray, Error> {
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
