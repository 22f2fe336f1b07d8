//! Effects in words and symbols: one place for tables and figures.

use vaegis_study::schema::{Claimed, Effect, Measure, Scope, Verdict};

use crate::text;

use super::view::objective;

/// A value as it is measured: `94%`, `×1.40`, `−0.62`, `3.20 nats`.
pub(super) fn value(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Share => text::percent(value),
        Measure::Ratio if value.is_finite() => format!("×{}", text::number(value)),
        Measure::Ratio => text::number(value),
        Measure::Correlation => {
            format!("{value:.2}").replace('-', "−").replace("NaN", text::MISSING)
        }
        Measure::Difference => text::number(value),
        Measure::Nats => format!("{} nats", text::number(value)),
    }
}

/// The estimate; a dash where there is none.
pub(super) fn estimate(effect: &Effect) -> String {
    effect.estimate.map_or_else(|| text::MISSING.to_owned(), |of| value(effect.measure, of))
}

/// The interval, if there is one.
pub(super) fn interval(effect: &Effect) -> Option<String> {
    let (low, high) = effect.low.zip(effect.high)?;
    // The unit stands behind the estimate.
    let measure = match effect.measure {
        Measure::Nats => Measure::Difference,
        measure => measure,
    };
    Some(format!("{} to {}", value(measure, low), value(measure, high)))
}

/// What the paper says.
pub(super) fn claimed(effect: &Effect) -> String {
    match effect.claimed {
        Claimed::Above(of) => format!("above {}", value(effect.measure, of)),
        Claimed::Below(of) => format!("below {}", value(effect.measure, of)),
        Claimed::Nothing => text::MISSING.to_owned(),
    }
}

/// The verdict in words.
pub(super) fn verdict(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Reproduced) => "reproduced",
        Some(Verdict::NotReproduced) => "not reproduced",
        Some(Verdict::Inconclusive) => "inconclusive",
        None => "nothing claimed",
    }
}

/// The class of a verdict's colour.
pub(super) fn class(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Reproduced) => "held",
        Some(Verdict::NotReproduced) => "failed",
        Some(Verdict::Inconclusive) => "open",
        None => "told",
    }
}

/// What an interval is over: `36 models`.
pub(super) fn replicates(effect: &Effect) -> String {
    format!("{} {}", text::integer(effect.replicates), effect.over)
}

/// Whether an effect is about all models.
pub(super) fn is_headline(effect: &Effect) -> bool {
    effect.scope == Scope::default()
}

/// Which models: `mnist, mlp, β-VAE`.
pub(super) fn scope(scope: &Scope) -> String {
    let parts =
        [scope.data.clone(), scope.architecture.clone(), scope.objective.as_deref().map(objective)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "all models".to_owned() } else { parts.join(", ") }
}
