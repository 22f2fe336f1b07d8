use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser};
use crate::bounds::{Elementwise, Interval, Planes, Relaxation};

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

    fn interval(&self, inputs: &[&Interval]) -> Result<Interval, String> {
        let choices = inputs[1].ends().zip(inputs[2].ends());
        let ends = inputs[0].ends().zip(choices).map(|([low, high], (yes, no))| {
            if low > 0.0 {
                (yes[0], yes[1])
            } else if high <= 0.0 {
                (no[0], no[1])
            } else {
                (yes[0].min(no[0]), yes[1].max(no[1]))
            }
        });
        let (low, high) = ends.unzip();
        Interval::new(inputs[0].rows(), low, high)
    }

    fn relax(&self, inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
        let mut below = Planes::with_capacity(3, inputs[0].low().len());
        let mut above = below.clone();
        let choices = inputs[1].ends().zip(inputs[2].ends());
        for ([low, high], (yes, no)) in inputs[0].ends().zip(choices) {
            if low > 0.0 || high <= 0.0 {
                let chosen = [0.0, f64::from(u8::from(low > 0.0)), f64::from(u8::from(low <= 0.0))];
                below.push(&chosen, 0.0);
                above.push(&chosen, 0.0);
                continue;
            }
            // Both choices are at least the one, less by as much as the other may be below it.
            let (no_excess, yes_excess) = ((no[1] - yes[0]).max(0.0), (yes[1] - no[0]).max(0.0));
            let [yes_middle, no_middle] = [yes, no].map(|[low, high]| 0.5 * (low + high));
            if yes_middle - yes_excess > no_middle - no_excess {
                below.push(&[0.0, 1.0, 0.0], -yes_excess);
            } else {
                below.push(&[0.0, 0.0, 1.0], -no_excess);
            }
            if yes_middle + no_excess < no_middle + yes_excess {
                above.push(&[0.0, 1.0, 0.0], no_excess);
            } else {
                above.push(&[0.0, 0.0, 1.0], yes_excess);
            }
        }
        Ok(Box::new(Elementwise::new(below, above, inputs)?))
    }
}
