//! Operators that take values apart, put them together and pad them.

use std::rc::Rc;

use crate::ops::{ConcatConfig, OperatorConfig};

use super::super::array::Array;
use super::super::call::{Call, axis, displaced};
use super::super::draft::{Draft, TRIAL_ROWS};
use super::super::limits::product;
use super::super::value::{Dimension, Features, Value};
use super::moves::{Layout, Picks, fixed_sizes, moved, rank, whole_shape};

/// `Split` into parts, equal ones if no sizes are given.
pub(super) fn split(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let sizes = fixed_sizes(value)?;
    let axis = axis(call.integer("axis", 0), sizes.len())?;
    if !whole_shape(value)?[axis].is_fixed() {
        return Err("it parts the rows of the batch".to_string());
    }
    let size = sizes[axis];
    let parts = match call.integers_from(1, "split")? {
        Some(parts) => parts
            .iter()
            .map(|&part| usize::try_from(part).map_err(|_| format!("a part of size {part}")))
            .collect::<Result<Vec<_>, _>>()?,
        None => {
            let count = call.integer("num_outputs", call.node.output.len() as i64);
            let count = usize::try_from(count).ok().filter(|&count| count > 0 && count <= size);
            let count = count.ok_or_else(|| format!("an axis of size {size} in such parts"))?;
            let part = size.div_ceil(count);
            (0..count).map(|k| part.min(size.saturating_sub(k * part))).collect()
        }
    };
    if parts.iter().try_fold(0usize, |sum, &part| sum.checked_add(part)) != Some(size) {
        return Err(format!("parts {parts:?} of an axis of size {size}"));
    }
    let mut first = 0;
    let mut outputs = vec![];
    for part in parts {
        let picks = (first..first + part).map(Some).collect();
        outputs.push(moved(draft, value, &Picks(vec![(axis, picks)]))?);
        first += part;
    }
    Ok(outputs)
}

/// `Concat`: constants, or values of the network and constants among them.
pub(super) fn concat(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let inputs: Vec<&Value> =
        call.inputs.iter().filter(|value| !matches!(value, Value::Absent)).collect();
    let first = inputs.first().ok_or("it has no inputs")?;
    let rank = rank(first)?;
    let along = axis(call.integer("axis", 0), rank)?;
    if inputs.iter().any(|value| matches!(value, Value::Features(_))) {
        return Ok(vec![Value::Features(concat_features(draft, &inputs, along)?)]);
    }
    if inputs.iter().all(|value| matches!(value, Value::Numbers(_))) {
        let parts: Vec<Array<f32>> = inputs.iter().filter_map(|value| value.as_numbers()).collect();
        return Ok(vec![Value::numbers(Array::concatenated(&parts, along)?)]);
    }
    let parts = inputs
        .iter()
        .map(|value| match value {
            Value::Dimensions(array) => Ok(array.as_ref().clone()),
            Value::Numbers(array) => Ok(array.map(|&v| Dimension::fixed(v.into()))),
            other => Err(format!("it contains {}", other.kind())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(vec![Value::dimensions(Array::concatenated(&parts, along)?)])
}

fn concat_features(draft: &mut Draft, inputs: &[&Value], along: usize) -> Result<Features, String> {
    let features = |value: &&Value| match value {
        Value::Features(x) => Some(x.clone()),
        _ => None,
    };
    let place = inputs.iter().find_map(features).ok_or("it has no value of the network")?;
    let along = place.sample_axis(along as i64)?;
    let mut parts = vec![];
    for value in inputs {
        parts.push(match value {
            Value::Features(x) if x.is_placed_like(&place) => x.plain(),
            Value::Features(_) => {
                return Err("inputs with the batch in different places".to_string());
            }
            _ if !place.is_plain() => return Err(displaced(&place)),
            other => {
                let constant = other.as_numbers();
                let constant = constant.ok_or_else(|| format!("it contains {}", other.kind()))?;
                let row = constant.shared_row(1);
                let row =
                    row.ok_or_else(|| format!("it contains {} along the batch", other.kind()))?;
                let shape = row.shape[1..].to_vec();
                draft.constant(row.reshaped(shape)?)?
            }
        });
    }
    if let [only] = parts.as_slice() {
        return Ok(only.clone().placed_like(&place));
    }
    // The features of one part after those of another, then each where it belongs.
    let total = parts.iter().map(Features::count).sum();
    let mut offset = 0;
    let mut places = vec![];
    for part in &parts {
        let count = part.count();
        let positions = (offset..offset + count).map(|p| Some(p as u32)).collect();
        places.push(Array::new(part.shape.clone(), positions)?);
        offset += count;
    }
    let joined = Array::concatenated(&places, along)?;
    product(&[TRIAL_ROWS, total])?;
    let config = ConcatConfig { shape: vec![total] };
    let all: Vec<&Features> = parts.iter().collect();
    let concatenated = draft.push(OperatorConfig::Concat(config), &all, vec![], vec![total])?;
    let whole = draft.moved(&concatenated, |_| {
        let shape = std::iter::once(TRIAL_ROWS).chain(joined.shape.clone()).collect();
        let second = joined.values.iter().map(|p| p.map(|p| p + total as u32));
        Array::new(shape, joined.values.iter().copied().chain(second).collect())
    })?;
    Ok(whole.placed_like(&place))
}

/// `Slice`: starts, ends, axes and steps are attributes in old operator sets.
pub(super) fn slice(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let sizes = fixed_sizes(value)?;
    let starts = call.integers_from(1, "starts")?.ok_or("it has no starts")?;
    let ends = match call.is_given(2) {
        // The end of the batch is the number of rows.
        true => call
            .dimensions(2)?
            .values
            .iter()
            .map(|end| match end.is_fixed() {
                true => end.fixed as i64,
                false => i64::MAX,
            })
            .collect(),
        false => call.integers("ends").ok_or("it has no ends")?.to_vec(),
    };
    let whole = whole_shape(value)?;
    let axes = match call.integers_from(3, "axes")? {
        Some(axes) => axes,
        None => (0..starts.len() as i64).collect(),
    };
    let steps = match call.is_given(4) {
        true => call.integer_input(4)?,
        false => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps differ in number".to_string());
    }
    let mut picks = vec![];
    for (((&start, &end), &given), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let axis = axis(given, sizes.len())?;
        if !whole[axis].is_fixed() {
            // However many rows there are.
            let declared = draft.declared_rows.is_some_and(|rows| end >= rows as i64);
            if start != 0 || step != 1 || !declared && end < i32::MAX.into() {
                return Err("it picks rows of the batch".to_string());
            }
            continue;
        }
        let chosen = sliced(start, end, step, sizes[axis])?;
        let whole = chosen.iter().copied().eq(0..sizes[axis]);
        if !whole {
            picks.push((axis, chosen.into_iter().map(Some).collect()));
        }
    }
    Ok(vec![moved(draft, value, &Picks(picks))?])
}

/// The positions `start..end` by `step`, as Python slices.
fn sliced(start: i64, end: i64, step: i64, size: usize) -> Result<Vec<usize>, String> {
    let size = size as i64;
    let (low, high) = if step < 0 { (-1, size - 1) } else { (0, size) };
    let place = |given: i64| {
        let counted = if given < 0 { given.saturating_add(size) } else { given };
        counted.clamp(low, high)
    };
    let (mut at, end) = (place(start), place(end));
    if step == 0 {
        return Err("a step of 0".to_string());
    }
    let mut picks = vec![];
    while (step > 0 && at < end) || (step < 0 && at > end) {
        picks.push(at as usize);
        at = at.saturating_add(step);
    }
    Ok(picks)
}

/// `Pad` by zeros, a number, the edge, a reflection, or around.
pub(super) fn pad(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let sizes = fixed_sizes(value)?;
    let pads = call.integers_from(1, "pads")?.ok_or("it has no pads")?;
    let axes = match call.is_given(3) {
        true => call.integer_input(3)?,
        false => (0..sizes.len() as i64).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(format!("{} pads for {} axes", pads.len(), axes.len()));
    }
    let mode = call.text("mode", "constant")?;
    let mut picks = vec![];
    for (slot, &given) in axes.iter().enumerate() {
        let axis = axis(given, sizes.len())?;
        let (before, after) = (pads[slot], pads[slot + axes.len()]);
        if (before, after) != (0, 0) {
            picks.push((axis, padded(before, after, sizes[axis], mode)?));
        }
    }
    let layout = Picks(picks);
    let fill = match call.optional_numbers(2)? {
        Some(number) => *number.single()?,
        None => call.real("value", 0.0),
    };
    if let (Value::Numbers(array), "constant") = (value, mode) {
        let array = Rc::unwrap_or_clone(array.clone());
        return Ok(vec![Value::numbers(layout.apply(array, &fill)?)]);
    }
    let result = moved(draft, value, &layout)?;
    if fill == 0.0 || mode != "constant" {
        return Ok(vec![result]);
    }
    let Value::Features(result) = result else {
        return Err(format!("integers padded by {fill}"));
    };
    // Zero everywhere but in the padding.
    let inside = Array::full(sizes[1..].to_vec(), 0.0f32)?;
    let with_rows: Vec<usize> = std::iter::once(1).chain(inside.shape.clone()).collect();
    let shift = layout.apply(inside.reshaped(with_rows)?, &fill)?.values;
    let scale = vec![1.0; shift.len()];
    Ok(vec![Value::Features(draft.affine(&result, 1, scale, shift)?)])
}

/// The positions of an axis with `before` and `after` more around it (fewer if negative).
fn padded(before: i64, after: i64, size: usize, mode: &str) -> Result<Vec<Option<usize>>, String> {
    let length = size as i64;
    let total = length.checked_add(before).and_then(|sum| sum.checked_add(after));
    let total = total.and_then(|total| usize::try_from(total).ok());
    let total = total.ok_or_else(|| format!("pads of {before} and {after} for size {size}"))?;
    product(&[total])?;
    if mode == "reflect" && (before >= length.max(1) || after >= length.max(1)) {
        return Err(format!("a reflection of {before} and {after} of an axis of size {size}"));
    }
    let place = |at: i64| match mode {
        "constant" => Ok((0..length).contains(&at).then_some(at as usize)),
        _ if length == 0 => Err("padding of an empty axis".to_string()),
        "edge" => Ok(Some(at.clamp(0, length - 1) as usize)),
        "reflect" => {
            let back = at.abs();
            Ok(Some((if back >= length { 2 * (length - 1) - back } else { back }) as usize))
        }
        "wrap" => Ok(Some(at.rem_euclid(length) as usize)),
        other => Err(format!("mode {other:?}")),
    };
    (0..total as i64).map(|at| place(at - before)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_those_of_python() {
        assert_eq!(sliced(1, -1, 2, 6).unwrap(), [1, 3]);
        assert_eq!(sliced(0, i64::MAX, 1, 3).unwrap(), [0, 1, 2]);
        assert_eq!(sliced(-1, i64::MIN, -1, 3).unwrap(), [2, 1, 0]);
        assert_eq!(sliced(4, 1, -2, 5).unwrap(), [4, 2]);
        assert!(sliced(2, 1, 1, 3).unwrap().is_empty() && sliced(0, 1, 0, 3).is_err());
    }

    #[test]
    fn paddings_are_those_of_numpy() {
        let at = |mode| -> Vec<usize> {
            padded(2, 2, 3, mode).unwrap().into_iter().map(Option::unwrap).collect()
        };
        assert_eq!(at("reflect"), [2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(at("edge"), [0, 0, 0, 1, 2, 2, 2]);
        assert_eq!(at("wrap"), [1, 2, 0, 1, 2, 0, 1]);
        assert_eq!(padded(1, -1, 2, "constant").unwrap(), [None, Some(0)]);
        assert!(padded(3, 0, 3, "reflect").is_err() && padded(-4, 0, 3, "edge").is_err());
        assert!(padded(i64::MAX, 1, 3, "edge").is_err() && padded(1, 1, 3, "mirror").is_err());
    }
}
