//! Points faint, models strong: what scatter plots of a study have in common.

use vaegis_study::schema::ModelRow;

use crate::stats::evenly;
use crate::svg::Path;
use crate::text;

use super::sheet::{Frame, LegendKey, Sheet};
use super::view::{View, describe};

/// Points drawn in one panel; more would only make it darker.
pub(super) const POINTS: usize = 1500;
/// Points are split over this many translucent layers, so that density shows.
const LAYERS: usize = 6;

/// A pair that belongs to a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) model: &'a ModelRow,
    /// Row in the data set; none for the median of a model.
    pub(super) index: Option<i64>,
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Pair<'_> {
    pub(super) fn is_known(&self) -> bool {
        !self.x.is_nan() && !self.y.is_nan()
    }
}

/// At most [`POINTS`] of them, evenly chosen.
pub(super) fn chosen<'p, 'a>(pairs: &'p [Pair<'a>]) -> impl Iterator<Item = &'p Pair<'a>> {
    evenly(pairs, POINTS)
}

/// What a caption says when not all points are drawn.
pub(super) fn sampled(most: usize) -> String {
    if most <= POINTS {
        return String::new();
    }
    format!(
        " {} points are drawn in a panel, of at most {}, evenly chosen.",
        text::integer(POINTS),
        text::integer(most)
    )
}

/// Dots in the colour of the family.
pub(super) fn dots(sheet: &mut Sheet, view: &View<'_>, frame: &Frame, pairs: &[Pair<'_>]) {
    let mut layers = vec![vec![Path::default(); view.families.len()]; LAYERS];
    for (i, pair) in chosen(pairs).enumerate() {
        if let Some((x, y)) = frame.place(pair.x, pair.y) {
            let layer = &mut layers[i % LAYERS][view.family(pair.model)];
            layer.move_to(x, y);
            layer.relative("h.1"); // a dot, by its round cap
        }
    }
    for layer in layers {
        for (family, path) in view.families.iter().zip(layer) {
            sheet.svg.path(&format!("dot {}", family.class()), &path, "");
        }
    }
}

/// A marker for each model, larger where its objective is stronger.
pub(super) fn models(
    sheet: &mut Sheet,
    view: &View<'_>,
    frame: &Frame,
    pairs: &[Pair<'_>],
    (x, y): (&str, &str),
) {
    for pair in pairs {
        let Some(at) = frame.place(pair.x, pair.y) else { continue };
        let family = &view.families[view.family(pair.model)];
        let mut mark = Path::default();
        family.look.mark(&mut mark, at, family.marker(pair.model));
        let (of_x, of_y) = (text::number(pair.x), text::number(pair.y));
        let tip = format!("{}: {x} {of_x}, {y} {of_y}", describe(pair.model));
        sheet.svg.path(&format!("solid {}", family.class()), &mark, &tip);
    }
}

/// Keys for all families.
pub(super) fn keys(view: &View<'_>) -> Vec<LegendKey> {
    view.families.iter().map(LegendKey::family).collect()
}

/// What a caption says of the size of markers.
pub(super) fn sizes(view: &View<'_>) -> &'static str {
    if view.families.iter().any(|family| family.varies()) {
        ", larger where the objective is stronger"
    } else {
        ""
    }
}
