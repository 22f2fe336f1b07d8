//! Convolutions of CPU tensors by matrix products.
//!
//! A convolution is the weight times a matrix with a column for every position of the kernel,
//! which holds what the kernel reads there: some positions at a time, so that the matrix stays in
//! the cache. Rows are taken [`LANES`] at a time and interleaved first, the same feature of all of
//! them side by side, so that the matrix is made of copies as wide as a register whatever the
//! stride.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::convolution::Convolution;
use super::host;

/// Rows that are interleaved, if there are so many; fewer rows are interleaved by fewer lanes.
const LANES: [usize; 3] = [16, 4, 1];

/// Numbers of the matrix of columns that are made at a time, at most: few enough for the cache.
const COLUMN_NUMBERS: usize = 1 << 17;

/// Multiplications of one matrix product, at most: Burn would share larger ones between threads,
/// which have rows of their own to work on.
const MULTIPLICATIONS: usize = 6_000_000;

/// Gradients of a weight that are summed at a time, so that memory does not grow with the rows.
const PARTS: usize = 32;

/// Calls a function of the lanes with the lanes that suit a number of rows.
macro_rules! with_lanes {
    ($rows:expr, $function:ident($($argument:expr),*)) => {
        if $rows >= LANES[0] {
            $function::<{ LANES[0] }>($($argument),*)
        } else if $rows >= LANES[1] {
            $function::<{ LANES[1] }>($($argument),*)
        } else {
            $function::<{ LANES[2] }>($($argument),*)
        }
    };
}

/// [`Convolution::correlate`] of tensors that [`host::holds`] accepts.
pub(super) fn correlate(
    convolution: &Convolution,
    image: Tensor<2>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    let rows = image.dims()[0];
    with_lanes!(rows, correlate_by(convolution, image, weight, bias))
}

/// [`Convolution::transpose`] of tensors that [`host::holds`] accepts.
pub(super) fn transpose(
    convolution: &Convolution,
    values: Tensor<2>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    let rows = values.dims()[0];
    with_lanes!(rows, transpose_by(convolution, values, weight, bias))
}

/// [`Convolution::weight_gradient`] of tensors that [`host::holds`] accepts.
pub(super) fn weight_gradient(
    convolution: &Convolution,
    image: Tensor<2>,
    values: Tensor<2>,
) -> Tensor<4> {
    let rows = image.dims()[0];
    with_lanes!(rows, weight_gradient_by(convolution, image, values))
}

/// The sum over rows and positions of every channel: the gradient of a bias.
///
/// # Shapes
/// `values`: `[rows, channels * positions]`; result `[channels]`.
pub(super) fn channel_sums(values: Tensor<2>, channels: usize) -> Tensor<1> {
    let device = values.device();
    let features = values.dims()[1];
    let values = host::read(values);
    let mut sums = vec![0f64; channels];
    for row in values.get().chunks_exact(features) {
        for (sum, channel) in sums.iter_mut().zip(row.chunks_exact(features / channels)) {
            *sum += host::sum(channel, f64::from);
        }
    }
    let sums: Vec<f32> = sums.into_iter().map(|sum| sum as f32).collect();
    Tensor::from_data(TensorData::new(sums, [channels]), &device)
}

fn correlate_by<const LANES: usize>(
    convolution: &Convolution,
    image: Tensor<2>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    let ([rows, features], device) = (image.dims(), image.device());
    let plan = Plan::<LANES>::new(convolution, device);
    let outputs = convolution.positions.iter().product();
    let (weight, bias) = (plan.matrices(weight), bias.map(host::read));
    let image = host::read(image);
    let mut output = vec![0f32; rows * outputs];
    let parts = image.get().par_chunks(LANES * features);
    parts.zip(output.par_chunks_mut(LANES * outputs)).for_each(|(image, output)| {
        let lanes = interleave(image, features);
        for block in plan.blocks() {
            let product = weight.clone().matmul(plan.columns(&lanes, block.clone()));
            let product = host::read(product);
            let channels = product.get().chunks_exact(block.len() * LANES);
            for (channel, product) in channels.enumerate() {
                let bias = bias.as_ref().map_or(0.0, |bias| bias.get()[channel]);
                let start = channel * plan.positions + block.start;
                separate::<LANES>(product.as_chunks().0, bias, output, outputs, start);
            }
        }
    });
    tensor(output, [rows, outputs], &plan.device)
}

fn transpose_by<const LANES: usize>(
    convolution: &Convolution,
    values: Tensor<2>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    let ([rows, features], device) = (values.dims(), values.device());
    let plan = Plan::<LANES>::new(convolution, device);
    let [channels, height, width] = convolution.image;
    let outputs = channels * height * width;
    let (weight, bias) = (plan.matrices(weight).swap_dims(1, 2), bias.map(host::read));
    let values = host::read(values);
    let mut output = vec![0f32; rows * outputs];
    let parts = values.get().par_chunks(LANES * features);
    parts.zip(output.par_chunks_mut(LANES * outputs)).for_each(|(values, output)| {
        let lanes = interleave(values, features);
        let mut image = vec![[0f32; LANES]; outputs];
        for block in plan.blocks() {
            let product = weight.clone().matmul(plan.values(&lanes, block.clone()));
            plan.add_columns(host::read(product).get().as_chunks().0, block, &mut image);
        }
        for (channel, image) in image.chunks_exact(height * width).enumerate() {
            let bias = bias.as_ref().map_or(0.0, |bias| bias.get()[channel]);
            separate(image, bias, output, outputs, channel * height * width);
        }
    });
    tensor(output, [rows, outputs], &plan.device)
}

fn weight_gradient_by<const LANES: usize>(
    convolution: &Convolution,
    image: Tensor<2>,
    values: Tensor<2>,
) -> Tensor<4> {
    let plan = Plan::<LANES>::new(convolution, image.device());
    let [features, outputs] = [image.dims()[1], values.dims()[1]];
    let (image, values) = (host::read(image), host::read(values));
    let of_rows = |(image, values): (&[f32], &[f32])| {
        let (image, values) = (interleave(image, features), interleave(values, outputs));
        let of_block = |block: Range<usize>| {
            let columns = plan.columns(&image, block.clone()).swap_dims(1, 2);
            plan.values(&values, block).matmul(columns)
        };
        plan.blocks().map(of_block).reduce(|sum, part| sum + part)
    };
    // Parts are summed in order, so that the sum does not depend on the threads.
    let images = image.get().chunks(PARTS * LANES * features);
    let sums = images.zip(values.get().chunks(PARTS * LANES * outputs)).map(|(image, values)| {
        let parts = image.par_chunks(LANES * features).zip(values.par_chunks(LANES * outputs));
        let parts: Vec<_> = parts.map(of_rows).collect();
        parts.into_iter().flatten().reduce(|sum, part| sum + part)
    });
    let sum = sums.flatten().reduce(|sum, part| sum + part);
    let shape = convolution.weight().expect("checked when the graph was built");
    sum.map_or_else(|| Tensor::zeros(shape, &plan.device), |sum| sum.reshape(shape))
}

/// How a convolution becomes matrix products.
struct Plan<const LANES: usize> {
    device: Device,
    groups: usize,
    channels: usize,
    /// Of the kernel.
    positions: usize,
    /// Positions of a block, at most.
    block: usize,
    image_channels: usize,
    /// Features of a channel of the image.
    plane: usize,
    /// For every element of the kernel and every position, what it reads of a channel.
    reads: Vec<usize>,
}

/// In place of what the kernel would read outside of the image.
const PADDING: usize = usize::MAX;

impl<const LANES: usize> Plan<LANES> {
    fn new(convolution: &Convolution, device: Device) -> Self {
        let Convolution { image, positions: [channels, lines, places], windows, .. } = *convolution;
        let [image_channels, height, width] = image;
        let mut reads = vec![];
        for (up, right) in (0..windows[0].kernel)
            .flat_map(|up| (0..windows[1].kernel).map(move |right| (up, right)))
        {
            for (line, place) in
                (0..lines).flat_map(|line| (0..places).map(move |place| (line, place)))
            {
                let row = windows[0].element(line, up, height);
                let column = windows[1].element(place, right, width);
                let read = row.zip(column).map(|(row, column)| row * width + column);
                reads.push(read.unwrap_or(PADDING));
            }
        }
        let positions = lines * places;
        let depth = image_channels * windows[0].kernel * windows[1].kernel;
        let most = COLUMN_NUMBERS.min(MULTIPLICATIONS / channels * convolution.groups);
        let block = (most / (depth * LANES)).clamp(1, positions);
        Self {
            device,
            groups: convolution.groups,
            channels,
            positions,
            block,
            image_channels,
            plane: height * width,
            reads,
        }
    }

    /// The positions, some at a time, in blocks that are about alike.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let length = self.positions.div_ceil(self.positions.div_ceil(self.block));
        let end = move |start: usize| (start + length).min(self.positions);
        (0..self.positions).step_by(length).map(move |start| start..end(start))
    }

    /// The weight as a matrix for every group: `[groups, channels / groups, depth]`.
    fn matrices(&self, weight: Tensor<4>) -> Tensor<3> {
        let [channels, image_channels, height, width] = weight.dims();
        weight.reshape([self.groups, channels / self.groups, image_channels * height * width])
    }

    /// What the kernel reads of interleaved images at some positions:
    /// `[groups, depth, positions * LANES]`.
    fn columns(&self, image: &[[f32; LANES]], block: Range<usize>) -> Tensor<3> {
        let depth = self.image_channels * self.reads.len() / self.positions;
        let mut columns = Vec::with_capacity(depth * block.len());
        for image in image.chunks_exact(self.plane) {
            for reads in self.reads.chunks_exact(self.positions) {
                let read = |&read: &usize| image.get(read).copied().unwrap_or([0.0; LANES]);
                columns.extend(reads[block.clone()].iter().map(read));
            }
        }
        self.grouped(columns, block.len())
    }

    /// Undoes [`columns`](Self::columns), adding up what is read at several positions.
    fn add_columns(
        &self,
        columns: &[[f32; LANES]],
        block: Range<usize>,
        image: &mut [[f32; LANES]],
    ) {
        let mut rows = columns.chunks_exact(block.len());
        for image in image.chunks_exact_mut(self.plane) {
            for (reads, row) in self.reads.chunks_exact(self.positions).zip(&mut rows) {
                for (column, &read) in row.iter().zip(&reads[block.clone()]) {
                    if let Some(feature) = image.get_mut(read) {
                        feature.iter_mut().zip(column).for_each(|(feature, x)| *feature += x);
                    }
                }
            }
        }
    }

    /// Interleaved values at some positions: `[groups, channels / groups, positions * LANES]`.
    fn values(&self, values: &[[f32; LANES]], block: Range<usize>) -> Tensor<3> {
        let mut picked = Vec::with_capacity(self.channels * block.len());
        for channel in values.chunks_exact(self.positions) {
            picked.extend_from_slice(&channel[block.clone()]);
        }
        self.grouped(picked, block.len())
    }

    fn grouped(&self, lanes: Vec<[f32; LANES]>, positions: usize) -> Tensor<3> {
        let rows = lanes.len() / positions / self.groups;
        tensor(lanes.into_flattened(), [self.groups, rows, positions * LANES], &self.device)
    }
}

fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// Features that are interleaved at a time, so that they stay in the nearest cache.
const FEATURES: usize = 16;

/// Every feature of at most `LANES` rows, side by side; 0 for rows that are missing.
fn interleave<const LANES: usize>(rows: &[f32], features: usize) -> Vec<[f32; LANES]> {
    let mut interleaved = Vec::with_capacity(features);
    for start in (0..features).step_by(FEATURES) {
        let mut block = [[0f32; LANES]; FEATURES];
        let length = FEATURES.min(features - start);
        for (lane, row) in rows.chunks_exact(features).enumerate() {
            let row = &row[start..start + length];
            block.iter_mut().zip(row).for_each(|(lanes, &x)| lanes[lane] = x);
        }
        interleaved.extend_from_slice(&block[..length]);
    }
    interleaved
}

/// Undoes [`interleave`] for features from `start` on, adding a number.
fn separate<const LANES: usize>(
    lanes: &[[f32; LANES]],
    added: f32,
    rows: &mut [f32],
    features: usize,
    start: usize,
) {
    for (block, lanes) in lanes.chunks(FEATURES).enumerate() {
        for (lane, row) in rows.chunks_exact_mut(features).enumerate() {
            let row = &mut row[start + block * FEATURES..];
            row.iter_mut().zip(lanes).for_each(|(x, lanes)| *x = lanes[lane] + added);
        }
    }
}
