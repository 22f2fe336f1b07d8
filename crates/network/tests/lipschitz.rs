//! Lipschitz constants: nothing stretches more, and what is orthogonal stretches no less.

#[allow(dead_code)] // Not all of it is needed here.
mod support;

use burn::tensor::Device;
use proptest::prelude::*;
use support::{deep, function, plain, single_operator, tensor, to_vec};
use vaegis_network::ops::{
    ActivationConfig, Conv2dConfig, ElementwiseAffineConfig, Function, GroupSortConfig,
    Initialiser, LinearConfig, OperatorConfig,
};
use vaegis_network::{Network, NetworkBuilder, Weights};

fn length(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

/// The largest stretch that is found: of Jacobians, by power iteration from below, and of pairs of
/// points.
fn stretch(network: &Network, salt: u64) -> f64 {
    let (inputs, outputs) = (network.input_features(), network.output_features(0));
    let rows = 12;
    let x = tensor([rows, inputs], salt) * 2.0;
    let trace = network.trace(x.clone());
    let mut u = tensor([rows, 1, inputs], salt ^ 1);
    let mut largest = 0.0f64;
    for _ in 0..60 {
        let pushed = network.jvp(&trace, u.clone()).remove(0);
        for (u, v) in to_vec(u).chunks(inputs).zip(to_vec(pushed.clone()).chunks(outputs)) {
            largest = largest.max(length(v) / length(u).max(1e-30));
        }
        let pulled = to_vec(network.vjp(&trace, vec![Some(pushed)]));
        let normal = pulled.chunks(inputs).flat_map(|u| {
            let size = Some(length(u)).filter(|&size| size > 0.0).unwrap_or(1.0);
            u.iter().map(move |&u| (f64::from(u) / size) as f32).collect::<Vec<_>>()
        });
        u = plain(normal.collect(), [rows, 1, inputs]);
    }
    let change = tensor([rows, inputs], salt ^ 2);
    let moved = network.forward(x + change.clone()).remove(0) - network.output(&trace, 0);
    for (by, change) in to_vec(moved).chunks(outputs).zip(to_vec(change).chunks(inputs)) {
        largest = largest.max(length(by) / length(change).max(1e-30));
    }
    largest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_stretches_more(network in prop_oneof![single_operator(), deep()], salt in any::<u64>()) {
        if let Ok(constant) = network.lipschitz(0) {
            let found = stretch(&network, salt);
            prop_assert!(found <= constant * (1.0 + 1e-4) + 1e-6, "{} {} {:?}", found, constant, network.config());
        } else {
            // These have none.
            let has = |name: &str| network.config().nodes.iter().any(|node| node.operator.name() == name);
            let unbounded = |function: Function| function.lipschitz().is_none();
            let functions = network.config().nodes.into_iter().any(|node| matches!(node.operator, OperatorConfig::Activation(a) if unbounded(a.function)));
            prop_assert!(functions || ["multiply", "select", "standardise", "matmul"].iter().any(|name| has(name)));
        }
    }

    #[test]
    fn functions_are_as_steep_as_said(function in function()) {
        if let Some(constant) = function.lipschitz() {
            let mut builder = NetworkBuilder::new(vec![1]);
            let output = builder.push(OperatorConfig::Activation(ActivationConfig { function }), &[0]);
            let network = builder.finish(&[output], &mut Initialiser::new(0), &Device::flex()).unwrap();
            let x: Vec<f32> = (0..80_001).map(|k| (k - 40_000) as f32 * 2.5e-4).collect();
            let count = x.len();
            let trace = network.trace(plain(x, [count, 1]));
            let slopes = to_vec(network.jvp(&trace, plain(vec![1.0; count], [count, 1, 1])).remove(0));
            let steepest = slopes.into_iter().fold(0.0, |m: f64, s| m.max(f64::from(s.abs())));
            prop_assert!(steepest <= constant * (1.0 + 1e-5), "{} {}", steepest, constant);
            prop_assert!(steepest >= constant * 0.999, "{} {}", steepest, constant);
        }
    }
}

/// A network of one convolution whose kernel lies as it is told.
fn convolution(config: &Conv2dConfig, weight: Vec<f32>) -> Network {
    let mut builder = NetworkBuilder::new(config.input.to_vec());
    let output = builder.push(OperatorConfig::Conv2d(config.clone()), &[0]);
    let network = builder.finish(&[output], &mut Initialiser::new(0), &Device::flex()).unwrap();
    let mut weights = Weights::of(&network, "");
    let shape = weights.get("0.weight").unwrap().0.to_vec();
    weights.insert("0.weight", shape, weight);
    weights.apply(network, "", "test".as_ref()).unwrap()
}

#[test]
fn orthogonal_layers_are_exact() {
    // A rotation, sorting and another rotation.
    let linear = || OperatorConfig::Linear(LinearConfig { inputs: 2, outputs: 2 });
    let mut builder = NetworkBuilder::new(vec![2]);
    let value = builder.push(linear(), &[0]);
    let value = builder.push(OperatorConfig::GroupSort(GroupSortConfig { inner: 1 }), &[value]);
    let value = builder.push(linear(), &[value]);
    let network = builder.finish(&[value], &mut Initialiser::new(0), &Device::flex()).unwrap();
    let mut weights = Weights::of(&network, "");
    // 3, 4 and 5 are exact; so is the constant.
    for name in ["0.weight", "2.weight"] {
        weights.insert(name, vec![2, 2], vec![3.0, -4.0, 4.0, 3.0]);
    }
    let network = weights.apply(network, "", "test".as_ref()).unwrap();
    let constant = network.lipschitz(0).unwrap();
    assert!((25.0..25.0 * (1.0 + 1e-6)).contains(&constant), "{constant}");

    // One tap of a large image moves it; one tap of stride 2 on each phase does, too.
    let config = |channels, stride| Conv2dConfig {
        input: [1, 64, 64],
        channels,
        kernel: [2, 2],
        stride: [stride; 2],
        padding: [0, 0],
        dilation: [1, 1],
        groups: 1,
    };
    let constant = convolution(&config(1, 1), vec![0.0, 0.0, 2.0, 0.0]).lipschitz(0).unwrap();
    assert!((2.0..2.0 * 1.0025).contains(&constant), "{constant}");
    let patches: Vec<f32> = (0..16).map(|k| if k % 5 == 0 { 3.0 } else { 0.0 }).collect();
    let constant = convolution(&config(4, 2), patches).lipschitz(0).unwrap();
    assert!((3.0..3.0 + 1e-3).contains(&constant), "{constant}");
}

#[test]
fn sigma_of_a_logarithm_has_a_constant_and_of_a_linear_map_none() {
    let activation = |function| OperatorConfig::Activation(ActivationConfig { function });
    let affine = OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size: 1, inner: 1 });
    let mut builder = NetworkBuilder::new(vec![2]);
    let linear = builder.push(OperatorConfig::Linear(LinearConfig { inputs: 2, outputs: 2 }), &[0]);
    let sigmoid = builder.push(activation(Function::Sigmoid), &[linear]);
    let log = builder.push(activation(Function::Log), &[sigmoid]);
    let double = builder.push(affine.clone(), &[log]);
    let fixed = builder.push(affine, &[0]);
    let network =
        builder.finish(&[linear, double, fixed], &mut Initialiser::new(0), &Device::flex());
    let network = network.unwrap();
    let mut weights = Weights::of(&network, "");
    weights.insert("0.weight", vec![2, 2], vec![8.0, 0.0, 0.0, 4.0]);
    weights.insert("3.scale", vec![1], vec![2.0]);
    weights.insert("4.scale", vec![1], vec![0.0]);
    let network = weights.apply(network, "", "test".as_ref()).unwrap();
    let found = network.lipschitz_of_exp(1, 0.5).unwrap();
    assert!((2.0..2.0 + 1e-6).contains(&found), "{found}");
    assert_eq!(network.lipschitz_of_exp(2, 0.5).unwrap(), 0.0);
    let told = |result: Result<f64, vaegis_network::Error>| result.unwrap_err().to_string();
    assert_eq!(
        told(network.lipschitz_of_exp(0, 0.5)),
        "node 0 (linear) bounds no Lipschitz constant: exp of what it returns is unbounded"
    );
    assert_eq!(
        told(network.lipschitz(1)),
        "node 2 (activation) bounds no Lipschitz constant: it has no Lipschitz constant"
    );
}
