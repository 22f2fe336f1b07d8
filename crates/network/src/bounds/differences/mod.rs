//! How far outputs can move from what they are at a point.
//!
//! CROWN bounds values by linear functions with offsets, output by output; what is asked here is the
//! length of a difference, `|W (f(x + d) - f(x))|`, which needs neither. In a network of affine and
//! element-wise operators every function is replaced by the slopes of its secants through its value
//! at x, `f(z) - f(z0) = S (z - z0)` exactly, with `S = c + e E`, `|E| <= 1` and `c`, `e` from the
//! range of z (`secants`). With `t_j` the change of what the j-th function reads and `y_j = E e t_j`,
//!
//! ```text
//! t_j = B_j d + sum_(i<j) A_ji y_i,      W (f(x + d) - f(x)) = T d + sum_j A_j y_j,
//! ```
//!
//! where `B`, `A` and `T` are parts of the network with slopes c. For any weights `g > 0`,
//! `|A_j y_j| <= |A_j diag(e/g)|_2 |g t_j|`, and so on downward; weights that balance the columns of
//! `A_j` against the rows of `B_j` are close to the best. Where no function bends, that is `|T|_2 |d|`:
//! exact. It replaces the expansion of Jacobians about slopes of one half, whose ranges, those of
//! the derivative, are twice as wide.
//!
//! **Ranges.** The network is linear about x but for remainders of the functions: z changes by
//! `B d`, with B the Jacobian at x, which is formed once for all radii, and by an interval that
//! interval arithmetic carries from function to function. That costs two products with vectors where
//! CROWN takes products with matrices, and for small balls is as close. Where the ball alone would let a
//! function bend, `B d` is bounded over the ball and the box together.
//!
//! **Rounding.** A chain of k products errs by at most `k gamma` times the product of absolute
//! values (Higham 2002, section 3.5), of which `sizes` keeps the values for absolute changes. These
//! are charged to every length.

mod lengths;
mod sweep;

use burn::tensor::Tensor;

pub use lengths::Lengths;
use sweep::Sweep;

use super::interval::Interval;
use super::real::{self, rounding};
use super::secants;
use super::set::length;
use super::unit;
use super::{Bounder, InputSet, Method, Norm, Relaxation};
use crate::ops::{Activation, Calculus, Operator};
use crate::{Error, Value};

/// Differences from the outputs at one point.
#[derive(Debug)]
pub struct Differences<'a> {
    bounder: &'a Bounder,
    point: Vec<f64>,
    /// Of every value at the point, with all rounding.
    centre: Vec<Interval>,
    /// Of affine nodes.
    relaxations: Vec<Option<Box<dyn Relaxation>>>,
    /// The element-wise functions in order.
    layers: Vec<Layer>,
}

/// An element-wise function at the point.
#[derive(Debug)]
struct Layer {
    node: usize,
    /// What it reads.
    input: Value,
    /// Derivatives at the point.
    tangents: Vec<f64>,
    /// Of what it reads by the input, `[features, input features]` flattened.
    jacobian: Vec<f64>,
    /// Largest absolute entry and Euclidean norm of every row of the Jacobian.
    norms: Vec<[f64; 2]>,
}

/// What is known of all changes within a set.
#[derive(Debug)]
pub struct Span<'a> {
    differences: &'a Differences<'a>,
    /// Length of a change of the input, at most.
    longest: f64,
    /// Absolute values of changes of every value, and of all sums that make them up.
    sizes: Vec<Vec<f64>>,
    /// Centre and half the width of the slopes of every layer.
    slopes: Vec<Slopes>,
}

#[derive(Debug)]
struct Slopes {
    centres: Vec<f64>,
    /// Features whose slope is not known exactly.
    free: Vec<usize>,
    /// Half the width of the range of slopes of these.
    halves: Vec<f64>,
}

/// Linear functions of all outputs.
#[derive(Debug)]
struct Weighting {
    /// `[rows, columns]` flattened.
    entries: Vec<f64>,
    rows: usize,
    columns: usize,
}

impl Weighting {
    /// Of what is given for all outputs, `[columns, width]` flattened.
    fn of(&self, outputs: &[f64]) -> Vec<f64> {
        let width = outputs.len() / self.columns;
        if width == 0 {
            return vec![];
        }
        let weights = real::tensor(self.entries.clone(), [self.rows, self.columns]);
        real::numbers(weights.matmul(real::tensor(outputs.to_vec(), [self.columns, width])))
    }
}

/// Linear functions, pulled back with the slopes c.
struct Pulled {
    /// `[k, input features]` flattened.
    input: Vec<f64>,
    /// Of the outputs of every layer's free features, `[k, free]` flattened; none for zeros.
    layers: Vec<Option<Vec<f64>>>,
}

impl Bounder {
    /// Differences from the outputs at a point.
    ///
    /// # Errors
    /// If the point does not fit, a value is not finite, or an operator is neither affine nor
    /// element-wise, with its name.
    pub fn differences(&self, point: &[f64]) -> Result<Differences<'_>, Error> {
        let nodes = &self.network.nodes;
        for (node, operator) in nodes.iter().map(|node| &node.operator).enumerate() {
            if !operator.is_affine() && !matches!(operator, Operator::Activation(_)) {
                let reason = "has no rule for the length of differences".to_string();
                return Err(Error::Unbounded { node, operator: operator.name(), reason });
            }
        }
        let row = real::tensor(point.to_vec(), [1, point.len()]);
        let set = InputSet::ball(Norm::L2, row, &[0.0])?;
        let centre = self.bounds(&set, Method::Interval)?.intervals;
        let mut relaxations = vec![];
        for (position, node) in nodes.iter().enumerate() {
            let inputs: Vec<&Interval> = node.inputs.iter().map(|&value| &centre[value]).collect();
            let fail = |reason| self.unbounded(position, reason);
            let affine = node.operator.is_affine().then(|| node.operator.relax(&inputs));
            relaxations.push(affine.transpose().map_err(fail)?);
        }
        let point = point.to_vec();
        let mut differences =
            Differences { bounder: self, point, centre, relaxations, layers: vec![] };
        for (node, config) in nodes.iter().enumerate() {
            if let Operator::Activation(activation) = &config.operator {
                let layer = differences.layer(node, config.inputs[0], activation);
                differences.layers.push(layer.map_err(|reason| self.unbounded(node, reason))?);
            }
        }
        Ok(differences)
    }

    fn unbounded(&self, node: usize, reason: String) -> Error {
        Error::Unbounded { node, operator: self.network.nodes[node].operator.name(), reason }
    }
}

impl Differences<'_> {
    /// The layer of an element-wise function, given all before it.
    fn layer(&self, node: usize, input: Value, activation: &Activation) -> Result<Layer, String> {
        let centre = &self.centre[input];
        let pieces = activation.pieces(centre)?;
        let middle = |[low, high]: [f64; 2]| 0.5 * (low + high);
        let tangents: Vec<f64> =
            centre.ends().map(|ends| secants::tangent(&pieces, middle(ends))).collect();
        if tangents.iter().any(|tangent| !tangent.is_finite()) {
            return Err("has no derivative at the point".to_string());
        }
        let all: Vec<usize> = (0..tangents.len()).collect();
        let slopes: Vec<&[f64]> = self.layers.iter().map(|layer| &layer.tangents[..]).collect();
        let jacobian = self.pull_features(input, &all, &slopes, &[]).input;
        if jacobian.iter().any(|entry| !entry.is_finite()) {
            return Err("has a Jacobian before it that is not finite".to_string());
        }
        let largest = |row: &[f64]| row.iter().fold(0.0, |m: f64, a| m.max(a.abs()));
        let norms = jacobian.chunks_exact(self.point.len());
        let norms = norms.map(|row| [largest(row), length(row)]).collect();
        Ok(Layer { node, input, tangents, jacobian, norms })
    }

    /// Coefficients of a value's features on their way back to the input. `slopes` are those of the
    /// layers before, and `free` the features of these to tell the coefficients of.
    fn pull_features(
        &self,
        value: Value,
        features: &[usize],
        slopes: &[&[f64]],
        free: &[&[usize]],
    ) -> Pulled {
        let widest = self.centre.iter().map(Interval::features).max().unwrap_or(1);
        let mut all = Pulled { input: vec![], layers: free.iter().map(|_| None).collect() };
        for numbers in unit::chunks(features.len(), widest) {
            let pulled = self.pull_chunk(value, &features[numbers], slopes, free);
            all.input.extend(pulled.input);
            for (all, part) in all.layers.iter_mut().zip(pulled.layers) {
                if let Some(part) = part {
                    all.get_or_insert_default().extend(part);
                }
            }
        }
        all
    }

    fn pull_chunk(
        &self,
        value: Value,
        features: &[usize],
        slopes: &[&[f64]],
        free: &[&[usize]],
    ) -> Pulled {
        let width = self.centre[value].features();
        let mut pulled: Vec<Option<Tensor<3>>> = self.centre.iter().map(|_| None).collect();
        let relaxation = value.checked_sub(1).and_then(|node| self.relaxations[node].as_deref());
        let unit = relaxation.and_then(|relaxation| self.bounder.unit(value, relaxation));
        match unit {
            Some(unit) => {
                let input = self.bounder.network.nodes[value - 1].inputs[0];
                pulled[input] = Some(unit.rows(features.iter().copied()));
            }
            None => {
                let mut chosen = vec![0.0; features.len() * width];
                for (row, feature) in features.iter().enumerate() {
                    chosen[row * width + feature] = 1.0;
                }
                pulled[value] = Some(real::tensor(chosen, [1, features.len(), width]));
            }
        }
        self.pull(pulled, features.len(), slopes, free)
    }

    fn pull(
        &self,
        mut pulled: Vec<Option<Tensor<3>>>,
        count: usize,
        slopes: &[&[f64]],
        free: &[&[usize]],
    ) -> Pulled {
        let mut layers: Vec<Option<Vec<f64>>> = free.iter().map(|_| None).collect();
        for (node, config) in self.bounder.network.nodes.iter().enumerate().rev() {
            let Some(coefficients) = pulled[node + 1].take() else { continue };
            let parts = match &self.relaxations[node] {
                Some(relaxation) => relaxation.pull(coefficients).inputs,
                None => {
                    let number = self.layers.iter().position(|layer| layer.node == node);
                    let number = number.expect("only layers before this value are reached");
                    let shape = coefficients.dims();
                    let mut numbers = real::numbers(coefficients);
                    if let Some(free) = free.get(number) {
                        let mut chosen = Vec::with_capacity(count * free.len());
                        for row in numbers.chunks_exact(shape[2]) {
                            chosen.extend(free.iter().map(|&feature| row[feature]));
                        }
                        layers[number] = Some(chosen);
                    }
                    for row in numbers.chunks_exact_mut(shape[2]) {
                        row.iter_mut().zip(slopes[number]).for_each(|(a, slope)| *a *= slope);
                    }
                    vec![Some(real::tensor(numbers, shape))]
                }
            };
            for (&input, part) in config.inputs.iter().zip(parts) {
                pulled[input] = match (pulled[input].take(), part) {
                    (Some(sum), Some(part)) => Some(sum + part),
                    (sum, part) => sum.or(part),
                };
            }
        }
        let none = || vec![0.0; count * self.point.len()];
        let input = pulled[0].take().map_or_else(none, real::numbers);
        Pulled { input, layers }
    }

    /// What is known of all changes of the point within a set of one row about it.
    ///
    /// # Errors
    /// If the set is not about the point, or bounds are not finite.
    pub fn within(&self, set: &InputSet) -> Result<Span<'_>, Error> {
        if set.rows() != 1 || set.centre(0) != self.point {
            return Err(Error::Bounds("expects a set about the point".to_string()));
        }
        let sweep = Sweep::new(self, set).map_err(Error::Bounds)?;
        let nodes = &self.bounder.network.nodes;
        let mut layers = self.layers.iter();
        let mut sweep = sweep;
        for (position, node) in nodes.iter().enumerate() {
            let fail = |reason| self.bounder.unbounded(position, reason);
            match &node.operator {
                Operator::Activation(activation) => {
                    let layer = layers.next().expect("one for each element-wise function");
                    sweep.bend(layer, activation).map_err(fail)?;
                }
                _ => sweep.map(position).map_err(fail)?,
            }
        }
        let Sweep { sizes, slopes, .. } = sweep;
        Ok(Span { differences: self, longest: set.longest(0), sizes, slopes })
    }

    /// The derivative of weighted outputs at the point, but for rounding.
    ///
    /// # Shapes
    /// Of the weighting `[k, features]` for every output, or none where it does not count; result
    /// `[k, input features]` flattened.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn jacobian(&self, weighting: Vec<Option<Tensor<2>>>) -> Result<Vec<f64>, Error> {
        let weighting = self.weighting(&weighting)?;
        let slopes: Vec<&[f64]> = self.layers.iter().map(|layer| &layer.tangents[..]).collect();
        Ok(weighting.of(&self.pull_outputs(&slopes, &[]).input))
    }

    /// All outputs' features, one after the other.
    fn pull_outputs(&self, slopes: &[&[f64]], free: &[&[usize]]) -> Pulled {
        let network = &self.bounder.network;
        let mut all = Pulled { input: vec![], layers: free.iter().map(|_| None).collect() };
        let mut before = 0;
        for (output, &value) in network.outputs.iter().enumerate() {
            let features: Vec<usize> = (0..network.output_features(output)).collect();
            let pulled = self.pull_features(value, &features, slopes, free);
            all.input.extend(pulled.input);
            // An output that does not depend on a layer has zeros there.
            for ((all, part), free) in all.layers.iter_mut().zip(pulled.layers).zip(free) {
                let zeros = |count: usize| vec![0.0; count * free.len()];
                match (all, part) {
                    (Some(all), Some(part)) => all.extend(part),
                    (Some(all), None) => all.extend(zeros(features.len())),
                    (all @ None, Some(part)) => *all = Some([zeros(before), part].concat()),
                    (None, None) => {}
                }
            }
            before += features.len();
        }
        all
    }

    /// A weighting with one column for every feature of every output.
    fn weighting(&self, parts: &[Option<Tensor<2>>]) -> Result<Weighting, Error> {
        let network = &self.bounder.network;
        let fail = || Error::Bounds("weightings do not fit the outputs".to_string());
        let rows = parts.iter().flatten().next().map_or(0, |tensor| tensor.dims()[0]);
        let fits = |(output, tensor): (usize, &Option<Tensor<2>>)| {
            let expected = [rows, network.output_features(output)];
            tensor.as_ref().is_none_or(|tensor| tensor.dims() == expected)
        };
        if parts.len() != network.output_count() || rows == 0 || !parts.iter().enumerate().all(fits)
        {
            return Err(fail());
        }
        let columns = (0..parts.len()).map(|output| network.output_features(output)).sum();
        let mut entries = vec![0.0; rows * columns];
        let mut first = 0;
        for (output, part) in parts.iter().enumerate() {
            let features = network.output_features(output);
            let numbers = part.clone().map(real::numbers).unwrap_or_default();
            for (row, numbers) in numbers.chunks_exact(features).enumerate() {
                entries[row * columns + first..][..features].copy_from_slice(numbers);
            }
            first += features;
        }
        Ok(Weighting { entries, rows, columns })
    }

    /// The relative error of all chains of products.
    fn rounding(&self) -> f64 {
        let network = &self.bounder.network;
        let outputs: usize = (0..network.output_count()).map(|i| network.output_features(i)).sum();
        let widest = self.centre.iter().map(Interval::features).max().unwrap_or(1).max(outputs);
        let readers: usize = network.nodes.iter().map(|node| node.inputs.len()).sum();
        let steps = (self.centre.len() + readers + 6) * (self.layers.len() + 2);
        2.0 * steps as f64 * rounding(widest + readers)
    }
}
