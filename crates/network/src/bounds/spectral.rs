//! Upper bounds of spectral norms.

use super::UNDERFLOW;
use super::real::rounding;
use super::set::dot;

/// Steps of the power method, whose result is only a guess.
const STEPS: usize = 200;

/// By how much the square of a guess is enlarged, one after the other, until it is proved.
const ALLOWANCES: [f64; 5] = [2e-4, 2e-3, 1e-2, 5e-2, 0.3];

/// An upper bound on the spectral norm of a matrix, proved: by the power method `lambda` is guessed
/// to be above all eigenvalues of the Gram matrix G, and a Cholesky factorisation of
/// `lambda I - G` that runs to its end proves it, but for rounding. A factorisation in floating
/// point that ends is exact for a matrix that differs by at most `gamma |R'| |R|`, whose norm is at
/// most `gamma` times the trace of the factored matrix (Higham 2002, Theorem 10.3; Rump 2006), and G
/// itself errs by at most `gamma |M|_F^2`: lambda is enlarged by both.
///
/// # Shapes
/// `matrix`: `[rows, columns]` flattened.
pub fn spectral_norm(matrix: &[f64], columns: usize) -> f64 {
    let trace = dot(matrix, matrix);
    if trace == 0.0 {
        // Squares may have vanished where entries have not.
        return matrix.iter().map(|entry| entry.abs()).sum();
    }
    let rows = matrix.len() / columns;
    let (gram, size) = if rows <= columns {
        (gram(matrix, columns), rows)
    } else {
        (gram(&transposed(matrix, columns), rows), columns)
    };
    let guess = largest_eigenvalue(&gram, size);
    let slack =
        |lambda: f64| 2.0 * rounding(rows + columns) * (trace + size as f64 * lambda) + UNDERFLOW;
    let proved = ALLOWANCES.iter().map(|allowance| guess * (1.0 + allowance));
    let proved = proved.into_iter().find(|&lambda| is_above(lambda, &gram, size));
    // The trace bounds without a proof.
    let squared = proved.map_or(f64::INFINITY, |lambda| lambda + slack(lambda));
    let squared = squared.min(trace + slack(trace));
    squared.sqrt() * (1.0 + rounding(1))
}

/// The products of all rows with each other.
fn gram(matrix: &[f64], columns: usize) -> Vec<f64> {
    let rows = matrix.len() / columns;
    let matrix = super::real::tensor(matrix.to_vec(), [rows, columns]);
    super::real::numbers(matrix.clone().matmul(matrix.transpose()))
}

fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    let rows = matrix.len() / columns;
    let mut result = Vec::with_capacity(matrix.len());
    for j in 0..columns {
        result.extend((0..rows).map(|i| matrix[i * columns + j]));
    }
    result
}

/// By the power method: never above it, but for rounding.
fn largest_eigenvalue(gram: &[f64], size: usize) -> f64 {
    // The column of the largest row is not orthogonal to the first eigenvector, but by accident.
    let largest = (0..size).max_by(|&a, &b| gram[a * size + a].total_cmp(&gram[b * size + b]));
    let largest = largest.expect("a matrix has rows");
    let mut vector: Vec<f64> = gram[largest * size..][..size].to_vec();
    let mut eigenvalue = 0.0;
    for _ in 0..STEPS {
        let length = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|entry| *entry /= length);
        let next: Vec<f64> = gram.chunks_exact(size).map(|row| dot(row, &vector)).collect();
        let found = dot(&next, &next).sqrt();
        vector = next;
        let gain = found - eigenvalue;
        eigenvalue = found;
        if gain <= 1e-9 * found {
            break;
        }
    }
    eigenvalue
}

/// Whether the Cholesky factorisation of `lambda I - G` runs to its end.
fn is_above(lambda: f64, gram: &[f64], size: usize) -> bool {
    let mut factor = vec![0.0; size * size];
    for i in 0..size {
        let (done, rest) = factor.split_at_mut(i * size);
        let row = &mut rest[..size];
        for j in 0..i {
            let other = &done[j * size..][..=j];
            row[j] = (-gram[i * size + j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = lambda - gram[i * size + i] - dot(&row[..i], &row[..i]);
        if pivot.is_nan() || pivot <= 0.0 {
            return false;
        }
        row[i] = pivot.sqrt();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// With these singular values, turned by reflections.
    fn with_singular_values(values: &[f64], rows: usize, columns: usize, salt: f64) -> Vec<f64> {
        let mut matrix = vec![0.0; rows * columns];
        values.iter().enumerate().for_each(|(i, value)| matrix[i * columns + i] = *value);
        let direction = |size: usize, salt: f64| -> Vec<f64> {
            (0..size).map(|i| (salt * (i + 1) as f64).sin()).collect()
        };
        for step in 0..3 {
            let left = direction(rows, salt + step as f64);
            let right = direction(columns, 2.0 * salt + step as f64);
            for column in 0..columns {
                let along: f64 = (0..rows).map(|i| left[i] * matrix[i * columns + column]).sum();
                let factor = 2.0 * along / dot(&left, &left);
                (0..rows).for_each(|i| matrix[i * columns + column] -= factor * left[i]);
            }
            for row in matrix.chunks_exact_mut(columns) {
                let factor = 2.0 * dot(row, &right) / dot(&right, &right);
                row.iter_mut().zip(&right).for_each(|(entry, right)| *entry -= factor * right);
            }
        }
        matrix
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn norms_are_bounded_closely(
            values in prop::collection::vec(0.0..10.0_f64, 1..20),
            (more, wide) in (0..30_usize, any::<bool>()), salt in 0.1..3.0_f64,
        ) {
            let (small, large) = (values.len(), values.len() + more);
            let (rows, columns) = if wide { (small, large) } else { (large, small) };
            let matrix = with_singular_values(&values, rows, columns, salt);
            let exact = values.iter().copied().fold(0.0, f64::max);
            let found = spectral_norm(&matrix, columns);
            prop_assert!(found >= exact * (1.0 - 1e-13) && found <= exact * 1.03 + 1e-90);
        }
    }

    #[test]
    fn special_matrices() {
        assert_eq!(spectral_norm(&[0.0; 6], 3), 0.0);
        assert!((spectral_norm(&[-3.0], 1) - 3.0).abs() < 1e-3);
        // All singular values alike.
        let identity: Vec<f64> = (0..49).map(|i| f64::from(i % 8 == 0)).collect();
        let norm = spectral_norm(&identity, 7);
        assert!((1.0..1.001).contains(&norm), "{norm}");
        assert!(!spectral_norm(&[f64::NAN, 1.0], 2).is_finite());
    }
}
