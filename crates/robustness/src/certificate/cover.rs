//! Safe sets known about several posteriors, which together cover all that can be reached.
//!
//! What is known of a safe set about one posterior, a probability and low moments, loses its worth
//! with the distance from it. But encoders move the mean much farther in one direction than in all
//! others: the shifts that perturbations can cause fill a long ellipsoid
//! ([`Ellipsoid`](super::Ellipsoid)). Along its axis stand posteriors `c_j = j STEP`, j from
//! `-CENTRES` to `CENTRES`, of the same standard deviations; the safe set is the same about all of
//! them, and about each it is measured by draws of its own. A posterior that is shifted by
//! `a axis + b` is no farther from the nearest of them than `sqrt(STEP^2/4 + |b|^2)`, and if all that
//! are that near to it are safe, for each that can be nearest, then all are safe that can be reached.
//!
//! **Confidence.** There are `2 CENTRES + 1` statements, one about each posterior, chosen before any
//! draw: half of alpha is the first's, the rest is shared by the others. All hold together with
//! error alpha, whichever of them are needed.

use super::Reachable;
use super::margin::{Certificate, Method, Search, order_that_holds};
use super::scale::Scales;
use crate::statistics::MomentLimits;

/// Distance between neighbouring centres, in standard deviations.
pub const STEP: f64 = 0.5;
/// Centres on each side of the posterior at x.
pub const CENTRES: isize = 7;
/// Where the last of them stands.
pub const FARTHEST: f64 = CENTRES as f64 * STEP;

/// The share of alpha that the limits about a centre may err by.
pub fn share(centre: isize) -> f64 {
    if centre == 0 { 0.5 } else { 0.25 / CENTRES as f64 }
}

/// The margin certified from bounds on the posterior and what is known about all centres.
///
/// `limits` gives those of "beyond r" where the posterior is shifted by `j STEP` along the axis of the
/// ellipsoids, with error at most `alpha` times the [`share`] of j, or none if it is not known; 0 is
/// the posterior at x. `reachable` bounds the posteriors of all inputs within a distance, soundly;
/// where it knows no bounds it says `None`.
pub fn from_centres(
    r: f64,
    alpha: f64,
    search: &Search,
    mut limits: impl FnMut(isize) -> Option<MomentLimits>,
    mut reachable: impl FnMut(f64) -> Option<Reachable>,
) -> Certificate {
    let first = limits(0);
    let mut holds = |distance: f64| {
        let reachable = reachable(distance)?;
        let scales = Scales::new(&reachable);
        match order_that_holds(&first?, &scales) {
            Some(order) => Some((Method::of_order(order), reachable.shift())),
            None => covered(&reachable, &scales, &mut limits)
                .then(|| (Method::Cover, reachable.shift())),
        }
    };
    let at_rest = first.map_or(1.0, |limits| limits.probability);
    let found = (at_rest < 0.5 && alpha < 1.0).then(|| search.largest(&mut holds)).flatten();
    Certificate::found(r, alpha, found, at_rest)
}

/// Whether all posteriors are near enough to a centre.
fn covered(
    reachable: &Reachable,
    scales: &Scales<'_>,
    limits: &mut impl FnMut(isize) -> Option<MomentLimits>,
) -> bool {
    if reachable.ellipsoid().is_none() {
        return false;
    }
    for distance in 0..=CENTRES {
        let Some(slice) = reachable.slice(distance as f64 * STEP, 0.5 * STEP) else { return true };
        let scales = scales.with_shift_of(slice);
        for centre in [distance, -distance] {
            let holds =
                limits(centre).is_some_and(|limits| order_that_holds(&limits, &scales).is_some());
            if !holds {
                return false;
            }
        }
    }
    reachable.slice((CENTRES + 1) as f64 * STEP, 0.5 * STEP).is_none()
}
