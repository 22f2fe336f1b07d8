//! The search for the smallest perturbation that breaks r-robustness at one radius.

use std::cell::Cell;

use vaegis_vae::Purpose;

use super::Attack;
use super::bracket::Bracket;
use super::curve::{CurvePoint, JUDGING_DRAWS};
use super::goal::{Goal, Landscape, MaximumDamage, Statistic};
use super::objective::PointObjective;
use super::optimiser::{Candidate, Optimiser};
use super::ray::Ray;
use crate::surrogate::{DIFFERENTIATED_DRAWS, telling_draws};
use crate::{Error, Target};

/// Draws that search along a direction: in a wide range of norms, and in a narrow one.
const RAY_DRAWS: [usize; 2] = [384, 768];

/// Most draws where more of them tell all products of latent dimensions. Where it takes more,
/// derivatives tell of them.
const MOST_RAY_DRAWS: usize = 1024;

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

/// Draws per gradient in units of the sweep's: where the draws of a ray refine what is found, and
/// where they cannot.
const GRADIENT_DRAWS: [usize; 2] = [2, 16];

/// Steps of an ascent at one radius, in units of the sweep's, whose ascents go on from norm to
/// norm.
const REFINING_STEPS: usize = 3;

/// Smoothing of the share of draws beyond r, in units of the deviation of damages.
const WIDTH: f64 = 0.5;

/// Posteriors this far from that of a quartic are compared by it, and need no other one.
const NEAR: f64 = 2.0;

/// Smoothing, draws and steps of an ascent on a [`Landscape`]: draws cost little.
const LANDSCAPE_WIDTH: f64 = 0.2;
const LANDSCAPE_DRAWS: usize = 1024;
const LANDSCAPE_STEPS: usize = 6;

/// Landscapes that are ascended at most, each from new draws.
const LANDSCAPES: usize = 4;

/// Draws that check what was found on a [`Landscape`], where their noise begins, and the share of
/// them that it may lose: there is noise in the difference.
const CHECKING_DRAWS: usize = 128;
const CHECKS: u64 = 1 << 36;
const LOSS: f64 = 0.1;

/// By how much a share of those may differ from 1/2 where a ray expects that.
const ASTRAY: f64 = 0.3;

/// Norms that are probed where it differs by more, ratio of them, and how far beyond where the
/// sweep found a break.
const PROBES: usize = 12;
const FARTHER: f64 = 1.2;
const FARTHEST: f64 = 2.0;

/// Where a candidate begins to break r-robustness.
struct Crossing {
    ray: Ray,
    norm: f64,
    /// The share of a few draws beyond r there.
    beyond: f64,
}

/// Whether so many draws beyond r contradict that half of them are.
fn is_astray(beyond: f64) -> bool {
    (beyond - 0.5).abs() > ASTRAY
}

/// The search for the smallest perturbation at one radius.
pub(super) struct Search<'a> {
    target: Target<'a>,
    slot: usize,
    r: f64,
    /// No norm below this is looked at: where a point is broken nearly at rest, searches would
    /// shrink for ever.
    pub(super) least: f64,
    /// A norm at which it is broken.
    pub(super) broken: f64,
    /// Number of the first draw of the next search along a direction.
    next_draw: Cell<u64>,
}

impl<'a> Search<'a> {
    /// At `radii[slot] = r`, about a norm where it is broken.
    pub(super) fn new(target: Target<'a>, slot: usize, r: f64, broken: f64) -> Self {
        let first = JUDGING_DRAWS as u64 + slot as u64 * RAY_BLOCK;
        Self { target, slot, r, least: LEAST_NORM * broken, broken, next_draw: Cell::new(first) }
    }

    /// The ray through a perturbation, about the norm at which it begins to break r-robustness.
    pub(super) fn along(&self, candidate: &Candidate, norm: f64) -> Result<Ray, Error> {
        let (_, norm) = self.seek(self.ray(candidate, norm, 0)?, candidate, 0.5, 0)?;
        let Crossing { mut ray, .. } = self.crossing(candidate, norm)?;
        ray.follow(self.target, &candidate.u)?;
        Ok(ray)
    }

    /// The norm between two of the sweep at which it begins to break r.
    pub(super) fn between(&self, inner: &CurvePoint, outer: &CurvePoint) -> f64 {
        // The inner point may itself be close to breaking, or the input at rest.
        let (above, below) = (inner.within[self.slot] - 0.5, 0.5 - outer.within[self.slot]);
        let share = (above / (above + below).max(1e-9)).clamp(0.2, 1.0);
        inner.norm + (outer.norm - inner.norm) * share
    }

    /// The strongest perturbation about a norm between two of the sweep, and the ray through
    /// it: the sweep's candidates ascend on the share of draws beyond r, at first by few
    /// draws of their own, then as the draws along the best of them tell it, as often as that leads
    /// away from them, or by many draws where those do not tell it. `used`: draws of the attack's noise that its sweep used up.
    pub(super) fn refine(
        &self,
        attack: &Attack,
        used: u64,
        inner: &CurvePoint,
        outer: &CurvePoint,
        norm: f64,
    ) -> Result<(Ray, Candidate), Error> {
        let Self { target, slot, r, .. } = *self;
        let effort = &attack.effort;
        let mut candidates = outer.candidates.clone();
        if inner.norm > 0.0 {
            candidates.truncate(2);
            candidates.extend(inner.candidates.first().cloned());
        }
        // The scale on which damages vary about their median decides how far a draw may
        // be from r and still count for the gradient.
        let width = |share: f64| (share * outer.deviation).max(1e-3 * r);
        let goal = MaximumDamage {
            statistic: Statistic::Exceedance { r, width: width(WIDTH) },
            reference: target.reference.clone(),
        };
        let first = used + slot as u64 * GRADIENT_BLOCK;
        let steps = REFINING_STEPS * effort.steps;
        let [few, many] = GRADIENT_DRAWS.map(|share| share * effort.draws);
        self.ascend(&goal, (first, few), steps, norm, &mut candidates)?;

        let first = first + few as u64;
        let mut known = candidates[0].clone();
        let Crossing { mut ray, mut norm, mut beyond } = self.crossing(&known, norm)?;
        for _ in 0..LANDSCAPES {
            // A quadratic function of the noise tells draws apart, but not directions.
            let Some(quartic) = ray.quartic(target.model) else { break };
            let is_near = |candidate: &Candidate| {
                let u = target.ball.along(&candidate.u, norm);
                let encoding = target.model.encoding(&target.ball.perturbed(&u));
                encoding.is_ok_and(|encoding| quartic.distance(&encoding.mu) <= NEAR)
            };
            let others = candidates[1..].iter().filter(|other| is_near(other));
            let mut found: Vec<Candidate> =
                std::iter::once(&known).chain(others).cloned().collect();
            let landscape = Landscape::new(quartic, r, width(LANDSCAPE_WIDTH));
            let draws = (first, LANDSCAPE_DRAWS);
            self.ascend(&landscape, draws, LANDSCAPE_STEPS, norm, &mut found)?;
            let best = found.swap_remove(0);
            // Up to a loss, draws must not speak against it: where a quartic is wrong, the ascent
            // finds its errors.
            let found = self.share_beyond(&best, norm)?;
            let is_found = is_near(&best) && found >= beyond - LOSS;
            if found >= beyond {
                known = best.clone();
            }
            if is_found {
                ray.follow(target, &best.u)?;
                let crossing = ray.norm_of(0.5).max(self.least);
                let beyond = self.share_beyond(&best, crossing)?;
                if !is_astray(beyond) {
                    return Ok((ray, best));
                }
                break;
            }
            // Draws from nearer tell more.
            Crossing { ray, norm, beyond } = self.crossing(&known, norm)?;
        }
        candidates[0] = known;
        let draws = (first + LANDSCAPE_DRAWS as u64, many);
        self.ascend(&goal, draws, effort.steps, norm, &mut candidates)?;
        let best = candidates.swap_remove(0);
        let Crossing { ray, .. } = self.crossing(&best, norm)?;
        Ok((ray, best))
    }

    /// The share of a few draws beyond r, the same draws for all candidates. What is no number is
    /// beyond.
    fn share_beyond(&self, candidate: &Candidate, norm: f64) -> Result<f64, Error> {
        let Target { model, noise, index, ball, .. } = self.target;
        let encoding = model.encoding(&ball.perturbed(&ball.along(&candidate.u, norm)));
        let eta = noise.normal(Purpose::Candidates, index, CHECKS, CHECKING_DRAWS, model.latent());
        match encoding.and_then(|encoding| self.target.damages(&encoding, eta)) {
            Ok(damages) => {
                let beyond = damages.iter().filter(|&&damage| f64::from(damage) > self.r).count();
                Ok(beyond as f64 / CHECKING_DRAWS as f64)
            }
            Err(Error::NotFinite(_)) => Ok(1.0),
            Err(error) => Err(error),
        }
    }

    /// Ascent of candidates at a norm under draws of the attack's noise, from number `first` on. The
    /// strongest comes first.
    fn ascend(
        &self,
        goal: &dyn Goal,
        (first, draws): (u64, usize),
        steps: usize,
        norm: f64,
        candidates: &mut [Candidate],
    ) -> Result<(), Error> {
        let ball = self.target.ball;
        for candidate in candidates.iter_mut() {
            candidate.u = ball.along(&candidate.u, norm);
        }
        let mut objective = PointObjective::new(self.target, goal, first, draws);
        let optimiser = Optimiser::ConditionalGradient;
        optimiser.ascend(ball, &mut objective, candidates, norm, steps)?;
        candidates.sort_by(|a, b| b.value.total_cmp(&a.value));
        Ok(())
    }

    /// The ray through a candidate about a norm, and the norm along it at which half of the draws
    /// stay within r; where draws contradict that, another ray about where they find it.
    fn crossing(&self, candidate: &Candidate, norm: f64) -> Result<Crossing, Error> {
        let last = RAY_DRAWS.len() - 1;
        let (ray, found) = self.seek(self.ray(candidate, norm, last)?, candidate, 0.5, last)?;
        let farthest = FARTHEST * self.broken;
        let mut norm = found.min(farthest);
        let mut beyond = self.share_beyond(candidate, norm)?;
        if norm == found && !is_astray(beyond) {
            return Ok(Crossing { ray, norm, beyond });
        }
        let mut bracket = Bracket::default();
        for _ in 0..PROBES {
            if !is_astray(beyond) {
                break;
            }
            let p = 1.0 - beyond;
            let farther = if p > 0.5 {
                bracket.too_short(norm, p);
                norm * FARTHER
            } else {
                bracket.too_long(norm, p);
                norm / FARTHER
            };
            norm = bracket.norm_of(0.5).unwrap_or(farther).clamp(self.least, farthest);
            beyond = self.share_beyond(candidate, norm)?;
        }
        Ok(Crossing { ray: self.ray(candidate, norm, last)?, norm, beyond })
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
        let mut norm = ray.norm_of(p).max(self.least);
        for _ in 0..RECENTRINGS {
            if !ray.ends_at(norm) {
                break;
            }
            ray = self.ray(candidate, norm, round)?;
            norm = ray.norm_of(p).max(self.least);
        }
        Ok((ray, norm))
    }

    /// A ray that can say something of a norm: another one if the given one cannot.
    pub(super) fn reaching(
        &self,
        ray: Ray,
        candidate: &Candidate,
        norm: f64,
    ) -> Result<Ray, Error> {
        if !ray.ends_at(norm) {
            return Ok(ray);
        }
        let mut ray = self.ray(candidate, norm, 0)?;
        ray.follow(self.target, &candidate.u)?;
        Ok(ray)
    }

    /// Samples the ray through a candidate as the given round does.
    pub(super) fn ray(&self, candidate: &Candidate, norm: f64, round: usize) -> Result<Ray, Error> {
        let telling = telling_draws(MOST_RAY_DRAWS, self.target.model.latent());
        let draws = telling.map_or(DIFFERENTIATED_DRAWS, |draws| draws.max(RAY_DRAWS[round]));
        let span = RAY_SPANS[round];
        let first = self.next_draw.get();
        self.next_draw.set(first + 2 * draws as u64);
        Ray::sample(self.target, candidate.u.clone(), norm, span, first, draws, self.r)
    }
}

#[cfg(test)]
mod tests {
    use vaegis_vae::Noise;

    use super::*;
    use crate::attack::linear::{Linear, U, X};
    use crate::{Ball, Domain, InputBox};

    #[test]
    fn draws_speak_against_what_moves_much_less() {
        let linear = Linear::new();
        let Linear { model, reference, .. } = &linear;
        let domain = Domain::l2(InputBox::None);
        let ball = &Ball::new(&domain, &X);
        let perturbed = |u: &[f32], norm: f64| ball.perturbed(&ball.along(u, norm));
        let norm = 4.0;
        let r = linear.radius(&model.encoding(&perturbed(&U, norm)).unwrap(), 0.5);
        let share = |u: &[f32]| {
            1.0 - linear.squares(&model.encoding(&perturbed(u, norm)).unwrap()).cdf(r * r)
        };
        let axes = (0..X.len()).map(|k| {
            let mut axis = vec![0.0; X.len()];
            axis[k] = 1.0;
            axis
        });
        let weakest = axes.min_by(|a, b| share(a).total_cmp(&share(b))).unwrap();
        assert!(share(&weakest) < 0.2, "{}", share(&weakest));
        let candidate = |u: &[f32]| Candidate { name: String::new(), u: u.to_vec(), value: 0.0 };
        let (strong, weak) = (candidate(&U), candidate(&weakest));
        let turned: Vec<f32> = U.iter().zip(&weakest).map(|(u, axis)| u + 0.01 * axis).collect();
        for seed in 0..20 {
            let noise = &Noise::new(seed);
            let target = Target { model, x: &X, reference, noise, index: 5, ball };
            let search = Search::new(target, 0, r, norm);
            let beyond = |candidate| search.share_beyond(candidate, norm).unwrap();
            assert!(beyond(&weak) < beyond(&strong) - LOSS, "{seed}");
            // What is as strong is kept, whatever the luck of the draws.
            assert!(beyond(&candidate(&turned)) >= beyond(&strong) - LOSS, "{seed}");
        }
    }
}
