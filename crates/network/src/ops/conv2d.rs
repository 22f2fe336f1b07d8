use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::convolution::{self, Convolution};
use super::{Calculus, Evaluation, Initialiser, features, merge, only, split};

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
    /// Distance in height and width of the elements that the kernel reads.
    #[serde(default = "convolution::undilated")]
    pub dilation: [usize; 2],
    /// Equal parts of the channels that do not see each other.
    #[serde(default = "convolution::ungrouped")]
    pub groups: usize,
}

impl Conv2dConfig {
    /// Sample shape of the output, or why there is none.
    pub fn output(&self) -> Result<[usize; 3], String> {
        let convolution = self.convolution()?;
        convolution.weight()?;
        features(&convolution.positions)?;
        Ok(convolution.positions)
    }

    fn convolution(&self) -> Result<Convolution, String> {
        let windows = convolution::windows(self.kernel, self.stride, self.padding, self.dilation);
        let [_, height, width] = self.input;
        let (rows, unread_rows) = windows[0].positions(height)?;
        let (columns, unread_columns) = windows[1].positions(width)?;
        Ok(Convolution {
            image: self.input,
            positions: [self.channels, rows, columns],
            windows,
            unread: [unread_rows, unread_columns],
            groups: self.groups,
        })
    }

    /// The operator with parameters drawn by `initialiser`.
    pub fn init(&self, initialiser: &mut Initialiser, device: &Device) -> Conv2d {
        // A configuration without a weight is refused when the graph asks for its shape.
        let convolution = self.convolution();
        let shape = convolution.and_then(|convolution| convolution.weight()).unwrap_or_default();
        let fan_in = shape[1..].iter().product();
        Conv2d {
            weight: initialiser.uniform(shape, fan_in, device),
            bias: initialiser.uniform([shape[0]], fan_in, device),
            config: self.clone(),
        }
    }
}

/// Two-dimensional convolution (cross-correlation) with bias.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[output channels, input channels / groups, kernel height, kernel width]`.
    pub weight: Param<Tensor<4>>,
    /// `[output channels]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    pub(super) config: Conv2dConfig,
}

impl Conv2d {
    fn convolution(&self) -> Convolution {
        self.config.convolution().expect("checked when the graph was built")
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
        self.forward_owned(vec![inputs[0].clone()])
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        let bias = Some(self.bias.val());
        self.convolution().correlate(inputs.remove(0), self.weight.val(), bias)
    }

    fn jvp(&self, _at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        let count = tangents[0].dims()[1];
        let tangents = merge(tangents[0].clone());
        split(self.convolution().correlate(tangents, self.weight.val(), None), count)
    }

    fn vjp(&self, _at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let count = cotangent.dims()[1];
        let pulled = self.convolution().transpose(merge(cotangent), self.weight.val(), None);
        vec![split(pulled, count)]
    }

    fn is_affine(&self) -> bool {
        true
    }
}
