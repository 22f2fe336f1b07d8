//! L-BFGS-B against SciPy's on the same problems: the same minima, for as many evaluations.
//!
//! `scipy.json` holds what SciPy found; `scipy_reference.py` writes it.

mod functions;
mod problems;

use problems::{Problem, problems};
use serde::Deserialize;
use vaegis_robustness::attack::optimiser::lbfgsb::{Lbfgsb, Options, Status};

/// What SciPy found.
#[derive(Deserialize)]
struct Reference {
    problems: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    value_at_start: f64,
    /// Where searches that start again and again from their ends get no further.
    minimum: f64,
    /// Where that is, of small problems.
    point: Option<Vec<f64>>,
    /// One search, with the options of [`Options::default`].
    default: Solution,
    /// One search, with those of [`tight`].
    tight: Solution,
}

#[derive(Deserialize)]
struct Solution {
    value: f64,
    evaluations: usize,
}

fn tight() -> Options {
    Options { value_tolerance: 1e-13, gradient_tolerance: 1e-7, ..Options::default() }
}

fn all() -> impl Iterator<Item = (Problem, Found)> {
    let reference: Reference = serde_json::from_str(include_str!("scipy.json")).unwrap();
    let problems = problems();
    assert_eq!(problems.len(), reference.problems.len());
    problems.into_iter().zip(reference.problems)
}

fn minimise(problem: &Problem, options: Options) -> Lbfgsb {
    let Problem { function, start, lower, upper, .. } = problem;
    let mut search = Lbfgsb::new(start.clone(), lower.clone(), upper.clone(), options);
    while let Some(point) = search.ask() {
        let (value, gradient) = function(point);
        search.tell(value, &gradient);
    }
    search
}

/// Relative to the size of the second, or to 1.
fn above(a: f64, b: f64) -> f64 {
    (a - b) / (1.0 + b.abs())
}

#[test]
fn both_mean_the_same_functions() {
    for (problem, found) in all() {
        assert_eq!(problem.name, found.name);
        let at_start = (problem.function)(&problem.start).0;
        assert!(above(at_start, found.value_at_start).abs() < 1e-12, "{}: {at_start}", found.name);
        if let Some(point) = &found.point {
            let value = (problem.function)(point).0;
            assert!(above(value, found.minimum).abs() < 1e-12, "{}: {value}", found.name);
        }
    }
}

#[test]
fn minima_are_those_of_scipy() {
    for (problem, found) in all() {
        let search = minimise(&problem, tight());
        let (point, value) = search.best();
        let inside = point.iter().zip(problem.lower.iter().zip(&problem.upper));
        assert!(inside.clone().all(|(x, (lower, upper))| lower <= x && x <= upper));
        assert!(
            above(value, found.minimum).abs() < 1e-6,
            "{}: {value}, not {}",
            found.name,
            found.minimum
        );
        assert!(matches!(search.status(), Status::Stationary | Status::SmallDecrease));
        // Where the decrease has become small rounding decides.
        let value = minimise(&problem, Options::default()).best().1;
        let theirs = found.default.value;
        assert!(above(value, theirs) < 1e-5, "{}: {value}, above {theirs}", found.name);
    }
}

#[test]
fn evaluations_are_as_many_as_scipys() {
    let (mut ours, mut theirs) = (0, 0);
    for (problem, found) in all() {
        for (options, found_so) in [(Options::default(), &found.default), (tight(), &found.tight)] {
            let evaluations = minimise(&problem, options).evaluations();
            let most = 2 * found_so.evaluations + 5;
            assert!(evaluations <= most, "{}: {evaluations}, more than {most}", found.name);
            ours += evaluations;
            theirs += found_so.evaluations;
        }
    }
    assert!(ours as f64 <= 1.2 * theirs as f64, "{ours}, SciPy {theirs}");
}
