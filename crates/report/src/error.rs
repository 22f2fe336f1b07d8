use std::path::PathBuf;

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A report needs at least one audit.
    #[error("a report needs at least one audit")]
    NoAudits,
    /// A picture of the gallery could not be encoded.
    #[error("a picture of the gallery could not be encoded as PNG")]
    Picture(#[source] png::EncodingError),
    /// The page template failed; this is a bug in the template.
    #[error("the page could not be filled in")]
    Template(#[from] minijinja::Error),
    /// A figure could not be made a PDF.
    #[error("the figure could not be made a PDF: {0}")]
    Pdf(String),
    /// The page could not be written.
    #[error("{}: the report could not be written", path.display())]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
}
