//! From many parts to the files people open.
//!
//! Every step reads only parts and replaces whole files, so steps can be cut off, repeated and
//! repeated again; until the summary is in place the audit counts as unfinished and all readers
//! use the parts. Steps are a list and not a function body so that tests can stop between any
//! two of them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::parts::{self, Parts};
use super::{Error, Perturbation, disk, manifest, tables, tensors};
use crate::schema::{CurveRow, GalleryEntry, PointRow, SCHEMA_VERSION, Summary};

pub(super) const POINTS: &str = "points.parquet";
pub(super) const CURVES: &str = "curves.parquet";
pub(super) const PERTURBATIONS: &str = "perturbations";
pub(super) const PICTURES: &str = "gallery.safetensors";
pub(super) const GALLERY: &str = "gallery.json";
/// The file that decides whether an audit is finished.
pub(super) const SUMMARY: &str = "summary.json";

/// An audit about to be finished.
pub(super) struct Compaction<'a> {
    pub(super) root: &'a Path,
    pub(super) parts: &'a Parts,
    pub(super) summary: &'a Summary,
    pub(super) gallery: &'a [GalleryEntry],
}

/// The content of `gallery.json`.
#[derive(Serialize, Deserialize)]
struct Gallery {
    schema_version: u32,
    entries: Vec<GalleryEntry>,
}

/// One step of a compaction.
pub(super) type Step<'a> = fn(&Compaction<'a>) -> Result<(), Error>;

impl<'a> Compaction<'a> {
    /// The steps, in their order.
    pub(super) const STEPS: [Step<'a>; 7] = [
        Self::perturbations,
        Self::curves,
        Self::points,
        Self::pictures,
        Self::gallery,
        Self::summary,
        Self::tidy,
    ];

    /// Takes all steps.
    pub(super) fn run(&self) -> Result<(), Error> {
        self.check()?;
        Self::STEPS.iter().try_for_each(|step| step(self))
    }

    /// JSON has no infinity and no NaN, and a picture must fill its shape.
    fn check(&self) -> Result<(), Error> {
        let refuse = |reason| Err(Error::Inconsistent { path: self.root.to_owned(), reason });
        let summary = self.summary;
        let fractions = summary.radii.iter().map(|radius| radius.robust_fraction);
        if !fractions.chain([summary.alpha]).all(f64::is_finite) {
            return refuse("the summary holds a value that is not finite".to_owned());
        }
        for entry in self.gallery {
            let (index, size) = (entry.index, entry.shape.iter().product::<usize>());
            if !entry.attacked.is_finite() || !entry.r.is_finite() {
                return refuse(format!("gallery entry of point {index} has no finite margin"));
            }
            if pictures(entry).iter().any(|(_, values)| values.len() != size) {
                return refuse(format!(
                    "a picture of point {index} does not have shape {:?}",
                    entry.shape
                ));
            }
        }
        Ok(())
    }

    /// Each file is named for the first point it may hold; see [`perturbations_of`].
    fn perturbations(&self) -> Result<(), Error> {
        let folder = self.root.join(PERTURBATIONS);
        disk::remove_folder(&folder)?;
        disk::make_folder(&folder)?;
        self.parts.for_each_chunk(|chunk: Vec<Perturbation>| {
            let Some(first) = chunk.first() else {
                return Ok(());
            };
            let path = folder.join(format!("{:06}.safetensors", first.index));
            tensors::write_perturbations(&path, &chunk)
        })
    }

    fn curves(&self) -> Result<(), Error> {
        tables::write::<CurveRow>(&self.root.join(CURVES), |add| {
            self.parts.for_each_chunk(|chunk: Vec<CurveRow>| add(&chunk))
        })
    }

    fn points(&self) -> Result<(), Error> {
        tables::write::<PointRow>(&self.root.join(POINTS), |add| {
            self.parts.for_each_chunk(|chunk: Vec<PointRow>| add(&chunk))
        })
    }

    fn pictures(&self) -> Result<(), Error> {
        let tensors = self.gallery.iter().enumerate().flat_map(|(k, entry)| {
            let tensor = |values| tensors::Floats { shape: &entry.shape, values };
            pictures(entry).map(|(name, values)| (format!("{k}/{name}"), tensor(values)))
        });
        tensors::write(&self.root.join(PICTURES), tensors)
    }

    fn gallery(&self) -> Result<(), Error> {
        let entries = self.gallery.to_vec();
        write_json(&self.root.join(GALLERY), &Gallery { schema_version: SCHEMA_VERSION, entries })
    }

    fn summary(&self) -> Result<(), Error> {
        write_json(&self.root.join(SUMMARY), self.summary)
    }

    /// Parts have served, unless a failed point is to be tried again some day.
    fn tidy(&self) -> Result<(), Error> {
        let (_, failed) = self.parts.indices();
        if failed.is_empty() {
            disk::remove_folder(&self.root.join(parts::FOLDER))?;
        }
        Ok(())
    }
}

/// The compacted file that holds the perturbations of a point, if any does: of the files named
/// for a point that is not after it, the last.
pub(super) fn perturbations_of(root: &Path, index: i64) -> Result<Option<PathBuf>, Error> {
    let folder = root.join(PERTURBATIONS);
    let names = disk::names(&folder)?;
    let first = |name: &String| name.strip_suffix(".safetensors")?.parse::<i64>().ok();
    let found = names
        .iter()
        .filter_map(|name| Some((first(name)?, name)))
        .filter(|(first, _)| *first <= index)
        .max();
    Ok(found.map(|(_, name)| folder.join(name)))
}

/// Reads `summary.json`.
pub(super) fn read_summary(root: &Path) -> Result<Summary, Error> {
    read_json(&root.join(SUMMARY))
}

/// Reads the gallery with its pictures.
pub(super) fn read_gallery(root: &Path) -> Result<Vec<GalleryEntry>, Error> {
    let Gallery { mut entries, .. } = read_json(&root.join(GALLERY))?;
    let path = root.join(PICTURES);
    let mut tensors = tensors::Tensors::open(&path)?;
    for (k, entry) in entries.iter_mut().enumerate() {
        let shape = entry.shape.clone();
        for (name, values) in [
            ("original", &mut entry.original),
            ("perturbed", &mut entry.perturbed),
            ("reconstruction", &mut entry.reconstruction),
            ("perturbed_reconstruction", &mut entry.perturbed_reconstruction),
        ] {
            let name = format!("{k}/{name}");
            match tensors.get(&name)? {
                Some((found, picture)) if found == shape => *values = picture,
                Some((found, _)) => {
                    let reason = format!("tensor `{name}` has shape {found:?} and not {shape:?}");
                    return Err(disk::damaged(&path, reason));
                }
                None => return Err(disk::damaged(&path, format!("it has no tensor `{name}`"))),
            }
        }
    }
    Ok(entries)
}

fn pictures(entry: &GalleryEntry) -> [(&'static str, &[f32]); 4] {
    [
        ("original", &entry.original),
        ("perturbed", &entry.perturbed),
        ("reconstruction", &entry.reconstruction),
        ("perturbed_reconstruction", &entry.perturbed_reconstruction),
    ]
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| disk::failed("write", path, std::io::Error::other(e)))?;
    text.push(b'\n');
    disk::replace_bytes(path, &text)
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let text = disk::read_text(path)?;
    let version: Version = serde_json::from_str(&text).map_err(|e| disk::damaged(path, e))?;
    manifest::check_version(path, version.schema_version)?;
    serde_json::from_str(&text).map_err(|e| disk::damaged(path, e))
}
