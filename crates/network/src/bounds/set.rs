use burn::tensor::Tensor;
use multiversion::multiversion;

use super::real::{self, rounding};
use super::{Interval, UNDERFLOW};
use crate::Error;

/// How the radius of a ball is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// The sum of all changes.
    L1,
    /// The Euclidean length.
    L2,
    /// The largest change.
    LInf,
}

/// For every row, a ball about a point, intersected with a box that all rows share.
#[derive(Debug, Clone)]
pub struct InputSet {
    norm: Norm,
    radii: Vec<f64>,
    /// `[rows, features]` flattened.
    centres: Vec<f64>,
    /// Least and largest change of every feature within the box, `[rows, features]` flattened.
    room: Option<[Vec<f64>; 2]>,
    /// The smallest box about the set.
    interval: Interval,
    /// The largest absolute values of its inputs and changes, `[rows, features]` flattened.
    sizes: Vec<f64>,
}

impl InputSet {
    /// # Shapes
    /// `centres`: `[rows, features]`; `radii`: one for each row.
    ///
    /// # Errors
    /// If there is no row, the radii are not as many as the rows, one is negative, or a number is
    /// not finite.
    pub fn ball(norm: Norm, centres: Tensor<2>, radii: &[f64]) -> Result<Self, Error> {
        let [rows, features] = centres.dims();
        let centres = real::numbers(centres);
        if rows == 0 || features == 0 || radii.len() != rows {
            let count = radii.len();
            let reason = format!("{count} radii for {rows} points of {features} features");
            return Err(Error::Bounds(reason));
        }
        if let Some(radius) = radii.iter().find(|radius| radius.is_nan() || **radius < 0.0) {
            return Err(Error::Bounds(format!("a radius must be at least 0, found {radius}")));
        }
        let ends = |sign: f64| {
            let row = |(centres, radius): (&[f64], &f64)| {
                let end = |&centre: &f64| outward(centre + sign * radius, sign);
                centres.iter().map(end).collect::<Vec<_>>()
            };
            centres.chunks_exact(features).zip(radii).flat_map(row).collect()
        };
        let interval = Interval::new(rows, ends(-1.0), ends(1.0)).map_err(Error::Bounds)?;
        let sizes = interval.magnitudes();
        Ok(Self { norm, radii: radii.to_vec(), centres, room: None, interval, sizes })
    }

    /// What of the set lies between `low` and `high`, in units of the features.
    ///
    /// # Errors
    /// If the limits are not as many as the features, or a centre is not between them.
    pub fn within(mut self, low: &[f64], high: &[f64]) -> Result<Self, Error> {
        let features = self.interval.features();
        if low.len() != features || high.len() != features {
            let (low, high) = (low.len(), high.len());
            let reason = format!("{low} and {high} limits of {features} features");
            return Err(Error::Bounds(reason));
        }
        let limits = || low.iter().zip(high).cycle();
        let inside = |(centre, (low, high)): (&f64, (&f64, &f64))| low <= centre && centre <= high;
        let mut pairs = self.centres.iter().zip(limits());
        if let Some(position) = pairs.position(|pair| !inside(pair)) {
            let (row, feature) = (position / features, position % features);
            let centre = self.centres[position];
            let (low, high) = (low[feature], high[feature]);
            let reason = format!(
                "feature {feature} of point {row} is {centre}, not between {low} and {high}"
            );
            return Err(Error::Bounds(reason));
        }
        let room = |limits: &[f64], sign: f64| -> Vec<f64> {
            let pairs = self.centres.iter().zip(limits.iter().cycle());
            pairs.map(|(centre, limit)| outward(limit - centre, sign)).collect()
        };
        self.room = Some([room(low, -1.0), room(high, 1.0)]);
        let tile = |limits: &[f64]| limits.repeat(self.radii.len());
        let both = self.interval.intersect(tile(low), tile(high));
        self.interval = both.map_err(Error::Bounds)?;
        // Changes reach from a centre inside to the end of the box.
        let room = |[low, high]: [&f64; 2]| high.max(-low);
        let [lows, highs] = self.room.as_ref().expect("just set");
        let rooms = lows.iter().zip(highs).map(|(low, high)| room([low, high]));
        self.sizes =
            self.interval.magnitudes().into_iter().zip(rooms).map(|(a, b)| a + b).collect();
        Ok(self)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.radii.len()
    }

    /// The smallest box about the set.
    pub fn interval(&self) -> &Interval {
        &self.interval
    }

    /// The centre of a row.
    pub(super) fn centre(&self, row: usize) -> &[f64] {
        let features = self.interval.features();
        &self.centres[row * features..][..features]
    }

    /// Least and largest change of every feature of a row, rounded outward.
    pub(super) fn changes(&self, row: usize) -> [Vec<f64>; 2] {
        let features = self.interval.features();
        let span = row * features..(row + 1) * features;
        let ends = |ends: &[f64], sign: f64| -> Vec<f64> {
            let pairs = ends[span.clone()].iter().zip(self.centre(row));
            pairs.map(|(end, centre)| outward(end - centre, sign)).collect()
        };
        [ends(&self.interval.low, -1.0), ends(&self.interval.high, 1.0)]
    }

    /// The Euclidean length of a change in a row, at most.
    pub fn longest(&self, row: usize) -> f64 {
        let [low, high] = self.changes(row);
        let largest: Vec<f64> = low.iter().zip(&high).map(|(low, high)| high.max(-low)).collect();
        let hull = length(&largest) * (1.0 + rounding(largest.len()));
        match self.norm {
            Norm::L1 | Norm::L2 => hull.min(self.radii[row]),
            Norm::LInf => hull,
        }
    }

    /// How much a linear function can change by in a row, at most, of which are given the largest
    /// absolute coefficient and the Euclidean norm of all.
    pub(super) fn largest_change(&self, row: usize, largest: f64, norm: f64) -> f64 {
        match self.norm {
            Norm::L1 => self.radii[row] * largest,
            Norm::L2 => self.radii[row] * norm,
            Norm::LInf => f64::INFINITY,
        }
    }

    /// A lower bound on the minimum of a linear function over the set of a row, given its
    /// [`largest`](Self::largest).
    pub(crate) fn minimum(
        &self,
        row: usize,
        coefficients: &[f64],
        largest: f64,
        scratch: &mut Scratch,
    ) -> f64 {
        let features = coefficients.len();
        let radius = self.radii[row];
        let at_centre = {
            let centre = &self.centres[row * features..][..features];
            dot(coefficients, centre)
        };
        let span = row * features..(row + 1) * features;
        let change = match (&self.room, self.norm) {
            (Some(_), Norm::LInf) | (None, Norm::LInf) => self.least_in_box(coefficients, span),
            (None, Norm::L2) => -radius * length(coefficients),
            (None, Norm::L1) => -radius * coefficients.iter().fold(0.0, |m: f64, a| m.max(a.abs())),
            (Some([low, high]), Norm::L2) => {
                least_in_ball(coefficients, &low[span.clone()], &high[span], radius)
            }
            (Some([low, high]), Norm::L1) => {
                scratch.least_in_cross(coefficients, &low[span.clone()], &high[span], radius)
            }
        };
        // All that is summed up is at most the coefficients times the largest inputs and
        // changes; the dual functions have terms of up to the radius times the norm.
        let norm = match self.norm {
            Norm::L1 | Norm::L2 => radius * length(coefficients),
            Norm::LInf => 0.0,
        };
        at_centre + change - 4.0 * rounding(features) * (3.0 * largest + norm) - UNDERFLOW
    }

    /// The sum of absolute coefficients times the largest inputs and changes.
    pub(crate) fn largest(&self, row: usize, coefficients: &[f64]) -> f64 {
        let features = coefficients.len();
        absolute(coefficients, &self.sizes[row * features..][..features])
    }

    /// The least change of a linear function over the smallest box about the set.
    fn least_in_box(&self, coefficients: &[f64], span: std::ops::Range<usize>) -> f64 {
        let centres = &self.centres[span.clone()];
        let (low, high) = (&self.interval.low[span.clone()], &self.interval.high[span]);
        let terms = coefficients.iter().zip(centres).zip(low.iter().zip(high));
        terms.map(|((&a, c), (l, h))| a * (if a > 0.0 { l - c } else { h - c })).sum()
    }
}

/// The next number in the direction of `sign`: a result of one operation, rounded outward.
fn outward(x: f64, sign: f64) -> f64 {
    if sign > 0.0 { x.next_up() } else { x.next_down() }
}

/// Memory that the minimisation over a cross-polytope uses again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Absolute coefficients and room in the direction of descent.
    gains: Vec<(f64, f64)>,
}

impl Scratch {
    /// A lower bound on the minimum of `a d` over `|d|_1 <= radius` within a box about 0: the
    /// dual function `-radius t - sum_i w_i max(|a_i| - t, 0)`, where `w` is the room of the box,
    /// at the best t, where the room of all larger `|a_i|` is used up.
    fn least_in_cross(&mut self, a: &[f64], low: &[f64], high: &[f64], radius: f64) -> f64 {
        self.gains.clear();
        let gain = |((&a, &low), &high): ((&f64, &f64), &f64)| {
            (a.abs(), if a > 0.0 { -low } else { high })
        };
        self.gains.extend(a.iter().zip(low).zip(high).map(gain));
        self.gains.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
        let mut rest = radius;
        let limit = self.gains.iter().find(|(_, room)| {
            rest -= room;
            rest <= 0.0
        });
        let limit = limit.map_or(0.0, |(gain, _)| *gain);
        let excess = |(gain, room): &(f64, f64)| room * (gain - limit).max(0.0);
        -radius * limit - self.gains.iter().map(excess).sum::<f64>()
    }
}

/// Improvements of the dual variable that are tried at most.
const IMPROVEMENTS: usize = 20;

/// Relative change of the dual variable that is not worth another improvement: what it would
/// gain is of the order of its square.
const NEAR_ENOUGH: f64 = 1e-4;

/// Dual variables below are not tried: what squares lose by underflow is divided by them.
const LEAST_DUAL: f64 = 1e-100;

/// A lower bound on the minimum of `a d` over `|d|_2 <= radius` within a box about 0: the dual
/// function `min_d a d + t (|d|^2 - radius^2) / 2`, whose minimum is at `d = -a / t` clipped to
/// the box. The best t is where that has the length of the radius. Any t makes a sound bound.
fn least_in_ball(a: &[f64], low: &[f64], high: &[f64], radius: f64) -> f64 {
    let box_only = clipped(a, low, high, 0.0);
    let squared = radius * radius;
    if box_only.fixed <= squared {
        return box_only.product;
    }
    if radius == 0.0 {
        return 0.0;
    }
    let norm = length(a);
    let mut best = -radius * norm;
    let mut t = norm / radius;
    for _ in 0..IMPROVEMENTS {
        if t < LEAST_DUAL {
            break;
        }
        let sums = clipped(a, low, high, t);
        let length = sums.fixed + sums.free / (t * t);
        let product = sums.product - sums.free / t;
        best = best.max(product + 0.5 * t * (length - squared));
        // If the same features stayed clipped, this t would be the best.
        let next = (sums.free / (squared - sums.fixed)).sqrt();
        if !(next.is_finite() && next > 0.0) || (next - t).abs() <= NEAR_ENOUGH * t {
            break;
        }
        t = next;
    }
    best
}

/// Sums over the features of `d = -a / t`, clipped.
struct Clipped {
    /// Of `a d` where d is clipped.
    product: f64,
    /// Of `d^2` where d is clipped.
    fixed: f64,
    /// Of `a^2` where d is not.
    free: f64,
}

/// With t = 0, every feature is clipped.
#[multiversion(targets = "simd")]
fn clipped(a: &[f64], low: &[f64], high: &[f64], t: f64) -> Clipped {
    let (mut product, mut fixed, mut free) = ([0.0; 8], [0.0; 8], [0.0; 8]);
    let terms = |a: f64, low: f64, high: f64| {
        let limit = if a > 0.0 { low } else { high };
        // Unclipped where |a| < t |limit|.
        let is_clipped = a.abs() >= t * limit.abs();
        let (d, rest) = if is_clipped { (limit, 0.0) } else { (0.0, a) };
        [a * d, d * d, rest * rest]
    };
    let (chunks, a_rest) = a.as_chunks::<8>();
    let (low, low_rest) = low.as_chunks::<8>();
    let (high, high_rest) = high.as_chunks::<8>();
    for ((a, low), high) in chunks.iter().zip(low).zip(high) {
        for lane in 0..8 {
            let [x, y, z] = terms(a[lane], low[lane], high[lane]);
            product[lane] += x;
            fixed[lane] += y;
            free[lane] += z;
        }
    }
    for ((&a, &low), &high) in a_rest.iter().zip(low_rest).zip(high_rest) {
        let [x, y, z] = terms(a, low, high);
        product[0] += x;
        fixed[0] += y;
        free[0] += z;
    }
    let [product, fixed, free] = [product, fixed, free].map(|lanes| lanes.iter().sum());
    Clipped { product, fixed, free }
}

/// What underflow in `n` squares can take from the root of their sum is less than this times the root
/// of n.
const LOST_SQUARES: f64 = 1e-160;

/// The Euclidean length, at least, but for relative rounding.
pub(super) fn length(numbers: &[f64]) -> f64 {
    dot(numbers, numbers).sqrt() + LOST_SQUARES * (numbers.len() as f64).sqrt()
}

#[multiversion(targets = "simd")]
pub(super) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let mut lanes = [0.0; 16];
    let (left, left_rest) = left.as_chunks::<16>();
    let (right, right_rest) = right.as_chunks::<16>();
    for (left, right) in left.iter().zip(right) {
        for lane in 0..16 {
            lanes[lane] += left[lane] * right[lane];
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(a, b)| a * b).sum();
    rest + lanes.iter().sum::<f64>()
}

/// The sum of `|a| size`.
#[multiversion(targets = "simd")]
pub(crate) fn absolute(a: &[f64], sizes: &[f64]) -> f64 {
    let mut lanes = [0.0; 16];
    let (a, a_rest) = a.as_chunks::<16>();
    let (sizes, sizes_rest) = sizes.as_chunks::<16>();
    for (a, sizes) in a.iter().zip(sizes) {
        for lane in 0..16 {
            lanes[lane] += a[lane].abs() * sizes[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(sizes_rest).map(|(a, size)| a.abs() * size).sum();
    rest + lanes.iter().sum::<f64>()
}
