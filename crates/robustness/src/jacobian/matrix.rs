//! Dense matrices and their spectra, in f64.
//!
//! Spectra come from the smaller Gram matrix (latent by latent, as a rule): forming it
//! costs one pass over the matrix, and the largest singular values, the ones that bounds
//! and attacks need, keep full accuracy.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// A dense matrix in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix(DMatrix<f64>);

impl std::ops::Index<(usize, usize)> for Matrix {
    type Output = f64;

    fn index(&self, position: (usize, usize)) -> &f64 {
        &self.0[position]
    }
}

/// Singular values in falling order with their right singular vectors (unit norm).
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Singular values.
    pub values: Vec<f64>,
    /// `right[k]`: the input direction that the k-th singular value stretches. Directions
    /// of vanishing singular values are left out.
    pub right: Vec<Vec<f64>>,
}

impl Matrix {
    /// The matrix with the given entries.
    pub fn from_fn(rows: usize, columns: usize, entry: impl FnMut(usize, usize) -> f64) -> Self {
        Self(DMatrix::from_fn(rows, columns, entry))
    }

    pub(super) fn from_row_major(rows: usize, columns: usize, values: &[f32]) -> Self {
        Self(DMatrix::from_row_iterator(rows, columns, values.iter().map(|&v| f64::from(v))))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.0.nrows()
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.0.ncols()
    }

    /// `A' A`.
    pub fn gram(&self) -> Self {
        Self(self.0.tr_mul(&self.0))
    }

    /// `A A'`.
    pub(super) fn outer_gram(&self) -> Self {
        Self(&self.0 * self.0.transpose())
    }

    /// `A B`.
    pub fn times(&self, other: &Self) -> Self {
        Self(&self.0 * &other.0)
    }

    /// Each row divided by the number that belongs to it.
    pub fn rows_divided_by(&self, divisors: &[f32]) -> Self {
        Self::from_fn(self.rows(), self.columns(), |i, j| self[(i, j)] / f64::from(divisors[i]))
    }

    /// Root of the sum of squares of all entries.
    pub fn frobenius(&self) -> f64 {
        self.0.norm()
    }

    /// Eigenvalues of a symmetric matrix, in no order.
    pub fn symmetric_eigenvalues(&self) -> Vec<f64> {
        self.0.symmetric_eigenvalues().iter().copied().collect()
    }

    /// A square root `L'` with `L L' = A` of a symmetric positive semi-definite matrix.
    pub fn square_root(&self) -> Self {
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(self.0.clone());
        let roots = eigenvalues.map(|value| value.max(0.0).sqrt());
        Self(DMatrix::from_diagonal(&roots) * eigenvectors.transpose())
    }

    /// The largest singular value: the operator norm from l2 to l2.
    pub fn spectral(&self) -> f64 {
        self.spectrum(0).values.first().copied().unwrap_or(0.0)
    }

    /// All singular values, and the leading `count` right singular vectors.
    pub fn spectrum(&self, count: usize) -> Spectrum {
        let wide = self.columns() >= self.rows();
        let gram = if wide { &self.0 * self.0.transpose() } else { self.0.tr_mul(&self.0) };
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(gram);
        let mut order: Vec<usize> = (0..eigenvalues.len()).collect();
        order.sort_by(|&a, &b| eigenvalues[b].total_cmp(&eigenvalues[a]));
        let values: Vec<f64> = order.iter().map(|&k| eigenvalues[k].max(0.0).sqrt()).collect();
        let largest = values.first().copied().unwrap_or(0.0);
        let vector = |&k: &usize| -> DVector<f64> {
            let vector = eigenvectors.column(k);
            let vector = if wide { self.0.tr_mul(&vector) } else { vector.into_owned() };
            vector.normalize()
        };
        let meaningful = |(_, value): &(&usize, &f64)| **value > 1e-9 * largest && largest > 0.0;
        let leading = order.iter().zip(&values).take(count).filter(meaningful);
        let right = leading.map(|(k, _)| vector(k).iter().copied().collect()).collect();
        Spectrum { values, right }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matrix() -> impl Strategy<Value = Matrix> {
        (1usize..6, 1usize..9).prop_flat_map(|(rows, columns)| {
            prop::collection::vec(-2.0f64..2.0, rows * columns).prop_map(move |values| {
                Matrix::from_fn(rows, columns, |i, j| values[i * columns + j])
            })
        })
    }

    proptest! {
        #[test]
        fn spectra_agree_with_a_full_svd(matrix in matrix()) {
            let exact = matrix.0.clone().svd(false, false).singular_values;
            let mut exact: Vec<f64> = exact.iter().copied().collect();
            exact.sort_by(|a, b| b.total_cmp(a));
            let spectrum = matrix.spectrum(3);
            prop_assert!((spectrum.values[0] - exact[0]).abs() < 1e-12 * (1.0 + exact[0]));
            for (found, exact) in spectrum.values.iter().zip(&exact) {
                // A Gram matrix squares the condition: small values keep half the digits.
                prop_assert!((found - exact).abs() < 1e-7 * (1.0 + exact));
            }
            for (value, vector) in spectrum.values.iter().zip(&spectrum.right) {
                let vector = DVector::from_vec(vector.clone());
                prop_assert!((vector.norm() - 1.0).abs() < 1e-9);
                prop_assert!(((&matrix.0 * vector).norm() - value).abs() < 1e-6 * (1.0 + value));
            }
        }

        #[test]
        fn square_roots_square(matrix in matrix()) {
            let gram = matrix.gram();
            let root = gram.square_root();
            let back = root.0.tr_mul(&root.0);
            prop_assert!((back - &gram.0).norm() < 1e-9 * (1.0 + gram.frobenius()));
            prop_assert!((root.spectral() - matrix.spectral()).abs() < 1e-7 * (1.0 + matrix.spectral()));
        }
    }
}
