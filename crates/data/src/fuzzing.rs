//! Every parser as a function of bytes, for fuzz targets outside this crate. Not for use.

use std::borrow::Cow;
use std::io::Cursor;

use crate::cifar::{self, Version};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::options::OpenOptions;
use crate::parquet::Shard;
use crate::split::Split;
use crate::{csv, idx, npy, npz, parquet, picture};

/// What errors call the bytes.
const NAME: &str = "bytes";

/// An IDX file.
pub fn idx(bytes: &[u8]) -> Result<Dataset> {
    idx::dataset(NAME.into(), idx::parse(NAME.into(), bytes)?, None)
}

/// An npy file.
pub fn npy(bytes: &[u8]) -> Result<Dataset> {
    npy::dataset(NAME.into(), npy::parse(NAME.into(), bytes)?, None)
}

/// An npz archive.
pub fn npz(bytes: &[u8], options: &OpenOptions) -> Result<Dataset> {
    npz::parse(NAME.into(), NAME.into(), Cursor::new(bytes), options, |_| Ok(None))
}

/// A table of text.
pub fn csv(bytes: &[u8], options: &OpenOptions) -> Result<Dataset> {
    csv::parse(NAME.into(), NAME.into(), bytes, options)
}

/// A PNG or JPEG image: shape and pixels.
pub fn image(bytes: &[u8], options: &OpenOptions) -> Result<(Vec<usize>, Vec<u8>)> {
    let (plan, pixels) = picture::decode_all(
        NAME,
        &[bytes],
        |_| NAME.into(),
        |bytes| Ok(Cow::Borrowed(*bytes)),
        options,
    )?;
    Ok((plan.shape(), pixels))
}

/// A batch of CIFAR-10, else of CIFAR-100.
pub fn cifar(bytes: &[u8], options: &OpenOptions) -> Result<Dataset> {
    let version = Version::of(bytes).unwrap_or(Version::Cifar10);
    let files = vec![(NAME.into(), Split::Unnamed, Box::new(bytes) as _)];
    cifar::parse(NAME.into(), version, files, options)
}

/// A Parquet file, in whatever the `parquet` crate reads from.
pub fn parquet<R: ::parquet::file::reader::ChunkReader + 'static>(
    reader: R,
    options: &OpenOptions,
) -> Result<Dataset> {
    let shard = Shard { file: NAME.into(), split: Split::Unnamed, reader };
    parquet::parse(NAME, NAME.into(), vec![shard], options)
}
