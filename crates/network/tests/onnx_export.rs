//! Networks as ONNX files: the import gives back the network, ONNX Runtime gives its outputs.

#[path = "support/onnx_runtime.rs"]
mod onnx_runtime;
#[allow(dead_code)] // the tests of operators need more of it
mod support;

use std::path::Path;

use burn::tensor::{Device, Tensor};
use onnx_runtime::OnnxRuntime;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use support::{network, single_operator, tensor, to_vec};
use vaegis_network::onnx::{Export, OnnxModel, Part};
use vaegis_network::ops::{GatherConfig, LinearConfig, OperatorConfig, ReshapeConfig};
use vaegis_network::{Network, Weights};

/// Of outputs and derivatives, relative to the largest.
const TOLERANCE: f32 = 1e-6;
/// Of networks of several operators, where affine maps melt into others when they are read.
const CHAIN_TOLERANCE: f32 = 1e-5;

fn exported(network: &Network) -> Vec<u8> {
    let metadata = [("vaegis.test", "yes".to_string())];
    let export = Export { name: "network", input: "x", outputs: &["y"], metadata: &metadata };
    network.to_onnx(&export).unwrap()
}

fn imported(bytes: &[u8]) -> Network {
    let model = OnnxModel::from_bytes(bytes, Path::new("network.onnx")).unwrap();
    assert_eq!(model.metadata("vaegis.test"), Some("yes"));
    assert_eq!(model.producer(), concat!("vaegis ", env!("CARGO_PKG_VERSION")));
    let part = Part { from: "x", sample_shape: None, to: &["y"] };
    model.network(&part, &Device::flex()).unwrap()
}

/// Difference relative to the largest magnitude.
fn error<const D: usize>(found: Tensor<D>, expected: Tensor<D>) -> f32 {
    let (found, expected) = (to_vec(found), to_vec(expected));
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |largest, v| largest.max(v.abs()));
    let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    differences.fold(0f32, |worst, d| if d.is_nan() { d } else { worst.max(d) }) / largest
}

/// Errors of what comes back: outputs, jvp, vjp.
fn errors(network: &Network, back: &Network) -> [f32; 3] {
    assert_eq!(back.input_shape(), network.input_shape());
    assert_eq!(back.output_shape(0), network.output_shape(0));
    let (inputs, outputs) = (network.input_features(), network.output_features(0));
    let x = tensor([3, inputs], 1);
    let (tangents, cotangents) = (tensor([3, 2, inputs], 2), tensor([3, 2, outputs], 3));
    let all = |network: &Network| {
        let trace = network.trace(x.clone());
        (
            network.forward(x.clone()).remove(0),
            network.jvp(&trace, tangents.clone()).remove(0),
            network.vjp(&trace, vec![Some(cotangents.clone())]),
        )
    };
    let (found, expected) = (all(back), all(network));
    [error(found.0, expected.0), error(found.1, expected.1), error(found.2, expected.2)]
}

/// Networks one after another, joined by matrix products.
fn chain(networks: Vec<Network>) -> Network {
    networks
        .into_iter()
        .reduce(|chain, next| {
            let (inputs, shape) = (chain.output_shape(0).to_vec(), next.input_shape().to_vec());
            let flat =
                OperatorConfig::Reshape(ReshapeConfig { shape: vec![inputs.iter().product()] });
            let config =
                LinearConfig { inputs: inputs.iter().product(), outputs: next.input_features() };
            let joint = network(vec![config.inputs], OperatorConfig::Linear(config), 7);
            let back = OperatorConfig::Reshape(ReshapeConfig { shape });
            let chain = chain.followed_by(&flat).unwrap().then(joint).unwrap();
            chain.followed_by(&back).unwrap().then(next).unwrap()
        })
        .expect("at least one network")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_operator_comes_back(network in single_operator()) {
        let found = errors(&network, &imported(&exported(&network)));
        // Not `>`: NaN must count.
        prop_assert!(found.iter().all(|&error| error <= TOLERANCE), "{found:?} {:?}", network.config());
    }
}

/// Elements picked along each axis of an image, some of them nothing.
fn moved_image() -> impl Strategy<Value = Network> {
    let axis = (1usize..5).prop_flat_map(|size| {
        let pick = prop::option::weighted(0.8, 0..size);
        let any = prop::collection::vec(pick, 1..6);
        let whole = Just((0..size).map(Some).collect::<Vec<_>>());
        (Just(size), prop_oneof![any, whole])
    });
    (axis.clone(), axis.clone(), axis).prop_map(|((c, channels), (h, rows), (w, columns))| {
        let mut indices = vec![];
        for &channel in &channels {
            for &row in &rows {
                for &column in &columns {
                    let place = |c: usize, row, column| ((c * h + row) * w + column) as u32;
                    let all = channel.zip(row).zip(column);
                    indices.push(all.map(|((channel, row), column)| place(channel, row, column)));
                }
            }
        }
        let shape = vec![channels.len(), rows.len(), columns.len()];
        let config = GatherConfig { shape, indices: indices.into() };
        network(vec![c, h, w], OperatorConfig::Gather(config), 0)
    })
}

proptest! {
    #[test]
    fn moves_along_axes_come_back(network in moved_image()) {
        let found = errors(&network, &imported(&exported(&network)));
        prop_assert_eq!(found, [0.0; 3], "{:?}", network.config());
    }
}

proptest! {
    // The same networks every time: an affine map that melts rounds differently, and in one of
    // a million networks that changes the side of a kink.
    #![proptest_config(ProptestConfig { cases: 100, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn networks_of_several_operators_come_back(
        networks in prop::collection::vec(single_operator(), 2..6)
    ) {
        let network = chain(networks);
        let found = errors(&network, &imported(&exported(&network)));
        prop_assert!(
            found.iter().all(|&error| error <= CHAIN_TOLERANCE),
            "{found:?} {:?}", network.config()
        );
    }
}

#[test]
fn onnx_runtime_gives_the_same() {
    let mut runner = TestRunner::deterministic();
    let mut runtime = OnnxRuntime::new();
    let mut operators = std::collections::BTreeSet::new();
    let singles = single_operator().prop_map(|network| vec![network]);
    let several = prop::collection::vec(single_operator(), 2..6);
    let moved = moved_image().prop_map(|network| vec![network]);
    let strategy = prop_oneof![6 => singles, 2 => several, 1 => moved];
    let folder = tempfile::tempdir().unwrap();
    for number in 0..600 {
        let network = chain(strategy.new_tree(&mut runner).unwrap().current());
        operators.extend(network.summary().into_iter().map(|node| node.operator));
        let x = tensor([3, network.input_features()], 1);
        let y = network.forward(x.clone()).remove(0);
        let mut tensors = Weights::default();
        let whole = |shape: &[usize]| [&[3], shape].concat();
        tensors.insert("x", whole(network.input_shape()), to_vec(x));
        tensors.insert("y", whole(network.output_shape(0)), to_vec(y));
        let path = folder.path().join(format!("{number}.onnx"));
        std::fs::write(&path, exported(&network)).unwrap();
        runtime.expect(&path, &tensors, 1e-6);
    }
    assert!(operators.len() >= 40, "only {operators:?}");
    runtime.compare("random networks");
}

#[test]
fn outputs_that_are_one_value_or_the_input_have_names_of_their_own() {
    let config = LinearConfig { inputs: 2, outputs: 2 };
    let network = network(vec![2], OperatorConfig::Linear(config), 1);
    let network = network.with_outputs(&[1, 0, 1]).unwrap();
    let names = ["a", "b", "c"];
    let export = Export { name: "network", input: "x", outputs: &names, metadata: &[] };
    let bytes = network.to_onnx(&export).unwrap();
    let model = OnnxModel::from_bytes(&bytes, Path::new("network.onnx")).unwrap();
    let part = Part { from: "x", sample_shape: None, to: &names };
    let back = model.network(&part, &Device::flex()).unwrap();
    let x = tensor([2, 2], 1);
    for (found, expected) in back.forward(x.clone()).into_iter().zip(network.forward(x)) {
        assert_eq!(to_vec(found), to_vec(expected));
    }
    for outputs in [&["a", "b"][..], &["a", "b", "a"], &["a", "b", "x"]] {
        let export = Export { outputs, ..export.clone() };
        let message = network.to_onnx(&export).unwrap_err().to_string();
        assert!(message.contains("3 outputs need names"), "{message}");
    }
}
