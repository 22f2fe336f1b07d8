//! Projected gradient ascent of many candidates at one norm.

use super::gradient::{Damage, Goal, damage};
use crate::ball::norm;
use crate::{Error, Target};

/// One ascent in progress: its best point so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Name of the start it came from.
    pub name: String,
    /// The perturbed input.
    pub perturbed: Vec<f32>,
    /// The goal there, under the noise it was optimised on.
    pub value: f64,
}

/// Projected gradient ascent of all candidates at once, inside the ball of `radius`.
///
/// Steps go along the normalised gradient, first by the whole radius (for a damage
/// that is convex in the perturbation that is a power iteration, which jumps to the
/// best corner of the ball), then by half as much whenever a step does not pay
/// (after APGD [Croce & Hein 2020]). All steps see the same noise, so that "does not
/// pay" means something; each call sees fresh noise (`first`).
///
/// # Errors
/// If a damage is not finite.
pub fn ascend(
    target: Target<'_>,
    goal: Goal,
    candidates: &mut [Candidate],
    radius: f64,
    steps: usize,
    first: u64,
    draws: usize,
) -> Result<(), Error> {
    let mut points: Vec<Vec<f32>> = candidates.iter().map(|c| c.perturbed.clone()).collect();
    let mut best: Vec<Option<Vec<f32>>> = vec![None; candidates.len()];
    let mut step_sizes = vec![radius; candidates.len()];
    for step in 0..=steps {
        let Damage { damages, gradients } = damage(target, goal, &points, first, draws)?;
        for (slot, (damages, gradient)) in damages.iter().zip(gradients).enumerate() {
            let candidate = &mut candidates[slot];
            let value = goal.value(damages);
            if best[slot].is_none() || value > candidate.value {
                candidate.value = value;
                candidate.perturbed.clone_from(&points[slot]);
                best[slot] = Some(gradient);
            } else {
                step_sizes[slot] *= 0.5;
            }
        }
        if step == steps {
            break;
        }
        for (slot, point) in points.iter_mut().enumerate() {
            let Some(gradient) = &best[slot] else { continue };
            point.clone_from(&candidates[slot].perturbed);
            // What the box would clip away must not take its share of the step.
            let free = |value: f32, g: f32| if target.bounds.blocks(value, g) { 0.0 } else { g };
            let free: Vec<f32> = point.iter().zip(gradient).map(|(&v, &g)| free(v, g)).collect();
            let length = norm(free.iter().map(|&g| f64::from(g)));
            if length > 0.0 && length.is_finite() {
                let scale = step_sizes[slot] / length;
                for (value, g) in point.iter_mut().zip(&free) {
                    *value += (scale * f64::from(*g)) as f32;
                }
            }
            target.bounds.project(target.x, point, radius);
        }
    }
    Ok(())
}
