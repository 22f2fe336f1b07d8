//! Data sets of sprites: as many rows as one wants, spread over the whole grid.
//!
//! Rows are the combinations of factors in one random order that never changes, so that any number of
//! first rows is a random sample, and more rows only add to fewer. Rows are drawn when they are
//! read; in memory are their numbers only.

use std::sync::Arc;

use super::{Sprites, Style};
use crate::batches::shuffled;
use crate::dataset::{About, Dataset, Parts, Values};
use crate::error::{Error, Result};

/// Rows of a data set whose name does not say how many.
const DEFAULT_ROWS: usize = 20_000;

/// Chooses the order of rows; another would be another data set.
const ORDER: u64 = 0;

/// Sprites that are rows.
#[derive(Clone)]
pub(crate) struct Rows {
    sprites: Sprites,
    /// The number of each row's combination.
    numbers: Arc<[u32]>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn sprites(&self) -> Sprites {
        self.sprites
    }

    /// The number of values in one row.
    pub(crate) fn features(&self) -> usize {
        self.sprites.features()
    }

    /// The number of the combination that row `i` shows.
    pub(crate) fn number(&self, i: usize) -> usize {
        self.numbers[i] as usize
    }

    /// The pixels of row `i`.
    pub(crate) fn pixels(&self, i: usize) -> Vec<u8> {
        self.sprites.picture(self.number(i))
    }

    /// Writes the values of row `i` to `out`.
    pub(crate) fn copy(&self, i: usize, out: &mut [f32]) {
        self.sprites.copy(self.number(i), out);
    }
}

impl Dataset {
    /// The first `rows` sprites of a style, in a random order of the whole grid that is always the
    /// same; labels are shapes.
    ///
    /// # Errors
    /// If `rows` is 0 or more than the factors have combinations.
    pub fn sprites(style: Style, rows: usize) -> Result<Self> {
        let sprites = Sprites::new(style);
        let grid = sprites.factors().len();
        if rows == 0 || rows > grid {
            let (name, found) = (style.name(), rows.to_string());
            return Err(Error::SpriteRows { name, found, grid });
        }
        let order = shuffled(0..grid, ORDER, 0).into_iter().take(rows);
        let numbers: Arc<[u32]> = order.map(|number| number as u32).collect();
        let factors = sprites.factors();
        let shape = factors.names().iter().position(|&name| name == "shape").unwrap_or_default();
        let labels = numbers.iter().map(|&number| factors.indices(number as usize)[shape] as i64);
        let mut about = About::new("drawn", "uint8, pixels k/255");
        about.label_names = super::SHAPES.map(str::to_owned).into();
        about.remarks = vec![format!("{rows} of {grid} sprites, in an order of its own")];
        Ok(Self::from_parts(Parts {
            name: name(style, rows),
            shape: sprites.shape().into(),
            labels: Some(labels.collect()),
            values: Values::Sprites(Rows { sprites, numbers }),
            test_from: None,
            about,
        }))
    }
}

/// What a data set of sprites is called: as it is asked for.
fn name(style: Style, rows: usize) -> String {
    match rows {
        DEFAULT_ROWS => style.name().to_owned(),
        _ => format!("{}:{rows}", style.name()),
    }
}

/// The data set that `spec` stands for, if it is one of sprites: a name, or name and rows as in
/// `sprites:5000`.
pub(crate) fn named(spec: &str) -> Option<Result<Dataset>> {
    let (name, rows) = match spec.split_once(':') {
        Some((name, rows)) => (name, Some(rows)),
        None => (spec, None),
    };
    let style = Style::ALL.into_iter().find(|style| style.name() == name)?;
    Some(match rows.map_or(Ok(DEFAULT_ROWS), str::parse) {
        Ok(rows) => Dataset::sprites(style, rows),
        Err(_) => {
            let (name, found) = (style.name(), rows.unwrap_or_default().to_owned());
            Err(Error::SpriteRows { name, found, grid: Sprites::new(style).factors().len() })
        }
    })
}
