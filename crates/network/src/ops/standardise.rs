use burn::module::Module;
use burn::tensor::{Device, Tensor};
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, blocks, host, only};
use crate::bounds::{Elementwise, Interval, LARGEST, Planes, Pulled, Relaxation, real};

/// Configuration of [`Standardise`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandardiseConfig {
    /// Consecutive features that are standardised together.
    pub block: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl StandardiseConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Standardise {
        Standardise { config: self.clone() }
    }
}

/// `(x - mean) / sqrt(variance + epsilon)` in every block of consecutive features, with the
/// biased variance: the core of layer, group and instance normalisation.
#[derive(Module, Debug)]
pub struct Standardise {
    #[module(skip)]
    pub(super) config: StandardiseConfig,
}

impl Standardise {
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let StandardiseConfig { block, epsilon } = self.config;
        if host::holds(&x) {
            return host::in_place(x, |values| standardise(values, block, epsilon));
        }
        let [rows, features] = x.dims();
        let (centred, deviation) = self.moments(x);
        (centred / deviation).reshape([rows, features])
    }

    /// Centred features `[rows, blocks, block]` and square roots `[rows, blocks, 1]` of
    /// variance plus epsilon.
    fn moments(&self, x: Tensor<2>) -> (Tensor<3>, Tensor<3>) {
        let StandardiseConfig { block, epsilon } = self.config;
        let [rows, features] = x.dims();
        let x = x.reshape([rows, features / block, block]);
        let centred = x.clone() - x.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        (centred, (variance + epsilon).sqrt())
    }

    /// Visits all blocks with bounds of `x - mean` and of `1 / sqrt(variance + epsilon)`.
    fn each_block(
        &self,
        input: &Interval,
        mut visit: impl FnMut(&[[f64; 2]], [f64; 2]),
    ) -> Result<(), String> {
        let StandardiseConfig { block, epsilon } = self.config;
        let count = block as f64;
        let ends: Vec<[f64; 2]> = input.ends().collect();
        for ends in ends.chunks_exact(block) {
            let sum = |side: usize| ends.iter().map(|ends| ends[side]).sum::<f64>();
            let sums = [sum(0), sum(1)];
            let size: f64 = ends.iter().map(|[low, high]| high.max(-low)).sum();
            // More than all rounding in a sum of the block.
            let error = real::rounding(block) * 4.0 * size / count;
            let centred: Vec<[f64; 2]> = ends
                .iter()
                .map(|&[low, high]| {
                    let least = low - (sums[1] - high + low) / count;
                    let largest = high - (sums[0] - low + high) / count;
                    [least - error, largest + error]
                })
                .collect();
            let least = |[low, high]: &[f64; 2]| low.max(-high).max(0.0).powi(2);
            let largest = |[low, high]: &[f64; 2]| high.max(-low).powi(2);
            let variance = [
                centred.iter().map(least).sum::<f64>() / count,
                centred.iter().map(largest).sum::<f64>() / count,
            ];
            let relative = real::rounding(block) * 4.0;
            let scale = [
                widened(((variance[1] + epsilon) * (1.0 + relative)).sqrt().recip(), -1.0),
                widened(((variance[0] + epsilon) * (1.0 - relative)).sqrt().recip(), 1.0),
            ];
            // Smaller squares than that have lost digits.
            if scale[1].is_nan() || scale[1] > LARGEST {
                return Err("the variance of a block and epsilon may be 0 or nearly".to_string());
            }
            visit(&centred, scale);
        }
        Ok(())
    }

    /// The derivative, which is symmetric: with `y` the output, `t` becomes
    /// `(t - mean(t) - y mean(y t)) / sqrt(variance + epsilon)`.
    fn derivative(&self, at: Evaluation<'_>, vectors: Tensor<3>) -> Tensor<3> {
        let StandardiseConfig { block, epsilon } = self.config;
        let x = at.inputs[0];
        let [rows, count, features] = vectors.dims();
        if host::holds(x) && host::holds(&vectors) {
            let x = host::read(x.clone());
            return host::in_place(vectors, |vectors| {
                let samples = x.get().chunks_exact(features);
                for (x, vectors) in samples.zip(vectors.chunks_exact_mut(count * features)) {
                    differentiate(x, vectors, block, epsilon);
                }
            });
        }
        let (centred, deviation) = self.moments(x.clone());
        let y = (centred / deviation.clone()).unsqueeze_dim::<4>(1);
        let vectors = vectors.reshape([rows, count, features / block, block]);
        let along = (vectors.clone() * y.clone()).mean_dim(3);
        let pushed =
            (vectors.clone() - vectors.mean_dim(3) - y * along) / deviation.unsqueeze_dim(1);
        pushed.reshape([rows, count, features])
    }
}

#[multiversion(targets = "simd")]
fn standardise(values: &mut [f32], block: usize, epsilon: f64) {
    for block in values.chunks_exact_mut(block) {
        let (mean, scale) = mean_and_scale(block, epsilon);
        block.iter_mut().for_each(|value| *value = ((f64::from(*value) - mean) * scale) as f32);
    }
}

/// The derivative of one sample applied to `k` vectors, one after another.
#[multiversion(targets = "simd")]
fn differentiate(x: &[f32], vectors: &mut [f32], block: usize, epsilon: f64) {
    for start in (0..x.len()).step_by(block) {
        let x_block = &x[start..start + block];
        let (mean, scale) = mean_and_scale(x_block, epsilon);
        let count = block as f64;
        for vector in vectors.chunks_exact_mut(x.len()) {
            let vector = &mut vector[start..start + block];
            let shift = host::sum(vector, f64::from) / count;
            let centred = |x: f32| f64::from(x) - mean;
            let along = host::sum_of_two(x_block, vector, |x, t| centred(x) * f64::from(t)) / count;
            let slope = along * scale * scale;
            for (value, &x) in vector.iter_mut().zip(x_block) {
                *value = ((f64::from(*value) - shift - centred(x) * slope) * scale) as f32;
            }
        }
    }
}

/// Mean and `1 / sqrt(variance + epsilon)`.
#[inline(always)]
fn mean_and_scale(block: &[f32], epsilon: f64) -> (f64, f64) {
    let count = block.len() as f64;
    let mean = host::sum(block, f64::from) / count;
    let squares = host::sum(block, |x| (f64::from(x) - mean).powi(2));
    (mean, (squares / count + epsilon).sqrt().recip())
}

impl Calculus for Standardise {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let epsilon = self.config.epsilon;
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(format!("epsilon must be finite and at least 0, found {epsilon}"));
        }
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
        let (mut low, mut high) = (vec![], vec![]);
        self.each_block(inputs[0], |centred, scale| {
            for &[least, largest] in centred {
                let ends =
                    [least * scale[0], least * scale[1], largest * scale[0], largest * scale[1]];
                low.push(widened(ends.into_iter().fold(f64::INFINITY, f64::min), -1.0));
                high.push(widened(ends.into_iter().fold(f64::NEG_INFINITY, f64::max), 1.0));
            }
        })?;
        Interval::new(inputs[0].rows(), low, high)
    }

    fn relax(&self, inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
        let input = inputs[0];
        let mut below = Planes::with_capacity(1, input.low().len());
        let mut above = below.clone();
        let mut centred_ends = [vec![], vec![]];
        self.each_block(input, |centred, scale| {
            for &ends @ [low, high] in centred {
                // Over c, the least of `c scale` is concave and the largest convex: chords.
                let [lower, upper] = chords(ends, scale);
                below.push(&[lower[0]], lower[1]);
                above.push(&[upper[0]], upper[1]);
                centred_ends[0].push(low);
                centred_ends[1].push(high);
            }
        })?;
        let [low, high] = centred_ends;
        let centred = Interval::new(input.rows(), low, high)?;
        let lines = Elementwise::new(below, above, &[&centred])?;
        // Centring adds up all features of a block, each with its share of the mean.
        let block = self.config.block;
        let mean = |sizes: &[f64]| sizes.iter().sum::<f64>() / sizes.len() as f64;
        let sizes = input.magnitudes();
        let means = sizes.chunks_exact(block).flat_map(|sizes| vec![mean(sizes); block]);
        let sizes = sizes.iter().zip(means).map(|(size, mean)| size + mean);
        let reach = lines.reach_of(0, sizes);
        Ok(Box::new(Standardised { lines, block, reach }))
    }
}

/// More than what functions of a few operations lose, relative to their values.
fn widened(x: f64, sign: f64) -> f64 {
    x + sign * (1e-13 * x.abs() + f64::MIN_POSITIVE)
}

/// Slope and offset of lines below and above `c s`, for all s between the two ends of `scale`.
fn chords([low, high]: [f64; 2], scale: [f64; 2]) -> [[f64; 2]; 2] {
    let (least, largest) =
        (|c: f64| (c * scale[0]).min(c * scale[1]), |c: f64| (c * scale[0]).max(c * scale[1]));
    let width = high - low;
    let chord = |of: &dyn Fn(f64) -> f64| {
        let slope = (of(high) - of(low)) / width;
        if width > 0.0 && slope.is_finite() { slope } else { scale[0] }
    };
    let (below, above) = (chord(&least), chord(&largest));
    // Concave and convex functions are furthest from a line at the ends.
    let offset =
        |of: &dyn Fn(f64) -> f64, slope: f64| [of(low) - slope * low, of(high) - slope * high];
    let size = 1e-13 * scale[1] * low.abs().max(high.abs()) + f64::MIN_POSITIVE;
    let [a, b] = offset(&least, below);
    let [c, d] = offset(&largest, above);
    [[below, a.min(b) - size], [above, c.max(d) + size]]
}

/// Lines of the centred features.
#[derive(Debug)]
struct Standardised {
    lines: Elementwise,
    block: usize,
    reach: Vec<f64>,
}

impl Relaxation for Standardised {
    fn pull(&self, coefficients: Tensor<3>) -> Pulled {
        let Pulled { mut inputs, constants } = self.lines.pull(coefficients);
        let centred = inputs.pop().flatten().expect("the lines have one input");
        let shape = centred.dims();
        let mut numbers = real::numbers(centred);
        for block in numbers.chunks_exact_mut(self.block) {
            let mean = block.iter().sum::<f64>() / self.block as f64;
            block.iter_mut().for_each(|a| *a -= mean);
        }
        Pulled { inputs: vec![Some(real::tensor(numbers, shape))], constants }
    }

    fn reach(&self) -> &[f64] {
        &self.reach
    }
}
