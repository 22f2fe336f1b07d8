//! The data beside a figure: a CSV table of exactly what is drawn.

use vaegis_study::schema::ModelRow;

/// Which model a row is about.
const MODEL: [&str; 8] =
    ["data", "architecture", "model", "objective", "parameter", "strength", "plain", "seed"];

/// Rows of text under a header.
#[derive(Debug)]
pub(super) struct Table {
    columns: usize,
    writer: csv::Writer<Vec<u8>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        let mut table =
            Self { columns: header.len(), writer: csv::Writer::from_writer(Vec::new()) };
        table.row(header.iter().map(|&name| name.to_owned()));
        table
    }

    /// A table whose rows start with a model.
    pub(super) fn of_models(header: &[&str]) -> Self {
        Self::new(&[&MODEL, header].concat())
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.columns, "a row as long as the header");
        // Writing to memory cannot fail, and all rows have the same length.
        let _ = self.writer.write_record(cells);
    }

    pub(super) fn row_of(&mut self, model: &ModelRow, cells: impl IntoIterator<Item = String>) {
        self.row(names(model).into_iter().chain(cells));
    }

    /// A row about all seeds of what a model is one of.
    pub(super) fn row_of_seeds(&mut self, one: &ModelRow, cells: impl IntoIterator<Item = String>) {
        let mut names = names(one);
        (names[2], names[7]) = (String::new(), String::new());
        self.row(names.into_iter().chain(cells));
    }

    pub(super) fn finish(self) -> String {
        let bytes = self.writer.into_inner().unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }
}

fn names(model: &ModelRow) -> [String; MODEL.len()] {
    [
        model.data.clone(),
        model.architecture.clone(),
        model.model.clone(),
        model.objective.clone(),
        model.parameter.clone().unwrap_or_default(),
        cell(model.strength),
        model.plain.to_string(),
        model.seed.to_string(),
    ]
}

/// A number as other programs read it; nothing where there is none.
pub(super) fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
