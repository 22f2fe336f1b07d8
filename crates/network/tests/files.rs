//! Configurations and weights survive the disk, and damage is named.

use burn::tensor::{Device, Tensor};
use vaegis_network::ops::{
    ActivationConfig, Conv2dConfig, Function, Initialiser, LinearConfig, OperatorConfig,
    ReshapeConfig,
};
use vaegis_network::{Network, NetworkBuilder, NetworkConfig, Weights, load_weights, save_weights};

fn small(seed: u64) -> Network {
    let mut builder = NetworkBuilder::new(vec![1, 4, 4]);
    let conv = Conv2dConfig {
        input: [1, 4, 4],
        channels: 2,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        dilation: [1, 1],
        groups: 1,
    };
    let value = builder.push(OperatorConfig::Conv2d(conv), &[0]);
    let value = builder.push(
        OperatorConfig::Activation(ActivationConfig {
            function: Function::LeakyRelu { slope: 0.2 },
        }),
        &[value],
    );
    let value = builder.push(OperatorConfig::Reshape(ReshapeConfig { shape: vec![32] }), &[value]);
    let value =
        builder.push(OperatorConfig::Linear(LinearConfig { inputs: 32, outputs: 3 }), &[value]);
    builder.finish(&[value], &mut Initialiser::new(seed), &Device::flex()).unwrap()
}

fn evaluate(network: &Network) -> Vec<f32> {
    let x = Tensor::<2>::ones([2, 16], &Device::flex());
    network.forward(x).remove(0).into_data().try_to_vec().unwrap()
}

#[test]
fn configuration_and_weights_round_trip() {
    let network = small(1);
    let text = serde_json::to_string(&network.config()).unwrap();
    let config: NetworkConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(config, network.config());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    save_weights(&Weights::of(&network, "encoder."), &path).unwrap();
    let other = config.init(&mut Initialiser::new(2), &Device::flex()).unwrap();
    assert_ne!(evaluate(&other), evaluate(&network));
    let loaded = load_weights(&path).unwrap().apply(other, "encoder.", &path).unwrap();
    assert_eq!(evaluate(&loaded), evaluate(&network));
}

#[test]
fn manifests_from_before_groups_and_dilation_load() {
    let text = serde_json::to_string(&small(1).config()).unwrap();
    let older = text.replace(",\"dilation\":[1,1],\"groups\":1", "");
    assert_ne!(older, text);
    assert_eq!(serde_json::from_str::<NetworkConfig>(&older).unwrap(), small(1).config());
}

#[test]
fn the_seed_alone_decides_initial_weights() {
    assert_eq!(Weights::of(&small(3), ""), Weights::of(&small(3), ""));
    assert_ne!(Weights::of(&small(3), ""), Weights::of(&small(4), ""));
}

#[test]
fn every_bad_tensor_is_named_at_once() {
    let network = small(1);
    let mut weights = Weights::default();
    let mut bias = vec![0.0; 3];
    bias[1] = f32::NAN;
    weights.insert("3.bias", vec![3], bias);
    weights.insert("3.weight", vec![3, 32], vec![0.0; 96]);
    let error = weights.apply(network, "", "model.safetensors".as_ref()).unwrap_err().to_string();
    for part in [
        "model.safetensors",
        "0.weight is missing",
        "0.bias is missing",
        "3.bias is NaN at element 1",
        "3.weight has shape [3, 32], expected [32, 3]",
    ] {
        assert!(error.contains(part), "{part:?} not in {error:?}");
    }
}

#[test]
fn a_truncated_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    save_weights(&Weights::of(&small(1), ""), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    let error = load_weights(&path).unwrap_err().to_string();
    assert!(error.contains("not a safetensors file"), "{error}");
    assert!(load_weights(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
}

#[test]
fn operators_that_do_not_fit_are_named() {
    let mut builder = NetworkBuilder::new(vec![1, 4, 4]);
    builder.push(OperatorConfig::Linear(LinearConfig { inputs: 15, outputs: 3 }), &[0]);
    let error = builder.finish(&[1], &mut Initialiser::new(0), &Device::flex()).unwrap_err();
    assert_eq!(error.to_string(), "node 0 (linear): expects 15 features, found 16");
    let mut builder = NetworkBuilder::new(vec![4]);
    builder.push(OperatorConfig::Reshape(ReshapeConfig { shape: vec![2, 2] }), &[2]);
    let error = builder.finish(&[1], &mut Initialiser::new(0), &Device::flex()).unwrap_err();
    assert_eq!(error.to_string(), "node 0 (reshape): reads value 2, which comes later");
}
