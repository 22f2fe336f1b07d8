use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, features};

/// Configuration of [`Concat`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConcatConfig {
    /// Sample shape of the output.
    pub shape: Vec<usize>,
}

impl ConcatConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Concat {
        Concat { config: self.clone() }
    }
}

/// The flattened features of two or more values, one after another.
#[derive(Module, Debug)]
pub struct Concat {
    #[module(skip)]
    pub(super) config: ConcatConfig,
}

impl Calculus for Concat {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        if inputs.len() < 2 {
            return Err(format!("takes at least two inputs, found {}", inputs.len()));
        }
        let mut found = 0usize;
        for input in inputs {
            found = found.checked_add(features(input)?).ok_or("the inputs are too large")?;
        }
        if found != features(&self.config.shape)? {
            return Err(format!("cannot make {:?} of {inputs:?}", self.config.shape));
        }
        Ok(self.config.shape.clone())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        Tensor::cat(inputs.iter().map(|&input| input.clone()).collect(), 1)
    }

    fn jvp(&self, _at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        Tensor::cat(tangents.to_vec(), 2)
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let mut start = 0;
        let part = |input: &&Tensor<2>| {
            let width = input.dims()[1];
            let part = cotangent.clone().narrow(2, start, width);
            start += width;
            part
        };
        at.inputs.iter().map(part).collect()
    }

    fn is_affine(&self) -> bool {
        true
    }
}
