//! Attacks: upper bounds on the margin.
//!
//! - [`goal`]: what is increased, as a function of the posterior;
//! - [`objective`]: a goal as a function of the perturbation, with its gradient;
//! - [`optimiser`]: how perturbations are improved inside a ball;
//! - [`starts`]: where they begin;
//! - [`universal()`]: one perturbation for many points;
//! - `climb`: ascents at rising norms, each warm-started from the one before;
//! - [`curve`]: the damage curve `M(c)`, one climb that prices every r;
//! - [`fixed`]: the strongest perturbations at given norms;
//! - [`margin`]: the attacked margin at one r, refined (`search`, `ray`) and judged on fresh noise
//!   ([`verdict`]).

mod bracket;
mod climb;
pub mod curve;
mod expectation;
pub mod fixed;
pub mod goal;
#[cfg(test)]
mod linear;
pub mod margin;
pub mod objective;
pub mod optimiser;
mod ray;
mod search;
pub mod starts;
pub mod universal;
pub mod verdict;

pub use curve::{CurvePoint, DamageCurve};
pub use fixed::{Strongest, strongest};
pub use margin::{AttackedMargin, least_draws};
pub use universal::{universal, universal_steps};
pub use verdict::Verdict;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use goal::{Goal, Kind, Pathway, Reference, Through};
use optimiser::Optimiser;

use crate::{Error, Target};

/// An attack: what it increases, how, and how hard it tries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// What is increased.
    pub goal: Kind,
    /// How.
    pub optimiser: Optimiser,
    /// What damages are measured from, while they are increased: margins, and scores other than
    /// the goal's value, are about the mean reconstruction.
    #[serde(default, skip_serializing_if = "is_mean")]
    pub reference: Reference,
    /// What the goal is charged per length of the perturbation, in units of the domain: lambda of
    /// the targeted attacks of [Tabacof 2016, Gondim-Ribeiro 2018]. For perturbations of given
    /// sizes, which stay limits; margins are least lengths already.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub penalty: f64,
    /// What of the posterior perturbations move. For perturbations of given sizes: margins are about
    /// the posterior as it is.
    #[serde(default, skip_serializing_if = "Pathway::is_both")]
    pub through: Pathway,
    /// How hard.
    #[serde(flatten)]
    pub effort: Effort,
}

impl Attack {
    /// An attack that tries as hard as its optimiser needs to.
    pub fn new(goal: Kind, optimiser: Optimiser) -> Self {
        let effort = Effort::default();
        let steps = match optimiser {
            Optimiser::ConditionalGradient => effort.steps,
            _ => GRADIENT_STEPS,
        };
        Self {
            goal,
            optimiser,
            reference: Reference::Mean,
            penalty: 0.0,
            through: Pathway::Both,
            effort: Effort { steps, ..effort },
        }
    }

    /// What it increases at one point; `aim` is the input that targeted goals aim at.
    ///
    /// # Errors
    /// If a targeted goal has nothing to aim at, a goal that is no damage is to have a sampled
    /// reference, or a posterior is not finite.
    pub fn goal(&self, target: Target<'_>, aim: Option<&[f32]>) -> Result<Box<dyn Goal>, Error> {
        let goal = self.goal.goal(target, self.reference, aim)?;
        if self.through == Pathway::Both {
            return Ok(goal);
        }
        let original = target.model.encoding(target.x)?;
        Ok(Box::new(Through { goal, pathway: self.through, original }))
    }

    /// What it increases, and through what if not through all: `maximum-damage through mean`.
    pub fn question(&self) -> String {
        match self.through {
            Pathway::Both => self.goal.to_string(),
            pathway => format!("{} through {pathway}", self.goal),
        }
    }

    /// Whether the better of both counts: they increase the same, through the same.
    pub fn is_rival(&self, other: &Self) -> bool {
        (self.goal, self.through) == (other.goal, other.through)
    }

    /// The same attack for a few norms rather than for a sweep: more starts, draws and steps.
    pub fn thorough(self) -> Self {
        let effort = Effort {
            directions: 3,
            random: 8,
            draws: 16,
            steps: 4 * self.effort.steps.max(1),
            survivors: 8,
            ..self.effort
        };
        Self { effort, ..self }
    }
}

impl Default for Attack {
    fn default() -> Self {
        Self::new(Kind::MaximumDamage, Kind::MaximumDamage.optimiser())
    }
}

/// Its goal, and its optimiser after a colon unless it is the goal's own.
impl fmt::Display for Attack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.optimiser == self.goal.optimiser() {
            write!(formatter, "{}", self.goal)
        } else {
            write!(formatter, "{}:{}", self.goal, self.optimiser)
        }
    }
}

/// `GOAL` or `GOAL:OPTIMISER`.
impl FromStr for Attack {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (goal, optimiser) = text.split_once(':').map_or((text, None), |(a, b)| (a, Some(b)));
        let goal: Kind = goal.parse()?;
        let optimiser = optimiser.map_or(Ok(goal.optimiser()), str::parse)?;
        Ok(Self::new(goal, optimiser))
    }
}

fn is_mean(reference: &Reference) -> bool {
    *reference == Reference::Mean
}

fn is_zero(penalty: &f64) -> bool {
    *penalty == 0.0
}

/// Steps of an optimiser that follows gradients rather than going to where they point.
const GRADIENT_STEPS: usize = 8;

/// How hard to attack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Singular directions of each of `Jg J`, `Sigma^(-1/2) J` and `J`, both signs.
    pub directions: usize,
    /// Random starts.
    pub random: usize,
    /// Noise draws per gradient.
    pub draws: usize,
    /// Gradient steps of an ascent; the conditional gradient goes on while it pays.
    pub steps: usize,
    /// Candidates that survive at each norm, where all starts compete with them.
    pub survivors: usize,
    /// Ratio of neighbouring norms of the sweep.
    pub growth: f64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { directions: 2, random: 4, draws: 8, steps: 1, survivors: 6, growth: 1.6 }
    }
}
