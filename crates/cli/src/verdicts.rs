//! What a study says of each claim, as tables.

use std::collections::BTreeSet;

use comfy_table::presets::{ASCII_MARKDOWN, UTF8_BORDERS_ONLY};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use vaegis_study::schema::{Effect, Measure, Scope};

/// Most letters of a line that says what an effect is.
const STATEMENT: u16 = 56;

/// The effects of all models together, for a terminal.
pub(crate) fn table(effects: &[Effect]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["claim", "effect", "estimate", "interval", "verdict"]);
    table.add_rows(effects.iter().filter(|effect| effect.scope == Scope::default()).map(row));
    if let Some(column) = table.column_mut(1) {
        column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(STATEMENT)));
    }
    for column in [0, 2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// All effects, as a page of Markdown: those of all models together, then those of some, claim by claim.
pub(crate) fn markdown(name: &str, effects: &[Effect]) -> String {
    let mut page = format!("# Study {name}\n\n## All models together\n\n");
    page += &markdown_table(effects.iter().filter(|effect| effect.scope == Scope::default()));
    let of_some = || effects.iter().filter(|effect| effect.scope != Scope::default());
    for claim in of_some().map(|effect| effect.claim).collect::<BTreeSet<_>>() {
        page += &format!("\n## Claim {claim}, by data and objective\n\n");
        page += &markdown_table(of_some().filter(|effect| effect.claim == claim));
    }
    page
}

fn markdown_table<'a>(effects: impl Iterator<Item = &'a Effect>) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["claim", "effect", "models", "estimate", "interval", "verdict"]);
    for effect in effects {
        let [claim, statement, estimate, interval, verdict] = row(effect);
        let Scope { data, architecture, objective } = &effect.scope;
        let scope: Vec<&str> =
            [data, architecture, objective].into_iter().flatten().map(String::as_str).collect();
        let models = if scope.is_empty() { "all".to_owned() } else { scope.join(", ") };
        let cells = [claim, statement, models, estimate, interval, verdict];
        table.add_row(cells.map(|cell| cell.replace('|', "\\|")));
    }
    table.trim_fmt() + "\n"
}

/// Claim, statement, estimate, interval and verdict of an effect.
fn row(effect: &Effect) -> [String; 5] {
    let number = |value: f64| number(effect, value);
    let interval = match (effect.low, effect.high) {
        (Some(low), Some(high)) => format!("{} to {}", number(low), number(high)),
        _ => "-".to_owned(),
    };
    let verdict = match effect.verdict {
        Some(verdict) => verdict.name().to_owned(),
        None => "-".to_owned(),
    };
    [
        effect.claim.to_string(),
        effect.statement.clone(),
        effect.estimate.map_or_else(|| "-".to_owned(), number),
        interval,
        match &effect.remark {
            Some(remark) => format!("{verdict} ({remark})"),
            None => verdict,
        },
    ]
}

fn number(effect: &Effect, value: f64) -> String {
    match effect.measure {
        Measure::Share => format!("{:.1}%", 100.0 * value),
        // Of few seeds, ends of intervals can be anything.
        Measure::Ratio if value == 0.0 || (0.005..1e4).contains(&value) => format!("{value:.2}x"),
        Measure::Ratio => format!("{value:.0e}x"),
        Measure::Correlation | Measure::Difference => format!("{value:.2}"),
        Measure::Nats => format!("{value:.1} nats"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_study::schema::Claimed;

    #[test]
    fn ratios_of_any_size_can_be_read() {
        let effect = Effect {
            claim: 3,
            part: "attacked".to_owned(),
            statement: "the attacked margin".to_owned(),
            scope: Scope::default(),
            measure: Measure::Ratio,
            claimed: Claimed::Above(1.0),
            estimate: Some(1.25),
            low: Some(3.1e-24),
            high: Some(1.496e25),
            replicates: 2,
            over: "seeds".to_owned(),
            verdict: None,
            remark: None,
        };
        let [_, _, estimate, interval, _] = row(&effect);
        assert_eq!((&estimate[..], &interval[..]), ("1.25x", "3e-24x to 1e25x"));
    }
}
