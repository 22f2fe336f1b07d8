//! Conditional gradient ascent of many candidates at one norm [Frank & Wolfe 1956].

use super::Candidate;
use crate::attack::objective::Objective;
use crate::{Ball, Error};

/// Steps of the encoder alone between two evaluations of the decoder.
const INNER_STEPS: usize = 2;

/// Steps beyond those asked for while some candidate gains at least so much of its value, and would
/// be the strongest if it gained as much once more.
pub(super) const FURTHER_STEPS: usize = 4;
const GAIN: f64 = 0.05;

/// Conditional gradient ascent of all candidates at once, on the ball of `radius`.
///
/// A step goes towards the perturbation that gains most to first order, `argmax <gradient, u>`
/// over ball and box. For a damage that is convex in the perturbation the whole step is never
/// worse: for a linear map it is a power iteration (the generalised power method, Journée et
/// al. 2010), for l-infinity a signed one. Steps that do not pay are halved.
///
/// Between two evaluations of the objective, further steps follow it linearised at the
/// posterior: the encoder alone is cheap, the decoder with its draws is not.
///
/// # Errors
/// If a value is not finite.
pub(super) fn ascend(
    ball: &Ball<'_>,
    objective: &mut dyn Objective,
    candidates: &mut [Candidate],
    radius: f64,
    steps: usize,
) -> Result<(), Error> {
    let mut proposals: Vec<Vec<f32>> = candidates.iter().map(|c| c.u.clone()).collect();
    let mut step_sizes = vec![1.0f32; candidates.len()];
    let mut gradients: Vec<Option<Vec<f32>>> = vec![None; candidates.len()];
    for step in 0..=steps + FURTHER_STEPS {
        let before: Vec<f64> = candidates.iter().map(|candidate| candidate.value).collect();
        let evaluations = objective.evaluate(&proposals)?;
        for (slot, evaluation) in evaluations.into_iter().enumerate() {
            let candidate = &mut candidates[slot];
            if gradients[slot].is_none() || evaluation.value > candidate.value {
                candidate.value = evaluation.value;
                candidate.u.clone_from(&proposals[slot]);
                gradients[slot] = Some(evaluation.gradient);
            } else {
                step_sizes[slot] *= 0.5;
            }
        }
        if step >= steps && (step == 0 || !is_worth_more(&before, candidates)) {
            break;
        }
        for (slot, proposal) in proposals.iter_mut().enumerate() {
            if let Some(gradient) = &gradients[slot] {
                *proposal = towards(ball, &candidates[slot].u, gradient, radius, step_sizes[slot]);
            }
        }
        // The linearisation belongs to the points just evaluated: where that was a failure,
        // the proposal starts from elsewhere and stays as it is.
        for _ in 0..INNER_STEPS {
            let refined = objective.linearised(&proposals);
            for (slot, evaluation) in refined.into_iter().enumerate() {
                if step_sizes[slot] == 1.0 {
                    proposals[slot] =
                        towards(ball, &proposals[slot], &evaluation.gradient, radius, 1.0);
                }
            }
        }
    }
    Ok(())
}

/// Whether a further step of some candidate may give a stronger one.
fn is_worth_more(before: &[f64], candidates: &[Candidate]) -> bool {
    let best = candidates.iter().map(|candidate| candidate.value).fold(f64::NEG_INFINITY, f64::max);
    before.iter().zip(candidates).any(|(before, candidate)| {
        let gain = candidate.value - before;
        gain > GAIN * before.abs() && candidate.value + gain > best
    })
}

/// A step of the given size from u towards the corner of the ball that the gradient points to.
fn towards(ball: &Ball<'_>, u: &[f32], gradient: &[f32], radius: f64, size: f32) -> Vec<f32> {
    let corner = ball.corner(gradient, radius);
    if size == 1.0 {
        return corner;
    }
    let between: Vec<f32> =
        u.iter().zip(&corner).map(|(u, corner)| u + size * (corner - u)).collect();
    // The chord cuts through the ball: the damage is outside.
    ball.along(&between, radius)
}
