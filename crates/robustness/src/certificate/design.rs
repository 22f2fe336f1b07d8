//! Which constants and standard deviations guarantee a wanted margin, before any training.
//!
//! A VAE whose decoder is a-Lipschitz, whose encoder mean is b-Lipschitz and whose standard deviation
//! is fixed has a margin that depends on these numbers alone ([`lipschitz`](super::lipschitz)), and
//! falls as each of them grows. So each can be solved for, given the others.

use super::lipschitz::{Lipschitz, largest};
use crate::attack::goal::Reference;

/// What is to be guaranteed before any training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// Lipschitz constant a of the decoder.
    pub decoder: f64,
    /// Lipschitz constant b of the encoder's mean.
    pub encoder_mean: f64,
    /// The fixed standard deviation of every latent.
    pub sigma: f64,
    /// The number of latents.
    pub latents: usize,
    /// What reconstructions are compared with.
    pub reference: Reference,
}

impl Design {
    /// Whether r-robustness to every perturbation up to the margin is guaranteed, at every input.
    /// Never with numbers that make no sense.
    pub fn guarantees(&self, r: f64, margin: f64) -> bool {
        let constants = [self.decoder, self.encoder_mean, 0.0];
        let vae = Lipschitz::new(constants, vec![self.sigma; self.latents], self.reference);
        margin >= 0.0 && vae.is_ok_and(|vae| vae.guarantees(r, margin))
    }

    /// The largest decoder constant that guarantees the margin, all else as it is; 0 if none does.
    pub fn largest_decoder(&self, r: f64, margin: f64) -> f64 {
        largest(|decoder| Self { decoder, ..*self }.guarantees(r, margin))
    }

    /// The largest constant of the encoder's mean that guarantees the margin, or 0.
    pub fn largest_encoder_mean(&self, r: f64, margin: f64) -> f64 {
        largest(|encoder_mean| Self { encoder_mean, ..*self }.guarantees(r, margin))
    }

    /// The largest sigma that guarantees the margin, or 0.
    pub fn largest_sigma(&self, r: f64, margin: f64) -> f64 {
        largest(|sigma| Self { sigma, ..*self }.guarantees(r, margin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn designs_guarantee_what_they_promise_and_hardly_more(
            decoder in 0.1..3.0_f64, encoder_mean in 0.1..3.0_f64, sigma in 0.01..1.0_f64,
            latents in 1..20_usize, r in 0.5..10.0_f64, margin in 0.01..3.0_f64,
            reference in prop_oneof![Just(Reference::Mean), Just(Reference::Sampled)],
        ) {
            let design = Design { decoder, encoder_mean, sigma, latents, reference };
            let with = [
                ("a", Design { decoder: design.largest_decoder(r, margin), ..design }),
                ("b", Design { encoder_mean: design.largest_encoder_mean(r, margin), ..design }),
                ("sigma", Design { sigma: design.largest_sigma(r, margin), ..design }),
            ];
            for (name, found) in with {
                let constants = [found.decoder, found.encoder_mean, 0.0];
                let vae = Lipschitz::new(constants, vec![found.sigma; latents], reference);
                // No encoder helps a decoder and sigma that fail at rest; nor a sigma, if a b
                // margin > r.
                if name == "b" && found.encoder_mean == 0.0 {
                    let least = Design { encoder_mean: 1e-9, ..found };
                    prop_assert!(!least.guarantees(r, margin));
                } else if name == "sigma" && found.sigma == 0.0 {
                    prop_assert!(decoder * encoder_mean * margin >= r * (1.0 - 1e-9));
                } else {
                    let reached = vae.unwrap().chi_square(r) / margin;
                    prop_assert!((1.0 - 1e-9..1.0 + 1e-3).contains(&reached), "{name}: {reached}");
                }
            }
        }
    }
}
