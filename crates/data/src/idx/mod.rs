//! The IDX format of MNIST and its relatives.
//!
//! Two zero bytes, one for the element type, one for the rank, the dimensions as big-endian
//! 32-bit integers (rows first), then the elements, big-endian, row-major. Often gzip-compressed.

use std::io::Read;
use std::path::Path;

use crate::array::{Array, ByteOrder, Element};
use crate::dataset::{About, Dataset, Parts};
use crate::error::{Error, Result};
use crate::source::{self, hex, read, read_elements};

#[cfg(test)]
pub(crate) mod tests;

/// What the format is called.
pub(crate) const FORMAT: &str = "IDX";

fn element(code: u8) -> Option<Element> {
    Some(match code {
        0x08 => Element::U8,
        0x09 => Element::I8,
        0x0b => Element::I16,
        0x0c => Element::I32,
        0x0d => Element::F32,
        0x0e => Element::F64,
        _ => return None,
    })
}

/// Whether a file that starts with `head` says that it is IDX.
pub(crate) fn is_idx(head: &[u8]) -> bool {
    matches!(head, [0, 0, code, rank, ..] if *rank > 0 && element(*code).is_some())
}

/// Reads a file.
pub(crate) fn open(path: &Path) -> Result<Array> {
    parse(path.display().to_string(), source::open(path)?)
}

/// Reads plain or gzip-compressed bytes; `file` is what errors call them.
pub(crate) fn parse(file: String, reader: impl Read) -> Result<Array> {
    let (content, _) = source::unpacked(&file, reader)?;
    parse_plain(file, content)
}

fn parse_plain(file: String, mut reader: impl Read) -> Result<Array> {
    let magic = read(&file, &mut reader, 4)?;
    let (element, rank) = match magic[..] {
        [0, 0, code, rank] if rank > 0 => (element(code), u64::from(rank)),
        _ => (None, 0),
    };
    let Some(element) = element else {
        return Err(Error::NotIdx { file, found: hex(&magic) });
    };

    let header = 4 + 4 * rank;
    let dimensions = read(&file, &mut reader, 4 * rank)?;
    let found = 4 + dimensions.len() as u64;
    if found < header {
        return Err(Error::Truncated { file, expected: header, found });
    }
    let dimensions = dimensions.as_chunks().0.iter().map(|&bytes| u32::from_be_bytes(bytes));
    let shape: Vec<usize> = dimensions.map(|size| size as usize).collect();
    let bytes = read_elements(&file, reader, header, &shape, element.size() as u64)?;
    Ok(Array { file, element, order: ByteOrder::Big, shape, bytes })
}

/// A data set from a file of samples and one of labels.
pub(crate) fn dataset(name: String, samples: Array, labels: Option<Array>) -> Result<Dataset> {
    let (rows, shape) = match samples.shape[..] {
        [count] => {
            return Err(Error::LabelsAsData { file: samples.file, count });
        }
        [rows, height, width] => (rows, vec![1, height, width]),
        [rows, ref shape @ ..] => (rows, shape.to_vec()),
        [] => unreachable!("the rank of an IDX file is at least 1"),
    };
    let labels = labels.map(|labels| labels.into_labels(rows)).transpose()?;
    let about = About::new(FORMAT, samples.element.describe());
    let values = samples.into_values(shape.iter().product())?;
    Ok(Dataset::from_parts(Parts { name, shape, values, labels, test_from: None, about }))
}
