//! `vaegis train`: what it writes, what a seed fixes, and what a kill cannot break.

mod common;

use std::process::Stdio;

use common::{Sandbox, idx_u8};
use vaegis_network::{Weights, load_weights};

/// One epoch in a fraction of a second.
const TINY: &str = "train --data mnist --hidden 16 --latent 3 --epochs 1 --batch-size 512";

/// Long enough to be killed between its first and its last checkpoint.
const LONG: &str = "train --data mnist --hidden 32 --latent 3 --epochs 6 --batch-size 64 --out";

fn weights(sandbox: &Sandbox, model: &str) -> Weights {
    load_weights(&sandbox.path(model).join("weights.safetensors")).expect("weights")
}

#[test]
fn training_leaves_a_folder_of_three_files() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&format!("{TINY} --out deep/model")).expect_code(0);
    assert_eq!(sandbox.files("deep/model"), ["model.json", "training.json", "weights.safetensors"]);
    assert!(weights(&sandbox, "deep/model").iter().count() >= 8);
    for (_, _, values) in weights(&sandbox, "deep/model").iter() {
        assert!(values.iter().all(|value| value.is_finite()));
    }
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    assert!(run.stdout.contains("deep/model: ELBO -"), "{run:?}");
    assert!(run.stderr.contains("epoch   1/1"), "{run:?}");
    let record = sandbox.read("deep/model/training.json");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    assert_eq!(record["config"]["epochs"], 1);
    assert_eq!(record["data"], "mnist");
    assert_eq!(record["best_epoch"], 1);
    assert_eq!(record["history"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_trained_model_is_never_overwritten() {
    let sandbox = Sandbox::with_model();
    let files = sandbox.files("model");
    let before: Vec<_> = files.iter().map(|file| sandbox.read(&format!("model/{file}"))).collect();
    sandbox
        .run(&format!("{TINY} --seed 1 --out model"))
        .expect_refusal(&["model already holds a trained model", "--out"]);
    assert_eq!(sandbox.files("model"), files);
    let after: Vec<_> = files.iter().map(|file| sandbox.read(&format!("model/{file}"))).collect();
    assert!(before == after);
}

#[test]
fn a_seed_fixes_the_weights() {
    let sandbox = Sandbox::new();
    for (seed, out) in [(7, "a"), (7, "b"), (8, "c")] {
        sandbox.run(&format!("{TINY} --seed {seed} --out {out}")).expect_code(0);
    }
    let [a, b, c] = ["a", "b", "c"].map(|out| sandbox.read(&format!("{out}/weights.safetensors")));
    assert!(a == b);
    assert!(a != c);
}

#[test]
fn threads_change_weights_by_no_more_than_rounding() {
    let sandbox = Sandbox::new();
    for threads in [1, 2] {
        sandbox.run(&format!("{TINY} --threads {threads} --out t{threads}")).expect_code(0);
    }
    let (one, two) = (weights(&sandbox, "t1"), weights(&sandbox, "t2"));
    assert_eq!(one.iter().count(), two.iter().count());
    for (name, shape, values) in one.iter() {
        let (other_shape, others) = two.get(name).expect("the same tensors");
        assert_eq!(shape, other_shape, "{name}");
        for (a, b) in values.iter().zip(others) {
            assert!((a - b).abs() <= 1e-5 * (1.0 + a.abs()), "{name}: {a} and {b}");
        }
    }
}

#[test]
fn a_killed_training_resumes_to_the_weights_of_an_uninterrupted_one() {
    let sandbox = Sandbox::new();
    sandbox.kill_when("killed/checkpoint", &format!("{LONG} killed"));
    assert!(!sandbox.exists("killed/model.json"), "it ended before it was killed");

    // What is there belongs to one run only.
    sandbox
        .run(&format!("{LONG} killed --beta 2"))
        .expect_refusal(&["killed/checkpoint", "training settings"]);
    assert!(sandbox.exists("killed/checkpoint"));

    let resumed = sandbox.run(&format!("{LONG} killed")).expect_code(0);
    assert!(!resumed.stderr.contains("epoch   1/6"), "it began anew: {resumed:?}");
    let whole = sandbox.run(&format!("{LONG} whole")).expect_code(0);
    assert!(whole.stderr.contains("epoch   1/6"), "{whole:?}");
    assert_eq!(sandbox.files("killed"), sandbox.files("whole"));
    for file in ["weights.safetensors", "model.json", "training.json"] {
        let [killed, whole] = ["killed", "whole"].map(|out| sandbox.read(&format!("{out}/{file}")));
        assert!(killed == whole, "{file} differs");
    }
}

/// FactorVAE has two players, whose states must both survive.
#[test]
fn a_killed_factor_vae_resumes_to_the_weights_and_events_of_an_uninterrupted_one() {
    let sandbox = Sandbox::new();
    let factor = "--objective factor-vae --discriminator-layers 2 --discriminator-width 32";
    let run = |out: &str| format!("{LONG} {out} {factor} --tensorboard events/{out}");
    sandbox.kill_when("killed/checkpoint", &run("killed"));
    assert!(!sandbox.exists("killed/model.json"), "it ended before it was killed");
    let resumed = sandbox.run(&run("killed")).expect_code(0);
    assert!(!resumed.stderr.contains("epoch   1/6"), "it began anew: {resumed:?}");
    sandbox.run(&run("whole")).expect_code(0);
    for file in ["weights.safetensors", "training.json"] {
        let [killed, whole] = ["killed", "whole"].map(|out| sandbox.read(&format!("{out}/{file}")));
        assert!(killed == whole, "{file} differs");
    }
    let [killed, whole] = ["killed", "whole"]
        .map(|out| sandbox.read(&format!("events/{out}/events.out.tfevents.vaegis")));
    assert_eq!(killed.len(), whole.len());
    // Events of one training are not overwritten by another.
    sandbox
        .run(&format!("{TINY} --out other --tensorboard events/whole"))
        .expect_refusal(&["events.out.tfevents.vaegis", "--tensorboard"]);
    assert!(sandbox.read("events/whole/events.out.tfevents.vaegis") == whole);
}

#[test]
fn every_objective_trains_and_tells_its_terms() {
    let sandbox = Sandbox::new();
    for (objective, terms) in [
        ("capacity", &["capacity", "capacity_gap"][..]),
        ("beta-tcvae", &["dimension_wise_kl", "mutual_information", "total_correlation"]),
        ("dip-vae-i", &["diagonal", "off_diagonal"]),
        ("dip-vae-ii", &["diagonal", "off_diagonal"]),
        ("factor-vae --discriminator-width 16", &["total_correlation"]),
        ("margin", &["log_norm"]),
    ] {
        let out = objective.split(' ').next().unwrap();
        let run = sandbox.run(&format!("{TINY} --objective {objective} --out {out}"));
        let run = run.expect_code(0);
        let record = sandbox.read(&format!("{out}/training.json"));
        let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
        assert_eq!(record["config"]["objective"]["kind"], out);
        let validation = record["history"][0]["validation"].as_object().expect("losses");
        for term in terms.iter().chain(&["total", "distortion", "rate"]) {
            assert!(validation[*term].is_number(), "{term} of {objective}: {validation:?}");
            assert!(*term == "total" || run.stderr.contains(&term.replace('_', " ")), "{run:?}");
        }
        assert_eq!(validation.len(), 3 + terms.len(), "{validation:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_terminated_training_says_so_and_resumes() {
    let sandbox = Sandbox::new();
    let mut running = sandbox.start(&format!("{LONG} model"));
    running.wait_for(&sandbox.path("model/checkpoint"));
    let id = running.child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
    assert!(sent.success());
    assert_eq!(running.child.wait().expect("an end").code(), Some(1));
    let log = String::from_utf8(sandbox.read("stderr")).expect("UTF-8");
    assert!(log.contains("run the same command to resume"), "{log}");
    assert!(!log.contains("panicked") && !log.contains("error:"), "{log}");
    assert!(!sandbox.exists("model/model.json"));
    sandbox.run(&format!("{LONG} model")).expect_code(0);
}

#[test]
fn convolutions_with_every_likelihood_train_and_can_be_audited() {
    let sandbox = Sandbox::new();
    for likelihood in ["bernoulli", "continuous-bernoulli", "gaussian"] {
        sandbox
            .run(&format!(
                "{TINY} --architecture conv --channels 4,8 --likelihood {likelihood} \
                 --out {likelihood}"
            ))
            .expect_code(0);
        sandbox
            .run(&format!(
                "audit {likelihood} --data mnist --points 1 --draws 200 --out audits/{likelihood}"
            ))
            .expect_code(0);
        assert_eq!(sandbox.rows(&format!("audits/{likelihood}")).len(), 1);
    }
}

#[test]
fn every_activation_trains_on_images_from_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("images.idx", idx_u8([40, 8, 8]));
    for activation in ["relu", "leaky-relu", "elu", "gelu", "silu", "softplus", "sigmoid", "tanh"] {
        sandbox
            .run(&format!(
                "train --data images.idx --hidden 5,4 --latent 2 --epochs 2 --batch-size 16 \
                 --activation {activation} --objective elbo --out {activation}"
            ))
            .expect_code(0);
    }
}

#[test]
fn lipschitz_vaes_say_which_constants_their_weights_have() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&format!("{TINY} --lipschitz 2,1.5 --sigma 0.3 --out fixed"));
    let run = run.expect_code(0);
    let constants = "Lipschitz constants, from the weights: decoder 2.0000 (at most 2), encoder \
                     mean 1.5000 (at most 1.5), encoder sigma 0.0000 (at most 0)";
    assert_eq!(run.stdout.lines().nth(1), Some(constants), "{run:?}");
    let manifest: serde_json::Value =
        serde_json::from_slice(&sandbox.read("fixed/model.json")).expect("JSON");
    assert_eq!(manifest["lipschitz"]["decoder"], 2.0);
    // A model like any other: it can be audited, exported and read back.
    sandbox.run("audit fixed --data mnist --points 1 --draws 200 --out audits").expect_code(0);
    sandbox.run("export fixed --out onnx").expect_code(0);
    let back = "inspect --encoder onnx/encoder.onnx --decoder onnx/decoder.onnx";
    let run = sandbox.run(back).expect_code(0);
    assert!(run.stdout.contains("VAE: samples [1, 28, 28], 3 latents, Bernoulli"), "{run:?}");

    let learned = "--lipschitz 2,2,1 --sigma 0.1,0.5 --lipschitz-layers aol --architecture conv";
    let run = sandbox.run(&format!("{TINY} {learned} --channels 4,6 --out learned"));
    assert!(run.expect_code(0).stdout.contains("encoder sigma 0."));
}

#[test]
fn a_training_that_diverges_leaves_no_model_and_says_what_may_help() {
    let sandbox = Sandbox::new();
    sandbox.run(&format!("{TINY} --learning-rate 1e30 --out model")).expect_refusal(&[
        "in epoch 1",
        "hint:",
        "--learning-rate",
    ]);
    assert!(!sandbox.exists("model/model.json"));
}

/// `vaegis train ... 2>&1 | head -1` must not cost the training.
#[test]
fn nobody_has_to_read_the_messages_of_a_training() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&format!("{TINY} --out model"));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    assert!(sandbox.exists("model/model.json"));
}
