//! One look per model: a colour and a shape.
//!
//! Colours are Okabe and Ito's, which stay apart for colour-blind readers; shapes
//! repeat the distinction for print and for those who see no colour at all. Seven
//! colours and six shapes have no common factor, so 42 models look different.

use crate::svg::{Path, Svg};

const COLOURS: usize = 7;
const SHAPES: usize = 6;

/// How model number `i` of a comparison is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look(pub(crate) usize);

impl Look {
    /// The class that sets the colour.
    pub(crate) fn class(self) -> String {
        format!("m{}", self.0 % COLOURS)
    }

    /// Adds the shape to a path, centred at `(x, y)`; a circle of radius `size` and
    /// the other shapes have about the same area.
    pub(crate) fn mark(self, path: &mut Path, (x, y): (f64, f64), size: f64) {
        let s = |factor: f64| (size * factor * 10.0).round() / 10.0;
        match self.0 % SHAPES {
            0 => {
                let (r, d) = (s(1.0), s(2.0));
                path.move_to(x - size, y);
                path.relative(&format!("a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0-{d} 0z"));
            }
            1 => {
                let d = s(1.8);
                path.move_to(x - size * 0.9, y - size * 0.9);
                path.relative(&format!("h{d}v{d}h-{d}z"));
            }
            2 => {
                let (half, height) = (s(1.2), s(2.1));
                path.move_to(x, y - size * 1.2);
                path.relative(&format!("l{half} {height}h-{}z", s(2.4)));
            }
            3 => {
                let d = s(1.3);
                path.move_to(x, y - size * 1.3);
                path.relative(&format!("l{d} {d}l-{d} {d}l-{d}-{d}z"));
            }
            4 => {
                let (arm, width) = (s(0.85), s(0.7));
                path.move_to(x - size * 0.35, y - size * 1.2);
                path.relative(&format!(
                    "h{width}v{arm}h{arm}v{width}h-{arm}v{arm}h-{width}v-{arm}h-{arm}v-{width}h{arm}z"
                ));
            }
            _ => {
                let (half, height) = (s(1.2), s(2.1));
                path.move_to(x, y + size * 1.2);
                path.relative(&format!("l{half}-{height}h-{}z", s(2.4)));
            }
        }
    }

    /// The shape alone, as decoration beside a name.
    pub(crate) fn swatch(self) -> String {
        let mut svg = Svg::new(14.0, 14.0);
        let mut path = Path::default();
        self.mark(&mut path, (7.0, 7.0), 4.5);
        svg.open(&self.class());
        svg.path("solid", &path, "");
        svg.close();
        svg.finish_decoration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_differ() {
        let looks: std::collections::HashSet<String> =
            (0..COLOURS * SHAPES).map(|i| Look(i).swatch()).collect();
        assert_eq!(looks.len(), COLOURS * SHAPES);
    }
}
