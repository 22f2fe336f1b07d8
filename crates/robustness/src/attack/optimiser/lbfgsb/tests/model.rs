//! The quadratic model and its minima against dense matrices.

use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;

use super::super::bounds::Bounds;
use super::super::cauchy::cauchy_point;
use super::super::compact::Compact;
use super::super::subspace::subspace_minimum;
use super::{Variable, variables};

/// A search somewhere: point, bounds, gradient, and a model as both know it.
#[derive(Debug, Clone)]
struct Case {
    x: DVector<f64>,
    gradient: DVector<f64>,
    bounds: Bounds,
    model: Compact,
    dense: DMatrix<f64>,
}

impl Case {
    /// `steps` are those of a convex quadratic function, of which the model remembers the last
    /// `memory`.
    fn new(variables: &[Variable], gradient: &[f64], steps: &[Vec<f64>], memory: usize) -> Self {
        let size = variables.len();
        let hessian = DMatrix::from_fn(size, size, |i, j| {
            if i == j { 2.0 + i as f64 } else { 0.3 * ((i + j) as f64).sin() }
        });
        let mut model = Compact::new(size, memory);
        for step in steps {
            let step = DVector::from_column_slice(step);
            model.push(&step, &(&hessian * &step));
        }
        // The recursive form of the same update.
        let mut dense = DMatrix::identity(size, size) * model.theta;
        for step in &steps[steps.len().saturating_sub(memory)..] {
            let step = DVector::from_column_slice(step);
            let (change, image) = (&hessian * &step, &dense * &step);
            dense += &change * change.transpose() / change.dot(&step)
                - &image * image.transpose() / image.dot(&step);
        }
        let (lower, upper) = variables.iter().map(|&(_, lower, upper)| (lower, upper)).unzip();
        let bounds = Bounds::new(lower, upper);
        let x =
            bounds.project(&variables.iter().map(|&(start, ..)| start).collect::<Vec<_>>().into());
        Self { x, gradient: DVector::from_column_slice(gradient), bounds, model, dense }
    }

    /// How much the model decreases from x to a point.
    fn decrease(&self, point: &DVector<f64>) -> f64 {
        let step = point - &self.x;
        -self.gradient.dot(&step) - 0.5 * step.dot(&(&self.dense * &step))
    }
}

fn cases() -> impl Strategy<Value = Case> {
    (1usize..7).prop_flat_map(|size| {
        // Steps away from zero: their directions should matter, not their rounding.
        let step = prop::collection::vec(prop_oneof![-1.0f64..-0.1, 0.1f64..1.0], size);
        (
            variables(size),
            prop::collection::vec(prop_oneof![4 => -3.0f64..3.0, 1 => Just(0.0)], size),
            prop::collection::vec(step, 0..6),
            1usize..5,
        )
            .prop_map(|(variables, gradient, steps, memory)| {
                // More pairs than dimensions are nearly dependent.
                let memory = memory.min(variables.len());
                Case::new(&variables, &gradient, &steps, memory)
            })
    })
}

proptest! {
    #[test]
    fn the_compact_form_is_that_of_the_recursion(case in cases()) {
        let Case { gradient: v, model, dense, .. } = &case;
        let product = v * model.theta - model.up(&model.middle(&model.down(v)));
        prop_assert!((product - dense * v).amax() < 1e-6 * dense.amax());
        prop_assert!((model.curvature(v) - v.dot(&(dense * v))).abs() < 1e-5 * dense.amax());
        for index in 0..v.len() {
            let mut unit = DVector::zeros(v.len());
            unit[index] = 1.0;
            prop_assert!((model.row(index) - model.down(&unit)).amax() < 1e-12);
        }
    }

    #[test]
    fn solutions_over_some_variables_are_those_of_their_block(case in cases(), which in any::<u8>()) {
        let free: Vec<usize> = (0..case.x.len()).filter(|k| which >> k & 1 == 1).collect();
        let right = case.gradient.select_rows(&free);
        let block = case.dense.select_rows(&free).select_columns(&free);
        let solution = case.model.solve(&free, &right).unwrap();
        prop_assert!((block * &solution - right).amax() < 1e-5 * (1.0 + solution.amax()));
    }

    #[test]
    fn the_cauchy_point_is_the_first_minimum_along_the_path(case in cases()) {
        let Case { x, gradient, bounds, model, .. } = &case;
        let cauchy = cauchy_point(x, gradient, bounds, model);
        prop_assert!((model.down(&(&cauchy.point - x)) - &cauchy.down).amax() < 1e-8);

        prop_assert_eq!(&bounds.project(&cauchy.point), &cauchy.point);
        let path = |time: f64| bounds.project(&(x - gradient * time));
        let time = (0..x.len())
            .filter(|&k| gradient[k] != 0.0)
            .map(|k| (x[k] - cauchy.point[k]) / gradient[k])
            .fold(0.0, f64::max);
        prop_assert!((path(time) - &cauchy.point).amax() < 1e-8);
        // Downhill all the way there, and not beyond.
        let mut last = 0.0;
        for k in 1..=200 {
            let decrease = case.decrease(&path(time * f64::from(k) / 200.0));
            prop_assert!(decrease >= last - 1e-8, "{decrease} after {last}");
            last = decrease;
        }
        let beyond = (0..x.len())
            .map(|k| bounds.reach(k, x[k], -gradient[k]))
            .filter(|&bend| bend > time)
            .fold(time + 1e-2, f64::min);
        prop_assert!(case.decrease(&path(beyond)) <= last + 1e-8);
    }

    #[test]
    fn the_subspace_minimum_is_feasible_and_no_higher_than_the_cauchy_point(case in cases()) {
        let Case { x, gradient, bounds, model, .. } = &case;
        let cauchy = cauchy_point(x, gradient, bounds, model);
        let minimum = subspace_minimum(x, gradient, cauchy.clone(), bounds, model).unwrap();
        prop_assert_eq!(bounds.project(&minimum), minimum.clone());
        for k in 0..x.len() {
            if !bounds.inside(k, cauchy.point[k]) {
                prop_assert_eq!(minimum[k], cauchy.point[k]);
            }
        }
        let (least, decrease) = (case.decrease(&cauchy.point), case.decrease(&minimum));
        prop_assert!(decrease >= least - 1e-8, "{decrease}, less than {least}");
        // Where no bound is met it minimises the model, over all that it may move.
        let free: Vec<usize> = (0..x.len()).filter(|&k| bounds.inside(k, cauchy.point[k])).collect();
        if free.iter().all(|&k| bounds.inside(k, minimum[k])) && !model.is_empty() {
            let slopes = gradient + &case.dense * (&minimum - x);
            prop_assert!(slopes.select_rows(&free).iter().all(|slope| slope.abs() < 1e-5), "{slopes}");
        }
    }
}

#[test]
fn without_bounds_the_target_is_newtons() {
    let free = [(0.5, -f64::INFINITY, f64::INFINITY); 4];
    let steps = [vec![1.0, 0.2, 0.0, -1.0], vec![0.0, 1.0, 0.5, 0.3]];
    let case = Case::new(&free, &[1.0, -2.0, 0.5, 3.0], &steps, 10);
    let Case { x, gradient, bounds, model, dense } = case;
    let cauchy = cauchy_point(&x, &gradient, &bounds, &model);
    let target = subspace_minimum(&x, &gradient, cauchy, &bounds, &model).unwrap();
    let newton = &x - dense.lu().solve(&gradient).unwrap();
    assert!((target - newton).amax() < 1e-10);
}
