//! Operators that move elements: the same code moves constants, shapes and positions.

use std::rc::Rc;

use crate::ops::{ConcatConfig, OperatorConfig};

use super::super::array::Array;
use super::super::call::{Call, axis, displaced};
use super::super::draft::{Draft, ROWS_WRITTEN, TRIAL_ROWS};
use super::super::limits::product;
use super::super::value::{Dimension, Features, Value};

/// The shape of a value with all its axes.
pub(super) fn whole_shape(_draft: &Draft, value: &Value) -> Result<Vec<Dimension>, String> {
    let fixed = |&size: &usize| Dimension::fixed(size as f64);
    match value {
        Value::Features(features) => {
            let mut shape: Vec<Dimension> = features.shape.iter().map(fixed).collect();
            if features.merged > 1 {
                shape.remove(0);
            }
            shape.insert(features.batch, Dimension { rows: features.merged as f64, fixed: 0.0 });
            Ok(shape)
        }
        Value::Outside(shape) => {
            Ok(std::iter::once(Dimension::ROWS).chain(shape.iter().map(fixed)).collect())
        }
        Value::Numbers(array) => Ok(array.shape.iter().map(fixed).collect()),
        // Its first axis is one of trial rows.
        Value::Places(array) => {
            Ok(std::iter::once(Dimension::ROWS).chain(array.shape[1..].iter().map(fixed)).collect())
        }
        Value::Dimensions(array) => Ok(array.shape.iter().map(fixed).collect()),
        other => Err(format!("the shape of {}", other.kind())),
    }
}

/// Axes of a value, the batch included.
fn rank(value: &Value) -> Result<usize, String> {
    Ok(match value {
        Value::Features(features) => features.shape.len() + usize::from(features.merged == 1),
        Value::Numbers(array) => array.shape.len(),
        Value::Dimensions(array) => array.shape.len(),
        other => return Err(format!("the input is {}", other.kind())),
    })
}

/// How an operator moves elements of any kind.
pub(super) trait Layout {
    fn apply<T: Clone>(&self, array: Array<T>, zero: &T) -> Result<Array<T>, String>;
}

/// Moves the elements of a value, whatever it is.
pub(super) fn moved(
    draft: &mut Draft,
    value: &Value,
    layout: &impl Layout,
) -> Result<Value, String> {
    Ok(match value {
        Value::Features(x) => {
            Value::Features(draft.moved(x, |positions| layout.apply(positions, &None))?)
        }
        Value::Numbers(array) => {
            Value::numbers(layout.apply(Rc::unwrap_or_clone(array.clone()), &0.0)?)
        }
        Value::Dimensions(array) => Value::dimensions(
            layout.apply(Rc::unwrap_or_clone(array.clone()), &Dimension::fixed(0.0))?,
        ),
        Value::Places(array) => {
            Value::Places(Rc::new(layout.apply(Rc::unwrap_or_clone(array.clone()), &0.0)?))
        }
        other => return Err(format!("the input is {}", other.kind())),
    })
}

pub(super) struct Transposition(pub(super) Vec<usize>);

impl Layout for Transposition {
    fn apply<T: Clone>(&self, array: Array<T>, _zero: &T) -> Result<Array<T>, String> {
        array.transposed(&self.0)
    }
}

/// Along each of some axes, the elements picked; `None` for zero.
pub(super) struct Picks(pub(super) Vec<(usize, Vec<Option<usize>>)>);

impl Layout for Picks {
    fn apply<T: Clone>(&self, array: Array<T>, zero: &T) -> Result<Array<T>, String> {
        self.0.iter().try_fold(array, |array, (axis, picks)| array.taken(*axis, picks, Some(zero)))
    }
}

struct Resized(Vec<usize>);

impl Layout for Resized {
    fn apply<T: Clone>(&self, array: Array<T>, _zero: &T) -> Result<Array<T>, String> {
        array.reshaped(self.0.clone())
    }
}

struct Broadcast(Vec<usize>);

impl Layout for Broadcast {
    fn apply<T: Clone>(&self, array: Array<T>, _zero: &T) -> Result<Array<T>, String> {
        array.broadcast(&self.0)
    }
}

/// A new shape, another order of its axes, and the final shape.
struct Rearranged {
    split: Vec<usize>,
    order: Vec<usize>,
    merged: Vec<usize>,
}

impl Layout for Rearranged {
    fn apply<T: Clone>(&self, array: Array<T>, _zero: &T) -> Result<Array<T>, String> {
        array.reshaped(self.split.clone())?.transposed(&self.order)?.reshaped(self.merged.clone())
    }
}

/// A value with the same elements in a new shape, given with all its axes.
pub(super) fn with_shape(
    draft: &mut Draft,
    value: &Value,
    shape: &[Dimension],
) -> Result<Value, String> {
    let size = |dimension: &Dimension, rows: usize| {
        let size = dimension.at(rows);
        if size >= 0.0 && size.fract() == 0.0 && size < u32::MAX.into() {
            Ok(size as usize)
        } else {
            Err(format!("an axis of size {size}"))
        }
    };
    match value {
        Value::Features(x) => {
            let sizes = |rows| shape.iter().map(|s| size(s, rows)).collect::<Result<Vec<_>, _>>();
            let (first, second) = (sizes(TRIAL_ROWS)?, sizes(TRIAL_ROWS + 1)?);
            let grows = |axis: &usize| first[*axis] != second[*axis];
            let growing: Vec<usize> = (0..first.len()).filter(grows).collect();
            match growing.as_slice() {
                [0] if x.is_plain() && first[0] == TRIAL_ROWS => {
                    Ok(Value::Features(draft.reshaped(x, first[1..].to_vec())?))
                }
                [_] => {
                    let whole = Resized(first);
                    Ok(Value::Features(draft.moved(x, |positions| whole.apply(positions, &None))?))
                }
                _ => Err(format!(
                    "samples of {:?} become {first:?} in a batch of {TRIAL_ROWS}{ROWS_WRITTEN}",
                    x.shape
                )),
            }
        }
        Value::Numbers(array) => {
            let shape = shape.iter().map(|s| size(s, 1)).collect::<Result<_, _>>()?;
            Ok(Value::numbers(array.as_ref().clone().reshaped(shape)?))
        }
        Value::Places(array) if shape.first() == Some(&Dimension::ROWS) => {
            let shape = shape.iter().map(|s| size(s, TRIAL_ROWS)).collect::<Result<_, _>>()?;
            Ok(Value::Places(Rc::new(array.as_ref().clone().reshaped(shape)?)))
        }
        Value::Dimensions(array) => {
            let shape = shape.iter().map(|s| size(s, 1)).collect::<Result<_, _>>()?;
            Ok(Value::dimensions(array.as_ref().clone().reshaped(shape)?))
        }
        other => Err(format!("the input is {}", other.kind())),
    }
}

/// `Reshape`, with 0 (as before) and -1 (what remains).
pub(super) fn reshape(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let old = whole_shape(draft, value)?;
    let mut new = match call.integers("shape") {
        Some(shape) => shape.iter().map(|&size| Dimension::fixed(size as f64)).collect(),
        None => call.dimensions(1)?.values,
    };
    if call.integer("allowzero", 0) == 0 {
        for (axis, size) in new.iter_mut().enumerate() {
            if *size == Dimension::fixed(0.0) {
                *size = *old.get(axis).ok_or("its 0 stands for an axis that is not there")?;
            }
        }
    }
    let is_features = matches!(value, Value::Features(_));
    if let Value::Features(x) = value
        && let Some(rows) = draft.declared_rows.or_else(|| written_rows(x, &new))
    {
        mark_rows(x, &old, &mut new, rows);
    }
    if let Some(open) = new.iter().position(|size| *size == Dimension::fixed(-1.0)) {
        let remaining = |rows: usize| -> Result<f64, String> {
            let count = |shape: &[Dimension]| shape.iter().map(|s| s.at(rows)).product::<f64>();
            let (all, known) = (count(&old), -count(&new));
            if known > 0.0 && (all / known).fract() == 0.0 {
                Ok(all / known)
            } else {
                Err(format!("{all} elements do not fill a shape of {known}"))
            }
        };
        // The missing size at two numbers of rows tells how it depends on them.
        let (first, second) = if is_features {
            (remaining(TRIAL_ROWS)?, remaining(2 * TRIAL_ROWS)?)
        } else {
            let size = remaining(1)?;
            (size, size)
        };
        let rows = (second - first) / TRIAL_ROWS as f64;
        new[open] = Dimension { rows, fixed: first - rows * TRIAL_ROWS as f64 };
    }
    Ok(vec![with_shape(draft, value, &new)?])
}

/// The only number of rows whose elements fill a shape. Exporters write that of their example
/// into graphs that should take any.
fn written_rows(x: &Features, new: &[Dimension]) -> Option<usize> {
    let is_size = |size: &Dimension| size.is_fixed() && size.fixed >= 1.0;
    let rows = new.iter().map(|size| size.fixed).product::<f64>() / x.count() as f64;
    (new.iter().all(is_size) && rows >= 1.0 && rows.fract() == 0.0).then_some(rows as usize)
}

/// In a graph that was exported for a fixed number of rows, makes the axis of a new shape that
/// the rows are in depend on their number. Elements keep their order, so that as many come
/// before the rows as did before.
fn mark_rows(x: &Features, old: &[Dimension], new: &mut [Dimension], rows: usize) {
    let open = Dimension::fixed(-1.0);
    if new.iter().any(|size| !size.is_fixed()) {
        return;
    }
    let outer = x.before as f64 * old[..x.batch].iter().map(|size| size.fixed).product::<f64>();
    let inner = x.count() as f64 / outer;
    let known: f64 = new.iter().filter(|size| **size != open).map(|size| size.fixed).product();
    let whole = rows as f64 * x.count() as f64;
    let size_at = |axis: usize| match new[axis] == open {
        true => whole / known,
        false => new[axis].fixed,
    };
    // Elements before each axis.
    let outside: Vec<f64> = (0..new.len()).map(|axis| (0..axis).map(size_at).product()).collect();
    let alone = |&axis: &usize| outside[axis] == outer && size_at(axis) == rows as f64;
    let shared = |&axis: &usize| {
        let before = outer / outside[axis];
        let after = size_at(axis) / (before * rows as f64);
        let is_whole = |number: f64| number >= 1.0 && number.fract() == 0.0;
        is_whole(before) && is_whole(after) && is_whole(inner / after)
    };
    // With one row, the batch may stand at the end of one axis or at the start of the next: views
    // that merge axes merge the leading ones, steps x batch, the others batch x heads.
    let begins = |axis: &usize| shared(axis) && outside[*axis] == outer;
    let ends =
        |axis: &usize| shared(axis) && outside[*axis] * size_at(*axis) == outer * rows as f64;
    let axes = || 0..new.len();
    let merges = new.len() < old.len();
    let found = axes().find(alone);
    let found = found.or_else(|| if merges { axes().find(ends) } else { axes().find(begins) });
    let found = found.or_else(|| axes().find(begins)).or_else(|| axes().find(shared));
    if let Some(axis) = found {
        new[axis] = Dimension { rows: size_at(axis) / rows as f64, fixed: 0.0 };
    }
}

/// `Flatten` at an axis.
pub(super) fn flatten(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let old = whole_shape(draft, value)?;
    let at = match call.integer("axis", 1) {
        at if at == old.len() as i64 => old.len(),
        at => axis(at, old.len())?,
    };
    let product = |axes: &[Dimension]| {
        let fixed: f64 = axes.iter().filter(|a| a.is_fixed()).map(|a| a.fixed).product();
        match axes.iter().find(|a| !a.is_fixed()) {
            Some(rows) => Dimension { rows: rows.rows * fixed, fixed: 0.0 },
            None => Dimension::fixed(fixed),
        }
    };
    let new = [product(&old[..at]), product(&old[at..])];
    Ok(vec![with_shape(draft, value, &new)?])
}

/// `Squeeze` the given axes, or all of size 1.
pub(super) fn squeeze(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let old = whole_shape(draft, value)?;
    let gone = match call.integers_from(1, "axes")? {
        Some(axes) => {
            axes.iter().map(|&given| axis(given, old.len())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..old.len()).filter(|&axis| old[axis] == Dimension::fixed(1.0)).collect(),
    };
    if let Some(axis) = gone.iter().find(|&&axis| old[axis] != Dimension::fixed(1.0)) {
        return Err(format!("axis {axis} is not of size 1"));
    }
    let keep = (0..old.len()).filter(|axis| !gone.contains(axis));
    let new: Vec<Dimension> = keep.map(|axis| old[axis]).collect();
    Ok(vec![with_shape(draft, value, &new)?])
}

/// `Unsqueeze`: new axes of size 1.
pub(super) fn unsqueeze(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let old = whole_shape(draft, value)?;
    let axes = call.integers_from(1, "axes")?.ok_or("it names no axes")?;
    let rank = old.len() + axes.len();
    let axes = axes.iter().map(|&given| axis(given, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut rest = old.into_iter();
    let new = (0..rank)
        .map(|axis| {
            let one = Some(Dimension::fixed(1.0));
            if axes.contains(&axis) { one } else { rest.next() }
        })
        .collect::<Option<Vec<_>>>();
    Ok(vec![with_shape(draft, value, &new.ok_or("an axis is named twice")?)?])
}

/// `Transpose`.
pub(super) fn transpose(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let rank = rank(call.input(0))?;
    let order = match call.integers("perm") {
        Some(order) => order.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    Ok(vec![moved(draft, call.input(0), &Transposition(order))?])
}

pub(super) fn fixed_sizes(draft: &Draft, value: &Value) -> Result<Vec<usize>, String> {
    let whole = whole_shape(draft, value)?;
    Ok(whole.iter().map(|size| size.at(TRIAL_ROWS) as usize).collect())
}

/// `Split` into parts, equal ones if no sizes are given.
pub(super) fn split(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let sizes = fixed_sizes(draft, value)?;
    let axis = axis(call.integer("axis", 0), sizes.len())?;
    if !whole_shape(draft, value)?[axis].is_fixed() {
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
    let sizes = fixed_sizes(draft, value)?;
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
    let whole = whole_shape(draft, value)?;
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
    let sizes = fixed_sizes(draft, value)?;
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

/// `Expand`: broadcasting to a shape, in both directions.
pub(super) fn expand(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let old = whole_shape(draft, value)?;
    let wanted = call.dimensions(1)?.values;
    let rank = old.len().max(wanted.len());
    let size = |shape: &[Dimension], axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(Dimension::fixed(1.0), |axis| shape[axis])
    };
    let one = Dimension::fixed(1.0);
    let constant = !matches!(value, Value::Features(_));
    let mut shape = vec![];
    for axis in 0..rank {
        let (a, b) = (size(&old, axis), size(&wanted, axis));
        let b = if draft.declared_rows.is_some_and(|rows| b == Dimension::fixed(rows as f64))
            && a == Dimension::ROWS
        {
            a
        } else {
            b
        };
        let chosen = if a == one { b } else { a };
        if a != one && b != one && a != b {
            return Err(format!("cannot expand axis {axis}"));
        }
        // Of a constant that is repeated for every row, one row is kept.
        let kept = chosen.fixed == 0.0 && chosen.rows >= 1.0 && chosen.rows.fract() == 0.0;
        let repeated = constant && axis == 0 && kept;
        if !chosen.is_fixed() && !repeated && a.is_fixed() {
            return Err("as many copies as rows, along an axis of its own".to_string());
        }
        shape.push(if repeated { chosen.rows as usize } else { chosen.at(TRIAL_ROWS) as usize });
    }
    let repeated = rank > 0 && size(&wanted, 0) == Dimension::ROWS;
    let expanded = moved(draft, value, &Broadcast(shape))?;
    Ok(vec![if repeated { for_every_row(draft, expanded)? } else { expanded }])
}

/// A constant of which one row is kept, as a value of the network: its shape has the rows. A
/// vector stays what it is, the row of a single parameter.
fn for_every_row(draft: &mut Draft, value: Value) -> Result<Value, String> {
    match value {
        Value::Numbers(array) if array.shape.len() > 1 && array.shape[0] == 1 => {
            let shape = array.shape[1..].to_vec();
            let row = Rc::unwrap_or_clone(array).reshaped(shape)?;
            Ok(Value::Features(draft.constant(row)?))
        }
        other => Ok(other),
    }
}

/// `Tile`.
pub(super) fn tile(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let sizes = fixed_sizes(draft, value)?;
    let repeats = call.dimensions(1)?.values;
    if repeats.len() != sizes.len() {
        return Err(format!("{} repeats for {} axes", repeats.len(), sizes.len()));
    }
    let mut repeated = false;
    let mut picks = vec![];
    for (axis, (repeat, &size)) in repeats.iter().zip(&sizes).enumerate() {
        if *repeat == Dimension::fixed(1.0) {
            continue;
        }
        // Of a constant that is repeated for every row, one row is kept.
        let constant = !matches!(value, Value::Features(_));
        if constant && axis == 0 && *repeat == Dimension::ROWS {
            repeated = true;
            continue;
        }
        let fixed =
            draft.declared_rows.is_some_and(|rows| *repeat == Dimension::fixed(rows as f64));
        if constant && axis == 0 && fixed && size == 1 {
            repeated = true;
            continue;
        }
        let count = if repeat.is_fixed() { repeat.fixed } else { -1.0 };
        if !(0.0..=f64::from(u32::MAX)).contains(&count) {
            return Err(format!("{} repeats", repeat.fixed));
        }
        let total = product(&[count as usize, size])?;
        picks.push((axis, (0..total).map(|at| Some(at % size)).collect()));
    }
    let tiled = moved(draft, value, &Picks(picks))?;
    Ok(vec![if repeated { for_every_row(draft, tiled)? } else { tiled }])
}

/// `DepthToSpace` and `SpaceToDepth`.
pub(super) fn depth_and_space(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    let &[channels, height, width] = x.shape.as_slice() else {
        return Err(format!("samples of {:?} are no images", x.shape));
    };
    let block = usize::try_from(call.integer("blocksize", 0)).unwrap_or(0);
    let area = block.checked_mul(block).filter(|&area| area > 0).ok_or("a block of size 0")?;
    let rows = TRIAL_ROWS;
    let layout = if call.node.op_type == "SpaceToDepth" {
        if !height.is_multiple_of(block) || !width.is_multiple_of(block) {
            return Err(format!("blocks of {block} in images of {height} x {width}"));
        }
        let (tall, wide) = (height / block, width / block);
        Rearranged {
            split: vec![rows, channels, tall, block, wide, block],
            order: vec![0, 3, 5, 1, 2, 4],
            merged: vec![rows, channels * area, tall, wide],
        }
    } else {
        if !channels.is_multiple_of(area) {
            return Err(format!("blocks of {block} in {channels} channels"));
        }
        let depth = channels / area;
        let (split, order) = match call.text("mode", "DCR")? {
            "DCR" => (vec![rows, block, block, depth, height, width], vec![0, 3, 4, 1, 5, 2]),
            "CRD" => (vec![rows, depth, block, block, height, width], vec![0, 1, 4, 2, 5, 3]),
            other => return Err(format!("mode {other:?}")),
        };
        Rearranged { split, order, merged: vec![rows, depth, height * block, width * block] }
    };
    Ok(vec![moved(draft, &Value::Features(x), &layout)?])
}

/// The given axes of a value of the network last, in their order; the batch is none of them.
pub(super) fn axes_last(
    draft: &mut Draft,
    x: &Features,
    axes: &[i64],
) -> Result<(Features, Vec<usize>), String> {
    let mut last = vec![];
    for &given in axes {
        let axis = x.sample_axis(given)?;
        if last.contains(&axis) {
            return Err(format!("axis {given} is named twice"));
        }
        last.push(axis);
    }
    last.sort_unstable();
    let kept = (0..x.shape.len()).filter(|axis| !last.contains(axis));
    let order: Vec<usize> =
        std::iter::once(0).chain(kept.chain(last.iter().copied()).map(|axis| axis + 1)).collect();
    Ok((draft.transposed(&x.plain(), &order)?, last))
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
