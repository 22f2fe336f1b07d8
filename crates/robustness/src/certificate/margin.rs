//! The certified margin: the largest distance at which r-robustness can be shown.

use std::fmt;

use super::directions::SectorLimits;
use super::scale::Scales;
use super::{Reachable, Search};
use crate::statistics::{IndicatorMoments, normal_quantile};

/// How a margin was certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// From bounds on the posterior and the probability within r.
    NeymanPearson,
    /// From moments of the safe set up to this order as well.
    Moments(usize),
    /// From moments about several posteriors.
    Cover,
    /// From the distances of draws that share their noise.
    Coupling,
    /// From Lipschitz constants of encoder and decoder.
    Lipschitz,
}

impl Method {
    /// From moments up to an order, of which 0 is the probability.
    pub(super) fn of_order(order: usize) -> Self {
        if order == 0 { Self::NeymanPearson } else { Self::Moments(order) }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeymanPearson => write!(formatter, "neyman-pearson"),
            Self::Moments(order) => write!(formatter, "moments-{order}"),
            Self::Cover => write!(formatter, "cover"),
            Self::Coupling => write!(formatter, "coupling"),
            Self::Lipschitz => write!(formatter, "lipschitz"),
        }
    }
}

/// A proof that a VAE is r-robust at a point to every perturbation shorter than the margin.
///
/// It is right with at least its confidence, over the draws of the noise. Nothing but the
/// certificates of this crate makes one. A margin of 0 says that nothing could be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    pub(super) r: f64,
    pub(super) margin: f64,
    pub(super) alpha: f64,
    pub(super) method: Method,
    pub(super) p_lower_limit: Option<f64>,
    pub(super) shift: Option<f64>,
}

impl Certificate {
    /// The radius in reconstruction space.
    pub fn r(&self) -> f64 {
        self.r
    }

    /// The certified margin, in units of the norm of perturbations. Infinite where no perturbation
    /// can matter.
    pub fn margin(&self) -> f64 {
        self.margin
    }

    /// The probability with which the certificate is right, at least; 1 if it rests on no draws.
    pub fn confidence(&self) -> f64 {
        1.0 - self.alpha
    }

    /// How it was certified: the method that needs least, if several certify the same.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The lower limit of a probability that the certificate rests on: of `p_r(x)`, or, if coupled,
    /// of staying within r under all perturbations within the margin.
    pub fn p_lower_limit(&self) -> Option<f64> {
        self.p_lower_limit
    }

    /// The whitened shift that perturbations within the margin may cause, at most.
    pub fn shift(&self) -> Option<f64> {
        self.shift
    }

    /// What a search found, if anything: the margin, how, and the shift; given the most that the
    /// probability beyond r can be at x itself.
    pub(super) fn found(
        r: f64,
        alpha: f64,
        found: Option<(f64, (Method, f64))>,
        beyond: f64,
    ) -> Self {
        let (margin, (method, shift)) = found.unwrap_or((0.0, (Method::NeymanPearson, 0.0)));
        let p_lower_limit = Some((1.0 - beyond).next_down().max(0.0));
        Self { r, margin, alpha, method, p_lower_limit, shift: Some(shift) }
    }

    /// The same margin where perturbations are measured in units of this length.
    pub(super) fn in_units_of(self, length: f64) -> Self {
        Self { margin: self.margin / length * (1.0 - 1e-12), ..self }
    }

    /// The larger of two certificates about the same point and radius. Either might be wrong, so
    /// their error probabilities add up.
    ///
    /// # Panics
    /// If the radii differ.
    pub fn larger(self, other: Self) -> Self {
        assert!(self.r == other.r, "certificates at r = {} and r = {}", self.r, other.r);
        let alpha = (self.alpha + other.alpha).min(1.0);
        let larger = if other.margin > self.margin { other } else { self };
        Self { alpha, ..larger }
    }
}

/// The margin certified from bounds on the posterior and draws of the noise.
///
/// `beyond` holds draws of the event `|Delta(x)| > r` without a perturbation. `reachable` bounds
/// the posteriors of all inputs within a distance, soundly; where it knows no bounds it says
/// `None`, and nothing is certified there. With error at most `alpha`, whatever the bounds: the
/// draws are used for statements about x alone, which hold or fail together.
///
/// # Panics
/// If there is not one scale for each dimension of the noise.
pub fn from_posteriors(
    r: f64,
    beyond: &IndicatorMoments,
    alpha: f64,
    search: &Search,
    mut reachable: impl FnMut(f64) -> Option<Reachable>,
) -> Certificate {
    let checked = |distance| {
        let reachable: Reachable = reachable(distance)?;
        assert_eq!(reachable.scales().len(), beyond.dimensions(), "scales of latents");
        Some(reachable)
    };
    from_known(r, &beyond.limits(alpha).into(), alpha, search, checked)
}

pub(super) fn from_known(
    r: f64,
    known: &SectorLimits,
    alpha: f64,
    search: &Search,
    mut reachable: impl FnMut(f64) -> Option<Reachable>,
) -> Certificate {
    let seen = |distance: f64| {
        let reachable = reachable(distance)?;
        Some((known.excess(&Scales::new(&reachable)), reachable))
    };
    let beyond = known.probability();
    let robust_at_rest = beyond < 0.5 && alpha < 1.0;
    let at_rest = normal_quantile(beyond);
    let found = robust_at_rest.then(|| search.largest(at_rest, seen)).flatten();
    let found = found.map(|(margin, reachable)| {
        let method = known.method(&Scales::new(&reachable));
        (margin, (method, reachable.shift()))
    });
    Certificate::found(r, alpha, found, beyond)
}
