use burn::module::Module;
use burn::tensor::module::max_pool2d_with_indices;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::window::Window;
use super::{Calculus, Evaluation, Initialiser, features, host, merge, only, split};
use crate::bounds::{Interval, Pulled, Relaxation, real};

/// Configuration of [`MaxPool2d`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaxPool2dConfig {
    /// Sample shape of the input: channels, height, width.
    pub input: [usize; 3],
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Step in height and width.
    pub stride: [usize; 2],
    /// Rows added above and below, columns added on the left and right; they never win.
    pub padding: [[usize; 2]; 2],
    /// Distance in height and width of the elements that the window reads.
    pub dilation: [usize; 2],
}

impl MaxPool2dConfig {
    /// Sample shape of the output, or why there is none.
    pub fn output(&self) -> Result<[usize; 3], String> {
        features(&self.input)?;
        let side = |axis: usize| {
            let (size, window) = (self.input[1 + axis], self.window(axis));
            let (positions, _) = window.positions(size)?;
            if !window.meets(size) {
                return Err(format!("padding {:?} is wider than the kernel", self.padding));
            }
            Ok(positions)
        };
        let output = [self.input[0], side(0)?, side(1)?];
        features(&output)?;
        Ok(output)
    }

    fn window(&self, axis: usize) -> Window {
        Window {
            kernel: self.kernel[axis],
            stride: self.stride[axis],
            dilation: self.dilation[axis],
            padding: self.padding[axis],
        }
    }

    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> MaxPool2d {
        MaxPool2d { config: self.clone() }
    }
}

/// The largest element under a window that slides over height and width; of equal ones, the
/// first takes the derivative.
#[derive(Module, Debug)]
pub struct MaxPool2d {
    #[module(skip)]
    pub(super) config: MaxPool2dConfig,
}

impl MaxPool2d {
    /// The output, and for each of its features the input feature it was taken from, both
    /// `[rows, output features]`.
    fn pool(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2, Int>) {
        let MaxPool2dConfig { input: [channels, height, width], kernel, stride, .. } = self.config;
        let device = x.device();
        let options = MaxPoolOptions::new(kernel)
            .with_stride(stride)
            .with_padding_pairs(self.config.padding.map(|[before, after]| (before, after)))
            .with_dilation(self.config.dilation);
        let rows = x.dims()[0];
        let (output, winners) =
            max_pool2d_with_indices(x.reshape([rows, channels, height, width]), options);
        let planes =
            Tensor::<1, Int>::arange(0..channels as i64, &device) * (height * width) as i64;
        (output.flatten(1, 3), (winners + planes.reshape([1, channels, 1, 1])).flatten(1, 3))
    }

    /// The same for one sample on the CPU, faster by an order of magnitude.
    fn pool_sample(&self, x: &[f32], output: &mut [f32], winners: &mut [u32]) {
        let [_, height, width] = self.config.input;
        let [_, out_height, out_width] =
            self.config.output().expect("checked when the graph was built");
        let [rows, columns] = [0, 1].map(|axis| self.config.window(axis));
        let taps: Vec<_> = (0..columns.kernel)
            .filter_map(|tap| {
                let outputs = columns.on_axis(tap, width, out_width);
                columns.element(outputs.start, tap, width).map(|first| (outputs, first))
            })
            .collect();
        let mut values = vec![0f32; out_width];
        output.fill(f32::NEG_INFINITY);
        let lines = output.chunks_exact_mut(out_width).zip(winners.chunks_exact_mut(out_width));
        for (line, (output, winners)) in lines.enumerate() {
            let (channel, line) = (line / out_height, line % out_height);
            for row in (0..rows.kernel).filter_map(|tap| rows.element(line, tap, height)) {
                for (outputs, first) in &taps {
                    let start = (channel * height + row) * width + first;
                    let values = &mut values[..outputs.len()];
                    let elements = x[start..].iter().step_by(columns.stride);
                    values.iter_mut().zip(elements).for_each(|(value, &x)| *value = x);
                    let (output, winners) =
                        (&mut output[outputs.clone()], &mut winners[outputs.clone()]);
                    compete(values, start, columns.stride, output, winners);
                }
            }
        }
    }

    /// The input features under the window of every output feature.
    fn windows(&self) -> Vec<Vec<usize>> {
        let [channels, height, width] = self.config.input;
        let [_, out_height, out_width] =
            self.config.output().expect("checked when the graph was built");
        let [rows, columns] = [0, 1].map(|axis| self.config.window(axis));
        let window = |output: usize| {
            let (channel, position) =
                (output / (out_height * out_width), output % (out_height * out_width));
            let (line, place) = (position / out_width, position % out_width);
            let lines = (0..rows.kernel).filter_map(|tap| rows.element(line, tap, height));
            let places = |row| {
                let start = (channel * height + row) * width;
                let places =
                    (0..columns.kernel).filter_map(|tap| columns.element(place, tap, width));
                places.map(move |place| start + place).collect::<Vec<_>>()
            };
            lines.flat_map(places).collect()
        };
        (0..channels * out_height * out_width).map(window).collect()
    }

    /// The input feature that every output feature of every row was taken from.
    fn winners(&self, x: &Tensor<2>, outputs: usize) -> Vec<u32> {
        let [rows, features] = x.dims();
        let (x, mut output) = (host::read(x.clone()), vec![0f32; outputs]);
        let mut winners = vec![0; rows * outputs];
        for (x, winners) in x.get().chunks_exact(features).zip(winners.chunks_exact_mut(outputs)) {
            self.pool_sample(x, &mut output, winners);
        }
        winners
    }
}

/// Lets values that are every `stride`-th feature from `start` on compete for the outputs.
/// NaN wins.
#[multiversion(targets = "simd")]
fn compete(values: &[f32], start: usize, stride: usize, output: &mut [f32], winners: &mut [u32]) {
    let mut feature = start as u32;
    for ((&value, output), winner) in values.iter().zip(output).zip(winners) {
        let wins = value > *output || value.is_nan();
        *output = if wins { value } else { *output };
        *winner = if wins { feature } else { *winner };
        feature = feature.wrapping_add(stride as u32);
    }
}

impl Calculus for MaxPool2d {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let input = only(inputs)?;
        if input != self.config.input {
            return Err(format!("expects shape {:?}, found {input:?}", self.config.input));
        }
        Ok(self.config.output()?.to_vec())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.forward_owned(vec![inputs[0].clone()])
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        let x = inputs.remove(0);
        if !host::holds(&x) {
            return self.pool(x).0;
        }
        let output = self.config.output().expect("checked when the graph was built");
        let outputs = output.iter().product();
        let mut winners = vec![0; outputs];
        host::map_rows(x, outputs, |_, x, output| self.pool_sample(x, output, &mut winners))
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        let (x, outputs) = (at.inputs[0], at.output.dims()[1]);
        let [rows, count, _] = tangents[0].dims();
        if host::holds(x) && host::holds(&tangents[0]) {
            let winners = self.winners(x, outputs);
            let pushed =
                host::map_rows(merge(tangents[0].clone()), outputs, |row, input, output| {
                    let winners = &winners[row / count * outputs..][..outputs];
                    output.iter_mut().zip(winners).for_each(|(o, &w)| *o = input[w as usize]);
                });
            return split(pushed, count);
        }
        let winners = self.pool(x.clone()).1.unsqueeze_dim::<3>(1).expand([rows, count, outputs]);
        tangents[0].clone().gather(2, winners)
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let x = at.inputs[0];
        let [rows, count, outputs] = cotangent.dims();
        let features = x.dims()[1];
        if host::holds(x) && host::holds(&cotangent) {
            let winners = self.winners(x, outputs);
            let pulled = host::map_rows(merge(cotangent), features, |row, output, input| {
                let winners = &winners[row / count * outputs..][..outputs];
                output.iter().zip(winners).for_each(|(o, &w)| input[w as usize] += o);
            });
            return vec![split(pulled, count)];
        }
        let winners = self.pool(x.clone()).1.unsqueeze_dim::<3>(1).expand([rows, count, outputs]);
        let zeros = Tensor::zeros([rows, count, features], &cotangent.device());
        vec![zeros.scatter(2, winners, cotangent, IndexingUpdateOp::Add)]
    }

    fn interval(&self, inputs: &[&Interval]) -> Result<Interval, String> {
        let input = inputs[0];
        let windows = self.windows();
        let largest = |ends: &[f64]| -> Vec<f64> {
            let rows = ends.chunks_exact(input.features());
            let sample = |sample: &'_ [f64]| {
                let window = |window: &Vec<usize>| {
                    window.iter().map(|&f| sample[f]).fold(f64::NEG_INFINITY, f64::max)
                };
                windows.iter().map(window).collect::<Vec<_>>()
            };
            rows.flat_map(sample).collect()
        };
        Interval::new(input.rows(), largest(input.low()), largest(input.high()))
    }

    fn relax(&self, inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
        let input = inputs[0];
        let windows = self.windows();
        let features = input.features();
        let mut lines =
            Winners { features, winners: vec![], slopes: vec![], offsets: vec![], reach: vec![] };
        let samples = input.low().chunks_exact(features).zip(input.high().chunks_exact(features));
        for (low, high) in samples {
            for window in &windows {
                let centre = |f: &usize| low[*f] + high[*f];
                let order = |a: &&usize, b: &&usize| centre(a).total_cmp(&centre(b));
                let winner = *window.iter().max_by(order).expect("a window meets the input");
                let others = window.iter().filter(|&&f| f != winner).map(|&f| high[f]);
                let (slope, offset) = above_winner(
                    [low[winner], high[winner]],
                    others.fold(f64::NEG_INFINITY, f64::max),
                );
                let size = high[winner].max(-low[winner]);
                lines.winners.push(winner as u32);
                lines.slopes.push(slope);
                lines.offsets.push(offset);
                lines.reach.push(size.max(slope * size + offset.abs()));
            }
        }
        Ok(Box::new(lines))
    }
}

/// A line above `max(x, other)` for x in an interval: the chord, as of ReLU.
fn above_winner([low, high]: [f64; 2], other: f64) -> (f64, f64) {
    if other <= low {
        return (1.0, 0.0);
    }
    if other >= high {
        return (0.0, other);
    }
    let slope = ((high - other) / (high - low)).clamp(0.0, 1.0);
    // Whatever the slope, this is above both ends.
    let offset = (other - slope * low).max(high - slope * high);
    (slope, offset + 4.0 * f64::EPSILON * (other.abs() + low.abs() + high.abs()))
}

/// Every output is at least one of its inputs, and at most a line of that.
#[derive(Debug)]
struct Winners {
    /// Input features.
    features: usize,
    /// For every output feature, the input feature, `[rows, output features]` flattened.
    winners: Vec<u32>,
    /// Of the line above.
    slopes: Vec<f64>,
    offsets: Vec<f64>,
    reach: Vec<f64>,
}

impl Relaxation for Winners {
    fn pull(&self, coefficients: Tensor<3>) -> Pulled {
        let [rows, count, outputs] = coefficients.dims();
        let functions = real::numbers(coefficients);
        let mut pulled = vec![0.0; rows * count * self.features];
        let mut constants = Vec::with_capacity(rows * count);
        let both = functions.chunks_exact(outputs).zip(pulled.chunks_exact_mut(self.features));
        for (position, (function, pulled)) in both.enumerate() {
            let start = position / count * outputs;
            let mut constant = 0.0;
            for (&a, line) in function.iter().zip(start..) {
                let (slope, offset) =
                    if a > 0.0 { (1.0, 0.0) } else { (self.slopes[line], self.offsets[line]) };
                pulled[self.winners[line] as usize] += a * slope;
                constant += a * offset;
            }
            constants.push(constant);
        }
        let shape = [rows, count, self.features];
        Pulled { inputs: vec![Some(real::tensor(pulled, shape))], constants }
    }

    fn reach(&self) -> &[f64] {
        &self.reach
    }
}
