//! Attacks through the posterior's mean, its variance, and both (claim 4).

use vaegis_study::schema::{AttackFacts, ModelRow, Pathway};

use crate::axis::Domain;
use crate::svg::Path;

use super::Drawing;
use super::sheet::{LegendKey, Row, Sheet};
use super::table::{Table, cell};
use super::view::{Column, View, describe, left_out, median};

/// A kind of line.
struct Kind {
    name: &'static str,
    label: &'static str,
    class: &'static str,
    through: Pathway,
    of: fn(&AttackFacts) -> f64,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "rest",
        label: "at rest, no attack",
        class: "m6",
        through: Pathway::Both,
        of: |attack| attack.damage_at_rest,
    },
    Kind {
        name: "variance",
        label: "through the variance alone",
        class: "m1",
        through: Pathway::Variance,
        of: |attack| attack.damage,
    },
    Kind {
        name: "both",
        label: "through both, as models are",
        class: "plain",
        through: Pathway::Both,
        of: |attack| attack.damage,
    },
    Kind {
        name: "mean",
        label: "through the mean alone",
        class: "m0",
        through: Pathway::Mean,
        of: |attack| attack.damage,
    },
];

/// Median damage by size, of one model; of all models of a column where there is none.
struct Line<'a> {
    model: Option<&'a ModelRow>,
    values: Vec<(f64, f64)>,
}

/// A line for each model, and then the one of their medians.
fn lines<'a>(view: &View<'a>, column: &Column<'a>, kind: &Kind) -> Vec<Line<'a>> {
    let of_model = |&model: &&'a ModelRow| {
        let attacks: Vec<&AttackFacts> = view.attacks(model, kind.through).collect();
        let value = |size| {
            median(attacks.iter().filter(|attack| attack.size == size).map(|a| (kind.of)(a)))
        };
        let sizes = attacks.iter().map(|attack| attack.size);
        Line { model: Some(model), values: by_size(sizes, value) }
    };
    let mut lines: Vec<Line<'a>> = column.models.iter().map(of_model).collect();
    lines.retain(|line| !line.values.is_empty());
    let all: Vec<(f64, f64)> = lines.iter().flat_map(|line| line.values.iter().copied()).collect();
    let value = |size| median(all.iter().filter(|(of, _)| *of == size).map(|(_, value)| *value));
    let values = by_size(all.iter().map(|(size, _)| *size), value);
    lines.push(Line { model: None, values });
    lines
}

fn by_size(
    sizes: impl Iterator<Item = f64>,
    value: impl Fn(f64) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let mut sizes: Vec<f64> = sizes.filter(|size| size.is_finite()).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    sizes.into_iter().filter_map(|size| Some((size, value(size)?))).collect()
}

pub(super) fn draw(view: &View<'_>) -> Result<Drawing, String> {
    let columns: Vec<Vec<(&Kind, Vec<Line<'_>>)>> = view
        .columns
        .iter()
        .map(|column| KINDS.iter().map(|kind| (kind, lines(view, column, kind))).collect())
        .collect();
    let all = || {
        let lines = columns.iter().flatten().flat_map(|(_, lines)| lines);
        lines.flat_map(|line| line.values.iter().copied())
    };
    let (Some(x), Some(y)) =
        (Domain::of(all().map(|at| at.0), 3.0), Domain::of(all().map(|at| at.1), 10.0))
    else {
        return Err("No attacks at given lengths were made.".to_owned());
    };
    let mut sheet = Sheet::new();
    let stroke = |kind: &Kind| if kind.name == "rest" { "strong dashed" } else { "strong" };
    sheet.legend(KINDS.iter().map(|kind| LegendKey::line(kind.class, stroke(kind), kind.label)));
    let height = if view.columns.len() == 1 { 200.0 } else { 140.0 };
    let title = "median damage ‖Δ‖".to_owned();
    let places = sheet.layout(&view.titles(), &[Row { title, height, shared: true }]);
    let values = view.data.attacks.iter().flat_map(|a| [a.damage, a.damage_at_rest]);
    let unknown = values.filter(|value| value.is_nan()).count();
    let mut table =
        Table::new(&["data", "architecture", "model", "through", "size", "median_damage"]);
    for ((column, kinds), place) in view.columns.iter().zip(&columns).zip(places.concat()) {
        if kinds.iter().all(|(_, lines)| lines.iter().all(|line| line.values.is_empty())) {
            sheet.missing(place, "no attacks");
            continue;
        }
        let frame = sheet.frame(place, (x, "length of the attack"), y);
        for strong in [false, true] {
            for (kind, lines) in kinds {
                for line in lines.iter().filter(|line| line.model.is_none() == strong) {
                    let places = line.values.iter().filter_map(|&(x, y)| frame.place(x, y));
                    let weight = if strong { stroke(kind) } else { "faint" };
                    let class = format!("{weight} {}", kind.class);
                    let tip = line.model.map_or_else(String::new, describe);
                    sheet.svg.path(&class, &Path::through(places), &tip);
                    let model = line.model.map_or("median of models", |model| model.model.as_str());
                    for &(size, damage) in &line.values {
                        let names = [column.data, column.architecture, model, kind.name];
                        let values = [size, damage].map(|value| cell(Some(value)));
                        table.row(names.map(str::to_owned).into_iter().chain(values));
                    }
                }
            }
        }
    }
    Ok(Drawing {
        caption: format!(
            "Damage of the strongest attacks found at each length, where only the posterior's mean \
             may move, only its variance, or both. Faint lines: medians over the points of a model; \
             strong lines: medians over models. The paper says that attacks act through the mean: \
             its line should follow that of both, and the variance's stay near the damage at rest. \
             A stronger attack may do more.{}",
            left_out(unknown, "damage")
        ),
        svg: sheet.finish(),
        table,
    })
}
