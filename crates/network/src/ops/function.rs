use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::elementwise;

/// The element-wise functions that networks use. Outside of their domain they are NaN or
/// infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "function")]
pub enum Function {
    /// `max(x, 0)`.
    Relu,
    /// `x` for positive x, `slope * x` otherwise.
    LeakyRelu {
        /// Slope of the negative side.
        slope: f64,
    },
    /// `x` for positive x, `alpha (e^x - 1)` otherwise.
    Elu {
        /// Depth of the negative side.
        alpha: f64,
    },
    /// `1.0507 x` for positive x, `1.7581 (e^x - 1)` otherwise: the ELU with which activations
    /// keep mean 0 and variance 1.
    Selu,
    /// `x` for positive x, `alpha (e^(x / alpha) - 1)` otherwise: the ELU without a kink.
    Celu {
        /// Depth of the negative side.
        alpha: f64,
    },
    /// `x Phi(x)`, exact (not the tanh approximation).
    Gelu,
    /// `x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2`: the tanh approximation of GELU.
    GeluTanh,
    /// `x sigmoid(x)`, also called swish.
    Silu,
    /// `x tanh(ln(1 + e^x))`.
    Mish,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `slope * x + offset` clipped to [0, 1].
    HardSigmoid {
        /// Slope between the kinks.
        slope: f64,
        /// Value at 0.
        offset: f64,
    },
    /// `x` times `x / 6 + 1/2` clipped to [0, 1].
    HardSwish,
    /// `min(max(x, low), high)`.
    Clip {
        /// Least value, if there is one.
        low: Option<f64>,
        /// Largest value, if there is one.
        high: Option<f64>,
    },
    /// `e^x`.
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// `x^2`.
    Square,
    /// `x^exponent`.
    Power {
        /// The exponent.
        exponent: f64,
    },
    /// `1 / x`.
    Reciprocal,
    /// `|x|`.
    Abs,
    /// Gauss's error function.
    Erf,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// `(1 + coth(x/2) - 2/x) / 2`: the mean of the density proportional to `e^(x u)`
    /// on [0, 1], that is of a continuous Bernoulli with logit x (a Langevin function).
    ContinuousBernoulliMean,
}

/// Scale, depth and rate of an exponential unit: `scale x` for positive x,
/// `scale depth (e^(rate x) - 1)` otherwise.
type Unit = [f64; 3];

/// Klambauer et al. 2017.
pub(super) const SELU: Unit = [1.050_700_987_355_480_5, 1.673_263_242_354_377_2, 1.0];

impl Function {
    /// What is wrong with the parameters.
    pub(super) fn check(self) -> Result<(), String> {
        let finite = |name: &str, number: f64| match number.is_finite() {
            true => Ok(()),
            false => Err(format!("{name} must be finite, found {number}")),
        };
        match self {
            Self::LeakyRelu { slope } => finite("the slope of leaky-relu", slope),
            Self::Elu { alpha } => finite("alpha of elu", alpha),
            Self::Celu { alpha } if alpha <= 0.0 => {
                Err(format!("alpha of celu must be positive, found {alpha}"))
            }
            Self::Celu { alpha } => finite("alpha of celu", alpha),
            Self::HardSigmoid { slope, offset } => {
                finite("the slope of hard-sigmoid", slope)?;
                finite("the offset of hard-sigmoid", offset)
            }
            Self::Clip { low, high } if [low, high].into_iter().flatten().any(f64::is_nan) => {
                Err("the limits of clip must be numbers, found NaN".to_string())
            }
            // Whole exponents are computed as 32-bit integers.
            Self::Power { exponent } if exponent.is_nan() || exponent.abs() > i32::MAX.into() => {
                Err(format!("an exponent must lie within 2^31, found {exponent}"))
            }
            _ => Ok(()),
        }
    }

    /// The function of every element. Differentiable by Burn's autodiff.
    pub fn value(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Relu => activation::relu(x),
            Self::LeakyRelu { slope } => activation::leaky_relu(x, slope),
            Self::Elu { alpha } => exponential_unit(x, [1.0, alpha, 1.0]),
            Self::Selu => exponential_unit(x, SELU),
            Self::Celu { alpha } => exponential_unit(x, [1.0, alpha, 1.0 / alpha]),
            Self::Gelu => elementwise::apply(x, elementwise::gelu, activation::gelu),
            Self::GeluTanh => elementwise::apply(x, elementwise::gelu_tanh, |x| {
                x.clone() * activation::sigmoid(gelu_tanh_logit(x))
            }),
            Self::Silu => elementwise::apply(x, elementwise::silu, activation::silu),
            Self::Mish => {
                elementwise::apply(x, elementwise::mish, |x| x.clone() * softplus(x).tanh())
            }
            Self::Softplus => elementwise::apply(x, elementwise::softplus, softplus),
            Self::Softsign => activation::softsign(x),
            Self::Sigmoid => logistic(x),
            Self::Tanh => elementwise::apply(x, elementwise::tanh, Tensor::tanh),
            Self::HardSigmoid { slope, offset } => activation::hard_sigmoid(x, slope, offset),
            Self::HardSwish => {
                elementwise::apply(x, elementwise::hard_swish, activation::hard_swish)
            }
            Self::Clip { low, high } => {
                let x = low.into_iter().fold(x, Tensor::clamp_min);
                high.into_iter().fold(x, Tensor::clamp_max)
            }
            Self::Exp => elementwise::apply(x, elementwise::exp, Tensor::exp),
            Self::Log => elementwise::apply(x, elementwise::log, Tensor::log),
            Self::Sqrt => x.sqrt(),
            Self::Square => x.square(),
            Self::Power { exponent } => x.powf_scalar(exponent),
            Self::Reciprocal => x.recip(),
            Self::Abs => x.abs(),
            Self::Erf => elementwise::apply(x, elementwise::erf, Tensor::erf),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::ContinuousBernoulliMean => elementwise::apply(
                x,
                elementwise::continuous_bernoulli_mean,
                continuous_bernoulli_mean,
            ),
        }
    }

    /// Derivative at input `x` with value `y`. At a kink, the derivative that PyTorch takes:
    /// mostly that of the negative or flat side (0 for ReLU at 0).
    pub(super) fn derivative(self, x: &Tensor<2>, y: &Tensor<2>) -> Tensor<2> {
        // Both are copied only where they are read.
        let (x, y) = (|| x.clone(), || y.clone());
        match self {
            Self::Relu => x().greater_elem(0.0).float(),
            Self::LeakyRelu { slope } => x().greater_elem(0.0).float() * (1.0 - slope) + slope,
            Self::Elu { alpha } => exponential_unit_slope(x(), [1.0, alpha, 1.0]),
            Self::Selu => exponential_unit_slope(x(), SELU),
            Self::Celu { alpha } => exponential_unit_slope(x(), [1.0, alpha, 1.0 / alpha]),
            Self::Gelu => elementwise::apply(x(), elementwise::gelu_slope, |x| {
                let density = (x.clone().square() * -0.5).exp() * 0.398_942_280_401_432_7;
                let cumulative = ((x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
                cumulative + x * density
            }),
            Self::GeluTanh => elementwise::apply(x(), elementwise::gelu_tanh_slope, |x| {
                let s = activation::sigmoid(gelu_tanh_logit(x.clone()));
                let rate = (x.clone().square() * (3.0 * GELU_TANH[1]) + 1.0) * GELU_TANH[0];
                s.clone() + s.clone() * (s * -1.0 + 1.0) * x * rate
            }),
            Self::Silu => elementwise::apply(x(), elementwise::silu_slope, |x| {
                let s = activation::sigmoid(x.clone());
                s.clone() * (x * (s * -1.0 + 1.0) + 1.0)
            }),
            Self::Mish => elementwise::apply(x(), elementwise::mish_slope, |x| {
                let t = softplus(x.clone()).tanh();
                t.clone() + x.clone() * activation::sigmoid(x) * (t.square() * -1.0 + 1.0)
            }),
            Self::Softplus => logistic(x()),
            Self::Softsign => (x().abs() + 1.0).square().recip(),
            Self::Sigmoid => y() * (y() * -1.0 + 1.0),
            Self::Tanh => y().square() * -1.0 + 1.0,
            Self::HardSigmoid { slope, .. } => inside(y(), 0.0, 1.0) * slope,
            Self::HardSwish => elementwise::apply(x(), elementwise::hard_swish_slope, |x| {
                let middle = inside(x.clone(), -3.0, 3.0) * (x.clone() / 3.0 + 0.5);
                middle + x.greater_equal_elem(3.0).float()
            }),
            Self::Clip { low, high } => {
                let below = x().lower_elem(low.unwrap_or(f64::NEG_INFINITY));
                let above = x().greater_elem(high.unwrap_or(f64::INFINITY));
                below.bool_or(above).bool_not().float()
            }
            Self::Exp => y(),
            Self::Log => x().recip(),
            Self::Sqrt => y().recip() * 0.5,
            Self::Square => x() * 2.0,
            Self::Power { exponent } => x().powf_scalar(exponent - 1.0) * exponent,
            Self::Reciprocal => y().square() * -1.0,
            Self::Abs => elementwise::apply(x(), elementwise::abs_slope, Tensor::sign),
            Self::Erf => elementwise::apply(x(), elementwise::erf_slope, |x| {
                (x.square() * -1.0).exp() * std::f64::consts::FRAC_2_SQRT_PI
            }),
            Self::Sin => x().cos(),
            Self::Cos => x().sin() * -1.0,
            Self::ContinuousBernoulliMean => elementwise::apply(
                x(),
                elementwise::continuous_bernoulli_variance,
                continuous_bernoulli_variance,
            ),
        }
    }
}

/// 1 strictly between `low` and `high`, 0 elsewhere.
fn inside(x: Tensor<2>, low: f64, high: f64) -> Tensor<2> {
    x.clone().greater_elem(low).bool_and(x.lower_elem(high)).float()
}

fn logistic(x: Tensor<2>) -> Tensor<2> {
    elementwise::apply(x, elementwise::sigmoid, activation::sigmoid)
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: Tensor<2>) -> Tensor<2> {
    x.clone().clamp_min(0.0) + (x.abs() * -1.0).exp().log1p()
}

/// `sqrt(8/pi)` and the coefficient of the cube in GELU's tanh approximation.
pub(super) const GELU_TANH: [f64; 2] = [1.595_769_121_605_730_7, 0.044_715];

/// `2 u` in `(1 + tanh(u)) / 2 = sigmoid(2 u)`.
fn gelu_tanh_logit(x: Tensor<2>) -> Tensor<2> {
    (x.clone().square() * GELU_TANH[1] + 1.0) * x * GELU_TANH[0]
}

fn exponential_unit(x: Tensor<2>, unit: Unit) -> Tensor<2> {
    let single = unit.map(|parameter| parameter as f32);
    let kernel = |values: &mut [f32]| elementwise::exponential_unit(values, single);
    elementwise::apply(x, kernel, |x| {
        let [scale, depth, rate] = unit;
        // e^z - 1 = 2 t / (1 - t) with t = tanh(z / 2), which does not cancel near 0.
        let t = (x.clone().clamp_max(0.0) * (0.5 * rate)).tanh();
        let negative = t.clone() / (t * -1.0 + 1.0) * (2.0 * scale * depth);
        activation::relu(x) * scale + negative
    })
}

fn exponential_unit_slope(x: Tensor<2>, unit: Unit) -> Tensor<2> {
    let single = unit.map(|parameter| parameter as f32);
    let kernel = |values: &mut [f32]| elementwise::exponential_unit_slope(values, single);
    elementwise::apply(x, kernel, |x| {
        let [scale, depth, rate] = unit;
        let negative = (x.clone().clamp_max(0.0) * rate).exp() * (scale * depth * rate);
        negative.mask_fill(x.greater_elem(0.0), scale)
    })
}

/// Logits nearer to 0 than this use a series: the closed forms cancel there.
const SERIES_RANGE: f64 = 1.0;

/// `x` with logits near 0 replaced by [`SERIES_RANGE`], and where that was.
fn away_from_zero(x: Tensor<2>) -> (Tensor<2>, Tensor<2, burn::tensor::Bool>) {
    let near = x.clone().abs().lower_elem(SERIES_RANGE);
    (x.mask_fill(near.clone(), SERIES_RANGE), near)
}

fn continuous_bernoulli_mean(x: Tensor<2>) -> Tensor<2> {
    let square = x.clone().square();
    let series = (((square.clone() * (-1.0 / 1_209_600.0) + 1.0 / 30_240.0) * square.clone()
        - 1.0 / 720.0)
        * square
        + 1.0 / 12.0)
        * x.clone()
        + 0.5;
    let (x, near) = away_from_zero(x);
    let far = (x.clone() * 0.5).tanh().recip() * 0.5 - x.recip() + 0.5;
    far.mask_where(near, series)
}

/// Derivative of [`continuous_bernoulli_mean`]: `1/x^2 - 1/(4 sinh(x/2)^2)`.
fn continuous_bernoulli_variance(x: Tensor<2>) -> Tensor<2> {
    let square = x.clone().square();
    let series = ((square.clone() * (-7.0 / 1_209_600.0) + 5.0 / 30_240.0) * square.clone()
        - 3.0 / 720.0)
        * square
        + 1.0 / 12.0;
    let (x, near) = away_from_zero(x);
    let magnitude = x.clone().abs();
    // 4 sinh(x/2)^2 = e^|x| (1 - e^-|x|)^2, which cannot overflow once inverted.
    let decay = (magnitude * -1.0).exp();
    let far = x.square().recip() - decay.clone() / (decay * -1.0 + 1.0).square();
    far.mask_where(near, series)
}
