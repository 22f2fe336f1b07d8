//! Slopes of the secants of a function through a point.
//!
//! For a function f of one variable, `f(z) - f(z0) = S (z - z0)` with S the slope of the secant from
//! `z0` to `z`. If f is convex about both, S grows with either; so over intervals it is between
//! those of their ends. Otherwise it is a value of the derivative, by the mean value theorem. For
//! ReLU active at `z0`, with `l < 0` the least z, that is `S in [z0/(z0 - l), 1]`, where all that is
//! said of derivatives is `[0, 1]`.

use super::Envelope;
use super::envelope::{FUNCTION_ERROR, met, piece};
use crate::ops::{Curve, Piece};

/// What functions and derivatives may be off near their roots, where cancellation leaves nothing
/// that is small relative to them.
const ABSOLUTE: f64 = 1e-14;

/// What is known of `f(z) - f(z0)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secant {
    /// The least and largest slope of secants.
    pub(super) slopes: [f64; 2],
    /// Ends of `f(z) - f(z0) - tangent (z - z0)`.
    pub(super) remainder: [f64; 2],
}

/// The derivative of a function at a point, or nearly: of one of its pieces there.
pub(super) fn tangent(pieces: &[Piece], at: f64) -> f64 {
    piece(pieces, at).curve.slope(at)
}

/// Whether all pieces between these ends are one straight line.
pub(crate) fn is_line(pieces: &[Piece], ends: [f64; 2]) -> bool {
    matches!(bend(met(pieces, ends)), Some(Bend::Line(_)))
}

/// Secants from anywhere in `start` to anywhere in `[low, high]`.
pub(super) fn secant(pieces: &[Piece], start: [f64; 2], ends: [f64; 2], tangent: f64) -> Secant {
    let hull = [start[0].min(ends[0]), start[1].max(ends[1])];
    let met = met(pieces, hull);
    let slopes = match bend(met) {
        Some(Bend::Line(slope)) => [slope; 2],
        Some(Bend::Convex) => {
            let [least, largest] = derivatives(met, hull);
            let low = divided(met, start[0], ends[0])[0].max(least);
            let high = divided(met, start[1], ends[1])[1].min(largest);
            [low, high]
        }
        Some(Bend::Concave) => {
            let [least, largest] = derivatives(met, hull);
            let low = divided(met, start[1], ends[1])[0].max(least);
            let high = divided(met, start[0], ends[0])[1].min(largest);
            [low, high]
        }
        None => derivatives(met, hull),
    };
    let lines = Envelope::new(pieces, hull[0], hull[1]).lines_of_slopes(tangent, tangent);
    let middle = 0.5 * (start[0] + start[1]);
    let curve = piece(pieces, middle).curve;
    let at_start = curve.value(middle);
    // The start may be anywhere in its interval.
    let steepest = slopes[0].abs().max(slopes[1].abs()) + tangent.abs();
    let size = curve.size(middle) + tangent.abs() * middle.abs();
    let error = steepest * (start[1] - start[0]) + 2.0 * FUNCTION_ERROR * size + ABSOLUTE;
    let offset = at_start - tangent * middle;
    let remainder = [lines[0].offset - offset - error, lines[1].offset - offset + error];
    // It is 0 at the start itself; what is no number is no bound.
    let remainder = [
        if remainder[0] < 0.0 { remainder[0] } else { unknown(remainder[0], f64::NEG_INFINITY) },
        if remainder[1] > 0.0 { remainder[1] } else { unknown(remainder[1], f64::INFINITY) },
    ];
    Secant { slopes, remainder }
}

/// A bound that is no number bounds nothing; 0 otherwise.
fn unknown(bound: f64, nothing: f64) -> f64 {
    if bound.is_nan() { nothing } else { 0.0 }
}

enum Bend {
    Line(f64),
    Convex,
    Concave,
}

/// How all pieces together bend, if they bend one way only.
fn bend(pieces: &[Piece]) -> Option<Bend> {
    if let [Piece { curve: Curve::Line { slope, .. }, .. }] = *pieces {
        return Some(Bend::Line(slope));
    }
    let all = |convex: bool| {
        let each = pieces
            .iter()
            .all(|piece| matches!(piece.curve, Curve::Line { .. }) || piece.convex == convex);
        each && pieces.windows(2).all(|pair| {
            let joint = pair[0].end;
            let turn = pair[1].curve.slope(joint) - pair[0].curve.slope(joint);
            if convex { turn >= 0.0 } else { turn <= 0.0 }
        })
    };
    if all(true) {
        Some(Bend::Convex)
    } else if all(false) {
        Some(Bend::Concave)
    } else {
        None
    }
}

/// Ends of the slope between two points; infinite where it is a matter of rounding.
fn divided(pieces: &[Piece], a: f64, b: f64) -> [f64; 2] {
    let [curve_a, curve_b] = [a, b].map(|x| piece(pieces, x).curve);
    let (at_a, at_b) = (curve_a.value(a), curve_b.value(b));
    let (width, size) = ((a - b).abs(), curve_a.size(a) + curve_b.size(b));
    let error = (2.0 * FUNCTION_ERROR * size + 2.0 * ABSOLUTE) / width;
    let slope = (at_a - at_b) / (a - b);
    if slope.is_finite() && error.is_finite() {
        [slope - error, slope + error]
    } else {
        [f64::NEG_INFINITY, f64::INFINITY]
    }
}

/// Least and largest derivative on pieces where it is monotone.
fn derivatives(pieces: &[Piece], hull: [f64; 2]) -> [f64; 2] {
    let (mut least, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut start = hull[0];
    for piece in pieces {
        let end = piece.end.min(hull[1]);
        for at in [start, end] {
            let slope = piece.curve.slope(at);
            let error = match piece.curve {
                Curve::Line { .. } => 0.0,
                _ => FUNCTION_ERROR * slope.abs() + ABSOLUTE,
            };
            // NaN is no slope.
            let sound = |bound: f64, limit: f64| if bound.is_nan() { limit } else { bound };
            least = least.min(sound(slope - error, f64::NEG_INFINITY));
            largest = largest.max(sound(slope + error, f64::INFINITY));
        }
        start = end;
    }
    [least, largest]
}
