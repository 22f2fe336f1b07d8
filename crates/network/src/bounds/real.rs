//! Tensors in f64 on the CPU, in which all bounds are computed, and the numbers in them.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// A tensor of these numbers, in f64 on the CPU.
pub(crate) fn tensor<const D: usize>(numbers: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), (&Device::flex(), DType::F64))
}

/// The numbers of a tensor. Copies them only if the tensor is shared, or not in f64.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let data = tensor.into_data().convert_dtype(DType::F64);
    data.try_into_vec().expect("converted to f64 just above")
}

/// A module with the same parameters in f64 on the CPU.
pub(crate) fn in_double<M: Module>(module: M) -> M {
    module.map(&mut InDouble)
}

/// A module with the absolute values of all parameters.
pub(crate) fn magnitudes<M: Module>(module: M) -> M {
    module.map(&mut Magnitudes)
}

struct InDouble;

impl ModuleMapper for InDouble {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let tensor = param.val();
        let shape = tensor.dims();
        Param::from_tensor(self::tensor(numbers(tensor), shape))
    }
}

struct Magnitudes;

impl ModuleMapper for Magnitudes {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        Param::from_tensor(param.val().abs())
    }
}

/// A bound on the relative error of a sum of so many products in f64, in any order and with or
/// without fused operations: `n u / (1 - n u)` for `u = 2^-53` (Higham 2002, section 3.1), with
/// 64 terms for what is done to the sum before and after, and twice that in all.
pub(crate) fn rounding(terms: usize) -> f64 {
    (terms + 64) as f64 * f64::EPSILON
}
