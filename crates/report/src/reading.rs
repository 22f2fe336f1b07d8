//! Numbers in sentences, and no more than the numbers say.
//!
//! An attacked margin is what *an attack needed*, an upper bound on the true margin, so
//! sentences say "the attack needed", never "is robust up to". A first-order estimate is
//! never called a bound or a certificate. A certified margin is "proved", with its confidence.
//! Medians, shares and counts are stated as such;
//! which model is "better" is left to the reader.

use std::collections::HashMap;

use vaegis_audit::schema::RadiusSummary;

use crate::text;
use crate::view::{Entry, Model, Section};

/// Beyond this many models a sentence sums up instead of naming each; the table names all.
const NAMED: usize = 4;

/// What keeps several audits from being compared at face value.
pub(crate) fn cautions(models: &[Model<'_>]) -> Vec<String> {
    let Some((first, rest)) = models.split_first() else {
        return Vec::new();
    };
    let mut cautions = Vec::new();
    let first = &first.audit.summary;
    let differs = |of: fn(&vaegis_audit::schema::Summary) -> &str| {
        rest.iter().any(|model| of(&model.audit.summary) != of(first))
    };
    for (what, differ) in [
        ("data sets", differs(|s| &s.dataset)),
        ("perturbation norms", differs(|s| &s.norm)),
        ("boxes", differs(|s| &s.r#box)),
    ] {
        if differ {
            cautions.push(format!(
                "The audits use different {what}: their margins do not measure the same thing."
            ));
        }
    }
    for model in models {
        let error = model.audit.summary.jacobian_error.p90;
        if let Some(error) = error.filter(|&error| error > 0.0) {
            cautions.push(format!(
                "The Jacobians of {} are too big to form: their norms are known to {:.1}% (with a \
                 confidence of 0.999), and the first-order estimates allow for that.",
                model.short(),
                100.0 * error
            ));
        }
    }
    cautions
}

/// Two or three sentences on one section.
pub(crate) fn sentences(section: &Section<'_>) -> Vec<String> {
    let mut sentences: Vec<String> = needed(section).into_iter().collect();
    let mut others: Vec<String> = paired(section).into_iter().collect();
    others.extend(estimates(section));
    others.extend(unequal_radii(section));
    if sentences.is_empty() && others.is_empty() {
        sentences.extend(unattacked(section));
    }
    sentences.extend(certificates(section));
    sentences.extend(uncertified(section));
    sentences.append(&mut others);
    if sentences.is_empty() {
        sentences.push("Nothing was measured for this radius.".to_owned());
    }
    sentences
}

/// What is known when no attack was run.
fn unattacked(section: &Section<'_>) -> Vec<String> {
    let of: Vec<String> = section
        .entries
        .iter()
        .filter_map(|entry| Some((entry, entry.summary.filter(|s| s.p.count > 0)?)))
        .take(NAMED)
        .map(|(entry, summary)| {
            format!(
                "Without a perturbation {} of the inputs of {} are r-robust with confidence; the \
                 median sharp estimate of their margin, first order and not a certificate, is {}.",
                text::percent(summary.robust_fraction),
                entry.model.short(),
                text::optional(text::median(&summary.bound_sharp))
            )
        })
        .collect();
    let lead = (!of.is_empty()).then(|| "No attack was run.".to_owned());
    lead.into_iter().chain(of).collect()
}

/// What the attack needed on half of the inputs.
fn needed(section: &Section<'_>) -> Option<String> {
    let medians: Vec<(String, f64)> = section
        .entries
        .iter()
        .filter_map(|e| Some((e.model.short(), text::median(&e.summary?.attacked)?)))
        .collect();
    let radius = text::radius(section.label);
    let is_needed = |median: f64| median.is_finite() && median > 0.0;
    let finite: Vec<(String, f64)> =
        medians.iter().filter(|(_, median)| is_needed(*median)).cloned().collect();
    let mut sentence = match finite.as_slice() {
        [] if medians.is_empty() => return None,
        [] => String::new(),
        all if all.len() > NAMED => {
            let ends = all
                .iter()
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .zip(all.iter().max_by(|a, b| a.1.total_cmp(&b.1)));
            let ((least, low), (most, high)) = ends?;
            format!(
                "With {radius}, the perturbation ({}) that the attack needed on half of the \
                 inputs, to make a change beyond r more likely than not, ranged from {} for {least} \
                 to {} for {most}.",
                section.norm(),
                text::number(*low),
                text::number(*high),
            )
        }
        [(name, median), rest @ ..] => {
            let mut sentence = format!(
                "With {radius}, on half of the inputs of {name} the attack needed a perturbation \
                 of at least {} ({}) to make a change beyond r more likely than not",
                text::number(*median),
                section.norm(),
            );
            if !rest.is_empty() {
                let others: Vec<String> = rest
                    .iter()
                    .map(|(name, median)| format!("{} for {name}", text::number(*median)))
                    .collect();
                sentence += &format!(", against {}", text::list(&others));
            }
            sentence + "."
        }
    };
    let names = |is_so: fn(f64) -> bool| -> Vec<String> {
        let so = medians.iter().filter(|(_, median)| is_so(*median));
        so.map(|(name, _)| name.clone()).collect()
    };
    let mut add = |others: &str, names: Vec<String>| {
        if !names.is_empty() {
            let space = if sentence.is_empty() { "" } else { " " };
            sentence += &format!("{space}With {radius}, {others} {}.", text::list(&names));
        }
    };
    add(
        "most reconstructions change by more than r without any perturbation for at least half of \
         the inputs of",
        names(|median| median == 0.0),
    );
    add(
        "the attack found no breaking perturbation within its search range for at least half of \
         the inputs of",
        names(f64::is_infinite),
    );
    Some(sentence)
}

/// What is proved.
fn certificates(section: &Section<'_>) -> Option<String> {
    let proved: Vec<(&Entry<'_>, &RadiusSummary)> = section
        .entries
        .iter()
        .filter(|entry| entry.has_certificates())
        .filter_map(|entry| Some((entry, entry.summary?)))
        .collect();
    let certified = proved.iter().flat_map(|(entry, _)| &entry.rows);
    let confidence = certified.filter_map(|row| row.certified_confidence).reduce(f64::min)?;
    let lead = format!(
        "Proved, with a confidence of at least {} for each input",
        text::probability(confidence)
    );
    if proved.len() > NAMED {
        let medians = || proved.iter().filter_map(|(e, s)| Some((e, text::median(&s.certified)?)));
        let ((least, low), (most, high)) = medians()
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .zip(medians().max_by(|a, b| a.1.total_cmp(&b.1)))?;
        return Some(format!(
            "{lead}: the median certified margin ranges from {} for {} to {} for {}.",
            text::number(low),
            least.model.short(),
            text::number(high),
            most.model.short()
        ));
    }
    let each: Vec<String> = proved
        .iter()
        .map(|(entry, summary)| {
            let mut words = format!(
                "{} for {} ({} of its inputs have one above 0",
                text::optional(text::median(&summary.certified)),
                entry.model.short(),
                text::percent(summary.certified_fraction)
            );
            if let Some(share) = text::median(&summary.certified_share) {
                words += &format!(
                    "; the median of certified over attacked is {}, where the attack succeeded",
                    text::number(share)
                );
            }
            words + ")"
        })
        .collect();
    Some(format!("{lead}: the median certified margin is {}.", text::list(&each)))
}

/// Why some models have no certificates.
fn uncertified(section: &Section<'_>) -> Vec<String> {
    let entries = section.entries.iter();
    entries.filter_map(|entry| why_uncertified(entry)).take(NAMED).collect()
}

/// Why points of this model have no certificate, if one was asked for.
pub(crate) fn why_uncertified(entry: &Entry<'_>) -> Option<String> {
    let reasons = entry.uncertified();
    let (first, rest) = reasons.split_first()?;
    let points: usize = reasons.iter().map(|(_, points)| points).sum();
    let others = match rest.len() {
        0 => String::new(),
        n => format!(" ({} more in points.parquet)", text::count(n, "reason")),
    };
    Some(format!(
        "{}: no certificate for {} of {}: {}{others}.",
        entry.model.short(),
        text::integer(points),
        text::count(entry.rows.len(), "point"),
        first.0
    ))
}

/// How often one model's margin exceeds the first's on the inputs that both audited.
fn paired(section: &Section<'_>) -> Option<String> {
    let [first, rest @ ..] = section.entries.as_slice() else {
        return None;
    };
    if rest.len() >= NAMED {
        return None;
    }
    let comparable = |e: &&Entry<'_>| {
        let (a, b) = (&e.model.audit.summary, &first.model.audit.summary);
        a.dataset == b.dataset && a.norm == b.norm && a.r#box == b.r#box
    };
    let margins: HashMap<i64, f64> =
        first.rows.iter().filter_map(|row| Some((row.index, row.attacked?))).collect();
    let shares: Vec<String> = rest
        .iter()
        .filter(comparable)
        .filter_map(|entry| {
            let pairs: Vec<(f64, f64)> = entry
                .rows
                .iter()
                .filter_map(|row| Some((*margins.get(&row.index)?, row.attacked?)))
                .collect();
            let larger = pairs.iter().filter(|(before, after)| after > before).count();
            (!pairs.is_empty()).then(|| {
                format!(
                    "by {} on {} of {} inputs",
                    entry.model.short(),
                    text::integer(larger),
                    text::integer(pairs.len())
                )
            })
        })
        .collect();
    (!shares.is_empty()).then(|| {
        format!(
            "Input by input, the attacked margin of {} is exceeded {}.",
            first.model.short(),
            text::list(&shares)
        )
    })
}

/// How often the first-order estimates failed.
fn estimates(section: &Section<'_>) -> Option<String> {
    let counts = || section.entries.iter().filter_map(|e| e.summary).filter(|s| s.compared > 0);
    if counts().count() > NAMED {
        let (broken, of) = counts().fold((0, 0), |(b, of), s| (b + s.below_sharp, of + s.compared));
        return Some(format!(
            "The attack broke the sharp first-order estimate, which is not a certificate, on {} \
             of {} inputs, all models together.",
            text::integer(broken),
            text::integer(of)
        ));
    }
    let counts: Vec<String> = section
        .entries
        .iter()
        .filter_map(|entry| Some((entry, entry.summary.filter(|s| s.compared > 0)?)))
        .map(|(entry, summary)| {
            format!(
                "{} of {} inputs of {}",
                text::integer(summary.below_sharp),
                text::integer(summary.compared),
                entry.model.short()
            )
        })
        .collect();
    (!counts.is_empty()).then(|| {
        format!(
            "The attack broke the sharp first-order estimate, which is not a certificate, on {}.",
            text::list(&counts)
        )
    })
}

/// Quantile radii differ between models, and so does what their margins tolerate.
fn unequal_radii(section: &Section<'_>) -> Option<String> {
    let radii: Vec<(String, f64)> = section
        .entries
        .iter()
        .filter_map(|e| Some((e.model.short(), e.summary?.r.median?)))
        .collect();
    let first = radii.first()?.1;
    if radii.len() > NAMED {
        let (low, high) =
            radii.iter().fold((first, first), |(low, high), (_, r)| (low.min(*r), high.max(*r)));
        return (high - low > 0.01 * first.abs()).then(|| {
            format!(
                "The radius itself differs between models (median r from {} to {}), so these \
                 margins are not at equal tolerance.",
                text::number(low),
                text::number(high)
            )
        });
    }
    if radii.iter().all(|(_, r)| (r - first).abs() <= 0.01 * first.abs()) {
        return None;
    }
    let each: Vec<String> =
        radii.iter().map(|(name, r)| format!("{} for {name}", text::number(*r))).collect();
    Some(format!(
        "The radius itself differs between models (median r: {}), so these margins are not at \
         equal tolerance.",
        text::list(&each)
    ))
}
