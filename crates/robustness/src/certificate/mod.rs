//! Sound certificates of r-robustness at a finite distance: what follows once it is known how far
//! perturbations can move the posterior.
//!
//! | module | what |
//! |---|---|
//! | [`posteriors`] | where an encoder takes all inputs near a point |
//! | [`reachable`] | what is known of the posteriors of all perturbed inputs |
//! | [`neyman_pearson`] | what a shift of the mean can do, knowing `p_r(x)` alone |
//! | [`moments`] | the same, knowing low moments of the safe set as well |
//! | [`scale`] | what a change of the standard deviations can do on top |
//! | `joint` | what both can do together |
//! | [`directions`] | the worst direction of a shift |
//! | [`cover`] | safe sets known about several posteriors |
//! | [`coupling`] | the same noise on both sides, for large r |
//! | [`lipschitz`] | encoders and decoders that are Lipschitz by construction |
//! | [`design`] | which constants guarantee a wanted margin |
//! | [`draws`] | how many draws are needed |
//! | [`margin`] | the largest certified distance |
//! | [`search`] | where it is looked for |
//!
//! Everything is in terms of the probability *beyond* r, `1 - p`, because that is the small one:
//! near `p = 1` nothing is lost to rounding. All results are upper bounds of it, rounded up.
//!
//! Nothing here is an estimate. A [`Certificate`] can be made by this module only, and what cannot
//! be shown, NaN above all, is a margin of 0.

mod axis;
mod centres;
pub mod coupling;
pub mod cover;
pub mod design;
pub mod directions;
mod drawn;
pub mod draws;
mod joint;
pub mod lipschitz;
pub mod margin;
pub mod moments;
pub mod neyman_pearson;
mod point;
pub mod posteriors;
pub mod reachable;
pub mod scale;
pub mod search;
mod tradeoff;

pub use design::Design;
pub use directions::SectorLimits;
pub use lipschitz::{InvalidLipschitz, Lipschitz};
pub use margin::{Certificate, Method};
pub use point::{LATENTS, bytes};
pub(crate) use point::{Measured, at_point};
pub use posteriors::{Neighbourhood, Posteriors};
pub use reachable::{Ellipsoid, InvalidReachable, Logarithms, Reachable, Weighted};
pub use search::Search;

#[cfg(test)]
mod tests;
