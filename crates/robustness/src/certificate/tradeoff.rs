//! What a change of the standard deviations can do, by the distribution of the likelihood ratio.
//!
//! Divergences ([`scale`](super::scale)) know the likelihood ratio `L = Q/P` of `N(0, diag(rho^2))`
//! to `N(0, I)` through single moments. Its distribution is known as well, and says more: for every
//! `t > 0`, with `M = 1/t`,
//!
//! ```text
//! Q(E)  <=  t P(E) + E_P[(L - t)_+]  =  (P(E) + E_P[(M L - 1)_+]) / M.
//! ```
//!
//! That is the lemma of Neyman and Pearson, exact for the best t. L is a product over latents, so
//! the expectation is taken latent by latent: from `V(M) = (M - 1)_+`, again and again
//!
//! ```text
//! V(M)  <-  max over rho in its range of E[V(M L_rho(eta))].
//! ```
//!
//! **The ends of a range are its worst.** Let rho be on one side of 1 and rho' on the same, farther
//! out, and `a^2 = (rho^2 - 1)/(rho'^2 - 1)`. The kernel `x -> a x + sqrt(1 - a^2) xi` takes `N(0,1)`
//! to itself and `N(0,rho'^2)` to `N(0,rho^2)`; and no kernel increases `E_P[V(M L)]`, which is an
//! f-divergence, as V is convex. So one of the two ends is the worst (both are tried), for each M
//! by itself, which can only be more (a dominating pair: Zhu, Dong and Wang 2022).
//!
//! **Never underestimated.** V is kept at the points of a geometric grid. It is convex with
//! `V(0) = 0` and slopes in `[0, 1]`; so it is below its chords between grid points, below the chord
//! to 0 before the first, and below a line of slope 1 after the last. For the expectation the
//! range of L is cut at the grid too, and the probability of each cell is put on its ends such that
//! both `P` and `Q` of the cell are kept: by convexity again that is no less. (Doroshenko et al.
//! 2022.) Rounding enters through normal probabilities at the cell bounds, each of which moves the
//! sum by its own error at most, since the weights of neighbours telescope.

use super::Reachable;
use crate::statistics::normal_cdf;

/// Grid points in a standard deviation of `ln L`.
const RESOLUTION: f64 = 24.0;
/// Standard deviations of `ln L` on both sides of 0.
const WIDTH: f64 = 7.0;
/// Where the standard deviation of `ln L` is larger, nothing is left to certify.
const WIDEST: f64 = 2.0;
/// The most latents: the time is proportional to their number.
const LATENTS: usize = 128;
/// Probabilities that are moved to the last cell.
const NEGLIGIBLE: f64 = 1e-13;
/// Rounding error of one normal probability.
const ROUNDING: f64 = 1e-12;

/// How probable an event can become when standard deviations change within ranges.
#[derive(Debug, Clone)]
pub(super) struct Tradeoff {
    /// M and V(M).
    points: Vec<(f64, f64)>,
    rounding: f64,
}

impl Tradeoff {
    /// `None` where it would take too long, or say too little.
    pub(super) fn new(reachable: &Reachable) -> Option<Self> {
        let scales = reachable.scales();
        let spread = |rho: f64| 0.5 * (rho * rho - 1.0).powi(2);
        let variance: f64 = scales.iter().map(|&[a, b]| spread(a).max(spread(b))).sum();
        let deviation = variance.sqrt();
        if scales.len() > LATENTS || !(1e-9..WIDEST).contains(&deviation) {
            return None;
        }
        let step = deviation / RESOLUTION;
        let half = (WIDTH * RESOLUTION) as isize;
        let ratio = |index: isize| (step * index as f64).exp();
        let mut values: Vec<f64> = (-half..=half).map(|i| (ratio(i) - 1.0).max(0.0)).collect();
        let mut entries = 0;
        for &[low, high] in scales {
            let kernels: Vec<Kernel> = [low, high]
                .into_iter()
                .filter(|&rho| rho != 1.0)
                .map(|rho| Kernel::new(rho, step, 2 * half))
                .collect();
            entries += kernels.iter().map(|kernel| kernel.weights.len()).sum::<usize>();
            let next = kernels.iter().map(|kernel| kernel.apply(&values, half, &ratio));
            values = next
                .reduce(|a, b| a.iter().zip(b).map(|(a, b)| a.max(b)).collect())
                .unwrap_or(values);
        }
        let points = (-half..=half).map(ratio).zip(values).collect();
        Some(Self { points, rounding: ROUNDING * (2 + entries) as f64 })
    }

    /// The most that the probability of an event can become, if it is at most `q`.
    pub(super) fn scaled(&self, q: f64) -> f64 {
        let bound = |&(m, v): &(f64, f64)| (q + v + self.rounding * (1.0 + m)) / m;
        self.points.iter().map(bound).fold(1.0, f64::min)
    }
}

/// The distribution under P of `ln L` for one latent, on multiples of the grid's step, and what is
/// left of Q beyond.
struct Kernel {
    first: isize,
    weights: Vec<f64>,
    excess: f64,
}

impl Kernel {
    fn new(rho: f64, step: f64, most: isize) -> Self {
        // ln L = curvature eta^2 - ln rho.
        let (ln_rho, curvature) = (rho.ln(), 0.5 * (1.0 - 1.0 / (rho * rho)));
        // P and Q of |eta| > t where ln L is at a grid point; L is monotone in |eta|.
        let tails = |index: isize| {
            let square = (step * index as f64 + ln_rho) / curvature;
            let t = square.max(0.0).sqrt();
            (2.0 * normal_cdf(-t), 2.0 * normal_cdf(-t / rho))
        };
        let outward = if curvature > 0.0 { 1 } else { -1 };
        // The last grid point before the range of ln L, which starts at -ln rho, where t = 0.
        let start = -ln_rho / step;
        let start = if outward > 0 { start.floor() } else { start.ceil() } as isize;
        let span = step.exp_m1();
        // Weights by distance from the start.
        let mut weights = vec![0.0];
        let (mut excess, mut index, mut here) = (0.0, start, (1.0, 1.0));
        loop {
            let next = tails(index + outward);
            let (p, q) = (here.0 - next.0, here.1 - next.1);
            let lower = (step * index.min(index + outward) as f64).exp();
            let up = ((q / lower - p) / span).clamp(0.0, p.max(0.0));
            let (near, far) = if outward > 0 { (p - up, up) } else { (up, p - up) };
            *weights.last_mut().expect("not empty") += near;
            weights.push(far);
            (index, here) = (index + outward, next);
            let rest = if outward > 0 { here.1 } else { here.0 };
            if rest < NEGLIGIBLE || weights.len() as isize > most {
                break;
            }
        }
        // V(M L) <= V(M l) + M (L - l) for L above l, and at most V(M l) for L below.
        *weights.last_mut().expect("not empty") += here.0;
        if outward > 0 {
            excess += (here.1 - here.0 * (step * index as f64).exp()).max(0.0);
            Self { first: start, weights, excess }
        } else {
            weights.reverse();
            Self { first: index, weights, excess }
        }
    }

    /// `E[V(M L)]`, at most, at the grid points `-half..=half`.
    fn apply(&self, values: &[f64], half: isize, ratio: &impl Fn(isize) -> f64) -> Vec<f64> {
        let last = self.first + self.weights.len() as isize - 1;
        let (first_value, last_value) = (values[0], values[values.len() - 1]);
        // V at all grid points that are asked for.
        let from = (-half + self.first).min(-half);
        let to = (half + last).max(half);
        let extended: Vec<f64> = (from..=to)
            .map(|i| match i {
                i if i < -half => first_value * ratio(i + half),
                i if i > half => last_value + ratio(i) - ratio(half),
                i => values[(i + half) as usize],
            })
            .collect();
        (-half..=half)
            .map(|i| {
                let at = (i + self.first - from) as usize;
                let terms = extended[at..].iter().zip(&self.weights);
                terms.map(|(v, w)| v * w).sum::<f64>() + ratio(i) * self.excess
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::GeneralisedChiSquare;

    fn scaled(ranges: Vec<[f64; 2]>, q: f64) -> f64 {
        Tradeoff::new(&Reachable::new(0.0, ranges).unwrap()).unwrap().scaled(q)
    }

    /// With equal scales the worst event is the outside of a ball, or the inside: exact.
    #[test]
    fn equal_scales_are_chi_square() {
        for (m, change) in [(1, 0.1), (10, 0.02), (10, 0.1), (50, 0.05), (128, 1e-4)] {
            let chi = GeneralisedChiSquare::central(vec![1.0; m]).unwrap();
            for q in [1e-3, 0.03, 0.1, 0.3, 0.49] {
                let quantile = |p: f64| {
                    let (mut low, mut high) = (0.0, 10.0 * m as f64 + 60.0);
                    for _ in 0..100 {
                        let middle = 0.5 * (low + high);
                        if chi.cdf(middle) < p { low = middle } else { high = middle }
                    }
                    low
                };
                let (wide, narrow) = (1.0 + change, 1.0 - change);
                let larger = 1.0 - chi.cdf(quantile(1.0 - q) / (wide * wide));
                let smaller = chi.cdf(quantile(q) / (narrow * narrow));
                for (range, exact) in [([1.0, wide], larger), ([narrow, 1.0], smaller)] {
                    let bound = scaled(vec![range; m], q);
                    assert!(bound >= exact * (1.0 - 1e-9), "{m} {range:?} {q}: {bound} {exact}");
                    assert!(bound - q <= 1.05 * (exact - q) + 1e-7, "{m} {range:?} {q}: {bound}");
                }
                // Either may happen, latent by latent, which is hardly more than the worse.
                let both = scaled(vec![[narrow, wide]; m], q);
                assert!(both >= larger.max(smaller) * (1.0 - 1e-9));
                assert!(both - q <= 1.12 * (larger.max(smaller) - q) + 1e-7, "{m} {q}: {both}");
            }
        }
    }

    #[test]
    fn ranges_that_are_too_wide_or_too_many_are_left_to_divergences() {
        let of = |ranges| Tradeoff::new(&Reachable::new(0.0, ranges).unwrap()).is_none();
        assert!(of(vec![[1.0, 3.0]]) && of(vec![[0.9, 1.1]; 129]) && of(vec![]));
        assert!(of(vec![[1.0, 1.0]; 3]) && of(vec![[1.0, f64::MAX]]));
    }
}
