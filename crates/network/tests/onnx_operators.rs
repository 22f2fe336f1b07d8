//! Single ONNX operators: what ONNX Runtime gives, and derivatives that agree with each other.

use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};
use vaegis_network::onnx::{OnnxModel, Part};
use vaegis_network::{Network, Weights, check_derivatives, load_weights};

/// Largest error of an output, relative to the largest of all.
const TOLERANCE: f64 = 1e-5;
/// Outputs below this magnitude are held to an absolute tolerance.
const FLOOR: f64 = 1e-3;
/// Of forward against reverse derivatives: rounding only.
const ADJOINT_TOLERANCE: f64 = 1e-4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zoo/operators")
}

/// The models of a folder in the order of their names.
fn models(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut models: Vec<(String, PathBuf)> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_string(), path))
        .collect();
    models.sort();
    models
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

/// Imports a model and compares it with what ONNX Runtime gave; returns how well its
/// derivatives agree with finite differences, which says little beside a kink.
fn compare(name: &str, path: &Path, stored: &Weights) -> Result<f64, String> {
    let network = import(path)?;
    let tensor = |suffix: &str| {
        let name = format!("{name}.{suffix}");
        stored.get(&name).ok_or_else(|| format!("no tensor {name:?}"))
    };
    let ((x_shape, x), (y_shape, y)) = (tensor("x")?, tensor("y")?);
    let rows = x_shape[0];
    let features = x.len() / rows;
    if network.input_features() != features {
        return Err(format!("it takes {} features, not {features}", network.input_features()));
    }
    let shape = network.output_shape(0);
    if *shape != y_shape[1..] {
        return Err(format!("samples of shape {shape:?}, not {:?}", &y_shape[1..]));
    }
    let inputs = TensorData::new(x.to_vec(), [rows, features]);
    let mut outputs = network.forward(Tensor::<2>::from_data(inputs, &network.device()));
    let output = outputs.remove(0).into_data().convert_dtype(DType::F64);
    let output = output.try_to_vec::<f64>().expect("converted to f64 just above");
    if output.len() != y.len() {
        return Err(format!("{} outputs, not {}", output.len(), y.len()));
    }
    let largest = y.iter().fold(FLOOR, |largest, &value| largest.max(f64::from(value).abs()));
    for (place, (&ours, &theirs)) in output.iter().zip(y).enumerate() {
        let error = (ours - f64::from(theirs)).abs() / largest;
        // NaN fails too.
        if error.is_nan() || error > TOLERANCE {
            return Err(format!("output {place} is {ours}, not {theirs} ({error:.1e})"));
        }
    }
    let derivatives = check_derivatives(&network, &x[..features], 1);
    if derivatives.adjoint.is_nan() || derivatives.adjoint >= ADJOINT_TOLERANCE {
        return Err(format!("jvp and vjp differ by {:.1e}", derivatives.adjoint));
    }
    Ok(derivatives.differences)
}

#[test]
fn operators_give_what_onnx_runtime_gives() {
    let stored = load_weights(&folder().join("cases.safetensors")).unwrap();
    let models = models(&folder().join("models"));
    let mut failures = vec![];
    for (name, path) in &models {
        // A panic must not hide the cases after it.
        let outcome = std::panic::catch_unwind(|| compare(name, path, &stored));
        match outcome.unwrap_or_else(|_| Err("panicked".to_string())) {
            Ok(differences) if differences < 1e-2 => {}
            Ok(differences) => println!("{name}: finite differences differ by {differences:.1e}"),
            Err(message) => failures.push(format!("{name}: {message}")),
        }
    }
    assert!(models.len() >= 200, "only {} cases", models.len());
    let all = failures.join("\n");
    assert!(failures.is_empty(), "{} of {} cases:\n{all}", failures.len(), models.len());
}

#[test]
fn what_is_no_function_of_a_row_or_not_supported_is_refused() {
    let models = models(&folder().join("refused"));
    let mut accepted = vec![];
    for (name, path) in &models {
        match import(path) {
            Ok(_) => accepted.push(name),
            Err(message) => println!("{name}: {message}"),
        }
    }
    assert!(models.len() >= 50, "only {} models", models.len());
    assert!(accepted.is_empty(), "accepted: {accepted:#?}");
}
