//! Elements at constant places.

use super::super::array::Array;
use super::super::call::{Call, axis};
use super::super::draft::Draft;
use super::super::value::{Dimension, Value};
use super::arithmetic::{Binary, combine};
use super::moves::{Picks, fixed_sizes, moved, whole_shape, with_shape};

/// `Gather` with constant indices along an axis.
pub(super) fn gather(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let sizes = fixed_sizes(value)?;
    let along = axis(call.integer("axis", 0), sizes.len())?;
    if let Value::Places(places) = call.input(1) {
        return gather_rows(draft, value, &sizes, along, places);
    }
    let indices = call.dimensions(1)?;
    let picks = indices
        .values
        .iter()
        .map(|&index| fixed_index(index, sizes[along]).map(Some))
        .collect::<Result<Vec<_>, _>>()?;
    let taken = moved(draft, value, &Picks(vec![(along, picks)]))?;
    // The axis gives way to the axes of the indices.
    let mut shape = whole_shape(&taken)?;
    let axes = indices.shape.iter().map(|&size| Dimension::fixed(size as f64));
    shape.splice(along..=along, axes);
    Ok(vec![with_shape(draft, &taken, &shape)?])
}

/// `Gather` at places that depend on the row: the elements of a batch in one axis, each sample
/// picking its own.
fn gather_rows(
    draft: &mut Draft,
    value: &Value,
    sizes: &[usize],
    along: usize,
    places: &Array<f64>,
) -> Result<Vec<Value>, String> {
    let Value::Features(x) = value else {
        return Err(format!("it picks rows of {}", value.kind()));
    };
    let place = |&place: &f64| axis(place as i64, sizes[along]).map(Some);
    let picks = places.values.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let shape = [&sizes[..along], places.shape.as_slice(), &sizes[along + 1..]].concat();
    let picked =
        draft.moved(x, |positions| positions.taken(along, &picks, None)?.reshaped(shape))?;
    Ok(vec![Value::Features(picked)])
}

/// `GatherND`: each row of constant indices is a place along the first axes.
pub(super) fn gather_nd(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    if call.integer("batch_dims", 0) != 0 {
        return Err("batch_dims are not supported".to_string());
    }
    let old = whole_shape(value)?;
    let sizes = fixed_sizes(value)?;
    let indices = call.dimensions(1)?;
    let (&depth, places) = indices.shape.split_last().ok_or("its indices are a single number")?;
    if depth == 0 || depth > sizes.len() {
        return Err(format!("places along {depth} of {} axes", sizes.len()));
    }
    let picks = indices
        .values
        .chunks_exact(depth)
        .map(|place| {
            place.iter().zip(&sizes).try_fold(0, |offset, (&index, &size)| {
                Ok(offset * size + fixed_index(index, size)?)
            })
        })
        .map(|place: Result<usize, String>| place.map(Some))
        .collect::<Result<Vec<_>, _>>()?;
    // The axes that are indexed as one.
    let merged = sizes[..depth].iter().product::<usize>();
    let rest = old[depth..].iter().copied();
    let shape: Vec<Dimension> =
        std::iter::once(Dimension::fixed(merged as f64)).chain(rest.clone()).collect();
    if old[..depth].iter().any(|size| !size.is_fixed()) {
        return Err("it picks rows of the batch".to_string());
    }
    let flat = with_shape(draft, value, &shape)?;
    let taken = moved(draft, &flat, &Picks(vec![(0, picks)]))?;
    let shape: Vec<Dimension> =
        places.iter().map(|&size| Dimension::fixed(size as f64)).chain(rest).collect();
    Ok(vec![with_shape(draft, &taken, &shape)?])
}

/// `Trilu`: one triangle of the last two axes, zero elsewhere.
pub(super) fn triangle(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let sizes = fixed_sizes(value)?;
    let &[.., rows, columns] = sizes.as_slice() else {
        return Err(format!("a triangle of {sizes:?}"));
    };
    let diagonal = match call.is_given(1) {
        true => call.integer_input(1)?.first().copied().unwrap_or(0),
        false => 0,
    };
    let upper = call.integer("upper", 1) != 0;
    let kept = |place: usize| {
        let (row, column) = ((place / columns % rows) as i64, (place % columns) as i64);
        let above = (column - row).saturating_sub(diagonal);
        if upper { above >= 0 } else { above <= 0 }
    };
    let masked = |place: usize| kept(place).then_some(place);
    Ok(vec![match value {
        // Infinite numbers are common here, so that zeros cannot be made by multiplication.
        Value::Numbers(array) => Value::numbers(Array {
            shape: array.shape.clone(),
            values: (0..array.values.len())
                .map(|place| masked(place).map_or(0.0, |place| array.values[place]))
                .collect(),
        }),
        Value::Dimensions(array) => Value::dimensions(Array {
            shape: array.shape.clone(),
            values: (0..array.values.len())
                .map(|place| masked(place).map_or(Dimension::fixed(0.0), |at| array.values[at]))
                .collect(),
        }),
        _ => {
            let mask = (0..rows * columns).map(|place| f32::from(u8::from(kept(place))));
            let mask = Array::new(vec![rows, columns], mask.collect())?;
            combine(draft, Binary::Multiply, value, &Value::numbers(mask))?
        }
    }])
}

/// A constant index along an axis of this size.
fn fixed_index(index: Dimension, size: usize) -> Result<usize, String> {
    let whole = index.is_fixed() && index.fixed.fract() == 0.0;
    let place = if whole { axis(index.fixed as i64, size) } else { Err(String::new()) };
    place.map_err(|_| format!("index {} of {size}", index.fixed))
}

/// `OneHot` of constants.
pub(super) fn one_hot(_draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let indices = call.dimensions(0)?;
    let depth = call.integer_input(1)?.first().and_then(|&depth| usize::try_from(depth).ok());
    let depth = depth.filter(|&depth| depth > 0).ok_or("it has no depth")?;
    let &[off, on] = call.dimensions(2)?.values.as_slice() else {
        return Err("it takes two values, off and on".to_string());
    };
    let rank = indices.shape.len();
    let along = axis(call.integer("axis", -1), rank + 1)?;
    let mut values = Array::full([indices.shape.as_slice(), &[depth]].concat(), off)?;
    for (line, &index) in values.values.chunks_exact_mut(depth).zip(&indices.values) {
        // Indices beyond the depth are off everywhere.
        if let Ok(place) = fixed_index(index, depth) {
            line[place] = on;
        }
    }
    let order: Vec<usize> = (0..along).chain([rank]).chain(along..rank).collect();
    let values = values.transposed(&order)?;
    Ok(vec![match call.input(2) {
        Value::Numbers(_) => Value::numbers(values.map(|value| value.fixed as f32)),
        _ => Value::dimensions(values),
    }])
}

/// `ScatterND` of constants: tables of positions are filled by it.
pub(super) fn scatter_nd(_draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    if call.text("reduction", "none")? != "none" {
        return Err("reductions are not supported".to_string());
    }
    let (mut data, updates) = (call.dimensions(0)?, call.dimensions(2)?);
    let indices = call.dimensions(1)?;
    let depth = indices.shape.last().copied().unwrap_or(0);
    if depth == 0 || depth > data.shape.len() {
        return Err(format!("places along {depth} of {} axes", data.shape.len()));
    }
    let inner: usize = data.shape[depth..].iter().product();
    let places = indices.values.chunks_exact(depth);
    if updates.values.len() != places.len() * inner {
        return Err(format!("{} numbers for {} places", updates.values.len(), places.len()));
    }
    for (place, values) in places.zip(updates.values.chunks_exact(inner.max(1))) {
        let offset = place.iter().zip(&data.shape).try_fold(0, |offset, (&index, &size)| {
            Ok::<usize, String>(offset * size + fixed_index(index, size)?)
        })?;
        data.values[offset * inner..(offset + 1) * inner].copy_from_slice(values);
    }
    Ok(vec![match call.input(0) {
        Value::Numbers(_) => Value::numbers(data.map(|value| value.fixed as f32)),
        _ => Value::dimensions(data),
    }])
}
