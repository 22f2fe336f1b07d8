//! The README's first command, on few points: it must end with the comparison that the
//! paper predicts, and with a report.

use std::path::Path;

use assert_cmd::Command;
use vaegis_audit::schema::{PointRow, Summary};
use vaegis_audit::store::AuditFolder;

fn audit(out: &Path, name: &str) -> (Summary, Vec<PointRow>) {
    let folder = AuditFolder::open(out.join("audits").join(name)).unwrap();
    (folder.summary().unwrap().unwrap(), folder.rows().unwrap())
}

#[test]
fn the_demo_shows_that_a_larger_beta_is_more_robust() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let run = || {
        let mut command = Command::cargo_bin("vaegis").unwrap();
        command.args(["demo", "--points", "6", "--out"]).arg(&out).assert().success()
    };
    let first = String::from_utf8(run().get_output().stdout.clone()).unwrap();
    for part in ["beta1 r=3", "beta8 r=5", "attacked margin", "report: "] {
        assert!(first.contains(part), "{part:?} not in {first}");
    }
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("data:image/png;base64,"));

    let (weak, weak_rows) = audit(&out, "beta1");
    let (strong, strong_rows) = audit(&out, "beta8");
    let median = |quantiles: &vaegis_audit::schema::Quantiles| quantiles.median.unwrap();
    assert!(median(&strong.sigma_min) > median(&weak.sigma_min));
    assert!(median(&strong.jacobian_frobenius) < median(&weak.jacobian_frobenius));
    for (weak, strong) in weak.radii.iter().zip(&strong.radii) {
        assert!(median(&strong.attacked) > median(&weak.attacked));
        assert!(median(&strong.bound_paper) > median(&weak.bound_paper));
    }
    for row in weak_rows.iter().chain(&strong_rows) {
        assert!(row.bound_paper_limit <= row.bound_sharp_limit, "{row:?}");
        assert!(row.attacked.is_some_and(|norm| norm > 0.0 && norm.is_finite()), "{row:?}");
    }

    // Run again, it has nothing left to do and says the same.
    let again = String::from_utf8(run().get_output().stdout.clone()).unwrap();
    assert_eq!(again, first);
}
