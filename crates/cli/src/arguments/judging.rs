//! Models to attack, audit, certify and score.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use vaegis_data::Selection;
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::{Pathway, Reference};
use vaegis_robustness::{Certification, Radius};

use super::{DataOptions, Machine, parse_threads};
use crate::domain::DomainOptions;
use crate::model::ModelOptions;

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
    /// Certificates: predict draws, and decode up to 4 times as many where the margin would be less
    /// than this share of what certainty about the probability would certify; 0 for exactly --draws
    #[arg(long, allow_negative_numbers = true, default_value_t = Certification::TIGHTNESS)]
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
