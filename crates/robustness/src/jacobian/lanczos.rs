//! The Lanczos method with a random start, and how much its largest value can be wrong.
//!
//! Residuals say that an eigenvalue is near, not that it is the largest: a start without a
//! component along the leading eigenvector never finds it. A start drawn uniformly from the
//! sphere has one, and that is what makes the error of the largest Ritz value provable. For a
//! positive semi-definite matrix of order n, after k steps,
//!
//! ```text
//! P( (lambda_max - theta_max) / lambda_max > epsilon )  <=  1.648 sqrt(n) exp(-(2k - 1) sqrt(epsilon))
//! ```
//!
//! whatever the spectrum (Kuczynski and Wozniakowski, SIAM J. Matrix Anal. Appl. 13, 1992,
//! Theorem 4.2). Ritz values never exceed the truth, so the error has one sign. In practice
//! it is smaller by orders of magnitude. Products in f32 disturb all this by about 1e-6,
//! relative to the largest eigenvalue.

use nalgebra::{DMatrix, SymmetricEigen};

use crate::Error;

/// Beyond this the Krylov space is exhausted: what is left of a new vector is rounding.
const EXHAUSTED: f64 = 1e-9;

/// Eigenvalues and eigenvectors as a Krylov space knows them.
#[derive(Debug, Clone)]
pub(super) struct Ritz {
    /// An orthonormal basis of the space.
    pub(super) basis: Vec<Vec<f64>>,
    /// Ritz values, the largest first.
    pub(super) values: Vec<f64>,
    /// Coordinates of the Ritz vectors in the basis.
    coordinates: Vec<Vec<f64>>,
}

impl Ritz {
    /// The k-th Ritz vector, unit norm.
    pub(super) fn vector(&self, k: usize) -> Vec<f64> {
        let mut vector = vec![0.0; self.basis[0].len()];
        for (coordinate, direction) in self.coordinates[k].iter().zip(&self.basis) {
            add_multiple(&mut vector, *coordinate, direction);
        }
        vector
    }
}

/// Steps after which the root of the largest Ritz value is within `error` (relative) of the
/// root of the largest eigenvalue, but for a probability of `failure`.
pub(super) fn steps(order: usize, error: f64, failure: f64) -> usize {
    // sqrt(theta) >= sqrt(lambda) / (1 + error) is epsilon = 1 - (1 + error)^-2.
    let epsilon = 1.0 - (1.0 + error).powi(-2);
    let needed = (1.648 * (order as f64).sqrt() / failure).ln() / epsilon.sqrt();
    (((needed + 1.0) / 2.0).ceil() as usize).min(order)
}

/// Runs `steps` steps from `start` (uniform on the sphere up to its length), each one product
/// with a symmetric positive semi-definite matrix.
///
/// # Errors
/// Those of `product`.
pub(super) fn lanczos(
    start: Vec<f64>,
    steps: usize,
    mut product: impl FnMut(&[f64]) -> Result<Vec<f64>, Error>,
) -> Result<Ritz, Error> {
    let mut basis: Vec<Vec<f64>> = vec![];
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (vec![], vec![]);
    let mut next = start;
    let mut length = norm(&next);
    while basis.len() < steps {
        next.iter_mut().for_each(|value| *value /= length);
        let image = product(&next)?;
        diagonal.push(dot(&next, &image));
        basis.push(next);
        next = image;
        // Against all vectors, twice: without it the space fills up with copies of what it
        // has already found.
        for _ in 0..2 {
            for direction in &basis {
                let along = dot(&next, direction);
                add_multiple(&mut next, -along, direction);
            }
        }
        length = norm(&next);
        let largest = diagonal.iter().chain(&beside).fold(0f64, |most, value| most.max(*value));
        if length <= EXHAUSTED * largest {
            break;
        }
        beside.push(length);
    }
    Ok(ritz(basis, &diagonal, &beside))
}

/// Eigenpairs of the tridiagonal matrix.
fn ritz(basis: Vec<Vec<f64>>, diagonal: &[f64], beside: &[f64]) -> Ritz {
    let size = diagonal.len();
    let tridiagonal = DMatrix::from_fn(size, size, |i, j| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => beside[i.min(j)],
        _ => 0.0,
    });
    let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(tridiagonal);
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| eigenvalues[b].total_cmp(&eigenvalues[a]));
    Ritz {
        basis,
        // Rounding can leave zeros slightly negative.
        values: order.iter().map(|&k| eigenvalues[k].max(0.0)).collect(),
        coordinates: order
            .iter()
            .map(|&k| eigenvectors.column(k).iter().copied().collect())
            .collect(),
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// `sum += factor * vector`.
pub(super) fn add_multiple(sum: &mut [f64], factor: f64, vector: &[f64]) {
    for (sum, value) in sum.iter_mut().zip(vector) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_vae::{Noise, Purpose};

    fn start(order: usize, index: u64) -> Vec<f64> {
        let values = Noise::new(3).normal(Purpose::Probes, index, 0, 1, order);
        values.into_iter().map(f64::from).collect()
    }

    /// Lanczos on a diagonal matrix: the start decides everything, so nothing is lost.
    fn on(spectrum: &[f64], steps: usize, index: u64) -> Ritz {
        let product = |v: &[f64]| Ok(v.iter().zip(spectrum).map(|(v, s)| v * s).collect());
        lanczos(start(spectrum.len(), index), steps, product).unwrap()
    }

    #[test]
    fn a_whole_space_gives_all_eigenpairs() {
        let spectrum = [4.0, 1.0, 9.0, 0.25];
        let ritz = on(&spectrum, 4, 0);
        for (found, exact) in ritz.values.iter().zip([9.0, 4.0, 1.0, 0.25]) {
            assert!((found - exact).abs() < 1e-9, "{found}, exactly {exact}");
        }
        for (k, place) in [2, 0, 1, 3].into_iter().enumerate() {
            assert!((ritz.vector(k)[place].abs() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn an_exhausted_space_ends_early() {
        // Two distinct eigenvalues: two steps see everything.
        let ritz = on(&[3.0, 3.0, 1.0, 1.0, 1.0], 5, 1);
        assert_eq!(ritz.values.len(), 2);
        assert!((ritz.values[0] - 3.0).abs() < 1e-9);
        assert_eq!(on(&[0.0; 6], 4, 2).values, [0.0]);
    }

    #[test]
    fn the_stated_error_holds_for_hard_spectra() {
        // Slowly decaying spectra of many values near the top are the worst case.
        let order = 1000;
        for power in [0.02, 0.1, 0.5, 2.0] {
            let spectrum: Vec<f64> = (1..=order).map(|k| f64::from(k).powf(-power)).collect();
            for error in [0.05, 0.01] {
                let steps = steps(spectrum.len(), error, 1e-3);
                for index in 0..5 {
                    let theta = on(&spectrum, steps, index).values[0];
                    assert!(theta <= 1.0 + 1e-9 && theta.sqrt() * (1.0 + error) >= 1.0, "{theta}");
                }
            }
        }
    }

    #[test]
    fn steps_grow_with_order_and_accuracy() {
        assert!(steps(4096, 0.01, 1e-3) < 50);
        assert!(steps(4096, 0.01, 1e-3) > steps(4096, 0.1, 1e-3));
        assert!(steps(1 << 20, 0.01, 1e-3) > steps(4096, 0.01, 1e-3));
        assert_eq!(steps(3, 0.01, 1e-3), 3);
    }
}
