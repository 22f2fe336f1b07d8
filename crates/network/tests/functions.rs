//! The element-wise functions and their derivatives against closed forms in f64.

use burn::tensor::{Device, Tensor, TensorData};
use vaegis_network::ops::{ActivationConfig, Function, Initialiser, OperatorConfig};
use vaegis_network::{Network, NetworkBuilder};

/// What a function and its derivative are exactly, and where to compare.
struct Exact {
    function: Function,
    value: fn(f64) -> f64,
    slope: fn(f64) -> f64,
    range: [f64; 2],
}

const SELU: [f64; 2] = [1.050_700_987_355_480_5, 1.673_263_242_354_377_2];

fn exact() -> Vec<Exact> {
    let exact = |function, value, slope, range| Exact { function, value, slope, range };
    let everywhere = [-100.0, 100.0];
    vec![
        exact(Function::Relu, |x| x.max(0.0), step, everywhere),
        exact(
            Function::LeakyRelu { slope: 0.1 },
            |x| if x > 0.0 { x } else { 0.1 * x },
            |x| if x > 0.0 { 1.0 } else { 0.1 },
            everywhere,
        ),
        exact(
            Function::Elu { alpha: 0.7 },
            |x| if x > 0.0 { x } else { 0.7 * x.exp_m1() },
            |x| if x > 0.0 { 1.0 } else { 0.7 * x.exp() },
            everywhere,
        ),
        exact(
            Function::Selu,
            |x| SELU[0] * if x > 0.0 { x } else { SELU[1] * x.exp_m1() },
            |x| SELU[0] * if x > 0.0 { 1.0 } else { SELU[1] * x.exp() },
            everywhere,
        ),
        exact(
            Function::Celu { alpha: 2.0 },
            |x| if x > 0.0 { x } else { 2.0 * (x / 2.0).exp_m1() },
            |x| if x > 0.0 { 1.0 } else { (x / 2.0).exp() },
            everywhere,
        ),
        exact(Function::Gelu, |x| x * normal(x), |x| normal(x) + x * density(x), everywhere),
        exact(Function::GeluTanh, |x| x * logistic(gelu_logit(x)), gelu_tanh_slope, [-10.0, 100.0]),
        exact(
            Function::Silu,
            |x| x * logistic(x),
            |x| logistic(x) * (1.0 + x * logistic(-x)),
            [-87.0, 100.0],
        ),
        exact(Function::Mish, |x| x * x.exp().ln_1p().tanh(), mish_slope, [-87.0, 100.0]),
        exact(Function::Softplus, |x| x.exp().ln_1p(), logistic, [-87.0, 100.0]),
        exact(
            Function::Softsign,
            |x| x / (1.0 + x.abs()),
            |x| (1.0 + x.abs()).powi(-2),
            everywhere,
        ),
        exact(Function::Sigmoid, logistic, |x| logistic(x) * logistic(-x), [-87.0, 100.0]),
        exact(Function::Tanh, f64::tanh, |x| x.cosh().powi(-2), everywhere),
        exact(
            Function::HardSigmoid { slope: 0.25, offset: 0.5 },
            |x| (0.25 * x + 0.5).clamp(0.0, 1.0),
            |x| if x.abs() < 2.0 { 0.25 } else { 0.0 },
            everywhere,
        ),
        exact(
            Function::HardSwish,
            |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            hard_swish_slope,
            everywhere,
        ),
        exact(
            Function::Clip { low: Some(-1.5), high: Some(3.0) },
            |x| x.clamp(-1.5, 3.0),
            |x| if (-1.5..=3.0).contains(&x) { 1.0 } else { 0.0 },
            everywhere,
        ),
        exact(Function::Exp, f64::exp, f64::exp, [-87.0, 88.7]),
        exact(Function::Log, f64::ln, f64::recip, [1e-30, 100.0]),
        exact(Function::Sqrt, f64::sqrt, |x| 0.5 / x.sqrt(), [1e-30, 100.0]),
        exact(Function::Square, |x| x * x, |x| 2.0 * x, everywhere),
        exact(
            Function::Power { exponent: 2.5 },
            |x| x.powf(2.5),
            |x| 2.5 * x.powf(1.5),
            [1e-6, 100.0],
        ),
        exact(Function::Reciprocal, f64::recip, |x| -1.0 / (x * x), [1e-6, 100.0]),
        exact(Function::Abs, f64::abs, f64::signum, everywhere),
        exact(
            Function::Erf,
            erf,
            |x| std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp(),
            everywhere,
        ),
        exact(Function::Sin, f64::sin, f64::cos, everywhere),
        exact(Function::Cos, f64::cos, |x| -x.sin(), everywhere),
        exact(
            Function::ContinuousBernoulliMean,
            continuous_bernoulli_mean,
            continuous_bernoulli_variance,
            everywhere,
        ),
    ]
}

fn step(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// `P(Z < x)`: the series of all positive terms about 0, a continued fraction in the tail.
fn normal(x: f64) -> f64 {
    let magnitude = x.abs();
    let tail = if magnitude < 3.0 {
        let (mut term, mut sum) = (magnitude, magnitude);
        for k in 1..200 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 - density(x) * sum
    } else {
        density(x)
            / (1..200).rev().fold(magnitude, |fraction, k| magnitude + f64::from(k) / fraction)
    };
    if x > 0.0 { 1.0 - tail } else { tail }
}

fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for k in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * k + 1);
        sum += term;
    }
    let series = std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum;
    if x.abs() < 6.0 { series } else { x.signum() }
}

fn gelu_logit(x: f64) -> f64 {
    (8.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))
}

fn gelu_tanh_slope(x: f64) -> f64 {
    let s = logistic(gelu_logit(x));
    let rate = (8.0 / std::f64::consts::PI).sqrt() * (1.0 + 3.0 * 0.044_715 * x * x);
    s + x * s * logistic(-gelu_logit(x)) * rate
}

fn mish_slope(x: f64) -> f64 {
    let softplus = x.exp().ln_1p();
    softplus.tanh() + x * logistic(x) / softplus.cosh().powi(2)
}

fn hard_swish_slope(x: f64) -> f64 {
    if x <= -3.0 {
        0.0
    } else if x < 3.0 {
        x / 3.0 + 0.5
    } else {
        1.0
    }
}

fn continuous_bernoulli_mean(x: f64) -> f64 {
    let low = if x.abs() < 0.05 {
        0.5 - x.abs() / 12.0 + x.abs().powi(3) / 720.0
    } else {
        1.0 / x.abs() - 1.0 / x.abs().exp_m1()
    };
    if x > 0.0 { 1.0 - low } else { low }
}

fn continuous_bernoulli_variance(x: f64) -> f64 {
    if x.abs() < 0.05 {
        1.0 / 12.0 - x * x / 240.0 + x.powi(4) / 6048.0
    } else {
        1.0 / (x * x) - (2.0 * (x / 2.0).sinh()).powi(-2)
    }
}

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
