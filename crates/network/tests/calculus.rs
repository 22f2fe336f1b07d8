//! What must hold for every operator: jvp and vjp are adjoint, agree with finite
//! differences and with Burn's autodiff, and do not mix rows.

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use vaegis_network::ops::{
    ActivationConfig, AddConfig, Conv2dConfig, ConvTranspose2dConfig, Function, Initialiser,
    LinearConfig, OperatorConfig, ReshapeConfig,
};
use vaegis_network::{Network, NetworkBuilder};

/// Every kind of operator, at random small sizes, as a network of that operator alone
/// (`Add` as a residual connection around a linear map).
fn single_operator() -> impl Strategy<Value = Network> {
    let sides = (1usize..4, 3usize..7, 3usize..7);
    let convolution = (
        sides.clone(),
        1usize..4,
        (1usize..4, 1usize..4),
        (1usize..3, 1usize..3),
        (0usize..2, 0usize..2),
    );
    let operators = prop_oneof![
        (1usize..9, 1usize..9).prop_map(|(inputs, outputs)| {
            (vec![inputs], OperatorConfig::Linear(LinearConfig { inputs, outputs }))
        }),
        convolution.clone().prop_map(|(input, channels, kernel, stride, padding)| {
            let input: [usize; 3] = input.into();
            let config = Conv2dConfig {
                input,
                channels,
                kernel: kernel.into(),
                stride: stride.into(),
                padding: padding.into(),
            };
            (input.to_vec(), OperatorConfig::Conv2d(config))
        }),
        (convolution, 0usize..2).prop_map(|((input, channels, kernel, stride, padding), extra)| {
            let input: [usize; 3] = input.into();
            let stride: [usize; 2] = stride.into();
            let config = ConvTranspose2dConfig {
                input,
                channels,
                kernel: kernel.into(),
                stride,
                padding: padding.into(),
                output_padding: stride.map(|step| extra.min(step - 1)),
            };
            (input.to_vec(), OperatorConfig::ConvTranspose2d(config))
        }),
        (sides.clone(), function()).prop_map(|(shape, function)| {
            let shape: [usize; 3] = shape.into();
            (shape.to_vec(), OperatorConfig::Activation(ActivationConfig { function }))
        }),
        sides.prop_map(|(channels, height, width)| {
            let shape = vec![channels * height, width];
            (vec![channels, height, width], OperatorConfig::Reshape(ReshapeConfig { shape }))
        }),
        (1usize..9).prop_map(|width| (vec![width], OperatorConfig::Add(AddConfig {}))),
    ];
    (operators, any::<u64>()).prop_map(|((input_shape, operator), seed)| {
        let mut builder = NetworkBuilder::new(input_shape.clone());
        let output = if let OperatorConfig::Add(_) = operator {
            let width = input_shape[0];
            let inner = builder
                .push(OperatorConfig::Linear(LinearConfig { inputs: width, outputs: width }), &[0]);
            builder.push(operator, &[0, inner, inner])
        } else {
            builder.push(operator, &[0])
        };
        builder.finish(&[output], &mut Initialiser::new(seed), &Device::flex()).unwrap()
    })
}

fn function() -> impl Strategy<Value = Function> {
    prop::sample::select(vec![
        Function::Relu,
        Function::LeakyRelu { slope: 0.1 },
        Function::Elu { alpha: 0.7 },
        Function::Gelu,
        Function::Silu,
        Function::Softplus,
        Function::Sigmoid,
        Function::Tanh,
        Function::ContinuousBernoulliMean,
    ])
}

/// Deterministic pseudo-random values in [-1, 1], away from the kinks at 0.
fn values(count: usize, salt: u64) -> Vec<f32> {
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

fn tensor<const D: usize>(shape: [usize; D], salt: u64) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values(shape.iter().product(), salt), shape), &Device::flex())
}

fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn assert_close(a: &[f32], b: &[f32], tolerance: f32) -> Result<(), TestCaseError> {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn jvp_and_vjp_are_adjoint(network in single_operator(), rows in 1usize..4, count in 1usize..4, salt in any::<u64>()) {
        let (inputs, outputs) = (network.input_features(), network.output_features(0));
        let trace = network.trace(tensor([rows, inputs], salt));
        let tangent = tensor([rows, count, inputs], salt ^ 1);
        let cotangent = tensor([rows, count, outputs], salt ^ 2);
        let pushed = to_vec(network.jvp(&trace, tangent.clone()).remove(0));
        let pulled = to_vec(network.vjp(&trace, vec![Some(cotangent.clone())]));
        let (left, right) = (dot(&pushed, &to_vec(cotangent)), dot(&pulled, &to_vec(tangent)));
        prop_assert!((left - right).abs() < 1e-4 * (1.0 + left.abs()), "{} and {}", left, right);
    }

    #[test]
    fn jvp_agrees_with_central_differences(network in single_operator(), rows in 1usize..4, salt in any::<u64>()) {
        let inputs = network.input_features();
        let x = tensor([rows, inputs], salt);
        let direction = tensor([rows, inputs], salt ^ 3);
        let step = 5e-3;
        let ahead = network.forward(x.clone() + direction.clone() * step).remove(0);
        let behind = network.forward(x.clone() - direction.clone() * step).remove(0);
        let difference = to_vec((ahead - behind) / (2.0 * step));
        let pushed = to_vec(network.jvp(&network.trace(x), direction.unsqueeze_dim(1)).remove(0));
        assert_close(&pushed, &difference, 2e-3)?;
    }

    #[test]
    fn vjp_agrees_with_autodiff(network in single_operator(), rows in 1usize..4, salt in any::<u64>()) {
        let (inputs, outputs) = (network.input_features(), network.output_features(0));
        let x = tensor([rows, inputs], salt);
        let cotangent = tensor([rows, outputs], salt ^ 4);
        let pulled = network.vjp(&network.trace(x.clone()), vec![Some(cotangent.clone().unsqueeze_dim(1))]);
        let tracked = Tensor::from_data(x.into_data(), &Device::flex().autodiff()).require_grad();
        let weights = Tensor::<2>::from_data(cotangent.into_data(), &Device::flex().autodiff());
        let loss = (network.clone().forward(tracked.clone()).remove(0) * weights).sum();
        let gradient = tracked.grad(&loss.backward()).unwrap();
        assert_close(&to_vec(pulled), &to_vec(gradient), 1e-4)?;
    }

    #[test]
    fn rows_do_not_mix(network in single_operator(), salt in any::<u64>()) {
        let inputs = network.input_features();
        let x = tensor([3, inputs], salt);
        let together = to_vec(network.forward(x.clone()).remove(0));
        let alone: Vec<f32> = (0..3).flat_map(|row| to_vec(network.forward(x.clone().narrow(0, row, 1)).remove(0))).collect();
        assert_close(&together, &alone, 1e-5)?;
        let traced = to_vec(network.output(&network.trace(x), 0));
        assert_close(&together, &traced, 1e-6)?;
    }
}

/// Two heads on a residual trunk, as an encoder has them.
fn two_heads() -> Network {
    let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
    let silu = OperatorConfig::Activation(ActivationConfig { function: Function::Silu });
    let mut builder = NetworkBuilder::new(vec![6]);
    let hidden = builder.push(linear(6, 6), &[0]);
    let hidden = builder.push(silu, &[hidden]);
    let trunk = builder.push(OperatorConfig::Add(AddConfig {}), &[0, hidden]);
    let mean = builder.push(linear(6, 2), &[trunk]);
    let spread = builder.push(linear(6, 3), &[trunk]);
    builder.finish(&[mean, spread], &mut Initialiser::new(5), &Device::flex()).unwrap()
}

#[test]
fn jacobian_of_each_head_agrees_with_jvp_of_unit_tangents() {
    let network = two_heads();
    let trace = network.trace(tensor([4, 6], 11));
    let identity = Tensor::<2>::eye(6, &Device::flex()).unsqueeze::<3>().expand([4, 6, 6]);
    let columns = network.jvp(&trace, identity);
    for (head, columns) in columns.into_iter().enumerate() {
        let jacobian = network.jacobian(&trace, head);
        assert_eq!(jacobian.dims(), [4, [2, 3][head], 6]);
        assert_close(&to_vec(jacobian), &to_vec(columns.swap_dims(1, 2)), 1e-5).unwrap();
    }
}

#[test]
fn cotangents_of_both_heads_add_up() {
    let network = two_heads();
    let trace = network.trace(tensor([4, 6], 12));
    let (a, b) = (tensor([4, 1, 2], 13), tensor([4, 1, 3], 14));
    let both = network.vjp(&trace, vec![Some(a.clone()), Some(b.clone())]);
    let sum = network.vjp(&trace, vec![Some(a), None]) + network.vjp(&trace, vec![None, Some(b)]);
    assert_close(&to_vec(both), &to_vec(sum), 1e-5).unwrap();
}

#[test]
fn a_linear_network_has_its_weight_as_jacobian() {
    let linear = OperatorConfig::Linear(LinearConfig { inputs: 3, outputs: 2 });
    let mut builder = NetworkBuilder::new(vec![3]);
    let output = builder.push(linear, &[0]);
    let network = builder.finish(&[output], &mut Initialiser::new(0), &Device::flex()).unwrap();
    let weights = vaegis_network::Weights::of(&network, "");
    let (shape, weight) = weights.get("0.weight").unwrap();
    assert_eq!(shape, [3, 2]);
    let jacobian = to_vec(network.jacobian(&network.trace(tensor([1, 3], 1)), 0));
    let transposed: Vec<f32> = (0..6).map(|k| weight[(k % 3) * 2 + k / 3]).collect();
    assert_eq!(jacobian, transposed);
}
