//! VAEs whose decoder, encoder mean and encoder standard deviation are a-, b- and c-Lipschitz in
//! l2 by construction \[B22\]: margins that need no draws, and with a fixed sigma no data.
//!
//! A perturbation of length R takes the reconstruction at most `a |v + sigma' eta|` away, with
//! `|v| <= b R` and `|sigma' - sigma| <= c R`. From a sampled reference it is `a |v + tau eta|` with
//! `tau_i^2 = sigma'_i^2 + sigma_i^2`. What is left is the distribution of the length of a Gaussian
//! vector, and the forms differ in how they bound its median.
//!
//! **Larger standard deviations are worse, if the result is to be at least one half**: let
//! `u(y) = P(|v + S eta + y| <= q)`. By Ehrhard's inequality `PhiInv(u)` is concave, so it is below
//! a line `k + n'y` with `k = PhiInv(u(0))`. Let y be Gaussian noise, whose addition enlarges S:
//! then `E u(y) <= Phi(k / sqrt(1 + |Cov^(1/2) n|^2))`. That is less than 1/2 if k < 0, and at most
//! `u(0)` if not. So if the larger deviations give at least one half, the smaller give no less.
//! (In general they may give less: a distribution far from the ball reaches it by its spread.)
//!
//! \[B22\]: Barrett, Camuto, Willetts, Rainforth, *Certifiably Robust Variational Autoencoders*,
//! AISTATS 2022.

use std::f64::consts::PI;

use super::{Certificate, Method};
use crate::attack::goal::Reference;
use crate::statistics::GeneralisedChiSquare;

/// By how much a probability must exceed one half: far more than it is computed wrong.
const CLEARLY: f64 = 1e-10;
/// Squared distances, in standard deviations, up to which that is so: beyond, rounding the distance
/// itself is felt.
const FARTHEST: f64 = 1e8;

/// Lipschitz constants of a VAE, in l2, and its posterior's standard deviations at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Lipschitz {
    decoder: f64,
    encoder_mean: f64,
    encoder_sigma: f64,
    sigma: Vec<f64>,
    reference: Reference,
}

/// A number that is no Lipschitz constant or no standard deviation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what} is {value}; expected {expected}")]
pub struct InvalidLipschitz {
    what: String,
    value: f64,
    expected: &'static str,
}

impl Lipschitz {
    /// The constants a, b and c, and sigma at x; with c = 0 sigma is fixed, the same everywhere.
    ///
    /// # Errors
    /// If a constant is negative or not finite (a must be positive), or there are no positive
    /// finite standard deviations.
    pub fn new(
        [decoder, encoder_mean, encoder_sigma]: [f64; 3],
        sigma: Vec<f64>,
        reference: Reference,
    ) -> Result<Self, InvalidLipschitz> {
        let refuse =
            |what: String, value, expected| Err(InvalidLipschitz { what, value, expected });
        if !(decoder > 0.0 && decoder.is_finite()) {
            let what = "the Lipschitz constant of the decoder".into();
            return refuse(what, decoder, "a positive number");
        }
        for (what, value) in [("mean", encoder_mean), ("sigma", encoder_sigma)] {
            if !(value >= 0.0 && value.is_finite()) {
                let what = format!("the Lipschitz constant of the encoder's {what}");
                return refuse(what, value, "a number that is not negative");
            }
        }
        for (latent, &value) in sigma.iter().enumerate() {
            if !(value > 0.0 && value.is_finite()) {
                return refuse(format!("sigma of latent {latent}"), value, "a positive number");
            }
        }
        if sigma.is_empty() {
            return refuse("the number of latents".into(), 0.0, "at least 1");
        }
        Ok(Self { decoder, encoder_mean, encoder_sigma, sigma, reference })
    }

    /// Bound 1 of \[B22\]: the largest R with
    /// `(b^2 + c^2) R^2 + 4 c |sigma| R + 4 |sigma|^2 <= r^2 / (2 a^2)`.
    ///
    /// For either reference, if it is sound for the sampled one.
    pub fn bound_1(&self, r: f64) -> f64 {
        let square = self.square_norm();
        self.quadratic(4.0 * self.encoder_sigma * square.sqrt(), 4.0 * square, r)
    }

    /// Markov's inequality without the loss of [`bound_1`](Self::bound_1): the largest R with
    /// `E|v + tau eta|^2 <= r^2 / (2 a^2)` for all v and sigma'.
    pub fn markov(&self, r: f64) -> f64 {
        let square = self.square_norm();
        let copies = self.copies();
        self.quadratic(2.0 * self.encoder_sigma * square.sqrt(), copies * square, r)
    }

    /// Bound 2 of \[B22\], for a fixed sigma, the largest of its entries; 0 for another. From
    /// `|v + tau eta| <= |v| + |tau eta|` and a bound on the tail of chi-square with m degrees:
    /// `P(X > u) <= C_m u^(m/2) exp(-u/2) / (u - m + 2)` for `u > m - 2`.
    ///
    /// That bound is one for `m >= 2` only (Inglot and Ledwina 2006); with one latent the result
    /// is 0.
    pub fn bound_2(&self, r: f64) -> f64 {
        let m = self.sigma.len() as f64;
        if self.encoder_sigma > 0.0 || m < 2.0 {
            return 0.0;
        }
        // It falls in u all the way, so the least u at which it is one half is bisected.
        let ln_constant = 0.5 * (m - (m - 1.0) * m.ln()) - 0.5 * PI.ln();
        let tail = |u: f64| ln_constant + 0.5 * m * u.ln() - 0.5 * u - (u - m + 2.0).ln();
        let (mut low, mut high) = (m - 2.0, 4.0 * m + 10.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if tail(middle) <= -2.0_f64.ln() { high = middle } else { low = middle }
        }
        let noise = self.largest_sigma() * (self.copies() * high).sqrt() * (1.0 + 1e-12);
        self.per_shift(r / self.decoder - noise)
    }

    /// The distribution itself instead of bounds on its tail: the best of these forms.
    ///
    /// With equal deviations `|v + tau eta|^2 / tau^2` is noncentral chi-square, which only
    /// depends on `|v|`; unequal ones are replaced by the largest. Where they differ much,
    /// `|v| + |tau eta|` with a weighted sum of squares may do better, and the larger R counts.
    /// Exact for a fixed, equal sigma and a decoder that is a times an isometry.
    pub fn chi_square(&self, r: f64) -> f64 {
        largest(|distance| self.guarantees(r, distance))
    }

    /// Whether r-robustness to all perturbations up to a length follows from the distribution.
    pub fn guarantees(&self, r: f64, distance: f64) -> bool {
        let reach = r / self.decoder;
        let shift = self.encoder_mean * distance;
        let weights: Vec<f64> = self
            .sigma
            .iter()
            .map(|sigma| {
                let far = sigma + self.encoder_sigma * distance;
                match self.reference {
                    Reference::Mean => far * far,
                    Reference::Sampled => far * far + sigma * sigma,
                }
            })
            .collect();
        let widest = weights.iter().copied().fold(0.0, f64::max);
        let mut noncentralities = vec![0.0; weights.len()];
        noncentralities[0] = shift / widest.sqrt();
        let equal = vec![1.0; weights.len()];
        let exceeds_half = |weights: Vec<f64>, shifts: Vec<f64>, q: f64| {
            let sum = GeneralisedChiSquare::new(weights, shifts);
            sum.is_ok_and(|sum| sum.cdf(q) >= 0.5 + CLEARLY)
        };
        let q = reach * reach / widest;
        shift < reach
            && (q < FARTHEST && exceeds_half(equal, noncentralities, q) || {
                let rest = reach - shift;
                let central = vec![0.0; weights.len()];
                let units: Vec<f64> = weights.iter().map(|weight| weight / widest).collect();
                exceeds_half(units, central, rest * rest / widest)
            })
    }

    /// The certificate of the best form. It rests on no draws.
    pub fn certificate(&self, r: f64) -> Certificate {
        let forms = [self.bound_1(r), self.markov(r), self.bound_2(r), self.chi_square(r)];
        let margin = forms.into_iter().fold(0.0, f64::max);
        let (method, alpha) = (Method::Lipschitz, 0.0);
        Certificate { r, margin, alpha, method, p_lower_limit: None, shift: None }
    }

    /// The largest R with `(b^2 + c^2) R^2 + linear R + constant <= r^2 / (2 a^2)`.
    fn quadratic(&self, linear: f64, constant: f64, r: f64) -> f64 {
        let rest = 0.5 * (r / self.decoder).powi(2) * (1.0 - 1e-14) - constant * (1.0 + 1e-14);
        let square = self.encoder_mean.powi(2) + self.encoder_sigma.powi(2);
        if r.is_nan() || r < 0.0 || rest <= 0.0 {
            return 0.0;
        }
        // The form of the root that does not cancel.
        2.0 * rest / (linear + (linear * linear + 4.0 * square * rest).sqrt()) * (1.0 - 1e-14)
    }

    /// The distance that shifts by this much.
    fn per_shift(&self, shift: f64) -> f64 {
        if shift > 0.0 { shift / self.encoder_mean * (1.0 - 1e-14) } else { 0.0 }
    }

    fn square_norm(&self) -> f64 {
        self.sigma.iter().map(|sigma| sigma * sigma).sum()
    }

    fn largest_sigma(&self) -> f64 {
        self.sigma.iter().copied().fold(0.0, f64::max)
    }

    /// How many draws of the noise there are between a reconstruction and its reference.
    fn copies(&self) -> f64 {
        match self.reference {
            Reference::Mean => 1.0,
            Reference::Sampled => 2.0,
        }
    }
}

/// The largest number at which something holds that holds for small ones only, from below: 0 if it
/// never does, infinite if it always does.
pub(super) fn largest(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while holds(high) {
        (low, high) = (high, 16.0 * high);
        if high > 1e100 {
            return f64::INFINITY;
        }
    }
    while low == 0.0 {
        if high < 1e-100 {
            return 0.0;
        }
        high /= 16.0;
        if holds(high) {
            (low, high) = (high, 16.0 * high);
        }
    }
    while high - low > 1e-13 * low {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    fn references() -> impl Strategy<Value = Reference> {
        prop_oneof![Just(Reference::Mean), Just(Reference::Sampled)]
    }

    /// `P(|v + tau eta| <= reach)`, exactly.
    fn within(shift: &[f64], tau: &[f64], reach: f64) -> f64 {
        let shifts = shift.iter().zip(tau).map(|(v, tau)| v / tau).collect();
        let weights = tau.iter().map(|tau| tau * tau).collect();
        GeneralisedChiSquare::new(weights, shifts).unwrap().cdf(reach * reach)
    }

    proptest! {
        #![proptest_config(
            ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) }
        )]

        /// The worst a VAE with these constants can do: the decoder is a scaled isometry, mean and
        /// deviations move as far as they may, in any direction.
        #[test]
        fn nothing_within_the_constants_breaks_a_margin(
            constants in prop::array::uniform3(0.1..3.0_f64), fixed in prop::bool::ANY,
            latents in prop::collection::vec((0.05..1.0_f64, -1.0..1.0_f64, -1.0..1.0_f64), 1..8),
            reference in references(), ratio in 0.8..6.0_f64,
        ) {
            let [a, b, c] = constants;
            let c = if fixed { 0.0 } else { c };
            let sigma: Vec<f64> = latents.iter().map(|latent| latent.0).collect();
            let spread = sigma.iter().map(|sigma| sigma * sigma).sum::<f64>().sqrt();
            let r = a * spread * ratio;
            let vae = Lipschitz::new([a, b, c], sigma.clone(), reference).unwrap();
            let norm = |part: &dyn Fn(&(f64, f64, f64)) -> f64| {
                latents.iter().map(|latent| part(latent).powi(2)).sum::<f64>().sqrt()
            };
            let (to_mean, to_sigma) = (norm(&|latent| latent.1), norm(&|latent| latent.2));
            for margin in [vae.bound_1(r), vae.markov(r), vae.bound_2(r), vae.chi_square(r)] {
                let shift: Vec<f64> =
                    latents.iter().map(|latent| latent.1 / to_mean * b * margin).collect();
                for sign in [1.0, -1.0, 0.0] {
                    let tau: Vec<f64> = latents
                        .iter()
                        .map(|&(sigma, _, direction)| {
                            let by = sign * direction.abs() / to_sigma * c * margin;
                            let far = (sigma + by).max(1e-3);
                            match reference {
                                Reference::Mean => far,
                                Reference::Sampled => far.hypot(sigma),
                            }
                        })
                        .collect();
                    let p = within(&shift, &tau, r / a);
                    prop_assert!(margin == 0.0 || p >= 0.5 - 1e-9, "{p} at {margin} of {vae:?}");
                }
            }
            prop_assert!(vae.bound_1(r) <= vae.markov(r) * (1.0 + 1e-9));
            prop_assert!(vae.certificate(r).margin() >= vae.chi_square(r));
        }

        /// The distribution beats bounds on its tail, and with equal deviations Markov as well.
        #[test]
        fn exact_is_never_below_bound_2(
            a in 0.1..3.0_f64, b in 0.1..3.0_f64, sigma in 0.01..1.0_f64, m in 1..40_usize,
            ratio in 0.1..30.0_f64, reference in references(),
        ) {
            let vae = Lipschitz::new([a, b, 0.0], vec![sigma; m], reference).unwrap();
            let r = a * sigma * (m as f64).sqrt() * ratio;
            let exact = vae.chi_square(r) * (1.0 + 1e-7);
            prop_assert!(vae.bound_2(r) <= exact, "{} {exact}", vae.bound_2(r));
            prop_assert!(vae.markov(r) <= exact, "{} {exact}", vae.markov(r));
        }
    }

    /// Draws of the worst VAE, at the margin: half stay within r, by the exact form.
    #[test]
    fn draws_of_a_scaled_isometry_agree() {
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(6);
        let mut normal = || {
            let uniform = ((generator.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            crate::statistics::normal_quantile(uniform)
        };
        let (a, b, sigma, m, r, draws) = (2.0, 1.5, 0.3, 5, 4.0, 100_000);
        for reference in [Reference::Mean, Reference::Sampled] {
            let vae = Lipschitz::new([a, b, 0.0], vec![sigma; m], reference).unwrap();
            let mut share = |margin: f64| {
                let inside = (0..draws).filter(|_| {
                    let square: f64 = (0..m)
                        .map(|i| {
                            let shift = if i == 0 { b * margin } else { 0.0 };
                            let other =
                                if reference == Reference::Sampled { normal() } else { 0.0 };
                            (shift + sigma * normal() - sigma * other).powi(2)
                        })
                        .sum();
                    a * square.sqrt() <= r
                });
                inside.count() as f64 / f64::from(draws)
            };
            assert!((share(vae.chi_square(r)) - 0.5).abs() < 0.006);
            for margin in [vae.bound_1(r), vae.markov(r), vae.bound_2(r)] {
                assert!(margin > 0.0 && share(margin) > 0.506, "{margin}");
            }
        }
    }

    /// The formula that Bound 2 rests on does not bound the tail with one degree of freedom.
    #[test]
    fn bound_2_needs_two_latents() {
        let tail = |m: f64, u: f64| {
            let constant = PI.powf(-0.5) * (0.5 * (m - (m - 1.0) * m.ln())).exp();
            constant * u.powf(0.5 * m) * (-0.5 * u).exp() / (u - m + 2.0)
        };
        let beyond = |m: usize, u: f64| 1.0 - within(&vec![0.0; m], &vec![1.0; m], u.sqrt());
        assert!(tail(1.0, 1.0) < beyond(1, 1.0));
        for (m, u) in [(2, 0.1), (2, 3.0), (3, 1.1), (10, 9.0), (10, 30.0), (100, 120.0)] {
            assert!(tail(m as f64, u) >= beyond(m, u), "{m} {u}");
        }
        let one = Lipschitz::new([1.0, 1.0, 0.0], vec![0.1], Reference::Sampled).unwrap();
        assert_eq!(one.bound_2(5.0), 0.0);
        assert!(one.chi_square(5.0) > 4.9);
    }

    #[test]
    fn edges() {
        let vae = |constants, sigma| Lipschitz::new(constants, sigma, Reference::Mean);
        let still = vae([1.0, 0.0, 0.0], vec![0.1, 0.2]).unwrap();
        assert_eq!(still.chi_square(1.0), f64::INFINITY);
        assert_eq!(still.chi_square(0.01), 0.0);
        for r in [f64::NAN, 0.0, -1.0] {
            let moving = vae([1.0, 1.0, 1.0], vec![0.1, 0.2]).unwrap();
            assert_eq!(moving.certificate(r).margin(), 0.0, "{r}");
            assert_eq!(still.certificate(r).margin(), 0.0, "{r}");
        }
        let say = |constants, sigma| vae(constants, sigma).unwrap_err().to_string();
        let constant = "the Lipschitz constant of the";
        assert_eq!(
            say([0.0, 1.0, 1.0], vec![1.0]),
            format!("{constant} decoder is 0; expected a positive number")
        );
        assert!(
            say([1.0, f64::NAN, 1.0], vec![1.0]).starts_with(&format!("{constant} encoder's m"))
        );
        assert!(say([1.0, 1.0, -1.0], vec![1.0]).starts_with(&format!("{constant} encoder's s")));
        assert!(say([1.0; 3], vec![1.0, 0.0]).starts_with("sigma of latent 1 is 0"));
        assert!(say([1.0; 3], vec![]).starts_with("the number of latents is 0"));
    }
}
