//! The element-wise functions and their derivatives in f64, by closed forms.

use vaegis_network::ops::Function;

/// What a function and its derivative are exactly, and where to compare.
#[allow(dead_code)] // Not every test reads all of it.
pub(crate) struct Exact {
    pub(crate) function: Function,
    pub(crate) value: fn(f64) -> f64,
    pub(crate) slope: fn(f64) -> f64,
    pub(crate) range: [f64; 2],
}

pub(crate) const SELU: [f64; 2] = [1.050_700_987_355_480_5, 1.673_263_242_354_377_2];

pub(crate) fn exact() -> Vec<Exact> {
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
        0.5 - x.abs() / 12.0 + x.abs().powi(3) / 720.0 - x.abs().powi(5) / 30240.0
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
