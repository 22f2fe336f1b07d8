//! Linear functions of values on their way back to the input.

use burn::tensor::Tensor;

use super::bounder::{Bounds, LinearBounds};
use super::reach::Scratch;
use super::real::{self, rounding};
use super::set::absolute;
use super::{Interval, Pulled, UNDERFLOW};
use crate::Value;

/// Linear functions of one value, and lower bounds of them and of their negatives.
pub(super) struct Functions {
    /// `[rows, k, features]`, where one row may stand for all.
    pub(super) below: Tensor<3>,
    /// Of the negatives; none where it is the negative of `below`.
    pub(super) above: Option<Tensor<3>>,
}

impl Functions {
    fn add(self, other: Self) -> Self {
        let above = match (&self.above, &other.above) {
            (None, None) => None,
            _ => Some(self.negatives() + other.negatives()),
        };
        // One row and several add up to several.
        Self { below: self.below + other.below, above }
    }

    fn negatives(&self) -> Tensor<3> {
        self.above.clone().unwrap_or_else(|| -self.below.clone())
    }
}

/// Linear functions of the input and their constants, before and after each step.
pub(super) struct Pass {
    /// For every value.
    pub(super) pulled: Vec<Option<Functions>>,
    /// Of the functions and of their negatives, `[rows, k]` flattened.
    pub(super) constants: [Vec<f64>; 2],
}

impl Bounds<'_> {
    /// The relative error of the sums that make a step back from this value.
    pub(super) fn rounding_of(&self, value: Value) -> f64 {
        let nodes = &self.bounder.network.nodes;
        let inputs: usize = match value.checked_sub(1) {
            Some(node) => {
                nodes[node].inputs.iter().map(|&input| self.intervals[input].features()).sum()
            }
            None => 0,
        };
        // Sums of coefficients and constants have a term for each node or reader at most.
        let readers: usize = nodes.iter().map(|node| node.inputs.len()).sum();
        rounding(inputs + self.intervals[value].features() + nodes.len() + readers)
    }

    /// Pulls functions of values back to the input, and bounds them over the set. The upper
    /// functions that it returns are those below the negatives.
    pub(super) fn finish(&self, mut pass: Pass) -> Result<LinearBounds, String> {
        for value in (1..=self.relaxations.len()).rev() {
            if let Some(functions) = pass.pulled[value].take() {
                self.step(&mut pass, value, functions);
            }
        }
        let rows = self.set.rows();
        let count = pass.constants[0].len() / rows;
        let features = self.set.interval().features();
        let none = || real::tensor(vec![0.0; count * features], [1, count, features]);
        let functions =
            pass.pulled[0].take().unwrap_or_else(|| Functions { below: none(), above: None });
        let [mut lower_constants, mut upper_constants] = pass.constants;
        let upper = functions.negatives();
        let (lower, least) = self.minimise(functions.below, &mut lower_constants);
        let (upper, negative) = self.minimise(upper, &mut upper_constants);
        let largest = negative.into_iter().map(|x| -x).collect();
        let interval = Interval::new(rows, least, largest)?;
        Ok(LinearBounds { lower, lower_constants, upper, upper_constants, interval })
    }

    /// One step back through the node that makes a value.
    fn step(&self, pass: &mut Pass, value: Value, functions: Functions) {
        let Functions { mut below, mut above } = functions;
        if !self.relaxations[value - 1].is_exact() {
            above = Some(self.all_rows(above.unwrap_or_else(|| -below.clone())));
            below = self.all_rows(below);
        }
        let below = self.pull(value, below);
        let above = above.map(|above| self.pull(value, above));
        let [lower, upper] = &mut pass.constants;
        below.charge(lower, 1.0);
        match &above {
            Some(above) => above.charge(upper, 1.0),
            None => below.charge(upper, -1.0),
        }
        let inputs = &self.bounder.network.nodes[value - 1].inputs;
        let mut above = above.map(|above| above.inputs.into_iter());
        for (&input, below) in inputs.iter().zip(below.inputs) {
            let above = above.as_mut().and_then(|above| above.next().flatten());
            if let Some(below) = below {
                pass.accumulate(input, Functions { below, above });
            }
        }
    }

    /// The functions of a value as functions of the inputs of the node that makes it.
    fn pull(&self, value: Value, coefficients: Tensor<3>) -> Pull {
        let relaxation = self.relaxations[value - 1].as_ref();
        let shape @ [given, count, features] = coefficients.dims();
        let numbers = real::numbers(coefficients);
        let relative = self.rounding_of(value);
        let rows = self.set.rows();
        let mut errors = Vec::with_capacity(rows * count);
        for (row, reach) in relaxation.reach().chunks_exact(features).enumerate() {
            let start = if given == 1 { 0 } else { row * count * features };
            for function in numbers[start..][..count * features].chunks_exact(features) {
                errors.push(relative * absolute(function, reach) + UNDERFLOW);
            }
        }
        let Pulled { inputs, mut constants } = relaxation.pull(real::tensor(numbers, shape));
        if given < rows {
            constants = constants.repeat(rows);
        }
        Pull { inputs, constants, errors }
    }

    /// Lower bounds of functions of the input, whose constants then pay for all rounding.
    fn minimise(&self, coefficients: Tensor<3>, constants: &mut [f64]) -> (Tensor<3>, Vec<f64>) {
        let shape @ [given, count, features] = coefficients.dims();
        let numbers = real::numbers(coefficients);
        let mut scratch = Scratch::default();
        let mut least = Vec::with_capacity(constants.len());
        let relative = self.rounding_of(0);
        for (row, constants) in constants.chunks_exact_mut(count).enumerate() {
            let start = if given == 1 { 0 } else { row * count * features };
            let functions = numbers[start..][..count * features].chunks_exact(features);
            for (function, constant) in functions.zip(constants) {
                let largest = self.set.largest(row, function);
                *constant -= relative * largest + UNDERFLOW;
                least.push(self.set.minimum(row, function, largest, &mut scratch) + *constant);
            }
        }
        (real::tensor(numbers, shape), least)
    }

    /// Functions for every row, where one may stand for all of them.
    fn all_rows(&self, functions: Tensor<3>) -> Tensor<3> {
        let [_, count, features] = functions.dims();
        functions.expand([self.set.rows(), count, features])
    }
}

/// A step back: coefficients of the inputs, constants, and what rounding may change.
struct Pull {
    inputs: Vec<Option<Tensor<3>>>,
    /// `[rows, k]` flattened.
    constants: Vec<f64>,
    /// `[rows, k]` flattened.
    errors: Vec<f64>,
}

impl Pull {
    /// Adds the constants, times a sign, to lower bounds.
    fn charge(&self, bounds: &mut [f64], sign: f64) {
        for ((bound, constant), error) in bounds.iter_mut().zip(&self.constants).zip(&self.errors) {
            *bound += sign * constant - error;
        }
    }
}

impl Pass {
    pub(super) fn accumulate(&mut self, value: Value, functions: Functions) {
        let slot = &mut self.pulled[value];
        *slot = Some(match slot.take() {
            Some(sum) => sum.add(functions),
            None => functions,
        });
    }
}
