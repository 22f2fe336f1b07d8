//! VAEs whose decoder, encoder mean and encoder standard deviation are Lipschitz by construction
//! [Barrett et al. 2022], and the Lipschitz constants of any VAE.
//!
//! Activations are [GroupSort](vaegis_network::ops::GroupSort), which like the layers loses no
//! gradient. The standard deviation is fixed, or lies between two bounds. Constants hold in l2.

mod layers;
mod parameterisation;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vaegis_network::ops::{
    ActivationConfig, ElementwiseAffineConfig, Function, GroupSortConfig, Initialiser,
    OperatorConfig,
};
use vaegis_network::{NetworkConfig, NodeConfig, Value, Weights};

pub use layers::LipschitzLayers;
pub(crate) use parameterisation::Parameterisation;

use crate::{Error, Vae, VaeConfig};

/// Lipschitz constants of a VAE, in l2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LipschitzConstants {
    /// Of the mean of `p(x|z)`: a.
    pub decoder: f64,
    /// Of mu: b.
    pub encoder_mean: f64,
    /// Of sigma: c.
    pub encoder_sigma: f64,
}

impl From<LipschitzConstants> for [f64; 3] {
    /// a, b and c.
    fn from(constants: LipschitzConstants) -> Self {
        [constants.decoder, constants.encoder_mean, constants.encoder_sigma]
    }
}

/// What a VAE is to keep by construction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LipschitzConfig {
    /// Lipschitz constant a of the mean of `p(x|z)`.
    pub decoder: f64,
    /// Lipschitz constant b of mu.
    pub encoder_mean: f64,
    /// The posterior's standard deviations.
    pub sigma: PosteriorSigma,
    /// What layers are made of.
    pub layers: LipschitzLayers,
}

/// Standard deviations of a posterior that has a Lipschitz constant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PosteriorSigma {
    /// The same everywhere.
    Fixed {
        /// Of every latent.
        sigma: f64,
    },
    /// Learned, between two bounds.
    Bounded {
        /// Lipschitz constant c.
        constant: f64,
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
}

impl LipschitzConfig {
    /// The constants that are kept.
    pub fn constants(&self) -> LipschitzConstants {
        let encoder_sigma = match self.sigma {
            PosteriorSigma::Fixed { .. } => 0.0,
            PosteriorSigma::Bounded { constant, .. } => constant,
        };
        let Self { decoder, encoder_mean, .. } = *self;
        LipschitzConstants { decoder, encoder_mean, encoder_sigma }
    }

    /// What cannot work, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = vec![];
        let mut positive = |what: &str, value: f64| {
            if !(value > 0.0 && value.is_finite()) {
                problems.push(format!("{what} must be positive, found {value}"));
            }
        };
        positive("the Lipschitz constant of the decoder", self.decoder);
        positive("the Lipschitz constant of the encoder's mean", self.encoder_mean);
        match self.sigma {
            PosteriorSigma::Fixed { sigma } => positive("sigma", sigma),
            PosteriorSigma::Bounded { constant, low, high } => {
                positive("the Lipschitz constant of the encoder's sigma", constant);
                positive("the lower bound of sigma", low);
                if !(high > low && high.is_finite()) {
                    problems.push(format!(
                        "the upper bound of sigma must be above the lower, found {low} and {high}"
                    ));
                }
            }
        }
        problems
    }

    /// Name with its strength, as summaries show it: `Lipschitz (a 2, b 2, sigma 0.1)`.
    pub fn describe(&self) -> String {
        let Self { decoder, encoder_mean, .. } = self;
        match self.sigma {
            PosteriorSigma::Fixed { sigma } => {
                format!("Lipschitz (a {decoder}, b {encoder_mean}, sigma {sigma})")
            }
            PosteriorSigma::Bounded { constant, low, high } => format!(
                "Lipschitz (a {decoder}, b {encoder_mean}, c {constant}, sigma {low} to {high})"
            ),
        }
    }

    /// A VAE of the same architecture with GroupSort for activation and such a posterior, with
    /// parameters drawn from `seed`. Training makes its layers Lipschitz.
    ///
    /// # Errors
    /// Lists every setting that cannot work.
    pub fn init(&self, vae: &VaeConfig, seed: u64, device: &Device) -> Result<Vae, Error> {
        let problems = [vae.problems(), self.problems()].concat();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let ordinary = vae.init(seed, device)?;
        let mut problems = vec![];
        let mut encoder = sorting(ordinary.encoder().config(), &mut problems);
        let decoder = sorting(ordinary.decoder().config(), &mut problems);
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let constants = self.sigma.extend(&mut encoder);
        let mut initialiser = Initialiser::new(seed);
        let encoder = encoder.init(&mut initialiser, device)?;
        let mut weights = Weights::of(&encoder, "");
        for (value, [scale, shift]) in constants {
            let node = value - 1;
            weights.insert(format!("{node}.scale"), vec![1], vec![scale as f32]);
            weights.insert(format!("{node}.shift"), vec![1], vec![shift as f32]);
        }
        let encoder = weights.apply(encoder, "", "sigma".as_ref())?;
        Vae::new(encoder, decoder.init(&mut initialiser, device)?, vae.likelihood)
    }
}

/// The network with GroupSort for every activation.
fn sorting(mut config: NetworkConfig, problems: &mut Vec<String>) -> NetworkConfig {
    for position in 0..config.nodes.len() {
        if !matches!(config.nodes[position].operator, OperatorConfig::Activation(_)) {
            continue;
        }
        let before = config.nodes[position].from[0].checked_sub(1);
        let before = before.map(|before| &config.nodes[before].operator);
        // Neighbouring channels, or neighbours.
        let (channels, inner) = match before {
            Some(OperatorConfig::Linear(linear)) => (linear.outputs, 1),
            Some(OperatorConfig::Conv2d(conv)) => {
                (conv.channels, conv.output().map_or(1, |[_, height, width]| height * width))
            }
            Some(OperatorConfig::ConvTranspose2d(conv)) => {
                (conv.channels, conv.output().map_or(1, |[_, height, width]| height * width))
            }
            _ => (1, 1),
        };
        if !channels.is_multiple_of(2) {
            problems.push(format!(
                "GroupSort sorts pairs, so that widths and channels must be even, found {channels}"
            ));
        }
        let operator = OperatorConfig::GroupSort(GroupSortConfig { inner });
        config.nodes[position].operator = operator;
    }
    problems.dedup();
    config
}

impl PosteriorSigma {
    /// Puts this sigma in place of the encoder's second output; returns the scale and shift of the
    /// affine maps that make it.
    fn extend(self, encoder: &mut NetworkConfig) -> Vec<(Value, [f64; 2])> {
        let mut push = |operator, from: Value| {
            encoder.nodes.push(NodeConfig { from: vec![from], operator });
            encoder.nodes.len()
        };
        let affine =
            || OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size: 1, inner: 1 });
        let function = |function| OperatorConfig::Activation(ActivationConfig { function });
        let [mean, head] = [encoder.outputs[0], encoder.outputs[1]];
        let (log_variance, constants) = match self {
            Self::Fixed { sigma } => {
                let fixed = push(affine(), mean);
                (fixed, vec![(fixed, [0.0, 2.0 * sigma.ln()])])
            }
            Self::Bounded { low, high, .. } => {
                let share = push(function(Function::Sigmoid), head);
                let sigma = push(affine(), share);
                let logarithm = push(function(Function::Log), sigma);
                let twice = push(affine(), logarithm);
                (twice, vec![(sigma, [high - low, low]), (twice, [2.0, 0.0])])
            }
        };
        encoder.outputs[1] = log_variance;
        constants
    }
}

impl Vae {
    /// Lipschitz constants of the mean of `p(x|z)`, of mu and of sigma, from the weights.
    ///
    /// # Errors
    /// Says which of them has none and why, or that the model was said to keep smaller ones.
    pub fn lipschitz(&self) -> Result<LipschitzConstants, Error> {
        // The first to fail, and the first to be known, of ordinary VAEs: norms take longer.
        let refused = |error| Error::NotLipschitz(vec![format!("encoder sigma: {error}")]);
        let encoder_sigma = self.encoder().lipschitz_of_exp(1, 0.5).map_err(refused)?;
        let mut problems = vec![];
        let mut known = |what: &str, constant: Result<f64, vaegis_network::Error>| {
            constant.unwrap_or_else(|error| {
                problems.push(format!("{what}: {error}"));
                f64::NAN
            })
        };
        let found = LipschitzConstants {
            decoder: known("decoder", self.generator().lipschitz(0)),
            encoder_mean: known("encoder mean", self.encoder().lipschitz(0)),
            encoder_sigma,
        };
        if let Some(claimed) = self.claimed_lipschitz() {
            let pairs = <[f64; 3]>::from(found).into_iter().zip(<[f64; 3]>::from(claimed));
            for (what, (found, claimed)) in
                ["decoder", "encoder mean", "encoder sigma"].iter().zip(pairs)
            {
                if found > claimed {
                    problems.push(format!(
                        "{what}: the model claims {claimed}, but its weights only keep {found}"
                    ));
                }
            }
        }
        if problems.is_empty() { Ok(found) } else { Err(Error::NotLipschitz(problems)) }
    }
}
