//! The certified margin: the largest distance at which r-robustness can be shown.

use std::fmt;

use super::scale::Scales;
use super::{Reachable, moments};
use crate::statistics::{IndicatorMoments, MomentLimits};

/// Shares of the first guess below which no margin is looked for, and above which none is.
const LEAST: f64 = 1e-9;
const MOST: f64 = 1e18;

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

/// Where margins are looked for, in units of the norm of perturbations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// A first guess, such as a first-order estimate.
    pub start: f64,
    /// No margin above this is of interest.
    pub largest: f64,
    /// The margin is found up to this share of itself.
    pub tolerance: f64,
}

impl Search {
    /// The largest distance that is seen to hold, and what was known there.
    ///
    /// Every distance that holds is a sound margin by itself; that larger ones hold less often is
    /// needed to find the largest only.
    pub(super) fn largest<T>(&self, mut holds: impl FnMut(f64) -> Option<T>) -> Option<(f64, T)> {
        if !(self.start > 0.0 && self.largest > 0.0) {
            return None;
        }
        let mut at = self.start.min(self.largest);
        let mut fails = None;
        let (mut low, mut known) = loop {
            match holds(at) {
                Some(known) => break (at, known),
                None => fails = Some(at),
            }
            at *= 0.5;
            if at < self.start.min(self.largest) * LEAST {
                return None;
            }
        };
        while fails.is_none() && low < self.largest && low < self.start * MOST {
            at = (2.0 * low).min(self.largest);
            match holds(at) {
                Some(more) => (low, known) = (at, more),
                None => fails = Some(at),
            }
        }
        let mut high = fails.unwrap_or(low);
        let tolerance = self.tolerance.max(1e-12);
        while high - low > tolerance * low {
            let middle = 0.5 * (low + high);
            match holds(middle) {
                Some(more) => (low, known) = (middle, more),
                None => high = middle,
            }
        }
        Some((low, known))
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
    from_limits(r, &beyond.limits(alpha), alpha, search, checked)
}

pub(super) fn from_limits(
    r: f64,
    limits: &MomentLimits,
    alpha: f64,
    search: &Search,
    mut reachable: impl FnMut(f64) -> Option<Reachable>,
) -> Certificate {
    let holds = |distance: f64| {
        let reachable = reachable(distance)?;
        let order = order_that_holds(limits, &Scales::new(&reachable))?;
        Some((Method::of_order(order), reachable.shift()))
    };
    let robust_at_rest = limits.probability < 0.5 && alpha < 1.0;
    let found = robust_at_rest.then(|| search.largest(holds)).flatten();
    Certificate::found(r, alpha, found, limits.probability)
}

/// The least order of moments by which all posteriors can be shown to be within r with a probability
/// of more than one half.
pub(super) fn order_that_holds(limits: &MomentLimits, scales: &Scales<'_>) -> Option<usize> {
    (0..=2).find(|&order| {
        let shifted = moments::shifted(limits, scales.shift(), order);
        scales.within_half(limits.probability, shifted)
    })
}
