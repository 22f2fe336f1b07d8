//! Reading an audit, finished or not.
//!
//! The reader asks where the truth is once, when it opens the folder: in the compacted files if
//! the audit is finished, in the parts otherwise. Rows come in the same order from both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Error;
use super::compact;
use super::manifest::{self, Manifest};
use super::parts::{self, Parts, Record};
use super::tables::{self, Row};
use super::tensors::{self, Tensor, Tensors};
use crate::schema::{CurveRow, GalleryEntry, PointRow, Summary};

/// An audit folder open for reading.
#[derive(Debug, Clone)]
pub struct AuditFolder {
    path: PathBuf,
    manifest: Manifest,
    content: Content,
}

/// Where the results are.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// In the compacted files.
    Finished,
    /// In these parts.
    Parts(Parts),
}

impl Content {
    /// Indices of all points.
    pub(super) fn points(&self, root: &Path) -> Result<BTreeSet<i64>, Error> {
        match self {
            Self::Finished => {
                let outcomes = parts::outcomes(&root.join(compact::POINTS))?;
                Ok(outcomes.into_iter().map(|outcome| outcome.index).collect())
            }
            Self::Parts(parts) => Ok(parts.indices().0),
        }
    }
}

impl AuditFolder {
    /// Opens the audit in the folder `path` for reading.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if !path.join(manifest::FILE).exists() {
            return Err(Error::NoAudit { path: path.to_owned() });
        }
        let manifest = Manifest::read(path)?;
        let content = if path.join(compact::SUMMARY).exists() {
            Content::Finished
        } else {
            Content::Parts(Parts::scan(path)?)
        };
        Ok(Self::new(path.to_owned(), manifest, content))
    }

    pub(super) fn new(path: PathBuf, manifest: Manifest, content: Content) -> Self {
        Self { path, manifest, content }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration that decided the results.
    pub fn config(&self) -> &toml::Table {
        &self.manifest.config
    }

    /// What else was noted: versions, threads, names.
    pub fn info(&self) -> &toml::Table {
        &self.manifest.info
    }

    /// Whether the audit is finished.
    pub fn is_finished(&self) -> bool {
        matches!(self.content, Content::Finished)
    }

    /// Indices of the points that have rows.
    pub fn indices(&self) -> Result<BTreeSet<i64>, Error> {
        self.content.points(&self.path)
    }

    /// Hands over every row, ordered by index and then as the radii were asked for, in bounded
    /// memory.
    pub fn for_each_row(&self, each: impl FnMut(PointRow)) -> Result<(), Error> {
        self.for_each(compact::POINTS, each)
    }

    /// Hands over every row of the damage curves, ordered by index and then as they were
    /// appended, in bounded memory.
    pub fn for_each_curve(&self, each: impl FnMut(CurveRow)) -> Result<(), Error> {
        self.for_each(compact::CURVES, each)
    }

    /// All rows at once; see [`AuditFolder::for_each_row`] for audits that do not fit in memory.
    pub fn rows(&self) -> Result<Vec<PointRow>, Error> {
        let mut rows = Vec::new();
        self.for_each_row(|row| rows.push(row))?;
        Ok(rows)
    }

    /// All rows of the damage curves at once; see [`AuditFolder::for_each_curve`].
    pub fn curves(&self) -> Result<Vec<CurveRow>, Error> {
        let mut rows = Vec::new();
        self.for_each_curve(|row| rows.push(row))?;
        Ok(rows)
    }

    /// Shape and values of the perturbation found for a point and a radius (as it was asked for).
    pub fn perturbation(&self, index: i64, radius: &str) -> Result<Option<Tensor>, Error> {
        let path = match &self.content {
            Content::Finished => compact::perturbations_of(&self.path, index)?,
            Content::Parts(parts) => parts.perturbations_of(index),
        };
        match path {
            Some(path) => Tensors::open(&path)?.get(&tensors::name(index, radius)),
            None => Ok(None),
        }
    }

    /// The summary, once the audit is finished.
    pub fn summary(&self) -> Result<Option<Summary>, Error> {
        self.is_finished().then(|| compact::read_summary(&self.path)).transpose()
    }

    /// The gallery with its pictures; empty until the audit is finished.
    pub fn gallery(&self) -> Result<Vec<GalleryEntry>, Error> {
        if self.is_finished() { compact::read_gallery(&self.path) } else { Ok(Vec::new()) }
    }

    fn for_each<R: Row + Record>(
        &self,
        compacted: &str,
        mut each: impl FnMut(R),
    ) -> Result<(), Error> {
        let mut each = |row| {
            each(row);
            Ok(())
        };
        match &self.content {
            Content::Finished => tables::read(&self.path.join(compacted), each),
            Content::Parts(parts) => {
                parts.for_each_chunk(|chunk: Vec<R>| chunk.into_iter().try_for_each(&mut each))
            }
        }
    }
}
