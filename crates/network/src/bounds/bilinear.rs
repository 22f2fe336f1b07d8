//! Operators that are linear in each of two inputs.
//!
//! About the centres of both, `x y = x' y + x y' - x' y' + dx dy`, and what `dx dy` may be at most
//! is the operator applied to the radii. These are the means of the two planes that McCormick
//! 1976 has on either side; their slopes are those of the operator at the centres.

use std::fmt::Debug;

use burn::tensor::Tensor;

use super::elementwise::dot;
use super::real::{self, rounding};
use super::relaxation::Pulled;
use super::{Interval, Relaxation, UNDERFLOW};
use crate::ops::{Calculus, Evaluation};

#[derive(Debug)]
struct Bilinear<T> {
    operator: T,
    centres: [Tensor<2>; 2],
    /// The operator at the centres.
    output: Tensor<2>,
    /// What is added to the linear part below and above, `[rows, features]` flattened.
    offsets: [Vec<f64>; 2],
    reach: Vec<f64>,
}

/// What a bilinear operator does about the centres of its inputs.
struct Parts {
    centres: [Tensor<2>; 2],
    output: Tensor<2>,
    /// Bounds on the linear and the bilinear part, with `reach` a sum of absolute values.
    linear: Vec<f64>,
    gap: Vec<f64>,
    reach: Vec<f64>,
}

fn parts<T: Calculus>(operator: &T, inputs: &[&Interval]) -> Parts {
    let part = |input: &Interval, of: fn([f64; 2]) -> f64| {
        real::tensor(input.ends().map(of).collect(), [input.rows(), input.features()])
    };
    let both = |of| [part(inputs[0], of), part(inputs[1], of)];
    let centres = both(|[low, high]| 0.5 * low + 0.5 * high);
    let radii = both(|[low, high]| 0.5 * high - 0.5 * low);
    let largest = both(|[low, high]| high.max(-low));
    let product = |x: &Tensor<2>, y: &Tensor<2>| operator.forward(&[x, y]);
    let sizes = centres.clone().map(Tensor::abs);
    let linear = product(&sizes[0], &radii[1]) + product(&radii[0], &sizes[1]);
    let reach = product(&largest[0], &largest[1]);
    Parts {
        output: product(&centres[0], &centres[1]),
        linear: real::numbers(linear),
        gap: real::numbers(product(&radii[0], &radii[1])),
        reach: real::numbers(reach),
        centres,
    }
}

/// More than rounding in the parts, relative to the reach.
fn error(inputs: &[&Interval]) -> f64 {
    8.0 * rounding(inputs.iter().map(|input| input.features()).sum())
}

/// Bounds of an operator that is linear in each of two inputs.
pub(crate) fn bilinear_interval<T: Calculus>(
    operator: &T,
    inputs: &[&Interval],
) -> Result<Interval, String> {
    let Parts { output, linear, gap, reach, .. } = parts(operator, inputs);
    let error = error(inputs);
    let radii = linear.iter().zip(&gap).zip(&reach);
    let radii = radii.map(|((linear, gap), reach)| linear + gap + error * reach + UNDERFLOW);
    let ends = real::numbers(output).into_iter().zip(radii);
    let (low, high) = ends.map(|(centre, radius)| (centre - radius, centre + radius)).unzip();
    Interval::new(inputs[0].rows(), low, high)
}

/// The relaxation of an operator that is linear in each of two inputs.
pub(crate) fn bilinear_relaxation<T>(operator: &T, inputs: &[&Interval]) -> Box<dyn Relaxation>
where
    T: Calculus + Clone + Debug + Send + Sync + 'static,
{
    let Parts { centres, output, gap, reach, .. } = parts(operator, inputs);
    let error = error(inputs);
    let gaps = gap.iter().zip(&reach).map(|(gap, reach)| gap + error * reach + UNDERFLOW);
    let offsets = real::numbers(output.clone()).into_iter().zip(gaps);
    let (below, above) = offsets.map(|(centre, gap)| (-centre - gap, -centre + gap)).unzip();
    Box::new(Bilinear {
        operator: operator.clone(),
        centres,
        output,
        offsets: [below, above],
        // Two linear parts, the product of the centres and the gap.
        reach: reach.into_iter().map(|reach| 8.0 * reach).collect(),
    })
}

impl<T: Calculus + Debug + Send + Sync> Relaxation for Bilinear<T> {
    fn pull(&self, coefficients: Tensor<3>) -> Pulled {
        let shape @ [_, count, features] = coefficients.dims();
        let numbers = real::numbers(coefficients);
        let constant = |(position, function): (usize, &[f64])| {
            let row = position / count * features;
            let [below, above] = [0, 1].map(|side| &self.offsets[side][row..][..features]);
            dot(function, below, above)
        };
        let constants = numbers.chunks_exact(features).enumerate().map(constant).collect();
        let at = Evaluation { inputs: &[&self.centres[0], &self.centres[1]], output: &self.output };
        let pulled = self.operator.vjp(at, real::tensor(numbers, shape));
        Pulled { inputs: pulled.into_iter().map(Some).collect(), constants }
    }

    fn reach(&self) -> &[f64] {
        &self.reach
    }
}
