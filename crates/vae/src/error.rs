use std::path::{Path, PathBuf};

/// What can go wrong while building, training, saving or loading a VAE.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration that cannot work; every problem is listed.
    #[error("invalid configuration: {}", .0.join("; "))]
    Config(Vec<String>),
    /// A model from elsewhere does not fit or leaves something open; every problem is listed.
    #[error("{}", .0.join("\n  "))]
    Import(Vec<String>),
    /// A model cannot be written for other programs; every problem is listed.
    #[error("{}", .0.join("\n  "))]
    Export(Vec<String>),
    /// A VAE without Lipschitz constants, or with others than it claims; every reason is listed.
    #[error("no Lipschitz constants: {}", .0.join("; "))]
    NotLipschitz(Vec<String>),
    /// An encoder or decoder graph is at fault.
    #[error(transparent)]
    Network(#[from] vaegis_network::Error),
    /// The data and the model do not fit together.
    #[error("data set {dataset}: {reason}")]
    Data {
        /// Name of the data set.
        dataset: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A model folder or checkpoint is damaged or of another kind.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// Training produced a loss that is not finite.
    #[error("the loss became {loss} in epoch {epoch}; a smaller learning rate may help")]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The loss.
        loss: f64,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn format(path: &Path, reason: impl ToString) -> Self {
        Self::Format { path: path.to_path_buf(), reason: reason.to_string() }
    }
}
