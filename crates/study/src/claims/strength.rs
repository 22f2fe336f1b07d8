//! Claim 3: disentangling objectives raise sigma, lower the encoder's Jacobian, and so raise the margin.
//! And what they are named for: that they disentangle.

use super::{Question, Replicates, first_radius, setting};
use crate::schema::{Claimed, Effect, Measure, ModelRow, Scope, StudyData};

/// A quantity of models, and what the paper says of it.
struct Quantity {
    part: &'static str,
    words: &'static str,
    measure: Measure,
    claimed: Claimed,
    /// As it is compared: logarithms for ratios.
    of: fn(&ModelRow) -> Option<f64>,
    /// Whether all models have it, so that a study that cannot tell has to say so.
    always: bool,
}

const QUANTITIES: [Quantity; 6] = [
    Quantity {
        part: "sigma",
        words: "mean posterior sigma",
        measure: Measure::Ratio,
        claimed: Claimed::Above(1.0),
        of: |row| row.sigma_mean.map(f64::ln),
        always: true,
    },
    Quantity {
        part: "jacobian",
        words: "|J|_F of the encoder mean",
        measure: Measure::Ratio,
        claimed: Claimed::Below(1.0),
        of: |row| row.jacobian_frobenius.map(f64::ln),
        always: true,
    },
    Quantity {
        part: "bound",
        words: "the paper's bound",
        measure: Measure::Ratio,
        claimed: Claimed::Above(1.0),
        of: |row| row.bound_paper.map(f64::ln),
        always: true,
    },
    Quantity {
        part: "attacked",
        words: "the attacked margin",
        measure: Measure::Ratio,
        claimed: Claimed::Above(1.0),
        of: |row| row.attacked.map(f64::ln),
        always: true,
    },
    Quantity {
        part: "elbo",
        words: "the ELBO of test rows",
        measure: Measure::Nats,
        claimed: Claimed::Nothing,
        of: |row| Some(row.elbo),
        always: true,
    },
    Quantity {
        part: "mig",
        words: "MIG",
        measure: Measure::Difference,
        claimed: Claimed::Above(0.0),
        of: |row| row.mig,
        always: false,
    },
];

pub(super) fn effects(data: &StudyData) -> Vec<Effect> {
    let rows = first_radius(data);
    let strongest = strongest(&rows);
    let mut effects = vec![];
    for Quantity { part, words, measure, claimed, of, always } in QUANTITIES {
        let verb = if measure == Measure::Ratio { "over" } else { "less" };
        let statement =
            format!("{words} at an objective's largest strength, {verb} that of the plain VAE");
        let question = Question::new(3, part, &statement, measure, claimed);
        let mut replicates = Replicates::new();
        for row in &strongest {
            let here =
                |at: &&&ModelRow| at.plain && setting(at) == setting(row) && at.seed == row.seed;
            let Some(plain) = rows.iter().find(here) else { continue };
            if let (Some(strong), Some(plain)) = (of(row), of(plain)) {
                let scope = Scope { objective: Some(row.objective.clone()), ..setting(row) };
                replicates.entry(scope).or_default().insert(row.seed, strong - plain);
            }
        }
        if always || !replicates.is_empty() {
            effects.extend(question.over_seeds(&replicates, data.confidence));
        }
    }
    effects
}

/// Of each setting, objective and seed the model with the largest strength, if it is not plain.
fn strongest<'a>(rows: &[&'a ModelRow]) -> Vec<&'a ModelRow> {
    let rival = |a: &ModelRow, b: &ModelRow| {
        setting(a) == setting(b) && a.objective == b.objective && a.seed == b.seed
    };
    let strength = |row: &ModelRow| row.strength.unwrap_or(f64::NEG_INFINITY);
    let is_strongest = |row: &&&ModelRow| {
        !row.plain && !rows.iter().any(|at| rival(at, row) && strength(at) > strength(row))
    };
    rows.iter().filter(is_strongest).copied().collect()
}
