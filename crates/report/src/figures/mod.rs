//! The figures of a section, one file each.
//!
//! A figure is a drawing, a legend in HTML (so that long names wrap), and notes that
//! say what was counted, sampled or left at the border. A figure without data is not
//! dropped: it says why it is empty, so that its absence is never mistaken for "no
//! problem found".

mod brackets;
mod certified;
mod curves;
mod degradation;
mod estimates;
mod histogram;

use serde::Serialize;

use crate::marker::Look;
use crate::view::Section;

pub(crate) use brackets::brackets;
pub(crate) use certified::certified;
pub(crate) use curves::{damage, probability};
pub(crate) use degradation::degradation;
pub(crate) use estimates::estimates;
pub(crate) use histogram::histogram;

/// A figure as the page shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) title: String,
    /// What to look for, in a sentence or two.
    pub(crate) lead: String,
    /// Drawings side by side; none when there is nothing to draw.
    pub(crate) panels: Vec<Drawing>,
    pub(crate) legend: Vec<Key>,
    /// What was counted, sampled or left out.
    pub(crate) notes: Vec<String>,
}

/// One drawing of a figure.
#[derive(Debug, Serialize)]
pub(crate) struct Drawing {
    /// A heading when a figure has several.
    pub(crate) title: Option<String>,
    pub(crate) svg: String,
    /// Notes that concern this drawing only.
    pub(crate) notes: Vec<String>,
}

/// A line of a legend.
#[derive(Debug, Serialize)]
pub(crate) struct Key {
    pub(crate) swatch: String,
    pub(crate) name: String,
}

impl Figure {
    /// A figure that explains why there is nothing to draw.
    fn empty(title: &str, why: &str) -> Self {
        Self {
            title: title.to_owned(),
            lead: why.to_owned(),
            panels: Vec::new(),
            legend: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Keys for the models of a section that `has` data.
fn legend(section: &Section<'_>, has: impl Fn(Look) -> bool) -> Vec<Key> {
    section
        .entries
        .iter()
        .filter(|entry| has(entry.model.look))
        .map(|entry| Key { swatch: entry.model.look.swatch(), name: entry.model.name.clone() })
        .collect()
}

/// All figures of a section. `number` makes ids unique in the page.
pub(crate) fn all(section: &Section<'_>, number: usize) -> Vec<Figure> {
    let id = |kind: &str| format!("s{number}-{kind}");
    let mut figures = vec![
        histogram(section, &id("margins")),
        degradation(section, &id("degradation")),
        brackets(section, &id("brackets")),
    ];
    figures.extend(certified(section, &id("certified")));
    figures.extend([
        estimates(section, &id("estimates")),
        probability(section, &id("probability")),
        damage(section, &id("damage")),
    ]);
    figures
}
