//! NumPy's archives: several npy files in a zip archive, stored or deflated.
//!
//! An archive with one array is that array. One whose arrays all have names of the usual scheme
//! (`x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test` as Keras has them) is samples and
//! labels, in splits if so named. Of any other, the array has to be chosen.

use std::io::{Read, Seek};

use zip::ZipArchive;

use crate::array::Array;
use crate::dataset::{About, Dataset, Parts, Values};
use crate::error::{Error, Result, listed};
use crate::npy::{self, Header};
use crate::options::{Labels, OpenOptions};
use crate::split::Split;

/// What the format is called.
pub(crate) const FORMAT: &str = "npz";

/// Most entries of an archive.
const MAX_ENTRIES: usize = 10_000;

/// Names of samples and of labels, in lower case.
const SAMPLES: [&str; 6] = ["x", "images", "image", "imgs", "data", "samples"];
const LABELS: [&str; 6] = ["y", "labels", "label", "targets", "target", "classes"];

/// An archive and the names of its arrays, without `.npy`.
struct Archive<R> {
    file: String,
    zip: ZipArchive<R>,
    names: Vec<String>,
}

impl<R: Read + Seek> Archive<R> {
    fn open(file: String, reader: R) -> Result<Self> {
        let fail = |reason: &dyn std::fmt::Display| {
            Error::malformed(file.clone(), format!("not a readable zip archive: {reason}"))
        };
        let zip = ZipArchive::new(reader).map_err(|error| fail(&error))?;
        if zip.len() > MAX_ENTRIES {
            return Err(fail(&format!("{} entries, expected at most {MAX_ENTRIES}", zip.len())));
        }
        if zip.has_duplicate_names() {
            return Err(fail(&"it has entries of the same name"));
        }
        let mut names = vec![];
        let mut strangers = vec![];
        for index in 0..zip.len() {
            let entry = zip.by_index_data(index).map_err(|error| fail(&error))?;
            let name = entry.name().map_err(|error| fail(&error))?.into_owned();
            if entry.encrypted() {
                return Err(Error::malformed(file, format!("the entry `{name}` is encrypted")));
            }
            match name.strip_suffix(".npy") {
                Some(array) => names.push(array.to_owned()),
                None => strangers.push(name),
            }
        }
        if !strangers.is_empty() || names.is_empty() {
            return Err(Error::Unrecognised { file, found: stranger(&strangers) });
        }
        Ok(Self { file, zip, names })
    }

    /// What errors call an array.
    fn origin(&self, index: usize) -> String {
        format!("{}: array `{}`", self.file, self.names[index])
    }

    fn entry(&mut self, index: usize) -> Result<zip::read::ZipFile<'_, R>> {
        let origin = self.origin(index);
        self.zip.by_index(index).map_err(|error| Error::malformed(origin, error.to_string()))
    }

    fn header(&mut self, index: usize) -> Result<Header> {
        let origin = self.origin(index);
        Header::read(&origin, self.entry(index)?)
    }

    fn array(&mut self, index: usize) -> Result<Array> {
        let origin = self.origin(index);
        npy::parse_plain(origin, self.entry(index)?)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let name = name.strip_suffix(".npy").unwrap_or(name);
        self.names.iter().position(|known| known == name)
    }

    /// Every array with shape and type.
    fn listing(&mut self) -> String {
        let describe = |archive: &mut Self, index| match archive.header(index) {
            Ok(header) => format!("`{}` {}", archive.names[index], header.describe()),
            Err(_) => format!("`{}` (damaged)", archive.names[index]),
        };
        let arrays: Vec<String> =
            (0..self.names.len().min(20)).map(|index| describe(self, index)).collect();
        listed(&arrays, 20)
    }
}

/// What an archive is that is not one of arrays.
fn stranger(names: &[String]) -> String {
    let ends = |end: &str| names.iter().any(|name| name.ends_with(end));
    if ends("data.pkl") {
        return "holds a pickle that PyTorch saved, which can run code; save the tensor by \
                `numpy.save(\"x.npy\", tensor.numpy())`"
            .to_owned();
    }
    if names.is_empty() {
        return "is an archive without arrays".to_owned();
    }
    format!("is an archive with other files than npy arrays ({})", listed(names, 5))
}

/// Which arrays are what, in the order of rows.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    /// Samples and labels of each split.
    pieces: Vec<(Split, usize, Option<usize>)>,
}

/// `x_train` and `train_x` are samples of the training split.
fn role(name: &str) -> Option<(Split, bool)> {
    let name = name.to_lowercase();
    let kind = |part: &str| match part {
        part if SAMPLES.contains(&part) => Some(true),
        part if LABELS.contains(&part) => Some(false),
        _ => None,
    };
    if let Some(samples) = kind(&name) {
        return Some((Split::Unnamed, samples));
    }
    let (a, b) = name.split_once('_')?;
    let pair = |split, part| Some((Split::of(split)?, kind(part)?));
    pair(b, a).or_else(|| pair(a, b))
}

/// The arrays by their names, if all of them fit the usual scheme.
fn by_names(names: &[String]) -> Option<Choice> {
    if let [_] = names {
        return Some(Choice { pieces: vec![(Split::Unnamed, 0, None)] });
    }
    let roles: Vec<(Split, bool)> = names.iter().map(|name| role(name)).collect::<Option<_>>()?;
    let mut splits: Vec<Split> = roles.iter().map(|&(split, _)| split).collect();
    splits.sort_unstable();
    splits.dedup();
    if splits.contains(&Split::Unnamed) && splits.len() > 1 {
        return None;
    }
    let only = |split, samples| {
        let mut found = (0..roles.len()).filter(|&i| roles[i] == (split, samples));
        let first = found.next();
        found.next().is_none().then_some(first)
    };
    let mut pieces = vec![];
    for split in splits {
        pieces.push((split, only(split, true)??, only(split, false)?));
    }
    let labelled = pieces.iter().filter(|piece| piece.2.is_some()).count();
    (labelled == 0 || labelled == pieces.len()).then_some(Choice { pieces })
}

/// Reads an archive; `file` is what errors call it, `name` what the data set is called.
pub(crate) fn parse(
    file: String,
    name: String,
    reader: impl Read + Seek,
    options: &OpenOptions,
    labels_of_file: impl FnOnce(&str) -> Result<Option<Array>>,
) -> Result<Dataset> {
    let mut archive = Archive::open(file, reader)?;
    let mut choice = match &options.array {
        Some(array) => {
            let Some(index) = archive.find(array) else {
                let problem =
                    format!("has no array `{array}` (--array); it has {}", archive.listing());
                return Err(Error::malformed(archive.file, problem));
            };
            Choice { pieces: vec![(Split::Unnamed, index, None)] }
        }
        None => match by_names(&archive.names) {
            Some(choice) => choice,
            None => {
                let problem = format!(
                    "has several arrays; choose one by --array (and its labels by --labels): {}",
                    archive.listing()
                );
                return Err(Error::malformed(archive.file, problem));
            }
        },
    };
    let mut labels_file = None;
    match &options.labels {
        Labels::Auto => {}
        Labels::None => choice.pieces.iter_mut().for_each(|piece| piece.2 = None),
        Labels::From(labels) => {
            let index = archive.find(labels);
            if let ([piece], Some(index)) = (&mut choice.pieces[..], index) {
                piece.2 = Some(index);
            } else if choice.pieces.len() > 1 && index.is_some() {
                let problem = "has labels for each split; --labels takes one array for all rows, \
                               or `none`";
                return Err(Error::malformed(archive.file, problem));
            } else {
                labels_file = labels_of_file(labels)?;
                if labels_file.is_none() {
                    let problem = format!(
                        "has no array `{labels}`, and there is no such file (--labels); it has {}",
                        archive.listing()
                    );
                    return Err(Error::malformed(archive.file, problem));
                }
                choice.pieces.iter_mut().for_each(|piece| piece.2 = None);
            }
        }
    }
    read(archive, name, &choice, labels_file)
}

/// Reads the chosen arrays one after the other.
fn read<R: Read + Seek>(
    mut archive: Archive<R>,
    name: String,
    choice: &Choice,
    labels_file: Option<Array>,
) -> Result<Dataset> {
    let mut whole: Option<(usize, Vec<usize>, Values)> = None;
    let mut labels: Option<Vec<i64>> = None;
    let mut counts = vec![];
    let mut about = About::new(FORMAT, "");
    let mut used = vec![];
    for &(split, samples, of_labels) in &choice.pieces {
        let array = archive.array(samples)?;
        let origin = array.file.clone();
        used.push(format!("`{}`", archive.names[samples]));
        about.value_type = array.element.describe();
        let (rows, shape, values) = npy::samples(array)?;
        counts.push((split, rows));
        if let Some(index) = of_labels {
            used.push(format!("`{}`", archive.names[index]));
            labels.get_or_insert_default().extend(archive.array(index)?.into_labels(rows)?);
        }
        whole = Some(match whole {
            None => (rows, shape, values),
            Some((before, first, _)) if first != shape => {
                let problem = format!(
                    "holds samples of shape {shape:?}, the {before} rows before have {first:?}"
                );
                return Err(Error::malformed(origin, problem));
            }
            Some((before, shape, first)) => {
                let values = first.followed_by(values).ok_or_else(|| {
                    Error::malformed(origin, "has another element type than the split before")
                })?;
                (before + rows, shape, values)
            }
        });
    }
    let (rows, shape, values) = whole.expect("a choice has at least one piece");
    if let Some(array) = labels_file {
        labels = Some(array.into_labels(rows)?);
    }
    if used.len() > 1 {
        about.remarks.push(format!("read from the arrays {}", used.join(", ")));
    }
    let (test_from, remark) = crate::split::border(&counts);
    about.remarks.extend(remark);
    about.remarks.extend(npy::remark(&values));
    Ok(Dataset::from_parts(Parts { name, shape, values, labels, test_from, about }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(names: &[&str]) -> Option<Vec<(Split, usize, Option<usize>)>> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        by_names(&names).map(|choice| choice.pieces)
    }

    #[test]
    fn the_usual_names_are_understood_and_no_others() {
        use Split::{Test, Train, Unnamed, Validation};
        assert_eq!(choose(&["arr_0"]), Some(vec![(Unnamed, 0, None)]));
        assert_eq!(choose(&["y", "X"]), Some(vec![(Unnamed, 1, Some(0))]));
        assert_eq!(
            choose(&["x_test", "x_train", "y_train", "y_test"]),
            Some(vec![(Train, 1, Some(2)), (Test, 0, Some(3))])
        );
        assert_eq!(
            choose(&["train_images", "val_images", "test_images"]),
            Some(vec![(Train, 0, None), (Validation, 1, None), (Test, 2, None)])
        );
        for names in [
            &["arr_0", "arr_1"][..],
            &["x", "images"],
            &["x", "x_test"],
            &["x_train", "y_train", "x_test"],
            &["y_train", "y_test"],
            &["imgs", "latents_values"],
            &["x", "y", "mask"],
        ] {
            assert_eq!(choose(names), None, "{names:?}");
        }
    }
}
