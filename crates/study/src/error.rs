//! What keeps a study from running.

use std::path::PathBuf;

/// What keeps a study from running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The grid is no TOML of the expected form.
    #[error("{0}")]
    Grid(String),
    /// The grid cannot work; every problem is listed.
    #[error("the study cannot run: {}", .0.join("; "))]
    Problems(Vec<String>),
    /// Data.
    #[error(transparent)]
    Data(#[from] vaegis_data::Error),
    /// A model or its training.
    #[error(transparent)]
    Vae(#[from] vaegis_vae::Error),
    /// An audit or an attack.
    #[error(transparent)]
    Audit(#[from] vaegis_audit::Error),
    /// A folder of results.
    #[error(transparent)]
    Store(#[from] vaegis_audit::store::Error),
    /// Model, data and rows do not fit together; every problem is listed.
    #[error("these rows cannot be scored: {}", .0.join("; "))]
    Unfit(Vec<String>),
    /// The model gave no number.
    #[error("row {row}: {what} is not finite")]
    NotFinite {
        /// Row in the data set.
        row: usize,
        /// What it is of.
        what: &'static str,
    },
    /// Scores that cannot be computed from these representations.
    #[error(transparent)]
    Representations(#[from] vaegis_disentanglement::Error),
    /// The threads of a job could not be started.
    #[error("could not start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Folders of models hold results of other settings.
    #[error("{first}{}", more(*others))]
    Folders {
        /// What is wrong with the first.
        first: String,
        /// How many others.
        others: usize,
    },
    /// A file or folder could not be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// How many other models are like the one that was told of.
fn more(others: usize) -> String {
    if others > 0 { format!(" ({others} other models likewise)") } else { String::new() }
}

impl Error {
    pub(crate) fn problem(problem: String) -> Self {
        Self::Problems(vec![problem])
    }
}
