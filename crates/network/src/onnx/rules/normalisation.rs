//! Normalisations: all but batch normalisation standardise blocks of neighbouring features.

use crate::ops::{Function, OperatorConfig, SoftmaxConfig, StandardiseConfig};

use super::super::call::{Call, sample_axis};
use super::super::draft::Draft;
use super::super::value::{Features, Value};

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
    let x = call.features(0)?.clone();
    if call.integer("training_mode", 0) != 0 {
        return Err("it is in training mode: export the model in evaluation mode".to_string());
    }
    let (channels, inner) = channels_of(&x)?;
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
    let x = call.features(0)?.clone();
    if call.node.output.iter().skip(1).any(|name| !name.is_empty()) {
        return Err("its mean and deviation as outputs are not supported".to_string());
    }
    let axis = sample_axis(call.integer("axis", -1), &x.shape)?;
    let block: usize = x.shape[axis..].iter().product();
    let mut result = standardised(draft, &x, block, call.real("epsilon", 1e-5))?;
    let scale = call.numbers(1)?.broadcast(&x.shape[axis..])?.values;
    let shift = match call.optional_numbers(2)? {
        Some(shift) => shift.broadcast(&x.shape[axis..])?.values,
        None => vec![0.0; block],
    };
    result = draft.affine(&result, 1, scale, shift)?;
    Ok(vec![Value::Features(result)])
}

/// `Softmax` and `LogSoftmax` along an axis; before operator set 13, over all axes from one on.
pub(super) fn softmax(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let placed = call.placed_features(0)?;
    let flat = call.opset < 13;
    if placed.merged > 1
        && !flat
        && [-1, placed.shape.len() as i64 - 1].contains(&call.integer("axis", -1))
    {
        let block = placed.shape.last().copied().unwrap_or(1);
        let operator = OperatorConfig::Softmax(SoftmaxConfig { block });
        let result = draft.push(operator, &[placed], vec![], placed.shape.clone())?;
        return finished(draft, call, result.placed_like(placed));
    }
    let x = call.features(0)?.clone();
    let axis = sample_axis(call.integer("axis", if flat { 1 } else { -1 }), &x.shape)?;
    let operator = |block| OperatorConfig::Softmax(SoftmaxConfig { block });
    let result = if flat || axis + 1 == x.shape.len() {
        let block = x.shape[axis..].iter().product();
        draft.push(operator(block), &[&x], vec![], x.shape.clone())?
    } else {
        let mut order: Vec<usize> = (0..=x.shape.len()).collect();
        order.swap(axis + 1, x.shape.len());
        let moved = draft.transposed(&x, &order)?;
        let soft = draft.push(operator(x.shape[axis]), &[&moved], vec![], moved.shape.clone())?;
        draft.transposed(&soft, &order)?
    };
    finished(draft, call, result)
}

fn finished(draft: &mut Draft, call: &Call<'_>, soft: Features) -> Result<Vec<Value>, String> {
    Ok(vec![Value::Features(if call.node.op_type == "LogSoftmax" {
        draft.activation(&soft, Function::Log)?
    } else {
        soft
    })])
}
