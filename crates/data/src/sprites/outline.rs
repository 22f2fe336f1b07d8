//! What is drawn: outlines of polygons in the plane.
//!
//! x goes to the right and y down, in pixels, as columns and rows of a picture do. Curves are
//! replaced by polygons whose vertices lie on them, so that areas are exact. Only additions,
//! multiplications, divisions and constants are used: their results are the same on every machine,
//! those of sines and cosines are not.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// A point x, y.
pub(super) type Point = [f64; 2];

/// Sizes relative to the largest.
pub(super) const SCALES: [f64; 6] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Half the side of the largest square.
const SQUARE: f64 = 10.7;

/// The semi-axes of the largest ellipse.
const ELLIPSE: Point = [15.25, 9.75];

/// Half the diagonal of the square inside the largest heart.
const HEART: f64 = 11.5;

/// By how much the centroid of a heart lies above the centre of its square, as a share of half the
/// diagonal.
const HEART_CENTROID: f64 = (3.0 * PI + 4.0) / (6.0 * PI + 24.0);

/// Edges that replace a quarter of a circle.
const EDGES: usize = 64;

/// Steps in a quarter turn.
pub(super) const QUARTER: usize = 10;

/// Cosines of 0, 9, ..., 90 degrees.
const COSINES: [f64; QUARTER + 1] = [
    1.0,
    0.9876883405951378,
    0.9510565162951535,
    0.8910065241883679,
    0.8090169943749475,
    FRAC_1_SQRT_2,
    0.5877852522924731,
    0.4539904997395468,
    0.30901699437494745,
    0.15643446504023087,
    0.0,
];

/// The polygon of a shape (square, ellipse, heart), scale and orientation about its centroid.
pub(super) fn outline(shape: usize, scale: usize, orientation: usize) -> Vec<Point> {
    let upright = match shape {
        0 => square(),
        1 => ellipse(),
        _ => heart(),
    };
    let turned = |[x, y]: Point| turned([SCALES[scale] * x, SCALES[scale] * y], orientation);
    upright.into_iter().map(turned).collect()
}

fn square() -> Vec<Point> {
    [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
        .map(|corner| corner.map(|c| SQUARE * c))
        .into()
}

fn ellipse() -> Vec<Point> {
    let half = &half_circle()[..2 * EDGES];
    let other = half.iter().map(|[x, y]| [-x, -y]);
    half.iter().copied().chain(other).map(|[x, y]| [ELLIPSE[0] * x, ELLIPSE[1] * y]).collect()
}

/// A square that stands on a corner, with a half disc on each of its upper sides.
fn heart() -> Vec<Point> {
    let half = half_circle();
    // Each half circle goes over its top from the lower end of a side, or to it.
    let right = half.iter().map(|[c, s]| [0.5 + 0.5 * c + 0.5 * s, -0.5 + 0.5 * c - 0.5 * s]);
    let left = half.iter().map(|[c, s]| [-0.5 + 0.5 * c - 0.5 * s, -0.5 - 0.5 * c - 0.5 * s]);
    let tip = [[0.0, 1.0]];
    let centred = |[x, y]: Point| [HEART * x, HEART * (y + HEART_CENTROID)];
    // Both contain the notch between them.
    tip.into_iter().chain(right).chain(left.skip(1)).map(centred).collect()
}

/// Points of the unit circle from (1, 0) over (0, 1) to (-1, 0), a mirror image of itself.
fn half_circle() -> Vec<Point> {
    let quarter = (0..EDGES).map(|k| {
        let t = k as f64 / EDGES as f64;
        [(1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)]
    });
    let mirrored = quarter.clone().rev().map(|[x, y]| [-x, y]);
    quarter.chain([[0.0, 1.0]]).chain(mirrored).collect()
}

/// A point turned clockwise by `orientation` times 9 degrees about the origin; quarter turns are
/// exact.
fn turned([x, y]: Point, orientation: usize) -> Point {
    let step = orientation % QUARTER;
    let (cosine, sine) = (COSINES[step], COSINES[QUARTER - step]);
    let first = [x * cosine - y * sine, x * sine + y * cosine];
    (0..orientation / QUARTER).fold(first, |[x, y], _| [-y, x])
}

/// The area within a polygon.
pub(super) fn area(polygon: &[Point]) -> f64 {
    let Some(&last) = polygon.last() else { return 0.0 };
    let edges = std::iter::once(&last).chain(polygon).zip(polygon);
    (edges.map(|([x0, y0], [x1, y1])| x0 * y1 - x1 * y0).sum::<f64>() / 2.0).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn centroid(polygon: &[Point]) -> Point {
        let edges = polygon.iter().zip(polygon.iter().cycle().skip(1));
        let (mut moment, mut twice_area) = ([0.0; 2], 0.0);
        for (a, b) in edges {
            let cross = a[0] * b[1] - b[0] * a[1];
            twice_area += cross;
            (0..2).for_each(|axis| moment[axis] += (a[axis] + b[axis]) * cross);
        }
        moment.map(|moment| moment / (3.0 * twice_area))
    }

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} {b}");
    }

    #[test]
    fn cosines_are_those_of_the_angles() {
        for (step, cosine) in COSINES.into_iter().enumerate() {
            close(cosine, (PI * step as f64 / 20.0).cos(), 1.2e-16);
        }
    }

    #[test]
    fn areas_are_those_of_the_shapes_and_their_polygons() {
        for (scale, size) in SCALES.into_iter().enumerate() {
            let area = |shape| area(&outline(shape, scale, 7)) / (size * size);
            close(area(0), (2.0 * SQUARE).powi(2), 1e-10);
            // A polygon in a circle of radius 1 has the area of its triangles from the centre.
            let lack: f64 = (0..EDGES)
                .map(|k| {
                    let [t, next] = [k, k + 1].map(|k| (k as f64 / EDGES as f64).atan());
                    let angle = 2.0 * (next - t);
                    (angle - angle.sin()) / 2.0
                })
                .sum();
            close(area(1), ELLIPSE[0] * ELLIPSE[1] * (PI - 4.0 * lack), 1e-9);
            close(area(1), ELLIPSE[0] * ELLIPSE[1] * PI, 0.07);
            close(area(2), HEART * HEART * (2.0 + 0.5 * (PI - 4.0 * lack)), 1e-9);
            close(area(2), HEART * HEART * (2.0 + PI / 2.0), 0.04);
        }
    }

    #[test]
    fn shapes_turn_about_their_centroids_and_stay_within_16_pixels_of_them() {
        for shape in 0..3 {
            for orientation in [0, 3, 10, 27] {
                let polygon = outline(shape, 5, orientation);
                for coordinate in centroid(&polygon) {
                    // That of the heart is the centroid with true half circles.
                    close(coordinate, 0.0, if shape == 2 { 1e-3 } else { 1e-12 });
                }
                assert!(polygon.iter().all(|[x, y]| x.hypot(*y) < 16.0));
            }
        }
    }

    #[test]
    fn orientations_turn_clockwise() {
        // The tip of the heart points down, left, up and right.
        for (orientation, [x, y]) in [(0, [0, 1]), (10, [-1, 0]), (20, [0, -1]), (30, [1, 0])] {
            let tip = outline(2, 5, orientation)[0];
            let along = tip[0] * f64::from(x) + tip[1] * f64::from(y);
            close(along, HEART * (1.0 + HEART_CENTROID), 1e-12);
        }
        // An eighth of a turn takes the corner at the top left to the top.
        let [x, y] = outline(0, 5, 5)[0];
        close(x, 0.0, 1e-12);
        close(y, -SQUARE * 2_f64.sqrt(), 1e-12);
    }
}
