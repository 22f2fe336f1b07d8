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
//! **Confidence.** There are `2 CENTRES + 1` statements, one about each posterior, fixed before any
//! draw that tells their limits: half of alpha is the first's, the rest is shared by the others. All
//! hold together with error alpha, whichever of them are needed.

use std::rc::Rc;

use super::directions::SectorLimits;
use super::margin::{Certificate, Method};
use super::scale::Scales;
use super::{Reachable, Search};
use crate::statistics::normal_quantile;

/// Distance between neighbouring centres, in standard deviations.
pub const STEP: f64 = 0.5;
/// Centres on each side of the posterior at x.
pub const CENTRES: isize = 7;
/// Where the last of them stands.
pub const FARTHEST: f64 = CENTRES as f64 * STEP;

/// Times as far as the first centre certifies that others must promise to be measured at all.
const WORTHWHILE: f64 = 1.1;

/// The share of alpha that the limits about a centre may err by.
pub fn share(centre: isize) -> f64 {
    if centre == 0 { 0.5 } else { 0.25 / CENTRES as f64 }
}

/// What is to be known of a centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// About what limits would say, from few draws that no limit rests on: where a cover is out of
    /// reach, no others are paid for.
    Guess,
    /// Limits that hold.
    Limits,
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
    mut limits: impl FnMut(isize, Wanted) -> Option<Rc<SectorLimits>>,
    mut reachable: impl FnMut(f64) -> Option<Reachable>,
) -> Certificate {
    let first = limits(0, Wanted::Limits);
    let beyond = first.as_ref().map_or(1.0, |known| known.probability());
    let Some(first) = first.filter(|_| beyond < 0.5 && alpha < 1.0) else {
        return Certificate::found(r, alpha, None, beyond);
    };
    let alone = search.largest(normal_quantile(beyond), |distance| {
        let reachable = reachable(distance)?;
        let excess = first.excess(&Scales::new(&reachable));
        Some((excess, (excess, reachable)))
    });
    let Some((margin, (at_margin, nearest))) = alone else {
        return Certificate::found(r, alpha, None, beyond);
    };
    let method = first.method(&Scales::new(&nearest));
    let mut covers = |reachable: &Reachable, wanted| {
        covered(reachable, &Scales::new(reachable), |centre| limits(centre, wanted))
    };
    let farther = Search { start: (WORTHWHILE * margin).min(search.largest), ..*search };
    let hopeful = farther.start > margin
        && reachable(farther.start).is_some_and(|all| covers(&all, Wanted::Guess) < 0.0);
    let together = |distance: f64| {
        let reachable = reachable(distance)?;
        let guess = covers(&reachable, Wanted::Guess);
        let excess = if guess < 0.0 { covers(&reachable, Wanted::Limits) } else { guess };
        Some((excess, (Method::Cover, reachable.shift())))
    };
    let alone = (method, nearest.shift());
    let found = if hopeful {
        farther.from((margin, at_margin, Some(alone)), together)
    } else {
        Some((margin, alone))
    };
    Certificate::found(r, alpha, found, beyond)
}

/// The most excess over all posteriors, each seen from the nearest centre; or that of the first
/// centre from which some are not seen to be within r.
fn covered(
    reachable: &Reachable,
    scales: &Scales<'_>,
    mut limits: impl FnMut(isize) -> Option<Rc<SectorLimits>>,
) -> f64 {
    if reachable.ellipsoid().is_none() {
        return f64::INFINITY;
    }
    let mut most = f64::NEG_INFINITY;
    for distance in 0..=CENTRES {
        let slice = reachable.slice(distance as f64 * STEP, 0.5 * STEP);
        let Some(slice) = slice else { return most };
        let scales = scales.with_shift_of(slice);
        for centre in [distance, -distance] {
            let here = limits(centre).map_or(f64::INFINITY, |known| known.excess(&scales));
            most = most.max(here);
            // NaN is not within r either.
            if here.is_nan() || most >= 0.0 {
                return here;
            }
        }
    }
    let rest = reachable.slice((CENTRES + 1) as f64 * STEP, 0.5 * STEP);
    if rest.is_none() { most } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::Ellipsoid;
    use super::super::margin::from_known;
    use super::super::tests::Event;
    use super::*;
    use crate::statistics::MomentLimits;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    const SEARCH: Search = Search { start: 1.0, largest: 100.0, tolerance: 1e-3 };

    /// An ellipsoid with semi-axes of R along the first latent and `ratio R` across, and scales that
    /// go with R too.
    fn ellipsoid(distance: f64, latents: usize, ratio: f64, scale: f64) -> Option<Reachable> {
        let ends = [(-scale * distance).exp(), (scale * distance).exp()];
        let (along, across, joint) = (distance, ratio * distance, distance);
        let ellipsoid = Ellipsoid { along, across, axes: [1.0, ratio], joint, misplaced: 0.0 };
        Reachable::new(distance, vec![ends; latents]).ok()?.with_ellipsoid(ellipsoid).ok()
    }

    /// An event as it is seen from a centre.
    fn from_centre(event: &Event, centre: isize) -> Event {
        let mut moved = event.clone();
        moved.centre[0] -= centre as f64 * STEP;
        moved
    }

    fn certified(event: &Event, ratio: f64, scale: f64, directed: bool) -> Certificate {
        let latents = event.weights.len();
        let limits = |centre, _| {
            let event = from_centre(event, centre);
            Some(Rc::new(if directed { event.known() } else { event.limits().into() }))
        };
        let reachable = |distance| ellipsoid(distance, latents, ratio, scale);
        from_centres(4.0, 0.0, &SEARCH, limits, reachable)
    }

    /// Outside an ellipsoid, so far out that its probability is this.
    fn outside(weights: Vec<f64>, centre: Vec<f64>, probability: f64) -> Event {
        let still = vec![0.0; weights.len()];
        let scales = vec![1.0; weights.len()];
        let mut event = Event { weights, centre, ends: vec![0.0, f64::INFINITY] };
        let (mut low, mut high) = (0.0, 1e3);
        for _ in 0..60 {
            event.ends[0] = 0.5 * (low + high);
            let beyond = event.probability(&still, &scales);
            if beyond < probability { high = event.ends[0] } else { low = event.ends[0] }
        }
        event
    }

    /// A slab that is safe along the whole axis.
    fn slab() -> Event {
        Event { weights: vec![1e-9, 1.0], centre: vec![0.0; 2], ends: vec![1.2, f64::INFINITY] }
    }

    #[derive(Debug, Clone)]
    struct Case {
        event: Event,
        ratio: f64,
        scale: f64,
        /// Whether limits are known by directions: then fewer covers are needed.
        directed: bool,
        /// Directions, and places in ranges of scales.
        probes: Vec<(Vec<f64>, Vec<f64>)>,
    }

    fn case() -> impl Strategy<Value = Case> {
        let vector = |low: f64, high: f64| prop::collection::vec(low..high, 3);
        let probes = prop::collection::vec((vector(-1.0, 1.0), vector(-1.0, 1.0)), 40);
        let event = (vector(0.05, 1.0), vector(-1.0, 1.0), 0.02..0.4_f64);
        (event, 0.05..0.7_f64, 0.0..0.15_f64, prop::bool::ANY, probes).prop_map(
            |((weights, centre, probability), ratio, scale, directed, probes)| {
                let event = outside(weights, centre, probability);
                Case { event, ratio, scale, directed, probes }
            },
        )
    }

    /// Nothing that can be reached is beyond r with a probability of one half or more.
    #[test]
    fn what_is_covered_is_safe() {
        let covered = Cell::new(0);
        let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
        let property = |Case { event, ratio, scale, directed, probes }: Case| {
            let found = certified(&event, ratio, scale, directed);
            covered.set(covered.get() + u32::from(found.method() == Method::Cover));
            let margin = found.margin();
            for (direction, scales) in probes {
                let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
                let along = direction.iter().zip([1.0, ratio, ratio]);
                let shift: Vec<f64> = along.map(|(d, axis)| margin * axis * d / length).collect();
                let scales: Vec<f64> = scales.iter().map(|s| (s * scale * margin).exp()).collect();
                let beyond = event.probability(&shift, &scales);
                prop_assert!(beyond < 0.5 + 1e-9, "{beyond} at {margin}, {:?}", found.method());
            }
            Ok(())
        };
        TestRunner::new(config).run(&case(), property).unwrap_or_else(|error| panic!("{error}"));
        assert!(covered.get() > 10, "only {} were covered", covered.get());
    }

    /// What ends a cover along a safe axis are its centres, exactly.
    #[test]
    fn centres_reach_as_far_as_they_stand() {
        let found = certified(&slab(), 0.1, 0.0, true);
        let end = FARTHEST + 0.5 * STEP;
        assert_eq!(found.method(), Method::Cover);
        assert!(found.margin() <= end && found.margin() > 0.998 * end, "{}", found.margin());
        let reachable = |distance| ellipsoid(distance, 2, 0.1, 0.0);
        let alone = from_known(4.0, &slab().known(), 0.0, &SEARCH, reachable);
        assert!(alone.margin() < 0.5 * end, "{}", alone.margin());
    }

    /// Guesses save draws, and decide nothing else.
    #[test]
    fn guesses_prove_nothing() {
        let asked = Cell::new(0);
        let margin = |guess: f64, beyond: f64| {
            asked.set(0);
            let limits = |centre: isize, wanted| {
                let probability = match (centre, wanted) {
                    (0, _) => return Some(Rc::new(slab().known())),
                    (_, Wanted::Guess) => guess,
                    (_, Wanted::Limits) => {
                        asked.set(asked.get() + 1);
                        beyond
                    }
                };
                Some(Rc::new(MomentLimits { probability, mean: 0.0, curvature: 0.0 }.into()))
            };
            let reachable = |distance| ellipsoid(distance, 2, 0.1, 0.0);
            (from_centres(4.0, 0.0, &SEARCH, limits, reachable).margin(), asked.get())
        };
        let alone = from_known(4.0, &slab().known(), 0.0, &SEARCH, |distance| {
            ellipsoid(distance, 2, 0.1, 0.0)
        });
        let (wrongly_bold, asked) = margin(0.0, 0.6);
        assert_eq!((wrongly_bold, asked > 0), (alone.margin(), true));
        assert_eq!(margin(0.6, 0.0), (alone.margin(), 0));
        assert!(margin(0.0, 0.0).0 > 2.0 * alone.margin());
    }

    #[test]
    fn what_is_not_known_is_not_safe() {
        let knowing = |last: isize| {
            let limits = |centre: isize, _| {
                (centre.abs() <= last).then(|| Rc::new(from_centre(&slab(), centre).known()))
            };
            let reachable = |distance| ellipsoid(distance, 2, 0.1, 0.0);
            from_centres(4.0, 0.0, &SEARCH, limits, reachable).margin()
        };
        assert_eq!(knowing(-1), 0.0);
        let end = 3.5 * STEP;
        assert!(knowing(3) <= end && knowing(3) > 0.998 * end, "{}", knowing(3));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// All of an ellipsoid is near enough to its nearest centre.
        #[test]
        fn slices_leave_nothing_out(
            distance in 0.01..3.7_f64, ratio in 0.05..1.0_f64, misplaced in 0.0..0.1_f64,
            (angle, share) in (0.0..3.15_f64, 0.0..1.0_f64),
        ) {
            let reachable = ellipsoid(distance, 2, ratio, 0.0).unwrap();
            let wider = Ellipsoid { misplaced, ..*reachable.ellipsoid().unwrap() };
            let reachable = reachable.with_ellipsoid(wider).unwrap();
            let along = share * distance * angle.cos();
            let across = share * distance * ratio * angle.sin();
            let nearest = (along / STEP).round() * STEP;
            let slice = reachable.slice(nearest, 0.5 * STEP).expect("it reaches there");
            let far = (along - nearest).hypot(across) + misplaced;
            prop_assert!(far <= slice.shift(), "{far} {}", slice.shift());
        }
    }

    #[test]
    fn shares_of_the_error_add_up() {
        let sum: f64 = (-CENTRES..=CENTRES).map(share).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}
