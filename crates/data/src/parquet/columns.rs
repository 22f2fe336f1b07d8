//! Columns of a record batch as numbers, images and labels. Errors go on after the column's name.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use parquet::file::metadata::ParquetMetaData;

use super::{is_number, push_words};
use crate::dataset::Values;
use crate::labels::{Classes, Words};

/// Most levels of lists: channels, height and width, and one to spare.
const MAX_LEVELS: usize = 4;

/// What a column can be used as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Integers and booleans.
    Whole,
    Real,
    Text,
    Images,
    /// Lists of numbers, nested so often.
    List(usize),
    Other(String),
}

impl Kind {
    pub(super) fn of(data_type: &DataType) -> Self {
        use DataType::{
            Binary, Boolean, Float16, Float32, Float64, Int8, Int16, Int32, Int64, List, Struct,
            UInt8, UInt16, UInt32, UInt64, Utf8,
        };
        match data_type {
            Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Boolean => {
                Self::Whole
            }
            Float16 | Float32 | Float64 => Self::Real,
            Utf8 => Self::Text,
            Binary => Self::Images,
            Struct(fields)
                if fields.iter().any(|f| f.name() == "bytes" && *f.data_type() == Binary) =>
            {
                Self::Images
            }
            List(_) => {
                let (mut inner, mut levels) = (data_type, 0);
                while let List(field) = inner {
                    inner = field.data_type();
                    levels += 1;
                }
                if is_number(inner) && *inner != Boolean && levels <= MAX_LEVELS {
                    Self::List(levels)
                } else {
                    Self::Other(format!("{levels} levels of lists of {}", short(inner)))
                }
            }
            other => Self::Other(short(other)),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Whole => "whole numbers".to_owned(),
            Self::Real => "numbers".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Images => "images or bytes".to_owned(),
            Self::List(1) => "lists of numbers".to_owned(),
            Self::List(levels) => format!("{levels} levels of lists of numbers"),
            Self::Other(what) => what.clone(),
        }
    }
}

/// The name of a type, without the types inside.
fn short(data_type: &DataType) -> String {
    let name: String = format!("{data_type:?}").chars().take(40).collect();
    name.split('(').next().unwrap_or_default().to_lowercase()
}

/// The first null of a column is an error; `values` of them make a row.
fn no_nulls(column: &dyn Array, first: usize, values: usize) -> Result<(), String> {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    match nulls.and_then(|nulls| (0..nulls.len()).find(|&i| nulls.is_null(i))) {
        Some(place) => Err(format!(", row {} is null, expected a value", first + place / values)),
        None => Ok(()),
    }
}

/// A column of numbers as the nearest `f32`, all finite; `values` of them make a row.
pub(super) fn numbers(column: &ArrayRef, first: usize, values: usize) -> Result<Vec<f32>, String> {
    no_nulls(column, first, values)?;
    macro_rules! cast {
        ($type:ty) => {
            column.as_primitive::<$type>().values().iter().map(|&value| value as f32).collect()
        };
    }
    let numbers: Vec<f32> = match column.data_type() {
        DataType::Boolean => {
            let flags = column.as_boolean().values().iter();
            flags.map(|flag| f32::from(u8::from(flag))).collect()
        }
        DataType::Int8 => cast!(Int8Type),
        DataType::Int16 => cast!(Int16Type),
        DataType::Int32 => cast!(Int32Type),
        DataType::Int64 => cast!(Int64Type),
        DataType::UInt8 => cast!(UInt8Type),
        DataType::UInt16 => cast!(UInt16Type),
        DataType::UInt32 => cast!(UInt32Type),
        DataType::UInt64 => cast!(UInt64Type),
        DataType::Float16 => column
            .as_primitive::<Float16Type>()
            .values()
            .iter()
            .map(|value| value.to_f32())
            .collect(),
        DataType::Float32 => cast!(Float32Type),
        DataType::Float64 => cast!(Float64Type),
        other => return Err(format!(" holds {}, expected numbers", short(other))),
    };
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(place) => Err(format!(
            ", row {} holds {}, expected a finite f32",
            first + place / values,
            numbers[place]
        )),
        None => Ok(numbers),
    }
}

/// The bytes of images.
pub(super) fn images(column: &ArrayRef, first: usize) -> Result<Vec<&[u8]>, String> {
    no_nulls(column, first, 1)?;
    let bytes = match column.data_type() {
        DataType::Struct(_) => {
            column.as_struct().column_by_name("bytes").ok_or(" has no field `bytes`")?
        }
        _ => column,
    };
    let bytes = bytes.as_binary_opt::<i32>().ok_or(" holds no bytes")?;
    let image = |(row, image): (usize, Option<_>)| {
        image
            .ok_or_else(|| format!(", row {} has no bytes, expected the image itself", first + row))
    };
    bytes.iter().enumerate().map(image).collect()
}

/// Lists of one shape.
#[derive(Default)]
pub(super) struct Lists {
    /// Lengths of the lists, outermost first.
    shape: Vec<usize>,
    values: Option<Values>,
}

impl Lists {
    /// Adds rows; returns the size of their values in bytes.
    pub(super) fn push(&mut self, column: &ArrayRef, first: usize) -> Result<u64, String> {
        let mut inner = column.clone();
        let (mut level, mut per_row) = (0, 1);
        while let DataType::List(_) = inner.data_type() {
            no_nulls(&inner, first, per_row)?;
            let lists = inner.as_list::<i32>();
            let offsets = lists.offsets();
            for (place, pair) in offsets.windows(2).enumerate() {
                let length = (pair[1] - pair[0]) as usize;
                if self.shape.len() == level {
                    self.shape.push(length);
                }
                if length != self.shape[level] || length == 0 {
                    return Err(format!(
                        ", row {} has a list of {length} values, expected {} as in the first row",
                        first + place / per_row,
                        self.shape[level].max(1)
                    ));
                }
            }
            let (begin, end) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
            per_row *= self.shape.get(level).copied().unwrap_or(1);
            level += 1;
            let values = lists.values().slice(begin, end - begin);
            inner = values;
        }
        let (more, size) = if *inner.data_type() == DataType::UInt8 {
            no_nulls(&inner, first, per_row)?;
            let pixels = inner.as_primitive::<UInt8Type>().values().to_vec();
            let size = pixels.len() as u64;
            (Values::Pixels(pixels), size)
        } else {
            let reals = numbers(&inner, first, per_row)?;
            let size = 4 * reals.len() as u64;
            (Values::Reals(reals), size)
        };
        self.values = match self.values.take() {
            None => Some(more),
            Some(values) => values.followed_by(more),
        };
        Ok(size)
    }

    pub(super) fn finish(self) -> (Vec<usize>, Values) {
        (self.shape, self.values.unwrap_or(Values::Reals(vec![])))
    }
}

/// Labels of the rows so far.
pub(super) enum LabelColumn {
    Numbers(Vec<i64>),
    Words(Words),
}

impl LabelColumn {
    pub(super) fn for_type(data_type: &DataType) -> Self {
        match data_type {
            DataType::Utf8 => Self::Words(Words::default()),
            _ => Self::Numbers(vec![]),
        }
    }

    pub(super) fn push(&mut self, column: &ArrayRef, first: usize) -> Result<(), String> {
        let labels = match self {
            Self::Words(words) => return push_words(words, column, first),
            Self::Numbers(labels) => labels,
        };
        no_nulls(column, first, 1)?;
        macro_rules! cast {
            ($type:ty) => {
                labels.extend(column.as_primitive::<$type>().values().iter().map(|&v| v as i64))
            };
        }
        match column.data_type() {
            DataType::Boolean => labels.extend(column.as_boolean().values().iter().map(i64::from)),
            DataType::Int8 => cast!(Int8Type),
            DataType::Int16 => cast!(Int16Type),
            DataType::Int32 => cast!(Int32Type),
            DataType::Int64 => cast!(Int64Type),
            DataType::UInt8 => cast!(UInt8Type),
            DataType::UInt16 => cast!(UInt16Type),
            DataType::UInt32 => cast!(UInt32Type),
            _ => {
                for (row, number) in numbers(column, first, 1)?.into_iter().enumerate() {
                    // Whole numbers beyond are not exact.
                    if number.fract() != 0.0 || number.abs() > 16_777_216.0 {
                        let row = first + row;
                        return Err(format!(", row {row} holds {number}, expected a class number"));
                    }
                    labels.push(number as i64);
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Classes {
        match self {
            Self::Numbers(labels) => Classes { labels, names: vec![] },
            Self::Words(words) => words.classes(),
        }
    }
}

/// Names of classes as the Hugging Face libraries keep them in the file.
pub(super) fn class_names(metadata: &ParquetMetaData, column: &str) -> Option<Vec<String>> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let text = pairs.iter().find(|pair| pair.key == "huggingface")?.value.as_deref()?;
    let features: serde_json::Value = serde_json::from_str(text).ok()?;
    let names = features["info"]["features"][column]["names"].as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}
