//! Studies: grids of models that are trained, audited and scored, and what they say about the
//! claims of the paper.

mod error;
pub mod schema;
pub mod scores;

pub use error::Error;
