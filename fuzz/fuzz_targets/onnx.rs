//! ONNX files: whatever the bytes, an error or a network that can be evaluated.
#![no_main]

use std::path::Path;

use burn::tensor::Device;
use libfuzzer_sys::fuzz_target;
use vaegis_network::check_derivatives;
use vaegis_network::onnx::{OnnxModel, Part};

/// Networks beyond this are imported, but not run: the fuzzer has other things to do.
const MOST_FEATURES: usize = 1 << 14;
const MOST_FLOPS: usize = 1 << 22;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = OnnxModel::from_bytes(bytes, Path::new("fuzz.onnx")) else { return };
    let (inputs, outputs) = (model.inputs(), model.outputs());
    let (Some(input), Some(output)) = (inputs.first(), outputs.first()) else { return };
    let _ = (model.operators(), input.describe(), model.bottlenecks(&input.name, &output.name));
    let to: Vec<&str> = outputs.iter().map(|port| port.name.as_str()).collect();
    // Its own shape, and one for inputs that leave theirs open.
    for shape in [None, Some([1, 4, 4].as_slice())] {
        let part = Part { from: &input.name, sample_shape: shape, to: &to };
        let Ok(network) = model.network(&part, &Device::flex()) else { continue };
        if network.trace_features() <= MOST_FEATURES && network.flops_per_row() <= MOST_FLOPS {
            check_derivatives(&network, &vec![0.4; network.input_features()], 0);
        }
    }
});
