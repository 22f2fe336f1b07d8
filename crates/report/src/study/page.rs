//! The page of a study, in the order it is read: verdicts, then claim by claim.

use std::collections::BTreeSet;

use serde::Serialize;
use vaegis_study::schema::{Effect, StudyData};

use crate::{Error, page, text};

use super::claims::{CLAIMS, Claim};
use super::view::View;
use super::{KINDS, Kind, words};

const TEMPLATE: &str = include_str!("../../templates/study.html");

#[derive(Debug, Serialize)]
struct Page<'a> {
    title: String,
    style: &'static str,
    figure_style: &'static str,
    facts: Vec<(&'static str, String)>,
    confidence: String,
    headlines: Vec<Headline>,
    overview: Figure,
    chapters: Vec<Chapter>,
    grid: &'a str,
    version: &'a str,
}

/// A claim and its effects over all models.
#[derive(Debug, Serialize)]
struct Headline {
    number: usize,
    anchor: String,
    words: &'static str,
    rows: Vec<Row>,
}

/// An effect as a line of a table.
#[derive(Debug, Serialize)]
struct Row {
    /// What is measured, or of which models.
    name: String,
    estimate: String,
    interval: Option<String>,
    claimed: String,
    verdict: &'static str,
    class: &'static str,
    replicates: String,
    remark: Option<String>,
}

#[derive(Debug, Serialize)]
struct Chapter {
    anchor: String,
    number: usize,
    title: &'static str,
    words: &'static str,
    reading: &'static str,
    figure: Figure,
    groups: Vec<Group>,
}

/// One effect by data, architecture and objective.
#[derive(Debug, Serialize)]
struct Group {
    heading: String,
    rows: Vec<Row>,
}

/// A figure, or why there is none.
#[derive(Debug, Serialize)]
struct Figure {
    title: &'static str,
    svg: Option<String>,
    words: String,
}

pub(crate) fn render(data: &StudyData) -> Result<String, Error> {
    let view = View::new(data);
    let overview = KINDS.iter().find(|kind| kind.claim.is_none()).map(|kind| figure(kind, &view));
    let page = Page {
        title: format!("Study {}", text::shorten(&data.name, 60)),
        style: page::STYLE,
        figure_style: super::STYLE,
        facts: facts(&view),
        confidence: text::percent(data.confidence),
        headlines: CLAIMS.iter().map(|claim| headline(claim, data)).collect(),
        overview: overview.unwrap_or(Figure { title: "", svg: None, words: String::new() }),
        chapters: CLAIMS.iter().map(|claim| chapter(claim, &view)).collect(),
        grid: &data.grid,
        version: &data.vaegis_version,
    };
    page::fill("study.html", TEMPLATE, page)
}

/// What the study is made of.
fn facts(view: &View<'_>) -> Vec<(&'static str, String)> {
    let data = view.data;
    let distinct = |of: fn(&vaegis_study::schema::ModelRow) -> &str| {
        let mut names: Vec<String> = Vec::new();
        for name in data.models.iter().map(of) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        if names.is_empty() { text::MISSING.to_owned() } else { names.join(", ") }
    };
    let names: BTreeSet<&str> = data.models.iter().map(|model| model.model.as_str()).collect();
    let seeds: BTreeSet<u64> = data.models.iter().map(|model| model.seed).collect();
    let radii: BTreeSet<&str> = data.models.iter().map(|model| model.radius.as_str()).collect();
    let families: Vec<String> = view.families.iter().map(|family| family.name.clone()).collect();
    let failed = {
        let mut seen = BTreeSet::new();
        let first = data.models.iter().filter(|model| seen.insert(model.model.as_str()));
        first.map(|model| model.failed).sum::<usize>()
    };
    let mut facts = vec![
        ("Models", text::integer(names.len())),
        ("Data", distinct(|model| &model.data)),
        ("Architectures", distinct(|model| &model.architecture)),
        (
            "Objectives",
            if families.is_empty() { text::MISSING.to_owned() } else { families.join(", ") },
        ),
        ("Seeds", text::integer(seeds.len())),
        ("Radii", radii.into_iter().collect::<Vec<_>>().join(", ")),
        ("Confidence", text::percent(data.confidence)),
    ];
    if failed > 0 {
        facts.push(("Failed points", text::integer(failed)));
    }
    facts
}

fn anchor(claim: usize) -> String {
    format!("claim-{claim}")
}

fn headline(claim: &Claim, data: &StudyData) -> Headline {
    let of_claim = |effect: &&Effect| effect.claim == claim.number && words::is_headline(effect);
    let rows = data.effects.iter().filter(of_claim);
    Headline {
        number: claim.number,
        anchor: anchor(claim.number),
        words: claim.words,
        rows: rows.map(|effect| row(effect, effect.statement.clone())).collect(),
    }
}

fn row(effect: &Effect, name: String) -> Row {
    Row {
        name,
        estimate: words::estimate(effect),
        interval: words::interval(effect),
        claimed: words::claimed(effect),
        verdict: words::verdict(effect.verdict),
        class: words::class(effect.verdict),
        replicates: words::replicates(effect),
        remark: effect.remark.clone(),
    }
}

fn chapter(claim: &Claim, view: &View<'_>) -> Chapter {
    let kind = KINDS.iter().find(|kind| kind.claim == Some(claim.number));
    let none = || Figure { title: claim.title, svg: None, words: String::new() };
    Chapter {
        anchor: anchor(claim.number),
        number: claim.number,
        title: claim.title,
        words: claim.words,
        reading: claim.reading,
        figure: kind.map_or_else(none, |kind| figure(kind, view)),
        groups: groups(claim, view.data),
    }
}

fn figure(kind: &Kind, view: &View<'_>) -> Figure {
    match (kind.draw)(view) {
        Ok(drawing) => Figure {
            title: kind.title,
            svg: Some(drawing.svg.finish(kind.name, kind.title, &drawing.caption)),
            words: drawing.caption,
        },
        Err(why) => Figure { title: kind.title, svg: None, words: why },
    }
}

/// The effects of a claim that are not over all models, by what they measure.
fn groups(claim: &Claim, data: &StudyData) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let of_claim = |effect: &&Effect| effect.claim == claim.number && !words::is_headline(effect);
    for effect in data.effects.iter().filter(of_claim) {
        let row = row(effect, words::scope(&effect.scope));
        match groups.iter_mut().find(|group| group.heading == effect.statement) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { heading: effect.statement.clone(), rows: vec![row] }),
        }
    }
    groups
}
