//! NumPy's format for one array.
//!
//! `\x93NUMPY`, a version, the length of the header, the header as the literal of a Python
//! dictionary (`{'descr': '<f4', 'fortran_order': False, 'shape': (60000, 784), }`), then the
//! elements. Rows come first; the axes of a sample stay as they are.

use std::io::Read;

use crate::array::{Array, ByteOrder, Element};
use crate::dataset::{About, Dataset, Parts, Values};
use crate::error::{Error, Result};
use crate::source::{self, hex, read, read_elements};

mod header;

/// What the format is called.
pub(crate) const FORMAT: &str = "npy";

/// The first bytes of every file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header in bytes; NumPy itself refuses more than 10,000.
const MAX_HEADER: u64 = 1 << 16;

/// What a header declares.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) shape: Vec<usize>,
    /// The element type, or why it cannot be read.
    pub(crate) element: Result<(Element, ByteOrder), String>,
    fortran: bool,
    /// Length of everything before the elements.
    length: u64,
}

impl Header {
    /// Reads up to the first element.
    pub(crate) fn read(file: &str, mut reader: impl Read) -> Result<Self> {
        let fail = |problem: String| Error::malformed(file, problem);
        let magic = read(file, &mut reader, 8)?;
        let [.., major, _] = magic[..] else {
            return Err(fail(format!("not an npy file: starts with {}", hex(&magic))));
        };
        if magic.len() < 8 || !magic.starts_with(MAGIC) {
            return Err(fail(format!("not an npy file: starts with {}", hex(&magic))));
        }
        let width = match major {
            1 => 2,
            2 | 3 => 4,
            _ => return Err(fail(format!("npy version {major} is unknown, expected 1, 2 or 3"))),
        };
        let mut length = read(file, &mut reader, width)?;
        length.resize(4, 0);
        let length = u64::from(u32::from_le_bytes(length.try_into().expect("four bytes")));
        if length > MAX_HEADER {
            return Err(fail(format!(
                "declares a header of {length} bytes, expected at most {MAX_HEADER}"
            )));
        }
        let text = read(file, &mut reader, length)?;
        let (expected, found) = (8 + width + length, 8 + width + text.len() as u64);
        if found < expected {
            return Err(Error::Truncated { file: file.to_owned(), expected, found });
        }
        let mut header = header::parse(&String::from_utf8_lossy(&text))
            .map_err(|problem| fail(format!("damaged npy header: {problem}")))?;
        header.length = expected;
        Ok(header)
    }

    /// Type and shape, for people.
    pub(crate) fn describe(&self) -> String {
        match &self.element {
            Ok((element, _)) => format!("{:?} {}", self.shape, element.name()),
            Err(what) => format!("{:?} {what}", self.shape),
        }
    }
}

/// Reads plain or gzip-compressed bytes; `file` is what errors call them.
pub(crate) fn parse(file: String, reader: impl Read) -> Result<Array> {
    let (content, _) = source::unpacked(&file, reader)?;
    parse_plain(file, content)
}

/// Reads plain bytes.
pub(crate) fn parse_plain(file: String, mut reader: impl Read) -> Result<Array> {
    let header = Header::read(&file, &mut reader)?;
    let (element, order) = match header.element {
        Ok(element) => element,
        Err(what) => {
            let problem = format!("holds {what}, expected numbers, booleans or bytes");
            return Err(Error::malformed(file, problem));
        }
    };
    let shape = header.shape;
    let size = element.size();
    let mut bytes = read_elements(&file, reader, header.length, &shape, size as u64)?;
    if header.fortran {
        bytes = row_major(&bytes, &shape, size);
    }
    Ok(Array { file, element, order, shape, bytes })
}

/// The elements of a column-major array in row-major order.
fn row_major(bytes: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut strides = vec![size; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let mut ordered = Vec::with_capacity(bytes.len());
    let mut index = vec![0; shape.len()];
    let mut place = 0;
    while ordered.len() < bytes.len() {
        ordered.extend_from_slice(&bytes[place..place + size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    ordered
}

/// Samples from an array: the number of rows, the shape of one, and the values.
pub(crate) fn samples(array: Array) -> Result<(usize, Vec<usize>, Values)> {
    let [rows, ref shape @ ..] = array.shape[..] else {
        return Err(Error::malformed(array.file, "holds a single number, expected samples"));
    };
    if shape.is_empty() {
        let problem = format!(
            "is a list of {rows} numbers, expected samples: at least two axes, rows first \
             (labels are given by --labels)"
        );
        return Err(Error::malformed(array.file, problem));
    }
    let shape = shape.to_vec();
    let values = array.into_values(shape.iter().product())?;
    Ok((rows, shape, values))
}

/// What users of bytes might not expect.
pub(crate) fn remark(values: &Values) -> Option<String> {
    let Values::Pixels(pixels) = values else { return None };
    let largest = pixels.iter().copied().max().unwrap_or(0);
    (largest == 1).then(|| {
        "bytes are pixels k/255, and none is larger than 1: if 1 means white, save them as bool"
            .to_owned()
    })
}

/// A data set from an array of samples and one of labels.
pub(crate) fn dataset(name: String, array: Array, labels: Option<Array>) -> Result<Dataset> {
    let mut about = About::new(FORMAT, array.element.describe());
    let (rows, shape, values) = samples(array)?;
    about.remarks.extend(remark(&values));
    let labels = labels.map(|labels| labels.into_labels(rows)).transpose()?;
    Ok(Dataset::from_parts(Parts { name, shape, values, labels, test_from: None, about }))
}
