//! The compact form of the limited-memory BFGS matrix,
//!
//! ```text
//! B = theta I - W M W',   W = [Y, theta S],   M^-1 = [ -D   L'        ]
//!                                                    [  L   theta S'S ]
//! ```
//!
//! for the last steps `S` and the changes of the gradient `Y` along them, where `D` is the
//! diagonal of `S'Y` and `L` the part below it (Byrd, Nocedal and Schnabel, Math. Program. 63, 1994).

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// What is known of the curvature.
#[derive(Debug, Clone)]
pub(super) struct Compact {
    /// Most pairs kept.
    memory: usize,
    /// Steps, one a column, the oldest first. Shape: [variables, pairs].
    steps: DMatrix<f64>,
    /// Changes of the gradient along them. Shape: [variables, pairs].
    changes: DMatrix<f64>,
    /// `S'S`.
    steps_by_steps: DMatrix<f64>,
    /// `S'Y` from the diagonal down, mirrored above.
    steps_by_changes: DMatrix<f64>,
    /// Curvature of the last step: the eigenvalue of B where no pair says otherwise.
    pub(super) theta: f64,
    /// `M^-1`.
    middle: Saddle,
}

impl Compact {
    /// No pairs: the identity.
    pub(super) fn new(variables: usize, memory: usize) -> Self {
        Self {
            memory,
            steps: DMatrix::zeros(variables, 0),
            changes: DMatrix::zeros(variables, 0),
            steps_by_steps: DMatrix::zeros(0, 0),
            steps_by_changes: DMatrix::zeros(0, 0),
            theta: 1.0,
            middle: Saddle::empty(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.ncols() == 0
    }

    /// Forgets all pairs.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.steps.nrows(), self.memory);
    }

    /// Learns the curvature along `step`, if it is positive: with another B would not stay positive
    /// definite. Where rounding has made it indefinite all pairs are forgotten.
    pub(super) fn push(&mut self, step: &DVector<f64>, change: &DVector<f64>) {
        let theta = change.norm_squared() / step.dot(change);
        if self.memory == 0 || !theta.is_finite() || theta <= 0.0 {
            return;
        }
        for (columns, column) in [(&mut self.steps, step), (&mut self.changes, change)] {
            let mut kept = std::mem::take(columns);
            if kept.ncols() == self.memory {
                kept = kept.remove_column(0);
            }
            let pairs = kept.ncols();
            *columns = kept.insert_column(pairs, 0.0);
            columns.set_column(pairs, column);
        }
        self.steps_by_steps = grown(&self.steps_by_steps, &self.steps.tr_mul(step));
        self.steps_by_changes = grown(&self.steps_by_changes, &self.changes.tr_mul(step));
        self.theta = theta;

        let diagonal = DMatrix::from_diagonal(&self.steps_by_changes.diagonal());
        let mut below = self.steps_by_changes.lower_triangle();
        below.fill_diagonal(0.0);
        match Saddle::new(diagonal, below, &self.steps_by_steps * theta) {
            Some(middle) => self.middle = middle,
            None => self.clear(),
        }
    }

    /// `W'v`.
    pub(super) fn down(&self, v: &DVector<f64>) -> DVector<f64> {
        stack(self.changes.tr_mul(v), self.steps.tr_mul(v) * self.theta)
    }

    /// `W v`.
    pub(super) fn up(&self, v: &DVector<f64>) -> DVector<f64> {
        let pairs = self.steps.ncols();
        &self.changes * v.rows(0, pairs) + &self.steps * v.rows(pairs, pairs) * self.theta
    }

    /// A row of W.
    pub(super) fn row(&self, index: usize) -> DVector<f64> {
        let pairs = self.steps.ncols();
        stack(
            DVector::from_fn(pairs, |k, _| self.changes[(index, k)]),
            DVector::from_fn(pairs, |k, _| self.steps[(index, k)] * self.theta),
        )
    }

    /// `v'B v`.
    pub(super) fn curvature(&self, v: &DVector<f64>) -> f64 {
        let down = self.down(v);
        self.theta * v.norm_squared() - down.dot(&self.middle(&down))
    }

    /// `M v`.
    pub(super) fn middle(&self, v: &DVector<f64>) -> DVector<f64> {
        self.middle.solve(v)
    }

    /// The solution `v` of `B v = right` in the space of the `free` variables (ascending) alone,
    /// by the formula of Sherman, Morrison and Woodbury; `None` where rounding has made B
    /// indefinite. `right` has an entry for each free variable.
    pub(super) fn solve(&self, free: &[usize], right: &DVector<f64>) -> Option<DVector<f64>> {
        let pairs = self.steps.ncols();
        let (changes, steps) = (self.changes.select_rows(free), self.steps.select_rows(free));
        let down = stack(changes.tr_mul(right), steps.tr_mul(right) * self.theta);
        let inner = self.saddle(free)?.solve(&down);
        let up = changes * inner.rows(0, pairs) + steps * inner.rows(pairs, pairs) * self.theta;
        Some(right / self.theta + up / (self.theta * self.theta))
    }

    /// `M^-1 - W'W / theta`, with the rows of W that belong to the `free` variables.
    ///
    /// Sums over all variables less sums over the free ones are sums over the others, and are
    /// formed as those: the difference would lose its digits.
    fn saddle(&self, free: &[usize]) -> Option<Saddle> {
        let pairs = self.steps.ncols();
        let mut fixed = Vec::with_capacity(self.steps.nrows() - free.len());
        let mut others = free.iter().peekable();
        for index in 0..self.steps.nrows() {
            if others.next_if_eq(&&index).is_none() {
                fixed.push(index);
            }
        }
        let (free_changes, free_steps) =
            (self.changes.select_rows(free), self.steps.select_rows(free));
        let (fixed_changes, fixed_steps) =
            (self.changes.select_rows(&fixed), self.steps.select_rows(&fixed));

        let mut first = free_changes.transpose() * &free_changes / self.theta;
        for k in 0..pairs {
            first[(k, k)] += self.steps_by_changes[(k, k)];
        }
        let below = fixed_steps.transpose() * &fixed_changes;
        let above = free_steps.transpose() * &free_changes;
        let coupling = DMatrix::from_fn(pairs, pairs, |row, column| {
            if row > column { below[(row, column)] } else { -above[(row, column)] }
        });
        Saddle::new(first, coupling, fixed_steps.transpose() * &fixed_steps * self.theta)
    }
}

/// The symmetric matrix `[-P, C'; C, E]` with P and `E + C P^-1 C'` positive definite, ready to
/// solve with.
#[derive(Debug, Clone)]
struct Saddle {
    first: Cholesky<f64, Dyn>,
    coupling: DMatrix<f64>,
    complement: Cholesky<f64, Dyn>,
}

impl Saddle {
    fn empty() -> Self {
        let empty = DMatrix::zeros(0, 0);
        Self::new(empty.clone(), empty.clone(), empty).expect("no pivot can fail")
    }

    fn new(first: DMatrix<f64>, coupling: DMatrix<f64>, second: DMatrix<f64>) -> Option<Self> {
        let first = first.cholesky()?;
        let complement = second + &coupling * first.solve(&coupling.transpose());
        Some(Self { first, coupling, complement: complement.cholesky()? })
    }

    fn solve(&self, right: &DVector<f64>) -> DVector<f64> {
        let pairs = self.coupling.nrows();
        let above = self.first.solve(&right.rows(0, pairs).into_owned());
        let below = self.complement.solve(&(right.rows(pairs, pairs) + &self.coupling * &above));
        stack(self.first.solve(&self.coupling.tr_mul(&below)) - above, below)
    }
}

/// A symmetric matrix of products between pairs with those of one more pair, less those of the
/// first if there are no more than before.
fn grown(products: &DMatrix<f64>, edge: &DVector<f64>) -> DMatrix<f64> {
    let last = edge.len() - 1;
    let dropped = products.ncols() - last;
    DMatrix::from_fn(edge.len(), edge.len(), |i, j| {
        if i.max(j) == last { edge[i.min(j)] } else { products[(i + dropped, j + dropped)] }
    })
}

fn stack(above: DVector<f64>, below: DVector<f64>) -> DVector<f64> {
    DVector::from_iterator(above.len() + below.len(), above.iter().chain(&below).copied())
}
