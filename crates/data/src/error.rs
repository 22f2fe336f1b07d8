//! What can be wrong with data, and how it is said.
//!
//! Every message stands on its own line: it names the file (or data set, or option value),
//! what was found and what was expected. Causes are part of the message rather than a
//! `source`, so printing an error, alone or as a chain, says everything exactly once.

use std::io;

/// Shorthand for a result with this crate's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every format, for people who gave something else.
pub(crate) const FORMATS: &str = "npy, npz, CSV (also gzip), IDX (also gzip), Parquet, \
    CIFAR-10 and CIFAR-100 binary, and folders of PNG or JPEG images, Parquet shards or CIFAR batches";

/// Why data could not be read or rows could not be selected.
///
/// `origin` is the file, or the name of the data set where values came from memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number of sprites that there are not, or no number.
    #[error("{name}: `{found}` is no number of rows: expected 1 to {grid}, as in `{name}:5000`")]
    SpriteRows {
        /// The name of the data set.
        name: &'static str,
        /// What was asked for.
        found: String,
        /// How many sprites there are.
        grid: usize,
    },
    /// Neither the name of a data set nor a file.
    #[error(
        "`{spec}` is neither a known data set ({known}) nor a file; \
         files are read in these formats: {FORMATS}"
    )]
    Unknown {
        /// What was asked for.
        spec: String,
        /// The names that would have been understood.
        known: String,
    },
    /// The path names nothing.
    #[error("{file}: no such file")]
    NotFound {
        /// The path.
        file: String,
    },
    /// The path names a folder.
    #[error("{file}: is a directory, expected a file")]
    Directory {
        /// The path.
        file: String,
    },
    /// The operating system or the decompressor gave up.
    #[error("{file}: cannot be read: {reason}")]
    Read {
        /// The path.
        file: String,
        /// What they said.
        reason: io::Error,
    },
    /// The first four bytes are not those of an IDX file.
    #[error(
        "{file}: not an IDX file: starts with {found}, expected 00 00, an element type \
         (08, 09, 0b, 0c, 0d or 0e) and a rank of at least 1"
    )]
    NotIdx {
        /// The path.
        file: String,
        /// The first bytes in hexadecimal, or `nothing`.
        found: String,
    },
    /// Content that is in none of the formats.
    #[error("{file}: {found}; files are read in these formats: {FORMATS}")]
    Unrecognised {
        /// The path.
        file: String,
        /// What the content looks like, and what may help.
        found: String,
    },
    /// Content that is not what its format asks for, all problems at once.
    #[error("{file}: {}", .problems.join("; "))]
    Malformed {
        /// The path.
        file: String,
        /// What was found and what was expected.
        problems: Vec<String>,
    },
    /// Options that mean nothing for the format.
    #[error("{file}: {options} do not apply to data read as {format}")]
    Inapplicable {
        /// The path or data set.
        file: String,
        /// The format as recognised.
        format: String,
        /// The options.
        options: String,
    },
    /// The content is shorter than its header says.
    #[error("{file}: truncated: expected {expected} bytes, found {found}")]
    Truncated {
        /// The path.
        file: String,
        /// Bytes declared by the header, itself included; after decompression.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// The content is longer than its header says.
    #[error("{file}: goes on after the {expected} bytes that its header declares")]
    Oversized {
        /// The path.
        file: String,
        /// Bytes declared by the header, itself included; after decompression.
        expected: u64,
    },
    /// The header declares more than is ever read into memory.
    #[error(
        "{file}: its header declares the shape {shape:?}, more than the limit of {limit} bytes"
    )]
    TooLarge {
        /// The path.
        file: String,
        /// The declared dimensions, rows first.
        shape: Vec<usize>,
        /// The limit.
        limit: u64,
    },
    /// The data hold no value at all.
    #[error("{origin}: the shape {shape:?} holds no values, expected at least one row and feature")]
    Empty {
        /// The file or data set.
        origin: String,
        /// The dimensions, rows first.
        shape: Vec<usize>,
    },
    /// A sample shape without dimensions, or with more features than can be counted.
    #[error("{origin}: {shape:?} cannot be the shape of a sample")]
    Shape {
        /// The data set.
        origin: String,
        /// The sample shape.
        shape: Vec<usize>,
    },
    /// The values do not make whole rows.
    #[error("{origin}: {values} values are not a whole number of rows of {features} features")]
    Values {
        /// The data set.
        origin: String,
        /// Number of values given.
        values: usize,
        /// Features of one sample.
        features: usize,
    },
    /// A value that is NaN, infinite, or too large for an `f32`.
    #[error("{origin}: the value {value:?} at row {row}, feature {feature} is not a finite f32")]
    NotFinite {
        /// The file or data set.
        origin: String,
        /// Row of the value, from 0.
        row: usize,
        /// Place in the flattened sample, from 0.
        feature: usize,
        /// The value.
        value: f64,
    },
    /// A one-dimensional IDX file where samples were expected.
    #[error(
        "{file}: is a list of {count} numbers, which is how IDX stores labels; expected samples, \
         usually in a file called *-images-idx3-ubyte"
    )]
    LabelsAsData {
        /// The path.
        file: String,
        /// Length of the list.
        count: usize,
    },
    /// A file of labels that is not a list.
    #[error("{file}: has the shape {shape:?}, expected labels as a list, one for each row")]
    LabelShape {
        /// The path.
        file: String,
        /// The dimensions found.
        shape: Vec<usize>,
    },
    /// A label that is not a class number.
    #[error("{file}: the label {value:?} of row {row} is not a whole number within +-2^53")]
    Label {
        /// The path.
        file: String,
        /// Row of the label, from 0.
        row: usize,
        /// The label.
        value: f64,
    },
    /// There are more or fewer labels than rows.
    #[error("{origin}: {labels} labels for {rows} rows, expected one for each row")]
    LabelCount {
        /// The file of labels, or the data set.
        origin: String,
        /// Number of labels.
        labels: usize,
        /// Number of rows.
        rows: usize,
    },
    /// Text that is no selection.
    #[error(
        "`{text}` does not select points: expected a count such as `500`, a range such as \
         `8000..8050` or `8000..=8049`, a list such as `1,5,10..20`, `all`, `test` or `train`"
    )]
    SelectionSyntax {
        /// The text.
        text: String,
    },
    /// A selection, or one part of it, that selects nothing.
    #[error("`{selection}` selects no rows of {data}, expected at least one")]
    SelectionEmpty {
        /// The selection or the empty part of it.
        selection: String,
        /// The data set.
        data: String,
    },
    /// A selection of rows that do not exist.
    #[error("`{selection}` goes beyond {data}, which has {rows} rows (0..{rows})")]
    SelectionOutOfRange {
        /// The part of the selection that is out of range.
        selection: String,
        /// The data set.
        data: String,
        /// Number of rows there are.
        rows: usize,
    },
    /// A count larger than the test split.
    #[error(
        "{count} points asked for, but the test split of {data} has {rows} rows; \
         other rows are selected by a range, or `all`"
    )]
    SelectionTooMany {
        /// Number of points asked for.
        count: usize,
        /// The data set.
        data: String,
        /// Rows in its test split.
        rows: usize,
    },
}

impl Error {
    /// One problem of a file.
    pub(crate) fn malformed(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Malformed { file: file.into(), problems: vec![problem.into()] }
    }
}

/// A list for people: the first `most` items, and how many more there are.
pub(crate) fn listed<T: AsRef<str>>(items: &[T], most: usize) -> String {
    let mut list = items.iter().take(most).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if items.len() > most {
        list += &format!(" and {} more", items.len() - most);
    }
    list
}
