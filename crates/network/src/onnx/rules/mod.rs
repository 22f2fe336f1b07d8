//! What each ONNX operator becomes.
//!
//! A rule receives a node with its inputs and either computes its outputs (constants and
//! shapes) or adds operators to the draft (whatever depends on the network's input). There
//! are many more ONNX operators than [operators](crate::ops) here: most are a few of ours
//! in a row.

mod arithmetic;
mod attention;
mod choice;
mod convolution;
mod einsum;
pub(super) mod elementwise;
mod indexing;
mod layout;
mod linear;
mod moves;
mod normalisation;
mod pieces;
mod pooling;
mod reduction;
mod repetition;
mod resize;
mod shape;

use super::call::Call;
use super::draft::Draft;
use super::value::Value;

/// What becomes of a node: its outputs, or why it cannot be understood.
pub(crate) type Rule = fn(&mut Draft, &Call<'_>) -> Result<Vec<Value>, String>;

/// The rule of an operator of ONNX's own set, if there is one.
pub(crate) fn rule(operator: &str) -> Option<Rule> {
    Some(match operator {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" | "Mod" | "Equal" | "Less"
        | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" => arithmetic::binary,
        "Sum" | "Mean" => arithmetic::total,
        "Where" => choice::choice,

        "Relu" | "LeakyRelu" | "Elu" | "Selu" | "Celu" | "Gelu" | "Sigmoid" | "Tanh"
        | "Softplus" | "Softsign" | "HardSigmoid" | "HardSwish" | "Mish" | "Swish" | "Exp"
        | "Log" | "Sqrt" | "Reciprocal" | "Abs" | "Erf" | "Sin" | "Cos" => elementwise::function,
        "Neg" | "Floor" | "Ceil" | "Round" | "Not" => elementwise::simple,
        "Sign" => choice::sign,
        "Clip" => elementwise::clip,
        "PRelu" => elementwise::prelu,

        "Gemm" => linear::gemm,
        "MatMul" => linear::matmul,
        "Einsum" => einsum::einsum,
        "Attention" => attention::attention,
        "Conv" => convolution::conv,
        "ConvTranspose" => convolution::conv_transpose,
        "AveragePool" => pooling::average,
        "MaxPool" => pooling::max,
        "GlobalAveragePool" | "GlobalMaxPool" => pooling::global,

        "BatchNormalization" => normalisation::batch,
        "InstanceNormalization" => normalisation::instance,
        "GroupNormalization" => normalisation::group,
        "LayerNormalization" => normalisation::layer,
        "RMSNormalization" => normalisation::root_mean_square,
        "Softmax" | "LogSoftmax" => normalisation::softmax,

        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceL2" | "ReduceSumSquare"
        | "ReduceProd" | "ReduceL1" | "ReduceLogSum" | "ReduceLogSumExp" => reduction::reduce,
        "CumSum" => reduction::cumulative,

        "Reshape" => layout::reshape,
        "Flatten" => layout::flatten,
        "Squeeze" => layout::squeeze,
        "Unsqueeze" => layout::unsqueeze,
        "Transpose" => layout::transpose,
        "Split" => pieces::split,
        "Concat" => pieces::concat,
        "Slice" => pieces::slice,
        "Pad" => pieces::pad,
        "Gather" => indexing::gather,
        "GatherND" => indexing::gather_nd,
        "ScatterND" => indexing::scatter_nd,
        "OneHot" => indexing::one_hot,
        "Trilu" => indexing::triangle,
        "Expand" => repetition::expand,
        "Tile" => repetition::tile,
        "DepthToSpace" | "SpaceToDepth" => layout::depth_and_space,
        "Resize" | "Upsample" => resize::resize,

        "Constant" => shape::constant,
        "ConstantOfShape" => shape::constant_of_shape,
        "Shape" => shape::shape,
        "Size" => shape::size,
        "Range" => shape::range,
        "Cast" | "CastLike" => shape::cast,
        "Identity" | "Dropout" => shape::identity,
        "RandomNormal" | "RandomNormalLike" => shape::noise,
        _ => return None,
    })
}
