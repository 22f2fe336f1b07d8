//! Simplifies a draft so that an imported network runs as fast as one built by hand: affine
//! maps melt into the matrix products before them (batch normalisation among them), functions
//! that exporters take apart are put together again, and moves of features are made once.

mod network;
mod patterns;

use super::draft::{Draft, DraftNode};
use super::value::Features;
use crate::ops::{ElementwiseAffineConfig, GatherConfig, Indices, OperatorConfig, ReshapeConfig};

/// Simplifies `draft` and returns the values of `outputs` in it.
pub(super) fn optimise(draft: &mut Draft, outputs: &[Features]) -> Vec<usize> {
    let mut values: Vec<usize> = outputs.iter().map(|output| output.value).collect();
    // Each pass enables others; every pass that changes something removes nodes.
    loop {
        let before = draft.nodes.len();
        values = pass(draft, &values);
        values = without_dead(draft, &values);
        if draft.nodes.len() == before {
            return values;
        }
    }
}

/// Drops nodes that no output depends on.
fn without_dead(draft: &mut Draft, outputs: &[usize]) -> Vec<usize> {
    let mut live = vec![false; draft.nodes.len() + 1];
    for &value in outputs {
        live[value] = true;
    }
    for position in (0..draft.nodes.len()).rev() {
        if live[position + 1] {
            for &value in &draft.nodes[position].from {
                live[value] = true;
            }
        }
    }
    let mut renamed = vec![0; live.len()];
    let mut kept = vec![];
    for (position, mut node) in std::mem::take(&mut draft.nodes).into_iter().enumerate() {
        if live[position + 1] {
            for value in &mut node.from {
                *value = renamed[*value];
            }
            kept.push(node);
            renamed[position + 1] = kept.len();
        }
    }
    draft.nodes = kept;
    outputs.iter().map(|&value| renamed[value]).collect()
}

/// One sweep over the nodes.
struct Sweep<'a> {
    draft: &'a mut Draft,
    /// How often each value is read, outputs included.
    readers: Vec<usize>,
    /// What stands in for each value.
    stand_in: Vec<usize>,
}

/// One sweep over the nodes; those that melt into others are left for [`without_dead`].
fn pass(draft: &mut Draft, outputs: &[usize]) -> Vec<usize> {
    let mut readers = vec![0; draft.nodes.len() + 1];
    for &value in draft.nodes.iter().flat_map(|node| &node.from).chain(outputs) {
        readers[value] += 1;
    }
    let stand_in = (0..=draft.nodes.len()).collect();
    let mut sweep = Sweep { draft, readers, stand_in };
    for position in 0..sweep.draft.nodes.len() {
        for value in &mut sweep.draft.nodes[position].from {
            *value = sweep.stand_in[*value];
        }
        match &sweep.draft.nodes[position].operator {
            OperatorConfig::Reshape(_) => sweep.reshape(position),
            OperatorConfig::ElementwiseAffine(_) => sweep.affine(position),
            OperatorConfig::Gather(_) => sweep.gather(position),
            OperatorConfig::Multiply(_) => sweep.product(position),
            _ => {}
        }
    }
    outputs.iter().map(|&value| sweep.stand_in[value]).collect()
}

impl Sweep<'_> {
    /// All who read what node `position` writes read `value` instead.
    fn melt(&mut self, position: usize, value: usize) {
        let gone = position + 1;
        self.readers[value] += self.readers[gone];
        self.readers[gone] = 0;
        for &read in &self.draft.nodes[position].from {
            self.readers[read] -= 1;
        }
        self.draft.nodes[position].from.clear();
        self.stand_in[gone] = value;
    }

    /// The node reads other values.
    fn rewire(&mut self, position: usize, from: Vec<usize>) {
        for &read in &from {
            self.readers[read] += 1;
        }
        for read in std::mem::replace(&mut self.draft.nodes[position].from, from) {
            self.readers[read] -= 1;
        }
    }

    fn writer(&self, value: usize) -> Option<&DraftNode> {
        value.checked_sub(1).map(|position| &self.draft.nodes[position])
    }

    /// Shape of a value.
    fn shape(&self, value: usize) -> &[usize] {
        self.writer(value).map_or(&self.draft.input_shape, |node| &node.shape)
    }

    /// The value behind reshapes.
    fn behind_reshapes(&self, mut value: usize) -> usize {
        while let Some(DraftNode { operator: OperatorConfig::Reshape(_), from, .. }) =
            self.writer(value)
        {
            value = from[0];
        }
        value
    }

    /// The value behind reshapes that nothing else reads.
    fn behind_own_reshapes(&self, mut value: usize) -> usize {
        while let Some(DraftNode { operator: OperatorConfig::Reshape(_), from, .. }) =
            self.writer(value)
            && self.readers[value] == 1
        {
            value = from[0];
        }
        value
    }

    /// A reshape of a reshape is one; a reshape to the same shape is none.
    fn reshape(&mut self, position: usize) {
        let from = self.behind_reshapes(self.draft.nodes[position].from[0]);
        self.rewire(position, vec![from]);
        if self.shape(from) == self.draft.nodes[position].shape {
            self.melt(position, from);
        }
    }

    /// An affine map melts into the affine map or matrix product before it.
    fn affine(&mut self, position: usize) {
        let node = &self.draft.nodes[position];
        let OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size, inner }) =
            node.operator
        else {
            return;
        };
        let from = node.from[0];
        let (scale, shift) = (parameter(node, "scale").to_vec(), parameter(node, "shift").to_vec());
        if scale.iter().all(|&scale| scale == 1.0) && shift.iter().all(|&shift| shift == 0.0) {
            self.melt(position, from);
            return;
        }
        let base = self.behind_own_reshapes(from);
        if base == 0 || self.readers[base] != 1 || self.readers[from] != 1 {
            return;
        }
        let before = &mut self.draft.nodes[base - 1];
        let outer: usize = before.shape.iter().skip(1).product();
        // Which of the numbers belongs to output `k` of the operator before, if that decides it.
        let belongs: Box<dyn Fn(usize) -> usize> = match &before.operator {
            _ if size == 1 => Box::new(|_| 0),
            OperatorConfig::Linear(linear) if linear.outputs.is_multiple_of(size * inner) => {
                Box::new(move |column| column / inner % size)
            }
            OperatorConfig::Conv2d(_) | OperatorConfig::ConvTranspose2d(_)
                if inner.is_multiple_of(outer) =>
            {
                Box::new(move |channel| channel / (inner / outer) % size)
            }
            OperatorConfig::ElementwiseAffine(config)
                if (config.size, config.inner) == (size, inner) =>
            {
                Box::new(|slot| slot)
            }
            _ => return,
        };
        match before.operator.clone() {
            OperatorConfig::Linear(config) => {
                for (place, weight) in parameter_mut(before, "weight").iter_mut().enumerate() {
                    *weight *= scale[belongs(place % config.outputs)];
                }
                shifted(parameter_mut(before, "bias"), &scale, &shift, belongs);
            }
            OperatorConfig::Conv2d(config) => {
                let weights = parameter_mut(before, "weight");
                let each = weights.len() / config.channels;
                for (place, weight) in weights.iter_mut().enumerate() {
                    *weight *= scale[belongs(place / each)];
                }
                shifted(parameter_mut(before, "bias"), &scale, &shift, belongs);
            }
            OperatorConfig::ConvTranspose2d(config) => {
                // [input channels, output channels of a group, kernel height, kernel width]
                let each = config.kernel[0] * config.kernel[1];
                let (own, inputs) =
                    (config.channels / config.groups, config.input[0] / config.groups);
                for (place, weight) in parameter_mut(before, "weight").iter_mut().enumerate() {
                    let (input, output) = (place / (own * each), place / each % own);
                    *weight *= scale[belongs(input / inputs * own + output)];
                }
                shifted(parameter_mut(before, "bias"), &scale, &shift, belongs);
            }
            OperatorConfig::ElementwiseAffine(_) => {
                for (slot, value) in parameter_mut(before, "scale").iter_mut().enumerate() {
                    *value *= scale[belongs(slot)];
                }
                shifted(parameter_mut(before, "shift"), &scale, &shift, belongs);
            }
            _ => return,
        }
        self.melt(position, from);
    }

    /// A move of moved features is one move.
    fn gather(&mut self, position: usize) {
        let from = self.behind_reshapes(self.draft.nodes[position].from[0]);
        let Some(DraftNode { operator: OperatorConfig::Gather(first), from: origin, .. }) =
            self.writer(from)
        else {
            return;
        };
        let OperatorConfig::Gather(second) = &self.draft.nodes[position].operator else { return };
        let middle = second.indices.iter();
        let composed: Vec<Option<u32>> =
            middle.map(|at| at.and_then(|at| first.indices.get(at as usize))).collect();
        let (origin, shape) = (origin[0], second.shape.clone());
        let features: usize = self.shape(origin).iter().product();
        let unmoved = features == composed.len()
            && composed.iter().enumerate().all(|(place, from)| *from == Some(place as u32));
        self.rewire(position, vec![origin]);
        self.draft.nodes[position].operator = if unmoved {
            OperatorConfig::Reshape(ReshapeConfig { shape })
        } else {
            OperatorConfig::Gather(GatherConfig { shape, indices: Indices::from(composed) })
        };
    }
}

fn parameter<'a>(node: &'a DraftNode, name: &str) -> &'a [f32] {
    let found = node.parameters.iter().find(|(own, _, _)| *own == name);
    found.map_or(&[], |(_, _, values)| values)
}

fn parameter_mut<'a>(node: &'a mut DraftNode, name: &str) -> &'a mut Vec<f32> {
    let found = node.parameters.iter_mut().find(|(own, _, _)| *own == name);
    &mut found.expect("operators have their parameters").2
}

fn shifted(bias: &mut [f32], scale: &[f32], shift: &[f32], belongs: Box<dyn Fn(usize) -> usize>) {
    for (output, bias) in bias.iter_mut().enumerate() {
        let slot = belongs(output);
        *bias = *bias * scale[slot] + shift[slot];
    }
}
