//! Limits on low moments of an event that is expensive to see and cheap to predict.
//!
//! Let b be the indicator of an event and s any function of the noise with values 0 and 1 that was
//! chosen before the draws. Then `E[b f] = E[s f] + E[d f]` with `d = b - s`: the first is known
//! from as many draws as one likes, N, that need s only, the second from n draws of which b is
//! seen too. Where s is mostly right d is mostly 0, and n may be small.
//!
//! **The deviation** e of the sum of both means has one exponent, the draws being independent: for
//! any `l > 0`, in units of n with `k = N/n` and `psi(x) = exp(x) - 1 - x`,
//!
//! ```text
//! e = (E[psi(-l d f)] + k E[psi(-l/k s f)] + ln(1/alpha)/n) / l
//! ```
//!
//! As in [`IndicatorMoments`], f stands for 1, for `t = u'eta` and for `w = t^2 - 1` along one
//! direction u, unknown but not random; what it says there of `s f` holds here. Of `d f` let it be
//! known that `E|d| <= q` and `E[|d| w] <= h` in all directions. For `x <= 0` it is
//! `psi(x) <= x^2/2`, for others `psi(x) <= x^2/2 + x^3/6 exp(x)`, so
//!
//! - for 1: `E[psi(-l d)] <= q psi(l)`; and for s about its mean p, which is no farther than 1 from
//!   it, `p (1 - p) psi(l/k)` (Bennett), with 1/4 for `p (1 - p)` unless p is below one half;
//! - for t: `l^2/2 E[|d| t^2]`, where that is at most `q + h` and at most that of the event
//!   `|t| > c` of probability q; and `l^3/6 E[|t|^3 exp(l |t|)]` over that event, which is the worst;
//! - for w: `l^2/2 E[|d| w^2]`, which is bounded as there; and of the cube, `q exp(l)` where
//!   `|w| <= 1`, and where `t^2 > 1`, so that it increases with `|t|`, that of the worst event.
//!
//! All increase with p, q and h, so that their own limits may be put in, which spend a share of
//! alpha.

use super::indicator_moments::{
    costs, least, linear_exponent, linear_variance, square_exponent, square_variance,
};
use super::{
    IndicatorMoments, MomentLimits, Proportion, Sectors, normal_cdf, normal_density,
    normal_quantile,
};

/// The share of alpha of what is known of s and of d each; three quarters are for the limits.
const KNOWN: f64 = 0.125;

/// Sums over draws of an event, or of what they correct in a prediction of it.
#[derive(Debug, Clone)]
pub struct CorrectedMoments {
    /// Of the prediction, over draws of its own.
    predicted: Option<IndicatorMoments>,
    /// Events that were not predicted.
    missed: IndicatorMoments,
    /// Predictions that were wrong.
    mistaken: IndicatorMoments,
}

impl CorrectedMoments {
    /// No draws yet of noise in this many dimensions, and what other draws say of a prediction if
    /// there is one.
    pub fn new(dimensions: usize, predicted: Option<IndicatorMoments>) -> Self {
        let none = IndicatorMoments::new(dimensions);
        Self { predicted, missed: none.clone(), mistaken: none }
    }

    /// Counts one more draw of the noise, whether the event happened, and whether it was predicted:
    /// never, where there is no prediction.
    ///
    /// # Panics
    /// If the noise does not have as many dimensions as there are.
    pub fn observe(&mut self, eta: &[f32], event: bool, predicted: bool) {
        let predicted = predicted && self.predicted.is_some();
        self.missed.observe(eta, event && !predicted);
        self.mistaken.observe(eta, predicted && !event);
    }

    /// Draws of the event.
    pub fn draws(&self) -> u64 {
        self.missed.events().draws()
    }

    /// Dimensions of the noise.
    pub fn dimensions(&self) -> usize {
        self.missed.dimensions()
    }

    /// What limits in each sector may be near to, by what is predicted, or seen if nothing is. No
    /// limits.
    pub fn guess(&self, sectors: &Sectors) -> Vec<MomentLimits> {
        self.predicted.as_ref().unwrap_or(&self.missed).guess(sectors)
    }

    /// Upper limits, all three right with a probability of at least `1 - alpha`.
    pub fn limits(&self, alpha: f64) -> MomentLimits {
        self.limits_in(alpha, &Sectors::whole())[0]
    }

    /// Upper limits in each sector, all right with a probability of at least `1 - alpha`.
    pub fn limits_in(&self, alpha: f64, sectors: &Sectors) -> Vec<MomentLimits> {
        let Self { predicted: Some(predicted), missed, mistaken } = self else {
            return self.missed.limits_in(alpha, sectors);
        };
        let wrong = missed.or(mistaken);
        let counts = [predicted, missed, mistaken].map(IndicatorMoments::events);
        let probability = corrected_limit(counts, alpha);
        let trivial = MomentLimits::of_any_event(probability);
        let useful = probability < 1.0 && predicted.is_finite() && wrong.is_finite();
        let Some(budget) = Budget::new(counts, alpha).filter(|_| useful) else {
            return vec![trivial; sectors.count()];
        };
        let [linear, square] = costs(alpha, sectors).map(|cost| budget.costing(cost));
        let (s, d) = (predicted.limits(KNOWN * alpha), wrong.limits(KNOWN * alpha));

        let [of_s, of_d] = [&s, &d].map(|of| linear_variance(of.probability, of.curvature));
        let corrections = |l: f64| l * l * (0.5 * of_d + l / 6.0 * cube(d.probability, l));
        let deviation = linear.deviation(corrections, |l| linear_exponent(l, of_s), [of_d, of_s]);
        let mean = predicted.mean() + missed.mean() - mistaken.mean();
        let means = sectors.largest(&mean).into_iter().map(|mean| mean + deviation);

        let [of_s, of_d] = [&s, &d].map(|of| square_variance(of.probability, of.curvature));
        let corrections =
            |l: f64| l * l * (0.5 * of_d + l / 6.0 * cube_of_square(d.probability, l));
        let deviation = square.deviation(corrections, |l| square_exponent(l, of_s), [of_d, of_s]);
        let sum = predicted.hermite() + missed.hermite() - mistaken.hermite();
        let curvatures = sectors.largest_forms(&sum).into_iter().map(|form| form + deviation);
        means.zip(curvatures).map(|pair| trivial.with(pair)).collect()
    }
}

/// The upper limit of `E[b]` that [`CorrectedMoments::limits`] gives at `alpha`, by how often what
/// is predicted, missed and mistaken was seen.
pub fn corrected_limit([predicted, missed, mistaken]: [Proportion; 3], alpha: f64) -> f64 {
    let Some(budget) = Budget::new([predicted, missed, mistaken], alpha) else { return 1.0 };
    // As in the limits of moments.
    let known = 0.5 * KNOWN * alpha;
    let wrong = Proportion::new(missed.successes() + mistaken.successes(), missed.draws());
    let (p, q) = (predicted.upper_limit(known), wrong.upper_limit(known));
    let variance = if p < 0.5 { p * (1.0 - p) } else { 0.25 };
    let deviation = budget.deviation(
        |l| square_exponent(l, q),
        |l| square_exponent(l, variance),
        [q, variance],
    );
    let estimate = predicted.estimate() + missed.estimate() - mistaken.estimate();
    let limit = estimate + deviation + 1e-12;
    // No probability is less than 0: then one of the limits was wrong, and nothing is known.
    if limit > 0.0 { limit.min(1.0) } else { 1.0 }
}

/// What draws cost.
#[derive(Clone, Copy)]
struct Budget {
    draws: f64,
    /// `N/n`.
    ratio: f64,
    /// `ln(1/alpha)/n` for one statement: at first of the three limits.
    cost: f64,
}

impl Budget {
    /// None if there is no draw, or no error to spend.
    fn new([predicted, missed, _]: [Proportion; 3], alpha: f64) -> Option<Self> {
        let (n, more) = (missed.draws() as f64, predicted.draws() as f64);
        let any = n > 0.0 && more > 0.0 && 0.0 < alpha && alpha < 1.0;
        any.then(|| Self { draws: n, ratio: more / n, cost: (4.0 / alpha).ln() / n })
    }

    /// For a statement of which `ln(1/alpha)` is this.
    fn costing(self, logarithm: f64) -> Self {
        Self { cost: logarithm / self.draws, ..self }
    }

    /// e by the exponents for d and s and their variances.
    fn deviation(
        &self,
        corrections: impl Fn(f64) -> f64,
        predicted: impl Fn(f64) -> f64,
        [of_d, of_s]: [f64; 2],
    ) -> f64 {
        let k = self.ratio;
        least(|l| corrections(l) + k * predicted(l / k), self.cost, of_d + of_s / k)
    }
}

/// The largest `E[b |t|^3 exp(l |t|)]` among events of probability q: tails.
fn cube(q: f64, l: f64) -> f64 {
    let c = -normal_quantile(0.5 * q);
    if c == f64::INFINITY {
        return 0.0;
    }
    // With t = z + l under the tilted density: the moments of z beyond c - l.
    let [i0, i1, i2, i3] = {
        let a = c - l;
        let (density, tail) = (normal_density(a), normal_cdf(-a));
        [tail, density, a * density + tail, (a * a + 2.0) * density]
    };
    2.0 * (0.5 * l * l).exp() * (i3 + 3.0 * l * i2 + 3.0 * l * l * i1 + l * l * l * i0)
}

/// At least the largest `E[b |w|^3 exp(l |w|)]`, `w = t^2 - 1`, among events of probability q.
fn cube_of_square(q: f64, l: f64) -> f64 {
    let narrower = 1.0 - 2.0 * l;
    if narrower <= 0.0 {
        return f64::INFINITY;
    }
    // The square where |w| <= 1, and increasing tails: t = k z with exp(l w) in the density.
    let k = narrower.sqrt().recip();
    let a = (-normal_quantile(0.5 * q)).max(1.0) / k;
    if a == f64::INFINITY {
        return 0.0;
    }
    let (density, i0) = (normal_density(a), normal_cdf(-a));
    let i2 = a * density + i0;
    let i4 = a.powi(3) * density + 3.0 * i2;
    let i6 = a.powi(5) * density + 5.0 * i4;
    let square = k * k;
    let cube = square.powi(3) * i6 - 3.0 * square * square * i4 + 3.0 * square * i2 - i0;
    q * l.exp() + 2.0 * k * (-l).exp() * cube
}

#[cfg(test)]
mod tests {
    use nalgebra::DVector;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::indicator_moments::tests::{Event, events, noise};
    use super::*;

    const M: usize = 4;

    type Prediction = fn(&[f32], bool) -> bool;

    /// What a prediction says where the event is or is not: right, never, wrong in the tails, mostly
    /// wrong.
    const PREDICTIONS: [Prediction; 4] = [
        |_, event| event,
        |_, _| false,
        |eta, event| event != (eta[1].abs() > 2.0),
        |eta, event| event != (eta[0] > -0.3),
    ];

    fn drawn(
        generator: &mut ChaCha8Rng,
        event: fn(&[f32]) -> bool,
        prediction: Prediction,
        [draws, more]: [usize; 2],
    ) -> CorrectedMoments {
        let mut predicted = IndicatorMoments::new(M);
        for _ in 0..more {
            let eta = noise(generator, M);
            predicted.observe(&eta, prediction(&eta, event(&eta)));
        }
        let mut moments = CorrectedMoments::new(M, Some(predicted));
        for _ in 0..draws {
            let eta = noise(generator, M);
            let event = event(&eta);
            moments.observe(&eta, event, prediction(&eta, event));
        }
        moments
    }

    #[test]
    fn limits_hold_together_as_often_as_they_claim() {
        let mut generator = ChaCha8Rng::seed_from_u64(5);
        let (runs, alpha) = (250, 0.2);
        for (number, prediction) in PREDICTIONS.into_iter().enumerate() {
            for draws in [[40, 400], [200, 200]] {
                for (name, truth, event) in events(M) {
                    let mut wrong = [0; 4];
                    for _ in 0..runs {
                        let limits = drawn(&mut generator, event, prediction, draws).limits(alpha);
                        let found = [limits.probability, limits.mean, limits.curvature];
                        let misses: [bool; 3] = std::array::from_fn(|i| found[i] < truth[i]);
                        for (count, miss) in wrong.iter_mut().zip(misses) {
                            *count += u32::from(miss);
                        }
                        wrong[3] += u32::from(misses.iter().any(|&miss| miss));
                    }
                    let most =
                        |share: f64| runs as f64 * share + 3.5 * (runs as f64 * share).sqrt();
                    let allowed = [0.25, 0.25, 0.25, 1.0].map(|share| most(share * alpha));
                    for (count, allowed) in wrong.iter().zip(allowed) {
                        let case = format!("{name}, prediction {number}, {draws:?}");
                        assert!(f64::from(*count) <= allowed, "{case}: {wrong:?}");
                    }
                }
            }
        }
    }

    /// With predictions that are wrong once in thirty times, 4,000 draws say as much of an event as
    /// 12,000 without; but for its curvature, since what is wrong may be far out.
    #[test]
    fn good_predictions_are_worth_many_draws() {
        let mut generator = ChaCha8Rng::seed_from_u64(6);
        // Not those that happen hardly more often than predictions err.
        let events: Vec<Event> =
            events(M).into_iter().filter(|(_, truth, _)| truth[0] > 0.1).collect();
        for (name, truth, event) in events {
            let doubtful: Prediction = |eta, event| event != (eta[3].abs() < 0.04);
            let moments = drawn(&mut generator, event, doubtful, [4_000, 100_000]);
            let mut plain = IndicatorMoments::new(M);
            for _ in 0..12_000 {
                let eta = noise(&mut generator, M);
                plain.observe(&eta, event(&eta));
            }
            let excess = |limits: MomentLimits| {
                let found = [limits.probability, limits.mean, limits.curvature];
                [0, 1, 2].map(|i| found[i] - truth[i])
            };
            let (found, plain) = (excess(moments.limits(1e-3)), excess(plain.limits(1e-3)));
            for (i, (found, plain)) in found.into_iter().zip(plain).enumerate() {
                assert!(found > 0.0, "{name} {i}: {found}");
                // Those of few events are known well anyway.
                let as_good = plain.max(0.03) * if i == 2 { 1.5 } else { 1.0 };
                assert!(found < as_good, "{name} {i}: {found}, without {plain}");
            }
        }
    }

    #[test]
    fn moments_of_the_worst_events_are_their_integrals() {
        let sum = |c: f64, f: &dyn Fn(f64) -> f64| {
            let step = 1e-3;
            let points = (12.0_f64.max(c) / step) as usize;
            let values = (0..points).map(|i| c + (i as f64 + 0.5) * step);
            2.0 * step * values.map(|t| f(t) * normal_density(t)).sum::<f64>()
        };
        for q in [1e-4, 0.03, 0.3, 0.9] {
            let c = -normal_quantile(0.5 * q);
            for l in [0.01, 0.1, 0.25] {
                let exact = sum(c, &|t| t.powi(3) * (l * t).exp());
                assert!((cube(q, l) / exact - 1.0).abs() < 1e-4, "{q} {l}");
                let w = |t: f64| t * t - 1.0;
                let exact = sum(c.max(1.0), &|t| w(t).powi(3) * (l * w(t)).exp()) + q * l.exp();
                assert!((cube_of_square(q, l) / exact - 1.0).abs() < 1e-4, "{q} {l}");
            }
        }
        assert_eq!((cube(0.0, 0.1), cube_of_square(0.0, 0.1)), (0.0, 0.0));
        assert_eq!(cube_of_square(0.1, 0.5), f64::INFINITY);
    }

    #[test]
    fn without_predictions_limits_are_those_of_the_event() {
        let mut generator = ChaCha8Rng::seed_from_u64(7);
        let mut moments = CorrectedMoments::new(M, None);
        let mut plain = IndicatorMoments::new(M);
        for _ in 0..500 {
            let eta = noise(&mut generator, M);
            moments.observe(&eta, eta[0] > 0.5, true);
            plain.observe(&eta, eta[0] > 0.5);
        }
        assert_eq!(moments.limits(0.01), plain.limits(0.01));
    }

    /// A half-space and two tails askew to the axis, whose moments are known in every direction.
    #[test]
    fn limits_in_sectors_hold_and_approach_the_truth() {
        let mut generator = ChaCha8Rng::seed_from_u64(9);
        let sectors = Sectors::about(&[1.0, 0.0, 0.0, 0.0]);
        let askew = DVector::from_column_slice(&[0.8, 0.6, 0.0, 0.0]);
        let density = normal_density(0.8);
        type Sided = (f64, fn(&[f32]) -> bool);
        let events: [Sided; 2] = [
            (1.0, |eta| 0.8 * eta[0] + 0.6 * eta[1] > 0.8),
            (0.0, |eta| (0.8 * eta[0] + 0.6 * eta[1]).abs() > 0.8),
        ];
        for (one_sided, event) in events {
            let means = sectors.largest(&(&askew * (one_sided * density)));
            let form = &askew * askew.transpose() * ((2.0 - one_sided) * 0.8 * density);
            let forms = sectors.largest_forms(&form);
            for prediction in [Some(PREDICTIONS[2]), None] {
                let limits = |generator: &mut ChaCha8Rng, draws: usize, alpha: f64| {
                    let mut moments = match prediction {
                        Some(prediction) => {
                            drawn(generator, event, prediction, [draws, 10 * draws])
                        }
                        None => CorrectedMoments::new(M, None),
                    };
                    for _ in moments.draws()..draws as u64 {
                        let eta = noise(generator, M);
                        moments.observe(&eta, event(&eta), false);
                    }
                    moments.limits_in(alpha, &sectors)
                };
                let wrong = |limits: &[MomentLimits]| {
                    let pairs = limits.iter().zip(means.iter().zip(&forms));
                    pairs.into_iter().any(|(limits, (&mean, &form))| {
                        limits.mean < mean.max(0.0) - 1e-6 || limits.curvature < form - 1e-6
                    })
                };
                let runs = 150;
                let count = (0..runs).filter(|_| wrong(&limits(&mut generator, 300, 0.2))).count();
                assert!(count as f64 <= 0.2 * runs as f64, "{count} of {runs}");
                let many = limits(&mut generator, 20_000, 0.001);
                assert!(!wrong(&many));
                for (sector, limits) in many.iter().enumerate() {
                    let (mean, form) = (means[sector].max(0.0), forms[sector].max(0.0));
                    let [mean, form] = [limits.mean - mean, limits.curvature - form];
                    assert!(mean < 0.04 && form < 0.08, "{sector}: {mean}, {form} above the truth");
                }
            }
        }
    }

    #[test]
    fn nothing_known_is_nothing_claimed() {
        let mut generator = ChaCha8Rng::seed_from_u64(8);
        for draws in [[0, 0], [0, 100], [100, 0]] {
            let moments = drawn(&mut generator, |_| false, |_, _| false, draws);
            let limits = moments.limits(0.01);
            assert_eq!(limits.probability, 1.0, "{draws:?}");
            assert!(limits.mean > 0.3989 && limits.curvature > 0.4839);
        }
        let mut broken = drawn(&mut generator, |_| false, |_, _| false, [1_000, 1_000]);
        assert!(broken.limits(0.01).mean < 0.1);
        assert_eq!(broken.limits(0.0).probability, 1.0);
        broken.observe(&[f32::NAN; M], true, false);
        assert!(broken.limits(0.01).mean > 0.3989);
    }
}
