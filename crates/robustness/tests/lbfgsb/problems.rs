//! Bound-constrained problems, the same as in `scipy_reference.py` and in its order.

use super::functions::*;

/// No bound.
const FREE: f64 = f64::INFINITY;

/// A function with a start and bounds.
pub(crate) struct Problem {
    pub(crate) name: String,
    pub(crate) function: Function,
    pub(crate) start: Vec<f64>,
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
}

impl Problem {
    fn new(name: &str, function: Function, start: Vec<f64>, bounds: (f64, f64)) -> Self {
        let (lower, upper) = (vec![bounds.0; start.len()], vec![bounds.1; start.len()]);
        Self { name: name.to_string(), function, start, lower, upper }
    }

    fn lower(mut self, bound: impl Fn(usize) -> f64) -> Self {
        self.lower = (0..self.start.len()).map(bound).collect();
        self
    }

    fn upper(mut self, bound: impl Fn(usize) -> f64) -> Self {
        self.upper = (0..self.start.len()).map(bound).collect();
        self
    }
}

/// One number for the first, third, ... variable, another for the others.
fn alternating(first: f64, second: f64) -> impl Fn(usize) -> f64 {
    move |i| if i % 2 == 0 { first } else { second }
}

/// All problems.
pub(crate) fn problems() -> Vec<Problem> {
    [quadratics(), rosenbrocks(), small_least_squares(), large_least_squares(), likelihoods()]
        .into_iter()
        .flatten()
        .collect()
}

fn quadratics() -> Vec<Problem> {
    let mut problems = vec![];
    for (size, condition) in
        [(2, 1e1), (10, 1e2), (50, 1e4), (100, 1e3), (300, 1e2), (784, 1e1), (784, 1e4)]
    {
        let name = format!("quadratic {size} {condition} boxed");
        let function = quadratic(size, condition);
        problems.push(Problem::new(&name, function, vec![0.5; size], (0.0, 1.0)));
    }
    for (size, condition) in [(50, 1e3), (100, 1e4)] {
        let name = format!("quadratic {size} {condition}");
        let function = quadratic(size, condition);
        problems.push(Problem::new(&name, function, vec![0.5; size], (-FREE, FREE)));
    }
    let function = quadratic(100, 1e2);
    problems.push(
        Problem::new("quadratic 100 100 one-sided", function, vec![0.5; 100], (-FREE, FREE))
            .lower(alternating(0.0, -FREE))
            .upper(alternating(FREE, 1.0)),
    );
    for side in [8, 20] {
        let (name, start) = (format!("torsion {side}"), vec![0.0; side * side]);
        let (lower, upper) = (torsion_bound(side), torsion_bound(side));
        problems.push(
            Problem::new(&name, torsion(side), start, (0.0, 0.0))
                .lower(move |i| -lower(i))
                .upper(upper),
        );
    }
    problems
}

fn rosenbrocks() -> Vec<Problem> {
    let mut problems = vec![];
    for size in [2, 10, 50] {
        let start: Vec<f64> = (0..size).map(alternating(-1.2, 1.0)).collect();
        let problem = |name: &str, bounds| {
            Problem::new(name, sum_of_squares(rosenbrock), start.clone(), bounds)
        };
        problems.push(problem(&format!("Rosenbrock {size}"), (-FREE, FREE)));
        problems.push(problem(&format!("Rosenbrock {size} boxed"), (-1.5, 0.8)));
    }
    let driver = Problem::new("driver 25", sum_of_squares(driver), vec![3.0; 25], (0.0, 100.0));
    problems.push(driver.lower(alternating(1.0, -100.0)));
    problems
}

fn small_least_squares() -> Vec<Problem> {
    let free = (-FREE, FREE);
    let mut problems = vec![
        Problem::new("Beale", sum_of_squares(beale), vec![1.0, 1.0], free),
        Problem::new("Beale boxed", sum_of_squares(beale), vec![1.0, 1.0], (-4.5, 2.5)),
    ];
    for size in [4, 40] {
        let start = [3.0, -1.0, 0.0, 1.0].repeat(size / 4);
        let problem = |name: &str, bounds| {
            Problem::new(name, sum_of_squares(powell_singular), start.clone(), bounds)
        };
        problems.push(problem(&format!("Powell singular {size}"), free));
        problems.push(problem(&format!("Powell singular {size} bounded below"), (0.05, FREE)));
    }
    let start = vec![-3.0, -1.0, -3.0, -1.0];
    problems.push(Problem::new("Wood", sum_of_squares(wood), start.clone(), free));
    problems.push(Problem::new("Wood boxed", sum_of_squares(wood), start, (-10.0, 0.9)));
    let brown = |name, bounds| {
        Problem::new(name, sum_of_squares(brown_badly_scaled), vec![1.0, 1.0], bounds)
    };
    problems.push(brown("Brown badly scaled", free));
    problems.push(brown("Brown badly scaled boxed", (0.0, 1.0)).upper(alternating(9e5, 1.0)));
    problems
}

fn large_least_squares() -> Vec<Problem> {
    let free = (-FREE, FREE);
    let trigonometric =
        |name, bounds| Problem::new(name, sum_of_squares(trigonometric), vec![0.1; 10], bounds);
    let mut problems = vec![
        trigonometric("trigonometric 10", free),
        trigonometric("trigonometric 10 boxed", (0.02, 0.2)),
    ];
    for size in [10, 50] {
        let start: Vec<f64> = (0..size).map(|i| 1.0 - (i as f64 + 1.0) / size as f64).collect();
        let problem = |name: &str, bounds| {
            Problem::new(name, sum_of_squares(variably_dimensioned), start.clone(), bounds)
        };
        problems.push(problem(&format!("variably dimensioned {size}"), free));
        let boxed = problem(&format!("variably dimensioned {size} boxed"), (0.0, 2.0));
        problems.push(boxed.upper(alternating(0.9, 2.0)));
    }
    for size in [4, 50] {
        let start: Vec<f64> = (0..size).map(|i| i as f64 + 1.0).collect();
        let problem = |name: &str| Problem::new(name, sum_of_squares(penalty), start.clone(), free);
        problems.push(problem(&format!("penalty I {size}")));
        let below = problem(&format!("penalty I {size} bounded below"));
        problems.push(below.lower(alternating(0.3, -FREE)));
    }
    let broyden = |name, bounds| {
        Problem::new(name, sum_of_squares(broyden_tridiagonal), vec![-1.0; 30], bounds)
    };
    problems.push(broyden("Broyden tridiagonal 30", free));
    problems.push(broyden("Broyden tridiagonal 30 boxed", (-0.65, 0.0)));
    let start: Vec<f64> =
        (1..=20).map(|i| f64::from(i) / 21.0 * (f64::from(i) / 21.0 - 1.0)).collect();
    let boundary = |name, bounds| {
        Problem::new(name, sum_of_squares(discrete_boundary_value), start.clone(), bounds)
    };
    problems.push(boundary("discrete boundary value 20", free));
    problems.push(boundary("discrete boundary value 20 bounded below", (-0.1, FREE)));
    let three =
        |name, bounds| Problem::new(name, sum_of_squares(box_three), vec![0.0, 10.0, 20.0], bounds);
    problems.push(three("Box 3", free));
    problems.push(three("Box 3 boxed", (0.0, 9.5)));
    let start = vec![-1.0, 0.0, 0.0];
    problems.push(Problem::new("helical valley", sum_of_squares(helical_valley), start, free));
    let freudenstein = |name, bounds| {
        Problem::new(name, sum_of_squares(freudenstein_roth), vec![0.5, -2.0], bounds)
    };
    problems.push(freudenstein("Freudenstein and Roth", free));
    problems.push(freudenstein("Freudenstein and Roth boxed", (-10.0, 10.0)));
    problems
}

fn likelihoods() -> Vec<Problem> {
    let (sums, logistic) = (|| log_sum_exp(50), || logistic_regression(20));
    vec![
        Problem::new("log-sum-exp 50", sums(), vec![1.0; 50], (-FREE, FREE)),
        Problem::new("log-sum-exp 50 boxed", sums(), vec![1.0; 50], (-0.05, 1.0)),
        Problem::new("logistic regression 20", logistic(), vec![0.0; 20], (-FREE, FREE)),
        Problem::new(
            "logistic regression 20 bounded below",
            logistic(),
            vec![0.0; 20],
            (0.0, FREE),
        ),
    ]
}
