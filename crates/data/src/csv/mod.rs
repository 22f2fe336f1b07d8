//! Tables of numbers as text: a header, then one row a line.
//!
//! Separated by commas, semicolons or tabs, whichever makes every line of the beginning have as
//! many cells as the header. All columns are features but one, which may hold labels: the one
//! that is asked for, or else a column called `label`, `class`, `target` or `y` with whole numbers
//! or words in it.

use std::io::{Cursor, Read};

use crate::dataset::{About, Dataset, Parts, Values};
use crate::error::{Error, Result, listed};
use crate::labels::{Words, is_label_name};
use crate::options::{Labels, OpenOptions};
use crate::source::{self, MAX_BYTES, read};

#[cfg(test)]
mod tests;

/// What the format is called.
pub(crate) const FORMAT: &str = "CSV";

/// Bytes that the separator is told from.
const HEAD: u64 = 1 << 16;

/// Most columns and problems that an error lists.
const MOST_LISTED: usize = 20;

/// Whether bytes at the beginning of a file are text.
pub(crate) fn is_text(head: &[u8]) -> bool {
    let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        // A character cut in two.
        Err(error) => error.error_len().is_none(),
    };
    !head.is_empty() && valid && !head.iter().any(control)
}

/// A word that stands for a value that is not there.
fn is_missing(cell: &str) -> bool {
    const WORDS: [&str; 8] = ["", "na", "n/a", "#n/a", "nan", "null", "none", "?"];
    WORDS.contains(&cell.to_ascii_lowercase().as_str())
}

/// Reads plain or gzip-compressed text; `file` is what errors call it.
pub(crate) fn parse(
    file: String,
    name: String,
    reader: impl Read,
    options: &OpenOptions,
) -> Result<Dataset> {
    let (content, _) = source::unpacked(&file, reader)?;
    let mut content = content.take(MAX_BYTES + 1);
    let mut head = read(&file, &mut content, HEAD)?;
    if head.starts_with(b"\xef\xbb\xbf") {
        head.drain(..3);
    }
    let separator = separator(&file, &head)?;
    let reader = Cursor::new(head).chain(&mut content);
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(reader);
    let mut table = Table::new(file, name, separator);
    let mut record = ::csv::ByteRecord::new();
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| table.fail(format!("cannot be read: {error}")))?
    {
        let line = record.position().map_or(0, ::csv::Position::line);
        if table.columns.is_empty() {
            table.header(&record, &options.labels)?;
        } else {
            table.row(&record, line)?;
        }
    }
    drop(reader);
    if content.limit() == 0 {
        return Err(table.fail(format!("has more than the limit of {MAX_BYTES} bytes")));
    }
    table.finish(&options.labels)
}

/// The separator that fits the first lines and the only one that does; a comma if none does,
/// which is a table of one column.
fn separator(file: &str, head: &[u8]) -> Result<u8> {
    let candidates = [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs")];
    let whole = if (head.len() as u64) < HEAD - 3 {
        head
    } else {
        // The last line may be cut.
        &head[..head.iter().rposition(|&byte| byte == b'\n').unwrap_or(head.len())]
    };
    let fits = |separator: u8| {
        let mut reader = ::csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(whole);
        let mut width = None;
        let mut records = reader.byte_records();
        records.all(|record| {
            record.is_ok_and(|record| record.len() == *width.get_or_insert(record.len()))
        }) && width > Some(1)
    };
    let fitting: Vec<(u8, &str)> =
        candidates.into_iter().filter(|&(separator, _)| fits(separator)).collect();
    match fitting[..] {
        [(separator, _)] => Ok(separator),
        [] => {
            // Lines of different lengths: the separator of the header says most about them.
            let line = whole.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let count = |separator| line.iter().filter(|&&byte| byte == separator).count();
            let present: Vec<u8> =
                candidates.iter().map(|c| c.0).filter(|&c| count(c) > 0).collect();
            Ok(if let [separator] = present[..] { separator } else { b',' })
        }
        _ => {
            let names: Vec<&str> = fitting.iter().map(|(_, name)| *name).collect();
            Err(Error::malformed(
                file,
                format!(
                    "its cells may be separated by {}: both fit every line, expected one that does",
                    names.join(" or by ")
                ),
            ))
        }
    }
}

/// What is wrong in one column.
#[derive(Debug, Default)]
struct Trouble {
    missing: usize,
    words: usize,
    infinite: usize,
    first: String,
}

/// A table that grows by rows.
struct Table {
    file: String,
    name: String,
    separator: u8,
    columns: Vec<String>,
    /// Which column may hold labels.
    labels: Option<usize>,
    words: Words,
    values: Vec<f32>,
    rows: usize,
    troubles: std::collections::BTreeMap<usize, Trouble>,
}

impl Table {
    fn new(file: String, name: String, separator: u8) -> Self {
        Self {
            file,
            name,
            separator,
            columns: vec![],
            labels: None,
            words: Words::default(),
            values: vec![],
            rows: 0,
            troubles: std::collections::BTreeMap::new(),
        }
    }

    fn fail(&self, problem: impl Into<String>) -> Error {
        Error::malformed(&self.file, problem)
    }

    /// Names of columns, each its own.
    fn header(&mut self, record: &::csv::ByteRecord, labels: &Labels) -> Result<()> {
        let mut columns = vec![];
        for cell in record {
            let cell = std::str::from_utf8(cell)
                .map_err(|_| self.fail("its header is not UTF-8: save the table as UTF-8"))?;
            columns.push(cell.trim().to_owned());
        }
        if columns.iter().all(|name| name.parse::<f64>().is_ok()) {
            return Err(self.fail(format!(
                "its first line holds only numbers ({}), expected a header with the names of columns",
                listed(&columns, 5)
            )));
        }
        if let Some(unnamed) = columns.iter().position(String::is_empty) {
            return Err(self.fail(format!(
                "column {} has no name in the header; pandas writes the index so, unless \
                 `to_csv(..., index=False)`",
                unnamed + 1
            )));
        }
        let mut seen = std::collections::HashSet::new();
        let twice: Vec<&String> = columns.iter().filter(|name| !seen.insert(*name)).collect();
        if !twice.is_empty() {
            let problem = format!("several columns are called {}", listed(&twice, MOST_LISTED));
            return Err(self.fail(problem));
        }
        self.labels = match labels {
            Labels::None => None,
            Labels::From(name) => match columns.iter().position(|column| column == name) {
                Some(column) => Some(column),
                None => {
                    return Err(self.fail(format!(
                        "has no column `{name}` (--labels); its columns are {}",
                        listed(&columns, MOST_LISTED)
                    )));
                }
            },
            Labels::Auto => {
                let named: Vec<usize> =
                    (0..columns.len()).filter(|&i| is_label_name(&columns[i])).collect();
                if named.len() > 1 {
                    let names: Vec<&String> = named.iter().map(|&i| &columns[i]).collect();
                    return Err(self.fail(format!(
                        "the columns {} may all be labels; say which by --labels NAME or none",
                        listed(&names, MOST_LISTED)
                    )));
                }
                named.first().copied()
            }
        };
        self.columns = columns;
        Ok(())
    }

    fn row(&mut self, record: &::csv::ByteRecord, line: u64) -> Result<()> {
        if record.len() != self.columns.len() {
            return Err(self.fail(format!(
                "line {line} has {} cells, the header has {} (separated by {:?})",
                record.len(),
                self.columns.len(),
                char::from(self.separator)
            )));
        }
        for (column, cell) in record.iter().enumerate() {
            let cell = std::str::from_utf8(cell)
                .map_err(|_| self.fail(format!("line {line} is not UTF-8")))?
                .trim();
            let is_label = self.labels == Some(column);
            let number = if is_label { None } else { cell.parse::<f32>().ok() };
            let finite = number.filter(|number| number.is_finite());
            if let Some(number) = finite {
                self.values.push(number);
                continue;
            }
            if is_label && !is_missing(cell) {
                self.words.push(cell);
                continue;
            }
            let trouble = self.troubles.entry(column).or_insert_with(|| Trouble {
                first: format!("line {line}: `{}`", cell.chars().take(24).collect::<String>()),
                ..Trouble::default()
            });
            let kind = if is_missing(cell) {
                &mut trouble.missing
            } else if number.is_some() {
                &mut trouble.infinite
            } else {
                &mut trouble.words
            };
            *kind += 1;
        }
        self.rows += 1;
        Ok(())
    }

    fn finish(mut self, labels: &Labels) -> Result<Dataset> {
        if self.columns.is_empty() {
            return Err(self.fail("is empty, expected a header and rows of numbers"));
        }
        if self.rows == 0 {
            return Err(self.fail(format!(
                "has a header of {} columns but no rows, expected at least one",
                self.columns.len()
            )));
        }
        if !self.troubles.is_empty() {
            return Err(self.trouble());
        }
        let mut about = About::new(self.format(), "numbers, read as float32");
        let mut columns = std::mem::take(&mut self.columns);
        let words = std::mem::take(&mut self.words);
        let mut classes = None;
        if let Some(column) = self.labels {
            let numbers = words.numbers();
            let real = numbers.filter(|_| !words.are_whole());
            match (real, labels) {
                (Some(_), Labels::From(name)) => {
                    return Err(self.fail(format!(
                        "column `{name}` holds numbers that are not whole, expected labels"
                    )));
                }
                (Some(numbers), _) => {
                    if let Some(row) = numbers.iter().position(|number| !number.is_finite()) {
                        let problem =
                            format!("column `{}`, row {row} is not finite", columns[column]);
                        return Err(self.fail(problem));
                    }
                    about.remarks.push(format!(
                        "column `{}` holds numbers that are not whole: it is a feature, no label",
                        columns[column]
                    ));
                    self.values = inserted(&self.values, &numbers, column);
                }
                (None, _) => {
                    let name = columns.remove(column);
                    if *labels == Labels::Auto {
                        about.remarks.push(format!(
                            "column `{name}` holds the labels (--labels none makes it a feature)"
                        ));
                    }
                    classes = Some(words.classes());
                }
            }
        }
        if columns.is_empty() {
            return Err(self.fail("has no column besides the labels, expected features"));
        }
        let shape = vec![columns.len()];
        about.columns = columns;
        let labels = classes.map(|classes| {
            about.label_names = classes.names;
            classes.labels
        });
        let (name, values) = (self.name, Values::Reals(self.values));
        Ok(Dataset::from_parts(Parts { name, shape, values, labels, test_from: None, about }))
    }

    fn format(&self) -> String {
        let separated = match self.separator {
            b';' => "semicolons",
            b'\t' => "tabs",
            _ => "commas",
        };
        format!("{FORMAT} (separated by {separated})")
    }

    /// Everything that is no number, by columns.
    fn trouble(&self) -> Error {
        let describe = |(&column, trouble): (&usize, &Trouble)| {
            let counts = [
                (trouble.missing, "missing"),
                (trouble.words, "no number"),
                (trouble.infinite, "not a finite f32"),
            ];
            let counts: Vec<String> = counts
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, kind)| format!("{count} {kind}"))
                .collect();
            let name = &self.columns[column];
            format!("`{name}` {} (first {})", counts.join(", "), trouble.first)
        };
        let columns: Vec<String> = self.troubles.iter().map(describe).collect();
        self.fail(format!(
            "expected a number in every cell of {} rows (and labels by --labels NAME): {}",
            self.rows,
            listed(&columns, MOST_LISTED)
        ))
    }
}

/// Rows of one value more, which comes from `column`.
fn inserted(values: &[f32], column: &[f32], place: usize) -> Vec<f32> {
    let features = values.len() / column.len();
    let mut wider = Vec::with_capacity(values.len() + column.len());
    for (row, &value) in column.iter().enumerate() {
        let (before, after) = values[row * features..][..features].split_at(place);
        wider.extend_from_slice(before);
        wider.push(value);
        wider.extend_from_slice(after);
    }
    wider
}
