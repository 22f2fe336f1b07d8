use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use vaegis_data::{ImageChannels, ImageSize, Labels, OpenOptions, Selection};
use vaegis_network::ops::Function;
use vaegis_robustness::Radius;
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::{Pathway, Reference};
use vaegis_study::Shard;
use vaegis_vae::ACTIVATIONS;

use crate::domain::DomainOptions;
use crate::model::{ModelOptions, Returns};
use crate::objective::ObjectiveOptions;

/// How far can an input be pushed before a variational autoencoder's reconstruction
/// changes by more than r?
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train two small VAEs on embedded MNIST, audit both, and write a report
    Demo(DemoOptions),
    /// Train a VAE
    Train(Box<TrainOptions>),
    /// Say which Lipschitz constants and sigma guarantee a wanted margin, before any training
    Design(DesignOptions),
    /// Assess the robustness of a VAE at many points
    Audit(Box<AuditOptions>),
    /// Prove how far some inputs can be pushed, without attacks
    Certify(Box<CertifyOptions>),
    /// Attack a VAE at some points with perturbations of given sizes
    Attack(Box<AttackOptions>),
    /// Score a VAE: ELBO, aggregate posterior, and disentanglement where factors are known
    Score(Box<ScoreOptions>),
    /// Show how a model is understood: operators, shapes, parameters, conventions
    Inspect(InspectOptions),
    /// Write a VAE as ONNX files that other programs run
    Export(ExportOptions),
    /// Train, audit and score a grid of models, and test the paper's claims on them
    Study(StudyOptions),
    /// Write one HTML report on one or several audits
    Report(ReportOptions),
    /// Look at data before they are used
    #[command(subcommand)]
    Data(DataCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// What attacks increase, and how.
#[derive(Debug, Args)]
pub(crate) struct GoalOptions {
    /// Attacks: maximum-damage, median-damage, latent-kl, latent-l2, output, symmetric-kl or
    /// degradation, each with an optimiser after a colon if not its own: conditional-gradient,
    /// projected-gradient, l-bfgs-b or adam; the best counts: of an audit's at each radius, at
    /// given sizes of those with the same goal [default: maximum-damage]
    #[arg(long, value_name = "GOAL[:OPTIMISER]", value_delimiter = ',')]
    pub(crate) attack: Vec<Attack>,
    /// Row of the data that targeted attacks (latent-kl, latent-l2, output) aim at
    #[arg(long, value_name = "ROW")]
    pub(crate) target: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct AttackOptions {
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// Points: a count of test rows, a range such as 8000..8050, a list, or train, test, all
    /// [default: the first test row]
    #[arg(long)]
    pub(crate) points: Option<Selection>,
    /// Rows of the data, such as 7 or 7,12
    #[arg(long, value_name = "ROW", value_delimiter = ',', conflicts_with = "points")]
    pub(crate) index: Vec<usize>,
    /// Find one perturbation for all of these rows, and judge it at the points
    #[arg(long, value_name = "POINTS")]
    pub(crate) universal: Option<Selection>,
    /// Norms that perturbations may have, such as 0.5,1,2
    #[arg(long, value_delimiter = ',', required = true, allow_hyphen_values = true)]
    pub(crate) size: Vec<f64>,
    #[command(flatten)]
    pub(crate) goals: GoalOptions,
    /// What an attack is charged per length of its perturbation: it increases its goal less
    /// LAMBDA |d|, within each size
    #[arg(long, value_name = "LAMBDA", allow_negative_numbers = true, default_value_t = 0.0)]
    pub(crate) penalty: f64,
    /// What damages are measured from while they are increased (maximum-damage, median-damage)
    #[arg(long, value_enum, default_value = "mean")]
    pub(crate) reference: ReferenceName,
    /// What of the posterior perturbations move: both, or mean or variance alone, while the other
    /// stays that of the input; several to compare them
    #[arg(long, value_name = "PATHWAY", value_delimiter = ',', default_value = "both")]
    pub(crate) through: Vec<Pathway>,
    /// Radius in reconstruction space that is judged: a number, or a quantile of |Delta(x)| such
    /// as q0.9
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) r: Option<Radius>,
    /// Draws behind each score
    #[arg(long, default_value_t = 4_000)]
    pub(crate) draws: u64,
    /// Error probability of limits
    #[arg(long, allow_negative_numbers = true, default_value_t = 0.001)]
    pub(crate) alpha: f64,
    #[command(flatten)]
    pub(crate) domain: DomainOptions,
    /// Seed of all noise
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Name of the model in the results [default: the name of its folder]
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,
    /// Folder for attacks.parquet, the perturbations, their pictures and attack.html, a page on
    /// all of it [default: only the table]
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Print the rows as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) machine: Machine,
    // Last: its heading holds for all that follows.
    #[command(flatten)]
    pub(crate) model: ModelOptions,
}

#[derive(Debug, Args)]
pub(crate) struct StudyOptions {
    /// File of a grid (.toml), or paper: the built-in study of the paper's claims
    pub(crate) grid: String,
    /// Folder for models, tables, figures and the report; what is done there is not done again
    #[arg(long, required_unless_present = "print")]
    pub(crate) out: Option<PathBuf>,
    /// How much of the built-in study: small takes minutes, default a night, full days
    #[arg(long, value_enum, default_value = "default")]
    pub(crate) scale: ScaleName,
    /// Data of the grid to use, by name [default: all]
    #[arg(long, value_name = "DATA", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// File or folder of CIFAR-10 (binary version), which joins the data of the built-in study
    #[arg(long, value_name = "PATH")]
    pub(crate) cifar: Option<PathBuf>,
    /// Work on a part of the models, such as 2/4; the folders under cells/ of all parts, copied
    /// together, make the whole study
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Print the grid, to begin one's own with
    #[arg(long)]
    pub(crate) print: bool,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScaleName {
    Small,
    Default,
    Full,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Folder for models, audits and the report
    #[arg(long, default_value = "vaegis-demo")]
    pub(crate) out: PathBuf,
    /// Points to audit: a count, a range such as 8000..8050, or a list
    #[arg(long, default_value = "24")]
    pub(crate) points: Selection,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// What the machine may be used for. Changes no result.
#[derive(Debug, Clone, Args)]
pub(crate) struct Machine {
    /// Threads to use [default: all]
    #[arg(long, value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// Memory for batches of draws, for example 512MiB or 2GiB
    #[arg(long, default_value = "512MiB", value_parser = parse_memory)]
    pub(crate) memory: usize,
}

impl Machine {
    /// Threads to use.
    pub(crate) fn threads(&self) -> usize {
        threads_or_all(self.threads)
    }
}

/// So many threads, or as many as the machine runs at once.
pub(crate) fn threads_or_all(threads: Option<usize>) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    threads.unwrap_or_else(all)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReferenceName {
    /// The mean reconstruction of the input
    Mean,
    /// Reconstructions of the input, each by a draw of its own
    Sampled,
}

impl From<ReferenceName> for Reference {
    fn from(name: ReferenceName) -> Self {
        match name {
            ReferenceName::Mean => Self::Mean,
            ReferenceName::Sampled => Self::Sampled,
        }
    }
}

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

/// Data, and how to read them.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataOptions {
    /// Data: mnist, fashion-mnist, sprites, sprites-binary, sprites-colour (or as sprites:ROWS), a
    /// file (npy, npz, CSV, IDX, Parquet, CIFAR) or a folder of images, shards or batches
    #[arg(long)]
    pub(crate) data: String,
    #[command(flatten)]
    pub(crate) reading: ReadingOptions,
}

/// What files of data do not say themselves.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReadingOptions {
    /// Array of an npz archive, or column of images or lists of a Parquet file
    #[arg(long, help_heading = "Data", value_name = "NAME")]
    array: Option<String>,
    /// Labels: a file (of arrays), an array (npz), a column (tables), fine or coarse
    /// (CIFAR-100), or none [default: where the format has them]
    #[arg(long, help_heading = "Data", value_name = "NAME")]
    labels: Option<String>,
    /// Resize all images to HEIGHTxWIDTH, such as 32x32
    #[arg(long, help_heading = "Data", value_name = "SIZE")]
    image_size: Option<ImageSize>,
    /// Turn all images into grey (1) or colour (3)
    #[arg(long, help_heading = "Data", value_name = "1|3")]
    image_channels: Option<ImageChannels>,
}

impl ReadingOptions {
    pub(crate) fn options(&self) -> OpenOptions {
        OpenOptions {
            array: self.array.clone(),
            labels: self.labels.as_deref().map_or(Labels::Auto, Labels::from),
            image_size: self.image_size,
            image_channels: self.image_channels,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Show what data are understood to be, with a sheet of thumbnails
    Describe(DescribeOptions),
}

#[derive(Debug, Args)]
pub(crate) struct DescribeOptions {
    /// mnist, fashion-mnist, sprites, sprites-binary, sprites-colour (or as sprites:ROWS), a file
    /// (npy, npz, CSV, IDX, Parquet, CIFAR) or a folder of images, shards or batches
    pub(crate) data: String,
    #[command(flatten)]
    pub(crate) reading: ReadingOptions,
    /// PNG file for pictures of some samples, or none [default: NAME-thumbnails.png, if samples
    /// are pictures]
    #[arg(long, value_name = "FILE")]
    pub(crate) thumbnails: Option<PathBuf>,
    /// Print as JSON instead of tables
    #[arg(long)]
    pub(crate) json: bool,
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

/// What is judged, and how surely.
#[derive(Debug, Args)]
pub(crate) struct JudgeOptions {
    /// Points: a count of test rows, a range such as 8000..8050, a list, or train, test, all
    /// [default: 100, or the test rows if they are fewer]
    #[arg(long)]
    pub(crate) points: Option<Selection>,
    /// Radii in reconstruction space: numbers, quantiles of |Delta(x)| such as q0.9, or
    /// auto (q0.9)
    #[arg(long, value_delimiter = ',', default_value = "auto", allow_hyphen_values = true)]
    pub(crate) r: Vec<Radius>,
    /// Monte Carlo draws per point, at least
    #[arg(long, default_value_t = 10_000)]
    pub(crate) draws: u64,
    /// Certificates: draw up to 4 times as many where the margin would be less than this share of
    /// what certainty about the probability would certify; 0 for exactly --draws
    #[arg(long, allow_negative_numbers = true, default_value_t = 0.88)]
    pub(crate) tightness: f64,
    /// Error probability of limits and verdicts
    #[arg(long, allow_negative_numbers = true, default_value_t = 0.001)]
    pub(crate) alpha: f64,
    /// Share the error probability out among all certificates, so that all hold together with
    /// confidence 1 - alpha
    #[arg(long)]
    pub(crate) simultaneous: bool,
    #[command(flatten)]
    pub(crate) domain: DomainOptions,
    /// Seed of all noise
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Name of the model in the results [default: the name of its folder]
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CertifyOptions {
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// Folder for the results, as an audit stores them [default: they are printed only]
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) judge: JudgeOptions,
    /// Print one JSON object per point and radius instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) machine: Machine,
    // Last: its heading holds for all that follows.
    #[command(flatten)]
    pub(crate) model: ModelOptions,
}

#[derive(Debug, Args)]
pub(crate) struct AuditOptions {
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// Folder for the results; an interrupted audit there is resumed
    #[arg(long)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) judge: JudgeOptions,
    #[command(flatten)]
    pub(crate) goals: GoalOptions,
    /// Judge the perturbations of another model's audit of the same points: as they are, and by
    /// how much they must be lengthened; attacks run too if --attack names them
    #[arg(long, value_name = "AUDIT")]
    pub(crate) transfer_from: Option<PathBuf>,
    /// No attacks: probabilities, first-order estimates and certificates only
    #[arg(long, conflicts_with = "attack")]
    pub(crate) no_attack: bool,
    /// No certified margins
    #[arg(long, conflicts_with = "simultaneous")]
    pub(crate) no_certify: bool,
    /// Assess points again that failed in an earlier run
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Print the summary as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) machine: Machine,
    // Last: its heading holds for all that follows.
    #[command(flatten)]
    pub(crate) model: ModelOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreOptions {
    #[command(flatten)]
    pub(crate) data: DataOptions,
    /// Rows: a count of test rows, a range such as 8000..8050, a list, or train, test, all; at
    /// least 2 [default: 2000, or the test rows if they are fewer]
    #[arg(long)]
    pub(crate) points: Option<Selection>,
    /// Seed of all draws
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Name of the model in the results [default: the name of its folder]
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,
    /// Print as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Threads to use [default: all]
    #[arg(long, value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    // Last: its heading holds for all that follows.
    #[command(flatten)]
    pub(crate) model: ModelOptions,
}

#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// Shape of a sample of the data, where the files leave it open, such as 3,32,32
    #[arg(long, value_delimiter = ',', value_name = "SHAPE")]
    pub(crate) input_shape: Option<Vec<usize>>,
    /// Print as JSON instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) model: ModelOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// Folder for encoder.onnx (x to mu and logvar) and decoder.onnx (z to x_hat)
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// What the written decoder returns: x_hat, the mean of p(x|z), or its logits
    #[arg(long, value_enum, default_value = "means")]
    pub(crate) returns: Returns,
    /// Shape of a sample of the data, where the files leave it open, such as 3,32,32
    #[arg(long, value_delimiter = ',', value_name = "SHAPE")]
    pub(crate) input_shape: Option<Vec<usize>>,
    /// Overwrite files that are there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) model: ModelOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    /// Audit folders; the first is what the others are compared with
    #[arg(required = true)]
    pub(crate) audits: Vec<PathBuf>,
    /// The HTML file to write
    #[arg(long, default_value = "report.html")]
    pub(crate) out: PathBuf,
}

/// More threads than any machine has cores only cost memory.
/// Activations by name.
fn activations() -> impl TypedValueParser<Value = Function> {
    let names = PossibleValuesParser::new(ACTIVATIONS.map(|(name, _)| name));
    names.try_map(|name| {
        let known = ACTIVATIONS.into_iter().find(|(known, _)| *known == name);
        known.map(|(_, function)| function).ok_or("unknown activation")
    })
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => Ok(threads),
        _ => Err("expected a number from 1 to 1024".to_string()),
    }
}

/// `512MiB`, `2GiB`, `1000000`.
fn parse_memory(text: &str) -> Result<usize, String> {
    let fail = || format!("{text:?}: expected a number of bytes with KiB, MiB or GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: usize = number.parse().map_err(|_| fail())?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(fail()),
    };
    let bytes = number.checked_mul(unit).ok_or_else(fail)?;
    if bytes >= 1 << 20 { Ok(bytes) } else { Err(format!("{text:?}: at least 1MiB is needed")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn memory_sizes_parse() {
        assert_eq!(parse_memory("512MiB"), Ok(512 << 20));
        assert_eq!(parse_memory("2g"), Ok(2 << 30));
        assert_eq!(parse_memory("4194304"), Ok(4 << 20));
        for text in ["", "MiB", "12parsecs", "0", "99999999999999999999", "99999999999G"] {
            assert!(parse_memory(text).is_err(), "{text}");
        }
    }
}
