use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser};

/// Configuration of [`Select`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectConfig {}

impl SelectConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Select {
        Select { config: self.clone() }
    }
}

/// Of three values of one shape, the second where the first is positive, the third elsewhere.
/// The choice itself has derivative 0.
#[derive(Module, Debug)]
pub struct Select {
    #[module(skip)]
    pub(super) config: SelectConfig,
}

/// Whether the first value is positive, for each of `k` vectors of every row.
///
/// # Shapes
/// `[rows, k, features]`.
fn chosen(at: Evaluation<'_>, count: usize) -> Tensor<3, Bool> {
    let condition = at.inputs[0];
    let [rows, features] = condition.dims();
    condition.clone().greater_elem(0.0).unsqueeze_dim::<3>(1).expand([rows, count, features])
}

impl Calculus for Select {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [condition, yes, no] if condition == yes && yes == no => Ok(yes.to_vec()),
            [_, _, _] => Err(format!("inputs differ in shape: {inputs:?}")),
            _ => Err(format!("takes three inputs, found {}", inputs.len())),
        }
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        let chosen = inputs[0].clone().greater_elem(0.0);
        inputs[2].clone().mask_where(chosen, inputs[1].clone())
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        let chosen = chosen(at, tangents[1].dims()[1]);
        tangents[2].clone().mask_where(chosen, tangents[1].clone())
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let chosen = chosen(at, cotangent.dims()[1]);
        let no = cotangent.clone().mask_fill(chosen.clone(), 0.0);
        let yes = cotangent.clone().mask_fill(chosen.bool_not(), 0.0);
        vec![cotangent.zeros_like(), yes, no]
    }
}
