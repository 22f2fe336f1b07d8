//! All headline effects with their intervals: a forest plot.
//!
//! Effects are grouped by how they are measured, each group on an axis of its own. What is claimed
//! is shaded, so that a verdict can be seen: an interval within the shade, outside it, or both.

use vaegis_study::schema::{Claimed, Effect, Measure, Verdict};

use crate::axis::{Axis, Domain, Spacing};
use crate::marker::Look;
use crate::svg::{Anchor, Path};
use crate::text;

use super::sheet::{LETTER, LegendKey, Sheet};
use super::table::{Table, cell};
use super::view::View;
use super::{Drawing, words};

/// Where statements begin.
const STATEMENT: f64 = 13.0;
/// Where the axis is.
const FROM: f64 = 212.0;
const TO: f64 = 352.0;
/// Where numbers begin.
const NUMBERS: f64 = 362.0;
const LINE: f64 = 10.0;
const APART: f64 = 6.0;

/// How effects are measured, in the order of groups.
const MEASURES: [(Measure, &str); 5] = [
    (Measure::Share, "shares"),
    (Measure::Ratio, "ratios (logarithmic axis; line: no effect)"),
    (Measure::Correlation, "correlations (line: no effect)"),
    (Measure::Difference, "differences (line: no effect)"),
    (Measure::Nats, "differences in nats (line: no effect)"),
];

pub(super) fn draw(view: &View<'_>) -> Result<Drawing, String> {
    let effects: Vec<&Effect> =
        view.data.effects.iter().filter(|effect| words::is_headline(effect)).collect();
    if effects.is_empty() {
        return Err("The study has no effect over all of its models.".to_owned());
    }
    let mut sheet = Sheet::new();
    sheet.legend(legend(&effects));
    let mut table = Table::new(&[
        "claim",
        "part",
        "statement",
        "measure",
        "estimate",
        "low",
        "high",
        "claimed",
        "verdict",
        "replicates",
        "over",
        "remark",
    ]);
    for (measure, title) in MEASURES {
        let group: Vec<&Effect> =
            effects.iter().filter(|effect| effect.measure == measure).copied().collect();
        if !group.is_empty() {
            draw_group(&mut sheet, measure, title, &group);
        }
        for effect in group {
            table.row(cells(effect));
        }
    }
    Ok(Drawing {
        caption: format!(
            "Effects over all models with {} confidence intervals, by the number of the claim. \
             Shaded: what is claimed. An effect is reproduced if its whole interval is shaded, \
             not reproduced if none of it is, and otherwise inconclusive.",
            text::percent(view.data.confidence)
        ),
        svg: sheet.finish(),
        table,
    })
}

/// Keys for the verdicts that occur, and the shade.
fn legend(effects: &[&Effect]) -> Vec<LegendKey> {
    let all = [Verdict::Reproduced, Verdict::NotReproduced, Verdict::Inconclusive].map(Some);
    let occurs = |verdict: &Option<Verdict>| effects.iter().any(|e| e.verdict == *verdict);
    let keys = all.into_iter().chain([None]).filter(occurs).map(|verdict| LegendKey {
        class: words::class(verdict).to_owned(),
        stroke: "solid",
        draw: Box::new(move |at| mark(verdict, at)),
        name: words::verdict(verdict).to_owned(),
    });
    let shade = |(x, y): (f64, f64)| {
        let corners =
            [(x - 5.0, y - 4.0), (x + 5.0, y - 4.0), (x + 5.0, y + 4.0), (x - 5.0, y + 4.0)];
        let mut shade = Path::through(corners);
        shade.close();
        shade
    };
    let shade = LegendKey {
        class: String::new(),
        stroke: "claimed",
        draw: Box::new(shade),
        name: "what is claimed".to_owned(),
    };
    keys.chain([shade]).collect()
}

fn cells(effect: &Effect) -> Vec<String> {
    vec![
        effect.claim.to_string(),
        effect.part.clone(),
        effect.statement.clone(),
        format!("{:?}", effect.measure).to_lowercase(),
        cell(effect.estimate),
        cell(effect.low),
        cell(effect.high),
        match effect.claimed {
            Claimed::Above(value) => format!("above {value}"),
            Claimed::Below(value) => format!("below {value}"),
            Claimed::Nothing => String::new(),
        },
        effect.verdict.map_or_else(String::new, |verdict| words::verdict(Some(verdict)).to_owned()),
        effect.replicates.to_string(),
        effect.over.clone(),
        effect.remark.clone().unwrap_or_default(),
    ]
}

/// The axis of a group: all finite ends, thresholds and the place of no effect.
fn domain(measure: Measure, group: &[&Effect]) -> Domain {
    let claimed = |effect: &Effect| match effect.claimed {
        Claimed::Above(value) | Claimed::Below(value) => Some(value),
        Claimed::Nothing => None,
    };
    let values = group
        .iter()
        .flat_map(|effect| [effect.estimate, effect.low, effect.high, claimed(effect)])
        .flatten()
        .chain(no_effect(measure))
        .filter(|value| value.is_finite());
    match measure {
        Measure::Share => Domain::unit(),
        Measure::Correlation => Domain { low: -1.0, ..Domain::unit() },
        Measure::Ratio => {
            let logs = Domain::around(values.filter(|&value| value > 0.0).map(f64::ln));
            let logs = logs.unwrap_or(Domain::unit());
            // Two ticks at least have to fit.
            let (low, high) = (logs.low.min(-0.75), logs.high.max(0.75));
            Domain {
                spacing: Spacing::Log,
                low: low.exp().max(f64::MIN_POSITIVE),
                high: high.exp().min(f64::MAX),
                ..logs
            }
        }
        Measure::Difference | Measure::Nats => Domain::around(values).unwrap_or(Domain::unit()),
    }
}

/// The value of no effect, if it is the same for all effects that are measured like this.
fn no_effect(measure: Measure) -> Option<f64> {
    match measure {
        Measure::Share => None,
        Measure::Ratio => Some(1.0),
        Measure::Correlation | Measure::Difference | Measure::Nats => Some(0.0),
    }
}

fn draw_group(sheet: &mut Sheet, measure: Measure, title: &str, group: &[&Effect]) {
    let axis = Axis::new(domain(measure, group), FROM, TO);
    sheet.svg.text("column", Anchor::Start, (2.0, sheet.bottom + 10.0), title);
    let top = sheet.bottom + 16.0;
    let rows: Vec<Vec<String>> = group
        .iter()
        .map(|effect| wrap(&effect.statement, ((FROM - STATEMENT - 6.0) / LETTER) as usize))
        .collect();
    let height = |lines: &Vec<String>| LINE * lines.len().max(2) as f64 + APART;
    let bottom = top + rows.iter().map(height).sum::<f64>();
    for tick in axis.domain.ticks(3) {
        let Some(x) = axis.place(tick.value) else { continue };
        sheet.svg.line("grid", (x, top), (x, bottom));
        sheet.svg.text("tick", Anchor::Middle, (x, bottom + 11.0), &tick.label);
    }
    let mut y = top;
    for (effect, lines) in group.iter().zip(&rows) {
        let height = height(lines);
        shade(sheet, &axis, effect, (y, height));
        y += height;
    }
    if let Some(x) = no_effect(measure).and_then(|value| axis.place(value)) {
        sheet.svg.line("none", (x, top), (x, bottom));
    }
    sheet.svg.line("axis", (FROM, bottom), (TO, bottom));
    let mut y = top;
    for (effect, lines) in group.iter().zip(&rows) {
        let height = height(lines);
        row(sheet, &axis, effect, lines, (y, height));
        y += height;
    }
    sheet.bottom = bottom + 20.0;
}

/// What is claimed.
fn shade(sheet: &mut Sheet, axis: &Axis, effect: &Effect, (y, height): (f64, f64)) {
    let (from, to) = match effect.claimed {
        Claimed::Above(value) => (axis.place(value).unwrap_or(TO), TO),
        Claimed::Below(value) => (FROM, axis.place(value).unwrap_or(FROM)),
        Claimed::Nothing => return,
    };
    sheet.svg.rect("claimed", (from, y + 1.0), (to - from, height - 2.0), "");
}

fn row(sheet: &mut Sheet, axis: &Axis, effect: &Effect, lines: &[String], (y, height): (f64, f64)) {
    let middle = y + height / 2.0;
    let first = middle - LINE * (lines.len() as f64 - 1.0) / 2.0 + 3.0;
    sheet.svg.text("label", Anchor::Start, (2.0, first), &effect.claim.to_string());
    for (i, line) in lines.iter().enumerate() {
        sheet.svg.text("label", Anchor::Start, (STATEMENT, first + LINE * i as f64), line);
    }
    let class = words::class(effect.verdict);
    if let Some((low, high)) = effect.low.zip(effect.high)
        && let Some((from, to)) = axis.place(low).zip(axis.place(high))
    {
        sheet.svg.line(&format!("interval {class}"), (from, middle), (to, middle));
        // Intervals that go on beyond the axis end in an arrow.
        for (value, at, outwards) in [(low, from, -1.0), (high, to, 1.0)] {
            if !within(axis, value) {
                let back = at - 4.0 * outwards;
                let arrow = [(back, middle - 3.0), (at, middle), (back, middle + 3.0)];
                sheet.svg.path(&format!("interval {class}"), &Path::through(arrow), "");
            }
        }
    }
    let shown = effect.estimate.filter(|value| within(axis, *value));
    if let Some(x) = shown.and_then(|value| axis.place(value)) {
        sheet.svg.path(&format!("solid {class}"), &mark(effect.verdict, (x, middle)), "");
    }
    let numbers = match words::interval(effect) {
        Some(interval) => format!("{} ({interval})", words::estimate(effect)),
        None if effect.estimate.is_some() => format!("{} (no interval)", words::estimate(effect)),
        None => "not known".to_owned(),
    };
    sheet.svg.text("label", Anchor::Start, (NUMBERS, middle - 1.5), &numbers);
    let verdict = format!("{}, {}", words::verdict(effect.verdict), words::replicates(effect));
    sheet.svg.text(&format!("verdict {class}"), Anchor::Start, (NUMBERS, middle + 8.5), &verdict);
}

/// The marker of a verdict: a shape for those who see no colours.
fn mark(verdict: Option<Verdict>, at: (f64, f64)) -> Path {
    let look = match verdict {
        Some(Verdict::Reproduced) => Look(0),
        Some(Verdict::NotReproduced) => Look(3),
        Some(Verdict::Inconclusive) => Look(1),
        None => Look(2),
    };
    let mut mark = Path::default();
    look.mark(&mut mark, at, 2.7);
    mark
}

/// Whether a value has a place of its own on an axis.
fn within(axis: &Axis, value: f64) -> bool {
    value >= axis.domain.low && value <= axis.domain.high
}

/// Lines of at most `limit` characters, where words allow it.
fn wrap(words: &str, limit: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
