//! The generalised Cauchy point (Byrd, Lu, Nocedal and Zhu 1995, section 4): the first local
//! minimum of the quadratic model along the projected steepest descent path.

use nalgebra::DVector;

use super::bounds::Bounds;
use super::compact::Compact;

/// Where the path has its first minimum.
#[derive(Debug, Clone)]
pub(super) struct CauchyPoint {
    pub(super) point: DVector<f64>,
    /// `W'(point - x)`.
    pub(super) down: DVector<f64>,
}

/// Follows the path `P(x - t gradient)` from `x`, one segment after the other. The path bends
/// where a variable meets its bound and stays there.
pub(super) fn cauchy_point(
    x: &DVector<f64>,
    gradient: &DVector<f64>,
    bounds: &Bounds,
    model: &Compact,
) -> CauchyPoint {
    let mut direction = -gradient;
    let mut bends: Vec<(f64, usize)> = vec![];
    let mut moving = 0;
    for index in 0..x.len() {
        let time = bounds.reach(index, x[index], direction[index]);
        if time <= 0.0 {
            direction[index] = 0.0;
        } else if direction[index] != 0.0 {
            moving += 1;
            if time < f64::INFINITY {
                bends.push((time, index));
            }
        }
    }
    bends.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));

    let mut point = x.clone();
    let mut direction_down = model.down(&direction);
    let mut down = DVector::zeros(direction_down.len());
    let mut slope = -direction.norm_squared();
    let mut curvature = -model.theta * slope - direction_down.dot(&model.middle(&direction_down));
    let least_curvature = f64::EPSILON * curvature;
    let mut time = 0.0;
    for (bend, index) in bends {
        let interval = bend - time;
        if -slope / curvature < interval {
            break;
        }
        time = bend;
        point[index] =
            if direction[index] > 0.0 { bounds.upper[index] } else { bounds.lower[index] };
        let moved = point[index] - x[index];
        down.axpy(interval, &direction_down, 1.0);
        moving -= 1;
        if moving == 0 {
            return CauchyPoint { point, down };
        }
        // One solve serves all three products with M.
        let row = model.row(index);
        let middle_row = model.middle(&row);
        let g = gradient[index];
        slope += interval * curvature + g * g + g * (model.theta * moved - middle_row.dot(&down));
        curvature -= g * (model.theta * g + 2.0 * middle_row.dot(&direction_down));
        curvature -= g * g * middle_row.dot(&row);
        curvature = curvature.max(least_curvature);
        direction_down.axpy(g, &row, 1.0);
        direction[index] = 0.0;
    }
    let rest = (-slope / curvature).max(0.0);
    time += rest;
    down.axpy(rest, &direction_down, 1.0);
    for index in 0..x.len() {
        if direction[index] != 0.0 {
            point[index] = x[index] + time * direction[index];
        }
    }
    // Beyond a bound by a rounding error is at it.
    CauchyPoint { point: bounds.project(&point), down }
}
