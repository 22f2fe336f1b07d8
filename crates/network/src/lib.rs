//! Networks whose operators know their whole calculus.
//!
//! A [`Network`] is a small graph of [operators](ops). Every operator can run
//! forward, push tangents forward ([`jvp`](ops::Calculus::jvp)) and pull
//! cotangents back ([`vjp`](ops::Calculus::vjp)), many per sample at once, so a
//! Jacobian of an encoder with m outputs costs one reverse pass over m
//! cotangents rather than m passes, and an attack's gradient never builds an
//! autodiff graph. The same parameters train through Burn's autodiff, because
//! `forward` is made of Burn tensor operations only.
//!
//! Every value that flows between operators is a matrix `[rows, features]`; the
//! sample shape (channels, height, width) is metadata of the graph. So flattening
//! and reshaping cost nothing, and points, restarts and noise draws are all just
//! rows of one batch.
//!
//! This crate knows nothing of variational autoencoders.

pub mod bounds;
mod check;
mod compose;
mod error;
mod graph;
pub mod lipschitz;
pub mod onnx;
pub mod ops;
mod store;

pub use check::{DerivativeCheck, check_derivatives};
pub use compose::NodeSummary;
pub use error::Error;
pub use graph::{Network, NetworkBuilder, NetworkConfig, NodeConfig, Trace, Value};
pub use store::{Weights, load_weights, real_numbers, save_weights};
