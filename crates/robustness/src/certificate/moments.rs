//! What a shift of the posterior mean can do to a set of which low moments are known.
//!
//! No real safe set is a half-space: it surrounds the mean. Let b be the indicator of "beyond r" as
//! a function of the noise `eta ~ N(0, I)`, and let it be known that
//!
//! ```text
//! E[b] <= q,    |E[b eta]| <= y,    E[b (u'eta)^2] - E[b] <= h  for all unit vectors u,
//! ```
//!
//! with `h >= 0`: the Hermite moments of order 0, 1 and 2. A shift of whitened length s along u
//! multiplies densities by `L(t) = exp(s t - s^2/2)` with `t = u'eta`. For *any* `c0, c1, c2 >= 0`,
//!
//! ```text
//! E[b L]  <=  F(c) = c0 q + c1 y + c2 h + E[(L(t) - c0 - c1 t - c2 (t^2 - 1))_+],
//! ```
//!
//! because `0 <= b <= 1` (weak duality; after Mohapatra et al. 2020). F is convex in c; the
//! best c gives the best bound, and any gives a bound.
//!
//! **Shorter shifts are covered.** Suppose b, shifted by `s' <= s`, is worth v. With `a = s'/s` and
//! fresh noise `xi`, let `b*(t) = E[b(a t + sqrt(1 - a^2) xi)]`. The kernel takes `N(0,1)` to
//! itself and `N(s,1)` to `N(s',1)`, so b* shifted by s is worth v; and its Hermite moments are
//! those of b times 1, a and a^2, which satisfy the same conditions (here `h >= 0` is needed). So
//! `v <= F(c)` with the c of s. With conditions on `E[b t^2]` itself that would not follow.
//!
//! **The expectation is never underestimated.** `f = L - c0 - c1 t - c2 (t^2 - 1)` has at most three
//! roots: `f''` has one at most, which is elementary, so `f'` is monotone on both sides of it and
//! `f` between the roots of `f'`. All are bisected down to neighbouring numbers. Where the sign
//! that f is taken to have is not its own, `|f|` is within rounding of 0, relative to its terms
//! and to how fast they change there; with `E[L] = 1`, `E|t| <= 1`, `E[t^2] = 1` that is worth
//! 1e-15 of `(1 + s)(1 + c0 + c1 + c2)` times a small number. Between roots the expectation is a
//! difference of normal probabilities, each good to 1e-12. An allowance of 1e-11 covers both.

use nalgebra::{Matrix3, Vector3};

use super::neyman_pearson;
use crate::statistics::{MomentLimits, normal_cdf, normal_density, normal_quantile};

/// Where roots are looked for: beyond, densities are less than `exp(-800)`.
const FAR: f64 = 40.0;
/// See the text above.
const ALLOWANCE: f64 = 1e-11;
/// Steps of Newton's method at most.
const STEPS: usize = 100;

/// The most that `P(|Delta| > r)` can be after a whitened shift of at most `shift`, from limits of
/// the moments of "beyond r" up to `order` (0, 1 or 2). 1 where a number is NaN.
///
/// # Panics
/// If the order is more than 2.
pub fn shifted(limits: &MomentLimits, shift: f64, order: usize) -> f64 {
    best(limits, shift, order).0
}

/// The same, and the dual variables that show it or are close to it.
pub(super) fn best(limits: &MomentLimits, shift: f64, order: usize) -> (f64, Vector3<f64>) {
    assert!(order <= 2, "moments of order {order} are not known");
    let known = [limits.probability, limits.mean, limits.curvature];
    let plain = neyman_pearson::shifted(limits.probability, shift);
    if plain.is_nan() || known[..=order].iter().any(|moment| moment.is_nan()) {
        return (1.0, Vector3::zeros());
    }
    let half_space = half_space(limits.probability, shift);
    let inside = 0.0 < plain && plain < 1.0 && 0.0 < shift && shift < FAR;
    if order == 0 || !inside {
        return (plain, half_space);
    }
    let known = Vector3::from(known.map(|moment| moment.max(0.0)));
    let found = minimise(half_space, &known, shift, order + 1);
    (plain.min(found.bound(shift)), found.c)
}

/// The best duals where only the probability is known.
fn half_space(probability: f64, shift: f64) -> Vector3<f64> {
    let threshold = -normal_quantile(probability);
    Vector3::new((shift * threshold - 0.5 * shift * shift).exp(), 0.0, 0.0)
}

/// The least F that is found over the first `count` dual variables, with the allowance.
///
/// From two starts: the best duals of one order less, the half-space's at first, which stay the
/// best where another moment tells nothing new; and the Taylor polynomial of L in s, which is
/// close to the best for small s.
fn minimise(half_space: Vector3<f64>, known: &Vector3<f64>, shift: f64, count: usize) -> Dual {
    let scale = Vector3::new(1.0, shift, 0.5 * shift * shift);
    let at = |c| Dual::new(c, known, shift);
    let mut best = at(half_space);
    for count in 2..=count {
        let taylor = Vector3::from_fn(|i, _| if i < count { scale[i] } else { 0.0 });
        let found = descend(at(taylor), &scale, count, STEPS, at);
        best = descend(best, &scale, count, STEPS, at);
        if found.bound(shift) < best.bound(shift) {
            best = found;
        }
    }
    best
}

/// Newton's method from a dual over the first `count` variables, damped where F is not curved
/// enough, in units of `scale`; `at` evaluates F.
pub(super) fn descend(
    mut dual: Dual,
    scale: &Vector3<f64>,
    count: usize,
    steps: usize,
    at: impl Fn(Vector3<f64>) -> Dual,
) -> Dual {
    let mut damping = 1e-4;
    for _ in 0..steps {
        let free: [bool; 3] =
            std::array::from_fn(|i| i < count && (dual.c[i] > 0.0 || dual.gradient[i] < 0.0));
        let gradient =
            Vector3::from_fn(|i, _| if free[i] { dual.gradient[i] * scale[i] } else { 0.0 });
        if gradient.amax() < 1e-9 {
            break;
        }
        let curvature = Matrix3::from_fn(|i, j| {
            let damped = if i == j { damping } else { 0.0 };
            let entry = dual.hessian[(i, j)] * scale[i] * scale[j];
            if free[i] && free[j] { entry + damped } else { damped }
        });
        let step = curvature.cholesky().map(|factors| factors.solve(&gradient));
        let next = step.map(|step| at((dual.c - step.component_mul(scale)).map(|c| c.max(0.0))));
        match next {
            Some(next) if next.value < dual.value => {
                let gain = dual.value - next.value;
                dual = next;
                if gain < 1e-7 * dual.value && damping < 1e-3 {
                    break;
                }
                damping = (damping * 0.1).max(1e-9);
            }
            _ if damping > 1e9 => break,
            _ => damping *= 6.0,
        }
    }
    dual
}

/// F and its derivatives at dual variables.
pub(super) struct Dual {
    pub(super) c: Vector3<f64>,
    pub(super) value: f64,
    pub(super) gradient: Vector3<f64>,
    pub(super) hessian: Matrix3<f64>,
}

impl Dual {
    /// The value with the allowance for rounding.
    fn bound(&self, shift: f64) -> f64 {
        let size = 1.0 + self.c[0] + 4.0 * (self.c[1] + self.c[2]);
        self.value + ALLOWANCE * (1.0 + shift) * size
    }

    fn new(c: Vector3<f64>, known: &Vector3<f64>, shift: f64) -> Self {
        let excess = Excess { c, shift };
        let (intervals, roots) = excess.positive();
        let mut value = known.dot(&c);
        let mut gradient = *known;
        for [a, b] in intervals {
            let inside = hermite_moments(a, b);
            value += interval(a - shift, b - shift) - c.dot(&inside);
            gradient -= inside;
        }
        let mut hessian = Matrix3::zeros();
        for t in roots {
            let basis = hermite(t);
            let slope = excess.slope(t).abs().max(1e-9);
            hessian += basis * basis.transpose() * (normal_density(t) / slope);
        }
        // A bound that is not a number bounds nothing.
        let value = if value.is_nan() { f64::INFINITY } else { value };
        Self { c, value, gradient, hessian }
    }
}

/// `f(t) = L(t) - c0 - c1 t - c2 (t^2 - 1)`.
struct Excess {
    c: Vector3<f64>,
    shift: f64,
}

impl Excess {
    fn likelihood_ratio(&self, t: f64) -> f64 {
        (self.shift * (t - 0.5 * self.shift)).exp()
    }

    fn at(&self, t: f64) -> f64 {
        self.likelihood_ratio(t) - self.c.dot(&hermite(t))
    }

    fn slope(&self, t: f64) -> f64 {
        self.shift * self.likelihood_ratio(t) - self.c[1] - 2.0 * self.c[2] * t
    }

    /// The intervals where f is positive, and its roots.
    fn positive(&self) -> (Vec<[f64; 2]>, Vec<f64>) {
        let (low, high) = (-FAR, FAR + self.shift);
        let inflection = if self.c[2] > 0.0 {
            let s = self.shift;
            ((2.0 * self.c[2]).ln() - 2.0 * s.ln()) / s + 0.5 * s
        } else {
            low
        };
        let inflection = inflection.clamp(low, high);
        let mut ends = vec![low];
        for [a, b] in [[low, inflection], [inflection, high]] {
            ends.extend(root(a, b, |t| self.slope(t)));
        }
        ends.push(high);
        let roots: Vec<f64> =
            ends.windows(2).filter_map(|ends| root(ends[0], ends[1], |t| self.at(t))).collect();
        let mut intervals = Vec::with_capacity(2);
        let mut open = (self.at(low) > 0.0).then_some(f64::NEG_INFINITY);
        for &t in &roots {
            match open.take() {
                Some(start) => intervals.push([start, t]),
                None => open = Some(t),
            }
        }
        intervals.extend(open.map(|start| [start, f64::INFINITY]));
        (intervals, roots)
    }
}

/// The root of a function that is monotone between a and b, if it changes sign there.
fn root(mut a: f64, mut b: f64, f: impl Fn(f64) -> f64) -> Option<f64> {
    let positive = f(a) > 0.0;
    if positive == (f(b) > 0.0) {
        return None;
    }
    loop {
        let middle = 0.5 * (a + b);
        if middle <= a || middle >= b {
            return Some(b);
        }
        if (f(middle) > 0.0) == positive { a = middle } else { b = middle }
    }
}

/// Hermite polynomials of order 0, 1 and 2.
pub(super) fn hermite(t: f64) -> Vector3<f64> {
    Vector3::new(1.0, t, t * t - 1.0)
}

/// Their integrals over an interval under the normal density.
pub(super) fn hermite_moments(a: f64, b: f64) -> Vector3<f64> {
    let (at_a, at_b) = (normal_density(a), normal_density(b));
    let times = |t: f64, density: f64| if density == 0.0 { 0.0 } else { t * density };
    Vector3::new(interval(a, b), at_a - at_b, times(a, at_a) - times(b, at_b))
}

/// `P(a < t < b)`, from the tails that are small.
fn interval(a: f64, b: f64) -> f64 {
    if a > 0.0 { normal_cdf(-a) - normal_cdf(-b) } else { normal_cdf(b) - normal_cdf(a) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// The expectation by roots is that by a sum over a fine grid.
        #[test]
        fn duals_are_worth_what_quadrature_says(
            c in prop::array::uniform3(0.0..2.0_f64), zero in 0..4_usize, shift in 0.01..4.0_f64,
        ) {
            let mut c = Vector3::from(c).component_mul(&Vector3::new(1.0, shift, shift * shift));
            if zero < 3 {
                c[zero] = 0.0;
            }
            let step = 1e-3;
            let positive_part = |t: f64| {
                let ratio = (shift * t - 0.5 * shift * shift).exp();
                normal_density(t) * (ratio - c.dot(&hermite(t))).max(0.0)
            };
            let points = ((24.0 + shift) / step) as usize;
            let sum: f64 = (0..points).map(|i| positive_part(-12.0 + i as f64 * step)).sum();
            let known = Vector3::new(0.3, 0.2, 0.1);
            let expected = known.dot(&c) + step * sum;
            let found = Dual::new(c, &known, shift).value;
            prop_assert!((found - expected).abs() < 1e-5 * (1.0 + c.sum()), "{found} {expected}");
        }

        /// Derivatives are those of the value.
        #[test]
        fn gradients_are_differences(
            c in prop::array::uniform3(0.1..2.0_f64), shift in 0.1..3.0_f64, i in 0..3_usize,
        ) {
            let known = Vector3::new(0.3, 0.2, 0.1);
            let at = |by: f64| {
                let mut c = Vector3::from(c).component_mul(&Vector3::new(1.0, shift, shift * shift));
                c[i] += by;
                Dual::new(c, &known, shift)
            };
            let difference = (at(1e-5).value - at(-1e-5).value) / 2e-5;
            prop_assert!((difference - at(0.0).gradient[i]).abs() < 1e-3);
        }
    }

    /// Two symmetric tails are the worst event of their probability and without a mean, and with
    /// their own curvature too: no bound may be below what they attain, and the best reach it.
    #[test]
    fn two_tails_attain_the_bound() {
        for (c, shift) in [(0.9, 0.3), (1.5, 1.0), (2.5, 1.5), (3.0, 2.5)] {
            let probability = 2.0 * normal_cdf(-c);
            let curvature = 2.0 * c * normal_density(c);
            let attained = normal_cdf(shift - c) + normal_cdf(-shift - c);
            for (order, curvature) in [(1, f64::NAN), (2, curvature)] {
                let limits = MomentLimits { probability, mean: 0.0, curvature };
                let bound = shifted(&limits, shift, order);
                assert!(bound >= attained, "{c} {shift} {order}: {bound} below {attained}");
                let close = if order == 2 { 1e-3 } else { 0.1 };
                assert!(
                    bound < attained * (1.0 + close),
                    "{c} {shift} {order}: {bound} {attained}"
                );
            }
        }
    }
}
