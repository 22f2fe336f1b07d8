//! Small multiples: panels in rows and columns on a page seven inches wide.
//!
//! A user unit is a point (1/72 inch). A row of panels has its title above its first panel; labels
//! of an axis that panels have in common are written once. Many columns are broken into blocks, and
//! the rows of a single column stand side by side.

use crate::axis::{Axis, Domain};
use crate::svg::{Anchor, Path, Svg};

use super::view::Family;

/// Seven inches.
pub(super) const WIDTH: f64 = 504.0;
/// Panels side by side, at most.
const ABREAST: usize = 4;
const GUTTER: f64 = 15.0;
/// Between panels without labels of their own.
const SHARED_GAP: f64 = 14.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 8.0;
const COLUMN_TITLE: f64 = 14.0;
const ROW_TITLE: f64 = 13.0;
const X_LABELS: f64 = 14.0;
const X_TITLE: f64 = 12.0;
/// What a letter takes of the width, in the average.
pub(super) const LETTER: f64 = 4.0;

/// Rows of panels.
pub(super) struct Row {
    pub(super) title: String,
    pub(super) height: f64,
    /// Whether all panels of the row have the same y axis.
    pub(super) shared: bool,
}

/// Where a panel is, and what is written beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) x_labels: bool,
    pub(super) y_labels: bool,
    /// Whether no panel stands to the right of it.
    pub(super) last: bool,
}

/// A panel's axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Frame {
    /// Where a pair is drawn; `None` if either value is NaN.
    pub(super) fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        self.x.place(x).zip(self.y.place(y))
    }
}

/// A figure under construction, from top to bottom.
pub(super) struct Sheet {
    pub(super) svg: Svg,
    pub(super) bottom: f64,
}

impl Sheet {
    pub(super) fn new() -> Self {
        Self { svg: Svg::new(WIDTH, 0.0), bottom: 4.0 }
    }

    /// Marks and their names, in as many lines as they take.
    pub(super) fn legend(&mut self, keys: impl IntoIterator<Item = LegendKey>) {
        let (mut x, mut y) = (2.0, self.bottom + 8.0);
        for key in keys {
            let width = 15.0 + LETTER * key.name.chars().count() as f64 + 12.0;
            if x > 2.0 && x + width > WIDTH {
                (x, y) = (2.0, y + 12.0);
            }
            self.svg.open(&key.class);
            self.svg.path(key.stroke, &(key.draw)((x + 5.0, y - 3.0)), "");
            self.svg.close();
            self.svg.text("label", Anchor::Start, (x + 14.0, y), &key.name);
            x += width;
            self.bottom = y + 8.0;
        }
    }

    /// Places of panels, `[row][column]`, below what was drawn before; titles are drawn.
    pub(super) fn layout(&mut self, columns: &[String], rows: &[Row]) -> Vec<Vec<Place>> {
        if let [only] = columns {
            return self.side_by_side(only, rows);
        }
        let mut places = vec![Vec::with_capacity(columns.len()); rows.len()];
        let gap = if rows.iter().all(|row| row.shared) { SHARED_GAP } else { 36.0 };
        for block in columns.chunks(ABREAST) {
            let abreast = columns.len().min(ABREAST);
            for (i, title) in block.iter().enumerate() {
                self.column_title(span(i, abreast, gap).0, title);
            }
            self.bottom += COLUMN_TITLE;
            for (number, row) in rows.iter().enumerate() {
                let top = self.bottom + ROW_TITLE;
                self.svg.text("title", Anchor::Start, (2.0, top - 5.0), &row.title);
                for i in 0..block.len() {
                    let (left, right) = span(i, abreast, gap);
                    places[number].push(Place {
                        left,
                        right,
                        top,
                        bottom: top + row.height,
                        x_labels: number + 1 == rows.len(),
                        y_labels: i == 0 || !row.shared,
                        last: i + 1 == block.len(),
                    });
                }
                self.bottom = top + row.height + 6.0;
            }
            self.bottom += X_LABELS + X_TITLE;
        }
        places
    }

    /// The rows of a single column.
    fn side_by_side(&mut self, title: &str, rows: &[Row]) -> Vec<Vec<Place>> {
        let mut places = Vec::with_capacity(rows.len());
        let abreast = if rows.len() == 4 { 2 } else { rows.len().clamp(2, 3) };
        self.column_title(LEFT, title);
        self.bottom += COLUMN_TITLE;
        for line in rows.chunks(abreast) {
            let top = self.bottom + ROW_TITLE;
            let bottom = top + line.iter().map(|row| row.height).fold(0.0, f64::max);
            for (i, row) in line.iter().enumerate() {
                let (left, right) = span(i, abreast, 40.0);
                self.svg.text("title", Anchor::Start, (left - 26.0, top - 5.0), &row.title);
                let (x_labels, y_labels, last) = (true, true, true);
                places.push(vec![Place { left, right, top, bottom, x_labels, y_labels, last }]);
            }
            self.bottom = bottom + X_LABELS + X_TITLE + 4.0;
        }
        places
    }

    fn column_title(&mut self, left: f64, title: &str) {
        self.svg.text("column", Anchor::Start, (left, self.bottom + 10.0), title);
    }

    /// Draws a panel's axes. The title of x is written where its labels are, if no panel stands to
    /// the right.
    pub(super) fn frame(&mut self, place: Place, x: (Domain, &str), y: Domain) -> Frame {
        let frame = Frame {
            x: Axis::with_gutters(x.0, place.left, place.right, GUTTER),
            y: Axis::with_gutters(y, place.bottom, place.top, GUTTER),
        };
        self.gutters(place, &frame);
        for tick in frame.x.domain.ticks(((place.right - place.left) / 30.0).max(3.0) as usize) {
            let Some(at) = frame.x.place(tick.value) else { continue };
            self.svg.line("grid", (at, place.top), (at, place.bottom));
            self.x_label(place, at, &tick.label);
        }
        for tick in frame.y.domain.ticks(((place.bottom - place.top) / 24.0) as usize) {
            let Some(at) = frame.y.place(tick.value) else { continue };
            self.svg.line("grid", (place.left, at), (place.right, at));
            self.y_label(place, at, &tick.label);
        }
        self.svg.line("axis", (place.left, place.bottom), (place.right, place.bottom));
        if place.x_labels && place.last {
            let at = (place.right, place.bottom + X_LABELS + 9.0);
            self.svg.text("title", Anchor::End, at, x.1);
        }
        frame
    }

    fn gutters(&mut self, place: Place, frame: &Frame) {
        let half = frame.x.gutter_half();
        let height = place.bottom - place.top;
        for (at, label) in [(frame.x.zero_gutter(), "0"), (frame.x.infinity_gutter(), "∞")] {
            let Some(at) = at else { continue };
            self.svg.rect("gutter", (at - half, place.top), (2.0 * half, height), "");
            self.x_label(place, at, label);
        }
        let width = place.right - place.left;
        for (at, label) in [(frame.y.zero_gutter(), "0"), (frame.y.infinity_gutter(), "∞")] {
            let Some(at) = at else { continue };
            self.svg.rect("gutter", (place.left, at - half), (width, 2.0 * half), "");
            self.y_label(place, at, label);
        }
    }

    fn x_label(&mut self, place: Place, at: f64, label: &str) {
        if place.x_labels {
            self.svg.text("tick", Anchor::Middle, (at, place.bottom + 11.0), label);
        }
    }

    fn y_label(&mut self, place: Place, at: f64, label: &str) {
        if place.y_labels {
            self.svg.text("tick", Anchor::End, (place.left - 4.0, at + 2.8), label);
        }
    }

    /// Words in place of a panel that has no data.
    pub(super) fn missing(&mut self, place: Place, why: &str) {
        let middle = (place.top + place.bottom) / 2.0;
        self.svg.rect(
            "gutter",
            (place.left, place.top),
            (place.right - place.left, place.bottom - place.top),
            "",
        );
        let at = ((place.left + place.right) / 2.0, middle + 3.0);
        self.svg.text("tick", Anchor::Middle, at, why);
    }

    /// Words in the lower left corner of a panel.
    pub(super) fn corner(&mut self, frame: &Frame, words: &str) {
        let at = (frame.x.range.0 + 3.0, frame.y.range.0 - 4.0);
        self.svg.text("remark", Anchor::Start, at, words);
    }

    /// The drawing, on white or the page's colour.
    pub(super) fn finish(mut self) -> Svg {
        self.svg.set_height(self.bottom + 4.0);
        self.svg.on_paper("study")
    }
}

/// How wide panels of so many columns are, where rows are shared.
pub(super) fn panel_width(columns: usize) -> f64 {
    let (left, right) = span(0, columns.clamp(2, ABREAST), SHARED_GAP);
    right - left
}

/// Left and right of panel `i` of `n` side by side.
fn span(i: usize, n: usize, gap: f64) -> (f64, f64) {
    let width = (WIDTH - LEFT - RIGHT - gap * (n as f64 - 1.0)) / n as f64;
    let left = LEFT + i as f64 * (width + gap);
    (left, left + width)
}

/// A line of a legend.
pub(super) struct LegendKey {
    pub(super) class: String,
    pub(super) stroke: &'static str,
    pub(super) draw: Box<dyn Fn((f64, f64)) -> Path>,
    pub(super) name: String,
}

impl LegendKey {
    /// The marker of a family.
    pub(super) fn family(family: &Family<'_>) -> Self {
        let (look, name) = (family.look, family.name.clone());
        let draw = move |at| {
            let mut mark = Path::default();
            look.mark(&mut mark, at, 3.4);
            mark
        };
        Self { class: family.class(), stroke: "solid", draw: Box::new(draw), name }
    }

    /// A short line.
    pub(super) fn line(class: &str, stroke: &'static str, name: &str) -> Self {
        let draw = |(x, y): (f64, f64)| Path::through([(x - 5.0, y), (x + 5.0, y)]);
        Self { class: class.to_owned(), stroke, draw: Box::new(draw), name: name.to_owned() }
    }
}
