//! A positive semidefinite matrix by fewer numbers.

use nalgebra::DMatrix;

/// L with `L L^T = matrix` up to a positive semidefinite remainder whose trace is at most `neglected`:
/// the Cholesky decomposition, largest remaining diagonal entries first, as far as that takes.
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
