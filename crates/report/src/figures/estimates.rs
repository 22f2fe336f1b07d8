//! Attacked margins against the first-order estimates (claim 1 of the paper).
//!
//! Above the line y = x an estimate held against the attack; below it the attack broke
//! r-robustness closer than estimated. That can happen, since the estimates are first
//! order, and it is the most important thing this figure can show: those points
//! are ringed, counted, and named on hover.

use vaegis_audit::schema::PointRow;

use crate::axis::Domain;
use crate::plot::Panel;
use crate::stats::evenly;
use crate::svg::{Anchor, Path};
use crate::text;
use crate::view::Section;

use super::{Drawing, Figure, Key, legend};

const HEIGHT: f64 = 380.0;
/// Rings drawn per model and panel; the counts are always complete.
const RINGS: usize = 150;
/// Markers are split over this many translucent layers, so that density shows.
pub(super) const LAYERS: usize = 6;
const TITLE: &str = "Do the first-order estimates hold against the attack?";

struct Kind {
    name: &'static str,
    of: fn(&PointRow) -> Option<f64>,
}

const KINDS: [Kind; 2] = [
    Kind { name: "paper estimate", of: |row| row.bound_paper_limit },
    Kind { name: "sharp estimate", of: |row| row.bound_sharp_limit },
];

struct Pair {
    index: i64,
    estimate: f64,
    attacked: f64,
}

fn pairs(rows: &[&PointRow], of: fn(&PointRow) -> Option<f64>) -> Vec<Pair> {
    rows.iter()
        .filter_map(|row| {
            let (estimate, attacked) = (of(row)?, row.attacked?);
            let known = !estimate.is_nan() && !attacked.is_nan();
            known.then_some(Pair { index: row.index, estimate, attacked })
        })
        .collect()
}

pub(crate) fn estimates(section: &Section<'_>, id: &str) -> Figure {
    let by_kind: Vec<Vec<Vec<Pair>>> = KINDS
        .iter()
        .map(|kind| section.entries.iter().map(|entry| pairs(&entry.rows, kind.of)).collect())
        .collect();
    let values = by_kind.iter().flatten().flatten().flat_map(|p| [p.estimate, p.attacked]);
    // Both axes and both panels share one domain: distance from the line is then
    // comparable across the figure. Estimates sit well below margins, so log helps early.
    let Some(domain) = Domain::of(values, 8.0) else {
        return Figure::empty(TITLE, "no attacked margins to compare the estimates with.");
    };
    let mut notes = Vec::new();
    let panels = KINDS
        .iter()
        .zip(&by_kind)
        .enumerate()
        .map(|(i, (kind, series))| panel(section, domain, kind, series, &format!("{id}-{i}")))
        .collect();
    let shown = section.markers;
    for (entry, pairs) in section.entries.iter().zip(&by_kind[0]) {
        if pairs.len() > shown {
            notes.push(format!(
                "{}: {} of {} points drawn, evenly chosen; counts are over all.",
                entry.model.short(),
                text::integer(shown),
                text::integer(pairs.len())
            ));
        }
    }
    let mut keys = legend(section, |look| {
        section.entries.iter().zip(&by_kind[0]).any(|(e, p)| e.model.look == look && !p.is_empty())
    });
    keys.push(Key { swatch: ring_swatch(), name: "broken closer than estimated".to_owned() });
    Figure {
        title: TITLE.to_owned(),
        lead: "Each point: attacked margin (an upper bound on the true margin, as good as the \
               attack) against a first-order estimate, not a certificate, at the lower confidence \
               limit of p. Above the line y = x the estimate held; below it the attack broke \
               r-robustness closer than estimated."
            .to_owned(),
        panels,
        legend: keys,
        notes,
    }
}

fn panel(
    section: &Section<'_>,
    domain: Domain,
    kind: &Kind,
    series: &[Vec<Pair>],
    id: &str,
) -> Drawing {
    let norm = section.norm();
    let pairs = || series.iter().flatten();
    // The range is shared; gutters are only drawn on the axis that needs them.
    let x = Domain {
        zeros: domain.zeros && pairs().any(|pair| pair.estimate == 0.0),
        infinities: pairs().any(|pair| pair.estimate == f64::INFINITY),
        ..domain
    };
    let y = Domain {
        zeros: domain.zeros && pairs().any(|pair| pair.attacked == 0.0),
        infinities: pairs().any(|pair| pair.attacked == f64::INFINITY),
        ..domain
    };
    let mut panel = Panel::new(
        HEIGHT,
        (x, &format!("{}, first order ({norm})", kind.name)),
        (y, &format!("attacked margin ({norm})")),
    );
    let ((x0, x1), (y0, y1)) = (panel.x.range, panel.y.range);
    if domain.ordinary {
        let mut below = Path::through([(x0, y0), (x1, y0), (x1, y1)]);
        below.close();
        panel.svg.path("below", &below, "");
        panel.svg.line("reference", (x0, y0), (x1, y1));
        panel.svg.text("remark", Anchor::End, (x1 - 8.0, y0 - 10.0), "estimate broken");
        panel.svg.text("remark", Anchor::Start, (x0 + 8.0, y1 + 14.0), "estimate held");
    }
    let mut notes = Vec::new();
    for (entry, pairs) in section.entries.iter().zip(series).filter(|(_, p)| !p.is_empty()) {
        panel.svg.open(&entry.model.look.class());
        let mut layers = vec![Path::default(); LAYERS];
        for (i, pair) in evenly(pairs, section.markers).enumerate() {
            if let Some(at) = panel.place(pair.estimate, pair.attacked) {
                entry.model.look.mark(&mut layers[i % LAYERS], at, marker_size(pairs.len()));
            }
        }
        layers.iter().for_each(|layer| panel.svg.path("dots", layer, ""));
        let breaks: Vec<&Pair> = pairs.iter().filter(|p| p.attacked < p.estimate).collect();
        for pair in evenly(&breaks, RINGS) {
            if let Some(at) = panel.place(pair.estimate, pair.attacked) {
                let mut ring = Path::default();
                entry.model.look.mark(&mut ring, at, marker_size(pairs.len()) + 1.5);
                let tip = format!(
                    "{}, point {}: attacked at {}, {} {}",
                    entry.model.name,
                    pair.index,
                    text::number(pair.attacked),
                    kind.name,
                    text::number(pair.estimate)
                );
                panel.svg.path("ring", &ring, &tip);
            }
        }
        panel.svg.close();
        notes.push(note(&entry.model.short(), kind, pairs, &breaks));
    }
    let title = format!("Attacked margin against the {}", kind.name);
    let svg = panel.svg.finish(id, &title, &notes.join(" "));
    Drawing { title: Some(capital(kind.name)), svg, notes }
}

fn note(name: &str, kind: &Kind, pairs: &[Pair], breaks: &[&Pair]) -> String {
    let of = text::integer(pairs.len());
    let mut note = match breaks.len() {
        0 => format!("{name}: the attack broke none of {of} {}s.", kind.name),
        n => format!("{name}: the attack broke {} of {of} {}s", text::integer(n), kind.name),
    };
    let worst = breaks
        .iter()
        .min_by(|a, b| (a.attacked / a.estimate).total_cmp(&(b.attacked / b.estimate)));
    if let Some(worst) = worst {
        note += &format!(
            " (worst: point {}, attacked at {} against an estimate of {}).",
            worst.index,
            text::number(worst.attacked),
            text::number(worst.estimate)
        );
    }
    let infinite =
        pairs.iter().filter(|p| p.attacked == f64::INFINITY || p.estimate == f64::INFINITY).count();
    let zero = pairs.iter().filter(|p| p.attacked == 0.0 || p.estimate == 0.0).count();
    if infinite > 0 {
        note += &format!(" {} at ∞.", text::integer(infinite));
    }
    if zero > 0 {
        note += &format!(" {} at 0.", text::integer(zero));
    }
    note
}

/// Smaller markers where there are many.
pub(super) fn marker_size(points: usize) -> f64 {
    if points > 600 { 2.0 } else { 3.2 }
}

fn ring_swatch() -> String {
    let mut svg = crate::svg::Svg::new(14.0, 14.0);
    let mut ring = Path::default();
    crate::marker::Look(0).mark(&mut ring, (7.0, 7.0), 5.0);
    svg.path("ring", &ring, "");
    svg.finish_decoration()
}

fn capital(name: &str) -> String {
    let mut characters = name.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_are_counted_and_the_worst_is_named() {
        let pair = |index, estimate, attacked| Pair { index, estimate, attacked };
        let pairs =
            [pair(1, 2.0, 3.0), pair(7, 2.0, 1.0), pair(8, 2.0, 1.9), pair(9, 1.0, f64::INFINITY)];
        let breaks: Vec<&Pair> = pairs.iter().filter(|p| p.attacked < p.estimate).collect();
        let note = note("m", &KINDS[1], &pairs, &breaks);
        assert_eq!(
            note,
            "m: the attack broke 2 of 4 sharp estimates (worst: point 7, attacked at 1.00 against \
             an estimate of 2.00). 1 at ∞."
        );
    }
}
