//! Beyond the paper: does a disentanglement score itself predict the margin, once sigma and the
//! Jacobian are accounted for?

use std::collections::BTreeMap;

use super::{Question, first_radius, setting};
use crate::schema::{Claimed, Effect, Measure, ModelRow, Scope, StudyData};
use crate::statistics::partial_correlation;

type Score = fn(&ModelRow) -> Option<f64>;

const SCORES: [(&str, &str, Score); 6] = [
    ("mig", "MIG", |row| row.mig),
    ("dci", "DCI disentanglement", |row| row.dci_disentanglement),
    ("sap", "SAP", |row| row.sap),
    ("modularity", "modularity", |row| row.modularity),
    ("factor-vae-score", "the FactorVAE score", |row| row.factor_vae_score),
    ("beta-vae-score", "the beta-VAE score", |row| row.beta_vae_score),
];

/// What a model tells: score, and logarithms of attacked margin, sigma and |J|_F.
fn logarithms(row: &ModelRow, score: Score) -> Option<[f64; 4]> {
    let numbers =
        [score(row)?, row.attacked?.ln(), row.sigma_mean?.ln(), row.jacobian_frobenius?.ln()];
    numbers.iter().all(|number| number.is_finite()).then_some(numbers)
}

pub(super) fn effects(data: &StudyData) -> Vec<Effect> {
    let rows = first_radius(data);
    let mut effects = vec![];
    for (name, words, score) in SCORES {
        let mut settings: BTreeMap<Scope, Vec<[f64; 4]>> = BTreeMap::new();
        for row in &rows {
            if let Some(numbers) = logarithms(row, score) {
                settings.entry(setting(row)).or_default().push(numbers);
            }
        }
        if settings.is_empty() {
            continue;
        }
        let plain = Question::new(
            5,
            name,
            &format!("correlation of {words} with the log attacked margin"),
            Measure::Correlation,
            Claimed::Above(0.0),
        );
        let beyond = Question::new(
            5,
            &format!("{name}-beyond"),
            &format!(
                "correlation of {words} with the log attacked margin, once log sigma and log |J|_F \
                 are accounted for"
            ),
            Measure::Correlation,
            Claimed::Above(0.0),
        );
        // Settings differ in their means, which is no matter of scores.
        let groups: Vec<&Vec<[f64; 4]>> = settings.values().collect();
        let dummies: Vec<Vec<f64>> = (1..groups.len())
            .map(|group| {
                let belongs = |(at, models): (usize, &&Vec<_>)| {
                    vec![f64::from(u8::from(at == group)); models.len()]
                };
                groups.iter().enumerate().flat_map(belongs).collect()
            })
            .collect();
        let all: Vec<[f64; 4]> = groups.iter().flat_map(|models| models.iter().copied()).collect();
        let mut tell = |scope: Scope, models: &[[f64; 4]], dummies: &[Vec<f64>]| {
            let column = |k: usize| models.iter().map(|row| row[k]).collect::<Vec<_>>();
            let remark = |found: &Option<_>| {
                let few = format!("{} models are too few, or do not differ", models.len());
                Option::is_none(found).then_some(few)
            };
            let found = partial_correlation(&column(0), &column(1), dummies, data.confidence);
            let why = remark(&found);
            effects.push(plain.effect(scope.clone(), found, models.len(), "models", why));
            let others = [dummies, &[column(2), column(3)]].concat();
            let found = partial_correlation(&column(0), &column(1), &others, data.confidence);
            let why = remark(&found);
            effects.push(beyond.effect(scope, found, models.len(), "models", why));
        };
        tell(Scope::default(), &all, &dummies);
        for (scope, models) in &settings {
            tell(scope.clone(), models, &[]);
        }
    }
    effects
}
