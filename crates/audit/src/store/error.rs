//! What can go wrong with an audit folder, said so that the reader knows what to do next.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why an audit folder cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder cannot be created or written to.
    #[error(
        "cannot write to `{path}`: {source}; make it writable or choose another folder with --out"
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file stands where the folder should be.
    #[error("`{path}` is a file, not a folder; choose another folder with --out")]
    FileInTheWay {
        /// The file.
        path: PathBuf,
    },
    /// The folder holds something, but no audit.
    #[error(
        "`{path}` is not empty (it holds `{found}`) and has no audit.toml; \
         choose a new or empty folder with --out"
    )]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The folder holds an audit with another configuration.
    #[error(
        "`{path}` holds results of a different configuration:\n{}\
         choose another folder with --out, repeat the stored configuration to resume it, \
         or remove the folder to start over",
        lines(differences)
    )]
    DifferentConfiguration {
        /// The folder.
        path: PathBuf,
        /// Every key whose value differs.
        differences: Vec<Difference>,
    },
    /// Another process writes to the folder.
    #[error(
        "`{path}` is being written by another process; \
         wait for it to end or choose another folder with --out"
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// There is no audit to read.
    #[error("`{path}` holds no audit (there is no audit.toml in it); check the path")]
    NoAudit {
        /// The folder.
        path: PathBuf,
    },
    /// The file was written by a newer version of the program.
    #[error(
        "`{path}` has schema version {found}, and this program reads up to version {supported}; \
         upgrade vaegis to read it"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that can be read.
        supported: u32,
    },
    /// A file is not what was written.
    #[error("`{path}` is damaged: {reason}; {advice}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// How to go on.
        advice: String,
    },
    /// The system refused to read or write a file.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The configuration cannot be written as TOML.
    #[error("the configuration cannot be stored in `{path}`: {reason}")]
    Configuration {
        /// The file it was meant for.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The results handed over contradict themselves or what is stored; a mistake of the caller.
    #[error("these results cannot be stored in `{path}`: {reason}")]
    Inconsistent {
        /// The folder.
        path: PathBuf,
        /// The contradiction.
        reason: String,
    },
    /// Failed points of a finished audit can only be tried again while its parts are there.
    #[error(
        "cannot try the {failed} failed points of `{path}` again: the audit is finished and its \
         `parts` folder is gone; run them into another folder with --out"
    )]
    PartsGone {
        /// The folder.
        path: PathBuf,
        /// How many points failed.
        failed: usize,
    },
}

/// One key on which two configurations differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key, with dots between tables.
    pub key: String,
    /// Its value in the folder, if it has one there.
    pub stored: Option<String>,
    /// The value asked for now, if any.
    pub asked: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stored = self.stored.as_deref().unwrap_or("nothing");
        let asked = self.asked.as_deref().unwrap_or("nothing");
        write!(f, "`{}` is {stored} there and {asked} now", self.key)
    }
}

fn lines(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("  {difference}\n")).collect()
}
