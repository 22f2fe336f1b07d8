//! The audit folder: everything an audit found, on disk, whatever happens to the process.
//!
//! ```text
//! out/
//!   audit.toml                the configuration asked for, and where results came from
//!   parts/000017.parquet      finished points, in the order they were finished
//!   parts/000017-curves.parquet
//!   parts/000017.safetensors
//!   points.parquet            the same, compacted and sorted once the audit is finished
//!   curves.parquet
//!   perturbations/000000.safetensors
//!   gallery.safetensors, gallery.json
//!   summary.json              written last: the audit is finished if and only if it exists
//! ```
//!
//! An audit takes hours and is killed at any moment: by a scheduler, a full disk, a closed
//! laptop. Three rules make that harmless, and no journal or database is needed for them.
//!
//! **A file is whole or absent.** Every file is written under a temporary name in its own
//! folder, synced, renamed into place, and the folder is synced (`disk.rs`).
//!
//! **One file decides.** A part counts when its `points` file is in place, which is written
//! after its curves and perturbations. A finished audit counts when `summary.json` is in place,
//! which is written after everything else. Whatever precedes a deciding file that never came is
//! a leftover: it is ignored by readers and removed by the next writer.
//!
//! **Nothing is edited.** Parts are only added. A point that is tried again is written to a
//! later part, and the latest part that holds a point speaks for it. Compaction only reads parts
//! and can be cut off and repeated at any step; parts are removed after it is done, except when
//! points failed: then they are kept, so that the failed points can be tried again later.
//!
//! Memory: what is held per point is its index and the number of its part (a few tens of bytes).
//! Rows, curves and perturbations pass through in chunks of bounded size, both when they are
//! read and when they are compacted (`parts.rs`).
//!
//! One folder holds the audit of one model with one configuration. A writer
//! ([`AuditWriter`]) locks the folder; readers ([`AuditFolder`]) take no lock and see the parts
//! that were finished when they opened it.

mod compact;
mod disk;
mod error;
mod folder;
mod manifest;
mod parts;
mod tables;
mod tensors;
mod writer;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use error::{Difference, Error};
pub use folder::AuditFolder;
pub use manifest::settle;
pub use tensors::Tensor;
pub use writer::{AuditWriter, lock};

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::schema::{AttackRow, CurveRow, PointRow};

/// Name of the table of attacks at given norms.
const ATTACKS: &str = "attacks.parquet";

/// A group of finished points, stored as one.
///
/// A point is stored whole: all its rows (one per radius, in the order the radii were asked
/// for), its curves and its perturbations are in the same part.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part {
    /// One row per point and radius.
    pub rows: Vec<PointRow>,
    /// Damage curves of these points.
    pub curves: Vec<CurveRow>,
    /// Smallest breaking perturbations of these points, at most one per point and radius.
    pub perturbations: Vec<Perturbation>,
}

/// Writes what was asked of attacks at given norms, and what came of it, into a folder.
pub(crate) fn write_attacks(
    folder: &Path,
    config: &impl Serialize,
    rows: &[AttackRow],
    perturbations: &[Perturbation],
) -> Result<(), Error> {
    let path = folder.join("attack.toml");
    let config = toml::to_string(config)
        .map_err(|error| disk::failed("write", &path, io::Error::other(error)))?;
    disk::replace_bytes(&path, config.as_bytes())?;
    tables::write(&folder.join(ATTACKS), |write| write(rows))?;
    tensors::write_perturbations(&folder.join("perturbations.safetensors"), perturbations)
}

/// Puts a file in its place, whole.
///
/// # Errors
/// Names the file that could not be written.
pub fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    disk::replace_bytes(path, content)
}

/// The rows of `attacks.parquet` in a folder.
///
/// # Errors
/// Names what cannot be read.
pub fn read_attacks(folder: &Path) -> Result<Vec<AttackRow>, Error> {
    let mut rows = vec![];
    tables::read(&folder.join(ATTACKS), |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// A perturbation `d` that was found for one point and radius.
#[derive(Debug, Clone, PartialEq)]
pub struct Perturbation {
    /// Row of the point in the data set.
    pub index: i64,
    /// The radius as it was asked for.
    pub radius: String,
    /// The values of `d`, row-major.
    pub values: Vec<f32>,
    /// Shape of the sample.
    pub shape: Vec<usize>,
}
