//! Relative likelihood degradation against the attacked margin (claim 2 of the paper).
//!
//! The claim is that points with larger margins lose less likelihood, so the figure
//! states a rank correlation with an interval for each model. It does not say
//! "reproduced": degradation is measured under each point's own breaking
//! perturbation, whose size differs from point to point.

use crate::axis::{Domain, LOG_FROM};
use crate::plot::Panel;
use crate::stats::{evenly, spearman};
use crate::svg::Path;
use crate::text;
use crate::view::Section;

use super::estimates::{LAYERS, marker_size};
use super::{Drawing, Figure, legend};

const HEIGHT: f64 = 320.0;
const TITLE: &str = "Likelihood lost under the breaking perturbation";

pub(crate) fn degradation(section: &Section<'_>, id: &str) -> Figure {
    let series: Vec<Vec<(f64, f64)>> = section
        .entries
        .iter()
        .map(|entry| {
            let pairs = entry.rows.iter().filter_map(|row| row.attacked.zip(row.degradation));
            pairs.filter(|(x, y)| !x.is_nan() && !y.is_nan()).collect()
        })
        .collect();
    let all = || series.iter().flatten();
    let domains = Domain::of(all().map(|pair| pair.0), LOG_FROM)
        .zip(Domain::of(all().map(|pair| pair.1), LOG_FROM));
    let Some((x, y)) = domains else {
        return Figure::empty(
            TITLE,
            "no perturbation was found whose degradation could be measured.",
        );
    };
    let norm = section.norm();
    let mut panel = Panel::new(
        HEIGHT,
        (x, &format!("attacked margin ({norm})")),
        (y, "relative log-likelihood degradation"),
    );
    let mut notes = Vec::new();
    for (entry, pairs) in section.entries.iter().zip(&series).filter(|(_, p)| !p.is_empty()) {
        panel.svg.open(&entry.model.look.class());
        let mut layers = vec![Path::default(); LAYERS];
        for (i, &(x, y)) in evenly(pairs, section.markers).enumerate() {
            if let Some(at) = panel.place(x, y) {
                entry.model.look.mark(&mut layers[i % LAYERS], at, marker_size(pairs.len()));
            }
        }
        layers.iter().for_each(|layer| panel.svg.path("dots", layer, ""));
        panel.svg.close();
        let mut note = note(&entry.model.short(), pairs);
        let without = entry.rows.len() - pairs.len();
        if without > 0 {
            let unbroken = entry.attacked().filter(|&margin| margin == f64::INFINITY).count();
            let why = if unbroken == without { ": no breaking perturbation was found" } else { "" };
            let have = if without == 1 { "has" } else { "have" };
            note += &format!(" {} more {have} no degradation{why}.", text::integer(without));
        }
        notes.push(note);
        if pairs.len() > section.markers {
            notes.push(format!(
                "{}: {} of {} points drawn, evenly chosen; the correlation is over all.",
                entry.model.short(),
                text::integer(section.markers),
                text::integer(pairs.len())
            ));
        }
    }
    let spoken = notes.join(" ");
    Figure {
        title: TITLE.to_owned(),
        lead: "The paper claims that points with larger margins lose less likelihood: a negative \
               rank correlation. Degradation is measured under each point's own breaking \
               perturbation, whose norm is its attacked margin, so norms differ between points."
            .to_owned(),
        panels: vec![Drawing {
            title: None,
            notes: Vec::new(),
            svg: panel.svg.finish(id, TITLE, &spoken),
        }],
        legend: legend(section, |look| {
            section.entries.iter().zip(&series).any(|(e, p)| e.model.look == look && !p.is_empty())
        }),
        notes,
    }
}

fn note(name: &str, pairs: &[(f64, f64)]) -> String {
    match spearman(pairs) {
        Some(c) => format!(
            "{name}: Spearman ρ = {} (95% interval {} to {}, {}).",
            signed(c.rho),
            signed(c.low),
            signed(c.high),
            text::count(c.count, "point")
        ),
        None => format!(
            "{name}: too few distinct values for a correlation ({}).",
            text::count(pairs.len(), "point")
        ),
    }
}

fn signed(rho: f64) -> String {
    format!("{rho:.2}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_correlation_is_stated_with_its_interval() {
        let pairs: Vec<(f64, f64)> =
            (0..20).map(|i| (f64::from(i), f64::from((i * 7) % 20))).collect();
        let note = note("m", &pairs);
        assert!(note.starts_with("m: Spearman ρ = "), "{note}");
        assert!(note.contains("20 points"));
        assert_eq!(
            super::note("m", &[(1.0, 1.0)]),
            "m: too few distinct values for a correlation (1 point)."
        );
    }
}
