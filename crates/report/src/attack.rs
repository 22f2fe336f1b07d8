//! The page on attacks at given norms.

use serde::Serialize;
use vaegis_audit::schema::{AttackRow, Quantiles, Status};

use crate::figures::Figure;
use crate::gallery::{self, Card, Views};
use crate::tables::Cell;
use crate::{AttackData, AttackPicture, Error, distortion, page, text};

const TEMPLATE: &str = include_str!("../templates/attack.html");

#[derive(Debug, Serialize)]
struct Page<'a> {
    title: String,
    style: &'static str,
    facts: Vec<(&'static str, String)>,
    columns: Vec<&'static str>,
    groups: Vec<Group>,
    distortion: Option<Figure>,
    cards: Vec<Card>,
    /// Perturbations without a card.
    hidden: usize,
    failures: Vec<(i64, String)>,
    record: &'a str,
    version: &'static str,
}

/// The scores of one goal.
#[derive(Debug, Serialize)]
struct Group {
    heading: String,
    rows: Vec<Row>,
}

/// The scores of one goal at one size.
#[derive(Debug, Serialize)]
struct Row {
    size: String,
    cells: Vec<Cell>,
}

pub(crate) fn render(data: &AttackData) -> Result<String, Error> {
    let config = &data.config;
    let found: Vec<&AttackRow> = data.rows.iter().filter(|row| row.status == Status::Ok).collect();
    let used: Vec<&Column> = COLUMNS
        .iter()
        .filter(|column| found.iter().any(|row| (column.of)(row).is_some()))
        .collect();
    let cards = data
        .pictures
        .iter()
        .enumerate()
        .map(|(number, picture)| card(picture, &config.settings.domain.norm.to_string(), number))
        .collect::<Result<Vec<_>, _>>()?;
    let failed = data.rows.iter().filter(|row| row.status == Status::Failed);
    let page = Page {
        title: format!("Attacks on {}", text::shorten(&config.model, 60)),
        style: page::STYLE,
        facts: facts(data),
        columns: used.iter().map(|column| column.name).collect(),
        groups: groups(&found, &used),
        distortion: distortion::figure(config, &data.rows),
        hidden: found.len().saturating_sub(cards.len()),
        cards,
        failures: failed
            .map(|row| (row.index, row.message.clone().unwrap_or("unknown".to_owned())))
            .collect(),
        record: &data.record,
        version: env!("CARGO_PKG_VERSION"),
    };
    page::fill("attack.html", TEMPLATE, page)
}

/// What was asked for.
fn facts(data: &AttackData) -> Vec<(&'static str, String)> {
    let config = &data.config;
    let settings = &config.settings;
    let attacks: Vec<String> = settings.attacks.iter().map(ToString::to_string).collect();
    let mut points: Vec<i64> = data.rows.iter().map(|row| row.index).collect();
    points.dedup();
    let mut facts = vec![
        ("Data", config.dataset.clone()),
        ("Points", text::integer(points.len())),
        ("Attacks", attacks.join(", ")),
    ];
    if let Some(aim) = &settings.aim {
        facts.push(("Target", format!("row {}", aim.row)));
    }
    if let Some(rows) = &config.universal {
        facts.push(("Perturbations", format!("one for {}", text::count(rows.len(), "row"))));
    }
    let penalty = settings.attacks.iter().map(|attack| attack.penalty).fold(0.0, f64::max);
    if penalty > 0.0 {
        facts.push(("Penalty λ", penalty.to_string()));
    }
    if settings.attacks.iter().any(|attack| attack.reference != Default::default()) {
        facts.push(("Reference of damages", "sampled".to_owned()));
    }
    if let Some(radius) = settings.radius {
        facts.push(("Radius", radius.to_string()));
    }
    facts.extend([
        ("Perturbation norm", text::norm(&settings.domain.norm.to_string())),
        ("Box", text::bounds(&settings.domain.bounds.to_string())),
        ("Draws per score", text::integer(settings.draws as usize)),
        ("Confidence", text::confidence(config.alpha)),
        ("Seed", config.seed.to_string()),
    ]);
    facts
}

/// A column of the table of scores.
struct Column {
    name: &'static str,
    of: fn(&AttackRow) -> Option<f64>,
    words: fn(f64) -> String,
}

const COLUMNS: [Column; 15] = [
    Column { name: "length", of: |row| row.length, words: text::number },
    Column { name: "goal", of: |row| row.value, words: text::number },
    Column { name: "goal at rest", of: |row| row.value_at_rest, words: text::number },
    Column { name: "damage", of: |row| row.damage, words: text::number },
    Column { name: "damage at rest", of: |row| row.damage_at_rest, words: text::number },
    Column { name: "P(‖Δ‖ ≤ r)", of: |row| row.p, words: text::probability },
    Column { name: "KL", of: |row| row.kl, words: text::number },
    Column { name: "symmetric KL", of: |row| row.symmetric_kl, words: text::number },
    Column { name: "degradation", of: |row| row.degradation, words: text::number },
    Column { name: "PSNR", of: |row| row.psnr, words: text::number },
    Column { name: "SSIM", of: |row| row.ssim, words: text::number },
    Column { name: "MS-SSIM", of: |row| row.ms_ssim, words: text::number },
    Column { name: "to target", of: |row| row.aim_distance, words: text::number },
    Column { name: "to target at rest", of: |row| row.aim_distance_at_rest, words: text::number },
    Column { name: "AUDDC", of: |row| row.auddc, words: text::number },
];

/// Goals in the order of their first rows, and sizes as they rise.
fn groups(rows: &[&AttackRow], columns: &[&Column]) -> Vec<Group> {
    let mut goals: Vec<String> = vec![];
    for goal in rows.iter().filter_map(|row| row.question()) {
        if !goals.contains(&goal) {
            goals.push(goal);
        }
    }
    let group = |goal: String| {
        let of_goal = || rows.iter().filter(|row| row.question().as_ref() == Some(&goal));
        let mut sizes: Vec<f64> = of_goal().filter_map(|row| row.size).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let row = |&size: &f64| {
            let of_size = || of_goal().filter(|row| row.size == Some(size));
            let cells = columns.iter().map(|column| {
                cell(&Quantiles::of(of_size().filter_map(|row| (column.of)(row))), column.words)
            });
            Row { size: size.to_string(), cells: cells.collect() }
        };
        Group { rows: sizes.iter().map(row).collect(), heading: goal }
    };
    goals.into_iter().map(group).collect()
}

/// The median, and the 10-90% range where points differ.
fn cell(of: &Quantiles, words: fn(f64) -> String) -> Cell {
    let value = text::median(of).map_or(text::MISSING.to_owned(), words);
    let ends = (text::order_statistic(of, of.p10), text::order_statistic(of, of.p90));
    let range = match ends {
        (Some(low), Some(high)) if low < high => Some(format!("{}–{}", words(low), words(high))),
        _ => None,
    };
    Cell { value, range, ratio: None }
}

fn card(picture: &AttackPicture, norm: &str, number: usize) -> Result<Card, Error> {
    let label = picture.label.map_or_else(String::new, |label| format!(", label {label}"));
    let views = Views {
        index: picture.index,
        shape: &picture.shape,
        original: &picture.original,
        perturbed: &picture.perturbed,
        reconstruction: &picture.reconstruction,
        perturbed_reconstruction: &picture.perturbed_reconstruction,
        still: "nothing that was tried increases the goal",
    };
    let (tiles, notes) = gallery::tiles(&views, &format!("p{number}"))?;
    Ok(Card {
        heading: format!("Point {}{label}", picture.index),
        detail: format!(
            "{}, size {}: length {} ({})",
            picture.attack,
            picture.size,
            text::number(picture.length),
            text::norm(norm)
        ),
        tiles,
        notes,
    })
}
