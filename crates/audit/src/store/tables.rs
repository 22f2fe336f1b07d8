//! Rows as Parquet tables.
//!
//! The conversion is written once, as a list of columns per row type: `columns!` turns the
//! list into the Arrow schema, the encoder and the decoder. The list cannot drift from the row
//! type, because the decoder builds the row as a struct literal: a field that is missing here
//! does not compile. Column types follow from field types ([`Cell`]).

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{Error, disk, manifest};
use crate::schema::{AttackRow, CurveRow, PointRow, SCHEMA_VERSION, Status};

/// Key of the schema version in the metadata of a Parquet file.
const VERSION_KEY: &str = "vaegis.schema_version";
/// Rows decoded at a time.
const BATCH_ROWS: usize = 4096;

/// A row type that has a table.
pub(super) trait Row: Sized {
    /// The columns.
    fn schema() -> Schema;
    /// Rows to columns.
    fn encode(rows: &[Self]) -> Result<RecordBatch, ArrowError>;
    /// Columns to rows, found by name; other columns are ignored.
    fn decode(batch: &RecordBatch) -> Result<Vec<Self>, String>;
}

macro_rules! columns {
    ($row:ident: $($field:ident),+ $(,)?) => {
        impl Row for $row {
            fn schema() -> Schema {
                Schema::new(vec![$(field(stringify!($field), |row: &$row| &row.$field)),+])
            }
            fn encode(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
                let arrays = vec![$(Cell::encode(rows.iter().map(|row| &row.$field))),+];
                RecordBatch::try_new(Arc::new(Self::schema()), arrays)
            }
            fn decode(batch: &RecordBatch) -> Result<Vec<Self>, String> {
                $(let mut $field = column(batch, stringify!($field))?.into_iter();)+
                let row = |_| Some(Self { $($field: $field.next()?),+ });
                Ok((0..batch.num_rows()).map_while(row).collect())
            }
        }
    };
}

columns!(PointRow:
    model, index, label, radius, r, norm, r#box,
    p, p_low, p_high, p_lower_limit, draws, p_linear, p_markov,
    sigma_min, sigma_mean, jacobian_frobenius, jacobian_spectral, whitened_jacobian_spectral,
    jacobian_error,
    bound_paper, bound_sharp, bound_paper_limit, bound_sharp_limit,
    certified, certified_by, certified_confidence,
    attacked, attacked_p, attacked_p_value, attacked_crossing, attacked_by, degradation, transferred_p, status, message,
    seconds, seconds_attacked,
);

columns!(AttackRow:
    model, index, label, attack, through, optimiser, start, norm, r#box, size, length, value, value_at_rest,
    damage, damage_at_rest, r, p, p_low, p_high, kl, symmetric_kl, degradation, psnr, ssim, ms_ssim,
    aim_size, aim_distance, aim_distance_at_rest,
    aim_distance_of_target, auddc, status, message, seconds,
);

columns!(CurveRow: model, index, radius, r, perturbation_norm, damage, p);

/// What resuming needs to know of a row.
pub(super) struct Outcome {
    pub(super) model: String,
    pub(super) index: i64,
    pub(super) status: Status,
}

columns!(Outcome: model, index, status);

/// Writes a table at `path`; `fill` is handed a function that appends rows. Each call of it
/// makes one row group, so what is held in memory is one call's rows.
pub(super) fn write<R: Row>(
    path: &Path,
    fill: impl FnOnce(&mut dyn FnMut(&[R]) -> Result<(), Error>) -> Result<(), Error>,
) -> Result<(), Error> {
    let refuse = |error| disk::failed("write", path, io::Error::other(error));
    let version = KeyValue::new(VERSION_KEY.to_owned(), SCHEMA_VERSION.to_string());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(vec![version]))
        .build();
    disk::replace(path, |file: &mut BufWriter<File>| {
        let mut writer =
            ArrowWriter::try_new(file, Arc::new(R::schema()), Some(properties)).map_err(refuse)?;
        fill(&mut |rows| {
            let batch = R::encode(rows).map_err(|e| refuse(e.into()))?;
            writer.write(&batch).and_then(|()| writer.flush()).map_err(refuse)
        })?;
        writer.close().map(drop).map_err(refuse)
    })
}

/// Hands every row of the table at `path` to `each`, in order. Only the columns of `R` are read.
pub(super) fn read<R: Row>(
    path: &Path,
    mut each: impl FnMut(R) -> Result<(), Error>,
) -> Result<(), Error> {
    let damaged = |reason: String| disk::damaged(path, reason);
    let builder = open(path)?;
    let schema = R::schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| damaged(e.to_string()))?;
    for batch in reader {
        let batch = batch.map_err(|e| damaged(e.to_string()))?;
        R::decode(&batch).map_err(damaged)?.into_iter().try_for_each(&mut each)?;
    }
    Ok(())
}

/// Number of rows of the table at `path`.
pub(super) fn count(path: &Path) -> Result<u64, Error> {
    let rows = open(path)?.metadata().file_metadata().num_rows();
    u64::try_from(rows).map_err(|e| disk::damaged(path, e))
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => disk::damaged(path, "it is missing"),
        _ => disk::failed("read", path, source),
    })?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| disk::damaged(path, e))?;
    let version = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == VERSION_KEY))
        .and_then(|pair| pair.value.as_ref()?.parse().ok())
        .ok_or_else(|| disk::damaged(path, format!("it has no `{VERSION_KEY}`")))?;
    manifest::check_version(path, version)?;
    Ok(builder)
}

fn field<R, C: Cell>(name: &str, _of: fn(&R) -> &C) -> Field {
    Field::new(plain(name), C::TYPE, C::NULLABLE)
}

fn column<C: Cell>(batch: &RecordBatch, name: &str) -> Result<Vec<C>, String> {
    let name = plain(name);
    let array = batch.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))?;
    C::decode(array).ok_or_else(|| {
        let (expected, found) = (C::TYPE, array.data_type());
        format!("column `{name}` has values that are not {expected} (it has type {found})")
    })
}

/// `r#box` is a name in Rust and `box` in the table.
fn plain(name: &str) -> &str {
    name.trim_start_matches("r#")
}

/// A type that a column can hold.
trait Cell: Sized {
    const TYPE: DataType;
    const NULLABLE: bool;
    fn encode<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef
    where
        Self: 'a;
    /// `None` when the array is of another type or holds a value that the cell cannot.
    fn decode(array: &dyn Array) -> Option<Vec<Self>>;
}

macro_rules! cells {
    ($($cell:ty, $array:ident, $type:ident, $by_ref:expr, $own:expr;)+) => {$(
        impl Cell for $cell {
            const TYPE: DataType = DataType::$type;
            const NULLABLE: bool = false;
            fn encode<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
                Arc::new($array::from_iter_values(cells.map($by_ref)))
            }
            fn decode(array: &dyn Array) -> Option<Vec<Self>> {
                let array = array.as_any().downcast_ref::<$array>()?;
                array.iter().map(|cell| cell.map($own)).collect()
            }
        }
        impl Cell for Option<$cell> {
            const TYPE: DataType = DataType::$type;
            const NULLABLE: bool = true;
            fn encode<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
                Arc::new(cells.map(|cell| cell.as_ref().map($by_ref)).collect::<$array>())
            }
            fn decode(array: &dyn Array) -> Option<Vec<Self>> {
                let array = array.as_any().downcast_ref::<$array>()?;
                Some(array.iter().map(|cell| cell.map($own)).collect())
            }
        }
    )+};
}

cells! {
    String, StringArray, Utf8, String::as_str, str::to_owned;
    i64, Int64Array, Int64, |cell| *cell, |cell| cell;
    f64, Float64Array, Float64, |cell| *cell, |cell| cell;
}

impl Cell for Status {
    const TYPE: DataType = DataType::Utf8;
    const NULLABLE: bool = false;
    fn encode<'a>(cells: impl Iterator<Item = &'a Self>) -> ArrayRef {
        let name = |cell: &Self| match cell {
            Self::Ok => "ok",
            Self::Failed => "failed",
        };
        Arc::new(StringArray::from_iter_values(cells.map(name)))
    }
    fn decode(array: &dyn Array) -> Option<Vec<Self>> {
        let array = array.as_any().downcast_ref::<StringArray>()?;
        let status = |name| match name {
            "ok" => Some(Self::Ok),
            "failed" => Some(Self::Failed),
            _ => None,
        };
        array.iter().map(|cell| cell.and_then(status)).collect()
    }
}
