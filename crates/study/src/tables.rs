//! Results as files that other programs read.

use serde::Serialize;

use crate::schema::{Effect, ModelRow, Verdict};

/// The models, as CSV with a header.
pub fn models_csv(models: &[ModelRow]) -> String {
    csv(models)
}

/// The effects, as CSV with a header.
pub fn effects_csv(effects: &[Effect]) -> String {
    #[derive(Serialize)]
    struct Row<'a> {
        claim: usize,
        part: &'a str,
        statement: &'a str,
        data: Option<&'a str>,
        architecture: Option<&'a str>,
        objective: Option<&'a str>,
        estimate: Option<f64>,
        low: Option<f64>,
        high: Option<f64>,
        replicates: usize,
        over: &'a str,
        verdict: Option<&'static str>,
        remark: Option<&'a str>,
    }
    fn row(effect: &Effect) -> Row<'_> {
        Row {
            claim: effect.claim,
            part: &effect.part,
            statement: &effect.statement,
            data: effect.scope.data.as_deref(),
            architecture: effect.scope.architecture.as_deref(),
            objective: effect.scope.objective.as_deref(),
            estimate: effect.estimate,
            low: effect.low,
            high: effect.high,
            replicates: effect.replicates,
            over: &effect.over,
            verdict: effect.verdict.map(Verdict::name),
            remark: effect.remark.as_deref(),
        }
    }
    csv(&effects.iter().map(row).collect::<Vec<_>>())
}

fn csv(rows: &[impl Serialize]) -> String {
    let mut writer = csv::Writer::from_writer(vec![]);
    for row in rows {
        writer.serialize(row).expect("flat rows into memory");
    }
    let bytes = writer.into_inner().expect("memory takes everything");
    String::from_utf8(bytes).expect("text was written")
}
