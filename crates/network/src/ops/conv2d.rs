use burn::module::{Module, Param};
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, merge, only, split};

/// Configuration of [`Conv2d`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conv2dConfig {
    /// Sample shape of the input: channels, height, width.
    pub input: [usize; 3],
    /// Channels of the output.
    pub channels: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step in height and width.
    pub stride: [usize; 2],
    /// Zeros added on both sides in height and width.
    pub padding: [usize; 2],
}

impl Conv2dConfig {
    /// Sample shape of the output, or why there is none.
    pub fn output(&self) -> Result<[usize; 3], String> {
        let [_, height, width] = self.input;
        let side = |axis: usize, size: usize| {
            let padded = size + 2 * self.padding[axis];
            if self.kernel[axis] == 0 || self.stride[axis] == 0 {
                Err("kernel and stride must be at least 1".to_string())
            } else if padded < self.kernel[axis] {
                Err(format!("kernel {:?} is larger than the padded input", self.kernel))
            } else {
                Ok((padded - self.kernel[axis]) / self.stride[axis] + 1)
            }
        };
        Ok([self.channels, side(0, height)?, side(1, width)?])
    }

    /// The operator with parameters drawn by `initialiser`.
    pub fn init(&self, initialiser: &mut Initialiser, device: &Device) -> Conv2d {
        let [kernel_height, kernel_width] = self.kernel;
        let fan_in = self.input[0] * kernel_height * kernel_width;
        let shape = [self.channels, self.input[0], kernel_height, kernel_width];
        Conv2d {
            weight: initialiser.uniform(shape, fan_in, device),
            bias: initialiser.uniform([self.channels], fan_in, device),
            config: self.clone(),
        }
    }
}

/// Two-dimensional convolution (cross-correlation) with bias.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[output channels, input channels, kernel height, kernel width]`.
    pub weight: Param<Tensor<4>>,
    /// `[output channels]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    pub(super) config: Conv2dConfig,
}

impl Conv2d {
    fn apply(&self, input: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
        let Conv2dConfig { input: [channels, height, width], stride, padding, .. } = self.config;
        let rows = input.dims()[0];
        let input = input.reshape([rows, channels, height, width]);
        let options = ConvOptions::new(stride, padding, [1, 1], 1);
        conv2d(input, self.weight.val(), bias, options).flatten(1, 3)
    }
}

impl Calculus for Conv2d {
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

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let Conv2dConfig { input: [_, height, width], kernel, stride, padding, .. } = self.config;
        let count = cotangent.dims()[1];
        // The sample shape of the output follows from the features of the evaluation.
        let sides = [
            (height + 2 * padding[0] - kernel[0]) / stride[0] + 1,
            (width + 2 * padding[1] - kernel[1]) / stride[1] + 1,
        ];
        debug_assert_eq!(at.output.dims()[1], self.config.channels * sides[0] * sides[1]);
        // Rows of the padded input that no output reads: the transpose must write zeros there.
        let unread = [
            (height + 2 * padding[0] - kernel[0]) % stride[0],
            (width + 2 * padding[1] - kernel[1]) % stride[1],
        ];
        let merged = merge(cotangent);
        let rows = merged.dims()[0];
        let merged = merged.reshape([rows, self.config.channels, sides[0], sides[1]]);
        let options = ConvTransposeOptions::new(stride, padding, unread, [1, 1], 1);
        let pulled = conv_transpose2d(merged, self.weight.val(), None, options);
        vec![split(pulled.flatten(1, 3), count)]
    }
}
