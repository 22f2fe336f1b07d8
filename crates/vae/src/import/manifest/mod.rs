//! VAEs that users bring as the weights of a PyTorch model (safetensors, with the names and
//! layouts of `state_dict()`) and a manifest in TOML that says which layers they belong to.
//!
//! Sizes come from the tensors. What a manifest leaves out is not there.

mod layers;
mod normalisations;
mod products;
mod settings;
mod stack;
mod state_dict;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Deserializer};
use toml::Value;
use vaegis_network::Network;

use super::declared::Declared;
use super::parts::{assemble, half, range_of};
use super::{ImportOptions, Imported, PosteriorOutputs, Preprocessing, Reconstruction, Spread};
use crate::{Error, Likelihood};
use stack::{Held, Stack};
use state_dict::StateDict;

/// A manifest as it is written. A layer is a text or a table, read in `layers.rs`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The safetensors file, relative to the manifest.
    weights: PathBuf,
    /// Shape of a sample of the data.
    input: Vec<usize>,
    #[serde(deserialize_with = "likelihood")]
    likelihood: Likelihood,
    /// Tensors that are no part of the VAE.
    #[serde(default)]
    ignore: Vec<String>,
    encoder: EncoderManifest,
    decoder: DecoderManifest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncoderManifest {
    #[serde(default)]
    layers: Vec<Value>,
    /// A layer or several from the output of `layers` to mu.
    mu: Option<Value>,
    /// The same to the spread: one of these.
    log_variance: Option<Value>,
    log_sigma: Option<Value>,
    variance: Option<Value>,
    softplus_sigma: Option<Value>,
    /// The same, or one number for all.
    sigma: Option<Value>,
    /// Instead of both: `layers` return mu and then this, along the first axis.
    halves: Option<Spread>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecoderManifest {
    layers: Vec<Value>,
    /// What they return, where the last of them does not say it.
    returns: Option<Reconstruction>,
}

/// `"bernoulli"`, `"continuous-bernoulli"` or `{ gaussian = 0.1 }`.
fn likelihood<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Likelihood, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Name {
        Bernoulli,
        ContinuousBernoulli,
        Gaussian(f64),
    }
    match Name::deserialize(deserializer)? {
        Name::Bernoulli => Ok(Likelihood::Bernoulli),
        Name::ContinuousBernoulli => Ok(Likelihood::ContinuousBernoulli),
        Name::Gaussian(sigma) if sigma > 0.0 && sigma.is_finite() => {
            Ok(Likelihood::Gaussian { sigma })
        }
        Name::Gaussian(sigma) => {
            Err(serde::de::Error::custom(format!("sigma must be positive, found {sigma}")))
        }
    }
}

/// Imports the model that a manifest describes, for data of some shape (that of the model's input
/// if there is none) and with what happens to it before the encoder.
///
/// # Errors
/// Lists everything that is missing, does not fit or is left over: layers, settings, tensors.
pub fn import_manifest(
    path: &Path,
    data_shape: Option<&[usize]>,
    preprocessing: &Preprocessing,
    device: &Device,
) -> Result<Imported, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let manifest: Manifest =
        toml::from_str(&text).map_err(|error| Error::format(path, error.to_string().trim_end()))?;
    let weights = path.parent().unwrap_or(Path::new("")).join(&manifest.weights);
    let bytes = std::fs::read(&weights).map_err(Error::io(&weights))?;
    let mut build = Build { tensors: StateDict::parse(&weights, &bytes)?, problems: vec![] };
    let encoder = build.encoder(&manifest);
    // mu is what the decoder takes.
    let latent = encoder.as_ref().and_then(|(_, outputs, posterior)| match posterior {
        PosteriorOutputs::One { .. } => half(&outputs[0].shape),
        _ => Some(outputs[0].shape.clone()),
    });
    let decoder = build.decoder(&manifest.decoder.layers, latent);
    build.problems.extend(build.tensors.unused(&manifest.ignore));
    let (Some((encoder, outputs, posterior)), Some((decoder, output)), true) =
        (encoder, decoder, build.problems.is_empty())
    else {
        let lines = build.problems.iter().map(|line| format!("{}: {line}", path.display()));
        return Err(Error::Import(lines.collect()));
    };
    let outputs: Vec<usize> = outputs.iter().map(|output| output.value).collect();
    let encoder = encoder.network(&outputs, device, &weights)?;
    let decoder = decoder.network(&[output.value], device, &weights)?;
    let declared = Declared {
        likelihood: Some(manifest.likelihood),
        returns: Some(returned(&manifest, &decoder)),
    };
    let options = ImportOptions {
        data_shape: Some(data_shape.unwrap_or(&manifest.input).to_vec()),
        preprocessing: preprocessing.clone(),
        ..ImportOptions::default()
    };
    let remarks = vec![posterior.describe()];
    assemble(encoder, decoder, &posterior, ("x_hat", declared), &options, [path; 2], remarks)
}

/// What the decoder returns: stated, or the only thing that goes with its end and likelihood.
fn returned(manifest: &Manifest, decoder: &Network) -> Reconstruction {
    let gaussian = matches!(manifest.likelihood, Likelihood::Gaussian { .. });
    match manifest.decoder.returns {
        Some(returns) => returns,
        None if gaussian || range_of(decoder).is_some() => Reconstruction::Means,
        None => Reconstruction::Logits,
    }
}

/// Networks under construction, and all that is wrong.
struct Build<'a> {
    tensors: StateDict<'a>,
    problems: Vec<String>,
}

impl Build<'_> {
    /// The encoder, its outputs, and what they are. Nothing if something is wrong.
    fn encoder(&mut self, manifest: &Manifest) -> Option<(Stack, Vec<Held>, PosteriorOutputs)> {
        let started = Stack::new(&manifest.input);
        let (mut stack, x) =
            started.map_err(|problem| self.problems.push(format!("input: {problem}"))).ok()?;
        let encoder = &manifest.encoder;
        let h = self.layers(&mut stack, "encoder.layers", &encoder.layers, Some(x));
        let spreads: Vec<(&str, &Value, Spread)> = [
            ("log_variance", &encoder.log_variance, Spread::LogVariance),
            ("log_sigma", &encoder.log_sigma, Spread::LogSigma),
            ("variance", &encoder.variance, Spread::Variance),
            ("softplus_sigma", &encoder.softplus_sigma, Spread::SoftplusSigma),
            ("sigma", &encoder.sigma, Spread::Sigma),
        ]
        .into_iter()
        .filter_map(|(name, layers, kind)| Some((name, layers.as_ref()?, kind)))
        .collect();
        match (&encoder.mu, spreads.as_slice(), encoder.halves) {
            (Some(mu), &[(name, spread, kind)], None) => {
                let mean = self.head(&mut stack, "mu", mu, h.clone());
                let number = spread.as_float().or(spread.as_integer().map(|sigma| sigma as f64));
                if let Some(sigma) = number {
                    if !(sigma > 0.0 && sigma.is_finite()) {
                        let problem = format!("encoder.sigma must be positive, found {sigma}");
                        self.problems.push(problem);
                    }
                    let posterior = PosteriorOutputs::Mean { mean: "mu".to_string(), sigma };
                    return Some((stack, vec![mean?], posterior));
                }
                let spread = self.head(&mut stack, name, spread, h);
                let posterior = PosteriorOutputs::Two {
                    mean: "mu".to_string(),
                    spread: name.to_string(),
                    kind,
                    by: "as the file says",
                };
                Some((stack, vec![mean?, spread?], posterior))
            }
            (None, [], Some(kind)) if !matches!(kind, Spread::Fixed(_)) => {
                let both = "the encoder's last layer".to_string();
                Some((stack, vec![h?], PosteriorOutputs::One { both, kind }))
            }
            _ => {
                self.problems.push(
                    "encoder: it needs mu and one of log_variance, log_sigma, variance, sigma and \
                     softplus_sigma; or else halves = \"log-variance\" (or one of the others), if \
                     its last layer returns both"
                        .to_string(),
                );
                None
            }
        }
    }

    /// The decoder and its output. Nothing if something is wrong.
    fn decoder(&mut self, layers: &[Value], latent: Option<Vec<usize>>) -> Option<(Stack, Held)> {
        // Of a decoder whose input is unknown, names and tensors are checked all the same.
        let (mut stack, z) = match latent.map(|shape| Stack::new(&shape)) {
            Some(Ok((stack, z))) => (stack, Some(z)),
            _ => (Stack::new(&[1]).ok()?.0, None),
        };
        let output = self.layers(&mut stack, "decoder.layers", layers, z)?;
        Some((stack, output))
    }

    /// One layer or several after the encoder's.
    fn head(
        &mut self,
        stack: &mut Stack,
        name: &str,
        layers: &Value,
        h: Option<Held>,
    ) -> Option<Held> {
        let place = format!("encoder.{name}");
        match layers {
            Value::Array(layers) => self.layers(stack, &place, layers, h),
            layer => layers::push(stack, &place, layer, h, &mut self.tensors, &mut self.problems),
        }
    }

    fn layers(
        &mut self,
        stack: &mut Stack,
        place: &str,
        layers: &[Value],
        x: Option<Held>,
    ) -> Option<Held> {
        layers::push_all(stack, place, layers, x, &mut self.tensors, &mut self.problems)
    }
}
