//! A model of which the probabilities that attacks search for are known.

use burn::tensor::{Device, Tensor};
use nalgebra::{DMatrix, DVector};
use vaegis_network::ops::Function;
use vaegis_vae::{Architecture, Likelihood, VaeConfig};

use crate::model::host;
use crate::statistics::GeneralisedChiSquare;
use crate::{Encoding, Model};

pub(super) const LATENT: usize = 3;
pub(super) const FEATURES: usize = 6;

/// A point, and a direction from it.
pub(super) const X: [f32; FEATURES] = [0.2, 0.5, 0.9, 0.1, 0.7, 0.4];
pub(super) const U: [f32; FEATURES] = [0.3, -0.5, 0.8, 0.2, -0.4, 0.6];

/// Encoder and decoder are linear: damages are Gaussian.
pub(super) struct Linear {
    pub(super) model: Model,
    pub(super) rest: Encoding,
    pub(super) reference: Tensor<2>,
    /// Of the decoder.
    matrix: DMatrix<f64>,
}

impl Linear {
    pub(super) fn new() -> Self {
        let architecture = Architecture::Mlp { hidden: vec![], activation: Function::Tanh };
        let likelihood = Likelihood::Gaussian { sigma: 1.0 };
        let config =
            VaeConfig { input_shape: vec![FEATURES], latent: LATENT, architecture, likelihood };
        let model = Model::new(&config.init(3, &Device::flex()).unwrap());
        let rest = model.encoding(&X).unwrap();
        let reference = model.reconstruct(&rest.mu).unwrap();
        let image = |z: &[f32]| -> DVector<f64> {
            let found = host(model.reconstruct(z).unwrap());
            DVector::from_iterator(FEATURES, found.into_iter().map(f64::from))
        };
        let origin = image(&[0.0; LATENT]);
        let column = |k: usize| {
            let mut z = [0.0; LATENT];
            z[k] = 1.0;
            image(&z) - &origin
        };
        let matrix = DMatrix::from_columns(&(0..LATENT).map(column).collect::<Vec<_>>());
        Self { model, rest, reference, matrix }
    }

    /// The distribution of `|Delta|^2` under a posterior.
    pub(super) fn squares(&self, perturbed: &Encoding) -> GeneralisedChiSquare {
        // g(mu' + sigma' eta) - g(mu) = B (S eta + m), S = diag(sigma') and m = mu' - mu.
        let moved = perturbed.mu.iter().zip(&self.rest.mu);
        let moved = moved.map(|(a, b)| f64::from(*a) - f64::from(*b));
        let moved = DVector::from_iterator(LATENT, moved);
        let sigma = perturbed.sigma.iter().map(|&sigma| f64::from(sigma));
        let sigma = DVector::from_iterator(LATENT, sigma);
        let spread = &self.matrix * DMatrix::from_diagonal(&sigma);
        let eigen = spread.tr_mul(&spread).symmetric_eigen();
        let shifts = eigen.eigenvectors.tr_mul(&moved.component_div(&sigma));
        let (weights, shifts) = (eigen.eigenvalues.as_slice(), shifts.as_slice());
        GeneralisedChiSquare::new(weights.to_vec(), shifts.to_vec()).unwrap()
    }

    /// The radius within which reconstructions stay with probability p.
    pub(super) fn radius(&self, perturbed: &Encoding, p: f64) -> f64 {
        let squares = self.squares(perturbed);
        let (mut low, mut high) = (0.0, 100.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if squares.cdf(middle * middle) < p { low = middle } else { high = middle }
        }
        high
    }
}
