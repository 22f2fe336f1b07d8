//! Rows of a table, signals and other inputs that are not pictures: a small line plot.
//!
//! Long series are thinned by keeping the least and the largest value of every stretch,
//! so that a single spike survives, which is what a perturbation may be.

use crate::axis::Axis;
use crate::plot::WIDTH;
use crate::svg::{Anchor, Path, Svg};
use crate::text;

const HEIGHT: f64 = 110.0;
const LEFT: f64 = 52.0;
/// Stretches of a long series.
const STRETCHES: usize = 200;

/// One line of the plot: its class and its values.
pub(crate) struct Line<'a> {
    pub(crate) class: &'static str,
    pub(crate) values: &'a [f32],
}

/// Lines over the position in the series. Values that are not finite leave a gap.
pub(crate) fn plot(lines: &[Line<'_>], id: &str, title: &str) -> String {
    let values = || lines.iter().flat_map(|line| line.values).map(|&v| f64::from(v));
    let finite = values().filter(|v| v.is_finite());
    let (low, high) =
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let (low, high) = if low < high { (low, high) } else { (low.min(0.0), low.max(0.0) + 1.0) };
    let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
    let domain = crate::axis::Domain { low, high, ..crate::axis::Domain::unit() };
    let y = Axis::new(domain, HEIGHT - 8.0, 8.0);
    let mut svg = Svg::new(WIDTH, HEIGHT);
    for tick in domain.ticks(3) {
        if let Some(at) = y.place(tick.value) {
            svg.line("grid", (LEFT, at), (WIDTH - 8.0, at));
            svg.text("tick", Anchor::End, (LEFT - 6.0, at + 4.0), &tick.label);
        }
    }
    for line in lines {
        svg.path(line.class, &trace(line.values, &y), "");
    }
    let length = lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
    let description = format!(
        "{}, between {} and {}.",
        text::count(length, "value"),
        text::number(low),
        text::number(high)
    );
    svg.finish(id, title, &description)
}

fn trace(values: &[f32], y: &Axis) -> Path {
    let last = values.len().saturating_sub(1).max(1) as f64;
    let x = |i: usize| LEFT + 4.0 + (WIDTH - LEFT - 16.0) * i as f64 / last;
    let mut path = Path::default();
    let mut pen_down = false;
    for i in kept(values) {
        let Some(at) = y.place(f64::from(values[i])).filter(|_| values[i].is_finite()) else {
            pen_down = false;
            continue;
        };
        if pen_down {
            path.line_to(x(i), at);
        } else {
            path.move_to(x(i), at);
            path.relative("h.1"); // a lone value is still a dot
        }
        pen_down = true;
    }
    path
}

/// Positions to draw: all of a short series, both extremes of each stretch of a long one.
fn kept(values: &[f32]) -> Vec<usize> {
    if values.len() <= 2 * STRETCHES {
        return (0..values.len()).collect();
    }
    let mut kept = Vec::with_capacity(2 * STRETCHES);
    for stretch in 0..STRETCHES {
        let from = stretch * values.len() / STRETCHES;
        let to = (stretch + 1) * values.len() / STRETCHES;
        let least = (from..to).min_by(|&a, &b| values[a].total_cmp(&values[b]));
        let most = (from..to).max_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut pair: Vec<usize> = least.into_iter().chain(most).collect();
        pair.sort_unstable();
        pair.dedup();
        kept.extend(pair);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_survives_thinning() {
        let mut values = vec![0.0; 10_000];
        values[7777] = 5.0;
        let kept = kept(&values);
        assert!(kept.contains(&7777) && kept.len() <= 2 * STRETCHES);
    }

    #[test]
    fn odd_series_render() {
        for values in [&[][..], &[1.0], &[2.0, 2.0], &[f32::NAN, 1.0, f32::INFINITY]] {
            let svg = plot(&[Line { class: "curve", values }], "id", "t");
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}
