//! Lines above and below a function of one variable over an interval.
//!
//! Of all lines above a function, the one that is lowest at the middle of the interval encloses
//! the least area: a line that supports the concave envelope there. It is found by
//! cutting planes, but whatever slope comes out, the line is sound, because its height is the
//! maximum of the function minus the slope, and that is bounded by tangents on every concave
//! piece.

use crate::ops::{Curve, Piece};

/// `slope x + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub(crate) slope: f64,
    pub(crate) offset: f64,
}

/// Relative error that functions may have in f64, and more: 1e-12.
pub(super) const FUNCTION_ERROR: f64 = 1.0 / (1u64 << 40) as f64;

/// Error of functions near the smallest numbers.
const UNDERFLOW: f64 = 1e-140;

/// By how much, of what there is to gain, a line may be looser than the best.
const TOLERANCE: f64 = 1e-6;

/// A function over `[low, high]`, which must be finite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    /// The pieces of the function that the interval meets.
    pieces: &'a [Piece],
    low: f64,
    high: f64,
}

/// A bound on the largest value of something, and where it is taken, nearly.
struct Peak {
    value: f64,
    at: f64,
    /// Of the terms that the function adds up to there.
    size: f64,
}

impl<'a> Envelope<'a> {
    pub(crate) fn new(pieces: &'a [Piece], low: f64, high: f64) -> Self {
        Self { pieces: met(pieces, [low, high]), low, high }
    }

    /// The least and the largest value.
    pub(crate) fn range(self) -> [f64; 2] {
        let largest = |sign| {
            let Peak { value, size, .. } = self.peak(sign, 0.0);
            value + FUNCTION_ERROR * size.max(value.abs()) + UNDERFLOW
        };
        [-largest(-1.0), largest(1.0)]
    }

    /// Lines below and above that enclose little.
    pub(crate) fn lines(self) -> [Line; 2] {
        if let [Piece { curve: Curve::Line { slope, offset }, .. }] = *self.pieces {
            return [Line { slope, offset }; 2];
        }
        [-1.0, 1.0].map(|sign| self.touching(sign, self.best_slope(sign)))
    }

    /// The highest line of slope `below` below the function, the lowest of slope `above` above.
    pub(crate) fn lines_of_slopes(self, below: f64, above: f64) -> [Line; 2] {
        [self.touching(-1.0, -below), self.touching(1.0, above)]
    }

    /// The line above `sign f` of this slope, as a line of f.
    fn touching(self, sign: f64, slope: f64) -> Line {
        let peak = self.peak(sign, slope);
        let reach = slope.abs() * self.low.abs().max(self.high.abs());
        let size = peak.value.abs() + peak.size + reach + self.value(self.low).abs();
        let offset = peak.value + FUNCTION_ERROR * size + UNDERFLOW;
        Line { slope: sign * slope, offset: sign * offset }
    }

    /// The slope of a line above `sign f` that is nearly the lowest at the middle.
    fn best_slope(self, sign: f64) -> f64 {
        let width = self.high - self.low;
        let middle = self.low + 0.5 * width;
        let piece = self.piece(middle);
        let steepness = sign * piece.curve.slope(middle);
        let flat = width <= 1e-12 * self.low.abs().max(self.high.abs()) || width == 0.0;
        if flat {
            return if steepness.is_finite() { steepness } else { 0.0 };
        }
        let value = |x| sign * self.value(x);
        let tolerance = |slope: f64| {
            TOLERANCE * ((value(self.high) - value(self.low)).abs() + slope.abs() * width)
        };
        let mut best = (f64::INFINITY, 0.0);
        if bends_down(piece, sign) {
            let height = self.peak(sign, steepness).value + steepness * middle;
            if height <= value(middle) + tolerance(steepness) {
                return steepness;
            }
            best = (height, steepness);
        }
        // The line supports the envelope at points on either side of the middle.
        let (mut left, mut right) = (self.low, self.high);
        for _ in 0..CUTS {
            let slope = (value(right) - value(left)) / (right - left);
            let peak = self.peak(sign, slope);
            let height = peak.value + slope * middle;
            if height < best.0 {
                best = (height, slope);
            }
            let excess = peak.value - (value(left) - slope * left);
            if excess <= tolerance(slope) || peak.at == middle || !excess.is_finite() {
                break;
            }
            if peak.at < middle { left = peak.at } else { right = peak.at }
        }
        best.1
    }

    /// The maximum of `sign f(x) - slope x`, or a little more.
    fn peak(self, sign: f64, slope: f64) -> Peak {
        let mut best = Peak { value: f64::NEG_INFINITY, at: self.low, size: 0.0 };
        let mut start = self.low;
        for piece in self.pieces {
            let end = piece.end.min(self.high);
            let value = |x| sign * piece.curve.value(x) - slope * x;
            let derivative = |x| sign * piece.curve.slope(x) - slope;
            for at in [start, end] {
                if value(at) > best.value {
                    best = Peak { value: value(at), at, size: piece.curve.size(at) };
                }
            }
            if bends_down(piece, sign) && derivative(start) > 0.0 && derivative(end) < 0.0 {
                let (value, at, bracket) = concave_peak([start, end], value, derivative);
                if value > best.value {
                    let [left, right] = bracket.map(|x| piece.curve.size(x));
                    best = Peak { value, at, size: left.max(right) };
                }
            }
            start = end;
        }
        best
    }

    fn piece(self, x: f64) -> &'a Piece {
        piece(self.pieces, x)
    }

    fn value(self, x: f64) -> f64 {
        self.piece(x).curve.value(x)
    }
}

/// The pieces that an interval meets.
pub(super) fn met(pieces: &[Piece], [low, high]: [f64; 2]) -> &[Piece] {
    let first = pieces.partition_point(|piece| piece.end <= low).min(pieces.len() - 1);
    let count = pieces[first..].partition_point(|piece| piece.end < high) + 1;
    &pieces[first..(first + count).min(pieces.len())]
}

/// The piece that holds at x.
pub(super) fn piece(pieces: &[Piece], x: f64) -> &Piece {
    let number = pieces.partition_point(|piece| piece.end <= x);
    &pieces[number.min(pieces.len() - 1)]
}

/// Cutting planes that are tried at most.
const CUTS: usize = 16;

/// Steps to a root that are taken at most.
const STEPS: usize = 40;

fn bends_down(piece: &Piece, sign: f64) -> bool {
    matches!(piece.curve, Curve::Line { .. }) || piece.convex == (sign < 0.0)
}

/// The maximum of a concave function whose derivative changes sign in the bracket, from above:
/// where the tangents at two points on either side meet. Also where it is taken, nearly, and the
/// two points.
fn concave_peak(
    bracket: [f64; 2],
    value: impl Fn(f64) -> f64,
    derivative: impl Fn(f64) -> f64,
) -> (f64, f64, [f64; 2]) {
    let [mut left, mut right] = bracket.map(|x| (x, value(x), derivative(x)));
    let swing = (right.0 - left.0) * (left.2 - right.2);
    let mut bound = f64::INFINITY;
    for step in 0..STEPS {
        let width = right.0 - left.0;
        let meeting = left.0 + ((right.1 - left.1 - right.2 * width) / (left.2 - right.2));
        let meeting_bound = left.1 + left.2 * (meeting - left.0);
        if meeting_bound.is_finite() {
            bound = bound.min(meeting_bound);
        }
        bound = bound.min(right.1 - right.2 * width);
        let found = left.1.max(right.1);
        if bound - found <= 1e-3 * TOLERANCE * swing.min(1e300) && bound.is_finite() && step > 1 {
            break;
        }
        let secant = left.0 + width * left.2 / (left.2 - right.2);
        let next = match step % 3 {
            0 => secant,
            1 => meeting,
            _ => left.0 + 0.5 * width,
        };
        let next = if next > left.0 && next < right.0 { next } else { left.0 + 0.5 * width };
        if next <= left.0 || next >= right.0 {
            break;
        }
        let point = (next, value(next), derivative(next));
        if point.2 > 0.0 {
            left = point
        } else {
            right = point
        }
        if point.2 == 0.0 {
            bound = point.1;
            break;
        }
    }
    let higher = if left.1 > right.1 { left } else { right };
    (bound.max(higher.1), higher.0, [left.0, right.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Function;

    fn lines(function: Function, low: f64, high: f64) -> [Line; 2] {
        let pieces = function.pieces(low, high).unwrap();
        Envelope::new(&pieces, low, high).lines()
    }

    fn assert_near(line: Line, slope: f64, offset: f64) {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-4;
        assert!(close(line.slope, slope) && close(line.offset, offset), "{line:?}");
    }

    #[test]
    fn the_lines_of_relu_are_those_of_crown() {
        let [below, above] = lines(Function::Relu, -1.0, 3.0);
        assert_near(below, 1.0, 0.0);
        assert_near(above, 0.75, 0.75);
        assert_near(lines(Function::Relu, -3.0, 1.0)[0], 0.0, 0.0);
        assert_eq!(lines(Function::Relu, 0.0, 1.0), [Line { slope: 1.0, offset: 0.0 }; 2]);
        assert_eq!(lines(Function::Relu, -1.0, 0.0), [Line { slope: 0.0, offset: 0.0 }; 2]);
    }

    #[test]
    fn the_line_above_an_s_is_a_tangent_through_its_left_end() {
        let (low, high) = (-2.0, 3.0);
        let [_, above] = lines(Function::Tanh, low, high);
        // Tangent at t: (tanh(t) - tanh(-2)) / (t + 2) = 1 - tanh(t)^2.
        let (mut a, mut b) = (0.0f64, 3.0f64);
        for _ in 0..60 {
            let t = 0.5 * (a + b);
            let excess = (t.tanh() - low.tanh()) / (t - low) - t.cosh().powi(-2);
            if excess < 0.0 { a = t } else { b = t }
        }
        let slope = a.cosh().powi(-2);
        // The middle lies before the point of contact.
        assert!(a > 0.5 * (low + high));
        assert_near(above, slope, low.tanh() - slope * low);
    }
}
