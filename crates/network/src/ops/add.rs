use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser};

/// Configuration of [`Add`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddConfig {}

impl AddConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Add {
        Add { config: self.clone() }
    }
}

/// Sum of two or more values of one shape.
#[derive(Module, Debug)]
pub struct Add {
    #[module(skip)]
    pub(super) config: AddConfig,
}

fn sum<const D: usize>(mut terms: impl Iterator<Item = Tensor<D>>) -> Tensor<D> {
    let first = terms.next().expect("the graph was checked to give at least two inputs");
    terms.fold(first, |total, term| total + term)
}

impl Calculus for Add {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [first, rest @ ..] if !rest.is_empty() => {
                match rest.iter().find(|shape| *shape != first) {
                    None => Ok(first.to_vec()),
                    Some(other) => Err(format!("inputs differ in shape: {first:?} and {other:?}")),
                }
            }
            _ => Err(format!("takes at least two inputs, found {}", inputs.len())),
        }
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        sum(inputs.iter().map(|&input| input.clone()))
    }

    fn jvp(&self, _at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        sum(tangents.iter().cloned())
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![cotangent; at.inputs.len()]
    }

    fn is_affine(&self) -> bool {
        true
    }
}
