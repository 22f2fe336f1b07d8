use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Posterior, Vae};

/// What training minimises.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Objective {
    /// `-E[log p(x|z)] + beta KL(q(z|x) || N(0, I))` [Higgins et al. 2017]; the ELBO at beta = 1.
    BetaVae {
        /// Weight of the KL term.
        beta: f64,
        /// Epochs over which the weight rises linearly from 0 to beta; 0 switches it off.
        warm_up: usize,
    },
    /// The same, with `weight E[log(1 + |Sigma^(-1/2) J|_F^2)] / 2` on top, for the Jacobian J of mu:
    /// margins are, to first order, inversely proportional to the norm. Norms below 1 are margins of
    /// several units of the data, and hardly worth more.
    Margin {
        /// Weight of the KL term.
        beta: f64,
        /// Epochs over which both weights rise linearly from 0. With 0, latents may be given up
        /// before the decoder has learnt to use them.
        warm_up: usize,
        /// Weight of the norm's logarithm.
        weight: f64,
    },
}

impl Objective {
    /// The negative ELBO.
    pub const ELBO: Self = Self::BetaVae { beta: 1.0, warm_up: 0 };

    /// Weight of the KL term, and the epochs over which it rises.
    fn rate(self) -> (f64, usize) {
        match self {
            Self::BetaVae { beta, warm_up } | Self::Margin { beta, warm_up, .. } => (beta, warm_up),
        }
    }

    /// The share of the weights that counts after `progress` epochs (fractions count).
    pub fn warmth_at(self, progress: f64) -> f64 {
        let (_, warm_up) = self.rate();
        if warm_up == 0 { 1.0 } else { (progress / warm_up as f64).min(1.0) }
    }

    /// Whether the warm-up is over after `epochs` epochs.
    pub fn is_settled(self, epochs: usize) -> bool {
        let (_, warm_up) = self.rate();
        epochs >= warm_up
    }

    /// What cannot work, in words.
    pub fn problems(self) -> Vec<String> {
        let mut problems = vec![];
        let mut require = |name: &str, value: f64| {
            if !(value >= 0.0 && value.is_finite()) {
                problems.push(format!("{name} must be finite and not negative, found {value}"));
            }
        };
        require("beta", self.rate().0);
        if let Self::Margin { weight, .. } = self {
            require("margin weight", weight);
        }
        problems
    }

    /// Name with its strength, as summaries show it: `beta-VAE (beta 4)`.
    pub fn describe(self) -> String {
        let (beta, warm_up) = self.rate();
        let name = if beta == 1.0 { "VAE".to_string() } else { format!("beta-VAE (beta {beta})") };
        let name = match self {
            Self::BetaVae { .. } => name,
            Self::Margin { weight, .. } => format!("{name}, margin weight {weight}"),
        };
        if warm_up == 0 { name } else { format!("{name}, warm-up {warm_up}") }
    }

    /// The loss of a batch, averaged over rows, and its terms as plain numbers once
    /// [`BatchLoss::terms`] asks for them.
    ///
    /// `warmth` is the share of the weights that counts.
    ///
    /// # Shapes
    /// `x`: `[rows, features]`, `eta`: `[rows, latent]` of standard normal noise.
    pub fn loss(self, vae: &Vae, x: Tensor<2>, eta: Tensor<2>, warmth: f64) -> BatchLoss {
        let (posterior, log_norm) = match self {
            Self::BetaVae { .. } => (vae.encode(x.clone()), None),
            Self::Margin { .. } => {
                let (posterior, log_norm) = with_log_norm(vae, x.clone(), eta.clone().sign());
                (posterior, Some(log_norm.mean()))
            }
        };
        let natural = vae.decoder().forward(posterior.sample(eta)).remove(0);
        let distortion = vae.likelihood().log_probability(natural, x).mean() * -1.0;
        let rate = posterior.kl_to_prior().mean();
        let mut total = distortion.clone() + rate.clone() * (self.rate().0 * warmth);
        if let (Self::Margin { weight, .. }, Some(log_norm)) = (self, &log_norm) {
            total = total + log_norm.clone() * (weight * warmth);
        }
        BatchLoss { total, distortion, rate, log_norm }
    }
}

/// The posterior of a batch, and an estimate of `log(1 + |Sigma^(-1/2) J|_F^2) / 2` for every row:
/// with independent random signs w, `E |w' Sigma^(-1/2) J|^2` is the square of the norm
/// [Hutchinson 1990]. With the 1, there is no end of reward for giving all latents up.
/// The vjp is made of tensor operations, so that this is differentiable like the rest.
///
/// # Shapes
/// `x`: `[rows, features]`, `signs`: `[rows, latent]`; result `[rows]`.
fn with_log_norm(vae: &Vae, x: Tensor<2>, signs: Tensor<2>) -> (Posterior, Tensor<1>) {
    let encoder = vae.encoder();
    let trace = encoder.trace(x);
    let posterior =
        Posterior { mu: encoder.output(&trace, 0), log_variance: encoder.output(&trace, 1) };
    let cotangent = (signs / posterior.sigma()).unsqueeze_dim(1);
    let pulled = encoder.vjp(&trace, vec![Some(cotangent), None]);
    let squares = pulled.square().sum_dim(2).flatten::<1>(0, 2);
    (posterior, squares.log1p() * 0.5)
}

/// The differentiable loss of one batch.
#[derive(Debug, Clone)]
pub struct BatchLoss {
    /// What is minimised.
    pub total: Tensor<1>,
    distortion: Tensor<1>,
    rate: Tensor<1>,
    log_norm: Option<Tensor<1>>,
}

impl BatchLoss {
    /// The terms as numbers.
    pub fn terms(&self) -> Losses {
        Losses {
            total: number(self.total.clone()),
            distortion: number(self.distortion.clone()),
            rate: number(self.rate.clone()),
            log_norm: self.log_norm.clone().map_or(0.0, number),
        }
    }
}

pub(crate) fn number(scalar: Tensor<1>) -> f64 {
    let data = scalar.into_data().convert_dtype(DType::F64);
    data.as_slice::<f64>().map_or(f64::NAN, |values| values[0])
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Loss terms averaged over rows, in nats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// What is minimised.
    pub total: f64,
    /// `-E[log p(x|z)]`.
    pub distortion: f64,
    /// `KL(q(z|x) || N(0, I))`, without its weight.
    pub rate: f64,
    /// `E[log(1 + |Sigma^(-1/2) J|_F^2)] / 2`, without its weight; 0 unless the objective has it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub log_norm: f64,
}

impl Losses {
    /// The evidence lower bound: `-(distortion + rate)`.
    pub fn elbo(&self) -> f64 {
        -(self.distortion + self.rate)
    }

    /// Adds `rows` rows of `other` to a sum over rows.
    pub(crate) fn add(&mut self, other: Losses, rows: usize) {
        let rows = rows as f64;
        self.total += other.total * rows;
        self.distortion += other.distortion * rows;
        self.rate += other.rate * rows;
        self.log_norm += other.log_norm * rows;
    }

    /// A sum over `rows` rows as an average.
    pub(crate) fn averaged(self, rows: usize) -> Losses {
        let rows = rows.max(1) as f64;
        Losses {
            total: self.total / rows,
            distortion: self.distortion / rows,
            rate: self.rate / rows,
            log_norm: self.log_norm / rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, Likelihood, VaeConfig};
    use burn::module::Module;
    use burn::tensor::{Device, TensorData};
    use std::path::Path;
    use vaegis_network::ops::Function;

    const LATENT: usize = 3;

    fn vae() -> Vae {
        let config = VaeConfig {
            input_shape: vec![5],
            latent: LATENT,
            architecture: Architecture::Mlp { hidden: vec![6], activation: Function::Tanh },
            likelihood: Likelihood::Bernoulli,
        };
        config.init(4, &Device::flex()).unwrap()
    }

    fn tensor(values: &[f32], rows: usize, device: &Device) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), [rows, values.len() / rows]);
        Tensor::from_data(data, device)
    }

    #[test]
    fn signs_estimate_the_norm_without_bias() {
        let vae = vae();
        let device = Device::flex();
        let x = [0.1, 0.9, 0.4, 0.7, 0.2];
        // All signs there are, each once.
        let count = 1 << LATENT;
        let sign = |bits: usize, latent: usize| if bits >> latent & 1 == 1 { 1.0 } else { -1.0 };
        let signs: Vec<f32> =
            (0..count).flat_map(|bits| (0..LATENT).map(move |l| sign(bits, l))).collect();
        let rows = tensor(&x.repeat(count), count, &device);
        let (posterior, log_norm) = with_log_norm(&vae, rows, tensor(&signs, count, &device));
        let estimate = number((log_norm * 2.0).exp().mean()) - 1.0;
        let trace = vae.encoder().trace(tensor(&x, 1, &device));
        let jacobian = vae.encoder().jacobian(&trace, 0).flatten::<2>(0, 1);
        let sigma = posterior.sigma().narrow(0, 0, 1).transpose();
        let exact = number((jacobian / sigma).square().sum());
        assert!((estimate - exact).abs() < 1e-4 * exact, "{estimate} {exact}");
    }

    #[test]
    fn the_norm_is_differentiated() {
        let objective = Objective::Margin { beta: 0.5, warm_up: 0, weight: 2.0 };
        let x: Vec<f32> = (0..20).map(|k| (k as f32 * 0.37).fract()).collect();
        let eta: Vec<f32> = (0..12).map(|k| (k as f32 * 1.7).sin() * 1.5).collect();
        let total = |vae: &Vae, device: &Device| {
            objective.loss(vae, tensor(&x, 4, device), tensor(&eta, 4, device), 0.7).total
        };
        let tracked = vae().train();
        let loss = total(&tracked, &Device::flex().autodiff());
        let gradients = loss.backward();
        let weights = vae().weights();
        let mut compared = 0;
        for name in ["encoder.0.weight", "encoder.2.weight", "encoder.3.weight", "encoder.0.bias"] {
            let (shape, values) = weights.get(name).unwrap();
            let at = values.len() / 2;
            let moved = |step: f32| {
                let mut values = values.to_vec();
                values[at] += step;
                let mut weights = weights.clone();
                weights.insert(name, shape.to_vec(), values);
                let vae = vae().with_weights(&weights, Path::new("moved")).unwrap();
                number(total(&vae, &Device::flex()))
            };
            let difference = (moved(0.01) - moved(-0.01)) / 0.02;
            let mut found = f64::NAN;
            tracked.encoder().clone().map_operators(|position, operator| {
                use vaegis_network::ops::Operator;
                if let Operator::Linear(linear) = &operator {
                    let gradient = match name.rsplit('.').next() {
                        Some("bias") => linear.bias.val().grad(&gradients).unwrap().into_data(),
                        _ => linear.weight.val().grad(&gradients).unwrap().into_data(),
                    };
                    if name.split('.').nth(1) == Some(&position.to_string()) {
                        found = f64::from(gradient.as_slice::<f32>().unwrap()[at]);
                    }
                }
                operator
            });
            assert!(
                (found - difference).abs() < 2e-3 * (1.0 + found.abs()),
                "{found} {difference}"
            );
            compared += 1;
        }
        assert_eq!(compared, 4);
    }
}
