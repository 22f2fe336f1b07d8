//! Projected gradient ascent that chooses its step sizes (Auto-PGD).
//!
//! F. Croce and M. Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
//! parameter-free attacks, ICML 2020.
//!
//! Published for l2 and l-infinity. In l1 the direction that gains most moves a single entry, and
//! the sparse directions of the authors' later attack (Mind the box, ICML 2021) stop at limits of
//! the box. Here a step in l1 follows the gradient itself, which projection turns into a sparse
//! step: that is stationary only where the function is.

use super::{Candidate, evaluate};
use crate::attack::objective::{Evaluation, Objective};
use crate::{Ball, Error, Norm};

/// Share of the projected step; the rest is the step before.
const MOMENTUM: f32 = 0.75;
/// A step size stays if this share of steps since the last checkpoint raised the value.
const RISING: f64 = 0.75;
/// Ascends from the evaluated starts.
pub(super) fn ascend(
    ball: &Ball<'_>,
    objective: &mut dyn Objective,
    candidates: &mut [Candidate],
    starts: Vec<Evaluation>,
    radius: f64,
    steps: usize,
) -> Result<(), Error> {
    let checkpoints = checkpoints(steps);
    let mut ascents: Vec<Ascent> = candidates
        .iter()
        .zip(starts)
        .map(|(candidate, start)| Ascent::new(ball, candidate, start, radius))
        .collect();
    let mut last_checkpoint = 0;
    for step in 1..=steps {
        let points: Vec<Vec<f32>> =
            ascents.iter().map(|ascent| ascent.next(ball, radius)).collect();
        let evaluations = evaluate(objective, &points)?;
        for (slot, (point, evaluation)) in points.into_iter().zip(evaluations).enumerate() {
            ascents[slot].arrive(point, evaluation, &mut candidates[slot]);
        }
        if checkpoints.contains(&step) {
            for (ascent, candidate) in ascents.iter_mut().zip(&*candidates) {
                ascent.check(candidate, step - last_checkpoint);
            }
            last_checkpoint = step;
        }
    }
    Ok(())
}

/// Numbers of steps after which step sizes are looked at. Intervals between them shrink from 22%
/// of all steps by 3% each, down to 6%.
fn checkpoints(steps: usize) -> Vec<usize> {
    // In hundredths: no rounding.
    let (mut interval, mut share) = (22, 22);
    let mut checkpoints = vec![];
    while share <= 100 {
        checkpoints.push((share * steps).div_ceil(100));
        interval = (interval - 3).max(6);
        share += interval;
    }
    checkpoints.dedup();
    checkpoints
}

/// The state of one ascent besides its best point.
struct Ascent {
    norm: Norm,
    u: Vec<f32>,
    value: f64,
    gradient: Vec<f32>,
    /// The point before u, where momentum comes from.
    before: Option<Vec<f32>>,
    best_gradient: Vec<f32>,
    /// Length of a step.
    size: f64,
    /// Steps since the last checkpoint that raised the value.
    rises: usize,
    /// Whether the last checkpoint halved the step, and the best value then.
    halved: bool,
    best_value: f64,
}

impl Ascent {
    fn new(ball: &Ball<'_>, candidate: &Candidate, start: Evaluation, radius: f64) -> Self {
        let norm = ball.norm();
        Self {
            norm,
            u: candidate.u.clone(),
            value: start.value,
            best_gradient: start.gradient.clone(),
            gradient: start.gradient,
            before: None,
            size: 2.0 * radius,
            rises: 0,
            halved: false,
            best_value: start.value,
        }
    }

    /// Where the next step leads.
    fn next(&self, ball: &Ball<'_>, radius: f64) -> Vec<f32> {
        let direction = steepest(self.norm, &self.gradient);
        let mut next: Vec<f32> = self
            .u
            .iter()
            .zip(&direction)
            .map(|(&u, along)| (f64::from(u) + self.size * along) as f32)
            .collect();
        ball.project(&mut next, radius);
        if let Some(before) = &self.before {
            for (next, (u, before)) in next.iter_mut().zip(self.u.iter().zip(before)) {
                *next = u + MOMENTUM * (*next - u) + (1.0 - MOMENTUM) * (u - before);
            }
            ball.project(&mut next, radius);
        }
        next
    }

    fn arrive(&mut self, point: Vec<f32>, evaluation: Evaluation, best: &mut Candidate) {
        if evaluation.value > self.value {
            self.rises += 1;
        }
        if best.improve(&point, evaluation.value) {
            self.best_gradient.clone_from(&evaluation.gradient);
        }
        let before = std::mem::replace(&mut self.u, point);
        self.before = Some(before);
        self.value = evaluation.value;
        self.gradient = evaluation.gradient;
    }

    /// Halves the step and goes on from the best point, if too few of the last `steps` raised the
    /// value, or the step size was not halved before them and the best value stayed.
    fn check(&mut self, best: &Candidate, steps: usize) {
        let oscillates = (self.rises as f64) < RISING * steps as f64;
        let stalls = !self.halved && self.best_value == best.value;
        self.halved = oscillates || stalls;
        if self.halved {
            self.size *= 0.5;
            self.u.copy_from_slice(&best.u);
            self.value = best.value;
            self.gradient.clone_from(&self.best_gradient);
        }
        self.rises = 0;
        self.best_value = best.value;
    }
}

/// The direction of a step, zero if the gradient is: what gains most for its length in l2 and
/// l-infinity, and in l1 the gradient, its largest entry 1.
fn steepest(norm: Norm, gradient: &[f32]) -> Vec<f64> {
    let entries = gradient.iter().map(|&g| f64::from(g));
    if norm == Norm::LInf {
        return entries.map(|g| if g == 0.0 { 0.0 } else { g.signum() }).collect();
    }
    let length = norm.dual().of(entries.clone());
    entries.map(|g| if length > 0.0 { g / length } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_those_published() {
        // p = 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99
        let expected = [22, 41, 57, 70, 80, 87, 93, 99];
        assert_eq!(checkpoints(100), expected);
        assert_eq!(checkpoints(1000), expected.map(|step| 10 * step));
        assert_eq!(checkpoints(10), [3, 5, 6, 7, 8, 9, 10]);
        assert_eq!(checkpoints(1), [1]);
    }

    fn ascent(size: f64, value: f64) -> (Ascent, Candidate) {
        let ascent = Ascent {
            norm: Norm::L2,
            u: vec![0.5],
            value,
            gradient: vec![2.0],
            before: Some(vec![0.25]),
            best_gradient: vec![3.0],
            size,
            rises: 0,
            halved: false,
            best_value: 1.0,
        };
        (ascent, Candidate { name: String::new(), u: vec![0.75], value: 1.0 })
    }

    #[test]
    fn steps_are_halved_where_the_value_oscillates_or_the_best_stalls() {
        // Three of four is enough, if the best rose.
        let (mut rising, best) = ascent(2.0, 1.0);
        (rising.rises, rising.best_value) = (3, 0.5);
        rising.check(&best, 4);
        assert_eq!((rising.size, rising.halved, rising.rises), (2.0, false, 0));
        assert_eq!((rising.best_value, &rising.u), (1.0, &vec![0.5]));

        // Condition 1, and the restart from the best.
        let (mut oscillating, best) = ascent(2.0, 0.0);
        (oscillating.rises, oscillating.best_value) = (2, 0.5);
        oscillating.check(&best, 4);
        assert_eq!((oscillating.size, oscillating.halved), (1.0, true));
        assert_eq!((oscillating.value, oscillating.u), (1.0, vec![0.75]));
        assert_eq!(oscillating.gradient, [3.0]);

        // Condition 2, but not where the last checkpoint halved the step.
        for halved in [false, true] {
            let (mut stalling, best) = ascent(2.0, 0.0);
            (stalling.rises, stalling.halved) = (4, halved);
            stalling.check(&best, 4);
            assert_eq!(stalling.size, if halved { 2.0 } else { 1.0 });
            assert_eq!(stalling.halved, !halved);
        }
    }

    #[test]
    fn directions_are_steepest() {
        let gradient = [3.0, 0.0, -4.0];
        assert_eq!(steepest(Norm::L1, &gradient), [0.75, 0.0, -1.0]);
        assert_eq!(steepest(Norm::L2, &gradient), [0.6, 0.0, -0.8]);
        assert_eq!(steepest(Norm::LInf, &gradient), [1.0, 0.0, -1.0]);
        for norm in [Norm::L1, Norm::L2, Norm::LInf] {
            assert_eq!(steepest(norm, &[0.0; 3]), [0.0; 3]);
        }
    }
}
