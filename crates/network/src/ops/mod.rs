//! The operators, one file each, and their registry.
//!
//! A file holds everything that is true of its operator: its configuration (what
//! a manifest stores), its parameters, and the [`Calculus`]. To add an operator,
//! write that file and add one line to the registry at the end of this one;
//! nothing else in the program changes, and the property tests that hold for all
//! operators (`tests/calculus.rs`) only need an example and a definition of it
//! (`tests/support`).
//!
//! Every operator is made of Burn's tensor operations, so that it trains by autodiff and runs
//! on any device. Where a loop of our own is several times as fast on the CPU, `host` lets it
//! at the numbers of a tensor, `recorded` makes autodiff use it too, and the tests hold the two to
//! the same results.

mod activation;
mod add;
mod columns;
mod concat;
mod conv2d;
mod conv_transpose2d;
mod convolution;
mod curve;
mod elementwise;
mod elementwise_affine;
mod function;
mod gather;
mod group_sort;
mod host;
mod indices;
mod initialise;
mod linear;
mod matmul;
mod max_pool2d;
mod multiply;
mod recorded;
mod reshape;
mod scalar;
mod select;
mod softmax;
mod special;
mod standardise;
mod transposed;
mod window;

pub use activation::{Activation, ActivationConfig};
pub use add::{Add, AddConfig};
pub use concat::{Concat, ConcatConfig};
pub use conv_transpose2d::{ConvTranspose2d, ConvTranspose2dConfig};
pub use conv2d::{Conv2d, Conv2dConfig};
pub(crate) use curve::{Curve, Piece};
pub use elementwise_affine::{ElementwiseAffine, ElementwiseAffineConfig};
pub use function::Function;
pub use gather::{Gather, GatherConfig};
pub use group_sort::{GroupSort, GroupSortConfig};
pub use indices::Indices;
pub use initialise::Initialiser;
pub use linear::{Linear, LinearConfig};
pub use matmul::{MatMul, MatMulConfig};
pub use max_pool2d::{MaxPool2d, MaxPool2dConfig};
pub use multiply::{Multiply, MultiplyConfig};
pub use reshape::{Reshape, ReshapeConfig};
pub(crate) use scalar::{CONTINUOUS_BERNOULLI_MEAN, CONTINUOUS_BERNOULLI_NEAR};
pub use select::{Select, SelectConfig};
pub use softmax::{Softmax, SoftmaxConfig};
pub use standardise::{Standardise, StandardiseConfig};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::bounds::{Interval, Relaxation, affine_interval, affine_relaxation};

/// The values an operator was evaluated at, as its derivatives need them.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// The inputs, each `[rows, features]`.
    pub inputs: &'a [&'a Tensor<2>],
    /// The output, `[rows, features]`.
    pub output: &'a Tensor<2>,
}

/// Everything that is true of an operator.
///
/// Rows are independent samples; features are the flattened sample.
pub trait Calculus {
    /// Sample shape of the output for inputs of these sample shapes, or why there is none.
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String>;

    /// Evaluates the operator. Differentiable by Burn's autodiff.
    ///
    /// # Shapes
    /// Each input `[rows, features]`; output `[rows, output features]`.
    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2>;

    /// [`forward`](Self::forward) of inputs that nothing else reads any more, so that
    /// an element-wise operator can reuse their memory.
    fn forward_owned(&self, inputs: Vec<Tensor<2>>) -> Tensor<2> {
        self.forward(&inputs.iter().collect::<Vec<_>>())
    }

    /// Pushes `k` tangents per row forward: `J t`.
    ///
    /// # Shapes
    /// Each tangent `[rows, k, features]`, one per input; result `[rows, k, output features]`.
    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3>;

    /// Pulls `k` cotangents per row back: `c' J`.
    ///
    /// # Shapes
    /// Cotangent `[rows, k, output features]`; result one `[rows, k, features]` per input.
    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>>;

    /// Whether the output is an affine function of all inputs together. Such an operator is
    /// bounded by its vjp and its values for the absolute parameters, and needs no other rule.
    fn is_affine(&self) -> bool {
        false
    }

    /// Bounds of the output for inputs within intervals, or why there are none. Parameters are
    /// in f64.
    fn interval(&self, _inputs: &[&Interval]) -> Result<Interval, String> {
        Err(NO_RULE.to_string())
    }

    /// Linear bounds of the output for inputs within intervals, or why there are none.
    /// Parameters are in f64.
    fn relax(&self, _inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
        Err(NO_RULE.to_string())
    }
}

/// Why operators without a rule have no bounds.
const NO_RULE: &str = "there is no rule for this operator";

/// Merges the tangent axis into the rows: `[rows, k, features]` to `[rows * k, features]`.
fn merge(tangents: Tensor<3>) -> Tensor<2> {
    let [rows, count, features] = tangents.dims();
    tangents.reshape([rows * count, features])
}

/// Undoes [`merge`].
fn split(merged: Tensor<2>, count: usize) -> Tensor<3> {
    let [rows, features] = merged.dims();
    merged.reshape([rows / count, count, features])
}

macro_rules! registry {
    ($($(#[$doc:meta])* $name:literal => $variant:ident($config:ident),)+) => {
        /// An operator of a [`Network`](crate::Network), with its parameters.
        #[derive(Module, Debug)]
        #[allow(clippy::large_enum_variant)]
        pub enum Operator {
            $($(#[$doc])* $variant($variant),)+
        }

        /// What a manifest says of an operator: everything but its weights.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "operator")]
        pub enum OperatorConfig {
            $($(#[$doc])* #[serde(rename = $name)] $variant($config),)+
        }

        impl OperatorConfig {
            /// The operator with freshly initialised parameters.
            pub fn init(&self, initialiser: &mut Initialiser, device: &Device) -> Operator {
                match self {
                    $(Self::$variant(config) => {
                        Operator::$variant(config.init(initialiser, device))
                    })+
                }
            }

            /// Name of the operator as manifests and messages spell it.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }
        }

        impl Operator {
            /// Name of the operator as manifests and messages spell it.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// The configuration that describes this operator.
            pub fn config(&self) -> OperatorConfig {
                match self {
                    $(Self::$variant(operator) => OperatorConfig::$variant(operator.config.clone()),)+
                }
            }
        }

        impl Calculus for Operator {
            fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
                match self { $(Self::$variant(operator) => operator.output_shape(inputs),)+ }
            }

            fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
                match self { $(Self::$variant(operator) => operator.forward(inputs),)+ }
            }

            fn forward_owned(&self, inputs: Vec<Tensor<2>>) -> Tensor<2> {
                match self { $(Self::$variant(operator) => operator.forward_owned(inputs),)+ }
            }

            fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
                match self { $(Self::$variant(operator) => operator.jvp(at, tangents),)+ }
            }

            fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
                match self { $(Self::$variant(operator) => operator.vjp(at, cotangent),)+ }
            }

            fn is_affine(&self) -> bool {
                match self { $(Self::$variant(operator) => operator.is_affine(),)+ }
            }

            fn interval(&self, inputs: &[&Interval]) -> Result<Interval, String> {
                match self {
                    $(Self::$variant(operator) => match operator.is_affine() {
                        true => affine_interval(operator, inputs),
                        false => operator.interval(inputs),
                    })+
                }
            }

            fn relax(&self, inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
                match self {
                    $(Self::$variant(operator) => match operator.is_affine() {
                        true => Ok(affine_relaxation(operator, inputs)),
                        false => operator.relax(inputs),
                    })+
                }
            }
        }
    };
}

registry! {
    /// Affine map.
    "linear" => Linear(LinearConfig),
    /// Two-dimensional convolution.
    "conv2d" => Conv2d(Conv2dConfig),
    /// Transposed two-dimensional convolution.
    "conv_transpose2d" => ConvTranspose2d(ConvTranspose2dConfig),
    /// Element-wise nonlinearity.
    "activation" => Activation(ActivationConfig),
    /// New sample shape, same features.
    "reshape" => Reshape(ReshapeConfig),
    /// Sum of several values (residual connections).
    "add" => Add(AddConfig),
    /// Element-wise product of two values.
    "multiply" => Multiply(MultiplyConfig),
    /// One of two values, by the sign of a third.
    "select" => Select(SelectConfig),
    /// Scale and shift of every feature or channel.
    "elementwise_affine" => ElementwiseAffine(ElementwiseAffineConfig),
    /// Features in another order, repeated, left out or zero.
    "gather" => Gather(GatherConfig),
    /// Features of several values one after another.
    "concat" => Concat(ConcatConfig),
    /// Blocks of features brought to mean 0 and variance 1.
    "standardise" => Standardise(StandardiseConfig),
    /// Blocks of features made positive with sum 1.
    "softmax" => Softmax(SoftmaxConfig),
    /// Largest element under a sliding window.
    "max_pool2d" => MaxPool2d(MaxPool2dConfig),
    /// Pairs of features, the larger first.
    "group_sort" => GroupSort(GroupSortConfig),
    /// Matrix product of two values.
    "matmul" => MatMul(MatMulConfig),
}

/// The only input of an operator that takes one.
fn only<'a, T: ?Sized>(inputs: &[&'a T]) -> Result<&'a T, String> {
    match inputs {
        [input] => Ok(input),
        _ => Err(format!("takes one input, found {}", inputs.len())),
    }
}

/// Features of a sample of this shape, or why there are none. Shapes come from files, so
/// nothing about them can be taken for granted.
fn features(shape: &[usize]) -> Result<usize, String> {
    match shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side)) {
        Some(0) => Err(format!("shape {shape:?} is empty")),
        Some(features) => Ok(features),
        None => Err(format!("shape {shape:?} is too large")),
    }
}

/// `shape`, or why its features do not come in blocks of `block`.
fn blocks(shape: &[usize], block: usize) -> Result<Vec<usize>, String> {
    match features(shape)?.checked_rem(block) {
        Some(0) => Ok(shape.to_vec()),
        Some(_) => Err(format!("blocks of {block} features do not divide {shape:?}")),
        None => Err("a block must have at least one feature".to_string()),
    }
}
