//! First-order estimates against attacked margins (claim 1).

use vaegis_study::schema::{ModelRow, PointFacts};

use crate::axis::Domain;
use crate::svg::{Anchor, Path};

use super::Drawing;
use super::scatter::{self, Pair};
use super::sheet::{Frame, LegendKey, Row, Sheet, panel_width};
use super::table::{Table, cell};
use super::view::{Column, View, left_out};

/// A first-order estimate of the margin.
struct Estimate {
    name: &'static str,
    title: &'static str,
    of_point: fn(&PointFacts) -> f64,
    of_model: fn(&ModelRow) -> Option<f64>,
}

const ESTIMATES: [Estimate; 2] = [
    Estimate {
        name: "paper",
        title: "attacked margin by the paper's estimate",
        of_point: |point| point.bound_paper,
        of_model: |model| model.bound_paper,
    },
    Estimate {
        name: "sharp",
        title: "attacked margin by the sharp estimate",
        of_point: |point| point.bound_sharp,
        of_model: |model| model.bound_sharp,
    },
];

/// What a panel shows.
struct Content<'a> {
    points: Vec<Pair<'a>>,
    models: Vec<Pair<'a>>,
}

impl<'a> Content<'a> {
    fn of(view: &View<'a>, column: &Column<'a>, estimate: &Estimate) -> Self {
        let points = view.points(column).into_iter().map(|(model, point)| Pair {
            model,
            index: Some(point.index),
            x: (estimate.of_point)(point),
            y: point.attacked,
        });
        let models = column.models.iter().filter_map(|&model| {
            let (x, y) = ((estimate.of_model)(model)?, model.attacked?);
            Some(Pair { model, index: None, x, y })
        });
        Self {
            points: points.filter(Pair::is_known).collect(),
            models: models.filter(Pair::is_known).collect(),
        }
    }

    fn pairs(&self) -> impl Iterator<Item = &Pair<'a>> {
        scatter::chosen(&self.points).chain(&self.models)
    }
}

pub(super) fn draw(view: &View<'_>) -> Result<Drawing, String> {
    let of_columns = |estimate: &Estimate| -> Vec<Content<'_>> {
        view.columns.iter().map(|column| Content::of(view, column, estimate)).collect()
    };
    let contents = ESTIMATES.each_ref().map(of_columns);
    let all = || contents.iter().flatten().flat_map(Content::pairs);
    let Some(both) = Domain::of(all().flat_map(|pair| [pair.x, pair.y]), 8.0) else {
        return Err("No point has both an estimate and an attacked margin.".to_owned());
    };
    // One range for all, so that distances from the line compare; gutters where they are needed.
    let axis = |of: fn(&Pair<'_>) -> f64| Domain {
        zeros: both.zeros && all().any(|pair| of(pair) == 0.0),
        infinities: all().any(|pair| of(pair) == f64::INFINITY),
        ..both
    };
    let (x, y) = (axis(|pair| pair.x), axis(|pair| pair.y));
    let mut sheet = Sheet::new();
    let line = LegendKey::line("ink", "reference", "y = x");
    sheet.legend(scatter::keys(view).into_iter().chain([line]));
    // Nearly square, so that y = x looks like it.
    let height = panel_width(view.columns.len()).min(170.0);
    let rows = ESTIMATES.map(|e| Row { title: e.title.to_owned(), height, shared: true });
    let places = sheet.layout(&view.titles(), &rows);
    let mut table =
        Table::of_models(&["level", "index", "radius", "estimate", "margin_estimate", "attacked"]);
    let points = view.columns.iter().flat_map(|column| view.points(column));
    let unknown = points
        .flat_map(|(_, point)| [point.bound_paper, point.bound_sharp, point.attacked])
        .filter(|value| value.is_nan())
        .count();
    let mut most = 0;
    for ((estimate, row), places) in ESTIMATES.iter().zip(&contents).zip(places) {
        for ((column, content), place) in view.columns.iter().zip(row).zip(places) {
            let frame = sheet.frame(place, (x, "first-order estimate, not a certificate"), y);
            line_of_equality(&mut sheet, &frame, both.ordinary);
            scatter::dots(&mut sheet, view, &frame, &content.points);
            let names = ("estimate", "attacked");
            scatter::models(&mut sheet, view, &frame, &content.models, names);
            most = most.max(content.points.len());
            for pair in content.pairs() {
                let level = if pair.index.is_some() { "point" } else { "model" };
                let index = pair.index.map_or_else(String::new, |index| index.to_string());
                let (radius, name) = (column.radius.to_owned(), estimate.name.to_owned());
                let values = [cell(Some(pair.x)), cell(Some(pair.y))];
                let cells = [level.to_owned(), index, radius, name].into_iter().chain(values);
                table.row_of(pair.model, cells);
            }
        }
    }
    Ok(Drawing {
        caption: format!(
            "Attacked margin, an upper bound on the true margin as good as the attack, against the \
             paper's and the sharp first-order estimate at the lower confidence limit of p, which are \
             not certificates. Dots: points; markers: medians of models{}. Above the line y = x an \
             estimate held against the attack; in the shaded part it was broken. {}{}{} Values \
             of 0 and ∞ have a place of their own.",
            scatter::sizes(view),
            view.radii(),
            scatter::sampled(most),
            left_out(unknown, "value")
        ),
        svg: sheet.finish(),
        table,
    })
}

/// The line where estimate and margin agree, and the side where the estimate is broken.
fn line_of_equality(sheet: &mut Sheet, frame: &Frame, ordinary: bool) {
    if !ordinary {
        return;
    }
    let ((x0, x1), (y0, y1)) = (frame.x.range, frame.y.range);
    let mut broken = Path::through([(x0, y0), (x1, y0), (x1, y1)]);
    broken.close();
    sheet.svg.path("below", &broken, "");
    sheet.svg.line("reference", (x0, y0), (x1, y1));
    sheet.svg.text("remark", Anchor::End, (x1 - 3.0, y0 - 4.0), "broken");
}
