//! ONNX files that mean harm or are broken: an error that says what is wrong, never a panic.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use vaegis_network::Network;
use vaegis_network::onnx::{OnnxModel, Part};

fn zoo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zoo")
}

/// Everything from the only input to all outputs.
fn import(path: &Path) -> Result<Network, String> {
    let model = OnnxModel::open(path).map_err(|error| error.to_string())?;
    let inputs = model.inputs();
    let [input] = inputs.as_slice() else { return Err(format!("{} inputs", inputs.len())) };
    let outputs = model.outputs();
    let to: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    let part = Part { from: &input.name, sample_shape: None, to: &to };
    model.network(&part, &Device::flex()).map_err(|error| error.to_string())
}

#[test]
fn hostile_files_are_refused() {
    let folder = zoo().join("hostile");
    let listed = std::fs::read_to_string(folder.join("hostile.json")).unwrap();
    let listed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&listed).unwrap();
    let mut accepted = vec![];
    for (name, why) in &listed {
        match import(&folder.join(name)) {
            Ok(_) => accepted.push(format!("{name} ({why})")),
            Err(message) => println!("{name}: {why}\n    {message}"),
        }
    }
    // Odd, but not wrong.
    let harmless = |name: &String| {
        ["control", "opset_missing", "opset_huge", "ir_version_huge"]
            .iter()
            .any(|stem| name.starts_with(stem))
    };
    accepted.retain(|name| !harmless(name));
    assert!(accepted.is_empty(), "accepted: {accepted:#?}");
    assert!(listed.len() > 60, "only {} hostile files", listed.len());
}

#[test]
fn everything_unsupported_is_named_at_once() {
    let message = import(&zoo().join("hostile/unsupported.onnx")).unwrap_err();
    for part in ["com.example.Fold", "LSTM", "NonMaxSuppression", "unsupported.onnx"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

/// Speed is measured by benches; that nothing is left of how exporters write a model is what
/// it rests on.
#[test]
fn imported_networks_are_what_one_would_build_by_hand() {
    for (model, part, operators) in [
        ("mlp", "encoder", "linear relu linear relu linear linear"),
        ("mlp", "decoder", "linear relu linear relu linear sigmoid"),
        ("keras_mlp", "encoder", "linear leaky_relu linear gelu_tanh linear linear"),
        ("conv", "encoder", "conv2d relu conv2d relu reshape linear linear"),
        ("conv", "decoder", "linear relu reshape conv_transpose2d relu conv_transpose2d sigmoid"),
        // Batch normalisation melts into the convolutions before it.
        (
            "conv_batchnorm",
            "encoder",
            "conv2d leaky_relu conv2d leaky_relu conv2d leaky_relu reshape linear",
        ),
    ] {
        let folder = zoo().join("fixtures").join(model);
        let mut variants = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path().join(format!("{part}.onnx"));
            if !file.exists() {
                continue;
            }
            let network = import(&file).unwrap();
            let found: Vec<String> =
                network.summary().into_iter().map(|node| node.operator).collect();
            assert_eq!(found.join(" "), operators, "{}", file.display());
            variants += 1;
        }
        assert!(variants >= 2, "{variants} variants of {model}");
    }
}

#[test]
fn truncated_files_are_refused_at_every_length() {
    let bytes = std::fs::read(zoo().join("fixtures/mlp/legacy/encoder.onnx")).unwrap();
    // Everything but the weights, and some of those.
    for length in (0..2000).chain((2000..bytes.len()).step_by(997)) {
        let model = OnnxModel::from_bytes(&bytes[..length], Path::new("cut.onnx"));
        let network = model.and_then(|model| {
            let inputs = model.inputs();
            let from = inputs.first().map_or("x", |input| input.name.as_str()).to_string();
            let outputs: Vec<String> = model.outputs().into_iter().map(|port| port.name).collect();
            let to: Vec<&str> = outputs.iter().map(String::as_str).collect();
            let shape = [784];
            let part = Part { from: &from, sample_shape: Some(&shape), to: &to };
            model.network(&part, &Device::flex())
        });
        assert!(network.is_err(), "{length} of {} bytes are accepted", bytes.len());
    }
}
