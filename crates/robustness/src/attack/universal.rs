//! Universal perturbations: one for many points [Moosavi-Dezfooli 2017].

use super::fixed::{climb, most_steps};
use super::goal::Goal;
use super::objective::{Evaluation, Objective, PointObjective};
use super::starts::{Start, starts};
use super::{Attack, Strongest};
use crate::jacobian::Jacobians;
use crate::{Ball, Error, Target};

/// Draws of all points together behind a gradient, and behind the choice between perturbations:
/// the points make up for the number of draws of each, which is never below an antithetic pair.
const GRADIENT_DRAWS: usize = 256;
const JUDGING_DRAWS: usize = 2048;

/// Points whose singular directions begin ascents: starts of more cost more than they find.
const STARTING_POINTS: usize = 4;

/// The perturbation in each ball that increases the mean of a goal over many points most. Where
/// `x + d` leaves the box of a point, it is clipped for that point.
///
/// `ball`: about any input, without a box. `goals` and `jacobians`: one for each target. `watch` is
/// told how many of [`universal_steps`] are done, and whether it wants more.
///
/// # Errors
/// If a value is not finite, or `watch` wants no more.
pub fn universal(
    ball: &Ball<'_>,
    targets: &[Target<'_>],
    goals: &[Box<dyn Goal>],
    jacobians: &[Jacobians],
    attack: &Attack,
    radii: &[f64],
    watch: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<Strongest>, Error> {
    let each = |draws: usize| (draws / targets.len()).max(2);
    let objectives = |first, draws: usize| -> Box<dyn Objective> {
        let draws = draws.min(each(GRADIENT_DRAWS));
        let mut points = Vec::with_capacity(targets.len());
        for (&target, goal) in targets.iter().zip(goals) {
            points.push(PointObjective::new(target, goal.as_ref(), first, draws));
        }
        Box::new(Mean { points, targets })
    };
    let mut points = Vec::with_capacity(targets.len());
    for (&target, goal) in targets.iter().zip(goals) {
        points.push(PointObjective::judging(target, goal.as_ref(), each(JUDGING_DRAWS)));
    }
    let mut judging = Mean { points, targets };
    let starts: Vec<Start> = targets
        .iter()
        .zip(jacobians)
        .take(STARTING_POINTS)
        .flat_map(|(&target, jacobians)| {
            let index = target.index;
            starts(target, &jacobians.directions, &attack.effort)
                .into_iter()
                .map(move |start| Start { name: format!("{} of {index}", start.name), ..start })
        })
        .collect();
    let mut done = 0;
    let mut go_on = || {
        done += 1;
        watch(done - 1)
    };
    climb(ball, attack, &objectives, &mut judging, starts, radii, &mut go_on)
}

/// Steps of the climb that [`universal()`] makes; under a penalty, at most.
pub fn universal_steps(attack: &Attack, radii: &[f64]) -> usize {
    most_steps(radii, attack.penalty)
}

/// The mean of a goal over points.
struct Mean<'a> {
    points: Vec<PointObjective<'a>>,
    targets: &'a [Target<'a>],
}

impl Mean<'_> {
    /// Adds up what each point makes of its own clipped perturbations.
    fn sum(
        &mut self,
        perturbations: &[Vec<f32>],
        mut evaluate: impl FnMut(&mut PointObjective<'_>, &[Vec<f32>]) -> Result<Vec<Evaluation>, Error>,
    ) -> Result<Vec<Evaluation>, Error> {
        let share = 1.0 / self.points.len() as f64;
        let mut means: Vec<Evaluation> = perturbations
            .iter()
            .map(|u| Evaluation { value: 0.0, gradient: vec![0.0; u.len()] })
            .collect();
        for (point, target) in self.points.iter_mut().zip(self.targets) {
            let (lower, upper) = target.ball.limits();
            let clip = |u: &Vec<f32>| -> Vec<f32> {
                let limits = lower.iter().zip(upper);
                u.iter().zip(limits).map(|(u, (&low, &high))| u.clamp(low, high)).collect()
            };
            let clipped: Vec<Vec<f32>> = perturbations.iter().map(clip).collect();
            let found = evaluate(point, &clipped)?;
            for ((mean, found), (u, clipped)) in
                means.iter_mut().zip(found).zip(perturbations.iter().zip(&clipped))
            {
                mean.value += share * found.value;
                for (entry, gradient) in found.gradient.into_iter().enumerate() {
                    // What is clipped does not move.
                    if u[entry] == clipped[entry] {
                        mean.gradient[entry] += share as f32 * gradient;
                    }
                }
            }
        }
        Ok(means)
    }
}

impl Objective for Mean<'_> {
    fn evaluate(&mut self, perturbations: &[Vec<f32>]) -> Result<Vec<Evaluation>, Error> {
        self.sum(perturbations, |point, clipped| point.evaluate(clipped))
    }

    fn linearised(&mut self, perturbations: &[Vec<f32>]) -> Vec<Evaluation> {
        self.sum(perturbations, |point, clipped| Ok(point.linearised(clipped)))
            .expect("nothing above fails")
    }
}
