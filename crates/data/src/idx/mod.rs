//! The IDX format of MNIST and its relatives.
//!
//! Two zero bytes, one for the element type, one for the rank, the dimensions as big-endian
//! 32-bit integers (rows first), then the elements, big-endian, row-major. Often gzip-compressed.
//!
//! # A header is a claim
//!
//! Sixteen bytes can declare petabytes, and a small gzip file can expand to them. So memory
//! grows with the bytes that arrive, never with the size that is declared: the declared size
//! only says when to stop, one byte beyond it (to notice a file that goes on), and is
//! refused outright above [`MAX_BYTES`]. A file that declares a size, and has it, is read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::dataset::{Dataset, Values};
use crate::error::{Error, Result};

#[cfg(test)]
pub(crate) mod tests;

/// The most that is read into memory, in bytes after decompression: 16 GiB, a million
/// images of 64 x 64 x 3 with room to spare.
const MAX_BYTES: u64 = 16 << 30;

/// Whole numbers up to this one are exact in an `f64`.
const MAX_LABEL: f64 = (1_u64 << 53) as f64;

/// An IDX file in memory: as many elements as its shape says, not yet interpreted.
#[derive(Debug)]
pub(crate) struct Idx {
    file: String,
    element: Element,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Element {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x08 => Self::U8,
            0x09 => Self::I8,
            0x0b => Self::I16,
            0x0c => Self::I32,
            0x0d => Self::F32,
            0x0e => Self::F64,
            _ => return None,
        })
    }

    /// Size in bytes.
    fn size(self) -> u64 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

impl Idx {
    /// Reads a file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        if path.is_dir() {
            return Err(Error::Directory { file });
        }
        match File::open(path) {
            Ok(reader) => Self::parse(file, reader),
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => {
                Err(Error::NotFound { file })
            }
            Err(reason) => Err(Error::Read { file, reason }),
        }
    }

    /// Reads plain or gzip-compressed bytes; `file` is what errors call them.
    pub(crate) fn parse(file: String, mut reader: impl Read) -> Result<Self> {
        let magic = read(&file, &mut reader, 2)?;
        let gzip = magic == [0x1f, 0x8b];
        let whole = io::Cursor::new(magic).chain(reader);
        if gzip {
            Self::parse_plain(file, MultiGzDecoder::new(whole))
        } else {
            Self::parse_plain(file, whole)
        }
    }

    fn parse_plain(file: String, mut reader: impl Read) -> Result<Self> {
        let magic = read(&file, &mut reader, 4)?;
        let (element, rank) = match magic[..] {
            [0, 0, code, rank] if rank > 0 => (Element::from_code(code), u64::from(rank)),
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
        if shape.contains(&0) {
            return Err(Error::Empty { origin: file, shape });
        }
        let size = shape.iter().try_fold(element.size(), |size, &n| size.checked_mul(n as u64));
        let Some(size) = size.filter(|&size| size <= MAX_BYTES) else {
            return Err(Error::TooLarge { file, shape, limit: MAX_BYTES });
        };

        let mut bytes = Vec::new();
        let outcome = reader.take(size + 1).read_to_end(&mut bytes);
        let (expected, found) = (header + size, header + bytes.len() as u64);
        match outcome {
            // A gzip stream cut short ends in an error, a plain one just ends.
            Err(reason) if found >= expected || reason.kind() != io::ErrorKind::UnexpectedEof => {
                Err(Error::Read { file, reason })
            }
            _ if found < expected => Err(Error::Truncated { file, expected, found }),
            _ if found > expected => Err(Error::Oversized { file, expected }),
            _ => {
                bytes.shrink_to_fit();
                Ok(Self { file, element, shape, bytes })
            }
        }
    }

    /// Every element as an `f64`, which holds each of the six types exactly, through `each`.
    fn convert<T>(&self, each: impl Fn(usize, f64) -> Result<T>) -> Result<Vec<T>> {
        fn elements<T, const N: usize>(
            bytes: &[u8],
            decode: fn([u8; N]) -> f64,
            each: impl Fn(usize, f64) -> Result<T>,
        ) -> Result<Vec<T>> {
            let elements = bytes.as_chunks().0.iter().enumerate();
            elements.map(|(i, &bytes)| each(i, decode(bytes))).collect()
        }
        match self.element {
            Element::U8 => elements(&self.bytes, |b| u8::from_be_bytes(b).into(), each),
            Element::I8 => elements(&self.bytes, |b| i8::from_be_bytes(b).into(), each),
            Element::I16 => elements(&self.bytes, |b| i16::from_be_bytes(b).into(), each),
            Element::I32 => elements(&self.bytes, |b| i32::from_be_bytes(b).into(), each),
            Element::F32 => elements(&self.bytes, |b| f32::from_be_bytes(b).into(), each),
            Element::F64 => elements(&self.bytes, f64::from_be_bytes, each),
        }
    }

    /// The elements as values of samples of `features` values: bytes are pixels, everything
    /// else becomes the nearest `f32`, which must be finite.
    fn into_values(self, features: usize) -> Result<Values> {
        if self.element == Element::U8 {
            return Ok(Values::Pixels(self.bytes));
        }
        let reals = self.convert(|i, value| match value as f32 {
            real if real.is_finite() => Ok(real),
            _ => Err(Error::NotFinite {
                origin: self.file.clone(),
                row: i / features,
                feature: i % features,
                value,
            }),
        })?;
        Ok(Values::Reals(reals))
    }

    /// The elements as labels of `rows` rows.
    fn into_labels(self, rows: usize) -> Result<Vec<i64>> {
        let [labels] = self.shape[..] else {
            return Err(Error::LabelShape { file: self.file, shape: self.shape });
        };
        if labels != rows {
            return Err(Error::LabelCount { origin: self.file, labels, rows });
        }
        self.convert(|row, value| {
            if value.fract() == 0.0 && value.abs() <= MAX_LABEL {
                return Ok(value as i64);
            }
            let file = self.file.clone();
            Err(Error::Label { file, row, value })
        })
    }
}

/// A data set from a file of samples and one of labels.
pub(crate) fn dataset(name: String, samples: Idx, labels: Option<Idx>) -> Result<Dataset> {
    let (rows, shape) = match samples.shape[..] {
        [count] => {
            return Err(Error::LabelsAsData { file: samples.file, count });
        }
        [rows, height, width] => (rows, vec![1, height, width]),
        [rows, ref shape @ ..] => (rows, shape.to_vec()),
        [] => unreachable!("the rank of an IDX file is at least 1"),
    };
    let labels = labels.map(|labels| labels.into_labels(rows)).transpose()?;
    let values = samples.into_values(shape.iter().product())?;
    Ok(Dataset::from_checked(name, shape, values, labels))
}

/// Up to `limit` bytes; fewer only where the input ends.
fn read(file: &str, reader: impl Read, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match reader.take(limit).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(reason) => Err(Error::Read { file: file.to_owned(), reason }),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if digits.is_empty() { "nothing".to_owned() } else { digits.join(" ") }
}
