//! The binary version of CIFAR-10 and CIFAR-100.
//!
//! Records without a header: one label (CIFAR-100: the coarse one of 20, then the fine one of
//! 100), then 32 x 32 pixels of red, of green and of blue. Nothing marks such a file, so it is
//! taken for one if it is called `.bin`, has whole records and no label is out of range.

use std::io::Read;

use crate::dataset::{About, Dataset, Parts, Values};
use crate::error::{Error, Result};
use crate::options::{Labels, OpenOptions};
use crate::source::{MAX_BYTES, read};
use crate::split::{self, Split};

const PIXELS: usize = 3 * 32 * 32;

/// Names of the classes of CIFAR-10, as its `batches.meta.txt` has them.
const NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Cifar10,
    Cifar100,
}

impl Version {
    pub(crate) fn format(self) -> &'static str {
        match self {
            Self::Cifar10 => "CIFAR-10 binary",
            Self::Cifar100 => "CIFAR-100 binary",
        }
    }

    /// Number of classes at each byte of labels.
    fn classes(self) -> &'static [u8] {
        match self {
            Self::Cifar10 => &[10],
            Self::Cifar100 => &[20, 100],
        }
    }

    /// Bytes of one record.
    pub(crate) fn record(self) -> usize {
        self.classes().len() + PIXELS
    }

    /// The version whose records fit.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        [Self::Cifar10, Self::Cifar100].into_iter().find(|version| {
            let records = bytes.chunks(version.record());
            let mut labels = records.flat_map(|record| record.iter().zip(version.classes()));
            !bytes.is_empty()
                && bytes.len().is_multiple_of(version.record())
                && labels.all(|(label, classes)| label < classes)
        })
    }
}

/// Which of the two labels of CIFAR-100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Granularity {
    Coarse,
    Fine,
}

/// Reads files of records, in order; each is what errors call it and its content.
pub(crate) fn parse(
    name: String,
    version: Version,
    files: Vec<(String, Split, Box<dyn Read + '_>)>,
    options: &OpenOptions,
) -> Result<Dataset> {
    let mut about = About::new(version.format(), "uint8, pixels k/255");
    let granularity = match (&options.labels, version) {
        (Labels::None, _) => None,
        (Labels::Auto, _) => Some(Granularity::Fine),
        (Labels::From(which), Version::Cifar100) if which == "fine" => Some(Granularity::Fine),
        (Labels::From(which), Version::Cifar100) if which == "coarse" => Some(Granularity::Coarse),
        (Labels::From(which), _) => {
            let expected = match version {
                Version::Cifar10 => "expected none",
                Version::Cifar100 => "expected fine, coarse or none",
            };
            return Err(Error::malformed(name, format!("has no labels `{which}`; {expected}")));
        }
    };
    if version == Version::Cifar10 && granularity.is_some() {
        about.label_names = NAMES.map(str::to_owned).to_vec();
    }
    if version == Version::Cifar100 && options.labels == Labels::Auto {
        about.remarks.push("labels are the fine ones (--labels coarse takes the others)".into());
    }
    let (mut pixels, mut labels, mut counts) = (vec![], vec![], vec![]);
    for (file, split, mut content) in files {
        let bytes = read(&file, &mut content, MAX_BYTES + 1)?;
        if bytes.len() as u64 > MAX_BYTES || Version::of(&bytes) != Some(version) {
            let problem = format!(
                "is not {}: expected records of {} bytes with labels in range, found {} bytes",
                version.format(),
                version.record(),
                bytes.len()
            );
            return Err(Error::malformed(file, problem));
        }
        counts.push((split, bytes.len() / version.record()));
        for record in bytes.chunks_exact(version.record()) {
            let (classes, image) = record.split_at(version.classes().len());
            labels.extend(granularity.map(|granularity| match (granularity, classes) {
                (Granularity::Coarse, &[coarse, ..]) => i64::from(coarse),
                (_, &[.., fine]) => i64::from(fine),
                (_, []) => unreachable!("a record has a label"),
            }));
            pixels.extend_from_slice(image);
        }
    }
    let (test_from, remark) = split::border(&counts);
    about.remarks.extend(remark);
    let (shape, values) = (vec![3, 32, 32], Values::Pixels(pixels));
    let labels = granularity.is_some().then_some(labels);
    Ok(Dataset::from_parts(Parts { name, shape, values, labels, test_from, about }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Records with these labels and a different grey each.
    pub(crate) fn records(labels: &[&[u8]]) -> Vec<u8> {
        let record = |(k, labels): (usize, &&[u8])| [labels, &vec![k as u8; PIXELS][..]].concat();
        labels.iter().enumerate().flat_map(record).collect()
    }

    fn open(bytes: &[u8], version: Version, labels: Labels) -> Result<Dataset> {
        let options = OpenOptions { labels, ..OpenOptions::default() };
        parse("d".into(), version, vec![("f".into(), Split::Unnamed, Box::new(bytes))], &options)
    }

    #[test]
    fn both_versions_are_told_apart_by_their_records() {
        let ten = records(&[&[9], &[0]]);
        let hundred = records(&[&[19, 99], &[0, 1]]);
        assert_eq!(Version::of(&ten), Some(Version::Cifar10));
        assert_eq!(Version::of(&hundred), Some(Version::Cifar100));
        for bytes in [&b""[..], &ten[1..], &records(&[&[10]]), &records(&[&[20, 0]])] {
            assert_eq!(Version::of(bytes), None);
        }
        let data = open(&ten, Version::Cifar10, Labels::Auto).unwrap();
        assert_eq!((data.shape(), data.len()), (&[3, 32, 32][..], 2));
        assert_eq!((data.label(0), data.label_name(9)), (Some(9), Some("truck")));
        assert_eq!(data.row(1), [1.0 / 255.0; PIXELS]);
        let labels = |labels| open(&hundred, Version::Cifar100, labels).unwrap().label(0);
        assert_eq!(labels(Labels::Auto), Some(99));
        assert_eq!(labels("coarse".into()), Some(19));
        assert_eq!(labels(Labels::None), None);
        let message = open(&ten, Version::Cifar10, "fine".into()).unwrap_err().to_string();
        assert_eq!(message, "d: has no labels `fine`; expected none");
    }

    #[test]
    fn a_file_cut_short_is_refused_at_every_length() {
        let whole = records(&[&[1], &[2]]);
        for length in (0..whole.len()).filter(|length| *length != whole.len() / 2) {
            let error = open(&whole[..length], Version::Cifar10, Labels::Auto).unwrap_err();
            assert!(error.to_string().starts_with("f: is not CIFAR-10 binary"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..7000)) {
            for version in [Version::Cifar10, Version::Cifar100] {
                let _ = open(&bytes, version, Labels::Auto);
            }
        }
    }
}
