//! Constants, shapes, and nodes that change nothing.

use std::rc::Rc;

use super::super::array::Array;
use super::super::call::Call;
use super::super::constant::decode;
use super::super::draft::{Draft, TRIAL_ROWS};
use super::super::limits::MOST_ELEMENTS;
use super::super::proto::data_type;
use super::super::value::{Dimension, Value};
use super::choice::indicator;
use super::moves::whole_shape;

/// `Constant`, in any of its spellings.
pub(super) fn constant(_draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let fixed = |values: &[i64]| values.iter().map(|&v| Dimension::fixed(v as f64)).collect();
    let value = if let Some(tensor) = call.tensor("value") {
        decode(tensor, None)?
    } else if call.has("value_float") {
        Value::numbers(Array::scalar(call.real("value_float", 0.0)))
    } else if let Some(values) = call.reals("value_floats") {
        Value::numbers(Array::vector(values.to_vec()))
    } else if call.has("value_int") {
        Value::dimensions(Array::scalar(Dimension::fixed(call.integer("value_int", 0) as f64)))
    } else if let Some(values) = call.integers("value_ints") {
        Value::dimensions(Array::vector(fixed(values)))
    } else {
        return Err("a constant without numbers".to_string());
    };
    Ok(vec![value])
}

/// `ConstantOfShape`. Of a constant that is the same for every row, one row is kept.
pub(super) fn constant_of_shape(_draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let mut shape = vec![];
    for (position, size) in call.dimensions(0)?.values.iter().enumerate() {
        shape.push(match size {
            size if size.rows >= 1.0 && size.fixed == 0.0 && position == 0 => size.rows as usize,
            size if size.is_fixed() && size.fixed >= 0.0 => size.fixed as usize,
            _ => return Err("a shape that depends on the number of rows".to_string()),
        });
    }
    let value = match call.tensor("value") {
        Some(tensor) => decode(tensor, None)?,
        None => Value::numbers(Array::scalar(0.0)),
    };
    Ok(vec![match value {
        Value::Dimensions(value) => Value::dimensions(Array::full(shape, *value.single()?)?),
        Value::Numbers(value) => Value::numbers(Array::full(shape, *value.single()?)?),
        other => return Err(format!("filled with {}", other.kind())),
    }])
}

/// `Shape`: the first axis of a value of the network is the number of rows.
pub(super) fn shape(_draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let whole = whole_shape(call.input(0))?;
    let rank = whole.len() as i64;
    let place = |given: i64| (if given < 0 { given + rank } else { given }).clamp(0, rank) as usize;
    let start = place(call.integer("start", 0));
    let end = place(call.integer("end", rank)).max(start);
    Ok(vec![Value::dimensions(Array::vector(whole[start..end].to_vec()))])
}

/// `Size`: the number of elements.
pub(super) fn size(_draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let whole = whole_shape(call.input(0))?;
    let mut size = Dimension::fixed(1.0);
    for axis in whole {
        size = match (size.is_fixed(), axis.is_fixed()) {
            (_, true) => Dimension { rows: size.rows * axis.fixed, fixed: size.fixed * axis.fixed },
            (true, false) => {
                Dimension { rows: axis.rows * size.fixed, fixed: axis.fixed * size.fixed }
            }
            _ => return Err("a size quadratic in the number of rows".to_string()),
        };
    }
    Ok(vec![Value::dimensions(Array::scalar(size))])
}

/// `Range` of constants.
pub(super) fn range(_draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    // The numbers of the rows.
    if let (Ok(from), Ok(to), Ok(step)) =
        (call.dimensions(0), call.dimensions(1), call.dimensions(2))
        && from.values == [Dimension::fixed(0.0)]
        && to.values == [Dimension::ROWS]
        && step.values == [Dimension::fixed(1.0)]
        && matches!(call.input(0), Value::Dimensions(_))
    {
        let numbers = (0..TRIAL_ROWS).map(|row| row as f64).collect();
        return Ok(vec![Value::Places(Rc::new(Array::vector(numbers)))]);
    }
    let number = |position: usize| -> Result<f64, String> {
        let array = call.dimensions(position)?;
        let value = array.single()?;
        if value.is_fixed() { Ok(value.fixed) } else { Err("a range of rows".to_string()) }
    };
    let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() || count > MOST_ELEMENTS as f64 {
        return Err(format!("a range from {start} to {limit} by {step}"));
    }
    let values = (0..count as usize).map(|k| start + k as f64 * step);
    Ok(vec![if matches!(call.input(0), Value::Numbers(_)) {
        Value::numbers(Array::vector(values.map(|v| v as f32).collect()))
    } else {
        Value::dimensions(Array::vector(values.map(Dimension::fixed).collect()))
    }])
}

/// `Cast`: everything real is single precision here; integers are exact.
pub(super) fn cast(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let to = call.integer("to", data_type::FLOAT.into()) as i32;
    let real = [data_type::FLOAT, data_type::DOUBLE, data_type::FLOAT16, data_type::BFLOAT16];
    let like = call.node.op_type == "CastLike";
    let to_real = match call.input(1) {
        Value::Dimensions(_) if like => false,
        _ if like => true,
        _ => real.contains(&to),
    };
    Ok(vec![match call.input(0) {
        value @ (Value::Features(_) | Value::Noise) if to_real => value.clone(),
        Value::Features(_) => return Err("a value of the network becomes integer".to_string()),
        Value::Above(condition) if to_real => indicator(draft, condition)?,
        condition @ Value::Above(_) if to == data_type::BOOL => condition.clone(),
        Value::Numbers(array) if to == data_type::FLOAT16 && !like => {
            Value::numbers(array.map(|&value| rounded_to_half(value)))
        }
        value @ Value::Numbers(_) if to_real => value.clone(),
        places @ Value::Places(_) if to == data_type::INT64 => places.clone(),
        Value::Numbers(array) if to == data_type::BOOL => Value::dimensions(
            array.map(|value| Dimension::fixed(f64::from(u8::from(*value != 0.0)))),
        ),
        Value::Numbers(array) => {
            Value::dimensions(array.map(|value| Dimension::fixed(f64::from(value.trunc()))))
        }
        value @ Value::Dimensions(_) if to_real => {
            value.as_numbers().map_or_else(|| value.clone(), Value::numbers)
        }
        Value::Dimensions(array) if to == data_type::BOOL => Value::dimensions(
            array.map(|value| Dimension::fixed((*value != Dimension::fixed(0.0)).into())),
        ),
        Value::Dimensions(array) => Value::dimensions(array.map(|value| {
            // Sizes that scale with the rows stay as they are: a fraction of a row is an
            // error wherever it is used.
            if value.is_fixed() { Dimension::fixed(value.fixed.trunc()) } else { *value }
        })),
        other => return Err(format!("the input is {}", other.kind())),
    }])
}

/// The nearest number of half precision.
fn rounded_to_half(value: f32) -> f32 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let exponent = value.abs().log2().floor().max(-14.0) as i32;
    let unit = 2f32.powi(exponent - 10);
    let rounded = (value / unit).round_ties_even() * unit;
    if rounded.abs() > 65504.0 { f32::INFINITY.copysign(value) } else { rounded }
}

/// `Identity`, and `Dropout` as it is outside training.
pub(super) fn identity(_draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    if call.node.op_type == "Dropout" && call.is_given(2) && call.integer_input(2)? != [0] {
        return Err("it is in training mode: export the model in evaluation mode".to_string());
    }
    Ok(vec![call.input(0).clone()])
}

/// Random numbers: allowed only outside of what becomes a network.
pub(super) fn noise(_draft: &mut Draft, _call: &Call<'_>) -> Result<Vec<Value>, String> {
    Ok(vec![Value::Noise])
}
