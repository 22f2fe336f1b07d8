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
//! CROWN takes products with matrices, and for small balls is as close.
//!
//! **Rounding.** A chain of k products errs by at most `k gamma` times the product of absolute
//! values (Higham 2002, section 3.5), of which `sizes` keeps the values for absolute changes. These
//! are charged to every length.

use burn::tensor::Tensor;

use super::bounder::CHUNK_ENTRIES;
use super::interval::Interval;
use super::real::{self, rounding};
use super::secants::{self, Secant};
use super::set::{absolute, dot};
use super::spectral::spectral_norm;
use super::{Bounder, InputSet, Method, Norm, Relaxation, UNDERFLOW};
use crate::graph::Node;
use crate::ops::{Activation, Calculus, Evaluation, Operator};
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

/// How much weightings after the first count when errors are balanced.
const OTHERS: f64 = 0.1;

/// How far weighted outputs move from what they are at a point, at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Lengths {
    /// The Euclidean length of all rows together.
    pub norm: f64,
    /// The absolute value of each row.
    pub rows: Vec<f64>,
}

/// Linear functions, pulled back with the slopes c.
struct Pulled {
    /// `[k, input features]` flattened.
    input: Vec<f64>,
    /// Of the outputs of every layer's free features, `[k, free]` flattened; none for zeros.
    layers: Vec<Option<Vec<f64>>>,
}

/// The weights g of a layer, and what they lead to.
struct Balance {
    /// `e / g`.
    inverse: Vec<f64>,
    /// `|g t|` at most.
    length: f64,
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
        let largest = |row: &[f64]| row.iter().fold(0.0, |m: f64, a| m.max(a.abs()));
        let norms = jacobian.chunks_exact(self.point.len());
        let norms = norms.map(|row| [largest(row), dot(row, row).sqrt()]).collect();
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
        let step = (CHUNK_ENTRIES / widest).max(1);
        let mut all = Pulled { input: vec![], layers: free.iter().map(|_| None).collect() };
        for features in features.chunks(step) {
            let pulled = self.pull_chunk(value, features, slopes, free);
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
                let width = self.centre[input].features();
                let mut chosen = Vec::with_capacity(features.len() * width);
                for feature in features {
                    chosen.extend_from_slice(&unit.rows[feature * width..][..width]);
                }
                pulled[input] = Some(real::tensor(chosen, [1, features.len(), width]));
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
        let weightings = [weighting];
        let count = self.counts(&weightings)?[0];
        let slopes: Vec<&[f64]> = self.layers.iter().map(|layer| &layer.tangents[..]).collect();
        Ok(self.pull(self.start(&weightings, count), count, &slopes, &[]).input)
    }

    /// The rows of every weighting.
    fn counts(&self, weightings: &[Vec<Option<Tensor<2>>>]) -> Result<Vec<usize>, Error> {
        let network = &self.bounder.network;
        let count = |weighting: &Vec<Option<Tensor<2>>>| {
            let count = weighting.iter().flatten().next().map_or(0, |tensor| tensor.dims()[0]);
            let fits = |(output, tensor): (usize, &Option<Tensor<2>>)| {
                let expected = [count, network.output_features(output)];
                tensor.as_ref().is_none_or(|tensor| tensor.dims() == expected)
            };
            let all_fit = weighting.iter().enumerate().all(fits);
            let fits = weighting.len() == network.output_count() && count > 0 && all_fit;
            fits.then_some(count)
        };
        let counts: Option<Vec<usize>> = weightings.iter().map(count).collect();
        counts.ok_or_else(|| Error::Bounds("weightings do not fit the outputs".to_string()))
    }

    /// All weightings one below the other, `count` rows, before they are pulled back.
    fn start(&self, weightings: &[Vec<Option<Tensor<2>>>], count: usize) -> Vec<Option<Tensor<3>>> {
        let network = &self.bounder.network;
        let mut start: Vec<Option<Tensor<3>>> = self.centre.iter().map(|_| None).collect();
        for (output, &value) in network.outputs.iter().enumerate() {
            let features = network.output_features(output);
            let mut rows = Vec::with_capacity(count * features);
            for weighting in weightings {
                let count = weighting.iter().flatten().next().map_or(0, |tensor| tensor.dims()[0]);
                match &weighting[output] {
                    Some(tensor) => rows.extend(real::numbers(tensor.clone())),
                    None => rows.resize(rows.len() + count * features, 0.0),
                }
            }
            let tensor = real::tensor(rows, [1, count, features]);
            start[value] = Some(match start[value].take() {
                Some(sum) => sum + tensor,
                None => tensor,
            });
        }
        start
    }

    /// The relative error of all chains of products.
    fn rounding(&self) -> f64 {
        let widest = self.centre.iter().map(Interval::features).max().unwrap_or(1);
        let readers: usize = self.bounder.network.nodes.iter().map(|node| node.inputs.len()).sum();
        let steps = (self.centre.len() + readers + 4) * (self.layers.len() + 2);
        2.0 * steps as f64 * rounding(widest + readers)
    }
}

/// The way of all changes within a set from the input to the outputs.
struct Sweep<'a> {
    differences: &'a Differences<'a>,
    set: &'a InputSet,
    /// Middles and half the widths of the intervals of changes of the input.
    middles: Vec<f64>,
    halves: Vec<f64>,
    /// Of every value.
    changes: Vec<Interval>,
    /// What changes are beyond those by the Jacobian at the point.
    remainders: Vec<Interval>,
    sizes: Vec<Vec<f64>>,
    slopes: Vec<Slopes>,
}

impl<'a> Sweep<'a> {
    fn new(differences: &'a Differences<'a>, set: &'a InputSet) -> Result<Self, String> {
        let [low, high] = set.changes(0);
        let both = || low.iter().zip(&high);
        let middles = both().map(|(low, high)| 0.5 * (low + high)).collect();
        let halves = both().map(|(low, high)| 0.5 * (high - low)).collect();
        let changes = Interval::new(1, low, high)?;
        let none = vec![0.0; differences.point.len()];
        let remainders = vec![Interval::new(1, none.clone(), none)?];
        let sizes = vec![changes.magnitudes()];
        Ok(Self {
            differences,
            set,
            middles,
            halves,
            changes: vec![changes],
            remainders,
            sizes,
            slopes: vec![],
        })
    }

    /// Through an affine operator.
    fn map(&mut self, node: usize) -> Result<(), String> {
        let bounder = self.differences.bounder;
        let absolute = bounder.absolute(node);
        let Node { operator, inputs } = &bounder.network.nodes[node];
        let of = |values: &'_ [Interval]| -> Result<Interval, String> {
            let inputs: Vec<&Interval> = inputs.iter().map(|&value| &values[value]).collect();
            difference(operator, absolute, &inputs)
        };
        let (changes, remainders) = (of(&self.changes)?, of(&self.remainders)?);
        self.changes.push(changes);
        self.remainders.push(remainders);
        let sizes: Vec<&[f64]> = inputs.iter().map(|&value| &self.sizes[value][..]).collect();
        self.sizes.push(image(absolute, &sizes));
        Ok(())
    }

    /// Through an element-wise function.
    fn bend(&mut self, layer: &Layer, activation: &Activation) -> Result<(), String> {
        let range = self.range(layer)?;
        let centre = &self.differences.centre[layer.input];
        let arguments: (Vec<f64>, Vec<f64>) = (centre.ends().zip(range.ends()))
            .map(|(at, by)| (outward(at[0] + by[0], -1.0), outward(at[1] + by[1], 1.0)))
            .unzip();
        let arguments = Interval::new(1, arguments.0, arguments.1)?;
        let pieces = activation.pieces(&arguments)?;
        let count = layer.tangents.len();
        let mut ends = [(); 4].map(|()| Vec::with_capacity(count));
        let mut sizes = Vec::with_capacity(count);
        let mut slopes =
            Slopes { centres: Vec::with_capacity(count), free: vec![], halves: vec![] };
        let remainders = self.remainders[layer.input].ends();
        let terms = centre.ends().zip(arguments.ends()).zip(range.ends().zip(remainders));
        for (feature, ((start, to), (by, rest))) in terms.enumerate() {
            let tangent = layer.tangents[feature];
            let Secant { slopes: [low, high], remainder } =
                secants::secant(&pieces, start, to, tangent);
            let half = 0.5 * (high - low);
            slopes.centres.push(0.5 * (low + high));
            if half != 0.0 {
                slopes.free.push(feature);
                slopes.halves.push(half * (1.0 + 1e-12) + 1e-15 * low.abs().max(high.abs()));
            }
            // Changes are from below 0 to above.
            let change = [(low * by[1]).min(high * by[0]), (low * by[0]).max(high * by[1])];
            let rest = if tangent < 0.0 { [rest[1], rest[0]] } else { rest };
            for (end, value, sign) in [
                (0, change[0], -1.0),
                (1, change[1], 1.0),
                (2, tangent * rest[0] + remainder[0], -1.0),
                (3, tangent * rest[1] + remainder[1], 1.0),
            ] {
                ends[end].push(outward(value, sign));
            }
            let steepest = low.abs().max(high.abs()).max(tangent.abs());
            sizes.push(steepest * self.sizes[layer.input][feature]);
        }
        let [low, high, rest_low, rest_high] = ends;
        self.changes.push(Interval::new(1, low, high)?);
        self.remainders.push(Interval::new(1, rest_low, rest_high)?);
        self.sizes.push(sizes);
        self.slopes.push(slopes);
        Ok(())
    }

    /// How much each of the numbers that a function reads can change.
    fn range(&self, layer: &Layer) -> Result<Interval, String> {
        let features = self.differences.point.len();
        let charge = self.differences.rounding();
        let (mut low, mut high) = (vec![], vec![]);
        let rows = layer.jacobian.chunks_exact(features).zip(&layer.norms);
        let rests = self.remainders[layer.input].ends();
        for (feature, ((row, &[largest, norm]), rest)) in rows.zip(rests).enumerate() {
            let error = charge * self.sizes[layer.input][feature] + UNDERFLOW;
            let ball = self.set.largest_change(0, largest, norm);
            let (middle, half) = (dot(row, &self.middles), absolute(row, &self.halves));
            let (least, most) = (middle - half, middle + half);
            low.push(least.max(-ball) + rest[0] - error);
            high.push(most.min(ball) + rest[1] + error);
        }
        // What interval arithmetic says holds as well; a change of 0 is possible.
        let both = self.changes[layer.input].intersect(low, high)?;
        let (low, high) = both.ends().map(|[low, high]| (low.min(0.0), high.max(0.0))).unzip();
        Interval::new(1, low, high)
    }
}

impl Span<'_> {
    /// How far `W f` moves, for every weighting W. The first counts most where the bounds of one
    /// could be improved at the expense of others.
    ///
    /// # Shapes
    /// Of each weighting `[k, features]` for every output, or none where it does not count.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn lengths(&self, weightings: &[Vec<Option<Tensor<2>>>]) -> Result<Vec<Lengths>, Error> {
        let differences = self.differences;
        let counts = differences.counts(weightings)?;
        let (start, errors) = self.start(weightings, counts.iter().sum());
        let (centres, free) = self.slopes();
        let pulled = differences.pull(start, errors.len(), &centres, &free);
        let balances = self.balances(&pulled, counts.first().copied().unwrap_or(0));
        let mut first = 0;
        let lengths = counts.iter().map(|&count| {
            let rows = first..first + count;
            first += count;
            self.length(&pulled, rows.clone(), &errors[rows], &balances)
        });
        Ok(lengths.collect())
    }

    /// All weightings one below the other before they are pulled back, and what rounding can change
    /// of each row.
    fn start(
        &self,
        weightings: &[Vec<Option<Tensor<2>>>],
        count: usize,
    ) -> (Vec<Option<Tensor<3>>>, Vec<f64>) {
        let start = self.differences.start(weightings, count);
        let mut errors = vec![0.0; count];
        for (value, tensor) in start.iter().enumerate() {
            let Some(tensor) = tensor else { continue };
            let features = tensor.dims()[2];
            let numbers = real::numbers(tensor.clone());
            for (error, row) in errors.iter_mut().zip(numbers.chunks_exact(features)) {
                *error += absolute(row, &self.sizes[value]);
            }
        }
        let charge = self.differences.rounding();
        errors.iter_mut().for_each(|error| *error = charge * *error + UNDERFLOW);
        (start, errors)
    }

    fn slopes(&self) -> (Vec<&[f64]>, Vec<&[usize]>) {
        self.slopes.iter().map(|slopes| (&slopes.centres[..], &slopes.free[..])).unzip()
    }

    /// Weights of every layer, from the first to the last, for weightings of which the first has
    /// `guide` rows.
    fn balances(&self, weighted: &Pulled, guide: usize) -> Vec<Balance> {
        let differences = self.differences;
        let features = differences.point.len();
        let (centres, free) = self.slopes();
        let mut balances: Vec<Balance> = vec![];
        for (number, (layer, slopes)) in differences.layers.iter().zip(&self.slopes).enumerate() {
            let count = slopes.free.len();
            // What no weighting depends on needs no bound.
            let Some(columns) = weighted.layers[number].as_ref().filter(|_| count > 0) else {
                balances
                    .push(Balance { inverse: vec![f64::INFINITY; count], length: f64::INFINITY });
                continue;
            };
            let before = (&centres[..number], &free[..number]);
            let mut pulled =
                differences.pull_features(layer.input, &slopes.free, before.0, before.1);
            let (guide, others) = columns.split_at(guide * count);
            let both = column_norms(guide, count).into_iter().zip(column_norms(others, count));
            let above = floored(both.map(|(guide, others)| guide.hypot(OTHERS * others)).collect());
            let below = pulled.input.chunks_exact(features).map(|row| dot(row, row).sqrt());
            let below = floored(below.collect());
            let weight = |((half, above), below): ((&f64, f64), f64)| (half * above / below).sqrt();
            let weights: Vec<f64> =
                slopes.halves.iter().zip(above).zip(below).map(weight).collect();
            let inverse: Vec<f64> =
                slopes.halves.iter().zip(&weights).map(|(e, g)| e / g).collect();
            scale_rows(&mut pulled.input, features, &weights);
            let mut length = spectral_norm(&pulled.input, features) * self.longest;
            for (balance, part) in balances.iter().zip(pulled.layers) {
                let Some(mut part) = part.filter(|part| !part.is_empty()) else { continue };
                let width = balance.inverse.len();
                scale_rows(&mut part, width, &weights);
                length += balanced(part, balance) * balance.length;
            }
            let sizes = slopes.free.iter().map(|&feature| self.sizes[layer.input][feature]);
            let error = weights.iter().zip(sizes).map(|(g, size)| (g * size).powi(2)).sum::<f64>();
            length += differences.rounding() * error.sqrt() + UNDERFLOW;
            balances.push(Balance { inverse, length: length * (1.0 + 1e-12) });
        }
        balances
    }

    /// Of some of the rows that were pulled back.
    fn length(
        &self,
        pulled: &Pulled,
        span: std::ops::Range<usize>,
        errors: &[f64],
        balances: &[Balance],
    ) -> Lengths {
        let features = self.differences.point.len();
        let input = &pulled.input[span.start * features..span.end * features];
        let mut rows: Vec<f64> = input
            .chunks_exact(features)
            .map(|row| dot(row, row).sqrt() * self.longest * (1.0 + rounding(features)))
            .collect();
        let mut norm = spectral_norm(input, features) * self.longest;
        for (balance, part) in balances.iter().zip(&pulled.layers) {
            let Some(part) = part.as_ref().filter(|part| !part.is_empty()) else { continue };
            let width = balance.inverse.len();
            let part = &part[span.start * width..span.end * width];
            for (row, part) in rows.iter_mut().zip(part.chunks_exact(width)) {
                let scaled = part.iter().zip(&balance.inverse).map(|(a, b)| (a * b).powi(2));
                *row += scaled.sum::<f64>().sqrt() * balance.length;
            }
            norm += balanced(part.to_vec(), balance) * balance.length;
        }
        norm += dot(errors, errors).sqrt();
        let slack = 1.0 + rounding(features);
        let rows: Vec<f64> = rows.iter().zip(errors).map(|(row, e)| (row + e) * slack).collect();
        let norm = (norm * slack).min(dot(&rows, &rows).sqrt() * slack);
        Lengths { norm, rows }
    }
}

/// `|part diag(e/g)|_2`.
fn balanced(mut part: Vec<f64>, balance: &Balance) -> f64 {
    for row in part.chunks_exact_mut(balance.inverse.len()) {
        row.iter_mut().zip(&balance.inverse).for_each(|(entry, scale)| *entry *= scale);
    }
    spectral_norm(&part, balance.inverse.len())
}

fn scale_rows(matrix: &mut [f64], columns: usize, scales: &[f64]) {
    for (row, scale) in matrix.chunks_exact_mut(columns).zip(scales) {
        row.iter_mut().for_each(|entry| *entry *= scale);
    }
}

fn column_norms(matrix: &[f64], columns: usize) -> Vec<f64> {
    let mut squares = vec![0.0; columns];
    for row in matrix.chunks_exact(columns) {
        squares.iter_mut().zip(row).for_each(|(sum, entry)| *sum += entry * entry);
    }
    squares.into_iter().map(f64::sqrt).collect()
}

/// Norms that are not 0, so that all weights are positive.
fn floored(mut norms: Vec<f64>) -> Vec<f64> {
    let largest = norms.iter().copied().fold(0.0, f64::max);
    let least = if largest > 0.0 { 1e-6 * largest } else { 1.0 };
    norms.iter_mut().for_each(|norm| *norm = norm.max(least));
    norms
}

/// Where an affine operator takes changes within intervals.
fn difference(
    operator: &Operator,
    absolute: &Operator,
    changes: &[&Interval],
) -> Result<Interval, String> {
    let part = |of: fn([f64; 2]) -> f64| -> Vec<Vec<f64>> {
        changes.iter().map(|change| change.ends().map(of).collect()).collect()
    };
    let image_of = |operator: &Operator, parts: Vec<Vec<f64>>| {
        image(operator, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    let centres = image_of(operator, part(|[low, high]| 0.5 * low + 0.5 * high));
    let radii = image_of(absolute, part(|[low, high]| 0.5 * high - 0.5 * low));
    let reach = image_of(absolute, part(|[low, high]| high.max(-low)));
    let terms = changes.iter().map(|change| change.features()).sum();
    let error = 4.0 * rounding(terms);
    let radii: Vec<f64> = radii
        .iter()
        .zip(&reach)
        .map(|(radius, reach)| radius + error * reach + UNDERFLOW)
        .collect();
    let low = centres.iter().zip(&radii).map(|(centre, radius)| centre - radius).collect();
    let high = centres.iter().zip(&radii).map(|(centre, radius)| centre + radius).collect();
    Interval::new(1, low, high)
}

/// The linear part of an affine operator.
fn image(operator: &Operator, changes: &[&[f64]]) -> Vec<f64> {
    let zeros: Vec<Tensor<2>> = changes
        .iter()
        .map(|change| real::tensor(vec![0.0; change.len()], [1, change.len()]))
        .collect();
    let tangents: Vec<Tensor<3>> =
        changes.iter().map(|change| real::tensor(change.to_vec(), [1, 1, change.len()])).collect();
    let inputs: Vec<&Tensor<2>> = zeros.iter().collect();
    let at = Evaluation { inputs: &inputs, output: inputs[0] };
    real::numbers(operator.jvp(at, &tangents))
}

/// Rounded outward by more than a few operations can err.
fn outward(x: f64, sign: f64) -> f64 {
    x + sign * (4.0 * f64::EPSILON * x.abs() + UNDERFLOW)
}
