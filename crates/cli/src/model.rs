//! Which model a command works on: one that vaegis trained, ONNX files, or weights of PyTorch with
//! a manifest.

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use vaegis_vae::import::{
    ImportOptions, Preprocessing, Reconstruction, ReconstructionSpace, Spread, import_file,
    import_manifest, import_pair,
};
use vaegis_vae::{Likelihood, Vae};

use crate::arguments::LikelihoodName;

/// A model.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelOptions {
    /// Folder of a model that vaegis trained, an ONNX file with encoder and decoder in it, or a
    /// manifest (.toml) of PyTorch's weights
    #[arg(required_unless_present = "encoder")]
    pub(crate) model: Option<PathBuf>,
    /// ONNX file of an encoder
    #[arg(long, requires = "decoder", conflicts_with = "model", value_name = "FILE")]
    pub(crate) encoder: Option<PathBuf>,
    /// ONNX file of its decoder
    #[arg(long, requires = "encoder", value_name = "FILE")]
    pub(crate) decoder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) import: ImportArguments,
}

/// What the files of an imported model do not say beyond doubt.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Imported models")]
pub(crate) struct ImportArguments {
    /// What the encoder's outputs hold: mu, then this (or both in one output, mu first)
    #[arg(long, value_enum)]
    spread: Option<SpreadName>,
    /// One fixed standard deviation, for encoders that return mu alone
    #[arg(long, conflicts_with = "spread", allow_negative_numbers = true)]
    sigma: Option<f64>,
    /// Names of the outputs that hold mu and the spread
    #[arg(long, value_delimiter = ',', value_name = "MU,SPREAD")]
    posterior: Option<Vec<String>>,
    /// Name of the output that holds the reconstruction
    #[arg(long, value_name = "NAME")]
    reconstruction: Option<String>,
    /// Name of the value that the decoder starts from (one-file models)
    #[arg(long, value_name = "NAME")]
    latent_value: Option<String>,
    /// What the decoder returns
    #[arg(long, value_enum)]
    decoder_returns: Option<Returns>,
    /// p(x|z): Bernoulli for logits and sigmoids, else Gaussian, unless stated
    #[arg(long = "import-likelihood", value_enum, value_name = "LIKELIHOOD")]
    likelihood: Option<LikelihoodName>,
    /// Standard deviation of a Gaussian likelihood
    #[arg(long, allow_negative_numbers = true, default_value_t = 1.0, value_name = "SIGMA")]
    import_likelihood_sigma: f64,
    /// The encoder sees (SCALE x - MEAN) / STD
    #[arg(long, allow_negative_numbers = true)]
    scale: Option<f64>,
    /// One number, or one for each channel
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    mean: Vec<f64>,
    /// One number, or one for each channel
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    std: Vec<f64>,
    /// Where the decoder's means live: with the data, or with the encoder's input
    #[arg(long, value_enum)]
    reconstruction_space: Option<Space>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SpreadName {
    LogVariance,
    LogSigma,
    Sigma,
    Variance,
    /// s with sigma = ln(1 + e^s)
    SoftplusSigma,
}

/// What a decoder returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Returns {
    /// Means of p(x|z)
    Means,
    /// Logits of a Bernoulli distribution
    Logits,
}

impl From<Returns> for Reconstruction {
    fn from(returns: Returns) -> Self {
        match returns {
            Returns::Means => Self::Means,
            Returns::Logits => Self::Logits,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Space {
    Data,
    Model,
}

/// The data that a model is to be used on, as far as an import depends on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct DataFacts {
    /// Shape of a sample.
    pub(crate) shape: Option<Vec<usize>>,
    /// Whether a value lies outside [0, 1].
    pub(crate) beyond_unit_interval: bool,
}

/// A model that was opened.
#[derive(Debug)]
pub(crate) struct OpenedModel {
    pub(crate) vae: Vae,
    /// How an imported model was understood.
    pub(crate) remarks: Vec<String>,
}

impl ModelOptions {
    /// Opens the model.
    pub(crate) fn open(&self, data: &DataFacts) -> anyhow::Result<OpenedModel> {
        let device = Device::flex();
        let imported = match (&self.model, &self.encoder, &self.decoder) {
            (None, Some(encoder), Some(decoder)) => {
                import_pair(encoder, decoder, &self.import.options(data)?, &device)?
            }
            (Some(model), None, _) if is_manifest(model) => {
                ensure!(
                    !self.import.are_conventions(),
                    "{}: a manifest says itself what its model returns: of the options of imported \
                     models only --scale, --mean, --std and --reconstruction-space apply",
                    model.display()
                );
                let preprocessing = self.import.options(data)?.preprocessing;
                import_manifest(model, data.shape.as_deref(), &preprocessing, &device)?
            }
            (Some(model), None, _) if is_onnx(model) => {
                import_file(model, &self.import.options(data)?, &device)?
            }
            (Some(model), None, _) => {
                ensure!(
                    !self.import.are_conventions() && !self.import.is_preprocessing(),
                    "{}: a model that vaegis trained says itself what it is: options of imported \
                     models do not apply",
                    model.display()
                );
                return Ok(OpenedModel { vae: Vae::load(model, &device)?, remarks: vec![] });
            }
            _ => bail!("give a model, or --encoder and --decoder"),
        };
        Ok(OpenedModel { vae: imported.vae, remarks: imported.remarks })
    }

    /// Name of the model: of its folder or file.
    pub(crate) fn name(&self) -> String {
        let path = self.model.as_ref().or(self.encoder.as_ref());
        path.map_or_else(|| "model".to_string(), |path| stem(path))
    }
}

/// Weights of PyTorch come with a manifest in TOML.
fn is_manifest(path: &Path) -> bool {
    !path.is_dir() && path.extension().is_some_and(|extension| extension == "toml")
}

/// ONNX models are files; the models that vaegis trains are folders.
pub(crate) fn is_onnx(path: &Path) -> bool {
    let named = path.extension().is_some_and(|extension| extension == "onnx");
    (path.is_file() || named) && !is_manifest(path)
}

fn stem(path: &Path) -> String {
    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = if canonical.is_file() { canonical.file_stem() } else { canonical.file_name() };
    name.map_or_else(|| "model".to_string(), |name| name.to_string_lossy().into_owned())
}

impl ImportArguments {
    /// Whether they say what a model's outputs mean.
    fn are_conventions(&self) -> bool {
        let Self { spread, sigma, posterior, reconstruction, latent_value, .. } = self;
        let given = [
            spread.is_some(),
            sigma.is_some(),
            posterior.is_some(),
            reconstruction.is_some(),
            latent_value.is_some(),
            self.decoder_returns.is_some(),
            self.likelihood.is_some(),
        ];
        given.contains(&true)
    }

    /// Whether they say what happens to the data before a model.
    fn is_preprocessing(&self) -> bool {
        self.scale.is_some()
            || !self.mean.is_empty()
            || !self.std.is_empty()
            || self.reconstruction_space.is_some()
    }

    fn options(&self, data: &DataFacts) -> anyhow::Result<ImportOptions> {
        let likelihood_sigma = self.import_likelihood_sigma;
        ensure!(
            likelihood_sigma > 0.0 && likelihood_sigma.is_finite(),
            "--import-likelihood-sigma must be positive, found {likelihood_sigma}"
        );
        let spread = self.spread.map(|name| match name {
            SpreadName::LogVariance => Spread::LogVariance,
            SpreadName::LogSigma => Spread::LogSigma,
            SpreadName::Sigma => Spread::Sigma,
            SpreadName::Variance => Spread::Variance,
            SpreadName::SoftplusSigma => Spread::SoftplusSigma,
        });
        Ok(ImportOptions {
            data_shape: data.shape.clone(),
            spread: spread.or(self.sigma.map(Spread::Fixed)),
            posterior: self.posterior.clone(),
            reconstruction: self.reconstruction.clone(),
            latent: self.latent_value.clone(),
            returns: self.decoder_returns.map(Reconstruction::from),
            likelihood: self.likelihood.map(|name| match name {
                LikelihoodName::Bernoulli => Likelihood::Bernoulli,
                LikelihoodName::ContinuousBernoulli => Likelihood::ContinuousBernoulli,
                LikelihoodName::Gaussian => Likelihood::Gaussian { sigma: likelihood_sigma },
            }),
            beyond_unit_interval: data.beyond_unit_interval,
            preprocessing: Preprocessing {
                scale: self.scale,
                mean: self.mean.clone(),
                std: self.std.clone(),
                space: self.reconstruction_space.map(|space| match space {
                    Space::Data => ReconstructionSpace::Data,
                    Space::Model => ReconstructionSpace::Model,
                }),
            },
        })
    }
}
