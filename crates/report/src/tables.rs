//! The tables: what was audited, margins per radius, encoders, failures.
//!
//! Models are rows, so that a comparison is a glance down a column. From the second
//! model on a cell may carry the ratio to the first, because "×1.4" is what a reader
//! would otherwise compute. Settings that all audits share are said once, above.

use std::collections::BTreeMap;

use serde::Serialize;
use vaegis_audit::schema::{Quantiles, Status, Summary};

use crate::text;
use crate::view::{Model, Section};

/// Failed points listed per model; the rest are counted.
const FAILURES: usize = 100;

/// A cell: a value, and under it a range or a ratio.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Cell {
    pub(crate) value: String,
    pub(crate) range: Option<String>,
    pub(crate) ratio: Option<String>,
}

/// A row: a model and its cells.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) swatch: String,
    pub(crate) model: String,
    pub(crate) cells: Vec<Cell>,
}

/// Settings that all audits share, and columns for those that differ.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) shared: Vec<(String, String)>,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Row>,
}

/// Rows of the margins table for one radius.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) heading: String,
    pub(crate) anchor: String,
    pub(crate) rows: Vec<Row>,
    /// Who was not asked.
    pub(crate) absent: Option<String>,
}

/// Failed points of one model.
#[derive(Debug, Serialize)]
pub(crate) struct Failures {
    pub(crate) model: String,
    pub(crate) count: String,
    pub(crate) rows: Vec<Failure>,
    pub(crate) hidden: usize,
}

/// One failed point.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) index: i64,
    pub(crate) label: String,
    pub(crate) radii: String,
    pub(crate) message: String,
}

impl Cell {
    fn plain(value: String) -> Self {
        Self { value, ..Self::default() }
    }

    /// A median, and the ratio to the same median of the first model.
    fn median(of: &Quantiles, baseline: Option<&Quantiles>) -> Self {
        let value = text::median(of);
        let ratio = baseline.and_then(|first| ratio(value?, text::median(first)?));
        Self { value: text::optional(value), range: None, ratio }
    }

    /// The same with the 10-90% range.
    fn spread(of: &Quantiles, baseline: Option<&Quantiles>) -> Self {
        let ends = (text::order_statistic(of, of.p10), text::order_statistic(of, of.p90));
        let range = match ends {
            (Some(low), Some(high)) => {
                Some(format!("{}–{}", text::number(low), text::number(high)))
            }
            _ => None,
        };
        Self { range, ..Self::median(of, baseline) }
    }
}

fn ratio(value: f64, first: f64) -> Option<String> {
    let ratio = value / first;
    (first > 0.0 && value > 0.0 && ratio.is_finite() && ratio > 0.0)
        .then(|| format!("×{}", text::number(ratio)))
}

/// What was audited, shared settings told apart from differing ones.
pub(crate) fn settings(models: &[Model<'_>]) -> Settings {
    type Column = (&'static str, fn(&Summary) -> String);
    let all: [Column; 8] = [
        ("Data", |s| s.dataset.clone()),
        ("Points", |s| text::integer(s.points)),
        ("Draws per point, at least", |s| text::integer(s.draws)),
        ("Confidence", |s| text::confidence(s.alpha)),
        ("Perturbation norm", |s| text::norm(&s.norm)),
        ("Box", |s| text::bounds(&s.r#box)),
        ("Seed", |s| s.seed.to_string()),
        ("vaegis", |s| s.vaegis_version.clone()),
    ];
    let differs = |of: fn(&Summary) -> String| {
        let mut values = models.iter().map(|model| of(&model.audit.summary));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let (differing, shared): (Vec<Column>, Vec<Column>) =
        all.into_iter().partition(|(_, of)| differs(*of));
    let mut columns: Vec<&'static str> = vec!["Model"];
    columns.extend(differing.iter().map(|(name, _)| *name));
    let rows = models
        .iter()
        .map(|model| {
            let summary = &model.audit.summary;
            let what = match (summary.model == model.name, summary.description.is_empty()) {
                (true, _) | (_, true) => summary.description.clone(),
                (false, false) => format!("{}: {}", summary.model, summary.description),
            };
            let cells = std::iter::once(Cell::plain(what))
                .chain(differing.iter().map(|(_, of)| Cell::plain(of(summary))))
                .collect();
            Row { swatch: model.look.swatch(), model: model.name.clone(), cells }
        })
        .collect();
    let shared = models.first().map_or_else(Vec::new, |model| {
        let of = |(name, of): Column| (name.to_owned(), of(&model.audit.summary));
        shared.into_iter().map(of).collect()
    });
    Settings { shared, columns, rows }
}

/// The margins of one section; with those that are certified if any audit has `certificates`.
pub(crate) fn margins(
    section: &Section<'_>,
    models: &[Model<'_>],
    certificates: bool,
    anchor: String,
) -> Group {
    let first = section
        .entries
        .first()
        .filter(|entry| entry.model.look.0 == 0)
        .and_then(|entry| entry.summary);
    let mut rows = Vec::new();
    for entry in &section.entries {
        let Some(summary) = entry.summary else {
            continue;
        };
        let base = first.filter(|_| entry.model.look.0 > 0);
        let p = text::median(&summary.p).map_or(text::MISSING.to_owned(), text::probability);
        let breaks = |n: usize| match summary.compared {
            0 => text::MISSING.to_owned(),
            of => format!("{} of {}", text::integer(n), text::integer(of)),
        };
        let robust = match summary.p.count {
            0 => text::MISSING.to_owned(),
            _ => text::percent(summary.robust_fraction),
        };
        let mut cells = vec![
            Cell::median(&summary.r, None),
            Cell::plain(p),
            Cell::plain(robust),
            Cell::spread(&summary.attacked, base.map(|b| &b.attacked)),
        ];
        if certificates {
            let proved = match summary.certified.count {
                0 => text::MISSING.to_owned(),
                _ => text::percent(summary.certified_fraction),
            };
            cells.extend([
                Cell::spread(&summary.certified, base.map(|b| &b.certified)),
                Cell::plain(proved),
                Cell::median(&summary.certified_share, None),
            ]);
        }
        cells.extend([
            Cell::median(&summary.bound_paper, base.map(|b| &b.bound_paper)),
            Cell::median(&summary.bound_sharp, base.map(|b| &b.bound_sharp)),
            Cell::plain(breaks(summary.below_paper)),
            Cell::plain(breaks(summary.below_sharp)),
            Cell::median(&summary.degradation, base.map(|b| &b.degradation)),
        ]);
        rows.push(Row {
            swatch: entry.model.look.swatch(),
            model: entry.model.name.clone(),
            cells,
        });
    }
    let absent = section.absent(models);
    Group {
        heading: text::radius(section.label),
        anchor,
        rows,
        absent: (!absent.is_empty()).then(|| format!("Not asked of {}.", text::list(&absent))),
    }
}

/// Quantities of the encoder, which do not depend on a radius, and the cost.
pub(crate) fn encoders(models: &[Model<'_>]) -> Vec<Row> {
    let first = models.first().map(|model| &model.audit.summary);
    models
        .iter()
        .map(|model| {
            let summary = &model.audit.summary;
            let base = first.filter(|_| model.look.0 > 0);
            let of = |pick: fn(&Summary) -> &Quantiles| Cell::spread(pick(summary), base.map(pick));
            let failed =
                format!("{} of {}", text::integer(summary.failed), text::integer(summary.points));
            Row {
                swatch: model.look.swatch(),
                model: model.name.clone(),
                cells: vec![
                    of(|s| &s.sigma_min),
                    of(|s| &s.jacobian_frobenius),
                    of(|s| &s.jacobian_spectral),
                    of(|s| &s.whitened_jacobian_spectral),
                    Cell::plain(failed),
                    Cell::median(&summary.seconds, None),
                ],
            }
        })
        .collect()
}

/// Failed points, a point that failed for several radii once.
pub(crate) fn failures(models: &[Model<'_>]) -> Vec<Failures> {
    let mut tables = Vec::new();
    for model in models {
        let mut points: BTreeMap<(i64, &str), Failure> = BTreeMap::new();
        let mut hidden = BTreeMap::new();
        for row in model.audit.rows.iter().filter(|row| row.status == Status::Failed) {
            let key = (row.index, row.message.as_deref().unwrap_or("no message was recorded"));
            if let Some(failure) = points.get_mut(&key) {
                failure.radii += &format!(", {}", row.radius);
            } else if points.len() < FAILURES {
                let label = row.label.map_or(text::MISSING.to_owned(), |label| label.to_string());
                let failure = Failure {
                    index: row.index,
                    label,
                    radii: row.radius.clone(),
                    message: key.1.to_owned(),
                };
                points.insert(key, failure);
            } else {
                hidden.insert(key, ());
            }
        }
        if !points.is_empty() {
            tables.push(Failures {
                model: model.name.clone(),
                count: text::count(points.len() + hidden.len(), "failed point"),
                rows: points.into_values().collect(),
                hidden: hidden.len(),
            });
        }
    }
    tables
}
