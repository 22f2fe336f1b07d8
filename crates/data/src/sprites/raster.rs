//! How it is drawn: a polygon about the middle of a square of pixels becomes values of these.

use super::outline::{Point, area};

/// Pixels a side of a mask. The centre of the middle one is the origin.
pub(super) const SIDE: usize = 33;

/// Pixels from the middle to the border.
const REACH: f64 = (SIDE / 2) as f64;

/// The share of each pixel, a square of side 1, that lies within a polygon, row by row.
pub(super) fn coverage(polygon: &[Point]) -> Vec<f64> {
    let mut shares = vec![0.0; SIDE * SIDE];
    for (row, shares) in shares.chunks_exact_mut(SIDE).enumerate() {
        let strip = between(polygon, 1, row as f64 - REACH);
        if !strip.is_empty() {
            for (column, share) in shares.iter_mut().enumerate() {
                *share = area(&between(&strip, 0, column as f64 - REACH));
            }
        }
    }
    shares
}

/// Whether the centre of each pixel lies within a polygon, row by row.
pub(super) fn inside(polygon: &[Point]) -> Vec<bool> {
    let mut inside = vec![false; SIDE * SIDE];
    let edges = || polygon.iter().zip(polygon.iter().cycle().skip(1));
    for (row, inside) in inside.chunks_exact_mut(SIDE).enumerate() {
        let y = row as f64 - REACH;
        // Where edges cross the line through the centres of the row.
        let crossings: Vec<f64> = edges()
            .filter(|(a, b)| (a[1] < y) != (b[1] < y))
            .map(|(a, b)| a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1]))
            .collect();
        for (column, inside) in inside.iter_mut().enumerate() {
            let x = column as f64 - REACH;
            *inside = crossings.iter().filter(|&&crossing| crossing < x).count() % 2 == 1;
        }
    }
    inside
}

/// The part of a polygon within half a pixel of `centre` along an axis.
fn between(polygon: &[Point], axis: usize, centre: f64) -> Vec<Point> {
    let above = clip(polygon, |point| point[axis] - (centre - 0.5));
    clip(&above, |point| (centre + 0.5) - point[axis])
}

/// The part of a polygon where an affine function is at least 0 (Sutherland and Hodgman 1974).
///
/// Parts of a polygon that is not convex stay joined by edges along the border, which enclose no
/// area.
fn clip(polygon: &[Point], height: impl Fn(Point) -> f64) -> Vec<Point> {
    let mut clipped = Vec::with_capacity(polygon.len() + 2);
    let Some(&last) = polygon.last() else { return clipped };
    let (mut from, mut below) = (last, height(last));
    for &to in polygon {
        let above = height(to);
        if (below < 0.0) != (above < 0.0) {
            let share = below / (below - above);
            clipped.push([0, 1].map(|axis| from[axis] + share * (to[axis] - from[axis])));
        }
        if above >= 0.0 {
            clipped.push(to);
        }
        (from, below) = (to, above);
    }
    clipped
}
