use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::objective::number;

/// How weights without constraints become layers that are 1-Lipschitz in l2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LipschitzLayers {
    /// Björck and Bowie's iteration to the nearest orthogonal matrix [Anil et al. 2019; Barrett
    /// et al. 2022]. Convolutions get orthonormal filters, over the root of the number of
    /// windows that a feature is under.
    #[default]
    Bjorck,
    /// Almost-orthogonal layers: every row, or column if these are fewer, by the root of the sum of
    /// its absolute products with all of them [Prach & Lampert 2022].
    Aol,
}

/// Steps that make any weight orthonormal in f64, unless it is singular.
const MOST_STEPS: usize = 200;

impl LipschitzLayers {
    /// The 1-Lipschitz matrix that a weight stands for, up to rounding; differentiable.
    pub(super) fn matrix(self, weight: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Bjorck => bjorck(weight),
            Self::Aol => almost_orthogonal(weight),
        }
    }

    /// The kernel of a 1-Lipschitz convolution that a weight stands for, up to rounding;
    /// differentiable.
    ///
    /// # Shapes
    /// `[output channels, input channels, kernel height, kernel width]`; the stride divides the
    /// kernel.
    pub(super) fn kernel(self, weight: Tensor<4>, stride: [usize; 2]) -> Tensor<4> {
        match self {
            Self::Bjorck => by_filters(weight, stride, bjorck),
            Self::Aol => {
                let shape = weight.dims();
                from_phases(almost_orthogonal_kernel(to_phases(weight, stride)), shape, stride)
            }
        }
    }

    /// As [`matrix`](Self::matrix), all the way, for weights in f64.
    pub(super) fn exact_matrix(self, weight: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Bjorck => orthonormal(weight),
            Self::Aol => almost_orthogonal(weight),
        }
    }

    /// As [`kernel`](Self::kernel), all the way, for weights in f64.
    pub(super) fn exact_kernel(self, weight: Tensor<4>, stride: [usize; 2]) -> Tensor<4> {
        match self {
            Self::Bjorck => by_filters(weight, stride, orthonormal),
            Self::Aol => self.kernel(weight, stride),
        }
    }

    /// Whether weights are kept close to what they stand for, so that one step of an iteration is
    /// enough in [`matrix`](Self::matrix).
    pub(super) fn is_iterative(self) -> bool {
        self == Self::Bjorck
    }
}

/// The nearest matrix with orthonormal rows or columns, whichever are fewer.
pub(super) fn orthonormal(weight: Tensor<2>) -> Tensor<2> {
    let mut weight = weight;
    let close = if weight.dtype() == DType::F64 { 1e-13 } else { 1e-6 };
    for _ in 0..MOST_STEPS {
        let next = bjorck(weight.clone());
        let change = number((next.clone() - weight).abs().max());
        weight = next;
        // Singular values that are not 1 yet would grow by half.
        if change < close {
            break;
        }
    }
    weight
}

/// One step: `W (3 I - W'W) / 2`, which takes a singular value s in (0, 1] to `s (3 - s^2) / 2`,
/// closer to 1. First W is scaled so that none is larger: `|W|^2 <= |W'W|_inf`.
pub(super) fn bjorck(weight: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = weight.dims();
    if rows < columns {
        return bjorck(weight.transpose()).transpose();
    }
    let gram = weight.clone().transpose().matmul(weight.clone());
    let square = number(gram.clone().detach().abs().sum_dim(1).max()).max(f64::MIN_POSITIVE);
    let eye = Tensor::<2>::eye(columns, &weight.device()).cast(weight.dtype());
    let step = eye * (1.5 / square.sqrt()) - gram * (0.5 / (square * square.sqrt()));
    weight.matmul(step)
}

/// With `d_i = sum_j |W'W|_ij`, `diag(d) - W'W` is diagonally dominant and so not negative, and the
/// columns over `sqrt(d)` have norm 1 together.
fn almost_orthogonal(weight: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = weight.dims();
    if rows < columns {
        return almost_orthogonal(weight.transpose()).transpose();
    }
    let gram = weight.clone().transpose().matmul(weight.clone());
    weight * inverse_root(gram.abs().sum_dim(0))
}

/// The same for a convolution of stride 1, whose products with itself are a convolution again.
fn almost_orthogonal_kernel(kernel: Tensor<4>) -> Tensor<4> {
    let [outputs, inputs, height, width] = kernel.dims();
    if outputs > inputs {
        return almost_orthogonal_kernel(kernel.swap_dims(0, 1)).swap_dims(0, 1);
    }
    let options = ConvOptions::new([1, 1], [height - 1, width - 1], [1, 1], 1);
    let products = conv2d(kernel.clone(), kernel.clone(), None, options);
    let sums = products.abs().sum_dim(1).sum_dim(2).sum_dim(3);
    kernel * inverse_root(sums)
}

fn inverse_root<const D: usize>(squares: Tensor<D>) -> Tensor<D> {
    squares.clamp_min(1e-30).sqrt().recip()
}

/// `change` of the matrix of filters, over the root of the number of windows that a feature is
/// under: what a feature gives to each of them counts once.
fn by_filters(
    weight: Tensor<4>,
    stride: [usize; 2],
    change: impl Fn(Tensor<2>) -> Tensor<2>,
) -> Tensor<4> {
    let shape = weight.dims();
    let windows = shape[2] / stride[0] * (shape[3] / stride[1]);
    change(filters(weight)).reshape(shape) * (windows as f64).sqrt().recip()
}

/// The filters of a kernel as rows.
pub(super) fn filters(weight: Tensor<4>) -> Tensor<2> {
    let [outputs, inputs, height, width] = weight.dims();
    weight.reshape([outputs, inputs * height * width])
}

/// A convolution as one of stride 1, of images whose channels are those of the input at each
/// remainder of the coordinates.
fn to_phases(weight: Tensor<4>, [up, right]: [usize; 2]) -> Tensor<4> {
    let [outputs, inputs, height, width] = weight.dims();
    weight
        .reshape([outputs, inputs, height / up, up, width / right, right])
        .permute([0, 1, 3, 5, 2, 4])
        .reshape([outputs, inputs * up * right, height / up, width / right])
}

/// Undoes [`to_phases`].
fn from_phases(kernel: Tensor<4>, shape: [usize; 4], [up, right]: [usize; 2]) -> Tensor<4> {
    let [outputs, inputs, height, width] = shape;
    kernel
        .reshape([outputs, inputs, up, right, height / up, width / right])
        .permute([0, 1, 4, 2, 5, 3])
        .reshape(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::tensor::Device;
    use vaegis_network::lipschitz::norm;
    use vaegis_network::ops::{Conv2dConfig, Initialiser, LinearConfig, Operator, OperatorConfig};

    const LAYERS: [LipschitzLayers; 2] = [LipschitzLayers::Bjorck, LipschitzLayers::Aol];

    #[test]
    fn matrices_keep_lengths_at_most_and_bjorck_keeps_them() {
        for (inputs, outputs) in [(7, 7), (30, 12), (5, 40), (1, 3)] {
            let config = LinearConfig { inputs, outputs };
            let linear = config.init(&mut Initialiser::new(3), &Device::flex());
            for layers in LAYERS {
                let weight = layers.exact_matrix(linear.weight.val().cast(DType::F64));
                let mut layer = linear.clone();
                layer.weight = Param::from_tensor(weight.cast(DType::F32));
                let found = norm(&Operator::Linear(layer)).unwrap();
                let least = if layers == LipschitzLayers::Bjorck { 1.0 - 1e-6 } else { 0.2 };
                assert!((least..=1.0 + 1e-6).contains(&found), "{layers:?} {found}");
            }
            // All singular values are 1: products with the transpose are those of a projection.
            let weight = orthonormal(linear.weight.val().cast(DType::F64));
            let back = weight.clone().matmul(weight.clone().transpose()).matmul(weight.clone());
            assert!(number((back - weight).abs().max()) < 1e-12);
        }
    }

    #[test]
    fn kernels_keep_lengths_at_most() {
        for (inputs, channels) in [(1, 8), (3, 4), (6, 2)] {
            for (kernel, stride) in [([4, 4], [2, 2]), ([3, 3], [1, 1]), ([2, 4], [2, 1])] {
                let config = Conv2dConfig {
                    input: [inputs, 40, 40],
                    channels,
                    kernel,
                    stride,
                    padding: [1, 1],
                    dilation: [1, 1],
                    groups: 1,
                };
                let device = Device::flex();
                let operator = OperatorConfig::Conv2d(config);
                let Operator::Conv2d(conv) = operator.init(&mut Initialiser::new(3), &device)
                else {
                    unreachable!("a convolution")
                };
                for layers in LAYERS {
                    let weight = layers.exact_kernel(conv.weight.val().cast(DType::F64), stride);
                    let mut layer = conv.clone();
                    layer.weight = Param::from_tensor(weight.cast(DType::F32));
                    let found = norm(&Operator::Conv2d(layer)).unwrap();
                    assert!((0.2..=1.003).contains(&found), "{layers:?} {found}");
                }
            }
        }
    }

    #[test]
    fn phases_come_back() {
        let weight = Initialiser::new(1).uniform([3, 2, 4, 6], 1, &Device::flex()).val();
        let back = from_phases(to_phases(weight.clone(), [2, 3]), [3, 2, 4, 6], [2, 3]);
        assert_eq!(number((back - weight).abs().max()), 0.0);
    }

    #[test]
    fn a_step_has_the_derivative_of_the_projection() {
        // At an orthonormal matrix, changes along it are lost: those that only scale it.
        let device = Device::flex().autodiff();
        let weight = orthonormal(Initialiser::new(2).uniform([6, 4], 4, &Device::flex()).val());
        let leaf = Tensor::<2>::from_data(weight.clone().into_data(), &device).require_grad();
        let along = Tensor::<2>::from_data(weight.clone().into_data(), &device);
        let gradient = leaf.grad(&(bjorck(leaf.clone()) * along).sum().backward()).unwrap();
        assert!(number(gradient.abs().max()) < 1e-5);
    }
}
