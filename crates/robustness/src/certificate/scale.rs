//! What a change of the posterior's standard deviations can do on top of a shift.
//!
//! Let `P = N(0, I)` be the whitened posterior at x, `Q = N(v, diag(rho^2))` that of x', and E the
//! event "beyond r". Which posterior drew can be told from E no better than from the draw, so for
//! the Renyi divergence of every order `a > 1`, with `q = P(E)` and `q' = Q(E)`,
//!
//! ```text
//! q'^a q^(1-a) + (1-q')^a (1-q)^(1-a)  <=  exp((a-1) D_a(Q || P)),
//! ```
//!
//! van Erven and Harremoes 2014. The left side is 1 at `q' = q` and increases from there, so it
//! bounds `q'`. (Leaving out its second term gives the usual bound `(q exp D)^((a-1)/a)`, which is
//! looser, most of all near one half.) An upper bound of q may stand for q: E is part of an event,
//! or of a randomised one, that is as probable as the bound.
//!
//! The divergence adds up over latents: with `w = rho^2` and `a - (a-1) w > 0`,
//!
//! ```text
//! D_a(v, w) = -1/2 ln w - 1/(2(a-1)) ln(a - (a-1) w) + a/2 v^2 / (a - (a-1) w).
//! ```
//!
//! **The ends of a range are its worst.** The derivative by w has the sign of
//! `(w-1)(a - (a-1)w) + (a-1) v^2 w`, a concave quadratic in w that is negative at 0 and not
//! negative at `a/(a-1)`. So it changes sign once, and D falls before and rises after: over an
//! interval it is largest at an end. Where the upper end has `a - (a-1) w <= 0` the order says
//! nothing.
//!
//! Both at once or one after the other: the shift first, exactly, and then the scale alone, which
//! the distribution of the likelihood ratio bounds closer than divergences
//! (`tradeoff`) but takes longer; or both in one divergence, where they add up
//! as squares do. The smallest counts.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

use super::tradeoff::Tradeoff;
use super::{Reachable, joint, moments};
use crate::statistics::MomentLimits;

/// Orders that are tried, between which the best is refined.
const ORDERS: usize = 16;
/// Refinements of the best order.
const REFINEMENTS: usize = 12;
/// So far below one half one bound is enough: what it is exactly serves the search only.
const CLEAR: f64 = 0.45;
/// What is bounded coarsely is looked at more closely from here on: finer bounds of what is less serve
/// the search only.
pub(super) const ENOUGH: f64 = 0.495;
/// Relative and absolute allowances for rounding in a divergence.
const ROUNDING: (f64, f64) = (1e-12, 1e-14);

/// What the posteriors can do beyond a shift of the mean.
#[derive(Debug)]
pub struct Scales<'a> {
    reachable: Cow<'a, Reachable>,
    /// Computed when it is first needed.
    tradeoff: Rc<OnceCell<Option<Tradeoff>>>,
}

impl<'a> Scales<'a> {
    /// Of these posteriors.
    pub fn new(reachable: &'a Reachable) -> Self {
        Self { reachable: Cow::Borrowed(reachable), tradeoff: Rc::default() }
    }

    /// The length of the whitened shift, at most.
    pub fn shift(&self) -> f64 {
        self.reachable.shift()
    }

    /// The length of the whitened shift in directions of which the cosine with the ellipsoid's axis is
    /// in a range, at most.
    pub fn shift_towards(&self, cosines: [f64; 2]) -> f64 {
        self.reachable.shift_towards(cosines)
    }

    /// Of those whose shift has such a direction.
    pub fn towards(&self, cosines: [f64; 2]) -> Self {
        self.with_shift_of(self.reachable.towards(cosines))
    }

    /// Of others whose scales have the same ranges.
    ///
    /// # Panics
    /// If they have not.
    pub fn with_shift_of(&self, other: Reachable) -> Self {
        assert_eq!(self.reachable.scales(), other.scales(), "ranges of scales");
        Self { reachable: Cow::Owned(other), tradeoff: Rc::clone(&self.tradeoff) }
    }

    /// The most that `P(|Delta| > r)` can be under any of the posteriors, from limits of the moments
    /// of "beyond r" up to `order` (0, 1 or 2). 1 where a number is NaN. One half and more say no more
    /// than that less was not shown.
    ///
    /// # Panics
    /// If the order is more than 2.
    pub fn beyond(&self, limits: &MomentLimits, order: usize) -> f64 {
        // More moments tell more, unless one is NaN.
        let known = [limits.probability, limits.mean, limits.curvature];
        let order = known[..=order].iter().take_while(|moment| !moment.is_nan()).count();
        let Some(order) = order.checked_sub(1) else { return 1.0 };
        let (shifted, duals) = moments::best(limits, self.shift(), order);
        let apart = || self.scaled(limits.probability, shifted);
        // Neither can be less than the shift alone leads to.
        let still = self.reachable.logarithms().length == 0.0;
        if still || shifted >= 0.5 {
            return apart();
        }
        let joint = joint::beyond(limits, &self.reachable, order, duals);
        if joint < CLEAR { joint } else { joint.min(apart()) }
    }

    /// The most that `P(|Delta| > r)` can be under any of the posteriors, if it is at most `beyond`
    /// without a change and at most `shifted` after a shift as long as the posteriors' longest.
    ///
    /// At least `shifted`, unless a divergence of shift and scale together says less, and exactly
    /// that where scales are 1. NaN is 1.
    pub fn scaled(&self, beyond: f64, shifted: f64) -> f64 {
        self.by_divergence(beyond, shifted).min(self.by_distribution(beyond, shifted))
    }

    fn by_divergence(&self, beyond: f64, shifted: f64) -> f64 {
        let reachable = &*self.reachable;
        if !(beyond <= 1.0 && shifted <= 1.0) {
            return 1.0;
        }
        if reachable.scales().iter().all(|&range| range == [1.0, 1.0]) {
            return shifted;
        }
        let apart =
            least(reachable, |order| within(shifted, order, scale_divergence(reachable, order)));
        let joint =
            least(reachable, |order| within(beyond, order, joint_divergence(reachable, order)));
        apart.min(joint)
    }

    fn by_distribution(&self, beyond: f64, shifted: f64) -> f64 {
        let tradeoff = self.tradeoff.get_or_init(|| Tradeoff::new(&self.reachable));
        match tradeoff {
            Some(tradeoff) if beyond <= 1.0 && shifted <= 1.0 => tradeoff.scaled(shifted),
            _ => 1.0,
        }
    }
}

/// The least of a bound over the orders `a > 1` at which divergences are finite. Each order bounds,
/// so the search need not find the best.
fn least(reachable: &Reachable, bound: impl Fn(f64) -> f64) -> f64 {
    let widest = reachable.scales().iter().map(|range| range[1]).fold(0.0, f64::max);
    let excess = (widest - 1.0) * (widest + 1.0);
    // a - 1 < 1 / (w - 1); of the logarithm of a - 1.
    let last = if excess > 0.0 { (1.0 / excess).ln().min(9.0) } else { 9.0 };
    let first = (last - 12.0).min(-3.0);
    let step = (last - first) / ORDERS as f64;
    let at = |x: f64| bound(x.exp());
    let (mut x, mut best) = (first, f64::INFINITY);
    for i in 0..ORDERS {
        let candidate = first + step * i as f64;
        let value = at(candidate);
        if value < best {
            (x, best) = (candidate, value);
        }
    }
    let mut step = 0.5 * step;
    for _ in 0..REFINEMENTS {
        for candidate in [x - step, x + step] {
            let value = at(candidate);
            if value < best {
                (x, best) = (candidate, value);
            }
        }
        step *= 0.5;
    }
    best.min(1.0)
}

/// `D_a` of the scales alone, each at the worse end of its range; `order` is `a - 1`.
fn scale_divergence(reachable: &Reachable, order: f64) -> f64 {
    reachable.scales().iter().map(|range| worse(range, order, 0.0)).sum()
}

/// `D_a` of shift and scales; `order` is `a - 1`.
fn joint_divergence(reachable: &Reachable, order: f64) -> f64 {
    let (scales, shift) = (reachable.scales(), reachable.shift());
    // However the shift is spread over the latents, it counts most where the scale is largest.
    let rest = scales.iter().map(|range| remainder(range[1], order)).fold(1.0, f64::min);
    let spread = if rest > 0.0 {
        scale_divergence(reachable, order) + 0.5 * (order + 1.0) * shift * shift / rest
    } else {
        f64::INFINITY
    };
    let each = reachable.shifts().map_or(f64::INFINITY, |shifts| {
        scales.iter().zip(shifts).map(|(range, &shift)| worse(range, order, shift)).sum()
    });
    spread.min(each)
}

/// The divergence of one latent at the worse end of its range.
fn worse(range: &[f64; 2], order: f64, shift: f64) -> f64 {
    divergence(range[0], order, shift).max(divergence(range[1], order, shift))
}

/// `a - (a-1) rho^2`.
fn remainder(scale: f64, order: f64) -> f64 {
    1.0 - order * (scale - 1.0) * (scale + 1.0)
}

fn divergence(scale: f64, order: f64, shift: f64) -> f64 {
    let rest = remainder(scale, order);
    if rest <= 0.0 {
        return f64::INFINITY;
    }
    // ln w and ln(rest) cancel to second order where the scale is close to 1: ln_1p keeps that.
    let excess = (scale - 1.0) * (scale + 1.0);
    -0.5 * excess.ln_1p() - 0.5 * (-order * excess).ln_1p() / order
        + 0.5 * (order + 1.0) * shift * shift / rest
}

/// The largest `q'` that a divergence of this order allows; `order` is `a - 1`.
fn within(q: f64, order: f64, divergence: f64) -> f64 {
    if !divergence.is_finite() || q >= 1.0 {
        return 1.0;
    }
    if q <= 0.0 {
        return q;
    }
    let budget = order * (divergence.max(0.0) * (1.0 + ROUNDING.0) + ROUNDING.1) + ROUNDING.1;
    let (ln_q, ln_rest) = (q.ln(), (-q).ln_1p());
    let allowed = |candidate: f64| {
        let first = (order + 1.0) * candidate.ln() - order * ln_q;
        let second = (order + 1.0) * (-candidate).ln_1p() - order * ln_rest;
        // The sum of both exponentials against exp(budget); both are finite where it matters.
        (first - budget).exp() + (second - budget).exp() <= 1.0
    };
    // A start from the first term alone.
    let (mut low, mut high) = (q, ((order * ln_q + budget) / (order + 1.0)).exp() * (1.0 + 1e-12));
    if high.is_nan() || high >= 1.0 {
        high = 1.0;
    }
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if allowed(middle) { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{normal_cdf, normal_quantile};
    use proptest::prelude::*;

    fn scaled(beyond: f64, shifted: f64, reachable: &Reachable) -> f64 {
        Scales::new(reachable).scaled(beyond, shifted)
    }

    fn scales(range: [f64; 2], latents: usize) -> Reachable {
        Reachable::new(0.0, vec![range; latents]).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn ends_of_a_range_are_its_worst(
            low in 0.1..2.0_f64, width in 0.0..1.0_f64, place in 0.0..1.0_f64,
            ln_order in -8.0..3.0_f64, shift in 0.0..3.0_f64,
        ) {
            let (order, range) = (ln_order.exp(), [low, low + width]);
            let inside = divergence(low + place * width, order, shift);
            let worst = worse(&range, order, shift);
            prop_assert!(inside <= worst * (1.0 + 1e-9) + 1e-12, "{inside} {worst}");
        }

        /// One latent, whose worst events are known: outside or inside an interval.
        #[test]
        fn one_latent_is_bounded(q in 1e-6..0.5_f64, rho in 0.4..2.0_f64) {
            let exact = if rho > 1.0 {
                2.0 * normal_cdf(normal_quantile(0.5 * q) / rho)
            } else {
                1.0 - 2.0 * normal_cdf(normal_quantile(0.5 - 0.5 * q) / rho)
            };
            let bound = Scales::new(&scales([rho, rho], 1)).by_divergence(q, q);
            prop_assert!(exact <= bound + 1e-12, "{exact} > {bound}");
            // What usual conversions of divergences allow is more.
            let usual = least(&scales([rho, rho], 1), |order| {
                (order / (order + 1.0) * (q.ln() + divergence(rho, order, 0.0))).exp()
            });
            prop_assert!(bound <= usual + 1e-9, "{bound} > {usual}");
            // By the distribution it is exact, but for tails far beyond its grid.
            let bound = Scales::new(&scales([rho, rho], 1)).scaled(q, q);
            prop_assert!(exact <= bound + 1e-12, "{exact} > {bound}");
            prop_assert!(q < 0.01 || rho > 1.3 || bound <= exact * 1.01, "{bound}, {exact}");
        }
    }

    /// Shift and scale in one divergence, where next to nothing is scaled: half-spaces are the worst,
    /// and far in the tail divergences know it.
    #[test]
    fn joint_divergences_bound_half_spaces() {
        let still = [1.0 - 1e-9, 1.0 + 1e-9];
        for (q, shifts) in [(1e-9, [2.4, 3.2]), (1e-12, [0.0, 5.0]), (0.01, [1.0, 1.0])] {
            let length = shifts.iter().map(|shift| shift * shift).sum::<f64>().sqrt();
            let together = Reachable::new(length, vec![still; 2]).unwrap();
            let apart = Reachable::new(9.0, vec![still; 2]).unwrap();
            let apart = apart.with_shifts(shifts.to_vec()).unwrap();
            let exact = normal_quantile(q) + length;
            for reachable in [together, apart] {
                let found = normal_quantile(Scales::new(&reachable).by_divergence(q, 1.0));
                assert!(exact <= found && found <= exact + 0.2 * length, "{found}, {exact}");
            }
        }
    }

    #[test]
    fn nothing_changes_where_nothing_may_change() {
        assert_eq!(scaled(0.2, 0.3, &scales([1.0, 1.0], 5)), 0.3);
        let hardly = scaled(0.3, 0.3, &scales([1.0 - 1e-9, 1.0 + 1e-9], 5));
        assert!((0.3..0.300_001).contains(&hardly), "{hardly}");
    }

    #[test]
    fn extremes_are_bounded_by_1_and_nan_is_never_small() {
        assert_eq!(scaled(0.2, 0.2, &scales([1.0, 1e9], 3)), 1.0);
        assert_eq!(scaled(0.2, 0.2, &scales([1e-9, 1.0], 3)), 1.0);
        assert_eq!(scaled(f64::NAN, 0.2, &scales([0.9, 1.1], 3)), 1.0);
        assert_eq!(scaled(0.2, f64::NAN, &scales([0.9, 1.1], 3)), 1.0);
        assert_eq!(scaled(1.0, 1.0, &scales([0.9, 1.1], 3)), 1.0);
    }
}
