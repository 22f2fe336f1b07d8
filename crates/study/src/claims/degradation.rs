//! Claim 2: points and models with larger margins lose less likelihood under maximum-damage attack.

use std::collections::BTreeMap;

use super::{Question, Replicates, first_radius, per_seed, setting};
use crate::schema::{Claimed, Effect, Measure, ModelRow, Pathway, PointFacts, StudyData};
use crate::statistics::{median, spearman};

/// Margins and degradations of a model's points, size by size.
fn pairs(data: &StudyData, row: &ModelRow, margin: Margin) -> Vec<Vec<(f64, f64)>> {
    let margins: BTreeMap<i64, f64> = data
        .points
        .iter()
        .filter(|point| point.model == row.model && point.radius == row.radius)
        .map(|point| (point.index, margin(point)))
        .collect();
    let mut sizes: Vec<(f64, Vec<(f64, f64)>)> = vec![];
    let attacks = data.attacks.iter().filter(|at| at.model == row.model);
    for attack in attacks.filter(|at| at.through == Pathway::Both) {
        let Some(&margin) = margins.get(&attack.index) else { continue };
        let pair = (margin, attack.degradation);
        match sizes.iter_mut().find(|(size, _)| *size == attack.size) {
            Some((_, pairs)) => pairs.push(pair),
            None => sizes.push((attack.size, vec![pair])),
        }
    }
    sizes.into_iter().map(|(_, pairs)| pairs).collect()
}

type Margin = fn(&PointFacts) -> f64;

/// The mean of what there is.
fn average(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

pub(super) fn effects(data: &StudyData) -> Vec<Effect> {
    let rows = first_radius(data);
    let margins: [(&str, &str, Margin); 2] = [
        ("bound", "the paper's bound", |point| point.bound_paper),
        ("attacked", "the attacked margin", |point| point.attacked),
    ];
    let mut effects = vec![];
    for (name, words, margin) in margins {
        let question = |among: &str| {
            Question::new(
                2,
                &format!("{among}-{name}"),
                &format!("rank correlation of {words} with likelihood degradation, among {among}"),
                Measure::Correlation,
                Claimed::Below(0.0),
            )
        };
        let of_points = per_seed(rows.iter().map(|row| {
            let sizes = pairs(data, row, margin);
            (*row, average(sizes.iter().filter_map(|pairs| spearman(pairs))))
        }));
        effects.extend(question("points").over_seeds(&of_points, data.confidence));

        // The medians of every model, by setting, seed and size.
        let mut models: BTreeMap<_, BTreeMap<usize, Vec<(f64, f64)>>> = BTreeMap::new();
        for row in &rows {
            for (size, pairs) in pairs(data, row, margin).into_iter().enumerate() {
                let (margins, losses): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
                let of_seed = models.entry((setting(row), row.seed)).or_default();
                of_seed.entry(size).or_default().push((median(margins), median(losses)));
            }
        }
        let mut of_models = Replicates::new();
        for ((scope, seed), sizes) in models {
            if let Some(value) = average(sizes.values().filter_map(|pairs| spearman(pairs))) {
                of_models.entry(scope).or_default().insert(seed, value);
            }
        }
        effects.extend(question("models").over_seeds(&of_models, data.confidence));
    }
    effects
}
