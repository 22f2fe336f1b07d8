//! The frame that figures share: grid, ticks, gutters and axis titles.
//!
//! The title of the y axis stands above it, horizontally, because nobody reads
//! sideways; the grid is faint because the data are what to look at.

use crate::axis::{Axis, Domain};
use crate::svg::{Anchor, Svg};

/// Width of every figure in user units; the page scales it.
pub(crate) const WIDTH: f64 = 480.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 44.0;

/// A drawing with two axes, ready for data.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) svg: Svg,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl Panel {
    pub(crate) fn new(height: f64, x: (Domain, &str), y: (Domain, &str)) -> Self {
        let mut panel = Self {
            svg: Svg::new(WIDTH, height),
            x: Axis::new(x.0, LEFT, WIDTH - RIGHT),
            y: Axis::new(y.0, height - BOTTOM, TOP),
        };
        panel.gutters();
        panel.vertical_ticks();
        panel.horizontal_ticks();
        let ((left, right), (bottom, _)) = (panel.x.ends, panel.y.ends);
        panel.svg.line("axis", (left, bottom), (right, bottom));
        panel.svg.text("axis-title", Anchor::Start, (4.0, 14.0), y.1);
        panel.svg.text("axis-title", Anchor::End, (right, bottom + 36.0), x.1);
        panel
    }

    /// Where a pair is drawn; `None` if either value is NaN.
    pub(crate) fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        self.x.place(x).zip(self.y.place(y))
    }

    fn gutters(&mut self) {
        let ((left, right), (bottom, top)) = (self.x.ends, self.y.ends);
        let half = self.x.gutter_half();
        let columns = [(self.x.zero_gutter(), "0"), (self.x.infinity_gutter(), "∞")];
        for (x, label) in columns.into_iter().filter_map(|(x, label)| Some((x?, label))) {
            self.svg.rect("gutter", (x - half, top), (2.0 * half, bottom - top), "");
            self.svg.text("tick", Anchor::Middle, (x, bottom + 16.0), label);
        }
        let rows = [(self.y.zero_gutter(), "0"), (self.y.infinity_gutter(), "∞")];
        for (y, label) in rows.into_iter().filter_map(|(y, label)| Some((y?, label))) {
            self.svg.rect("gutter", (left, y - half), (right - left, 2.0 * half), "");
            self.svg.text("tick", Anchor::End, (left - 7.0, y + 4.0), label);
        }
    }

    fn vertical_ticks(&mut self) {
        let (bottom, top) = self.y.ends;
        for tick in self.x.domain.ticks(6) {
            if let Some(x) = self.x.place(tick.value) {
                self.svg.line("grid", (x, top), (x, bottom));
                self.svg.text("tick", Anchor::Middle, (x, bottom + 16.0), &tick.label);
            }
        }
    }

    fn horizontal_ticks(&mut self) {
        let (left, right) = self.x.ends;
        for tick in self.y.domain.ticks(5) {
            if let Some(y) = self.y.place(tick.value) {
                self.svg.line("grid", (left, y), (right, y));
                self.svg.text("tick", Anchor::End, (left - 7.0, y + 4.0), &tick.label);
            }
        }
    }
}
