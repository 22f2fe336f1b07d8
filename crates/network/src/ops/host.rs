//! Access to the numbers of CPU tensors, for loops of ours that beat Burn's operations.
//!
//! Tensors that autodiff tracks, or that live on another device, take Burn's operations
//! instead: every operator that uses this module can do without it.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Whether `tensor` is a plain f32 CPU tensor.
pub(super) fn holds<const D: usize>(tensor: &Tensor<D>) -> bool {
    !tensor.is_autodiff() && tensor.dtype() == DType::F32 && tensor.device() == Device::flex()
}

/// The numbers of a tensor that [`holds`] accepts, row after row. Copies them only if they are not
/// stored like this.
pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> Numbers {
    let tensor = tensor.try_into_primitive::<Flex>().expect("a CPU tensor");
    Numbers(if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() })
}

/// The numbers of a CPU tensor.
#[derive(Debug)]
pub(super) struct Numbers(FloatTensor<Flex>);

impl Numbers {
    pub(super) fn get(&self) -> &[f32] {
        self.0.as_slice().expect("contiguous f32")
    }

    /// Whether both are the same memory. As long as one is kept, whoever changes the other changes
    /// a copy.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.get(), other.get())
    }
}

/// Applies `kernel` to the numbers of a tensor that [`holds`] accepts. Copies them only if
/// the tensor is shared.
pub(super) fn in_place<const D: usize>(
    tensor: Tensor<D>,
    kernel: impl FnOnce(&mut [f32]),
) -> Tensor<D> {
    let device = tensor.device();
    let mut data = tensor.into_data();
    kernel(data.as_mut_slice().expect("f32 on the CPU"));
    Tensor::from_data(data, &device)
}

/// What `kernel` makes of every row of a tensor that [`holds`] accepts. It is given the
/// number of the row, the row and the result, which is zero until then.
///
/// # Shapes
/// `tensor`: `[rows, features]`; result `[rows, outputs]`.
pub(super) fn map_rows(
    tensor: Tensor<2>,
    outputs: usize,
    mut kernel: impl FnMut(usize, &[f32], &mut [f32]),
) -> Tensor<2> {
    let [rows, features] = tensor.dims();
    let device = tensor.device();
    let input = read(tensor);
    let mut output = vec![0f32; rows * outputs];
    let both = input.get().chunks_exact(features).zip(output.chunks_exact_mut(outputs));
    both.enumerate().for_each(|(row, (input, output))| kernel(row, input, output));
    Tensor::from_data(TensorData::new(output, [rows, outputs]), &device)
}

/// Numbers that are summed side by side, so that the compiler can vectorise the sum.
const LANES: usize = 16;

/// The sum of `term` over all values.
#[inline(always)]
pub(super) fn sum(values: &[f32], term: impl Fn(f32) -> f64) -> f64 {
    sum_of_two(values, values, |value, _| term(value))
}

/// The sum of `term` over all pairs of values at the same position.
#[inline(always)]
pub(super) fn sum_of_two(left: &[f32], right: &[f32], term: impl Fn(f32, f32) -> f64) -> f64 {
    let mut lanes = [0f64; LANES];
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            lanes[lane] += term(left[lane], right[lane]);
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(&left, &right)| term(left, right)).sum();
    rest + fold(lanes, |a, b| a + b)
}

/// The largest value; NaN counts for nothing.
#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], chunk[lane]);
        }
    }
    rest.iter().fold(fold(lanes, larger), |a, &b| larger(a, b))
}

/// All lanes combined, each half with the other at every step.
#[inline(always)]
fn fold<T: Copy>(mut lanes: [T; LANES], combine: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = combine(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}
