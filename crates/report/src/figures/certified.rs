//! How many points withstand all perturbations shorter than c: at least those whose certified
//! margin reaches c, at most those that the attack did not break below c.
//!
//! Both shares are of all points that did not fail. A point without a certificate is not
//! certified and a point without an attacked margin not broken, so the truth lies between both
//! curves whatever is missing.

use crate::axis::Domain;
use crate::plot::Panel;
use crate::stats::sort;
use crate::svg::Path;
use crate::text;
use crate::view::{Entry, Section};

use super::{Drawing, Figure, brackets, legend};

const HEIGHT: f64 = 320.0;
/// Positions at which a curve may step: a unit of the drawing apart.
const STEPS: usize = 416;
const MARKS: usize = 5;
/// Bands of more models than this hide one another.
const BANDS: usize = 4;
const TITLE: &str = "Certified fraction";

/// The margins of a model, sorted.
struct Margins<'a> {
    entry: &'a Entry<'a>,
    certified: Vec<f64>,
    /// `None` without any attack.
    attacked: Option<Vec<f64>>,
}

impl<'a> Margins<'a> {
    fn of(entry: &'a Entry<'a>, brackets: &[brackets::Bracket]) -> Self {
        let sorted = |mut margins: Vec<f64>| {
            sort(&mut margins);
            margins
        };
        let certified = brackets.iter().map(|b| b.certified.unwrap_or(0.0)).collect();
        let attacked = brackets.iter().map(|b| b.attacked.unwrap_or(f64::INFINITY)).collect();
        let any = brackets.iter().any(|b| b.attacked.is_some());
        Self { entry, certified: sorted(certified), attacked: any.then(|| sorted(attacked)) }
    }
}

/// The share of sorted `margins` beyond `norm`.
fn share(margins: &[f64], norm: f64) -> f64 {
    let within = margins.partition_point(|&margin| margin <= norm);
    (margins.len() - within) as f64 / margins.len().max(1) as f64
}

/// `None` without certificates; the figure of brackets says why there are none.
pub(crate) fn certified(section: &Section<'_>, id: &str) -> Option<Figure> {
    let with: Vec<(&Entry<'_>, Vec<brackets::Bracket>)> = section
        .entries
        .iter()
        .filter(|entry| entry.has_certificates())
        .map(|entry| (entry, brackets::of(entry)))
        .collect();
    let sets: Vec<_> = with.iter().map(|(_, brackets)| brackets).collect();
    // A share beyond every norm stays level up to the border: neither end needs a place.
    let x = Domain { zeros: false, infinities: false, ..brackets::domain(&sets)? };
    let norm = section.norm();
    let mut panel = Panel::new(
        HEIGHT,
        (x, &format!("perturbation norm c ({norm})")),
        (Domain::unit(), "share of points"),
    );
    let models: Vec<Margins<'_>> =
        with.iter().map(|(entry, brackets)| Margins::of(entry, brackets)).collect();
    for margins in &models {
        draw(&mut panel, margins, models.len() <= BANDS);
    }
    let notes: Vec<String> = models.iter().map(note).collect();
    let spoken = notes.join(" ");
    Some(Figure {
        title: TITLE.to_owned(),
        lead: "Solid: the share of points proved to withstand every perturbation shorter than c, \
               each with confidence 1 − α. Dashed: the share that the attack did not break below \
               c. The true share lies between them, a point without a certificate counting as \
               not proved."
            .to_owned(),
        panels: vec![Drawing {
            title: None,
            notes: Vec::new(),
            svg: panel.svg.finish(id, TITLE, &spoken),
        }],
        legend: legend(section, |look| models.iter().any(|m| m.entry.model.look == look)),
        notes,
    })
}

fn draw(panel: &mut Panel, Margins { entry, certified, attacked }: &Margins<'_>, band: bool) {
    let look = entry.model.look;
    let proved = staircase(panel, certified);
    panel.svg.open(&look.class());
    if let Some(attacked) = attacked {
        let unbroken = staircase(panel, attacked);
        if band {
            let mut area = Path::through(unbroken.iter().chain(proved.iter().rev()).copied());
            area.close();
            panel.svg.path("band", &area, "");
        }
        panel.svg.path("curve dashed", &Path::through(unbroken), "");
    }
    panel.svg.path("curve", &Path::through(proved), "");
    let mut marks = Path::default();
    for i in 0..MARKS {
        // Models next to each other have their marks at different norms.
        let fraction = (i as f64 + 0.3 + 0.2 * (look.0 % 3) as f64) / MARKS as f64;
        let norm = panel.x.domain.value(fraction);
        for margins in [Some(certified), attacked.as_ref()].into_iter().flatten() {
            if let Some(at) = panel.place(norm, share(margins, norm)) {
                look.mark(&mut marks, at, 3.6);
            }
        }
    }
    panel.svg.path("solid", &marks, "");
    panel.svg.close();
}

/// The corners of the share of sorted `margins` beyond each norm.
fn staircase(panel: &Panel, margins: &[f64]) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for step in 0..=STEPS {
        // From the border on, where a linear axis has 0 and a logarithmic one nothing below.
        let fraction = step as f64 / STEPS as f64;
        let norm = panel.x.domain.value(fraction);
        let Some((x, y)) = panel.place(norm, share(margins, norm)) else { continue };
        match corners.last() {
            Some(&(_, before)) if before == y && step < STEPS => {}
            Some(&(_, before)) => corners.extend([(x, before), (x, y)]),
            None => corners.push((x, y)),
        }
    }
    corners
}

fn note(Margins { entry, certified, attacked }: &Margins<'_>) -> String {
    let median = |margins: &[f64]| crate::stats::quantile(margins, 0.5);
    let proved = text::percent(share(certified, 0.0));
    let mut note = format!("{}: a margin above 0 is proved for {proved}", entry.model.short());
    if let Some(median) = median(certified).filter(|&median| median > 0.0) {
        note += &format!(", {} or more for half of the points", text::number(median));
    }
    match attacked.as_ref().and_then(|attacked| median(attacked)) {
        Some(f64::INFINITY) => note += "; the attack broke fewer than half",
        Some(0.0) => note += "; half are not r-robust even without a perturbation",
        Some(median) => note += &format!("; the attack broke half below {}", text::number(median)),
        None => note += "; no attack was run",
    }
    note + "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fall_from_what_is_above_zero_to_what_is_infinite() {
        let margins = [0.0, 1.0, 1.0, 2.0, f64::INFINITY];
        let at = [0.0, 0.5, 1.0, 1.5, 2.0, 1e300];
        assert_eq!(at.map(|norm| share(&margins, norm)), [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]);
        assert_eq!(share(&[], 1.0), 0.0);
    }

    #[test]
    fn a_curve_has_a_corner_for_each_step() {
        let domain = Domain { low: 0.0, high: 4.0, ..Domain::unit() };
        let panel = Panel::new(HEIGHT, (domain, "x"), (Domain::unit(), "y"));
        let corners = staircase(&panel, &[0.0, 1.0, 3.0, f64::INFINITY]);
        let shares: Vec<f64> = corners.iter().map(|corner| corner.1).collect();
        let at = |share: f64| panel.y.place(share).expect("a share has a place");
        let steps = [0.75, 0.75, 0.5, 0.5, 0.25, 0.25, 0.25].map(at);
        assert_eq!(shares, steps);
        let one = panel.x.place(1.0).expect("a norm has a place");
        assert!((corners[1].0 - one).abs() < 1.1);
    }
}
