//! Models to train, and constants to choose before.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use vaegis_network::ops::Function;
use vaegis_vae::ACTIVATIONS;

use super::{DataOptions, ReferenceName, parse_threads};
use crate::objective::ObjectiveOptions;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayersName {
    /// Bjorck's iteration to the nearest orthogonal matrix
    Bjorck,
    /// Almost-orthogonal layers: rows scaled by their products with each other
    Aol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArchitectureName {
    /// Fully connected layers
    Mlp,
    /// Convolutions of kernel 4 and stride 2
    Conv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LikelihoodName {
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
}

#[derive(Debug, Args)]
pub(crate) struct TrainOptions {
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// Folder for the model; an interrupted run there is resumed
    #[arg(long)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) objective: ObjectiveOptions,
    /// Encoder and decoder
    #[arg(long, value_enum, default_value = "mlp")]
    pub(crate) architecture: ArchitectureName,
    /// Widths of the hidden layers, from the input to the latent side (conv: one)
    #[arg(long, value_delimiter = ',', default_value = "400,400")]
    pub(crate) hidden: Vec<usize>,
    /// Channels of the convolutions, from the input to the latent side
    #[arg(long, value_delimiter = ',', default_value = "32,64")]
    pub(crate) channels: Vec<usize>,
    /// Between layers
    #[arg(long, default_value = "relu", value_parser = activations())]
    pub(crate) activation: Function,
    /// Dimensions of the latent space
    #[arg(long, default_value_t = 10)]
    pub(crate) latent: usize,
    /// Keep Lipschitz constants (in l2) by construction: A of the decoder's mean, B of the
    /// encoder's mean, and C of its sigma if that is learned; activations are GroupSort
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B[,C]",
        allow_hyphen_values = true,
        conflicts_with = "activation"
    )]
    pub(crate) lipschitz: Vec<f64>,
    /// Posterior standard deviation of a Lipschitz VAE: one number if it is fixed, two bounds if
    /// it is learned [default: 0.1, or 0.01,1 if it is learned]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "SIGMA",
        allow_hyphen_values = true,
        requires = "lipschitz"
    )]
    pub(crate) sigma: Vec<f64>,
    /// What the layers of a Lipschitz VAE are made of
    #[arg(long, value_enum, default_value = "bjorck", requires = "lipschitz")]
    pub(crate) lipschitz_layers: LayersName,
    /// p(x|z)
    #[arg(long, value_enum, default_value = "bernoulli")]
    pub(crate) likelihood: LikelihoodName,
    /// Standard deviation of a Gaussian likelihood
    #[arg(long, allow_negative_numbers = true, default_value_t = 0.1)]
    pub(crate) likelihood_sigma: f64,
    /// Most epochs to train
    #[arg(long, default_value_t = 50)]
    pub(crate) epochs: usize,
    /// Rows per step
    #[arg(long, default_value_t = 128)]
    pub(crate) batch_size: usize,
    /// Adam's step size
    #[arg(long, allow_negative_numbers = true, default_value_t = 1e-3)]
    pub(crate) learning_rate: f64,
    /// Share of the training rows set aside for validation
    #[arg(long, allow_negative_numbers = true, default_value_t = 0.1)]
    pub(crate) validation: f64,
    /// Stop after this many epochs without improvement; 0 never stops early [default: 8;
    /// factor-vae: 0, as its losses cannot be compared between epochs]
    #[arg(long)]
    pub(crate) patience: Option<usize>,
    /// Seed of initial weights, orders and noise
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Folder of this run for TensorBoard: every term of every epoch
    #[arg(long, value_name = "DIR")]
    pub(crate) tensorboard: Option<PathBuf>,
    /// Threads to use [default: all]
    #[arg(long, value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct DesignOptions {
    /// Radius in reconstruction space
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) r: f64,
    /// Norm (l2) up to which no perturbation of any input may break r-robustness
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) margin: f64,
    /// Dimensions of the latent space
    #[arg(long, default_value_t = 10)]
    pub(crate) latent: usize,
    /// Lipschitz constants that are settled: A of the decoder, or A and B of the encoder's mean
    #[arg(long, value_delimiter = ',', value_name = "A[,B]", allow_hyphen_values = true)]
    pub(crate) lipschitz: Vec<f64>,
    /// The fixed posterior standard deviation, if it is settled
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) sigma: Option<f64>,
    /// What reconstructions are compared with
    #[arg(long, value_enum, default_value = "mean")]
    pub(crate) reference: ReferenceName,
    /// Print as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Activations by name.
fn activations() -> impl TypedValueParser<Value = Function> {
    let names = PossibleValuesParser::new(ACTIVATIONS.map(|(name, _)| name));
    names.try_map(|name| {
        let known = ACTIVATIONS.into_iter().find(|(known, _)| *known == name);
        known.map(|(_, function)| function).ok_or("unknown activation")
    })
}
