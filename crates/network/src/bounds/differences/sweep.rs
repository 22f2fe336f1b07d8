//! How far every value of a network can change.

use burn::tensor::Tensor;

use super::{Differences, Layer, Slopes};
use crate::bounds::interval::Interval;
use crate::bounds::reach::Scratch;
use crate::bounds::real::{self, rounding};
use crate::bounds::secants::{self, Secant};
use crate::bounds::set::Direction;
use crate::bounds::{InputSet, UNDERFLOW};
use crate::graph::Node;
use crate::ops::{Activation, Calculus, Evaluation, Operator};

/// The way of all changes within a set from the input to the outputs.
pub(super) struct Sweep<'a> {
    differences: &'a Differences<'a>,
    set: &'a InputSet,
    /// Of every value.
    changes: Vec<Interval>,
    /// What changes are beyond those by the Jacobian at the point.
    remainders: Vec<Interval>,
    pub(super) sizes: Vec<Vec<f64>>,
    pub(super) slopes: Vec<Slopes>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(differences: &'a Differences<'a>, set: &'a InputSet) -> Result<Self, String> {
        let [low, high] = set.changes(0);
        let changes = Interval::new(1, low.to_vec(), high.to_vec())?;
        let none = vec![0.0; differences.point.len()];
        let remainders = vec![Interval::new(1, none.clone(), none)?];
        let sizes = vec![changes.magnitudes()];
        Ok(Self { differences, set, changes: vec![changes], remainders, sizes, slopes: vec![] })
    }

    /// Through an affine operator.
    pub(super) fn map(&mut self, node: usize) -> Result<(), String> {
        let bounder = self.differences.bounder;
        let absolute = bounder.absolute(node);
        let Node { operator, inputs } = &bounder.network.nodes[node];
        let of = |values: &'_ [Interval]| -> Result<Interval, String> {
            let inputs: Vec<&Interval> = inputs.iter().map(|&value| &values[value]).collect();
            difference(operator, absolute, &inputs)
        };
        let (changes, remainders) = (of(&self.changes)?, of(&self.remainders)?);
        self.changes.push(changes);
        self.remainders.push(remainders);
        let sizes: Vec<&[f64]> = inputs.iter().map(|&value| &self.sizes[value][..]).collect();
        self.sizes.push(image(absolute, &sizes));
        Ok(())
    }

    /// Through an element-wise function.
    pub(super) fn bend(&mut self, layer: &Layer, activation: &Activation) -> Result<(), String> {
        let range = self.range(layer, activation)?;
        let centre = &self.differences.centre[layer.input];
        let arguments: (Vec<f64>, Vec<f64>) = (centre.ends().zip(range.ends()))
            .map(|(at, by)| (outward(at[0] + by[0], -1.0), outward(at[1] + by[1], 1.0)))
            .unzip();
        let arguments = Interval::new(1, arguments.0, arguments.1)?;
        let pieces = activation.pieces(&arguments)?;
        let count = layer.tangents.len();
        let mut ends = [(); 4].map(|()| Vec::with_capacity(count));
        let mut sizes = Vec::with_capacity(count);
        let mut slopes =
            Slopes { centres: Vec::with_capacity(count), free: vec![], halves: vec![] };
        let remainders = self.remainders[layer.input].ends();
        let terms = centre.ends().zip(arguments.ends()).zip(range.ends().zip(remainders));
        for (feature, ((start, to), (by, rest))) in terms.enumerate() {
            let tangent = layer.tangents[feature];
            let Secant { slopes: [low, high], remainder } =
                secants::secant(&pieces, start, to, tangent);
            let half = 0.5 * (high - low);
            slopes.centres.push(0.5 * (low + high));
            if half != 0.0 {
                slopes.free.push(feature);
                slopes.halves.push(half * (1.0 + 1e-12) + 1e-15 * low.abs().max(high.abs()));
            }
            // Changes are from below 0 to above.
            let change = [least(low * by[1], high * by[0]), -least(-low * by[0], -high * by[1])];
            let rest = if tangent < 0.0 { [rest[1], rest[0]] } else { rest };
            for (end, value, sign) in [
                (0, change[0], -1.0),
                (1, change[1], 1.0),
                (2, tangent * rest[0] + remainder[0], -1.0),
                (3, tangent * rest[1] + remainder[1], 1.0),
            ] {
                ends[end].push(outward(value, sign));
            }
            let steepest = low.abs().max(high.abs()).max(tangent.abs());
            sizes.push(steepest * self.sizes[layer.input][feature]);
        }
        let [low, high, rest_low, rest_high] = ends;
        self.changes.push(Interval::new(1, low, high)?);
        self.remainders.push(Interval::new(1, rest_low, rest_high)?);
        self.sizes.push(sizes);
        self.slopes.push(slopes);
        Ok(())
    }

    /// How much each of the numbers that a function reads can change.
    fn range(&self, layer: &Layer, activation: &Activation) -> Result<Interval, String> {
        let features = self.differences.point.len();
        let charge = self.differences.rounding();
        let (mut low, mut high) = (vec![], vec![]);
        let mut scratch = Scratch::default();
        let rows = layer.jacobian.chunks_exact(features).zip(&layer.norms);
        let rests = self.remainders[layer.input].ends();
        let centres = self.differences.centre[layer.input].ends();
        let features = rows.zip(rests.zip(centres)).enumerate();
        for (feature, ((row, &[largest, norm]), (rest, centre))) in features {
            let error = charge * self.sizes[layer.input][feature] + UNDERFLOW;
            let ball = self.set.reach_of_ball(0, largest, norm);
            let [mut fall, mut rise] = [ball - rest[0] + error, ball + rest[1] + error];
            // What the box leaves of the ball takes a while, and matters where the function bends.
            if !activation.is_line(centre[0] - fall, centre[1] + rise) {
                let mut reach =
                    |direction| self.set.reach(0, row, direction, &mut scratch).min(ball);
                fall = reach(Direction::Down) - rest[0] + error;
                rise = reach(Direction::Up) + rest[1] + error;
            }
            low.push(-fall);
            high.push(rise);
        }
        // What interval arithmetic says holds as well; a change of 0 is possible.
        let both = self.changes[layer.input].intersect(low, high)?;
        let (low, high) = both.ends().map(|[low, high]| (low.min(0.0), high.max(0.0))).unzip();
        Interval::new(1, low, high)
    }
}

/// Where an affine operator takes changes within intervals.
fn difference(
    operator: &Operator,
    absolute: &Operator,
    changes: &[&Interval],
) -> Result<Interval, String> {
    let part = |of: fn([f64; 2]) -> f64| -> Vec<Vec<f64>> {
        changes.iter().map(|change| change.ends().map(of).collect()).collect()
    };
    let image_of = |operator: &Operator, parts: Vec<Vec<f64>>| {
        image(operator, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    let centres = image_of(operator, part(|[low, high]| 0.5 * low + 0.5 * high));
    let radii = image_of(absolute, part(|[low, high]| 0.5 * high - 0.5 * low));
    let reach = image_of(absolute, part(|[low, high]| high.max(-low)));
    let terms = changes.iter().map(|change| change.features()).sum();
    let error = 4.0 * rounding(terms);
    let radii: Vec<f64> = radii
        .iter()
        .zip(&reach)
        .map(|(radius, reach)| radius + error * reach + UNDERFLOW)
        .collect();
    let low = centres.iter().zip(&radii).map(|(centre, radius)| centre - radius).collect();
    let high = centres.iter().zip(&radii).map(|(centre, radius)| centre + radius).collect();
    Interval::new(1, low, high)
}

/// The linear part of an affine operator.
fn image(operator: &Operator, changes: &[&[f64]]) -> Vec<f64> {
    let zeros: Vec<Tensor<2>> = changes
        .iter()
        .map(|change| real::tensor(vec![0.0; change.len()], [1, change.len()]))
        .collect();
    let tangents: Vec<Tensor<3>> =
        changes.iter().map(|change| real::tensor(change.to_vec(), [1, 1, change.len()])).collect();
    let inputs: Vec<&Tensor<2>> = zeros.iter().collect();
    let at = Evaluation { inputs: &inputs, output: inputs[0] };
    real::numbers(operator.jvp(at, &tangents))
}

/// The smaller one, and no number if one is none.
fn least(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}

/// Rounded outward by more than a few operations can err.
fn outward(x: f64, sign: f64) -> f64 {
    x + sign * (4.0 * f64::EPSILON * x.abs() + UNDERFLOW)
}
