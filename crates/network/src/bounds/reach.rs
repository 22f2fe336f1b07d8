//! How far linear functions can reach over balls about 0 within boxes.
//!
//! Upper bounds, but for rounding, which is relative to them: those over boxes and cross-polytopes are sums
//! of numbers that are not negative. In that over a ball one term is subtracted, but where d is clipped
//! `|a| >= t |limit|`, so that no term is more than twice the result.
//!
//! # Shapes
//! Coefficients: `[features]`; limits: those of features with positive and of those with negative
//! coefficients, `[features]` each, 0 inside.

use multiversion::multiversion;

use super::set::length;

/// What one function after the other uses again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Absolute coefficients and room.
    gains: Vec<(f64, f64)>,
    /// The last dual variable that was best, of the one where nothing is clipped.
    share: Option<f64>,
}

impl Scratch {
    /// For `|d|_1 <= radius`: the dual function `radius t + sum_i w_i max(|a_i| - t, 0)`, where `w`
    /// is the room of the box, at the best t, where the room of all larger `|a_i|` is used up.
    pub(super) fn in_cross(&mut self, a: &[f64], limits: [&[f64]; 2], radius: f64) -> f64 {
        self.gains.clear();
        let gain = |((&a, &positive), &negative): ((&f64, &f64), &f64)| {
            (a.abs(), limit(a, positive, negative).abs())
        };
        self.gains.extend(a.iter().zip(limits[0]).zip(limits[1]).map(gain));
        self.gains.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
        let mut rest = radius;
        let least = self.gains.iter().find(|(_, room)| {
            rest -= room;
            rest <= 0.0
        });
        let least = least.map_or(0.0, |(gain, _)| *gain);
        let excess = |(gain, room): &(f64, f64)| room * (gain - least).max(0.0);
        radius * least + self.gains.iter().map(excess).sum::<f64>()
    }

    /// For `|d|_2 <= radius`: the dual function `max_d a d - t (|d|^2 - radius^2) / 2`, whose maximum
    /// is at `d = a / t` clipped to the box. The best t is where that has the length of the radius.
    /// Any t makes a sound bound.
    pub(super) fn in_ball(&mut self, a: &[f64], limits: [&[f64]; 2], radius: f64) -> f64 {
        let norm = length(a);
        let mut best = radius * norm;
        // Where nothing is clipped; functions of the same features are clipped alike.
        let most = norm / radius;
        let mut t = most * self.share.unwrap_or(1.0);
        let squared = radius * radius;
        for _ in 0..IMPROVEMENTS {
            if t < LEAST_DUAL || t.is_nan() {
                break;
            }
            let sums = clipped(a, limits, t);
            if sums.free == 0.0 {
                best = best.min(in_box(a, limits));
            }
            let (product, length) = (sums.product / t, sums.squares / (t * t));
            best = best.min(product - 0.5 * t * (length - squared));
            // If the same features stayed clipped, this t would be the best.
            let fixed = (sums.squares - sums.free).max(0.0) / (t * t);
            let next = (sums.free / (squared - fixed)).sqrt();
            if fixed >= squared && t < most {
                t = most;
            } else if next > 0.0 && next < f64::INFINITY && (next - t).abs() > NEAR_ENOUGH * t {
                t = next;
            } else {
                self.share = Some(t / most).filter(|share| *share > 0.0);
                break;
            }
        }
        best
    }
}

/// For all d within the limits.
pub(super) fn in_box(a: &[f64], limits: [&[f64]; 2]) -> f64 {
    let terms = a.iter().zip(limits[0].iter().zip(limits[1]));
    terms.map(|(&a, (&positive, &negative))| (a * limit(a, positive, negative)).abs()).sum()
}

/// Improvements of the dual variable that are tried at most.
const IMPROVEMENTS: usize = 20;

/// Relative change of the dual variable that is not worth another improvement: what it would
/// gain is of the order of its square.
const NEAR_ENOUGH: f64 = 1e-4;

/// Dual variables below are not tried: what squares lose by underflow is divided by them.
const LEAST_DUAL: f64 = 1e-100;

#[inline(always)]
fn limit(a: f64, positive: f64, negative: f64) -> f64 {
    if a > 0.0 { positive } else { negative }
}

/// Sums over the features of `t d = a`, clipped to t times the limits.
struct Clipped {
    /// Of `|a t d|`.
    product: f64,
    /// Of `(t d)^2`.
    squares: f64,
    /// Of `a^2` where d is not clipped.
    free: f64,
}

#[multiversion(targets = "simd")]
fn clipped(a: &[f64], limits: [&[f64]; 2], t: f64) -> Clipped {
    let (mut product, mut squares, mut free) = ([0.0; 8], [0.0; 8], [0.0; 8]);
    let terms = |a: f64, positive: f64, negative: f64| {
        // Branches that are no more than choices between two numbers.
        let most = t * limit(a, positive, negative).abs();
        let a = a.abs();
        let td = if a < most { a } else { most };
        let free = if a < most { a } else { 0.0 };
        [a * td, td * td, free * free]
    };
    let (chunks, a_rest) = a.as_chunks::<8>();
    let (positive, positive_rest) = limits[0].as_chunks::<8>();
    let (negative, negative_rest) = limits[1].as_chunks::<8>();
    for ((a, positive), negative) in chunks.iter().zip(positive).zip(negative) {
        for lane in 0..8 {
            let [x, y, z] = terms(a[lane], positive[lane], negative[lane]);
            product[lane] += x;
            squares[lane] += y;
            free[lane] += z;
        }
    }
    for ((&a, &positive), &negative) in a_rest.iter().zip(positive_rest).zip(negative_rest) {
        let [x, y, z] = terms(a, positive, negative);
        product[0] += x;
        squares[0] += y;
        free[0] += z;
    }
    let [product, squares, free] = [product, squares, free].map(|lanes| lanes.iter().sum());
    Clipped { product, squares, free }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The largest change, by bisection of the dual variable: `d = a / t` clipped to its limits.
    fn exact(a: &[f64], limits: [&[f64]; 2], radius: f64) -> f64 {
        let room = |i: usize| limit(a[i], limits[0][i], limits[1][i]).abs();
        let at =
            |t: f64| -> Vec<f64> { (0..a.len()).map(|i| (a[i].abs() / t).min(room(i))).collect() };
        let (mut low, mut high) = (1e-12_f64, 1e12);
        for _ in 0..200 {
            let middle = (low * high).sqrt();
            if length(&at(middle)) > radius { low = middle } else { high = middle }
        }
        at(high).iter().zip(a).map(|(d, a)| d * a.abs()).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// One function after the other, from boxes that bind everywhere to those that never do.
        #[test]
        fn balls_within_boxes_are_bounded_closely(
            functions in prop::collection::vec(prop::collection::vec(-1.0..1.0_f64, 21), 1..6),
            rooms in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64, any::<bool>()), 21),
            ln_size in -4.0..4.0_f64, radius in 0.1..2.0_f64,
        ) {
            let ends = |end: fn(&(f64, f64, bool)) -> f64| -> Vec<f64> {
                rooms.iter().map(|room| ln_size.exp() * end(room)).collect()
            };
            // Many features have no room in one direction.
            let low = ends(|room| -room.0 * f64::from(room.2));
            let high = ends(|room| room.1);
            let mut scratch = Scratch::default();
            for a in &functions {
                for limits in [[&low[..], &high[..]], [&high[..], &low[..]]] {
                    let (found, exact) =
                        (scratch.in_ball(a, limits, radius), exact(a, limits, radius));
                    prop_assert!(found >= exact * (1.0 - 1e-9), "{found} below {exact}");
                    prop_assert!(found <= exact * (1.0 + 1e-6) + 1e-9, "{found} above {exact}");
                }
            }
        }
    }

    #[test]
    fn nothing_reaches_nowhere() {
        let mut scratch = Scratch::default();
        let (low, high) = ([-1.0, 0.0], [0.0, 1.0]);
        assert_eq!(scratch.in_ball(&[1.0, 1.0], [&low, &high], 0.0), 0.0);
        assert!(scratch.in_ball(&[0.0, 0.0], [&low, &high], 1.0) < 1e-150);
        // No room downward for the one, none upward for the other.
        assert_eq!(scratch.in_ball(&[-1.0, 1.0], [&low, &high], 1.0), 0.0);
        assert!((scratch.in_ball(&[1.0, 0.0], [&low, &high], 0.5) - 0.5).abs() < 1e-12);
        assert!(scratch.in_ball(&[f64::NAN, 1.0], [&low, &high], 0.5).is_nan());
    }
}
