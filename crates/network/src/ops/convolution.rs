//! Two-dimensional convolution and its transpose, which is also its vjp: `Conv2d` is the one
//! and pulls back by the other, `ConvTranspose2d` the other way round.

use std::borrow::Cow;
use std::ops::Range;

use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, TensorData};

use super::window::Window;
use super::{features, host};

/// A kernel that slides over an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Convolution {
    /// Channels, height and width of the image: the large side of the convolution.
    pub(super) image: [usize; 3],
    /// Channels, and positions of the kernel in height and width: the small side.
    pub(super) positions: [usize; 3],
    /// The kernel in height and width.
    pub(super) windows: [Window; 2],
    /// Rows and columns at the end of the padded image that the kernel never reads.
    pub(super) unread: [usize; 2],
    /// Equal parts of the channels that do not see each other.
    pub(super) groups: usize,
}

/// The `groups` that manifests may leave out.
pub(super) fn ungrouped() -> usize {
    1
}

/// The `dilation` that manifests may leave out.
pub(super) fn undilated() -> [usize; 2] {
    [1, 1]
}

/// A kernel in height and width, padded alike on both sides.
pub(super) fn windows(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
) -> [Window; 2] {
    [0, 1].map(|axis| Window {
        kernel: kernel[axis],
        stride: stride[axis],
        dilation: dilation[axis],
        padding: [padding[axis]; 2],
    })
}

/// Features of the matrix of columns that are made at a time: few enough for the cache.
const COLUMN_FEATURES: usize = 1 << 17;

/// Columns of that matrix, at least and at most.
const COLUMNS: [usize; 2] = [128, 1024];

impl Convolution {
    /// `[position channels, image channels / groups, kernel height, kernel width]`, or why
    /// there is no such weight.
    pub(super) fn weight(&self) -> Result<[usize; 4], String> {
        let (channels, image_channels) = (self.positions[0], self.image[0]);
        for channels in [channels, image_channels] {
            if channels.checked_rem(self.groups) != Some(0) {
                let groups = self.groups;
                return Err(format!("{channels} channels cannot be divided into {groups} groups"));
            }
        }
        let [height, width] = self.windows.map(|window| window.kernel);
        let shape = [channels, image_channels / self.groups, height, width];
        features(&shape)?;
        Ok(shape)
    }

    /// From the image to the positions.
    ///
    /// # Shapes
    /// `image`: `[rows, image features]`; `weight` as [`weight`](Self::weight) says; `bias`:
    /// `[position channels]`; result `[rows, position features]`.
    pub(super) fn correlate(
        &self,
        image: Tensor<2>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
    ) -> Tensor<2> {
        // Where no sums over channels and kernels are needed, Burn has loops without columns.
        let [channels, height, width] = self.image;
        let depthwise = self.groups == channels && self.groups == self.positions[0];
        let pointwise = self.windows.iter().all(|window| window.kernel == 1);
        if host::holds(&image) && host::holds(&weight) && !depthwise && !pointwise {
            return self.correlate_by_columns(image, weight, bias);
        }
        let rows = image.dims()[0];
        let image = image.reshape([rows, channels, height, width]);
        let options = ConvOptions::new(
            self.windows.map(|window| window.stride),
            self.windows.map(|window| window.padding[0]),
            self.windows.map(|window| window.dilation),
            self.groups,
        );
        conv2d(image, weight, bias, options).flatten(1, 3)
    }

    /// From the positions to the image.
    ///
    /// # Shapes
    /// `values`: `[rows, position features]`; `weight` as [`weight`](Self::weight) says;
    /// `bias`: `[image channels]`; result `[rows, image features]`.
    pub(super) fn transpose(
        &self,
        values: Tensor<2>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
    ) -> Tensor<2> {
        let [channels, height, width] = self.positions;
        let rows = values.dims()[0];
        let values = values.reshape([rows, channels, height, width]);
        let options = ConvTransposeOptions::new(
            self.windows.map(|window| window.stride),
            self.windows.map(|window| window.padding[0]),
            self.unread,
            self.windows.map(|window| window.dilation),
            self.groups,
        );
        conv_transpose2d(values, weight, bias, options).flatten(1, 3)
    }

    /// [`correlate`](Self::correlate) of CPU tensors, two to three times as fast as Burn: for
    /// some lines of positions at a time, the weight times a matrix with a column for every
    /// position, which holds what the kernel reads there. Its rows are pieces of lines of the
    /// image, so that it is made by copying runs of memory.
    fn correlate_by_columns(
        &self,
        image: Tensor<2>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
    ) -> Tensor<2> {
        let (rows, device) = (image.dims()[0], image.device());
        let [channels, height, width] = self.positions;
        let depth = self.image[0] * self.windows[0].kernel * self.windows[1].kernel;
        let weight = weight.reshape([self.groups, channels / self.groups, depth / self.groups]);
        let bias = bias.map(host::read);
        let image = host::read(image);
        let image = self.split_phases(image.get());
        let taps = self.taps();
        let mut output = vec![0f32; rows * channels * height * width];
        let columns = (COLUMN_FEATURES / depth).clamp(COLUMNS[0], COLUMNS[1]);
        let (lines, step) = (rows * height, (columns / width).max(1));
        for start in (0..lines).step_by(step) {
            let lines = start..(start + step).min(lines);
            let count = lines.len() * width;
            let mut columns = vec![0f32; depth * count];
            for (number, line) in lines.clone().enumerate() {
                self.each_run(&taps, line, |row, start, places| {
                    let columns = &mut columns[row * count + number * width..][places];
                    columns.copy_from_slice(&image[start..][..columns.len()]);
                });
            }
            let shape = [self.groups, depth / self.groups, count];
            let columns = Tensor::<3>::from_data(TensorData::new(columns, shape), &device);
            let product = host::read(weight.clone().matmul(columns));
            for (channel, product) in product.get().chunks_exact(count).enumerate() {
                let bias = bias.as_ref().map_or(0.0, |bias| bias.get()[channel]);
                for (line, product) in lines.clone().zip(product.chunks_exact(width)) {
                    let (sample, line) = (line / height, line % height);
                    let start = ((sample * channels + channel) * height + line) * width;
                    let output = &mut output[start..][..width];
                    output.iter_mut().zip(product).for_each(|(y, product)| *y = product + bias);
                }
            }
        }
        Tensor::from_data(TensorData::new(output, [rows, channels * height * width]), &device)
    }

    /// Images whose lines are ordered by the remainder of the column on division by the
    /// stride, so that the features which one tap reads follow one another.
    fn split_phases<'a>(&self, image: &'a [f32]) -> Cow<'a, [f32]> {
        let (width, stride) = (self.image[2], self.windows[1].stride);
        if stride == 1 {
            return Cow::Borrowed(image);
        }
        let phase = width.div_ceil(stride);
        let mut phased = vec![0f32; image.len() / width * stride * phase];
        let lines = image.chunks_exact(width).zip(phased.chunks_exact_mut(stride * phase));
        for (line, phased) in lines {
            for (first, phased) in phased.chunks_exact_mut(phase).enumerate() {
                let features = line.iter().skip(first).step_by(stride);
                phased.iter_mut().zip(features).for_each(|(phased, x)| *phased = *x);
            }
        }
        Cow::Owned(phased)
    }

    /// For every column of the kernel that ever is on the image: its number, the places of a
    /// line of positions at which it is, and what the first of them reads in a line by phases.
    fn taps(&self) -> Vec<(usize, Range<usize>, usize)> {
        let (width, columns) = (self.image[2], self.windows[1]);
        let tap = |tap| {
            let places = columns.on_axis(tap, width, self.positions[2]);
            let first = columns.element(places.start, tap, width)?;
            let phase = width.div_ceil(columns.stride);
            Some((tap, places, first % columns.stride * phase + first / columns.stride))
        };
        (0..columns.kernel).filter_map(tap).collect()
    }

    /// Visits every run of features that a line of positions reads: the row of the matrix of
    /// columns that takes it, its start in the images by phases, its places in the line.
    fn each_run(
        &self,
        taps: &[(usize, Range<usize>, usize)],
        line: usize,
        mut visit: impl FnMut(usize, usize, Range<usize>),
    ) {
        let [channels, height, width] = self.image;
        let [rows, columns] = self.windows;
        let (sample, line) = (line / self.positions[1], line % self.positions[1]);
        let width = width.next_multiple_of(columns.stride);
        for channel in 0..channels {
            for row_tap in 0..rows.kernel {
                let Some(row) = rows.element(line, row_tap, height) else { continue };
                let start = ((sample * channels + channel) * height + row) * width;
                let number = (channel * rows.kernel + row_tap) * columns.kernel;
                for (tap, places, first) in taps {
                    visit(number + tap, start + first, places.clone());
                }
            }
        }
    }
}
