//! Sums, means and maxima over axes.

use crate::ops::{Function, MaxPool2dConfig, OperatorConfig};

use super::super::array::Array;
use super::super::call::Call;
use super::super::draft::Draft;
use super::super::value::{Dimension, Features, Value};
use super::layout::axes_last;

/// The `Reduce` family.
pub(super) fn reduce(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let kind = call.node.op_type.as_str();
    let axes = call.integers_from(1, "axes")?.filter(|axes| !axes.is_empty());
    let keep = call.integer("keepdims", 1) != 0;
    match call.input(0) {
        Value::Features(_) => {
            let x = call.features(0)?.clone();
            let Some(axes) = axes else {
                return match call.integer("noop_with_empty_axes", 0) {
                    0 => Err("over all axes, the batch among them".to_string()),
                    _ => Ok(vec![call.input(0).clone()]),
                };
            };
            Ok(vec![Value::Features(reduced(draft, &x, kind, &axes, keep)?)])
        }
        // Shape computations multiply the sizes of a vector.
        Value::Dimensions(array) if kind == "ReduceProd" && array.shape.len() <= 1 => {
            let mut product = Dimension::fixed(1.0);
            for value in &array.values {
                product = match (product.is_fixed(), value.is_fixed()) {
                    (_, true) => Dimension {
                        rows: product.rows * value.fixed,
                        fixed: product.fixed * value.fixed,
                    },
                    (true, false) => Dimension {
                        rows: value.rows * product.fixed,
                        fixed: value.fixed * product.fixed,
                    },
                    _ => return Err("a product quadratic in the number of rows".to_string()),
                };
            }
            let shape = if keep { vec![1] } else { vec![] };
            Ok(vec![Value::dimensions(Array::new(shape, vec![product])?)])
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
    let mut result = match kind {
        "ReduceMax" | "ReduceMin" => {
            if kind == "ReduceMin" {
                lines = draft.scaled(&lines, -1.0, 0.0)?;
            }
            let image = draft.reshaped(&lines, vec![1, rest, size])?;
            let config = MaxPool2dConfig {
                input: [1, rest, size],
                kernel: [1, size],
                stride: [1, size],
                padding: [[0; 2]; 2],
                dilation: [1, 1],
            };
            let operator = OperatorConfig::MaxPool2d(config);
            let maxima = draft.push(operator, &[&image], vec![], vec![1, rest, 1])?;
            if kind == "ReduceMin" { draft.scaled(&maxima, -1.0, 0.0)? } else { maxima }
        }
        "ReduceMean" | "ReduceSum" | "ReduceL2" | "ReduceSumSquare" => {
            let weight = if kind == "ReduceMean" { 1.0 / size as f32 } else { 1.0 };
            draft.linear(&lines, Array::full(vec![size, 1], weight)?, None)?
        }
        other => return Err(format!("{other} of a value of the network is not supported")),
    };
    if kind == "ReduceL2" {
        result = draft.activation(&result, Function::Sqrt)?;
    }
    let shape: Vec<usize> = (0..x.shape.len())
        .filter(|axis| keep || !gone.contains(axis))
        .map(|axis| if gone.contains(&axis) { 1 } else { x.shape[axis] })
        .collect();
    draft.reshaped(&result, shape)
}
