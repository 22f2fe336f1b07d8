//! How far weighted outputs can move, from what is known of every value.

use std::iter;

use burn::tensor::Tensor;

use super::{Pulled, Span, Weighting};
use crate::Error;
use crate::bounds::UNDERFLOW;
use crate::bounds::real::rounding;
use crate::bounds::set::{absolute, length};
use crate::bounds::spectral::spectral_norm_of_sum;

/// How much weightings after the first count when errors are balanced.
const OTHERS: f64 = 0.4;

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
        let weightings: Result<Vec<Weighting>, Error> =
            weightings.iter().map(|parts| self.differences.weighting(parts)).collect();
        let weightings = weightings?;
        let (centres, free) = self.slopes();
        let pulled = self.differences.pull_outputs(&centres, &free);
        let balances = self.balances(&pulled, &weightings);
        Ok(weightings.iter().map(|weighting| self.length(&pulled, weighting, &balances)).collect())
    }

    /// What rounding can change of each row.
    fn errors(&self, weighting: &Weighting) -> Vec<f64> {
        let outputs = &self.differences.bounder.network.outputs;
        let sizes: Vec<f64> =
            outputs.iter().flat_map(|&value| self.sizes[value].iter().copied()).collect();
        let charge = self.differences.rounding();
        let rows = weighting.entries.chunks_exact(weighting.columns);
        rows.map(|row| charge * absolute(row, &sizes) + UNDERFLOW).collect()
    }

    fn slopes(&self) -> (Vec<&[f64]>, Vec<&[usize]>) {
        self.slopes.iter().map(|slopes| (&slopes.centres[..], &slopes.free[..])).unzip()
    }

    /// Weights of every layer, from the first to the last.
    fn balances(&self, outputs: &Pulled, weightings: &[Weighting]) -> Vec<Balance> {
        let differences = self.differences;
        let features = differences.point.len();
        let (centres, free) = self.slopes();
        let mut balances: Vec<Balance> = vec![];
        for (number, (layer, slopes)) in differences.layers.iter().zip(&self.slopes).enumerate() {
            let count = slopes.free.len();
            // What no weighting depends on needs no bound.
            let Some(part) = outputs.layers[number].as_ref().filter(|_| count > 0) else {
                balances
                    .push(Balance { inverse: vec![f64::INFINITY; count], length: f64::INFINITY });
                continue;
            };
            let before = (&centres[..number], &free[..number]);
            let mut pulled =
                differences.pull_features(layer.input, &slopes.free, before.0, before.1);
            let mut squares = vec![0.0; count];
            for (weighting, worth) in
                weightings.iter().zip(iter::once(1.0).chain(iter::repeat(OTHERS)))
            {
                for row in weighting.of(part).chunks_exact(count) {
                    let entries = squares.iter_mut().zip(row);
                    entries.for_each(|(sum, entry)| *sum += (worth * entry).powi(2));
                }
            }
            let above = floored(squares.into_iter().map(f64::sqrt).collect());
            let below = pulled.input.chunks_exact(features).map(length);
            let below = floored(below.collect());
            let weight = |((half, above), below): ((&f64, f64), f64)| (half * above / below).sqrt();
            let weights: Vec<f64> =
                slopes.halves.iter().zip(above).zip(below).map(weight).collect();
            let inverse: Vec<f64> =
                slopes.halves.iter().zip(&weights).map(|(e, g)| e / g).collect();
            scale_rows(&mut pulled.input, features, &weights);
            let parts = pulled.input.iter().map(|a| a * self.longest).collect();
            let mut blocks: Vec<(Vec<f64>, usize)> = vec![(parts, features)];
            for (balance, part) in balances.iter().zip(pulled.layers) {
                let Some(mut part) = part.filter(|part| !part.is_empty()) else { continue };
                let width = balance.inverse.len();
                scale_rows(&mut part, width, &weights);
                blocks.push((balanced(part, balance), width));
            }
            let mut bound = spectral_norm_of_sum(&blocks, count);
            let sizes = slopes.free.iter().map(|&feature| self.sizes[layer.input][feature]);
            let errors: Vec<f64> = weights.iter().zip(sizes).map(|(g, size)| g * size).collect();
            bound += differences.rounding() * length(&errors) + UNDERFLOW;
            balances.push(Balance { inverse, length: bound * (1.0 + 1e-12) });
        }
        balances
    }

    /// Of a weighting.
    fn length(&self, outputs: &Pulled, weighting: &Weighting, balances: &[Balance]) -> Lengths {
        let features = self.differences.point.len();
        let errors = self.errors(weighting);
        let input = weighting.of(&outputs.input);
        let mut rows: Vec<f64> = input
            .chunks_exact(features)
            .map(|row| length(row) * self.longest * (1.0 + rounding(features)))
            .collect();
        let mut blocks = vec![(input.iter().map(|a| a * self.longest).collect(), features)];
        for (balance, part) in balances.iter().zip(&outputs.layers) {
            let Some(part) = part.as_ref().filter(|part| !part.is_empty()) else { continue };
            let (width, part) = (balance.inverse.len(), weighting.of(part));
            for (row, part) in rows.iter_mut().zip(part.chunks_exact(width)) {
                let scaled: Vec<f64> =
                    part.iter().zip(&balance.inverse).map(|(a, b)| a * b).collect();
                *row += length(&scaled) * (1.0 + rounding(width)) * balance.length;
            }
            blocks.push((balanced(part, balance), width));
        }
        let norm = spectral_norm_of_sum(&blocks, weighting.rows) + length(&errors);
        let widest = balances.iter().map(|balance| balance.inverse.len()).max().unwrap_or(0);
        let slack = 1.0 + rounding(features.max(widest));
        let rows: Vec<f64> = rows.iter().zip(&errors).map(|(row, e)| (row + e) * slack).collect();
        let norm = (norm * slack).min(length(&rows) * slack);
        Lengths { norm, rows }
    }
}

/// `part diag(e/g)`, times the length.
fn balanced(mut part: Vec<f64>, balance: &Balance) -> Vec<f64> {
    for row in part.chunks_exact_mut(balance.inverse.len()) {
        let scales = balance.inverse.iter().map(|inverse| inverse * balance.length);
        row.iter_mut().zip(scales).for_each(|(entry, scale)| *entry *= scale);
    }
    part
}

fn scale_rows(matrix: &mut [f64], columns: usize, scales: &[f64]) {
    for (row, scale) in matrix.chunks_exact_mut(columns).zip(scales) {
        row.iter_mut().for_each(|entry| *entry *= scale);
    }
}

/// Norms that are not 0, so that all weights are positive.
fn floored(mut norms: Vec<f64>) -> Vec<f64> {
    let largest = norms.iter().copied().fold(0.0, f64::max);
    let least = if largest > 0.0 { 1e-6 * largest } else { 1.0 };
    norms.iter_mut().for_each(|norm| *norm = norm.max(least));
    norms
}
