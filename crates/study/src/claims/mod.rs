//! The claims of the paper, each as effects with intervals.
//!
//! A replicate of an effect is what one seed gives for one data set and architecture (and, where
//! objectives are compared, one objective): a mean over its models. Intervals are over seeds, by
//! Student's t; the effect of all models together is, seed by seed, the mean over data sets,
//! architectures and objectives. A verdict asks whether the whole interval is on the side that the
//! paper claims.

mod bound;
mod degradation;
mod disentanglement;
mod pathway;
mod strength;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{Claimed, Effect, Measure, ModelRow, Scope, StudyData, Verdict};
use crate::statistics::{Estimate, mean};

/// All effects that the models of a study tell: those of all models together first.
pub fn effects(data: &StudyData) -> Vec<Effect> {
    let mut effects = vec![];
    effects.extend(bound::effects(data));
    effects.extend(degradation::effects(data));
    effects.extend(strength::effects(data));
    effects.extend(pathway::effects(data));
    effects.extend(disentanglement::effects(data));
    effects.sort_by_key(|effect| effect.scope != Scope::default());
    effects
}

/// What is asked.
#[derive(Debug, Clone)]
struct Question {
    claim: usize,
    part: String,
    statement: String,
    measure: Measure,
    claimed: Claimed,
}

/// What each seed says, scope by scope; logarithms for ratios.
type Replicates = BTreeMap<Scope, BTreeMap<u64, f64>>;

impl Question {
    fn new(claim: usize, part: &str, statement: &str, measure: Measure, claimed: Claimed) -> Self {
        let (part, statement) = (part.to_string(), statement.to_string());
        Self { claim, part, statement, measure, claimed }
    }

    /// The effects over seeds: of all scopes together, and of each.
    fn over_seeds(&self, replicates: &Replicates, confidence: f64) -> Vec<Effect> {
        let all: BTreeSet<u64> = replicates.values().flat_map(BTreeMap::keys).copied().collect();
        // A seed that one scope lacks would weigh the others differently.
        let complete =
            all.iter().filter(|seed| replicates.values().all(|at| at.contains_key(seed)));
        let together: BTreeMap<u64, f64> = complete
            .map(|seed| {
                let sum: f64 = replicates.values().map(|at| at[seed]).sum();
                (*seed, sum / replicates.len() as f64)
            })
            .collect();
        let mut effects = vec![self.of_seeds(Scope::default(), &together, confidence)];
        let each = |(scope, at): (&Scope, _)| self.of_seeds(scope.clone(), at, confidence);
        effects.extend(replicates.iter().map(each));
        effects
    }

    fn of_seeds(&self, scope: Scope, seeds: &BTreeMap<u64, f64>, confidence: f64) -> Effect {
        let values: Vec<f64> = seeds.values().copied().collect();
        let estimate = mean(&values, confidence);
        let remark = match estimate {
            None if values.is_empty() => Some("no models that could tell".to_string()),
            None => Some("a median is infinite or 0".to_string()),
            Some(Estimate { ends: None, .. }) => Some("one seed has no interval".to_string()),
            Some(_) => None,
        };
        self.effect(scope, estimate, values.len(), "seeds", remark)
    }

    fn effect(
        &self,
        scope: Scope,
        estimate: Option<Estimate>,
        replicates: usize,
        over: &str,
        remark: Option<String>,
    ) -> Effect {
        let shown = |value: f64| match self.measure {
            Measure::Ratio => value.exp(),
            Measure::Share => value.clamp(0.0, 1.0),
            Measure::Correlation => value.clamp(-1.0, 1.0),
            Measure::Difference | Measure::Nats => value,
        };
        let ends = estimate.and_then(|at| at.ends).map(|(low, high)| (shown(low), shown(high)));
        Effect {
            claim: self.claim,
            part: self.part.clone(),
            statement: self.statement.clone(),
            scope,
            measure: self.measure,
            claimed: self.claimed,
            estimate: estimate.map(|at| shown(at.value)),
            low: ends.map(|ends| ends.0),
            high: ends.map(|ends| ends.1),
            replicates,
            over: over.to_string(),
            verdict: verdict(self.claimed, ends),
            remark,
        }
    }
}

/// What an interval says; an interval that ends at what is claimed is on its side.
fn verdict(claimed: Claimed, ends: Option<(f64, f64)>) -> Option<Verdict> {
    let (holds, fails) = match (claimed, ends) {
        (Claimed::Nothing, _) => return None,
        (_, None) => (false, false),
        (Claimed::Above(least), Some((low, high))) => (low > least, high < least),
        (Claimed::Below(most), Some((low, high))) => (high < most, low > most),
    };
    Some(match (holds, fails) {
        (true, _) => Verdict::Reproduced,
        (_, true) => Verdict::NotReproduced,
        _ => Verdict::Inconclusive,
    })
}

/// Data and architecture of a model.
fn setting(row: &ModelRow) -> Scope {
    Scope {
        data: Some(row.data.clone()),
        architecture: Some(row.architecture.clone()),
        objective: None,
    }
}

/// The rows of each model at its first radius, where claims are tested.
fn first_radius(data: &StudyData) -> Vec<&ModelRow> {
    let mut seen = BTreeSet::new();
    data.models.iter().filter(|row| seen.insert(row.model.as_str())).collect()
}

/// Means over models of each setting and seed; models that cannot tell are left out.
fn per_seed<'a>(values: impl IntoIterator<Item = (&'a ModelRow, Option<f64>)>) -> Replicates {
    let mut lists: BTreeMap<Scope, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for (row, value) in values {
        if let Some(value) = value {
            lists.entry(setting(row)).or_default().entry(row.seed).or_default().push(value);
        }
    }
    let average = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let seeds = |at: BTreeMap<u64, Vec<f64>>| {
        at.into_iter().map(|(seed, values)| (seed, average(values))).collect()
    };
    lists.into_iter().map(|(scope, at)| (scope, seeds(at))).collect()
}
