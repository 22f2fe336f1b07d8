//! The axis along which an encoder moves its mean most.

use burn::tensor::Tensor;
use nalgebra::DMatrix;

use super::posteriors::tensor;

/// The most that the rest counts beside the part along the axis: what bounds lose counts too.
const MOST: f64 = 1.5;

/// The direction in which the mean moves most, whitened, to first order.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// A unit vector, `[latent]`.
    pub(super) direction: Vec<f64>,
    /// How far it moves in that direction and in the next.
    pub(super) lengths: [f64; 2],
}

impl Axis {
    /// The first left-singular vector of a matrix, `[latent, features]` flattened, if it has one.
    pub(super) fn new(jacobian: &[f64], latent: usize) -> Option<Self> {
        let matrix = DMatrix::from_row_slice(latent, jacobian.len() / latent, jacobian);
        let eigen = (&matrix * matrix.transpose()).symmetric_eigen();
        let mut order: Vec<usize> = (0..latent).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let &[first, second, ..] = order.as_slice() else { return None };
        let [longest, next] = [first, second].map(|i| eigen.eigenvalues[i].max(0.0).sqrt());
        let vector = eigen.eigenvectors.column(first);
        let length = vector.norm();
        if !(longest > 0.0 && longest.is_finite() && (length - 1.0).abs() < 0.1) {
            return None;
        }
        // An axis of length 0 would leave no room for errors.
        let lengths = [longest, next.max(0.01 * longest)];
        Some(Self { direction: vector.iter().map(|x| x / length).collect(), lengths })
    }

    /// What the rest counts beside the part along the axis where both are to be as long.
    pub(super) fn across(&self) -> f64 {
        (self.lengths[0] / self.lengths[1]).min(MOST)
    }

    /// Of the mean, given the inverse of the standard deviations: the part along the axis, and below it
    /// the rest as much as it counts, `[latent + 1, latent]` flattened.
    pub(super) fn counted(&self, inverse: &[f64], across: f64) -> Vec<f64> {
        let [along, rest] = self.parts(inverse);
        along.into_iter().chain(rest.into_iter().map(|entry| across * entry)).collect()
    }

    /// The part along the axis, `[latent]`, and the rest, `[latent, latent]` flattened.
    fn parts(&self, inverse: &[f64]) -> [Vec<f64>; 2] {
        let (axis, latent) = (&self.direction, self.direction.len());
        let along = axis.iter().zip(inverse).map(|(a, inverse)| a * inverse).collect();
        let rest = (0..latent * latent).map(|at| {
            let (i, j) = (at / latent, at % latent);
            (f64::from(u8::from(i == j)) - axis[i] * axis[j]) * inverse[j]
        });
        [along, rest.collect()]
    }

    /// Of the mean, given the inverse of the standard deviations: the part along the axis, the
    /// rest, and both in units of their lengths.
    pub(super) fn weightings(&self, inverse: &[f64]) -> [Tensor<2>; 3] {
        let latent = self.direction.len();
        let [along, rest] = self.parts(inverse);
        let [longest, next] = self.lengths;
        let both = along.iter().map(|a| a / longest).chain(rest.iter().map(|a| a / next));
        let both = tensor(both.collect(), [latent + 1, latent]);
        [tensor(along, [1, latent]), tensor(rest, [latent, latent]), both]
    }
}
