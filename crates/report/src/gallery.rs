//! The gallery: numbers convince nobody that has not seen a picture.
//!
//! For the least and the most robust points: the input, the perturbed input, their
//! signed difference, and what the model makes of both. The difference has its own
//! scale, stated beside it, because a perturbation that breaks a point is often
//! too faint to see in the picture.

use serde::Serialize;
use vaegis_audit::schema::{GalleryEntry, Rank};

use crate::Error;
use crate::picture::{self, Layout, Scale};
use crate::series::{self, Line};
use crate::text;
use crate::view::Model;

/// Cards shown per model, radius and end of the ranking.
const CARDS: usize = 6;

/// One model's cards for one radius.
#[derive(Debug, Serialize)]
pub(crate) struct Wall {
    pub(crate) swatch: String,
    pub(crate) model: String,
    pub(crate) ends: Vec<End>,
}

/// The cards of one end of the ranking.
#[derive(Debug, Serialize)]
pub(crate) struct End {
    pub(crate) title: &'static str,
    pub(crate) cards: Vec<Card>,
    /// How many entries were left out.
    pub(crate) hidden: usize,
}

/// One point.
#[derive(Debug, Serialize)]
pub(crate) struct Card {
    pub(crate) heading: String,
    pub(crate) detail: String,
    pub(crate) tiles: Vec<Tile>,
    pub(crate) notes: Vec<String>,
}

/// One picture, or one drawing where the input is not a picture.
#[derive(Debug, Serialize)]
pub(crate) struct Tile {
    pub(crate) caption: &'static str,
    pub(crate) alt: String,
    pub(crate) uri: Option<String>,
    pub(crate) svg: Option<String>,
}

/// What is drawn of one point before and after.
pub(crate) struct Views<'a> {
    pub(crate) index: i64,
    pub(crate) shape: &'a [usize],
    pub(crate) original: &'a [f32],
    pub(crate) perturbed: &'a [f32],
    pub(crate) reconstruction: &'a [f32],
    pub(crate) perturbed_reconstruction: &'a [f32],
    /// What it means that nothing was perturbed.
    pub(crate) still: &'static str,
}

/// The walls of a section. `number` makes ids unique in the page.
pub(crate) fn walls(models: &[Model<'_>], label: &str, number: usize) -> Result<Vec<Wall>, Error> {
    let mut walls = Vec::new();
    for model in models {
        let mut ends = Vec::new();
        for (rank, title) in [(Rank::Least, "Least robust"), (Rank::Most, "Most robust")] {
            let entries: Vec<&GalleryEntry> = model
                .audit
                .gallery
                .iter()
                .filter(|entry| entry.rank == rank && entry.radius == label)
                .collect();
            if entries.is_empty() {
                continue;
            }
            let mut cards = Vec::new();
            for (i, entry) in entries.iter().take(CARDS).enumerate() {
                let id = format!("s{number}-g{}-{}-{i}", model.look.0, ends.len());
                cards.push(card(entry, &model.audit.summary.norm, &id)?);
            }
            ends.push(End { title, cards, hidden: entries.len().saturating_sub(CARDS) });
        }
        if !ends.is_empty() {
            walls.push(Wall { swatch: model.look.swatch(), model: model.name.clone(), ends });
        }
    }
    Ok(walls)
}

fn card(entry: &GalleryEntry, norm: &str, id: &str) -> Result<Card, Error> {
    let label = entry.label.map_or_else(String::new, |label| format!(", label {label}"));
    let views = Views {
        index: entry.index,
        shape: &entry.shape,
        original: &entry.original,
        perturbed: &entry.perturbed,
        reconstruction: &entry.reconstruction,
        perturbed_reconstruction: &entry.perturbed_reconstruction,
        still: "the point is not r-robust even without a perturbation",
    };
    let (tiles, notes) = tiles(&views, id)?;
    Ok(Card {
        heading: format!("Point {}{label}", entry.index),
        detail: format!(
            "attacked margin {} ({}), r = {}",
            text::number(entry.attacked),
            text::norm(norm),
            text::number(entry.r)
        ),
        tiles,
        notes,
    })
}

/// The tiles of a card, and what has to be said of them. `id` makes ids unique in the page.
pub(crate) fn tiles(views: &Views<'_>, id: &str) -> Result<(Vec<Tile>, Vec<String>), Error> {
    let length: usize = views.shape.iter().product();
    let all =
        [views.original, views.perturbed, views.reconstruction, views.perturbed_reconstruction];
    if all.iter().all(|values| values.is_empty()) {
        return Ok((Vec::new(), vec!["Pictures were not stored.".to_owned()]));
    }
    if length == 0 || all.iter().any(|values| values.len() != length) {
        let note =
            format!("Pictures do not match their shape {:?} and are not shown.", views.shape);
        return Ok((Vec::new(), vec![note]));
    }
    let change: Vec<f32> =
        views.perturbed.iter().zip(views.original).map(|(after, before)| after - before).collect();
    match Layout::of(views.shape) {
        Some(layout) => pictures(views, layout, &change),
        None => Ok((lines(views, &change, id), Vec::new())),
    }
}

fn pictures(
    views: &Views<'_>,
    layout: Layout,
    change: &[f32],
) -> Result<(Vec<Tile>, Vec<String>), Error> {
    let scale = Scale::of(views.original);
    let (low, high) = picture::range(change);
    let limit = high.max(-low);
    let mut shrunk = 1;
    let mut tile = |caption, values: &[f32]| -> Result<Tile, Error> {
        let (uri, factor) = picture::picture(layout, values, scale)?;
        shrunk = factor;
        let alt = format!("{caption}, point {}", views.index);
        Ok(Tile { caption, alt, uri: Some(uri), svg: None })
    };
    let original = tile("input", views.original)?;
    let perturbed = tile("perturbed", views.perturbed)?;
    let reconstruction = tile("reconstruction", views.reconstruction)?;
    let after = tile("under attack", views.perturbed_reconstruction)?;
    let difference = Tile {
        caption: "difference",
        alt: format!(
            "signed difference between the perturbed and the original input, from {} to {}",
            text::number(f64::from(low)),
            text::number(f64::from(high))
        ),
        uri: Some(picture::difference(layout, change, limit)?.0),
        svg: None,
    };
    let mut notes = vec![if limit == 0.0 {
        format!("No difference: {}.", views.still)
    } else {
        format!("Difference: ±{} at full colour.", text::number(limit.into()))
    }];
    if !scale.is_unit() {
        notes.push(format!(
            "The input leaves [0, 1]; black to white is its own range, {} to {}.",
            text::number(scale.low.into()),
            text::number(scale.high.into())
        ));
    }
    for (what, values) in [
        ("perturbed input", views.perturbed),
        ("reconstruction", views.reconstruction),
        ("reconstruction of the perturbed input", views.perturbed_reconstruction),
    ] {
        let beyond = scale.beyond(values);
        if beyond > 0 {
            let (low, high) = picture::range(values);
            notes.push(format!(
                "{} of the {what} beyond the shown range ({} to {}), drawn at its ends.",
                text::count(beyond, "value"),
                text::number(low.into()),
                text::number(high.into())
            ));
        }
    }
    if shrunk > 1 {
        notes.push(format!("Pictures averaged down {shrunk} times."));
    }
    Ok((vec![original, perturbed, difference, reconstruction, after], notes))
}

fn lines(views: &Views<'_>, change: &[f32], id: &str) -> Vec<Tile> {
    let tile = |part: &str, caption, lines: &[Line<'_>]| Tile {
        caption,
        alt: String::new(),
        uri: None,
        svg: Some(series::plot(lines, &format!("{id}-{part}"), caption)),
    };
    let pair = |before, after| {
        [Line { class: "before", values: before }, Line { class: "after", values: after }]
    };
    vec![
        tile("x", "input (thin) and perturbed (thick)", &pair(views.original, views.perturbed)),
        tile("d", "difference", &[Line { class: "after", values: change }]),
        tile(
            "y",
            "reconstruction of the input (thin) and of the perturbed (thick)",
            &pair(views.reconstruction, views.perturbed_reconstruction),
        ),
    ]
}
