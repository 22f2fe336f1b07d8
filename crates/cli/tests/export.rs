//! `vaegis export`: what it writes is read back by vaegis without a question, and ONNX Runtime
//! gives what vaegis computes.

mod common;
#[path = "../../network/tests/support/onnx_runtime.rs"]
mod onnx_runtime;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use common::Sandbox;
use onnx_runtime::OnnxRuntime;
use serde_json::Value;
use vaegis_network::onnx::{OnnxModel, Part};
use vaegis_network::ops::Function;
use vaegis_network::{Network, Weights, load_weights};
use vaegis_vae::import::{ImportOptions, Imported, import_pair};
use vaegis_vae::{Architecture, Likelihood, Vae, VaeConfig};

/// Of what is read back, relative to the largest magnitude.
const TOLERANCE: f64 = 1e-6;
/// Against what other programs computed.
const REFERENCE_TOLERANCE: f64 = 1e-5;

fn zoo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zoo")
}

/// Reads the files of a folder back, telling nothing about them.
fn read_back(folder: &Path) -> Imported {
    let (encoder, decoder) = (folder.join("encoder.onnx"), folder.join("decoder.onnx"));
    import_pair(&encoder, &decoder, &ImportOptions::default(), &Device::flex()).unwrap()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Numbers in [0, 1] that look random.
fn values(count: usize) -> Vec<f32> {
    (0..count as u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0).collect()
}

/// Difference relative to the largest magnitude.
fn error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |largest, v| largest.max(v.abs()));
    let worst = found.iter().zip(expected).fold(0f64, |worst, (found, expected)| {
        let difference = f64::from(found - expected).abs();
        if difference.is_nan() { difference } else { worst.max(difference) }
    });
    worst / f64::from(largest)
}

/// mu, logvar, x_hat and derivatives of both networks at some points.
fn everything(vae: &Vae) -> [(&'static str, Vec<f32>); 7] {
    let (features, latent) = (vae.encoder().input_features(), vae.latent());
    let x = tensor(values(2 * features), [2, features]);
    let posterior = vae.encode(x.clone());
    let z = tensor(values(2 * latent), [2, latent]) * 2.0 - 1.0;
    let generator = vae.generator();
    let (encoder, decoder) = (vae.encoder().trace(x), generator.trace(z.clone()));
    let of_x = tensor(values(2 * features), [2, 1, features]) - 0.5;
    let of_z = tensor(values(2 * latent), [2, 1, latent]) - 0.5;
    [
        ("mu", to_vec(posterior.mu)),
        ("logvar", to_vec(posterior.log_variance)),
        ("x_hat", to_vec(generator.forward(z).remove(0))),
        ("encoder jvp", to_vec(vae.encoder().jvp(&encoder, of_x.clone()).remove(0))),
        ("encoder vjp", to_vec(vae.encoder().vjp(&encoder, vec![Some(of_z.clone()), None]))),
        ("decoder jvp", to_vec(generator.jvp(&decoder, of_z).remove(0))),
        ("decoder vjp", to_vec(generator.vjp(&decoder, vec![Some(of_x)]))),
    ]
}

/// The input of a network and its outputs, under the names that a file has for them.
fn tensors(network: &Network, input: (&str, Vec<f32>), outputs: &[&str]) -> Weights {
    let features = network.input_features();
    let rows = input.1.len() / features;
    let whole = |shape: &[usize]| [&[rows], shape].concat();
    let results = network.forward(tensor(input.1.clone(), [rows, features]));
    let mut tensors = Weights::default();
    tensors.insert(input.0, whole(network.input_shape()), input.1);
    for (at, (name, result)) in outputs.iter().zip(results).enumerate() {
        tensors.insert(*name, whole(network.output_shape(at)), to_vec(result));
    }
    tensors
}

/// Both files of a folder must give in ONNX Runtime what the model gives.
fn expect(runtime: &mut OnnxRuntime, folder: &Path, vae: &Vae, logits: bool) {
    let x = values(3 * vae.encoder().input_features());
    let z = values(3 * vae.latent()).into_iter().map(|value| 4.0 * value - 2.0).collect();
    let encoder = tensors(vae.encoder(), ("x", x), &["mu", "logvar"]);
    let decoder = if logits {
        tensors(vae.decoder(), ("z", z), &["logits"])
    } else {
        tensors(&vae.generator(), ("z", z), &["x_hat"])
    };
    runtime.expect(&folder.join("encoder.onnx"), &encoder, TOLERANCE);
    runtime.expect(&folder.join("decoder.onnx"), &decoder, TOLERANCE);
}

#[test]
fn every_architecture_activation_and_likelihood_is_read_back() {
    let activations = [
        Function::Relu,
        Function::LeakyRelu { slope: 0.01 },
        Function::Elu { alpha: 1.0 },
        Function::Gelu,
        Function::Silu,
        Function::Softplus,
        Function::Sigmoid,
        Function::Tanh,
    ];
    let likelihoods = [
        Likelihood::Bernoulli,
        Likelihood::ContinuousBernoulli,
        Likelihood::Gaussian { sigma: 0.1 },
    ];
    let sandbox = Sandbox::new();
    let mut runtime = OnnxRuntime::new();
    let mut number = 0;
    for activation in activations {
        let mlp = Architecture::Mlp { hidden: vec![20, 12], activation };
        let conv = Architecture::Conv { channels: vec![4, 6], hidden: 16, activation };
        for (architecture, input_shape) in [(mlp, vec![1, 6, 6]), (conv, vec![2, 8, 8])] {
            for likelihood in likelihoods {
                number += 1;
                let config = VaeConfig {
                    input_shape: input_shape.clone(),
                    latent: 3,
                    architecture: architecture.clone(),
                    likelihood,
                };
                let vae = config.init(number, &Device::flex()).unwrap();
                let [model, means, logits] =
                    ["model", "means", "logits"].map(|what| format!("{what}{number}"));
                std::fs::create_dir(sandbox.path(&model)).unwrap();
                vae.save(&sandbox.path(&model)).unwrap();
                let run = sandbox.run(&format!("export {model} --out {means}")).expect_code(0);
                assert_eq!(run.stdout.lines().count(), 2, "{run:?}");
                let mut folders = vec![(means, false)];
                let run = sandbox.run(&format!("export {model} --out {logits} --returns logits"));
                if likelihood.mean_function().is_some() {
                    run.expect_code(0);
                    folders.push((logits, true));
                } else {
                    run.expect_refusal(&["a Gaussian likelihood has means, not logits"]);
                }
                for (folder, is_logits) in folders {
                    let folder = sandbox.path(&folder);
                    let back = read_back(&folder);
                    assert_eq!(back.vae.likelihood(), likelihood, "{config:?}");
                    assert_eq!(back.vae.input_shape(), vae.input_shape());
                    let said = back.remarks.iter().filter(|line| line.contains("as the file says"));
                    assert_eq!(said.count(), 1, "{:?}", back.remarks);
                    for ((what, found), (_, expected)) in
                        everything(&back.vae).iter().zip(everything(&vae))
                    {
                        let error = error(found, &expected);
                        assert!(error <= TOLERANCE, "{config:?}: {what} is off by {error}");
                    }
                    expect(&mut runtime, &folder, &vae, is_logits);
                }
            }
        }
    }
    runtime.compare("exported architectures");
}

/// Every fixture of the zoo: its folder and description.
fn fixtures() -> Vec<(PathBuf, Value)> {
    let entries = std::fs::read_dir(zoo().join("fixtures")).unwrap();
    let described = entries.filter_map(|entry| {
        let folder = entry.unwrap().path();
        let text = std::fs::read_to_string(folder.join("model.json")).ok()?;
        Some((folder, serde_json::from_str(&text).unwrap()))
    });
    let mut found: Vec<(PathBuf, Value)> = described.collect();
    found.sort_by_key(|(folder, _)| folder.clone());
    assert!(found.len() >= 14, "the zoo has {} models", found.len());
    found
}

/// The files and options by which a user who knows the model opens a variant of it.
fn options(folder: &Path, model: &Value, variant: &Value) -> String {
    let file = |part: &str| {
        let name = variant["files"][part].as_str();
        name.map(|name| folder.join(name).display().to_string())
    };
    if let Some(model) = file("model") {
        return model;
    }
    let spread = match model["encoder"]["convention"].as_str().unwrap() {
        "mu_log_variance" | "halves" => "--spread log-variance".to_string(),
        "mu_sigma" => "--spread sigma".to_string(),
        "mu_softplus" => "--spread softplus-sigma".to_string(),
        "mu_only" => format!("--sigma {}", model["encoder"]["constant_sigma"]),
        other => panic!("convention {other}"),
    };
    let returns = model["decoder"]["output"].as_str().unwrap();
    let (encoder, decoder) = (file("encoder").unwrap(), file("decoder").unwrap());
    format!("--encoder {encoder} --decoder {decoder} {spread} --decoder-returns {returns}")
}

/// Sample shapes of the ports of a file.
fn ports(path: &Path) -> Vec<(String, Vec<usize>)> {
    let model = OnnxModel::open(path).unwrap();
    let ports = model.inputs().into_iter().chain(model.outputs());
    ports.map(|port| (port.name.clone(), port.sample_shape().unwrap())).collect()
}

#[test]
fn the_zoo_goes_through_unchanged() {
    let mut runtime = OnnxRuntime::new();
    let sandbox = Sandbox::new();
    let mut count = 0;
    for (folder, model) in fixtures() {
        let reference = load_weights(&folder.join("reference.safetensors")).unwrap();
        let (_, sigma) = reference.get("sigma").unwrap();
        let log_variance: Vec<f32> = sigma.iter().map(|sigma| 2.0 * sigma.ln()).collect();
        for variant in model["variants"].as_array().unwrap() {
            count += 1;
            let what = format!("{} {}", model["name"], variant["name"]);
            let out = format!("out{count}");
            let line = format!("export {} --out {out}", options(&folder, &model, variant));
            sandbox.run(&line).expect_code(0);
            let out = sandbox.path(&out);
            for (file, names) in [
                ("encoder.onnx", [("x", "x"), ("mu", "mu"), ("logvar", "sigma")].as_slice()),
                ("decoder.onnx", &[("z", "mu"), ("x_hat", "x_hat")]),
            ] {
                let mut tensors = Weights::default();
                for (name, shape) in ports(&out.join(file)) {
                    let known = names.iter().find(|(own, _)| *own == name);
                    let (_, stored) = known.unwrap_or_else(|| panic!("{what}: {name}"));
                    let (whole, values) = reference.get(stored).unwrap();
                    let values = if name == "logvar" { &log_variance } else { values };
                    tensors.insert(name, [&whole[..1], &shape].concat(), values.to_vec());
                }
                runtime.expect(&out.join(file), &tensors, REFERENCE_TOLERANCE);
            }
            // Here and there again: the same as after the first import.
            let back = read_back(&out);
            let rows = reference.get("x").unwrap().0[0];
            let x = reference.get("x").unwrap().1.to_vec();
            let x = tensor(x, [rows, back.vae.encoder().input_features()]);
            let posterior = back.vae.encode(x);
            let x_hat = back.vae.generator().forward(posterior.mu.clone()).remove(0);
            for (name, found) in [
                ("mu", to_vec(posterior.mu.clone())),
                ("sigma", to_vec(posterior.sigma())),
                ("x_hat", to_vec(x_hat)),
            ] {
                let error = error(&found, reference.get(name).unwrap().1);
                assert!(error <= REFERENCE_TOLERANCE, "{what}: {name} is off by {error}");
            }
            let again = format!(
                "export --encoder {0}/encoder.onnx --decoder {0}/decoder.onnx --out again{count}",
                out.display()
            );
            sandbox.run(&again).expect_code(0);
            let again = read_back(&sandbox.path(&format!("again{count}")));
            assert_eq!(again.vae.weights(), back.vae.weights(), "{what}");
            assert_eq!(again.vae.likelihood(), back.vae.likelihood(), "{what}");
        }
    }
    assert!(count >= 24, "{count} variants");
    runtime.compare("the zoo, exported again");
}

#[test]
fn every_fixture_gives_in_onnx_runtime_what_it_gives_here() {
    let mut runtime = OnnxRuntime::new();
    for (folder, model) in fixtures() {
        let reference = load_weights(&folder.join("reference.safetensors")).unwrap();
        for variant in model["variants"].as_array().unwrap() {
            for (part, file) in variant["files"].as_object().unwrap() {
                let path = folder.join(file.as_str().unwrap());
                let onnx = OnnxModel::open(&path).unwrap();
                let input = onnx.inputs().remove(0).name;
                // What is drawn inside differs every time.
                let drawn = model["one_file"]["sampled"] == true;
                let outputs: Vec<String> =
                    onnx.outputs().into_iter().map(|port| port.name).skip(drawn.into()).collect();
                let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
                let given = reference.get(if part == "decoder" { "mu" } else { "x" }).unwrap();
                let shape = Some(&given.0[1..]);
                let part = Part { from: &input, sample_shape: shape, to: &outputs };
                let network = onnx.network(&part, &Device::flex()).unwrap();
                let tensors = tensors(&network, (&input, given.1.to_vec()), &outputs);
                runtime.expect(&path, &tensors, REFERENCE_TOLERANCE);
            }
        }
    }
    runtime.compare("fixtures of the zoo");
}

#[test]
fn an_exported_model_is_audited_like_the_model() {
    let sandbox = Sandbox::with_model();
    sandbox.run("export model --out onnx").expect_code(0);
    let options = "--data mnist --points 2 --draws 400 --r q0.9";
    sandbox.run(&format!("audit model {options} --out own")).expect_code(0);
    let files = "--encoder onnx/encoder.onnx --decoder onnx/decoder.onnx";
    let run = sandbox.run(&format!("audit {files} {options} --out read")).expect_code(0);
    assert!(run.stderr.contains("scored as Bernoulli, as the file says"), "{run:?}");
    for (own, read) in sandbox.rows("own").into_iter().zip(sandbox.rows("read")) {
        assert_eq!((own.p, own.r, own.attacked), (read.p, read.r, read.attacked));
        assert_eq!(own.degradation, read.degradation);
    }
}

#[test]
fn nothing_is_overwritten_unasked() {
    let sandbox = Sandbox::with_model();
    std::fs::create_dir(sandbox.path("out")).unwrap();
    sandbox.write("out/decoder.onnx", "precious");
    sandbox.run("export model --out out").expect_refusal(&["decoder.onnx exists", "--force"]);
    assert_eq!(sandbox.files("out"), ["decoder.onnx"]);
    assert_eq!(sandbox.read("out/decoder.onnx"), b"precious");
    sandbox.run("export model --out out --force").expect_code(0);
    assert_eq!(sandbox.files("out"), ["decoder.onnx", "encoder.onnx"]);
    assert!(sandbox.read("out/decoder.onnx").len() > 1000);

    sandbox.run("export nothing --out other").expect_refusal(&["nothing"]);
    sandbox.run("export model").expect_refusal(&["--out"]);
    sandbox.write("file", "");
    sandbox.run("export model --out file").expect_refusal(&["cannot write to file"]);
    sandbox
        .run("export model --out other --decoder-returns logits")
        .expect_refusal(&["options of imported models do not apply"]);
    assert!(!sandbox.exists("other"));
}

#[test]
fn what_a_file_says_of_itself_must_make_sense() {
    let sandbox = Sandbox::with_model();
    sandbox.run("export model --out onnx").expect_code(0);
    let decoder = sandbox.read("onnx/decoder.onnx");
    let files = "--encoder onnx/encoder.onnx --decoder changed.onnx";
    // The same length, so that the file stays whole.
    for (from, to, parts) in [
        (r#"{"kind":"bernoulli"}"#, r#"{"kind":"binomial!"}"#, &["vaegis.likelihood", "binomial!"]),
        (r#""means""#, r#""meant""#, &["vaegis.decoder_returns", "meant"]),
    ] {
        let at = decoder.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let changed = [&decoder[..at], to.as_bytes(), &decoder[at + from.len()..]].concat();
        sandbox.write("changed.onnx", changed);
        let refusal = sandbox.run(&format!("audit {files} --data mnist --out out"));
        refusal.expect_refusal(&[&["changed.onnx"], &parts[..]].concat());
    }
}
