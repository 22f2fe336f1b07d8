use std::sync::OnceLock;

use burn::tensor::Tensor;

use super::backward::{Functions, Pass};
use super::real;
use super::unit::{self, Unit, identity};
use super::{InputSet, Interval, Relaxation};
use crate::ops::{Calculus, Operator};
use crate::{Error, Network, Value};

/// How intervals of values are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// From the intervals of what they are computed from: fast, and loose in deep networks.
    Interval,
    /// By linear functions of the input, for every value that a nonlinear operator reads and for
    /// the outputs.
    Crown,
}

/// A network prepared for bounds: in f64 on the CPU.
#[derive(Debug)]
pub struct Bounder {
    pub(super) network: Network,
    /// Each value as a function of what the affine operator reads that makes it, if that is one
    /// value and the function small enough to be kept.
    units: Vec<OnceLock<Option<Unit>>>,
    /// The operators with the absolute values of their parameters.
    absolutes: Vec<OnceLock<Operator>>,
}

impl Network {
    /// This network prepared for bounds.
    pub fn bounder(&self) -> Bounder {
        let network = real::in_double(self.clone());
        let units = self.shapes.iter().map(|_| OnceLock::new()).collect();
        let absolutes = network.nodes.iter().map(|_| OnceLock::new()).collect();
        Bounder { network, units, absolutes }
    }
}

impl Bounder {
    /// The network in f64, which evaluates inputs in f64.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Bounds of all values for the inputs in `set`.
    ///
    /// # Errors
    /// If the points do not fit the network, an operator has no rule, or bounds are not finite.
    pub fn bounds(&self, set: &InputSet, method: Method) -> Result<Bounds<'_>, Error> {
        let (features, found) = (self.network.input_features(), set.interval().features());
        if features != found {
            return Err(Error::Bounds(format!(
                "expects points of {features} features, found {found}"
            )));
        }
        let mut bounds = Bounds {
            bounder: self,
            set: set.clone(),
            intervals: vec![set.interval().clone()],
            refined: vec![true; 1],
            relaxations: vec![],
        };
        for position in 0..self.network.nodes.len() {
            bounds.advance(position, method)?;
        }
        if method == Method::Crown {
            for &value in &self.network.outputs {
                bounds.refine(value)?;
            }
        }
        Ok(bounds)
    }

    /// Operations that it takes, roughly, to pull every feature that a nonlinear operator reads back
    /// to the input, for one row.
    pub fn operations(&self) -> f64 {
        let network = &self.network;
        let nonlinear = network.nodes.iter().filter(|node| !node.operator.is_affine());
        let mut read: Vec<Value> = nonlinear.flat_map(|node| node.inputs.clone()).collect();
        read.sort_unstable();
        read.dedup();
        let features = |value: Value| network.shapes[value].iter().product::<usize>() as f64;
        let before = |value: Value| (0..value).map(|node| network.flops_of(node)).sum::<usize>();
        read.into_iter().map(|value| features(value) * before(value) as f64).sum()
    }

    /// Numbers in the Jacobians of all features that an element-wise function reads.
    pub fn jacobian_entries(&self) -> f64 {
        let network = &self.network;
        let functions = network.nodes.iter().filter(|node| !node.operator.is_affine());
        let features = |value: Value| network.shapes[value].iter().product::<usize>() as f64;
        let read: f64 = functions.flat_map(|node| &node.inputs).map(|&value| features(value)).sum();
        read * network.input_features() as f64
    }

    /// The operator of a node with the absolute values of its parameters.
    pub(super) fn absolute(&self, node: usize) -> &Operator {
        let absolute = || real::magnitudes(self.network.nodes[node].operator.clone());
        self.absolutes[node].get_or_init(absolute)
    }

    pub(super) fn unit(&self, value: Value, relaxation: &dyn Relaxation) -> Option<&Unit> {
        let node = &self.network.nodes[value - 1];
        let &[input] = node.inputs.as_slice() else { return None };
        let features = |value: Value| self.network.shapes[value].iter().product::<usize>();
        let unit = || Unit::new(relaxation, features(value), features(input));
        self.units[value].get_or_init(unit).as_ref()
    }
}

/// Bounds of all values of a network; see [`Bounder::bounds`].
#[derive(Debug)]
pub struct Bounds<'a> {
    pub(super) bounder: &'a Bounder,
    pub(super) set: InputSet,
    /// Of every value.
    pub(super) intervals: Vec<Interval>,
    /// Whether a value's interval was found by linear functions of the input.
    pub(super) refined: Vec<bool>,
    /// Of every node.
    pub(super) relaxations: Vec<Box<dyn Relaxation>>,
}

/// Linear functions of the input that bound some function over a set of inputs: for all x in the
/// set, `lower x + lower_constants <= f(x) <= upper x + upper_constants`.
#[derive(Debug)]
pub struct LinearBounds {
    /// `[rows, k, input features]`, in f64.
    pub lower: Tensor<3>,
    /// `[rows, k]` flattened.
    pub lower_constants: Vec<f64>,
    /// `[rows, k, input features]`, in f64.
    pub upper: Tensor<3>,
    /// `[rows, k]` flattened.
    pub upper_constants: Vec<f64>,
    /// The least value of the lower and the largest of the upper function over the set.
    pub interval: Interval,
}

impl Bounds<'_> {
    /// The interval of a value of the graph.
    pub fn interval(&self, value: Value) -> &Interval {
        &self.intervals[value]
    }

    /// The interval of an output.
    pub fn output(&self, output: usize) -> &Interval {
        &self.intervals[self.bounder.network.outputs[output]]
    }

    /// The relaxation of the node that makes a value, whose slopes may be changed.
    ///
    /// # Panics
    /// If the value is the input or not of the graph.
    pub fn relaxation_of(&mut self, value: Value) -> &mut dyn Relaxation {
        self.relaxations[value - 1].as_mut()
    }

    /// Bounds on sums of linear functions of the outputs; outputs given `None` count as zero.
    ///
    /// # Shapes
    /// Each specification `[rows, k, output features]`, one per output.
    ///
    /// # Errors
    /// If the specifications do not fit, or bounds are not finite.
    pub fn relaxation(&self, specification: &[Option<Tensor<3>>]) -> Result<LinearBounds, Error> {
        let network = &self.bounder.network;
        let rows = self.set.rows();
        let count = specification.iter().flatten().next().map_or(0, |tensor| tensor.dims()[1]);
        let mut start = vec![];
        if specification.len() != network.output_count() || count == 0 {
            let (found, expected) = (specification.len(), network.output_count());
            let reason =
                format!("{found} specifications of {count} functions for {expected} outputs");
            return Err(Error::Bounds(reason));
        }
        for (output, tensor) in specification.iter().enumerate() {
            let Some(tensor) = tensor else { continue };
            let (found, expected) = (tensor.dims(), [rows, count, network.output_features(output)]);
            if found != expected {
                let reason =
                    format!("expects a specification of shape {expected:?}, found {found:?}");
                return Err(Error::Bounds(reason));
            }
            let numbers = real::numbers(tensor.clone());
            start.push((network.outputs[output], real::tensor(numbers, expected)));
        }
        let mut parts = vec![];
        for functions in self.chunks(count) {
            let part = |(value, tensor): &(Value, Tensor<3>)| {
                (*value, tensor.clone().narrow(1, functions.start, functions.len()))
            };
            let mut pass = self.start(functions.len());
            for (value, tensor) in start.iter().map(part) {
                pass.accumulate(value, Functions { below: tensor, above: None });
            }
            parts.push(self.finish(pass).map_err(Error::Bounds)?);
        }
        LinearBounds::of_parts(parts, rows).map_err(Error::Bounds)
    }

    /// Interval and relaxation of the next node.
    fn advance(&mut self, position: usize, method: Method) -> Result<(), Error> {
        let bounder = self.bounder;
        let node = &bounder.network.nodes[position];
        let operator = &node.operator;
        if method == Method::Crown && !operator.is_affine() {
            for &value in &node.inputs {
                self.refine(value)?;
            }
        }
        let inputs: Vec<&Interval> =
            node.inputs.iter().map(|&value| &self.intervals[value]).collect();
        let fail = |reason| Error::Unbounded { node: position, operator: operator.name(), reason };
        let interval = operator.interval(&inputs).map_err(fail)?;
        let relaxation = operator.relax(&inputs).map_err(fail)?;
        self.intervals.push(interval);
        self.relaxations.push(relaxation);
        self.refined.push(false);
        Ok(())
    }

    /// Tightens the interval of a value by linear functions of the input.
    fn refine(&mut self, value: Value) -> Result<(), Error> {
        if self.refined[value] {
            return Ok(());
        }
        let features = self.intervals[value].features();
        let rows = self.set.rows();
        let mut ends = [vec![0.0; rows * features], vec![0.0; rows * features]];
        for functions in self.chunks(features) {
            let mut pass = self.start(functions.len());
            match self.bounder.unit(value, self.relaxations[value - 1].as_ref()) {
                Some(unit) => {
                    self.start_at_unit(&mut pass, value, unit, functions.clone());
                }
                None => {
                    let below = identity(functions.clone(), features);
                    pass.accumulate(value, Functions { below, above: None });
                }
            }
            let found = self.finish(pass).map_err(|error| self.unbounded(value, error))?.interval;
            for (ends, found) in ends.iter_mut().zip([&found.low, &found.high]) {
                for (row, found) in found.chunks_exact(functions.len()).enumerate() {
                    ends[row * features..][functions.clone()].copy_from_slice(found);
                }
            }
        }
        let [low, high] = ends;
        let both = self.intervals[value].intersect(low, high);
        self.intervals[value] = both.map_err(|reason| self.unbounded(value, reason))?;
        self.refined[value] = true;
        Ok(())
    }

    fn unbounded(&self, value: Value, reason: String) -> Error {
        match value.checked_sub(1) {
            Some(node) => {
                let operator = self.bounder.network.nodes[node].operator.name();
                Error::Unbounded { node, operator, reason }
            }
            None => Error::Bounds(reason),
        }
    }

    /// Ranges of so many functions as are pulled back at a time.
    fn chunks(&self, functions: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let widest = self.intervals.iter().map(Interval::features).max().unwrap_or(1);
        unit::chunks(functions, widest * self.set.rows())
    }

    fn start(&self, functions: usize) -> Pass {
        let pulled = (0..=self.relaxations.len()).map(|_| None).collect();
        let zeros = vec![0.0; self.set.rows() * functions];
        Pass { pulled, constants: [zeros.clone(), zeros] }
    }

    /// The first step from the features of a value themselves.
    fn start_at_unit(
        &self,
        pass: &mut Pass,
        value: Value,
        unit: &Unit,
        functions: std::ops::Range<usize>,
    ) {
        let reach = self.relaxations[value - 1].reach();
        let features = self.intervals[value].features();
        let error = self.rounding_of(value);
        for (row, reach) in reach.chunks_exact(features).enumerate() {
            for (number, function) in functions.clone().enumerate() {
                let at = row * functions.len() + number;
                let error = error * reach[function] + super::UNDERFLOW;
                pass.constants[0][at] = unit.constants[function] - error;
                pass.constants[1][at] = -unit.constants[function] - error;
            }
        }
        let below = unit.rows(functions);
        let input = self.bounder.network.nodes[value - 1].inputs[0];
        pass.accumulate(input, Functions { below, above: None });
    }
}

impl LinearBounds {
    /// Bounds of functions that follow one another, whose upper functions are still those below
    /// the negatives.
    fn of_parts(parts: Vec<Self>, rows: usize) -> Result<Self, String> {
        let width = |constants: &[f64]| constants.len() / rows;
        let join = |of: &dyn Fn(&Self) -> &[f64]| -> Vec<f64> {
            let row = |row: usize| {
                let part = move |part| {
                    let numbers: &[f64] = of(part);
                    &numbers[row * width(numbers)..][..width(numbers)]
                };
                parts.iter().flat_map(part).copied()
            };
            (0..rows).flat_map(row).collect()
        };
        let interval = Interval::new(
            rows,
            join(&|part| &part.interval.low),
            join(&|part| &part.interval.high),
        )?;
        let lower_constants = join(&|part| &part.lower_constants);
        let upper_constants = join(&|part| &part.upper_constants).into_iter().map(|x| -x).collect();
        let cat = |tensors: Vec<Tensor<3>>| {
            let all = |tensor: Tensor<3>| {
                let [_, count, features] = tensor.dims();
                tensor.expand([rows, count, features])
            };
            Tensor::cat(tensors.into_iter().map(all).collect(), 1)
        };
        let (lower, upper) = parts.into_iter().map(|part| (part.lower, part.upper)).unzip();
        let (lower, upper) = (cat(lower), -cat(upper));
        Ok(Self { lower, lower_constants, upper, upper_constants, interval })
    }
}
