//! Where ascents begin: singular directions of the Jacobians, and random ones.

use vaegis_vae::Purpose;

use super::Effort;
use crate::Target;
use crate::jacobian::Directions;

/// A direction to begin an ascent in, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Name as results report it: `JgJ+1`, `whitened-2`, `random 0`.
    pub name: String,
    /// Direction of the perturbation.
    pub direction: Vec<f32>,
}

/// The top right-singular vectors, both signs, of `Jg J` (the most damage to first
/// order), `Sigma^(-1/2) J` (the largest shift in units of noise) and `J`, and random
/// directions.
pub fn starts(target: Target<'_>, directions: &Directions, effort: &Effort) -> Vec<Start> {
    let maps = [
        ("JgJ", &directions.composed, effort.directions),
        ("whitened", &directions.whitened, effort.directions),
        ("J", &directions.encoder, effort.directions.min(1)),
    ];
    let mut starts = vec![];
    for (name, vectors, count) in maps {
        for (rank, vector) in vectors.iter().take(count).enumerate() {
            for (sign, letter) in [(1.0, '+'), (-1.0, '-')] {
                starts.push(Start {
                    name: format!("{name}{letter}{}", rank + 1),
                    direction: vector.iter().map(|&v| (sign * v) as f32).collect(),
                });
            }
        }
    }
    for number in 0..effort.random {
        let features = target.x.len();
        starts.push(Start {
            name: format!("random {number}"),
            direction: target.noise.normal(
                Purpose::Starts,
                target.index,
                number as u64,
                1,
                features,
            ),
        });
    }
    starts
}
