//! What users ask for: commands and their options.

mod data;
mod judging;
mod machine;
mod study;
mod training;

pub(crate) use data::{DataCommand, DataOptions, DescribeOptions};
pub(crate) use judging::{
    AttackOptions, AuditOptions, CertifyOptions, JudgeOptions, ReferenceName, ScoreOptions,
};
pub(crate) use machine::{Machine, parse_threads, threads_or_all};
pub(crate) use study::{ScaleName, StudyOptions};
pub(crate) use training::{
    ArchitectureName, DesignOptions, LayersName, LikelihoodName, TrainOptions,
};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use vaegis_data::Selection;

use crate::model::{ModelOptions, Returns};

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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
