//! The distortion-distortion plot of targeted attacks [Gondim-Ribeiro, Tabacof, Valle 2018]: how
//! far the input must be distorted for its reconstruction to come near the target.

use std::collections::BTreeMap;

use vaegis_audit::schema::AttackRow;

use crate::axis::Domain;
use crate::marker::Look;
use crate::plot::Panel;
use crate::stats::sort;
use crate::svg::{Anchor, Path};

const HEIGHT: f64 = 360.0;
const TITLE: &str = "Distortion-distortion plot";
const STYLE: &str = include_str!("../templates/style.css");

/// `(input, output)`, both normalised, as they are defined for the area under the curve.
type Curve = Vec<(f64, f64)>;

/// The plot as an SVG file, one line for each point and a colour for each attack; `None` if no
/// attack was targeted.
pub fn distortion_plot(rows: &[AttackRow]) -> Option<String> {
    let mut attacks: BTreeMap<&str, BTreeMap<i64, Curve>> = BTreeMap::new();
    let mut areas: BTreeMap<&str, BTreeMap<i64, f64>> = BTreeMap::new();
    for row in rows {
        let (Some(attack), Some(area)) = (row.attack.as_deref(), row.auddc) else { continue };
        let input = row.length? / row.aim_size?;
        let own = row.aim_distance_of_target?;
        let output = (row.aim_distance? - own) / (row.aim_distance_at_rest? - own);
        let curve =
            attacks.entry(attack).or_default().entry(row.index).or_insert_with(|| vec![(0.0, 1.0)]);
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
    (!attacks.is_empty()).then(|| panel.svg.finish_alone(TITLE, &described, STYLE))
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
