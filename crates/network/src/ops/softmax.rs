use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, blocks, host, only, scalar};
use crate::bounds::{Interval, Pulled, Relaxation, UNDERFLOW, real};

/// Configuration of [`Softmax`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SoftmaxConfig {
    /// Consecutive features that sum to 1.
    pub block: usize,
}

impl SoftmaxConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Softmax {
        Softmax { config: self.clone() }
    }
}

/// `e^x / sum(e^x)` in every block of consecutive features.
#[derive(Module, Debug)]
pub struct Softmax {
    #[module(skip)]
    pub(super) config: SoftmaxConfig,
}

impl Softmax {
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let block = self.config.block;
        if host::holds(&x) {
            return host::in_place(x, |values| softmax(values, block));
        }
        let [rows, features] = x.dims();
        let folded = x.reshape([rows, features / block, block]);
        activation::softmax(folded, 2).reshape([rows, features])
    }

    /// The derivative, which is symmetric: with `y` the output, `t` becomes
    /// `y (t - sum(y t))`. On the CPU, t is taken relative to that of the largest y, so that
    /// nothing cancels where one y is nearly 1.
    fn derivative(&self, at: Evaluation<'_>, vectors: Tensor<3>) -> Tensor<3> {
        let block = self.config.block;
        let [rows, count, features] = vectors.dims();
        let y = at.output.clone();
        if host::holds(&y) && host::holds(&vectors) {
            let y = host::read(y);
            return host::in_place(vectors, |vectors| {
                let samples = y.get().chunks_exact(features);
                for (y, vectors) in samples.zip(vectors.chunks_exact_mut(count * features)) {
                    differentiate(y, vectors, block);
                }
            });
        }
        let y = y.reshape([rows, 1, features / block, block]);
        let vectors = vectors.reshape([rows, count, features / block, block]);
        let mean = (vectors.clone() * y.clone()).sum_dim(3);
        ((vectors - mean) * y).reshape([rows, count, features])
    }
}

#[multiversion(targets = "simd")]
fn softmax(values: &mut [f32], block: usize) {
    for block in values.chunks_exact_mut(block) {
        let largest = host::largest(block);
        block.iter_mut().for_each(|value| *value = scalar::exp(*value - largest));
        let scale = host::sum(block, f64::from).recip() as f32;
        block.iter_mut().for_each(|value| *value *= scale);
    }
}

/// The derivative of one sample applied to `k` vectors, one after another.
#[multiversion(targets = "simd")]
fn differentiate(y: &[f32], vectors: &mut [f32], block: usize) {
    let peak = |y: &[f32]| {
        let largest = host::largest(y);
        y.iter().position(|&y| y == largest).unwrap_or(0)
    };
    let peaks: Vec<usize> = y.chunks_exact(block).map(peak).collect();
    for vector in vectors.chunks_exact_mut(y.len()) {
        let blocks = vector.chunks_exact_mut(block).zip(y.chunks_exact(block));
        for ((vector, y), &peak) in blocks.zip(&peaks) {
            let base = vector[peak];
            let share = |y, t| f64::from(y) * f64::from(t - base);
            let mean = host::sum_of_two(y, vector, share) as f32;
            vector.iter_mut().zip(y).for_each(|(value, y)| *value = (*value - base - mean) * y);
        }
    }
}

impl Calculus for Softmax {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        blocks(only(inputs)?, self.config.block)
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.apply(inputs[0].clone())
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        self.apply(inputs.remove(0))
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        self.derivative(at, tangents[0].clone())
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![self.derivative(at, cotangent)]
    }

    fn interval(&self, inputs: &[&Interval]) -> Result<Interval, String> {
        let ends: Vec<[f64; 2]> = inputs[0].ends().collect();
        let blocks = ends.chunks_exact(self.config.block);
        let (low, high) = blocks.flat_map(shares).map(|[low, high]| (low, high)).unzip();
        Interval::new(inputs[0].rows(), low, high)
    }

    fn relax(&self, inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
        let ends: Vec<[f64; 2]> = inputs[0].ends().collect();
        let blocks = ends.chunks_exact(self.config.block).map(SoftmaxBlock::new).collect();
        let mut relaxation = SoftmaxLines { blocks, reach: vec![] };
        relaxation.reach = relaxation.blocks.iter().flat_map(|block| block.reach.clone()).collect();
        match relaxation.reach.iter().all(|reach| reach.is_finite()) {
            true => Ok(Box::new(relaxation)),
            false => Err("lines are not finite".to_string()),
        }
    }
}

/// More than what a few operations in f64 and sums over a block lose, relative to what goes into
/// them.
fn loss(block: usize) -> f64 {
    (8.0 * real::rounding(block)).max(1e-12)
}

/// The least and the largest output for inputs in these intervals: with the input itself at one
/// end and all others at the other.
fn shares(ends: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let loss = loss(ends.len());
    let low = odds(ends, 0).into_iter().map(|odds| (1.0 + odds).recip() * (1.0 - loss));
    // Odds may be infinite in f64, but no share is 0.
    let high = odds(ends, 1).into_iter().map(|odds| (1.0 + odds).recip() * (1.0 + loss));
    low.zip(high).map(|(low, high)| [low, (high + UNDERFLOW).min(1.0)]).collect()
}

/// For every input, `sum_j e^(x_j - x)` with x at its end of this side, over all others at their
/// other ends. Sums before and after an input lose no digits, where all but one would.
fn odds(ends: &[[f64; 2]], side: usize) -> Vec<f64> {
    let others: Vec<f64> = ends.iter().map(|ends| ends[1 - side]).collect();
    let largest_but = |but: Option<usize>| {
        let rest = (0..others.len()).filter(|&other| Some(other) != but);
        rest.max_by(|&i, &j| others[i].total_cmp(&others[j]))
    };
    let Some(top) = largest_but(None) else { return vec![] };
    let terms: Vec<f64> = others.iter().map(|x| (x - others[top]).exp()).collect();
    let mut after: Vec<f64> = terms.iter().rev().scan(0.0, add).collect();
    after.reverse();
    let mut before = 0.0;
    let of = |(own, ends): (usize, &[f64; 2])| {
        let sum = before + after.get(own + 1).unwrap_or(&0.0);
        before += terms[own];
        if own != top {
            return (others[top] - ends[side]).exp() * sum;
        }
        // Against the largest, all others might be 0 in f64.
        let Some(second) = largest_but(Some(top)) else { return 0.0 };
        let rest = (0..others.len()).filter(|&other| other != top);
        let sum: f64 = rest.map(|other| (others[other] - others[second]).exp()).sum();
        (others[second] - ends[side]).exp() * sum
    };
    ends.iter().enumerate().map(of).collect()
}

/// Sums so far.
fn add(sum: &mut f64, term: &f64) -> Option<f64> {
    *sum += term;
    Some(*sum)
}

/// Lines of a block, by way of `z_i = x_i - ln(sum(e^x))`, of which the output is the exponential:
/// z is concave, so below its tangent plane at the centre; it is above what chords of `e^x_j` and
/// a tangent of the logarithm give; the exponential is between a tangent and a chord.
#[derive(Debug)]
struct SoftmaxBlock {
    /// Slopes of the logarithm of the sum: `[below, above]` of the output for every input.
    shares: [Vec<f64>; 2],
    /// Slopes of the exponential, `[below, above]`, for every output.
    slopes: [Vec<f64>; 2],
    /// `[below, above]`, for every output.
    offsets: [Vec<f64>; 2],
    reach: Vec<f64>,
}

impl SoftmaxBlock {
    fn new(ends: &[[f64; 2]]) -> Self {
        let loss = loss(ends.len());
        let centres: Vec<f64> = ends.iter().map(|[low, high]| 0.5 * low + 0.5 * high).collect();
        let size = ends.iter().fold(1.0f64, |size, [low, high]| size.max(-low).max(*high));
        // ln(sum(e^x)) is at least its tangent at the centre.
        let top = centres.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = centres.iter().map(|c| (c - top).exp()).sum();
        let tangent: Vec<f64> = centres.iter().map(|c| (c - top).exp() / sum).collect();
        let at_centre = top + sum.ln();
        let along: f64 = tangent.iter().zip(&centres).map(|(p, c)| p * c).sum();
        // It is at most ln(S) + sum(chords) / S - 1, for S the sum of the chords at the centre.
        let peak = ends.iter().map(|ends| ends[1]).fold(f64::NEG_INFINITY, f64::max);
        let chord = |&[low, high]: &[f64; 2]| {
            let [a, b] = [(low - peak).exp(), (high - peak).exp()];
            let slope = if high - low > 1e-9 { (b - a) / (high - low) } else { b };
            (slope, (a - slope * low).max(b - slope * high))
        };
        let chords: Vec<(f64, f64)> = ends.iter().map(chord).collect();
        let sum: f64 =
            chords.iter().zip(&centres).map(|((slope, offset), c)| slope * c + offset).sum();
        let offset = chords.iter().map(|(_, offset)| offset / sum).sum::<f64>();
        let chord_shares: Vec<f64> = chords.iter().map(|(slope, _)| slope / sum).collect();
        let total = 1.0 + chord_shares.iter().sum::<f64>();
        let mut block = Self {
            shares: [chord_shares, tangent],
            slopes: [vec![], vec![]],
            offsets: [vec![], vec![]],
            reach: vec![],
        };
        for ([low, high], centre) in shares(ends).into_iter().zip(&centres) {
            let z = centre - at_centre;
            let tangent = z.exp();
            let below = tangent * (1.0 - z + 1.0 - peak - sum.ln() - offset);
            let lost = loss * tangent * (size + z.abs() + offset.abs()) * total;
            let [z_low, z_high] = [low.ln(), high.ln()];
            let chord = (high - low) / (z_high - z_low);
            let chord = if z_high - z_low > 1e-9 { chord } else { high };
            // With an output of 0, its logarithm has no lower end, and the chord no slope.
            let at_low = if chord > 0.0 { low - chord * z_low } else { 0.0 };
            let above = at_low.max(high - chord * z_high) + chord * (along - at_centre);
            let gained =
                loss * (chord * (size + z_high.abs()) + high + (chord * z_low).abs().max(0.0));
            let sizes = 4.0 * total * size;
            block.slopes[0].push(tangent);
            block.slopes[1].push(chord);
            block.offsets[0].push(below - lost);
            block.offsets[1].push(above + gained);
            block
                .reach
                .push(tangent.max(chord) * sizes + below.abs() + above.abs() + lost + gained + 1.0);
        }
        block
    }

    /// Replaces a linear function of the outputs by one of the inputs, and returns the constant.
    fn pull(&self, function: &mut [f64]) -> f64 {
        let (mut constant, mut sums) = (0.0, [0.0; 2]);
        for (output, a) in function.iter_mut().enumerate() {
            let side = usize::from(*a <= 0.0);
            constant += *a * self.offsets[side][output];
            *a *= self.slopes[side][output];
            sums[side] += *a;
        }
        for (input, a) in function.iter_mut().enumerate() {
            *a -= sums[0] * self.shares[0][input] + sums[1] * self.shares[1][input];
        }
        constant
    }
}

/// Lines of all blocks of all rows.
#[derive(Debug)]
struct SoftmaxLines {
    blocks: Vec<SoftmaxBlock>,
    reach: Vec<f64>,
}

impl Relaxation for SoftmaxLines {
    fn pull(&self, coefficients: Tensor<3>) -> Pulled {
        let shape @ [_, count, features] = coefficients.dims();
        let mut numbers = real::numbers(coefficients);
        let mut constants = vec![];
        for (position, function) in numbers.chunks_exact_mut(features).enumerate() {
            let per_row = features / self.blocks[0].reach.len();
            let blocks = &self.blocks[position / count * per_row..][..per_row];
            let parts = function.chunks_exact_mut(features / per_row).zip(blocks);
            constants.push(parts.map(|(function, block)| block.pull(function)).sum());
        }
        Pulled { inputs: vec![Some(real::tensor(numbers, shape))], constants }
    }

    fn reach(&self) -> &[f64] {
        &self.reach
    }
}
