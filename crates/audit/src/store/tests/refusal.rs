//! What is refused, and that the message says what to do.

use std::fs;

use super::super::sample::{part, row};
use super::super::{AuditFolder, Error, Part, Perturbation, disk};
use super::{config, create, finish, gallery, names, summary};
use crate::schema::SCHEMA_VERSION;

fn message<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn another_configuration_says_which_keys_differ() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path()).unwrap());
    let other = toml::toml! {
        seed = 8
        points = "0..8"
        batch = 16
        [attack.steps]
        most = 100
    };
    let refused = AuditFolder::create(folder.path(), &other, &toml::Table::new(), false);
    let path = folder.path().display();
    assert_eq!(
        message(refused),
        format!(
            "`{path}` holds results of a different configuration:\n  \
             `attack.restarts` is 4 there and nothing now\n  \
             `attack.steps.most` is nothing there and 100 now\n  \
             `batch` is nothing there and 16 now\n  \
             `seed` is 7 there and 8 now\n\
             choose another folder with --out, repeat the stored configuration to resume it, \
             or remove the folder to start over"
        )
    );
}

#[test]
fn info_may_differ_and_nan_is_the_same_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let config = toml::Table::from_iter([("x".to_owned(), f64::NAN.into())]);
    let first = toml::toml! { threads = 2 };
    drop(AuditFolder::create(folder.path(), &config, &first, false).unwrap());
    let second = toml::toml! { threads = 16 };
    let writer = AuditFolder::create(folder.path(), &config, &second, false).unwrap();
    assert!(writer.resumed());
    assert_eq!(writer.folder().info(), &first);
}

#[test]
fn a_configuration_must_be_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let refused = AuditFolder::create(folder.path(), &"seed", &toml::Table::new(), false);
    assert!(matches!(refused, Err(Error::Configuration { .. })));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn two_writers_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path()).unwrap();
    let refused = message(create(folder.path()));
    assert!(refused.contains("is being written by another process"), "{refused}");
    AuditFolder::open(folder.path()).unwrap();
    drop(writer);
    create(folder.path()).unwrap();
}

#[test]
fn a_file_or_a_foreign_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thesis.tex");
    fs::write(&file, "text").unwrap();
    assert!(matches!(create(&file), Err(Error::FileInTheWay { .. })));
    let inside = message(create(&file.join("audit")));
    assert!(inside.contains("thesis.tex/audit") && inside.contains("--out"), "{inside}");
    let foreign = message(create(folder.path()));
    assert!(foreign.contains("it holds `thesis.tex`"), "{foreign}");
    assert_eq!(names(folder.path()), ["thesis.tex"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write anywhere.
    if fs::write(folder.path().join("probe"), []).is_err() {
        assert!(matches!(create(folder.path()), Err(Error::NotWritable { .. })));
        assert!(matches!(create(&folder.path().join("new")), Err(Error::NotWritable { .. })));
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_folder_without_audit_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(AuditFolder::open(folder.path()), Err(Error::NoAudit { .. })));
}

#[test]
fn newer_versions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path()).unwrap();
    finish(&writer);
    drop(writer);
    let newer = SCHEMA_VERSION + 1;
    let raise = |name: &str, old: String, new: String| {
        let path = folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&old));
        fs::write(&path, text.replace(&old, &new)).unwrap();
    };
    for name in ["summary.json", "gallery.json"] {
        raise(
            name,
            format!("\"schema_version\": {SCHEMA_VERSION}"),
            format!("\"schema_version\": {newer}, \"schema_was\": {SCHEMA_VERSION}"),
        );
    }
    let audit = AuditFolder::open(folder.path()).unwrap();
    assert!(message(audit.summary()).contains("upgrade vaegis"));
    assert!(message(audit.gallery()).contains("gallery.json"));
    raise(
        "audit.toml",
        format!("schema_version = {SCHEMA_VERSION}"),
        format!("schema_version = {newer}"),
    );
    assert!(matches!(AuditFolder::open(folder.path()), Err(Error::Newer { .. })));
    let refused = message(create(folder.path()));
    assert!(refused.contains("audit.toml") && refused.contains(&newer.to_string()), "{refused}");
}

#[test]
fn contradictory_parts_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path()).unwrap();
    writer.append(&part(&[0, 1])).unwrap();
    let before = names(&folder.path().join("parts"));
    let rows = |rows| Part { rows, ..Part::default() };
    let only = |change: fn(&mut Part)| {
        let mut part = part(&[5]);
        change(&mut part);
        part
    };
    let cases = [
        (part(&[2, 1]), "point 1 is already stored"),
        (rows(vec![row(-1, "4")]), "index -1 is negative"),
        (rows(vec![row(5, "4"), row(5, "4")]), "point 5 has two rows for radius `4`"),
        (only(|p| p.rows[0].model = "other".to_owned()), "holds model `beta4` and not `other`"),
        (only(|p| p.curves[0].index = 6), "a curve belongs to point 6"),
        (only(|p| p.perturbations[0].radius = "9".to_owned()), "radius `9` has no row"),
        (only(|p| p.perturbations[1] = p.perturbations[0].clone()), "has no row of its own"),
        (only(|p| p.perturbations[0].shape = vec![5]), "has 4 values and shape [5]"),
        (only(|p| p.rows.clear()), "a curve belongs to point 5"),
        (
            Part {
                perturbations: vec![Perturbation {
                    index: 0,
                    radius: "4".to_owned(),
                    values: vec![],
                    shape: vec![0],
                }],
                ..Part::default()
            },
            "has no row of its own",
        ),
    ];
    for (part, reason) in cases {
        let refused = message(writer.append(&part));
        assert!(refused.contains(reason), "{refused}");
    }
    assert_eq!(names(&folder.path().join("parts")), before);
    assert_eq!(writer.done().unwrap(), [0, 1].into());
}

#[test]
fn a_summary_or_gallery_that_json_cannot_hold_is_refused_before_work() {
    let folder = tempfile::tempdir().unwrap();
    let writer = create(folder.path()).unwrap();
    let good = summary(&writer.folder());
    let bad = crate::schema::Summary { alpha: f64::NAN, ..good.clone() };
    assert!(message(writer.finish(&bad, &[])).contains("not finite"));
    let mut entries = gallery();
    entries[0].attacked = f64::INFINITY;
    assert!(message(writer.finish(&good, &entries)).contains("point 3 has no finite margin"));
    let mut entries = gallery();
    entries[1].perturbed.pop();
    assert!(message(writer.finish(&good, &entries)).contains("a picture of point 1"));
    assert!(!folder.path().join("points.parquet").exists());
}

#[test]
fn a_failed_write_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    disk::replace_bytes(&path, b"old").unwrap();
    let full = || disk::failed("write", &path, std::io::Error::other("the disk is full"));
    assert!(disk::replace(&path, |_| Err(full())).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn an_empty_configuration_is_fine() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = toml::Table::new();
    drop(AuditFolder::create(folder.path(), &nothing, &nothing, false).unwrap());
    let refused = AuditFolder::create(folder.path(), &config(), &nothing, false);
    assert!(matches!(refused, Err(Error::DifferentConfiguration { .. })));
}
