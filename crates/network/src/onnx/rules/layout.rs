//! Operators that give elements another shape or order of axes.

use super::super::call::{Call, axis};
use super::super::draft::{Draft, TRIAL_ROWS};
use super::super::value::{Dimension, Features, Value};
use super::moves::{Rearranged, Transposition, moved, rank, whole_shape, with_shape};

/// `Reshape`, with 0 (as before) and -1 (what remains).
pub(super) fn reshape(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let value = call.input(0);
    let old = whole_shape(value)?;
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
    let old = whole_shape(value)?;
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
    let old = whole_shape(value)?;
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
    let old = whole_shape(value)?;
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
