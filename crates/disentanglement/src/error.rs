//! What can be wrong with representations and factors.

/// Why there is no score.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// What does not hold of a sample, all at once.
    #[error("representations cannot be scored: {}", .0.join("; "))]
    Sample(Vec<String>),
}
