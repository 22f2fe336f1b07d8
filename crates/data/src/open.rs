//! From what a user types after `--data` to a [`Dataset`].
//!
//! The name of an embedded set wins over a file of the same name, so that `--data mnist` means
//! the same in every folder; `./mnist` is the file. A file is recognised by its first bytes,
//! never by its name. Only labels are found by name, because nothing inside an image file says
//! where they are: `train-images-idx3-ubyte.gz` has them in `train-labels-idx1-ubyte.gz` or,
//! unpacked, in `train-labels-idx1-ubyte`. Labels are optional, but a file of labels that is
//! there and does not fit is an error rather than a data set without labels.

use std::path::{Path, PathBuf};

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::idx::{Idx, dataset};

/// A name and the data set it stands for.
type Named = (&'static str, fn() -> Dataset);

/// Embedded data sets by name, aliases last.
const EMBEDDED: [Named; 3] = [
    ("mnist", Dataset::mnist),
    ("fashion-mnist", Dataset::fashion_mnist),
    ("fashion", Dataset::fashion_mnist),
];

impl Dataset {
    /// Opens an embedded data set (`mnist`, `fashion-mnist` or, for short, `fashion`) or an IDX
    /// file, plain or gzip-compressed, with the labels beside it.
    ///
    /// IDX files are taken rows first: rank 2 as tables `[features]`, rank 3 as images
    /// `[1, height, width]`, rank 4 as `[channels, height, width]`. Unsigned bytes are
    /// pixels, `k / 255`; every other element type is read as the nearest `f32`.
    ///
    /// # Errors
    /// If the name is unknown, or the file is missing, malformed, empty, too large, or has a
    /// value that is not a finite `f32`; likewise for its labels.
    pub fn open(spec: &str) -> Result<Self> {
        if let Some((_, embedded)) = EMBEDDED.iter().find(|(name, _)| *name == spec) {
            return Ok(embedded());
        }
        let path = Path::new(spec);
        // A bare word that is no file was probably meant as a name.
        if path.components().count() <= 1 && !path.exists() {
            let known = EMBEDDED.map(|(name, _)| name).join(", ");
            return Err(Error::Unknown { spec: spec.to_owned(), known });
        }
        let images = Idx::open(path)?;
        let labels = labels_beside(path).map(|labels| Idx::open(&labels)).transpose()?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        dataset(name, images, labels)
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
        for (name, _) in EMBEDDED {
            assert!(Dataset::open(name).unwrap().name().starts_with(name));
        }
    }

    #[test]
    fn an_unknown_name_lists_names_and_formats() {
        for spec in ["mnits", ""] {
            let message = Dataset::open(spec).unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{spec}` is neither")), "{message}");
            for part in ["mnist, fashion-mnist", "IDX (plain or gzip)"] {
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
        assert!(message.ends_with("is a directory, expected an IDX file"), "{message}");
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
