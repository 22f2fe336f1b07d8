//! The distortion-distortion plot of targeted attacks [Gondim-Ribeiro, Tabacof, Valle 2018]: how
//! far the input must be distorted for its reconstruction to come near the target.

use std::collections::{BTreeMap, BTreeSet};

use vaegis_audit::TrialConfig;
use vaegis_audit::schema::AttackRow;

use crate::axis::Domain;
use crate::figures::{Drawing, Figure};
use crate::marker::Look;
use crate::plot::Panel;
use crate::stats::sort;
use crate::svg::{Anchor, Path, Svg};
use crate::text;

const HEIGHT: f64 = 360.0;
const TITLE: &str = "Distortion-distortion plot";
/// Rows that a sentence lists.
const LISTED: usize = 10;
const STYLE: &str = include_str!("../templates/style.css");

/// `(input, output)`, both normalised, as they are defined for the area under the curve.
type Curve = Vec<(f64, f64)>;

/// The plot as an SVG file, one line for each point and a colour for each attack; `None` if no
/// targeted attack has a curve.
pub fn distortion_plot(rows: &[AttackRow]) -> Option<String> {
    let (svg, described) = draw(rows)?;
    Some(svg.finish_alone(TITLE, &described, STYLE, ""))
}

/// Why targeted attacks on some points have no curve, in a sentence for each reason.
pub fn distortion_gaps(config: &TrialConfig, rows: &[AttackRow]) -> Vec<String> {
    let attacks = &config.settings.attacks;
    let targeted = |name: &str| {
        attacks.iter().any(|attack| attack.goal.is_targeted() && attack.goal.name() == name)
    };
    let mut gaps: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.auddc.is_none()) {
        if row.attack.as_deref().is_some_and(targeted) {
            let distances = row.aim_distance_at_rest.zip(row.aim_distance_of_target);
            let reason = match (row.aim_size, distances) {
                (Some(0.0), _) => "nothing that may change tells the target from the input",
                (_, Some((from_input, from_itself))) if from_itself >= from_input => {
                    "the target is reconstructed no better from itself than from the input"
                }
                _ => "a distance is not finite",
            };
            gaps.entry(reason).or_default().insert(row.index);
        }
    }
    gaps.iter()
        .map(|(why, rows)| format!("No distortion-distortion curve of {}: {why}.", listed(rows)))
        .collect()
}

/// `row 7`, `rows 7 and 9`; the first of many.
fn listed(rows: &BTreeSet<i64>) -> String {
    let mut names: Vec<String> = rows.iter().take(LISTED).map(ToString::to_string).collect();
    if rows.len() > LISTED {
        names.push(format!("{} more", rows.len() - LISTED));
    }
    format!("row{} {}", if rows.len() == 1 { "" } else { "s" }, text::list(&names))
}

/// The plot on a page, with what it leaves out; `None` if no attack was targeted.
pub(crate) fn figure(config: &TrialConfig, rows: &[AttackRow]) -> Option<Figure> {
    let notes = distortion_gaps(config, rows);
    let drawing = draw(rows).map(|(svg, described)| Drawing {
        title: None,
        svg: svg.finish("distortion", TITLE, &described),
        notes: vec![],
    });
    (drawing.is_some() || !notes.is_empty()).then(|| Figure {
        title: TITLE.to_owned(),
        lead:
            "How far the input must be distorted for its reconstruction to come near the target: \
               a line for each point. The area under it is 1 where nothing moves."
                .to_owned(),
        panels: drawing.into_iter().collect(),
        legend: vec![],
        notes,
    })
}

/// The drawing, and its description in words.
fn draw(rows: &[AttackRow]) -> Option<(Svg, String)> {
    let mut attacks: BTreeMap<String, BTreeMap<i64, Curve>> = BTreeMap::new();
    let mut areas: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    for row in rows {
        let (Some(attack), Some(area)) = (row.question(), row.auddc) else { continue };
        let input = row.length? / row.aim_size?;
        let own = row.aim_distance_of_target?;
        let output = (row.aim_distance? - own) / (row.aim_distance_at_rest? - own);
        let curve = attacks
            .entry(attack.clone())
            .or_default()
            .entry(row.index)
            .or_insert_with(|| vec![(0.0, 1.0)]);
        curve.push((input, output));
        areas.entry(attack).or_default().insert(row.index, area);
    }
    let points = || attacks.values().flat_map(BTreeMap::values).flatten();
    let x = Domain::of(points().map(|at| at.0).chain([0.0, 1.0]), f64::INFINITY)?;
    let y = Domain::of(points().map(|at| at.1).chain([0.0, 1.0]), f64::INFINITY)?;
    let mut panel = Panel::new(
        HEIGHT,
        (x, "length of the perturbation / distance of the target from the input"),
        (y, "distance of the reconstruction from the target (1: unperturbed, 0: target itself)"),
    );
    let mut described = vec![];
    for (number, (attack, curves)) in attacks.iter().enumerate() {
        let look = Look(number);
        let mut marks = Path::default();
        panel.svg.open(&look.class());
        for curve in curves.values() {
            let mut curve = curve.clone();
            curve.sort_by(|a, b| a.0.total_cmp(&b.0));
            let places: Vec<_> =
                curve.iter().filter_map(|&(input, output)| panel.place(input, output)).collect();
            panel.svg.path("curve", &Path::through(places.iter().copied()), "");
            for at in places.into_iter().skip(1) {
                look.mark(&mut marks, at, 2.6);
            }
        }
        panel.svg.path("solid", &marks, "");
        let mut areas: Vec<f64> = areas[attack].values().copied().collect();
        sort(&mut areas);
        let median = 0.5 * (areas[(areas.len() - 1) / 2] + areas[areas.len() / 2]);
        let words = format!("{attack}: area {median:.3}");
        let (right, top) = (panel.x.ends.1, panel.y.ends.1);
        let at = (right - 14.0, top + 14.0 + 16.0 * number as f64);
        let mut key = Path::default();
        look.mark(&mut key, (right - 6.0, at.1 - 4.0), 3.6);
        panel.svg.path("solid", &key, "");
        panel.svg.text("tick", Anchor::End, at, &words);
        panel.svg.close();
        described.push(words);
    }
    let described = format!("Median area under the curve. {}.", described.join("; "));
    (!attacks.is_empty()).then_some((panel.svg, described))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(index: i64, attack: &str, length: f64, distance: f64) -> AttackRow {
        AttackRow {
            index,
            attack: Some(attack.to_string()),
            length: Some(length),
            aim_size: Some(4.0),
            aim_distance: Some(distance),
            aim_distance_at_rest: Some(10.0),
            aim_distance_of_target: Some(2.0),
            auddc: Some(0.625),
            ..AttackRow::default()
        }
    }

    #[test]
    fn every_targeted_attack_has_its_lines() {
        let rows = [
            row(3, "output", 2.0, 6.0),
            row(3, "output", 1.0, 8.0),
            row(4, "output", 2.0, 9.0),
            row(3, "latent-kl", 2.0, 7.0),
            AttackRow { attack: Some("maximum-damage".to_string()), ..AttackRow::default() },
        ];
        let plot = distortion_plot(&rows).unwrap();
        insta::assert_snapshot!(plot.replace(STYLE, "/* style */"));
        assert!(plot.contains("--m0"));
        assert_eq!(distortion_plot(&rows[4..]), None);
    }
}
