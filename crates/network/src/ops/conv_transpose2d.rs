use burn::module::{Module, Param};
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, merge, only, split};

/// Configuration of [`ConvTranspose2d`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConvTranspose2dConfig {
    /// Sample shape of the input: channels, height, width.
    pub input: [usize; 3],
    /// Channels of the output.
    pub channels: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step in height and width.
    pub stride: [usize; 2],
    /// Zeros removed on both sides of the output in height and width.
    pub padding: [usize; 2],
    /// Rows and columns added at the far side of the output (smaller than the stride).
    pub output_padding: [usize; 2],
}

impl ConvTranspose2dConfig {
    /// Sample shape of the output, or why there is none.
    pub fn output(&self) -> Result<[usize; 3], String> {
        let [_, height, width] = self.input;
        let side = |axis: usize, size: usize| {
            if self.kernel[axis] == 0 || self.stride[axis] == 0 || size == 0 {
                return Err("kernel, stride and input must be at least 1".to_string());
            }
            if self.output_padding[axis] >= self.stride[axis] {
                return Err("output padding must be smaller than the stride".to_string());
            }
            ((size - 1) * self.stride[axis] + self.kernel[axis] + self.output_padding[axis])
                .checked_sub(2 * self.padding[axis])
                .filter(|&side| side > 0)
                .ok_or_else(|| "padding removes the whole output".to_string())
        };
        Ok([self.channels, side(0, height)?, side(1, width)?])
    }

    /// The operator with parameters drawn by `initialiser`.
    pub fn init(&self, initialiser: &mut Initialiser, device: &Device) -> ConvTranspose2d {
        let [kernel_height, kernel_width] = self.kernel;
        // PyTorch's fan-in for this layout of the weight, kept for like starts.
        let fan_in = self.channels * kernel_height * kernel_width;
        let shape = [self.input[0], self.channels, kernel_height, kernel_width];
        ConvTranspose2d {
            weight: initialiser.uniform(shape, fan_in, device),
            bias: initialiser.uniform([self.channels], fan_in, device),
            config: self.clone(),
        }
    }
}

/// Transposed two-dimensional convolution with bias.
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    /// `[input channels, output channels, kernel height, kernel width]`.
    pub weight: Param<Tensor<4>>,
    /// `[output channels]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    pub(super) config: ConvTranspose2dConfig,
}

impl ConvTranspose2d {
    fn apply(&self, input: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
        let ConvTranspose2dConfig {
            input: [channels, height, width],
            stride,
            padding,
            output_padding,
            ..
        } = self.config;
        let rows = input.dims()[0];
        let input = input.reshape([rows, channels, height, width]);
        let options = ConvTransposeOptions::new(stride, padding, output_padding, [1, 1], 1);
        conv_transpose2d(input, self.weight.val(), bias, options).flatten(1, 3)
    }
}

impl Calculus for ConvTranspose2d {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let input = only(inputs)?;
        if input != self.config.input {
            return Err(format!("expects shape {:?}, found {input:?}", self.config.input));
        }
        Ok(self.config.output()?.to_vec())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.apply(inputs[0].clone(), Some(self.bias.val()))
    }

    fn jvp(&self, _at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        let count = tangents[0].dims()[1];
        split(self.apply(merge(tangents[0].clone()), None), count)
    }

    fn vjp(&self, _at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let ConvTranspose2dConfig {
            input: [_, height, width],
            channels,
            kernel,
            stride,
            padding,
            output_padding,
        } = self.config;
        let count = cotangent.dims()[1];
        let side = |axis: usize, size: usize| {
            (size - 1) * stride[axis] + kernel[axis] + output_padding[axis] - 2 * padding[axis]
        };
        let merged = merge(cotangent);
        let rows = merged.dims()[0];
        let merged = merged.reshape([rows, channels, side(0, height), side(1, width)]);
        let options = ConvOptions::new(stride, padding, [1, 1], 1);
        let pulled = conv2d(merged, self.weight.val(), None, options);
        vec![split(pulled.flatten(1, 3), count)]
    }
}
