//! Studies: grids of models that are trained, audited and scored, and what they say about the
//! claims of the paper.

pub mod schema;
