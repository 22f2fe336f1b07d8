//! Ascents at rising norms: what was found at one norm begins the ascents at the next.

use super::Attack;
use super::objective::{Evaluation, Objective};
use super::optimiser::Candidate;
use super::starts::Start;
use crate::{Ball, Error};

/// Perturbations of a larger cosine count as the same.
const ALIKE: f64 = 0.95;

/// What is increased on a climb, under the attack's draws from a number on: an objective for every
/// ascent, so that each has fresh noise.
pub(super) type Objectives<'a> = &'a dyn Fn(u64, usize) -> Box<dyn Objective + 'a>;

/// The ascents of one attack.
pub(super) struct Climb<'a, 'o> {
    ball: &'a Ball<'a>,
    attack: &'a Attack,
    objectives: Objectives<'o>,
    starts: Vec<Candidate>,
    survivors: Vec<Candidate>,
    /// Draws of the attack's noise that were used up.
    used: u64,
}

impl<'a, 'o> Climb<'a, 'o> {
    pub(super) fn new(
        ball: &'a Ball<'a>,
        attack: &'a Attack,
        objectives: Objectives<'o>,
        starts: Vec<Start>,
    ) -> Self {
        let candidate = |start: Start| Candidate {
            name: start.name,
            u: start.direction,
            value: f64::NEG_INFINITY,
        };
        let starts = starts.into_iter().map(candidate).collect();
        Self { ball, attack, objectives, starts, survivors: vec![], used: 0 }
    }

    /// Climbs to a norm: all starts compete with those that survived so far, because what is best
    /// at one norm need not be at the next; those that promise most and differ survive and ascend
    /// `ascents` times, each time with fresh noise. The strongest comes first.
    pub(super) fn to(&mut self, norm: f64, ascents: usize) -> Result<&[Candidate], Error> {
        let ball = self.ball;
        let corner =
            |start: &Candidate| Candidate { u: ball.corner(&start.u, norm), ..start.clone() };
        self.survivors.extend(self.starts.iter().map(corner));
        self.screen(norm)?;
        for _ in 0..ascents {
            self.ascend(norm, self.attack.effort.steps)?;
        }
        Ok(&self.survivors)
    }

    /// Keeps the candidates that promise most to first order and go different ways.
    fn screen(&mut self, norm: f64) -> Result<(), Error> {
        let Attack { effort, .. } = self.attack;
        let ball = self.ball;
        for candidate in &mut self.survivors {
            candidate.u = ball.along(&candidate.u, norm);
        }
        let points: Vec<Vec<f32>> = self.survivors.iter().map(|c| c.u.clone()).collect();
        let evaluations = (self.objectives)(self.used, effort.draws).evaluate(&points)?;
        self.used += effort.draws as u64;
        let promise = |(mut candidate, evaluation): (Candidate, Evaluation)| {
            let corner = ball.corner(&evaluation.gradient, norm);
            let gains = corner.iter().zip(&candidate.u).zip(&evaluation.gradient);
            let gain: f64 = gains.map(|((c, u), g)| f64::from((c - u) * g)).sum();
            candidate.value = evaluation.value + gain;
            (candidate, corner)
        };
        let pairs = self.survivors.drain(..).zip(evaluations);
        let mut promising: Vec<(Candidate, Vec<f32>)> = pairs.map(promise).collect();
        promising.sort_by(|(a, _), (b, _)| b.value.total_cmp(&a.value));
        let mut ways: Vec<Vec<f32>> = vec![];
        for (candidate, corner) in promising {
            let alike = |other: &Vec<f32>| cosine(other, &corner) > ALIKE;
            if ways.len() < effort.survivors.max(1) && !ways.iter().any(alike) {
                self.survivors.push(candidate);
                ways.push(corner);
            }
        }
        Ok(())
    }

    /// Draws of the attack's noise that were used up.
    pub(super) fn draws_used(&self) -> u64 {
        self.used
    }

    fn ascend(&mut self, norm: f64, steps: usize) -> Result<(), Error> {
        let (ball, draws) = (self.ball, self.attack.effort.draws);
        for candidate in &mut self.survivors {
            candidate.u = ball.along(&candidate.u, norm);
        }
        let mut objective = (self.objectives)(self.used, draws);
        self.used += draws as u64;
        let optimiser = self.attack.optimiser;
        optimiser.ascend(ball, objective.as_mut(), &mut self.survivors, norm, steps)?;
        self.survivors.sort_by(|a, b| b.value.total_cmp(&a.value));
        Ok(())
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{Domain, InputBox};

    /// `4 v^2 + tilt v` at `(u, v)`: it rises two ways.
    struct Valley<'a> {
        tilt: f32,
        asked: &'a Cell<usize>,
    }

    impl Objective for Valley<'_> {
        fn evaluate(&mut self, perturbations: &[Vec<f32>]) -> Result<Vec<Evaluation>, Error> {
            self.asked.set(self.asked.get() + perturbations.len());
            Ok(self.linearised(perturbations))
        }

        fn linearised(&mut self, perturbations: &[Vec<f32>]) -> Vec<Evaluation> {
            let evaluate = |point: &Vec<f32>| {
                let v = point[1];
                let value = f64::from(4.0 * v * v + self.tilt * v);
                Evaluation { value, gradient: vec![0.0, 8.0 * v + self.tilt] }
            };
            perturbations.iter().map(evaluate).collect()
        }
    }

    #[test]
    fn one_start_ascends_for_each_way_and_both_ways_survive() {
        let domain = Domain::l2(InputBox::None);
        let ball = Ball::new(&domain, &[0.5, 0.5]);
        let attack = Attack::default();
        let directions = [[1.0, 0.9], [1.0, 0.3], [-1.0, 0.5], [0.2, -1.0], [-1.0, -0.4]];
        let start = |direction: [f32; 2]| Start {
            name: format!("{direction:?}"),
            direction: direction.to_vec(),
        };
        let (asked, tilt) = (Cell::new(0), Cell::new(0.5));
        let objectives =
            |_, _| -> Box<dyn Objective> { Box::new(Valley { tilt: tilt.get(), asked: &asked }) };
        let starts: Vec<Start> = directions.into_iter().map(start).collect();
        let mut climb = Climb::new(&ball, &attack, &objectives, starts);

        let found = climb.to(1.0, 1).unwrap().to_vec();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].u[1], found[1].u[1]), (1.0, -1.0), "the stronger comes first");
        // Of starts that go the same way, the one that promises most.
        assert_eq!((&*found[0].name, &*found[1].name), ("[1.0, 0.9]", "[0.2, -1.0]"));
        // Once all, then the two at both ends of their step, and of another as that gained much.
        assert_eq!(asked.get(), directions.len() + 6);

        // What was weaker is stronger farther out.
        tilt.set(-0.5);
        let found = climb.to(2.0, 1).unwrap();
        assert_eq!((found.len(), found[0].u[1]), (2, -2.0), "{found:?}");
    }
}
