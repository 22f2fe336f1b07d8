//! What a shift and a change of the standard deviations can do together, from low moments.
//!
//! One after the other they add up: the event that loses most by a shift is then taken to lose most
//! by the change of scales too. But the former is a half-space or two, the latter the outside of an
//! ellipsoid; their statistics are uncorrelated, so together they are worth nearly the root of the
//! sum of squares.
//!
//! Let `P = N(0, I)`, `Q = N(v, R)` with `R = diag(rho^2)`, b the indicator of "beyond r" with
//! limits q, y and h of its Hermite moments ([`moments`](super::moments)), `t = u'eta` with `u` the
//! direction of v and `x = t - s` with `s = |v|`. Under Q, t is `N(s, sigma^2)` with
//! `sigma^2 = u'Ru`. For any `c >= 0`, with `poly = c0 + c1 t + c2 (t^2 - 1)`,
//!
//! ```text
//! E_Q[b]  <=  c0 q + c1 y + c2 h + E_Q[b] - E_P[b poly(t)],
//! ```
//!
//! and the difference is bounded cell by cell of a grid of t. In a cell, where `poly` is positive, let
//! Q be the mass of the one and M that of the other measure, and `A >= BC sqrt(Q M)` their affinity,
//! the integral of the root of the product of densities. As for all pairs of measures (data
//! processing), b can gain at most
//!
//! ```text
//! ( Q - M + sqrt((Q + M)^2 - 4 Q M BC^2) ) / 2.
//! ```
//!
//! Where scales do not change and cells are narrow BC is 1, and this is `(Q - M)_+` as in
//! [`moments`](super::moments).
//!
//! **The affinity.** Given t the rest is Gaussian under both, and its affinity is, with
//! `B^2 = prod_i 1/cosh(ln rho_i)` and the harmonic means of scales with 1,
//! `a^2 = sum_i u_i^2 2 rho_i^2/(1 + rho_i^2)`,
//!
//! ```text
//! BC(x)^2 = B^2 (sigma/a^2) exp(-w x^2),    w = 1/a^2 - 1/2 - 1/(2 sigma^2) >= 0.
//! ```
//!
//! `2 y/(1 + y)` is concave: so `a^2` is at most `2 sigma^2/(1 + sigma^2)`, which leaves
//! `sigma/a^2 >= cosh(ln sigma)`, and at least what the chord between the ends of all scales says at
//! `sigma^2`, which bounds w. Within a cell the roots of both densities are proportional but for the
//! exponential of D/2, where D is by how much the logarithm of their quotient varies: with the
//! inequality of Polya and Szego that costs a factor `1/cosh(D/4)`.
//!
//! **Everything at its worst.** The gain falls with BC, and at a given BC it is convex in Q and
//! increases with it, by 1 at most. What is not known is `sigma`, between the ends of all scales, which
//! are cut into short ranges of `ln sigma`. Inside of one the masses of cells are nearly between those
//! at its ends: the second derivative of the density of t by `ln sigma` is `z^4 - 4 z^2 + 1` times it,
//! with z in units of sigma, and the absolute value of that has the integral 1.84. So with the least BC
//! within a range of length w, the bound inside is at most the larger one of its ends and
//! `1.84 w^2 / 8`. The ends may have duals of their own: the gain is convex in both densities together
//! (at each t it is the largest of linear functions), and inside the duals are mixed as the masses are.
//!
//! **Shorter shifts are covered.** Let b depend on one more latent only seemingly, one whose scale is 1
//! and whose shift makes up for what v lacks: no moment changes, nor what b is worth under Q, and
//! the shift is as long as can be. So the range of scales contains 1.

use std::sync::OnceLock;

use nalgebra::{Matrix3, Vector3};

use super::Reachable;
use super::moments::{Dual, descend, hermite, hermite_moments};
use super::scale::ENOUGH;
use crate::statistics::{MomentLimits, normal_tails};

/// Cells in a unit of t.
const CELLS: usize = 16;
/// Where cells begin.
const FIRST: f64 = -6.5;
/// How far they go beyond the shift, in standard deviations.
const BEYOND: f64 = 6.5;
/// The longest shift.
const LONGEST: f64 = 8.0;
/// Shifts that are at least this share of the longest are looked at together.
const SHORTER: f64 = 0.95;
/// And all that are at most this share of it.
const LAST: f64 = 0.3;
/// Ranges of `ln sigma` are at most this long, and no more than so many.
const RANGE: f64 = 0.04;
const RANGES: f64 = 64.0;
/// What a bound can be larger inside of a range, in units of its length squared: see the text above.
const BETWEEN: f64 = 0.24;
/// Steps to the best duals, which need not be found exactly.
const STEPS: usize = 12;
/// More than normal probabilities to 1e-10 may sum up to over all cells, and than all that is
/// outside of them.
const ALLOWANCE: f64 = 1e-7;

/// Masses and Hermite moments of all cells under P.
fn cells() -> &'static [Vector3<f64>] {
    static ALL: OnceLock<Vec<Vector3<f64>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let count = ((LONGEST + 2.0 * BEYOND - FIRST) * CELLS as f64) as usize;
        (0..count).map(|cell| hermite_moments(edge(cell), edge(cell + 1))).collect()
    })
}

/// Where a cell begins.
fn edge(cell: usize) -> f64 {
    FIRST + cell as f64 / CELLS as f64
}

/// Posteriors with shifts up to a length, as they are seen along the shift.
struct Joint {
    shift: f64,
    /// Of the logarithms of scales.
    logarithms: f64,
    /// `B^2`, at least.
    affinity: f64,
    /// Least and largest `rho^2`, and 1.
    squares: [f64; 2],
}

/// Cells under Q, for a sigma that others are near to.
struct Along {
    /// Ends of what is near.
    sigmas: [f64; 2],
    /// Masses.
    masses: Vec<f64>,
    /// `BC^2`, at least, but for what varies within cells.
    affinities: Vec<f64>,
    /// Of Q, before the first cell.
    before: f64,
}

/// The most that the probability beyond r can be under any of the posteriors, from limits of the
/// moments of "beyond r" up to `order`, none of which is NaN; given dual variables that are good where
/// scales do not change. One half and more say no more than that less was not shown.
pub(super) fn beyond(
    limits: &MomentLimits,
    reachable: &Reachable,
    order: usize,
    duals: Vector3<f64>,
) -> f64 {
    let known = [limits.probability, limits.mean, limits.curvature];
    let known = Vector3::from(known.map(|moment| moment.max(0.0)));
    let (longest, free) = (reachable.shift(), reachable.logarithms_beyond(0.0));
    let last = (LAST.ln() / SHORTER.ln()).ceil() as usize + 1;
    let length =
        |place: usize| if place == last { 0.0 } else { longest * SHORTER.powi(place as i32) };
    let (mut worst, mut duals, mut covered) = (0.0_f64, duals, last);
    // Long shifts leave little for the scales, and the other way round: so all lengths are cut into
    // ranges, which are halved where they do not clearly show enough.
    let mut ranges = vec![(1, last), (0, 1)];
    while let Some((start, end)) = ranges.pop().filter(|_| worst < 0.5) {
        if start >= covered {
            continue;
        }
        let logarithms = reachable.logarithms_beyond(length(end));
        let joint = Joint::new(reachable, length(start), logarithms);
        let (here, best) =
            joint.map_or((1.0, duals), |joint| joint.bound(&known, duals, order + 1));
        if end == start + 1 || here <= worst.max(ENOUGH) {
            (worst, duals) = (worst.max(here), best);
            // Shorter shifts are covered, if the scales can be no farther from 1.
            if logarithms >= free {
                covered = end;
            }
        } else {
            let middle = (start + end) / 2;
            ranges.extend([(middle, end), (start, middle)]);
        }
    }
    worst
}

impl Joint {
    /// Of posteriors with shifts up to a length, and logarithms of all scales together up to
    /// another; unless these are too large.
    fn new(reachable: &Reachable, shift: f64, logarithms: f64) -> Option<Self> {
        let reach = logarithms.exp() * (1.0 + 1e-12);
        let ends = reachable.scales().iter().fold([1.0_f64; 2], |[low, high], range| {
            [low.min(range[0]).max(reach.recip()), high.max(range[1]).min(reach)]
        });
        // ln cosh k <= k^2 / 2.
        let square = logarithms * logarithms;
        let affinity = (-0.5 * square).exp() * (1.0 - 1e-12);
        let within = shift <= LONGEST && ends[0] > 0.5 && ends[1] < 2.0 && affinity > 0.0;
        let squares = ends.map(|end| end * end);
        within.then_some(Self { shift, logarithms, affinity, squares })
    }

    /// From the first `count` moments, and a start for their duals; and what the best were at first.
    fn bound(
        &self,
        known: &Vector3<f64>,
        start: Vector3<f64>,
        count: usize,
    ) -> (f64, Vector3<f64>) {
        let [low, high] = self.squares.map(|square| 0.5 * square.ln());
        let ranges = ((high - low) / RANGE).ceil().clamp(1.0, RANGES);
        let step = (high - low) / ranges;
        let size = self.shift.max(self.logarithms);
        let scale = Vector3::new(1.0, size, 0.5 * size * size);
        let (mut duals, mut first, mut worst) = (start, start, 0.0_f64);
        for place in 0..=ranges as usize {
            let along = self.along(low + step * place as f64, step);
            let smooth = |c| along.smooth(c, known);
            duals = descend(smooth(duals), &scale, count, STEPS, smooth).c;
            // NaN bounds nothing.
            worst = worst.max(along.bound(&duals, known, self.shift).min(1.0));
            if place == 0 {
                first = duals;
            }
            if worst >= 1.0 {
                return (1.0, first);
            }
        }
        (worst + BETWEEN * step * step, first)
    }

    /// At a `ln sigma`, given how far others may be.
    fn along(&self, logarithm: f64, near: f64) -> Along {
        let count = (self.shift + BEYOND * self.squares[1].sqrt().max(1.0) - FIRST) * CELLS as f64;
        let sigma = logarithm.exp();
        let tails: Vec<f64> = (0..=count.ceil() as usize)
            .map(|cell| signed_tail((edge(cell) - self.shift) / sigma))
            .collect();
        let masses = tails.windows(2).map(|tails| within(tails[0], tails[1])).collect();
        let least = (logarithm.abs() - near).max(0.0).cosh();
        let affinity = (self.affinity * least * (1.0 - 1e-12)).min(1.0);
        // Rounded outward, and no farther than all ends.
        let [low, high] = self.squares.map(f64::sqrt);
        let sigmas = [
            (sigma * (-near).exp() * (1.0 - 1e-12)).max(low * (1.0 - 1e-12)),
            (sigma * near.exp() * (1.0 + 1e-12)).min(high * (1.0 + 1e-12)),
        ];
        let spread = self.spread(sigmas.map(|sigma| sigma * sigma));
        let affinities = (0..tails.len() - 1).map(|cell| {
            let [a, b] = [edge(cell), edge(cell + 1)].map(|t| (t - self.shift).abs());
            affinity * (-spread * a.max(b).powi(2)).exp() * (1.0 - 1e-12)
        });
        let affinities = affinities.collect();
        Along {
            sigmas,
            masses,
            affinities,
            before: 0.5 * normal_tails((self.shift - FIRST) / sigma),
        }
    }

    /// w, at most, for squares of sigma between these.
    fn spread(&self, ends: [f64; 2]) -> f64 {
        let [low, high] = self.squares;
        let mean = |square: f64| 2.0 * square / (1.0 + square);
        // Of 2 y/(1 + y) between the ends.
        let slope = 2.0 / ((1.0 + low) * (1.0 + high));
        let start = mean(low) - slope * low;
        let at = |square: f64| 1.0 / (start + slope * square) - 0.5 - 0.5 / square;
        // It rises and falls once.
        let root = (2.0 * slope).sqrt();
        let top = (start / (root - slope)).clamp(ends[0], ends[1]);
        at(ends[0]).max(at(ends[1])).max(at(top)).max(0.0) * (1.0 + 1e-9) + 1e-14
    }
}

/// `P(z > c)` for positive c, `-P(z < c)` otherwise: small where it is small.
fn signed_tail(c: f64) -> f64 {
    if c > 0.0 { 0.5 * normal_tails(c) } else { -0.5 * normal_tails(-c) }
}

/// The probability between two places, from their signed tails.
fn within(a: f64, b: f64) -> f64 {
    if a > 0.0 || b < 0.0 { a - b } else { 1.0 + a - b }
}

impl Along {
    /// The bound without what it is charged for cells that are not narrow, and its derivatives.
    fn smooth(&self, c: Vector3<f64>, known: &Vector3<f64>) -> Dual {
        let (mut value, mut gradient, mut hessian) = (known.dot(&c), *known, Matrix3::zeros());
        for ((q, affinity), moments) in self.masses.iter().zip(&self.affinities).zip(cells()) {
            let m = c.dot(moments);
            if m <= 0.0 {
                value += q - m;
                gradient -= moments;
                continue;
            }
            let loss = 1.0 - affinity;
            let (sum, product) = (q - m, q * m);
            let root = (sum * sum + 4.0 * product * loss).sqrt().max(1e-300);
            value += 0.5 * (sum + root);
            let slope = 0.5 * ((m - q + 2.0 * q * loss) / root - 1.0);
            gradient += moments * slope;
            let bend = 2.0 * q * q * affinity * loss / (root * root * root);
            hessian += moments * moments.transpose() * bend;
        }
        Dual { c, value, gradient, hessian }
    }

    /// The bound at any duals.
    fn bound(&self, c: &Vector3<f64>, known: &Vector3<f64>, shift: f64) -> f64 {
        let lowest = if c[2] > 0.0 { -0.5 * c[1] / c[2] } else { f64::NEG_INFINITY };
        let poly = |t: f64| c.dot(&hermite(t));
        let width = 1.0 / CELLS as f64;
        let mut sum = known.dot(c) + self.before;
        let mut previous = poly(edge(0));
        let all = self.masses.iter().zip(&self.affinities).zip(cells());
        for (cell, ((q, affinity), moments)) in all.enumerate() {
            let (start, end) = (edge(cell), edge(cell + 1));
            let ends = [previous, poly(end)];
            previous = ends[1];
            let inside = start < lowest && lowest < end;
            let least = ends[0].min(ends[1]).min(if inside { poly(lowest) } else { f64::INFINITY });
            let most = ends[0].max(ends[1]);
            let m = c.dot(moments);
            sum += if most <= 0.0 {
                q - m
            } else if least <= 0.0 {
                q - least * moments[0]
            } else {
                // Of the logarithm of poly P / Q: from end to end, and by its second derivative
                // within.
                let rise = (ends[1] / ends[0]).ln() - 0.5 * (end * end - start * start);
                let squares = 0.5 * ((end - shift).powi(2) - (start - shift).powi(2));
                let rises = self.sigmas.map(|sigma| (rise + squares / (sigma * sigma)).abs());
                let steepest =
                    (c[1] + 2.0 * c[2] * start).abs().max((c[1] + 2.0 * c[2] * end).abs());
                let bend = (2.0 * c[2] / least).max((steepest / least).powi(2));
                let bends = self.sigmas.map(|sigma| bend + (sigma.powi(-2) - 1.0).abs());
                let varies = rises[0].max(rises[1]) + 0.25 * width * width * bends[0].max(bends[1]);
                let affinity = affinity / (0.25 * varies).cosh().powi(2);
                let loss = 1.0 - affinity;
                0.5 * (q - m + ((q - m).powi(2) + 4.0 * q * m * loss).sqrt())
            };
        }
        sum + ALLOWANCE * (1.0 + c.sum())
    }
}

#[cfg(test)]
mod tests;
