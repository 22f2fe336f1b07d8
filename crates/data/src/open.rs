//! From what a user types after `--data` to a [`Dataset`].
//!
//! The name of a set that needs no file wins over a file of the same name, so that `--data mnist`
//! means the same in every folder; `./mnist` is the file. A file is recognised by its first bytes,
//! never by its name alone: the binary files of CIFAR have none that mark them, so name, size and
//! labels must fit; and what is text and nothing else is read as a table. Only labels of IDX files
//! are found by name, because nothing inside an image file says where they are:
//! `train-images-idx3-ubyte.gz` has them in `train-labels-idx1-ubyte.gz` or, unpacked, in
//! `train-labels-idx1-ubyte`. Labels are optional, but a file of labels that is there and does
//! not fit is an error rather than a data set without labels.

use std::path::{Path, PathBuf};

use crate::array::Array;
use crate::cifar::{self, Version};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::options::{Applicable, Labels, OpenOptions};
use crate::parquet::Shard;
use crate::source::{self, hex, name, read};
use crate::split::Split;
use crate::sprites::Style;
use crate::{csv, folder, idx, npy, npz, parquet, sprites};

/// A name and the data set it stands for.
type Named = (&'static str, fn() -> Dataset);

/// Embedded data sets by name, aliases last.
const EMBEDDED: [Named; 3] = [
    ("mnist", Dataset::mnist),
    ("fashion-mnist", Dataset::fashion_mnist),
    ("fashion", Dataset::fashion_mnist),
];

/// Bytes that a format is told by.
const HEAD: u64 = 512;

impl Dataset {
    /// Opens data without options: [`open_with`](Self::open_with) asks for nothing.
    ///
    /// # Errors
    /// As there.
    pub fn open(spec: &str) -> Result<Self> {
        Self::open_with(spec, &OpenOptions::default())
    }

    /// Opens an embedded data set (`mnist`, `fashion-mnist` or, for short, `fashion`), sprites
    /// (`sprites`, `sprites-binary` or `sprites-colour`, with the number of rows as in
    /// `sprites:5000`), a file or a folder.
    ///
    /// Arrays (IDX, npy, npz) are taken rows first. Unsigned bytes are pixels, `k / 255`; every
    /// other element type is read as the nearest `f32`. IDX files of rank 3 are images
    /// `[1, height, width]`; arrays of NumPy keep their axes. Images become
    /// `[channels, height, width]`, tables `[features]`.
    ///
    /// # Errors
    /// If the name is unknown; if the data are missing, malformed, empty, too large, or have a
    /// value that is not a finite `f32`, likewise for their labels; if something has to be said
    /// that the options do not say, or if an option does not apply.
    pub fn open_with(spec: &str, options: &OpenOptions) -> Result<Self> {
        if let Some((_, embedded)) = EMBEDDED.iter().find(|(name, _)| *name == spec) {
            options.check(spec, "an embedded data set", Applicable::default())?;
            return Ok(labelled(embedded(), options));
        }
        if let Some(sprites) = sprites::named(spec) {
            options.check(spec, "sprites", Applicable::default())?;
            return Ok(labelled(sprites?, options));
        }
        let path = Path::new(spec);
        // A bare word that is no file was probably meant as a name.
        if path.components().count() <= 1 && !path.exists() {
            let sprites = Style::ALL.map(Style::name);
            let known = [&EMBEDDED.map(|(name, _)| name)[..], &sprites].concat().join(", ");
            return Err(Error::Unknown { spec: spec.to_owned(), known });
        }
        if path.is_dir() { folder::open(path, options) } else { open_file(path, options) }
    }
}

/// Without its labels, if these are not wanted.
fn labelled(data: Dataset, options: &OpenOptions) -> Dataset {
    if options.labels == Labels::None { data.without_labels() } else { data }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Idx,
    Npy,
    Zip,
    Parquet,
    Csv,
    Cifar(Version),
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Idx => idx::FORMAT,
            Self::Npy => npy::FORMAT,
            Self::Zip => npz::FORMAT,
            Self::Parquet => parquet::FORMAT,
            Self::Csv => csv::FORMAT,
            Self::Cifar(version) => version.format(),
        }
    }

    /// By the first bytes of the content; otherwise what it looks like.
    fn of(head: &[u8]) -> Result<Self, String> {
        if head.starts_with(npy::MAGIC) {
            Ok(Self::Npy)
        } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            Ok(Self::Zip)
        } else if head.starts_with(parquet::MAGIC) {
            Ok(Self::Parquet)
        } else if idx::is_idx(head) {
            Ok(Self::Idx)
        } else if let Some(found) = foreign(head) {
            Err(found.to_owned())
        } else if csv::is_text(head) {
            Ok(Self::Csv)
        } else if head.is_empty() {
            Err("is empty".to_owned())
        } else {
            Err(format!("is in no known format: starts with {}", hex(head)))
        }
    }

    fn applicable(self) -> Applicable {
        match self {
            Self::Idx | Self::Npy | Self::Csv | Self::Cifar(Version::Cifar100) => {
                Applicable { labels: true, ..Applicable::default() }
            }
            Self::Zip => Applicable { array: true, labels: true, images: false },
            Self::Parquet => Applicable { array: true, labels: true, images: true },
            Self::Cifar(Version::Cifar10) => Applicable::default(),
        }
    }
}

/// Formats that are not read, and how to get to one that is.
fn foreign(head: &[u8]) -> Option<&'static str> {
    const TORCH: &str = "is a pickle (as Python, PyTorch, and the Python version of CIFAR write), \
        which can run code; save the numbers by `numpy.save(\"x.npy\", array)`, a tensor by \
        `numpy.save(\"x.npy\", tensor.numpy())`";
    const KNOWN: [(&[u8], &str); 11] = [
        (b"\x80\x02", TORCH),
        (b"\x80\x03", TORCH),
        (b"\x80\x04", TORCH),
        (b"\x80\x05", TORCH),
        (
            b"\x89HDF\r\n\x1a\n",
            "is an HDF5 file (.h5, or .mat of MATLAB 7.3); save the array by \
             `numpy.save(\"x.npy\", h5py.File(...)[\"name\"][:])`",
        ),
        (
            b"MATLAB 5.0",
            "is a MATLAB file; save the array by \
             `numpy.save(\"x.npy\", scipy.io.loadmat(...)[\"name\"])`",
        ),
        (
            b"ARROW1",
            "is an Arrow (Feather) file; save it by `pandas.read_feather(...).to_parquet(...)`",
        ),
        (b"\x89PNG", "is one image; give the folder of all images"),
        (b"\xff\xd8\xff", "is one image; give the folder of all images"),
        (b"\xff\xfe", "is UTF-16 text; save the table as UTF-8"),
        (b"\xfe\xff", "is UTF-16 text; save the table as UTF-8"),
    ];
    if head.get(257..262) == Some(b"ustar") {
        return Some("is a tar archive; unpack it and give the folder or file inside");
    }
    KNOWN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, found)| *found)
}

/// The format of a file, and whether it is gzip-compressed.
fn recognise(path: &Path) -> Result<(Format, bool)> {
    let file = path.display().to_string();
    let reader = source::open(path)?;
    let size = reader.metadata().map_or(0, |metadata| metadata.len());
    let (mut content, gzip) = source::unpacked(&file, reader)?;
    let head = read(&file, &mut content, HEAD)?;
    let records = |version: Version| size.is_multiple_of(version.record() as u64);
    if path.extension().is_some_and(|extension| extension == "bin")
        && !gzip
        && [Version::Cifar10, Version::Cifar100].into_iter().any(records)
    {
        let rest = read(&file, &mut content, source::MAX_BYTES)?;
        if let Some(version) = Version::of(&[head.clone(), rest].concat()) {
            return Ok((Format::Cifar(version), false));
        }
    }
    match Format::of(&head) {
        Ok(format @ (Format::Zip | Format::Parquet)) if gzip => {
            let found = format!("is a gzip-compressed {} file; unpack it first", format.name());
            Err(Error::Unrecognised { file, found })
        }
        Ok(format) => Ok((format, gzip)),
        Err(found) => Err(Error::Unrecognised { file, found }),
    }
}

fn open_file(path: &Path, options: &OpenOptions) -> Result<Dataset> {
    let (format, _) = recognise(path)?;
    let (file, name) = (path.display().to_string(), name(path));
    options.check(&file, format.name(), format.applicable())?;
    let reader = source::open(path)?;
    match format {
        Format::Idx => {
            let images = idx::parse(file, reader)?;
            let labels = match &options.labels {
                Labels::Auto => labels_beside(path).map(|path| idx::open(&path)).transpose()?,
                Labels::None => None,
                Labels::From(labels) => Some(labels_file(labels)?),
            };
            idx::dataset(name, images, labels)
        }
        Format::Npy => {
            let array = npy::parse(file, reader)?;
            let labels = match &options.labels {
                Labels::Auto | Labels::None => None,
                Labels::From(labels) => Some(labels_file(labels)?),
            };
            npy::dataset(name, array, labels)
        }
        Format::Zip => {
            let labels =
                |labels: &str| Path::new(labels).exists().then(|| labels_file(labels)).transpose();
            npz::parse(file, name, reader, options, labels)
        }
        Format::Parquet => {
            let shard = Shard { file: file.clone(), split: Split::Unnamed, reader };
            parquet::parse(&file, name, vec![shard], options)
        }
        Format::Csv => csv::parse(file, name, reader, options),
        Format::Cifar(version) => {
            cifar::parse(name, version, vec![(file, Split::Unnamed, Box::new(reader))], options)
        }
    }
}

/// A list of labels in an IDX or npy file.
fn labels_file(labels: &str) -> Result<Array> {
    let path = Path::new(labels);
    match recognise(path)? {
        (Format::Idx, _) => idx::open(path),
        (Format::Npy, _) => npy::parse(labels.to_owned(), source::open(path)?),
        (format, _) => {
            let problem =
                format!("is a {} file, expected labels as an npy or IDX file", format.name());
            Err(Error::malformed(labels, problem))
        }
    }
}

/// The file of labels that belongs to `images` by the usual naming, if there is one.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let (stem, gz) = name.strip_suffix(".gz").map_or((name, ""), |stem| (stem, ".gz"));
    let (before, after) = stem.rsplit_once("images")?;
    let after = ["idx2", "idx3", "idx4"]
        .iter()
        .fold(after.to_owned(), |after, rank| after.replace(rank, "idx1"));
    let labels = format!("{before}labels{after}");
    // The same packing as the images first.
    let packings = if gz.is_empty() { ["", ".gz"] } else { [".gz", ""] };
    packings
        .map(|gz| images.with_file_name(format!("{labels}{gz}")))
        .into_iter()
        .find(|p| p.exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idx::tests::{gzip, idx_bytes};
    use std::fs;

    /// A folder with files of one image, or of labels, in it.
    fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn open(folder: &tempfile::TempDir, name: &str) -> Result<Dataset> {
        Dataset::open(folder.path().join(name).to_str().unwrap())
    }

    fn image() -> Vec<u8> {
        idx_bytes(0x08, &[1, 1, 2], &[0, 255])
    }

    fn label(label: u8) -> Vec<u8> {
        idx_bytes(0x08, &[1], &[label])
    }

    #[test]
    fn every_listed_name_opens() {
        let known = [&EMBEDDED.map(|(name, _)| name)[..], &Style::ALL.map(Style::name)].concat();
        for name in known {
            assert!(Dataset::open(name).unwrap().name().starts_with(name));
        }
    }

    #[test]
    fn an_unknown_name_lists_names_and_formats() {
        for spec in ["mnits", ""] {
            let message = Dataset::open(spec).unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{spec}` is neither")), "{message}");
            for part in ["mnist, fashion-mnist", "npy, npz, CSV"] {
                assert!(message.contains(part), "{message}");
            }
        }
    }

    #[test]
    fn a_missing_file_and_a_directory_are_named() {
        let folder = folder(&[]);
        let message = open(&folder, "none.idx").unwrap_err().to_string();
        assert!(message.ends_with("none.idx: no such file"), "{message}");
        let message = open(&folder, "").unwrap_err().to_string();
        assert!(
            message.ends_with("folders of PNG or JPEG images, Parquet shards or CIFAR batches"),
            "{message}"
        );
    }

    #[test]
    fn packing_is_told_by_content_not_by_name() {
        let folder = folder(&[("plain.gz", image()), ("packed", gzip(&image()))]);
        for name in ["plain.gz", "packed"] {
            let data = open(&folder, name).unwrap();
            assert_eq!((data.name(), data.row(0)), (name, vec![0.0, 1.0]));
            assert_eq!(data.label(0), None);
        }
    }

    #[test]
    fn labels_are_found_beside_their_images() {
        for (images, labels) in [
            ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
            ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
            ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
            ("emnist-images-idx4-ubyte", "emnist-labels-idx1-ubyte.gz"),
            ("images-images-idx3-ubyte.gz", "images-labels-idx1-ubyte"),
        ] {
            let folder = folder(&[(images, image()), (labels, gzip(&label(7)))]);
            assert_eq!(open(&folder, images).unwrap().label(0), Some(7), "{images}");
        }
    }

    #[test]
    fn labels_packed_like_the_images_come_first() {
        let folder = folder(&[
            ("a-images-idx3-ubyte.gz", image()),
            ("a-labels-idx1-ubyte", label(1)),
            ("a-labels-idx1-ubyte.gz", label(2)),
        ]);
        assert_eq!(open(&folder, "a-images-idx3-ubyte.gz").unwrap().label(0), Some(2));
    }

    #[test]
    fn labels_that_do_not_fit_are_an_error_that_names_them() {
        let two = idx_bytes(0x08, &[2], &[1, 2]);
        for (bytes, problem) in [
            (two, "2 labels for 1 rows"),
            (image(), "expected labels as a list"),
            (b"junk".to_vec(), "not an IDX file"),
        ] {
            let folder =
                folder(&[("a-images-idx3-ubyte", image()), ("a-labels-idx1-ubyte", bytes)]);
            let message = open(&folder, "a-images-idx3-ubyte").unwrap_err().to_string();
            assert!(
                message.contains("a-labels-idx1-ubyte: ") && message.contains(problem),
                "{message}"
            );
        }
    }
}
