use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Function, Initialiser, only};

/// Configuration of [`Activation`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivationConfig {
    /// Which function.
    #[serde(flatten)]
    pub function: Function,
}

impl ActivationConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Activation {
        Activation { config: self.clone() }
    }
}

/// An element-wise function.
#[derive(Module, Debug)]
pub struct Activation {
    #[module(skip)]
    pub(super) config: ActivationConfig,
}

impl Activation {
    fn scale(&self, at: Evaluation<'_>, vectors: Tensor<3>) -> Tensor<3> {
        let derivative = self.config.function.derivative(at.inputs[0], at.output);
        vectors * derivative.unsqueeze_dim(1)
    }
}

impl Calculus for Activation {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        self.config.function.check()?;
        Ok(only(inputs)?.to_vec())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.config.function.value(inputs[0].clone())
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        self.config.function.value(inputs.remove(0))
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        self.scale(at, tangents[0].clone())
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![self.scale(at, cotangent)]
    }
}
