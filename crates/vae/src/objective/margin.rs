use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Batch, Regulariser, Term};

/// The negative (beta-)ELBO plus `weight E[log(1 + |Sigma^(-1/2) J|_F^2)] / 2`, for the Jacobian J of
/// mu: margins are, to first order, inversely proportional to the norm. Norms below 1 are margins of
/// several units of the data, and hardly worth more.
///
/// Source: this project.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Margin {
    /// Weight of the KL term.
    pub beta: f64,
    /// Epochs over which both weights rise linearly from 0. With 0, latents may be given up
    /// before the decoder has learnt to use them.
    pub warm_up: usize,
    /// Weight of the norm's logarithm.
    pub weight: f64,
}

impl Default for Margin {
    fn default() -> Self {
        Self {
            beta: 1.0,
            // Without one, latents are given up before the decoder has learnt to use them.
            warm_up: 10,
            weight: 4.0,
        }
    }
}

impl Regulariser for Margin {
    fn name(&self) -> String {
        "margin".to_string()
    }

    fn strengths(&self) -> Vec<(&'static str, f64)> {
        vec![("beta", self.beta), ("margin weight", self.weight)]
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn terms(&self, batch: &Batch) -> Vec<Term> {
        let warmth = batch.setting.warmth;
        let log_norm = log_norm(batch, batch.eta.clone().sign()).mean();
        vec![
            Term::rate(&batch.posterior, self.beta * warmth),
            Term::new("log_norm", log_norm, self.weight * warmth),
        ]
    }

    fn needs_trace(&self) -> bool {
        true
    }
}

/// An estimate of `log(1 + |Sigma^(-1/2) J|_F^2) / 2` for every row: with independent random
/// signs w, `E |w' Sigma^(-1/2) J|^2` is the square of the norm [Hutchinson 1990]. With the 1, there
/// is no end of reward for giving all latents up. The vjp is made of tensor operations, so that this
/// is differentiable like the rest.
///
/// # Shapes
/// `signs`: `[rows, latent]`; result `[rows]`.
fn log_norm(batch: &Batch, signs: Tensor<2>) -> Tensor<1> {
    let trace = batch.trace.as_ref().expect("asked for by `needs_trace`");
    let cotangent = (signs / batch.posterior.sigma()).unsqueeze_dim(1);
    let pulled = batch.vae.encoder().vjp(trace, vec![Some(cotangent), None]);
    let squares = pulled.square().sum_dim(2).flatten::<1>(0, 2);
    squares.log1p() * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::number;
    use crate::objective::tests::{LATENT, setting, tensor, vae};

    #[test]
    fn signs_estimate_the_norm_without_bias() {
        let vae = vae();
        let x = [0.1, 0.9, 0.4, 0.7, 0.2];
        // All signs there are, each once.
        let count = 1 << LATENT;
        let sign = |bits: usize, latent: usize| if bits >> latent & 1 == 1 { 1.0 } else { -1.0 };
        let signs: Vec<f32> =
            (0..count).flat_map(|bits| (0..LATENT).map(move |l| sign(bits, l))).collect();
        let device = vae.encoder().device();
        let signs = tensor(&signs, count, &device);
        let rows = tensor(&x.repeat(count), count, &device);
        let batch = Batch::new(&vae, rows, signs.clone(), setting(None), true);
        let estimate = number((log_norm(&batch, signs) * 2.0).exp().mean()) - 1.0;
        let trace = vae.encoder().trace(tensor(&x, 1, &device));
        let jacobian = vae.encoder().jacobian(&trace, 0).flatten::<2>(0, 1);
        let sigma = batch.posterior.sigma().narrow(0, 0, 1).transpose();
        let exact = number((jacobian / sigma).square().sum());
        assert!((estimate - exact).abs() < 1e-4 * exact, "{estimate} {exact}");
    }
}
