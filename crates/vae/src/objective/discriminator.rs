use std::path::Path;

use burn::tensor::{Device, Tensor};
use vaegis_network::ops::{ActivationConfig, Function, Initialiser, LinearConfig, OperatorConfig};
use vaegis_network::{Network, NetworkBuilder, Weights};

use super::FactorVae;
use crate::Error;

/// Tells draws of the aggregate posterior `q(z)` from those of the product of its marginals.
/// Its one output is a logit, so that it is the logarithm of their ratio once it has learnt.
#[derive(burn::module::Module, Debug)]
pub(crate) struct Discriminator {
    network: Network,
}

impl Discriminator {
    /// # Errors
    /// If there is no such network.
    pub(crate) fn new(
        config: &FactorVae,
        latent: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Error> {
        const ACTIVATION: Function = Function::LeakyRelu { slope: 0.2 };
        let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
        let mut builder = NetworkBuilder::new(vec![latent]);
        let (mut value, mut width) = (0, latent);
        for _ in 0..config.discriminator_layers {
            value = builder.push(linear(width, config.discriminator_width), &[value]);
            let activation = OperatorConfig::Activation(ActivationConfig { function: ACTIVATION });
            value = builder.push(activation, &[value]);
            width = config.discriminator_width;
        }
        let logit = builder.push(linear(width, 1), &[value]);
        let network = builder.finish(&[logit], &mut Initialiser::new(seed), device)?;
        Ok(Self { network })
    }

    /// The estimate of `log q(z) - sum_j log q(z_j)`.
    ///
    /// # Shapes
    /// `z`: `[rows, latent]`; result `[rows]`.
    pub(crate) fn log_ratio(&self, z: Tensor<2>) -> Tensor<1> {
        self.network.forward(z).remove(0).squeeze_dim(1)
    }

    /// What it minimises: the cross-entropy of telling `z`, drawn from the aggregate posterior, from
    /// `permuted`, drawn from the product of its marginals. ln 2 if it cannot.
    ///
    /// # Shapes
    /// `z`, `permuted`: `[rows, latent]`.
    pub(crate) fn loss(&self, z: Tensor<2>, permuted: Tensor<2>) -> Tensor<1> {
        let missed = softplus(self.log_ratio(z) * -1.0).mean();
        let mistaken = softplus(self.log_ratio(permuted)).mean();
        (missed + mistaken) * 0.5
    }

    /// Its parameters by name.
    pub(crate) fn weights(&self) -> Weights {
        Weights::of(&self.network, "discriminator.")
    }

    /// This discriminator with other parameters; `origin` is the file to blame for errors.
    ///
    /// # Errors
    /// Lists every tensor that is missing, misshapen or not finite.
    pub(crate) fn with_weights(self, weights: &Weights, origin: &Path) -> Result<Self, Error> {
        Ok(Self { network: weights.apply(self.network, "discriminator.", origin)? })
    }
}

/// `ln(1 + e^t)`, written so that nothing overflows.
fn softplus(logits: Tensor<1>) -> Tensor<1> {
    logits.clone().clamp_min(0.0) + (logits.abs() * -1.0).exp().log1p()
}
