//! Normalisations: all but batch normalisation standardise blocks of neighbouring features.

use crate::ops::{Function, OperatorConfig, SoftmaxConfig, StandardiseConfig};

use super::super::array::Array;
use super::super::call::Call;
use super::super::draft::Draft;
use super::super::value::{Features, Value};
use super::arithmetic::{Binary, combine};
use super::reduction::reduced;

/// Numbers of an input, one for each channel.
fn per_channel(call: &Call<'_>, position: usize, channels: usize) -> Result<Vec<f32>, String> {
    let numbers = call.numbers(position)?.values;
    if numbers.len() == channels {
        Ok(numbers)
    } else {
        Err(format!("input {position} has {} numbers for {channels} channels", numbers.len()))
    }
}

fn channels_of(x: &Features) -> Result<(usize, usize), String> {
    match x.shape.split_first() {
        Some((&channels, rest)) => Ok((channels, rest.iter().product())),
        None => Err("samples without channels".to_string()),
    }
}

/// `BatchNormalization` outside training: an affine map of each channel.
pub(super) fn batch(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.placed_features(0)?.clone();
    if call.integer("training_mode", 0) != 0 {
        return Err("it is in training mode: export the model in evaluation mode".to_string());
    }
    // The graph's second axis; the samples share it where instance normalisation is written as
    // one batch of rows x channels.
    let shared = x.batch == 1 && x.merged > 1 && x.before == 1;
    let axis = if shared { 0 } else { x.sample_axis(1)? };
    let (channels, inner) = (x.shape[axis], x.shape[axis + 1..].iter().product::<usize>());
    let input = |position| per_channel(call, position, channels);
    let (gain, bias, mean, variance) = (input(1)?, input(2)?, input(3)?, input(4)?);
    let epsilon = f64::from(call.real("epsilon", 1e-5));
    let scale: Vec<f64> = gain
        .iter()
        .zip(&variance)
        .map(|(&gain, &variance)| f64::from(gain) / (f64::from(variance) + epsilon).sqrt())
        .collect();
    let shift = bias.iter().zip(&mean).zip(&scale);
    let shift =
        shift.map(|((&bias, &mean), scale)| (f64::from(bias) - f64::from(mean) * scale) as f32);
    let shift = shift.collect();
    let scale = scale.iter().map(|&scale| scale as f32).collect();
    Ok(vec![Value::Features(draft.affine(&x, inner, scale, shift)?)])
}

fn standardised(
    draft: &mut Draft,
    x: &Features,
    block: usize,
    epsilon: f32,
) -> Result<Features, String> {
    let config = StandardiseConfig { block, epsilon: epsilon.into() };
    draft.push(OperatorConfig::Standardise(config), &[x], vec![], x.shape.clone())
}

/// `InstanceNormalization`: each channel of each sample.
pub(super) fn instance(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    let (channels, inner) = channels_of(&x)?;
    let (scale, shift) = (per_channel(call, 1, channels)?, per_channel(call, 2, channels)?);
    let normal = standardised(draft, &x, inner, call.real("epsilon", 1e-5))?;
    Ok(vec![Value::Features(draft.affine(&normal, inner, scale, shift)?)])
}

/// `GroupNormalization`: groups of channels. Its gains are one for each group in operator
/// sets 18 to 20, one for each channel since.
pub(super) fn group(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    let (channels, inner) = channels_of(&x)?;
    let groups = usize::try_from(call.integer("num_groups", 0)).unwrap_or(0);
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(format!("{groups} groups of {channels} channels"));
    }
    let block = channels / groups * inner;
    let normal = standardised(draft, &x, block, call.real("epsilon", 1e-5))?;
    let (scale, shift) = (call.numbers(1)?.values, call.numbers(2)?.values);
    let inner = match (scale.len(), shift.len()) {
        (a, b) if (a, b) == (channels, channels) => inner,
        (a, b) if (a, b) == (groups, groups) => block,
        (a, b) => return Err(format!("{a} gains and {b} shifts for {channels} channels")),
    };
    Ok(vec![Value::Features(draft.affine(&normal, inner, scale, shift)?)])
}

/// `LayerNormalization` over the axes from one on.
pub(super) fn layer(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let placed = call.placed_features(0)?;
    if call.node.output.iter().skip(1).any(|name| !name.is_empty()) {
        return Err("its mean and deviation as outputs are not supported".to_string());
    }
    let (axis, x) = last_axes(placed, call.integer("axis", -1))?;
    let block: usize = x.shape[axis..].iter().product();
    let mut result = standardised(draft, &x, block, call.real("epsilon", 1e-5))?;
    let scale = call.numbers(1)?.broadcast(&x.shape[axis..])?.values;
    let shift = match call.optional_numbers(2)? {
        Some(shift) => shift.broadcast(&x.shape[axis..])?.values,
        None => vec![0.0; block],
    };
    result = draft.affine(&result, 1, scale, shift)?;
    Ok(vec![Value::Features(result.placed_like(placed))])
}

/// The sample's axis that all axes from `given` on begin with, and the samples themselves.
fn last_axes(placed: &Features, given: i64) -> Result<(usize, Features), String> {
    let axis = placed.sample_axis(given)?;
    let joined = usize::from(placed.merged > 1);
    if axis < placed.batch + joined {
        return Err("it works along the batch".to_string());
    }
    Ok((axis, placed.plain()))
}

/// `RMSNormalization` over the axes from one on.
pub(super) fn root_mean_square(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let placed = call.placed_features(0)?;
    let (axis, x) = last_axes(placed, call.integer("axis", -1))?;
    let axes: Vec<i64> = (axis as i64 + 1..=x.shape.len() as i64).collect();
    let squares = draft.activation(&x, Function::Square)?;
    let mean = reduced(draft, &squares, "ReduceMean", &axes, true)?;
    let mean = draft.scaled(&mean, 1.0, call.real("epsilon", 1e-5))?;
    let root = draft.activation(&mean, Function::Sqrt)?;
    let normal = combine(draft, Binary::Divide, &Value::Features(x), &Value::Features(root))?;
    let Value::Features(normal) = combine(draft, Binary::Multiply, &normal, call.input(1))? else {
        return Err(format!("its scale is {}", call.input(1).kind()));
    };
    Ok(vec![Value::Features(normal.placed_like(placed))])
}

/// `Softmax` and `LogSoftmax` along an axis; before operator set 13, over all axes from one on.
pub(super) fn softmax(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let flat = call.opset < 13;
    let given = call.integer("axis", if flat { 1 } else { -1 });
    let logarithm = call.node.op_type == "LogSoftmax";
    if let Value::Numbers(array) = call.input(0) {
        let from = super::super::call::axis(given, array.shape.len())?;
        return Ok(vec![Value::numbers(of_numbers(array, from, flat, logarithm)?)]);
    }
    let placed = call.placed_features(0)?;
    let (axis, x) =
        if flat { last_axes(placed, given)? } else { (placed.sample_axis(given)?, placed.plain()) };
    let block = if flat { x.shape[axis..].iter().product() } else { x.shape[axis] };
    let mut order: Vec<usize> = (0..=x.shape.len()).collect();
    if !flat {
        order.swap(axis + 1, x.shape.len());
    }
    let moved = draft.transposed(&x, &order)?;
    let soft = if logarithm {
        log_softmax(draft, &moved, block)?
    } else {
        let operator = OperatorConfig::Softmax(SoftmaxConfig { block });
        draft.push(operator, &[&moved], vec![], moved.shape.clone())?
    };
    Ok(vec![Value::Features(draft.transposed(&soft, &order)?.placed_like(placed))])
}

/// `x - ln(sum(e^x))` over blocks: the logarithm of a softmax would be infinite where the
/// softmax is too small for a number.
fn log_softmax(draft: &mut Draft, x: &Features, block: usize) -> Result<Features, String> {
    let lines = draft.reshaped(x, vec![x.count() / block, block])?;
    let sums = Value::Features(reduced(draft, &lines, "ReduceLogSumExp", &[2], true)?);
    match combine(draft, Binary::Subtract, &Value::Features(lines), &sums)? {
        Value::Features(result) => draft.reshaped(&result, x.shape.clone()),
        other => Err(format!("it became {}", other.kind())),
    }
}

/// The softmax of constants along an axis, or over all axes from one on.
fn of_numbers(
    array: &Array<f32>,
    from: usize,
    flat: bool,
    logarithm: bool,
) -> Result<Array<f32>, String> {
    let size = if flat { array.shape[from..].iter().product() } else { array.shape[from] };
    let mut order: Vec<usize> = (0..array.shape.len()).collect();
    if !flat {
        order.swap(from, array.shape.len() - 1);
    }
    let mut lines = array.transposed(&order)?;
    for line in lines.values.chunks_exact_mut(size.max(1)) {
        let largest = line.iter().fold(f32::NEG_INFINITY, |largest, &x| largest.max(x));
        let sum: f64 = line.iter().map(|&x| f64::from(x - largest).exp()).sum();
        for x in line {
            let below = f64::from(*x - largest) - sum.ln();
            *x = if logarithm { below } else { below.exp() } as f32;
        }
    }
    lines.transposed(&order)
}
