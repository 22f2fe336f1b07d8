//! How perturbations are improved: each optimiser sees a ball and an objective, nothing of
//! models or noise.

mod conditional_gradient;
pub mod lbfgsb;

pub use conditional_gradient::{Candidate, ascend};
