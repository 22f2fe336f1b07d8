//! Bounds against events whose probabilities are known.

use super::super::tests::Event;
use super::super::{Logarithms, Weighted, moments};
use super::*;
use crate::statistics::{GeneralisedChiSquare, normal_cdf, normal_density, normal_quantile};
use proptest::prelude::*;

/// From the best duals for the shift alone.
fn beyond(limits: &MomentLimits, reachable: &Reachable, order: usize) -> f64 {
    super::beyond(limits, reachable, order, moments::best(limits, reachable.shift(), order).1)
}

fn reachable(shift: f64, ranges: Vec<[f64; 2]>) -> Reachable {
    Reachable::new(shift, ranges).unwrap()
}

/// What loses most of its probability: where the likelihood ratio of `N(v, diag(rho^2))` is large,
/// for `rho > 1`. Its probability q and what it becomes.
fn worst(shift: &[f64], scales: &[f64], q: f64) -> (f64, f64) {
    let growth = |rho: &f64| 1.0 - 1.0 / (rho * rho);
    let weights: Vec<f64> = scales.iter().map(growth).collect();
    let places = shift.iter().zip(scales).map(|(v, rho)| -v / (rho * rho - 1.0));
    let mut event = Event { weights, centre: places.collect(), ends: vec![0.0, f64::INFINITY] };
    let (still, ones) = (vec![0.0; scales.len()], vec![1.0; scales.len()]);
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..80 {
        event.ends[0] = 0.5 * (low + high);
        if event.probability(&still, &ones) < q {
            high = event.ends[0];
        } else {
            low = event.ends[0];
        }
    }
    (event.probability(&still, &ones), event.probability(shift, scales))
}

/// The bound is above the worst event, and not far above, while one after the other they are.
#[test]
fn the_worst_event_is_bounded_closely() {
    for (q, shift, rho, latents) in
        [(0.1, 0.9, 1.1, 10), (0.4, 0.15, 1.02, 10), (0.05, 1.2, 1.05, 3), (0.2, 0.5, 1.1, 1)]
    {
        let mut shifts = vec![0.0; latents];
        shifts[0] = shift;
        let (q, truth) = worst(&shifts, &vec![rho; latents], q);
        let reachable = reachable(shift, vec![[1.0 / rho, rho]; latents]);
        let limits = MomentLimits { probability: q, mean: f64::NAN, curvature: f64::NAN };
        let together = beyond(&limits, &reachable, 0);
        assert!(together >= truth, "{together} below {truth}");
        let [truth, bound] = [truth, together].map(|p| normal_quantile(p) - normal_quantile(q));
        assert!(bound < 1.2 * truth, "{q} {shift} {rho}: {bound}, truly {truth}");
    }
}

/// Where scales do not change it is what the shift alone says.
#[test]
fn without_scales_it_is_the_shift_alone() {
    let still = reachable(0.8, vec![[1.0 - 1e-9, 1.0 + 1e-9]; 4]);
    for (probability, mean, curvature) in [(0.1, 0.05, 0.1), (0.35, 0.1, 0.2), (0.01, 0.02, 0.03)] {
        let limits = MomentLimits { probability, mean, curvature };
        for order in 0..=2 {
            let alone = moments::shifted(&limits, 0.8, order);
            let together = beyond(&limits, &still, order);
            assert!(together >= alone - 1e-9 && together < alone + 2e-3, "{together} {alone}");
        }
    }
}

/// Long shifts that leave nothing for scales, and the other way round.
#[test]
fn what_shifts_and_scales_share_counts() {
    // So near to one half that nothing is bounded coarsely.
    let limits = MomentLimits { probability: 0.15, mean: 0.15, curvature: 0.1 };
    let alone = reachable(0.9, vec![[0.9, 1.1]; 6]);
    let shared = |joint: f64| {
        let weighted = vec![Weighted { across: 1.0, weight: 3.0, joint }];
        let logarithms = Logarithms { length: 0.25, weighted };
        beyond(&limits, &alone.clone().with_logarithms(logarithms).unwrap(), 2)
    };
    let (either, both) = (shared(0.9), shared(2.0));
    assert!(either < both - 0.01, "{either} {both}");
    let only_scales = reachable(0.0, vec![[0.9, 1.1]; 6]);
    assert!(either >= beyond(&limits, &only_scales, 2));
    assert!(either >= moments::shifted(&limits, 0.9, 2));
}

/// Bounds that contradict each other, as bounds may, or a shift of 0: there is an end to it.
#[test]
fn all_shifts_are_looked_at_in_the_end() {
    let limits = MomentLimits { probability: 0.1, mean: 0.1, curvature: 0.1 };
    for (shift, joint) in [(0.1, 0.2), (0.1, 0.25), (0.1, 0.250_000_1), (0.0, 0.2), (0.0, 0.0)] {
        let weighted = vec![Weighted { across: 1.0, weight: 1.0, joint }];
        let logarithms = Logarithms { length: 0.25, weighted };
        let all = reachable(shift, vec![[0.9, 1.1]; 6]).with_logarithms(logarithms).unwrap();
        let found = beyond(&limits, &all, 2);
        assert!((0.0999..0.3).contains(&found), "{shift} {joint}: {found}");
    }
}

#[test]
fn what_is_too_large_is_not_bounded() {
    let limits = MomentLimits { probability: 0.1, mean: 0.1, curvature: 0.1 };
    assert_eq!(beyond(&limits, &reachable(9.0, vec![[1.0, 1.1]]), 2), 1.0);
    assert_eq!(beyond(&limits, &reachable(1.0, vec![[1.0, 2.5]]), 2), 1.0);
    assert_eq!(beyond(&limits, &reachable(1.0, vec![[0.4, 1.0]]), 2), 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// The affinity of what is left of two Gaussians once t is known, in two dimensions by
    /// quadrature across t.
    #[test]
    fn affinities_are_no_smaller(
        scales in prop::array::uniform2(0.7..1.4_f64), angle in 0.0..6.3_f64, x in -3.0..3.0_f64,
    ) {
        let (along, across) = ([angle.cos(), angle.sin()], [-angle.sin(), angle.cos()]);
        let step = 1e-2;
        let (mut p, mut q, mut root) = (0.0, 0.0, 0.0);
        for i in -900..=900 {
            let y = i as f64 * step;
            let at = |i: usize| x * along[i] + y * across[i];
            let under = |rho: [f64; 2]| -> f64 {
                (0..2).map(|i| normal_density(at(i) / rho[i]) / rho[i]).product()
            };
            let densities = (under([1.0; 2]), under(scales));
            p += densities.0;
            q += densities.1;
            root += (densities.0 * densities.1).sqrt();
        }
        let truth = root * root / (p * q);
        let square: f64 = (0..2).map(|i| (along[i] * scales[i]).powi(2)).sum();
        let logarithms = scales.map(f64::ln).iter().map(|k| k * k).sum::<f64>().sqrt();
        let ranges = scales.iter().map(|&rho| [rho, rho]).collect();
        let joint = Joint::new(&reachable(1.0, ranges), 1.0, logarithms).unwrap();
        let along = joint.along(0.5 * square.ln(), 1e-6);
        let cell = ((x + 1.0 - FIRST) * CELLS as f64) as usize;
        let found = along.affinities[cell];
        prop_assert!(found <= truth, "{found} above {truth}");
        prop_assert!(x.abs() > 1.0 || found > truth - 0.1, "{found} far below {truth}");
    }

    /// Between the places where bounds are evaluated nothing is worse.
    #[test]
    fn nothing_is_worse_in_between(
        place in 0.0..1.0_f64, q in 0.02..0.4_f64, shift in 0.1..2.0_f64, width in 0.01..0.3_f64,
    ) {
        let ends = [(-width).exp(), width.exp()];
        let joint = Joint::new(&reachable(shift, vec![ends; 3]), shift, 0.2).unwrap();
        let known = Vector3::new(q, 0.3 * q, 0.2 * q);
        let limits = MomentLimits { probability: q, mean: 0.3 * q, curvature: 0.2 * q };
        let duals = moments::best(&limits, shift, 2).1;
        let bound = joint.bound(&known, duals, 3).0;
        let sigma = (2.0 * place - 1.0) * width.min(0.2);
        let here = joint.along(sigma, 1e-9);
        // The bound there with duals of its own, which can only be less.
        let smooth = |c| here.smooth(c, &known);
        let scale = Vector3::new(1.0, shift, 0.5 * shift * shift);
        let found = descend(smooth(duals), &scale, 3, 100, smooth);
        prop_assert!(found.value <= bound + 1e-9, "{} above {bound}", found.value);
    }

    /// All of Q is in its cells.
    #[test]
    fn cells_leave_nothing_out(shift in 0.0..8.0_f64, sigma in 0.6..1.9_f64) {
        let joint = Joint::new(&reachable(shift, vec![[0.55, 1.95]]), shift, 1.0).unwrap();
        let along = joint.along(sigma.ln(), 0.01);
        let all = along.before + along.masses.iter().sum::<f64>();
        prop_assert!((1.0 - all).abs() < 1e-8, "{all}");
        let third: f64 = along.masses[..150].iter().sum();
        let truth = normal_cdf((edge(150) - shift) / sigma) - normal_cdf((FIRST - shift) / sigma);
        prop_assert!((third - truth).abs() < 1e-8);
    }
}

/// One latent that only grows: the probability of the worst event is that of two tails.
#[test]
fn scales_alone_are_bounded() {
    for (q, rho) in [(0.1, 1.1), (0.3, 1.05), (0.45, 1.01)] {
        let truth = 2.0 * normal_cdf(normal_quantile(0.5 * q) / rho);
        let limits = MomentLimits { probability: q, mean: 0.0, curvature: f64::NAN };
        let found = beyond(&limits, &reachable(0.0, vec![[1.0, rho]]), 1);
        assert!(found >= truth && found < q + 2.5 * (truth - q) + 2e-3, "{found} {truth}");
    }
    let all = GeneralisedChiSquare::central(vec![1.0; 10]).unwrap();
    let truth = 1.0 - all.cdf(15.987_179 / 1.21);
    let limits = MomentLimits { probability: 0.1, mean: 0.0, curvature: 1.0 };
    let found = beyond(&limits, &reachable(0.0, vec![[1.0, 1.1]; 10]), 2);
    assert!(found >= truth && found < 1.5 * truth, "{found} {truth}");
}
