//! The store as its users see it: whatever is done to the folder, nothing wrong is read from it.

mod compaction;
mod crash;
mod refusal;
mod round_trip;

use std::path::Path;

use super::{AuditFolder, AuditWriter, Error};
use crate::schema::{GalleryEntry, Rank, Summary};
use crate::summary::{Header, summarise};

fn config() -> toml::Table {
    toml::toml! {
        points = "0..8"
        seed = 7
        [attack]
        restarts = 4
    }
}

fn create(path: &Path) -> Result<AuditWriter, Error> {
    AuditFolder::create(path, &config(), &toml::Table::new(), false)
}

fn retry(path: &Path) -> Result<AuditWriter, Error> {
    AuditFolder::create(path, &config(), &toml::Table::new(), true)
}

fn summary(folder: &AuditFolder) -> Summary {
    let header = Header {
        model: "beta4".to_owned(),
        description: "784-400-10, Bernoulli".to_owned(),
        dataset: "mnist".to_owned(),
        draws: 1000,
        alpha: 0.05,
        norm: "l2".to_owned(),
        r#box: "0,1".to_owned(),
        seed: 7,
        radii: vec!["8".to_owned(), "4".to_owned()],
    };
    summarise(folder, header).unwrap()
}

fn gallery() -> Vec<GalleryEntry> {
    let entry = |index, rank| GalleryEntry {
        index,
        label: None,
        radius: "q0.9".to_owned(),
        r: 4.0,
        rank,
        attacked: 0.5,
        shape: vec![1, 1, 2],
        original: vec![0.0, 1.0],
        perturbed: vec![0.5, 1.0],
        reconstruction: vec![0.25, f32::MIN_POSITIVE],
        perturbed_reconstruction: vec![index as f32, -0.0],
    };
    vec![entry(3, Rank::Least), entry(1, Rank::Most)]
}

fn finish(writer: &AuditWriter) {
    writer.finish(&summary(&writer.folder()), &gallery()).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    super::disk::names(folder).unwrap()
}
