//! Adam on a ball [Kingma & Ba 2015].
//!
//! Adam scales every entry of the gradient by itself, and a scaled gradient does not stop where
//! projection holds the perturbation: on the sphere, entries whose gradient is small would grow
//! until all weigh the same. So what it sees is the gradient mapping `(P(u + t g) - u) / t`, the
//! part of the gradient that ball and box let through: zero exactly where u is stationary.

use super::{Candidate, evaluate};
use crate::attack::objective::{Evaluation, Objective};
use crate::domain::norm;
use crate::{Ball, Error};

/// Length of the first step in radii, if all entries that the gradient mapping moves do so alike.
/// Step lengths fall linearly to 0, so that an ascent settles whatever its number of steps:
/// together they are `steps / 4` radii long, enough after 8 to cross the ball.
const LEARNING_RATE: f64 = 0.5;
/// How fast the moments forget.
const BETAS: (f64, f64) = (0.9, 0.999);
/// Gradient mappings, in units of the radius, below which entries do not count.
const EPSILON: f64 = 1e-8;

/// Ascends from the evaluated starts.
pub(super) fn ascend(
    ball: &Ball<'_>,
    objective: &mut dyn Objective,
    candidates: &mut [Candidate],
    starts: Vec<Evaluation>,
    radius: f64,
    steps: usize,
) -> Result<(), Error> {
    let mut ascents: Vec<Ascent> =
        candidates.iter().map(|candidate| Ascent::new(&candidate.u)).collect();
    let mut evaluations = starts;
    for step in 0..steps {
        let rate = LEARNING_RATE * (1.0 - step as f64 / steps as f64);
        for (ascent, evaluation) in ascents.iter_mut().zip(&evaluations) {
            ascent.step(ball, &evaluation.gradient, radius, rate);
        }
        let points: Vec<Vec<f32>> = ascents.iter().map(|ascent| ascent.u.clone()).collect();
        evaluations = evaluate(objective, &points)?;
        for (slot, candidate) in candidates.iter_mut().enumerate() {
            candidate.improve(&points[slot], evaluations[slot].value);
        }
    }
    Ok(())
}

/// The state of one ascent besides its best point.
struct Ascent {
    u: Vec<f32>,
    /// Means of the gradient mapping and of its square.
    first: Vec<f64>,
    second: Vec<f64>,
    steps: i32,
    /// The largest l2 norm of a gradient so far.
    steepest: f64,
}

impl Ascent {
    fn new(u: &[f32]) -> Self {
        let zeros = vec![0.0; u.len()];
        Self { u: u.to_vec(), first: zeros.clone(), second: zeros, steps: 0, steepest: 0.0 }
    }

    fn step(&mut self, ball: &Ball<'_>, gradient: &[f32], radius: f64, rate: f64) {
        self.steepest = self.steepest.max(norm(gradient.iter().map(|&g| f64::from(g))));
        // A step of one radius where the function is steepest.
        let long = if self.steepest > 0.0 { radius / self.steepest } else { 0.0 };
        let moved = |(&u, &g): (&f32, &f32)| (f64::from(u) + long * f64::from(g)) as f32;
        let mut projected: Vec<f32> = self.u.iter().zip(gradient).map(moved).collect();
        ball.project(&mut projected, radius);

        self.steps += 1;
        let correction = (1.0 - BETAS.0.powi(self.steps), 1.0 - BETAS.1.powi(self.steps));
        let moving = self.u.iter().zip(&projected).filter(|(u, projected)| u != projected);
        let length = ball.norm().of(moving.map(|_| 1.0)).max(1.0);
        for (position, u) in self.u.iter_mut().enumerate() {
            let mapped = (f64::from(projected[position]) - f64::from(*u)) / radius;
            let (first, second) = (&mut self.first[position], &mut self.second[position]);
            *first += (1.0 - BETAS.0) * (mapped - *first);
            *second += (1.0 - BETAS.1) * (mapped * mapped - *second);
            let scaled = *first / correction.0 / ((*second / correction.1).sqrt() + EPSILON);
            *u = (f64::from(*u) + rate * radius / length * scaled) as f32;
        }
        ball.project(&mut self.u, radius);
    }
}
