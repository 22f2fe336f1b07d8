//! Data sets for vaegis: readers, embedded subsets, sprites, splits and selections.
//!
//! Everything downstream (training, attacks, certificates, reports) sees data in one way: a
//! [`Dataset`] is a table of rows, each row one sample of a fixed shape, read as `f32`. A row
//! number is the identity of a sample: it names the point in results, seeds its random draws,
//! and is what `--points` takes. So rows are never reordered, dropped or clamped behind the
//! user's back; input that cannot be used as it stands is refused, naming the file and place.
//!
//! ```
//! use vaegis_data::{Dataset, Selection, shuffled};
//!
//! let data = Dataset::open("mnist")?;
//! assert_eq!((data.shape(), data.len()), (&[1, 28, 28][..], 10_000));
//!
//! // The points of an audit: the first 500 rows of the test split.
//! let points = "500".parse::<Selection>()?.resolve(&data)?;
//! assert_eq!(points[0], 8000);
//!
//! // One epoch of training.
//! for batch in shuffled(data.train(), 7, 0).chunks(128) {
//!     let images: Vec<f32> = data.rows(batch);
//! #   assert_eq!(images.len(), batch.len() * 784); break;
//! }
//! # Ok::<(), vaegis_data::Error>(())
//! ```
//!
//! A further format is a module beside `idx` that ends in a [`Dataset`], and a branch in
//! [`Dataset::open_with`]; nothing else needs to know.

mod array;
mod batches;
mod cifar;
mod csv;
mod dataset;
mod embedded;
mod error;
mod factors;
mod folder;
#[doc(hidden)]
pub mod fuzzing;
mod idx;
mod labels;
mod npy;
mod npz;
mod open;
mod options;
mod parquet;
mod picture;
mod selection;
mod source;
mod split;
mod sprites;
mod summary;
mod thumbnails;

pub use batches::{shuffled, split_validation};
pub use dataset::Dataset;
pub use error::{Error, Result};
pub use factors::Factors;
pub use options::{ImageChannels, ImageSize, Labels, OpenOptions};
pub use selection::Selection;
pub use sprites::{Sprites, Style};
pub use summary::{Extent, Summary};
pub use thumbnails::{Thumbnails, sheet};
