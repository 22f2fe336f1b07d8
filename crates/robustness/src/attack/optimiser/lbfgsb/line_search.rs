//! The line search of More and Thuente (ACM Trans. Math. Softw. 20, 1994), asking and told: a
//! step with sufficient decrease, `f(t) <= f(0) + 1e-3 t f'(0)`, and little slope left,
//! `|f'(t)| <= 0.9 |f'(0)|`.

/// How much of the decrease that the slope promises must come true.
const SUFFICIENT_DECREASE: f64 = 1e-3;
/// How much of the slope may be left.
const SLOPE_LEFT: f64 = 0.9;
/// Relative width of the interval below which the search ends.
const WIDTH: f64 = 0.1;
/// Steps grow by between one and four times what the last one was longer than the best.
const EXTRAPOLATION: (f64, f64) = (1.1, 4.0);

/// A step with the value and slope there.
#[derive(Debug, Clone, Copy)]
struct Trial {
    step: f64,
    value: f64,
    slope: f64,
}

impl Trial {
    /// Less the line of sufficient decrease, but for a constant.
    fn less_line(self, slope: f64) -> Self {
        Self { step: self.step, value: self.value - self.step * slope, slope: self.slope - slope }
    }
}

/// What follows a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    /// Evaluate this step.
    Step(f64),
    /// The step just evaluated ends the search.
    Accept,
}

/// A search along one direction.
#[derive(Debug, Clone)]
pub(super) struct LineSearch {
    start: Trial,
    longest: f64,
    /// The least value so far.
    best: Trial,
    /// The other end of the interval.
    other: Trial,
    /// Whether the interval holds a minimum.
    bracketed: bool,
    /// Until a step decreases sufficiently with a slope that is not negative, the function less
    /// the line of sufficient decrease is minimised.
    first_stage: bool,
    /// Where the next step may lie.
    range: (f64, f64),
    /// Width of the interval, and the width before.
    widths: (f64, f64),
}

impl LineSearch {
    /// From `value` and the negative `slope` at step 0, with the first step `first` up to `longest`.
    pub(super) fn new(value: f64, slope: f64, first: f64, longest: f64) -> Self {
        let start = Trial { step: 0.0, value, slope };
        Self {
            start,
            longest,
            best: start,
            other: start,
            bracketed: false,
            first_stage: true,
            range: (0.0, first + EXTRAPOLATION.1 * first),
            widths: (longest, 2.0 * longest),
        }
    }

    /// Takes value and slope at `step`, which was asked for last.
    pub(super) fn tell(&mut self, step: f64, value: f64, slope: f64) -> Next {
        let trial = Trial { step, value, slope };
        let line = SUFFICIENT_DECREASE * self.start.slope;
        let enough = self.start.value + step * line;
        if self.first_stage && value <= enough && slope >= 0.0 {
            self.first_stage = false;
        }
        let exhausted = self.bracketed
            && (step <= self.range.0
                || step >= self.range.1
                || self.range.1 - self.range.0 <= WIDTH * self.range.1);
        let at_longest = step == self.longest && value <= enough && slope <= line;
        let converged = value <= enough && slope.abs() <= SLOPE_LEFT * -self.start.slope;
        if exhausted || at_longest || converged || step == 0.0 {
            return Next::Accept;
        }

        let mut next = if self.first_stage && value <= self.best.value && value > enough {
            let (best, other) = (self.best, self.other);
            (self.best, self.other) = (best.less_line(line), other.less_line(line));
            let next = self.update(trial.less_line(line));
            (self.best, self.other) = (self.best.less_line(-line), self.other.less_line(-line));
            next
        } else {
            self.update(trial)
        };

        if self.bracketed {
            let width = (self.other.step - self.best.step).abs();
            if width >= 0.66 * self.widths.1 {
                next = self.best.step + 0.5 * (self.other.step - self.best.step);
            }
            self.widths = (width, self.widths.0);
            self.range = (self.best.step.min(self.other.step), self.best.step.max(self.other.step));
        } else {
            let grown = next - self.best.step;
            self.range = (next + EXTRAPOLATION.0 * grown, next + EXTRAPOLATION.1 * grown);
        }
        next = next.min(self.longest).max(0.0);
        // Nothing better can be found between the ends: the best is what remains.
        let (low, high) = self.range;
        if self.bracketed && (next <= low || next >= high || high - low <= WIDTH * high) {
            next = self.best.step;
        }
        if next == step { Next::Accept } else { Next::Step(next) }
    }

    /// The next step from interpolation, and the interval that then holds a minimum.
    fn update(&mut self, trial: Trial) -> f64 {
        let (best, other) = (self.best, self.other);
        let opposite = trial.slope * best.slope.signum() < 0.0;
        let next = if trial.value > best.value {
            // A minimum lies between. The cubic is trusted where it is nearer to the best.
            let cubic = cubic_minimum(best, trial);
            let quadratic = quadratic_minimum(best, trial);
            self.bracketed = true;
            if (cubic - best.step).abs() < (quadratic - best.step).abs() {
                cubic
            } else {
                cubic + 0.5 * (quadratic - cubic)
            }
        } else if opposite {
            // Again one lies between, nearer to the trial.
            let (cubic, secant) = (cubic_minimum(trial, best), secant_minimum(trial, best));
            self.bracketed = true;
            farther(trial.step, cubic, secant)
        } else if trial.slope.abs() < best.slope.abs() {
            // The slope flattens. The cubic may have no minimum beyond the trial.
            let (low, high) = self.range;
            let secant = secant_minimum(trial, best);
            let end = if trial.step > best.step { high } else { low };
            let share = cubic_minimum_share(trial, best);
            let beyond = trial.step + share * (best.step - trial.step);
            let cubic = if share < 0.0 { beyond } else { end };
            if self.bracketed {
                let next = nearer(trial.step, cubic, secant);
                // Not nearly as far as the other end.
                let limit = trial.step + 0.66 * (other.step - trial.step);
                if trial.step > best.step { next.min(limit) } else { next.max(limit) }
            } else {
                farther(trial.step, cubic, secant).min(high).max(low)
            }
        } else if self.bracketed {
            cubic_minimum(trial, other)
        } else if trial.step > best.step {
            self.range.1
        } else {
            self.range.0
        };
        if trial.value > best.value {
            self.other = trial;
        } else {
            if opposite {
                self.other = best;
            }
            self.best = trial;
        }
        next
    }
}

/// The minimum of the cubic with the values and slopes of two trials, from `a` in units of the
/// way to `b`; NaN where it has none.
fn cubic_minimum_share(a: Trial, b: Trial) -> f64 {
    let theta = 3.0 * (a.value - b.value) / (b.step - a.step) + a.slope + b.slope;
    let scale = theta.abs().max(a.slope.abs()).max(b.slope.abs());
    // Two slopes of unlike sign have a root; with like signs a rounding error may take it.
    let square = (theta / scale).powi(2) - (a.slope / scale) * (b.slope / scale);
    let root = scale * square.sqrt().copysign(b.step - a.step);
    (root - a.slope + theta) / (root - a.slope + root + b.slope)
}

fn cubic_minimum(a: Trial, b: Trial) -> f64 {
    a.step + cubic_minimum_share(a, b) * (b.step - a.step)
}

/// The minimum of the parabola with the value and slope of `a` and the value of `b`.
fn quadratic_minimum(a: Trial, b: Trial) -> f64 {
    let way = b.step - a.step;
    a.step + 0.5 * a.slope / ((a.value - b.value) / way + a.slope) * way
}

/// The minimum of the parabola with the slopes of `a` and `b`.
fn secant_minimum(a: Trial, b: Trial) -> f64 {
    a.step + a.slope / (a.slope - b.slope) * (b.step - a.step)
}

fn nearer(to: f64, a: f64, b: f64) -> f64 {
    if (a - to).abs() < (b - to).abs() { a } else { b }
}

fn farther(from: f64, a: f64, b: f64) -> f64 {
    if (a - from).abs() > (b - from).abs() { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All steps asked for from the start, the first one given.
    fn steps(function: impl Fn(f64) -> (f64, f64), first: f64, longest: f64) -> Vec<f64> {
        let (value, slope) = function(0.0);
        let mut search = LineSearch::new(value, slope, first, longest);
        let mut steps = vec![first];
        for _ in 0..100 {
            let step = *steps.last().unwrap();
            let (value, slope) = function(step);
            match search.tell(step, value, slope) {
                Next::Accept => return steps,
                Next::Step(next) => steps.push(next),
            }
        }
        panic!("no end: {steps:?}");
    }

    /// Function 1 of More and Thuente: little curvature beyond its minimum at `sqrt(2)`.
    fn flat(t: f64) -> (f64, f64) {
        (-t / (t * t + 2.0), (t * t - 2.0) / (t * t + 2.0).powi(2))
    }

    /// Function 2: flat at the start, a minimum at 1.596.
    fn late(t: f64) -> (f64, f64) {
        let t = t + 0.004;
        (t.powi(5) - 2.0 * t.powi(4), 5.0 * t.powi(4) - 8.0 * t.powi(3))
    }

    /// Function 3: a bend at 1 under waves.
    fn wavy(t: f64) -> (f64, f64) {
        let (width, waves) = (0.01, 39.0 * std::f64::consts::PI);
        let (value, slope) = if t <= 1.0 - width {
            (1.0 - t, -1.0)
        } else if t >= 1.0 + width {
            (t - 1.0, 1.0)
        } else {
            ((t - 1.0).powi(2) / (2.0 * width) + width / 2.0, (t - 1.0) / width)
        };
        let (sine, cosine) = (0.5 * waves * t).sin_cos();
        (value + 2.0 * (1.0 - width) / waves * sine, slope + (1.0 - width) * cosine)
    }

    /// Function 6: a minimum between two bends.
    fn bent(t: f64) -> (f64, f64) {
        let weight = |c: f64| (1.0 + c * c).sqrt() - c;
        let (at_one, at_zero) = (weight(0.001), weight(0.01));
        let (to_one, to_zero) = ((1.0 - t).hypot(0.01), t.hypot(0.001));
        (at_one * to_one + at_zero * to_zero, at_one * (t - 1.0) / to_one + at_zero * t / to_zero)
    }

    /// SciPy's `DCSRCH` with the same constants asks for these; a last step that it asks for
    /// twice is not repeated here.
    #[test]
    fn steps_are_those_of_the_reference() {
        type Function = fn(f64) -> (f64, f64);
        let cases: [(Function, &[f64]); 9] = [
            (flat, &[0.001, 0.005, 0.021, 0.085, 0.341]),
            (flat, &[1000.0, 332.83537094698613, 110.78382764820593, 36.88760696396662]),
            (
                late,
                &[
                    0.1,
                    0.5,
                    2.1,
                    1.1322375187701137,
                    1.6024085266778738,
                    1.5847382834276738,
                    1.6024085266778738,
                ],
            ),
            (
                late,
                &[
                    1000.0,
                    222.29565484593803,
                    49.472816490427086,
                    11.069352144736474,
                    2.5433685560303143,
                    0.7201153415592905,
                    1.6296513166653739,
                    1.3512229797881472,
                    1.5950402760316598,
                ],
            ),
            (
                wavy,
                &[
                    0.001,
                    0.005,
                    0.021,
                    0.085,
                    0.261251022306403,
                    0.966255111532015,
                    3.786271468434463,
                    1.604425998192695,
                    1.0843896525734293,
                    0.9967520447385962,
                ],
            ),
            (
                wavy,
                &[
                    0.1,
                    0.5,
                    2.1,
                    0.651872263766402,
                    0.9483702063173818,
                    1.524185103158691,
                    1.067764735720512,
                    0.9858519280776707,
                ],
            ),
            (
                wavy,
                &[
                    10.0,
                    0.020789930743934548,
                    1.044124914011968,
                    0.3618865163650353,
                    0.8824993236032532,
                    0.9811565020243171,
                ],
            ),
            (
                wavy,
                &[
                    1000.0,
                    4.883371421479075,
                    0.01594224199905388,
                    0.5077047302537128,
                    2.695538075866394,
                    0.5731707393408647,
                    1.0730883346406106,
                    1.0440774439785794,
                    0.927969946056126,
                    1.0117927501914992,
                ],
            ),
            (bent, &[1000.0, 89.6961611686064, 8.132583947243628, 0.8369774696753841]),
        ];
        for (function, expected) in cases {
            let found = steps(function, expected[0], 1e10);
            let close = |a: &f64, b: &f64| (a - b).abs() < 1e-7 * b;
            assert!(
                found.len() == expected.len()
                    && found.iter().zip(expected).all(|(a, b)| close(a, b)),
                "{found:?}\nexpected {expected:?}"
            );
        }
    }

    #[test]
    fn a_slope_that_never_flattens_is_followed_to_the_end() {
        assert_eq!(steps(|t| (-t, -1.0), 1.0, 50.0), [1.0, 5.0, 21.0, 50.0]);
    }
}
