use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, features, only};

/// Configuration of [`Reshape`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReshapeConfig {
    /// The new sample shape.
    pub shape: Vec<usize>,
}

impl ReshapeConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Reshape {
        Reshape { config: self.clone() }
    }
}

/// Gives a sample a new shape. Values between operators are flat, so this only
/// changes what the next operator is told.
#[derive(Module, Debug)]
pub struct Reshape {
    #[module(skip)]
    pub(super) config: ReshapeConfig,
}

impl Calculus for Reshape {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let input = only(inputs)?;
        if features(input)? != features(&self.config.shape)? {
            return Err(format!("cannot make {:?} of {input:?}", self.config.shape));
        }
        Ok(self.config.shape.clone())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        inputs[0].clone()
    }

    fn jvp(&self, _at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        tangents[0].clone()
    }

    fn vjp(&self, _at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![cotangent]
    }

    fn is_affine(&self) -> bool {
        true
    }
}
