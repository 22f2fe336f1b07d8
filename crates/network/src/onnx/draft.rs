//! A network under construction: operators with their parameters, before they are tensors.

use std::path::Path;

use burn::tensor::Device;

use super::array::{Array, positions};
use super::limits::product;
use super::value::Features;
use crate::ops::{
    ActivationConfig, AddConfig, ElementwiseAffineConfig, Function, GatherConfig, Indices,
    Initialiser, LinearConfig, OperatorConfig, ReshapeConfig,
};
use crate::{Error, Network, NetworkBuilder, Weights};

/// A stored parameter: its name in the operator, shape and values.
pub(crate) type Parameter = (&'static str, Vec<usize>, Vec<f32>);

/// One operator.
#[derive(Debug, Clone)]
pub(crate) struct DraftNode {
    pub(crate) operator: OperatorConfig,
    pub(crate) from: Vec<usize>,
    pub(crate) parameters: Vec<Parameter>,
    /// Sample shape of the output.
    pub(crate) shape: Vec<usize>,
}

/// Operators in the order of their evaluation.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) input_shape: Vec<usize>,
    pub(crate) nodes: Vec<DraftNode>,
    /// The number of rows a graph was written for, if it was fixed.
    pub(crate) declared_rows: Option<usize>,
}

/// Rows that the layout of a value is tried with, to see that it moves no element from one
/// row to another.
pub(crate) const TRIAL_ROWS: usize = 2;

/// Stands for minus infinity, which masks of attention add: parameters are finite, and a
/// softmax makes 0 of either.
const HIDDEN: f32 = -1e30;

/// What may have gone wrong where samples seem to be mixed.
pub(crate) const ROWS_WRITTEN: &str = " (if it does not mix samples, the exporter may have \
    written the number of rows of its example into the graph: export with a batch of one row)";

impl Draft {
    pub(crate) fn new(input_shape: Vec<usize>, declared_rows: Option<usize>) -> Self {
        Self { input_shape, nodes: vec![], declared_rows }
    }

    /// The input of the network.
    pub(crate) fn input(&self) -> Features {
        Features { value: 0, shape: self.input_shape.clone(), batch: 0, merged: 1, before: 1 }
    }

    /// Adds an operator whose output has this sample shape.
    pub(crate) fn push(
        &mut self,
        operator: OperatorConfig,
        inputs: &[&Features],
        parameters: Vec<Parameter>,
        shape: Vec<usize>,
    ) -> Result<Features, String> {
        if product(&shape)? == 0 {
            return Err(format!("its output of sample shape {shape:?} is empty"));
        }
        let from = inputs.iter().map(|input| input.value).collect();
        self.nodes.push(DraftNode { operator, from, parameters, shape: shape.clone() });
        Ok(Features { value: self.nodes.len(), shape, batch: 0, merged: 1, before: 1 })
    }

    /// The same features in another sample shape.
    pub(crate) fn reshaped(&mut self, x: &Features, shape: Vec<usize>) -> Result<Features, String> {
        if x.shape == shape {
            return Ok(x.clone());
        }
        if product(&shape)? != x.count() {
            return Err(format!("cannot reshape samples of {:?} to {shape:?}", x.shape));
        }
        let config = ReshapeConfig { shape: shape.clone() };
        self.push(OperatorConfig::Reshape(config), &[x], vec![], shape)
    }

    /// An element-wise function.
    pub(crate) fn activation(
        &mut self,
        x: &Features,
        function: Function,
    ) -> Result<Features, String> {
        let operator = OperatorConfig::Activation(ActivationConfig { function });
        Ok(self.push(operator, &[x], vec![], x.shape.clone())?.placed_like(x))
    }

    /// `scale * x + shift`, both numbers.
    pub(crate) fn scaled(
        &mut self,
        x: &Features,
        scale: f32,
        shift: f32,
    ) -> Result<Features, String> {
        let whole = x.count();
        self.affine(x, whole, vec![scale], vec![shift])
    }

    /// `scale * x + shift` where each number holds for `inner` neighbouring features.
    pub(crate) fn affine(
        &mut self,
        x: &Features,
        inner: usize,
        scale: Vec<f32>,
        shift: Vec<f32>,
    ) -> Result<Features, String> {
        let size = scale.len();
        let config = ElementwiseAffineConfig { size, inner };
        let hidden = |&shift: &f32| if shift == f32::NEG_INFINITY { HIDDEN } else { shift };
        let shift = shift.iter().map(hidden).collect();
        let parameters = vec![("scale", vec![size], scale), ("shift", vec![size], shift)];
        let operator = OperatorConfig::ElementwiseAffine(config);
        Ok(self.push(operator, &[x], parameters, x.shape.clone())?.placed_like(x))
    }

    /// `x W + b` over the last axis of a sample; `weight` is `[inputs, outputs]`.
    pub(crate) fn linear(
        &mut self,
        x: &Features,
        weight: Array<f32>,
        bias: Option<Vec<f32>>,
    ) -> Result<Features, String> {
        let &[inputs, outputs] = weight.shape.as_slice() else {
            return Err(format!("a matrix of shape {:?}", weight.shape));
        };
        let mut shape = x.shape.clone();
        if shape.pop() != Some(inputs) {
            return Err(format!("a matrix of {inputs} rows for samples of {:?}", x.shape));
        }
        shape.push(outputs);
        let bias = bias.unwrap_or_else(|| vec![0.0; outputs]);
        if bias.len() != outputs {
            return Err(format!("a bias of {} numbers for {outputs} outputs", bias.len()));
        }
        let parameters =
            vec![("weight", weight.shape.clone(), weight.values), ("bias", vec![outputs], bias)];
        let operator = OperatorConfig::Linear(LinearConfig { inputs, outputs });
        // Of a sample that is one vector, whatever its axes of size 1, the operator makes a
        // vector; elsewhere it keeps the leading axes.
        let whole = x.count() == inputs;
        let made = if whole { vec![outputs] } else { shape.clone() };
        let linear = self.push(operator, &[x], parameters, made)?;
        Ok(self.reshaped(&linear, shape)?.placed_like(x))
    }

    /// Whether `value` is `ln(1 + e^x)`, by its name or written out.
    pub(crate) fn is_softplus(&self, value: &Features, x: &Features) -> bool {
        let node = |value: usize| value.checked_sub(1).map(|position| &self.nodes[position]);
        let inner = |value: usize, wanted: Function| match node(value) {
            Some(DraftNode { operator: OperatorConfig::Activation(config), from, .. })
                if config.function == wanted =>
            {
                Some(from[0])
            }
            _ => None,
        };
        let plus_one = |value: usize| match node(value) {
            Some(node) if matches!(node.operator, OperatorConfig::ElementwiseAffine(_)) => {
                let is_one = |(_, _, values): &Parameter| values == &[1.0];
                node.parameters.iter().all(is_one).then_some(node.from[0])
            }
            _ => None,
        };
        if inner(value.value, Function::Softplus) == Some(x.value) {
            return true;
        }
        inner(value.value, Function::Log)
            .and_then(plus_one)
            .and_then(|value| inner(value, Function::Exp))
            == Some(x.value)
    }

    /// Sum of two values of one shape.
    pub(crate) fn sum(&mut self, a: &Features, b: &Features) -> Result<Features, String> {
        let b = self.reshaped(b, a.shape.clone())?;
        let sum =
            self.push(OperatorConfig::Add(AddConfig {}), &[a, &b], vec![], a.shape.clone())?;
        Ok(sum.placed_like(a))
    }

    /// A value that is the same for every input.
    pub(crate) fn constant(&mut self, array: Array<f32>) -> Result<Features, String> {
        let zeros = vec![None; array.values.len()];
        let config = GatherConfig { shape: array.shape.clone(), indices: Indices::from(zeros) };
        let input = self.input();
        let zeros =
            self.push(OperatorConfig::Gather(config), &[&input], vec![], array.shape.clone())?;
        let ones = vec![1.0; array.values.len()];
        self.affine(&zeros, 1, ones, array.values)
    }

    /// Moves, repeats and drops features: `layout` is given the position of every feature, in
    /// the graph's axes with the batch among them, and returns them as the result has them.
    ///
    /// # Errors
    /// If elements of different samples would be mixed.
    pub(crate) fn moved(
        &mut self,
        x: &Features,
        layout: impl FnOnce(Array<Option<u32>>) -> Result<Array<Option<u32>>, String>,
    ) -> Result<Features, String> {
        let rows = std::iter::once(TRIAL_ROWS);
        let mut first = positions(rows.chain(x.shape.iter().copied()).collect())?;
        if x.merged > 1 {
            let rest = x.shape[1..].iter().copied();
            let after = x.merged / x.before;
            first = first
                .reshaped(vec![TRIAL_ROWS, x.before, x.count() / x.before])?
                .transposed(&[1, 0, 2])?
                .reshaped([x.before * TRIAL_ROWS * after].into_iter().chain(rest).collect())?;
        }
        let moved = layout(first.with_first_axis_at(x.batch)?)?;
        let count = x.count();
        // The axis along which nothing but the sample changes is the batch; or elements of a
        // sample, the sample, and then more elements of it.
        let mut found = None;
        'search: for merged in [false, true] {
            for (axis, &size) in moved.shape.iter().enumerate() {
                if !(size == TRIAL_ROWS || merged && size.is_multiple_of(TRIAL_ROWS)) {
                    continue;
                }
                let lines = moved.with_axis_first(axis)?;
                let shared = size / TRIAL_ROWS;
                for before in (1..=shared).filter(|before| shared.is_multiple_of(*before)) {
                    let rest = lines.values.len() / (before * TRIAL_ROWS);
                    let split = lines.clone().reshaped(vec![before, TRIAL_ROWS, rest])?;
                    let rows = split.transposed(&[1, 0, 2])?;
                    if keeps_samples(&rows.values, count) {
                        let shape = [&[size], &lines.shape[1..]].concat();
                        found = Some((axis, shared, before, rows.reshaped(shape)?));
                        break 'search;
                    }
                }
            }
        }
        let Some((batch, merged, before, rows)) = found else {
            return Err(format!("it mixes samples of {:?}{ROWS_WRITTEN}", x.shape));
        };
        let mut shape = rows.shape[1..].to_vec();
        if merged > 1 {
            shape.insert(0, merged);
        }
        let own = &rows.values[..rows.values.len() / TRIAL_ROWS];
        let unmoved = own.len() == count
            && own.iter().enumerate().all(|(place, from)| *from == Some(place as u32));
        let result = if unmoved {
            self.reshaped(x, shape)?
        } else {
            let indices = Indices::from(own.to_vec());
            let config = GatherConfig { shape: shape.clone(), indices };
            self.push(OperatorConfig::Gather(config), &[x], vec![], shape)?
        };
        Ok(Features { batch, merged, before, ..result })
    }

    /// Axes in another order; the batch keeps the first place.
    pub(crate) fn transposed(&mut self, x: &Features, order: &[usize]) -> Result<Features, String> {
        self.moved(x, |positions| positions.transposed(order))
    }

    /// The network with these outputs.
    ///
    /// # Errors
    /// If an operator does not fit, or a parameter is not finite; `origin` is the file to blame.
    pub(crate) fn finish(
        self,
        outputs: &[usize],
        device: &Device,
        origin: &Path,
    ) -> Result<Network, Error> {
        let mut builder = NetworkBuilder::new(self.input_shape);
        let mut weights = Weights::default();
        for (position, node) in self.nodes.into_iter().enumerate() {
            builder.push(node.operator, &node.from);
            for (name, shape, values) in node.parameters {
                weights.insert(format!("{position}.{name}"), shape, values);
            }
        }
        // The initial parameters are all replaced.
        let network = builder.finish(outputs, &mut Initialiser::new(0), device)?;
        weights.apply(network, "", origin)
    }
}

/// Whether of two rows of positions, the second takes from the second sample what the first
/// takes from the first.
fn keeps_samples(rows: &[Option<u32>], count: usize) -> bool {
    let (first, second) = rows.split_at(rows.len() / TRIAL_ROWS);
    first.iter().zip(second).all(|(first, second)| match (first, second) {
        (Some(first), Some(second)) => {
            (*first as usize) < count && *second as usize == *first as usize + count
        }
        (None, None) => true,
        _ => false,
    })
}
