//! Attacked margins: one row of bars per model over shared bins.
//!
//! Rows rather than overlapping bars: three models on top of each other hide one
//! another, and twenty are unreadable. Under each row stand the 10-90% range, the
//! median, and the medians of the two first-order estimates, so the figure is a
//! summary of the section by itself. Zeros and infinities have columns of their own.

use crate::axis::{Axis, Domain, LOG_FROM};
use crate::plot::WIDTH;
use crate::svg::{Anchor, Path, Svg};
use crate::text;
use crate::view::{Entry, Section};

use super::{Drawing, Figure, legend};

const BINS: usize = 24;
pub(super) const LEFT: f64 = 44.0;
pub(super) const RIGHT: f64 = 12.0;
pub(super) const TOP: f64 = 8.0;
pub(super) const NAME: f64 = 18.0;
/// What stands below the bars of a row.
const BELOW: f64 = 28.0;
const TITLE: &str = "Attacked margins";

/// How many values fall where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counts {
    zero: usize,
    bins: [usize; BINS],
    infinite: usize,
}

impl Counts {
    fn of(values: impl Iterator<Item = f64>, domain: &Domain) -> Self {
        let mut counts = Self { zero: 0, bins: [0; BINS], infinite: 0 };
        for value in values {
            if value == f64::INFINITY {
                counts.infinite += 1;
            } else if value <= 0.0 {
                counts.zero += 1;
            } else {
                let bin = (domain.fraction(value) * BINS as f64) as usize;
                counts.bins[bin.min(BINS - 1)] += 1;
            }
        }
        counts
    }

    fn total(&self) -> usize {
        self.zero + self.infinite + self.bins.iter().sum::<usize>()
    }

    fn most(&self) -> usize {
        self.bins.iter().copied().max().unwrap_or(0).max(self.zero).max(self.infinite)
    }
}

pub(crate) fn histogram(section: &Section<'_>, id: &str) -> Figure {
    if section.entries.iter().all(|entry| entry.attacked().next().is_none()) {
        return Figure::empty(TITLE, "no attacked margins; the audit ran without attacks.");
    }
    // The estimates are marked in the same figure, so they need a place too.
    let medians = section.entries.iter().filter_map(|entry| entry.summary).flat_map(|summary| {
        [&summary.bound_paper, &summary.bound_sharp].into_iter().filter_map(|of| of.median)
    });
    let values = section.entries.iter().flat_map(Entry::attacked).chain(medians);
    let Some(mut domain) = Domain::of(values, LOG_FROM) else {
        return Figure::empty(TITLE, "no attacked margins.");
    };
    domain.zeros = section.entries.iter().flat_map(Entry::attacked).any(|margin| margin == 0.0);
    domain.ordinary =
        section.entries.iter().flat_map(Entry::attacked).any(|m| m > 0.0 && m.is_finite());
    let rows: Vec<(&Entry<'_>, Counts)> = section
        .entries
        .iter()
        .map(|entry| (entry, Counts::of(entry.attacked(), &domain)))
        .filter(|(_, counts)| counts.total() > 0)
        .collect();
    let axis = Axis::new(domain, LEFT, WIDTH - RIGHT);
    let tallest = rows.iter().map(|(_, c)| c.most() as f64 / c.total() as f64).fold(0.0, f64::max);
    // Few rows are tall, so that the figure is as high as its neighbour.
    let bars = (260.0 / rows.len().max(1) as f64 - NAME - BELOW).clamp(56.0, 150.0);
    let row_height = NAME + bars + BELOW;
    let bottom = TOP + row_height * rows.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 44.0);
    frame(&mut svg, &axis, bottom, &format!("attacked margin ({})", section.norm()));
    for (i, (entry, counts)) in rows.iter().enumerate() {
        let base = TOP + row_height * i as f64 + NAME + bars;
        let bars = Bars { base, height: bars, tallest };
        draw_row(&mut svg, &axis, entry, counts, bars);
    }
    let spoken: Vec<String> = rows.iter().map(|(entry, counts)| describe(entry, counts)).collect();
    let at_border = |place: &str, of: fn(&Counts) -> usize| {
        let counted: Vec<String> = rows
            .iter()
            .filter(|(_, counts)| of(counts) > 0)
            .map(|(entry, counts)| {
                let (n, total) = (text::integer(of(counts)), text::integer(counts.total()));
                format!("{n} of {total} for {}", entry.model.short())
            })
            .collect();
        (!counted.is_empty()).then(|| format!("{place}: {}.", text::list(&counted)))
    };
    let notes = at_border("At 0, not r-robust even without a perturbation", |counts| counts.zero)
        .into_iter()
        .chain(at_border(
            "At ∞, no breaking perturbation found within the search range",
            |counts| counts.infinite,
        ))
        .collect();
    Figure {
        title: TITLE.to_owned(),
        lead: "Share of points in each range; further right is more robust. An attacked margin is \
               an upper bound on the true margin, as good as the attack. Below the bars: the \
               10–90% range and the median (●), with the medians of the paper (△) and sharp (◇) \
               first-order estimates, which are not certificates."
            .to_owned(),
        panels: vec![Drawing {
            title: None,
            notes: Vec::new(),
            svg: svg.finish(id, TITLE, &spoken.join(" ")),
        }],
        legend: legend(section, |look| rows.iter().any(|(entry, _)| entry.model.look == look)),
        notes,
    }
}

/// Where the bars of a row stand, how high they may be, and the share that is that high.
#[derive(Debug, Clone, Copy)]
struct Bars {
    base: f64,
    height: f64,
    tallest: f64,
}

/// Grid, gutters and ticks that rows of models share, down to `bottom`.
pub(super) fn frame(svg: &mut Svg, axis: &Axis, bottom: f64, title: &str) {
    let zeros = axis.domain.zeros;
    // Zero has a gutter of its own where it occurs.
    for tick in axis.domain.ticks(6).iter().filter(|tick| !zeros || tick.value > 0.0) {
        if let Some(x) = axis.place(tick.value) {
            svg.line("grid", (x, TOP + NAME), (x, bottom));
            svg.text("tick", Anchor::Middle, (x, bottom + 16.0), &tick.label);
        }
    }
    let half = axis.gutter_half();
    for (x, label) in [(axis.zero_gutter(), "0"), (axis.infinity_gutter(), "∞")] {
        if let Some(x) = x {
            svg.rect("gutter", (x - half, TOP + NAME), (2.0 * half, bottom - TOP - NAME), "");
            svg.text("tick", Anchor::Middle, (x, bottom + 16.0), label);
        }
    }
    svg.line("axis", (LEFT, bottom), (WIDTH - RIGHT, bottom));
    svg.text("axis-title", Anchor::End, (WIDTH - RIGHT, bottom + 36.0), title);
}

fn draw_row(
    svg: &mut Svg,
    axis: &Axis,
    entry: &Entry<'_>,
    counts: &Counts,
    Bars { base, height: bars, tallest }: Bars,
) {
    let total = counts.total() as f64;
    let height = |n: usize| bars * (n as f64 / total) / tallest.max(f64::MIN_POSITIVE);
    svg.text(
        "row-name",
        Anchor::Start,
        (LEFT, base - bars - 5.0),
        &text::shorten(&entry.model.name, 56),
    );
    let top_tick = nice_share(tallest);
    let y = base - bars * top_tick / tallest.max(f64::MIN_POSITIVE);
    svg.line("grid", (LEFT, y), (WIDTH - RIGHT, y));
    svg.text("tick", Anchor::End, (LEFT - 6.0, y + 4.0), &text::percent(top_tick));
    svg.open(&entry.model.look.class());
    let (start, end) = axis.range;
    let width = (end - start) / BINS as f64;
    for (i, &n) in counts.bins.iter().enumerate().filter(|&(_, &n)| n > 0) {
        let (low, high) = (
            axis.domain.value(i as f64 / BINS as f64),
            axis.domain.value((i + 1) as f64 / BINS as f64),
        );
        let tip = format!(
            "{}: {} between {} and {}",
            entry.model.name,
            text::count(n, "point"),
            text::number(low),
            text::number(high)
        );
        let at = (start + i as f64 * width + 0.5, base - height(n));
        svg.rect("bar", at, (width - 1.0, height(n)), &tip);
    }
    for (x, n) in [(axis.zero_gutter(), counts.zero), (axis.infinity_gutter(), counts.infinite)] {
        if let Some(x) = x.filter(|_| n > 0) {
            let half = axis.gutter_half() - 3.0;
            svg.rect("bar", (x - half, base - height(n)), (2.0 * half, height(n)), "");
            svg.text("count", Anchor::Middle, (x, base - height(n) - 3.0), &text::integer(n));
        }
    }
    svg.line("axis", (LEFT, base), (WIDTH - RIGHT, base));
    draw_medians(svg, axis, entry, base + 14.0);
    svg.close();
}

/// The 10-90% range and median of the margins, and the medians of the estimates.
fn draw_medians(svg: &mut Svg, axis: &Axis, entry: &Entry<'_>, y: f64) {
    let Some(summary) = entry.summary else { return };
    let of = &summary.attacked;
    let place = |value: Option<f64>| value.and_then(|value| axis.place(value));
    if let (Some(low), Some(high)) =
        (place(text::order_statistic(of, of.p10)), place(text::order_statistic(of, of.p90)))
    {
        svg.line("range", (low, y), (high, y));
    }
    for (look, estimate) in [(2, &summary.bound_paper), (3, &summary.bound_sharp)] {
        if let Some(x) = place(text::median(estimate)) {
            let mut path = Path::default();
            crate::marker::Look(look).mark(&mut path, (x, y), 4.5);
            svg.path("hollow", &path, "");
        }
    }
    if let Some(x) = place(text::median(of)) {
        let mut path = Path::default();
        crate::marker::Look(0).mark(&mut path, (x, y), 5.0);
        svg.path("solid", &path, "");
    }
}

/// A round share at or below the tallest bar, to label one grid line with.
fn nice_share(tallest: f64) -> f64 {
    [1.0, 0.75, 0.5, 0.25, 0.2, 0.1, 0.05, 0.02]
        .into_iter()
        .find(|&share| share <= tallest)
        .unwrap_or(tallest)
}

fn describe(entry: &Entry<'_>, counts: &Counts) -> String {
    let median = entry.summary.and_then(|summary| text::median(&summary.attacked));
    format!(
        "{}: {}, median attacked margin {}, {} at zero, {} infinite.",
        entry.model.name,
        text::count(counts.total(), "point"),
        text::optional(median),
        counts.zero,
        counts.infinite
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once() {
        let values = [0.0, 0.1, 0.5, 0.5, 24.0, f64::INFINITY, f64::INFINITY];
        let mut domain = Domain::of(values, 1e9).expect("there are values");
        (domain.low, domain.high) = (0.0, 24.0);
        let counts = Counts::of(values.into_iter(), &domain);
        let mut bins = [0; BINS];
        bins[0] = 3;
        bins[BINS - 1] = 1; // the largest value belongs to the last bin, not beyond it
        assert_eq!(counts, Counts { zero: 1, bins, infinite: 2 });
        assert_eq!(counts.total(), values.len());
    }

    #[test]
    fn shares_are_round() {
        assert_eq!(nice_share(0.31), 0.25);
        assert_eq!(nice_share(1.0), 1.0);
        assert_eq!(nice_share(0.01), 0.01);
    }
}
