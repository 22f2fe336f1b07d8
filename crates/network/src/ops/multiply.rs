use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser};
use crate::bounds::{Interval, Relaxation, bilinear_relaxation};

/// Configuration of [`Multiply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultiplyConfig {}

impl MultiplyConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Multiply {
        Multiply { config: self.clone() }
    }
}

/// Element-wise product of two values of one shape.
#[derive(Module, Debug)]
pub struct Multiply {
    #[module(skip)]
    pub(super) config: MultiplyConfig,
}

/// Scales the `k` vectors of every row element by element.
///
/// # Shapes
/// `vectors`: `[rows, k, features]`; `factor`: `[rows, features]`.
fn scale(vectors: Tensor<3>, factor: &Tensor<2>) -> Tensor<3> {
    vectors * factor.clone().unsqueeze_dim(1)
}

impl Calculus for Multiply {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        match inputs {
            [left, right] if left == right => Ok(left.to_vec()),
            [left, right] => Err(format!("inputs differ in shape: {left:?} and {right:?}")),
            _ => Err(format!("takes two inputs, found {}", inputs.len())),
        }
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        inputs[0].clone() * inputs[1].clone()
    }

    fn forward_owned(&self, inputs: Vec<Tensor<2>>) -> Tensor<2> {
        let [left, right] = inputs.try_into().expect("two inputs, as the graph was checked");
        left * right
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        scale(tangents[0].clone(), at.inputs[1]) + scale(tangents[1].clone(), at.inputs[0])
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![scale(cotangent.clone(), at.inputs[1]), scale(cotangent, at.inputs[0])]
    }

    fn interval(&self, inputs: &[&Interval]) -> Result<Interval, String> {
        let ends = inputs[0].ends().zip(inputs[1].ends()).map(|(x, y)| product(x, y));
        let (low, high) = ends.map(|[low, high]| (low, high)).unzip();
        Interval::new(inputs[0].rows(), low, high)
    }

    fn relax(&self, inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
        Ok(bilinear_relaxation(self, inputs))
    }
}

/// The products of the numbers in two intervals, rounded outward.
fn product([x_low, x_high]: [f64; 2], [y_low, y_high]: [f64; 2]) -> [f64; 2] {
    let corners = [x_low * y_low, x_low * y_high, x_high * y_low, x_high * y_high];
    let low = corners.into_iter().fold(f64::INFINITY, f64::min);
    let high = corners.into_iter().fold(f64::NEG_INFINITY, f64::max);
    [low.next_down(), high.next_up()]
}
