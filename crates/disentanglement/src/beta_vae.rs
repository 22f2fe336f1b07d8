//! The score of beta-VAE: can a linear classifier tell which factor two inputs share?

use crate::bootstrap::Interval;
use crate::error::Error;
use crate::fixed::{FixedFactor, Source, accuracy};
use crate::logistic::Logistic;

/// The score of beta-VAE (Higgins et al., ICLR 2017): how often a linear classifier tells which factor
/// pairs of inputs share from the mean difference of their representations. From chance (one over the
/// number of factors) to 1.
///
/// All pairs of a batch share the value of the same factor, each a random one, and differ at random in
/// the others. The classifier (multinomial logistic regression) learns from half of the batches and is
/// scored on the other half. It is easily satisfied: a factor that no latent knows is told from all latents
/// differing.
///
/// # Shapes
/// - `sizes`: the number of values of each factor
/// - `encode`: makes of n combinations of factors (an index for each) n x latents representations,
///   row-major; at most twice `settings.rows` at once
///
/// # Errors
/// If the settings make no score, or if a representation is not finite.
pub fn beta_vae_score(
    sizes: &[usize],
    encode: impl FnMut(&[Vec<usize>]) -> Vec<f32>,
    settings: &FixedFactor,
) -> Result<Interval, Error> {
    let mut source = Source::new(sizes, encode, settings)?;
    let mut batches = vec![];
    for _ in 0..2 * settings.batches {
        let factor = source.factor();
        let mut combinations: Vec<_> =
            (0..2 * settings.rows).map(|_| source.combination()).collect();
        for pair in combinations.chunks_exact_mut(2) {
            pair[1][factor] = pair[0][factor];
        }
        let codes = source.codes(&combinations)?;
        let mut difference = vec![0.0; codes[0].len()];
        for pair in codes.chunks_exact(2) {
            for (sum, (a, b)) in difference.iter_mut().zip(pair[0].iter().zip(&pair[1])) {
                *sum += (a - b).abs() / settings.rows as f64;
            }
        }
        batches.push((difference, factor));
    }
    let (learned, judged) = batches.split_at(settings.batches);
    let classifier = Logistic::fit(learned, sizes.len());
    let correct = judged.iter().filter(|(x, factor)| classifier.class(x) == *factor).count();
    Ok(accuracy(correct, settings.batches, settings.confidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::tests::{each, noise};

    fn score(sizes: &[usize], encode: impl FnMut(&[Vec<usize>]) -> Vec<f32>) -> Interval {
        let settings = FixedFactor { batches: 400, confidence: 0.999, ..FixedFactor::default() };
        beta_vae_score(sizes, encode, &settings).unwrap()
    }

    fn holds(found: Interval, expected: f64) {
        assert!(found.low <= expected && expected <= found.high, "{found:?} {expected}");
    }

    #[test]
    fn one_latent_for_each_factor_is_perfect_in_any_order_and_unit() {
        assert_eq!(score(&[3, 6, 1, 8], each(|v| v.to_vec())).estimate, 1.0);
        let mixed = each(|v| vec![-5.0 * v[2], 0.0, v[0], 100.0 + v[1] * 1e-2]);
        assert_eq!(score(&[4, 6, 8], mixed).estimate, 1.0);
    }

    #[test]
    fn a_factor_without_a_latent_is_told_from_the_others() {
        assert!(score(&[5, 5, 5], each(|v| v[..2].to_vec())).estimate > 0.99);
    }

    #[test]
    fn rotations_and_noise_are_chance() {
        holds(score(&[6, 6], each(|v| vec![v[0] + v[1], v[0] - v[1]])), 0.5);
        holds(score(&[6, 4, 3, 5], noise(5)), 0.25);
        holds(score(&[6, 4, 3, 5], each(|_| vec![1.0, 2.0])), 0.25);
    }
}
