//! Margins against the likelihood that attacks of a given length cost (claim 2).

use std::collections::HashMap;

use vaegis_study::schema::{ModelRow, Pathway};

use crate::axis::{Domain, LOG_FROM};

use super::Drawing;
use super::scatter::{self, Pair};
use super::sheet::{Row, Sheet};
use super::table::{Table, cell};
use super::view::{Column, View, left_out, median};

/// Lengths shown, at most: the shortest, one between and the longest.
const SIZES: usize = 3;

/// What a panel shows: the attacks of one length.
struct Content<'a> {
    size: f64,
    points: Vec<Pair<'a>>,
    models: Vec<Pair<'a>>,
}

impl<'a> Content<'a> {
    fn pairs(&self) -> impl Iterator<Item = &Pair<'a>> {
        scatter::chosen(&self.points).chain(&self.models)
    }
}

/// Margins and degradations under attacks of all lengths, for points whose margin was estimated.
fn pairs<'a>(view: &View<'a>, column: &Column<'a>) -> Vec<(f64, Pair<'a>)> {
    let margins: HashMap<(&str, i64), f64> = view
        .points(column)
        .into_iter()
        .map(|(_, point)| ((point.model.as_str(), point.index), point.bound_paper))
        .collect();
    let of_model = |&model: &&'a ModelRow| {
        let pairs = view.attacks(model, Pathway::Both).filter_map(|attack| {
            let x = *margins.get(&(attack.model.as_str(), attack.index))?;
            let pair = Pair { model, index: Some(attack.index), x, y: attack.degradation };
            Some((attack.size, pair))
        });
        pairs.collect::<Vec<_>>()
    };
    column.models.iter().flat_map(of_model).collect()
}

/// A panel for each of a column's lengths, shortest first.
fn contents<'a>(column: &Column<'a>, pairs: &[(f64, Pair<'a>)]) -> Vec<Content<'a>> {
    let mut sizes: Vec<f64> = pairs.iter().map(|(size, _)| *size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    if sizes.len() > SIZES {
        sizes = vec![sizes[0], sizes[sizes.len() / 2], sizes[sizes.len() - 1]];
    }
    let content = |size: f64| {
        let points: Vec<Pair<'a>> =
            pairs.iter().filter(|(of, _)| *of == size).map(|(_, pair)| *pair).collect();
        let models = column.models.iter().filter_map(|&model| {
            let of_model = || points.iter().filter(|pair| pair.model.model == model.model);
            let (x, y) = (median(of_model().map(|p| p.x))?, median(of_model().map(|p| p.y))?);
            Some(Pair { model, index: None, x, y })
        });
        Content { size, models: models.collect(), points }
    };
    sizes.into_iter().map(content).collect()
}

pub(super) fn draw(view: &View<'_>) -> Result<Drawing, String> {
    let mut unknown = 0;
    let mut columns: Vec<Vec<Content<'_>>> = Vec::new();
    for column in &view.columns {
        let (known, others): (Vec<_>, Vec<_>) = pairs(view, column)
            .into_iter()
            .partition(|(size, pair)| size.is_finite() && pair.is_known());
        unknown += others.len();
        columns.push(contents(column, &known));
    }
    let all = || columns.iter().flatten().flat_map(Content::pairs);
    let (Some(x), Some(y)) = (
        Domain::of(all().map(|pair| pair.x), LOG_FROM),
        Domain::of(all().map(|pair| pair.y), LOG_FROM),
    ) else {
        return Err("No attack at a given length was made on a point whose margin is known, \
                    so that nothing can be said of what it costs in likelihood."
            .to_owned());
    };
    let mut sheet = Sheet::new();
    sheet.legend(scatter::keys(view));
    let lengths = columns.iter().map(Vec::len).max().unwrap_or(0);
    let names = ["shortest attacks", "longer attacks", "longest attacks"];
    let rows: Vec<Row> = (0..lengths)
        .map(|row| {
            let name = if row > 0 && row + 1 == lengths { names[2] } else { names[row] };
            let title = format!("likelihood degradation, {name}");
            Row { title, height: if view.columns.len() == 1 { 150.0 } else { 96.0 }, shared: true }
        })
        .collect();
    let places = sheet.layout(&view.titles(), &rows);
    let mut table = Table::of_models(&["level", "index", "size", "margin_estimate", "degradation"]);
    let mut most = 0;
    for (row, places) in places.into_iter().enumerate() {
        for (column, place) in columns.iter().zip(places) {
            let Some(content) = column.get(row) else {
                sheet.missing(place, "no attacks");
                continue;
            };
            let frame = sheet.frame(place, (x, "margin, the paper's first-order estimate"), y);
            scatter::dots(&mut sheet, view, &frame, &content.points);
            let names = ("margin estimate", "degradation");
            scatter::models(&mut sheet, view, &frame, &content.models, names);
            sheet.corner(&frame, &format!("‖d‖ ≤ {}", content.size));
            most = most.max(content.points.len());
            for pair in content.pairs() {
                let level = if pair.index.is_some() { "point" } else { "model" };
                let index = pair.index.map_or_else(String::new, |index| index.to_string());
                let values = [content.size, pair.x, pair.y].map(|value| cell(Some(value)));
                table.row_of(pair.model, [level.to_owned(), index].into_iter().chain(values));
            }
        }
    }
    Ok(Drawing {
        caption: format!(
            "Relative loss of log-likelihood under attacks of maximum damage, all of one length in \
             a panel (the shortest, one between and the longest, where there are more than {SIZES}), against the margin by the paper's first-order estimate, which is not a \
             certificate. Dots: points; markers: medians of models{}. The paper says: the \
             larger the margin, the less is lost. {}{}{}",
            scatter::sizes(view),
            view.radii(),
            scatter::sampled(most),
            left_out(unknown, "margin or degradation")
        ),
        svg: sheet.finish(),
        table,
    })
}
