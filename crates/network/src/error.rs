use std::path::PathBuf;

/// What can be wrong with a network, its configuration or its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operator cannot take the values that the graph feeds it.
    #[error("node {node} ({operator}): {reason}")]
    Operator {
        /// Position of the node in the graph.
        node: usize,
        /// Name of the operator.
        operator: &'static str,
        /// What was expected and what was found.
        reason: String,
    },
    /// An operator has no bounds: it has no rule, or they are not finite.
    #[error("node {node} ({operator}) cannot be bounded: {reason}")]
    Unbounded {
        /// Position of the node in the graph.
        node: usize,
        /// Name of the operator.
        operator: &'static str,
        /// Why.
        reason: String,
    },
    /// An operator has no Lipschitz constant, or none that is finite.
    #[error("node {node} ({operator}) bounds no Lipschitz constant: {reason}")]
    NotLipschitz {
        /// Position of the node in the graph.
        node: usize,
        /// Name of the operator.
        operator: &'static str,
        /// Why.
        reason: String,
    },
    /// A set of inputs or a specification for bounds does not fit, or bounds are not finite.
    #[error("bounds: {0}")]
    Bounds(String),
    /// The graph itself is malformed.
    #[error("network: {0}")]
    Graph(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An ONNX model cannot be read or understood; every problem is listed.
    #[error("{}: {}", path.display(), listed(problems))]
    Onnx {
        /// The file.
        path: PathBuf,
        /// One entry per node or tensor at fault.
        problems: Vec<String>,
    },
    /// A weights file is not what the network needs; every problem is listed.
    #[error("{}: {}", path.display(), problems.join("; "))]
    Weights {
        /// The file.
        path: PathBuf,
        /// One entry per tensor at fault.
        problems: Vec<String>,
    },
}

/// One problem as it is, several on lines of their own.
fn listed(problems: &[String]) -> String {
    match problems {
        [problem] => problem.clone(),
        problems => format!("{} problems\n  {}", problems.len(), problems.join("\n  ")),
    }
}
