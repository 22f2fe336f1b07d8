//! Writing an audit: create or resume, append, finish.
//!
//! Everything that can be refused is refused in [`AuditFolder::create`], before an hour of work:
//! a folder that cannot be written, one that belongs to something else or to another
//! configuration, one that another process is writing. The lock is the operating system's lock
//! on a file, so it ends with the process however that ends.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::compact::{self, Compaction};
use super::folder::Content;
use super::manifest::{self, Manifest};
use super::parts::{self, Parts};
use super::{AuditFolder, Error, Part, disk};
use crate::schema::{GalleryEntry, Status, Summary};

const LOCK: &str = ".lock";
const PROBE: &str = ".probe";
/// The files beside the folders of parts and perturbations.
const FILES: [&str; 6] = [
    manifest::FILE,
    compact::POINTS,
    compact::CURVES,
    compact::PICTURES,
    compact::GALLERY,
    compact::SUMMARY,
];

/// An audit folder open for writing; the folder is locked as long as this lives.
///
/// Its methods take `&self` and may be called from many threads: one append happens at a time,
/// behind a mutex.
#[derive(Debug)]
pub struct AuditWriter {
    path: PathBuf,
    manifest: Manifest,
    resumed: bool,
    state: Mutex<State>,
    _lock: File,
}

#[derive(Debug)]
struct State {
    content: Content,
    /// Failed points that are to be tried again and have not been yet.
    retry: BTreeSet<i64>,
}

impl AuditFolder {
    /// Starts an audit in the folder `path`, or resumes the one that is there.
    ///
    /// `config` is what decides the results, the points asked for included: an audit with the
    /// same `config` is resumed, one with another is refused with the keys that differ. `info` is
    /// stored for people and never compared. Both must serialise to tables; on resume the stored
    /// `info` stays.
    ///
    /// With `retry_failed`, failed points no longer count as done, also when the audit was
    /// finished; a new attempt replaces the stored one.
    pub fn create(
        path: impl AsRef<Path>,
        config: &impl Serialize,
        info: &impl Serialize,
        retry_failed: bool,
    ) -> Result<AuditWriter, Error> {
        let path = path.as_ref();
        let asked = Manifest::new(path, config, info)?;
        claim(path)?;
        let lock = lock(path)?;
        for name in FILES {
            disk::remove_file(&path.join(format!("{name}{}", disk::UNFINISHED)))?;
        }
        let resumed = path.join(manifest::FILE).exists();
        let manifest = if resumed { Manifest::read(path)? } else { asked.clone() };
        if resumed {
            manifest.check_same(path, &asked)?;
        } else {
            manifest.write(path)?;
        }
        let state = Mutex::new(open_state(path, retry_failed)?);
        Ok(AuditWriter { path: path.to_owned(), manifest, resumed, state, _lock: lock })
    }
}

impl AuditWriter {
    /// Whether the folder held this audit already.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Whether the audit is finished; then nothing can be appended.
    pub fn is_finished(&self) -> bool {
        matches!(self.state().content, Content::Finished)
    }

    /// Indices of the points that need no more work, failed ones included unless they are to be
    /// tried again.
    pub fn done(&self) -> Result<BTreeSet<i64>, Error> {
        let state = self.state();
        let all = state.content.points(&self.path)?;
        Ok(all.difference(&state.retry).copied().collect())
    }

    /// Stores a group of finished points; when this returns they are on disk for good.
    ///
    /// A point that is done is refused, and so is a curve or perturbation without a row.
    pub fn append(&self, part: &Part) -> Result<(), Error> {
        let mut state = self.state();
        let State { content, retry } = &mut *state;
        let Content::Parts(parts) = content else {
            let reason = "the audit is finished".to_owned();
            return Err(Error::Inconsistent { path: self.path.clone(), reason });
        };
        parts.append(part, |index| retry.contains(&index))?;
        for row in &part.rows {
            retry.remove(&row.index);
        }
        Ok(())
    }

    /// What is stored so far, for reading.
    pub fn folder(&self) -> AuditFolder {
        let content = self.state().content.clone();
        AuditFolder::new(self.path.clone(), self.manifest.clone(), content)
    }

    /// Compacts the parts, stores summary and gallery, and declares the audit finished. Does
    /// nothing if it is finished already.
    pub fn finish(&self, summary: &Summary, gallery: &[GalleryEntry]) -> Result<(), Error> {
        let mut state = self.state();
        if let Content::Parts(parts) = &state.content {
            Compaction { root: &self.path, parts, summary, gallery }.run()?;
            state.content = Content::Finished;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // State changes only after a part is on disk, so a panic elsewhere leaves it right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the folder, or checks that it may be used.
fn claim(path: &Path) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => {
            return Err(Error::FileInTheWay { path: path.to_owned() });
        }
        Ok(_) if path.join(manifest::FILE).exists() => return Ok(()),
        Ok(_) => {
            let ours = [LOCK, PROBE].map(str::to_owned);
            let unfinished = format!("{}{}", manifest::FILE, disk::UNFINISHED);
            let mut names = disk::names(path)?.into_iter();
            if let Some(found) = names.find(|name| !ours.contains(name) && *name != unfinished) {
                return Err(Error::ForeignFolder { path: path.to_owned(), found });
            }
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path).map_err(not_writable(path))?;
        }
        Err(source) => return Err(not_writable(path)(source)),
    }
    Ok(())
}

/// Locks a folder until the file is dropped, and makes sure that files can be made in it and
/// removed.
///
/// # Errors
/// [`Error::Locked`] if another process has it; otherwise names what cannot be written.
pub fn lock(path: &Path) -> Result<File, Error> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join(LOCK))
        .map_err(not_writable(path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::Locked { path: path.to_owned() });
        }
        Err(TryLockError::Error(source)) => {
            return Err(disk::failed("lock", &path.join(LOCK), source));
        }
    }
    let probe = path.join(PROBE);
    fs::write(&probe, []).and_then(|()| fs::remove_file(&probe)).map_err(not_writable(path))?;
    Ok(lock)
}

fn not_writable(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::NotWritable { path: path.to_owned(), source }
}

/// Brings the folder into a clean state, whatever the last writer left.
fn open_state(path: &Path, retry_failed: bool) -> Result<State, Error> {
    if path.join(compact::SUMMARY).exists() {
        let mut failed = BTreeSet::new();
        for outcome in parts::outcomes(&path.join(compact::POINTS))? {
            if outcome.status == Status::Failed {
                failed.insert(outcome.index);
            }
        }
        let parts = path.join(parts::FOLDER);
        if failed.is_empty() {
            disk::remove_folder(&parts)?;
        }
        if failed.is_empty() || !retry_failed {
            return Ok(State { content: Content::Finished, retry: BTreeSet::new() });
        }
        if !parts.exists() {
            return Err(Error::PartsGone { path: path.to_owned(), failed: failed.len() });
        }
        // From here on the audit is unfinished again, and its parts speak for it.
        disk::remove_file(&path.join(compact::SUMMARY))?;
    }
    disk::make_folder(&path.join(parts::FOLDER))?;
    Parts::clean(path)?;
    let parts = Parts::scan(path)?;
    let (_, failed) = parts.indices();
    let retry = if retry_failed { failed } else { BTreeSet::new() };
    Ok(State { content: Content::Parts(parts), retry })
}
