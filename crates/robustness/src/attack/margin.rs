//! The attacked margin: the curve inverted at one radius, refined, and re-judged.

use super::Attack;
use super::curve::{CurvePoint, DamageCurve};
use super::expectation::Expectation;
use super::optimiser::Candidate;
use super::ray::Ray;
use super::search::Search;
use super::verdict::Verdict;
use crate::ball::Perturbation;
use crate::{Error, Target};

/// Share of its norm that a perturbation may be lengthened by so that fewer draws decide on it.
const LENGTHENING: f64 = 0.005;

/// Verdicts asked for the refined perturbation, lengthened by what each says is missing, and
/// the share of alpha that each may err with. Each has draws of its own.
const REFINED: [f64; 6] = [0.3, 0.15, 0.1, 0.0625, 0.05, 0.025];

/// Least and most that one lengthening adds to a norm, relative to it.
const LENGTHENINGS: [f64; 2] = [0.003, 0.3];

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
    /// r-robustness, from the draws of the search and of the verdict; no test stands behind it.
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
    /// for this very radius if the attack increases damages, and has it judged on fresh draws, of
    /// which no verdict decodes more than `draws`, with a probability below `alpha` of calling a
    /// robust perturbation a break.
    ///
    /// `None` if no perturbation within the search range was shown to break
    /// r-robustness.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub fn margin(
        &self,
        target: Target<'_>,
        attack: &Attack,
        slot: usize,
        r: f64,
        draws: u64,
        alpha: f64,
    ) -> Result<Option<AttackedMargin>, Error> {
        let breaks = |point: &CurvePoint| point.within[slot] <= 0.5;
        // The input itself has no direction to refine: the first norm above 0 counts.
        let Some(position) = self.points.iter().skip(1).position(breaks) else { return Ok(None) };
        let (inner, outer) = (&self.points[position], &self.points[position + 1]);
        let search = Search::new(target, slot, r, outer.norm);
        let (ray, best) = if attack.goal.is_damage() {
            search.refine(attack, self.draws_used, inner, outer)?
        } else {
            let best = &outer.candidates[0];
            (search.along(best, outer.norm)?, best.clone())
        };
        let judge = Judge { target, r, draws, first: 0 };
        if let Some(margin) = judge.shortest(&search, ray, &best, alpha)? {
            return Ok(Some(margin));
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

impl AttackedMargin {
    /// The margin along one given perturbation: what it is worth on this model when it is
    /// lengthened or shortened, with a probability below `alpha` of calling a robust perturbation
    /// a break.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub fn along(
        target: Target<'_>,
        perturbation: &Candidate,
        slot: usize,
        r: f64,
        draws: u64,
        alpha: f64,
    ) -> Result<Option<Self>, Error> {
        let norm = target.ball.length(&perturbation.u);
        if norm == 0.0 {
            return Ok(None);
        }
        let search = Search::new(target, slot, r, norm);
        let ray = search.along(perturbation, norm)?;
        // Under the same seed, the first blocks chose the perturbation where it was found.
        let judge = Judge { target, r, draws, first: (REFINED.len() + FALLBACKS.len()) as u64 };
        judge.shortest(&search, ray, perturbation, alpha)
    }
}

/// What verdicts at one radius have in common.
struct Judge<'a> {
    target: Target<'a>,
    r: f64,
    /// Most draws of a verdict.
    draws: u64,
    /// Number of the first block of draws.
    first: u64,
}

impl Judge<'_> {
    /// How far below 1/2 to aim about a norm: as far as some lengthening brings, and at least so
    /// far that the draws can decide. And by how much what the ray says of p is wrong there.
    fn foresee(&self, ray: &Ray, norm: f64, level: f64) -> Result<(f64, f64), Error> {
        let Self { target, r, draws, .. } = *self;
        let Target { model, ball, .. } = target;
        let encoding = model.encoding(&ball.perturbed(&ray.at(target, norm)))?;
        let quartic = ray.quartic(model);
        let expectation = Expectation::new(target, &encoding, r, ray.form(norm), quartic);
        let least = expectation.distance(draws, level);
        let says = ray.within(r, norm);
        let error = expectation.probability(says, ray.eta())? - says;
        Ok((least.max(LENGTHENING * ray.slope(r, norm)), error))
    }

    /// The shortest perturbation along a ray that a verdict calls a break.
    fn shortest(
        &self,
        search: &Search<'_>,
        mut ray: Ray,
        best: &Candidate,
        alpha: f64,
    ) -> Result<Option<AttackedMargin>, Error> {
        let Self { target, r, .. } = *self;
        let crossing = ray.norm_of(r, 0.5).max(search.least);
        let (distance, error) = self.foresee(&ray, crossing, alpha * REFINED[0])?;
        let mut norm = ray.norm_of(r, 0.5 - distance - error).max(search.least);
        if ray.ends_at(norm) {
            (ray, norm) = search.seek(ray, best, 0.5 - distance, 0)?;
        }
        for (attempt, share) in REFINED.into_iter().enumerate() {
            let level = alpha * share;
            let u = ray.at(target, norm);
            let margin = self.judge(&u, &ray, norm, level, attempt, &best.name)?;
            if margin.verdict.p_value <= level {
                return Ok(Some(margin));
            }
            // Of p its draws say more than the ray does; of the slope they say nothing.
            let missing = (margin.verdict.p - (0.5 - distance)) / ray.slope(r, norm);
            let [least, most] = LENGTHENINGS;
            norm *= 1.0 + missing.clamp(least, most);
            if ray.ends_at(norm) {
                ray = search.ray(best, norm, 0)?;
            }
        }
        Ok(None)
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
        let Self { target, r, draws, .. } = *self;
        let perturbation = target.ball.store(u);
        let encoding = target.model.encoding(&perturbation.perturbed)?;
        let quartic = ray.quartic(target.model);
        let expectation = Expectation::new(target, &encoding, r, ray.form(norm), quartic);
        let first = (self.first + attempt as u64) * VERDICT_BLOCK;
        let verdict = Verdict::reach(target, &encoding, &expectation, draws, level, first)?;
        let crossing = ray.norm_of(r, 0.5 - (verdict.p - ray.within(r, norm)));
        let crossing = (!ray.ends_at(crossing)).then_some(crossing);
        Ok(AttackedMargin { perturbation, verdict, crossing, by: name.to_string() })
    }
}
