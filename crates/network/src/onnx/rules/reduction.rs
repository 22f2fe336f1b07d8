//! Sums, means and maxima over axes.

use crate::ops::{Function, MaxPool2dConfig, OperatorConfig};

use super::super::array::Array;
use super::super::call::{Call, axis};
use super::super::draft::{Draft, TRIAL_ROWS};
use super::super::limits::product;
use super::super::value::{Dimension, Features, Value};
use super::moves::axes_last;

/// The `Reduce` family.
pub(super) fn reduce(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let kind = call.node.op_type.as_str();
    let axes = call.integers_from(1, "axes")?.filter(|axes| !axes.is_empty());
    let keep = call.integer("keepdims", 1) != 0;
    match call.input(0) {
        Value::Features(_) => {
            let x = call.placed_features(0)?.clone();
            let Some(axes) = axes else {
                return match call.integer("noop_with_empty_axes", 0) {
                    0 => Err("over all axes, the batch among them".to_string()),
                    // Each element by itself.
                    _ => Ok(vec![Value::Features(reduced(draft, &x, kind, &[], true)?)]),
                };
            };
            Ok(vec![Value::Features(reduced(draft, &x, kind, &axes, keep)?)])
        }
        Value::Numbers(array) => {
            let axes = axes.map(|axes| {
                axes.iter().map(|&given| axis(given, array.shape.len())).collect::<Result<_, _>>()
            });
            let noop = axes.is_none() && call.integer("noop_with_empty_axes", 0) != 0;
            let all = if noop { vec![] } else { (0..array.shape.len()).collect() };
            let gone: Vec<usize> = axes.unwrap_or(Ok(all))?;
            Ok(vec![Value::numbers(of_numbers(array, kind, &gone, keep)?)])
        }
        // Shape computations multiply the sizes of a vector.
        Value::Dimensions(array) if kind == "ReduceProd" && array.shape.len() <= 1 => {
            let mut whole = Dimension::fixed(1.0);
            for value in &array.values {
                whole = match (whole.is_fixed(), value.is_fixed()) {
                    (_, true) => Dimension {
                        rows: whole.rows * value.fixed,
                        fixed: whole.fixed * value.fixed,
                    },
                    (true, false) => Dimension {
                        rows: value.rows * whole.fixed,
                        fixed: value.fixed * whole.fixed,
                    },
                    _ => return Err("a product quadratic in the number of rows".to_string()),
                };
            }
            let shape = if keep { vec![1] } else { vec![] };
            Ok(vec![Value::dimensions(Array::new(shape, vec![whole])?)])
        }
        other => Err(format!("of {} is not supported", other.kind())),
    }
}

/// A value reduced over axes, given as the graph counts them (the batch is 0).
pub(super) fn reduced(
    draft: &mut Draft,
    x: &Features,
    kind: &str,
    axes: &[i64],
    keep: bool,
) -> Result<Features, String> {
    let (moved, gone) = axes_last(draft, x, axes)?;
    let size: usize = gone.iter().map(|&axis| x.shape[axis]).product();
    let rest = x.count() / size.max(1);
    let mut lines = draft.reshaped(&moved, vec![rest, size])?;
    if matches!(kind, "ReduceL2" | "ReduceSumSquare") {
        lines = draft.activation(&lines, Function::Square)?;
    }
    if kind == "ReduceL1" {
        lines = draft.activation(&lines, Function::Abs)?;
    }
    let mut result = match kind {
        "ReduceLogSumExp" => log_sum_exp(draft, &lines, rest, size)?,
        "ReduceMax" | "ReduceMin" => {
            if kind == "ReduceMin" {
                lines = draft.scaled(&lines, -1.0, 0.0)?;
            }
            let maxima = maxima(draft, &lines, rest, size)?;
            if kind == "ReduceMin" { draft.scaled(&maxima, -1.0, 0.0)? } else { maxima }
        }
        "ReduceMean" | "ReduceSum" | "ReduceL2" | "ReduceSumSquare" | "ReduceL1"
        | "ReduceLogSum" => {
            let weight = if kind == "ReduceMean" { 1.0 / size as f32 } else { 1.0 };
            draft.linear(&lines, Array::full(vec![size, 1], weight)?, None)?
        }
        other => return Err(format!("{other} of a value of the network is not supported")),
    };
    if kind == "ReduceL2" {
        result = draft.activation(&result, Function::Sqrt)?;
    }
    if kind == "ReduceLogSum" {
        result = draft.activation(&result, Function::Log)?;
    }
    let shape: Vec<usize> = (0..x.shape.len())
        .filter(|axis| keep || !gone.contains(axis))
        .map(|axis| if gone.contains(&axis) { 1 } else { x.shape[axis] })
        .collect();
    // The batch moves up where axes before it are gone.
    let joined = usize::from(x.merged > 1);
    let before = gone.iter().filter(|&&axis| axis >= joined && axis - joined < x.batch).count();
    let result = draft.reshaped(&result, shape)?.placed_like(x);
    Ok(Features { batch: if keep { x.batch } else { x.batch - before }, ..result })
}

/// Constants reduced over axes.
fn of_numbers(
    array: &Array<f32>,
    kind: &str,
    gone: &[usize],
    keep: bool,
) -> Result<Array<f32>, String> {
    let kept = (0..array.shape.len()).filter(|axis| !gone.contains(axis));
    let order: Vec<usize> = kept.chain(gone.iter().copied()).collect();
    let lines = array.transposed(&order)?;
    let size: usize = gone.iter().map(|&axis| array.shape[axis]).product();
    let number = |line: &[f32]| {
        let line = line.iter().map(|&value| f64::from(value));
        let largest = line.clone().fold(f64::NEG_INFINITY, f64::max);
        Ok(match kind {
            "ReduceMean" => line.sum::<f64>() / size as f64,
            "ReduceSum" => line.sum(),
            "ReduceProd" => line.product(),
            "ReduceMax" => largest,
            "ReduceMin" => line.fold(f64::INFINITY, f64::min),
            "ReduceL1" => line.map(f64::abs).sum(),
            "ReduceL2" => line.map(|x| x * x).sum::<f64>().sqrt(),
            "ReduceSumSquare" => line.map(|x| x * x).sum(),
            "ReduceLogSum" => line.sum::<f64>().ln(),
            "ReduceLogSumExp" => largest + line.map(|x| (x - largest).exp()).sum::<f64>().ln(),
            other => return Err(format!("{other} of constants is not supported")),
        } as f32)
    };
    let values = lines.values.chunks_exact(size.max(1)).map(number).collect::<Result<_, _>>()?;
    let shape = (0..array.shape.len())
        .filter(|axis| keep || !gone.contains(axis))
        .map(|axis| if gone.contains(&axis) { 1 } else { array.shape[axis] })
        .collect();
    Array::new(shape, values)
}

/// The largest element of each of `rest` lines of `size`.
fn maxima(
    draft: &mut Draft,
    lines: &Features,
    rest: usize,
    size: usize,
) -> Result<Features, String> {
    let image = draft.reshaped(lines, vec![1, rest, size])?;
    let config = MaxPool2dConfig {
        input: [1, rest, size],
        kernel: [1, size],
        stride: [1, size],
        padding: [[0; 2]; 2],
        dilation: [1, 1],
    };
    draft.push(OperatorConfig::MaxPool2d(config), &[&image], vec![], vec![1, rest, 1])
}

/// `ln(sum(e^x))` of each line, as `max + ln(sum(e^(x - max)))`, which does not overflow.
fn log_sum_exp(
    draft: &mut Draft,
    lines: &Features,
    rest: usize,
    size: usize,
) -> Result<Features, String> {
    let maxima = maxima(draft, lines, rest, size)?;
    let maxima = draft.reshaped(&maxima, vec![rest, 1])?;
    let repeated = draft.moved(&maxima, |places| places.broadcast(&[TRIAL_ROWS, rest, size]))?;
    let negated = draft.scaled(&repeated, -1.0, 0.0)?;
    let below = draft.sum(lines, &negated)?;
    let powers = draft.activation(&below, Function::Exp)?;
    let sums = draft.linear(&powers, Array::full(vec![size, 1], 1.0)?, None)?;
    let logarithms = draft.activation(&sums, Function::Log)?;
    draft.sum(&logarithms, &maxima)
}

/// `CumSum`: sums of all elements up to each along an axis.
pub(super) fn cumulative(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let along = *call.integer_input(1)?.first().ok_or("it names no axis")?;
    let (exclusive, reverse) = (call.integer("exclusive", 0) != 0, call.integer("reverse", 0) != 0);
    let adds = |from: usize, to: usize| {
        let (from, to) = if reverse { (to, from) } else { (from, to) };
        from < to || from == to && !exclusive
    };
    if let Value::Features(_) = value {
        let placed = call.placed_features(0)?;
        let axis = placed.sample_axis(along)?;
        let x = &placed.plain();
        let size = x.shape[axis];
        let mut order: Vec<usize> = (0..=x.shape.len()).collect();
        order.swap(axis + 1, x.shape.len());
        let sums = Array::full(vec![size, size], 0.0f32)?;
        let share = |place: usize| f32::from(u8::from(adds(place / size, place % size)));
        let values = (0..sums.values.len()).map(share).collect();
        let moved = draft.transposed(x, &order)?;
        let summed = draft.linear(&moved, Array { shape: sums.shape, values }, None)?;
        let summed = draft.transposed(&summed, &order)?;
        return Ok(vec![Value::Features(summed.placed_like(placed))]);
    }
    let array = call.dimensions(0)?;
    let place = axis(along, array.shape.len())?;
    let (size, inner) = (array.shape[place], array.shape[place + 1..].iter().product::<usize>());
    let total = |place: usize| {
        let (line, to) =
            (place / (size * inner) * size * inner + place % inner, place / inner % size);
        let terms =
            (0..size).filter(|&from| adds(from, to)).map(|from| array.values[line + from * inner]);
        terms.fold(Dimension::fixed(0.0), |sum, term| Dimension {
            rows: sum.rows + term.rows,
            fixed: sum.fixed + term.fixed,
        })
    };
    // Long axes of constants would take time quadratic in their length.
    product(&[array.values.len(), size])?;
    let sums =
        Array { shape: array.shape.clone(), values: (0..array.values.len()).map(total).collect() };
    Ok(vec![match value {
        Value::Numbers(_) => Value::numbers(sums.map(|sum| sum.fixed as f32)),
        _ => Value::dimensions(sums),
    }])
}
