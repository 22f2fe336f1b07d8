//! The FactorVAE score: which latent varies least where a factor is fixed?

use crate::bootstrap::Interval;
use crate::error::Error;
use crate::fixed::{FixedFactor, Source, accuracy, variances};

/// Batches that the variance of each latent is estimated from.
const SCALE_BATCHES: usize = 100;

/// Latents of less variance are off (Locatello et al. 2019): that of a prior is 1.
const LEAST_VARIANCE: f64 = 0.05;

/// The score of FactorVAE (Kim and Mnih, ICML 2018): how often the fixed factor of a batch is told from
/// which latent varies least, relative to its variance over all inputs. From chance (one over the
/// number of factors) to 1.
///
/// A classifier by majority learns from half of the batches and is scored on the other half. Latents whose
/// variance is below 0.05 are left out; where none is left, the score is chance.
///
/// # Shapes
/// - `sizes`: the number of values of each factor
/// - `encode`: makes of n combinations of factors (an index for each) n x latents representations,
///   row-major; at most `settings.rows` at once
///
/// # Errors
/// If the settings make no score, or if a representation is not finite.
pub fn factor_vae_score(
    sizes: &[usize],
    encode: impl FnMut(&[Vec<usize>]) -> Vec<f32>,
    settings: &FixedFactor,
) -> Result<Interval, Error> {
    let mut source = Source::new(sizes, encode, settings)?;
    let mut all = vec![];
    for _ in 0..SCALE_BATCHES {
        let combinations: Vec<_> = (0..settings.rows).map(|_| source.combination()).collect();
        all.extend(source.codes(&combinations)?);
    }
    let scales = variances(&all);
    let mut vote = || -> Result<(usize, usize), Error> {
        let factor = source.factor();
        let value = source.combination()[factor];
        let mut combinations: Vec<_> = (0..settings.rows).map(|_| source.combination()).collect();
        combinations.iter_mut().for_each(|combination| combination[factor] = value);
        let spread = variances(&source.codes(&combinations)?);
        let active = (0..scales.len()).filter(|&j| scales[j] >= LEAST_VARIANCE);
        let least =
            active.min_by(|&i, &j| (spread[i] / scales[i]).total_cmp(&(spread[j] / scales[j])));
        Ok((least.unwrap_or(0), factor))
    };
    let mut votes = vec![vec![0; sizes.len()]; scales.len()];
    for _ in 0..settings.batches {
        let (latent, factor) = vote()?;
        votes[latent][factor] += 1;
    }
    let elected = |votes: &Vec<usize>| (0..votes.len()).max_by_key(|&k| votes[k]).unwrap_or(0);
    let elected: Vec<usize> = votes.iter().map(elected).collect();
    let mut correct = 0;
    for _ in 0..settings.batches {
        let (latent, factor) = vote()?;
        correct += usize::from(elected[latent] == factor);
    }
    Ok(accuracy(correct, settings.batches, settings.confidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::tests::{each, noise};

    fn score(sizes: &[usize], encode: impl FnMut(&[Vec<usize>]) -> Vec<f32>) -> Interval {
        let settings = FixedFactor { confidence: 0.999, ..FixedFactor::default() };
        factor_vae_score(sizes, encode, &settings).unwrap()
    }

    fn holds(found: Interval, expected: f64) {
        assert!(found.low <= expected && expected <= found.high, "{found:?} {expected}");
    }

    #[test]
    fn one_latent_for_each_factor_is_perfect_in_any_order_and_unit() {
        assert_eq!(score(&[3, 6, 1, 8], each(|v| v.to_vec())).estimate, 1.0);
        let mixed = each(|v| vec![-5.0 * v[2], 0.0, v[0], 100.0 + v[1], v[1] * 1e-3]);
        assert_eq!(score(&[4, 6, 8], mixed).estimate, 1.0);
    }

    #[test]
    fn a_factor_without_a_latent_is_never_told() {
        holds(score(&[5, 5, 5], each(|v| v[..2].to_vec())), 2.0 / 3.0);
    }

    #[test]
    fn rotations_and_noise_are_chance() {
        holds(score(&[6, 6], each(|v| vec![v[0] + v[1], v[0] - v[1]])), 0.5);
        holds(score(&[6, 4, 3, 5], noise(5)), 0.25);
        holds(score(&[6, 4, 3, 5], each(|_| vec![1.0, 2.0])), 0.25);
    }

    #[test]
    fn the_seed_decides_everything() {
        let settings = FixedFactor { batches: 50, rows: 8, ..FixedFactor::default() };
        let run =
            |seed| factor_vae_score(&[4, 4], noise(3), &FixedFactor { seed, ..settings }).unwrap();
        assert_eq!(run(1), run(1));
        assert!((2..9).any(|seed| run(seed) != run(1)));
    }
}
