//! Claim 4: attacks act through the encoder mean more than through its variance.

use std::collections::BTreeMap;

use super::{Question, first_radius, per_seed};
use crate::schema::{AttackFacts, Claimed, Effect, Measure, ModelRow, Pathway, StudyData};
use crate::statistics::median;

/// An attack that adds less than this share to the damage at rest has nothing to divide.
const LEAST_GAIN: f64 = 0.01;

/// Of the damage that a whole attack adds, the shares that attacks through the mean and through the
/// variance add alone: medians over points and sizes.
fn shares(data: &StudyData, row: &ModelRow) -> Option<(f64, f64)> {
    let mut attempts: BTreeMap<(i64, u64), BTreeMap<Pathway, &AttackFacts>> = BTreeMap::new();
    for attack in data.attacks.iter().filter(|at| at.model == row.model) {
        let key = (attack.index, attack.size.to_bits());
        attempts.entry(key).or_default().insert(attack.through, attack);
    }
    let (mut means, mut variances) = (vec![], vec![]);
    for pathways in attempts.values() {
        let gain = |pathway| pathways.get(&pathway).map(|at| at.damage - at.damage_at_rest);
        let all = gain(Pathway::Both).zip(gain(Pathway::Mean)).zip(gain(Pathway::Variance));
        let Some(((both, mean), variance)) = all else { continue };
        let rest = pathways[&Pathway::Both].damage_at_rest;
        if both > LEAST_GAIN * rest {
            means.push(mean / both);
            variances.push(variance / both);
        }
    }
    (!means.is_empty()).then(|| (median(means), median(variances)))
}

pub(super) fn effects(data: &StudyData) -> Vec<Effect> {
    let rows = first_radius(data);
    let found: Vec<_> = rows.iter().map(|row| (*row, shares(data, row))).collect();
    let attack = "of the damage that a maximum-damage attack adds, the share that one through the";
    type Part = fn((f64, f64)) -> f64;
    let parts: [(&str, String, Claimed, Part); 3] = [
        (
            "difference",
            format!("{attack} mean alone adds, less that through the variance alone"),
            Claimed::Above(0.0),
            |(mean, variance)| mean - variance,
        ),
        ("mean", format!("{attack} mean alone adds"), Claimed::Nothing, |(mean, _)| mean),
        ("variance", format!("{attack} variance alone adds"), Claimed::Nothing, |(_, variance)| {
            variance
        }),
    ];
    let mut effects = vec![];
    for (part, statement, claimed, of) in parts {
        let question = Question::new(4, part, &statement, Measure::Difference, claimed);
        let values = per_seed(found.iter().map(|(row, shares)| (*row, shares.map(of))));
        effects.extend(question.over_seeds(&values, data.confidence));
    }
    effects
}
