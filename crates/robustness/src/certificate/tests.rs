//! Certificates against the truth: events whose probability under any Gaussian is known.

use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;

use rand::{Rng, SeedableRng};

use super::margin::{from_known, from_posteriors};
use super::scale::Scales;
use super::{Method, Reachable, Search, SectorLimits, moments};
use crate::statistics::{
    GeneralisedChiSquare, IndicatorMoments, MomentLimits, Sectors, normal_cdf, normal_density,
    normal_quantile,
};

/// The event that `sum_i w_i (eta_i - k_i)^2` is in one of some intervals: the outside of a ball or
/// an ellipsoid, on or off the centre, shells, and unions of those.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) weights: Vec<f64>,
    pub(super) centre: Vec<f64>,
    /// Ends of the intervals, from one outside to one inside and so on.
    pub(super) ends: Vec<f64>,
}

impl Event {
    /// Its probability under `N(shift, diag(scales^2))`.
    pub(super) fn probability(&self, shift: &[f64], scales: &[f64]) -> f64 {
        let weights = self.weights.iter().zip(scales).map(|(w, rho)| w * rho * rho).collect();
        let offsets = shift.iter().zip(&self.centre).zip(scales).map(|((v, k), rho)| (v - k) / rho);
        let sum = GeneralisedChiSquare::new(weights, offsets.collect()).expect("valid");
        let signed = |(i, &end): (usize, &f64)| {
            let cdf = if end == f64::INFINITY { 1.0 } else { sum.cdf(end) };
            if i % 2 == 0 { -cdf } else { cdf }
        };
        self.ends.iter().enumerate().map(signed).sum()
    }

    /// Its Hermite moments are derivatives of its probability by the shift: here by differences.
    fn moments(&self) -> (f64, DVector<f64>, DMatrix<f64>) {
        let m = self.weights.len();
        let step = 2e-3;
        let at = |moves: &[(usize, f64)]| {
            let mut shift = vec![0.0; m];
            moves.iter().for_each(|&(i, by)| shift[i] += by * step);
            self.probability(&shift, &vec![1.0; m])
        };
        let here = at(&[]);
        let mean = DVector::from_fn(m, |i, _| (at(&[(i, 1.0)]) - at(&[(i, -1.0)])) / (2.0 * step));
        let second = DMatrix::from_fn(m, m, |i, j| {
            if i == j {
                return (at(&[(i, 1.0)]) - 2.0 * here + at(&[(i, -1.0)])) / (step * step);
            }
            let corner = |a: f64, b: f64| at(&[(i, a), (j, b)]);
            let sum = corner(1.0, 1.0) + corner(-1.0, -1.0) - corner(1.0, -1.0) - corner(-1.0, 1.0);
            sum / (4.0 * step * step)
        });
        (here, mean, second)
    }

    /// Its moments, rounded up by more than they err.
    pub(super) fn limits(&self) -> MomentLimits {
        self.limits_in(&Sectors::whole())[0]
    }

    /// In each sector.
    fn limits_in(&self, sectors: &Sectors) -> Vec<MomentLimits> {
        let (probability, mean, second) = self.moments();
        let pairs = sectors.largest(&mean).into_iter().zip(sectors.largest_forms(&second));
        let limits = |(mean, curvature): (f64, f64)| MomentLimits {
            probability,
            mean: mean.max(0.0) + 1e-4,
            curvature: curvature.max(0.0) + 1e-4,
        };
        pairs.map(limits).collect()
    }

    /// About the first latent as the axis.
    pub(super) fn known(&self) -> SectorLimits {
        let mut axis = vec![0.0; self.weights.len()];
        axis[0] = 1.0;
        let sectors = Sectors::about(&axis);
        SectorLimits::new(&sectors, self.limits_in(&sectors))
    }
}

fn event() -> impl Strategy<Value = Event> {
    let latents = prop::collection::vec((0.05..1.0_f64, -1.5..1.5_f64), 1..4);
    let ends = prop::collection::vec(0.05..2.5_f64, 1..5);
    (latents, ends, prop::bool::ANY, prop::bool::ANY).prop_map(
        |(latents, ends, centred, inside)| {
            let (weights, centre): (Vec<f64>, Vec<f64>) = latents.into_iter().unzip();
            let centre: Vec<f64> =
                centre.into_iter().map(|k| if centred { 0.0 } else { k }).collect();
            let mean: f64 = weights.iter().zip(&centre).map(|(w, k)| w * (1.0 + k * k)).sum();
            // Some events contain the centre, so safe sets may be shells, or far away.
            let mut end = if inside { 0.0 } else { 0.5 * mean };
            let mut all = vec![];
            for gap in ends {
                all.push(end);
                end += gap * mean;
            }
            if all.len() % 2 == 1 {
                all.push(f64::INFINITY);
            }
            Event { weights, centre, ends: all }
        },
    )
}

/// Directions and lengths of shifts and places in ranges of scales, of at most three latents.
fn posteriors() -> impl Strategy<Value = Vec<([f64; 3], f64, [f64; 3])>> {
    let unit = prop::array::uniform3(-1.0..1.0_f64);
    prop::collection::vec((unit.clone(), 0.0..1.3_f64, unit), 12)
}

/// A range of scales: with 1 inside, as bounds over a ball have it, or elsewhere.
fn range() -> impl Strategy<Value = [f64; 2]> {
    prop_oneof![
        (0.0..0.4_f64, 0.0..0.6_f64).prop_map(|(low, high)| [1.0 - low, 1.0 + high]),
        (0.0..1e-3_f64, 0.0..1e-3_f64).prop_map(|(low, high)| [1.0 - low, 1.0 + high]),
        (0.6..1.5_f64, 0.0..0.3_f64).prop_map(|(low, width)| [low, low + width]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]

    /// Whatever the event, no posterior within the bounds may exceed what is certified.
    #[test]
    fn no_posterior_exceeds_the_bound(
        event in event(), posteriors in posteriors(), shift in 0.0..2.5_f64,
        ranges in prop::array::uniform3(range()),
    ) {
        let m = event.weights.len();
        let limits = event.limits();
        let reachable = Reachable::new(shift, ranges[..m].to_vec()).unwrap();
        let change = Scales::new(&reachable);
        let bounds = [0, 1, 2].map(|order| {
            let shifted = moments::shifted(&limits, shift, order);
            let scaled = change.scaled(limits.probability, shifted);
            (shifted, scaled.min(change.beyond(&limits, order)))
        });
        prop_assert!(bounds[2].0 <= bounds[1].0 + 1e-8 && bounds[1].0 <= bounds[0].0 + 1e-8);
        for (direction, length, places) in posteriors {
            let norm = direction[..m].iter().map(|u| u * u).sum::<f64>().sqrt().max(1e-9);
            let along: Vec<f64> = direction[..m]
                .iter()
                .map(|u| u / norm * shift * length.min(1.0))
                .collect();
            // Mostly at the ends of the ranges.
            let scales: Vec<f64> = (0..m)
                .map(|i| {
                    let [low, high] = ranges[i];
                    low + (high - low) * (0.5 + places[i]).clamp(0.0, 1.0)
                })
                .collect();
            let (only_shifted, both) =
                (event.probability(&along, &vec![1.0; m]), event.probability(&along, &scales));
            for (order, (shifted, scaled)) in bounds.into_iter().enumerate() {
                prop_assert!(only_shifted <= shifted + 1e-10, "{order}: {only_shifted} > {shifted}");
                prop_assert!(both <= scaled + 1e-10, "{order}: {both} > {scaled} with {scales:?}");
            }
        }
    }

    /// The same where the shift of each latent is bounded by itself.
    #[test]
    fn no_posterior_exceeds_the_joint_bound(
        event in event(), posteriors in posteriors(),
        shifts in prop::array::uniform3(0.0..1.0_f64), ranges in prop::array::uniform3(range()),
    ) {
        let m = event.weights.len();
        let beyond = event.probability(&vec![0.0; m], &vec![1.0; m]);
        let reachable = Reachable::new(9.0, ranges[..m].to_vec()).unwrap();
        let reachable = reachable.with_shifts(shifts[..m].to_vec()).unwrap();
        // Without help from the shift alone.
        let bound = Scales::new(&reachable).scaled(beyond, 1.0);
        for (direction, _, places) in posteriors {
            let along: Vec<f64> =
                (0..m).map(|i| shifts[i] * (2.0 * direction[i]).clamp(-1.0, 1.0)).collect();
            let scales: Vec<f64> = (0..m)
                .map(|i| {
                    let [low, high] = ranges[i];
                    low + (high - low) * (0.5 + places[i]).clamp(0.0, 1.0)
                })
                .collect();
            let truth = event.probability(&along, &scales);
            prop_assert!(truth <= bound + 1e-10, "{truth} > {bound}");
        }
    }

}

proptest! {
    #![proptest_config(
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) }
    )]

    #[test]
    fn more_knowledge_never_hurts_and_farther_is_never_safer(
        probability in 1e-6..0.5_f64, mean in 0.0..0.4_f64, curvature in 0.0..0.5_f64,
        shift in 0.0..3.0_f64, more in 0.0..0.5_f64, range in range(), wider in 1.0..1.2_f64,
    ) {
        let limits = MomentLimits { probability, mean, curvature };
        let value = |limits: &MomentLimits, shift, range: [f64; 2]| {
            let reachable = Reachable::new(shift, vec![range; 2]).unwrap();
            Scales::new(&reachable)
                .scaled(limits.probability, moments::shifted(limits, shift, 2))
        };
        let here = value(&limits, shift, range);
        let worse = [
            value(&limits, shift + more, range),
            value(&limits, shift, [range[0] / wider, range[1] * wider]),
            value(&MomentLimits { probability: probability + more, ..limits }, shift, range),
            value(&MomentLimits { mean: mean + more, ..limits }, shift, range),
            value(&MomentLimits { curvature: curvature + more, ..limits }, shift, range),
        ];
        // Up to how well bounds are minimised.
        for (i, worse) in worse.into_iter().enumerate() {
            prop_assert!(here <= worse + 1e-3, "{i}: {here} > {worse}");
        }
    }
}

/// A ball in 10 dimensions that holds a share p, and the shift at which it holds one half.
fn ball(p: f64) -> (MomentLimits, f64) {
    let m = 10;
    let central = |m: usize| GeneralisedChiSquare::central(vec![1.0; m]).unwrap();
    let square = bisect(|q| central(m).cdf(q) < p);
    let probability = 1.0 - p;
    let curvature = 1.0 - central(m + 2).cdf(square) - probability;
    let truth = bisect(|shift| {
        let mut shifts = vec![0.0; m];
        shifts[0] = shift;
        GeneralisedChiSquare::new(vec![1.0; m], shifts).unwrap().cdf(square) > 0.5
    });
    (MomentLimits { probability, mean: 0.0, curvature }, truth)
}

fn bisect(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 100.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if below(middle) { low = middle } else { high = middle }
    }
    low
}

/// With a linear encoder, `s = slope R`, and exact moments.
fn margin(limits: &MomentLimits, slope: f64) -> super::Certificate {
    let search = Search { start: 1.0, largest: 1e6, tolerance: 1e-6 };
    from_known(4.0, &(*limits).into(), 0.0, &search, |distance| {
        Reachable::new(slope * distance, vec![[1.0, 1.0]; 10]).ok()
    })
}

#[test]
fn moments_certify_most_of_a_ball() {
    for (p, ratios) in [(0.6, [0.232, 0.622, 0.796]), (0.9, [0.490, 0.628, 0.741])] {
        let (limits, truth) = ball(p);
        for (order, expected) in ratios.into_iter().enumerate() {
            let shift = bisect(|shift| moments::shifted(&limits, shift, order) < 0.5);
            let ratio = shift / truth;
            assert!((ratio - expected).abs() < 1e-3, "p = {p}, order {order}: {ratio}");
        }
        let certificate = margin(&limits, 0.01);
        assert!((certificate.margin() / (100.0 * ratios[2] * truth) - 1.0).abs() < 2e-3);
        assert_eq!(certificate.method(), Method::Moments(2));
    }
}

#[test]
fn half_spaces_are_certified_exactly_by_their_probability() {
    for (threshold, slope) in [(0.1, 1.0), (1.0, 1e-3), (3.0, 50.0)] {
        let (probability, density) = (normal_cdf(-threshold), normal_density(threshold));
        let limits = MomentLimits { probability, mean: density, curvature: threshold * density };
        let certificate = margin(&limits, slope);
        let exact = threshold / slope;
        let found = certificate.margin();
        assert!((exact * (1.0 - 1e-5)..=exact).contains(&found), "{found}, exactly {exact}");
        assert_eq!(certificate.method(), Method::NeymanPearson);
        assert!((certificate.shift().unwrap() - slope * found).abs() < 1e-12);
    }
}

#[test]
fn what_cannot_be_shown_is_a_margin_of_0() {
    let limits = |probability| MomentLimits { probability, mean: 0.0, curvature: 0.0 };
    for probability in [0.5, 0.7, 1.0, f64::NAN] {
        assert_eq!(margin(&limits(probability), 1.0).margin(), 0.0);
    }
    let known = limits(0.1);
    // What is still known may be used.
    let method = |limits| margin(&limits, 1.0).method();
    let nan = MomentLimits { mean: f64::NAN, ..known };
    assert_eq!((moments::shifted(&nan, 0.1, 2), method(nan)), (1.0, Method::NeymanPearson));
    let nan = MomentLimits { curvature: f64::NAN, ..known };
    assert_eq!((moments::shifted(&nan, 0.1, 2), method(nan)), (1.0, Method::Moments(1)));
    assert_eq!(moments::shifted(&known, f64::NAN, 2), 1.0);
    assert_eq!(moments::shifted(&known, 0.0, 2), 0.1);
    assert_eq!(margin(&known, f64::NAN).margin(), 0.0);
    let search = Search { start: 1.0, largest: 1e6, tolerance: 1e-6 };
    assert_eq!(from_known(4.0, &known.into(), 0.0, &search, |_| None).margin(), 0.0);
    for search in [Search { start: f64::NAN, ..search }, Search { largest: 0.0, ..search }] {
        let nothing = from_known(4.0, &known.into(), 0.0, &search, |_| {
            Reachable::new(0.0, vec![[1.0, 1.0]]).ok()
        });
        assert_eq!(nothing.margin(), 0.0);
    }
}

#[test]
fn margins_end_where_bounds_or_interest_end() {
    let known = MomentLimits { probability: 0.1, mean: 0.1, curvature: 0.1 };
    let search = Search { start: 1.0, largest: 10.0, tolerance: 1e-6 };
    let still = |_| Reachable::new(0.0, vec![[1.0, 1.0]; 3]).ok();
    assert_eq!(from_known(4.0, &known.into(), 0.0, &search, still).margin(), 10.0);
    let until = |distance: f64| {
        (distance <= 0.03).then(|| Reachable::new(0.0, vec![[1.0, 1.0]; 3]).unwrap())
    };
    let found = from_known(4.0, &known.into(), 0.0, &search, until).margin();
    assert!((0.029_999..=0.03).contains(&found), "{found}");
}

#[test]
fn the_larger_certificate_spends_both_errors() {
    let known = MomentLimits { probability: 0.1, mean: 0.1, curvature: 0.1 };
    let search = Search { start: 1.0, largest: 10.0, tolerance: 1e-6 };
    let with = |alpha, slope: f64| {
        from_known(4.0, &known.into(), alpha, &search, move |distance| {
            Reachable::new(slope * distance, vec![[1.0, 1.0]; 3]).ok()
        })
    };
    let (near, far) = (with(0.01, 2.0), with(0.02, 1.0));
    let both = near.clone().larger(far.clone());
    assert_eq!(both.margin(), far.margin());
    assert!((both.confidence() - 0.97).abs() < 1e-12);
    assert_eq!(far.larger(near).margin(), both.margin());
}

/// From draws, for a half-space, where nothing but the draws is uncertain: margins above the truth
/// are as rare as claimed. And for a ball, where moments help.
#[test]
fn margins_from_draws_exceed_the_truth_as_rarely_as_they_claim() {
    let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut uniform = || ((generator.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let (m, draws, runs, alpha) = (10, 500, 400, 0.2);
    let search = Search { start: 1.0, largest: 100.0, tolerance: 1e-3 };
    let (_, ball_truth) = ball(0.9);
    let square = bisect(|q| GeneralisedChiSquare::central(vec![1.0; m]).unwrap().cdf(q) < 0.9);
    let (mut wrong, mut by_moments) = ([0; 2], 0);
    for _ in 0..runs {
        let mut beyond = [IndicatorMoments::new(m), IndicatorMoments::new(m)];
        for _ in 0..draws {
            let eta: Vec<f32> = (0..m).map(|_| normal_quantile(uniform()) as f32).collect();
            beyond[0].observe(&eta, eta[3] > 1.0);
            let length: f64 = eta.iter().map(|&eta| f64::from(eta).powi(2)).sum();
            beyond[1].observe(&eta, length > square);
        }
        let certificates = beyond.map(|beyond| {
            from_posteriors(4.0, &beyond, alpha, &search, |distance| {
                Reachable::new(0.5 * distance, vec![[1.0, 1.0]; m]).ok()
            })
        });
        for ((wrong, certificate), truth) in
            wrong.iter_mut().zip(&certificates).zip([1.0, ball_truth])
        {
            *wrong += u32::from(0.5 * certificate.margin() > truth);
        }
        by_moments += u32::from(matches!(certificates[1].method(), Method::Moments(_)));
    }
    // Half of alpha is for the probability, on which the half-space's margin rests.
    let most = 0.5 * alpha * f64::from(runs) + 3.0 * (alpha * f64::from(runs)).sqrt();
    assert!(f64::from(wrong[0]) <= most && wrong[0] > 8, "{wrong:?}");
    assert_eq!(wrong[1], 0);
    assert!(by_moments > runs / 2, "{by_moments} of {runs}");
}
