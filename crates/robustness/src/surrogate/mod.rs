//! The squared damage as a quadratic function of the noise, whose distribution is known.
//!
//! Over the noise of a posterior, `|Delta|^2` is close to a quadratic function: exactly that
//! for a linear decoder. One fitted to a few hundred draws tells most others on which side of
//! `r^2` they fall without decoding them. It only ever saves draws: estimates correct it by
//! the draws it gets wrong, and verdicts count those.

mod pairs;
mod prediction;
mod quartic;

use nalgebra::{DMatrix, DVector};

use crate::statistics::GeneralisedChiSquare;

pub(crate) use pairs::{Pairs, Said};
pub(crate) use prediction::Prediction;
pub(crate) use quartic::{Moments, Quartic, bytes};

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
            latent: self.latent,
        }
    }

    fn eta(&self, draw: usize) -> &[f32] {
        &self.eta[draw * self.latent..(draw + 1) * self.latent]
    }
}

/// What is fitted: which products of noise components are unknowns.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// All products.
    Full,
    /// Squares only: for latent spaces too big for the draws.
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

/// Of at most so many draws, those that tell most of the quadratic function of m latent dimensions.
pub(crate) fn telling_draws(most: usize, m: usize) -> usize {
    Kind::affordable(most, m).draws(m)
}

/// Whether so many draws tell all about the quadratic function of m latent dimensions, in
/// either half of them.
pub(crate) fn is_full(draws: usize, m: usize) -> bool {
    Kind::affordable(draws / 2, m) == Kind::Full
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
    /// Root mean square of what the fit leaves.
    pub(crate) residual: f64,
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
        let spread = 2.0 * targets.variance().sqrt() + f64::MIN_POSITIVE;
        let weights = targets.map(|square| (-0.5 * ((square - boundary) / spread).powi(2)).exp());
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
        Self { constant, linear, square, axes, residual }
    }

    /// The function of the noise at position t, made bounded below.
    pub(crate) fn at(&self, t: f64) -> QuadraticForm<'_> {
        let [level, slope, curvature] = self.constant;
        let mut offset = level + t * (slope + t * curvature);
        let (mut weights, mut shifts) = (vec![], vec![]);
        for (&[level, slope], &square) in self.linear.iter().zip(&self.square) {
            let linear = level + t * slope;
            let weight = square.max(LEAST_CURVATURE * linear.abs());
            let shift = if weight > 0.0 { linear / (2.0 * weight) } else { 0.0 };
            // Completing the square, and keeping the mean where the weight was raised.
            offset -= weight * shift * shift + (weight - square);
            weights.push(weight);
            shifts.push(shift);
        }
        let distribution = GeneralisedChiSquare::new(weights.clone(), shifts.clone()).ok();
        QuadraticForm { offset, weights, shifts, axes: self.axes.as_deref(), distribution }
    }
}

/// `offset + sum_i w_i (e_i + s_i)^2`, e the noise along some axes.
#[derive(Debug)]
pub(crate) struct QuadraticForm<'a> {
    offset: f64,
    weights: Vec<f64>,
    shifts: Vec<f64>,
    axes: Option<&'a [f32]>,
    distribution: Option<GeneralisedChiSquare>,
}

impl QuadraticForm<'_> {
    /// Its constant and the coefficients of the products of two components, as `kind` has them, and
    /// those of the components.
    fn polynomial(&self, kind: Kind) -> (Vec<f64>, Vec<f32>) {
        let m = self.weights.len();
        let axis = |k: usize, i: usize| match self.axes {
            Some(axes) => f64::from(axes[k * m + i]),
            None => f64::from(u8::from(k == i)),
        };
        let sum = |term: &dyn Fn(usize) -> f64| (0..m).map(term).sum::<f64>();
        let (w, s) = (&self.weights, &self.shifts);
        let linear = (0..m).map(|i| sum(&|k| 2.0 * w[k] * s[k] * axis(k, i)) as f32).collect();
        let constant = self.offset + sum(&|k| w[k] * s[k] * s[k]);
        let product = |(i, j): (usize, usize)| {
            let both = if i == j { 1.0 } else { 2.0 };
            both * sum(&|k| w[k] * axis(k, i) * axis(k, j))
        };
        let even = std::iter::once(constant).chain(quartic::products(kind, m).map(product));
        (even.collect(), linear)
    }

    /// The value at one draw.
    #[cfg(test)]
    fn value(&self, eta: &[f32]) -> f64 {
        let Some(axes) = self.axes else { return self.value_along(eta) };
        let mut noise = vec![0.0; eta.len()];
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
        self.distribution.as_ref().map_or(f64::NAN, |form| form.cdf(q - self.offset))
    }

    /// Whether the form depends on the noise at all.
    pub(crate) fn is_constant(&self) -> bool {
        self.weights.is_empty()
    }
}

/// The components of a draw along axes.
fn along(axes: &[f32], eta: &[f32], components: &mut [f32]) {
    for (component, axis) in components.iter_mut().zip(axes.chunks_exact(eta.len())) {
        *component = axis.iter().zip(eta).map(|(a, e)| a * e).sum();
    }
}

/// A surrogate with draws that it was not fitted to, which correct it.
#[derive(Debug)]
struct Corrected {
    surrogate: Surrogate,
    /// The noise of which is along the surrogate's axes.
    sample: Sample,
    /// The surrogate at each draw's own position.
    fitted: Vec<f64>,
}

impl Corrected {
    fn new(surrogate: Surrogate, mut sample: Sample) -> Self {
        if let Some(axes) = &surrogate.axes {
            let mut components = vec![0.0; sample.eta.len()];
            for (eta, components) in
                sample.eta.chunks(sample.latent).zip(components.chunks_mut(sample.latent))
            {
                along(axes, eta, components);
            }
            sample.eta = components;
        }
        let draws = 0..sample.squares.len();
        let fitted = draws
            .map(|draw| surrogate.at(sample.positions[draw]).value_along(sample.eta(draw)))
            .collect();
        Self { surrogate, sample, fitted }
    }

    /// `P(|Delta| <= r)` at position t: that of the surrogate, corrected by the share of the
    /// draws, moved to t along it, that it puts on the wrong side.
    fn within(&self, r: f64, t: f64) -> f64 {
        let (form, square) = (self.surrogate.at(t), r * r);
        let mut correction = 0i64;
        for (draw, fitted) in self.fitted.iter().enumerate() {
            let here = form.value_along(self.sample.eta(draw));
            let moved = self.sample.squares[draw] + here - fitted;
            correction += i64::from(moved <= square) - i64::from(here <= square);
        }
        form.below(square) + correction as f64 / self.fitted.len() as f64
    }
}

/// What a sample of a ray says of the damages along it.
#[derive(Debug)]
pub(crate) struct Fit {
    /// Fitted to all draws.
    pub(crate) surrogate: Surrogate,
    /// Fitted to either half and corrected by the other: draws that a surrogate was fitted to
    /// would flatter it.
    halves: [Corrected; 2],
}

impl Fit {
    /// Fits a sample; the closer its squares are to `boundary`, the more they count.
    pub(crate) fn new(sample: &Sample, boundary: f64) -> Self {
        let [even, odd] = [sample.half(0), sample.half(1)];
        let (on_even, on_odd) = (Surrogate::fit(&even, boundary), Surrogate::fit(&odd, boundary));
        let halves = [Corrected::new(on_even, odd), Corrected::new(on_odd, even)];
        Self { surrogate: Surrogate::fit(sample, boundary), halves }
    }

    /// Estimate of `P(|Delta| <= r)` at position t.
    pub(crate) fn within(&self, r: f64, t: f64) -> f64 {
        let [a, b] = &self.halves;
        0.5 * (a.within(r, t) + b.within(r, t))
    }
}
