//! A process can be killed between any two writes, and a disk can lose what it was given.

use std::fs::{self, OpenOptions};
use std::path::Path;

use super::super::compact::Compaction;
use super::super::parts::Parts;
use super::super::sample::{failed, part};
use super::super::{AuditFolder, Error, Part};
use super::{create, finish, gallery, names, retry, summary};

const FILES: [&str; 3] = ["000001.safetensors", "000001-curves.parquet", "000001.parquet"];

/// An audit that was killed after two parts.
fn killed(path: &Path) {
    let writer = create(path).unwrap();
    writer.append(&part(&[3, 1])).unwrap();
    writer.append(&part(&[2, 0])).unwrap();
}

#[test]
fn a_part_without_its_last_file_never_was() {
    // How many files of the second part were in place, and how many more were being written.
    for (whole, unfinished) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)] {
        let folder = tempfile::tempdir().unwrap();
        killed(folder.path());
        let parts = folder.path().join("parts");
        for (k, name) in FILES.iter().enumerate().skip(whole) {
            let path = parts.join(name);
            if k < whole + unfinished {
                fs::rename(&path, parts.join(format!("{name}.tmp"))).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
        }
        let reader = AuditFolder::open(folder.path()).unwrap();
        assert_eq!(reader.rows().unwrap(), part(&[1, 3]).rows);
        assert_eq!(reader.curves().unwrap(), part(&[1, 3]).curves);
        assert_eq!(reader.perturbation(2, "4").unwrap(), None);

        let writer = create(folder.path()).unwrap();
        assert!(writer.resumed());
        assert_eq!(writer.done().unwrap(), [1, 3].into());
        assert_eq!(names(&parts).len(), 3);
        writer.append(&part(&[0, 2])).unwrap();
        assert_eq!(writer.folder().rows().unwrap(), part(&[0, 1, 2, 3]).rows);
    }
}

#[test]
fn a_damaged_part_is_named_and_can_be_dropped() {
    for (k, name) in FILES.iter().enumerate() {
        for lose in [1, u64::MAX] {
            let folder = tempfile::tempdir().unwrap();
            killed(folder.path());
            let path = folder.path().join("parts").join(name);
            let size = fs::metadata(&path).unwrap().len();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(size.saturating_sub(lose)).unwrap();

            // The deciding file is read at once, the others when they are needed.
            let error = create(folder.path()).err().or_else(|| {
                let reader = AuditFolder::open(folder.path()).unwrap();
                if k == 0 { reader.perturbation(2, "4").err() } else { reader.curves().err() }
            });
            let message = error.unwrap().to_string();
            assert!(message.contains(name) && message.contains("is damaged"), "{message}");
            let deciding = folder.path().join("parts/000001.parquet");
            assert!(message.contains(&format!("delete `{}`", deciding.display())), "{message}");

            fs::remove_file(deciding).unwrap();
            assert_eq!(create(folder.path()).unwrap().done().unwrap(), [1, 3].into());
        }
    }
}

#[test]
fn a_part_that_lost_a_file_is_damaged() {
    for name in &FILES[..2] {
        let folder = tempfile::tempdir().unwrap();
        killed(folder.path());
        fs::remove_file(folder.path().join("parts").join(name)).unwrap();
        let message = create(folder.path()).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains("it is missing"), "{message}");
    }
}

#[test]
fn compaction_can_be_cut_off_anywhere() {
    for steps in 0..=Compaction::STEPS.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        killed(path);
        let parts = Parts::scan(path).unwrap();
        let summary = summary(&AuditFolder::open(path).unwrap());
        let gallery = gallery();
        let compaction =
            Compaction { root: path, parts: &parts, summary: &summary, gallery: &gallery };
        Compaction::STEPS[..steps].iter().for_each(|step| step(&compaction).unwrap());
        // The next file was being written.
        for name in ["curves.parquet", "points.parquet", "gallery.json", "summary.json"] {
            fs::write(path.join(format!("{name}.tmp")), "half").unwrap();
        }

        let check = || {
            let reader = AuditFolder::open(path).unwrap();
            assert_eq!(reader.rows().unwrap(), part(&[0, 1, 2, 3]).rows);
            assert_eq!(reader.curves().unwrap(), part(&[0, 1, 2, 3]).curves);
            for expected in part(&[0, 1, 2, 3]).perturbations {
                let found = reader.perturbation(expected.index, &expected.radius).unwrap();
                assert_eq!(found, Some((expected.shape, expected.values)));
            }
            reader
        };
        check();
        let writer = create(path).unwrap();
        assert_eq!(writer.done().unwrap(), [0, 1, 2, 3].into());
        writer.finish(&summary, &gallery).unwrap();
        let reader = check();
        assert!(reader.is_finished());
        assert_eq!(reader.gallery().unwrap(), gallery);
        assert_eq!(reader.summary().unwrap(), Some(summary.clone()));
        let left: Vec<String> = names(path);
        assert!(left.iter().all(|name| name != "parts" && !name.ends_with(".tmp")), "{left:?}");
    }
}

#[test]
fn a_kill_before_audit_toml_leaves_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    for name in [".lock", ".probe", "audit.toml.tmp"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    assert!(!create(folder.path()).unwrap().resumed());
    assert_eq!(names(folder.path()), [".lock", "audit.toml", "parts"]);
}

#[test]
fn files_of_other_people_are_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    killed(folder.path());
    let mine = ["notes.tmp", "report.html", "parts/readme.txt"];
    mine.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
    let writer = create(folder.path()).unwrap();
    assert!(mine.iter().all(|name| folder.path().join(name).exists()));
    finish(&writer);
    assert!(mine[..2].iter().all(|name| folder.path().join(name).exists()));
}

/// One point ok and two failed, of which one has a row that is fine.
fn partly_failed(path: &Path) {
    let writer = create(path).unwrap();
    writer.append(&part(&[1])).unwrap();
    let mut bad = part(&[0, 2]);
    bad.rows[0] = failed(0, "8");
    bad.rows[2] = failed(2, "8");
    bad.rows[3] = failed(2, "4");
    bad.perturbations.clear();
    writer.append(&bad).unwrap();
    assert_eq!(writer.done().unwrap(), [0, 1, 2].into());
}

#[test]
fn failed_points_are_tried_again_on_request() {
    let folder = tempfile::tempdir().unwrap();
    partly_failed(folder.path());
    assert_eq!(create(folder.path()).unwrap().done().unwrap(), [0, 1, 2].into());

    let writer = retry(folder.path()).unwrap();
    assert_eq!(writer.done().unwrap(), [1].into());
    writer.append(&part(&[2])).unwrap();
    let again = Part { rows: vec![failed(0, "4")], ..Part::default() };
    writer.append(&again).unwrap();
    // Tried once is enough for one run, even if it failed again.
    assert_eq!(writer.done().unwrap(), [0, 1, 2].into());
    assert!(writer.append(&again).is_err());

    finish(&writer);
    let reader = AuditFolder::open(folder.path()).unwrap();
    // The last attempt speaks for a point: nothing of an earlier one is left beside it.
    let mut expected = vec![failed(0, "4")];
    expected.extend(part(&[1, 2]).rows);
    assert_eq!(reader.rows().unwrap(), expected);
    assert_eq!(reader.curves().unwrap(), part(&[1, 2]).curves);
    assert!(reader.perturbation(2, "4").unwrap().is_some());
    assert_eq!(reader.summary().unwrap().unwrap().failed, 1);
}

#[test]
fn failed_points_of_a_finished_audit_are_tried_again_too() {
    let folder = tempfile::tempdir().unwrap();
    partly_failed(folder.path());
    finish(&create(folder.path()).unwrap());
    let writer = create(folder.path()).unwrap();
    assert!(writer.is_finished());
    assert_eq!(writer.done().unwrap(), [0, 1, 2].into());
    assert!(writer.append(&part(&[7])).unwrap_err().to_string().contains("is finished"));
    drop(writer);

    let writer = retry(folder.path()).unwrap();
    assert_eq!(writer.done().unwrap(), [1].into());
    drop(writer);
    // Killed before anything was tried: unfinished, and nothing is lost.
    assert!(!AuditFolder::open(folder.path()).unwrap().is_finished());
    let writer = retry(folder.path()).unwrap();
    writer.append(&part(&[2, 0])).unwrap();
    finish(&writer);
    let reader = AuditFolder::open(folder.path()).unwrap();
    assert_eq!(reader.rows().unwrap(), part(&[0, 1, 2]).rows);
    assert!(reader.perturbation(0, "8").unwrap().is_some());
    assert!(!folder.path().join("parts").exists());
    drop(writer);
    assert!(retry(folder.path()).unwrap().is_finished());
}

#[test]
fn failed_points_need_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    partly_failed(folder.path());
    finish(&create(folder.path()).unwrap());
    fs::remove_dir_all(folder.path().join("parts")).unwrap();
    assert!(create(folder.path()).unwrap().is_finished());
    assert!(matches!(retry(folder.path()), Err(Error::PartsGone { failed: 2, .. })));
    assert!(AuditFolder::open(folder.path()).unwrap().is_finished());
}
