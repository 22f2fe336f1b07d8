//! Ascents at rising norms: what was found at one norm begins the ascents at the next.

use super::Attack;
use super::objective::Objective;
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
    /// at one norm need not be at the next; the best that differ survive and ascend `ascents`
    /// times, each time with fresh noise. The strongest comes first.
    pub(super) fn to(&mut self, norm: f64, ascents: usize) -> Result<&[Candidate], Error> {
        let ball = self.ball;
        let corner =
            |start: &Candidate| Candidate { u: ball.corner(&start.u, norm), ..start.clone() };
        self.survivors.extend(self.starts.iter().map(corner));
        self.ascend(norm, 1)?;
        let mut kept: Vec<Candidate> = vec![];
        for candidate in self.survivors.drain(..) {
            let alike = |other: &Candidate| cosine(&other.u, &candidate.u) > ALIKE;
            if kept.len() < self.attack.effort.survivors.max(1) && !kept.iter().any(alike) {
                kept.push(candidate);
            }
        }
        self.survivors = kept;
        for _ in 0..ascents {
            self.ascend(norm, self.attack.effort.steps)?;
        }
        Ok(&self.survivors)
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
