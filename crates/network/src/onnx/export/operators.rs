//! What each [operator](crate::ops) becomes.
//!
//! Where ONNX has an operator of the same meaning, the import's rule for it gives back the
//! operator that it came from.

use super::functions;
use super::graph::{Graph, Held, integer, integers, real};
use crate::Value;
use crate::ops::{
    Conv2dConfig, ConvTranspose2dConfig, ElementwiseAffineConfig, GroupSortConfig, Indices,
    LinearConfig, MatMulConfig, MaxPool2dConfig, OperatorConfig, SoftmaxConfig, StandardiseConfig,
};

/// Writes an operator that reads `inputs`, the first of the sample shape `from`, and whose output
/// has the sample shape `shape`.
pub(super) fn write(
    graph: &mut Graph<'_>,
    operator: &OperatorConfig,
    inputs: &[Value],
    from: &[usize],
    shape: &[usize],
) {
    let (name, held) = match operator {
        OperatorConfig::Linear(config) => linear(graph, config, inputs[0], shape),
        OperatorConfig::Conv2d(config) => conv(graph, config, inputs[0], shape),
        OperatorConfig::ConvTranspose2d(config) => conv_transpose(graph, config, inputs[0], shape),
        OperatorConfig::Activation(config) => {
            let Held { name, shape } = graph.held(inputs[0]);
            (functions::write(graph, config.function, &name), shape)
        }
        // The next operator to which it matters will ask for the shape.
        OperatorConfig::Reshape(_) => {
            let Held { name, shape } = graph.held(inputs[0]);
            (name, shape)
        }
        OperatorConfig::Add(_) => elementwise(graph, "Add", inputs, shape),
        OperatorConfig::Multiply(_) => elementwise(graph, "Mul", inputs, shape),
        OperatorConfig::Select(_) => select(graph, inputs, shape),
        OperatorConfig::ElementwiseAffine(config) => affine(graph, config, inputs[0]),
        OperatorConfig::Gather(config) => gather(graph, &config.indices, inputs[0], from, shape),
        OperatorConfig::Concat(_) => concat(graph, inputs),
        OperatorConfig::Standardise(config) => standardise(graph, config, inputs[0]),
        OperatorConfig::Softmax(config) => softmax(graph, config, inputs[0]),
        OperatorConfig::MaxPool2d(config) => max_pool(graph, config, inputs[0], shape),
        OperatorConfig::GroupSort(config) => group_sort(graph, config, inputs[0]),
        OperatorConfig::MatMul(config) => matmul(graph, config, inputs),
    };
    graph.finish(name, held);
}

/// The name of a tensor and its shape without the batch.
type Written = (String, Vec<usize>);

fn linear(graph: &mut Graph<'_>, config: &LinearConfig, input: Value, shape: &[usize]) -> Written {
    let (weight, bias) = (graph.parameter("weight"), graph.parameter("bias"));
    if graph.features(input) == config.inputs {
        let x = graph.shaped(input, &[config.inputs]);
        return (graph.node("Gemm", &[&x, &weight, &bias], vec![]), vec![config.outputs]);
    }
    // Over the last axis alone.
    let (positions, _) = shape.split_at(shape.len() - 1);
    let x = graph.shaped(input, &[positions, &[config.inputs]].concat());
    let product = graph.node("MatMul", &[&x, &weight], vec![]);
    (graph.node("Add", &[&product, &bias], vec![]), shape.to_vec())
}

fn conv(graph: &mut Graph<'_>, config: &Conv2dConfig, input: Value, shape: &[usize]) -> Written {
    let x = graph.shaped(input, &config.input);
    let (weight, bias) = (graph.parameter("weight"), graph.parameter("bias"));
    let attributes = vec![
        integers("kernel_shape", config.kernel),
        integers("strides", config.stride),
        integers("pads", [config.padding, config.padding].concat()),
        integers("dilations", config.dilation),
        integer("group", config.groups as i64),
    ];
    (graph.node("Conv", &[&x, &weight, &bias], attributes), shape.to_vec())
}

fn conv_transpose(
    graph: &mut Graph<'_>,
    config: &ConvTranspose2dConfig,
    input: Value,
    shape: &[usize],
) -> Written {
    let x = graph.shaped(input, &config.input);
    let (weight, bias) = (graph.parameter("weight"), graph.parameter("bias"));
    let attributes = vec![
        integers("kernel_shape", config.kernel),
        integers("strides", config.stride),
        integers("pads", [config.padding, config.padding].concat()),
        integers("output_padding", config.output_padding),
        integers("dilations", config.dilation),
        integer("group", config.groups as i64),
    ];
    (graph.node("ConvTranspose", &[&x, &weight, &bias], attributes), shape.to_vec())
}

/// Two or more values of one shape.
fn elementwise(
    graph: &mut Graph<'_>,
    operator: &str,
    inputs: &[Value],
    shape: &[usize],
) -> Written {
    // Whatever shape they are held in, if that is one.
    let first = graph.held(inputs[0]).shape;
    let alike = inputs.iter().all(|&input| graph.held(input).shape == first);
    let shape = if alike { first } else { shape.to_vec() };
    let mut result = graph.shaped(inputs[0], &shape);
    for &input in &inputs[1..] {
        let other = graph.shaped(input, &shape);
        result = graph.node(operator, &[&result, &other], vec![]);
    }
    (result, shape)
}

/// The second value where the first is positive, else the third.
fn select(graph: &mut Graph<'_>, inputs: &[Value], shape: &[usize]) -> Written {
    let [condition, yes, no] = [0, 1, 2].map(|at| graph.shaped(inputs[at], shape));
    let zero = graph.numbers("zero", &[], &[0.0]);
    let chosen = graph.node("Greater", &[&condition, &zero], vec![]);
    (graph.node("Where", &[&chosen, &yes, &no], vec![]), shape.to_vec())
}

fn affine(graph: &mut Graph<'_>, config: &ElementwiseAffineConfig, input: Value) -> Written {
    let ElementwiseAffineConfig { size, inner } = *config;
    let held = graph.held(input).shape;
    let (shape, constant) = match broadcast(&held, size, inner) {
        Some(constant) => (held, constant),
        None => {
            let periods = graph.features(input) / (size * inner);
            (vec![periods, size, inner], vec![size, 1])
        }
    };
    let mut result = graph.shaped(input, &shape);
    for (operator, parameter, neutral) in [("Mul", "scale", 1.0), ("Add", "shift", 0.0)] {
        let values = graph.values(parameter);
        if values.iter().any(|&value| value != neutral) {
            let constant = graph.numbers(parameter, &constant, values);
            result = graph.node(operator, &[&result, &constant], vec![]);
        }
    }
    (result, shape)
}

/// The shape in which `size` numbers, each for `inner` neighbouring features, broadcast to a
/// tensor of samples of this shape, if there is one.
fn broadcast(shape: &[usize], size: usize, inner: usize) -> Option<Vec<usize>> {
    if size == 1 {
        return Some(vec![]);
    }
    let product = |axes: &[usize]| axes.iter().product::<usize>();
    let last = (0..=shape.len()).rev().find(|&axis| product(&shape[axis..]) == inner)?;
    let first = (0..last).rev().find(|&axis| product(&shape[axis..last]) == size)?;
    Some([&shape[first..last], vec![1; shape.len() - last].as_slice()].concat())
}

fn gather(
    graph: &mut Graph<'_>,
    indices: &Indices,
    input: Value,
    from: &[usize],
    to: &[usize],
) -> Written {
    // Along one axis after another, or in one list of all features.
    let (shape, made, axes) = match along_axes(indices, from, to) {
        Some(axes) => (from.to_vec(), to.to_vec(), axes),
        None => {
            let all = indices.iter().map(|index| index.map(|index| index as usize)).collect();
            (vec![graph.features(input)], vec![indices.len()], vec![all])
        }
    };
    let mut x = graph.shaped(input, &shape);
    for (axis, (&size, picks)) in shape.iter().zip(&axes).enumerate() {
        if !picks.iter().copied().eq((0..size).map(Some)) {
            x = picked(graph, &x, (axis + 1, shape.len() + 1), size, picks);
        }
    }
    (x, made)
}

/// Along one axis of so many, of this size, the elements picked; `None` for zero.
fn picked(
    graph: &mut Graph<'_>,
    x: &str,
    (axis, rank): (usize, usize),
    size: usize,
    picks: &[Option<usize>],
) -> String {
    let first = picks[0].unwrap_or(size);
    let step = picks.get(1).copied().flatten().and_then(|second| second.checked_sub(first));
    let step = step.filter(|&step| step > 0).unwrap_or(1);
    // Evenly spaced elements are a slice.
    if picks.iter().enumerate().all(|(at, pick)| *pick == Some(first + at * step)) {
        let end = first + (picks.len() - 1) * step + 1;
        let slice = [("starts", first), ("ends", end), ("axes", axis), ("steps", step)];
        let slice = slice.map(|(what, value)| graph.integers(what, vec![value as i64]));
        let [starts, ends, axes, steps] = slice.each_ref();
        return graph.node("Slice", &[x, starts, ends, axes, steps], vec![]);
    }
    // What takes nothing takes a zero put after the others.
    let mut padded = None;
    if picks.contains(&None) {
        let mut pads = vec![0; 2 * rank];
        pads[rank + axis] = 1;
        let pads = graph.integers("pads", pads);
        padded = Some(graph.node("Pad", &[x, &pads], vec![]));
    }
    let places = picks.iter().map(|pick| pick.unwrap_or(size) as i64).collect();
    let places = graph.integers("indices", places);
    let x = padded.as_deref().unwrap_or(x);
    graph.node("Gather", &[x, &places], vec![integer("axis", axis as i64)])
}

/// The elements picked along each axis, if samples of one shape become those of the other by
/// that alone: slices, paddings, repetitions and the like. Far shorter than one list of all
/// features.
fn along_axes(indices: &Indices, from: &[usize], to: &[usize]) -> Option<Vec<Vec<Option<usize>>>> {
    if from.len() != to.len() {
        return None;
    }
    // The features from one element of an axis to the next.
    let strides = |shape: &[usize]| -> Vec<usize> {
        (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect()
    };
    let (taken, written) = (strides(from), strides(to));
    // Along the axes through one output that takes something.
    let start = indices.iter().position(|index| index.is_some())?;
    let axes: Vec<Vec<Option<usize>>> = (0..to.len())
        .map(|axis| {
            let origin = start - start / written[axis] % to[axis] * written[axis];
            let pick = |at| indices.get(origin + at * written[axis]);
            let element = |index: u32| index as usize / taken[axis] % from[axis];
            (0..to[axis]).map(|at| pick(at).map(element)).collect()
        })
        .collect();
    // Which must then tell where every output comes from.
    let agrees = indices.iter().enumerate().all(|(output, index)| {
        let picks = (0..to.len()).map(|axis| axes[axis][output / written[axis] % to[axis]]);
        let origin =
            picks.zip(&taken).try_fold(0, |sum, (pick, stride)| Some(sum + pick? * stride));
        origin == index.map(|index| index as usize)
    });
    agrees.then_some(axes)
}

fn concat(graph: &mut Graph<'_>, inputs: &[Value]) -> Written {
    let widths: Vec<usize> = inputs.iter().map(|&input| graph.features(input)).collect();
    let flat: Vec<String> =
        inputs.iter().zip(&widths).map(|(&input, &width)| graph.shaped(input, &[width])).collect();
    let flat: Vec<&str> = flat.iter().map(String::as_str).collect();
    (graph.node("Concat", &flat, vec![integer("axis", 1)]), vec![widths.iter().sum()])
}

/// As instance normalisation, every block a channel: ONNX Runtime computes the variance of that
/// from centred features, of a layer normalisation as a difference that cancels.
fn standardise(graph: &mut Graph<'_>, config: &StandardiseConfig, input: Value) -> Written {
    let blocks = graph.features(input) / config.block;
    let shape = vec![blocks, config.block];
    let x = graph.shaped(input, &shape);
    let scale = graph.numbers("scale", &[blocks], &vec![1.0; blocks]);
    let shift = graph.numbers("shift", &[blocks], &vec![0.0; blocks]);
    let epsilon = real("epsilon", config.epsilon as f32);
    (graph.node("InstanceNormalization", &[&x, &scale, &shift], vec![epsilon]), shape)
}

fn softmax(graph: &mut Graph<'_>, config: &SoftmaxConfig, input: Value) -> Written {
    let held = graph.held(input).shape;
    let shape = match held.last() {
        Some(&last) if last == config.block => held,
        _ => vec![graph.features(input) / config.block, config.block],
    };
    let x = graph.shaped(input, &shape);
    (graph.node("Softmax", &[&x], vec![integer("axis", -1)]), shape)
}

fn max_pool(
    graph: &mut Graph<'_>,
    config: &MaxPool2dConfig,
    input: Value,
    shape: &[usize],
) -> Written {
    let mut x = graph.shaped(input, &config.input);
    let [[top, bottom], [left, right]] = config.padding;
    let mut pads = [top, left, bottom, right];
    // ONNX Runtime wants padding smaller than the kernel, though of a dilated kernel more makes
    // sense. What is padded with never wins.
    if (0..4).any(|side| pads[side] >= config.kernel[side % 2]) {
        let [top, left, bottom, right] = pads.map(|pad| pad as i64);
        let around = graph.integers("pads", vec![0, 0, top, left, 0, 0, bottom, right]);
        let lowest = graph.numbers("lowest", &[], &[f32::MIN]);
        x = graph.node("Pad", &[&x, &around, &lowest], vec![]);
        pads = [0; 4];
    }
    let attributes = vec![
        integers("kernel_shape", config.kernel),
        integers("strides", config.stride),
        integers("pads", pads),
        integers("dilations", config.dilation),
    ];
    (graph.node("MaxPool", &[&x], attributes), shape.to_vec())
}

fn group_sort(graph: &mut Graph<'_>, config: &GroupSortConfig, input: Value) -> Written {
    let shape = vec![graph.features(input) / (2 * config.inner), 2, config.inner];
    let x = graph.shaped(input, &shape);
    let axis = graph.integers("axes", vec![2]);
    let ends = ["ReduceMax", "ReduceMin"].map(|kind| graph.node(kind, &[&x, &axis], vec![]));
    let ends = ends.each_ref().map(String::as_str);
    (graph.node("Concat", &ends, vec![integer("axis", 2)]), shape)
}

fn matmul(graph: &mut Graph<'_>, config: &MatMulConfig, inputs: &[Value]) -> Written {
    let MatMulConfig { batch, rows, inner, columns, .. } = *config;
    let left = graph.shaped(inputs[0], &[batch, rows, inner]);
    let right = graph.shaped(inputs[1], &[batch, inner, columns]);
    (graph.node("MatMul", &[&left, &right], vec![]), vec![batch, rows, columns])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_along_axes_are_told_from_others() {
        let moved = |list: &[i64], from: &[usize], to: &[usize]| {
            let list: Vec<Option<u32>> = list.iter().map(|&at| u32::try_from(at).ok()).collect();
            along_axes(&Indices::from(list), from, to)
        };
        let some = |list: &[usize]| list.iter().map(|&at| Some(at)).collect::<Vec<_>>();
        // Upsampling, padding, a transposition.
        let upsampled = [0, 0, 1, 1, 0, 0, 1, 1];
        assert_eq!(
            moved(&upsampled, &[1, 2], &[2, 4]),
            Some(vec![some(&[0, 0]), some(&[0, 0, 1, 1])])
        );
        let padded = [-1, -1, -1, -1, 0, 1, -1, 2, 3];
        let around = vec![None, Some(0), Some(1)];
        assert_eq!(moved(&padded, &[2, 2], &[3, 3]), Some(vec![around.clone(), around]));
        assert_eq!(moved(&[0, 2, 1, 3], &[2, 2], &[2, 2]), None);
        assert_eq!(moved(&[-1, -1], &[2], &[2]), None);
        assert_eq!(moved(&[0, 1], &[2], &[1, 2]), None);
    }

    #[test]
    fn numbers_of_neighbouring_features_broadcast_along_axes() {
        assert_eq!(broadcast(&[3, 4, 5], 3, 20), Some(vec![3, 1, 1]));
        assert_eq!(broadcast(&[3, 4, 5], 5, 1), Some(vec![5]));
        assert_eq!(broadcast(&[3, 4, 5], 60, 1), Some(vec![3, 4, 5]));
        assert_eq!(broadcast(&[2, 4, 5], 4, 5), Some(vec![4, 1]));
        assert_eq!(broadcast(&[7], 1, 7), Some(vec![]));
        assert_eq!(broadcast(&[6], 3, 2), None);
        assert_eq!(broadcast(&[4, 1], 4, 1), Some(vec![4, 1]));
    }
}
