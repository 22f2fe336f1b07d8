//! Likelihood degradation, `[C21]`: how badly the reconstruction of x' explains x.

use burn::tensor::Tensor;
use vaegis_vae::Posterior;

use super::{Goal, Response};
use crate::Model;
use crate::model::host;

/// Minus the expectation of `log p(x|z)` over the posterior of x', in nats: its growth, relative to
/// that at x, is the likelihood degradation.
#[derive(Debug, Clone)]
pub struct LikelihoodDegradation {
    /// The input x, `[1, features]`.
    pub x: Tensor<2>,
}

impl Goal for LikelihoodDegradation {
    fn respond(&self, model: &Model, posterior: &Posterior, eta: &Tensor<2>) -> Response {
        let (z, spread) = super::samples(posterior, eta);
        let [count, draws, _] = spread.dims();
        let rows = count * draws;
        let trace = model.decoder().trace(z);
        let natural = model.decoder().output(&trace, 0);
        let x = self.x.clone().repeat_dim(0, rows);
        let scores = host(model.likelihood().log_probability(natural.clone(), x.clone()));
        let values = scores
            .chunks(draws)
            .map(|scores| -scores.iter().map(|&s| f64::from(s)).sum::<f64>() / draws as f64)
            .collect();
        let cotangent = model.likelihood().score(natural, x) * (-1.0 / draws as f64);
        let at_z = model.decoder().vjp(&trace, vec![Some(cotangent.unsqueeze_dim(1))]);
        Response::through_noise(values, at_z.reshape(spread.dims()), spread)
    }

    fn noises(&self) -> usize {
        1
    }
}
