//! Scores of disentanglement against margins, as they are and once the posterior's scale and the
//! encoder's Jacobian are accounted for (claim 5, beyond the paper).

use vaegis_study::schema::ModelRow;
use vaegis_study::statistics::residuals;

use crate::axis::{Domain, LOG_FROM};

use super::Drawing;
use super::scatter::{self, Pair};
use super::sheet::{Row, Sheet};
use super::table::{Table, cell};
use super::view::{Column, View};

/// Models needed before anything is left of two regressors.
const LEAST: usize = 6;

/// A score of disentanglement.
struct Score {
    name: &'static str,
    /// As it is, and adjusted.
    titles: [&'static str; 2],
    of: fn(&ModelRow) -> Option<f64>,
}

const SCORES: [Score; 2] = [
    Score { name: "mig", titles: ["MIG", "MIG, adjusted"], of: |model| model.mig },
    Score {
        name: "dci_disentanglement",
        titles: ["DCI disentanglement", "DCI, adjusted"],
        of: |model| model.dci_disentanglement,
    },
];

/// Score and attacked margin of each model.
fn raw<'a>(column: &Column<'a>, score: &Score) -> Vec<Pair<'a>> {
    let pairs = column.models.iter().filter_map(|&model| {
        let (x, y) = ((score.of)(model)?, model.attacked?);
        Some(Pair { model, index: None, x, y })
    });
    pairs.filter(|pair| pair.x.is_finite() && pair.is_known()).collect()
}

/// What is left of both after `log sigma` and `log |J|_F` are regressed out: an added-variable
/// plot. The margin as a factor.
fn adjusted<'a>(raw: &[Pair<'a>]) -> Vec<Pair<'a>> {
    let known = |pair: &&Pair<'a>| {
        let regressors = regressors(pair.model);
        pair.y > 0.0 && pair.y.is_finite() && regressors.iter().all(|value| value.is_finite())
    };
    let pairs: Vec<Pair<'a>> = raw.iter().filter(known).copied().collect();
    if pairs.len() < LEAST {
        return Vec::new();
    }
    let column = |of: fn(&Pair<'_>) -> f64| pairs.iter().map(of).collect::<Vec<f64>>();
    let others =
        [column(|pair| regressors(pair.model)[0]), column(|pair| regressors(pair.model)[1])];
    let x = residuals(&column(|pair| pair.x), &others);
    let y = residuals(&column(|pair| pair.y.ln()), &others);
    let left = pairs.iter().zip(x.into_iter().zip(y));
    left.map(|(pair, (x, y))| Pair { x, y: y.exp(), ..*pair }).collect()
}

fn regressors(model: &ModelRow) -> [f64; 2] {
    [model.sigma_mean, model.jacobian_frobenius].map(|value| value.unwrap_or(f64::NAN).ln())
}

pub(super) fn draw(view: &View<'_>) -> Result<Drawing, String> {
    let columns: Vec<&Column<'_>> = view
        .columns
        .iter()
        .filter(|column| SCORES.iter().any(|score| !raw(column, score).is_empty()))
        .collect();
    if columns.is_empty() {
        return Err("No model has both a score of disentanglement, for which the data's factors \
                    must be known, and an attacked margin."
            .to_owned());
    }
    let mut sheet = Sheet::new();
    sheet.legend(scatter::keys(view));
    let titles = ["attacked margin", "margin, adjusted"].repeat(SCORES.len());
    let titles: Vec<String> = titles.into_iter().map(str::to_owned).collect();
    let row =
        |column: &&Column<'_>| Row { title: column.title.clone(), height: 100.0, shared: false };
    let rows: Vec<Row> = columns.iter().map(row).collect();
    let places = sheet.layout(&titles, &rows);
    let mut table = Table::of_models(&["score", "adjusted", "value", "attacked_margin"]);
    for (number, score) in SCORES.iter().enumerate() {
        let raws: Vec<Vec<Pair<'_>>> = columns.iter().map(|column| raw(column, score)).collect();
        let lefts: Vec<Vec<Pair<'_>>> = raws.iter().map(|pairs| adjusted(pairs)).collect();
        for (side, sets) in [raws, lefts].iter().enumerate() {
            let values = || sets.iter().flatten();
            let x = match side {
                0 => Domain::of(values().map(|pair| pair.x), f64::INFINITY),
                _ => around_zero(values().map(|pair| pair.x)),
            };
            for (pairs, places) in sets.iter().zip(&places) {
                let mut place = places[2 * number + side];
                place.last = true; // each column has an x axis of its own
                let log_from = if side == 0 { LOG_FROM } else { 1.0 };
                let y = Domain::of(pairs.iter().map(|pair| pair.y), log_from);
                let (Some(x), Some(y)) = (x, y) else {
                    sheet.missing(place, if side == 0 { "not known" } else { "too few models" });
                    continue;
                };
                let frame = sheet.frame(place, (x, score.titles[side]), y);
                if side == 1 {
                    let ((x0, x1), (y0, y1)) = (frame.x.range, frame.y.range);
                    if let Some((x, y)) = frame.place(0.0, 1.0) {
                        sheet.svg.line("zero", (x0, y), (x1, y));
                        sheet.svg.line("zero", (x, y0), (x, y1));
                    }
                }
                scatter::models(&mut sheet, view, &frame, pairs, (score.titles[side], "margin"));
                for pair in pairs {
                    let names = [score.name.to_owned(), (side == 1).to_string()];
                    let values = [pair.x, pair.y].map(|value| cell(Some(value)));
                    table.row_of(pair.model, names.into_iter().chain(values));
                }
            }
        }
    }
    Ok(Drawing {
        caption: format!(
            "Median attacked margin of each model against its scores of disentanglement{}. \
             Adjusted: what is left of score and margin (as a factor) once log σ and log ‖J‖ are \
             regressed out of both, with an intercept, over the models of a row whose margin is \
             neither 0 nor ∞. A slope that remains there is what the score says beyond σ and J.",
            match scatter::sizes(view) {
                "" => String::new(),
                sizes => format!("; markers are {}", sizes.trim_start_matches(", ")),
            }
        ) + &format!(" {}", view.radii()),
        svg: sheet.finish(),
        table,
    })
}

/// A domain with 0 in the middle that reaches to a round number on both sides.
fn around_zero(values: impl Iterator<Item = f64>) -> Option<Domain> {
    let most = values.map(f64::abs).filter(|value| value.is_finite()).reduce(f64::max)?;
    let magnitude = 10f64.powf(most.max(1e-300).log10().floor());
    let round = [1.0, 2.0, 5.0].into_iter().map(|factor| factor * magnitude);
    let end = round.into_iter().find(|end| *end >= most).unwrap_or(10.0 * magnitude);
    Domain::around([-end, end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_have_ticks_on_both_sides() {
        for most in [0.045, 0.05, 0.0012, 7.0] {
            let domain = around_zero([most, -0.3 * most].into_iter()).expect("a domain");
            assert!(domain.low <= -most && domain.high >= most);
            assert!(domain.ticks(3).len() >= 3, "{most}: {:?}", domain.ticks(3));
        }
        assert_eq!(around_zero([f64::NAN].into_iter()), None);
    }
}
