//! Weights of PyTorch with a manifest: `inspect`, `audit` and `export` take them like any model.

mod common;

use std::path::Path;

use common::{Sandbox, copy_folder, idx_f32};
use serde_json::Value;
use vaegis_audit::schema::Status;
use vaegis_network::load_weights;

/// A model of PyTorch in `model`,.
fn sandbox_with(name: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zoo/state_dicts").join(name);
    copy_folder(&folder, &sandbox.path("model"));
    sandbox
}

#[test]
fn a_manifest_is_inspected_audited_and_exported() {
    let sandbox = sandbox_with("mlp");
    let reference = load_weights(&sandbox.path("model/reference.safetensors")).unwrap();
    let (shape, values) = reference.get("x").unwrap();
    sandbox.write("x.idx", idx_f32([shape[0], shape[2], shape[3]], values));

    let run = sandbox.run("inspect model/vae.toml --json").expect_code(0);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["vae"]["latent"], 4);
    assert_eq!(report["vae"]["likelihood"], "Bernoulli");

    let audit = "--data x.idx --points 0,1 --draws 400 --r q0.9";
    sandbox.run(&format!("audit model/vae.toml {audit} --out audit")).expect_code(0);
    sandbox.run("export model/vae.toml --out onnx").expect_code(0);
    let files = "--encoder onnx/encoder.onnx --decoder onnx/decoder.onnx";
    sandbox.run(&format!("audit {files} {audit} --out again")).expect_code(0);
    for (row, again) in sandbox.rows("audit").into_iter().zip(sandbox.rows("again")) {
        assert_eq!((row.status, again.status), (Status::Ok, Status::Ok));
        assert_eq!((row.p, row.r, row.attacked), (again.p, again.r, again.attacked));
    }
}

#[test]
fn where_the_manifest_lies_does_not_matter() {
    let sandbox = sandbox_with("groupnorm_residual");
    let run = |line: &str| sandbox.run(line).expect_code(0).stdout;
    let here = run("inspect model/vae.toml");
    std::fs::rename(sandbox.path("model"), sandbox.path("elsewhere")).unwrap();
    assert_eq!(run("inspect elsewhere/vae.toml"), here);
}

#[test]
fn what_a_manifest_says_is_not_said_again() {
    let sandbox = sandbox_with("conv_batchnorm");
    for option in ["--spread sigma", "--sigma 0.1", "--decoder-returns means"] {
        let run = sandbox.run(&format!("inspect model/vae.toml {option}"));
        run.expect_refusal(&["model/vae.toml", "a manifest says itself"]);
    }
    let preprocessing = "--mean 0.5 --std 0.5 --reconstruction-space model";
    let run = sandbox.run(&format!("inspect model/vae.toml {preprocessing}")).expect_code(0);
    assert!(run.stdout.contains("decoded means are taken back"), "{run:?}");
    sandbox.run("inspect nothing.toml").expect_refusal(&["nothing.toml"]);
    sandbox.write("empty.toml", "");
    sandbox.run("inspect empty.toml").expect_refusal(&["empty.toml", "weights"]);
}
