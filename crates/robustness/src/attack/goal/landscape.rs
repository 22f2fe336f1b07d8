//! The share of draws beyond r as a model of the damage has it.

use burn::tensor::Tensor;
use vaegis_vae::Posterior;

use super::{Goal, MaximumDamage, Response, Statistic};
use crate::model::host;
use crate::surrogate::{Sample, Surrogate};
use crate::{Encoding, Model};

/// The exceedance of [`MaximumDamage`], with `|g(z) - reference|^2` replaced by a quadratic
/// function of z fitted to decoded draws.
///
/// Draws cost next to nothing here. Where r is close to the damage at rest, the share of draws
/// beyond r changes so little with the posterior that few draws see nothing but noise.
#[derive(Debug, Clone)]
pub(crate) struct Landscape {
    constant: f64,
    /// Coefficients of the components of z along axes and of their squares, `[1, latent]`.
    linear: Tensor<2>,
    square: Tensor<2>,
    /// Latent space to components along the axes: `(z - centre) map`, `[latent, latent]`.
    map: Tensor<2>,
    centre: Tensor<2>,
    statistic: Statistic,
}

impl Landscape {
    /// Fits the squared damages of latent samples, given as one row per draw, about a posterior;
    /// their distance to `r^2` in units of `width` is what counts. `None` if the draws are too
    /// few to tell all products of two components.
    pub(crate) fn fit(
        model: &Model,
        about: &Encoding,
        z: &[f32],
        squares: &[f64],
        r: f64,
        width: f64,
    ) -> Option<Self> {
        let latent = about.mu.len();
        let whitened: Vec<f32> = z
            .chunks(latent)
            .flat_map(|z| z.iter().zip(&about.mu).zip(&about.sigma))
            .map(|((z, mu), sigma)| (z - mu) / sigma)
            .collect();
        let draws = squares.len();
        let sample = Sample {
            eta: whitened,
            positions: vec![0.0; draws],
            squares: squares.to_vec(),
            latent,
        };
        let surrogate = Surrogate::fit(&sample, r * r);
        let axes = surrogate.axes()?;
        let (constant, pairs) = surrogate.polynomial();
        let row = |part: usize| {
            let values: Vec<f32> = pairs.iter().map(|pair| pair[part] as f32).collect();
            model.tensor(values, latent)
        };
        // Axes are stored one after the other: their transpose maps rows.
        let map: Vec<f32> = (0..latent)
            .flat_map(|i| (0..latent).map(move |k| (i, k)))
            .map(|(i, k)| axes[k * latent + i] / about.sigma[i])
            .collect();
        Some(Self {
            constant,
            linear: row(0),
            square: row(1),
            map: model.tensor(map, latent),
            centre: model.tensor(about.mu.clone(), latent),
            statistic: Statistic::Exceedance { r, width },
        })
    }
}

impl Goal for Landscape {
    fn respond(&self, model: &Model, posterior: &Posterior, eta: &Tensor<2>) -> Response {
        let (z, spread) = super::samples(posterior, eta);
        let draws = spread.dims()[1];
        let along = (z - self.centre.clone()).matmul(self.map.clone());
        let slope = along.clone() * self.square.clone();
        let squares = (along * (slope.clone() + self.linear.clone())).sum_dim(1) + self.constant;
        let damages: Vec<f32> =
            host(squares).into_iter().map(|square| square.max(0.0).sqrt()).collect();
        let (values, weights) = MaximumDamage::weigh(self.statistic, &damages, draws);
        // d damage^2 / d z = (linear + 2 square along) map^T, and d damage = that / 2 damage.
        let at_along = (slope * 2.0 + self.linear.clone()) * model.tensor(weights, 1) * 0.5;
        let at_z = at_along.matmul(self.map.clone().transpose()).reshape(spread.dims());
        Response::through_noise(values, at_z, spread)
    }

    fn noises(&self) -> usize {
        1
    }
}
