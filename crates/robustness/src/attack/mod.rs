//! Attacks: upper bounds on the margin.
//!
//! - [`gradient`]: how much damage perturbations do on average, and its gradient;
//! - [`starts`]: where ascents begin;
//! - [`ascent`]: projected gradient ascent of many starts at one norm;
//! - [`curve`]: the damage curve `M(c)`, one warm-started sweep that prices every r;
//! - [`margin`]: the attacked margin at one r, re-judged on fresh noise.

pub mod ascent;
pub mod curve;
pub mod gradient;
pub mod margin;
pub mod optimiser;
pub mod starts;

pub use curve::{CurvePoint, DamageCurve};
pub use margin::{AttackedMargin, Verdict, least_draws};

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
        Self { directions: 2, random: 2, draws: 8, steps: 6, survivors: 5, growth: 1.6 }
    }
}
