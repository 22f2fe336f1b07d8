/// What keeps a study from going on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
}
