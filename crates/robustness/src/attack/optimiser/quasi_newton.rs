//! L-BFGS-B on a ball: the search knows bounds only, so its variables are chosen such that
//! nothing else limits them.

use super::lbfgsb::{Lbfgsb, Options};
use super::{Candidate, evaluate};
use crate::attack::objective::{Evaluation, Objective};
use crate::{Ball, Error, Norm};

/// Relative increase of the value that ends a search: what f32 can still tell.
const VALUE_TOLERANCE: f64 = 1e-7;
/// Relative increase of the value for which another search starts.
const WORTHWHILE: f64 = 1e-4;
/// How far from 1 a length is still that of the sphere, and how close to a bound a variable rests
/// there: perturbations are rounded to f32.
const ROUNDING: f64 = 1e-6;
/// Halvings of an interval, enough for f64.
const HALVINGS: usize = 50;

/// Ascends from the evaluated starts.
pub(super) fn ascend(
    ball: &Ball<'_>,
    objective: &mut dyn Objective,
    candidates: &mut [Candidate],
    starts: Vec<Evaluation>,
    radius: f64,
    steps: usize,
) -> Result<(), Error> {
    let variables = Variables { ball, radius };
    let mut ascents: Vec<Ascent> = candidates
        .iter()
        .zip(starts)
        .map(|(candidate, start)| Ascent::new(&variables, &candidate.u, start, steps))
        .collect();
    loop {
        let (slots, points): (Vec<usize>, Vec<Vec<f32>>) = ascents
            .iter()
            .enumerate()
            .filter_map(|(slot, ascent)| Some((slot, ascent.next(&variables)?)))
            .unzip();
        if slots.is_empty() {
            return Ok(());
        }
        let evaluations = evaluate(objective, &points)?;
        for ((slot, point), evaluation) in slots.into_iter().zip(points).zip(evaluations) {
            ascents[slot].arrive(&variables, &point, evaluation, &mut candidates[slot]);
        }
    }
}

/// The state of one ascent besides its best point: searches, one after the other.
///
/// Scaling into the ball makes a kink at its sphere, where a search can end early. What gains most
/// to first order from its best point is then tried, and from the better of both, where each side
/// of the kink is known, another search starts, as long as the last one and that step gained.
struct Ascent {
    search: Lbfgsb,
    /// What values are divided by: searches minimise `-value / unit`.
    unit: f64,
    /// The value where the search started.
    start: f64,
    best: Evaluation,
    /// What to try after the search.
    corner: Option<Vec<f32>>,
    /// Evaluations left.
    left: usize,
}

impl Ascent {
    /// Starts a search at an evaluated perturbation.
    fn new(variables: &Variables<'_>, u: &[f32], start: Evaluation, left: usize) -> Self {
        let options = Options {
            value_tolerance: VALUE_TOLERANCE,
            // Only where it vanishes: how small is small depends on the number of variables.
            gradient_tolerance: 0.0,
            most_evaluations: left + 1,
            ..Options::default()
        };
        let v = variables.of(u);
        let (lower, upper) = variables.bounds();
        let unit = variables.unit(&variables.gradient(&v, &start.gradient));
        let search = Lbfgsb::new(v, lower, upper, options);
        let value = start.value;
        let mut ascent = Self { search, unit, start: value, best: start, corner: None, left };
        ascent.tell(variables, &ascent.best.clone());
        ascent
    }

    /// The point to evaluate.
    fn next(&self, variables: &Variables<'_>) -> Option<Vec<f32>> {
        if self.left == 0 {
            return None;
        }
        match self.search.ask() {
            Some(point) => Some(variables.perturbation(point)),
            None => self.corner.clone(),
        }
    }

    fn arrive(
        &mut self,
        variables: &Variables<'_>,
        point: &[f32],
        evaluation: Evaluation,
        best: &mut Candidate,
    ) {
        self.left -= 1;
        let search_ended = self.search.ask().is_none();
        self.tell(variables, &evaluation);
        if best.improve(point, evaluation.value) {
            self.best = evaluation;
        }
        if search_ended {
            self.corner = None;
            if best.value - self.start > WORTHWHILE * best.value.abs().max(self.unit) {
                *self = Self::new(variables, &best.u, self.best.clone(), self.left);
            }
        }
        if self.search.ask().is_none() && !search_ended {
            self.corner = Some(variables.ball.corner(&self.best.gradient, variables.radius));
        }
    }

    /// Tells the search of what it asked for, if it did.
    fn tell(&mut self, variables: &Variables<'_>, evaluation: &Evaluation) {
        let Some(point) = self.search.ask() else { return };
        let mut gradient = variables.gradient(point, &evaluation.gradient);
        gradient.iter_mut().for_each(|entry| *entry /= -self.unit);
        self.search.tell(-evaluation.value / self.unit, &gradient);
    }
}

/// Variables v with bounds that stand for the perturbations of ball and box, in units of the
/// radius.
///
/// For l-infinity the ball is itself a box. For l2 it is met by scaling,
/// `u = radius v min(1, 1 / |v|)`, where v keeps to the limits of u: as these hold 0, so does u.
/// For l1 the same, but v has the positive and the negative parts of u as variables of their own,
/// none of them negative. Then `|v|` is their sum, and the edges of the l1 ball, where most
/// solutions are and the norm has no gradient, are bounds.
struct Variables<'a> {
    ball: &'a Ball<'a>,
    radius: f64,
}

impl Variables<'_> {
    fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let (lower, upper) = self.ball.limits();
        let scaled = |limits: &[f32], sign: f64| -> Vec<f64> {
            limits.iter().map(|&limit| sign * f64::from(limit) / self.radius).collect()
        };
        let (lower, upper) = (scaled(lower, 1.0), scaled(upper, 1.0));
        match self.ball.norm() {
            Norm::L2 => (lower, upper),
            Norm::LInf => (
                lower.into_iter().map(|limit| limit.max(-1.0)).collect(),
                upper.into_iter().map(|limit| limit.min(1.0)).collect(),
            ),
            Norm::L1 => {
                let upper: Vec<f64> =
                    upper.into_iter().chain(lower.into_iter().map(|limit| -limit)).collect();
                (vec![0.0; upper.len()], upper)
            }
        }
    }

    /// The variables of a perturbation in ball and box.
    fn of(&self, u: &[f32]) -> Vec<f64> {
        let scaled = u.iter().map(|&u| f64::from(u) / self.radius);
        match self.ball.norm() {
            Norm::L1 => {
                let negative = scaled.clone().map(|v| (-v).max(0.0));
                scaled.map(|v| v.max(0.0)).chain(negative).collect()
            }
            _ => scaled.collect(),
        }
    }

    fn length(&self, v: &[f64]) -> f64 {
        self.ball.norm().of(v.iter().copied())
    }

    fn perturbation(&self, v: &[f64]) -> Vec<f32> {
        let scale = match self.ball.norm() {
            Norm::LInf => self.radius,
            _ => self.radius / self.length(v).max(1.0),
        };
        let features = self.ball.limits().0.len();
        match self.ball.norm() {
            Norm::L1 => (0..features).map(|i| (scale * (v[i] - v[features + i])) as f32).collect(),
            _ => v.iter().map(|&v| (scale * v) as f32).collect(),
        }
    }

    /// What values are divided by: with it, a step along the gradient is one radius long, or for
    /// l-infinity one radius in the mean of all entries. So long are first steps, taken before the
    /// search knows a curvature.
    fn unit(&self, gradient: &[f64]) -> f64 {
        let norm = self.ball.norm();
        let length = match norm {
            Norm::LInf => norm.dual().of(gradient.iter().copied()) / gradient.len() as f64,
            _ => self.length(gradient),
        };
        if length > 0.0 { length } else { 1.0 }
    }

    /// The gradient with respect to v at v from that with respect to u, g.
    ///
    /// Inside the ball it is `radius g`. Outside, `u = radius v / |v|`, and
    /// `d u_j / d v_i = radius (delta_ij - v_j n_i / |v|) / |v|` with n the gradient of `|v|`: the
    /// gradient is `radius (g - <g, v> n / |v|) / |v|`. For l2 `n = v / |v|`; for l1, where no
    /// variable is negative, n is 1 everywhere, and g becomes (g, -g).
    fn gradient(&self, v: &[f64], gradient: &[f32]) -> Vec<f64> {
        let mut at_v: Vec<f64> = gradient.iter().map(|&g| self.radius * f64::from(g)).collect();
        let norm = self.ball.norm();
        if norm == Norm::L1 {
            at_v.extend_from_within(..);
            at_v[gradient.len()..].iter_mut().for_each(|g| *g = -*g);
        }
        let length = self.length(v);
        if norm == Norm::LInf || length < 1.0 - ROUNDING {
            return at_v;
        }
        let normal: Vec<f64> =
            v.iter().map(|v| if norm == Norm::L1 { 1.0 } else { v / length }).collect();
        let mut along = at_v.iter().zip(v).map(|(g, v)| g * v).sum::<f64>() / length;
        if length <= 1.0 + ROUNDING {
            along = self.along_sphere(v, &at_v, &normal, along.max(0.0));
        }
        at_v.iter().zip(normal).map(|(g, n)| (g - along * n) / length.max(1.0)).collect()
    }

    /// How much of the normal to take from the gradient on the sphere: between nothing, as inside,
    /// and `most`, as outside, what makes it tangential for the variables that do not rest at a
    /// bound. Of all limits of gradients that is the shortest, and its slope is that of the
    /// function.
    fn along_sphere(&self, v: &[f64], gradient: &[f64], normal: &[f64], most: f64) -> f64 {
        let (lower, upper) = self.bounds();
        let outwards = |along: f64| {
            let mut sum = 0.0;
            for (i, v) in v.iter().enumerate() {
                let g = gradient[i] - along * normal[i];
                let held = if g > 0.0 { upper[i] - v } else { v - lower[i] };
                if held > ROUNDING {
                    sum += g * normal[i];
                }
            }
            sum
        };
        let (mut low, mut high) = (0.0, most);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if outwards(middle) > 0.0 { low = middle } else { high = middle }
        }
        high
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, InputBox};

    #[test]
    fn gradients_are_those_of_differences() {
        let slope = [0.7f32, -1.3, 2.1];
        for norm in [Norm::L1, Norm::L2, Norm::LInf] {
            let domain = Domain { norm, ..Domain::l2(InputBox::None) };
            let ball = Ball::new(&domain, &[0.0; 3]);
            let variables = Variables { ball: &ball, radius: 2.0 };
            let value = |v: &[f64]| -> f64 {
                let u = variables.perturbation(v);
                u.iter().zip(slope).map(|(&u, g)| f64::from(u) * f64::from(g)).sum()
            };
            // Inside the ball, and outside where that is possible.
            for scale in if norm == Norm::LInf { vec![1.0] } else { vec![0.3, 3.0] } {
                let mut v = variables.of(&[0.8, 0.5, -0.6]);
                v.iter_mut().for_each(|v| *v *= scale);
                let gradient = variables.gradient(&v, &slope);
                assert_eq!(gradient.len(), v.len());
                for i in 0..v.len() {
                    // Parts of l1 at 0 cannot be smaller.
                    let low = if v[i] == 0.0 { 0.0 } else { v[i] - 0.005 };
                    let high = v[i] + 0.005;
                    let at = |entry: f64| {
                        let mut moved = v.clone();
                        moved[i] = entry;
                        value(&moved)
                    };
                    let difference = (at(high) - at(low)) / (high - low);
                    let case = format!("{norm} {scale} {i}: {} or {difference}", gradient[i]);
                    assert!((gradient[i] - difference).abs() < 0.01, "{case}");
                }
            }
        }
    }
}
