//! `vaegis score`: of models that vaegis trained and of imported ones.

mod common;

use std::path::Path;

use common::{Sandbox, copy_folder};
use serde_json::Value;

const SPRITES: &str =
    "train --data sprites:1000 --hidden 16 --latent 3 --epochs 2 --batch-size 64 --out model";

fn json(sandbox: &Sandbox, line: &str) -> Value {
    let run = sandbox.run(&format!("score {line} --json")).expect_code(0);
    serde_json::from_str(&run.stdout).expect("one JSON object")
}

fn estimate(scores: &Value, name: &str) -> f64 {
    let interval = &scores[name];
    let number = |key: &str| interval[key].as_f64().expect("a number");
    assert!(number("low") <= number("high"), "{name}: {interval}");
    number("estimate")
}

#[test]
fn a_model_of_digits_is_scored_without_factors() {
    let sandbox = Sandbox::with_model();
    let before = sandbox.files(".");
    let run = sandbox.run("score model --data mnist --points 300").expect_code(0);
    for name in ["ELBO", "mutual information", "total correlation", "active units", "of 3"] {
        assert!(run.stdout.contains(name), "{run:?}");
    }
    assert!(!run.stdout.contains("MIG"), "{run:?}");
    assert_eq!(sandbox.files("."), before);
    let scores = json(&sandbox, "model --data mnist --points 300");
    let of = |name| estimate(&scores, name);
    let parts = of("mutual_information") + of("total_correlation") + of("marginal_kl");
    assert!((parts - of("rate")).abs() < 1e-9);
    assert!((of("elbo") + of("distortion") + of("rate")).abs() < 1e-9);
    assert!(of("mutual_information") <= 300_f64.ln());
    assert_eq!((&scores["rows"], &scores["points"]), (&300.into(), &"300".into()));
    assert!(scores["disentanglement"].is_null());
}

#[test]
fn threads_change_nothing_and_seeds_do() {
    let sandbox = Sandbox::with_model();
    let run = |more: &str| json(&sandbox, &format!("model --data mnist --points 200 {more}"));
    assert_eq!(run("--threads 1"), run("--threads 2"));
    let (one, other) = (run(""), run("--seed 1 --name other"));
    assert_eq!(one["rate"], other["rate"]);
    assert_ne!(one["distortion"], other["distortion"]);
    assert_eq!((&one["model"], &other["model"]), (&"model".into(), &"other".into()));
}

#[test]
fn the_default_is_said_where_it_is_not_all_test_rows() {
    let sandbox = Sandbox::with_model();
    let run = sandbox.run("score model --data fashion-mnist").expect_code(0);
    assert!(!run.stderr.contains("test rows are scored"), "{run:?}");
    sandbox.write("many.idx", common::idx_u8([10_010, 28, 28]));
    let run = sandbox.run("score model --data many.idx").expect_code(0);
    assert!(run.stderr.contains("the first 2000 of 2002 test rows are scored"), "{run:?}");
    let run = sandbox.run("score model --data many.idx --points 50").expect_code(0);
    assert!(!run.stderr.contains("test rows are scored"), "{run:?}");
}

/// A few rows are told apart without fail: their mutual information says little about others.
#[test]
fn limits_of_few_rows_are_said() {
    let sandbox = Sandbox::with_model();
    let run = |rows| sandbox.run(&format!("score model --data mnist --points {rows}")).stderr;
    assert!(run(2).contains("mutual information is near its limit, ln 2 = 0.69"));
    assert!(!run(2_000).contains("near its limit"));
}

#[test]
fn a_model_of_sprites_is_scored_with_factors() {
    let sandbox = Sandbox::new();
    sandbox.run(SPRITES).expect_code(0);
    let run = sandbox.run("score model --data sprites:1000").expect_code(0);
    for name in ["MIG", "modularity", "SAP", "DCI completeness", "FactorVAE score"] {
        assert!(run.stdout.contains(name), "{run:?}");
    }
    let scores = json(&sandbox, "model --data sprites:1000");
    assert_eq!(scores["rows"], 200);
    let known = &scores["disentanglement"];
    for name in ["mig", "modularity", "sap", "dci_disentanglement", "beta_vae_score"] {
        assert!((0.0..=1.0).contains(&estimate(known, name)), "{known}");
    }
    sandbox
        .run("score model --data sprites:1000 --points 800..810")
        .expect_refusal(&["10 rows, expected at least 40"]);
}

#[test]
fn imported_models_are_scored_as_what_they_were_exported_from() {
    let sandbox = Sandbox::with_model();
    sandbox.run("export model --out onnx").expect_code(0);
    let own = json(&sandbox, "model --data mnist --points 250");
    let files = "--encoder onnx/encoder.onnx --decoder onnx/decoder.onnx";
    let imported = json(&sandbox, &format!("{files} --data mnist --points 250"));
    // The mean of a Bernoulli distribution has to be turned into a logit again.
    for name in ["elbo", "rate", "mutual_information", "total_correlation", "aggregate_kl"] {
        let (own, imported) = (estimate(&own, name), estimate(&imported, name));
        assert!((own - imported).abs() < 1e-3 * own.abs(), "{name}: {own} {imported}");
    }
    assert_eq!(own["active_units"], imported["active_units"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let sandbox = Sandbox::with_model();
    for (line, parts) in [
        ("score model --data sprites:100", &["[1, 28, 28]", "[1, 64, 64]", "20 rows"][..]),
        ("score model --data mnist --points 3..4", &["1 rows, expected at least 2"]),
        ("score model --data mnist --points 10001", &["10001", "2000"]),
        ("score nowhere --data mnist", &["nowhere"]),
    ] {
        sandbox.run(line).expect_refusal(parts);
    }
}

/// What `docs/scores.md` shows is what the program does.
#[test]
fn commands_of_the_guide_run() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scores.md");
    let text = std::fs::read_to_string(guide).expect("docs/scores.md");
    let sandbox = Sandbox::with_model();
    std::fs::create_dir(sandbox.path("runs")).expect("a folder");
    copy_folder(&sandbox.path("model"), &sandbox.path("runs/beta4"));
    let mut ran = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("vaegis ")) {
        let line = line.split('#').next().unwrap_or(line);
        sandbox.run(line).expect_code(0);
        ran += 1;
    }
    assert!(ran >= 2, "{ran} commands");
}
