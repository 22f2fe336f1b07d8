//! A positive semidefinite matrix by fewer numbers.

use nalgebra::DMatrix;

/// L with `L L^T = matrix` up to a positive semidefinite remainder whose trace is at most
/// `neglected`: the Cholesky decomposition, largest remaining diagonal entries first, as far as that
/// takes.
///
/// At least one column, and no more than the matrix has.
pub(super) fn factor(matrix: &DMatrix<f64>, neglected: f64) -> DMatrix<f64> {
    let size = matrix.nrows();
    let mut remainder = matrix.diagonal();
    let mut factor = DMatrix::zeros(size, size);
    let mut rank = 0;
    while rank < size && (rank == 0 || remainder.sum() > neglected) {
        let (pivot, largest) = remainder.argmax();
        if largest > 0.0 {
            let known = factor.columns(0, rank) * factor.view((pivot, 0), (1, rank)).transpose();
            let column = (matrix.column(pivot) - known) / largest.sqrt();
            // Rounding leaves a little less than nothing.
            let left = remainder.zip_map(&column, |left, entry| left - entry * entry);
            remainder = left.map(|left: f64| left.max(0.0));
            remainder[pivot] = 0.0;
            factor.set_column(rank, &column);
        }
        rank += 1;
    }
    factor.columns(0, rank).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `A A^T` for A whose columns are 1, 1/3, 1/9, ... times as long.
    fn decaying(size: usize) -> DMatrix<f64> {
        let entry = |i: usize, j: usize| ((i * (2 * j + 3) + j) as f64).sin() / 3f64.powi(j as i32);
        let half = DMatrix::from_fn(size, size, entry);
        &half * half.transpose()
    }

    #[test]
    fn what_is_neglected_is_positive_and_no_more_than_allowed() {
        let matrix = decaying(12);
        for share in [0.5, 0.1, 1e-3] {
            let neglected = share * matrix.trace();
            let factor = factor(&matrix, neglected);
            let left = &matrix - &factor * factor.transpose();
            assert!(left.trace() <= neglected * (1.0 + 1e-9), "{share}: {}", left.trace());
            let least = left.symmetric_eigenvalues().min();
            assert!(least > -1e-12 * matrix.trace(), "{share}: {least}");
            // As many columns as it takes: 1/9 of the square is left by each.
            let most = 2 + (share.ln() / (1.0 / 9f64).ln()).ceil() as usize;
            assert!(factor.ncols() <= most, "{share}: {} of {most}", factor.ncols());
        }
    }

    #[test]
    fn everything_is_told_if_nothing_may_be_neglected() {
        let matrix = decaying(5);
        let factor = factor(&matrix, 0.0);
        assert!((&matrix - &factor * factor.transpose()).abs().max() < 1e-12);
    }

    #[test]
    fn nothing_is_one_column_of_nothing() {
        assert_eq!(factor(&DMatrix::zeros(3, 3), 0.0).columns(0, 1), DMatrix::zeros(3, 1));
        assert_eq!(factor(&DMatrix::zeros(3, 3), 1.0), DMatrix::zeros(3, 1));
    }
}
