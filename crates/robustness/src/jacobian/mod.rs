//! What the theory and the attacks need to know of the Jacobians at a point: norms, leading
//! directions, and the linearised decoder.
//!
//! The networks are evaluated in f32; everything after that is f64. Jacobians are formed
//! whole where they are small enough (`whole.rs`), which makes every number exact up to
//! rounding. Those of large latent spaces (4 x 32 x 32 latents of a 3 x 256 x 256 image are a
//! matrix of 3 GB) never exist: their norms come from products with vectors
//! (`matrix_free.rs`), each with a stated error.

mod lanczos;
mod matrix;
mod matrix_free;
mod whole;

pub use matrix::{Matrix, Spectrum};

use crate::statistics::GeneralisedChiSquare;
use crate::{Encoding, Error, Model, Target};

/// Jacobians of at most this many entries are formed.
const MOST_ENTRIES: usize = 1 << 22;

/// Bytes per entry while a Jacobian is formed: as it arrives, as it is, whitened, composed.
const BYTES_PER_ENTRY: usize = size_of::<f32>() + 3 * size_of::<f64>();

/// Eigenproblems of at most this order are solved whole: they take seconds from there on.
const MOST_LATENTS: usize = 512;

/// A norm, and how far the truth may lie above or below it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// The value.
    pub value: f64,
    /// Relative error, which is exceeded with a probability of at most 1 in 1000 (for a
    /// Frobenius norm by a normal approximation); 0 for a norm of a matrix that was formed.
    pub error: f64,
}

impl Norm {
    fn exact(value: f64) -> Self {
        Self { value, error: 0.0 }
    }

    /// The upper end of what the norm may be.
    pub fn upper(self) -> f64 {
        self.value * (1.0 + self.error)
    }
}

/// Leading right singular vectors (unit norm, in input space) of the maps that attacks start
/// from, at most as many as were asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Directions {
    /// Of `Jg J`: the most damage to first order.
    pub composed: Vec<Vec<f64>>,
    /// Of `Sigma^(-1/2) J`: the largest shift in units of noise.
    pub whitened: Vec<Vec<f64>>,
    /// Of `J`.
    pub encoder: Vec<Vec<f64>>,
}

/// The distribution of `|Jg Sigma^(1/2) eta|^2`: of `|Delta(x)|^2` for the decoder linearised
/// at `mu`.
#[derive(Debug, Clone, PartialEq)]
pub enum LinearisedDecoder {
    /// In closed form, with weights the eigenvalues of `Sigma^(1/2) Jg' Jg Sigma^(1/2)`.
    ClosedForm(GeneralisedChiSquare),
    /// Draws of it, in rising order.
    Sampled(Vec<f64>),
}

impl LinearisedDecoder {
    /// `P(|Jg Sigma^(1/2) eta| <= r)`; a share of draws where they are all that is known.
    pub fn within(&self, r: f64) -> f64 {
        match self {
            Self::ClosedForm(distribution) => distribution.cdf(r * r),
            Self::Sampled(squares) => {
                squares.partition_point(|&square| square <= r * r) as f64 / squares.len() as f64
            }
        }
    }

    /// Markov's lower bound on [`within`](Self::within) [C21, Thm 1], `1 - tr/r^2`; the trace
    /// is the mean of the draws where they are all that is known.
    pub fn markov(&self, r: f64) -> f64 {
        match self {
            Self::ClosedForm(distribution) => distribution.markov_lower_bound(r * r),
            Self::Sampled(squares) => {
                let trace = squares.iter().sum::<f64>() / squares.len() as f64;
                (1.0 - trace / (r * r)).max(0.0)
            }
        }
    }
}

/// The Jacobians of a model at a point, `J = d mu / d x` (x in units of the domain) and
/// `Jg = d g / d z` at mu.
#[derive(Debug, Clone, PartialEq)]
pub struct Jacobians {
    /// `|J|_F`.
    pub frobenius: Norm,
    /// `|J|_2`.
    pub spectral: Norm,
    /// `|Sigma^(-1/2) J|_2`.
    pub whitened_spectral: Norm,
    /// `|Jg J|_2`, which attacks search around; 0 if no directions were asked for.
    pub composed_spectral: f64,
    /// Where attacks start.
    pub directions: Directions,
    /// The decoder.
    pub decoder: LinearisedDecoder,
}

impl Jacobians {
    /// The Jacobians at the target, with `directions` leading directions of each map. Where
    /// they are too big to form, the linearised decoder is known by as many draws as `draws`
    /// or 2048.
    ///
    /// # Errors
    /// If a derivative is not finite.
    pub fn at(
        target: Target<'_>,
        encoding: &Encoding,
        directions: usize,
        draws: u64,
    ) -> Result<Self, Error> {
        if are_formed(target.model) {
            whole::jacobians(target, encoding, directions)
        } else {
            matrix_free::jacobians(target, encoding, directions, draws)
        }
    }
}

/// Whether the Jacobians of a model are small enough to be formed.
fn are_formed(model: &Model) -> bool {
    let entries = model.latent().saturating_mul(model.features());
    model.latent() <= MOST_LATENTS && entries <= MOST_ENTRIES
}

/// Bytes that the Jacobians of a point take.
pub(crate) fn bytes(model: &Model) -> usize {
    if are_formed(model) {
        BYTES_PER_ENTRY * model.latent() * model.features()
    } else {
        matrix_free::bytes(model)
    }
}

/// `values` if they are all finite.
fn finite(values: Vec<f32>, what: &'static str) -> Result<Vec<f32>, Error> {
    let all = values.iter().all(|value| value.is_finite());
    if all { Ok(values) } else { Err(Error::NotFinite(what)) }
}

const ENCODER: &str = "the encoder's Jacobian";
const DECODER: &str = "the decoder's Jacobian";

#[cfg(test)]
mod tests;
