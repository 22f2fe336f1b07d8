//! What an attack is worth, in the measures by which the field compares attacks and models.
//!
//! | score | of what | more robust is |
//! |---|---|---|
//! | [`relative_degradation`] | likelihoods of the input | lower |
//! | [`kl_divergence`], [`symmetric_kl_divergence`] | posteriors | lower |
//! | [`psnr()`], [`ssim()`], [`ms_ssim`] | pictures, such as reconstructions | higher |
//! | [`DistortionCurve::area`] (AUDDC) | targeted attacks of all strengths | higher |
//!
//! All but the first, which takes draws, are pure functions of numbers on the host, in f64. Where
//! a score is not defined (a picture smaller than a window, a scale of 0) it is `None`. Values
//! that are not finite give NaN, which is no score.

mod auddc;
mod degradation;
mod kl;
mod psnr;
mod ssim;

pub use auddc::{Distances, Distortion, DistortionCurve};
pub use degradation::{expected_log_likelihood, relative_degradation};
pub use kl::{kl_divergence, symmetric_kl_divergence};
pub use psnr::psnr;
pub use ssim::{MultiScale, ms_ssim, ssim};
