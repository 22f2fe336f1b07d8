//! Files that are whole or absent.
//!
//! A file is written beside its final place, synced, renamed over it, and then the folder is
//! synced, because a rename that has not reached the disk did not happen. The temporary name is
//! fixed (`<name>.tmp`), not random: only one process writes to a folder, and a leftover is
//! recognised by its name and overwritten by the next attempt.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::Error;

/// Suffix of files that are not finished.
pub(super) const UNFINISHED: &str = ".tmp";

/// Puts what `write` writes at `path`, or leaves `path` as it was.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Error>,
) -> Result<(), Error> {
    let unfinished = unfinished(path);
    let written = (|| {
        let io = |source| Error::Io { action: "write", path: unfinished.clone(), source };
        let mut file = BufWriter::new(File::create(&unfinished).map_err(io)?);
        write(&mut file)?;
        file.flush().map_err(io)?;
        file.get_ref().sync_all().map_err(io)?;
        drop(file);
        fs::rename(&unfinished, path).map_err(|source| failed("write", path, source))
    })();
    if written.is_err() {
        // The first error is the one worth reporting; the next writer cleans up anyway.
        let _ = fs::remove_file(&unfinished);
    }
    written?;
    sync_parent(path)
}

/// [`replace`] for content that is already in memory.
pub(super) fn replace_bytes(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace(path, |file| file.write_all(bytes).map_err(|source| failed("write", path, source)))
}

/// Removes a file, if it is there.
pub(super) fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", path, source))
        }
        Err(_) => Ok(()),
        Ok(()) => sync_parent(path),
    }
}

/// Removes a folder and what is in it, if it is there.
pub(super) fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", path, source))
        }
        Err(_) => Ok(()),
        Ok(()) => sync_parent(path),
    }
}

/// Makes a folder that may already be there.
pub(super) fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| failed("create", path, source))?;
    sync_parent(path)
}

/// Names of the entries of a folder, sorted; empty when there is no such folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed("read", folder, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| failed("read", folder, source))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The whole content of a text file.
pub(super) fn read_text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| failed("read", path, source))
}

pub(super) fn failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { action, path: path.to_owned(), source }
}

/// [`Error::Damaged`] with the advice that fits the place of the file.
pub(super) fn damaged(path: &Path, reason: impl ToString) -> Error {
    let advice = match super::parts::deciding_file(path) {
        Some(deciding) => format!(
            "delete `{}` and repeat the audit: only the points of this part are computed again",
            deciding.display()
        ),
        None => "restore it from a copy, or remove the folder and repeat the audit".to_owned(),
    };
    Error::Damaged { path: path.to_owned(), reason: reason.to_string(), advice }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    PathBuf::from(name)
}

/// Makes renames and removals beside `path` last. Only Unix can sync a folder; elsewhere the
/// file system orders them by itself.
fn sync_parent(path: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    if let Some(parent) = path.parent() {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| failed("sync", parent, source))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
