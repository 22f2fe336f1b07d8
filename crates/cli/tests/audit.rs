//! `vaegis audit` and `vaegis report`: what is stored, what it depends on, and what a kill
//! cannot break.

mod common;

use std::collections::BTreeMap;
use std::process::Stdio;

use common::{Sandbox, digits, idx_f32};
use vaegis_audit::schema::{PointRow, Status};
use vaegis_data::Dataset;

/// A point takes a fraction of a second.
const AUDIT: &str = "audit model --data mnist --draws 400 --r 2,q0.9";

/// Long enough to be killed in the middle, on a machine of many cores too.
const LONG: &str =
    "audit model --data mnist --points 400 --draws 400 --no-attack --threads 2 --out";

/// Everything but the time it took.
fn timeless(rows: Vec<PointRow>) -> Vec<PointRow> {
    rows.into_iter().map(|row| PointRow { seconds: 0.0, seconds_attacked: None, ..row }).collect()
}

/// The files of an audit that a second run must not touch: all but the report.
fn results(sandbox: &Sandbox, audit: &str) -> BTreeMap<String, Vec<u8>> {
    let files = sandbox.files(audit).into_iter().filter(|file| file != "report.html");
    files.map(|file| (file.clone(), sandbox.read(&format!("{audit}/{file}")))).collect()
}

#[test]
fn an_audit_is_a_folder_of_open_formats() {
    let sandbox = Sandbox::with_model();
    let run = sandbox.run(&format!("{AUDIT} --points 3 --out deep/audit")).expect_code(0);
    let files = sandbox.files("deep/audit");
    for file in [
        "audit.toml",
        "points.parquet",
        "curves.parquet",
        "summary.json",
        "gallery.json",
        "gallery.safetensors",
        "report.html",
    ] {
        assert!(files.iter().any(|found| found == file), "no {file} in {files:?}");
    }
    assert!(files.iter().any(|file| file.starts_with("perturbations/")), "{files:?}");
    assert!(!files.iter().any(|file| file.starts_with("parts")), "{files:?}");
    assert!(!files.iter().any(|file| file.contains("tmp")), "{files:?}");
    for file in ["points.parquet", "curves.parquet"] {
        assert!(sandbox.read(&format!("deep/audit/{file}")).starts_with(b"PAR1"), "{file}");
    }
    assert!(run.stdout.contains("3 points, 0 failed"), "{run:?}");
    assert!(run.stdout.contains("attacked margin"), "{run:?}");
    assert!(run.stderr.contains("deep/audit/report.html"), "{run:?}");

    let manifest = String::from_utf8(sandbox.read("deep/audit/audit.toml")).expect("UTF-8");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    assert_eq!(manifest["config"]["model"].as_str(), Some("model"));
    assert_eq!(manifest["config"]["draws"].as_integer(), Some(400));
    let summary: serde_json::Value =
        serde_json::from_slice(&sandbox.read("deep/audit/summary.json")).expect("JSON");
    assert_eq!((&summary["points"], &summary["failed"]), (&3.into(), &0.into()));
}

#[test]
fn rows_are_complete_ordered_and_consistent() {
    let sandbox = Sandbox::with_model();
    sandbox.run(&format!("{AUDIT} --points 4 --out audit")).expect_code(0);
    let rows = sandbox.rows("audit");
    let mnist = Dataset::mnist();
    let keys: Vec<_> = rows.iter().map(|row| (row.index, row.radius.as_str())).collect();
    let expected: Vec<_> = (8000..8004).flat_map(|index| [(index, "2"), (index, "q0.9")]).collect();
    assert_eq!(keys, expected);
    for row in &rows {
        assert_eq!((row.status, &row.message), (Status::Ok, &None));
        assert_eq!(row.label, mnist.label(row.index as usize));
        assert_eq!((row.norm.as_str(), row.r#box.as_str()), ("l2", "0,1"));
        assert!((400..=1600).contains(&row.draws), "{}", row.draws);
        let numbers = [
            row.r,
            row.p,
            row.p_low,
            row.p_high,
            row.p_lower_limit,
            row.p_linear,
            row.p_markov,
            row.sigma_min,
            row.sigma_mean,
            row.jacobian_frobenius,
            row.jacobian_spectral,
            row.whitened_jacobian_spectral,
            row.bound_paper,
            row.bound_sharp,
            row.bound_paper_limit,
            row.bound_sharp_limit,
            row.attacked,
            row.seconds_attacked,
        ];
        assert!(row.seconds_attacked < Some(row.seconds), "{row:?}");
        assert!(numbers.iter().all(|value| value.is_some_and(|value| value >= 0.0)), "{row:?}");
        let order = [row.p_low, row.p, row.p_high];
        assert!(order.is_sorted() && row.p_lower_limit <= row.p, "{row:?}");
        assert!(row.jacobian_spectral <= row.jacobian_frobenius.map(|f| f * 1.0001), "{row:?}");
        for (paper, sharp) in
            [(row.bound_paper, row.bound_sharp), (row.bound_paper_limit, row.bound_sharp_limit)]
        {
            assert!(paper <= sharp.map(|sharp| sharp * (1.0 + 1e-9)), "{row:?}");
        }
    }
    let curves = sandbox.audit("audit").curves().expect("curves");
    for (index, radius) in expected {
        let of_row: Vec<_> =
            curves.iter().filter(|at| at.index == index && at.radius == radius).collect();
        assert!(of_row.len() >= 2, "{index} {radius}");
        assert_eq!(of_row[0].perturbation_norm, 0.0);
        assert!(of_row.is_sorted_by(|a, b| a.perturbation_norm < b.perturbation_norm));
    }
}

#[test]
fn stored_perturbations_are_what_their_rows_say() {
    let sandbox = Sandbox::with_model();
    sandbox.run(&format!("{AUDIT} --points 3 --out audit")).expect_code(0);
    let (audit, mnist) = (sandbox.audit("audit"), Dataset::mnist());
    let mut stored = 0;
    for row in sandbox.rows("audit") {
        let found = audit.perturbation(row.index, &row.radius).expect("readable");
        let broken = row.attacked.is_some_and(|norm| norm > 0.0 && norm.is_finite());
        assert_eq!(found.is_some(), broken, "{row:?}");
        let Some((shape, values)) = found else { continue };
        stored += 1;
        assert_eq!(shape, mnist.shape());
        let norm = values.iter().map(|&d| f64::from(d).powi(2)).sum::<f64>().sqrt();
        let attacked = row.attacked.expect("an attack");
        assert!((norm - attacked).abs() <= 1e-5 * attacked, "{norm}: {row:?}");
        assert!(row.attacked_p.is_some_and(|p| p < 0.5) && row.attacked_by.is_some(), "{row:?}");
        assert!(row.degradation.is_some_and(f64::is_finite), "{row:?}");
        for (x, d) in mnist.row(row.index as usize).iter().zip(&values) {
            assert!((0.0..=1.0).contains(&(x + d)), "{x} + {d}: {row:?}");
        }
    }
    assert!(stored > 0, "no attack succeeded: this test saw nothing");
}

#[test]
fn a_seed_fixes_every_row() {
    let sandbox = Sandbox::with_model();
    for (seed, out) in [(3, "a"), (3, "b"), (4, "c")] {
        sandbox.run(&format!("{AUDIT} --points 2 --seed {seed} --out {out}")).expect_code(0);
    }
    let [a, b, c] = ["a", "b", "c"].map(|audit| timeless(sandbox.rows(audit)));
    assert_eq!(a, b);
    assert_ne!(a, c);
    let [a, b] = ["a", "b"].map(|out| sandbox.audit(out).curves().expect("curves"));
    assert_eq!(a, b);
}

/// Batches depend on the model alone and noise on the point alone, so not even rounding differs.
#[test]
fn threads_and_memory_change_no_row() {
    let sandbox = Sandbox::with_model();
    let rows = [
        ("--threads 2", "two"),
        ("--threads 1", "one"),
        ("--threads 2 --memory 16MiB", "small"),
        ("--threads 3 --memory 2GiB", "large"),
    ]
    .map(|(options, out)| {
        sandbox.run(&format!("{AUDIT} --points 3 {options} --out {out}")).expect_code(0);
        timeless(sandbox.rows(out))
    });
    for other in &rows[1..] {
        assert_eq!(&rows[0], other);
    }
}

#[test]
fn a_point_has_the_same_rows_in_whatever_company() {
    let sandbox = Sandbox::with_model();
    sandbox.run(&format!("{AUDIT} --points 8000..8004 --out all")).expect_code(0);
    sandbox.run(&format!("{AUDIT} --points 8003,8000 --out some")).expect_code(0);
    let [all, some] = ["all", "some"].map(|audit| timeless(sandbox.rows(audit)));
    let chosen = all.into_iter().filter(|row| [8000, 8003].contains(&row.index));
    assert_eq!(chosen.collect::<Vec<_>>(), some);
}

#[test]
fn a_killed_audit_resumes_to_the_rows_of_an_uninterrupted_one() {
    let sandbox = Sandbox::with_model();
    sandbox.kill_when("killed/parts/000000.parquet", &format!("{LONG} killed"));
    assert!(!sandbox.exists("killed/summary.json"), "it ended before it was killed");
    let stored = sandbox.audit("killed").indices().expect("indices").len();
    assert!((1..400).contains(&stored), "{stored} points stored");

    // Until it is resumed there is nothing to report on.
    let refused = sandbox.run("report killed --out page.html");
    refused.expect_refusal(&["killed", "is not finished", "vaegis audit"]);
    assert!(!sandbox.exists("page.html"));

    sandbox.run(&format!("{LONG} killed")).expect_code(0);
    sandbox.run(&format!("{LONG} whole")).expect_code(0);
    assert_eq!(sandbox.files("killed"), sandbox.files("whole"));
    let [killed, whole] = ["killed", "whole"].map(|audit| timeless(sandbox.rows(audit)));
    assert_eq!(killed.len(), 400);
    assert_eq!(killed, whole);
}

#[cfg(unix)]
#[test]
fn a_terminated_audit_keeps_its_points_and_says_how_to_go_on() {
    let sandbox = Sandbox::with_model();
    let mut running = sandbox.start(&format!("{LONG} audit"));
    running.wait_for(&sandbox.path("audit/parts/000000.parquet"));
    let id = running.child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
    assert!(sent.success());
    assert_eq!(running.child.wait().expect("an end").code(), Some(1));
    let log = String::from_utf8(sandbox.read("stderr")).expect("UTF-8");
    let stored = sandbox.audit("audit").indices().expect("indices").len();
    assert!(log.contains(&format!("with {stored} points stored")), "{log}");
    assert!(log.contains("run the same command to resume"), "{log}");
    assert!(!log.contains("panicked") && !log.contains("error:"), "{log}");
}

#[test]
fn two_runs_never_write_to_one_folder() {
    let sandbox = Sandbox::with_model();
    let mut running = sandbox.start(&format!("{LONG} audit"));
    running.wait_for(&sandbox.path("audit/audit.toml"));
    sandbox.run(&format!("{LONG} audit")).expect_refusal(&["audit", "another process"]);
}

#[test]
fn another_configuration_in_the_same_folder_is_refused_by_its_keys() {
    let sandbox = Sandbox::with_model();
    let fast = "--points 2 --draws 100 --no-attack";
    let audit = "audit model --data mnist --out audit";
    sandbox.run(&format!("{audit} {fast}")).expect_code(0);
    let before = results(&sandbox, "audit");
    for (options, keys) in [
        ("--points 3 --draws 100 --no-attack", &["`points` is \"2\" there and \"3\" now"][..]),
        ("--points 2 --draws 200 --no-attack", &["`draws` is 100 there and 200 now"]),
        ("--points 2 --draws 100 --no-attack --seed 5 --r 3", &["`seed`", "`radii`"]),
        ("--points 2 --draws 100 --no-attack --alpha 0.01", &["`alpha`"]),
        ("--points 2 --draws 100 --no-attack --box none", &["`box`"]),
        ("--points 2 --draws 100 --no-attack --name other", &["`model`"]),
        ("--points 2 --draws 100", &["`attacks`"]),
    ] {
        let refused = sandbox.run(&format!("{audit} {options}"));
        refused.expect_refusal(&[&["audit", "different configuration", "--out"], keys].concat());
    }
    sandbox
        .run(&format!("audit model --data fashion-mnist --out audit {fast}"))
        .expect_refusal(&["`dataset`", "`data_hash`"]);
    assert!(results(&sandbox, "audit") == before);
}

#[test]
fn a_finished_audit_run_again_does_nothing_and_says_the_same() {
    let sandbox = Sandbox::with_model();
    for json in ["", "--json"] {
        let line = format!("{AUDIT} --points 2 --out audit {json}");
        let first = sandbox.run(&line).expect_code(0);
        let stored = results(&sandbox, "audit");
        let again = sandbox.run(&line).expect_code(0);
        assert_eq!(first.stdout, again.stdout);
        assert!(results(&sandbox, "audit") == stored);
    }
}

#[test]
fn with_json_stdout_is_the_summary_and_nothing_else() {
    let sandbox = Sandbox::with_model();
    let run = sandbox.run(&format!("{AUDIT} --points 2 --json --out audit")).expect_code(0);
    let printed: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let stored: serde_json::Value =
        serde_json::from_slice(&sandbox.read("audit/summary.json")).expect("JSON");
    assert_eq!(printed, stored);
    assert_eq!(printed["schema_version"], 2);
    assert_eq!(printed["radii"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_closed_stdout_ends_the_program_quietly() {
    let sandbox = Sandbox::with_model();
    sandbox.run(&format!("{AUDIT} --points 1 --no-attack --out audit")).expect_code(0);
    for line in [
        &format!("{AUDIT} --points 1 --no-attack --out audit"),
        &format!("{AUDIT} --points 1 --no-attack --out audit --json"),
        &format!("{AUDIT} --points 1 --no-attack --out fresh"),
        "report audit --out page.html",
        "completions bash",
        "--help",
    ] {
        let mut command = sandbox.command(line);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("an end");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked") && !stderr.contains("error:"), "{line}: {stderr}");
        assert_eq!(output.status.code(), Some(0), "{line}: {stderr}");
    }
    // What was asked for is there, whoever watched.
    assert!(sandbox.exists("fresh/report.html") && sandbox.exists("page.html"));
}

#[test]
fn a_closed_stdout_hides_no_failed_point() {
    let sandbox = Sandbox::with_model();
    sandbox.write("digits.idx", gigantic(&[8]));
    let line = "audit model --data digits.idx --points 2 --draws 100 --no-attack --out audit";
    let mut command = sandbox.command(line);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("an end").code(), Some(1));
}

#[test]
fn nobody_has_to_read_the_messages_of_an_audit() {
    let sandbox = Sandbox::with_model();
    let mut command = sandbox.command(&format!("{AUDIT} --points 1 --out audit"));
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    assert!(sandbox.exists("audit/report.html"));
}

#[test]
fn a_report_compares_several_audits() {
    let sandbox = Sandbox::with_model();
    for name in ["calm", "keen"] {
        let run = sandbox.run(&format!("{AUDIT} --points 2 --name {name} --out audits/{name}"));
        run.expect_code(0);
    }
    let run = sandbox.run("report audits/calm audits/keen --out both.html").expect_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("both.html\n", ""));
    let page = String::from_utf8(sandbox.read("both.html")).expect("UTF-8");
    assert!(page.to_ascii_lowercase().starts_with("<!doctype html>"));
    assert!(page.contains("calm") && page.contains("keen"));
    assert!(page.trim_end().ends_with("</html>"));
    // It replaces itself, and leaves nothing else behind.
    sandbox.run("report audits/calm --out both.html").expect_code(0);
    let left = sandbox.files("");
    assert!(!left.iter().any(|file| file.contains("tmp")), "{left:?}");
}

/// Ten digits, of which the listed ones are gigantic.
fn gigantic(rows: &[usize]) -> Vec<u8> {
    let mut values = digits(10);
    for row in rows {
        for value in &mut values[row * 784..(row + 1) * 784] {
            *value = 1e30 * (1.0 + *value);
        }
    }
    idx_f32([10, 28, 28], &values)
}

#[test]
fn a_point_that_overflows_fails_alone() {
    let sandbox = Sandbox::with_model();
    sandbox.write("digits.idx", gigantic(&[8]));
    let line = "audit model --data digits.idx --box none --points 6..10 --r 2,q0.9 --draws 400 \
                --out audit";
    let run = sandbox.run(line).expect_code(1);
    assert!(run.stdout.contains("4 points, 1 failed"), "{run:?}");
    assert!(run.stderr.contains("1 of 4 points failed"), "{run:?}");
    assert!(sandbox.exists("audit/report.html"));
    let rows = sandbox.rows("audit");
    assert_eq!(rows.len(), 8);
    for row in &rows {
        if row.index == 8 {
            assert_eq!(row.status, Status::Failed);
            let message = row.message.as_deref().expect("a message");
            assert!(message.contains("is not finite"), "{message}");
            assert_eq!((row.p, row.bound_sharp, row.attacked), (None, None, None));
        } else {
            assert_eq!((row.status, &row.message), (Status::Ok, &None));
            assert!(row.p.is_some() && row.attacked.is_some());
        }
    }
    // The exit code tells the same when there is nothing left to do, and when it fails again.
    let again = sandbox.run(line).expect_code(1);
    assert_eq!(again.stdout, run.stdout);
    let retried = sandbox.run(&format!("{line} --retry-failed")).expect_code(1);
    assert!(retried.stdout.contains("4 points, 1 failed"), "{retried:?}");
    assert_eq!(sandbox.rows("audit").len(), 8);
}

#[test]
fn an_audit_of_which_every_point_fails_is_finished_with_failed_points() {
    let sandbox = Sandbox::with_model();
    sandbox.write("digits.idx", gigantic(&[8, 9]));
    let run = sandbox
        .run("audit model --data digits.idx --box none --points 2 --draws 400 --out audit --json")
        .expect_code(1);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((&summary["points"], &summary["failed"]), (&2.into(), &2.into()));
    assert!(sandbox.rows("audit").iter().all(|row| row.status == Status::Failed));
    assert!(sandbox.exists("audit/report.html"));
}

/// Floats are no pixels: no box is invented for them.
#[test]
fn float_data_have_no_box_unless_one_is_given() {
    let sandbox = Sandbox::with_model();
    sandbox.write("digits.idx", gigantic(&[]));
    let line = "audit model --data digits.idx --points 1 --draws 100 --no-attack";
    for (options, expected) in [("--out free", "none"), ("--box 0,1 --out boxed", "0,1")] {
        let run = sandbox.run(&format!("{line} {options}")).expect_code(0);
        let out = options.rsplit(' ').next().expect("a name");
        assert_eq!(sandbox.rows(out)[0].r#box, expected, "{run:?}");
    }
}
