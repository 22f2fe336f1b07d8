//! The box `lower <= x <= upper`.

use nalgebra::DVector;

/// Bounds of all variables, infinite where there are none.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) lower: DVector<f64>,
    pub(super) upper: DVector<f64>,
}

impl Bounds {
    /// # Panics
    /// If the bounds are not as many as each other, or leave a variable no value.
    pub(super) fn new(lower: Vec<f64>, upper: Vec<f64>) -> Self {
        assert_eq!(lower.len(), upper.len(), "lower and upper bounds");
        for (index, (lower, upper)) in lower.iter().zip(&upper).enumerate() {
            assert!(lower <= upper, "variable {index} has bounds {lower} and {upper}");
            assert!(
                *lower < f64::INFINITY && *upper > f64::NEG_INFINITY,
                "variable {index} has bounds {lower} and {upper}, which no number meets"
            );
        }
        Self { lower: lower.into(), upper: upper.into() }
    }

    /// The nearest point of the box.
    pub(super) fn project(&self, x: &DVector<f64>) -> DVector<f64> {
        x.zip_zip_map(&self.lower, &self.upper, f64::clamp)
    }

    /// Whether no variable has a bound.
    pub(super) fn none(&self) -> bool {
        self.lower.iter().all(|&bound| bound == f64::NEG_INFINITY)
            && self.upper.iter().all(|&bound| bound == f64::INFINITY)
    }

    /// Whether every variable has both bounds.
    pub(super) fn all(&self) -> bool {
        self.lower.iter().chain(&self.upper).all(|bound| bound.is_finite())
    }

    /// Whether a variable at `value` can move both ways.
    pub(super) fn inside(&self, index: usize, value: f64) -> bool {
        self.lower[index] < value && value < self.upper[index]
    }

    /// How far the variable at `value` can move in the direction of `change`, in units of it;
    /// infinitely far without a bound or without a change.
    pub(super) fn reach(&self, index: usize, value: f64, change: f64) -> f64 {
        if change > 0.0 {
            (self.upper[index] - value) / change
        } else if change < 0.0 {
            (self.lower[index] - value) / change
        } else {
            f64::INFINITY
        }
    }

    /// The largest entry of `P(x - gradient) - x`, in magnitude: zero at a stationary point.
    pub(super) fn projected_gradient(&self, x: &DVector<f64>, gradient: &DVector<f64>) -> f64 {
        (self.project(&(x - gradient)) - x).amax()
    }
}
