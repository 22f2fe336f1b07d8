//! Element-wise kernels for CPU tensors.
//!
//! Burn's CPU backend evaluates transcendental functions one element at a time
//! through libm, about 5 ns each; a decoder that ends in a sigmoid then spends a
//! quarter of its time there. These kernels are plain loops over branch-free
//! polynomials that the compiler vectorises, compiled for every SIMD level and
//! chosen at run time, at about a tenth of that cost. They work in place on the
//! tensor's own buffer. Tensors that autodiff tracks, or that live on another
//! device, take Burn's operations instead.

use burn::tensor::{DType, Device, Tensor};
use multiversion::multiversion;

/// Applies `kernel` in place if `tensor` is a plain f32 CPU tensor, otherwise `general`.
pub(super) fn apply(
    tensor: Tensor<2>,
    kernel: fn(&mut [f32]),
    general: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    let device = tensor.device();
    if tensor.is_autodiff() || tensor.dtype() != DType::F32 || device != Device::flex() {
        return general(tensor);
    }
    let mut data = tensor.into_data();
    match data.as_mut_slice::<f32>() {
        Ok(values) => {
            kernel(values);
            Tensor::from_data(data, &device)
        }
        Err(_) => general(Tensor::from_data(data, &device)),
    }
}

/// `e^x` to about 1 ulp for `|x| < 87`, clamped to the finite range beyond; NaN stays NaN.
/// Cody-Waite reduction to `|r| <= ln(2)/2` and a degree-6 polynomial (Cephes `expf`).
#[inline(always)]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // min/max order keeps NaN: `clamp` would, too, but does not vectorise as well.
    let clamped = if x > 87.3 { 87.3 } else { x };
    let clamped = if clamped < -87.3 { -87.3 } else { clamped };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let exponent = shifted - ROUND;
    let r = clamped - exponent * LN2_HIGH - exponent * LN2_LOW;
    let mut polynomial = 1.987_569_1e-4;
    polynomial = polynomial * r + 1.398_199_9e-3;
    polynomial = polynomial * r + 8.333_452e-3;
    polynomial = polynomial * r + 4.166_579_6e-2;
    polynomial = polynomial * r + 1.666_666_5e-1;
    polynomial = polynomial * r + 0.5;
    let mantissa = polynomial * r * r + r + 1.0;
    // The low bits of `shifted` hold the integer exponent (two's complement).
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    mantissa * scale
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Cephes `tanhf`: an odd polynomial near zero, the exponential form elsewhere.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let square = x * x;
    let mut polynomial = -5.704_988e-3;
    polynomial = polynomial * square + 2.063_909e-2;
    polynomial = polynomial * square - 5.373_971e-2;
    polynomial = polynomial * square + 1.333_144_2e-1;
    polynomial = polynomial * square - 3.333_328e-1;
    let near = polynomial * square * x + x;
    let far = (1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0)).copysign(x);
    if x.abs() < 0.625 { near } else { far }
}

/// Logistic function of every element.
#[multiversion(targets = "simd")]
pub(super) fn sigmoid_in_place(values: &mut [f32]) {
    for value in values {
        *value = sigmoid(*value);
    }
}

/// Hyperbolic tangent of every element.
#[multiversion(targets = "simd")]
pub(super) fn tanh_in_place(values: &mut [f32]) {
    for value in values {
        *value = tanh(*value);
    }
}

/// `x sigmoid(x)` of every element.
#[multiversion(targets = "simd")]
pub(super) fn silu_in_place(values: &mut [f32]) {
    for value in values {
        *value *= sigmoid(*value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest error relative to `|exact| + floor`, over a dense grid.
    fn worst(kernel: fn(&mut [f32]), exact: fn(f64) -> f64, range: f64, floor: f64) -> f64 {
        let grid: Vec<f32> =
            (-200_000..=200_000).map(|k| (k as f64 / 2e5 * range) as f32).collect();
        let mut values = grid.clone();
        kernel(&mut values);
        grid.iter()
            .zip(&values)
            .map(|(&x, &y)| {
                (f64::from(y) - exact(f64::from(x))).abs() / (exact(f64::from(x)).abs() + floor)
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn kernels_are_accurate_to_a_few_ulp() {
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        assert!(worst(sigmoid_in_place, logistic, 80.0, 0.0) < 5e-7);
        assert!(worst(sigmoid_in_place, logistic, 1.0, 0.0) < 3e-7);
        assert!(worst(tanh_in_place, f64::tanh, 20.0, 0.0) < 5e-7);
        assert!(worst(tanh_in_place, f64::tanh, 1e-3, 0.0) < 3e-7);
        assert!(worst(silu_in_place, |x| x / (1.0 + (-x).exp()), 80.0, 0.0) < 5e-7);
    }

    #[test]
    fn extremes_saturate_and_nan_stays_nan() {
        let mut values = [f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, f32::NAN];
        sigmoid_in_place(&mut values);
        assert_eq!((values[0], values[2]), (1.0, 1.0));
        assert!(values[1] < 1e-37 && values[3] < 1e-37 && values[4].is_nan());
        let mut values = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        tanh_in_place(&mut values);
        assert_eq!((values[0], values[1]), (1.0, -1.0));
        assert!(values[2].is_nan());
    }
}
