//! Bounds of the element-wise functions over intervals of every kind, against closed forms.

#[path = "support/exact.rs"]
mod exact;

use burn::tensor::{DType, Device, Tensor, TensorData};
use exact::{Exact, exact};
use proptest::prelude::*;
use vaegis_network::bounds::{InputSet, Method, Norm};
use vaegis_network::ops::{ActivationConfig, Function, Initialiser, OperatorConfig};
use vaegis_network::{Network, NetworkBuilder};

/// Points at which bounds are compared with the function in every interval.
const POINTS: usize = 400;

fn network(function: Function) -> Network {
    let mut builder = NetworkBuilder::new(vec![1]);
    builder.push(OperatorConfig::Activation(ActivationConfig { function }), &[0]);
    builder.finish(&[1], &mut Initialiser::new(0), &Device::flex()).unwrap()
}

fn double<const D: usize>(numbers: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), (&Device::flex(), DType::F64))
}

/// Points with the same number of rows.
fn balls(intervals: &[[f64; 2]]) -> InputSet {
    let centres = intervals.iter().map(|[low, high]| low + 0.5 * (high - low)).collect();
    let radii: Vec<f64> = intervals.iter().map(|[low, high]| 0.5 * (high - low)).collect();
    InputSet::ball(Norm::LInf, double(centres, [intervals.len(), 1]), &radii).unwrap()
}

/// Fails where lines or ranges of a function do not contain it; returns the mean share of the
/// range that lies between the lines at the middles.
fn check(exact: &Exact, intervals: &[[f64; 2]], slopes: Option<[f64; 2]>) -> f64 {
    let bounder = network(exact.function).bounder();
    let set = balls(intervals);
    let mut bounds = bounder.bounds(&set, Method::Crown).unwrap();
    let intervals: Vec<[f64; 2]> = {
        let ends = set.interval();
        ends.low().iter().zip(ends.high()).map(|(&low, &high)| [low, high]).collect()
    };
    let count = intervals.len();
    if let Some([below, above]) = slopes {
        bounds.relaxation_of(1).set_slopes(&vec![below; count], &vec![above; count]).unwrap();
    }
    let linear = bounds.relaxation(&[Some(double(vec![1.0; count], [count, 1, 1]))]).unwrap();
    let numbers = |tensor: Tensor<3>| tensor.into_data().try_to_vec::<f64>().unwrap();
    let (lower, upper) = (numbers(linear.lower), numbers(linear.upper));
    let mut share = 0.0;
    for (row, [low, high]) in intervals.into_iter().enumerate() {
        let lines = |x: f64| {
            let below = lower[row] * x + linear.lower_constants[row];
            [below, upper[row] * x + linear.upper_constants[row]]
        };
        let range = [bounds.interval(1).low()[row], bounds.interval(1).high()[row]];
        for step in 0..=POINTS {
            let x = (low + (high - low) * step as f64 / POINTS as f64).clamp(low, high);
            let y = (exact.value)(x);
            let [below, above] = lines(x);
            // What this comparison itself loses.
            let size = y.abs() + (lower[row] * x).abs() + (upper[row] * x).abs();
            let rounding = 2e-15 * size + 1e-15;
            let contained = below <= y + rounding && y <= above + rounding;
            let within = range[0] <= y + rounding && y <= range[1] + rounding;
            assert!(
                contained && within,
                "{:?} on [{low:e}, {high:e}]: {y:e} at {x:e}, lines {below:e} and {above:e}, range {range:?}",
                exact.function
            );
        }
        let [below, above] = lines(low + 0.5 * (high - low));
        share += (above - below) / (range[1] - range[0]).max(1e-9);
    }
    share / count as f64
}

/// Where random intervals of a function may be.
fn domain(exact: &Exact) -> [f64; 2] {
    match exact.function {
        Function::Exp => [-200.0, 200.0],
        Function::Log | Function::Sqrt | Function::Power { .. } | Function::Reciprocal => {
            [1e-3, 1e4]
        }
        _ => [-1e4, 1e4],
    }
}

/// Intervals of all widths: none, tiny, across inflections and kinks, huge.
fn interval() -> impl Strategy<Value = (f64, f64)> {
    let scale = prop_oneof![Just(0.0), (-9.0f64..4.0).prop_map(|e| 10f64.powf(e))];
    let centre = prop_oneof![
        Just(0.0),
        -6.0f64..6.0,
        (-4.0f64..4.0, any::<bool>())
            .prop_map(|(e, sign)| { if sign { 10f64.powf(e) } else { -10f64.powf(e) } }),
        prop::sample::select(vec![-3.0, 3.0, -2.0, 2.0, 1.4, 2.4, -2.26, 1.49, -1.5]),
    ];
    (centre, scale)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn lines_and_ranges_contain_the_function(shapes in prop::collection::vec(interval(), 60), below in -2.0f64..2.0, above in -2.0f64..2.0) {
        for exact in exact() {
            let [least, largest] = domain(&exact);
            // A wave has too many periods in wide intervals to be seen at so few points.
            let widest = if matches!(exact.function, Function::Sin | Function::Cos) { 40.0 } else { 2e4 };
            let intervals: Vec<[f64; 2]> = shapes
                .iter()
                .map(|&(centre, radius)| {
                    let radius = radius.min(0.5 * widest);
                    [(centre - radius).clamp(least, largest), (centre + radius).clamp(least, largest)]
                })
                .collect();
            check(&exact, &intervals, None);
            check(&exact, &intervals, Some([below, above]));
        }
    }
}

/// The lines of smooth functions are tangents: what lies between them vanishes with the width.
#[test]
fn lines_are_tight() {
    for exact in exact() {
        let intervals: Vec<[f64; 2]> =
            (0..200).map(|k| [0.02 + 0.01 * f64::from(k), 0.03 + 0.01 * f64::from(k)]).collect();
        let share = check(&exact, &intervals, None);
        assert!(share < 0.05, "{:?}: {share} of the range lies between the lines", exact.function);
    }
}

#[test]
fn outside_of_its_domain_a_function_has_no_bounds() {
    for (function, low, high, named) in [
        (Function::Log, -0.1, 1.0, "Log is not defined on all of the interval from"),
        (Function::Sqrt, -0.1, 1.0, "Sqrt is not defined"),
        (Function::Reciprocal, -1.0, 1.0, "Reciprocal is not defined"),
        (Function::Power { exponent: 0.5 }, -1.0, 1.0, "Power { exponent: 0.5 } is not defined"),
        (Function::Exp, 0.0, 1e4, "bounds of row 0, feature 0 are"),
    ] {
        let bounder = network(function).bounder();
        for method in [Method::Interval, Method::Crown] {
            let error = bounder.bounds(&balls(&[[low, high]]), method).unwrap_err().to_string();
            assert!(error.starts_with("node 0 (activation) cannot be bounded: "), "{error}");
            assert!(error.contains(named), "{error}");
        }
    }
}

#[test]
fn powers_of_negative_numbers_are_bounded() {
    let exact = |exponent, value| Exact {
        function: Function::Power { exponent },
        value,
        slope: value,
        range: [0.0; 2],
    };
    let across = [[-2.0, 1.0], [-1.0, 3.0], [-3.0, -1.0], [0.5, 2.0], [0.0, 0.0]];
    check(&exact(2.0, |x| x * x), &across, None);
    check(&exact(3.0, |x| x * x * x), &across, None);
    check(&exact(0.0, |_| 1.0), &across, None);
    check(&exact(1.0, |x| x), &across, None);
    check(&exact(-1.0, |x| 1.0 / x), &across[2..4], None);
    check(&exact(-2.0, |x| 1.0 / (x * x)), &across[2..4], None);
}
