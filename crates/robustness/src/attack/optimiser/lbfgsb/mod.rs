//! L-BFGS-B: minimisation of a smooth function of many variables between bounds.
//!
//! At each iterate the function is modelled by a quadratic whose curvature comes from the last few
//! steps (`compact`). The projected steepest descent path of the model decides which variables
//! rest at their bounds (`cauchy`), the model is minimised over the others (`subspace`), and a
//! line search towards that point finds the next iterate (`line_search`).
//!
//! - R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, A limited memory algorithm for bound constrained
//!   optimization, SIAM J. Sci. Comput. 16, 1995;
//! - C. Zhu, R. H. Byrd, P. Lu and J. Nocedal, Algorithm 778: L-BFGS-B, ACM Trans. Math. Softw. 23,
//!   1997;
//! - J. L. Morales and J. Nocedal, Remark on Algorithm 778, ACM Trans. Math. Softw. 38, 2011.
//!
//! The search asks for points and is told the function there, so many of them advance together
//! with one evaluation of a batch:
//!
//! ```
//! use vaegis_robustness::attack::optimiser::lbfgsb::{Lbfgsb, Options, Status};
//!
//! let mut search = Lbfgsb::new(vec![0.0], vec![-1.0], vec![2.0], Options::default());
//! while let Some(point) = search.ask() {
//!     let (value, gradient) = ((point[0] - 3.0).powi(2), vec![2.0 * (point[0] - 3.0)]);
//!     search.tell(value, &gradient);
//! }
//! assert_eq!(search.best(), ([2.0].as_slice(), 1.0));
//! assert_eq!(search.status(), Status::Stationary);
//! ```

mod bounds;
mod cauchy;
mod compact;
mod line_search;
mod subspace;
#[cfg(test)]
mod tests;

use nalgebra::DVector;

use bounds::Bounds;
use cauchy::cauchy_point;
use compact::Compact;
use line_search::{LineSearch, Next};
use subspace::subspace_minimum;

/// The longest step along a direction without bounds, in units of it.
const LONGEST_STEP: f64 = 1e10;

/// When to stop, and how much to remember. The defaults are those of SciPy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Most steps whose curvature is remembered.
    pub memory: usize,
    /// Stops when an iteration decreases the value by no more than this, relative to the larger
    /// of both values and 1.
    pub value_tolerance: f64,
    /// Stops when no entry of the projected gradient is larger.
    pub gradient_tolerance: f64,
    /// Most evaluations of the function.
    pub most_evaluations: usize,
    /// Most iterations.
    pub most_iterations: usize,
    /// Most evaluations of one line search.
    pub most_line_search_steps: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory: 10,
            value_tolerance: 1e7 * f64::EPSILON,
            gradient_tolerance: 1e-5,
            most_evaluations: 15_000,
            most_iterations: 15_000,
            most_line_search_steps: 20,
        }
    }
}

/// Whether a search goes on, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It asks for another point.
    Running,
    /// The projected gradient is within its tolerance.
    Stationary,
    /// The last iteration decreased the value by no more than the tolerance.
    SmallDecrease,
    /// As many evaluations as allowed.
    MostEvaluations,
    /// As many iterations as allowed.
    MostIterations,
    /// No lower point was found along the projected gradient: rounding errors dominate, or the
    /// gradient is wrong.
    LineSearchFailed,
    /// The start, a value or a gradient is infinite or not a number, or too large to square.
    NotFinite,
}

/// A point with the function there.
#[derive(Debug, Clone)]
struct Iterate {
    point: DVector<f64>,
    value: f64,
    gradient: DVector<f64>,
}

/// A line search under way.
#[derive(Debug, Clone)]
struct Descent {
    /// The iterate that it leaves.
    from: Iterate,
    /// Where step 1 leads.
    target: DVector<f64>,
    line_search: LineSearch,
    /// The step that is being evaluated.
    step: f64,
    /// Evaluations so far.
    steps: usize,
}

/// One search, from one start.
#[derive(Debug, Clone)]
pub struct Lbfgsb {
    bounds: Bounds,
    options: Options,
    model: Compact,
    /// None before the start was evaluated and after the end.
    descent: Option<Descent>,
    /// The point asked for.
    trial: DVector<f64>,
    best: (DVector<f64>, f64),
    evaluations: usize,
    iterations: usize,
    status: Status,
}

impl Lbfgsb {
    /// A search from the point between the bounds that is nearest to `start`. Bounds may be
    /// infinite, and equal.
    ///
    /// # Panics
    /// If start and bounds differ in length, or a variable has no value between its bounds.
    pub fn new(start: Vec<f64>, lower: Vec<f64>, upper: Vec<f64>, options: Options) -> Self {
        let bounds = Bounds::new(lower, upper);
        assert_eq!(start.len(), bounds.lower.len(), "variables of start and bounds");
        let start = bounds.project(&start.into());
        let finite = start.iter().all(|value| value.is_finite());
        let status = match options {
            _ if !finite => Status::NotFinite,
            Options { most_evaluations: 0, .. } => Status::MostEvaluations,
            _ => Status::Running,
        };
        Self {
            model: Compact::new(start.len(), options.memory),
            bounds,
            options,
            descent: None,
            trial: start.clone(),
            best: (start, f64::INFINITY),
            evaluations: 0,
            iterations: 0,
            status,
        }
    }

    /// The next point to evaluate, always between the bounds; `None` at the end.
    pub fn ask(&self) -> Option<&[f64]> {
        (self.status == Status::Running).then(|| self.trial.as_slice())
    }

    /// Takes value and gradient of the function at the point asked for.
    ///
    /// # Panics
    /// If no point was asked for, or the gradient has not as many entries as the point.
    pub fn tell(&mut self, value: f64, gradient: &[f64]) {
        assert_eq!(self.status, Status::Running, "told of a point after the end");
        assert_eq!(gradient.len(), self.trial.len(), "entries of the gradient");
        self.evaluations += 1;
        if !value.is_finite() || gradient.iter().any(|entry| !entry.is_finite()) {
            self.status = Status::NotFinite;
            return;
        }
        // Where values no longer differ, the last point is the one that the search went to.
        if value <= self.best.1 {
            self.best.0.copy_from(&self.trial);
            self.best.1 = value;
        }
        let told = Iterate {
            point: self.trial.clone(),
            value,
            gradient: DVector::from_column_slice(gradient),
        };
        match self.descent.take() {
            None => self.arrive(told, f64::INFINITY),
            Some(descent) => self.continue_line_search(descent, told),
        }
        if self.status == Status::Running && self.evaluations == self.options.most_evaluations {
            self.status = Status::MostEvaluations;
        }
    }

    /// The point of the lowest value among those where value and gradient were finite, and that
    /// value: infinite, with the start, as long as there is none.
    pub fn best(&self) -> (&[f64], f64) {
        (self.best.0.as_slice(), self.best.1)
    }

    /// How many evaluations it was told of.
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// How many line searches found a new iterate.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Whether the search goes on, and why not.
    pub fn status(&self) -> Status {
        self.status
    }

    fn continue_line_search(&mut self, mut descent: Descent, told: Iterate) {
        let direction = &descent.target - &descent.from.point;
        let slope = direction.dot(&told.gradient);
        if !slope.is_finite() {
            self.status = Status::NotFinite;
            return;
        }
        match descent.line_search.tell(descent.step, told.value, slope) {
            Next::Accept => self.accept(&descent.from, told),
            Next::Step(_) if descent.steps >= self.options.most_line_search_steps => {
                self.forget(descent.from);
            }
            Next::Step(step) => {
                descent.step = step;
                descent.steps += 1;
                self.trial = self.along(&descent.from.point, &descent.target, step);
                self.descent = Some(descent);
            }
        }
    }

    /// Learns from the step to a new iterate.
    fn accept(&mut self, from: &Iterate, to: Iterate) {
        self.iterations += 1;
        let step = &to.point - &from.point;
        let change = &to.gradient - &from.gradient;
        // Not where the slope grew by no more than its rounding error.
        if step.dot(&change) > f64::EPSILON * -step.dot(&from.gradient) {
            self.model.push(&step, &change);
        }
        let scale = from.value.abs().max(to.value.abs()).max(1.0);
        let decrease = (from.value - to.value) / scale;
        self.arrive(to, decrease);
    }

    /// Starts the next iteration, unless the last, with its relative decrease, was good enough.
    fn arrive(&mut self, at: Iterate, decrease: f64) {
        let projected = self.bounds.projected_gradient(&at.point, &at.gradient);
        self.status = if projected <= self.options.gradient_tolerance {
            Status::Stationary
        } else if decrease <= self.options.value_tolerance {
            Status::SmallDecrease
        } else if self.iterations == self.options.most_iterations {
            Status::MostIterations
        } else {
            return self.descend(at);
        };
    }

    /// Starts again from an iterate with no memory of others, if there was one.
    fn forget(&mut self, at: Iterate) {
        if self.model.is_empty() {
            self.status = Status::LineSearchFailed;
        } else {
            self.model.clear();
            self.descend(at);
        }
    }

    /// Asks for the first point of a line search.
    fn descend(&mut self, from: Iterate) {
        let Iterate { point, value, gradient } = &from;
        let cauchy = cauchy_point(point, gradient, &self.bounds, &self.model);
        let target = subspace_minimum(point, gradient, cauchy, &self.bounds, &self.model);
        let Some(target) = target else { return self.forget(from) };
        let direction = &target - point;
        let slope = direction.dot(gradient);
        let length = direction.norm();
        // Also false for what is not a number.
        let downhill = slope < 0.0 && slope.is_finite() && length.is_finite();
        if !downhill {
            return self.forget(from);
        }
        // Without curvature nothing is known of the right length, unless from the box.
        let (first, longest) = if !self.model.is_empty() {
            (1.0, self.longest_step(point, &direction))
        } else if self.bounds.none() {
            ((1.0 / length).min(LONGEST_STEP), LONGEST_STEP)
        } else if self.bounds.all() {
            (1.0, 1.0)
        } else {
            ((1.0 / length).min(1.0), 1.0)
        };
        self.trial = self.along(point, &target, first);
        let line_search = LineSearch::new(*value, slope, first, longest);
        self.descent = Some(Descent { from, target, line_search, step: first, steps: 1 });
    }

    /// The point a step towards the target leads to. Step 1 leads there exactly: a variable that
    /// should rest at its bound does.
    fn along(&self, from: &DVector<f64>, target: &DVector<f64>, step: f64) -> DVector<f64> {
        if step == 1.0 {
            target.clone()
        } else {
            self.bounds.project(&(from + (target - from) * step))
        }
    }

    /// How far the bounds let a direction go, at least to its target.
    fn longest_step(&self, point: &DVector<f64>, direction: &DVector<f64>) -> f64 {
        (0..point.len())
            .map(|index| self.bounds.reach(index, point[index], direction[index]))
            .fold(LONGEST_STEP, f64::min)
            .max(1.0)
    }
}
