//! Audits side by side.
//!
//! A comparison is by radius *label*, as it was asked for: `q0.9` is the same question
//! to two models even where the radius it leads to differs. Audits may have been asked
//! different questions; each section then lists who has no answer instead of
//! pretending. The first audit is the baseline that others are compared with.

use std::collections::{BTreeMap, HashMap, HashSet};

use vaegis_audit::schema::{CurveRow, PointRow, RadiusSummary, Status};

use crate::AuditData;
use crate::marker::Look;

/// Markers drawn per figure and model, before sampling starts.
const MARKERS: usize = 3000;
/// Markers of one kind of figure over the whole page, so that it stays a few MB.
const MARKERS_ON_PAGE: usize = 36_000;

/// One audit, named and coloured.
#[derive(Debug, Clone)]
pub(crate) struct Model<'a> {
    pub(crate) name: String,
    pub(crate) look: Look,
    pub(crate) audit: &'a AuditData,
}

impl Model<'_> {
    /// A name that fits into a sentence.
    pub(crate) fn short(&self) -> String {
        crate::text::shorten(&self.name, 40)
    }
}

/// What every audit says about one radius label.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) label: &'a str,
    pub(crate) entries: Vec<Entry<'a>>,
    /// How many markers a figure may draw per model.
    pub(crate) markers: usize,
}

/// What one audit says about one radius label.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) model: Model<'a>,
    pub(crate) summary: Option<&'a RadiusSummary>,
    /// Rows that did not fail.
    pub(crate) rows: Vec<&'a PointRow>,
    pub(crate) curves: Vec<&'a CurveRow>,
}

/// Audits in order, with names that tell them apart.
pub(crate) fn models(audits: &[AuditData]) -> Vec<Model<'_>> {
    let mut taken: HashSet<String> = HashSet::new();
    let mut models = Vec::with_capacity(audits.len());
    for (i, audit) in audits.iter().enumerate() {
        let plain = if audit.name.trim().is_empty() { "unnamed" } else { audit.name.as_str() };
        let mut name = plain.to_owned();
        let mut copy = 2;
        while !taken.insert(name.clone()) {
            name = format!("{plain} ({copy})");
            copy += 1;
        }
        models.push(Model { name, look: Look(i), audit });
    }
    models
}

/// One section per radius label, in the order of first appearance.
pub(crate) fn sections<'a>(models: &[Model<'a>]) -> Vec<Section<'a>> {
    let mut labels: Vec<&'a str> = Vec::new();
    let mut by_label: Vec<HashMap<&'a str, Entry<'a>>> = Vec::new();
    for model in models {
        let mut entries = HashMap::new();
        let mut entry = |label: &'a str| {
            if !labels.contains(&label) {
                labels.push(label);
            }
        };
        let audit = model.audit;
        audit.summary.radii.iter().for_each(|radius| entry(&radius.radius));
        let mut last = "";
        for row in &audit.rows {
            // Rows come in runs or cycles of few labels; skip the search when it repeats.
            if row.radius != last {
                entry(&row.radius);
                last = &row.radius;
            }
        }
        let empty =
            || Entry { model: model.clone(), summary: None, rows: Vec::new(), curves: Vec::new() };
        for radius in &audit.summary.radii {
            entries.entry(radius.radius.as_str()).or_insert_with(empty).summary = Some(radius);
        }
        for row in &audit.rows {
            let of_label = entries.entry(row.radius.as_str()).or_insert_with(empty);
            if row.status == Status::Ok {
                of_label.rows.push(row);
            }
        }
        for row in &audit.curves {
            if let Some(of_label) = entries.get_mut(row.radius.as_str()) {
                of_label.curves.push(row);
            }
        }
        by_label.push(entries);
    }
    let markers = (MARKERS_ON_PAGE / (models.len() * labels.len()).max(1)).clamp(300, MARKERS);
    labels
        .into_iter()
        .map(|label| Section {
            label,
            entries: by_label.iter_mut().filter_map(|of| of.remove(label)).collect(),
            markers,
        })
        .collect()
}

impl<'a> Section<'a> {
    /// Names of the models that were not asked about this radius.
    pub(crate) fn absent(&self, models: &[Model<'a>]) -> Vec<String> {
        models
            .iter()
            .filter(|model| self.entries.iter().all(|entry| entry.model.look != model.look))
            .map(|model| model.name.clone())
            .collect()
    }

    /// The norm perturbations are measured in, for axis titles.
    pub(crate) fn norm(&self) -> String {
        self.entries
            .first()
            .map(|entry| crate::text::norm(&entry.model.audit.summary.norm))
            .unwrap_or_default()
    }
}

impl Entry<'_> {
    /// Attacked margins, infinite ones included; NaN is not a margin.
    pub(crate) fn attacked(&self) -> impl Iterator<Item = f64> {
        self.rows.iter().filter_map(|row| row.attacked).filter(|margin| !margin.is_nan())
    }

    /// Whether any point has a certificate, if only of 0.
    pub(crate) fn has_certificates(&self) -> bool {
        self.rows.iter().any(|row| row.certified.is_some())
    }

    /// Why points have no certificate although one was asked for: each reason, with how many
    /// points it concerns, the most frequent first.
    pub(crate) fn uncertified(&self) -> Vec<(&str, usize)> {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.certified.is_none()) {
            let message = row.message.as_deref().unwrap_or_default();
            if let Some(reason) = message.strip_prefix("no certificate: ") {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|&(_, points)| std::cmp::Reverse(points));
        reasons
    }
}
