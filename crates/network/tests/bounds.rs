//! Bounds of networks contain whatever inputs of the set can be found to do, and are exact where
//! they can be.

#[allow(dead_code)] // Not all of it is needed here.
mod support;

use burn::tensor::Device;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use support::balls::{Balls, NORMS, double, numbers};
use support::{affine_operator, deep, values};
use vaegis_network::bounds::{Bounder, InputSet, Interval, Method, Norm};
use vaegis_network::ops::{ActivationConfig, Function, Initialiser, LinearConfig, OperatorConfig};
use vaegis_network::{Network, NetworkBuilder, Weights};

/// Fails if a value of the network at a point of the set leaves its bounds.
fn check(
    network: &Network,
    points: &[Vec<f64>],
    row: usize,
    contains: impl Fn(&[f64], &[f64]) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let features = points[0].len();
    let outputs = network.output_features(0);
    let values = network.forward(double(points.concat(), [points.len(), features])).remove(0);
    for (point, value) in points.iter().zip(numbers(values).chunks(outputs)) {
        contains(point, value)
            .map_err(|error| TestCaseError::fail(format!("row {row}: {error}")))?;
    }
    Ok(())
}

fn within(interval: &Interval, row: usize, value: &[f64]) -> Result<(), TestCaseError> {
    let features = interval.features();
    for (feature, y) in value.iter().enumerate() {
        let at = row * features + feature;
        let (low, high) = (interval.low()[at], interval.high()[at]);
        // What the evaluation itself loses.
        let rounding = 1e-13 * (1.0 + y.abs());
        prop_assert!(
            low <= y + rounding && y <= &(high + rounding),
            "{} not in [{}, {}]",
            y,
            low,
            high
        );
    }
    Ok(())
}

/// The linear bounds of random functions of the output, and of the outputs themselves.
fn contained(
    network: &Network,
    balls: &Balls,
    samples: usize,
    salt: u64,
) -> Result<(), TestCaseError> {
    let bounder = network.bounder();
    let evaluated = bounder.network();
    let set = balls.set();
    let outputs = network.output_features(0);
    let crown = bounder.bounds(&set, Method::Crown).unwrap();
    let quick = bounder.bounds(&set, Method::Interval).unwrap();
    let weights: Vec<f64> = values(2 * 3 * outputs, salt).into_iter().map(f64::from).collect();
    let linear = crown.relaxation(&[Some(double(weights.clone(), [2, 3, outputs]))]).unwrap();
    let (lower, upper) = (numbers(linear.lower), numbers(linear.upper));
    let mut generator = ChaCha8Rng::seed_from_u64(salt);
    for row in 0..2 {
        let mut points = balls.sample(row, samples, &mut generator);
        points.extend(balls.attack(network, row, 100, &mut generator));
        check(evaluated, &points, row, |x, y| {
            within(crown.output(0), row, y)?;
            within(quick.output(0), row, y)?;
            for function in 0..3 {
                let at = row * 3 + function;
                let dot =
                    |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
                let y = dot(&weights[at * outputs..][..outputs], y);
                let below = dot(&lower[at * x.len()..][..x.len()], x) + linear.lower_constants[at];
                let above = dot(&upper[at * x.len()..][..x.len()], x) + linear.upper_constants[at];
                let rounding = 1e-12 * (1.0 + y.abs());
                prop_assert!(
                    below <= y + rounding && y <= above + rounding,
                    "{} <= {} <= {}",
                    below,
                    y,
                    above
                );
                let (least, largest) = (linear.interval.low()[at], linear.interval.high()[at]);
                prop_assert!(least <= y + rounding && y <= largest + rounding);
            }
            Ok(())
        })?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn bounds_contain_samples_and_attacks(network in deep(), norm in prop::sample::select(NORMS.to_vec()), radius in 0.01f64..1.5, boxed in any::<bool>(), salt in any::<u64>()) {
        let balls = Balls::new(norm, network.input_features(), radius, boxed, salt);
        contained(&network, &balls, 5000, salt)?;
    }

    /// Affine operators have no gap: the bounds of a ball are the values at its centre and the
    /// dual norms of the Jacobian's rows.
    #[test]
    fn affine_operators_are_exact(network in affine_operator(), norm in prop::sample::select(NORMS.to_vec()), radius in 0.0f64..2.0, salt in any::<u64>()) {
        let features = network.input_features();
        let balls = Balls::new(norm, features, radius, false, salt);
        let bounder = network.bounder();
        let bounds = bounder.bounds(&balls.set(), Method::Crown).unwrap();
        let trace = bounder.network().trace(double(balls.centres.concat(), [2, features]));
        let outputs = network.output_features(0);
        let values = numbers(bounder.network().output(&trace, 0));
        // Formed by jvp, where bounds are formed by vjp.
        let units: Vec<f64> = (0..2 * features * features).map(|k| f64::from(u8::from(k / features % features == k % features))).collect();
        let columns = numbers(bounder.network().jvp(&trace, double(units, [2, features, features])).remove(0));
        for row in 0..2 {
            for output in 0..outputs {
                let jacobian = (0..features).map(|f| columns[(row * features + f) * outputs + output].abs());
                let dual: f64 = match norm {
                    Norm::L1 => jacobian.fold(0.0, f64::max),
                    Norm::L2 => jacobian.map(|j| j * j).sum::<f64>().sqrt(),
                    Norm::LInf => jacobian.sum(),
                };
                let value = values[row * outputs + output];
                let (low, high) = (bounds.output(0).low()[row * outputs + output], bounds.output(0).high()[row * outputs + output]);
                let reach = balls.radii[row] * dual;
                let rounding = 1e-11 * (1.0 + value.abs() + reach);
                prop_assert!(low <= value - reach + 1e-14 && low >= value - reach - rounding, "{} and {}", low, value - reach);
                prop_assert!(high >= value + reach - 1e-14 && high <= value + reach + rounding, "{} and {}", high, value + reach);
            }
        }
    }

    #[test]
    fn intervals_grow_with_the_radius(network in deep(), norm in prop::sample::select(NORMS.to_vec()), radius in 0.01f64..1.0, salt in any::<u64>()) {
        let features = network.input_features();
        let bounder = network.bounder();
        let [small, large] = [radius, 1.3 * radius].map(|radius| {
            let set = Balls::new(norm, features, radius, true, salt).set();
            bounder.bounds(&set, Method::Interval).unwrap().output(0).clone()
        });
        for feature in 0..small.low().len() {
            prop_assert!(large.low()[feature] <= small.low()[feature] + 1e-7);
            prop_assert!(large.high()[feature] >= small.high()[feature] - 1e-7);
        }
    }

    /// The minimum of a linear function over a ball within a box, against the best of the points
    /// that its multiplier says.
    #[test]
    fn a_ball_within_a_box_is_minimised_exactly(weights in prop::collection::vec(-1.0f32..1.0, 40), norm in prop::sample::select(NORMS.to_vec()), radius in 0.01f64..4.0, salt in any::<u64>()) {
        let network = linear(&weights, 40);
        let balls = Balls::new(norm, 40, radius, true, salt);
        let bounder = network.bounder();
        let bounds = bounder.bounds(&balls.set(), Method::Crown).unwrap();
        for row in 0..2 {
            let point = best_point(&balls, row, &weights);
            let change: Vec<f64> = point.iter().zip(&balls.centres[row]).map(|(x, c)| x - c).collect();
            prop_assert!(balls.norm(&change) <= balls.radii[row] * (1.0 + 1e-9));
            let value: f64 = point.iter().zip(&weights).map(|(x, &w)| x * f64::from(w)).sum();
            let low = bounds.output(0).low()[row];
            prop_assert!(low <= value + 1e-9 && low >= value - 1e-7, "{} and {}", low, value);
        }
    }
}

/// `w x` for one output.
fn linear(weights: &[f32], inputs: usize) -> Network {
    let outputs = weights.len() / inputs;
    let mut builder = NetworkBuilder::new(vec![inputs]);
    let config = LinearConfig { inputs, outputs };
    let output = builder.push(OperatorConfig::Linear(config), &[0]);
    let network = builder.finish(&[output], &mut Initialiser::new(0), &Device::flex()).unwrap();
    let mut all = Weights::default();
    all.insert("0.weight", vec![inputs, outputs], weights.to_vec());
    all.insert("0.bias", vec![outputs], vec![0.0; outputs]);
    all.apply(network, "", "test".as_ref()).unwrap()
}

/// The point of a ball within the box at which a linear function is least.
fn best_point(balls: &Balls, row: usize, weights: &[f32]) -> Vec<f64> {
    let (centre, radius) = (&balls.centres[row], balls.radii[row]);
    let room = |f: usize| if weights[f] > 0.0 { -1.0 - centre[f] } else { 1.0 - centre[f] };
    let descent = |f: usize| -f64::from(weights[f]).signum();
    let moved = |change: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..centre.len()).map(|f| centre[f] + descent(f) * change(f).min(room(f).abs())).collect()
    };
    let length = |point: &[f64]| {
        balls.norm(&point.iter().zip(centre).map(|(x, c)| x - c).collect::<Vec<_>>())
    };
    match balls.norm {
        Norm::LInf => moved(&|_| radius),
        Norm::L2 => {
            let (mut short, mut long) = (0.0, 1e12);
            for _ in 0..200 {
                let step = 0.5 * (short + long);
                let point = moved(&|f| step * f64::from(weights[f]).abs());
                if length(&point) > radius { long = step } else { short = step }
            }
            moved(&|f| short * f64::from(weights[f]).abs())
        }
        Norm::L1 => {
            let mut order: Vec<usize> = (0..centre.len()).collect();
            order.sort_by(|&a, &b| weights[b].abs().total_cmp(&weights[a].abs()));
            let (mut rest, mut point) = (radius, centre.clone());
            for feature in order {
                let step = rest.min(room(feature).abs());
                point[feature] += descent(feature) * step;
                rest -= step;
            }
            point
        }
    }
}

#[test]
fn rounding_is_paid_for() {
    // The exact result is 1: in f64, 2^60 + 1 - 2^60 is 0.
    let large = 2f32.powi(30);
    let network = linear(&[large, 1.0, -large], 3);
    let point = double(vec![2f64.powi(30), 1.0, 2f64.powi(30)], [1, 3]);
    let set = InputSet::ball(Norm::L2, point, &[0.0]).unwrap();
    for method in [Method::Interval, Method::Crown] {
        let bounder = network.bounder();
        let bounds = bounder.bounds(&set, method).unwrap();
        let (low, high) = (bounds.output(0).low()[0], bounds.output(0).high()[0]);
        assert!(low <= 1.0 && 1.0 <= high, "{low} and {high}");
        assert!(high - low < 2f64.powi(60) * 1e-12, "{low} and {high}");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let ball = |numbers: Vec<f64>, radii: &[f64]| {
        let features = numbers.len();
        InputSet::ball(Norm::L2, double(numbers, [1, features]), radii)
    };
    let told = |result: Result<InputSet, vaegis_network::Error>| result.unwrap_err().to_string();
    assert_eq!(told(ball(vec![0.0], &[-1.0])), "bounds: a radius must be at least 0, found -1");
    assert_eq!(
        told(ball(vec![0.0], &[f64::NAN])),
        "bounds: a radius must be at least 0, found NaN"
    );
    assert_eq!(told(ball(vec![0.0], &[])), "bounds: 0 radii for 1 points of 1 features");
    assert!(told(ball(vec![0.0, f64::NAN], &[1.0])).contains("row 0, feature 1"));
    let set = ball(vec![0.0, 2.0], &[1.0]).unwrap();
    let expected = "bounds: feature 1 of point 0 is 2, not between 0 and 1";
    assert_eq!(told(set.clone().within(&[0.0; 2], &[1.0; 2])), expected);
    let bounder = linear(&[1.0; 3], 3).bounder();
    let error = bounder.bounds(&set, Method::Crown).unwrap_err().to_string();
    assert_eq!(error, "bounds: expects points of 3 features, found 2");
}

#[test]
fn infinite_bounds_are_errors() {
    let mut builder = NetworkBuilder::new(vec![2]);
    let exp = OperatorConfig::Activation(ActivationConfig { function: Function::Exp });
    let inner = builder.push(exp.clone(), &[0]);
    let outer = builder.push(exp, &[inner]);
    let network = builder.finish(&[outer], &mut Initialiser::new(0), &Device::flex()).unwrap();
    let set = InputSet::ball(Norm::L2, double(vec![0.0; 2], [1, 2]), &[8.0]).unwrap();
    let bounder: Bounder = network.bounder();
    for method in [Method::Interval, Method::Crown] {
        let error = bounder.bounds(&set, method).unwrap_err().to_string();
        assert!(
            error.starts_with("node 1 (activation) cannot be bounded: bounds of row 0"),
            "{error}"
        );
    }
}
