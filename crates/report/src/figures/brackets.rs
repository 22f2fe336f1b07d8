//! Between which two numbers the true margin of each point lies.
//!
//! A line per point, from what is proved to what an attack found, in a row of lines per model
//! over one axis, sorted by attacked margin: the right ends make a curve that rises, the left
//! ends scatter. Estimates are not drawn here, so that nobody takes one for a proof.
//!
//! An end that is missing is not made up: without a certificate there is a right end alone,
//! without an attack a left end alone. Where nothing could be proved the line starts at 0 and is
//! dashed; where no attack succeeded it runs to ∞.

use vaegis_audit::schema::PointRow;

use crate::axis::{Axis, Domain, LOG_FROM, Spacing};
use crate::marker::Look;
use crate::plot::WIDTH;
use crate::reading;
use crate::stats::evenly;
use crate::svg::{Anchor, Path, Svg};
use crate::text;
use crate::view::{Entry, Section};

use super::histogram::{LEFT, NAME, RIGHT, TOP, frame};
use super::{Drawing, Figure, legend};

/// Lines of one row are at least this far apart.
const APART: f64 = 1.6;
/// Below this distance lines and ends are drawn thin.
const CROWDED: f64 = 5.0;
const BELOW: f64 = 10.0;
const TITLE: &str = "Where the true margins lie";

/// What is known of a point's margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bracket {
    index: i64,
    pub(super) certified: Option<f64>,
    pub(super) attacked: Option<f64>,
}

impl Bracket {
    fn of(row: &PointRow) -> Self {
        let number = |value: Option<f64>| value.filter(|value| !value.is_nan());
        Self { index: row.index, certified: number(row.certified), attacked: number(row.attacked) }
    }

    fn ends(&self) -> impl Iterator<Item = f64> {
        self.certified.into_iter().chain(self.attacked)
    }

    fn tip(&self, model: &str) -> String {
        let proved = match self.certified {
            None => "no certificate".to_owned(),
            Some(0.0) => "nothing proved".to_owned(),
            Some(certified) => format!("proved up to {}", text::number(certified)),
        };
        let found = match self.attacked {
            None => "not attacked".to_owned(),
            Some(f64::INFINITY) => "not broken by the attack".to_owned(),
            Some(attacked) => format!("broken at {}", text::number(attacked)),
        };
        format!("{model}, point {}: {proved}, {found}", self.index)
    }
}

/// What is known of every point of a model that did not fail, sorted by attacked margin.
pub(super) fn of(entry: &Entry<'_>) -> Vec<Bracket> {
    let mut brackets: Vec<Bracket> = entry.rows.iter().map(|row| Bracket::of(row)).collect();
    let key = |end: Option<f64>| end.unwrap_or(f64::INFINITY);
    brackets.sort_by(|a, b| {
        let attacked = key(a.attacked).total_cmp(&key(b.attacked));
        attacked.then(key(a.certified).total_cmp(&key(b.certified)))
    });
    brackets
}

/// A domain for both ends. Its spacing is up to the attacked margins alone, if there are any: a
/// certified margin close to 0 says little, and no more on a logarithmic axis.
pub(super) fn domain(brackets: &[&Vec<Bracket>]) -> Option<Domain> {
    let all = || brackets.iter().copied().flatten();
    let attacked = Domain::of(all().filter_map(|bracket| bracket.attacked), LOG_FROM);
    let log_from = match attacked.map(|domain| domain.spacing) {
        Some(Spacing::Linear) => f64::INFINITY,
        Some(Spacing::Log) | None => LOG_FROM,
    };
    Domain::of(all().flat_map(Bracket::ends), log_from)
}

pub(crate) fn brackets(section: &Section<'_>, id: &str) -> Figure {
    let rows: Vec<(&Entry<'_>, Vec<Bracket>)> = section
        .entries
        .iter()
        .filter(|entry| entry.has_certificates())
        .map(|entry| (entry, of(entry)))
        .collect();
    let sets: Vec<&Vec<Bracket>> = rows.iter().map(|(_, brackets)| brackets).collect();
    let why: Vec<String> = section.entries.iter().filter_map(reading::why_uncertified).collect();
    let Some(domain) = domain(&sets) else {
        let why = if why.is_empty() {
            "no certified margins; the audit ran without certificates.".to_owned()
        } else {
            why.join(" ")
        };
        return Figure::empty(TITLE, &why);
    };
    let axis = Axis::new(domain, LEFT, WIDTH - RIGHT);
    let height = (260.0 / rows.len() as f64 - NAME - BELOW).clamp(64.0, 240.0);
    let row_height = NAME + height + BELOW;
    let bottom = TOP + row_height * rows.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 44.0);
    frame(&mut svg, &axis, bottom, &format!("margin ({})", section.norm()));
    let lines = (height / APART) as usize;
    let mut notes = Vec::new();
    for (i, (entry, brackets)) in rows.iter().enumerate() {
        let base = TOP + row_height * i as f64 + NAME + height;
        let name = text::shorten(&entry.model.name, 56);
        svg.text("row-name", Anchor::Start, (LEFT, base - height - 5.0), &name);
        let chosen: Vec<&Bracket> = evenly(brackets, lines).collect();
        draw(&mut svg, &axis, entry, &chosen, (base, height));
        notes.push(note(entry, brackets, chosen.len()));
    }
    let spoken = notes.join(" ");
    notes.extend(why);
    Figure {
        title: TITLE.to_owned(),
        lead: "Each line is a point, sorted by attacked margin; its true margin lies somewhere on \
               the line. Left end (filled): the certified margin, proved with confidence 1 − α for \
               each point. Right end (bar): the attacked margin, an upper bound as good as the \
               attack. Dashed from 0: nothing could be proved."
            .to_owned(),
        panels: vec![Drawing {
            title: None,
            notes: Vec::new(),
            svg: svg.finish(id, TITLE, &spoken),
        }],
        legend: legend(section, |look| rows.iter().any(|(entry, _)| entry.model.look == look)),
        notes,
    }
}

/// Lines from bottom to top, between `base` and `height` above it.
fn draw(
    svg: &mut Svg,
    axis: &Axis,
    entry: &Entry<'_>,
    brackets: &[&Bracket],
    (base, height): (f64, f64),
) {
    let apart = height / brackets.len().max(1) as f64;
    let crowded = apart < CROWDED;
    let (size, look) = if crowded { (1.2, Look(0)) } else { (3.4, entry.model.look) };
    let (mut proved, mut nothing, mut found) = (Path::default(), Path::default(), Path::default());
    svg.open(&entry.model.look.class());
    for (i, bracket) in brackets.iter().enumerate() {
        let y = base - (i as f64 + 0.5) * apart;
        let left = bracket.certified.and_then(|certified| axis.place(certified));
        let right = bracket.attacked.and_then(|attacked| axis.place(attacked));
        let unproved = bracket.certified == Some(0.0);
        if let Some((left, right)) = left.zip(right) {
            let class = match (unproved, crowded) {
                (false, false) => "bracket",
                (false, true) => "bracket fine",
                (true, false) => "bracket dashed",
                (true, true) => "bracket fine dashed",
            };
            let line = Path::through([(left, y), (right, y)]);
            svg.path(class, &line, &bracket.tip(&entry.model.name));
        }
        if let Some(left) = left {
            look.mark(if unproved { &mut nothing } else { &mut proved }, (left, y), size);
        }
        if let Some(right) = right {
            let half = (0.5 * apart).min(4.5);
            found.move_to(right, y - half);
            found.line_to(right, y + half);
        }
    }
    svg.path("found", &found, "");
    svg.path("hollow", &nothing, "");
    svg.path("proved", &proved, "");
    svg.close();
    svg.line("axis", (LEFT, base), (WIDTH - RIGHT, base));
}

fn note(entry: &Entry<'_>, brackets: &[Bracket], drawn: usize) -> String {
    let count = |of: fn(&Bracket) -> bool| brackets.iter().filter(|b| of(b)).count();
    let points = brackets.len();
    let mut note = format!(
        "{}: a margin above 0 is proved for {} of {}",
        entry.model.short(),
        text::integer(count(|b| b.certified.is_some_and(|certified| certified > 0.0))),
        text::count(points, "point")
    );
    for (what, n) in [
        ("nothing could be proved for", count(|b| b.certified == Some(0.0))),
        ("there is no certificate for", count(|b| b.certified.is_none())),
        ("the attack did not break", count(|b| b.attacked == Some(f64::INFINITY))),
        ("there is no attacked margin for", count(|b| b.attacked.is_none())),
    ] {
        if n > 0 {
            note += &format!("; {what} {}", text::integer(n));
        }
    }
    note.push('.');
    let share = entry.summary.and_then(|summary| text::median(&summary.certified_share));
    if let Some(share) = share {
        note += &format!(
            " Certified over attacked, where the attack succeeded: median {}.",
            text::number(share)
        );
    }
    if drawn < points {
        note += &format!(
            " {} of {} points drawn, evenly chosen; counts are over all.",
            text::integer(drawn),
            text::integer(points)
        );
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bracket(certified: Option<f64>, attacked: Option<f64>) -> Bracket {
        Bracket { index: 7, certified, attacked }
    }

    #[test]
    fn small_certificates_do_not_bend_the_axis() {
        let narrow = vec![bracket(Some(1e-9), Some(2.0)), bracket(Some(1.0), Some(4.0))];
        let wide = vec![bracket(Some(0.01), Some(0.1)), bracket(Some(1.0), Some(4.0))];
        let alone = vec![bracket(Some(0.01), None), bracket(Some(1.0), None)];
        let spacing = |brackets| domain(&[brackets]).map(|domain| domain.spacing);
        assert_eq!(spacing(&narrow), Some(Spacing::Linear));
        assert_eq!(spacing(&wide), Some(Spacing::Log));
        assert_eq!(spacing(&alone), Some(Spacing::Log));
        assert_eq!(domain(&[]), None);
    }

    #[test]
    fn what_is_missing_is_said() {
        let cases = [
            (Some(0.5), Some(2.0), "proved up to 0.500, broken at 2.00"),
            (Some(0.0), Some(f64::INFINITY), "nothing proved, not broken by the attack"),
            (None, Some(2.0), "no certificate, broken at 2.00"),
            (Some(0.5), None, "proved up to 0.500, not attacked"),
        ];
        for (certified, attacked, words) in cases {
            assert_eq!(bracket(certified, attacked).tip("m"), format!("m, point 7: {words}"));
        }
    }
}
