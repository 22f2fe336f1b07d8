//! The element-wise functions and their derivatives against closed forms in f64.

#[path = "support/exact.rs"]
mod exact;

use burn::tensor::{Device, Tensor, TensorData};
use exact::{Exact, SELU, exact};
use vaegis_network::ops::{ActivationConfig, Function, Initialiser, OperatorConfig};
use vaegis_network::{Network, NetworkBuilder};

fn network(function: Function) -> Network {
    let mut builder = NetworkBuilder::new(vec![1]);
    builder.push(OperatorConfig::Activation(ActivationConfig { function }), &[0]);
    builder.finish(&[1], &mut Initialiser::new(0), &Device::flex()).unwrap()
}

fn column(values: &[f32], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len(), 1]), device)
}

fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Value and derivative as networks evaluate them.
fn evaluate(function: Function, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let network = network(function);
    let trace = network.trace(column(x, &Device::flex()));
    let ones = Tensor::ones([x.len(), 1, 1], &Device::flex());
    (to_vec(network.output(&trace, 0)), to_vec(network.vjp(&trace, vec![Some(ones)])))
}

/// Value and derivative as training evaluates them, by Burn's autodiff.
fn differentiate(function: Function, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let x = column(x, &Device::flex().autodiff()).require_grad();
    let y = network(function).forward(x.clone()).remove(0);
    let gradient = x.grad(&y.clone().sum().backward()).unwrap();
    (to_vec(y), to_vec(gradient))
}

/// Points all over the range, most of them near 0, none on a kink.
fn grid([low, high]: [f64; 2]) -> Vec<f32> {
    let linear = (0..40_000).map(|k| low + (high - low) * (f64::from(k) + 0.31) / 40_000.0);
    let near = (0..40_000).flat_map(|k| {
        let x = 1e-6 * 1.0005f64.powf(f64::from(k) * 0.92);
        [x, -x]
    });
    linear.chain(near).filter(|x| (low..high).contains(x)).map(|x| x as f32).collect()
}

/// Largest error relative to `|exact| + floor`, and where.
fn worst(x: &[f32], found: &[f32], exact: fn(f64) -> f64, floor: f64) -> (f64, f32) {
    let errors = x.iter().zip(found).map(|(&x, &found)| {
        let exact = exact(f64::from(x));
        ((f64::from(found) - exact).abs() / (exact.abs() + floor), x)
    });
    errors.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

#[test]
fn values_and_derivatives_are_accurate() {
    for Exact { function, value, slope, range } in exact() {
        // The rounding of the cube is magnified by itself in the tail.
        let tolerance = if function == Function::GeluTanh { 2e-5 } else { 1e-6 };
        let x = grid(range);
        let (y, derivative) = evaluate(function, &x);
        let (error, at) = worst(&x, &y, value, f64::from(f32::MIN_POSITIVE));
        assert!(error < tolerance, "{function:?}: error {error:e} at {at}");
        let (error, at) = worst(&x, &derivative, slope, 1.0);
        assert!(error < 1e-6, "derivative of {function:?}: error {error:e} at {at}");
    }
}

#[test]
fn training_sees_the_same_functions() {
    for Exact { function, value, slope, range } in exact() {
        let x = grid(range);
        let (y, derivative) = differentiate(function, &x);
        let (error, at) = worst(&x, &y, value, 1.0);
        assert!(error < 1e-6, "{function:?}: error {error:e} at {at}");
        let (error, at) = worst(&x, &derivative, slope, 1.0);
        assert!(error < 2e-6, "derivative of {function:?}: error {error:e} at {at}");
    }
}

#[test]
fn kinks_have_the_derivatives_of_pytorch() {
    for (function, x, slope) in [
        (Function::Relu, 0.0, 0.0),
        (Function::LeakyRelu { slope: 0.1 }, 0.0, 0.1),
        (Function::Elu { alpha: 0.7 }, 0.0, 0.7),
        (Function::Selu, 0.0, (SELU[0] * SELU[1]) as f32),
        (Function::Celu { alpha: 2.0 }, 0.0, 1.0),
        (Function::HardSigmoid { slope: 0.25, offset: 0.5 }, -2.0, 0.0),
        (Function::HardSigmoid { slope: 0.25, offset: 0.5 }, 2.0, 0.0),
        (Function::HardSwish, -3.0, 0.0),
        (Function::HardSwish, 3.0, 1.0),
        (Function::Clip { low: Some(-1.0), high: Some(1.0) }, -1.0, 1.0),
        (Function::Clip { low: Some(-1.0), high: Some(1.0) }, 1.0, 1.0),
        (Function::Abs, 0.0, 0.0),
        (Function::Sqrt, 0.0, f32::INFINITY),
    ] {
        assert_eq!(evaluate(function, &[x]).1, [slope], "{function:?} at {x}");
    }
}

#[test]
fn the_ends_of_domains_and_ranges_are_those_of_ieee() {
    let (infinity, nan) = (f32::INFINITY, f32::NAN);
    for (function, x, expected) in [
        (Function::Exp, 89.0, infinity),
        (Function::Exp, 88.7, 3.325_977e38),
        (Function::Exp, -104.0, 0.0),
        (Function::Exp, -100.0, 3.8e-44),
        (Function::Exp, -infinity, 0.0),
        (Function::Log, 0.0, -infinity),
        (Function::Log, -1.0, nan),
        (Function::Log, -infinity, nan),
        (Function::Log, infinity, infinity),
        (Function::Log, 1e-40, -92.103_4),
        (Function::Sqrt, -1.0, nan),
        (Function::Reciprocal, 0.0, infinity),
        (Function::Reciprocal, -0.0, -infinity),
        (Function::Power { exponent: 0.5 }, -1.0, nan),
        (Function::Power { exponent: 3.0 }, -2.0, -8.0),
        (Function::Power { exponent: -1.0 }, 0.0, infinity),
        (Function::Sigmoid, infinity, 1.0),
        (Function::Sigmoid, -infinity, 0.0),
        (Function::Tanh, infinity, 1.0),
        (Function::Tanh, -infinity, -1.0),
        (Function::Softplus, infinity, infinity),
        (Function::Softplus, -infinity, 0.0),
        (Function::Gelu, infinity, infinity),
        (Function::Mish, infinity, infinity),
        (Function::Elu { alpha: 0.7 }, -infinity, -0.7),
        (Function::Erf, -infinity, -1.0),
        (Function::Clip { low: None, high: Some(1.0) }, -infinity, -infinity),
        (Function::ContinuousBernoulliMean, infinity, 1.0),
        (Function::ContinuousBernoulliMean, -infinity, 0.0),
    ] {
        let found = evaluate(function, &[x]).0[0];
        let close = (found - expected).abs() <= 1e-5 * expected.abs();
        let same = found == expected || found.is_nan() && expected.is_nan();
        assert!(same || close, "{function:?} of {x} is {found}");
    }
}

#[test]
fn nan_stays_nan() {
    for Exact { function, .. } in exact() {
        // Vectorised loops treat the last few elements apart.
        let values = evaluate(function, &[f32::NAN; 37]).0;
        assert!(values.iter().all(|value| value.is_nan()), "{function:?}");
    }
}

#[test]
fn an_alpha_of_celu_that_is_not_positive_is_refused() {
    let mut builder = NetworkBuilder::new(vec![1]);
    let function = Function::Celu { alpha: 0.0 };
    builder.push(OperatorConfig::Activation(ActivationConfig { function }), &[0]);
    let error = builder.finish(&[1], &mut Initialiser::new(0), &Device::flex()).unwrap_err();
    assert_eq!(error.to_string(), "node 0 (activation): alpha of celu must be positive, found 0");
}
