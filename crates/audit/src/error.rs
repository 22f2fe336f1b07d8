/// What keeps an audit from running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration that cannot work; every problem is listed.
    #[error("invalid configuration: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The audit folder.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// No universal perturbation could be looked for.
    #[error("no universal perturbation: {0}")]
    Universal(vaegis_robustness::Error),
    /// The threads of a worker could not be started.
    #[error("could not start worker threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}
