//! The squared damage as a quadratic function of the noise, whose distribution is known.
//!
//! Over the noise of a posterior, `|Delta|^2` is close to a quadratic function: exactly that
//! for a linear decoder. One fitted to a few hundred draws tells most others on which side of
//! `r^2` they fall without decoding them. It only ever saves draws: estimates correct it by
//! the draws it gets wrong, and verdicts count those.

mod low_rank;
mod pairs;
mod prediction;
mod quartic;
mod slopes;

use nalgebra::{DMatrix, DVector};

use crate::Model;
use crate::statistics::GeneralisedChiSquare;

pub(crate) use pairs::{Pairs, Said};
pub(crate) use prediction::Prediction;
pub(crate) use quartic::{Moments, Quartic};
pub(crate) use slopes::DIFFERENTIATED_DRAWS;

use quartic::dot;

/// Draws per unknown of a fit, at least.
const DRAWS_PER_UNKNOWN: usize = 4;

/// How steep a smooth verdict on a draw is. A logistic function of 1.7 is close to the normal
/// distribution function; but errors have heavier tails than that, so most are less than their root
/// mean square.
const STEEPNESS: f64 = 2.1;

/// Squares that are too flat for their linear term are made this much of it, so that every
/// form is bounded below and its distribution a generalised chi-square.
const LEAST_CURVATURE: f64 = 1.0 / 16.0;

/// How likely a squared damage is to be at most `square` that is told to be `value`, up to an error
/// of about `residual`.
pub(crate) fn likely(value: f64, square: f64, residual: f64) -> f64 {
    1.0 / (1.0 + (STEEPNESS * (value - square) / residual).exp())
}

/// Draws along a ray, and what became of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// Noise, one row of `latent` numbers per draw.
    pub(crate) eta: Vec<f32>,
    /// Position along the ray of each draw.
    pub(crate) positions: Vec<f64>,
    /// `|Delta|^2` of each draw.
    pub(crate) squares: Vec<f64>,
    /// Derivatives of `|Delta|^2` with respect to the noise, likewise; or nothing.
    pub(crate) slopes: Vec<f32>,
    /// Numbers per draw.
    pub(crate) latent: usize,
}

impl Sample {
    /// Every second draw, from `first` on.
    fn half(&self, first: usize) -> Self {
        let draws = || (first..self.squares.len()).step_by(2);
        Self {
            eta: draws().flat_map(|draw| self.eta(draw)).copied().collect(),
            positions: draws().map(|draw| self.positions[draw]).collect(),
            squares: draws().map(|draw| self.squares[draw]).collect(),
            slopes: draws().flat_map(|draw| self.slopes(draw)).copied().collect(),
            latent: self.latent,
        }
    }

    fn eta(&self, draw: usize) -> &[f32] {
        &self.eta[draw * self.latent..(draw + 1) * self.latent]
    }

    fn slopes(&self, draw: usize) -> &[f32] {
        let end = (draw + 1) * self.latent;
        self.slopes.get(draw * self.latent..end).unwrap_or_default()
    }
}

/// What is fitted: which products of noise components are unknowns.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// All products.
    Full,
    /// Squares only: where draws are too few for all products.
    Diagonal,
    /// Nothing of the noise.
    Constant,
}

impl Kind {
    /// The most that so many draws can tell of m latent dimensions.
    fn affordable(draws: usize, m: usize) -> Self {
        let kinds = [Self::Full, Self::Diagonal];
        kinds.into_iter().find(|kind| kind.draws(m) <= draws).unwrap_or(Self::Constant)
    }

    /// Draws that tell it of m latent dimensions.
    fn draws(self, m: usize) -> usize {
        let unknowns = match self {
            Self::Full => (m + 1) * (m + 2) / 2 + m + 2,
            Self::Diagonal => 3 * m + 3,
            Self::Constant => 0,
        };
        DRAWS_PER_UNKNOWN * unknowns
    }
}

/// Bytes that fits of a model take, about.
pub(crate) fn bytes(model: &Model) -> usize {
    quartic::bytes(model).max(slopes::bytes(model))
}

/// The draws that tell all products of m latent dimensions, unless those are more than `most`.
pub(crate) fn telling_draws(most: usize, m: usize) -> Option<usize> {
    Some(Kind::Full.draws(m)).filter(|&draws| draws <= most)
}

/// Whether so many draws tell all products of m latent dimensions.
pub(crate) fn tell_products(draws: usize, m: usize) -> bool {
    Kind::affordable(draws, m) == Kind::Full
}

/// Whether either half of them does.
pub(crate) fn is_full(draws: usize, m: usize) -> bool {
    tell_products(draws / 2, m)
}

/// `|Delta|^2` as a quadratic function of the noise and of the position t on a ray.
#[derive(Debug, Clone)]
pub(crate) struct Surrogate {
    /// Coefficients of 1, t, t^2.
    constant: [f64; 3],
    /// For each axis, the coefficients of `e` and `t e`.
    linear: Vec<[f64; 2]>,
    /// For each axis, the coefficient of `e^2`.
    square: Vec<f64>,
    /// The axes in noise space, one after the other. `None` if they are the noise's own.
    axes: Option<Vec<f32>>,
    /// If not 0, there are as many more axes: the last coefficients are for the length of the noise
    /// along all of them.
    rest: usize,
    /// Root mean square of what the fit leaves.
    pub(crate) residual: f64,
}

/// How much draws count: the closer to `boundary`, the more.
fn weights(squares: &[f64], boundary: f64) -> DVector<f64> {
    let squares = DVector::from_column_slice(squares);
    let spread = 2.0 * squares.variance().sqrt() + f64::MIN_POSITIVE;
    squares.map(|square| (-0.5 * ((square - boundary) / spread).powi(2)).exp())
}

impl Surrogate {
    /// Fits by least squares, with as many unknowns as the draws can tell.
    ///
    /// Draws count by how close they are to `boundary`, where it matters what the fit says.
    pub(crate) fn fit(sample: &Sample, boundary: f64) -> Self {
        let (draws, m) = (sample.squares.len(), sample.latent);
        let kind = Kind::affordable(draws, m);
        let unknowns = 3 + match kind {
            Kind::Full => 2 * m + m * (m + 1) / 2,
            Kind::Diagonal => 3 * m,
            Kind::Constant => 0,
        };
        // Positions are centred and scaled: the normal equations square what is unbalanced.
        let mut features = DMatrix::<f64>::zeros(unknowns, draws);
        for draw in 0..draws {
            let (t, eta) = (sample.positions[draw], sample.eta(draw));
            let mut column = features.column_mut(draw);
            let mut next = 0;
            let mut push = |value: f64| {
                column[next] = value;
                next += 1;
            };
            [1.0, t, t * t].into_iter().for_each(&mut push);
            if kind == Kind::Constant {
                continue;
            }
            for &e in eta {
                push(f64::from(e));
                push(t * f64::from(e));
            }
            for (i, &a) in eta.iter().enumerate() {
                let others = if kind == Kind::Full { &eta[i..] } else { &eta[i..=i] };
                others.iter().for_each(|&b| push(f64::from(a) * f64::from(b)));
            }
        }
        let targets = DVector::from_column_slice(&sample.squares);
        let weights = weights(&sample.squares, boundary);
        let mut weighted = features.clone();
        for (mut column, weight) in weighted.column_iter_mut().zip(&weights) {
            column *= *weight;
        }
        let mut gram = &weighted * features.transpose();
        // A little of the diagonal keeps positions that are all the same solvable.
        for k in 0..unknowns {
            gram[(k, k)] += 1e-9 * gram[(k, k)] + 1e-9;
        }
        let right = &weighted * &targets;
        let solution =
            gram.cholesky().map_or_else(|| DVector::zeros(unknowns), |factor| factor.solve(&right));
        let left = targets - features.tr_mul(&solution);
        let squares: f64 =
            left.iter().zip(&weights).map(|(left, weight)| weight * left * left).sum();
        let residual = (squares / weights.sum()).sqrt();

        let constant = [solution[0], solution[1], solution[2]];
        let linear: Vec<[f64; 2]> = match kind {
            Kind::Constant => vec![],
            _ => (0..m).map(|i| [solution[3 + 2 * i], solution[4 + 2 * i]]).collect(),
        };
        let products = &solution.as_slice()[3 + 2 * linear.len()..];
        let (square, axes) = match kind {
            Kind::Constant => (vec![], None),
            Kind::Diagonal => (products.to_vec(), None),
            Kind::Full => {
                let mut matrix = DMatrix::<f64>::zeros(m, m);
                let mut next = 0;
                for i in 0..m {
                    for j in i..m {
                        let half = if i == j { products[next] } else { 0.5 * products[next] };
                        matrix[(i, j)] = half;
                        matrix[(j, i)] = half;
                        next += 1;
                    }
                }
                let eigen = matrix.symmetric_eigen();
                (eigen.eigenvalues.as_slice().to_vec(), Some(eigen.eigenvectors))
            }
        };
        let linear = match &axes {
            None => linear,
            Some(axes) => {
                let along = |part: usize| {
                    axes.tr_mul(&DVector::from_iterator(m, linear.iter().map(|pair| pair[part])))
                };
                let (level, slope) = (along(0), along(1));
                (0..m).map(|i| [level[i], slope[i]]).collect()
            }
        };
        // Columns are axes, and stored one after the other.
        let axes = axes.map(|axes| axes.iter().map(|&value| value as f32).collect());
        Self { constant, linear, square, axes, rest: 0, residual }
    }

    /// The function of the noise at position t, made bounded below.
    pub(crate) fn at(&self, t: f64) -> QuadraticForm<'_> {
        let [level, slope, curvature] = self.constant;
        let mut offset = level + t * (slope + t * curvature);
        let (mut weights, mut shifts) = (vec![], vec![]);
        let last = self.square.len().saturating_sub(1);
        for (axis, (&[level, slope], &square)) in self.linear.iter().zip(&self.square).enumerate() {
            let alike = if axis == last { self.rest.max(1) } else { 1 };
            let linear = level + t * slope;
            let weight = square.max(LEAST_CURVATURE * linear.abs());
            let shift = if weight > 0.0 { linear / (2.0 * weight) } else { 0.0 };
            // Completing the square, and keeping the mean where the weight was raised.
            offset -= weight * shift * shift + alike as f64 * (weight - square);
            weights.push(weight);
            shifts.push(shift);
        }
        let (axes, rest) = (self.axes.as_deref(), self.rest);
        QuadraticForm { offset, weights, shifts, axes, rest }
    }
}

/// `offset + sum_i w_i (e_i + s_i)^2`, e the noise along some axes, and at last its length along
/// all others, if there are such.
#[derive(Debug)]
pub(crate) struct QuadraticForm<'a> {
    offset: f64,
    weights: Vec<f64>,
    shifts: Vec<f64>,
    axes: Option<&'a [f32]>,
    /// How many others there are.
    rest: usize,
}

impl QuadraticForm<'_> {
    /// The value at one draw.
    fn value(&self, eta: &[f32]) -> f64 {
        let Some(axes) = self.axes else { return self.value_along(eta) };
        let mut noise = vec![0.0; self.weights.len()];
        along(axes, eta, &mut noise);
        self.value_along(&noise)
    }

    /// The value at one draw, given along the axes.
    fn value_along(&self, noise: &[f32]) -> f64 {
        let squares = self.weights.iter().zip(&self.shifts).zip(noise);
        self.offset + squares.map(|((w, s), &e)| w * (f64::from(e) + s).powi(2)).sum::<f64>()
    }

    /// `P(value <= q)`; NaN where the form has no distribution (its numbers overflowed).
    pub(crate) fn below(&self, q: f64) -> f64 {
        let more = self.rest.saturating_sub(1);
        let all = |values: &[f64]| {
            let alike = std::iter::repeat_n(values.last(), more).flatten();
            values.iter().chain(alike).copied().collect()
        };
        let distribution = GeneralisedChiSquare::new(all(&self.weights), all(&self.shifts));
        distribution.map_or(f64::NAN, |form| form.cdf(q - self.offset))
    }

    /// Whether the form depends on the noise at all.
    pub(crate) fn is_constant(&self) -> bool {
        self.weights.is_empty()
    }
}

/// The components of a draw along axes, and its length along all others, if one more is asked for.
fn along(axes: &[f32], eta: &[f32], components: &mut [f32]) {
    for (component, axis) in components.iter_mut().zip(axes.chunks_exact(eta.len())) {
        *component = dot(axis, eta);
    }
    let (components, length) = components.split_at_mut(axes.len() / eta.len());
    if let [length] = length {
        *length = (dot(eta, eta) - dot(components, components)).max(0.0).sqrt();
    }
}

/// A surrogate with draws that it was not fitted to, which correct it.
#[derive(Debug)]
struct Corrected {
    surrogate: Surrogate,
    /// Of each draw, the squared damage and what the surrogate says of it.
    squares: Vec<[f64; 2]>,
}

impl Corrected {
    fn new(surrogate: Surrogate, sample: &Sample) -> Self {
        let said = |draw: usize| surrogate.at(sample.positions[draw]).value(sample.eta(draw));
        let pair = |(draw, &square): (usize, &f64)| [square, said(draw)];
        let squares = sample.squares.iter().enumerate().map(pair).collect();
        Self { surrogate, squares }
    }

    /// `P(|Delta| <= r)` at position t: that of the surrogate, corrected by the share of the
    /// draws, wherever they are, that it puts on the wrong side.
    fn within(&self, r: f64, t: f64) -> f64 {
        let square = r * r;
        let wrong = |[is, says]: &[f64; 2]| {
            f64::from(u8::from(*is <= square)) - f64::from(u8::from(*says <= square))
        };
        let correction = self.squares.iter().map(wrong).sum::<f64>();
        self.surrogate.at(t).below(square) + correction / self.squares.len() as f64
    }
}

/// What a sample of a ray says of the damages along it.
#[derive(Debug)]
pub(crate) struct Fit {
    /// Fitted to all draws.
    pub(crate) surrogate: Surrogate,
    /// Fitted to either half and corrected by the other: draws that a surrogate was fitted to
    /// would flatter it. (Axes that derivatives tell are those of all draws.)
    halves: [Corrected; 2],
}

impl Fit {
    /// Fits a sample; the closer its squares are to `boundary`, the more they count.
    pub(crate) fn new(sample: &Sample, boundary: f64) -> Self {
        let aligned = slopes::Aligned::new(sample, boundary);
        let fit = |sample: &Sample| match &aligned {
            Some(aligned) => aligned.fit(sample, boundary),
            None => Surrogate::fit(sample, boundary),
        };
        let sample = aligned.as_ref().map_or(sample, |aligned| &aligned.sample);
        let [even, odd] = [sample.half(0), sample.half(1)];
        let (on_even, on_odd) = (fit(&even), fit(&odd));
        let halves = [Corrected::new(on_even, &odd), Corrected::new(on_odd, &even)];
        let mut surrogate = fit(sample);
        if let Some(aligned) = aligned {
            surrogate.axes = Some(aligned.axes);
        }
        Self { surrogate, halves }
    }

    /// Estimate of `P(|Delta| <= r)` at position t.
    pub(crate) fn within(&self, r: f64, t: f64) -> f64 {
        let [a, b] = &self.halves;
        0.5 * (a.within(r, t) + b.within(r, t))
    }
}
