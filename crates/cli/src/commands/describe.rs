use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use vaegis_data::{Dataset, Extent, Summary, Thumbnails};

use crate::arguments::DescribeOptions;
use crate::output;

/// Longest list of columns or labels that is printed whole.
const MOST_ROWS: usize = 100;

/// `vaegis data describe`.
pub(crate) fn run(options: &DescribeOptions) -> anyhow::Result<ExitCode> {
    let dataset = Dataset::open_with(&options.data, &options.reading.options())?;
    let mut report = Report::of(&dataset, &dataset.summary());
    if let Some((path, thumbnails)) = thumbnails(&dataset, options.thumbnails.as_deref())? {
        std::fs::write(&path, &thumbnails.png)
            .with_context(|| format!("cannot write {}", path.display()))?;
        report.thumbnails = Some(ThumbnailsReport {
            path,
            lines: thumbnails.lines,
            omitted: thumbnails.omitted,
            scale: thumbnails.scale,
            zoom: thumbnails.zoom,
        });
    }
    if options.json {
        output::print(&serde_json::to_string_pretty(&report)?)?;
    } else {
        output::print(report.text().trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Pictures and where they go, unless there are none or they are not wanted.
fn thumbnails(
    dataset: &Dataset,
    path: Option<&Path>,
) -> anyhow::Result<Option<(PathBuf, Thumbnails)>> {
    if path.is_some_and(|path| path == "none") {
        return Ok(None);
    }
    let made = dataset.thumbnails();
    if let Some(path) = path {
        let shape = dataset.shape();
        let thumbnails = made.with_context(|| {
            format!("samples of shape {shape:?} are no pictures, so there is no --thumbnails")
        })?;
        return Ok(Some((path.to_path_buf(), thumbnails)));
    }
    let stem = Path::new(dataset.name()).file_stem().unwrap_or_default().to_string_lossy();
    // `sprites:50` is no name of a file on every system.
    let stem = stem.replace(':', "-");
    Ok(made.map(|made| (PathBuf::from(format!("{stem}-thumbnails.png")), made)))
}

#[derive(Debug, Serialize)]
struct Report {
    name: String,
    format: String,
    rows: usize,
    shape: Vec<usize>,
    value_type: String,
    min: f32,
    max: f32,
    mean: f64,
    standard_deviation: f64,
    /// Smallest and largest value that such data can have, if the format says so.
    natural_box: Option<(f32, f32)>,
    constant_features: usize,
    train: [usize; 2],
    test: [usize; 2],
    /// Whether the source says which rows are for testing.
    own_split: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<LabelReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<ColumnReport>,
    remarks: Vec<String>,
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnails: Option<ThumbnailsReport>,
}

#[derive(Debug, Serialize)]
struct LabelReport {
    label: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    train: usize,
    test: usize,
}

#[derive(Debug, Serialize)]
struct ColumnReport {
    name: String,
    min: f32,
    max: f32,
    mean: f64,
}

#[derive(Debug, Serialize)]
struct ThumbnailsReport {
    path: PathBuf,
    /// The label of each line of pictures.
    lines: Vec<i64>,
    /// Labels that there was no room for.
    omitted: usize,
    /// The values that are shown black and white.
    scale: (f32, f32),
    zoom: f64,
}

impl Report {
    fn of(dataset: &Dataset, summary: &Summary) -> Self {
        let Extent { min, max, mean } = summary.values;
        let label = |(&label, &[train, test]): (&i64, &[usize; 2])| LabelReport {
            label,
            name: dataset.label_name(label).map(str::to_string),
            train,
            test,
        };
        let column = |(name, extent): (&String, &Extent)| ColumnReport {
            name: name.clone(),
            min: extent.min,
            max: extent.max,
            mean: extent.mean,
        };
        Self {
            name: dataset.name().to_string(),
            format: dataset.format().to_string(),
            rows: dataset.len(),
            shape: dataset.shape().to_vec(),
            value_type: dataset.value_type().to_string(),
            min,
            max,
            mean,
            standard_deviation: summary.standard_deviation,
            natural_box: dataset.value_range(),
            constant_features: summary.constant_features,
            train: [dataset.train().start, dataset.train().end],
            test: [dataset.test().start, dataset.test().end],
            own_split: dataset.has_own_split(),
            labels: summary.labels.iter().map(label).collect(),
            columns: dataset.columns().iter().zip(&summary.features).map(column).collect(),
            remarks: dataset.remarks().to_vec(),
            fingerprint: dataset.fingerprint(),
            thumbnails: None,
        }
    }

    fn text(&self) -> String {
        let features: usize = self.shape.iter().product();
        let [train, test] = [self.train, self.test].map(|[start, end]| format!("{start}..{end}"));
        let rule = if self.own_split { "from the source" } else { "the last fifth" };
        let bounds = match self.natural_box {
            Some((low, high)) => format!("{low},{high}"),
            None => "none".to_string(),
        };
        let mut lines = vec![
            format!("{}: {}", self.name, self.format),
            format!("rows      {} (training {train}, test {test}: {rule})", self.rows),
            format!("samples   {:?}, {features} features", self.shape),
            format!("values    {}", self.value_type),
            format!(
                "          min {}, max {}, mean {:.4}, standard deviation {:.4}",
                self.min, self.max, self.mean, self.standard_deviation
            ),
            format!("box       {bounds}"),
            format!("constant  {} features have one value in all rows", self.constant_features),
        ];
        lines.extend(self.remarks.iter().map(|remark| format!("remark    {remark}")));
        if self.labels.is_empty() {
            lines.push("labels    none".to_string());
        } else {
            lines.push(format!("labels    {} classes", self.labels.len()));
            lines.push(self.label_table());
        }
        if !self.columns.is_empty() {
            lines.push(format!("columns   {}", self.columns.len()));
            lines.push(self.column_table());
        }
        if let Some(thumbnails) = &self.thumbnails {
            lines.push(thumbnails.text());
        }
        lines.join("\n")
    }

    fn label_table(&self) -> String {
        let rows = self.labels.iter().map(|label| {
            let name = label.name.clone().unwrap_or_default();
            [label.label.to_string(), name, label.train.to_string(), label.test.to_string()]
        });
        table(["label", "name", "training rows", "test rows"], rows, self.labels.len())
    }

    fn column_table(&self) -> String {
        let rows = self.columns.iter().map(|column| {
            let mean = format!("{:.4}", column.mean);
            [column.name.clone(), column.min.to_string(), column.max.to_string(), mean]
        });
        table(["column", "min", "max", "mean"], rows, self.columns.len())
    }
}

impl ThumbnailsReport {
    fn text(&self) -> String {
        let mut text = format!("pictures  {}", self.path.display());
        if self.zoom != 1.0 {
            text += &format!(", {} times the size", self.zoom);
        }
        if self.scale != (0.0, 1.0) {
            text += &format!(", black is {} and white is {}", self.scale.0, self.scale.1);
        }
        if !self.lines.is_empty() {
            let labels: Vec<String> = self.lines.iter().map(i64::to_string).collect();
            text += &format!(", one line for each label: {}", labels.join(", "));
        }
        if self.omitted > 0 {
            text += &format!(" ({} more have no line)", self.omitted);
        }
        text
    }
}

/// A table with numbers to the right, cut where it gets long.
fn table(header: [&str; 4], rows: impl Iterator<Item = [String; 4]>, count: usize) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(header);
    rows.take(MOST_ROWS).for_each(|row| {
        table.add_row(row);
    });
    for (position, column) in table.column_iter_mut().enumerate() {
        if position > 0 && header[position] != "name" {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt();
    if count > MOST_ROWS {
        text += &format!("\n... and {} more", count - MOST_ROWS);
    }
    text
}
