//! Outputs never move farther from what they are at a point than the lengths of differences say,
//! and these are exact where they can be.

#[allow(dead_code)] // Not all of it is needed here.
mod support;

use burn::tensor::Device;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use support::balls::{Balls, NORMS, double, numbers};
use support::{deep, function, needs_positive, plain, to_vec, values};
use vaegis_network::bounds::{InputSet, Lengths, Method, Norm};
use vaegis_network::ops::{
    ActivationConfig, AddConfig, Function, Initialiser, LinearConfig, OperatorConfig,
};
use vaegis_network::{Error, Network, NetworkBuilder, Weights};

/// One row of the balls as a set of its own.
fn set(balls: &Balls, row: usize) -> InputSet {
    let features = balls.centres[row].len();
    let centre = double(balls.centres[row].clone(), [1, features]);
    let set = InputSet::ball(balls.norm, centre, &[balls.radii[row]]).unwrap();
    if balls.boxed { set.within(&vec![-1.0; features], &vec![1.0; features]).unwrap() } else { set }
}

/// Lengths under two weightings of three rows, and the weightings.
fn lengths(
    network: &Network,
    balls: &Balls,
    row: usize,
    salt: u64,
) -> Result<Vec<(Vec<f64>, Lengths)>, Error> {
    let bounder = network.bounder();
    let outputs = network.output_features(0);
    let differences = bounder.differences(&balls.centres[row])?;
    let span = differences.within(&set(balls, row))?;
    let weights = [0, 1].map(|k| -> Vec<f64> {
        values(3 * outputs, salt.wrapping_add(k)).into_iter().map(f64::from).collect()
    });
    let tensors = weights.clone().map(|weights| vec![Some(double(weights, [3, outputs]))]);
    Ok(weights.into_iter().zip(span.lengths(&tensors)?).collect())
}

fn product(weights: &[f64], change: &[f64]) -> Vec<f64> {
    let dot = |row: &[f64]| row.iter().zip(change).map(|(a, b)| a * b).sum();
    weights.chunks_exact(change.len()).map(dot).collect()
}

fn euclidean(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Fails if a point that is found in the set moves the outputs farther than is said.
fn contained(network: &Network, balls: &Balls, salt: u64) -> Result<(), TestCaseError> {
    let mut generator = ChaCha8Rng::seed_from_u64(salt);
    let bounder = network.bounder();
    for row in 0..2 {
        let lengths = match lengths(network, balls, row, salt) {
            Ok(lengths) => lengths,
            Err(Error::Unbounded { operator, .. }) => {
                prop_assert!(!["linear", "conv2d", "add", "reshape"].contains(&operator));
                return Ok(());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let mut points = vec![balls.centres[row].clone()];
        points.extend(balls.sample(row, 2000, &mut generator));
        points.extend(balls.attack(network, row, 100, &mut generator));
        let features = points[0].len();
        let all = double(points.concat(), [points.len(), features]);
        let outputs = numbers(bounder.network().forward(all).remove(0));
        let (at, others) = outputs.split_at(network.output_features(0));
        for output in others.chunks_exact(at.len()) {
            let change: Vec<f64> = output.iter().zip(at).map(|(a, b)| a - b).collect();
            for (weights, found) in &lengths {
                let moved = product(weights, &change);
                // What the evaluation itself loses.
                let rounding = 1e-12 * (1.0 + euclidean(at));
                prop_assert!(euclidean(&moved) <= found.norm + rounding);
                for (moved, row) in moved.iter().zip(&found.rows) {
                    prop_assert!(moved.abs() <= row + rounding, "{} > {}", moved, row);
                }
            }
        }
    }
    Ok(())
}

/// Layers of these widths, with one function between them, and around one of them if `residual`.
fn layers(widths: &[usize], function: Function, residual: bool, seed: u64) -> Network {
    let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
    let mut builder = NetworkBuilder::new(vec![widths[0]]);
    let mut value = 0;
    for (number, pair) in widths.windows(2).enumerate() {
        let before = value;
        if number > 0 {
            value =
                builder.push(OperatorConfig::Activation(ActivationConfig { function }), &[value]);
        }
        value = builder.push(linear(pair[0], pair[1]), &[value]);
        if residual && number > 0 && pair[0] == pair[1] {
            value = builder.push(OperatorConfig::Add(AddConfig {}), &[before, value]);
        }
    }
    builder.finish(&[value], &mut Initialiser::new(seed), &Device::flex()).unwrap()
}

fn smooth() -> impl Strategy<Value = Function> {
    function().prop_filter("defined everywhere, exact in f64", |&function| {
        !needs_positive(function) && function != Function::ContinuousBernoulliMean
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_moves_farther(network in deep(), norm in prop::sample::select(NORMS.to_vec()), radius in 0.01f64..1.5, boxed in any::<bool>(), salt in any::<u64>()) {
        let balls = Balls::new(norm, network.input_features(), radius, boxed, salt);
        contained(&network, &balls, salt)?;
    }

    #[test]
    fn nothing_moves_farther_through_several_layers(function in smooth(), residual in any::<bool>(), norm in prop::sample::select(NORMS.to_vec()), radius in 0.01f64..0.8, boxed in any::<bool>(), salt in any::<u64>()) {
        let network = layers(&[7, 12, 12, 9, 4], function, residual, salt);
        let balls = Balls::new(norm, 7, radius, boxed, salt);
        contained(&network, &balls, salt)?;
    }

    /// Outputs that depend on layers of their own are bounded whichever comes first.
    #[test]
    fn branches_are_not_forgotten(function in smooth(), radius in 0.05f64..0.8, salt in any::<u64>()) {
        let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
        let mut builder = NetworkBuilder::new(vec![5]);
        let branch = |builder: &mut NetworkBuilder| {
            let value = builder.push(linear(5, 8), &[0]);
            let value = builder.push(OperatorConfig::Activation(ActivationConfig { function }), &[value]);
            builder.push(linear(8, 2), &[value])
        };
        let (first, second) = (branch(&mut builder), branch(&mut builder));
        let network = builder.finish(&[first, second], &mut Initialiser::new(salt), &Device::flex()).unwrap();
        let balls = Balls::new(Norm::L2, 5, radius, false, salt);
        let bounder = network.bounder();
        let differences = bounder.differences(&balls.centres[0]).unwrap();
        let span = differences.within(&set(&balls, 0)).unwrap();
        let unit = || Some(double(vec![1.0, 0.0, 0.0, 1.0], [2, 2]));
        let found = span.lengths(&[vec![unit(), None], vec![None, unit()]]).unwrap();
        let mut generator = ChaCha8Rng::seed_from_u64(salt);
        let mut points = vec![balls.centres[0].clone()];
        points.extend(balls.sample(0, 500, &mut generator));
        let outputs = bounder.network().forward(double(points.concat(), [points.len(), 5]));
        for (output, found) in outputs.into_iter().zip(&found) {
            let values = numbers(output);
            for value in values.chunks(2) {
                let change = [value[0] - values[0], value[1] - values[1]];
                prop_assert!(euclidean(&change) <= found.norm + 1e-12);
            }
        }
    }

    /// Where nothing bends the length is that of the Jacobian's image of the ball.
    #[test]
    fn pieces_that_do_not_end_are_exact(radius in 1e-6f64..1e-4, salt in any::<u64>()) {
        let network = layers(&[6, 8, 8, 5], Function::Relu, false, salt);
        let balls = Balls::new(Norm::L2, 6, radius, false, salt);
        let bounder = network.bounder();
        let differences = bounder.differences(&balls.centres[0]).unwrap();
        let bounds = bounder.bounds(&balls.set(), Method::Crown).unwrap();
        // A unit that may switch is rare, and then there is nothing to compare.
        let reads = [1, 3].map(|value| bounds.interval(value).clone());
        prop_assume!(reads.iter().all(|read| read.low().iter().zip(read.high()).all(|(l, h)| l * h > 0.0)));
        let span = differences.within(&set(&balls, 0)).unwrap();
        let unit: Vec<f64> = (0..25).map(|k| f64::from(k % 6 == 0)).collect();
        let found = span.lengths(&[vec![Some(double(unit, [5, 5]))]]).unwrap().remove(0);
        let point = balls.centres[0].iter().map(|&x| x as f32).collect();
        let jacobian = to_vec(network.jacobian(&network.trace(plain(point, [1, 6])), 0));
        for (row, found) in jacobian.chunks(6).zip(&found.rows) {
            let row: Vec<f64> = row.iter().map(|&entry| f64::from(entry)).collect();
            let exact = euclidean(&row) * radius;
            // The Jacobian compared with is in f32: small entries are what large ones leave.
            prop_assert!((found - exact).abs() <= 1e-4 * exact + 1e-6 * radius, "{} {}", found, exact);
        }
    }

    #[test]
    fn lengths_grow_with_the_radius(function in smooth(), radius in 0.01f64..0.5, salt in any::<u64>()) {
        let network = layers(&[5, 8, 8, 3], function, false, salt);
        let [small, large] = [radius, 1.3 * radius].map(|radius| {
            let balls = Balls::new(Norm::L2, 5, radius, false, salt);
            lengths(&network, &balls, 0, salt).unwrap().remove(0).1
        });
        // Weights are not the best ones.
        prop_assert!(large.norm >= small.norm * 0.98);
    }
}

/// A function that would bend if its input could move both ways.
#[test]
fn a_box_leaves_no_room_to_bend() {
    let mut builder = NetworkBuilder::new(vec![2]);
    let config = LinearConfig { inputs: 2, outputs: 1 };
    let linear = builder.push(OperatorConfig::Linear(config), &[0]);
    let relu = ActivationConfig { function: Function::Relu };
    let output = builder.push(OperatorConfig::Activation(relu), &[linear]);
    let network = builder.finish(&[output], &mut Initialiser::new(0), &Device::flex()).unwrap();
    let mut weights = Weights::default();
    weights.insert("0.weight", vec![2, 1], vec![0.3, -0.9]);
    weights.insert("0.bias", vec![1], vec![-0.5]);
    let network = weights.apply(network, "", "weights".as_ref()).unwrap();
    let bounder = network.bounder();
    let differences = bounder.differences(&[0.0, 0.0]).unwrap();
    let ball = InputSet::ball(Norm::L2, double(vec![0.0; 2], [1, 2]), &[1.0]).unwrap();
    let boxed = ball.clone().within(&[0.0; 2], &[1.0; 2]).unwrap();
    let length = |set: &InputSet| {
        let weightings = [vec![Some(double(vec![1.0], [1, 1]))]];
        differences.within(set).unwrap().lengths(&weightings).unwrap()[0].norm
    };
    // It rises by 0.3 in the box, and by 0.95 without, from 0.5 below where it bends.
    assert!(length(&ball) >= 0.44 && length(&boxed) < 1e-9, "{}", length(&boxed));
}

#[test]
fn a_radius_of_zero_moves_nothing() {
    let network = layers(&[5, 8, 8, 3], Function::Silu, true, 3);
    let balls = Balls::new(Norm::L2, 5, 0.0, false, 3);
    for (_, length) in lengths(&network, &balls, 0, 3).unwrap() {
        assert!(length.norm < 1e-10, "{length:?}");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let network = layers(&[5, 8, 3], Function::Relu, false, 3);
    let bounder = network.bounder();
    let told = |error: Error| error.to_string();
    let error = bounder.differences(&[0.0; 4]).unwrap_err();
    assert_eq!(told(error), "bounds: expects points of 5 features, found 4");
    let differences = bounder.differences(&[0.0; 5]).unwrap();
    let ball =
        |centre: f64| InputSet::ball(Norm::L2, double(vec![centre; 5], [1, 5]), &[0.1]).unwrap();
    let error = differences.within(&ball(0.1)).unwrap_err();
    assert_eq!(told(error), "bounds: expects a set about the point");
    let span = differences.within(&ball(0.0)).unwrap();
    let error = span.lengths(&[vec![Some(double(vec![0.0; 4], [2, 2]))]]).unwrap_err();
    assert_eq!(told(error), "bounds: weightings do not fit the outputs");
}
