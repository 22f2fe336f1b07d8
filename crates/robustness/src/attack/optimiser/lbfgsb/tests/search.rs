//! Whole searches.

use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;

use super::super::{Lbfgsb, Options, Status};
use super::{Variable, variables};

/// Runs to the end, checking what holds for every search: points lie between the bounds, and no
/// iterate is higher than the one before.
fn run(mut search: Lbfgsb, function: impl Fn(&[f64]) -> (f64, Vec<f64>)) -> Lbfgsb {
    let mut value_of_iterate = f64::INFINITY;
    let mut lowest = f64::INFINITY;
    while let Some(point) = search.ask() {
        for (k, value) in point.iter().enumerate() {
            assert!((search.bounds.lower[k]..=search.bounds.upper[k]).contains(value), "{point:?}");
        }
        let (value, gradient) = function(point);
        search.tell(value, &gradient);
        if value.is_finite() && gradient.iter().all(|slope| slope.is_finite()) {
            lowest = lowest.min(value);
        }
        if let Some(descent) = &search.descent {
            assert!(descent.from.value <= value_of_iterate);
            value_of_iterate = descent.from.value;
        }
        assert!(search.evaluations() <= search.options.most_evaluations);
        assert!(search.iterations() < search.evaluations());
    }
    assert_eq!(search.best().1, lowest);
    search
}

fn start(variables: &[Variable], options: Options) -> Lbfgsb {
    let column = |pick: fn(&Variable) -> f64| variables.iter().map(pick).collect();
    Lbfgsb::new(column(|v| v.0), column(|v| v.1), column(|v| v.2), options)
}

fn free(start: &[f64]) -> Vec<Variable> {
    start.iter().map(|&start| (start, -f64::INFINITY, f64::INFINITY)).collect()
}

fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
    let (mut value, mut gradient) = (0.0, vec![0.0; x.len()]);
    for i in 0..x.len() - 1 {
        let (bend, rest) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
        value += 100.0 * bend * bend + rest * rest;
        gradient[i] -= 400.0 * x[i] * bend + 2.0 * rest;
        gradient[i + 1] += 200.0 * bend;
    }
    (value, gradient)
}

/// `x' (G'G + I / 10) x / 2 - b'x`, a convex function.
fn quadratic(factor: &[f64], linear: &[f64]) -> impl Fn(&[f64]) -> (f64, Vec<f64>) + use<> {
    let size = linear.len();
    let factor = DMatrix::from_column_slice(size, size, &factor[..size * size]);
    let hessian = factor.tr_mul(&factor) + DMatrix::identity(size, size) * 0.1;
    let linear = DVector::from_column_slice(linear);
    move |x| {
        let x = DVector::from_column_slice(x);
        let image = &hessian * &x;
        (0.5 * x.dot(&image) - x.dot(&linear), (image - &linear).as_slice().to_vec())
    }
}

fn quadratics() -> impl Strategy<Value = (Vec<Variable>, Vec<f64>, Vec<f64>)> {
    (1usize..10).prop_flat_map(|size| {
        (
            variables(size),
            prop::collection::vec(-1.0f64..1.0, size * size),
            prop::collection::vec(-3.0f64..3.0, size),
        )
    })
}

proptest! {
    #[test]
    fn ends_of_convex_problems_meet_the_conditions_of_optimality(
        (variables, factor, linear) in quadratics(), memory in 0usize..12,
    ) {
        let options = Options { memory, value_tolerance: 0.0, gradient_tolerance: 1e-7, ..Options::default() };
        let function = quadratic(&factor, &linear);
        let search = run(start(&variables, options), &function);
        prop_assert!(
            matches!(search.status(), Status::Stationary | Status::SmallDecrease | Status::LineSearchFailed),
            "{:?}", search.status()
        );
        let (point, value) = search.best();
        prop_assert_eq!(value, function(point).0);
        for (slope, (x, (_, lower, upper))) in function(point).1.iter().zip(point.iter().zip(&variables)) {
            // The gradient vanishes, or points out of the box at a bound.
            let descent = (x - slope).clamp(*lower, *upper) - x;
            prop_assert!(descent.abs() < 2e-5, "{slope} at {x} between {lower} and {upper}");
        }
    }

    #[test]
    fn bounded_searches_of_a_curved_valley_end_where_nothing_descends(variables in variables(2..8)) {
        let search = run(start(&variables, Options::default()), rosenbrock);
        let (point, _) = search.best();
        let gradient = DVector::from_vec(rosenbrock(point).1);
        let projected = search.bounds.projected_gradient(&DVector::from_column_slice(point), &gradient);
        prop_assert!(matches!(search.status(), Status::Stationary | Status::SmallDecrease));
        prop_assert!(projected < 0.5, "{projected}");
    }

    #[test]
    fn searches_in_lockstep_are_those_alone(
        starts in prop::collection::vec(prop::collection::vec(-2.0f64..2.0, 3), 1..6),
    ) {
        let begin = |point: &Vec<f64>| start(&free(point), Options::default());
        let mut together: Vec<Lbfgsb> = starts.iter().map(begin).collect();
        while together.iter().any(|search| search.ask().is_some()) {
            // As a batch: first all points, then all values.
            let told: Vec<_> = together.iter().map(|search| search.ask().map(rosenbrock)).collect();
            for (search, told) in together.iter_mut().zip(told) {
                if let Some((value, gradient)) = told {
                    search.tell(value, &gradient);
                }
            }
        }
        for (point, together) in starts.iter().zip(&together) {
            let alone = run(begin(point), rosenbrock);
            prop_assert_eq!(alone.best(), together.best());
            prop_assert_eq!(alone.evaluations(), together.evaluations());
        }
    }

    #[test]
    fn any_answers_end_the_search(
        variables in variables(1..5),
        answers in prop::collection::vec((any::<f64>(), prop::collection::vec(any::<f64>(), 5)), 1..50),
    ) {
        // Not a function at all: values and gradients contradict each other, and overflow.
        let mut search = start(&variables, Options { most_evaluations: 200, ..Options::default() });
        let mut answers = answers.iter().cycle();
        while let Some(point) = search.ask() {
            prop_assert!(point.iter().all(|value| value.is_finite()));
            let size = point.len();
            let (value, gradient) = answers.next().unwrap();
            search.tell(*value, &gradient[..size]);
        }
        prop_assert!(search.evaluations() <= 200);
        prop_assert!(!search.best().1.is_nan());
    }
}

#[test]
fn known_minima_are_found() {
    let search = run(start(&free(&[-1.2, 1.0]), Options::default()), rosenbrock);
    assert!(search.best().1 < 1e-10);
    // x <= 1/2 is active: the minimum is (1/2, 1/4).
    let bounded = [(-1.2, -2.0, 0.5), (1.0, -2.0, 2.0)];
    let search = run(start(&bounded, Options::default()), rosenbrock);
    assert_eq!(search.best().0[0], 0.5);
    assert!((search.best().0[1] - 0.25).abs() < 1e-6);
    assert_eq!(search.status(), Status::Stationary);
}

#[test]
fn nothing_to_move_takes_one_evaluation() {
    let held = run(start(&[(1.0, 1.0, 1.0), (5.0, 2.0, 2.0)], Options::default()), rosenbrock);
    assert_eq!(held.best(), ([1.0, 2.0].as_slice(), 100.0));
    let empty = run(start(&[], Options::default()), |_| (3.0, vec![]));
    assert_eq!(empty.best(), ([].as_slice(), 3.0));
    for search in [held, empty] {
        assert_eq!((search.status(), search.evaluations()), (Status::Stationary, 1));
    }
}

#[test]
fn limits_hold_exactly() {
    let limited = |options| run(start(&free(&[-1.2, 1.0]), options), rosenbrock);
    for limit in [0, 1, 7] {
        let search = limited(Options { most_iterations: limit, ..Options::default() });
        assert_eq!((search.status(), search.iterations()), (Status::MostIterations, limit));
    }
    for limit in [1, 7] {
        let search = limited(Options { most_evaluations: limit, ..Options::default() });
        assert_eq!((search.status(), search.evaluations()), (Status::MostEvaluations, limit));
    }
    let search = start(&free(&[1.0]), Options { most_evaluations: 0, ..Options::default() });
    assert_eq!((search.ask(), search.status()), (None, Status::MostEvaluations));
}

#[test]
fn what_is_not_finite_ends_the_search_with_the_best_before() {
    // Ever steeper downhill, to where it is no longer defined.
    let cliff = |x: &[f64]| ((1.0 - x[0]).sqrt(), vec![-0.5 / (1.0 - x[0]).sqrt()]);
    let search = run(start(&free(&[0.0]), Options::default()), cliff);
    assert_eq!(search.status(), Status::NotFinite);
    assert!(search.best().1.is_finite() && search.best().0[0] <= 1.0);

    for (value, slope) in
        [(f64::NAN, 1.0), (f64::INFINITY, 1.0), (1.0, f64::NAN), (1.0, f64::INFINITY)]
    {
        let mut search = start(&free(&[0.5]), Options::default());
        search.tell(value, &[slope]);
        assert_eq!((search.ask(), search.status()), (None, Status::NotFinite));
        assert_eq!(search.best(), ([0.5].as_slice(), f64::INFINITY));
    }
    let search = start(&free(&[f64::NAN]), Options::default());
    assert_eq!((search.ask(), search.status()), (None, Status::NotFinite));
}

#[test]
fn a_function_without_a_lower_limit_ends() {
    let search = run(start(&free(&[0.0]), Options::default()), |x| (-x[0], vec![-1.0]));
    assert!(search.best().1 < -1e10);
    assert_ne!(search.status(), Status::Running);
}

#[test]
fn a_wrong_gradient_is_found_out() {
    let uphill = |x: &[f64]| (x[0] * x[0], vec![-2.0 * x[0]]);
    let search = run(start(&free(&[3.0]), Options::default()), uphill);
    assert_eq!((search.status(), search.iterations()), (Status::LineSearchFailed, 0));
    assert_eq!(search.evaluations(), 1 + search.options.most_line_search_steps);
    assert_eq!(search.best(), ([3.0].as_slice(), 9.0));
}

#[test]
fn a_model_that_misleads_is_forgotten_before_the_search_fails() {
    // A decrease to somewhere from which every direction rises, whatever the gradient says.
    let gradient = [-0.1, 0.1];
    let away = |a: &[f64], b: &[f64]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let mut search = start(&free(&[0.0, 0.0]), Options::default());
    search.tell(1.0, &[1.0, 2.0]);
    let iterate = search.ask().unwrap().to_vec();
    search.tell(0.5, &gradient);
    assert_eq!(search.iterations(), 1);
    let steps = search.options.most_line_search_steps;
    for evaluation in 0..2 * steps {
        let point = search.ask().unwrap();
        if evaluation == steps {
            // Along the negative gradient for the length 1.
            let half = 0.5f64.sqrt();
            assert!(away(point, &[iterate[0] + half, iterate[1] - half]) < 1e-12);
        }
        assert_eq!(search.model.is_empty(), evaluation >= steps);
        let value = 0.5 + away(point, &iterate);
        search.tell(value, &gradient);
    }
    assert_eq!((search.ask(), search.status()), (None, Status::LineSearchFailed));
    assert_eq!(search.best().1, 0.5);
}

#[test]
#[should_panic(expected = "variable 1 has bounds 2 and 1")]
fn bounds_that_leave_nothing_are_refused() {
    start(&[(0.0, 0.0, 1.0), (0.0, 2.0, 1.0)], Options::default());
}
