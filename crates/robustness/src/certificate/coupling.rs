//! The coupling certificate: the same noise drives the posteriors of x and x'.
//!
//! Draws cannot show that a probability is closer to 1 than about their number, so where r is large
//! what is known of the safe set saturates. If instead for a draw eta
//!
//! ```text
//! w(eta; R)  >=  sup over |x' - x| <= R of |g(mu(x') + eta sigma(x')) - g(mu(x))|
//! ```
//!
//! is known, then `P(|Delta(x, d)| <= r) >= P(w(eta; R) <= r)` for every `|d| <= R`, and only "more
//! than a half" must be shown of the latter.
//!
//! **The draws may be used at every distance.** Let D(eta; R) be the supremum itself and `R*` the
//! largest distance with `P(D(eta; R) <= r) > 1/2` below it. Beyond `R*` the events `D <= r` grow
//! as R falls to `R*`, and their union has probability 1/2 at most; a count that is significant at
//! some `R > R*` for w is significant for D, so for that union. That happens with probability
//! alpha at most, for all R together and whether or not w is monotone.

use super::{Certificate, Method, Search};
use crate::statistics::Proportion;

/// The margin certified from the distances of `draws` draws.
///
/// `distances` gives a sound `w(eta; R)` for each draw, the same draws at every R, or `None` where
/// it knows no bounds; infinite where it knows none for a draw. NaN counts as beyond r. The error
/// is at most `alpha`.
///
/// # Panics
/// If there is not one distance for each draw: some left out would bias the count.
pub fn coupled(
    r: f64,
    draws: u64,
    alpha: f64,
    search: &Search,
    mut distances: impl FnMut(f64) -> Option<Vec<f64>>,
) -> Certificate {
    let seen = |distance: f64| {
        let all = distances(distance)?;
        assert_eq!(all.len() as u64, draws, "distances of draws");
        let within = all.iter().filter(|&&distance| distance <= r).count() as u64;
        let limit = Proportion::new(within, draws).lower_limit(alpha);
        Some((0.5 - limit, limit))
    };
    let found = search.largest(f64::NEG_INFINITY, seen);
    let (margin, p_lower_limit) = match found {
        Some((margin, limit)) => (margin, Some(limit)),
        None => (0.0, None),
    };
    Certificate { r, margin, alpha, method: Method::Coupling, p_lower_limit, shift: None }
}

/// `w(eta; R)` of a decoder that is `decoder`-Lipschitz where the draw may go.
///
/// `distance` is that of the draw without a perturbation, `|g(mu + eta sigma) - g(mu)|`; `shift` the
/// most that mu can move in latent space (not whitened), and `scales` the most that each sigma can
/// change by.
pub fn lipschitz_distance(
    distance: f64,
    decoder: f64,
    shift: f64,
    scales: &[f64],
    eta: &[f32],
) -> f64 {
    assert_eq!(scales.len(), eta.len(), "dimensions of the noise");
    let change = |(scale, &eta): (&f64, &f32)| (scale * f64::from(eta)).powi(2);
    let noise = scales.iter().zip(eta).map(change).sum::<f64>().sqrt();
    (distance + decoder * (shift + noise)) * (1.0 + 1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{GeneralisedChiSquare, normal_quantile};
    use rand::{Rng, SeedableRng};

    /// A decoder that is twice an isometry, a mean that moves by R/2 and deviations of 0.3: every
    /// draw's worst distance is `R + 0.6 |eta|`.
    #[test]
    fn margins_exceed_the_truth_as_rarely_as_they_claim() {
        let (m, r, alpha, draws, runs) = (3, 2.0, 0.1, 200_u64, 1_000);
        let chi = GeneralisedChiSquare::central(vec![0.36; m]).unwrap();
        let (mut low, mut truth) = (0.0, r);
        for _ in 0..60 {
            let middle: f64 = 0.5 * (low + truth);
            if chi.cdf((r - middle).powi(2)) > 0.5 { low = middle } else { truth = middle }
        }
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let mut uniform = || ((generator.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let search = Search { start: 0.1, largest: 10.0, tolerance: 1e-4 };
        let (mut wrong, mut sum) = (0, 0.0);
        for _ in 0..runs {
            let eta: Vec<Vec<f32>> = (0..draws)
                .map(|_| (0..m).map(|_| normal_quantile(uniform()) as f32).collect())
                .collect();
            let certificate = coupled(r, draws, alpha, &search, |distance| {
                let length =
                    |eta: &[f32]| eta.iter().map(|&e| f64::from(e).powi(2)).sum::<f64>().sqrt();
                let rest = |eta: &Vec<f32>| {
                    let at_rest = 0.6 * length(eta);
                    lipschitz_distance(at_rest, 2.0, 0.5 * distance, &vec![0.0; m], eta)
                };
                Some(eta.iter().map(rest).collect())
            });
            assert_eq!(certificate.method(), Method::Coupling);
            wrong += u32::from(certificate.margin() > truth);
            sum += certificate.margin();
        }
        let most = alpha * f64::from(runs) + 3.0 * (alpha * f64::from(runs)).sqrt();
        assert!(f64::from(wrong) <= most && wrong > 30, "{wrong} of {runs}");
        assert!(sum / f64::from(runs) > 0.85 * truth);
    }

    #[test]
    fn what_is_not_known_to_stay_within_r_does_not() {
        let search = Search { start: 1.0, largest: 10.0, tolerance: 1e-4 };
        let margin = |distance: f64| {
            coupled(1.0, 100, 0.01, &search, |_| Some(vec![distance; 100])).margin()
        };
        assert_eq!(margin(1.0), 10.0);
        assert_eq!((margin(1.0_f64.next_up()), margin(f64::NAN)), (0.0, 0.0));
        assert_eq!(coupled(1.0, 100, 0.01, &search, |_| None).margin(), 0.0);
        // Deviations that change cost in proportion to the noise.
        let distance = lipschitz_distance(1.0, 2.0, 0.5, &[0.3, 0.4], &[1.0, -1.0]);
        assert!((distance - 3.0).abs() < 1e-6 && distance >= 3.0);
    }
}
