//! Counter-based noise: every draw is a pure function of its coordinates.
//!
//! A draw is addressed by (seed, purpose, index, draw number), where the index is
//! a row of a data set or a training step. ChaCha is a block cipher in counter
//! mode, so any draw can be computed alone: results depend neither on batch size,
//! nor on threads, nor on the order in which points are visited.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::box_muller;

/// Pairs of words that are drawn before they become numbers: they stay in the nearest cache.
const BLOCK: usize = 256;

/// What a draw is for. Draws for different purposes are independent, so that an
/// attack is never judged with the noise it was optimised on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Posterior noise of training steps.
    Training,
    /// Posterior noise of validation passes.
    Validation,
    /// Choosing radii (quantiles of `|Delta(x)|`).
    Selection,
    /// Estimating `p_r(x)`.
    Estimation,
    /// Inside an attack's optimiser.
    Attack,
    /// Comparing candidates of an attack with each other.
    Candidates,
    /// The verdict on a perturbation: fresh, never seen by the attack.
    Verdict,
    /// Random starts of attacks.
    Starts,
    /// Scores such as likelihood degradation.
    Scores,
    /// Probing Jacobians that are too big to form.
    Probes,
    /// Judging perturbations that were found on another model.
    Transfer,
    /// About other posteriors than that of x, for certificates.
    Certification,
    /// Driving the posteriors of x and x' alike.
    Coupling,
    /// Choosing how many draws to estimate from.
    Pilot,
    /// Posterior noise of the batches from which a discriminator learns the marginals.
    Discriminator,
    /// Permuting latents among rows.
    Permutation,
    /// Posterior noise of a model's distortion.
    Evaluation,
    /// Draws from the aggregate posterior.
    AggregatePosterior,
    /// Draws of which it is predicted whether they leave a radius.
    Prediction,
}

/// The source of all noise of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    seed: u64,
}

impl Noise {
    /// Noise that depends on `seed` only.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Standard normal draws `first .. first + count` of `dimensions` numbers each,
    /// row-major.
    pub fn normal(
        &self,
        purpose: Purpose,
        index: u64,
        first: u64,
        count: usize,
        dimensions: usize,
    ) -> Vec<f32> {
        // Box-Muller turns a pair of 64-bit words into a pair of normals, so a draw
        // of m numbers owns ceil(m/2) pairs: 4 ChaCha words (of 32 bits) each.
        let pairs = dimensions.div_ceil(2);
        let mut generator = self.generator(purpose, index);
        generator.set_word_pos(u128::from(first) * 4 * pairs as u128);
        let mut normals = Vec::with_capacity(count * pairs);
        let mut words = [[0u64; 2]; BLOCK];
        while normals.len() < count * pairs {
            let missing = count * pairs - normals.len();
            let words = &mut words[..missing.min(BLOCK)];
            words.iter_mut().flatten().for_each(|word| *word = generator.next_u64());
            box_muller::extend(&mut normals, words);
        }
        let normals = normals.into_flattened();
        // The last number of an odd draw is not used.
        if 2 * pairs == dimensions {
            return normals;
        }
        normals.chunks_exact(2 * pairs).flat_map(|draw| &draw[..dimensions]).copied().collect()
    }

    fn generator(&self, purpose: Purpose, index: u64) -> ChaCha8Rng {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16] = purpose as u8;
        key[24..].copy_from_slice(b"vaegis 1");
        ChaCha8Rng::from_seed(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_draw_can_be_computed_alone() {
        let noise = Noise::new(7);
        for dimensions in [1, 2, 5, 10] {
            let all = noise.normal(Purpose::Estimation, 3, 0, 100, dimensions);
            let middle = noise.normal(Purpose::Estimation, 3, 40, 7, dimensions);
            assert_eq!(middle, all[40 * dimensions..47 * dimensions]);
        }
    }

    #[test]
    fn seed_purpose_and_index_all_matter() {
        let draw = |seed, purpose, index| Noise::new(seed).normal(purpose, index, 0, 4, 3);
        let base = draw(1, Purpose::Verdict, 1);
        assert_ne!(base, draw(2, Purpose::Verdict, 1));
        assert_ne!(base, draw(1, Purpose::Attack, 1));
        assert_ne!(base, draw(1, Purpose::Verdict, 2));
        assert_eq!(base, draw(1, Purpose::Verdict, 1));
    }

    #[test]
    fn draws_are_standard_normal_and_uncorrelated() {
        let (count, dimensions) = (200_000, 3);
        let values = Noise::new(0).normal(Purpose::Estimation, 0, 0, count, dimensions);
        let column = |k: usize| values.iter().skip(k).step_by(dimensions).map(|&v| f64::from(v));
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count as f64;
        // Five standard errors of each statistic.
        let error = 5.0 / (count as f64).sqrt();
        for k in 0..dimensions {
            assert!(mean(&mut column(k)).abs() < error);
            assert!((mean(&mut column(k).map(|v| v * v)) - 1.0).abs() < error * 2f64.sqrt());
            assert!((mean(&mut column(k).map(|v| v.powi(4))) - 3.0).abs() < error * 96f64.sqrt());
            let next = (k + 1) % dimensions;
            assert!(mean(&mut column(k).zip(column(next)).map(|(a, b)| a * b)).abs() < error);
            let tail = column(k).filter(|v| *v > 2.0).count() as f64 / count as f64;
            assert!((tail - 0.022_750).abs() < 5.0 * (0.02275f64 / count as f64).sqrt());
        }
    }
}
