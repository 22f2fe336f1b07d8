//! Upper bounds of spectral norms.

use super::UNDERFLOW;
use super::real::rounding;
use super::set::dot;

/// Steps of the power method, whose result is only a guess.
const STEPS: usize = 200;

/// Times that weights of a sum are improved.
const BALANCING: usize = 4;

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
    proved(&gram, size, trace, rows + columns)
}

/// The root of a bound on the eigenvalues of a Gram matrix, each of whose entries is a sum of fewer
/// than `terms` products, given its trace.
fn proved(gram: &[f64], size: usize, trace: f64, terms: usize) -> f64 {
    let (guess, _) = largest_eigenvalue(gram, size);
    let slack = |lambda: f64| 2.0 * rounding(terms) * (trace + size as f64 * lambda) + UNDERFLOW;
    let proved = ALLOWANCES.iter().map(|allowance| guess * (1.0 + allowance));
    let proved = proved.into_iter().find(|&lambda| is_above(lambda, gram, size));
    // The trace bounds without a proof.
    let squared = proved.map_or(f64::INFINITY, |lambda| lambda + slack(lambda));
    let squared = squared.min(trace + slack(trace));
    squared.sqrt() * (1.0 + rounding(1))
}

/// An upper bound on the length of `sum_j M_j y_j` over all `|y_j| <= 1`.
///
/// For weights `theta_j > 0` that sum to 1 it is at most the norm of the matrix of all
/// `M_j / sqrt(theta_j)` beside each other (Cauchy and Schwarz), and for weights in proportion to the
/// norms of `M_j` that is at most their sum. It is less where they are largest in different
/// directions: weights are improved along the common one.
///
/// # Shapes
/// Of each matrix `[rows, columns]` flattened, with its number of columns; `rows` of all are equal.
pub(super) fn spectral_norm_of_sum(matrices: &[(Vec<f64>, usize)], rows: usize) -> f64 {
    let squares = |matrix: &[f64]| dot(matrix, matrix);
    let one_by_one = |matrices: &[&(Vec<f64>, usize)]| -> f64 {
        matrices.iter().map(|(matrix, columns)| spectral_norm(matrix, *columns)).sum()
    };
    // Of some the squares of squares vanish, or are no numbers.
    let (matrices, vanishing): (Vec<_>, Vec<_>) =
        matrices.iter().partition(|(matrix, _)| squares(matrix) > 1e-140);
    let rest = one_by_one(&vanishing);
    let columns: usize = matrices.iter().map(|(_, columns)| columns).sum();
    // Products of rows are dear where there are more rows than columns.
    if matrices.len() < 2 || rows > columns {
        return one_by_one(&matrices) + rest;
    }
    let grams: Vec<Vec<f64>> = matrices.iter().map(|(m, columns)| gram(m, *columns)).collect();
    let weighted = |parts: &[f64]| {
        let total: f64 = parts.iter().sum();
        let mut sum = vec![0.0; rows * rows];
        for (gram, part) in grams.iter().zip(parts) {
            sum.iter_mut().zip(gram).for_each(|(sum, entry)| *sum += entry * (total / part));
        }
        sum
    };
    let mut parts: Vec<f64> =
        grams.iter().map(|gram| largest_eigenvalue(gram, rows).0.sqrt()).collect();
    for _ in 0..BALANCING {
        let (_, vector) = largest_eigenvalue(&weighted(&parts), rows);
        for (gram, part) in grams.iter().zip(&mut parts) {
            let image = gram.chunks_exact(rows).map(|row| dot(row, &vector));
            let square: f64 = image.zip(&vector).map(|(a, b)| a * b).sum();
            *part = 0.5 * (*part + square.max(1e-6 * *part * *part).sqrt());
        }
    }
    let total: f64 = parts.iter().sum();
    let traces = matrices.iter().zip(&parts).map(|((m, _), part)| squares(m) * (total / part));
    proved(&weighted(&parts), rows, traces.sum(), rows + columns + 2 * matrices.len()) + rest
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

/// By the power method: never above it, but for rounding; and a unit vector that belongs to it.
fn largest_eigenvalue(gram: &[f64], size: usize) -> (f64, Vec<f64>) {
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
    let length = dot(&vector, &vector).sqrt();
    vector.iter_mut().for_each(|entry| *entry /= length);
    (eigenvalue, vector)
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

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// No sum of images is longer, some sum is nearly as long, and the sum of norms is no better.
        #[test]
        fn sums_are_bounded_closely(
            sizes in prop::collection::vec((1..12_usize, 0.0..3.0_f64, 0.1..3.0_f64), 1..4),
            rows in 1..5_usize, salt in 0.1..3.0_f64,
        ) {
            let matrices: Vec<(Vec<f64>, usize)> = sizes
                .iter()
                .map(|&(columns, size, salt)| {
                    let entry = |i: usize| size * (salt * (i * i + 3 * i + 1) as f64).sin();
                    ((0..rows * columns).map(entry).collect(), columns)
                })
                .collect();
            let found = spectral_norm_of_sum(&matrices, rows);
            let together: f64 = matrices.iter().map(|(m, columns)| spectral_norm(m, *columns)).sum();
            prop_assert!(found <= together * 1.02 + 1e-90, "{found}, one by one {together}");
            // Along a direction u of the sum each part can be as long as M'u; from there upward.
            let mut u: Vec<f64> = (0..rows).map(|i| (salt * (i + 1) as f64).cos()).collect();
            let mut attained = 0.0;
            for _ in 0..100 {
                let size = dot(&u, &u).sqrt();
                u.iter_mut().for_each(|entry| *entry /= size);
                let mut sum = vec![0.0; rows];
                for (matrix, columns) in &matrices {
                    let mut back = vec![0.0; *columns];
                    for (row, u) in matrix.chunks_exact(*columns).zip(&u) {
                        back.iter_mut().zip(row).for_each(|(back, entry)| *back += u * entry);
                    }
                    let size = dot(&back, &back).sqrt();
                    if size > 0.0 {
                        for (sum, row) in sum.iter_mut().zip(matrix.chunks_exact(*columns)) {
                            *sum += dot(row, &back) / size;
                        }
                    }
                }
                attained = dot(&sum, &sum).sqrt();
                u = sum;
            }
            prop_assert!(attained <= found * (1.0 + 1e-12) + 1e-90, "{attained} above {found}");
            let close = rows > sizes.iter().map(|size| size.0).sum() || found <= 1.25 * attained + 1e-9;
            prop_assert!(close, "{attained} attained, {found}");
        }
    }

    #[test]
    fn nothing_of_a_sum_is_lost() {
        let tiny = (vec![1e-200, 0.0], 2);
        let found = spectral_norm_of_sum(&[(vec![0.0, 0.0], 2), tiny.clone()], 1);
        assert!(found >= 1e-200, "{found}");
        assert!(spectral_norm_of_sum(&[(vec![3.0], 1), (vec![4.0], 1), tiny], 1) >= 7.0);
        let small = (vec![1e-90, 1e-90], 2);
        let found = spectral_norm_of_sum(&[(vec![3.0, 0.0], 2), small, (vec![0.0, 4.0], 2)], 1);
        assert!((7.0..7.1).contains(&found), "{found}");
        assert!(!spectral_norm_of_sum(&[(vec![f64::NAN], 1), (vec![1.0], 1)], 1).is_finite());
        assert_eq!(spectral_norm_of_sum(&[], 3), 0.0);
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
