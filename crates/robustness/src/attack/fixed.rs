//! Attacks at given norms.

use super::Attack;
use super::climb::{Climb, Objectives};
use super::goal::Goal;
use super::objective::{Objective, PointObjective};
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

/// The strongest perturbation that an attack found in a ball.
#[derive(Debug, Clone, PartialEq)]
pub struct Strongest {
    /// The perturbation, measured as it is stored.
    pub perturbation: Perturbation,
    /// The goal there, under noise that the attack never saw.
    pub value: f64,
    /// The start it came from.
    pub by: String,
}

/// The strongest perturbations in balls of the given radii, which must rise, found on one climb
/// through all of them. What was found in a smaller ball is not forgotten in a larger one, and
/// where nothing increases the goal, it is the input itself.
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
    starts: Vec<Start>,
    radii: &[f64],
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<Strongest>, Error> {
    let mut climb = Climb::new(ball, attack, objectives, starts);
    let still = vec![0.0; ball.limits().0.len()];
    let rest = judging.evaluate(std::slice::from_ref(&still))?;
    let mut strongest = Strongest {
        perturbation: ball.store(&still),
        value: rest[0].value,
        by: "none".to_string(),
    };
    let mut found: Vec<Strongest> = Vec::with_capacity(radii.len());
    for step in steps(radii) {
        if !go_on() {
            return Err(Error::Interrupted);
        }
        let Step { radius, given } = step;
        let survivors = climb.to(radius, if given { ASCENTS } else { 1 })?;
        if !given {
            continue;
        }
        let stored: Vec<(Perturbation, String)> = survivors
            .iter()
            .map(|survivor| (inside(ball, &survivor.u, radius), survivor.name.clone()))
            .collect();
        let u: Vec<Vec<f32>> =
            stored.iter().map(|(kept, _)| ball.between(&kept.perturbed)).collect();
        let values = judging.evaluate(&u)?;
        for ((perturbation, by), at) in stored.into_iter().zip(values) {
            if at.value > strongest.value {
                strongest = Strongest { perturbation, value: at.value, by };
            }
        }
        found.push(strongest.clone());
    }
    Ok(found)
}

/// A ball on the way.
pub(super) struct Step {
    radius: f64,
    /// Whether it is one of those asked for.
    given: bool,
}

/// The balls that a climb through the given ones takes.
pub(super) fn steps(radii: &[f64]) -> Vec<Step> {
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
