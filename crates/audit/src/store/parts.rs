//! The parts of an audit, and how they are read in order without holding them.
//!
//! Points finish in whatever order threads, restarts and retries bring. They are wanted in the
//! order of the data set. What is held in memory is a map from each point to the part that
//! speaks for it. To read in order, consecutive points are taken a chunk at a time, the parts
//! that hold them are opened, and only their records are kept and sorted. Audits work through
//! points nearly in order, so a chunk touches few parts and every part is opened about once. An
//! audit in a wild order costs more opening (each part once per chunk), never more memory. An
//! external merge would save that, for temporary files that would need crash safety of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::tables::{self, Outcome};
use super::{Error, Part, Perturbation, disk, tensors};
use crate::schema::{CurveRow, PointRow, Status};

/// Name of the folder of parts.
pub(super) const FOLDER: &str = "parts";

/// What is known of all parts of an audit.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    folder: PathBuf,
    model: Option<String>,
    points: BTreeMap<i64, Point>,
    next: u32,
}

/// Where a point is stored, and whether it failed.
#[derive(Debug, Clone, Copy)]
struct Point {
    part: u32,
    failed: bool,
}

impl Parts {
    /// Looks through the parts in `root`.
    pub(super) fn scan(root: &Path) -> Result<Self, Error> {
        let folder = root.join(FOLDER);
        let names: BTreeSet<String> = disk::names(&folder)?.into_iter().collect();
        let numbers: BTreeSet<u32> = names.iter().filter_map(|name| number(name, POINTS)).collect();
        let next = numbers.last().map_or(0, |last| last + 1);
        let mut parts = Self { folder, model: None, points: BTreeMap::new(), next };
        for part in numbers {
            for kind in [CURVES, PERTURBATIONS] {
                if !names.contains(&format!("{part:06}{kind}")) {
                    return Err(disk::damaged(&path(&parts.folder, part, kind), "it is missing"));
                }
            }
            parts.adopt(part, outcomes(&path(&parts.folder, part, POINTS))?);
        }
        Ok(parts)
    }

    /// Removes what a killed writer left: unfinished files, and files of parts that do not count.
    pub(super) fn clean(root: &Path) -> Result<(), Error> {
        let folder = root.join(FOLDER);
        let names = disk::names(&folder)?;
        let counts: BTreeSet<u32> = names.iter().filter_map(|name| number(name, POINTS)).collect();
        for name in &names {
            let orphan = [CURVES, PERTURBATIONS]
                .iter()
                .any(|kind| number(name, kind).is_some_and(|part| !counts.contains(&part)));
            if orphan || name.ends_with(disk::UNFINISHED) {
                disk::remove_file(&folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Stores a part. `allowed` says whether a point that is already there may be stored again.
    pub(super) fn append(
        &mut self,
        part: &Part,
        allowed: impl Fn(i64) -> bool,
    ) -> Result<(), Error> {
        if *part == Part::default() {
            return Ok(());
        }
        self.check(part, allowed)
            .map_err(|reason| Error::Inconsistent { path: self.folder.clone(), reason })?;
        let at = |kind| path(&self.folder, self.next, kind);
        tensors::write_perturbations(&at(PERTURBATIONS), &part.perturbations)?;
        tables::write(&at(CURVES), |add| add(&part.curves))?;
        tables::write(&at(POINTS), |add| add(&part.rows))?;
        let outcome = |row: &PointRow| Outcome {
            model: row.model.clone(),
            index: row.index,
            status: row.status,
        };
        self.adopt(self.next, part.rows.iter().map(outcome).collect());
        self.next += 1;
        Ok(())
    }

    /// Indices of all points, and of those that failed.
    pub(super) fn indices(&self) -> (BTreeSet<i64>, BTreeSet<i64>) {
        let failed = self.points.iter().filter(|(_, point)| point.failed).map(|(index, _)| *index);
        (self.points.keys().copied().collect(), failed.collect())
    }

    /// The file that holds the perturbations of a point.
    pub(super) fn perturbations_of(&self, index: i64) -> Option<PathBuf> {
        let point = self.points.get(&index)?;
        Some(path(&self.folder, point.part, PERTURBATIONS))
    }

    /// Hands over all records in order of index; those of one point keep the order in which they
    /// were appended. A chunk holds whole points, and about [`Record::CHUNK`] of them or one.
    pub(super) fn for_each_chunk<R: Record>(
        &self,
        mut each: impl FnMut(Vec<R>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let numbers: BTreeSet<u32> = self.points.values().map(|point| point.part).collect();
        let mut total = 0;
        for part in numbers {
            total += R::amount(&path(&self.folder, part, R::KIND))?;
        }
        let per_point = total.div_ceil(self.points.len().max(1) as u64).max(1);
        let step = usize::try_from(R::CHUNK / per_point).unwrap_or(usize::MAX).max(1);
        let indices: Vec<i64> = self.points.keys().copied().collect();
        for chunk in indices.chunks(step) {
            if let [first, .., last] | [first @ last] = chunk {
                each(self.gather(*first..=*last)?)?;
            }
        }
        Ok(())
    }

    fn gather<R: Record>(&self, range: RangeInclusive<i64>) -> Result<Vec<R>, Error> {
        let parts: BTreeSet<u32> =
            self.points.range(range.clone()).map(|(_, point)| point.part).collect();
        let mut records = Vec::new();
        for part in parts {
            let speaks = |index| {
                range.contains(&index)
                    && self.points.get(&index).is_some_and(|point| point.part == part)
            };
            R::read(&path(&self.folder, part, R::KIND), speaks, &mut records)?;
        }
        // Stable: all records of a point come from one part, in its order.
        records.sort_by_key(R::index);
        Ok(records)
    }

    fn adopt(&mut self, part: u32, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            self.model.get_or_insert(outcome.model);
            let failed = outcome.status == Status::Failed;
            let point = self.points.entry(outcome.index).or_insert(Point { part, failed });
            // One failed radius makes a failed point; a later part replaces an earlier one.
            *point = Point { part, failed: failed || (point.part == part && point.failed) };
        }
    }

    fn check(&self, part: &Part, allowed: impl Fn(i64) -> bool) -> Result<(), String> {
        let mut keys = BTreeSet::new();
        let mut indices = BTreeSet::new();
        let model = self.model.as_ref().or(part.rows.first().map(|row| &row.model));
        for row in &part.rows {
            let (index, radius) = (row.index, &row.radius);
            if index < 0 {
                return Err(format!("index {index} is negative"));
            }
            if Some(&row.model) != model {
                let first = model.map_or("", String::as_str);
                return Err(format!("it holds model `{first}` and not `{}`", row.model));
            }
            if self.points.contains_key(&index) && !allowed(index) {
                return Err(format!("point {index} is already stored"));
            }
            if !keys.insert((index, radius)) {
                return Err(format!("point {index} has two rows for radius `{radius}`"));
            }
            indices.insert(index);
        }
        if let Some(curve) = part.curves.iter().find(|curve| !indices.contains(&curve.index)) {
            return Err(format!("a curve belongs to point {}, which has no row", curve.index));
        }
        for Perturbation { index, radius, values, shape } in &part.perturbations {
            // Each key is taken away once, so a second perturbation finds none.
            if !keys.remove(&(*index, radius)) {
                return Err(format!(
                    "the perturbation of point {index} and radius `{radius}` has no row of its own"
                ));
            }
            if shape.iter().product::<usize>() != values.len() {
                let count = values.len();
                return Err(format!(
                    "the perturbation of point {index} and radius `{radius}` has {count} values \
                     and shape {shape:?}"
                ));
            }
        }
        Ok(())
    }
}

/// Something a part holds many of.
pub(super) trait Record: Sized {
    /// Which file of the part.
    const KIND: &'static str;
    /// Bound on a chunk, in the unit of [`Record::amount`]: a few tens of megabytes. Tests use
    /// small chunks, so that little data makes many of them.
    const CHUNK: u64;
    /// How much there is in the file.
    fn amount(path: &Path) -> Result<u64, Error>;
    /// Adds those records to `into` whose index is asked for.
    fn read(path: &Path, keep: impl Fn(i64) -> bool, into: &mut Vec<Self>) -> Result<(), Error>;
    /// The point it belongs to.
    fn index(&self) -> i64;
}

macro_rules! row_records {
    ($($row:ty, $kind:expr, $chunk:expr;)+) => {$(
        impl Record for $row {
            const KIND: &'static str = $kind;
            const CHUNK: u64 = if cfg!(test) { 64 } else { $chunk };
            fn amount(path: &Path) -> Result<u64, Error> {
                tables::count(path)
            }
            fn read(
                path: &Path,
                keep: impl Fn(i64) -> bool,
                into: &mut Vec<Self>,
            ) -> Result<(), Error> {
                tables::read(path, |row: Self| {
                    if keep(row.index) {
                        into.push(row);
                    }
                    Ok(())
                })
            }
            fn index(&self) -> i64 {
                self.index
            }
        }
    )+};
}

row_records! {
    PointRow, POINTS, 1 << 16;
    CurveRow, CURVES, 1 << 18;
}

impl Record for Perturbation {
    const KIND: &'static str = PERTURBATIONS;
    const CHUNK: u64 = if cfg!(test) { 1 << 12 } else { 1 << 25 };
    fn amount(path: &Path) -> Result<u64, Error> {
        let size = std::fs::metadata(path).map(|metadata| metadata.len());
        size.map_err(|_| disk::damaged(path, "it is missing"))
    }
    fn read(path: &Path, keep: impl Fn(i64) -> bool, into: &mut Vec<Self>) -> Result<(), Error> {
        into.extend(tensors::Tensors::open(path)?.perturbations(keep)?);
        Ok(())
    }
    fn index(&self) -> i64 {
        self.index
    }
}

/// The three files of a part, by how their names end. The first one decides.
const POINTS: &str = ".parquet";
const CURVES: &str = "-curves.parquet";
const PERTURBATIONS: &str = ".safetensors";

/// The points of a table, row by row.
pub(super) fn outcomes(path: &Path) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::new();
    tables::read(path, |outcome| {
        outcomes.push(outcome);
        Ok(())
    })?;
    Ok(outcomes)
}

/// The file without which the part that `path` belongs to does not count, if it belongs to one.
pub(super) fn deciding_file(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| folder.ends_with(FOLDER))?;
    let name = path.file_name()?.to_str()?;
    let part = [CURVES, POINTS, PERTURBATIONS].iter().find_map(|kind| number(name, kind))?;
    Some(self::path(folder, part, POINTS))
}

fn path(folder: &Path, part: u32, kind: &str) -> PathBuf {
    folder.join(format!("{part:06}{kind}"))
}

fn number(name: &str, kind: &str) -> Option<u32> {
    let digits = name.strip_suffix(kind)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}
