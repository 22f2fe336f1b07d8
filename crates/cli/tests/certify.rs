//! `vaegis certify`: what is proved, how it is printed, and that attacks never contradict it.

mod common;

use common::Sandbox;
use serde_json::Value;
use vaegis_audit::schema::PointRow;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn certificates_are_printed_and_leave_nothing_behind() {
    let sandbox = Sandbox::with_model();
    let before = sandbox.files(".");
    let run = sandbox
        .run("certify model --data mnist --points 8000..8003 --r 3,q0.9 --draws 1000")
        .expect_code(0);
    assert!(run.stdout.contains("certified margin"), "{run:?}");
    assert!(run.stdout.contains("proved with confidence 0.999, each; norm l2, box 0,1"), "{run:?}");
    assert_eq!(sandbox.files("."), before);
}

#[test]
fn attacked_margins_are_beyond_certified_ones() {
    let sandbox = Sandbox::with_model();
    sandbox
        .run("audit model --data mnist --points 6 --r 2,q0.9 --draws 1000 --out audit")
        .expect_code(0);
    let rows = sandbox.rows("audit");
    let brackets: Vec<(f64, f64)> =
        rows.iter().filter_map(|row| Some((row.certified?, row.attacked?))).collect();
    assert_eq!(brackets.len(), 12);
    assert!(brackets.iter().all(|(certified, attacked)| certified < attacked), "{brackets:?}");
    assert!(brackets.iter().any(|(certified, _)| *certified > 0.0), "{brackets:?}");
    // The same without attacks, in the same noise.
    let certified = |row: &PointRow| (row.index, row.certified, row.certified_by.clone());
    sandbox
        .run("certify model --data mnist --points 6 --r 2,q0.9 --draws 1000 --out alone")
        .expect_code(0);
    let alone = sandbox.rows("alone");
    assert!(rows.iter().map(certified).eq(alone.iter().map(certified)));
    assert!(alone.iter().all(|row| row.attacked.is_none()));
    assert!(sandbox.files("alone").contains(&"report.html".to_string()));
}

#[test]
fn all_together_is_proved_less_than_each() {
    let sandbox = Sandbox::with_model();
    let certify = |more: &str| {
        let command =
            "certify model --data mnist --points 4 --r 2 --draws 1000 --tightness 0 --json";
        lines(&sandbox.run(&format!("{command} {more}")).expect_code(0).stdout)
    };
    let (each, together) = (certify(""), certify("--simultaneous"));
    let number = |line: &Value, key: &str| line[key].as_f64().expect("a number");
    for (each, together) in each.iter().zip(&together) {
        assert_eq!(number(each, "certified_confidence"), 0.999);
        assert!((number(together, "certified_confidence") - (1.0 - 0.001 / 4.0)).abs() < 1e-12);
        assert!(number(together, "certified") <= number(each, "certified"));
    }
}

/// Where the probability is near one half, more draws tell more of it.
#[test]
fn draws_are_taken_where_they_help() {
    let sandbox = Sandbox::with_model();
    let certify = |more: &str| {
        let command = "certify model --data mnist --points 6 --r q0.6,q0.99 --draws 1000 --out out";
        sandbox.run(&format!("{command} {more}")).expect_code(0);
        let rows = sandbox.rows("out");
        std::fs::remove_dir_all(sandbox.path("out")).expect("it is there");
        rows
    };
    let (exactly, more) = (certify("--tightness 0"), certify(""));
    assert!(exactly.iter().all(|row| row.draws == 1000));
    // Radii share their draws.
    assert!(more.iter().all(|row| (2000..=4000).contains(&row.draws)), "{more:?}");
    let total = |rows: &[PointRow], radius: &str| {
        let rows = rows.iter().filter(|row| row.radius == radius);
        rows.map(|row| row.certified.expect("a margin")).sum::<f64>()
    };
    // Nor do predictions harm where hardly any draw is beyond r.
    for (radius, least) in [("q0.6", 1.1), ("q0.99", 0.98)] {
        let [more, exactly] = [&more, &exactly].map(|rows| total(rows, radius));
        assert!(more > least * exactly, "{radius}: {more}, {exactly}");
    }
    sandbox
        .run("certify model --data mnist --tightness 1")
        .expect_refusal(&["tightness must be at least 0 and below 1, found 1"]);
}

#[test]
fn an_audit_can_leave_certificates_out() {
    let sandbox = Sandbox::with_model();
    sandbox
        .run("audit model --data mnist --points 1 --draws 100 --no-attack --no-certify --out audit")
        .expect_code(0);
    assert!(sandbox.rows("audit").iter().all(|row| row.certified.is_none()));
}

/// Constants prove more than draws where r is large, and with fewer of them.
#[test]
fn lipschitz_vaes_are_certified_by_their_constants() {
    let sandbox = Sandbox::new();
    sandbox
        .run(
            "train --data mnist --out model --hidden 16 --latent 2 --epochs 1 --lipschitz 2,1 \
             --sigma 0.2",
        )
        .expect_code(0);
    let command = "certify model --data mnist --points 3 --r 5 --draws 400 --json";
    for line in lines(&sandbox.run(command).expect_code(0).stdout) {
        let by = line["certified_by"].as_str().expect("a method");
        assert!(["lipschitz", "coupling"].contains(&by), "{by}");
        // (r/a - what the noise takes) / b.
        assert!(line["certified"].as_f64().expect("a margin") > 1.0, "{line}");
    }
}
