//! `vaegis attack`, and what attacks and transfers add to `vaegis audit`.

mod common;

use std::collections::BTreeMap;

use common::{Run, Sandbox, digits, idx_f32};
use serde_json::Value;
use vaegis_audit::schema::Status;
use vaegis_data::Dataset;

/// A point takes a fraction of a second.
const ATTACK: &str = "attack model --data mnist --draws 200";

const AUDIT: &str = "audit model --data mnist --draws 400 --r 2,q0.9 --points 3";

/// The rows of a run with `--json`.
fn rows(run: &Run) -> Vec<Value> {
    serde_json::from_str(&run.stdout).expect("JSON rows")
}

fn number(row: &Value, column: &str) -> f64 {
    row[column].as_f64().unwrap_or_else(|| panic!("no {column} in {row}"))
}

/// The tensors of a safetensors file.
fn tensors(bytes: &[u8]) -> BTreeMap<String, (Vec<u64>, Vec<f32>)> {
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
    let numbers = |value: &Value| -> Vec<u64> {
        value.as_array().expect("a list").iter().map(|n| n.as_u64().expect("a number")).collect()
    };
    let header = header.as_object().expect("an object").iter();
    let tensor = |(name, tensor): (&String, &Value)| {
        let offsets = numbers(&tensor["data_offsets"]);
        let values = &bytes[8 + length..][offsets[0] as usize..offsets[1] as usize];
        let values = values.chunks(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")));
        (name.clone(), (numbers(&tensor["shape"]), values.collect()))
    };
    header.filter(|(name, _)| *name != "__metadata__").map(tensor).collect()
}

#[test]
fn pathways_are_compared() {
    let sandbox = Sandbox::with_model();
    let line = format!("{ATTACK} --size 1 --through both,mean,variance");
    let table = sandbox.run(&line).expect_code(0);
    for part in ["through", "both", "mean", "variance"] {
        assert!(table.stdout.contains(part), "no {part:?} in {table:?}");
    }
    let run = sandbox.run(&format!("{line} --json --out found")).expect_code(0);
    let rows = rows(&run);
    let pathways: Vec<_> = rows.iter().map(|row| row["through"].as_str().unwrap()).collect();
    assert_eq!(pathways, ["both", "mean", "variance"]);
    let gains = rows.iter().map(|row| number(row, "value") - number(row, "value_at_rest"));
    let gains: Vec<f64> = gains.collect();
    assert!(gains[1] > 0.5 * gains[0] && gains[2] < gains[1] && gains[2] > 0.0, "{gains:?}");
    let page = std::fs::read_to_string(sandbox.path("found/attack.html")).unwrap();
    assert!(page.contains("maximum-damage through variance"));
    let stored = std::fs::read(sandbox.path("found/perturbations.safetensors")).unwrap();
    let names: Vec<String> = tensors(&stored).into_keys().collect();
    assert!(names.contains(&"8000/maximum-damage through mean/1".to_string()), "{names:?}");
    let run = sandbox.run(&format!("{ATTACK} --size 1 --through sigma")).expect_code(2);
    assert!(run.stderr.contains("unknown pathway"), "{run:?}");
}

#[test]
fn attacks_are_a_table_or_json() {
    let sandbox = Sandbox::with_model();
    let line = format!("{ATTACK} --size 0.5,1 --attack maximum-damage,symmetric-kl --r q0.9");
    let run = sandbox.run(&line).expect_code(0);
    for part in ["row", "attack", "size", "|d|", "damage", "at rest", "P(|Delta| <= r)", "KL"] {
        assert!(run.stdout.contains(part), "no {part:?} in {run:?}");
    }
    // Without a target there is nothing to say of one, and without other pathways none of those.
    assert!(!run.stdout.contains("to target") && !run.stdout.contains("through"), "{run:?}");
    for goal in ["maximum-damage", "symmetric-kl"] {
        let lines = run.stdout.lines().filter(|line| line.contains(goal));
        assert_eq!(lines.filter(|line| line.contains("8000")).count(), 2, "{run:?}");
    }

    let run = sandbox.run(&format!("{line} --json")).expect_code(0);
    let rows = rows(&run);
    let keys: Vec<_> = rows
        .iter()
        .map(|row| (row["attack"].as_str().expect("an attack"), number(row, "size")))
        .collect();
    assert_eq!(
        keys,
        [
            ("maximum-damage", 0.5),
            ("maximum-damage", 1.0),
            ("symmetric-kl", 0.5),
            ("symmetric-kl", 1.0)
        ]
    );
    for row in &rows {
        assert_eq!((&row["index"], &row["model"]), (&8000.into(), &"model".into()));
        assert_eq!((&row["norm"], &row["box"]), (&"l2".into(), &"0,1".into()));
        assert!(number(row, "length") <= number(row, "size") * (1.0 + 1e-6), "{row}");
        assert!(number(row, "damage") > number(row, "damage_at_rest"), "{row}");
        assert!(number(row, "value") > number(row, "value_at_rest"), "{row}");
        let within = ["p_low", "p", "p_high"].map(|column| number(row, column));
        assert!(within.is_sorted(), "{row}");
        assert!(row["aim_distance"].is_null(), "{row}");
    }
    assert!(number(&rows[1], "damage") > number(&rows[0], "damage"));
    // Files come with --out only.
    assert_eq!(sandbox.files("").iter().filter(|file| !file.starts_with("model/")).count(), 0);
}

#[test]
fn what_is_found_is_stored_in_open_formats() {
    let sandbox = Sandbox::with_model();
    let line = format!(
        "{ATTACK} --points 8000,8003 --size 1,0.4 --attack output:adam,maximum-damage --target 17 \
         --out deep/attacks --json"
    );
    let run = sandbox.run(&line).expect_code(0);
    assert!(run.stderr.contains("results: deep/attacks"), "{run:?}");
    let files = sandbox.files("deep/attacks");
    let expected = [
        "attack.html",
        "attack.toml",
        "attacks.parquet",
        "perturbations.safetensors",
        "pictures.png",
    ];
    assert_eq!(files, expected);
    // A target that this small model reconstructs badly: that is said where its plot would be.
    let page = String::from_utf8(sandbox.read("deep/attacks/attack.html")).expect("UTF-8");
    let gap = "No distortion-distortion curve of rows 8000 and 8003: the target is reconstructed no \
               better from itself than from the input.";
    assert!(page.contains(gap) && run.stderr.contains(gap), "{run:?}");
    assert_eq!(page.matches("<article").count(), 8);
    let record = String::from_utf8(sandbox.read("deep/attacks/attack.toml")).expect("UTF-8");
    let record: toml::Table = record.parse().expect("TOML");
    assert_eq!(record["dataset"].as_str(), Some("mnist"));
    assert_eq!(record["sizes"].as_array().map(Vec::len), Some(2));
    assert_eq!(record["aim"]["row"].as_integer(), Some(17));
    // Results are never written over.
    let again = sandbox.run(&line);
    again.expect_refusal(&["deep/attacks/attacks.parquet", "exists", "--out"]);
    let parquet = sandbox.read("deep/attacks/attacks.parquet");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    assert!(sandbox.read("deep/attacks/pictures.png").starts_with(b"\x89PNG\r\n\x1a\n"));

    let rows = rows(&run);
    assert_eq!(rows.len(), 8);
    let stored = tensors(&sandbox.read("deep/attacks/perturbations.safetensors"));
    assert_eq!(stored.len(), rows.len());
    let mnist = Dataset::mnist();
    for row in &rows {
        let index = row["index"].as_u64().expect("an index");
        let goal = row["attack"].as_str().expect("an attack");
        let name = format!("{index}/{goal}/{}", number(row, "size"));
        let (shape, d) = &stored[&name];
        assert_eq!(shape, &[1, 28, 28]);
        let norm = d.iter().map(|&d| f64::from(d).powi(2)).sum::<f64>().sqrt();
        assert!((norm - number(row, "length")).abs() <= 1e-9, "{norm}: {row}");
        assert!(norm <= number(row, "size") * (1.0 + 1e-6) && norm > 0.0, "{row}");
        for (x, d) in mnist.row(index as usize).iter().zip(d) {
            assert!((0.0..=1.0).contains(&(x + d)), "{x} + {d}: {row}");
        }
        let [at_rest, distance] =
            ["aim_distance_at_rest", "aim_distance"].map(|column| number(row, column));
        if goal == "output" {
            assert_eq!(row["optimiser"], "adam");
            assert!(distance < at_rest, "{row}");
            // The goal is that distance, negated.
            assert!((number(row, "value") + distance).abs() <= 1e-4 * distance, "{row}");
        }
    }
}

#[test]
fn penalties_shorten_perturbations() {
    let sandbox = Sandbox::with_model();
    let line = format!("{ATTACK} --index 8000 --size 1,12 --attack output --target 17 --json");
    let found = |penalty: f64| -> Vec<Value> {
        let line = format!("{line} --penalty {penalty} --out penalised-{penalty}");
        let rows = rows(&sandbox.run(&line).expect_code(0));
        let record = sandbox.read(&format!("penalised-{penalty}/attack.toml"));
        let record: toml::Table = String::from_utf8(record).expect("UTF-8").parse().expect("TOML");
        let stored = record["attacks"][0].get("penalty").and_then(toml::Value::as_float);
        assert_eq!(stored, (penalty > 0.0).then_some(penalty));
        for row in &rows {
            assert!(number(row, "length") <= number(row, "size") * (1.0 + 1e-6), "{row}");
            // What is reported is the goal: minus the distance from the target.
            let distance = number(row, "aim_distance");
            assert!((number(row, "value") + distance).abs() <= 1e-4 * distance, "{row}");
        }
        rows
    };
    let (free, charged, dear) = (found(0.0), found(0.5), found(100.0));
    let [free, charged, dear] = [&free[1], &charged[1], &dear[1]];
    assert!(number(charged, "length") < 0.8 * number(free, "length"), "{charged} {free}");
    assert!(number(charged, "aim_distance") > number(free, "aim_distance"), "{charged} {free}");
    // The larger goal less penalty wins.
    let worth = |row: &Value| number(row, "value") - 0.5 * number(row, "length");
    assert!(worth(charged) > worth(free), "{charged} {free}");
    assert_eq!((number(dear, "length"), &dear["start"]), (0.0, &"none".into()));
}

#[test]
fn references_are_the_mean_or_samples() {
    let sandbox = Sandbox::with_model();
    let found = |reference: &str| -> Value {
        let out = format!("--reference {reference} --out {reference}");
        let line = format!("{ATTACK} --size 1 --attack median-damage --json {out}");
        let row = rows(&sandbox.run(&line).expect_code(0)).remove(0);
        let record = sandbox.read(&format!("{reference}/attack.toml"));
        let record: toml::Table = String::from_utf8(record).expect("UTF-8").parse().expect("TOML");
        let stored = record["attacks"][0].get("reference").and_then(toml::Value::as_str);
        assert_eq!(stored, (reference != "mean").then_some(reference));
        row
    };
    let (mean, sampled) = (found("mean"), found("sampled"));
    // Noise on both sides moves reconstructions farther apart.
    let at_rest = |row: &Value| number(row, "value_at_rest");
    assert!(at_rest(&sampled) > 1.1 * at_rest(&mean), "{sampled} {mean}");
    // Scores are about the mean reconstruction.
    assert_eq!(number(&sampled, "damage_at_rest"), number(&mean, "damage_at_rest"));
    for row in [&sampled, &mean] {
        assert!(number(row, "value") > at_rest(row), "{row}");
        assert!(number(row, "damage") > number(row, "damage_at_rest"), "{row}");
    }
}

#[test]
fn rows_are_chosen_by_index_and_by_points() {
    let sandbox = Sandbox::with_model();
    let indices = |options: &str| -> Vec<u64> {
        let run = sandbox.run(&format!("{ATTACK} --size 0.5 --json {options}")).expect_code(0);
        rows(&run).iter().map(|row| row["index"].as_u64().expect("an index")).collect()
    };
    assert_eq!(indices("--index 7"), [7]);
    assert_eq!(indices("--index 12,7"), indices("--points 12,7"));
    assert_eq!(indices("--points 2"), [8000, 8001]);
    assert_eq!(indices("--points 20..23 --threads 2"), [20, 21, 22]);
    let refused = sandbox.run(&format!("{ATTACK} --size 0.5 --index 7 --points 2"));
    refused.expect_refusal(&["--index", "--points"]);
    let refused = sandbox.run(&format!("{ATTACK} --size 0.5 --index 10000000"));
    refused.expect_refusal(&["10000000"]);
}

#[test]
fn a_point_has_the_same_attacks_in_whatever_company() {
    let sandbox = Sandbox::with_model();
    let found = |options: &str| -> Vec<Value> {
        let run = sandbox.run(&format!("{ATTACK} --size 0.5,1 --json {options}")).expect_code(0);
        let mut rows = rows(&run);
        rows.iter_mut().for_each(|row| row["seconds"] = Value::Null);
        rows
    };
    let together = found("--points 8000..8003 --threads 2");
    let alone = found("--index 8002 --threads 1");
    assert_eq!(together[4..], alone);
    assert_ne!(found("--index 8002 --seed 1"), alone);
}

#[test]
fn one_perturbation_serves_all_points() {
    let sandbox = Sandbox::with_model();
    let line = format!("{ATTACK} --size 1 --universal 20..26 --points 8000,8003,8005 --box none");
    let run = sandbox.run(&format!("{line} --out all --json")).expect_code(0);
    let rows = rows(&run);
    let indices: Vec<_> = rows.iter().map(|row| row["index"].as_u64().expect("index")).collect();
    assert_eq!(indices, [8000, 8003, 8005]);
    for row in &rows {
        assert!(
            row["start"].as_str().is_some_and(|start| start.starts_with("universal ")),
            "{row}"
        );
        assert!(number(row, "damage") > number(row, "damage_at_rest"), "{row}");
    }
    let stored: Vec<Vec<f32>> = tensors(&sandbox.read("all/perturbations.safetensors"))
        .into_values()
        .map(|(_, d)| d)
        .collect();
    // The same for each, up to the rounding of x + d.
    for other in &stored[1..] {
        assert!(stored[0].iter().zip(other).all(|(a, b)| (a - b).abs() <= 2e-7));
    }
    // A perturbation of one's own does more.
    let own = line.replace("--universal 20..26", "");
    let own = self::rows(&sandbox.run(&format!("{own} --json")).expect_code(0));
    for (own, shared) in own.iter().zip(&rows) {
        assert!(number(own, "value") > number(shared, "value"), "{own} {shared}");
    }
}

#[test]
fn problems_are_listed_all_at_once_before_work() {
    let sandbox = Sandbox::with_model();
    let refused = |options: &str, parts: &[&str]| {
        let line = format!("attack model --data mnist --out out {options}");
        sandbox.run(&line).expect_refusal(parts);
        assert!(!sandbox.exists("out"), "{options} created its output");
    };
    refused(
        "--size 1,0,-2 --attack latent-kl,output:adam,output:adam --alpha 0.7",
        &[
            "latent-kl aims at another input",
            "output:adam aims at another input",
            "--target",
            "sizes must be positive numbers, found 0",
            "sizes must be positive numbers, found -2",
            "alpha must lie between 0 and 1/2, found 0.7",
            "attack 3 (output:adam) is given twice",
        ],
    );
    for size in ["0", "-1", "nan", "inf"] {
        refused(&format!("--size {size}"), &["sizes must be positive numbers"]);
    }
    for penalty in ["-1", "nan", "inf"] {
        let found =
            format!("the penalty of median-damage must be a number from 0 on, found {penalty}");
        let options = format!("--size 0 --attack median-damage --penalty {penalty}");
        refused(&options, &[&found.replace("nan", "NaN"), "sizes must be positive numbers"]);
    }
    refused(
        "--size 1,1 --attack maximum-damage,symmetric-kl,degradation --reference sampled",
        &["symmetric-kl is no damage", "degradation is no damage", "sizes must rise"],
    );
    refused("--size 1 --reference middle", &["middle", "mean", "sampled"]);
    refused("--size 1,1", &["sizes must rise"]);
    refused("", &["--size"]);
    refused("--size 1 --draws 1", &["draws must be at least 2, found 1"]);
    refused("--size 1 --target 99999999 --attack output", &["--target 99999999", "rows"]);
    refused(
        "--size 1 --attack damage",
        &[
            "\"damage\"",
            "maximum-damage, median-damage, latent-kl, latent-l2, output, symmetric-kl, degradation",
        ],
    );
    refused(
        "--size 1 --attack output:sgd",
        &["\"sgd\"", "conditional-gradient, projected-gradient, l-bfgs-b or adam"],
    );
    refused("--size -1,0.5", &["sizes must be positive numbers, found -1"]);
    refused("--size 1 --norm l3", &["\"l3\"", "l1, l2 or linf"]);
    refused("--size 1 --box 0.2,0.4", &["row 8000", "outside the box 0.2,0.4"]);
}

#[test]
fn norms_units_and_masks_are_kept() {
    let sandbox = Sandbox::with_model();
    let mnist = Dataset::mnist();
    let found = |options: &str| {
        let line = format!("{ATTACK} --index 8000 --size 0.3 --json --out out {options}");
        let run = sandbox.run(&line).expect_code(0);
        let mut stored = tensors(&sandbox.read("out/perturbations.safetensors"));
        let (_, (_, d)) = stored.pop_first().expect("a perturbation");
        std::fs::remove_dir_all(sandbox.path("out")).expect("a folder");
        (rows(&run).remove(0), d)
    };
    let (row, d) = found("--norm linf");
    assert_eq!(row["norm"], "linf");
    let largest = d.iter().fold(0.0f32, |largest, d| largest.max(d.abs()));
    assert!((f64::from(largest) - number(&row, "length")).abs() < 1e-9, "{largest}: {row}");
    assert!(largest <= 0.3 * (1.0 + 1e-6) && largest > 0.29);

    let (row, d) = found("--norm l1");
    let sum: f64 = d.iter().map(|&d| f64::from(d.abs())).sum();
    assert!((sum - number(&row, "length")).abs() < 1e-9 && sum <= 0.3 * (1.0 + 1e-6), "{sum}");

    // In units of standard deviations, so that what never varies stays.
    let (row, d) = found("--units std");
    let (rows, features) = (mnist.len(), d.len());
    let (mut sums, mut squares) = (vec![0.0f64; features], vec![0.0f64; features]);
    for index in 0..rows {
        for (feature, value) in mnist.row(index).into_iter().enumerate() {
            sums[feature] += f64::from(value);
            squares[feature] += f64::from(value).powi(2);
        }
    }
    let mut length = 0.0;
    let mut constant = 0;
    for (feature, &d) in d.iter().enumerate() {
        let mean = sums[feature] / rows as f64;
        let deviation = (squares[feature] / rows as f64 - mean * mean).max(0.0).sqrt();
        if squares[feature] == 0.0 {
            assert_eq!(d, 0.0);
            constant += 1;
        } else {
            length += (f64::from(d) / deviation).powi(2);
        }
    }
    assert!(constant > 0, "every pixel varies: this test saw little");
    let length = length.sqrt();
    assert!((length / number(&row, "length") - 1.0).abs() < 1e-4, "{length}: {row}");
    assert!(length <= 0.3 * (1.0 + 1e-4), "{length}");

    // The upper half stays.
    let mask: Vec<String> = (0..784).map(|k| if k < 392 { "0" } else { "1" }.to_string()).collect();
    sandbox.write("mask.csv", format!("mask\n{}\n", mask.join("\n")));
    let (_, d) = found("--mask mask.csv");
    assert!(d[..392].iter().all(|&d| d == 0.0) && d[392..].iter().any(|&d| d != 0.0));

    sandbox.write("short.csv", format!("mask\n{}\n", mask[..783].join("\n")));
    for option in ["--mask", "--units"] {
        let refused = sandbox.run(&format!("{ATTACK} --size 1 --out no {option} short.csv"));
        refused.expect_refusal(&[option, "short.csv", "783 numbers", "784 features"]);
    }
    sandbox.write("zeros.csv", format!("mask\n{}", "0\n".repeat(784)));
    let refused = sandbox.run(&format!("{ATTACK} --size 1 --out no --mask zeros.csv"));
    refused.expect_refusal(&["no feature may change"]);
    assert!(!sandbox.exists("no"));
}

#[test]
fn a_point_that_cannot_be_attacked_fails_alone() {
    let sandbox = Sandbox::with_model();
    let mut values = digits(10);
    values[8 * 784..9 * 784].iter_mut().for_each(|value| *value = 1e30 * (1.0 + *value));
    sandbox.write("digits.idx", idx_f32([10, 28, 28], &values));
    let line =
        "attack model --data digits.idx --points 7..10 --size 1 --draws 200 --json --out out";
    let run = sandbox.run(line).expect_code(1);
    assert!(run.stderr.contains("row 8 failed") && run.stderr.contains("not finite"), "{run:?}");
    let rows = rows(&run);
    let states: Vec<_> = rows.iter().map(|row| row["status"].as_str().expect("status")).collect();
    assert_eq!(states.iter().filter(|state| state.eq_ignore_ascii_case("ok")).count(), 2);
    assert!(rows[1]["damage"].is_null() && rows[1]["message"].is_string(), "{}", rows[1]);
    assert_eq!(tensors(&sandbox.read("out/perturbations.safetensors")).len(), 2);
}

#[test]
fn an_audit_stores_which_attack_won() {
    let sandbox = Sandbox::with_model();
    let attacks = "symmetric-kl,maximum-damage:adam";
    sandbox.run(&format!("{AUDIT} --attack {attacks} --out audit")).expect_code(0);
    let mut broken = 0;
    for row in sandbox.rows("audit") {
        assert_eq!((row.status, &row.message), (Status::Ok, &None));
        if row.attacked.is_some_and(|norm| norm > 0.0 && norm.is_finite()) {
            broken += 1;
            let by = row.attacked_by.expect("an attack");
            let named = by.starts_with("symmetric-kl ") || by.starts_with("maximum-damage:adam ");
            assert!(named, "{by}");
        }
    }
    assert!(broken > 0, "no attack succeeded: this test saw nothing");
    let manifest = String::from_utf8(sandbox.read("audit/audit.toml")).expect("UTF-8");
    assert!(manifest.contains("symmetric-kl") && manifest.contains("adam"), "{manifest}");
    let refused = sandbox.run(&format!("{AUDIT} --attack latent-l2 --out other"));
    refused.expect_refusal(&["latent-l2 aims at another input", "--target"]);
}

#[test]
fn perturbations_of_another_model_are_judged() {
    let sandbox = Sandbox::with_model();
    let train = "train --data mnist --hidden 16 --latent 3 --epochs 4 --batch-size 128 --seed 5";
    sandbox.run(&format!("{train} --out other")).expect_code(0);
    let audit = AUDIT.replace("model", "other");
    sandbox.run(&format!("{audit} --out source")).expect_code(0);
    sandbox.run(&format!("{AUDIT} --transfer-from source --out audit")).expect_code(0);
    let (source, audit) = (sandbox.audit("source"), sandbox.audit("audit"));
    let (mut transferred, mut broken) = (0, 0);
    for row in sandbox.rows("audit") {
        assert_eq!((row.status, &row.message), (Status::Ok, &None));
        let given = source.perturbation(row.index, &row.radius).expect("readable");
        assert_eq!(row.transferred_p.is_some(), given.is_some(), "{row:?}");
        let Some((_, given)) = given else { continue };
        transferred += 1;
        assert!(row.transferred_p.is_some_and(|p| (0.0..=1.0).contains(&p)), "{row:?}");
        // Without --attack nothing else is tried.
        let Some((_, found)) = audit.perturbation(row.index, &row.radius).expect("readable") else {
            continue;
        };
        broken += 1;
        assert_eq!(row.attacked_by.as_deref(), Some("transferred from other"), "{row:?}");
        assert!(row.attacked_p.is_some_and(|p| p < 0.5), "{row:?}");
        let product = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let cosine =
            product(&given, &found) / (product(&given, &given) * product(&found, &found)).sqrt();
        // The same direction, up to what the box clips.
        assert!(cosine > 0.9, "{cosine}: {row:?}");
    }
    assert!(transferred > 0 && broken > 0, "{transferred} transferred, {broken} broken");
    // Other perturbations of the same model are another audit.
    let seeded = format!("{} --seed 9 --out seeded", AUDIT.replace("model", "other"));
    sandbox.run(&seeded).expect_code(0);
    sandbox
        .run(&format!("{AUDIT} --transfer-from seeded --out audit"))
        .expect_refusal(&["different configuration", "`transfer"]);
}

#[test]
fn perturbations_that_do_not_fit_are_not_transferred() {
    let sandbox = Sandbox::with_model();
    sandbox.run(&format!("{AUDIT} --out source")).expect_code(0);
    let refused = |options: &str, parts: &[&str]| {
        let line = format!("audit model --draws 400 --points 3 --out out {options}");
        sandbox.run(&line).expect_refusal(&[&["source"], parts].concat());
        assert!(!sandbox.exists("out"), "{options} created its output");
    };
    let transfer = "--transfer-from source";
    refused(&format!("{transfer} --data fashion-mnist --r 2"), &["other data", "fashion-mnist"]);
    refused(&format!("{transfer} --data mnist --r 2 --norm linf"), &["in l2", "linf"]);
    refused(&format!("{transfer} --data mnist --r 2 --box none"), &["in the box 0,1, here none"]);
    refused(&format!("{transfer} --data mnist --r 2 --units std"), &["other units"]);
    refused(&format!("{transfer} --data mnist --r 2,3.5"), &["has no radius 3.5"]);
    refused(
        &format!("{transfer} --data fashion-mnist --r 5,2 --norm l1"),
        &["other data", "in l2", "l1", "has no radius 5"],
    );
    std::fs::remove_file(sandbox.path("source/summary.json")).expect("a summary");
    refused(&format!("{transfer} --data mnist --r 2"), &["is not finished"]);
    std::fs::remove_dir_all(sandbox.path("source")).expect("a folder");
    refused(&format!("{transfer} --data mnist --r 2"), &[]);
}
