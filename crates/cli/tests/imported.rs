//! Models that users bring: every model of the zoo from ONNX files and an npy file to an
//! audit, and what is asked for where files leave it open.

mod common;

use std::path::{Path, PathBuf};

use common::Sandbox;
use serde_json::Value;
use vaegis_audit::schema::Status;
use vaegis_network::{Weights, load_weights, save_weights};

fn zoo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zoo")
}

/// A sandbox with one model of the zoo as `encoder.onnx` and `decoder.onnx` (or `model.onnx`)
/// and its reference inputs as `x.npy`.
fn sandbox_with(name: &str, variant: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = zoo().join("fixtures").join(name);
    for entry in std::fs::read_dir(folder.join(variant)).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        sandbox.write(file, std::fs::read(&path).unwrap());
    }
    let reference = load_weights(&folder.join("reference.safetensors")).unwrap();
    let (shape, values) = reference.get("x").unwrap();
    sandbox.write("x.npy", npy(shape, values));
    sandbox
}

/// NumPy's format, version 1.
fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let shape: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    let padding = 64 - (10 + header.len() + 1) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// The options that a user who knows the model gives.
fn options(model: &Value) -> String {
    if !model["one_file"].is_null() {
        return "model.onnx".to_string();
    }
    let spread = match model["encoder"]["convention"].as_str().unwrap() {
        "mu_log_variance" | "halves" => "--spread log-variance".to_string(),
        "mu_sigma" => "--spread sigma".to_string(),
        "mu_softplus" => "--spread softplus-sigma".to_string(),
        "mu_only" => format!("--sigma {}", model["encoder"]["constant_sigma"]),
        other => panic!("convention {other}"),
    };
    let returns = model["decoder"]["output"].as_str().unwrap();
    format!("--encoder encoder.onnx --decoder decoder.onnx {spread} --decoder-returns {returns}")
}

#[test]
fn every_model_of_the_zoo_is_audited_and_scored() {
    let mut audited = 0;
    for entry in std::fs::read_dir(zoo().join("fixtures")).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(folder.join("model.json")) else { continue };
        let model: Value = serde_json::from_str(&text).unwrap();
        let name = model["name"].as_str().unwrap();
        let variant = model["variants"][0]["name"].as_str().unwrap();
        let sandbox = sandbox_with(name, variant);
        // Channels-last arrays of one channel and flat ones are what they are; images of
        // unknown layout are stated.
        let run = sandbox.run(&format!(
            "audit {} --data x.npy --points 0,1 --draws 400 --r q0.9 --out audit --json",
            options(&model)
        ));
        let run = run.expect_code(0);
        assert!(run.stderr.contains("import: "), "{run:?}");
        for row in sandbox.rows("audit") {
            assert_eq!(row.status, Status::Ok, "{name}: {:?}", row.message);
            let bound = row.bound_paper_limit.unwrap();
            assert!(bound.is_finite() && bound > 0.0, "{name}: {bound}");
            assert!(row.attacked.unwrap() > 0.0, "{name}");
        }
        let line = format!("score {} --data x.npy --points all --json", options(&model));
        let scores = sandbox.run(&line).expect_code(0).stdout;
        let scores: Value = serde_json::from_str(&scores).unwrap();
        assert!(scores["elbo"]["low"].as_f64().unwrap().is_finite(), "{name}: {scores}");
        audited += 1;
    }
    assert!(audited >= 14, "{audited} models");
}

#[test]
fn what_files_leave_open_is_asked_for() {
    let files = "--encoder encoder.onnx --decoder decoder.onnx --data x.npy --out out";
    // Names that an exporter made up.
    let sandbox = sandbox_with("mlp_softplus", "dynamo");
    sandbox.run(&format!("audit {files}")).expect_refusal(&[
        "encoder.onnx",
        "linear_2 [batch, 4]",
        "--spread log-variance, log-sigma, sigma, variance or softplus-sigma",
    ]);
    sandbox
        .run(&format!("audit {files} --spread sigma"))
        .expect_refusal(&["decoder.onnx", "--decoder-returns means or logits"]);
    // One output: two values in one, or mu alone.
    let sandbox = sandbox_with("table", "dynamo");
    sandbox.run(&format!("audit {files}")).expect_refusal(&["encoder.onnx", "--sigma", "--spread"]);
    sandbox
        .run(&format!("audit {files} --sigma 0 --decoder-returns means"))
        .expect_refusal(&["sigma must be positive"]);
    sandbox
        .run(&format!("audit {files} --spread sigma --decoder-returns means"))
        .expect_refusal(&["not twice what the decoder takes"]);
    sandbox
        .run(&format!("audit {files} --sigma 0.1 --decoder-returns means --mean 1,2 --std 0"))
        .expect_refusal(&["--mean has 2 numbers", "--std", "--reconstruction-space"]);
    sandbox.run(&format!("audit {files} --posterior nothing")).expect_refusal(&["nothing"]);
}

#[test]
fn models_that_do_not_fit_are_refused() {
    let sandbox = sandbox_with("mlp", "legacy");
    let audit = "audit --encoder encoder.onnx --decoder decoder.onnx";
    sandbox
        .run(&format!("{audit} --data mnist --points 1 --draws 100 --no-attack --out out"))
        .expect_code(0);
    sandbox.write("wide.npy", npy(&[2, 3], &[0.0; 6]));
    sandbox.run(&format!("{audit} --data wide.npy --out out2")).expect_refusal(&[
        "encoder.onnx",
        "[784]",
        "[3]",
    ]);
    for (line, parts) in [
        ("audit --encoder encoder.onnx --data mnist --out out2", &["--decoder"][..]),
        ("audit --data mnist --out out2", &["MODEL"]),
        ("audit encoder.onnx --data mnist --out out2", &["encoder.onnx", "--reconstruction"]),
        ("audit nothing.onnx --data mnist --out out2", &["nothing.onnx"]),
        (
            "audit --encoder decoder.onnx --decoder decoder.onnx --data mnist --out out2",
            &["decoder.onnx"],
        ),
    ] {
        sandbox.run(line).expect_refusal(parts);
    }
    let hostile = zoo().join("hostile/unsupported.onnx");
    sandbox.write("hostile.onnx", std::fs::read(hostile).unwrap());
    sandbox.run("inspect hostile.onnx").expect_refusal(&["LSTM", "NonMaxSuppression", "Fold"]);
}

#[test]
fn inspect_shows_what_was_understood() {
    let sandbox = sandbox_with("one_file_sampled", "legacy");
    let run = sandbox.run("inspect model.onnx").expect_code(0);
    // The measured agreement of derivatives is the only thing that machines may differ in.
    let stable: String = run
        .stdout
        .lines()
        .filter(|line| !line.starts_with("derivatives agree"))
        .map(|line| format!("{line}\n"))
        .collect();
    insta::assert_snapshot!(stable);

    let run = sandbox.run("inspect model.onnx --json").expect_code(0);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["vae"]["latent"], 4);
    for network in report["networks"].as_array().unwrap() {
        assert!(network["derivative_error"].as_f64().unwrap() < 1e-2, "{network}");
        assert!(network["adjoint_error"].as_f64().unwrap() < 1e-4, "{network}");
    }
    let sandbox = sandbox_with("mlp", "dynamo");
    let run = sandbox.run("inspect encoder.onnx").expect_code(0);
    assert!(run.stdout.contains("Not a whole VAE by itself"), "{run:?}");
}

#[test]
fn the_commands_of_the_guide_work() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/importing.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let sandbox = sandbox_with("mlp", "dynamo");
    // The manifest of the guide, and weights that fit it.
    let manifest = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    sandbox.write("vae.toml", manifest);
    let mut weights = Weights::default();
    for (name, shape) in [
        ("encoder.0.weight", [8, 1, 4, 4].as_slice()),
        ("encoder.1.running_mean", &[8]),
        ("encoder.1.running_var", &[8]),
        ("encoder.4.weight", &[16, 8 * 14 * 14]),
        ("fc_mu.weight", &[3, 16]),
        ("fc_logvar.weight", &[3, 16]),
        ("decoder.0.weight", &[64 * 14 * 14, 3]),
        ("decoder.2.weight", &[64, 1, 3, 3]),
    ] {
        let count: usize = shape.iter().product();
        // Around 0 (around 1 for variances), so that nothing overflows.
        let centre = if name.ends_with("running_var") { 1.0 } else { 0.0 };
        let values = (0..count as u32)
            .map(|k| centre + 0.1 * (k.wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32 - 0.5));
        weights.insert(name, shape.to_vec(), values.collect());
    }
    save_weights(&weights, &sandbox.path("vae.safetensors")).unwrap();
    let mut commands = 0;
    for line in guide.lines().filter_map(|line| line.strip_prefix("vaegis ")) {
        sandbox.run(line).expect_code(0);
        commands += 1;
    }
    assert!(commands >= 7, "{commands} commands");
}
