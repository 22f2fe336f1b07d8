//! A study as figures look at it: a column for each data set and architecture, a colour for each
//! family of objectives.

use std::collections::HashMap;

use vaegis_study::schema::{AttackFacts, ModelRow, Pathway, PointFacts, StudyData};

use crate::marker::Look;
use crate::stats::{quantile, sort};
use crate::text;

/// A study, indexed.
pub(super) struct View<'a> {
    pub(super) data: &'a StudyData,
    pub(super) columns: Vec<Column<'a>>,
    pub(super) families: Vec<Family<'a>>,
    attacks: HashMap<&'a str, Vec<&'a AttackFacts>>,
}

/// The models of one architecture on one data set, at the first radius they were audited at.
pub(super) struct Column<'a> {
    pub(super) data: &'a str,
    pub(super) architecture: &'a str,
    pub(super) title: String,
    pub(super) radius: &'a str,
    pub(super) models: Vec<&'a ModelRow>,
}

/// Models that were trained with one objective; plain VAEs are a family of their own.
#[derive(Debug)]
pub(super) struct Family<'a> {
    pub(super) name: String,
    /// As models call it; `None` for plain VAEs.
    objective: Option<&'a str>,
    parameter: Option<&'a str>,
    pub(super) look: Look,
    /// Sorted, without repetition.
    strengths: Vec<f64>,
}

impl<'a> View<'a> {
    pub(super) fn new(data: &'a StudyData) -> Self {
        let mut attacks: HashMap<&str, Vec<&AttackFacts>> = HashMap::new();
        for attack in &data.attacks {
            attacks.entry(&attack.model).or_default().push(attack);
        }
        Self { data, columns: columns(&data.models), families: families(&data.models), attacks }
    }

    /// The family of a model, as models are grouped by colour.
    pub(super) fn family(&self, model: &ModelRow) -> usize {
        let objective = (!model.plain).then_some(model.objective.as_str());
        self.families.iter().position(|family| family.objective == objective).unwrap_or(0)
    }

    /// Points of a column's models at its radius.
    pub(super) fn points(&self, column: &Column<'a>) -> Vec<(&'a ModelRow, &'a PointFacts)> {
        let models = column.by_name();
        let of_radius = self.data.points.iter().filter(|point| point.radius == column.radius);
        of_radius.filter_map(|point| Some((*models.get(point.model.as_str())?, point))).collect()
    }

    /// Attacks on a model that act through given parts of its posterior.
    pub(super) fn attacks(
        &self,
        model: &ModelRow,
        through: Pathway,
    ) -> impl Iterator<Item = &'a AttackFacts> {
        let all = self.attacks.get(model.model.as_str()).map(Vec::as_slice).unwrap_or_default();
        all.iter().copied().filter(move |attack| attack.through == through)
    }

    /// The radii of the columns, in a sentence that says whether there are more.
    pub(super) fn radii(&self) -> String {
        let mut radii: Vec<String> = Vec::new();
        for radius in self.columns.iter().map(|column| text::radius(column.radius)) {
            if !radii.contains(&radius) {
                radii.push(radius);
            }
        }
        let drawn = |model: &ModelRow| {
            self.columns.iter().any(|column| column.holds(model) && column.radius == model.radius)
        };
        let more = if self.data.models.iter().all(drawn) {
            ""
        } else {
            "; the study's other radii are not drawn"
        };
        format!("{}{more}.", text::list(&radii))
    }

    /// Titles of the columns.
    pub(super) fn titles(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.title.clone()).collect()
    }
}

impl<'a> Column<'a> {
    fn holds(&self, model: &ModelRow) -> bool {
        self.data == model.data && self.architecture == model.architecture
    }

    pub(super) fn by_name(&self) -> HashMap<&'a str, &'a ModelRow> {
        self.models.iter().map(|&model| (model.model.as_str(), model)).collect()
    }
}

impl Family<'_> {
    pub(super) fn is_plain(&self) -> bool {
        self.objective.is_none()
    }

    /// The class that sets the colour.
    pub(super) fn class(&self) -> String {
        if self.is_plain() { "plain".to_owned() } else { self.look.class() }
    }

    /// Name with the symbol of what is varied.
    pub(super) fn name_with_parameter(&self) -> String {
        match self.parameter {
            Some(parameter) if !self.is_plain() => format!("{} ({})", self.name, symbol(parameter)),
            _ => self.name.clone(),
        }
    }

    /// Size of a marker: larger where the objective is stronger.
    pub(super) fn marker(&self, model: &ModelRow) -> f64 {
        let last = self.strengths.len().saturating_sub(1).max(1) as f64;
        let below = |strength| self.strengths.iter().filter(|&&other| other < strength).count();
        2.3 + 1.7 * model.strength.map_or(0.0, |strength| below(strength) as f64 / last)
    }

    /// Whether models of the family differ in strength.
    pub(super) fn varies(&self) -> bool {
        self.strengths.len() > 1
    }
}

/// Whether a model is on the line of a family's strengths: also the plain VAE, where it is one of
/// them.
pub(super) fn belongs(family: &Family<'_>, model: &ModelRow) -> bool {
    family.objective == Some(model.objective.as_str())
}

/// A model in a sentence.
pub(super) fn describe(model: &ModelRow) -> String {
    let strength = model.parameter.as_deref().zip(model.strength);
    let strength =
        strength.map_or_else(String::new, |(name, value)| format!(", {} = {value}", symbol(name)));
    format!("{}{strength}, seed {}", objective(&model.objective), model.seed)
}

/// The median of values without NaN.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    sort(&mut values);
    quantile(&values, 0.5)
}

/// What a caption says of values that have no place; nothing if there are none.
pub(super) fn left_out(count: usize, noun: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!(" 1 {noun} is not a number, and not drawn."),
        _ => format!(" {} are not numbers, and not drawn.", text::count(count, noun)),
    }
}

/// An objective as papers write it.
pub(super) fn objective(name: &str) -> String {
    match name {
        "beta-vae" => "β-VAE",
        "beta-tcvae" => "β-TCVAE",
        "factor-vae" => "FactorVAE",
        "dip-vae-i" => "DIP-VAE I",
        "dip-vae-ii" => "DIP-VAE II",
        "capacity" => "capacity",
        "margin" => "margin training",
        other => other,
    }
    .to_owned()
}

fn symbol(parameter: &str) -> &str {
    match parameter {
        "alpha" => "α",
        "beta" => "β",
        "gamma" => "γ",
        "lambda" => "λ",
        other => other,
    }
}

fn columns(models: &[ModelRow]) -> Vec<Column<'_>> {
    let mut columns: Vec<Column<'_>> = Vec::new();
    let several = models.iter().any(|model| model.architecture != models[0].architecture);
    for model in models {
        let found = columns.iter_mut().find(|column| column.holds(model));
        match found {
            Some(column) if column.radius == model.radius => column.models.push(model),
            Some(_) => {}
            None => columns.push(Column {
                data: &model.data,
                architecture: &model.architecture,
                title: if several {
                    format!("{}, {}", model.data, model.architecture)
                } else {
                    model.data.clone()
                },
                radius: &model.radius,
                models: vec![model],
            }),
        }
    }
    columns
}

fn families(models: &[ModelRow]) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    if models.iter().any(|model| model.plain) {
        families.push(Family {
            name: "plain VAE".to_owned(),
            objective: None,
            parameter: None,
            look: Look(0),
            strengths: Vec::new(),
        });
    }
    let plain = families.len();
    for model in models.iter().filter(|model| !model.plain) {
        let known = families.iter().position(|family| belongs(family, model));
        let at = known.unwrap_or_else(|| {
            families.push(Family {
                name: objective(&model.objective),
                objective: Some(&model.objective),
                parameter: model.parameter.as_deref(),
                // Circles stay those of plain VAEs.
                look: Look(families.len() - plain + 1),
                strengths: Vec::new(),
            });
            families.len() - 1
        });
        families[at].strengths.extend(model.strength.filter(|strength| strength.is_finite()));
    }
    for family in &mut families {
        sort(&mut family.strengths);
        family.strengths.dedup();
    }
    families
}
