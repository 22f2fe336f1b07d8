//! Grids of models.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use vaegis_study::Shard;

use super::Machine;

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
