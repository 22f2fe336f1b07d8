use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, merge, only, split};

/// Configuration of [`Linear`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearConfig {
    /// Features of the input sample, flattened.
    pub inputs: usize,
    /// Features of the output.
    pub outputs: usize,
}

impl LinearConfig {
    /// The operator with parameters drawn by `initialiser`.
    pub fn init(&self, initialiser: &mut Initialiser, device: &Device) -> Linear {
        Linear {
            weight: initialiser.uniform([self.inputs, self.outputs], self.inputs, device),
            bias: initialiser.uniform([self.outputs], self.inputs, device),
            config: self.clone(),
        }
    }
}

/// `x W + b`, over all features of a sample whatever its shape.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    pub(super) config: LinearConfig,
}

impl Calculus for Linear {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let features: usize = only(inputs)?.iter().product();
        if features != self.config.inputs {
            return Err(format!("expects {} features, found {features}", self.config.inputs));
        }
        Ok(vec![self.config.outputs])
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        inputs[0].clone().matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }

    fn jvp(&self, _at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        let count = tangents[0].dims()[1];
        split(merge(tangents[0].clone()).matmul(self.weight.val()), count)
    }

    fn vjp(&self, _at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let count = cotangent.dims()[1];
        vec![split(merge(cotangent).matmul(self.weight.val().transpose()), count)]
    }
}
