//! Upper bounds on spectral norms that are proved, and as close as one likes: for weights, once for
//! a model. Those of [`crate::bounds::spectral_norm`] are proved too, to some 10^-4 in a fraction of
//! the time, for the many matrices of a certificate.

use burn::tensor::Tensor;

use crate::bounds::real::{self, rounding};

/// Squarings after which the bound of a matrix with less than 10^15 rows exceeds its norm by less
/// than 10^-9, relatively.
const MOST_SQUARINGS: usize = 36;

/// What is known of one matrix on the way, `2^exponent` times a matrix with a Frobenius norm
/// about 1.
#[derive(Debug, Clone, Copy)]
struct Known {
    exponent: i32,
    /// Upper bound on the square of the Frobenius norm, scaled.
    square: f64,
    /// Upper bound on the spectral norm by other norms, scaled.
    norm: f64,
    /// The sum of the diagonal, scaled.
    trace: f64,
}

/// An upper bound on the largest spectral norm among some matrices, above each of them by less than
/// `excess`, relatively.
///
/// The Gram iteration of Delattre et al. (2023): `|A|^2 = |A'A|`, so that after k squarings the
/// Frobenius norm, which exceeds the spectral norm by a factor of `sqrt(rank)` at most, has
/// lost no more than the `2^-k`-th power of that. So has the bound `|A|^2 <= |A|_1 |A|_inf`, which
/// is exact for the Gram matrices of orthogonal matrices, where the other is at its worst.
///
/// Rounding: with `fl(A'A) = A'A + E` and `|E| <= gamma |A'||A|` elementwise, `|A|^2 <=
/// |fl(A'A)| + |E|_F <= |fl(A'A)| + gamma |A|_F^2`, which is applied to every squaring. Matrices
/// are scaled by powers of two, which changes no digit.
///
/// # Shapes
/// `[matrices, rows, columns]`, in f64. Infinite if a number is not finite.
pub(super) fn spectral_norm(matrices: Tensor<3>, excess: f64) -> f64 {
    let [count, rows, columns] = matrices.dims();
    let matrices = if columns > rows { matrices.swap_dims(1, 2) } else { matrices };
    let (longest, side) = (rows.max(columns), rows.min(columns));
    let (mut matrices, first) = scaled(matrices);
    let mut known = vec![first];
    for squarings in 1..=MOST_SQUARINGS {
        let Some(last) = known.last() else { break };
        if last.iter().any(|known| !known.square.is_finite()) {
            return f64::INFINITY;
        }
        // Of a Gram matrix, |G|_F^2 / tr G is at most the spectral norm.
        let power = 0.5f64.powi(squarings as i32 - 1);
        let is_close = |known: &Known| {
            let least = known.square / known.trace.max(f64::MIN_POSITIVE);
            power * (known.norm / least).ln() < excess
        };
        if squarings > 1 && last.iter().all(|known| known.square == 0.0 || is_close(known)) {
            break;
        }
        let gram = matrices.clone().swap_dims(1, 2).matmul(matrices);
        let next;
        (matrices, next) = scaled(gram);
        known.push(next);
    }
    let bound = |matrix: usize| {
        let mut above: Option<f64> = None;
        for (level, known) in known.iter().enumerate().rev() {
            let Known { exponent, square, norm, .. } = known[matrix];
            let terms = if level == 0 { longest } else { side };
            let by_gram = above.map(|gram| (gram + rounding(terms) * square).sqrt());
            let least = by_gram.map_or(norm, |bound| bound.min(norm));
            above = Some(least * (1.0 + 1e-15) * 2f64.powi(exponent));
        }
        above.unwrap_or(f64::INFINITY)
    };
    (0..count).map(bound).fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
}

/// Every matrix by a power of two that brings its Frobenius norm near 1, and its norms.
fn scaled(matrices: Tensor<3>) -> (Tensor<3>, Vec<Known>) {
    let shape = matrices.dims();
    let [_, rows, columns] = shape;
    let mut numbers = real::numbers(matrices);
    let known = numbers.chunks_exact_mut(rows * columns).map(|matrix| {
        let largest = matrix.iter().fold(0.0, |m: f64, x| if x.abs() <= m { m } else { x.abs() });
        if largest == 0.0 || !largest.is_finite() {
            return Known { exponent: 0, square: largest, norm: largest, trace: 0.0 };
        }
        // First so that no square overflows or vanishes, then near 1.
        let squares = matrix.iter().map(|x| (x / largest).powi(2)).sum::<f64>();
        let exponent = (largest.log2() + 0.5 * squares.log2()).floor().clamp(-900.0, 900.0) as i32;
        let scale = 2f64.powi(-exponent);
        matrix.iter_mut().for_each(|x| *x *= scale);
        let mut columns_sums = vec![0.0; columns];
        let (mut row_sum, mut square, mut trace) = (0.0f64, 0.0, 0.0);
        for (number, row) in matrix.chunks_exact(columns).enumerate() {
            let mut sum = 0.0;
            for (column, x) in columns_sums.iter_mut().zip(row) {
                *column += x.abs();
                sum += x.abs();
                square += x * x;
            }
            row_sum = row_sum.max(sum);
            trace += row.get(number).copied().unwrap_or(0.0);
        }
        let column_sum = columns_sums.into_iter().fold(0.0, f64::max);
        let square = square * (1.0 + rounding(rows * columns));
        let by_sums = (row_sum * column_sum).sqrt() * (1.0 + rounding(rows.max(columns)));
        Known { exponent, square, norm: by_sums.min(square.sqrt() * (1.0 + 1e-15)), trace }
    });
    let known = known.collect();
    (real::tensor(numbers, shape), known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn norm(numbers: Vec<f64>, shape: [usize; 3]) -> f64 {
        spectral_norm(real::tensor(numbers, shape), 1e-9)
    }

    /// By power iteration, from below.
    fn from_below(matrix: &[f64], columns: usize) -> f64 {
        let mut x: Vec<f64> = (0..columns).map(|k| 1.0 + (k as f64 * 0.7).sin()).collect();
        let mut norm = 0.0;
        for _ in 0..20_000 {
            let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            x.iter_mut().for_each(|x| *x /= length);
            let rows = matrix.chunks_exact(columns);
            let y: Vec<f64> =
                rows.map(|row| row.iter().zip(&x).map(|(a, x)| a * x).sum()).collect();
            norm = y.iter().map(|y| y * y).sum::<f64>().sqrt();
            x = vec![0.0; columns];
            for (row, y) in matrix.chunks_exact(columns).zip(y) {
                x.iter_mut().zip(row).for_each(|(x, a)| *x += a * y);
            }
        }
        norm
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn bounds_are_above_and_close(
            rows in 1usize..12, columns in 1usize..12, scale in -60i32..60, seed in any::<u64>(),
        ) {
            let number = |k: usize| {
                let bits = (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed);
                let bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11;
                (bits as f64 / (1u64 << 53) as f64 - 0.5) * 2f64.powi(scale)
            };
            let numbers: Vec<f64> = (0..rows * columns).map(number).collect();
            let (found, below) = (norm(numbers.clone(), [1, rows, columns]), from_below(&numbers, columns));
            prop_assert!(found >= below, "{found} {below}");
            prop_assert!(found <= below * (1.0 + 1e-6), "{found} {below}");
        }
    }

    #[test]
    fn known_norms() {
        let rotation = vec![0.6, -0.8, 0.8, 0.6];
        let found = norm(rotation.clone(), [1, 2, 2]);
        assert!((1.0..1.0 + 1e-12).contains(&found), "{found}");
        assert_eq!(norm(vec![0.0; 6], [1, 2, 3]), 0.0);
        let found = norm([rotation, vec![0.0; 4], vec![3.0, 0.0, 0.0, -4.0]].concat(), [3, 2, 2]);
        assert!((4.0..4.0 + 1e-11).contains(&found), "{found}");
        // Squares of these vanish or overflow.
        for size in [1e-200, 1e200] {
            let found = norm(vec![size; 4], [1, 2, 2]) / size;
            assert!((2.0..2.0 + 1e-11).contains(&found), "{found}");
        }
        for bad in [f64::NAN, f64::INFINITY] {
            assert_eq!(norm(vec![1.0, bad], [1, 1, 2]), f64::INFINITY);
        }
    }
}
