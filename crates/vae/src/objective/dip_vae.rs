//! Both draw the covariance of latents over the data to the identity:
//! `lambda_od sum_(i != j) C_ij^2 + lambda_d sum_i (C_ii - 1)^2` on top of the negative ELBO. They
//! differ in what C is the covariance of. It is that of the batch.
//!
//! Source: Kumar, Sattigeri, Balakrishnan, *Variational inference of disentangled latent concepts
//! from unlabeled observations*, ICLR 2018, equations 6 and 7.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Batch, Regulariser, Term};
use crate::Posterior;

/// DIP-VAE-I: C is the covariance of the posterior means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DipVaeI {
    /// Weight of squared covariances.
    pub lambda_od: f64,
    /// Weight of squared differences between variances and 1.
    pub lambda_d: f64,
    /// Epochs over which all weights rise linearly from 0; 0 switches it off.
    pub warm_up: usize,
}

/// DIP-VAE-II: C is the covariance of the aggregate posterior, that of the means plus the mean of the
/// posterior variances.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DipVaeII {
    /// Weight of squared covariances.
    pub lambda_od: f64,
    /// Weight of squared differences between variances and 1.
    pub lambda_d: f64,
    /// Epochs over which all weights rise linearly from 0; 0 switches it off.
    pub warm_up: usize,
}

impl DipVaeI {
    /// With the ratio of its authors.
    pub fn new(lambda_od: f64) -> Self {
        Self { lambda_od, lambda_d: 10.0 * lambda_od, warm_up: 0 }
    }
}

impl DipVaeII {
    /// With the ratio of its authors.
    pub fn new(lambda_od: f64) -> Self {
        Self { lambda_od, lambda_d: lambda_od, warm_up: 0 }
    }
}

impl Default for DipVaeI {
    fn default() -> Self {
        Self::new(10.0)
    }
}

impl Default for DipVaeII {
    fn default() -> Self {
        Self::new(10.0)
    }
}

impl Regulariser for DipVaeI {
    fn name(&self) -> String {
        "DIP-VAE-I".to_string()
    }

    fn strengths(&self) -> Vec<(&'static str, f64)> {
        vec![("lambda_od", self.lambda_od), ("lambda_d", self.lambda_d)]
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn terms(&self, batch: &Batch) -> Vec<Term> {
        let covariance = covariance(batch.posterior.mu.clone());
        terms(covariance, batch, self.lambda_od, self.lambda_d)
    }

    fn is_aggregate(&self) -> bool {
        true
    }
}

impl Regulariser for DipVaeII {
    fn name(&self) -> String {
        "DIP-VAE-II".to_string()
    }

    fn strengths(&self) -> Vec<(&'static str, f64)> {
        vec![("lambda_od", self.lambda_od), ("lambda_d", self.lambda_d)]
    }

    fn warm_up(&self) -> usize {
        self.warm_up
    }

    fn terms(&self, batch: &Batch) -> Vec<Term> {
        let Posterior { mu, log_variance } = batch.posterior.clone();
        let covariance = covariance(mu);
        let within = log_variance.exp().mean_dim(0) * identity(&covariance);
        terms(covariance + within, batch, self.lambda_od, self.lambda_d)
    }

    fn is_aggregate(&self) -> bool {
        true
    }
}

fn terms(covariance: Tensor<2>, batch: &Batch, lambda_od: f64, lambda_d: f64) -> Vec<Term> {
    let identity = identity(&covariance);
    let squares = (covariance - identity.clone()).square();
    let diagonal = (squares.clone() * identity).sum();
    let off_diagonal = squares.sum() - diagonal.clone();
    let warmth = batch.setting.warmth;
    vec![
        Term::rate(&batch.posterior, warmth),
        Term::new("off_diagonal", off_diagonal, lambda_od * warmth),
        Term::new("diagonal", diagonal, lambda_d * warmth),
    ]
}

/// Of the columns of `values`, `[rows, n]`: `[n, n]`, divided by the number of rows.
fn covariance(values: Tensor<2>) -> Tensor<2> {
    let rows = values.dims()[0] as f64;
    let centred = values.clone() - values.mean_dim(0);
    centred.clone().transpose().matmul(centred) / rows
}

fn identity(square: &Tensor<2>) -> Tensor<2> {
    Tensor::eye(square.dims()[0], &square.device())
}
