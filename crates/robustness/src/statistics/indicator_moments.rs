//! Confidence limits on low moments of an event under Gaussian noise.
//!
//! Let b be the indicator of an event that depends on `eta ~ N(0, I_m)`. From n draws, with error
//! at most alpha for all three together, this bounds from above
//!
//! - `q = E[b]`, by Clopper and Pearson at `alpha/2`,
//! - `|y|` with `y = E[b eta]`, at `alpha/4`,
//! - the largest eigenvalue of `H = E[b (eta eta' - I)]`, at `alpha/4`.
//!
//! **One direction is enough.** Let u be the unit vector along the *true* y. It is unknown but not
//! random, so `u'y_n`, with `y_n` the mean over the draws, is a mean of independent numbers
//! `x = b u'eta`, and `|y| = u'y <= u'y_n + e <= |y_n| + e` where e is the deviation of that one
//! mean. Likewise with the first eigenvector of the true H. No net over the sphere is needed, and
//! no dimension enters e. Nor if only the directions of a set count ([`Sectors`]): then u is the one
//! in it for which `u'y` is largest. For K sectors there are K such statements, and half as many of H,
//! which opposite directions share.
//!
//! **The deviation**, by Chernoff's bound with `psi(x) = exp(x) - 1 - x`: for any `l > 0`
//!
//! ```text
//! ln E exp(-l (x - E x))  <=  E[b psi(-l t)],    so  e = (E[b psi(-l t)] + ln(1/alpha)/n) / l
//! ```
//!
//! since `ln(1 + z) <= z`; x and t stand for `b t` and t where t is `u'eta` or `(u'eta)^2 - 1`. The
//! variance of t given b is unknown in direction u, but cannot be more than the worst event allows:
//!
//! - for y, `psi(-l t) <= l^2 t^2/2 + l^3/6 (-t)_+^3 exp(l (-t)_+)`, where `E[b t^2]` is at most
//!   `q + h` (h bounds H in every direction), and at most that of the event `|t| > c` of
//!   probability q; the rest is bounded with `b = 1`;
//! - for H, `w = t^2 - 1 >= -1`, `psi(-l w) <= w^2 psi(l)` as `psi(x)/x^2` increases, and for any
//!   `p, s >= 0`: `E[b w^2] <= p q + s h + E[(w^2 - s w - p)_+]`, an elementary integral.
//!
//! The bound e is a function of the true q and h that increases in both, chosen before any draw;
//! so the limits on q and h may be put in, and h may be improved with its own limit again and
//! again, without spending more error.

use nalgebra::{DMatrix, DVector};

use super::normal::normal_tails;
use super::sectors::golden;
use super::{Proportion, Sectors, normal_cdf, normal_density, normal_quantile};

/// Rounds of improving the limit on the curvature with itself.
const ROUNDS: usize = 4;
/// Steps of each search for the best dual variables: their error is squared in the bound.
const STEPS: usize = 28;
/// Relative allowance for rounding in sums of moments and in eigenvalues.
const ROUNDING: f64 = 1e-9;

/// Sums over draws of an event and of the noise that caused it.
#[derive(Debug, Clone)]
pub struct IndicatorMoments {
    draws: u64,
    events: u64,
    sum: Vec<f64>,
    /// Sum of outer products, lower triangle.
    products: DMatrix<f64>,
}

/// Upper limits of an event's Hermite moments, right together with the confidence asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentLimits {
    /// `E[b]`.
    pub probability: f64,
    /// `|E[b eta]|`.
    pub mean: f64,
    /// The largest eigenvalue of `E[b (eta eta' - I)]`, or 0 if that is less.
    pub curvature: f64,
}

impl IndicatorMoments {
    /// No draws yet of noise in this many dimensions.
    pub fn new(dimensions: usize) -> Self {
        let (sum, products) = (vec![0.0; dimensions], DMatrix::zeros(dimensions, dimensions));
        Self { draws: 0, events: 0, sum, products }
    }

    /// Counts one more draw of the noise, and whether the event happened.
    ///
    /// # Panics
    /// If the noise does not have as many dimensions as there are.
    pub fn observe(&mut self, eta: &[f32], event: bool) {
        assert_eq!(eta.len(), self.sum.len(), "dimensions of the noise");
        self.draws += 1;
        if !event {
            return;
        }
        self.events += 1;
        for (j, &eta_j) in eta.iter().enumerate() {
            let eta_j = f64::from(eta_j);
            self.sum[j] += eta_j;
            let column = &mut self.products.as_mut_slice()[j * eta.len()..][j..eta.len()];
            for (product, &eta_i) in column.iter_mut().zip(&eta[j..]) {
                *product += eta_j * f64::from(eta_i);
            }
        }
    }

    /// These draws as draws of either of two events, which exclude each other.
    pub(super) fn or(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.events += other.events;
        both.sum.iter_mut().zip(&other.sum).for_each(|(sum, other)| *sum += other);
        both.products += &other.products;
        both
    }

    /// The mean of `b eta`.
    pub(super) fn mean(&self) -> DVector<f64> {
        DVector::from_column_slice(&self.sum) / self.draws as f64
    }

    /// The mean of `b (eta eta' - I)`, lower triangle.
    pub(super) fn hermite(&self) -> DMatrix<f64> {
        let n = self.draws as f64;
        let mut hermite = self.products.clone() / n;
        for i in 0..hermite.nrows() {
            hermite[(i, i)] -= self.events as f64 / n;
        }
        hermite
    }

    /// Whether all sums are finite.
    pub(super) fn is_finite(&self) -> bool {
        self.products.iter().chain(&self.sum).all(|sum| sum.is_finite())
    }

    /// Dimensions of the noise.
    pub fn dimensions(&self) -> usize {
        self.sum.len()
    }

    /// How often the event happened.
    pub fn events(&self) -> Proportion {
        Proportion::new(self.events, self.draws)
    }

    /// What limits in each sector may be near to with many draws: means without what noise adds to
    /// their length, and no curvature. No limits.
    pub fn guess(&self, sectors: &Sectors) -> Vec<MomentLimits> {
        let n = self.draws.max(1) as f64;
        let probability = self.events as f64 / n;
        let means = sectors.guess(&(DVector::from_column_slice(&self.sum) / n), probability / n);
        let limits = |mean| MomentLimits { probability, mean, curvature: 0.0 };
        means.into_iter().map(limits).collect()
    }

    /// Upper limits, all three right with a probability of at least `1 - alpha`.
    pub fn limits(&self, alpha: f64) -> MomentLimits {
        self.limits_in(alpha, &Sectors::whole())[0]
    }

    /// Upper limits in each sector, all right with a probability of at least `1 - alpha`.
    pub fn limits_in(&self, alpha: f64, sectors: &Sectors) -> Vec<MomentLimits> {
        let probability = self.events().upper_limit(0.5 * alpha);
        let trivial = MomentLimits::of_any_event(probability);
        // Eigenvalues of what is not finite are never found.
        if self.draws == 0 || !(0.0 < alpha && alpha < 1.0) || !self.is_finite() {
            return vec![trivial; sectors.count()];
        }
        let [linear, square] = costs(alpha, sectors).map(|cost| cost / self.draws as f64);

        let largest = sectors.largest_forms(&self.hermite());
        let most = largest.iter().copied().fold(-1.0, f64::max);
        let (mut curvature, mut error) = (trivial.curvature, f64::INFINITY);
        for _ in 0..ROUNDS {
            let variance = square_variance(probability, curvature);
            error = error.min(least(|l| square_exponent(l, variance), square, variance));
            curvature = curvature.min((most + error).max(0.0));
        }
        let variance = linear_variance(probability, curvature);
        let deviation = least(|l| linear_exponent(l, variance), linear, variance);
        let means = sectors.largest(&self.mean()).into_iter().map(|mean| mean + deviation);
        let curvatures = largest.into_iter().map(|largest| largest + error);
        means.zip(curvatures).map(|pair| trivial.with(pair)).collect()
    }
}

/// `ln(1/alpha)` of one direction's mean of `b t` and of `b (t^2 - 1)`: of the error that is left
/// for them, a half each, in equal shares for all sectors; of opposite ones the latter is the same.
pub(super) fn costs(alpha: f64, sectors: &Sectors) -> [f64; 2] {
    [sectors.count(), sectors.pairs()].map(|count| (4.0 * count as f64 / alpha).ln())
}

impl MomentLimits {
    /// `E[b t]` and `E[b (t^2 - 1)]` of the worst events, of any probability.
    pub(super) fn of_any_event(probability: f64) -> Self {
        let mean = normal_density(0.0) * (1.0 + ROUNDING);
        let curvature = 2.0 * normal_density(1.0) * (1.0 + ROUNDING);
        Self { probability, mean, curvature }
    }

    /// The same, with a mean between 0 and that of the worst event, and a curvature likewise, where
    /// these say less.
    pub(super) fn with(self, (mean, curvature): (f64, f64)) -> Self {
        let mean = mean.min(self.mean).max(0.0);
        Self { mean, curvature: curvature.min(self.curvature).max(0.0), ..self }
    }
}

/// At least the largest `E[b t^2]` among events with `E[b] <= q`, `E[b w] <= h`.
pub(super) fn linear_variance(q: f64, h: f64) -> f64 {
    let c = -normal_quantile(0.5 * q);
    let tails = q + if c.is_finite() { 2.0 * c * normal_density(c) } else { 0.0 };
    tails.min(q + h)
}

/// `E[psi(-l b t)]` at most, where `E[b t^2]` is at most `variance`.
pub(super) fn linear_exponent(l: f64, variance: f64) -> f64 {
    // E[(z + l)_+^3], the third moment where the density is tilted by exp(l z).
    let third = (l * l * l + 3.0 * l) * normal_cdf(l) + (l * l + 2.0) * normal_density(l);
    l * l * (0.5 * variance + l / 6.0 * (0.5 * l * l).exp() * third)
}

/// `E[psi(-l b w)]` at most, where `E[b w^2]` is at most `variance`.
pub(super) fn square_exponent(l: f64, variance: f64) -> f64 {
    (l.exp_m1() - l) * variance
}

/// The deviation of a mean: the least `(exponent(l) + cost) / l` over l near the best for this
/// variance, with `cost = ln(1/alpha)/n`. Any l would do.
pub(super) fn least(exponent: impl Fn(f64) -> f64, cost: f64, variance: f64) -> f64 {
    let guess = (2.0 * cost / variance).sqrt().clamp(1e-6, 2.0).ln();
    let bound = |l: f64| (exponent(l) + cost) / l;
    golden(|x| bound(x.exp()), guess - 3.0, guess + 1.0, 30) * (1.0 + ROUNDING)
}

/// At least the largest `E[b w^2]`, `w = t^2 - 1`, among events with `E[b] <= q`, `E[b w] <= h`.
pub(super) fn square_variance(q: f64, h: f64) -> f64 {
    // The dual variables p = r (r - s) and s, by the upper root r of w^2 - s w - p; the other is
    // s - r <= 0. Convex in (p, s), so unimodal in r, and in s after that.
    let inner = |s| golden(|excess| dual(s + excess, s, q, h), 0.0, 60.0, STEPS);
    let best = golden(inner, 0.0, 40.0, STEPS);
    let none = golden(|r| dual(r, 0.0, q, h), 0.0, 60.0, STEPS);
    best.min(none) * (1.0 + ROUNDING)
}

fn dual(r: f64, s: f64, q: f64, h: f64) -> f64 {
    let p = r * (r - s);
    // E of w^2 - s w - p = t^4 - (2 + s) t^2 + (1 + s - p) over |t| > c.
    let tails = |c: f64| {
        let (density, tail) = (normal_density(c), normal_tails(c));
        let square = tail + 2.0 * c * density;
        let fourth = 3.0 * tail + 2.0 * (c * c * c + 3.0 * c) * density;
        fourth - (2.0 + s) * square + (1.0 + s - p) * tail
    };
    let outside = tails((1.0 + r).sqrt());
    // Near t = 0 the polynomial is positive again where its other root is above -1.
    let low = 1.0 + s - r;
    let inside = if low > 0.0 { tails(0.0) - tails(low.sqrt()) } else { 0.0 };
    p * q + s * h + outside.max(0.0) + inside.max(0.0) + 1e-9 * (1.0 + p + s)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::statistics::GeneralisedChiSquare;
    use rand::{Rng, SeedableRng};

    pub(in super::super) fn noise(generator: &mut rand_chacha::ChaCha8Rng, m: usize) -> Vec<f32> {
        let mut uniform = || ((generator.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        (0..m).map(|_| normal_quantile(uniform()) as f32).collect()
    }

    /// Half-spaces and the outside of slabs and balls: the true moments, and who is in.
    pub(in super::super) type Event = (&'static str, [f64; 3], fn(&[f32]) -> bool);

    pub(in super::super) fn events(m: usize) -> Vec<Event> {
        let tail = |c: f64| normal_cdf(-c);
        let edge = 2.5 * normal_density(2.5);
        let chi = |m: usize| 1.0 - GeneralisedChiSquare::central(vec![1.0; m]).unwrap().cdf(9.0);
        let line = normal_density(0.8) * 0.8;
        vec![
            ("half-space", [tail(0.8), normal_density(0.8), line], |eta| eta[0] > 0.8),
            ("far half-space", [tail(2.5), normal_density(2.5), edge], |eta| eta[0] > 2.5),
            ("slanted half-space", [tail(0.8), normal_density(0.8), line], |eta| {
                eta.iter().sum::<f32>() > 0.8 * (eta.len() as f32).sqrt()
            }),
            ("two tails", [2.0 * tail(0.8), 0.0, 2.0 * line], |eta| eta[0].abs() > 0.8),
            ("outside a ball", [chi(m), 0.0, chi(m + 2) - chi(m)], |eta| {
                eta.iter().map(|eta| eta * eta).sum::<f32>() > 9.0
            }),
        ]
    }

    #[test]
    fn limits_hold_together_as_often_as_they_claim() {
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let (m, runs, alpha) = (4, 600, 0.2);
        for draws in [40, 400] {
            for (name, truth, event) in events(m) {
                let mut wrong = [0; 4];
                for _ in 0..runs {
                    let mut moments = IndicatorMoments::new(m);
                    for _ in 0..draws {
                        let eta = noise(&mut generator, m);
                        moments.observe(&eta, event(&eta));
                    }
                    let limits = moments.limits(alpha);
                    let found = [limits.probability, limits.mean, limits.curvature];
                    let misses: [bool; 3] = std::array::from_fn(|i| found[i] < truth[i]);
                    for (count, miss) in wrong.iter_mut().zip(misses) {
                        *count += u32::from(miss);
                    }
                    wrong[3] += u32::from(misses.iter().any(|&miss| miss));
                }
                let most = |share: f64| runs as f64 * share + 3.5 * (runs as f64 * share).sqrt();
                let allowed = [0.5, 0.25, 0.25, 1.0].map(|share| most(share * alpha));
                for (count, allowed) in wrong.iter().zip(allowed) {
                    assert!(f64::from(*count) <= allowed, "{name} {draws}: {wrong:?}");
                }
            }
        }
    }

    #[test]
    fn limits_approach_the_truth() {
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let (m, draws) = (4, 100_000);
        for (name, truth, event) in events(m) {
            let mut moments = IndicatorMoments::new(m);
            for _ in 0..draws {
                let eta = noise(&mut generator, m);
                moments.observe(&eta, event(&eta));
            }
            let limits = moments.limits(0.001);
            let found = [limits.probability, limits.mean, limits.curvature];
            for (found, truth) in found.iter().zip(truth) {
                assert!((0.0..0.03).contains(&(found - truth)), "{name}: {found}, truly {truth}");
            }
        }
    }

    /// The worst events are two tails and an interval around 0, where `w^2 > s w + p`: the bound
    /// at their own moments must be what they attain.
    #[test]
    fn variances_are_those_of_the_worst_events() {
        for (c, d) in [(1.2, 0.9), (1.3, 0.6), (1.414, 0.1), (1.5, 0.0), (1.645, 0.3), (2.5, 0.0)] {
            let outside = |c: f64| {
                let (density, tail) = (normal_density(c), 2.0 * normal_cdf(-c));
                let square = tail + 2.0 * c * density;
                let fourth = 3.0 * tail + 2.0 * (c * c * c + 3.0 * c) * density;
                [tail, square - tail, fourth - 2.0 * square + tail]
            };
            let [all, near, far] = [0.0, d, c].map(outside);
            let [q, h, exact]: [f64; 3] = std::array::from_fn(|i| all[i] - near[i] + far[i]);
            let bound = square_variance(q, h);
            assert!(bound >= exact * (1.0 - 1e-12), "{c} {d}: {bound} below {exact}");
            assert!(bound <= exact * 1.000_001, "{c} {d}: {bound} above {exact}");
        }
    }

    #[test]
    fn nothing_known_is_nothing_claimed() {
        let mut moments = IndicatorMoments::new(2);
        for alpha in [0.1, 0.0, 1.0, f64::NAN] {
            let limits = moments.limits(alpha);
            assert_eq!(limits.probability, 1.0);
            assert!(limits.mean > 0.3989 && limits.curvature > 0.4839);
        }
        for _ in 0..1_000 {
            moments.observe(&[0.1, 0.2], false);
        }
        let mut broken = moments.clone();
        broken.observe(&[f32::NAN, 0.0], true);
        assert!(broken.limits(0.01).mean > 0.3989);
        let limits = moments.limits(0.01);
        assert!(limits.probability < 0.006 && limits.mean < 0.05, "{limits:?}");
    }
}
