//! Kullback-Leibler divergences between diagonal Gaussian posteriors.

use crate::Encoding;

/// `KL(q || p)` in nats, summed over all latents: of each,
/// `(sigma_q^2 / sigma_p^2 - 1 - ln(sigma_q^2 / sigma_p^2) + (mu_q - mu_p)^2 / sigma_p^2) / 2`.
///
/// Finite wherever means are finite and standard deviations finite and positive, however small.
/// It is not symmetric: attacks on a target x_t minimise it with q the posterior of x + d and p
/// that of x_t (Tabacof, Tavares, Valle, *Adversarial Images for Variational Autoencoders*,
/// 2016).
///
/// # Panics
/// If the posteriors have different numbers of latents.
pub fn kl_divergence(q: &Encoding, p: &Encoding) -> f64 {
    let latents = [&q.mu, &q.sigma, &p.mu, &p.sigma].map(Vec::len);
    assert!(latents.iter().all(|&n| n == latents[0]), "posteriors of {latents:?} latents");
    let twice: f64 = (0..latents[0])
        .map(|i| {
            let [mu_q, sigma_q, mu_p, sigma_p] =
                [q.mu[i], q.sigma[i], p.mu[i], p.sigma[i]].map(f64::from);
            let shift = (mu_q - mu_p) / sigma_p;
            variance_term(sigma_q, sigma_p) + shift * shift
        })
        .sum();
    0.5 * twice
}

/// The mean of both orders, `(KL(a || b) + KL(b || a)) / 2`, in nats.
///
/// That is what unsupervised attacks maximise (Kuzina, Welling, Tomczak, *Diagnosing
/// Vulnerability of Variational Auto-Encoders to Adversarial Attacks*, 2021), by the code
/// released with the paper. Jeffreys' divergence, the sum, is twice as large.
///
/// # Panics
/// If the posteriors have different numbers of latents.
pub fn symmetric_kl_divergence(a: &Encoding, b: &Encoding) -> f64 {
    0.5 * (kl_divergence(a, b) + kl_divergence(b, a))
}

/// `v - 1 - ln v` of the ratio `v = (q / p)^2`.
fn variance_term(q: f64, p: f64) -> f64 {
    // Near v = 1 the difference of 1 and v would cancel, far below 1 it would round to -1.
    let excess = (q - p) * (q + p) / (p * p);
    let logarithm = if excess.abs() < 0.5 { excess.ln_1p() } else { 2.0 * (q / p).ln() };
    excess - logarithm
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoding(latents: &[(f32, f32)]) -> Encoding {
        let (mu, sigma) = latents.iter().copied().unzip();
        Encoding { mu, sigma }
    }

    fn close(computed: f64, expected: f64, tolerance: f64) {
        let error = (computed - expected).abs() / expected.abs();
        assert!(error <= tolerance, "{computed} is not {expected}: {error:e}");
    }

    /// `E_q[ln q - ln p]` of one latent by Simpson's rule.
    fn integral((mu_q, sigma_q): (f32, f32), (mu_p, sigma_p): (f32, f32)) -> f64 {
        const STEPS: usize = 4000;
        let [mu_q, sigma_q, mu_p, sigma_p] = [mu_q, sigma_q, mu_p, sigma_p].map(f64::from);
        let logarithm =
            |z: f64, mu: f64, sigma: f64| -0.5 * ((z - mu) / sigma).powi(2) - sigma.ln();
        let step = 24.0 / STEPS as f64;
        let sum: f64 = (0..=STEPS)
            .map(|k| {
                let eta = k as f64 * step - 12.0;
                let z = mu_q + eta * sigma_q;
                let weight = match k {
                    0 | STEPS => 1.0,
                    k if k % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                let density = (-0.5 * eta * eta).exp() / (2.0 * std::f64::consts::PI).sqrt();
                weight * density * (logarithm(z, mu_q, sigma_q) - logarithm(z, mu_p, sigma_p))
            })
            .sum();
        sum * step / 3.0
    }

    #[test]
    fn by_hand() {
        let standard = encoding(&[(0.0, 1.0)]);
        assert_eq!(kl_divergence(&standard, &standard), 0.0);
        assert_eq!(kl_divergence(&encoding(&[(3.0, 1.0)]), &standard), 4.5);
        // Twice the deviation: (4 - 1 - ln 4) / 2, and (1/4 - 1 + ln 4) / 2 the other way.
        let wide = encoding(&[(0.0, 2.0)]);
        close(kl_divergence(&wide, &standard), 1.5 - 2_f64.ln(), 1e-15);
        close(kl_divergence(&standard, &wide), -0.375 + 2_f64.ln(), 1e-15);
        // The mean of both orders, not their sum.
        close(symmetric_kl_divergence(&standard, &wide), 0.5625, 1e-15);
    }

    #[test]
    fn tiny_and_close_deviations() {
        let (least, most) = (f32::from_bits(1), f32::MAX);
        let (narrow, wide) = (encoding(&[(-most, least)]), encoding(&[(most, most)]));
        let ratio = (f64::from(most) / f64::from(least)).ln();
        close(kl_divergence(&narrow, &wide), ratio - 0.5 + 2.0, 1e-14);
        assert!(kl_divergence(&wide, &narrow).is_finite());
        assert_eq!(kl_divergence(&narrow, &narrow), 0.0);
        // One unit in the last place apart, to leading order e^2 for deviations 1 + e and 1.
        let near = encoding(&[(0.0, 1.0 + f32::EPSILON)]);
        let epsilon = f64::from(f32::EPSILON);
        close(kl_divergence(&near, &encoding(&[(0.0, 1.0)])), epsilon * epsilon, 1e-6);
    }

    #[test]
    #[should_panic(expected = "posteriors of [2, 2, 1, 1] latents")]
    fn posteriors_of_different_models() {
        let (two, one) = (encoding(&[(0.0, 1.0), (0.0, 1.0)]), encoding(&[(0.0, 1.0)]));
        kl_divergence(&two, &one);
    }

    fn latent() -> impl Strategy<Value = (f32, f32)> {
        (-3.0_f32..3.0, (-2.0_f32..1.0).prop_map(f32::exp))
    }

    proptest! {
        #[test]
        fn latents_add_up_to_the_integral(
            pairs in prop::collection::vec((latent(), latent()), 1..4),
        ) {
            let (q, p): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
            let expected: f64 = pairs.iter().map(|&(q, p)| integral(q, p)).sum();
            let kl = kl_divergence(&encoding(&q), &encoding(&p));
            prop_assert!((kl - expected).abs() <= 1e-9 * (1.0 + expected), "{kl} {expected}");
        }

        /// In the mean of both orders the logarithms cancel.
        #[test]
        fn symmetric_in_closed_form((a, b) in (latent(), latent())) {
            let symmetric = symmetric_kl_divergence(&encoding(&[a]), &encoding(&[b]));
            let [mu_a, a_sigma, mu_b, b_sigma] = [a.0, a.1, b.0, b.1].map(f64::from);
            let deviations = a_sigma / b_sigma - b_sigma / a_sigma;
            let precision = a_sigma.powi(-2) + b_sigma.powi(-2);
            let expected = 0.25 * (deviations.powi(2) + (mu_a - mu_b).powi(2) * precision);
            prop_assert!((symmetric - expected).abs() <= 1e-13 * (1.0 + expected));
        }
    }
}
