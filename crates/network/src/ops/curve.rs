//! The functions in f64, as curves whose convex and concave pieces are known: what bounds over
//! intervals are made of.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI, SQRT_2};

use super::function::{GELU_TANH, SELU};
use super::{Function, special};

/// A stretch of a function on which its derivative is monotone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    /// Where it ends; it starts where the one before ends.
    pub(crate) end: f64,
    /// Whether the derivative grows; otherwise it falls. A line counts as either.
    pub(crate) convex: bool,
    pub(crate) curve: Curve,
}

/// A formula that holds on a closed piece.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Curve {
    /// `slope x + offset`.
    Line { slope: f64, offset: f64 },
    /// `square x^2 + slope x`.
    Parabola { square: f64, slope: f64 },
    /// `depth (e^(rate x) - 1)`.
    Exponential { depth: f64, rate: f64 },
    /// A function that is smooth there.
    Smooth(Function),
}

/// Inflections of the functions that are convex between two of them, to all digits.
const GELU_INFLECTION: f64 = SQRT_2;
const GELU_TANH_INFLECTION: f64 = 1.418_504_008_790_828_4;
const SILU_INFLECTION: f64 = 2.399_357_280_515_467_7;
const MISH_INFLECTIONS: [f64; 2] = [-2.256_376_396_360_793, 1.490_571_179_485_428_5];

/// Pieces of a wave that are made at most, and arguments beyond which inflections are not known to
/// enough digits.
const WAVES: f64 = 1e6;

impl Function {
    /// Why it is not defined on all of `[low, high]`, if it is not.
    pub(crate) fn defined(self, low: f64, high: f64) -> Result<(), String> {
        let whole = match self {
            Self::Log => low > 0.0,
            Self::Sqrt => low >= 0.0,
            Self::Reciprocal => low > 0.0 || high < 0.0,
            Self::Power { exponent } => {
                let pole = exponent < 0.0 && low <= 0.0 && high >= 0.0;
                !pole && (exponent.fract() == 0.0 || low >= 0.0)
            }
            _ => true,
        };
        if whole {
            return Ok(());
        }
        Err(format!("{self:?} is not defined on all of the interval from {low} to {high}"))
    }

    /// Its pieces in order, of which the first and the last cover all that lies beyond, for
    /// arguments between `low` and `high`; or why they are too many.
    pub(crate) fn pieces(self, low: f64, high: f64) -> Result<Vec<Piece>, String> {
        let smooth = Curve::Smooth(self);
        let sigmoidal = || vec![piece(0.0, true, smooth), last(false, smooth)];
        let convex_between = |[low, high]: [f64; 2]| {
            vec![piece(low, false, smooth), piece(high, true, smooth), last(false, smooth)]
        };
        Ok(match self {
            Self::Relu => kink(line(0.0, 0.0), line(1.0, 0.0)),
            Self::LeakyRelu { slope } => kink(line(slope, 0.0), line(1.0, 0.0)),
            Self::Abs => kink(line(-1.0, 0.0), line(1.0, 0.0)),
            Self::Elu { alpha } => exponential_unit([1.0, alpha, 1.0]),
            Self::Selu => exponential_unit(SELU),
            Self::Celu { alpha } => exponential_unit([1.0, alpha, 1.0 / alpha]),
            Self::Gelu => convex_between([-GELU_INFLECTION, GELU_INFLECTION]),
            Self::GeluTanh => convex_between([-GELU_TANH_INFLECTION, GELU_TANH_INFLECTION]),
            Self::Silu => convex_between([-SILU_INFLECTION, SILU_INFLECTION]),
            Self::Mish => convex_between(MISH_INFLECTIONS),
            Self::Softplus | Self::Exp => vec![last(true, smooth)],
            Self::Softsign
            | Self::Sigmoid
            | Self::Tanh
            | Self::Erf
            | Self::ContinuousBernoulliMean => sigmoidal(),
            Self::HardSigmoid { slope, offset } => clipped(slope, offset, 0.0, 1.0),
            Self::Clip { low, high } => {
                let high = high.unwrap_or(f64::INFINITY);
                // As the operator has it, the upper limit has the last word.
                clipped(1.0, 0.0, low.unwrap_or(f64::NEG_INFINITY).min(high), high)
            }
            Self::HardSwish => vec![
                piece(-3.0, true, line(0.0, 0.0)),
                piece(3.0, true, Curve::Parabola { square: 1.0 / 6.0, slope: 0.5 }),
                last(true, line(1.0, 0.0)),
            ],
            Self::Square => vec![last(true, Curve::Parabola { square: 1.0, slope: 0.0 })],
            Self::Log | Self::Sqrt => vec![last(false, smooth)],
            Self::Power { exponent } => power(exponent),
            Self::Reciprocal => power(-1.0),
            Self::Sin => waves(self, 0.0, low, high)?,
            Self::Cos => waves(self, 0.5, low, high)?,
        })
    }
}

fn piece(end: f64, convex: bool, curve: Curve) -> Piece {
    Piece { end, convex, curve }
}

fn last(convex: bool, curve: Curve) -> Piece {
    piece(f64::INFINITY, convex, curve)
}

fn line(slope: f64, offset: f64) -> Curve {
    Curve::Line { slope, offset }
}

/// Two lines that meet at 0.
fn kink(negative: Curve, positive: Curve) -> Vec<Piece> {
    vec![piece(0.0, true, negative), last(true, positive)]
}

fn exponential_unit([scale, depth, rate]: [f64; 3]) -> Vec<Piece> {
    let depth = scale * depth;
    let negative = Curve::Exponential { depth, rate };
    vec![piece(0.0, depth >= 0.0, negative), last(true, line(scale, 0.0))]
}

/// `slope x + offset`, clipped.
fn clipped(slope: f64, offset: f64, low: f64, high: f64) -> Vec<Piece> {
    if slope == 0.0 || low == high {
        return vec![last(true, line(0.0, offset.clamp(low, high)))];
    }
    let (first, second) = if slope > 0.0 { (low, high) } else { (high, low) };
    // A limit that is infinite is never reached.
    let reached = |limit: f64, unlimited| match limit.is_finite() {
        true => ((limit - offset) / slope, line(0.0, limit)),
        false => (unlimited, line(slope, offset)),
    };
    let (start, before) = reached(first, f64::NEG_INFINITY);
    let (end, after) = reached(second, f64::INFINITY);
    vec![piece(start, true, before), piece(end, true, line(slope, offset)), last(true, after)]
}

fn power(exponent: f64) -> Vec<Piece> {
    let smooth = Curve::Smooth(Function::Power { exponent });
    match exponent {
        0.0 => vec![last(true, line(0.0, 1.0))],
        1.0 => vec![last(true, line(1.0, 0.0))],
        _ => {
            let odd = exponent.rem_euclid(2.0) == 1.0;
            let convex = !(0.0..=1.0).contains(&exponent);
            vec![piece(0.0, !odd, smooth), last(convex, smooth)]
        }
    }
}

/// A wave that turns from convex to concave where `x / pi + phase` is even, and back where odd.
fn waves(function: Function, phase: f64, low: f64, high: f64) -> Result<Vec<Piece>, String> {
    let (first, end) = ((low / PI + phase).floor(), (high / PI + phase).ceil());
    if end - first > WAVES || low.abs().max(high.abs()) > WAVES {
        return Err(format!(
            "{function:?} of values from {low} to {high} is too far out or has too many periods"
        ));
    }
    let count = (end - first) as usize + 1;
    let half = |k: usize| {
        let number = first + k as f64;
        let concave = number.rem_euclid(2.0) == 0.0;
        piece((number + 1.0 - phase) * PI, !concave, Curve::Smooth(function))
    };
    Ok((0..count).map(half).collect())
}

impl Curve {
    pub(crate) fn value(self, x: f64) -> f64 {
        match self {
            Self::Line { slope, offset } => slope * x + offset,
            Self::Parabola { square, slope } => (square * x + slope) * x,
            Self::Exponential { depth, rate } => depth * (rate * x).exp_m1(),
            Self::Smooth(function) => value(function, x),
        }
    }

    /// What the rounding of a value is relative to: the sum of its terms, which may cancel.
    pub(crate) fn size(self, x: f64) -> f64 {
        match self {
            Self::Line { slope, offset } => (slope * x).abs() + offset.abs(),
            Self::Parabola { square, slope } => ((square * x).abs() + slope.abs()) * x.abs(),
            Self::Exponential { .. } | Self::Smooth(_) => self.value(x).abs(),
        }
    }

    pub(crate) fn slope(self, x: f64) -> f64 {
        match self {
            Self::Line { slope, .. } => slope,
            Self::Parabola { square, slope } => 2.0 * square * x + slope,
            Self::Exponential { depth, rate } => depth * rate * (rate * x).exp(),
            Self::Smooth(function) => slope(function, x),
        }
    }
}

fn value(function: Function, x: f64) -> f64 {
    match function {
        Function::Gelu => x * normal(x),
        Function::GeluTanh => x * logistic(gelu_tanh_logit(x)),
        Function::Silu => x * logistic(x),
        Function::Mish => x * mish_ratio(x),
        Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Function::Softsign => x / (1.0 + x.abs()),
        Function::Sigmoid => logistic(x),
        Function::Tanh => x.tanh(),
        Function::Erf => special::erf(x),
        Function::ContinuousBernoulliMean => continuous_bernoulli_mean(x),
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::Sqrt => x.sqrt(),
        Function::Power { exponent } => x.powf(exponent),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
        _ => unreachable!("{function:?} is made of other curves"),
    }
}

fn slope(function: Function, x: f64) -> f64 {
    match function {
        Function::Gelu => {
            normal(x) + x * FRAC_1_SQRT_2 * 0.5 * FRAC_2_SQRT_PI * (-0.5 * x * x).exp()
        }
        Function::GeluTanh => {
            let z = gelu_tanh_logit(x);
            let rate = GELU_TANH[0] * (1.0 + 3.0 * GELU_TANH[1] * x * x);
            logistic(z) * (1.0 + x * rate * logistic(-z))
        }
        Function::Silu => logistic(x) * (1.0 + x * logistic(-x)),
        Function::Mish => {
            let t = mish_ratio(x);
            t + x * logistic(x) * (1.0 - t) * (1.0 + t)
        }
        Function::Softplus => logistic(x),
        Function::Softsign => (1.0 + x.abs()).powi(-2),
        Function::Sigmoid => logistic(x) * logistic(-x),
        Function::Tanh => x.cosh().powi(-2),
        Function::Erf => FRAC_2_SQRT_PI * (-x * x).exp(),
        Function::ContinuousBernoulliMean => continuous_bernoulli_variance(x),
        Function::Exp => x.exp(),
        Function::Log => x.recip(),
        Function::Sqrt => 0.5 / x.sqrt(),
        Function::Power { exponent } => exponent * x.powf(exponent - 1.0),
        Function::Sin => x.cos(),
        Function::Cos => -x.sin(),
        _ => unreachable!("{function:?} is made of other curves"),
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The probability that a standard normal variable is less than x.
fn normal(x: f64) -> f64 {
    0.5 * special::erfc(-x * FRAC_1_SQRT_2)
}

fn gelu_tanh_logit(x: f64) -> f64 {
    GELU_TANH[0] * x * (1.0 + GELU_TANH[1] * x * x)
}

/// `tanh(softplus(x)) = w / (w + 2)` with `w = e^x (e^x + 2)`, which is 1 long before w overflows.
fn mish_ratio(x: f64) -> f64 {
    let e = x.min(40.0).exp();
    let w = e * (e + 2.0);
    w / (w + 2.0)
}

fn continuous_bernoulli_mean(x: f64) -> f64 {
    let magnitude = x.abs();
    let square = x * x;
    // Near 0 the closed form cancels; the series is exact to 1e-15 there.
    let below_half = if magnitude < 0.4 {
        let series = special::horner(square, &CONTINUOUS_BERNOULLI_SERIES);
        return 0.5 + x * series;
    } else {
        magnitude.recip() - magnitude.exp_m1().recip()
    };
    if x > 0.0 { 1.0 - below_half } else { below_half }
}

/// Coefficients `B_2k / (2k)!` of `(mean - 1/2) / x` as a series of `x^2`, the highest first.
const CONTINUOUS_BERNOULLI_SERIES: [f64; 8] = [
    -3617.0 / 10_670_622_842_880_000.0,
    1.0 / 74_724_249_600.0,
    -691.0 / 1_307_674_368_000.0,
    1.0 / 47_900_160.0,
    -1.0 / 1_209_600.0,
    1.0 / 30_240.0,
    -1.0 / 720.0,
    1.0 / 12.0,
];

fn continuous_bernoulli_variance(x: f64) -> f64 {
    let square = x * x;
    if x.abs() < 0.4 {
        let odd =
            CONTINUOUS_BERNOULLI_SERIES.iter().zip([15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0]);
        return odd.fold(0.0, |sum, (coefficient, factor)| sum * square + coefficient * factor);
    }
    // 4 sinh(x/2)^2 = e^|x| (1 - e^-|x|)^2, which cannot overflow once inverted.
    let decay = (-x.abs()).exp();
    square.recip() - decay / (1.0 - decay).powi(2)
}
