//! Exact Jacobians and their spectra, in f64.
//!
//! The networks are evaluated in f32; everything after that is f64. Spectra come from
//! the smaller Gram matrix (latent by latent, as a rule): forming it costs one pass
//! over the Jacobian, and the largest singular values, the ones that bounds and
//! attacks need, keep full accuracy.

use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

use crate::model::host;
use crate::{Encoding, Error, Model};

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

    fn from_row_major(rows: usize, columns: usize, values: &[f32]) -> Self {
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

/// The Jacobians of a model at a point.
#[derive(Debug, Clone)]
pub struct Jacobians {
    /// `J = d mu / d x`, latent x features.
    pub encoder: Matrix,
    /// `Sigma^(-1/2) J`.
    pub whitened: Matrix,
    /// `Jg' Jg` with `Jg = d g / d z` at mu: latent x latent.
    pub decoder_gram: Matrix,
}

impl Jacobians {
    /// The Jacobians at `x`.
    ///
    /// # Errors
    /// If an entry is not finite.
    pub fn at(model: &Model, x: &[f32], encoding: &Encoding) -> Result<Self, Error> {
        let (latent, features) = (model.latent(), model.features());
        let trace = model.encoder().trace(model.tensor(x.to_vec(), features));
        let encoder = host(model.encoder().jacobian(&trace, 0));
        if !encoder.iter().all(|entry| entry.is_finite()) {
            return Err(Error::NotFinite("the encoder's Jacobian"));
        }
        let encoder = Matrix::from_row_major(latent, features, &encoder);

        // The decoder is tall: pushing latent tangents forward is cheaper than pulling
        // one cotangent per feature back.
        let trace = model.generator().trace(model.tensor(encoding.mu.clone(), latent));
        let unit = Tensor::<2>::eye(latent, &model.device()).unsqueeze::<3>();
        let decoder = host(model.generator().jvp(&trace, unit).remove(0));
        if !decoder.iter().all(|entry| entry.is_finite()) {
            return Err(Error::NotFinite("the decoder's Jacobian"));
        }
        let transposed = Matrix::from_row_major(latent, features, &decoder);
        let decoder_gram = Matrix(&transposed.0 * transposed.0.transpose());
        Ok(Self { whitened: encoder.rows_divided_by(&encoding.sigma), encoder, decoder_gram })
    }

    /// A matrix with the singular values and right singular vectors of `Jg J`, the
    /// first-order map from perturbations to mean reconstructions: latent x features.
    pub fn composed(&self) -> Matrix {
        self.decoder_gram.square_root().times(&self.encoder)
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
