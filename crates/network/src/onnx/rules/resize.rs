//! Interpolation: nearest neighbours move features, the others are small matrices along
//! each axis.

use super::super::array::Array;
use super::super::call::{Call, sample_axis};
use super::super::draft::Draft;
use super::super::limits::product;
use super::super::value::{Features, Value};

/// How one axis is resized.
struct Axis {
    old: usize,
    new: usize,
    /// New size by old size, as the graph states it.
    scale: f64,
}

impl Axis {
    /// Where the new position `at` lies among the old ones.
    fn source(&self, at: usize, transformation: &str) -> Result<f64, String> {
        let at = at as f64;
        // Runtimes compute in single precision, which decides ties.
        let single = |value: f64| f64::from(value as f32);
        Ok(match transformation {
            "half_pixel" => single(single((at + 0.5) / self.scale) - 0.5),
            "tf_half_pixel_for_nn" => single((at + 0.5) / self.scale),
            "pytorch_half_pixel" if self.new > 1 => (at + 0.5) / self.scale - 0.5,
            "pytorch_half_pixel" => 0.0,
            "half_pixel_symmetric" => {
                let adjustment = self.new as f64 / (self.scale * self.old as f64);
                let centre = self.old as f64 / 2.0;
                centre * (1.0 - adjustment) + (at + 0.5) / self.scale - 0.5
            }
            "asymmetric" => single(at / self.scale),
            "align_corners" if self.new > 1 => {
                at * (self.old as f64 - 1.0) / (self.new as f64 - 1.0)
            }
            "align_corners" => 0.0,
            other => return Err(format!("coordinate_transformation_mode {other:?}")),
        })
    }
}

/// `Resize` and its forerunner `Upsample`.
pub(super) fn resize(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    let old_form = call.node.op_type == "Upsample" || call.opset < 11;
    if call.integer("antialias", 0) != 0 {
        return Err("antialias is not supported".to_string());
    }
    let axes = axes_of(call, &x, old_form)?;
    let mode = call.text("mode", "nearest")?;
    let default = if old_form { "asymmetric" } else { "half_pixel" };
    let transformation = call.text("coordinate_transformation_mode", default)?;
    let rounding =
        call.text("nearest_mode", if old_form { "floor" } else { "round_prefer_floor" })?;
    let mut result = x;
    for (axis, resized) in axes.into_iter().enumerate() {
        if resized.old == resized.new && resized.scale == 1.0 {
            continue;
        }
        result = match mode {
            "nearest" => {
                // Old operator sets leave the rounding open; runtimes round up to shrink.
                let rounding = if old_form && resized.scale < 1.0 { "ceil" } else { rounding };
                let picks = nearest(&resized, transformation, rounding)?;
                draft.moved(&result, |positions| positions.taken(axis + 1, &picks, None))?
            }
            "linear" | "bilinear" | "cubic" => {
                let sharpness = f64::from(call.real("cubic_coeff_a", -0.75));
                let cubic = (mode == "cubic").then_some(sharpness);
                let exclude = call.integer("exclude_outside", 0) != 0;
                let matrix = interpolation(&resized, transformation, cubic, exclude)?;
                let mut order: Vec<usize> = (0..=result.shape.len()).collect();
                order.swap(axis + 1, result.shape.len());
                let moved = draft.transposed(&result, &order)?;
                let resized = draft.linear(&moved, matrix, None)?;
                draft.transposed(&resized, &order)?
            }
            other => return Err(format!("mode {other:?}")),
        };
    }
    Ok(vec![Value::Features(result)])
}

/// The axes of a sample with their new sizes.
fn axes_of(call: &Call<'_>, x: &Features, old_form: bool) -> Result<Vec<Axis>, String> {
    let rank = x.shape.len() + 1;
    let named: Vec<i64> = match call.integers("axes") {
        Some(axes) => axes.to_vec(),
        None => (0..rank as i64).collect(),
    };
    let mut axes: Vec<Axis> =
        x.shape.iter().map(|&size| Axis { old: size, new: size, scale: 1.0 }).collect();
    let scales = match (old_form, call.reals("scales")) {
        (true, Some(scales)) => Some(scales.to_vec()),
        (true, None) => Some(call.numbers(1)?.values),
        (false, _) => call.optional_numbers(2)?.map(|array| array.values),
    };
    let scales = scales.filter(|scales| !scales.is_empty());
    let count = named.len();
    if let Some(scales) = scales {
        if scales.len() != count {
            return Err(format!("{} scales for {count} axes", scales.len()));
        }
        for (&given, &scale) in named.iter().zip(&scales) {
            if !(scale.is_finite() && scale > 0.0) {
                return Err(format!("a scale of {scale}"));
            }
            match sample_axis(given, &x.shape) {
                Ok(axis) => {
                    // In single precision, as the standard's implementations do.
                    let new = (axes[axis].old as f32 * scale).floor();
                    axes[axis].new = f64::from(new).min(u32::MAX.into()) as usize;
                    axes[axis].scale = scale.into();
                }
                Err(_) if scale == 1.0 => {}
                Err(error) => return Err(error),
            }
        }
    } else {
        let sizes = call.dimensions(3)?.values;
        if sizes.len() != count {
            return Err(format!("{} sizes for {count} axes", sizes.len()));
        }
        for (&given, size) in named.iter().zip(&sizes) {
            // The batch keeps its size, however it is written.
            let Ok(axis) = sample_axis(given, &x.shape) else { continue };
            if !size.is_fixed() || !(1.0..=f64::from(u32::MAX)).contains(&size.fixed) {
                return Err(format!("a size of {}", size.fixed));
            }
            axes[axis].new = size.fixed as usize;
            axes[axis].scale = size.fixed / axes[axis].old as f64;
        }
        if call.text("keep_aspect_ratio_policy", "stretch")? != "stretch" {
            return Err("keep_aspect_ratio_policy is not supported".to_string());
        }
    }
    if axes.iter().any(|axis| axis.new == 0) {
        return Err("an axis of size 0".to_string());
    }
    product(&axes.iter().map(|axis| axis.new).collect::<Vec<_>>())?;
    Ok(axes)
}

fn nearest(
    axis: &Axis,
    transformation: &str,
    rounding: &str,
) -> Result<Vec<Option<usize>>, String> {
    let round: fn(f64) -> f64 = match rounding {
        "round_prefer_floor" => |place| (place - 0.5).ceil(),
        "round_prefer_ceil" => |place| (place + 0.5).floor(),
        "floor" => f64::floor,
        "ceil" => f64::ceil,
        other => return Err(format!("nearest_mode {other:?}")),
    };
    let last = (axis.old - 1) as f64;
    (0..axis.new)
        .map(|at| {
            let place = axis.source(at, transformation)?;
            Ok(Some(round(place).clamp(0.0, last) as usize))
        })
        .collect()
}

/// The matrix `[old, new]` of linear or cubic interpolation; positions beyond the ends are
/// the ends, or left out if `exclude`.
fn interpolation(
    axis: &Axis,
    transformation: &str,
    cubic: Option<f64>,
    exclude: bool,
) -> Result<Array<f32>, String> {
    let mut matrix = Array::full(vec![axis.old, axis.new], 0.0f32)?;
    let last = axis.old as i64 - 1;
    for at in 0..axis.new {
        let place = axis.source(at, transformation)?;
        let left = place.floor();
        let t = place - left;
        let taps: Vec<(i64, f64)> = match cubic {
            None => vec![(0, 1.0 - t), (1, t)],
            Some(a) => {
                let near = |d: f64| ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
                let far = |d: f64| ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
                vec![(-1, far(1.0 + t)), (0, near(t)), (1, near(1.0 - t)), (2, far(2.0 - t))]
            }
        };
        let inside = |offset: i64| (0..=last).contains(&(left as i64 + offset));
        let total: f64 = if exclude && cubic.is_some() {
            taps.iter().filter(|(offset, _)| inside(*offset)).map(|(_, weight)| weight).sum()
        } else {
            1.0
        };
        for (offset, weight) in taps {
            if exclude && cubic.is_some() && !inside(offset) {
                continue;
            }
            let row = (left as i64 + offset).clamp(0, last) as usize;
            matrix.values[row * axis.new + at] += (weight / total) as f32;
        }
    }
    Ok(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_repeats_every_element() {
        let axis = Axis { old: 3, new: 6, scale: 2.0 };
        let twice = [0, 0, 1, 1, 2, 2].map(Some);
        for (transformation, rounding) in
            [("asymmetric", "floor"), ("half_pixel", "round_prefer_floor")]
        {
            assert_eq!(nearest(&axis, transformation, rounding).unwrap(), twice);
        }
        assert!(nearest(&axis, "tf_crop_and_resize", "floor").is_err());
    }

    #[test]
    fn interpolation_keeps_constants_and_ends() {
        for cubic in [None, Some(-0.75)] {
            for transformation in ["half_pixel", "align_corners", "asymmetric"] {
                let axis = Axis { old: 4, new: 7, scale: 1.75 };
                let matrix = interpolation(&axis, transformation, cubic, false).unwrap();
                for at in 0..7 {
                    let column: f32 = (0..4).map(|row| matrix.values[row * 7 + at]).sum();
                    assert!((column - 1.0).abs() < 1e-6);
                }
            }
        }
        let corners = Axis { old: 2, new: 3, scale: 1.5 };
        let matrix = interpolation(&corners, "align_corners", None, false).unwrap();
        assert_eq!(matrix.values, [1.0, 0.5, 0.0, 0.0, 0.5, 1.0]);
    }
}
