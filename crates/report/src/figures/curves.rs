//! Two curves against the size of the perturbation: the probability `p_r` of staying
//! within r, and the damage curve `M(c)`, the median of the change.
//!
//! Attacks visit different norms at different points, so each point's curve is
//! interpolated (never extrapolated) onto a shared grid and summarised there. Robust
//! points are followed further than fragile ones, which would bend a plain median
//! upwards: the curve stops where fewer than half of the points have data, and is
//! dashed where fewer than nine in ten do.

use std::collections::HashMap;

use vaegis_audit::schema::CurveRow;

use crate::axis::{Domain, LOG_FROM, Spacing};
use crate::plot::Panel;
use crate::stats::{BandPoint, band, evenly, sort};
use crate::svg::{Anchor, Path};
use crate::text;
use crate::view::{Entry, Section};

use super::{Drawing, Figure, legend};

const HEIGHT: f64 = 320.0;
const GRID: usize = 64;
const NEARLY_ALL: f64 = 0.9;
/// Bands of more models than this hide one another, so only medians are drawn.
const BANDS: usize = 4;

/// How to read either figure.
fn how(curves: &[Curves<'_>]) -> String {
    let band = if curves.len() > BANDS { "" } else { "; band: 10–90%" };
    format!(
        "Line: median over points{band}. Dashed where fewer than 90% of the points were attacked \
         at that norm, absent below half."
    )
}

/// `(norm, value)`, sorted by norm.
type Curve = Vec<(f64, f64)>;

struct Curves<'a> {
    entry: &'a Entry<'a>,
    points: usize,
    drawn: usize,
    band: Vec<BandPoint>,
}

/// Each point's curve, sorted by norm; values that are not finite are left out.
fn per_point(rows: &[&CurveRow], of: fn(&CurveRow) -> f64) -> Vec<Curve> {
    let mut order: HashMap<i64, usize> = HashMap::new();
    let mut curves: Vec<Curve> = Vec::new();
    for row in rows {
        let at = (row.perturbation_norm, of(row));
        if at.0.is_finite() && at.1.is_finite() {
            let next = curves.len();
            let place = *order.entry(row.index).or_insert(next);
            if place == next {
                curves.push(Vec::new());
            }
            curves[place].push(at);
        }
    }
    for curve in &mut curves {
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    curves
}

/// The norms between which at least half of the points of some model have data.
fn reach<'c>(models: impl Iterator<Item = &'c [Curve]>) -> Option<(f64, f64)> {
    let mut range: Option<(f64, f64)> = None;
    for curves in models {
        let sorted = |pick: fn(&Curve) -> Option<&(f64, f64)>| {
            let mut norms: Vec<f64> = curves.iter().filter_map(pick).map(|at| at.0).collect();
            sort(&mut norms);
            norms
        };
        let (first, last) = (sorted(|curve| curve.first()), sorted(|curve| curve.last()));
        // Half have begun at the lower median of the beginnings, and half have not
        // ended before the upper median of the ends.
        let begin = first.get(first.len().div_ceil(2).checked_sub(1)?)?;
        let end = last.get(last.len() / 2)?;
        let (low, high) = range.unwrap_or((*begin, *end));
        range = Some((low.min(*begin), high.max(*end)));
    }
    range.map(|(low, high)| (low, high.max(low)))
}

fn collect<'a>(
    section: &'a Section<'_>,
    of: fn(&CurveRow) -> f64,
) -> Option<(Domain, Vec<Curves<'a>>)> {
    let by_model: Vec<_> = section
        .entries
        .iter()
        .map(|entry| (entry, per_point(&entry.curves, of)))
        .filter(|(_, curves)| !curves.is_empty())
        .collect();
    let (start, end) = reach(by_model.iter().map(|(_, curves)| curves.as_slice()))?;
    let domain = Domain::of([start, end], LOG_FROM)?;
    let grid: Vec<f64> = (0..GRID)
        .map(|i| i as f64 / (GRID - 1) as f64)
        .map(|share| match domain.spacing {
            Spacing::Linear => start + share * (end - start),
            // Exact at the ends, where rounding would fall off the data.
            Spacing::Log => (start * (end / start).powf(share)).clamp(start, end),
        })
        .collect();
    let all = by_model
        .into_iter()
        .map(|(entry, curves)| {
            let chosen: Vec<_> = evenly(&curves, section.markers).cloned().collect();
            let band = band(&chosen, &grid);
            Curves { entry, points: curves.len(), drawn: chosen.len(), band }
        })
        .collect();
    Some((domain, all))
}

pub(crate) fn probability(section: &Section<'_>, id: &str) -> Figure {
    const TITLE: &str = "Probability of staying within r under attack";
    let Some((x, curves)) = collect(section, |row| row.p) else {
        return Figure::empty(TITLE, "no attack curves were stored for this radius.");
    };
    let norm = section.norm();
    let mut panel = Panel::new(
        HEIGHT,
        (x, &format!("perturbation norm ({norm})")),
        (Domain::unit(), "probability of a change of at most r"),
    );
    draw(&mut panel, &curves);
    if let Some(half) = panel.y.place(0.5) {
        let (left, right) = panel.x.ends;
        panel.svg.line("reference", (left, half), (right, half));
        panel.svg.text("remark", Anchor::End, (right - 4.0, half - 6.0), "1/2: r-robust above");
    }
    let lead = format!(
        "For the strongest attack found at each norm. A point stops being r-robust where its \
         curve crosses one half. {}",
        how(&curves)
    );
    finish(section, panel, id, TITLE, lead, &curves)
}

pub(crate) fn damage(section: &Section<'_>, id: &str) -> Figure {
    const TITLE: &str = "Damage curve M(c)";
    let Some((x, curves)) = collect(section, |row| row.damage) else {
        return Figure::empty(TITLE, "no attack curves were stored for this radius.");
    };
    let radii: Vec<(&Entry<'_>, f64)> =
        curves.iter().filter_map(|c| Some((c.entry, c.entry.summary?.r.median?))).collect();
    let heights = curves.iter().flat_map(|c| &c.band).flat_map(|b| [b.p10, b.p90]);
    let heights = heights.chain(radii.iter().map(|&(_, r)| r));
    let y = Domain::of(heights, 1000.0).unwrap_or_else(Domain::unit);
    let norm = section.norm();
    let mut panel = Panel::new(
        HEIGHT,
        (x, &format!("perturbation norm c ({norm})")),
        (y, "median change of the reconstruction (ℓ₂)"),
    );
    draw(&mut panel, &curves);
    draw_radii(&mut panel, &radii);
    let lead = format!(
        "The median change of the reconstruction under the strongest attack found at each norm: a \
         lower bound on the worst case. Where it crosses r lies the attacked margin. {}",
        how(&curves)
    );
    finish(section, panel, id, TITLE, lead, &curves)
}

/// A line at r: one for all where models share it, else one in each model's colour.
fn draw_radii(panel: &mut Panel, radii: &[(&Entry<'_>, f64)]) {
    let Some(&(_, first)) = radii.first() else {
        return;
    };
    let (left, right) = panel.x.ends;
    let shared = radii.iter().all(|&(_, r)| (r - first).abs() <= 1e-6 * first.abs());
    let lines = if shared { &radii[..1] } else { radii };
    for &(entry, r) in lines {
        let Some(y) = panel.y.place(r) else { continue };
        panel.svg.open(&if shared { String::new() } else { entry.model.look.class() });
        panel.svg.line(if shared { "reference" } else { "radius" }, (left, y), (right, y));
        let label = format!("r = {}", text::number(r));
        let label = if shared { label } else { format!("median {label}") };
        panel.svg.text("remark", Anchor::Start, (left + 4.0, y - 5.0), &label);
        panel.svg.close();
    }
}

fn draw(panel: &mut Panel, curves: &[Curves<'_>]) {
    for Curves { entry, band, .. } in curves {
        let upper = band.iter().filter_map(|b| panel.place(b.x, b.p90));
        let lower = band.iter().rev().filter_map(|b| panel.place(b.x, b.p10));
        let mut area = Path::through(upper.chain(lower));
        area.close();
        let (solid, dashed) = strokes(panel, band);
        let mut marks = Path::default();
        let stride = (band.len() / 6).max(1);
        for b in band.iter().skip((entry.model.look.0 * 3) % stride).step_by(stride) {
            if let Some(at) = panel.place(b.x, b.median) {
                entry.model.look.mark(&mut marks, at, 3.6);
            }
        }
        panel.svg.open(&entry.model.look.class());
        if band.len() > 1 && curves.len() <= BANDS {
            panel.svg.path("band", &area, "");
        }
        panel.svg.path("curve", &solid, "");
        panel.svg.path("curve dashed", &dashed, "");
        panel.svg.path("solid", &marks, "");
        panel.svg.close();
    }
}

/// The median as two paths: where nearly all points speak, and where fewer do.
fn strokes(panel: &Panel, band: &[BandPoint]) -> (Path, Path) {
    let mut paths = [Path::default(), Path::default()];
    let mut pen = None;
    for pair in band.windows(2) {
        let style = usize::from(pair[0].share.min(pair[1].share) < NEARLY_ALL);
        let ends = pair.iter().filter_map(|b| panel.place(b.x, b.median));
        let [from, to] = ends.collect::<Vec<_>>()[..] else {
            continue;
        };
        if pen != Some(style) {
            paths[style].move_to(from.0, from.1);
        }
        paths[style].line_to(to.0, to.1);
        pen = Some(style);
    }
    let [solid, dashed] = paths;
    (solid, dashed)
}

fn finish(
    section: &Section<'_>,
    panel: Panel,
    id: &str,
    title: &str,
    lead: String,
    curves: &[Curves<'_>],
) -> Figure {
    let mut notes = Vec::new();
    let mut spoken = Vec::new();
    for Curves { entry, points, drawn, band } in curves {
        let name = entry.model.short();
        if drawn < points {
            notes.push(format!(
                "{name}: {} of {} points summarised, evenly chosen.",
                text::integer(*drawn),
                text::integer(*points)
            ));
        }
        match (band.first(), band.last()) {
            (Some(first), Some(last)) => spoken.push(format!(
                "{name}: the median goes from {} at norm {} to {} at norm {}.",
                text::number(first.median),
                text::number(first.x),
                text::number(last.median),
                text::number(last.x)
            )),
            _ => notes.push(format!("{name}: no norm at which half of the points have data.")),
        }
    }
    Figure {
        title: title.to_owned(),
        lead,
        panels: vec![Drawing {
            title: None,
            notes: Vec::new(),
            svg: panel.svg.finish(id, title, &spoken.join(" ")),
        }],
        legend: legend(section, |look| curves.iter().any(|c| c.entry.model.look == look)),
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(index: i64, norm: f64, p: f64) -> CurveRow {
        CurveRow {
            model: "m".into(),
            index,
            radius: "4".into(),
            r: 4.0,
            perturbation_norm: norm,
            damage: p,
            p,
        }
    }

    #[test]
    fn rows_become_sorted_curves_without_nan() {
        let rows = [row(3, 2.0, 0.5), row(1, 1.0, 0.9), row(3, 1.0, 1.0), row(1, 2.0, f64::NAN)];
        let rows: Vec<&CurveRow> = rows.iter().collect();
        let curves = per_point(&rows, |row| row.p);
        assert_eq!(curves, [vec![(1.0, 1.0), (2.0, 0.5)], vec![(1.0, 0.9)]]);
        assert_eq!(reach([curves.as_slice()].into_iter()), Some((1.0, 2.0)));
        assert_eq!(reach(std::iter::empty()), None);
    }
}
