//! The attacked margin: the curve inverted at one radius, refined, and re-judged.

use super::Attack;
use super::bracket::Bracket;
use super::curve::{CurvePoint, DamageCurve};
use super::expectation::Expectation;
use super::optimiser::Candidate;
use super::ray::Ray;
use super::search::Search;
use super::verdict::{Budget, Verdict};
use crate::ball::Perturbation;
use crate::{Error, Target};

/// Share of its norm that a perturbation may be lengthened by so that fewer draws decide on it.
const LENGTHENING: f64 = 0.005;

/// Share of its norm that a perturbation may not have to be lengthened by before more draws decide
/// on it.
const MUCH_LENGTHENING: f64 = 0.05;

/// The share of alpha that each verdict may err with. Each has draws of its own.
const LEVELS: [f64; 9] = [0.3, 0.15, 0.1, 0.0625, 0.0625, 0.0625, 0.05, 0.05, 0.0375];

/// Of these, those that judge rays, each farther out by what the one before says is missing; the
/// last one is for what the sweep found.
const RAY_VERDICTS: usize = LEVELS.len() - 1;

/// Verdicts along one ray where the sweep has found more farther out.
const LENGTHENED: usize = 6;

/// Norms of the sweep that refinements begin at: damage need not rise along what was found at the
/// first, and a box can end it.
const ROUNDS: usize = 4;

/// Least and most that one lengthening adds to a norm, relative to it.
const LENGTHENINGS: [f64; 2] = [0.003, 0.3];

/// Share of the sweep's draws within r at which it found a break beyond doubt.
const CLEAR: f64 = 0.4;

/// By how much each verdict aims farther below 1/2 than the one before.
const FURTHER: f64 = 1.3;

/// Norms that are probed, at most.
const PROBES: usize = 8;

/// How close to the aim is close enough, relative to its distance from 1/2, and how far from the norm
/// that was probed another is probed too, relative to it.
const CLOSE: f64 = 0.1;
const AGAIN: f64 = 0.2;

/// How far from the aim a ray is not trusted to lead there.
const TRUSTED: f64 = 0.05;

/// Ratio of norms that are probed until there is one on either side of the aim.
const FARTHER: f64 = 1.6;

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
    ((alpha * LEVELS[0]).log(0.5).floor() + 1.0) as u64
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
        // The input itself has no direction to refine: norms above 0 count.
        let breaks = |&position: &usize| self.points[position].within[slot] <= 0.5;
        let broken: Vec<usize> = (1..self.points.len()).filter(breaks).take(ROUNDS).collect();
        let mut judge = Judge { target, r, draws, alpha, attempt: 0, first: 0 };
        for (round, &position) in broken.iter().enumerate() {
            if judge.attempt == RAY_VERDICTS {
                break;
            }
            let (inner, outer) = (&self.points[position - 1], &self.points[position]);
            let search = Search::new(target, slot, r, outer.norm);
            let (ray, best) = if attack.goal.is_damage() {
                // Later, what is shorter was not enough.
                let norm = if round == 0 { search.between(inner, outer) } else { outer.norm };
                search.refine(attack, self.draws_used, inner, outer, norm)?
            } else {
                let best = &outer.candidates[0];
                (search.along(best, outer.norm)?, best.clone())
            };
            // What lies beyond the next norm is for what the sweep found there.
            let next = broken.get(round + 1).map(|&next| self.points[next].norm);
            if let Some(margin) = judge.shortest(&search, ray, &best, next)? {
                return Ok(Some(margin));
            }
        }
        // At last, what the sweep itself found beyond doubt.
        let clear = |point: &&CurvePoint| point.within[slot] <= CLEAR;
        let Some(point) = self.points.iter().skip(1).find(clear) else { return Ok(None) };
        let candidate = &point.candidates[0];
        let search = Search::new(target, slot, r, point.norm);
        let mut ray = search.ray(candidate, point.norm, 0)?;
        judge.attempt = RAY_VERDICTS;
        let level = alpha * LEVELS[RAY_VERDICTS];
        let margin = judge.judge(
            &candidate.u,
            &mut ray,
            point.norm,
            (level, Budget::LARGE),
            &candidate.name,
        )?;
        Ok((margin.verdict.p_value <= level).then_some(margin))
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
        let first = LEVELS.len();
        let mut judge = Judge { target, r, draws, alpha, attempt: 0, first };
        judge.shortest(&search, ray, perturbation, None)
    }
}

/// Where a ray is to be judged.
struct Aim {
    ray: Ray,
    norm: f64,
    /// How far below 1/2 that should be.
    distance: f64,
    /// What verdicts on the ray may cost.
    budget: Budget,
    /// What was found about it.
    bracket: Bracket,
}

/// What verdicts at one radius have in common.
struct Judge<'a> {
    target: Target<'a>,
    r: f64,
    /// Most draws of a verdict.
    draws: u64,
    alpha: f64,
    /// Verdicts so far.
    attempt: usize,
    /// Number of the first verdict's block of draws.
    first: usize,
}

impl Judge<'_> {
    /// Where to judge a ray: so far below 1/2 as some lengthening brings, and at least so far that
    /// the draws can decide.
    fn aim(
        &self,
        search: &Search<'_>,
        mut ray: Ray,
        best: &Candidate,
        level: f64,
    ) -> Result<Aim, Error> {
        let Self { target, draws, .. } = *self;
        let Target { model, ball, .. } = target;
        let mut norm = ray.norm_of(0.5).max(search.least);
        let (mut distance, mut budget) = (0.0, Budget::SMALL);
        let mut bracket = Bracket::default();
        for _ in 0..PROBES {
            let encoding = model.encoding(&ball.perturbed(&ray.at(target, norm)))?;
            let form = ray.form(norm);
            let expectation = Expectation::new(target, &encoding, self.r, form, ray.quartic(model));
            let slope = ray.slope(norm);
            let decided_by = |budget: Budget| expectation.distance(draws, level, budget.average);
            let is_long = decided_by(Budget::SMALL) > MUCH_LENGTHENING * slope;
            budget = if is_long { Budget::LARGE } else { Budget::SMALL };
            distance = decided_by(budget).max(LENGTHENING * slope);
            let (aim, probed) = (0.5 - distance, norm);
            let (p, error) = expectation.probe()?;
            ray.learn(norm, p, error);
            let p = ray.within(norm);
            if (p - aim).abs() < CLOSE * distance {
                break;
            }
            if p > aim {
                bracket.too_short(norm, p);
            } else {
                bracket.too_long(norm, p);
            }
            let estimate = ray.norm_of(aim);
            norm = match bracket.norm_of(aim) {
                // A ray that misses sees little slope near rest, and where p falls at once.
                Some(between) => between,
                None if !ray.is_flat(norm) && !ray.ends_at(estimate) => estimate,
                None if p > aim => norm.max(search.broken / FARTHER) * FARTHER,
                None => norm / FARTHER,
            };
            norm = norm.max(search.least);
            if (norm / probed - 1.0).abs() < AGAIN && (p - aim).abs() < TRUSTED {
                break;
            }
            ray = search.reaching(ray, best, norm)?;
        }
        Ok(Aim { ray: search.reaching(ray, best, norm)?, norm, distance, budget, bracket })
    }

    /// The shortest perturbation along a ray that a verdict calls a break, shorter than `next`.
    fn shortest(
        &mut self,
        search: &Search<'_>,
        ray: Ray,
        best: &Candidate,
        next: Option<f64>,
    ) -> Result<Option<AttackedMargin>, Error> {
        let left = &LEVELS[self.attempt..RAY_VERDICTS];
        let Some(level) = left.first() else { return Ok(None) };
        let aim = self.aim(search, ray, best, self.alpha * level)?;
        let Aim { mut ray, mut norm, mut distance, budget, mut bracket } = aim;
        let most = if next.is_some() { LENGTHENED } else { left.len() };
        for share in left.iter().take(most) {
            if next.is_some_and(|next| norm > next) {
                break;
            }
            let level = self.alpha * share;
            let u = ray.at(self.target, norm);
            let margin = self.judge(&u, &mut ray, norm, (level, budget), &best.name)?;
            if margin.verdict.p_value <= level {
                return Ok(Some(margin));
            }
            distance *= FURTHER;
            bracket.too_short(norm, margin.verdict.p);
            let [least, most] = LENGTHENINGS.map(|lengthening| norm * (1.0 + lengthening));
            let estimate = ray.norm_of(0.5 - distance);
            // Not beyond what was enough: where p falls at once, a ray says nothing.
            let enough = bracket.longer.map_or(f64::INFINITY, |(longer, _)| longer);
            let between = bracket.norm_of(0.5 - distance).filter(|_| estimate >= enough);
            norm = between.unwrap_or(estimate).clamp(least, most);
            ray = search.reaching(ray, best, norm)?;
        }
        Ok(None)
    }

    /// Judges exactly what is stored of u, with what `ray` knows at `norm`, which learns from it.
    fn judge(
        &mut self,
        u: &[f32],
        ray: &mut Ray,
        norm: f64,
        (level, budget): (f64, Budget),
        name: &str,
    ) -> Result<AttackedMargin, Error> {
        let Self { target, r, draws, .. } = *self;
        let perturbation = target.ball.store(u);
        let encoding = target.model.encoding(&perturbation.perturbed)?;
        let quartic = ray.quartic(target.model);
        let expectation = Expectation::new(target, &encoding, r, ray.form(norm), quartic);
        let first = (self.first + self.attempt) as u64 * VERDICT_BLOCK;
        self.attempt += 1;
        let verdict = Verdict::reach(target, &encoding, &expectation, draws, level, budget, first)?;
        ray.learn(norm, verdict.p, verdict.standard_error.powi(2));
        let crossing = ray.norm_of(0.5);
        let crossing = (!ray.ends_at(crossing)).then_some(crossing);
        Ok(AttackedMargin { perturbation, verdict, crossing, by: name.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use vaegis_vae::Noise;

    use super::*;
    use crate::attack::linear::{Linear, U, X};
    use crate::{Ball, Domain, InputBox};

    #[test]
    fn verdicts_and_the_test_at_rest_share_one_alpha() {
        let shares = LEVELS.iter().sum::<f64>() + AT_REST_LEVEL;
        assert!(LEVELS.iter().all(|&share| share > 0.0) && shares <= 1.0 + 1e-12, "{shares}");
    }

    #[test]
    fn aims_are_where_they_say_also_where_the_point_is_nearly_broken_at_rest() {
        let linear = Linear::new();
        let Linear { model, reference, rest, .. } = &linear;
        let domain = Domain::l2(InputBox::None);
        let ball = &Ball::new(&domain, &X);
        let share = |norm: f64, r: f64| {
            let perturbed = ball.perturbed(&ball.along(&U, norm));
            linear.squares(&model.encoding(&perturbed).unwrap()).cdf(r * r)
        };
        let candidate = Candidate { name: String::new(), u: U.to_vec(), value: 0.0 };
        // Just above one half, p hardly falls for a long way, and what is seen there is noise.
        for (case, at_rest) in [0.505, 0.55, 0.6, 0.9, 0.999].into_iter().enumerate() {
            let r = linear.radius(rest, at_rest);
            let breaks = |norm: &f64| share(*norm, r) < 0.45;
            let broken = (1..).map(|step| 0.05 * f64::from(step)).find(breaks).unwrap();
            for seed in 0..8 {
                let noise = &Noise::new(seed);
                let target = Target { model, x: &X, reference, noise, index: case as u64, ball };
                let search = Search::new(target, 0, r, broken);
                let ray = search.along(&candidate, broken).unwrap();
                let alpha = 1e-3;
                let judge = Judge { target, r, draws: 10_000, alpha, attempt: 0, first: 0 };
                let aim = judge.aim(&search, ray, &candidate, 3e-4).unwrap();
                let Aim { norm, distance, .. } = aim;
                let missed = share(norm, r) - (0.5 - distance);
                assert!(distance > 0.0 && distance < 0.02, "{at_rest}, {seed}: {distance}");
                assert!(missed.abs() < 0.004, "{at_rest}, {seed}: {missed} of {distance}");
            }
        }
    }
}
