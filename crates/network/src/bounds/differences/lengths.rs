//! How far weighted outputs can move, from what is known of every value.

use burn::tensor::Tensor;

use super::{Pulled, Span};
use crate::Error;
use crate::bounds::UNDERFLOW;
use crate::bounds::real::{self, rounding};
use crate::bounds::set::{absolute, length};
use crate::bounds::spectral::spectral_norm;

/// How much weightings after the first count when errors are balanced.
const OTHERS: f64 = 0.1;

/// How far weighted outputs move from what they are at a point, at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Lengths {
    /// The Euclidean length of all rows together.
    pub norm: f64,
    /// The absolute value of each row.
    pub rows: Vec<f64>,
}

/// The weights g of a layer, and what they lead to.
struct Balance {
    /// `e / g`.
    inverse: Vec<f64>,
    /// `|g t|` at most.
    length: f64,
}

impl Span<'_> {
    /// How far `W f` moves, for every weighting W. The first counts most where the bounds of one
    /// could be improved at the expense of others.
    ///
    /// # Shapes
    /// Of each weighting `[k, features]` for every output, or none where it does not count.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn lengths(&self, weightings: &[Vec<Option<Tensor<2>>>]) -> Result<Vec<Lengths>, Error> {
        let differences = self.differences;
        let counts = differences.counts(weightings)?;
        let (start, errors) = self.start(weightings, counts.iter().sum());
        let (centres, free) = self.slopes();
        let pulled = differences.pull(start, errors.len(), &centres, &free);
        let balances = self.balances(&pulled, counts.first().copied().unwrap_or(0));
        let mut first = 0;
        let lengths = counts.iter().map(|&count| {
            let rows = first..first + count;
            first += count;
            self.length(&pulled, rows.clone(), &errors[rows], &balances)
        });
        Ok(lengths.collect())
    }

    /// All weightings one below the other before they are pulled back, and what rounding can change
    /// of each row.
    fn start(
        &self,
        weightings: &[Vec<Option<Tensor<2>>>],
        count: usize,
    ) -> (Vec<Option<Tensor<3>>>, Vec<f64>) {
        let start = self.differences.start(weightings, count);
        let mut errors = vec![0.0; count];
        for (value, tensor) in start.iter().enumerate() {
            let Some(tensor) = tensor else { continue };
            let features = tensor.dims()[2];
            let numbers = real::numbers(tensor.clone());
            for (error, row) in errors.iter_mut().zip(numbers.chunks_exact(features)) {
                *error += absolute(row, &self.sizes[value]);
            }
        }
        let charge = self.differences.rounding();
        errors.iter_mut().for_each(|error| *error = charge * *error + UNDERFLOW);
        (start, errors)
    }

    fn slopes(&self) -> (Vec<&[f64]>, Vec<&[usize]>) {
        self.slopes.iter().map(|slopes| (&slopes.centres[..], &slopes.free[..])).unzip()
    }

    /// Weights of every layer, from the first to the last, for weightings of which the first has
    /// `guide` rows.
    fn balances(&self, weighted: &Pulled, guide: usize) -> Vec<Balance> {
        let differences = self.differences;
        let features = differences.point.len();
        let (centres, free) = self.slopes();
        let mut balances: Vec<Balance> = vec![];
        for (number, (layer, slopes)) in differences.layers.iter().zip(&self.slopes).enumerate() {
            let count = slopes.free.len();
            // What no weighting depends on needs no bound.
            let Some(columns) = weighted.layers[number].as_ref().filter(|_| count > 0) else {
                balances
                    .push(Balance { inverse: vec![f64::INFINITY; count], length: f64::INFINITY });
                continue;
            };
            let before = (&centres[..number], &free[..number]);
            let mut pulled =
                differences.pull_features(layer.input, &slopes.free, before.0, before.1);
            let (guide, others) = columns.split_at(guide * count);
            let both = column_norms(guide, count).into_iter().zip(column_norms(others, count));
            let above = floored(both.map(|(guide, others)| guide.hypot(OTHERS * others)).collect());
            let below = pulled.input.chunks_exact(features).map(length);
            let below = floored(below.collect());
            let weight = |((half, above), below): ((&f64, f64), f64)| (half * above / below).sqrt();
            let weights: Vec<f64> =
                slopes.halves.iter().zip(above).zip(below).map(weight).collect();
            let inverse: Vec<f64> =
                slopes.halves.iter().zip(&weights).map(|(e, g)| e / g).collect();
            scale_rows(&mut pulled.input, features, &weights);
            let mut bound = spectral_norm(&pulled.input, features) * self.longest;
            for (balance, part) in balances.iter().zip(pulled.layers) {
                let Some(mut part) = part.filter(|part| !part.is_empty()) else { continue };
                let width = balance.inverse.len();
                scale_rows(&mut part, width, &weights);
                bound += balanced(part, balance) * balance.length;
            }
            let sizes = slopes.free.iter().map(|&feature| self.sizes[layer.input][feature]);
            let errors: Vec<f64> = weights.iter().zip(sizes).map(|(g, size)| g * size).collect();
            bound += differences.rounding() * length(&errors) + UNDERFLOW;
            balances.push(Balance { inverse, length: bound * (1.0 + 1e-12) });
        }
        balances
    }

    /// Of some of the rows that were pulled back.
    fn length(
        &self,
        pulled: &Pulled,
        span: std::ops::Range<usize>,
        errors: &[f64],
        balances: &[Balance],
    ) -> Lengths {
        let features = self.differences.point.len();
        let input = &pulled.input[span.start * features..span.end * features];
        let mut rows: Vec<f64> = input
            .chunks_exact(features)
            .map(|row| length(row) * self.longest * (1.0 + rounding(features)))
            .collect();
        let mut norm = spectral_norm(input, features) * self.longest;
        for (balance, part) in balances.iter().zip(&pulled.layers) {
            let Some(part) = part.as_ref().filter(|part| !part.is_empty()) else { continue };
            let width = balance.inverse.len();
            let part = &part[span.start * width..span.end * width];
            for (row, part) in rows.iter_mut().zip(part.chunks_exact(width)) {
                let scaled: Vec<f64> =
                    part.iter().zip(&balance.inverse).map(|(a, b)| a * b).collect();
                *row += length(&scaled) * (1.0 + rounding(width)) * balance.length;
            }
            norm += balanced(part.to_vec(), balance) * balance.length;
        }
        norm += length(errors);
        let widest = balances.iter().map(|balance| balance.inverse.len()).max().unwrap_or(0);
        let slack = 1.0 + rounding(features.max(widest));
        let rows: Vec<f64> = rows.iter().zip(errors).map(|(row, e)| (row + e) * slack).collect();
        let norm = (norm * slack).min(length(&rows) * slack);
        Lengths { norm, rows }
    }
}

/// `|part diag(e/g)|_2`.
fn balanced(mut part: Vec<f64>, balance: &Balance) -> f64 {
    for row in part.chunks_exact_mut(balance.inverse.len()) {
        row.iter_mut().zip(&balance.inverse).for_each(|(entry, scale)| *entry *= scale);
    }
    spectral_norm(&part, balance.inverse.len())
}

fn scale_rows(matrix: &mut [f64], columns: usize, scales: &[f64]) {
    for (row, scale) in matrix.chunks_exact_mut(columns).zip(scales) {
        row.iter_mut().for_each(|entry| *entry *= scale);
    }
}

fn column_norms(matrix: &[f64], columns: usize) -> Vec<f64> {
    let mut squares = vec![0.0; columns];
    for row in matrix.chunks_exact(columns) {
        squares.iter_mut().zip(row).for_each(|(sum, entry)| *sum += entry * entry);
    }
    squares.into_iter().map(f64::sqrt).collect()
}

/// Norms that are not 0, so that all weights are positive.
fn floored(mut norms: Vec<f64>) -> Vec<f64> {
    let largest = norms.iter().copied().fold(0.0, f64::max);
    let least = if largest > 0.0 { 1e-6 * largest } else { 1.0 };
    norms.iter_mut().for_each(|norm| *norm = norm.max(least));
    norms
}
