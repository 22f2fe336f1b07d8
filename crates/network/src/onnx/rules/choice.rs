//! Choices between values, and the comparisons that decide them.

use crate::ops::{Function, OperatorConfig, SelectConfig};

use super::super::array::{Array, broadcast_shapes};
use super::super::call::Call;
use super::super::draft::Draft;
use super::super::value::{Dimension, Features, Threshold, Value};
use super::arithmetic::{Binary, combine, placed_alike, row_of, stretched};

/// `Where`: among constants, or values of the network, or by a comparison of one.
pub(super) fn choice(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let (yes, no) = (call.input(1), call.input(2));
    if let Value::Above(condition) = call.input(0) {
        return Ok(vec![Value::Features(selected(draft, condition, yes, no)?)]);
    }
    let condition = call.dimensions(0)?;
    if [yes, no].iter().any(|value| matches!(value, Value::Features(_))) {
        return Ok(vec![chosen(draft, &condition, yes, no)?]);
    }
    let (yes, no) = (call.dimensions(1)?, call.dimensions(2)?);
    let shape = broadcast_shapes(&condition.shape, &broadcast_shapes(&yes.shape, &no.shape)?)?;
    let (condition, yes, no) =
        (condition.broadcast(&shape)?, yes.broadcast(&shape)?, no.broadcast(&shape)?);
    let choose = |((condition, yes), no): ((&Dimension, &Dimension), &Dimension)| {
        if *condition == Dimension::fixed(0.0) { *no } else { *yes }
    };
    let values =
        condition.values.iter().zip(&yes.values).zip(&no.values).map(choose).collect::<Vec<_>>();
    let chosen = Array { shape, values };
    let real = |position| matches!(call.input(position), Value::Numbers(_));
    Ok(vec![if real(1) && real(2) {
        Value::numbers(chosen.map(|value| value.fixed as f32))
    } else {
        Value::dimensions(chosen)
    }])
}

/// One of two values, by a comparison.
fn selected(
    draft: &mut Draft,
    condition: &Threshold,
    yes: &Value,
    no: &Value,
) -> Result<Features, String> {
    let Threshold { value, limit, negated } = condition;
    let (yes, no) = if *negated { (no, yes) } else { (yes, no) };
    // The softplus that exporters write: x where x is so large that ln(1 + e^x) is x.
    if let (Value::Features(yes), Value::Features(no)) = (yes, no)
        && yes == value
        && *limit >= 17.0
        && draft.is_softplus(no, value)
    {
        return draft.activation(value, Function::Softplus);
    }
    // Subtraction never loses the sign of a difference.
    let positive = if *limit == 0.0 { value.clone() } else { draft.scaled(value, 1.0, -limit)? };
    let mut shape = positive.shape.clone();
    for branch in [yes, no] {
        let own = match branch {
            Value::Features(branch) if !placed_alike(branch, &positive) => {
                return Err("inputs with the batch in different places".to_string());
            }
            Value::Features(branch) => branch.shape.clone(),
            constant => row_of(numbers(constant)?, &positive)?.shape,
        };
        shape = broadcast_shapes(&shape, &own)?;
    }
    let branch = |draft: &mut Draft, branch: &Value| match branch {
        Value::Features(branch) => stretched(draft, branch, &shape),
        constant => {
            let row = row_of(numbers(constant)?, &positive)?.broadcast(&shape)?;
            Ok(draft.constant(row)?.placed_like(&positive))
        }
    };
    let (yes, no) = (branch(draft, yes)?, branch(draft, no)?);
    let positive = stretched(draft, &positive, &shape)?;
    let operator = OperatorConfig::Select(SelectConfig {});
    Ok(draft.push(operator, &[&positive, &yes, &no], vec![], shape)?.placed_like(&positive))
}

/// One of two values, of which one or both depend on the input, by a constant mask.
pub(super) fn chosen(
    draft: &mut Draft,
    mask: &Array<Dimension>,
    yes: &Value,
    no: &Value,
) -> Result<Value, String> {
    let share = mask.map(|value| if *value == Dimension::fixed(0.0) { 0.0 } else { 1.0f32 });
    let rest = Value::numbers(share.map(|share| 1.0 - share));
    let share = Value::numbers(share);
    let part = |draft: &mut Draft, value: &Value, share: &Value| match value {
        Value::Features(_) => combine(draft, Binary::Multiply, value, share),
        // A constant may be infinite where it is not chosen.
        constant => {
            let (constant, share) = (numbers(constant)?, numbers(share)?);
            let shape = broadcast_shapes(&constant.shape, &share.shape)?;
            let (constant, share) = (constant.broadcast(&shape)?, share.broadcast(&shape)?);
            let pairs = constant.values.iter().zip(&share.values);
            let kept = pairs.map(|(&value, &share)| if share == 0.0 { 0.0 } else { value });
            Ok(Value::numbers(Array { shape, values: kept.collect() }))
        }
    };
    let (yes, no) = (part(draft, yes, &share)?, part(draft, no, &rest)?);
    combine(draft, Binary::Add, &yes, &no)
}

pub(super) fn numbers(value: &Value) -> Result<Array<f32>, String> {
    value.as_numbers().ok_or_else(|| format!("it combines with {}", value.kind()))
}

/// `a > b`, `a >= b` and their reverses, at least one of them a value of the network.
pub(super) fn compared(
    draft: &mut Draft,
    operator: Binary,
    a: &Value,
    b: &Value,
) -> Result<Value, String> {
    // a < b is b > a, and a >= b is not b > a.
    let (more, less, negated) = match operator {
        Binary::Greater => (a, b, false),
        Binary::Less => (b, a, false),
        Binary::LessOrEqual => (a, b, true),
        _ => (b, a, true),
    };
    if let (Value::Features(value), constant) = (more, less)
        && let Some(limit) = constant.as_numbers().and_then(|limit| limit.single().ok().copied())
    {
        return Ok(Value::Above(Threshold { value: value.clone(), limit, negated }));
    }
    match combine(draft, Binary::Subtract, more, less)? {
        Value::Features(value) => Ok(Value::Above(Threshold { value, limit: 0.0, negated })),
        other => Err(format!("it compares {}", other.kind())),
    }
}

/// Both of two comparisons, or at least one.
pub(super) fn joined(
    draft: &mut Draft,
    operator: Binary,
    a: &Threshold,
    b: &Threshold,
) -> Result<Value, String> {
    let (a, b) = (indicator(draft, a)?, indicator(draft, b)?);
    let limit = if operator == Binary::And { 1.5 } else { 0.5 };
    match combine(draft, Binary::Add, &a, &b)? {
        Value::Features(value) => Ok(Value::Above(Threshold { value, limit, negated: false })),
        other => Err(format!("it combines {}", other.kind())),
    }
}

/// `Sign`: 1, 0 or -1.
pub(super) fn sign(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    if let Some(array) = call.input(0).as_numbers() {
        let sign = |&x: &f32| if x == 0.0 { 0.0 } else { x.signum() };
        return Ok(vec![Value::numbers(array.map(sign))]);
    }
    let zero = Value::numbers(Array::scalar(0.0));
    let signs = [Binary::Greater, Binary::Less].map(|operator| {
        match compared(draft, operator, call.input(0), &zero)? {
            Value::Above(condition) => indicator(draft, &condition),
            other => Err(format!("the input is {}", other.kind())),
        }
    });
    let [positive, negative] = signs;
    Ok(vec![combine(draft, Binary::Subtract, &positive?, &negative?)?])
}

/// 1 where a comparison holds, 0 elsewhere.
pub(super) fn indicator(draft: &mut Draft, condition: &Threshold) -> Result<Value, String> {
    let number = |value: f32| Value::numbers(Array::scalar(value));
    Ok(Value::Features(selected(draft, condition, &number(1.0), &number(0.0))?))
}
