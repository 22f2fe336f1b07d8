//! The page: everything the template needs, in the order it is read.
//!
//! The template escapes every value by default; only drawings made by this crate, which
//! escape what they contain themselves, are let through as markup.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::figures::{self, Figure};
use crate::gallery::{self, Wall};
use crate::tables::{self, Failures, Group, Row, Settings};
use crate::view::{Entry, Model, Section};
use crate::{AuditData, Error, reading, text, view};

const TEMPLATE: &str = include_str!("../templates/report.html");
const PARTS: &str = include_str!("../templates/parts.html");
pub(crate) const STYLE: &str = include_str!("../templates/style.css");

#[derive(Debug, Serialize)]
struct Page {
    title: String,
    style: &'static str,
    settings: Settings,
    cautions: Vec<String>,
    margins: Vec<Group>,
    /// Whether any point has a certificate.
    certificates: bool,
    encoders: Vec<Row>,
    several: bool,
    sections: Vec<Chapter>,
    failures: Vec<Failures>,
    configurations: Vec<Configuration>,
    version: String,
}

/// One radius.
#[derive(Debug, Serialize)]
struct Chapter {
    anchor: String,
    heading: String,
    reading: Vec<String>,
    figures: Vec<Figure>,
    walls: Vec<Wall>,
}

#[derive(Debug, Serialize)]
struct Configuration {
    name: String,
    text: String,
}

pub(crate) fn render(audits: &[AuditData]) -> Result<String, Error> {
    if audits.is_empty() {
        return Err(Error::NoAudits);
    }
    let models = view::models(audits);
    let sections = view::sections(&models);
    let certificates =
        sections.iter().flat_map(|section| &section.entries).any(Entry::has_certificates);
    let page = Page {
        title: title(&models),
        style: STYLE,
        settings: tables::settings(&models),
        cautions: reading::cautions(&models),
        margins: sections
            .iter()
            .enumerate()
            .map(|(i, section)| tables::margins(section, &models, certificates, anchor(i)))
            .collect(),
        certificates,
        encoders: tables::encoders(&models),
        several: models.len() > 1,
        sections: sections
            .iter()
            .enumerate()
            .map(|(i, section)| chapter(i, section, &models))
            .collect::<Result<_, _>>()?,
        failures: tables::failures(&models),
        configurations: models
            .iter()
            .map(|m| Configuration { name: m.name.clone(), text: m.audit.config.clone() })
            .collect(),
        version: models
            .first()
            .map_or_else(String::new, |m| m.audit.summary.vaegis_version.clone()),
    };
    fill("report.html", TEMPLATE, page)
}

/// A page of the style that all share.
pub(crate) fn fill(
    name: &'static str,
    template: &'static str,
    page: impl Serialize,
) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    environment.set_syntax(syntax);
    environment.add_template("parts.html", PARTS)?;
    environment.add_template(name, template)?;
    Ok(environment.get_template(name)?.render(Serde(page))?)
}

fn chapter(number: usize, section: &Section<'_>, models: &[Model<'_>]) -> Result<Chapter, Error> {
    Ok(Chapter {
        anchor: anchor(number),
        heading: text::radius(section.label),
        reading: reading::sentences(section),
        figures: figures::all(section, number),
        walls: gallery::walls(models, section.label, number)?,
    })
}

fn anchor(number: usize) -> String {
    format!("radius-{number}")
}

fn title(models: &[Model<'_>]) -> String {
    let names: Vec<String> = models.iter().map(|model| text::shorten(&model.name, 60)).collect();
    match names.len() {
        1..=3 => format!("Robustness of {}", text::list(&names)),
        n => format!("Robustness of {n} models"),
    }
}
