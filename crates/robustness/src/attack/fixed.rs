//! Attacks at given norms.

use super::Attack;
use super::climb::{Climb, Objectives};
use super::goal::Goal;
use super::objective::{Evaluation, Objective, PointObjective};
use super::optimiser::Candidate;
use super::starts::{Start, starts};
use crate::ball::Perturbation;
use crate::jacobian::Jacobians;
use crate::{Ball, Error, Target};

/// Ascents at each norm, each with fresh noise.
const ASCENTS: usize = 3;

/// Draws that choose between the survivors: more than those of an ascent, and not the same.
const JUDGING_DRAWS: usize = 256;

/// Norms climbed through on the way to a given one grow by at most this factor.
const GROWTH: f64 = 2.0;

/// Climbs begin at this share of the smallest norm.
const FOOT: f64 = 0.25;

/// Under a penalty, the best length is known to this share of itself.
const PRECISION: f64 = 0.02;

/// Most balls that are tried for it below each of the given radii, besides those of the climb.
const REFINEMENTS: usize = 12;

/// Share of an interval at which a golden-section search divides it.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// The strongest perturbation that an attack found in a ball.
#[derive(Debug, Clone, PartialEq)]
pub struct Strongest {
    /// The perturbation, measured as it is stored.
    pub perturbation: Perturbation,
    /// The goal there less the penalty of its length, under noise that the attack never saw.
    pub value: f64,
    /// The start it came from.
    pub by: String,
}

/// The strongest perturbations in balls of the given radii, which must rise, found on one climb
/// through all of them. What was found in a smaller ball is not forgotten in a larger one, and
/// where nothing increases the goal, it is the input itself.
///
/// Under a penalty `lambda`, the strongest is the one for which the goal less `lambda |d|` is
/// largest. As `max_d goal(d) - lambda |d|` is `max_c M(c) - lambda c`, where `M(c)` is the largest
/// goal in the ball of radius c, optimisers never see the penalty: the climb knows M at some radii,
/// and a search between them finds the best.
///
/// # Errors
/// If a value is not finite.
pub fn strongest(
    target: Target<'_>,
    jacobians: &Jacobians,
    attack: &Attack,
    goal: &dyn Goal,
    radii: &[f64],
) -> Result<Vec<Strongest>, Error> {
    let objectives = |first, draws| -> Box<dyn Objective> {
        Box::new(PointObjective::new(target, goal, first, draws))
    };
    let starts = starts(target, &jacobians.directions, &attack.effort);
    let mut judging = PointObjective::judging(target, goal, JUDGING_DRAWS);
    climb(target.ball, attack, &objectives, &mut judging, starts, radii, &mut || true)
}

/// The climb through all radii, on which survivors are compared by `judging`. `go_on` is asked
/// before each step of it.
pub(super) fn climb(
    ball: &Ball<'_>,
    attack: &Attack,
    objectives: Objectives<'_>,
    judging: &mut dyn Objective,
    mut starts: Vec<Start>,
    radii: &[f64],
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<Strongest>, Error> {
    let still = vec![0.0; ball.limits().0.len()];
    let Evaluation { value: rest, gradient } =
        judging.evaluate(std::slice::from_ref(&still))?.remove(0);
    // Singular directions are about the mean; this one is about whatever the goal is.
    if gradient.iter().any(|&entry| entry != 0.0) {
        starts.push(Start { name: "gradient".to_string(), direction: gradient });
    }
    let mut search = Search {
        ball,
        climb: Climb::new(ball, attack, objectives, starts),
        judging,
        penalty: attack.penalty,
        go_on,
        strongest: Strongest {
            perturbation: ball.store(&still),
            value: rest,
            by: "none".to_string(),
        },
        visited: vec![],
    };
    let mut found: Vec<Strongest> = Vec::with_capacity(radii.len());
    for Step { radius, given } in steps(radii) {
        let penalised = attack.penalty > 0.0;
        if given || penalised {
            search.visit(radius, if given { ASCENTS } else { 1 })?;
        } else {
            search.climb_to(radius, 1)?;
        }
        if given && penalised {
            search.refine()?;
        }
        if given {
            found.push(search.strongest.clone());
        }
    }
    Ok(found)
}

/// A climb, and the best that was met on it.
struct Search<'a, 'o> {
    ball: &'a Ball<'a>,
    climb: Climb<'a, 'o>,
    judging: &'a mut dyn Objective,
    penalty: f64,
    go_on: &'a mut dyn FnMut() -> bool,
    strongest: Strongest,
    /// Radii that were visited.
    visited: Vec<f64>,
}

impl Search<'_, '_> {
    fn climb_to(&mut self, radius: f64, ascents: usize) -> Result<&[Candidate], Error> {
        if (self.go_on)() { self.climb.to(radius, ascents) } else { Err(Error::Interrupted) }
    }

    /// Climbs to a radius and returns the best value of those that survive there.
    fn visit(&mut self, radius: f64, ascents: usize) -> Result<f64, Error> {
        let ball = self.ball;
        let stored: Vec<(Perturbation, String)> = self
            .climb_to(radius, ascents)?
            .iter()
            .map(|survivor| (inside(ball, &survivor.u, radius), survivor.name.clone()))
            .collect();
        let u: Vec<Vec<f32>> =
            stored.iter().map(|(kept, _)| ball.between(&kept.perturbed)).collect();
        let mut best = f64::NEG_INFINITY;
        for ((perturbation, by), at) in stored.into_iter().zip(self.judging.evaluate(&u)?) {
            let value = at.value - self.penalty * perturbation.norm;
            best = best.max(value);
            if value > self.strongest.value {
                self.strongest = Strongest { perturbation, value, by };
            }
        }
        self.visited.push(radius);
        Ok(best)
    }

    /// Golden-section search about the best length so far, between the radii beside it.
    fn refine(&mut self) -> Result<(), Error> {
        let best = self.strongest.perturbation.norm;
        let apart = 0.5 * PRECISION * best;
        let below = self.visited.iter().copied().filter(|radius| *radius < best - apart);
        let above = self.visited.iter().copied().filter(|radius| *radius > best + apart);
        let mut low = below.fold(0.0, f64::max);
        let mut high = above.min_by(f64::total_cmp).unwrap_or(best);
        // Where nothing is worth its price, the first ball says what counts as 0.
        let first = self.visited[0];
        let precise = |low: f64, high: f64| high - low <= PRECISION * high.max(first);
        if precise(low, high) {
            return Ok(());
        }
        let at = |search: &mut Self, radius| Ok((radius, search.visit(radius, 1)?));
        let mut left = at(self, high - GOLDEN * (high - low))?;
        let mut right = at(self, low + GOLDEN * (high - low))?;
        for _ in 2..REFINEMENTS {
            if left.1 >= right.1 {
                (high, right) = (right.0, left);
                left = at(self, high - GOLDEN * (high - low))?;
            } else {
                (low, left) = (left.0, right);
                right = at(self, low + GOLDEN * (high - low))?;
            }
            if precise(low, high) {
                break;
            }
        }
        Ok(())
    }
}

/// A ball on the way.
struct Step {
    radius: f64,
    /// Whether it is one of those asked for.
    given: bool,
}

/// The balls that a climb through the given ones takes, at most.
pub(super) fn most_steps(radii: &[f64], penalty: f64) -> usize {
    let refinements = if penalty > 0.0 { REFINEMENTS * radii.len() } else { 0 };
    steps(radii).len() + refinements
}

/// The balls that a climb through the given ones takes.
fn steps(radii: &[f64]) -> Vec<Step> {
    let mut steps = vec![];
    let mut below = radii.first().map_or(0.0, |radius| radius * FOOT);
    for &radius in radii {
        while below * GROWTH < radius {
            below *= GROWTH;
            steps.push(Step { radius: below, given: false });
        }
        below = radius;
        steps.push(Step { radius, given: true });
    }
    steps
}

/// What is stored of u, no longer than `radius`: rounding to `x + d` may lengthen it a little.
fn inside(ball: &Ball<'_>, u: &[f32], radius: f64) -> Perturbation {
    let mut stored = ball.store(u);
    let mut length = radius;
    while stored.norm > radius && length > 0.5 * radius {
        length -= (stored.norm - radius).max(1e-7 * radius);
        stored = ball.store(&ball.along(u, length));
    }
    stored
}
