//! A table of samples in memory.
//!
//! A [`Dataset`] is checked once, when it is made, and never changes: it has at least one row,
//! every value is finite, and there is one label for each row or none at all. Code that holds
//! one need not check again.
//!
//! Values are kept as they came: pixels stay bytes (MNIST is 8 MB rather than 31), and become
//! `k / 255` when a row is read; sprites are kept as numbers of their factors and drawn then. How they came also decides the *natural box*: bytes are images
//! and live in `[0, 1]`, while for floats nothing is known and no box is invented, neither
//! from the type nor from the extremes of the sample.
//!
//! # Splits
//!
//! Where the source has test rows of its own (folders, shards or arrays called so), these are the
//! test split; they come last. Elsewhere it is the last fifth of the rows (rounded down, at least
//! one). The rest is for training. That rule depends on nothing but the number of rows, so that
//! row 8000 is a test row of MNIST on every machine and in every run; whoever needs another split
//! selects rows.
//! Rows are not shuffled: a file sorted by class should be shuffled before it is used.

use std::fmt;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::factors::Factors;
use crate::sprites::{self, Sprites};

mod fingerprint;

/// Samples of one shape, in a fixed order, with optional labels.
#[derive(Clone)]
pub struct Dataset {
    name: String,
    shape: Vec<usize>,
    features: usize,
    rows: usize,
    values: Values,
    labels: Option<Vec<i64>>,
    /// First row of the test split.
    first_test_row: usize,
    about: About,
}

/// What a reader has checked: whole rows, at least one, finite values, one label for each row.
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
    pub(crate) labels: Option<Vec<i64>>,
    /// Where the test split begins, if the source says so: within the rows.
    pub(crate) test_from: Option<usize>,
    pub(crate) about: About,
}

/// What people may want to know about where rows come from; no computation sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) format: String,
    pub(crate) value_type: String,
    pub(crate) remarks: Vec<String>,
    /// Names of the labels 0, 1, ...
    pub(crate) label_names: Vec<String>,
    /// Names of the features of a table.
    pub(crate) columns: Vec<String>,
}

impl About {
    pub(crate) fn new(format: impl Into<String>, value_type: impl Into<String>) -> Self {
        Self { format: format.into(), value_type: value_type.into(), ..Self::default() }
    }
}

/// The values of all rows, row-major.
#[derive(Clone)]
pub(crate) enum Values {
    /// 8-bit pixels; `k` stands for `k / 255`.
    Pixels(Vec<u8>),
    /// Finite numbers.
    Reals(Vec<f32>),
    /// 8-bit pixels that are drawn when they are read.
    Sprites(sprites::Rows),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Pixels(pixels) => pixels.len(),
            Self::Reals(reals) => reals.len(),
            Self::Sprites(rows) => rows.len() * rows.features(),
        }
    }

    /// These values and then `more`; none if they are not both pixels or both reals.
    pub(crate) fn followed_by(mut self, more: Self) -> Option<Self> {
        match (&mut self, more) {
            (Self::Pixels(first), Self::Pixels(more)) => first.extend(more),
            (Self::Reals(first), Self::Reals(more)) => first.extend(more),
            _ => return None,
        }
        Some(self)
    }
}

#[expect(clippy::len_without_is_empty, reason = "a data set has at least one row")]
impl Dataset {
    /// A data set from numbers in memory, without a natural box.
    ///
    /// # Shapes
    /// - `shape`: of one sample, for example `[1, 28, 28]` (channels, height, width) or `[12]`
    /// - `values`: rows x features, row-major
    /// - `labels`: one for each row
    ///
    /// # Errors
    /// If a value is NaN or infinite, if there is no value, or if the lengths do not agree.
    pub fn from_f32(
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        values: Vec<f32>,
        labels: Option<Vec<i64>>,
    ) -> Result<Self> {
        let (origin, shape) = (name.into(), shape.into());
        let features = shape.iter().try_fold(1, |product: usize, &size| product.checked_mul(size));
        let Some(features) = features.filter(|_| !shape.is_empty()) else {
            return Err(Error::Shape { origin, shape });
        };
        if features == 0 || values.is_empty() {
            let rows = values.len().checked_div(features).unwrap_or(0);
            let shape = std::iter::once(rows).chain(shape).collect();
            return Err(Error::Empty { origin, shape });
        }
        if !values.len().is_multiple_of(features) {
            return Err(Error::Values { origin, values: values.len(), features });
        }
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let (row, feature, value) = (place / features, place % features, values[place].into());
            return Err(Error::NotFinite { origin, row, feature, value });
        }
        let (rows, given) = (values.len() / features, labels.as_ref().map(Vec::len));
        if let Some(labels) = given.filter(|&labels| labels != rows) {
            return Err(Error::LabelCount { origin, labels, rows });
        }
        let about = About::new("memory", "float32");
        let values = Values::Reals(values);
        let name = origin;
        Ok(Self::from_parts(Parts { name, shape, values, labels, test_from: None, about }))
    }

    /// A data set from parts that a reader has checked.
    pub(crate) fn from_parts(parts: Parts) -> Self {
        let Parts { name, shape, values, labels, test_from, about } = parts;
        let features = shape.iter().product();
        let rows = values.len() / features;
        let first_test_row = test_from.unwrap_or_else(|| default_first_test_row(rows));
        Self { name, shape, features, rows, values, labels, first_test_row, about }
    }

    /// The same rows without labels.
    pub(crate) fn without_labels(mut self) -> Self {
        self.labels = None;
        self
    }

    /// The name of an embedded set, or the name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape of one sample: `[channels, height, width]` for images, `[features]` for tables.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of rows; at least 1.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// The number of values in one sample: the product of [`shape`](Self::shape).
    pub fn features(&self) -> usize {
        self.features
    }

    /// The label of row `i`; none if the data set has no labels (or no such row).
    pub fn label(&self, i: usize) -> Option<i64> {
        self.labels.as_ref()?.get(i).copied()
    }

    /// The values of row `i`, flattened.
    ///
    /// # Panics
    /// If there is no row `i`. [`Selection::resolve`](crate::Selection::resolve) gives only
    /// rows that exist.
    pub fn row(&self, i: usize) -> Vec<f32> {
        self.rows(&[i])
    }

    /// The values of several rows, in the order given.
    ///
    /// # Shapes
    /// - output: `rows.len()` x features, row-major
    ///
    /// # Panics
    /// If one of the rows does not exist.
    pub fn rows(&self, rows: &[usize]) -> Vec<f32> {
        let mut values = vec![0.0; rows.len() * self.features];
        for (&i, out) in rows.iter().zip(values.chunks_exact_mut(self.features)) {
            self.copy_row(i, out);
        }
        values
    }

    /// Writes the values of row `i` to `out`.
    ///
    /// # Panics
    /// If there is no row `i`, or if `out` does not hold exactly one sample.
    pub fn copy_row(&self, i: usize, out: &mut [f32]) {
        assert!(i < self.rows, "row {i} of {}, which has {} rows", self.name, self.rows);
        assert_eq!(out.len(), self.features, "room for one sample of {}", self.name);
        let place = i * self.features..(i + 1) * self.features;
        match &self.values {
            Values::Pixels(pixels) => {
                for (value, &pixel) in out.iter_mut().zip(&pixels[place]) {
                    *value = f32::from(pixel) / 255.0;
                }
            }
            Values::Reals(reals) => out.copy_from_slice(&reals[place]),
            Values::Sprites(rows) => rows.copy(i, out),
        }
    }

    /// The factors that samples vary in, where they are known.
    pub fn factors(&self) -> Option<Factors> {
        Some(self.generator()?.factors())
    }

    /// The index of row `i`'s value of each factor; none if the factors are not known (or there is
    /// no such row).
    pub fn factor_indices(&self, i: usize) -> Option<Vec<usize>> {
        match &self.values {
            Values::Sprites(rows) if i < self.rows => {
                Some(rows.sprites().factors().indices(rows.number(i)))
            }
            _ => None,
        }
    }

    /// What makes samples of any combination of factors, those that are no rows included.
    pub fn generator(&self) -> Option<Sprites> {
        match &self.values {
            Values::Sprites(rows) => Some(rows.sprites()),
            Values::Pixels(_) | Values::Reals(_) => None,
        }
    }

    /// The rows for training: all but the test split. Empty if there is a single row.
    pub fn train(&self) -> Range<usize> {
        0..self.first_test_row
    }

    /// The rows for testing: those that the source calls so, else the last fifth, at least one.
    pub fn test(&self) -> Range<usize> {
        self.first_test_row..self.rows
    }

    /// Whether the source says which rows are for testing.
    pub fn has_own_split(&self) -> bool {
        self.first_test_row != default_first_test_row(self.rows)
    }

    /// The format that the data were recognised as, such as `IDX`; `memory` for values that
    /// came from no file.
    pub fn format(&self) -> &str {
        &self.about.format
    }

    /// The type of the values in the source, and how they are read.
    pub fn value_type(&self) -> &str {
        &self.about.value_type
    }

    /// What was concluded, and what a user might not expect: one sentence each.
    pub fn remarks(&self) -> &[String] {
        &self.about.remarks
    }

    /// The name of a label, where the source has names.
    pub fn label_name(&self, label: i64) -> Option<&str> {
        self.about.label_names.get(usize::try_from(label).ok()?).map(String::as_str)
    }

    /// The names of the features of a table, in order; empty where features have no names.
    pub fn columns(&self) -> &[String] {
        &self.about.columns
    }

    /// The natural box: the smallest and largest value that a sample of this kind can have.
    ///
    /// `(0, 1)` for 8-bit images, none where the format does not say.
    pub fn value_range(&self) -> Option<(f32, f32)> {
        match self.values {
            Values::Pixels(_) | Values::Sprites(_) => Some((0.0, 1.0)),
            Values::Reals(_) => None,
        }
    }
}

/// The last fifth is for testing, at least one row.
fn default_first_test_row(rows: usize) -> usize {
    rows - (rows / 5).max(1)
}

/// A summary rather than millions of values.
impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("name", &self.name)
            .field("rows", &self.rows)
            .field("shape", &self.shape)
            .field("labels", &self.labels.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A data set without a history.
    pub(crate) fn plain(
        name: &str,
        shape: &[usize],
        values: Values,
        labels: Option<Vec<i64>>,
    ) -> Dataset {
        let (name, shape, about) = (name.to_owned(), shape.to_vec(), About::default());
        Dataset::from_parts(Parts { name, shape, values, labels, test_from: None, about })
    }

    fn ramp(rows: usize) -> Dataset {
        let values = (0..rows * 2).map(|k| k as f32 - 1.5).collect();
        Dataset::from_f32("ramp", [2], values, Some((0..rows as i64).rev().collect())).unwrap()
    }

    fn refusal(shape: &[usize], values: &[f32], labels: Option<&[i64]>) -> String {
        let labels = labels.map(<[i64]>::to_vec);
        Dataset::from_f32("mine", shape, values.to_vec(), labels).unwrap_err().to_string()
    }

    #[test]
    fn rows_come_back_as_given() {
        let data = ramp(3);
        assert_eq!((data.name(), data.len(), data.features()), ("ramp", 3, 2));
        assert_eq!(data.row(1), [0.5, 1.5]);
        assert_eq!(data.rows(&[2, 0, 2]), [2.5, 3.5, -1.5, -0.5, 2.5, 3.5]);
        assert_eq!([0, 2, 3].map(|i| data.label(i)), [Some(2), Some(0), None]);
        assert_eq!(data.value_range(), None);
    }

    #[test]
    fn pixels_are_fractions_of_255() {
        let pixels = Values::Pixels((0..=255).collect());
        let data = plain("grey", &[1, 16, 16], pixels, None);
        let expected: Vec<f32> = (0..=255).map(|k| k as f32 / 255.0).collect();
        assert_eq!(data.row(0), expected);
        assert_eq!(data.value_range(), Some((0.0, 1.0)));
        assert_eq!(data.label(0), None);
    }

    #[test]
    fn the_last_fifth_is_for_testing() {
        for (rows, train, test) in
            [(1, 0..0, 0..1), (2, 0..1, 1..2), (9, 0..8, 8..9), (10, 0..8, 8..10)]
        {
            let data = ramp(rows);
            assert_eq!((data.train(), data.test()), (train, test), "{rows} rows");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        assert_eq!(
            refusal(&[2], &[0.0, 1.0, 2.0, f32::NAN], None),
            "mine: the value NaN at row 1, feature 1 is not a finite f32"
        );
        assert!(
            refusal(&[2], &[f32::NEG_INFINITY, 1.0], None).contains("-inf at row 0, feature 0")
        );
        assert_eq!(
            refusal(&[2, 2], &[0.0; 6], None),
            "mine: 6 values are not a whole number of rows of 4 features"
        );
        assert!(refusal(&[2], &[0.0; 4], Some(&[1])).contains("1 labels for 2 rows"));
        assert!(refusal(&[2], &[], None).contains("[0, 2] holds no values"));
        assert!(refusal(&[0], &[1.0], None).contains("[0, 0] holds no values"));
        assert!(refusal(&[], &[1.0], None).contains("[] cannot be the shape"));
        assert!(refusal(&[usize::MAX, 2], &[1.0], None).contains("cannot be the shape"));
    }

    #[test]
    #[should_panic(expected = "row 3 of ramp, which has 3 rows")]
    fn a_row_beyond_the_end_is_a_bug_of_the_caller() {
        ramp(3).row(3);
    }
}
