//! Norms of convolutions of images of any size.

use std::f64::consts::{PI, TAU};

use burn::tensor::Tensor;

use super::spectral::spectral_norm;
use crate::bounds::real::{self, rounding};

/// Frequencies per degree of the symbol along an axis: with f the bound exceeds the norm by a factor
/// of `1 / cos(pi / 2f)` per axis at most, 0.24% in all with 32 and 17% with 4.
const FREQUENCIES: [usize; 4] = [32, 16, 8, 4];
/// Multiplications that may take, unless there are too many with the fewest frequencies.
const WORK: f64 = 4e9;

/// By how much the norms of the symbols may be exceeded, relatively.
const EXCESS: f64 = 1e-4;

/// An upper bound on the spectral norm of a convolution, or of its transpose, whatever the size
/// of the image and the zeros about it.
///
/// Zeros about an image and outputs that are left out only take from the operator on infinite
/// images. Sorted by the remainders of their coordinates on division by the stride, images
/// become images of more channels and the convolution one of stride 1, `y_p = sum_a K_a x_(p+a)`.
/// Its norm is the largest spectral norm of its symbol `K(w) = sum_a K_a exp(i a'w)`.
///
/// From a grid to all frequencies: for any unit vector u, `p(w) = |K(w) u|^2` is a trigonometric
/// polynomial of the kernel's degree d along each axis. Let its maximum M along an axis be at w. As
/// `0 <= p <= M`, by a lemma of M. Riesz (on `p - M / 2`) `p(w + t) >= M / 2 + M / 2 cos(d t)` for
/// `|t| <= pi / d`, and one of N equispaced frequencies is within `pi / N`. So the largest value on
/// the grid is at least `M cos^2(pi d / 2N)`, for each axis.
///
/// # Shapes
/// `weight`: `[output channels, input channels / groups, kernel height, kernel width]`.
pub(super) fn convolution_norm(
    weight: Tensor<4>,
    stride: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
) -> f64 {
    let [channels, inputs, height, width] = weight.dims();
    let weight = real::numbers(weight);
    let outputs = channels / groups;
    let columns = inputs * stride[0] * stride[1];
    let axes =
        [Axis::new(height, stride[0], dilation[0]), Axis::new(width, stride[1], dilation[1])];
    let work = |frequencies: usize| {
        let grid = axes.map(|axis| axis.frequencies(frequencies) as f64);
        grid[0]
            * grid[1]
            * (groups * outputs.max(columns)) as f64
            * outputs.min(columns).pow(2) as f64
    };
    let affordable = FREQUENCIES.into_iter().find(|&frequencies| work(frequencies) <= WORK);
    let frequencies = affordable.unwrap_or(FREQUENCIES[FREQUENCIES.len() - 1]);
    let grid = axes.map(|axis| axis.frequencies(frequencies));
    // An element is a sum over the taps; its real and imaginary part err by less than this share
    // of the absolute sum.
    let absolute: f64 = weight.iter().map(|w| w.abs()).sum();
    let error = 4.0 * rounding(height * width) * absolute;
    let mut largest = 0.0f64;
    // The other half of the first axis has the conjugate symbols.
    for row in 0..=grid[0] / 2 {
        let mut symbols = vec![0.0; grid[1] * groups * 4 * outputs * columns];
        let mut taps = vec![];
        for (i, j) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))) {
            let phase = axes[0].phase(i) * stride[1] + axes[1].phase(j);
            taps.push((i * width + j, phase, axes[0].place(i), axes[1].place(j)));
        }
        let each = symbols.chunks_exact_mut(4 * outputs * columns).enumerate();
        for (number, symbol) in each {
            let (group, column) = (number % groups, number / groups);
            for &(tap, phase, up, right) in &taps {
                // Whole turns are left out, so that the angle is exact to a rounding.
                let turn =
                    |place: usize, at: usize, all: usize| (place * at % all) as f64 / all as f64;
                let angle = TAU * (turn(up, row, grid[0]) + turn(right, column, grid[1]));
                let (sine, cosine) = angle.sin_cos();
                for output in 0..outputs {
                    for input in 0..inputs {
                        let from = (group * outputs + output) * inputs + input;
                        let w = weight[from * height * width + tap];
                        let at = input * stride[0] * stride[1] + phase;
                        // The complex matrix as a real one: [[re, -im], [im, re]].
                        let (upper, lower) =
                            (2 * output * columns, 2 * (outputs + output) * columns);
                        symbol[upper + at] += w * cosine;
                        symbol[upper + columns + at] -= w * sine;
                        symbol[lower + at] += w * sine;
                        symbol[lower + columns + at] += w * cosine;
                    }
                }
            }
        }
        let shape = [grid[1] * groups, 2 * outputs, 2 * columns];
        let norm = spectral_norm(real::tensor(symbols, shape), EXCESS);
        largest = if norm > largest || norm.is_nan() { norm } else { largest };
    }
    let loss: f64 = axes.iter().zip(grid).map(|(axis, grid)| axis.loss(grid)).product();
    (largest + error) / loss * (1.0 + 1e-14)
}

/// A kernel along one axis.
#[derive(Debug, Clone, Copy)]
struct Axis {
    stride: usize,
    dilation: usize,
    /// Of the symbol.
    degree: usize,
}

impl Axis {
    fn new(kernel: usize, stride: usize, dilation: usize) -> Self {
        Self { stride, dilation, degree: (kernel - 1) * dilation / stride }
    }

    /// Which of the images by remainders a tap reads.
    fn phase(self, tap: usize) -> usize {
        tap * self.dilation % self.stride
    }

    /// Where in that image.
    fn place(self, tap: usize) -> usize {
        tap * self.dilation / self.stride
    }

    fn frequencies(self, per_degree: usize) -> usize {
        (per_degree * self.degree).max(1)
    }

    /// What the grid may miss.
    fn loss(self, frequencies: usize) -> f64 {
        (PI * self.degree as f64 / (2 * frequencies) as f64).cos()
    }
}
