//! What must hold for every operator: it does what its definition says; jvp and vjp are
//! adjoint, agree with finite differences and with Burn's autodiff, and do not mix rows or
//! vectors.

mod support;

use burn::tensor::{Device, Tensor};
use proptest::prelude::*;
use support::reference::evaluate;
use support::{
    assert_close, other_than_activation, single_operator, spread, tensor, to_vec, tracked,
};
use vaegis_network::ops::{
    ActivationConfig, AddConfig, Function, Initialiser, LinearConfig, OperatorConfig,
};
use vaegis_network::{Network, NetworkBuilder, NetworkConfig};

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn values_agree_with_definitions(network in other_than_activation(), rows in 1usize..60, salt in any::<u64>()) {
        let x = tensor([rows, network.input_features()], salt);
        let found = to_vec(network.forward(x.clone()).remove(0));
        let samples = to_vec(x);
        let expected = samples.chunks(network.input_features()).flat_map(|x| evaluate(&network, x));
        assert_close(&found, &expected.map(|y| y as f32).collect::<Vec<_>>(), 1e-5)?;
    }

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
        let x = spread([rows, inputs], salt);
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
        let x = tracked(x).require_grad();
        let loss = (network.forward(x.clone()).remove(0) * tracked(cotangent)).sum();
        let gradient = x.grad(&loss.backward()).unwrap();
        assert_close(&to_vec(pulled), &to_vec(gradient), 1e-4)?;
    }

    /// Loops over CPU tensors and the tensor operations that stand in for them elsewhere.
    #[test]
    fn loops_agree_with_tensor_operations(network in single_operator(), rows in 1usize..4, count in 1usize..4, salt in any::<u64>()) {
        let (inputs, outputs) = (network.input_features(), network.output_features(0));
        let x = tensor([rows, inputs], salt);
        let tangent = tensor([rows, count, inputs], salt ^ 5);
        let cotangent = tensor([rows, count, outputs], salt ^ 6);
        let (loops, operations) = (network.trace(x.clone()), network.trace(tracked(x)));
        assert_close(&to_vec(network.output(&loops, 0)), &to_vec(network.output(&operations, 0)), 1e-5)?;
        let pushed = network.jvp(&loops, tangent.clone()).remove(0);
        let expected = network.jvp(&operations, tracked(tangent)).remove(0);
        assert_close(&to_vec(pushed), &to_vec(expected), 1e-5)?;
        let pulled = network.vjp(&loops, vec![Some(cotangent.clone())]);
        let expected = network.vjp(&operations, vec![Some(tracked(cotangent))]);
        assert_close(&to_vec(pulled), &to_vec(expected), 1e-5)?;
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

    #[test]
    fn vectors_do_not_mix(network in single_operator(), salt in any::<u64>()) {
        let (inputs, outputs) = (network.input_features(), network.output_features(0));
        let trace = network.trace(tensor([2, inputs], salt));
        let tangents = tensor([2, 3, inputs], salt ^ 7);
        let cotangents = tensor([2, 3, outputs], salt ^ 8);
        let pushed = network.jvp(&trace, tangents.clone()).remove(0);
        let pulled = network.vjp(&trace, vec![Some(cotangents.clone())]);
        for vector in 0..3 {
            let alone = network.jvp(&trace, tangents.clone().narrow(1, vector, 1)).remove(0);
            assert_close(&to_vec(pushed.clone().narrow(1, vector, 1)), &to_vec(alone), 1e-5)?;
            let alone = network.vjp(&trace, vec![Some(cotangents.clone().narrow(1, vector, 1))]);
            assert_close(&to_vec(pulled.clone().narrow(1, vector, 1)), &to_vec(alone), 1e-5)?;
        }
    }

    #[test]
    fn configurations_survive_a_manifest(network in single_operator()) {
        let text = serde_json::to_string(&network.config()).unwrap();
        prop_assert_eq!(serde_json::from_str::<NetworkConfig>(&text).unwrap(), network.config());
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
