//! Element-wise kernels for CPU tensors.
//!
//! Burn's CPU backend evaluates transcendental functions one element at a time through
//! libm, 4 to 60 ns each; a decoder that ends in a sigmoid then spends a quarter of its time
//! there. These kernels are plain loops over the branch-free functions of [`scalar`] that
//! the compiler vectorises, compiled for every SIMD level and chosen at run time, at well
//! below 1 ns. They work in place on the tensor's own buffer.

use burn::tensor::Tensor;
use multiversion::multiversion;

use super::{host, scalar};

/// Applies `kernel` in place if `tensor` is a plain f32 CPU tensor, otherwise `general`.
pub(super) fn apply(
    tensor: Tensor<2>,
    kernel: impl FnOnce(&mut [f32]),
    general: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    if host::holds(&tensor) { host::in_place(tensor, kernel) } else { general(tensor) }
}

/// Kernels that apply the scalar functions of the same names to every element.
macro_rules! kernels {
    ($($function:ident($($parameters:ident: $type:ty)?),)+) => {$(
        #[multiversion(targets = "simd")]
        pub(super) fn $function(values: &mut [f32] $(, $parameters: $type)?) {
            for value in values {
                *value = scalar::$function(*value $(, $parameters)?);
            }
        }
    )+};
}

kernels! {
    abs_slope(),
    continuous_bernoulli_mean(),
    continuous_bernoulli_variance(),
    erf(),
    erf_slope(),
    exp(),
    exponential_unit(parameters: [f32; 3]),
    exponential_unit_slope(parameters: [f32; 3]),
    gelu(),
    gelu_slope(),
    gelu_tanh(),
    gelu_tanh_slope(),
    hard_swish(),
    hard_swish_slope(),
    log(),
    mish(),
    mish_slope(),
    sigmoid(),
    silu(),
    silu_slope(),
    softplus(),
    tanh(),
}
