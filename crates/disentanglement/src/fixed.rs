//! Representations of inputs that are made to order: of random combinations of factors, or of
//! ones that share the value of one factor.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::bootstrap::Interval;
use crate::error::Error;

/// How scores with a fixed factor are measured. The default is 800 batches of 64 for each of the two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedFactor {
    /// Batches that the classifier learns from, and as many others that it is scored on.
    pub batches: usize,
    /// Rows (or pairs of rows) of one batch.
    pub rows: usize,
    /// Of the score's limits, within 0..1.
    pub confidence: f64,
    /// The draws are a function of it.
    pub seed: u64,
}

impl Default for FixedFactor {
    fn default() -> Self {
        Self { batches: 800, rows: 64, confidence: 0.95, seed: 0 }
    }
}

/// A source of combinations of factors and their representations.
pub(crate) struct Source<'a, F> {
    sizes: &'a [usize],
    encode: F,
    generator: ChaCha8Rng,
}

impl<'a, F: FnMut(&[Vec<usize>]) -> Vec<f32>> Source<'a, F> {
    pub(crate) fn new(
        sizes: &'a [usize],
        encode: F,
        settings: &FixedFactor,
    ) -> Result<Self, Error> {
        let mut problems = vec![];
        if sizes.contains(&0) || sizes.iter().all(|&size| size < 2) {
            problems.push(format!(
                "factors with {sizes:?} values, expected one that varies and none of 0"
            ));
        }
        if settings.batches == 0 || settings.rows < 2 {
            let (batches, rows) = (settings.batches, settings.rows);
            problems.push(format!("{batches} batches of {rows} rows, expected at least 1 of 2"));
        }
        if !(0.0..1.0).contains(&settings.confidence) {
            problems
                .push(format!("a confidence of {}, expected one within 0..1", settings.confidence));
        }
        let generator = ChaCha8Rng::seed_from_u64(settings.seed);
        if problems.is_empty() {
            Ok(Self { sizes, encode, generator })
        } else {
            Err(Error::Sample(problems))
        }
    }

    /// One of the factors that vary.
    pub(crate) fn factor(&mut self) -> usize {
        let varying: Vec<usize> = (0..self.sizes.len()).filter(|&k| self.sizes[k] > 1).collect();
        varying[self.generator.random_range(0..varying.len())]
    }

    /// A combination with all values equally likely.
    pub(crate) fn combination(&mut self) -> Vec<usize> {
        self.sizes.iter().map(|&size| self.generator.random_range(0..size)).collect()
    }

    /// The representation of each combination.
    pub(crate) fn codes(&mut self, combinations: &[Vec<usize>]) -> Result<Vec<Vec<f64>>, Error> {
        let codes = (self.encode)(combinations);
        let latents = codes.len() / combinations.len();
        if latents == 0 || codes.len() != latents * combinations.len() {
            let found = format!(
                "{} numbers for {} inputs are no representations, expected as many for each",
                codes.len(),
                combinations.len()
            );
            return Err(Error::Sample(vec![found]));
        }
        if let Some(place) = codes.iter().position(|code| !code.is_finite()) {
            let (input, latent) = (&combinations[place / latents], place % latents);
            let found = format!("latent {latent} of factors {input:?} is {}", codes[place]);
            return Err(Error::Sample(vec![found]));
        }
        let row = |row: &[f32]| row.iter().map(|&code| code.into()).collect();
        Ok(codes.chunks_exact(latents).map(row).collect())
    }
}

/// The variance of each column.
pub(crate) fn variances(rows: &[Vec<f64>]) -> Vec<f64> {
    let count = rows.len() as f64;
    let column = |j: usize| {
        let mean = rows.iter().map(|row| row[j]).sum::<f64>() / count;
        rows.iter().map(|row| (row[j] - mean).powi(2)).sum::<f64>() / count
    };
    (0..rows[0].len()).map(column).collect()
}

/// The share of `correct` among `all` independent trials, with limits of Wilson (1927): other than those
/// of resampling, they have a width where all are correct.
pub(crate) fn accuracy(correct: usize, all: usize, confidence: f64) -> Interval {
    let (share, n) = (correct as f64 / all as f64, all as f64);
    let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + (z / (2.0 * n)).powi(2)).sqrt();
    Interval { estimate: share, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sample::tests::close;

    /// Encodes combinations row by row.
    pub(crate) fn each(code: impl Fn(&[f64]) -> Vec<f64>) -> impl FnMut(&[Vec<usize>]) -> Vec<f32> {
        move |combinations| {
            let values =
                |row: &Vec<usize>| row.iter().map(|&index| index as f64).collect::<Vec<_>>();
            combinations.iter().flat_map(|row| code(&values(row))).map(|code| code as f32).collect()
        }
    }

    /// Representations that have nothing to do with factors.
    pub(crate) fn noise(latents: usize) -> impl FnMut(&[Vec<usize>]) -> Vec<f32> {
        let mut generator = ChaCha8Rng::seed_from_u64(11);
        move |rows| (0..rows.len() * latents).map(|_| generator.random_range(-2.0..2.0)).collect()
    }

    #[test]
    fn limits_are_those_of_wilson() {
        let found = accuracy(8, 10, 0.95);
        close(found.low, 0.4902, 1e-4);
        close(found.high, 0.9433, 1e-4);
        let perfect = accuracy(800, 800, 0.95);
        assert!(perfect.high == 1.0 && perfect.low > 0.99 && perfect.low < 1.0);
    }

    #[test]
    fn what_makes_no_score_is_refused() {
        let settings = FixedFactor { batches: 3, rows: 1, confidence: 2.0, seed: 0 };
        let refused = Source::new(&[1, 1], each(<[f64]>::to_vec), &settings).err().unwrap();
        let message = refused.to_string();
        for part in ["[1, 1] values", "3 batches of 1 rows", "a confidence of 2"] {
            assert!(message.contains(part), "{message}");
        }
        let settings = FixedFactor::default();
        for (codes, expected) in [
            (vec![0.0; 3], "3 numbers for 2 inputs are no representations"),
            (vec![], "0 numbers for 2 inputs"),
            (vec![0.0, 1.0, f32::NAN, 0.0], "latent 0 of factors [1] is NaN"),
        ] {
            let mut source =
                Source::new(&[2], |_: &[Vec<usize>]| codes.clone(), &settings).unwrap();
            let message = source.codes(&[vec![0], vec![1]]).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
