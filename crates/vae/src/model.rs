use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use vaegis_network::ops::Initialiser;
use vaegis_network::{Network, NetworkConfig, Weights, load_weights, save_weights};

use crate::{Error, Likelihood, LipschitzConstants};

/// A variational autoencoder: encoder, decoder and likelihood.
#[derive(Module, Debug)]
pub struct Vae {
    encoder: Network,
    decoder: Network,
    #[module(skip)]
    likelihood: Likelihood,
    #[module(skip)]
    claims: Option<LipschitzConstants>,
}

/// The Gaussian posterior `q(z|x) = N(mu, diag(sigma^2))` of a batch.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// `[rows, latent]`.
    pub mu: Tensor<2>,
    /// `log sigma^2`, `[rows, latent]`.
    pub log_variance: Tensor<2>,
}

impl Posterior {
    /// Posterior standard deviations, `[rows, latent]`.
    pub fn sigma(&self) -> Tensor<2> {
        (self.log_variance.clone() * 0.5).exp()
    }

    /// `mu + eta sigma`.
    ///
    /// # Shapes
    /// `eta`: `[rows, latent]`; result the same.
    pub fn sample(&self, eta: Tensor<2>) -> Tensor<2> {
        self.mu.clone() + eta * self.sigma()
    }

    /// `KL(q(z|x) || N(0, I))` of each row, in nats: `[rows]`.
    pub fn kl_to_prior(&self) -> Tensor<1> {
        let terms = self.mu.clone().square() + self.log_variance.clone().exp()
            - self.log_variance.clone()
            - 1.0;
        terms.sum_dim(1).squeeze_dim(1) * 0.5
    }
}

/// Version of the model folder's format.
const FORMAT: u32 = 1;

/// `model.json`: everything about a VAE but its weights.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    likelihood: Likelihood,
    encoder: NetworkConfig,
    decoder: NetworkConfig,
    /// What the model was trained to keep. Nothing relies on it: constants are computed anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lipschitz: Option<LipschitzConstants>,
}

impl Vae {
    /// A VAE of an encoder with outputs `mu` and `log sigma^2`, and a decoder to the
    /// natural parameters of `likelihood`.
    ///
    /// # Errors
    /// Lists every way in which the two networks do not fit together.
    pub fn new(encoder: Network, decoder: Network, likelihood: Likelihood) -> Result<Self, Error> {
        let mut problems = vec![];
        if encoder.output_count() != 2 {
            let count = encoder.output_count();
            problems.push(format!("the encoder has {count} outputs, expected mu and log variance"));
        } else {
            let (mean, spread) = (encoder.output_features(0), encoder.output_features(1));
            if mean != spread {
                problems.push(format!("the encoder has {mean} means but {spread} log variances"));
            }
            if mean != decoder.input_features() {
                let takes = decoder.input_features();
                problems.push(format!("the encoder has {mean} latents, the decoder takes {takes}"));
            }
        }
        if decoder.output_count() != 1 || decoder.output_features(0) != encoder.input_features() {
            problems.push(format!(
                "the decoder must have one output of {} features",
                encoder.input_features()
            ));
        }
        if problems.is_empty() {
            Ok(Self { encoder, decoder, likelihood, claims: None })
        } else {
            Err(Error::Config(problems))
        }
    }

    /// `x -> (mu, log sigma^2)`.
    pub fn encoder(&self) -> &Network {
        &self.encoder
    }

    /// `z ->` natural parameters of `p(x|z)` (logits, or means of a Gaussian).
    pub fn decoder(&self) -> &Network {
        &self.decoder
    }

    /// The deterministic decoder `g`: `z ->` mean of `p(x|z)`. Shares the decoder's parameters.
    pub fn generator(&self) -> Network {
        match self.likelihood.mean_function() {
            None => self.decoder.clone(),
            Some(function) => self
                .decoder
                .clone()
                .followed_by(&function)
                .expect("an element-wise function fits every output"),
        }
    }

    /// What the decoder's outputs mean.
    pub fn likelihood(&self) -> Likelihood {
        self.likelihood
    }

    /// Sample shape of the data.
    pub fn input_shape(&self) -> &[usize] {
        self.encoder.input_shape()
    }

    /// Whether samples of this shape are what the model takes: axes of size 1 aside, so that
    /// `[28, 28]` and `[1, 28, 28]` are the same.
    pub fn takes(&self, shape: &[usize]) -> bool {
        let long = |shape: &[usize]| -> Vec<usize> {
            shape.iter().copied().filter(|&size| size != 1).collect()
        };
        long(self.input_shape()) == long(shape)
    }

    /// Dimensions of the latent space.
    pub fn latent(&self) -> usize {
        self.decoder.input_features()
    }

    /// The posterior of a batch, `x`: `[rows, features]`.
    pub fn encode(&self, x: Tensor<2>) -> Posterior {
        let mut outputs = self.encoder.forward(x);
        let log_variance = outputs.pop().expect("checked to have two outputs");
        let mu = outputs.pop().expect("checked to have two outputs");
        Posterior { mu, log_variance }
    }

    /// Writes `model.json` and `weights.safetensors` into `folder`, which must exist.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let manifest = Manifest {
            format: FORMAT,
            likelihood: self.likelihood,
            encoder: self.encoder.config(),
            decoder: self.decoder.config(),
            lipschitz: self.claims,
        };
        let (path, weights) = files(folder);
        let text = serde_json::to_string_pretty(&manifest).expect("manifests have string keys");
        save_weights(&self.weights(), &weights)?;
        std::fs::write(&path, text).map_err(Error::io(&path))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// Names the missing or damaged file, and every tensor that is missing, misshapen
    /// or not finite.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, Error> {
        let (path, weights) = files(folder);
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|error| Error::format(&path, format!("not a vaegis model: {error}")))?;
        if manifest.format != FORMAT {
            let found = manifest.format;
            return Err(Error::format(
                &path,
                format!("format {found}, this vaegis reads {FORMAT}"),
            ));
        }
        // The initial parameters are all replaced.
        let mut initialiser = Initialiser::new(0);
        let encoder = manifest.encoder.init(&mut initialiser, device)?;
        let decoder = manifest.decoder.init(&mut initialiser, device)?;
        Self::new(encoder, decoder, manifest.likelihood)?
            .with_claims(manifest.lipschitz)
            .with_weights(&load_weights(&weights)?, &weights)
    }

    /// All parameters by name.
    pub fn weights(&self) -> Weights {
        Weights::of(&self.encoder, "encoder.").merge(Weights::of(&self.decoder, "decoder."))
    }

    /// This VAE with other parameters; `origin` is the file to blame for errors.
    ///
    /// # Errors
    /// Lists every tensor that is missing, misshapen or not finite.
    pub fn with_weights(self, weights: &Weights, origin: &Path) -> Result<Self, Error> {
        Ok(Self {
            encoder: weights.apply(self.encoder, "encoder.", origin)?,
            decoder: weights.apply(self.decoder, "decoder.", origin)?,
            ..self
        })
    }

    /// This VAE with other networks of the same graphs.
    pub(crate) fn with_networks(&self, encoder: Network, decoder: Network) -> Self {
        Self { encoder, decoder, ..self.clone() }
    }

    /// This VAE with the Lipschitz constants that its weights are said to keep.
    pub(crate) fn with_claims(self, claims: Option<LipschitzConstants>) -> Self {
        Self { claims, ..self }
    }

    /// The Lipschitz constants that the model was trained to keep, if it was: a claim, which
    /// [`lipschitz`](Self::lipschitz) checks.
    pub fn claimed_lipschitz(&self) -> Option<LipschitzConstants> {
        self.claims
    }

    /// `784-400-400-10, Bernoulli`: widths of the encoder's matrix products on the way to mu, and
    /// the likelihood. Of encoders that are more than a chain of them, their size.
    pub fn describe(&self) -> String {
        let config = self.encoder.config();
        let parts = chain(&config).unwrap_or_else(|| {
            vec![format!(
                "{} to {} latents by {} operators",
                self.encoder.input_features(),
                self.latent(),
                config.nodes.len()
            )]
        });
        format!("{}, {}", parts.join("-"), self.likelihood.name())
    }
}

/// The layers on the way to mu, if they are all there is.
fn chain(config: &NetworkConfig) -> Option<Vec<String>> {
    use vaegis_network::ops::OperatorConfig as Op;
    let mut parts = vec![];
    let mut value = config.outputs[0];
    while let Some(position) = value.checked_sub(1) {
        let node = &config.nodes[position];
        let before = match &node.operator {
            Op::Linear(linear) => {
                parts.push(linear.outputs.to_string());
                Some(linear.inputs)
            }
            Op::Conv2d(conv) => {
                let [height, width] = conv.kernel;
                parts.push(format!("conv{height}x{width}:{}", conv.channels));
                None
            }
            Op::Activation(_) | Op::Reshape(_) | Op::GroupSort(_) => None,
            _ => return None,
        };
        value = node.from[0];
        if let (0, Some(inputs)) = (value, before) {
            parts.push(inputs.to_string());
        }
    }
    parts.reverse();
    Some(parts)
}

fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("model.json"), folder.join("weights.safetensors"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, VaeConfig};
    use vaegis_network::ops::Function;

    fn small(seed: u64) -> Vae {
        let config = VaeConfig {
            input_shape: vec![6],
            latent: 2,
            architecture: Architecture::Mlp { hidden: vec![5], activation: Function::Tanh },
            likelihood: Likelihood::ContinuousBernoulli,
        };
        config.init(seed, &Device::flex()).unwrap()
    }

    #[test]
    fn a_saved_model_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let vae = small(1);
        vae.save(folder.path()).unwrap();
        let loaded = Vae::load(folder.path(), &Device::flex()).unwrap();
        assert_eq!(loaded.weights(), vae.weights());
        assert_eq!(loaded.likelihood(), vae.likelihood());
        assert_eq!(loaded.describe(), "6-5-2, continuous Bernoulli");
    }

    #[test]
    fn axes_of_size_one_make_no_difference() {
        let vae = small(1);
        for (shape, fits) in
            [(&[6][..], true), (&[1, 6], true), (&[6, 1, 1], true), (&[2, 3], false)]
        {
            assert_eq!(vae.takes(shape), fits, "{shape:?}");
        }
    }

    #[test]
    fn damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = Vae::load(folder.path(), &Device::flex()).unwrap_err().to_string();
        assert!(message.contains("model.json"), "{message}");
        let mut weights = small(1).weights();
        let (shape, mut values) = {
            let (shape, values) = weights.get("decoder.0.weight").unwrap();
            (shape.to_vec(), values.to_vec())
        };
        values[3] = f32::INFINITY;
        weights.insert("decoder.0.weight", shape, values);
        small(1).save(folder.path()).unwrap();
        save_weights(&weights, &folder.path().join("weights.safetensors")).unwrap();
        let message = Vae::load(folder.path(), &Device::flex()).unwrap_err().to_string();
        assert!(message.contains("decoder.0.weight is inf at element 3"), "{message}");
    }

    #[test]
    fn kl_matches_its_closed_form() {
        let device = Device::flex();
        let posterior = Posterior {
            mu: Tensor::from_floats([[0.5, -1.0], [0.0, 0.0]], &device),
            log_variance: Tensor::from_floats([[0.2, -0.7], [0.0, 0.0]], &device),
        };
        let found: Vec<f32> = posterior.kl_to_prior().into_data().try_to_vec().unwrap();
        let exact = 0.5 * (0.25 + 0.2f32.exp() - 0.2 - 1.0 + 1.0 + (-0.7f32).exp() + 0.7 - 1.0);
        assert!((found[0] - exact).abs() < 1e-6 && found[1].abs() < 1e-7);
    }
}
