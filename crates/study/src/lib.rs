//! Studies: grids of models that are trained, audited and scored, and what they say about the
//! claims of the paper.
//!
//! A [`Grid`] says which models; a [`Plan`] is a grid whose data are open and whose every model was
//! checked, and [runs](Plan::run) in any order, on one machine or in [shards](Shard).

mod cell;
mod claims;
mod collect;
mod error;
mod grid;
mod run;
pub mod schema;
pub mod scores;
pub mod statistics;
mod tables;

pub use cell::{Record, Stage};
pub use claims::effects;
pub use collect::collect;
pub use error::Error;
pub use grid::{
    ArchitectureEntry, Audit, Data, Grid, ObjectiveEntry, PlannedCell, Scale, Strength, Training,
};
pub use run::{CELLS, Event, Outcome, Plan, Shard};
pub use tables::{effects_csv, models_csv};
