//! A quadratic function of the noise fitted to derivatives.
//!
//! A draw tells one damage, but as many derivatives of it as there are latent dimensions: a few
//! hundred tell a quadratic function `e^T Q e + a^T e` of many. Its derivatives are `2 Q e + a`,
//! which least squares tells Q from, and along the axes of Q each depends on its own component
//! alone. Where there are too many components, those along which derivatives are large are taken
//! one by one (an active subspace, [Constantine et al. 2014]), and the others together, as if Q
//! were the same along all of them and a were 0.

use nalgebra::{DMatrix, DVector, Matrix3, Vector3};

use super::{Sample, Surrogate, along, dot, weights};
use crate::Model;

/// Draws that tell a quadratic function by their derivatives: half of them tell noticeably less, and
/// twice as many hardly more.
pub(crate) const DIFFERENTIATED_DRAWS: usize = 512;

/// Bytes that each derivative takes while fitting: noise, latent sample and derivatives in f32, and
/// three times in f64.
const BYTES_PER_SLOPE: usize = 48;

/// Axes that are taken one by one.
const MOST_AXES: usize = 64;

/// Steps that turn axes into those along which derivatives are largest.
const TURNS: usize = 2;

/// What is added to a diagonal that may be singular, relative to it.
const RIDGE: f64 = 1e-9;

/// Bytes that a fit takes, about.
pub(super) fn bytes(model: &Model) -> usize {
    BYTES_PER_SLOPE * DIFFERENTIATED_DRAWS * model.latent()
}

/// A sample of which the noise and the derivatives are along axes.
#[derive(Debug)]
pub(super) struct Aligned {
    pub(super) sample: Sample,
    /// The axes in noise space, one after the other.
    pub(super) axes: Vec<f32>,
    /// Dimensions that are left: the last component is the length of the noise in all of them.
    pub(super) rest: usize,
}

impl Aligned {
    /// Along the axes of the quadratic function that derivatives come from. `None` if there are none,
    /// or some are no numbers.
    pub(super) fn new(sample: &Sample, boundary: f64) -> Option<Self> {
        let (m, draws) = (sample.latent, sample.squares.len());
        if sample.slopes.is_empty() || !sample.slopes.iter().all(|slope| slope.is_finite()) {
            return None;
        }
        let weights = weights(&sample.squares, boundary);
        let axes = axes(sample, &weights)?;
        let rest = m - axes.ncols();
        let axes: Vec<f32> = axes.iter().map(|&value| value as f32).collect();
        let count = m - rest + rest.min(1);
        let (mut eta, mut slopes) = (vec![0.0; draws * count], vec![0.0; draws * count]);
        let rows = eta.chunks_mut(count).zip(slopes.chunks_mut(count)).enumerate();
        for (draw, (components, derivatives)) in rows {
            let (e, slope) = (sample.eta(draw), sample.slopes(draw));
            along(&axes, e, components);
            along(&axes, slope, derivatives);
            if rest > 0 {
                // Along what is left of the noise.
                let known = dot(&derivatives[..count - 1], &components[..count - 1]);
                let length = components[count - 1];
                let along = if length > 0.0 { (dot(slope, e) - known) / length } else { 0.0 };
                derivatives[count - 1] = along;
            }
        }
        let (positions, squares) = (sample.positions.clone(), sample.squares.clone());
        let sample = Sample { eta, positions, squares, slopes, latent: count };
        Some(Self { sample, axes, rest })
    }

    /// Fits draws of this sample, for axes that are the sample's.
    pub(super) fn fit(&self, sample: &Sample, boundary: f64) -> Surrogate {
        let (m, weights) = (sample.latent, weights(&sample.squares, boundary));
        let draws = || weights.iter().zip(&sample.positions).enumerate();
        let (mut linear, mut square) = (Vec::with_capacity(m), Vec::with_capacity(m));
        for axis in 0..m {
            let is_rest = self.rest > 0 && axis == m - 1;
            let terms = draws().map(|(draw, (&weight, &t))| {
                let at = draw * m + axis;
                let e = f64::from(sample.eta[at]);
                // A length has no sign, and about the same value in all draws.
                let odd = if is_rest { [0.0; 2] } else { [1.0, t] };
                let terms = Vector3::new(odd[0], odd[1], 2.0 * e);
                (weight, terms, f64::from(sample.slopes[at]))
            });
            let [a, b, c] = least_squares(terms);
            linear.push([a, b]);
            square.push(c);
        }
        let of_noise = |draw: usize, t: f64| -> f64 {
            let term = |((e, [a, b]), c): ((&f32, &[f64; 2]), &f64)| {
                let e = f64::from(*e);
                e * (a + b * t + c * e)
            };
            sample.eta(draw).iter().zip(&linear).zip(&square).map(term).sum()
        };
        let left =
            |(draw, (_, &t)): (usize, (&f64, &f64))| sample.squares[draw] - of_noise(draw, t);
        let left: Vec<f64> = draws().map(left).collect();
        let rows =
            draws().map(|(draw, (&weight, &t))| (weight, Vector3::new(1.0, t, t * t), left[draw]));
        let constant = least_squares(rows);
        let squares = draws().map(|(draw, (weight, t))| {
            let [level, slope, curvature] = constant;
            weight * (left[draw] - level - t * (slope + t * curvature)).powi(2)
        });
        let residual = (squares.sum::<f64>() / weights.sum()).sqrt();
        Surrogate { constant, linear, square, axes: None, rest: self.rest, residual }
    }
}

/// The axes of Q, one column each.
fn axes(sample: &Sample, weights: &DVector<f64>) -> Option<DMatrix<f64>> {
    let columns = |rows: &[f32]| {
        let numbers = rows.iter().map(|&value| f64::from(value));
        DMatrix::from_iterator(sample.latent, sample.squares.len(), numbers)
    };
    let (mut eta, mut slopes) = (columns(&sample.eta), columns(&sample.slopes));
    let basis = basis(&slopes, weights);
    if let Some(basis) = &basis {
        eta = basis.transpose() * eta;
        slopes = basis.transpose() * slopes;
    }
    // What depends on the position alone does not come from Q.
    let powers = sample.positions.iter().flat_map(|&t| [1.0, t]);
    let powers = DMatrix::from_iterator(2, weights.len(), powers);
    let level = solve(&powers, &eta, weights)?.transpose() * &powers;
    let slope = solve(&powers, &slopes, weights)?.transpose() * &powers;
    let products = solve(&(eta - level), &(slopes - slope), weights)?;
    let axes = (&products + products.transpose()).symmetric_eigen().eigenvectors;
    Some(match basis {
        Some(basis) => basis * axes,
        None => axes,
    })
}

/// Least squares for `coefficients^T terms = values`, a column per draw.
fn solve(
    terms: &DMatrix<f64>,
    values: &DMatrix<f64>,
    weights: &DVector<f64>,
) -> Option<DMatrix<f64>> {
    let weighted = weighted(terms, weights);
    let mut gram = &weighted * terms.transpose();
    for k in 0..gram.nrows() {
        gram[(k, k)] += RIDGE * (gram[(k, k)] + 1.0);
    }
    Some(gram.cholesky()?.solve(&(weighted * values.transpose())))
}

/// Where there are too many components, the axes along which derivatives are largest, their mean
/// among them.
fn basis(slopes: &DMatrix<f64>, weights: &DVector<f64>) -> Option<DMatrix<f64>> {
    let (m, draws) = slopes.shape();
    if m <= MOST_AXES {
        return None;
    }
    let weighted = weighted(slopes, weights);
    let spread = |k: usize| slopes.column(k * draws / MOST_AXES).into_owned();
    let mut basis = DMatrix::from_columns(&(0..MOST_AXES).map(spread).collect::<Vec<_>>());
    for _ in 0..TURNS {
        let along = basis.qr().q().transpose() * slopes;
        basis = &weighted * along.transpose();
    }
    Some(basis.qr().q())
}

/// Every column times its weight.
fn weighted(columns: &DMatrix<f64>, weights: &DVector<f64>) -> DMatrix<f64> {
    let mut weighted = columns.clone();
    for (mut column, weight) in weighted.column_iter_mut().zip(weights) {
        column *= *weight;
    }
    weighted
}

/// The coefficients of three terms, given weights, terms and values.
fn least_squares(rows: impl Iterator<Item = (f64, Vector3<f64>, f64)>) -> [f64; 3] {
    let (mut gram, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for (weight, terms, value) in rows {
        gram += weight * terms * terms.transpose();
        right += weight * value * terms;
    }
    for k in 0..3 {
        gram[(k, k)] += RIDGE * (gram[(k, k)] + 1.0);
    }
    gram.cholesky().map_or([0.0; 3], |factor| factor.solve(&right).into())
}

#[cfg(test)]
mod tests {
    use vaegis_vae::{Noise, Purpose};

    use super::*;
    use crate::surrogate::Fit;

    const DRAWS: usize = 240;
    const NORMS: usize = 8;

    /// Draws of `sum_k s_k ((v_k + t u_k)^T e + t_k)^2` along few directions v_k of m.
    fn sample(m: usize) -> Sample {
        let direction =
            |k: usize, i: usize| ((i * (2 * k + 3) + k) as f64).sin() / (m as f64).sqrt();
        let eta = Noise::new(3).normal(Purpose::Candidates, 0, 0, DRAWS, m);
        let mut sample = Sample { eta, latent: m, ..Sample::default() };
        for draw in 0..DRAWS {
            let t = 2.0 * ((draw % NORMS) as f64 + 0.5) / NORMS as f64 - 1.0;
            let (mut square, mut slopes) = (0.3 * t, vec![0.0; m]);
            for k in 0..4 {
                let scale = [2.0, 1.0, 0.5, 0.3][k];
                let e = |i: usize| f64::from(sample.eta[draw * m + i]);
                let along = (0..m).map(|i| direction(k, i) * e(i)).sum::<f64>() + 1.0 + 0.2 * t;
                square += scale * along * along;
                let slope = |i| 2.0 * scale * along * direction(k, i);
                (0..m).for_each(|i| slopes[i] += slope(i));
            }
            sample.positions.push(t);
            sample.squares.push(square);
            sample.slopes.extend(slopes.iter().map(|&slope| slope as f32));
        }
        sample
    }

    #[test]
    fn quadratic_functions_are_found_whatever_their_axes_and_dimensions() {
        for m in [3, 40, 300] {
            let sample = sample(m);
            let fit = Fit::new(&sample, 4.0);
            let deviation = DVector::from_column_slice(&sample.squares).variance().sqrt();
            assert!(fit.surrogate.residual < 1e-3 * deviation, "{m}: {}", fit.surrogate.residual);
            for draw in 0..DRAWS {
                let form = fit.surrogate.at(sample.positions[draw]);
                let (says, is) = (form.value(sample.eta(draw)), sample.squares[draw]);
                assert!((says - is).abs() < 0.01 * deviation, "{m}, {draw}: {says} {is}");
            }
            // What it knows without draws is what they say.
            let within = fit.within(2.0, 0.0);
            let known = fit.surrogate.at(0.0).below(4.0);
            assert!((within - known).abs() < 0.02, "{m}: {within} {known}");
        }
    }

    #[test]
    fn what_is_no_number_tells_nothing() {
        let mut sample = sample(3);
        assert!(Aligned::new(&sample, 4.0).is_some());
        sample.slopes[7] = f32::NAN;
        assert!(Aligned::new(&sample, 4.0).is_none());
        assert!(Fit::new(&sample, 4.0).surrogate.residual.is_finite());
    }
}
