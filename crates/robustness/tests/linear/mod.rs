//! A model of which every quantity has a closed form.
#![allow(dead_code)] // each test file needs a part of it

use burn::tensor::Device;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use vaegis_network::ops::{Initialiser, LinearConfig, OperatorConfig};
use vaegis_network::{Network, NetworkBuilder, Weights};
use vaegis_robustness::statistics::GeneralisedChiSquare;
use vaegis_vae::{Likelihood, Vae};

pub(crate) const FEATURES: usize = 12;
pub(crate) const LATENT: usize = 3;

/// `mu = x A`, `sigma` constant, `g(z) = scale * z` in the first coordinates.
pub(crate) struct Linear {
    pub(crate) a: Vec<f32>, // [FEATURES, LATENT]
    pub(crate) sigma: f32,
    pub(crate) scale: f32,
}

impl Linear {
    pub(crate) fn new(salt: u32) -> Self {
        let entry =
            |k: usize| ((k as u32 * 2_654_435_761 + salt * 40_503) % 1_000) as f32 / 500.0 - 1.0;
        Self { a: (0..FEATURES * LATENT).map(entry).collect(), sigma: 0.4, scale: 1.7 }
    }

    pub(crate) fn vae(&self) -> Vae {
        let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
        let mut encoder = NetworkBuilder::new(vec![FEATURES]);
        let mean = encoder.push(linear(FEATURES, LATENT), &[0]);
        let spread = encoder.push(linear(FEATURES, LATENT), &[0]);
        let encoder = build(encoder, &[mean, spread]);
        let mut decoder = NetworkBuilder::new(vec![LATENT]);
        let output = decoder.push(linear(LATENT, FEATURES), &[0]);
        let decoder = build(decoder, &[output]);
        let mut weights = Weights::default();
        weights.insert("encoder.0.weight", vec![FEATURES, LATENT], self.a.clone());
        weights.insert("encoder.0.bias", vec![LATENT], vec![0.1; LATENT]);
        weights.insert("encoder.1.weight", vec![FEATURES, LATENT], vec![0.0; FEATURES * LATENT]);
        weights.insert("encoder.1.bias", vec![LATENT], vec![2.0 * self.sigma.ln(); LATENT]);
        let embed = |k: usize| if k / FEATURES == k % FEATURES { self.scale } else { 0.0 };
        weights.insert(
            "decoder.0.weight",
            vec![LATENT, FEATURES],
            (0..LATENT * FEATURES).map(embed).collect(),
        );
        weights.insert("decoder.0.bias", vec![FEATURES], vec![0.2; FEATURES]);
        let vae = Vae::new(encoder, decoder, Likelihood::Gaussian { sigma: 0.5 }).unwrap();
        vae.with_weights(&weights, "closed form".as_ref()).unwrap()
    }

    /// `|A'|_2` and `|A|_F` by power iteration in f64, long enough to be exact.
    pub(crate) fn norms(&self) -> (f64, f64) {
        let a = |i: usize, j: usize| f64::from(self.a[i * LATENT + j]);
        let mut v = [1.0; LATENT];
        let mut square = 0.0;
        for _ in 0..5_000 {
            let image: Vec<f64> =
                (0..FEATURES).map(|i| (0..LATENT).map(|j| a(i, j) * v[j]).sum()).collect();
            let back: Vec<f64> =
                (0..LATENT).map(|j| (0..FEATURES).map(|i| a(i, j) * image[i]).sum()).collect();
            square = back.iter().map(|b| b * b).sum::<f64>().sqrt();
            for j in 0..LATENT {
                v[j] = back[j] / square;
            }
        }
        let frobenius = self.a.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        (square.sqrt(), frobenius)
    }

    /// `P(|Delta(x)| <= r)`: a chi-square probability.
    pub(crate) fn p(&self, r: f64) -> f64 {
        let unit = f64::from(self.scale * self.sigma);
        ChiSquared::new(LATENT as f64).unwrap().cdf((r / unit).powi(2))
    }

    /// `P(|Delta(x, d)| <= r)` for a perturbation of norm d in the worst direction:
    /// a non-central chi-square probability.
    pub(crate) fn p_perturbed(&self, r: f64, d: f64) -> f64 {
        let unit = f64::from(self.scale * self.sigma);
        let mut shift = vec![0.0; LATENT];
        shift[0] = self.norms().0 * d / f64::from(self.sigma);
        GeneralisedChiSquare::new(vec![1.0; LATENT], shift).unwrap().cdf((r / unit).powi(2))
    }

    /// `|A' d|`: by how much a perturbation moves mu.
    pub(crate) fn shift(&self, d: &[f32]) -> f64 {
        let moved = |j: usize| -> f64 {
            (0..FEATURES).map(|i| f64::from(self.a[i * LATENT + j]) * f64::from(d[i])).sum()
        };
        (0..LATENT).map(|j| moved(j).powi(2)).sum::<f64>().sqrt()
    }

    /// The norm d at which that probability is `p`; the margin at `p = 1/2`.
    pub(crate) fn reach(&self, r: f64, p: f64) -> f64 {
        let (mut low, mut high) = (0.0, 100.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.p_perturbed(r, middle) > p { low = middle } else { high = middle }
        }
        low
    }

    pub(crate) fn margin(&self, r: f64) -> f64 {
        self.reach(r, 0.5)
    }
}

fn build(builder: NetworkBuilder, outputs: &[usize]) -> Network {
    builder.finish(outputs, &mut Initialiser::new(0), &Device::flex()).unwrap()
}
