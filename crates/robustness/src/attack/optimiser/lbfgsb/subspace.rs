//! Minimisation of the quadratic model over the variables that are free at the Cauchy point.

use nalgebra::DVector;

use super::bounds::Bounds;
use super::cauchy::CauchyPoint;
use super::compact::Compact;

/// The point to search towards from `x`; `None` where the model is no longer positive definite.
///
/// The minimiser over the whole subspace is projected onto the box, as Morales and Nocedal (2011)
/// do. They keep it if it lies downhill, but how far it then decreases the model has no lower
/// limit, and searches stop where nothing is stationary. Here it must decrease the model as much
/// as the Cauchy point, which is what convergence rests on. Otherwise the step from the Cauchy
/// point is shortened until it stays in the box, as Byrd, Lu, Nocedal and Zhu (1995, section 5)
/// did, and does.
pub(super) fn subspace_minimum(
    x: &DVector<f64>,
    gradient: &DVector<f64>,
    cauchy: CauchyPoint,
    bounds: &Bounds,
    model: &Compact,
) -> Option<DVector<f64>> {
    let CauchyPoint { point: cauchy, down } = cauchy;
    let free: Vec<usize> = (0..x.len()).filter(|&k| bounds.inside(k, cauchy[k])).collect();
    // Without pairs the Cauchy point is the minimiser already.
    if free.is_empty() || model.is_empty() {
        return Some(cauchy);
    }
    let model_gradient = gradient + (&cauchy - x) * model.theta - model.up(&model.middle(&down));
    let step = -model.solve(&free, &model_gradient.select_rows(&free))?;

    let mut minimum = cauchy.clone();
    for (&index, step) in free.iter().zip(&step) {
        minimum[index] += step;
    }
    let projected = bounds.project(&minimum);
    let change = |point: &DVector<f64>| {
        let step = point - x;
        gradient.dot(&step) + 0.5 * model.curvature(&step)
    };
    if projected == minimum || change(&projected) <= change(&cauchy) {
        return Some(projected);
    }
    let share = free
        .iter()
        .zip(&step)
        .map(|(&index, &step)| bounds.reach(index, cauchy[index], step))
        .fold(1.0, f64::min);
    let mut shortened = cauchy;
    for (&index, step) in free.iter().zip(&step) {
        shortened[index] += share * step;
    }
    Some(bounds.project(&shortened))
}
