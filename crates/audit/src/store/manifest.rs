//! `audit.toml`: what was asked for, and where the results came from.
//!
//! ```toml
//! schema_version = 1
//! [config]    # decides the results: two runs with the same config may share a folder
//! [info]      # does not: versions, threads, memory, names for people
//! ```
//!
//! Only `config` is compared when a folder is resumed. Which key belongs where is for the caller
//! to say; this module knows no key by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Difference, Error, disk};
use crate::schema::SCHEMA_VERSION;

/// Name of the file.
pub(super) const FILE: &str = "audit.toml";

/// The content of `audit.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    schema_version: u32,
    pub(super) config: toml::Table,
    pub(super) info: toml::Table,
}

impl Manifest {
    /// The manifest of a new audit in `folder`.
    pub(super) fn new(
        folder: &Path,
        config: &impl Serialize,
        info: &impl Serialize,
    ) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let refuse = |reason: String| Error::Configuration { path: path.clone(), reason };
        let manifest = Self {
            schema_version: SCHEMA_VERSION,
            config: toml::Table::try_from(config).map_err(|e| refuse(e.to_string()))?,
            info: toml::Table::try_from(info).map_err(|e| refuse(e.to_string()))?,
        };
        // Through text and back, so that it compares equal to what will be read.
        let text = toml::to_string(&manifest).map_err(|e| refuse(e.to_string()))?;
        toml::from_str(&text).map_err(|e| refuse(e.to_string()))
    }

    /// Writes it into `folder`.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE);
        let text = toml::to_string_pretty(self)
            .map_err(|e| Error::Configuration { path: path.clone(), reason: e.to_string() })?;
        disk::replace_bytes(&path, text.as_bytes())
    }

    /// Reads it from `folder`; the version is checked before anything else is understood.
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let path = folder.join(FILE);
        let text = disk::read_text(&path)?;
        let version: Version = toml::from_str(&text).map_err(|e| disk::damaged(&path, e))?;
        check_version(&path, version.schema_version)?;
        toml::from_str(&text).map_err(|e| disk::damaged(&path, e))
    }

    /// Refuses an audit whose configuration is not this one.
    pub(super) fn check_same(&self, folder: &Path, asked: &Self) -> Result<(), Error> {
        check_same(folder, &self.config, &asked.config)
    }
}

/// Refuses a folder whose configuration is not the one that was asked for.
fn check_same(folder: &Path, stored: &toml::Table, asked: &toml::Table) -> Result<(), Error> {
    let (stored, asked) = (flatten(stored), flatten(asked));
    let keys: BTreeSet<&String> = stored.keys().chain(asked.keys()).collect();
    let differences: Vec<Difference> = keys
        .into_iter()
        .filter(|key| stored.get(*key) != asked.get(*key))
        .map(|key| Difference {
            key: key.clone(),
            stored: stored.get(key).cloned(),
            asked: asked.get(key).cloned(),
        })
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::DifferentConfiguration { path: folder.to_owned(), differences })
}

/// Makes a folder for results that a configuration decides, which it keeps as TOML under `name`; a
/// folder that is there already must have the same.
///
/// # Errors
/// Names the keys that differ, or the file that cannot be read or written.
pub fn settle(folder: &Path, name: &str, config: &impl Serialize) -> Result<(), Error> {
    let path = folder.join(name);
    let refuse = |reason: String| Error::Configuration { path: path.clone(), reason };
    let text = toml::to_string_pretty(config).map_err(|e| refuse(e.to_string()))?;
    if !path.exists() {
        disk::make_folder(folder)?;
        return disk::replace_bytes(&path, text.as_bytes());
    }
    let stored = toml::from_str(&disk::read_text(&path)?).map_err(|e| disk::damaged(&path, e))?;
    let asked = toml::from_str(&text).map_err(|e| refuse(e.to_string()))?;
    check_same(folder, &stored, &asked)
}

/// Refuses files of newer versions.
pub(super) fn check_version(path: &Path, found: u32) -> Result<(), Error> {
    if found > SCHEMA_VERSION {
        return Err(Error::Newer { path: path.to_owned(), found, supported: SCHEMA_VERSION });
    }
    Ok(())
}

/// Values as text under dotted keys. Text, so that NaN equals NaN.
fn flatten(table: &toml::Table) -> BTreeMap<String, String> {
    fn walk(prefix: &str, table: &toml::Table, flat: &mut BTreeMap<String, String>) {
        for (key, value) in table {
            let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                toml::Value::Table(table) if !table.is_empty() => walk(&key, table, flat),
                value => drop(flat.insert(key, value.to_string())),
            }
        }
    }
    let mut flat = BTreeMap::new();
    walk("", table, &mut flat);
    flat
}
