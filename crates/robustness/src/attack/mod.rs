//! Attacks: upper bounds on the margin.
//!
//! - [`goal`]: what is increased, as a function of the posterior;
//! - [`objective`]: a goal as a function of the perturbation, with its gradient;
//! - [`optimiser`]: how perturbations are improved inside a ball;
//! - [`starts`]: where they begin;
//! - [`curve`]: the damage curve `M(c)`, one warm-started sweep that prices every r;
//! - [`margin`]: the attacked margin at one r, refined and judged on fresh noise
//!   ([`verdict`]).

pub mod curve;
pub mod goal;
pub mod margin;
pub mod objective;
pub mod optimiser;
mod ray;
pub mod starts;
pub mod verdict;

pub use curve::{CurvePoint, DamageCurve};
pub use margin::{AttackedMargin, least_draws};
pub use verdict::Verdict;

use serde::{Deserialize, Serialize};

/// How hard to attack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Singular directions of each of `Jg J`, `Sigma^(-1/2) J` and `J`, both signs.
    pub directions: usize,
    /// Random starts.
    pub random: usize,
    /// Noise draws per gradient.
    pub draws: usize,
    /// Gradient steps at each norm of the sweep.
    pub steps: usize,
    /// Starts that survive the first norms of the sweep.
    pub survivors: usize,
    /// Ratio of neighbouring norms of the sweep.
    pub growth: f64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { directions: 2, random: 4, draws: 8, steps: 1, survivors: 3, growth: 1.6 }
    }
}
