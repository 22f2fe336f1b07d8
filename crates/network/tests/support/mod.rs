//! Random tensors and small networks of one operator, for the tests of operators.

#[allow(dead_code)] // for the tests of bounds
pub(crate) mod balls;
pub(crate) mod reference;

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use vaegis_network::ops::{
    ActivationConfig, AddConfig, ConcatConfig, Conv2dConfig, ConvTranspose2dConfig,
    ElementwiseAffineConfig, Function, GatherConfig, GroupSortConfig, Initialiser, LinearConfig,
    MatMulConfig, MaxPool2dConfig, MultiplyConfig, OperatorConfig, ReshapeConfig, SelectConfig,
    SoftmaxConfig, StandardiseConfig,
};
use vaegis_network::{Network, NetworkBuilder, NodeConfig, Value, Weights};

/// Every kind of operator, at random small sizes, as a network of that operator alone if it
/// takes one value of any sign.
pub(crate) fn single_operator() -> impl Strategy<Value = Network> {
    let activation = (sides(), function(), any::<u64>()).prop_map(|(shape, function, seed)| {
        let operator = OperatorConfig::Activation(ActivationConfig { function });
        network(shape.to_vec(), operator, seed)
    });
    prop_oneof![1 => activation, 5 => other_than_activation()]
}

/// The same without activations.
pub(crate) fn other_than_activation() -> impl Strategy<Value = Network> {
    let operators = prop_oneof![
        2 => linear(),
        2 => convolution(),
        2 => transposed_convolution(),
        1 => sides().prop_map(|[channels, height, width]| {
            let shape = vec![channels * height, width];
            (vec![channels, height, width], OperatorConfig::Reshape(ReshapeConfig { shape }))
        }),
        1 => (1usize..9).prop_map(|width| (vec![width], OperatorConfig::Add(AddConfig {}))),
        1 => (1usize..9).prop_map(|width| (vec![width], OperatorConfig::Multiply(MultiplyConfig {}))),
        1 => (1usize..9).prop_map(|width| (vec![width], OperatorConfig::Select(SelectConfig {}))),
        1 => (1usize..9).prop_map(|width| {
            (vec![width], OperatorConfig::Concat(ConcatConfig { shape: vec![width, 3] }))
        }),
        1 => affine(),
        2 => gather(),
        2 => (1usize..4, 1usize..5, 2usize..40).prop_map(|(outer, blocks, block)| {
            let config = StandardiseConfig { block, epsilon: 0.1 };
            (vec![outer, blocks, block], OperatorConfig::Standardise(config))
        }),
        2 => (1usize..4, 1usize..5, 1usize..40).prop_map(|(outer, blocks, block)| {
            (vec![outer, blocks * block], OperatorConfig::Softmax(SoftmaxConfig { block }))
        }),
        2 => max_pool(),
        2 => (1usize..4, 1usize..5).prop_map(|(blocks, inner)| {
            (vec![blocks, 2, inner], OperatorConfig::GroupSort(GroupSortConfig { inner }))
        }),
        2 => (1usize..3, 1usize..4, 1usize..4, 1usize..4).prop_map(|(batch, rows, inner, columns)| {
            let shape = vec![batch * rows, columns];
            let config = MatMulConfig { batch, rows, inner, columns, shape };
            (vec![4], OperatorConfig::MatMul(config))
        }),
    ];
    (operators, any::<u64>()).prop_map(|((shape, operator), seed)| network(shape, operator, seed))
}

/// Affine operators alone.
#[allow(dead_code)] // For the tests of bounds.
pub(crate) fn affine_operator() -> impl Strategy<Value = Network> {
    other_than_activation().prop_filter("affine", |network| {
        let affine = |node: &NodeConfig| {
            use OperatorConfig as Of;
            let nonlinear = matches!(
                node.operator,
                Of::Activation(_)
                    | Of::Multiply(_)
                    | Of::Select(_)
                    | Of::Standardise(_)
                    | Of::Softmax(_)
                    | Of::MaxPool2d(_)
                    | Of::GroupSort(_)
                    | Of::MatMul(_)
            );
            !nonlinear
        };
        network.config().nodes.iter().all(affine)
    })
}

/// Three layers about an operator of any kind: linear, function, operator, function, linear.
#[allow(dead_code)] // For the tests of bounds.
pub(crate) fn deep() -> impl Strategy<Value = Network> {
    let smooth = || {
        function().prop_filter("defined everywhere, exact in f64", |&function| {
            !needs_positive(function) && function != Function::ContinuousBernoulliMean
        })
    };
    (other_than_activation(), smooth(), smooth(), 1usize..6, any::<u64>()).prop_map(
        |(middle, before, after, inputs, seed)| {
            let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
            let activation = |function| OperatorConfig::Activation(ActivationConfig { function });
            let mut first = NetworkBuilder::new(vec![inputs]);
            let value = first.push(linear(inputs, middle.input_features()), &[0]);
            let value = first.push(activation(before), &[value]);
            let shape = middle.input_shape().to_vec();
            let value = first.push(OperatorConfig::Reshape(ReshapeConfig { shape }), &[value]);
            let mut last = NetworkBuilder::new(middle.output_shape(0).to_vec());
            let output = last.push(activation(after), &[0]);
            let shape = vec![middle.output_features(0)];
            let output = last.push(OperatorConfig::Reshape(ReshapeConfig { shape }), &[output]);
            let output = last.push(linear(middle.output_features(0), 3), &[output]);
            let mut initialiser = Initialiser::new(seed);
            let first = first.finish(&[value], &mut initialiser, &Device::flex()).unwrap();
            let last = last.finish(&[output], &mut initialiser, &Device::flex()).unwrap();
            first.then(middle).unwrap().then(last).unwrap()
        },
    )
}

/// A network of one operator with random parameters, fed as it needs.
pub(crate) fn network(input_shape: Vec<usize>, operator: OperatorConfig, seed: u64) -> Network {
    let features = input_shape.iter().product();
    let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
    let mut builder = NetworkBuilder::new(input_shape);
    let inputs: Vec<Value> = match &operator {
        OperatorConfig::Add(_) | OperatorConfig::Concat(_) => {
            let inner = builder.push(linear(features, features), &[0]);
            vec![0, inner, inner]
        }
        OperatorConfig::Multiply(_) => vec![0, builder.push(linear(features, features), &[0])],
        OperatorConfig::Select(_) => {
            let other = builder.push(linear(features, features), &[0]);
            vec![0, other, builder.push(linear(features, features), &[0])]
        }
        OperatorConfig::MatMul(MatMulConfig { batch, rows, inner, columns, .. }) => vec![
            builder.push(linear(features, batch * rows * inner), &[0]),
            builder.push(linear(features, batch * inner * columns), &[0]),
        ],
        OperatorConfig::Activation(ActivationConfig { function }) if needs_positive(*function) => {
            let exp = ActivationConfig { function: Function::Exp };
            vec![builder.push(OperatorConfig::Activation(exp), &[0])]
        }
        _ => vec![0],
    };
    let output = builder.push(operator, &inputs);
    let network = builder.finish(&[output], &mut Initialiser::new(seed), &Device::flex()).unwrap();
    // Not all initial parameters are random.
    let mut weights = Weights::of(&network, "");
    for (number, (name, shape, initial)) in Weights::of(&network, "").iter().enumerate() {
        if name.ends_with("scale") || name.ends_with("shift") {
            let random = values(initial.len(), seed.wrapping_add(number as u64));
            weights.insert(name, shape.to_vec(), random);
        }
    }
    weights.apply(network, "", "random".as_ref()).unwrap()
}

fn sides() -> impl Strategy<Value = [usize; 3]> {
    [1usize..4, 3usize..7, 3usize..7]
}

fn linear() -> impl Strategy<Value = (Vec<usize>, OperatorConfig)> {
    (prop::collection::vec(1usize..4, 0..3), 1usize..9, 1usize..9).prop_map(
        |(positions, inputs, outputs)| {
            let shape = [positions, vec![inputs]].concat();
            (shape, OperatorConfig::Linear(LinearConfig { inputs, outputs }))
        },
    )
}

fn convolution() -> impl Strategy<Value = (Vec<usize>, OperatorConfig)> {
    let groups = (1usize..4, 1usize..3, 1usize..3);
    (
        groups,
        [3usize..7, 3usize..7],
        [1usize..4, 1usize..4],
        [1usize..4, 1usize..4],
        [0usize..3, 0usize..3],
        [1usize..3, 1usize..3],
    )
        .prop_filter_map(
            "the kernel must fit",
            |((groups, inputs, outputs), [height, width], kernel, stride, padding, dilation)| {
                let input = [groups * inputs, height, width];
                let channels = groups * outputs;
                let config =
                    Conv2dConfig { input, channels, kernel, stride, padding, dilation, groups };
                config.output().is_ok().then(|| (input.to_vec(), OperatorConfig::Conv2d(config)))
            },
        )
}

fn transposed_convolution() -> impl Strategy<Value = (Vec<usize>, OperatorConfig)> {
    (convolution(), 0usize..2).prop_filter_map(
        "padding must leave some",
        |((shape, operator), extra)| {
            let OperatorConfig::Conv2d(Conv2dConfig {
                input,
                channels,
                kernel,
                stride,
                padding,
                dilation,
                groups,
            }) = operator
            else {
                unreachable!("a convolution")
            };
            let output_padding = stride.map(|step| extra.min(step - 1));
            let config = ConvTranspose2dConfig {
                input,
                channels,
                kernel,
                stride,
                padding,
                output_padding,
                dilation,
                groups,
            };
            config.output().is_ok().then(|| (shape, OperatorConfig::ConvTranspose2d(config)))
        },
    )
}

fn affine() -> impl Strategy<Value = (Vec<usize>, OperatorConfig)> {
    (1usize..3, 1usize..5, 1usize..20).prop_map(|(periods, size, inner)| {
        let config = ElementwiseAffineConfig { size, inner };
        (vec![periods, size, inner], OperatorConfig::ElementwiseAffine(config))
    })
}

/// Random indices, or long runs of all kinds: copies, repetitions, reversals, zeros.
fn gather() -> impl Strategy<Value = (Vec<usize>, OperatorConfig)> {
    let random = (2usize..20).prop_flat_map(|features| {
        let index = prop::option::weighted(0.8, 0..features as u32);
        (Just(features), prop::collection::vec(index, 1..30))
    });
    let run = (0u32..12, 0..4).prop_map(|(start, kind)| {
        (0..12u32).map(move |k| match kind {
            0 => Some(start + k),
            1 => Some(start + 2 * (11 - k)),
            2 => Some(start),
            _ => None,
        })
    });
    let runs = prop::collection::vec(run, 1..5)
        .prop_map(|runs| (34, runs.into_iter().flatten().collect::<Vec<_>>()));
    prop_oneof![random, runs].prop_map(|(features, indices)| {
        let config = GatherConfig { shape: vec![indices.len()], indices: indices.into() };
        (vec![features], OperatorConfig::Gather(config))
    })
}

fn max_pool() -> impl Strategy<Value = (Vec<usize>, OperatorConfig)> {
    let padding = || [0usize..3, 0usize..3];
    (
        sides(),
        [1usize..4, 1usize..4],
        [1usize..4, 1usize..4],
        [padding(), padding()],
        [1usize..3, 1usize..3],
    )
        .prop_filter_map(
            "windows must meet the input",
            |(input, kernel, stride, padding, dilation)| {
                let config = MaxPool2dConfig { input, kernel, stride, padding, dilation };
                config.output().is_ok().then(|| (input.to_vec(), OperatorConfig::MaxPool2d(config)))
            },
        )
}

pub(crate) fn function() -> impl Strategy<Value = Function> {
    prop::sample::select(vec![
        Function::Relu,
        Function::LeakyRelu { slope: 0.1 },
        Function::Elu { alpha: 0.7 },
        Function::Selu,
        Function::Celu { alpha: 0.6 },
        Function::Gelu,
        Function::GeluTanh,
        Function::Silu,
        Function::Mish,
        Function::Softplus,
        Function::Softsign,
        Function::Sigmoid,
        Function::Tanh,
        Function::HardSigmoid { slope: 0.7, offset: 0.0 },
        Function::HardSwish,
        Function::Clip { low: Some(0.0), high: None },
        Function::Clip { low: Some(-2.0), high: Some(0.0) },
        Function::Exp,
        Function::Log,
        Function::Sqrt,
        Function::Square,
        Function::Power { exponent: 2.5 },
        Function::Reciprocal,
        Function::Abs,
        Function::Erf,
        Function::Sin,
        Function::Cos,
        Function::ContinuousBernoulliMean,
    ])
}

/// Functions with a pole or the end of their domain at 0.
pub(crate) fn needs_positive(function: Function) -> bool {
    use Function::{Log, Power, Reciprocal, Sqrt};
    matches!(function, Log | Sqrt | Reciprocal | Power { .. })
}

/// Deterministic pseudo-random values in [-1.05, 1.05], away from the kinks at 0.
pub(crate) fn values(count: usize, salt: u64) -> Vec<f32> {
    let mut state = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            if value.abs() < 0.05 { value.signum() * 0.05 + value } else { value }
        })
        .collect()
}

pub(crate) fn tensor<const D: usize>(shape: [usize; D], salt: u64) -> Tensor<D> {
    plain(values(shape.iter().product(), salt), shape)
}

/// Rows of evenly spaced values in random order: so far apart that a small step makes no
/// other one the largest, and away from the kinks at 0.
pub(crate) fn spread([rows, features]: [usize; 2], salt: u64) -> Tensor<2> {
    let keys = values(rows * features, salt);
    let spread = keys.chunks(features).flat_map(|keys| {
        let rank = |key: &f32| keys.iter().filter(|other| *other < key).count();
        keys.iter().map(move |key| {
            let value = (2 * rank(key) + 1) as f32 / features as f32 - 1.0;
            value + 0.05 * value.signum()
        })
    });
    plain(spread.collect(), [rows, features])
}

/// A tensor of these numbers on the plain CPU device.
pub(crate) fn plain<const D: usize>(numbers: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), &Device::flex())
}

/// The same numbers where autodiff tracks them.
pub(crate) fn tracked<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    Tensor::from_data(tensor.into_data(), &Device::flex().autodiff())
}

pub(crate) fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

pub(crate) fn assert_close(a: &[f32], b: &[f32], tolerance: f32) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.len(), b.len());
    for (position, (a, b)) in a.iter().zip(b).enumerate() {
        prop_assert!(
            (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs())),
            "at {}: {} and {}",
            position,
            a,
            b
        );
    }
    Ok(())
}
