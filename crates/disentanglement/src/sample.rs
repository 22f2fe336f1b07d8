//! Representations of inputs and the factors that made these.

use crate::error::Error;

/// What the values of a factor mean to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers on a scale, such as sizes and places.
    Ordered,
    /// Names, such as shapes and colours.
    Categorical,
}

/// Representations with their factors: at least two rows, at least one latent, at least one
/// factor, finite numbers, and every factor varies.
#[derive(Debug, Clone)]
pub struct Sample {
    rows: usize,
    /// The column of each latent.
    pub(crate) latents: Vec<Vec<f64>>,
    pub(crate) factors: Vec<Factor>,
}

/// One factor of all rows.
#[derive(Debug, Clone)]
pub(crate) struct Factor {
    pub(crate) kind: Kind,
    /// The index of each row's value.
    pub(crate) values: Vec<usize>,
    /// Its rank among the values that occur: 0, 1, ..., `count` - 1.
    pub(crate) classes: Vec<usize>,
    pub(crate) count: usize,
}

impl Factor {
    fn new(kind: Kind, values: Vec<usize>) -> Self {
        let mut distinct = values.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let class = |value: &usize| distinct.partition_point(|other| other < value);
        Self { kind, classes: values.iter().map(class).collect(), count: distinct.len(), values }
    }
}

impl Sample {
    /// A sample from rows of numbers.
    ///
    /// # Shapes
    /// - `codes`: n x `latents`, row-major: the representation of each input
    /// - `factors`: n x `kinds.len()`, row-major: the index of each factor's value
    ///
    /// # Errors
    /// Lists what does not hold.
    pub fn new(
        codes: &[f32],
        latents: usize,
        factors: &[usize],
        kinds: &[Kind],
    ) -> Result<Self, Error> {
        if latents == 0 || kinds.is_empty() {
            let found = format!(
                "{latents} latents and {} factors, expected at least one of each",
                kinds.len()
            );
            return Err(Error::Sample(vec![found]));
        }
        let rows = codes.len() / latents;
        let mut problems = vec![];
        if !codes.len().is_multiple_of(latents) || factors.len() != rows * kinds.len() {
            problems.push(format!(
                "{} numbers and {} indices are not whole rows of {latents} latents and {} factors",
                codes.len(),
                factors.len(),
                kinds.len()
            ));
        }
        if rows < 2 {
            problems.push(format!("{rows} rows, expected at least 2"));
        }
        if let Some(place) = codes.iter().position(|code| !code.is_finite()) {
            let (row, latent) = (place / latents, place % latents);
            problems.push(format!("latent {latent} of row {row} is {}", codes[place]));
        }
        if !problems.is_empty() {
            return Err(Error::Sample(problems));
        }
        let column = |j: usize| codes.iter().skip(j).step_by(latents).map(|&code| code.into());
        let factor = |(k, &kind): (usize, &Kind)| {
            Factor::new(kind, factors.iter().skip(k).step_by(kinds.len()).copied().collect())
        };
        let latents = (0..latents).map(|j| column(j).collect()).collect();
        let factors: Vec<Factor> = kinds.iter().enumerate().map(factor).collect();
        let fixed = factors.iter().enumerate().filter(|(_, factor)| factor.count < 2);
        let problems: Vec<String> =
            fixed.map(|(k, _)| format!("factor {k} has one value in all rows")).collect();
        if problems.is_empty() {
            Ok(Self { rows, latents, factors })
        } else {
            Err(Error::Sample(problems))
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The sample of these rows, in which a factor may have one value only.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let latent = |column: &Vec<f64>| rows.iter().map(|&row| column[row]).collect();
        let factor = |factor: &Factor| Factor {
            kind: factor.kind,
            values: rows.iter().map(|&row| factor.values[row]).collect(),
            classes: rows.iter().map(|&row| factor.classes[row]).collect(),
            count: factor.count,
        };
        Self {
            rows: rows.len(),
            latents: self.latents.iter().map(latent).collect(),
            factors: self.factors.iter().map(factor).collect(),
        }
    }
}

/// The mean of numbers; NaN of none.
pub(crate) fn mean(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) =
        numbers.into_iter().fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    sum / count
}

/// The difference between the largest and the second largest number, of which the latter is 0 if
/// there is one number only.
pub(crate) fn gap(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let (first, second) = numbers
        .into_iter()
        .fold((0.0_f64, 0.0_f64), |(first, second), x| (first.max(x), second.max(first.min(x))));
    first - second
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    /// All combinations of the factors of these sizes, `repeats` times, and the latents that `codes`
    /// makes of each.
    pub(crate) fn grid(
        sizes: &[usize],
        repeats: usize,
        kinds: &[Kind],
        codes: impl Fn(&[f64]) -> Vec<f64>,
    ) -> Sample {
        let count: usize = sizes.iter().product();
        let (mut all, mut factors, mut latents) = (vec![], vec![], 0);
        for number in (0..repeats).flat_map(|_| 0..count) {
            let mut rest = number;
            let indices = sizes.iter().map(|&size| {
                let index = rest % size;
                rest /= size;
                index
            });
            let indices: Vec<usize> = indices.collect();
            let values: Vec<f64> = indices.iter().map(|&index| index as f64).collect();
            let row = codes(&values);
            latents = row.len();
            all.extend(row.into_iter().map(|code| code as f32));
            factors.extend(indices);
        }
        Sample::new(&all, latents, &factors, kinds).unwrap()
    }

    /// Factors drawn uniformly and latents that `codes` makes of them and of a source of uniform
    /// noise in -1..1.
    pub(crate) fn drawn(
        rows: usize,
        seed: u64,
        sizes: &[usize],
        codes: impl Fn(&[f64], &mut dyn FnMut() -> f64) -> Vec<f64>,
    ) -> Sample {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let (mut all, mut factors, mut latents) = (vec![], vec![], 0);
        for _ in 0..rows {
            let indices: Vec<usize> = sizes.iter().map(|&n| generator.random_range(0..n)).collect();
            let values: Vec<f64> = indices.iter().map(|&index| index as f64).collect();
            let row = codes(&values, &mut || generator.random_range(-1.0..1.0));
            latents = row.len();
            all.extend(row.into_iter().map(|code| code as f32));
            factors.extend(indices);
        }
        Sample::new(&all, latents, &factors, &vec![Kind::Ordered; sizes.len()]).unwrap()
    }

    pub(crate) fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}");
    }

    #[test]
    fn what_cannot_be_scored_is_refused() {
        use Kind::Ordered;
        for (codes, latents, factors, kinds, expected) in [
            (&[1.0, 2.0][..], 1, &[0, 0][..], &[Ordered][..], "factor 0 has one value"),
            (&[1.0, f32::NAN], 1, &[0, 1], &[Ordered], "latent 0 of row 1 is NaN"),
            (&[1.0, 2.0, 3.0], 2, &[0], &[Ordered], "3 numbers and 1 indices are not whole rows"),
            (&[1.0, 2.0, 3.0], 2, &[0], &[Ordered], "; 1 rows, expected at least 2"),
            (&[], 0, &[], &[Ordered], "0 latents and 1 factors"),
            (&[], 3, &[], &[], "3 latents and 0 factors"),
        ] {
            let message = Sample::new(codes, latents, factors, kinds).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn gaps_are_between_the_two_largest() {
        assert_eq!(gap([0.25, 1.0, 0.5]), 0.5);
        assert_eq!(gap([1.0, 1.0]), 0.0);
        assert_eq!(gap([0.75]), 0.75);
    }
}
