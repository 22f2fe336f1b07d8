//! Data, and how to read them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vaegis_data::{ImageChannels, ImageSize, Labels, OpenOptions};

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
