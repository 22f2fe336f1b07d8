//! Operators that repeat elements.

use std::rc::Rc;

use super::super::call::Call;
use super::super::draft::{Draft, TRIAL_ROWS};
use super::super::limits::product;
use super::super::value::{Dimension, Value};
use super::moves::{Broadcast, Picks, fixed_sizes, moved, whole_shape};

/// `Expand`: broadcasting to a shape, in both directions.
pub(super) fn expand(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let old = whole_shape(value)?;
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
    let sizes = fixed_sizes(value)?;
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
