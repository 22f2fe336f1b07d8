//! How perturbations are improved: each optimiser sees a ball and an objective, nothing of
//! models or noise.

mod adam;
mod conditional_gradient;
pub mod lbfgsb;
mod projected_gradient;
mod quasi_newton;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::objective::{Evaluation, Objective};
use crate::{Ball, Error};

/// How perturbations are improved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimiser {
    /// Steps to what gains most to first order: for goals that are convex in the perturbation.
    ConditionalGradient,
    /// Projected gradient with momentum and step-halving [Croce & Hein 2020].
    ProjectedGradient,
    /// A quasi-Newton method in variables between bounds.
    #[serde(rename = "l-bfgs-b")]
    Lbfgsb,
    /// A step for each entry from the moments of its gradient [Kingma & Ba 2015].
    Adam,
}

/// One ascent in progress: its best point so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Name of the start it came from.
    pub name: String,
    /// The perturbation, in units of the domain.
    pub u: Vec<f32>,
    /// The objective there.
    pub value: f64,
}

impl Candidate {
    /// Moves to where the value is larger.
    fn improve(&mut self, u: &[f32], value: f64) -> bool {
        let better = value > self.value;
        if better {
            self.u.copy_from_slice(u);
            self.value = value;
        }
        better
    }
}

impl Optimiser {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ConditionalGradient, Self::ProjectedGradient, Self::Lbfgsb, Self::Adam];

    /// Ascent of all candidates at once, on the ball of `radius`, from the points of ball and box
    /// that are nearest to where the candidates are. They end at the best point that was
    /// evaluated, with its value.
    ///
    /// Each step evaluates the objective once, on a batch; the starts come before, so that
    /// `steps` gradient steps take `steps + 1` evaluations, and those of the conditional gradient up
    /// to four more where they pay. L-BFGS-B takes as many at most, those
    /// of its line searches included, and leaves a candidate out of the batch once its search has
    /// ended.
    ///
    /// # Errors
    /// If a value or a gradient is not finite. Candidates then are what they had become.
    pub fn ascend(
        self,
        ball: &Ball<'_>,
        objective: &mut dyn Objective,
        candidates: &mut [Candidate],
        radius: f64,
        steps: usize,
    ) -> Result<(), Error> {
        for candidate in candidates.iter_mut() {
            ball.project(&mut candidate.u, radius);
        }
        // No other point to go to.
        let steps = if radius > 0.0 { steps } else { 0 };
        if self == Self::ConditionalGradient {
            return conditional_gradient::ascend(ball, objective, candidates, radius, steps);
        }
        let points: Vec<Vec<f32>> =
            candidates.iter().map(|candidate| candidate.u.clone()).collect();
        let starts = evaluate(objective, &points)?;
        for (candidate, start) in candidates.iter_mut().zip(&starts) {
            candidate.value = start.value;
        }
        if steps == 0 {
            return Ok(());
        }
        let ascend = match self {
            Self::Lbfgsb => quasi_newton::ascend,
            Self::Adam => adam::ascend,
            _ => projected_gradient::ascend,
        };
        ascend(ball, objective, candidates, starts, radius, steps)
    }
}

/// Values and gradients that can be worked with.
fn evaluate(
    objective: &mut dyn Objective,
    perturbations: &[Vec<f32>],
) -> Result<Vec<Evaluation>, Error> {
    let evaluations = objective.evaluate(perturbations)?;
    if !evaluations.iter().all(|evaluation| evaluation.value.is_finite()) {
        return Err(Error::NotFinite("the goal of the attack"));
    }
    let mut gradients = evaluations.iter().flat_map(|evaluation| &evaluation.gradient);
    if !gradients.all(|entry| entry.is_finite()) {
        return Err(Error::NotFinite("the gradient of the attack's goal"));
    }
    Ok(evaluations)
}

impl FromStr for Optimiser {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|optimiser| optimiser.to_string() == text.trim())
            .ok_or_else(|| Error::Optimiser(text.to_string()))
    }
}

impl fmt::Display for Optimiser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ConditionalGradient => "conditional-gradient",
            Self::ProjectedGradient => "projected-gradient",
            Self::Lbfgsb => "l-bfgs-b",
            Self::Adam => "adam",
        })
    }
}
