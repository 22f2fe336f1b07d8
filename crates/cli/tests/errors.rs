//! Bad input is refused before work starts: exit code 2, one error that names the culprit,
//! nothing on stdout, and no trace on disk.

mod common;

use common::{Sandbox, digits, idx_f32, idx_u8};

/// Refuses `line`, names all of `parts`, and writes nothing to `out`.
#[track_caller]
fn refused(sandbox: &Sandbox, line: &str, parts: &[&str]) {
    assert!(!sandbox.exists("out"), "left by the case before: {line}");
    sandbox.run(line).expect_refusal(parts);
    assert!(!sandbox.exists("out"), "{line} created its output");
}

fn audit_refused(sandbox: &Sandbox, options: &str, parts: &[&str]) {
    refused(sandbox, &format!("audit model --data mnist --out out {options}"), parts);
}

fn train_refused(sandbox: &Sandbox, options: &str, parts: &[&str]) {
    refused(sandbox, &format!("train --data mnist --out out {options}"), parts);
}

#[test]
fn data_that_cannot_be_read_are_named() {
    let sandbox = Sandbox::with_model();
    let whole = idx_u8([10, 28, 28]);
    sandbox.write("truncated.idx", &whole[..whole.len() - 1]);
    sandbox.write("header.idx", &whole[..7]);
    sandbox.write("empty.idx", []);
    sandbox.write("oversized.idx", [&whole[..], &[0]].concat());
    sandbox.write("claim.idx", [&[0, 0, 8, 3][..], &[0xff; 12]].concat());
    sandbox.write("text.idx", "label,pixel0,pixel1\n");
    let mut values = digits(10);
    for (name, value) in [("nan.idx", f32::NAN), ("inf.idx", f32::INFINITY)] {
        values[3 * 784 + 17] = value;
        sandbox.write(name, idx_f32([10, 28, 28], &values));
    }
    for (data, parts) in [
        ("nowhere/images.idx", &["nowhere/images.idx", "no such file"][..]),
        ("mnits", &["`mnits`", "mnist, fashion-mnist"]),
        ("model", &["model", "is a directory"]),
        ("truncated.idx", &["truncated.idx", "truncated", "expected 7856 bytes, found 7855"]),
        ("header.idx", &["header.idx", "truncated"]),
        ("empty.idx", &["empty.idx", "is empty", "npy, npz, CSV"]),
        ("oversized.idx", &["oversized.idx", "goes on after the 7856 bytes"]),
        ("claim.idx", &["claim.idx", "limit"]),
        ("text.idx", &["text.idx", "header of 3 columns but no rows"]),
        ("nan.idx", &["nan.idx", "NaN at row 3, feature 17"]),
        ("inf.idx", &["inf.idx", "inf at row 3, feature 17"]),
    ] {
        refused(&sandbox, &format!("audit model --data {data} --points 1 --out out"), parts);
        refused(&sandbox, &format!("train --data {data} --epochs 1 --out out"), parts);
    }
}

#[test]
fn data_that_do_not_fit_the_model_are_named() {
    let sandbox = Sandbox::with_model();
    sandbox.write("small.idx", idx_u8([10, 8, 8]));
    refused(
        &sandbox,
        "audit model --data small.idx --points 1 --out out",
        &["[1, 28, 28]", "small.idx", "[1, 8, 8]"],
    );
    let dark: Vec<f32> = (0..640).map(|k| k as f32 - 5.0).collect();
    sandbox.write("dark.idx", idx_f32([10, 8, 8], &dark));
    refused(
        &sandbox,
        "train --data dark.idx --epochs 1 --out out",
        &["dark.idx", "row 0 holds -5", "[0, 1]"],
    );
    sandbox.write("one.idx", idx_u8([1, 8, 8]));
    refused(&sandbox, "train --data one.idx --epochs 1 --out out", &["one.idx", "too few"]);
}

#[test]
fn models_that_cannot_be_loaded_are_named() {
    let missing = Sandbox::new();
    audit_refused(&missing, "", &["model/model.json", "hint:", "vaegis train"]);
    for (text, reason) in
        [("\u{1}garbage", "not a vaegis model"), ("{}", "not a vaegis model"), ("", "not a vaegis")]
    {
        let sandbox = Sandbox::with_model();
        sandbox.write("model/model.json", text);
        audit_refused(&sandbox, "", &["model/model.json", reason]);
    }
    let name = "model/weights.safetensors";
    for (value, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let sandbox = Sandbox::with_model();
        let mut bytes = sandbox.read(name);
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&value.to_le_bytes());
        sandbox.write(name, bytes);
        audit_refused(&sandbox, "", &[name, &format!("is {word} at element"), "tensor "]);
    }
    let sandbox = Sandbox::with_model();
    let whole = sandbox.read(name);
    for length in [0, 5, 100, whole.len() / 2, whole.len() - 1] {
        sandbox.write(name, &whole[..length]);
        audit_refused(&sandbox, "", &[name, "not a safetensors file"]);
    }
    std::fs::remove_file(sandbox.path(name)).expect("a file to remove");
    audit_refused(&sandbox, "", &[name]);
}

#[test]
fn radii_that_make_no_sense_are_named() {
    let sandbox = Sandbox::with_model();
    for r in ["0", "-1", "nan", "inf", "q1", "q0", "four"] {
        audit_refused(&sandbox, &format!("--r {r}"), &["--r", &format!("{r:?}")]);
        audit_refused(&sandbox, &format!("--r 4,{r}"), &["--r", &format!("{r:?}")]);
    }
    for (r, twice) in [("4,4", "4"), ("4,4.0", "4"), ("auto,q0.9", "q0.9"), ("1,2,q0.5,2", "2")] {
        audit_refused(&sandbox, &format!("--r {r}"), &[&format!("radius {twice} is given twice")]);
    }
}

#[test]
fn points_that_select_nothing_or_too_much_are_named() {
    let sandbox = Sandbox::with_model();
    for (points, parts) in [
        ("0", &["`0`", "mnist"][..]),
        ("5..5", &["`5..5`", "mnist"]),
        ("9..2", &["`9..2`", "mnist"]),
        ("99999", &["99999", "mnist", "2000 rows"]),
        ("8000..99999", &["`8000..99999`", "mnist", "10000 rows"]),
        ("1,10000", &["`10000`", "mnist"]),
        ("garbage", &["--points", "`garbage`", "8000..8050"]),
        ("8000..", &["--points", "`8000..`"]),
        ("1,,2", &["--points", "`1,,2`"]),
    ] {
        audit_refused(&sandbox, &format!("--points {points}"), parts);
    }
}

#[test]
fn audit_options_out_of_range_are_named() {
    let sandbox = Sandbox::with_model();
    for (options, parts) in [
        ("--draws 0", &["draws must be at least 2, found 0"][..]),
        ("--draws 1", &["draws must be at least 2, found 1"]),
        ("--draws many", &["--draws", "'many'"]),
        ("--alpha 0", &["alpha", "found 0"]),
        ("--alpha 2", &["alpha", "found 2"]),
        ("--alpha nan", &["alpha", "found NaN"]),
        ("--threads 0", &["--threads"]),
        ("--memory 1", &["--memory", "1MiB"]),
        ("--memory lots", &["--memory", "lots"]),
        // Enough for no batch of this model.
        ("--memory 1MiB", &["--memory", "this model needs"]),
        ("--draws 2", &["at least", "draws", "found 2"]),
        ("--box 1,0", &["--box", "1,0"]),
        ("--box 0.5,0.5", &["--box", "0.5,0.5"]),
        ("--box nan,1", &["--box", "nan,1"]),
        ("--box 0.5,1", &["row 8000", "mnist", "outside the box 0.5,1", "--box"]),
        ("--seed 9223372036854775808", &["seed"]),
        // All problems of a configuration at once.
        ("--draws 0 --alpha 2 --r 1,1", &["draws", "alpha", "given twice"]),
        ("--norm l3", &["--norm"]),
    ] {
        audit_refused(&sandbox, options, parts);
    }
}

#[test]
fn training_options_out_of_range_are_named() {
    let sandbox = Sandbox::new();
    for (options, parts) in [
        ("--epochs 0", &["epochs must be at least 1"][..]),
        ("--batch-size 0", &["batch size must be at least 1"]),
        ("--beta -1", &["beta", "-1"]),
        ("--beta=-1", &["beta", "-1"]),
        ("--beta nan", &["beta", "NaN"]),
        ("--learning-rate nan", &["learning rate", "NaN"]),
        ("--learning-rate 0", &["learning rate", "found 0"]),
        ("--learning-rate -0.1", &["learning", "-0.1"]),
        ("--validation 0", &["validation", "found 0"]),
        ("--validation 1", &["validation", "found 1"]),
        ("--latent 0", &["latent"]),
        ("--hidden 16,0", &["hidden"]),
        ("--hidden x", &["--hidden", "'x'"]),
        ("--architecture conv --channels 0", &["channels"]),
        ("--architecture transformer", &["--architecture", "mlp, conv"]),
        ("--likelihood gaussian --likelihood-sigma 0", &["sigma"]),
        ("--threads 0", &["--threads"]),
        ("--objective margin --margin-weight -1", &["margin weight", "found -1"]),
        ("--margin-weight 1", &["--margin-weight is of --objective margin"]),
        ("--objective elbo --beta 4", &["--beta is of --objective beta-vae"]),
        (
            "--objective dip-vae-i --gamma 1 --capacity 3",
            &["--gamma is of --objective capacity, beta-tcvae", "--capacity is of"],
        ),
        ("--discriminator-width 9", &["--discriminator-width is of --objective factor-vae"]),
        ("--objective factor-vae --patience 4", &["patience must be 0, found 4"]),
        ("--objective factor-vae --discriminator-layers 0", &["at least 1 layer"]),
        ("--objective beta-tcvae --batch-size 1", &["batch size must be at least 2"]),
        ("--objective beta-tcvae --latent 1", &["latent must be at least 2"]),
        ("--objective dip-vae-ii --lambda-d nan", &["lambda_d", "NaN"]),
        (
            "--objective capacity --capacity 5 --lipschitz 2,2 --hidden 16",
            &["at least 18.08", "capacity must be above, found 5"],
        ),
        ("--lipschitz 2", &["--lipschitz takes A,B or A,B,C, found 1"]),
        ("--lipschitz 0,nan", &["decoder must be positive, found 0", "mean must be positive"]),
        ("--lipschitz 2,2 --sigma 0.1,1", &["--sigma", "A,B,C"]),
        ("--lipschitz 2,2,1 --sigma 0.1", &["--sigma", "between two bounds"]),
        ("--lipschitz 2,2,1 --sigma 1,0.1", &["above the lower, found 1 and 0.1"]),
        ("--lipschitz 2,2 --hidden 15,16", &["must be even, found 15"]),
        ("--lipschitz 2,2 --activation relu", &["--lipschitz", "--activation"]),
        ("--sigma 0.1", &["--lipschitz"]),
        ("--epochs 0 --beta nan --batch-size 0", &["epochs", "beta", "batch size"]),
    ] {
        train_refused(&sandbox, options, parts);
    }
}

#[test]
fn outputs_that_cannot_be_written_are_named_before_any_work() {
    let sandbox = Sandbox::with_model();
    sandbox.write("file", "mine");
    for out in ["file/sub", "file"] {
        let audit = format!("audit model --data mnist --points 1 --draws 100 --out {out}");
        sandbox.run(&audit).expect_refusal(&[out]);
        // Training for 1000 epochs would take longer than this test may.
        let train = format!("train --data mnist --hidden 4 --epochs 1000 --out {out}");
        sandbox.run(&train).expect_refusal(&[out]);
        sandbox.run(&format!("demo --out {out}")).expect_refusal(&[out]);
    }
    assert_eq!(sandbox.read("file"), b"mine");

    // A folder with other things in it is not taken over.
    let before = sandbox.files("model");
    sandbox.run("audit model --data mnist --points 1 --draws 100 --out model").expect_refusal(&[
        "model",
        "is not empty",
        "--out",
    ]);
    assert_eq!(sandbox.files("model"), before);
}

#[test]
fn reports_need_finished_audits() {
    let sandbox = Sandbox::with_model();
    sandbox.write("file", "mine");
    for (folder, parts) in [
        ("model", &["model", "no audit"][..]),
        ("nowhere", &["nowhere", "no audit"]),
        ("file", &["file", "no audit"]),
    ] {
        refused(&sandbox, &format!("report {folder} --out out"), parts);
    }
    refused(&sandbox, "report --out out", &["<AUDITS>"]);

    let long = "audit model --data mnist --points 400 --no-attack --threads 2 --out unfinished";
    sandbox.kill_when("unfinished/audit.toml", long);
    assert!(!sandbox.exists("unfinished/summary.json"), "it ended before it was killed");
    refused(&sandbox, "report unfinished --out out", &["unfinished", "is not finished"]);

    sandbox
        .run("audit model --data mnist --points 1 --draws 100 --no-attack --out finished")
        .expect_code(0);
    refused(&sandbox, "report finished unfinished --out out", &["unfinished", "is not finished"]);
    for out in ["file/page.html", "finished", "nowhere/page.html"] {
        sandbox.run(&format!("report finished --out {out}")).expect_refusal(&[out]);
    }
    let left = sandbox.files("");
    assert!(!left.iter().any(|file| file.contains("tmp")), "{left:?}");

    sandbox.write("finished/summary.json", "{\"schema_version\": 1");
    refused(&sandbox, "report finished --out out", &["finished/summary.json", "damaged"]);
}

#[test]
fn commands_and_options_that_do_not_exist_are_named() {
    let sandbox = Sandbox::new();
    for (line, part) in [
        ("audti", "audti"),
        ("audit --data mnist --out out", "<MODEL>"),
        ("train --data mnist", "--out"),
        ("train --out out", "--data"),
        ("train --data mnist --out out --epoch 3", "--epochs"),
        ("completions tcsh", "tcsh"),
    ] {
        refused(&sandbox, line, &[part]);
    }
}
