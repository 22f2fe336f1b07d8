//! Data that users bring: every format from its file to `vaegis data describe`, to a training and
//! an audit, and what is refused.

mod common;

use std::path::{Path, PathBuf};

use common::{Sandbox, copy_folder};
use serde_json::Value;
use vaegis_audit::schema::Status;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/tests/fixtures").join(name)
}

/// A sandbox with fixtures of the data crate under other names.
fn sandbox_with(fixtures: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (from, to) in fixtures {
        let from = fixture(from);
        if from.is_dir() {
            copy_folder(&from, &sandbox.path(to));
        } else {
            sandbox.write(to, std::fs::read(&from).unwrap());
        }
    }
    sandbox
}

fn describe(sandbox: &Sandbox, line: &str) -> Value {
    let run = sandbox.run(&format!("data describe {line} --json")).expect_code(0);
    serde_json::from_str(&run.stdout).unwrap()
}

/// A line of text from `describe`, without what depends on the machine.
fn text(sandbox: &Sandbox, line: &str) -> String {
    sandbox.run(&format!("data describe {line}")).expect_code(0).stdout
}

/// Keras' arrays, large enough to train on.
const DIGITS: &str = "npz/keras.npz";

#[test]
fn a_description_says_what_was_understood() {
    let sandbox = sandbox_with(&[
        (DIGITS, "digits.npz"),
        ("csv/words.csv", "words.csv"),
        ("images/classes", "shapes"),
        ("parquet/hub", "hub"),
    ]);
    let lines = ["digits.npz", "words.csv --labels species", "shapes", "hub"];
    let texts: Vec<String> = lines.iter().map(|line| text(&sandbox, line)).collect();
    insta::assert_snapshot!(texts.join("\n"));
    for sheet in ["digits", "shapes", "hub"] {
        let png = sandbox.read(&format!("{sheet}-thumbnails.png"));
        assert!(png.starts_with(b"\x89PNG"), "{sheet}");
    }
    assert!(!sandbox.exists("words-thumbnails.png"));
}

#[test]
fn every_format_is_described() {
    let sandbox = sandbox_with(&[
        ("npy/f4_big_F.npy", "x.npy"),
        (DIGITS, "digits.npz"),
        ("csv/packed.csv.gz", "table.csv.gz"),
        ("images/flat", "flat"),
        ("cifar", "cifar"),
        ("cifar/test_batch.bin", "one.bin"),
        ("parquet/hub", "hub"),
        ("parquet/table_zstd.parquet", "table.parquet"),
    ]);
    for (data, format, rows, shape, test) in [
        ("mnist", "IDX", 10_000, "[1,28,28]", 8000),
        ("sprites", "drawn", 20_000, "[1,64,64]", 16_000),
        ("sprites-colour:50", "drawn", 50, "[3,64,64]", 40),
        ("x.npy", "npy", 3, "[2,2]", 2),
        ("digits.npz", "npz", 9, "[4,5]", 6),
        ("table.csv.gz", "CSV (separated by commas)", 6, "[3]", 5),
        ("flat", "folder of images", 3, "[3,16,16]", 2),
        ("cifar", "CIFAR-10 binary", 6, "[3,32,32]", 5),
        ("one.bin", "CIFAR-10 binary", 1, "[3,32,32]", 0),
        ("hub", "Parquet (images in column `image`)", 7, "[1,10,8]", 5),
        ("table.parquet", "Parquet (table)", 40, "[4]", 32),
    ] {
        let report = describe(&sandbox, data);
        assert_eq!(report["format"], format, "{data}");
        assert_eq!(report["rows"], rows, "{data}");
        assert_eq!(report["shape"].to_string(), shape, "{data}");
        assert_eq!(report["test"][0], test, "{data}");
        assert_eq!(report["fingerprint"].as_str().map(str::len), Some(64), "{data}");
    }
}

#[test]
fn thumbnails_go_where_they_are_asked_for() {
    let sandbox = sandbox_with(&[(DIGITS, "digits.npz"), ("csv/comma.csv", "table.csv")]);
    describe(&sandbox, "digits.npz --thumbnails none");
    assert!(!sandbox.exists("digits-thumbnails.png"));
    let report = describe(&sandbox, "digits.npz --thumbnails sheet.png");
    assert_eq!(report["thumbnails"]["path"], "sheet.png");
    assert_eq!(report["thumbnails"]["zoom"], 19.0);
    assert!(sandbox.exists("sheet.png"));
    sandbox.run("data describe table.csv --thumbnails sheet.png").expect_refusal(&[
        "[3]",
        "no pictures",
        "--thumbnails",
    ]);
    sandbox
        .run("data describe digits.npz --thumbnails nowhere/sheet.png")
        .expect_refusal(&["cannot write nowhere/sheet.png"]);
}

/// Images as an array without a channel axis, as NumPy and Keras have them.
fn array_of_digits() -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (60, 28, 28), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(common::digits(60).iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[test]
fn arrays_without_a_channel_axis_train_and_audit() {
    let sandbox = Sandbox::with_model();
    sandbox.write("x.npy", array_of_digits());
    // A model of [1, 28, 28] takes them.
    sandbox
        .run("audit model --data x.npy --points 1 --draws 200 --no-attack --out out")
        .expect_code(0);
    for architecture in ["mlp --hidden 8", "conv --channels 4,8 --hidden 8"] {
        let name = &architecture[..3];
        let run = sandbox
            .run(&format!(
                "train --data x.npy --architecture {architecture} --latent 2 --epochs 1 \
                 --batch-size 16 --out {name}"
            ))
            .expect_code(0);
        let said = run.stderr.contains("samples [28, 28] are taken as images of one channel");
        assert_eq!(said, name == "con", "{run:?}");
        sandbox
            .run(&format!("audit {name} --data x.npy --points 1 --draws 200 --out audit-{name}"))
            .expect_code(0);
        let rows = sandbox.rows(&format!("audit-{name}"));
        assert_eq!(rows[0].status, Status::Ok);
        let page = String::from_utf8(sandbox.read(&format!("audit-{name}/report.html"))).unwrap();
        assert!(page.contains("data:image/png;base64,"), "no pictures");
    }
}

#[test]
fn folders_and_tables_train_and_audit() {
    let sandbox = sandbox_with(&[
        ("images/classes", "shapes"),
        ("parquet/table_snappy.parquet", "table.parquet"),
    ]);
    for (data, likelihood) in [("shapes", "bernoulli"), ("table.parquet", "gaussian")] {
        let run = sandbox
            .run(&format!(
                "train --data {data} --hidden 8 --latent 2 --epochs 1 --validation 0.3 \
                 --likelihood {likelihood} --out model-{data}"
            ))
            .expect_code(0);
        assert!(run.stderr.contains("data: "), "{run:?}");
        let audit = format!("audit model-{data} --data {data} --points 2 --draws 200");
        sandbox.run(&format!("{audit} --out out-{data}")).expect_code(0);
        assert!(sandbox.rows(&format!("out-{data}")).iter().all(|row| row.label.is_some()));
        // Other labels are other data: the folder belongs to those it was begun with.
        if data == "shapes" {
            sandbox
                .run(&format!("{audit} --labels none --out out-{data}"))
                .expect_refusal(&["data"]);
        }
    }
}

#[test]
fn options_and_data_that_do_not_fit_are_named() {
    let sandbox = sandbox_with(&[
        ("npz/several.npz", "several.npz"),
        ("images/mixed", "mixed"),
        ("csv/holes.csv", "holes.csv"),
        ("npy/refused_objects.npy", "objects.npy"),
    ]);
    for (options, parts) in [
        ("mnist --array x", &["mnist: --array do not apply"][..]),
        ("sprites:50 --image-size 4x4", &["sprites:50: --image-size do not apply"]),
        ("sprites:0", &["sprites: `0` is no number of rows: expected 1 to 737280"]),
        ("mnist --labels y.npy --image-size 4x4", &["--labels, --image-size do not apply"]),
        ("several.npz", &["several.npz", "--array", "`imgs` [4, 2, 2] uint8"]),
        ("mixed", &["mixed", "8x12", "--image-size", "--image-channels"]),
        ("mixed --image-size 8", &["--image-size", "32x32"]),
        ("mixed --image-channels 2", &["--image-channels", "1 (grey)"]),
        ("holes.csv", &["holes.csv", "`width` 1 missing", "`city` 6 no number"]),
        ("objects.npy", &["objects.npy", "pickled Python objects"]),
    ] {
        sandbox.run(&format!("data describe {options}")).expect_refusal(parts);
        sandbox.run(&format!("train --out out --data {options}")).expect_refusal(parts);
        assert!(!sandbox.exists("out"));
    }
}

#[test]
fn sprites_train_and_audit() {
    let sandbox = Sandbox::new();
    for (data, architecture) in
        [("sprites-binary:60", "conv --channels 4,8"), ("sprites-colour:60", "mlp")]
    {
        let train = format!("train --data {data} --architecture {architecture} --hidden 8");
        let run = sandbox
            .run(&format!("{train} --latent 2 --epochs 1 --batch-size 16 --out model-{data}"))
            .expect_code(0);
        assert!(run.stderr.contains("data: 60 of"), "{run:?}");
        sandbox
            .run(&format!(
                "audit model-{data} --data {data} --points 2 --draws 200 --out out-{data}"
            ))
            .expect_code(0);
        assert!(sandbox.rows(&format!("out-{data}")).iter().all(|row| row.status == Status::Ok));
    }
    // Other rows are other data.
    let other = "audit model-sprites-binary:60 --points 2 --draws 200 --out out-sprites-binary:60";
    sandbox.run(&format!("{other} --data sprites-binary:80")).expect_refusal(&["data"]);
}

#[test]
fn the_commands_of_the_guides_work() {
    let guides = ["data", "sprites"].map(|name| {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        std::fs::read_to_string(guide.with_extension("md")).unwrap()
    });
    let guide = guides.concat();
    let sandbox = sandbox_with(&[
        (DIGITS, "digits.npz"),
        ("csv/comma.csv", "table.csv"),
        ("images/mixed", "images"),
    ]);
    let mut commands = 0;
    for line in guide.lines().filter_map(|line| line.strip_prefix("vaegis ")) {
        sandbox.run(line).expect_code(0);
        commands += 1;
    }
    assert!(commands >= 9, "{commands} commands");
}
