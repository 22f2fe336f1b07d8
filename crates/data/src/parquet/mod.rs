//! Parquet files as data sets are published in: images as bytes, lists of numbers, or a table.
//!
//! What the samples are is told by the types of the columns. A column of images (a struct
//! `{bytes, path}` as the Hugging Face libraries write it, or bare bytes) or of lists, if there is
//! one, is the data, and other columns are not used, which is said; without one, every column is a
//! feature. Labels are a column that is asked for, or one called `label`, `class`, `target` or
//! `y` with whole numbers or words.
//!
//! Several files are shards of one table: all have the same columns, rows come in their order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::Array;
use arrow::datatypes::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::ChunkReader;

use crate::dataset::{About, Dataset, Parts, Values};
use crate::error::{Error, Result, listed};
use crate::labels::{Words, is_label_name};
use crate::options::{Labels, OpenOptions};
use crate::picture;
use crate::source::MAX_BYTES;
use crate::split::{self, Split};

mod columns;

use columns::{Kind, LabelColumn, Lists};

/// What the format is called.
pub(crate) const FORMAT: &str = "Parquet";

/// The first bytes of every file.
pub(crate) const MAGIC: &[u8] = b"PAR1";

/// Rows that are decoded at a time.
const BATCH: usize = 1024;

/// Most bytes of values for one byte of the file: more is a bomb, or nothing but one value.
const MAX_EXPANSION: u64 = 1 << 14;

/// Most columns that an error lists.
const MOST_LISTED: usize = 20;

/// One file of the table.
pub(crate) struct Shard<R> {
    /// What errors call it.
    pub(crate) file: String,
    pub(crate) split: Split,
    pub(crate) reader: R,
}

/// Which columns are what; decided by the first shard.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    data: Data,
    labels: Option<String>,
    remarks: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Data {
    Images(String),
    Lists(String),
    Table(Vec<String>),
}

impl Plan {
    fn new(file: &str, schema: &Schema, options: &OpenOptions) -> Result<Self> {
        let fail = |problem: String| Error::malformed(file, problem);
        let columns: Vec<(&str, Kind)> = schema
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), Kind::of(field.data_type())))
            .collect();
        let mut seen = std::collections::HashSet::new();
        if let Some((name, _)) = columns.iter().find(|(name, _)| !seen.insert(*name)) {
            return Err(fail(format!("several columns are called `{name}`")));
        }
        let find = |name: &str| columns.iter().find(|(column, _)| *column == name);
        let listing = || {
            let all: Vec<String> = columns
                .iter()
                .map(|(name, kind)| format!("`{name}` {}", kind.describe()))
                .collect();
            listed(&all, MOST_LISTED)
        };
        let mut remarks = vec![];

        let labels = match &options.labels {
            Labels::None => None,
            Labels::From(name) => match find(name) {
                Some((_, Kind::Whole | Kind::Real | Kind::Text)) => Some(name.clone()),
                Some((_, kind)) => {
                    let problem = format!(
                        "column `{name}` (--labels) holds {}, expected whole numbers or words",
                        kind.describe()
                    );
                    return Err(fail(problem));
                }
                None => {
                    let problem = format!("has no column `{name}` (--labels), but {}", listing());
                    return Err(fail(problem));
                }
            },
            Labels::Auto => {
                let named: Vec<&str> = columns
                    .iter()
                    .filter(|(name, kind)| {
                        is_label_name(name) && matches!(kind, Kind::Whole | Kind::Text)
                    })
                    .map(|(name, _)| *name)
                    .collect();
                if named.len() > 1 {
                    return Err(fail(format!(
                        "the columns {} may all be labels; say which by --labels NAME or none",
                        listed(&named, MOST_LISTED)
                    )));
                }
                if let [name] = named[..] {
                    remarks.push(format!("column `{name}` holds the labels"));
                }
                named.first().map(|&name| name.to_owned())
            }
        };

        let samples: Vec<&(&str, Kind)> = columns
            .iter()
            .filter(|(_, kind)| matches!(kind, Kind::Images | Kind::List(_)))
            .collect();
        let chosen = match &options.array {
            Some(name) => match find(name) {
                Some(column) if matches!(column.1, Kind::Images | Kind::List(_)) => Some(column),
                _ => {
                    let problem = format!(
                        "has no column `{name}` of images or lists (--array), but {}",
                        listing()
                    );
                    return Err(fail(problem));
                }
            },
            None if samples.len() > 1 => {
                let names: Vec<&str> = samples.iter().map(|(name, _)| *name).collect();
                return Err(fail(format!(
                    "has several columns of images or lists ({}); choose one by --array",
                    listed(&names, MOST_LISTED)
                )));
            }
            None => samples.first().copied(),
        };
        let is_label = |name: &str| labels.as_deref() == Some(name);
        let data = match chosen {
            Some((name, kind)) => {
                let unused: Vec<String> = columns
                    .iter()
                    .filter(|(other, _)| other != name && !is_label(other))
                    .map(|(other, _)| format!("`{other}`"))
                    .collect();
                if !unused.is_empty() {
                    let unused = listed(&unused, MOST_LISTED);
                    remarks.push(format!("columns that are not used: {unused}"));
                }
                match kind {
                    Kind::Images => Data::Images((*name).to_owned()),
                    _ => Data::Lists((*name).to_owned()),
                }
            }
            None => {
                let features: Vec<&(&str, Kind)> =
                    columns.iter().filter(|(name, _)| !is_label(name)).collect();
                let wrong: Vec<String> = features
                    .iter()
                    .filter(|(_, kind)| !matches!(kind, Kind::Whole | Kind::Real))
                    .map(|(name, kind)| format!("`{name}` holds {}", kind.describe()))
                    .collect();
                if !wrong.is_empty() {
                    return Err(fail(format!(
                        "expected columns of numbers (and labels by --labels NAME): {}",
                        listed(&wrong, MOST_LISTED)
                    )));
                }
                if features.is_empty() {
                    return Err(fail("has no columns besides labels".to_owned()));
                }
                Data::Table(features.iter().map(|(name, _)| (*name).to_owned()).collect())
            }
        };
        Ok(Self { data, labels, remarks })
    }

    /// Names of the columns that are read.
    fn columns(&self) -> Vec<&str> {
        let data = match &self.data {
            Data::Images(name) | Data::Lists(name) => std::slice::from_ref(name),
            Data::Table(names) => names,
        };
        data.iter().chain(&self.labels).map(String::as_str).collect()
    }
}

/// What has been read so far.
#[derive(Default)]
struct Rows {
    rows: usize,
    lists: Lists,
    images: Vec<Vec<u8>>,
    reals: Vec<f32>,
    labels: Option<LabelColumn>,
    /// Bytes of values.
    size: u64,
}

/// Reads shards, in order; `origin` is what errors call all of them.
///
/// The `parquet` crate panics on some damage, such as a page of indices whose dictionary is
/// missing. Nothing of what it worked on survives that, so it is an error like any other.
pub(crate) fn parse<R: ChunkReader + 'static>(
    origin: &str,
    name: String,
    shards: Vec<Shard<R>>,
    options: &OpenOptions,
) -> Result<Dataset> {
    let read = AssertUnwindSafe(|| parse_shards(origin, name, shards, options));
    catch_unwind(read).unwrap_or_else(|_| {
        Err(Error::malformed(origin, "is damaged: its pages do not fit together"))
    })
}

fn parse_shards<R: ChunkReader + 'static>(
    origin: &str,
    name: String,
    shards: Vec<Shard<R>>,
    options: &OpenOptions,
) -> Result<Dataset> {
    let mut plan: Option<(Plan, Schema)> = None;
    let mut rows = Rows::default();
    let mut counts = vec![];
    let mut class_names = vec![];
    for Shard { file, split, reader } in shards {
        let fail = |problem: String| Error::malformed(&file, problem);
        let size = reader.len();
        let arrow = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(reader, arrow)
            .map_err(|error| fail(format!("not a readable Parquet file: {error}")))?;
        check_chunks(builder.metadata(), size).map_err(fail)?;
        let schema = builder.schema().as_ref().clone();
        let (plan, _) = match &mut plan {
            Some(known) if known.1.fields() == schema.fields() => known,
            Some(_) => return Err(fail("has other columns than the files before".to_owned())),
            none => {
                let made = Plan::new(&file, &schema, options)?;
                class_names = made
                    .labels
                    .as_deref()
                    .and_then(|labels| columns::class_names(builder.metadata(), labels))
                    .unwrap_or_default();
                none.insert((made, schema.clone()))
            }
        };
        let used = plan.columns();
        let roots = schema.fields().iter().enumerate();
        let roots = roots.filter(|(_, field)| used.contains(&field.name().as_str()));
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots.map(|(i, _)| i));
        let declared = builder.metadata().file_metadata().num_rows();
        let batches = builder
            .with_projection(mask)
            .with_batch_size(BATCH)
            .build()
            .map_err(|error| fail(format!("cannot be read: {error}")))?;
        let before = rows.rows;
        for batch in batches {
            let batch = batch.map_err(|error| {
                fail(format!("cannot be read after row {}: {error}", rows.rows - before))
            })?;
            let column = |name: &str| {
                batch.column_by_name(name).ok_or_else(|| fail(format!("has no column `{name}`")))
            };
            let first = rows.rows - before;
            let problem = |name: &str| {
                let name = name.to_owned();
                let file = &file;
                move |problem: String| Error::malformed(file, format!("column `{name}`{problem}"))
            };
            match &plan.data {
                Data::Images(name) => {
                    let images = columns::images(column(name)?, first).map_err(problem(name))?;
                    rows.images.extend(images.into_iter().map(<[u8]>::to_vec));
                }
                Data::Lists(name) => {
                    rows.size += rows.lists.push(column(name)?, first).map_err(problem(name))?;
                }
                Data::Table(names) => {
                    let mut parts = vec![];
                    for name in names {
                        let column = column(name)?;
                        parts.push(columns::numbers(column, first, 1).map_err(problem(name))?);
                    }
                    for row in 0..batch.num_rows() {
                        rows.reals.extend(parts.iter().map(|part| part[row]));
                    }
                    rows.size += 4 * (batch.num_rows() * names.len()) as u64;
                }
            }
            if let Some(name) = &plan.labels {
                let column = column(name)?;
                let labels =
                    rows.labels.get_or_insert_with(|| LabelColumn::for_type(column.data_type()));
                labels.push(column, first).map_err(problem(name))?;
            }
            rows.rows += batch.num_rows();
            let limit = MAX_BYTES.min(MAX_EXPANSION.saturating_mul(size));
            if rows.size > limit {
                return Err(fail(format!("expands to more than the limit of {limit} bytes")));
            }
        }
        let found = rows.rows - before;
        if usize::try_from(declared) != Ok(found) {
            return Err(fail(format!("declares {declared} rows, has {found}")));
        }
        counts.push((split, found));
    }
    let Some((plan, _)) = plan.filter(|_| rows.rows > 0) else {
        return Err(Error::malformed(origin, "has no rows, expected at least one"));
    };
    finish(origin, name, plan, rows, &counts, class_names, options)
}

/// Chunks of columns must lie within the file: the reader takes their places on trust.
fn check_chunks(metadata: &ParquetMetaData, size: u64) -> Result<(), String> {
    let places = |chunk: &ColumnChunkMetaData| {
        let first = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let begin = u64::try_from(first.min(chunk.data_page_offset())).ok()?;
        let length = u64::try_from(chunk.compressed_size()).ok()?;
        begin.checked_add(length)
    };
    let mut chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    if chunks.all(|chunk| places(chunk).is_some_and(|end| end <= size)) {
        Ok(())
    } else {
        Err("is damaged: a column lies beyond the end of the file".to_owned())
    }
}

/// A data set from the rows of all shards.
fn finish(
    origin: &str,
    name: String,
    plan: Plan,
    rows: Rows,
    counts: &[(Split, usize)],
    class_names: Vec<String>,
    options: &OpenOptions,
) -> Result<Dataset> {
    let images = matches!(plan.data, Data::Images(_));
    if !images && (options.image_size.is_some() || options.image_channels.is_some()) {
        let options = "--image-size, --image-channels".to_owned();
        let (file, format) = (origin.to_owned(), "Parquet without a column of images".to_owned());
        return Err(Error::Inapplicable { file, format, options });
    }
    let mut about = About::new(FORMAT, "");
    about.remarks = plan.remarks;
    let (shape, values) = match plan.data {
        Data::Images(column) => {
            about.format = format!("{FORMAT} (images in column `{column}`)");
            about.value_type = "8-bit images, pixels k/255".to_owned();
            let numbered: Vec<(usize, Vec<u8>)> = rows.images.into_iter().enumerate().collect();
            let (plan, pixels) = picture::decode_all(
                origin,
                &numbered,
                |(row, _)| format!("row {row}").into(),
                |(_, bytes)| Ok(bytes.as_slice().into()),
                options,
            )?;
            about.remarks.extend(plan.remarks());
            (plan.shape(), Values::Pixels(pixels))
        }
        Data::Lists(column) => {
            about.format = format!("{FORMAT} (lists in column `{column}`)");
            let (shape, values) = rows.lists.finish();
            let pixels = matches!(values, Values::Pixels(_));
            let value_type =
                if pixels { "uint8, pixels k/255" } else { "numbers, read as float32" };
            about.value_type = value_type.to_owned();
            about.remarks.extend(crate::npy::remark(&values));
            (shape, values)
        }
        Data::Table(columns) => {
            about.format = format!("{FORMAT} (table)");
            about.value_type = "numbers, read as float32".to_owned();
            let shape = vec![columns.len()];
            about.columns = columns;
            (shape, Values::Reals(rows.reals))
        }
    };
    let labels = rows.labels.map(LabelColumn::finish).map(|classes| {
        about.label_names = if classes.names.is_empty() { class_names } else { classes.names };
        classes.labels
    });
    let (test_from, remark) = split::border(counts);
    about.remarks.extend(remark);
    Ok(Dataset::from_parts(Parts { name, shape, values, labels, test_from, about }))
}

/// `train-00000-of-00002.parquet`: the split, the number of the shard, and how many there are.
pub(crate) fn shard_name(name: &str) -> (Split, Option<(usize, usize)>) {
    let stem = name.strip_suffix(".parquet").unwrap_or(name);
    let end = stem.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(stem.len());
    let split = Split::of(&stem[..end]).unwrap_or(Split::Unnamed);
    let mut parts = stem.rsplit('-');
    let of = || {
        let count = parts.next()?.parse().ok()?;
        let of = parts.next()?;
        let shard = parts.next()?.parse().ok()?;
        (of == "of").then_some((shard, count))
    };
    (split, { of }())
}

/// Whether a type holds numbers.
fn is_number(data_type: &DataType) -> bool {
    matches!(Kind::of(data_type), Kind::Whole | Kind::Real)
}

/// Words of a text column.
fn push_words(words: &mut Words, column: &dyn Array, first: usize) -> Result<(), String> {
    use arrow::array::AsArray;
    for (row, word) in column.as_string::<i32>().iter().enumerate() {
        words.push(word.ok_or_else(|| format!(", row {} is null", first + row))?);
    }
    Ok(())
}
