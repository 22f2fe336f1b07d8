use burn::tensor::Tensor;
use multiversion::multiversion;

use super::reach::{self, Scratch};
use super::real::{self, rounding};
use super::{Interval, UNDERFLOW};
use crate::Error;

/// Which way a function goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Down,
    Up,
}

impl Direction {
    /// The ends that features with positive and with negative coefficients go to.
    fn of(self, [low, high]: [&[f64]; 2]) -> [&[f64]; 2] {
        match self {
            Self::Down => [low, high],
            Self::Up => [high, low],
        }
    }
}

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
    /// Least and largest change of every feature within that box.
    changes: [Vec<f64>; 2],
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
        let changes = changes(&interval, &centres);
        Ok(Self { norm, radii: radii.to_vec(), centres, room: None, interval, changes, sizes })
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
        self.changes = changes(&self.interval, &self.centres);
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
    pub(super) fn changes(&self, row: usize) -> [&[f64]; 2] {
        let features = self.interval.features();
        let span = row * features..(row + 1) * features;
        let [low, high] = &self.changes;
        [&low[span.clone()], &high[span]]
    }

    /// The Euclidean length of a change in a row, at most.
    pub fn longest(&self, row: usize) -> f64 {
        let [low, high] = self.changes(row);
        let largest: Vec<f64> = low.iter().zip(high).map(|(low, high)| high.max(-low)).collect();
        let hull = length(&largest) * (1.0 + rounding(largest.len()));
        match self.norm {
            Norm::L1 | Norm::L2 => hull.min(self.radii[row]),
            Norm::LInf => hull,
        }
    }

    /// How much a linear function can change by in a row, whatever the box, of which are given the
    /// largest absolute coefficient and the Euclidean norm of all.
    pub(super) fn reach_of_ball(&self, row: usize, largest: f64, norm: f64) -> f64 {
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
        let fall = self.reach(row, coefficients, Direction::Down, scratch);
        // All that is summed up is at most the coefficients times the largest inputs and
        // changes; the dual functions have terms of up to the radius times the norm.
        let norm = match self.norm {
            Norm::L1 | Norm::L2 => radius * length(coefficients),
            Norm::LInf => 0.0,
        };
        at_centre - fall - 4.0 * rounding(features) * (3.0 * largest + norm) - UNDERFLOW
    }

    /// The sum of absolute coefficients times the largest inputs and changes.
    pub(crate) fn largest(&self, row: usize, coefficients: &[f64]) -> f64 {
        let features = coefficients.len();
        absolute(coefficients, &self.sizes[row * features..][..features])
    }

    /// How far a linear function can fall or rise from its value at the centre of a row, at most.
    pub(super) fn reach(
        &self,
        row: usize,
        coefficients: &[f64],
        direction: Direction,
        scratch: &mut Scratch,
    ) -> f64 {
        let (features, radius) = (coefficients.len(), self.radii[row]);
        let span = row * features..(row + 1) * features;
        let room = self.room.as_ref().map(|[low, high]| [&low[span.clone()], &high[span.clone()]]);
        let found = match (self.norm, room) {
            (Norm::L1, None) => radius * coefficients.iter().fold(0.0, |m: f64, a| m.max(a.abs())),
            (Norm::L2, None) => radius * length(coefficients),
            (Norm::L1, Some(room)) => scratch.in_cross(coefficients, direction.of(room), radius),
            (Norm::L2, Some(room)) => scratch.in_ball(coefficients, direction.of(room), radius),
            (Norm::LInf, _) => reach::in_box(coefficients, direction.of(self.changes(row))),
        };
        found * (1.0 + 16.0 * rounding(features)) + UNDERFLOW
    }
}

/// Least and largest changes from centres within an interval, rounded outward.
fn changes(interval: &Interval, centres: &[f64]) -> [Vec<f64>; 2] {
    [(&interval.low, -1.0), (&interval.high, 1.0)].map(|(ends, sign)| {
        ends.iter().zip(centres).map(|(end, centre)| outward(end - centre, sign)).collect()
    })
}

/// The next number in the direction of `sign`: a result of one operation, rounded outward.
fn outward(x: f64, sign: f64) -> f64 {
    if sign > 0.0 { x.next_up() } else { x.next_down() }
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
