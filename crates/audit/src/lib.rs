//! Audits over many points: plan, execution, crash-safe store, resume and summaries.
//!
//! [`audit`] assesses every selected point on a pool of workers and stores the results
//! in an [audit folder](store) as they come; [`finish()`] turns them into a summary and a
//! gallery. What is stored, and what it means, stands in [`schema`].
//!
//! Points are independent and their noise is addressed by their index, so results do
//! not depend on threads, on the order of points or on how often a run was resumed.

mod config;
mod error;
mod finish;
mod run;
pub mod schema;
pub mod store;
pub mod summary;
mod trials;
mod workers;

pub use config::{AuditConfig, Execution, Subject, Transfer, fingerprint};
pub use error::Error;
pub use finish::finish;
pub use run::{Outcome, Progress, audit};
pub use trials::{
    PointTrial, TrialConfig, find_universal, rows as trial_rows, try_points, write as write_trials,
};
