//! Independent factors of variation: data that are a grid of all combinations of a few values.
//!
//! A combination is a list of indices, one for each factor, and has a number in the grid: the
//! mixed-radix number whose digits are the indices, the first factor's the most significant.

/// The factors of a grid, the last of which changes fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factors {
    factors: &'static [(&'static str, usize)],
}

#[expect(clippy::len_without_is_empty, reason = "every factor has a value")]
impl Factors {
    /// Names and numbers of values, each at least 1.
    pub(crate) const fn new(factors: &'static [(&'static str, usize)]) -> Self {
        Self { factors }
    }

    /// The name of each factor.
    pub fn names(&self) -> Vec<&'static str> {
        self.factors.iter().map(|factor| factor.0).collect()
    }

    /// The number of values of each factor.
    pub fn sizes(&self) -> Vec<usize> {
        self.factors.iter().map(|factor| factor.1).collect()
    }

    /// The number of combinations: the product of the sizes.
    pub fn len(&self) -> usize {
        self.factors.iter().map(|factor| factor.1).product()
    }

    /// The combination of this number in the grid.
    ///
    /// # Panics
    /// If there is none.
    pub fn indices(&self, number: usize) -> Vec<usize> {
        assert!(number < self.len(), "number {number} of a grid of {}", self.len());
        let mut rest = number;
        let mut indices = vec![0; self.factors.len()];
        for (index, &(_, size)) in indices.iter_mut().zip(self.factors).rev() {
            (*index, rest) = (rest % size, rest / size);
        }
        indices
    }

    /// The number of a combination in the grid.
    ///
    /// # Panics
    /// If there is not one index for each factor, each below the factor's size.
    pub fn number(&self, indices: &[usize]) -> usize {
        let sizes = self.sizes();
        let fits = indices.len() == sizes.len() && indices.iter().zip(&sizes).all(|(i, n)| i < n);
        assert!(fits, "the indices {indices:?} of factors with {sizes:?} values");
        indices.iter().zip(&sizes).fold(0, |number, (index, size)| number * size + index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Factors = Factors::new(&[("colour", 2), ("size", 3), ("place", 4)]);

    #[test]
    fn the_last_factor_changes_fastest() {
        assert_eq!(SMALL.len(), 24);
        for (number, indices) in [(0, [0, 0, 0]), (1, [0, 0, 1]), (4, [0, 1, 0]), (23, [1, 2, 3])] {
            assert_eq!(SMALL.indices(number), indices);
        }
        for number in 0..24 {
            assert_eq!(SMALL.number(&SMALL.indices(number)), number);
        }
    }

    #[test]
    #[should_panic(expected = "[0, 3, 0]")]
    fn an_index_beyond_its_factor_panics() {
        SMALL.number(&[0, 3, 0]);
    }
}
