//! `vaegis design`: constants that guarantee a margin, and what is asked of it in vain. And that
//! what it promises is what `vaegis train --lipschitz` keeps.

mod common;

use common::Sandbox;
use serde_json::Value;

fn designed(line: &str) -> String {
    Sandbox::new().run(&format!("design {line}")).expect_code(0).stdout
}

#[test]
fn a_table_of_what_guarantees_a_margin() {
    insta::assert_snapshot!(designed("--r 8 --margin 1 --latent 10"));
}

#[test]
fn one_number_is_found_from_the_others() {
    insta::assert_snapshot!(
        [
            designed("--r 8 --margin 1 --lipschitz 2 --sigma 0.3"),
            designed("--r 8 --margin 1 --lipschitz 2,2"),
            designed("--r 8 --margin 1 --lipschitz 2,2 --sigma 0.3 --reference sampled"),
            designed("--r 8 --margin 4 --lipschitz 2,2 --sigma 0.3"),
            designed("--r 2 --margin 1 --lipschitz 2 --sigma 0.5"),
        ]
        .join("\n")
    );
}

#[test]
fn json_has_what_the_table_shows() {
    let text = designed("--r 8 --margin 1 --lipschitz 2,2 --json");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&report["r"], &report["latent"]), (&8.0.into(), &10.into()));
    let found = &report["designs"][0];
    assert_eq!((&found["decoder"], &found["encoder_mean"]), (&2.0.into(), &2.0.into()));
    let margin = found["margin"].as_f64().expect("a margin");
    assert!((1.0..1.02).contains(&margin), "{margin}");
    let text = designed("--r 8 --margin 1 --json");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let designs = report["designs"].as_array().expect("designs");
    assert_eq!(designs.len(), 25);
    for found in designs {
        match found["encoder_mean"].as_f64() {
            Some(_) => assert!(found["margin"].as_f64().expect("a margin") >= 1.0, "{found}"),
            None => assert_eq!(found["margin"], Value::Null),
        }
    }
}

#[test]
fn what_makes_no_sense_is_told_at_once() {
    let sandbox = Sandbox::new();
    sandbox
        .run("design --r -1 --margin 0 --latent 0 --sigma nan --lipschitz 2,-2,1")
        .expect_refusal(&[
            "--r must be positive, found -1",
            "--margin must be positive, found 0",
            "B of --lipschitz must be positive, found -2",
            "--sigma must be positive, found NaN",
            "--latent must lie between 1 and 100000, found 0",
            "--lipschitz takes A or A,B",
        ]);
}
