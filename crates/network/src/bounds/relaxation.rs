use std::fmt::Debug;

use burn::module::Module;
use burn::tensor::Tensor;

use super::Interval;
use super::real::{self, magnitudes, rounding};
use crate::ops::{Calculus, Evaluation};

/// Linear bounds of an operator, for inputs within intervals.
///
/// Only lower bounds are asked for: an upper bound of a function is a lower bound of its
/// negative.
pub trait Relaxation: Debug + Send + Sync {
    /// Linear functions of the inputs that are nowhere larger than these of the output, but for
    /// the rounding that [`reach`](Self::reach) accounts for.
    ///
    /// # Shapes
    /// `coefficients`: `[rows, k, output features]`. One row stands for all of them if the
    /// relaxation [is exact](Self::is_exact), and gives one row again.
    fn pull(&self, coefficients: Tensor<3>) -> Pulled;

    /// Whether the operator is affine, so that what [`pull`](Self::pull) gives is equal to what
    /// it was given, and independent of the row.
    fn is_exact(&self) -> bool {
        false
    }

    /// Sums of absolute values, for every output feature, of all that is added up in it:
    /// `pull` errs at most by these times the absolute coefficients, times the relative error of
    /// a sum of as many terms as the operator has features.
    ///
    /// # Shapes
    /// `[rows, output features]` flattened.
    fn reach(&self) -> &[f64];

    /// The slopes of the lines below and above each output feature, `[rows, features]`
    /// flattened, if they are free to be chosen.
    fn slopes(&self) -> Option<[&[f64]; 2]> {
        None
    }

    /// Replaces the [`slopes`](Self::slopes); any finite ones make sound bounds.
    ///
    /// # Errors
    /// If they are not free, not finite, or not as many.
    fn set_slopes(&mut self, _below: &[f64], _above: &[f64]) -> Result<(), String> {
        Err("has no slopes to choose".to_string())
    }
}

/// What linear functions of an output become.
#[derive(Debug)]
pub struct Pulled {
    /// Coefficients of every input, `[rows, k, features]`; none for zeros.
    pub inputs: Vec<Option<Tensor<3>>>,
    /// `[rows, k]` flattened.
    pub constants: Vec<f64>,
}

/// An affine operator with parameters in f64 pulls linear functions back by its vjp.
#[derive(Debug)]
struct Exact<T> {
    operator: T,
    /// One row of each input, for their numbers of features.
    inputs: Vec<Tensor<2>>,
    /// The output for inputs of 0.
    offset: Vec<f64>,
    reach: Vec<f64>,
}

/// One row of zeros for each input.
fn zeros(inputs: &[&Interval]) -> Vec<Tensor<2>> {
    let row = |input: &&Interval| real::tensor(vec![0.0; input.features()], [1, input.features()]);
    inputs.iter().map(row).collect()
}

/// An upper bound on the sums of absolute values that make up each output of an affine operator.
fn affine_reach<T: Calculus + Module>(operator: &T, inputs: &[&Interval]) -> Vec<f64> {
    let largest: Vec<Tensor<2>> = inputs
        .iter()
        .map(|input| real::tensor(input.magnitudes(), [input.rows(), input.features()]))
        .collect();
    real::numbers(magnitudes(operator.clone()).forward(&largest.iter().collect::<Vec<_>>()))
}

/// Bounds of an affine operator whose parameters are in f64: the interval about the image of the
/// centre, widened by a bound on all rounding errors.
pub(crate) fn affine_interval<T: Calculus + Module>(
    operator: &T,
    inputs: &[&Interval],
) -> Result<Interval, String> {
    let rows = inputs[0].rows();
    let part = |of: fn([f64; 2]) -> f64| -> Vec<Tensor<2>> {
        let tensor = |input: &&Interval| {
            let numbers = input.ends().map(of).collect();
            real::tensor(numbers, [rows, input.features()])
        };
        inputs.iter().map(tensor).collect()
    };
    let centres = part(|[low, high]| 0.5 * low + 0.5 * high);
    let radii = part(|[low, high]| 0.5 * high - 0.5 * low);
    let output = operator.forward(&centres.iter().collect::<Vec<_>>());
    let tangents: Vec<Tensor<3>> =
        radii.into_iter().map(|radius| radius.unsqueeze_dim(1)).collect();
    let at = Evaluation { inputs: &centres.iter().collect::<Vec<_>>(), output: &output };
    let radii = real::numbers(magnitudes(operator.clone()).jvp(at, &tangents));
    let reach = affine_reach(operator, inputs);
    let centres = real::numbers(output);
    let terms = inputs.iter().map(|input| input.features()).sum();
    // The centres, the radii and the sum of both each err by at most the rounding of the reach.
    let error = 4.0 * rounding(terms);
    let radius = |(radius, reach): (&f64, &f64)| radius + error * reach + super::UNDERFLOW;
    let radii: Vec<f64> = radii.iter().zip(&reach).map(radius).collect();
    let low = centres.iter().zip(&radii).map(|(centre, radius)| centre - radius).collect();
    let high = centres.iter().zip(&radii).map(|(centre, radius)| centre + radius).collect();
    Interval::new(rows, low, high)
}

/// The relaxation of an affine operator whose parameters are in f64.
pub(crate) fn affine_relaxation<T>(operator: &T, inputs: &[&Interval]) -> Box<dyn Relaxation>
where
    T: Calculus + Module + Sync + 'static,
{
    let zeros = zeros(inputs);
    let offset = real::numbers(operator.forward(&zeros.iter().collect::<Vec<_>>()));
    let reach = affine_reach(operator, inputs);
    Box::new(Exact { operator: operator.clone(), inputs: zeros, offset, reach })
}

impl<T: Calculus + Debug + Send + Sync> Relaxation for Exact<T> {
    fn pull(&self, coefficients: Tensor<3>) -> Pulled {
        let shape = coefficients.dims();
        let numbers = real::numbers(coefficients);
        let dot = |function: &[f64]| function.iter().zip(&self.offset).map(|(a, b)| a * b).sum();
        let constants = numbers.chunks_exact(shape[2]).map(dot).collect();
        let inputs: Vec<&Tensor<2>> = self.inputs.iter().collect();
        let at = Evaluation { inputs: &inputs, output: &self.inputs[0] };
        let pulled = self.operator.vjp(at, real::tensor(numbers, shape));
        Pulled { inputs: pulled.into_iter().map(Some).collect(), constants }
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn reach(&self) -> &[f64] {
        &self.reach
    }
}
