//! Disentanglement scores: how far single latent variables stand for single known factors.
//!
//! A [`Sample`] holds representations of inputs (mostly posterior means) with the factors that
//! made these. Scores of samples are functions of it, each in a file with its source:
//! [`mutual_information_gap`], [`modularity()`], [`separated_attribute_predictability`] and
//! [`dci()`]; [`bootstrap()`] and, for the last, [`jackknife()`] put confidence intervals around them. [`factor_vae_score`] and
//! [`beta_vae_score`] ask for representations of inputs that share a factor instead.
//!
//! [`Posteriors`] are scored without factors: active units, and the parts of the rate.
//!
//! No two of the scores measure the same: a representation in which every factor has two latents
//! of its own is modular, and its gaps are zero.
//!
//! ```
//! use vaegis_disentanglement::{Kind, Sample, bootstrap, mutual_information_gap};
//!
//! // Two latents, the first of which is the factor.
//! let factors: Vec<usize> = (0..420).map(|i| i % 4).collect();
//! let codes: Vec<f32> = factors.iter().enumerate().flat_map(|(i, &f)| [f as f32, (i % 7) as f32]).collect();
//! let sample = Sample::new(&codes, 2, &factors, &[Kind::Ordered])?;
//! let gap = bootstrap(&sample, mutual_information_gap, 200, 0.95, 0);
//! assert!(gap.estimate > 0.999 && gap.low > 0.999);
//! # Ok::<(), vaegis_disentanglement::Error>(())
//! ```

mod aggregate;
mod beta_vae;
mod bootstrap;
mod dci;
mod error;
mod factor_vae;
mod fixed;
mod information;
mod jackknife;
mod lasso;
mod logistic;
mod modularity;
mod sample;
mod sap;

pub use aggregate::{Aggregate, Posteriors};
pub use beta_vae::beta_vae_score;
pub use bootstrap::{Interval, bootstrap};
pub use dci::{Dci, dci};
pub use error::Error;
pub use factor_vae::factor_vae_score;
pub use fixed::FixedFactor;
pub use information::mutual_information_gap;
pub use jackknife::jackknife;
pub use modularity::modularity;
pub use sample::{Kind, Sample};
pub use sap::separated_attribute_predictability;
