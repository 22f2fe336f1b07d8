//! Whole pages: every odd audit renders, is well formed and says what it must.

#[path = "support/mod.rs"]
mod support;
#[path = "support/wellformed.rs"]
mod wellformed;

use support::{Recipe, summarise};
use vaegis_audit::schema::{GalleryEntry, Rank, Status};
use vaegis_report::{AuditData, Error, render, write};
use wellformed::check;

fn text(audits: &[AuditData]) -> String {
    check(&render(audits).expect("the page renders"))
}

/// After rows were changed by hand.
fn summarised_again(mut audit: AuditData, radii: &[&str]) -> AuditData {
    let points = audit.rows.len() / radii.len().max(1);
    let failed = audit.rows.iter().filter(|row| row.status == Status::Failed).count();
    audit.summary = summarise(&audit.name, &audit.rows, radii, points, failed / radii.len().max(1));
    audit
}

#[test]
fn no_audits_is_an_error() {
    assert!(matches!(render(&[]), Err(Error::NoAudits)));
}

#[test]
fn two_audits_are_compared() {
    let one = Recipe::new("first").audit();
    let other = Recipe { margin: 3.0, seed: 2, ..Recipe::new("second") }.audit();
    let text = text(&[one, other]);
    let words = text.split("In words").nth(1).expect("a reading");
    let words = words.split("What each quantity means").next().expect("a glossary");
    insta::assert_snapshot!(
        words
            .replace(". ", ".\n")
            .replace(" | first |", "\nfirst |")
            .replace(" | second |", "\nsecond |")
    );
    assert!(text.contains("upper bound on the true margin, as good as the attack"));
    assert!(text.contains("first-order estimate, not a certificate"));
}

#[test]
fn norms_that_are_not_exact_are_said_to_be() {
    let exact = Recipe::new("small").audit();
    assert!(!text(std::slice::from_ref(&exact)).contains("too big to form"));
    let mut probed = exact;
    probed.rows.iter_mut().for_each(|row| row.jacobian_error = Some(0.012));
    let radii: Vec<String> = probed.summary.radii.iter().map(|r| r.radius.clone()).collect();
    let radii: Vec<&str> = radii.iter().map(String::as_str).collect();
    let text = text(&[summarised_again(probed, &radii)]);
    assert!(text.contains("Jacobians of small are too big to form"), "{text}");
    assert!(text.contains("known to 1.2%"));
}

#[test]
fn certificates_are_told_from_estimates() {
    let text = text(&[Recipe::new("m").audit()]);
    assert!(text.contains("proved lower bound, confidence 1 − α per point and radius"));
    assert!(text.contains("Proved, with a confidence of at least 0.999 for each input"));
    assert_eq!(text.matches("a margin above 0 is proved for 38 of 40 points").count(), 2);
    assert!(text.contains("nothing could be proved for 2"));
    // No sentence or caption says of one number what belongs to the other.
    let page = text.split("The files behind this page").next().expect("a page before its files");
    for sentence in page.split(['.', ';', '|']).filter(|s| s.contains("estimate")) {
        assert!(!sentence.contains("proved") && !sentence.contains("certified"), "{sentence}");
    }
}

#[test]
fn without_certificates_nothing_is_called_certified() {
    let text = text(&[Recipe { certificates: false, ..Recipe::new("m") }.audit()]);
    assert_eq!(text.matches("the audit ran without certificates").count(), 2);
    let rest = text.replace("no certified margins; the audit ran without certificates", "");
    let rest = rest.replace("the certified margin and what proved it", "");
    for word in ["certified", "Certified", "proved", "Proved", "to read a certificate"] {
        assert!(!rest.contains(word), "{word}");
    }
}

#[test]
fn models_that_cannot_be_certified_say_why() {
    let mut audit = Recipe { certificates: false, ..Recipe::new("m") }.audit();
    let reasons = ["no rule for the operator <Erf>", "another reason"];
    for (i, row) in audit.rows.iter_mut().enumerate() {
        row.message = Some(format!("no certificate: {}", reasons[usize::from(i == 0)]));
    }
    let other = Recipe { seed: 3, ..Recipe::new("other") }.audit();
    let alone = text(std::slice::from_ref(&audit));
    let why = "no certificate for 40 of 40 points: no rule for the operator <Erf>";
    // In words and in place of the figure, at both radii.
    assert_eq!(alone.matches(why).count(), 4, "{alone}");
    assert!(alone.contains("(1 reason more in points.parquet)"));
    assert!(!alone.contains("certified / attacked") && !alone.contains("ran without certificates"));
    let beside = text(&[audit, other]);
    assert_eq!(beside.matches(why).count(), 4);
    assert!(!beside.contains("m: a margin above 0") && beside.contains("other: a margin above 0"));
}

#[test]
fn certificates_need_no_attacks() {
    let text = text(&[Recipe { attacks: false, ..Recipe::new("m") }.audit()]);
    assert!(text.contains("there is no attacked margin for 40"));
    assert!(text.contains("no attack was run"));
    assert!(text.contains("Proved, with a confidence"));
}

#[test]
fn one_audit_has_no_ratios() {
    let text = text(&[Recipe::new("alone").audit()]);
    assert!(text.contains("Robustness of alone"));
    assert!(!text.contains('×'));
}

#[test]
fn different_radii_are_aligned_by_label() {
    let one = Recipe { radii: &["4", "8"], ..Recipe::new("a") }.audit();
    let other = Recipe { radii: &["8", "q0.9"], ..Recipe::new("b") }.audit();
    let text = text(&[one, other]);
    assert!(text.contains("Not asked of b.") && text.contains("Not asked of a."));
    assert_eq!(text.matches("Share of points in each range").count(), 3);
}

#[test]
fn audits_that_do_not_compare_say_so() {
    let one = Recipe::new("a").audit();
    let mut other = Recipe::new("a").audit();
    other.summary.dataset = "fashion".into();
    let text = text(&[one, other]);
    assert!(text.contains("different data sets"));
    assert!(text.contains("a (2)"));
}

#[test]
fn without_attacks_the_figures_say_why_they_are_empty() {
    let text = text(&[Recipe { attacks: false, ..Recipe::new("quiet") }.audit()]);
    assert!(text.contains("the audit ran without attacks"));
    assert!(text.contains("No attack was run."));
}

#[test]
fn infinite_and_zero_margins_are_counted() {
    for (margin, words, sentence) in [
        (
            f64::INFINITY,
            "At ∞, no breaking perturbation found within the search range: 40 of 40",
            "found no breaking perturbation within its search range",
        ),
        (
            0.0,
            "At 0, not r-robust even without a perturbation: 40 of 40",
            "change by more than r without any perturbation for at least half of the inputs of m.",
        ),
    ] {
        let mut audit = Recipe { radii: &["4"], ..Recipe::new("m") }.audit();
        for row in &mut audit.rows {
            row.attacked = Some(margin);
            row.degradation = None;
        }
        let text = text(&[summarised_again(audit, &["4"])]);
        assert!(text.contains(words), "{margin}");
        assert!(text.contains(sentence), "{margin}");
        assert!(!text.contains("needed a perturbation"), "{margin}");
    }
}

#[test]
fn nan_never_reaches_the_page() {
    let mut audit = Recipe::new("m").audit();
    for row in audit.rows.iter_mut().step_by(2) {
        row.attacked = Some(f64::NAN);
        row.bound_sharp_limit = Some(f64::NAN);
        row.certified = Some(f64::NAN);
        row.degradation = Some(f64::NAN);
    }
    for row in audit.curves.iter_mut().step_by(3) {
        (row.damage, row.p) = (f64::NAN, f64::INFINITY);
    }
    audit.gallery[0].original[5] = f32::NAN;
    audit.gallery[0].attacked = f64::NAN;
    text(&[audit]);
}

#[test]
fn extreme_values_keep_their_place() {
    let mut audit = Recipe::new("m").audit();
    for (i, row) in audit.rows.iter_mut().enumerate() {
        let value = [1e-300, 1e300, 0.0, f64::INFINITY, 1.0, f64::MIN_POSITIVE, f64::MAX][i % 7];
        row.attacked = Some(value);
        row.bound_sharp_limit = Some(value * 2.0);
        row.certified = Some(value / 2.0);
        row.degradation = Some(value);
    }
    for row in &mut audit.curves {
        row.perturbation_norm = row.perturbation_norm.powi(50);
    }
    text(&[summarised_again(audit, &["4", "q0.9"])]);
}

#[test]
fn no_curves_one_point_or_no_rows_at_all() {
    let mut audit = Recipe::new("m").audit();
    audit.curves.clear();
    assert!(text(&[audit]).contains("no attack curves were stored"));
    text(&[Recipe { points: 1, ..Recipe::new("one") }.audit()]);
    text(&[Recipe { points: 0, ..Recipe::new("none") }.audit()]);
    text(&[Recipe { points: 0, radii: &[], ..Recipe::new("nothing") }.audit()]);
}

#[test]
fn failed_points_only() {
    let text = text(&[Recipe { failed: 40, ..Recipe::new("broken") }.audit()]);
    assert!(text.contains("40 failed points"));
    assert!(text.contains("encoder output 3 is not a number"));
}

#[test]
fn hostile_strings_are_escaped() {
    let evil = "\"><script>alert('x')</script><img src=x onerror=1>&\u{1}";
    let mut audit = Recipe { failed: 3, ..Recipe::new("m") }.audit();
    audit.name = evil.to_owned();
    audit.config = evil.to_owned();
    for text in [
        &mut audit.summary.description,
        &mut audit.summary.dataset,
        &mut audit.summary.norm,
        &mut audit.summary.model,
        &mut audit.summary.radii[0].radius,
    ] {
        *text = evil.to_owned();
    }
    for row in audit.rows.iter_mut().filter(|row| row.radius == "4") {
        row.radius = evil.to_owned();
        row.message = Some(evil.to_owned());
    }
    for row in audit.curves.iter_mut().filter(|row| row.radius == "4") {
        row.radius = evil.to_owned();
    }
    for entry in audit.gallery.iter_mut().filter(|entry| entry.radius == "4") {
        entry.radius = evil.to_owned();
    }
    let page = render(&[audit.clone(), audit]).expect("the page renders");
    check(&page);
    assert!(!page.contains("<script") && !page.contains("<img src=x"));
}

#[test]
fn long_names_are_cut_in_drawings_and_whole_elsewhere() {
    let name: String = "a-very-long-name-".repeat(20);
    let mut audit = Recipe::new("m").audit();
    audit.name = name.clone();
    let page = render(&[audit]).expect("the page renders");
    check(&page);
    assert!(page.contains(&name) && page.contains('…'));
}

#[test]
fn many_models() {
    let audits: Vec<AuditData> =
        (0..12).map(|seed| Recipe { seed, points: 12, ..Recipe::new("model") }.audit()).collect();
    assert!(text(&audits).contains("Robustness of 12 models"));
}

#[test]
fn a_million_rows_stay_a_few_megabytes() {
    let recipe = Recipe { radii: &["4"], failed: 5000, ..Recipe::new("large") };
    let mut audit = recipe.audit();
    audit.rows = (0..1_000_000).map(|index| recipe.row(index, 0, "4")).collect();
    let audit = summarised_again(audit, &["4"]);
    let page = render(&[audit]).expect("the page renders");
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
    let text = check(&page);
    assert!(text.contains("points drawn, evenly chosen") && text.contains("5000 failed points"));
}

fn entry(shape: &[usize], values: Vec<f32>) -> GalleryEntry {
    GalleryEntry {
        index: 3,
        label: None,
        radius: "4".into(),
        r: 4.0,
        rank: Rank::Least,
        attacked: 1.5,
        shape: shape.to_vec(),
        perturbed: values.iter().map(|v| v + 0.5).collect(),
        reconstruction: values.clone(),
        perturbed_reconstruction: values.clone(),
        original: values,
    }
}

#[test]
fn every_shape_has_a_picture() {
    let ramp = |n: usize| (0..n).map(|i| i as f32 / n as f32).collect::<Vec<_>>();
    let mut audit = Recipe::new("m").audit();
    audit.gallery = vec![
        entry(&[1, 8, 8], ramp(64)),
        entry(&[3, 8, 8], ramp(192)),
        entry(&[7], ramp(7)),
        entry(&[2, 500], ramp(1000)),
        entry(&[1, 8, 8], Vec::new()),
        entry(&[1, 8, 8], ramp(5)),
    ];
    let page = render(&[audit]).expect("the page renders");
    let text = check(&page);
    assert_eq!(page.matches("<img ").count(), 10);
    assert!(text.contains("Pictures were not stored."));
    assert!(text.contains("do not match their shape [1, 8, 8]"));
    assert!(text.contains("of the perturbed input beyond the shown range"));
}

#[test]
fn inputs_outside_the_unit_range_are_announced() {
    let mut audit = Recipe::new("m").audit();
    audit.gallery = vec![entry(&[1, 2, 2], vec![-1.0, 0.0, 2.0, 3.0])];
    assert!(
        text(&[audit]).contains("leaves [0, 1]; black to white is its own range, −1.00 to 3.00")
    );
}

#[test]
fn the_page_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.html");
    let audits = [Recipe::new("m").audit()];
    write(&path, &audits).expect("the page is written");
    assert_eq!(
        std::fs::read_to_string(&path).expect("readable"),
        render(&audits).expect("renders")
    );
    let files = || std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files(), 1);
    std::fs::create_dir(folder.path().join("taken")).expect("a folder");
    assert!(matches!(write(folder.path().join("taken"), &audits), Err(Error::Write { .. })));
    assert_eq!(files(), 2);
}
