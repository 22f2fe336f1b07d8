//! Scalar functions in f32 for the loops of [`elementwise`](super::elementwise).
//!
//! All are free of branches (both sides of an `if` are computed), so that a loop over them
//! vectorises. Errors are a few ulp of the exact value, also near roots at 0 and in tails,
//! wherever that and what it is computed from are normal numbers. NaN stays NaN.

use std::f32::consts::{FRAC_2_SQRT_PI, LOG2_E, SQRT_2};

/// Adding it to a small number rounds that to an integer, in the low bits of the sum.
const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
/// ln 2 in two parts, the first with so few bits that its products with exponents are exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// `x` within bounds. Unlike [`f32::clamp`] this vectorises well, and like it, keeps NaN.
#[inline(always)]
fn limit(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

/// The polynomial with these coefficients, the highest power first.
#[inline(always)]
fn horner<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let [highest, lower @ ..] = coefficients.as_slice() else { return 0.0 };
    lower.iter().fold(*highest, |sum, coefficient| sum * x + coefficient)
}

/// `2^exponent` for exponents of normal numbers.
#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits((exponent.wrapping_add(127) << 23) as u32)
}

/// `p` and `n` with `e^(x + low) = 2^n (1 + p)`, for `|x| < 150` and a much smaller `low`.
/// Cody-Waite reduction to `|r| <= ln(2)/2` and a degree-6 polynomial (Cephes `expf`).
#[inline(always)]
fn reduced_exp(x: f32, low: f32) -> (f32, i32) {
    let shifted = x * LOG2_E + ROUND;
    let exponent = shifted - ROUND;
    let r = x - exponent * LN2_HIGH - exponent * LN2_LOW + low;
    let polynomial = horner(
        r,
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
    );
    // The low bits of `shifted` hold the integer (two's complement).
    (polynomial * r * r + r, (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32))
}

/// `e^(x + low)` for a `low` much smaller than `x`.
#[inline(always)]
fn exp_sum(x: f32, low: f32) -> f32 {
    let (p, n) = reduced_exp(limit(x, -104.0, 89.0), low);
    // In two steps, because the powers of the largest and smallest results are not normal.
    let half = n >> 1;
    (p + 1.0) * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    exp_sum(x, 0.0)
}

/// `e^x - 1` for x at most 0.
#[inline(always)]
fn exp_minus_one(x: f32) -> f32 {
    // Below -30 the result is -1.
    let (p, n) = reduced_exp(limit(x, -30.0, 0.0), 0.0);
    p * power_of_two(n) + (power_of_two(n) - 1.0)
}

/// `e^(-rate x^2)` for a rate that is a power of two: the square is formed without error,
/// which `exp` would magnify by the square itself.
#[inline(always)]
fn exp_of_square(x: f32, rate: f32) -> f32 {
    let magnitude = limit(x.abs(), 0.0, 15.0);
    // Half of the bits, so that the square fits.
    let high = f32::from_bits(magnitude.to_bits() & 0xffff_f000);
    exp_sum(-rate * high * high, -rate * (magnitude - high) * (magnitude + high))
}

/// `artanh(s) / s` as a function of `s^2 <= 1/9`: a minimax polynomial of relative error 2e-8.
#[inline(always)]
fn artanh_ratio(square: f32) -> f32 {
    horner(square, [0.134_305_1, 0.141_175_2, 0.200_038_13, 0.333_333_2, 1.0])
}

#[inline(always)]
pub(super) fn log(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let subnormal = x < f32::MIN_POSITIVE;
    let bits = if subnormal { x * 8_388_608.0 } else { x }.to_bits();
    // x = 2^n m with m between sqrt(1/2) and sqrt(2).
    let n = (bits.wrapping_sub(SQRT_HALF) as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((n << 23) as u32));
    let exponent = n as f32 - if subnormal { 23.0 } else { 0.0 };
    let s = (m - 1.0) / (m + 1.0);
    let log = 2.0 * s * artanh_ratio(s * s) + exponent * LN2_LOW + exponent * LN2_HIGH;
    let infinite = if x == 0.0 { f32::NEG_INFINITY } else { x };
    let outside = if x < 0.0 { f32::NAN } else { infinite };
    if x > 0.0 && x < f32::INFINITY { log } else { outside }
}

/// `ln(1 + x)` for x between 0 and 1.
#[inline(always)]
fn log_one_plus(x: f32) -> f32 {
    let s = x / (2.0 + x);
    2.0 * s * artanh_ratio(s * s)
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Cephes `tanhf`: an odd polynomial near zero, the exponential form elsewhere.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let square = x * x;
    let polynomial =
        horner(square, [-5.704_988e-3, 2.063_909e-2, -5.373_971e-2, 1.333_144_2e-1, -3.333_328e-1]);
    let near = polynomial * square * x + x;
    let far = (1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0)).copysign(x);
    if x.abs() < 0.625 { near } else { far }
}

#[inline(always)]
pub(super) fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

#[inline(always)]
pub(super) fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    s * (x * (1.0 - s) + 1.0)
}

#[inline(always)]
pub(super) fn softplus(x: f32) -> f32 {
    limit(x, 0.0, f32::INFINITY) + log_one_plus(exp(-x.abs()))
}

/// `scale x` for positive x, `scale alpha (e^(rate x) - 1)` otherwise.
#[inline(always)]
pub(super) fn exponential_unit(x: f32, [scale, alpha, rate]: [f32; 3]) -> f32 {
    scale * if x > 0.0 { x } else { alpha * exp_minus_one(rate * x) }
}

#[inline(always)]
pub(super) fn exponential_unit_slope(x: f32, [scale, alpha, rate]: [f32; 3]) -> f32 {
    scale * if x > 0.0 { 1.0 } else { alpha * rate * exp(rate * x) }
}

/// The normal distribution: the probability of less than x, and `e^(-x^2/2)`.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let magnitude = limit(x.abs(), 0.0, 15.0);
    let gaussian = exp_of_square(x, 0.5);
    // The tail over e^(-x^2/2), which is Mills' ratio but for a factor, is t times a minimax
    // polynomial, of relative error 3e-8.
    let t = 1.0 / (1.0 + 0.35 * magnitude);
    let polynomial = horner(
        t,
        [
            -2.914_588_2e-2,
            0.143_971_45,
            -0.255_713_7,
            0.159_173_52,
            -2.310_938e-2,
            0.105_507_81,
            0.119_832_92,
            0.139_861_86,
            0.139_621_4,
        ],
    );
    let tail = polynomial * t * gaussian;
    (if x > 0.0 { 1.0 - tail } else { tail }, gaussian)
}

#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let square = x * x;
    // Minimax polynomial for erf(x) / x, of relative error 4e-8.
    let polynomial = horner(
        square,
        [
            -5.631_406_4e-4,
            4.917_547e-3,
            -2.671_130_7e-2,
            0.112_801_8,
            -0.376_123_26,
            FRAC_2_SQRT_PI,
        ],
    );
    let (cumulative, _) = normal(x.abs() * SQRT_2);
    let far = (2.0 * cumulative - 1.0).copysign(x);
    if x.abs() < 1.0 { polynomial * x } else { far }
}

#[inline(always)]
pub(super) fn erf_slope(x: f32) -> f32 {
    FRAC_2_SQRT_PI * exp_of_square(x, 1.0)
}

#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    x * normal(x).0
}

#[inline(always)]
pub(super) fn gelu_slope(x: f32) -> f32 {
    let (cumulative, gaussian) = normal(x);
    cumulative + x * gaussian * 0.398_942_3
}

/// `sqrt(8/pi)`: the argument of the logistic function in [`gelu_tanh`] over x, at 0.
const GELU_RATE: f32 = 1.595_769;

/// `x (1 + tanh(u)) / 2 = x sigmoid(2 u)`, which does not cancel. In the left tail the rounding
/// of u is magnified by its size, to 2e-5 at x = -10.
#[inline(always)]
pub(super) fn gelu_tanh(x: f32) -> f32 {
    x * sigmoid(GELU_RATE * x * (0.044_715 * x * x + 1.0))
}

#[inline(always)]
pub(super) fn gelu_tanh_slope(x: f32) -> f32 {
    let square = 0.044_715 * x * x;
    let s = sigmoid(GELU_RATE * x * (square + 1.0));
    s + s * (1.0 - s) * (x * GELU_RATE * (3.0 * square + 1.0))
}

/// `tanh(softplus(x)) = w / (w + 2)` with `w = e^x (e^x + 2)`: returns x and `e^x`, both
/// limited to where the ratio is 1 anyway, and w.
#[inline(always)]
fn mish_terms(x: f32) -> (f32, f32, f32) {
    let limited = limit(x, f32::NEG_INFINITY, 30.0);
    let e = exp(limited);
    (limited, e, e * (e + 2.0))
}

#[inline(always)]
pub(super) fn mish(x: f32) -> f32 {
    let (_, _, w) = mish_terms(x);
    x * (w / (w + 2.0))
}

#[inline(always)]
pub(super) fn mish_slope(x: f32) -> f32 {
    let (x, e, w) = mish_terms(x);
    let scale = 1.0 / (w + 2.0);
    w * scale + 4.0 * x * e * (e + 1.0) * scale * scale
}

#[inline(always)]
pub(super) fn hard_swish(x: f32) -> f32 {
    x * limit(x + 3.0, 0.0, 6.0) * (1.0 / 6.0)
}

#[inline(always)]
pub(super) fn hard_swish_slope(x: f32) -> f32 {
    let upper = if x >= 3.0 { 1.0 } else { x * (1.0 / 3.0) + 0.5 };
    if x <= -3.0 { 0.0 } else { upper }
}

#[inline(always)]
pub(super) fn abs_slope(x: f32) -> f32 {
    let upper = if x > 0.0 { 1.0 } else { x };
    if x < 0.0 { -1.0 } else { upper }
}

/// Below this magnitude a polynomial replaces the closed forms for the continuous Bernoulli,
/// which cancel near 0.
pub(crate) const CONTINUOUS_BERNOULLI_NEAR: f32 = 2.5;

/// Near 0, (mean - 1/2) / x as a polynomial of x^2: minimax, of relative error 3e-9.
pub(crate) const CONTINUOUS_BERNOULLI_MEAN: [f32; 6] =
    [-3.376_262e-10, 1.965_973_5e-8, -8.229_604e-7, 3.306_342_6e-5, -1.388_886_1e-3, 8.333_333e-2];

/// `e^-|x| / (1 - e^-|x|)` and `1 - e^-|x|`.
#[inline(always)]
fn bose(x: f32) -> (f32, f32) {
    let e = exp(-x.abs());
    (e / (1.0 - e), 1.0 - e)
}

#[inline(always)]
pub(super) fn continuous_bernoulli_mean(x: f32) -> f32 {
    let square = x * x;
    let polynomial = horner(square, CONTINUOUS_BERNOULLI_MEAN);
    let near = polynomial * x + 0.5;
    let below_half = x.abs().recip() - bose(x).0;
    let far = if x > 0.0 { 1.0 - below_half } else { below_half };
    if x.abs() < CONTINUOUS_BERNOULLI_NEAR { near } else { far }
}

/// Derivative of [`continuous_bernoulli_mean`].
#[inline(always)]
pub(super) fn continuous_bernoulli_variance(x: f32) -> f32 {
    let square = x * x;
    // Minimax polynomial of relative error 4e-8.
    let polynomial = horner(
        square,
        [
            -3.414_999e-9,
            1.727_075_4e-7,
            -5.739_993_4e-6,
            1.652_762_1e-4,
            -4.166_630_4e-3,
            8.333_333e-2,
        ],
    );
    let (ratio, complement) = bose(x);
    let far = square.recip() - ratio / complement;
    if x.abs() < CONTINUOUS_BERNOULLI_NEAR { polynomial } else { far }
}
