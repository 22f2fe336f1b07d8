//! How elements move: the same code moves constants, shapes and positions.

use std::rc::Rc;

use super::super::array::Array;
use super::super::draft::{Draft, ROWS_WRITTEN, TRIAL_ROWS};
use super::super::value::{Dimension, Features, Value};

/// The shape of a value with all its axes.
pub(super) fn whole_shape(value: &Value) -> Result<Vec<Dimension>, String> {
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
pub(super) fn rank(value: &Value) -> Result<usize, String> {
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

pub(super) struct Resized(pub(super) Vec<usize>);

impl Layout for Resized {
    fn apply<T: Clone>(&self, array: Array<T>, _zero: &T) -> Result<Array<T>, String> {
        array.reshaped(self.0.clone())
    }
}

pub(super) struct Broadcast(pub(super) Vec<usize>);

impl Layout for Broadcast {
    fn apply<T: Clone>(&self, array: Array<T>, _zero: &T) -> Result<Array<T>, String> {
        array.broadcast(&self.0)
    }
}

/// A new shape, another order of its axes, and the final shape.
pub(super) struct Rearranged {
    pub(super) split: Vec<usize>,
    pub(super) order: Vec<usize>,
    pub(super) merged: Vec<usize>,
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

pub(super) fn fixed_sizes(value: &Value) -> Result<Vec<usize>, String> {
    let whole = whole_shape(value)?;
    Ok(whole.iter().map(|size| size.at(TRIAL_ROWS) as usize).collect())
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
