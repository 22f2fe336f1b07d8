//! Effects in words and symbols: one place for tables and figures.

use vaegis_study::schema::{Claimed, Effect, Measure, Scope, Verdict};

use crate::text;

use super::view::objective;

/// A value as it is measured: `94.2%`, `×1.40`, `−0.62`, `3.20 nats`.
pub(super) fn value(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Share => share(value),
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
        Claimed::Above(of) => format!("above {}", threshold(effect.measure, of)),
        Claimed::Below(of) => format!("below {}", threshold(effect.measure, of)),
        Claimed::Nothing => text::MISSING.to_owned(),
    }
}

/// A chosen number, as it was chosen.
fn threshold(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Share => format!("{}%", (1000.0 * value).round() / 10.0),
        Measure::Ratio => format!("×{value}"),
        Measure::Correlation | Measure::Difference => value.to_string(),
        Measure::Nats => format!("{value} nats"),
    }
}

/// A share to a tenth of a percent, never rounded to 0% or 100% unless it is exactly that.
fn share(value: f64) -> String {
    let rounded = (value * 1000.0).round();
    match value {
        s if s.is_nan() => text::MISSING.to_owned(),
        s if s == 0.0 || s == 1.0 => format!("{:.0}%", 100.0 * s),
        s if s > 0.0 && rounded == 0.0 => "<0.1%".to_owned(),
        s if s < 1.0 && rounded == 1000.0 => ">99.9%".to_owned(),
        _ => format!("{:.1}%", rounded / 10.0),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_symbols_of_their_measure() {
        assert_eq!(value(Measure::Share, 0.9512), "95.1%");
        assert_eq!(value(Measure::Share, 0.99999), ">99.9%");
        assert_eq!(value(Measure::Share, 1e-5), "<0.1%");
        assert_eq!(value(Measure::Share, 1.0), "100%");
        assert_eq!(value(Measure::Ratio, 1.4), "×1.40");
        assert_eq!(value(Measure::Ratio, f64::INFINITY), "∞");
        assert_eq!(value(Measure::Correlation, -0.618), "−0.62");
        assert_eq!(value(Measure::Nats, -3.2), "−3.20 nats");
        for measure in [Measure::Share, Measure::Ratio, Measure::Correlation, Measure::Nats] {
            assert!(value(measure, f64::NAN).contains(text::MISSING), "{measure:?}");
        }
        assert_eq!(threshold(Measure::Ratio, 1.0), "×1");
        assert_eq!(threshold(Measure::Share, 0.95), "95%");
    }
}
