//! The little statistics a figure needs: quantiles, ranks, interpolation.
//!
//! The report does not compute results. What stands here only *describes* stored
//! rows (a band over many curves, the rank correlation of two columns), and treats
//! infinities as what they are, the largest values, rather than as missing.

use vaegis_study::statistics;

/// The quantile of sorted values, interpolating linearly between neighbours; a
/// neighbour at infinity makes the result infinite, never NaN.
pub(crate) fn quantile(sorted: &[f64], level: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = level.clamp(0.0, 1.0) * last as f64;
    let (below, share) = (position.floor() as usize, position.fract());
    let (a, b) = (sorted[below], sorted[(below + 1).min(last)]);
    Some(if share == 0.0 || a == b { a } else { a + share * (b - a) })
}

/// Sorts by value; NaN must have been dropped (it would sort to an end, unnoticed).
pub(crate) fn sort(values: &mut [f64]) {
    values.sort_unstable_by(f64::total_cmp);
}

/// At most `limit` of `items`, in order: one from each of `limit` equal stretches.
///
/// Where in its stretch follows the golden ratio rather than a fixed step, which would
/// only ever meet some of the classes of data sorted in cycles.
pub(crate) fn evenly<T>(items: &[T], limit: usize) -> impl Iterator<Item = &T> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (n, shown) = (items.len(), items.len().min(limit));
    (0..shown).map(move |i| {
        let (from, to) = (i * n / shown, (i + 1) * n / shown);
        let within = (i as f64 * GOLDEN).fract() * (to - from) as f64;
        &items[from + (within as usize).min(to - from - 1)]
    })
}

/// Linear interpolation of a curve sorted by x; `None` outside its range.
pub(crate) fn interpolate(curve: &[(f64, f64)], x: f64) -> Option<f64> {
    let after = curve.partition_point(|&(at, _)| at < x);
    let &(x1, y1) = curve.get(after)?;
    if x1 == x {
        return Some(y1);
    }
    let &(x0, y0) = curve.get(after.checked_sub(1)?)?;
    Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
}

/// What many curves do at one x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BandPoint {
    pub(crate) x: f64,
    pub(crate) p10: f64,
    pub(crate) median: f64,
    pub(crate) p90: f64,
    /// Share of the curves that reach this x.
    pub(crate) share: f64,
}

/// Median and 10-90% band of `curves` on `grid`, where at least half of them have data.
///
/// Curves end at different x. Where few are left, the survivors are the robust
/// points and their median flatters the model, hence the half; the share is kept so
/// that a figure can say where the curve no longer speaks for nearly all points.
pub(crate) fn band(curves: &[Vec<(f64, f64)>], grid: &[f64]) -> Vec<BandPoint> {
    let mut points = Vec::with_capacity(grid.len());
    let mut values = Vec::with_capacity(curves.len());
    for &x in grid {
        values.clear();
        values.extend(curves.iter().filter_map(|curve| interpolate(curve, x)));
        if values.is_empty() || 2 * values.len() < curves.len() {
            continue;
        }
        sort(&mut values);
        let at = |level| quantile(&values, level).unwrap_or(0.0);
        points.push(BandPoint {
            x,
            p10: at(0.1),
            median: at(0.5),
            p90: at(0.9),
            share: values.len() as f64 / curves.len() as f64,
        });
    }
    points
}

/// Spearman's rank correlation with an approximate 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Correlation {
    pub(crate) rho: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) count: usize,
}

/// Spearman's correlation of pairs without NaN: ties share their mean rank, so
/// infinities are simply the largest. `None` below four pairs or without variation.
///
/// The interval is Fisher's transform with the standard error of Bonett and Wright
/// (2000), `sqrt((1 + rho^2/2) / (n - 3))`.
pub(crate) fn spearman(pairs: &[(f64, f64)]) -> Option<Correlation> {
    let count = pairs.len();
    if count < 4 {
        return None;
    }
    let rho = statistics::spearman(pairs)?;
    let half = 1.96 * ((1.0 + rho * rho / 2.0) / (count as f64 - 3.0)).sqrt();
    let centre = rho.atanh();
    Some(Correlation { rho, low: (centre - half).tanh(), high: (centre + half).tanh(), count })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn quantiles_interpolate_and_survive_infinity() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0], 0.9), Some(3.0));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, f64::INFINITY], 0.5), Some(f64::INFINITY));
        assert_eq!(quantile(&[f64::INFINITY; 2], 0.5), Some(f64::INFINITY));
    }

    #[test]
    fn curves_are_interpolated_but_never_extrapolated() {
        let curve = [(1.0, 10.0), (2.0, 20.0), (2.0, 25.0), (4.0, 0.0)];
        assert_eq!(interpolate(&curve, 0.99), None);
        assert_eq!(interpolate(&curve, 1.0), Some(10.0));
        assert_eq!(interpolate(&curve, 1.5), Some(15.0));
        assert_eq!(interpolate(&curve, 3.0), Some(12.5));
        assert_eq!(interpolate(&curve, 4.0), Some(0.0));
        assert_eq!(interpolate(&curve, 4.01), None);
        assert_eq!(interpolate(&[], 1.0), None);
    }

    #[test]
    fn a_band_needs_half_of_the_curves() {
        let curves =
            vec![vec![(0.0, 0.0), (1.0, 1.0)], vec![(0.0, 2.0), (1.0, 3.0)], vec![(0.0, 4.0)]];
        let band = band(&curves, &[0.0, 0.5, 2.0]);
        assert_eq!(band.len(), 2);
        assert_eq!((band[0].median, band[0].share), (2.0, 1.0));
        assert_eq!((band[1].median, band[1].share), (1.5, 2.0 / 3.0));
        assert!((band[0].p10 - 0.4).abs() < 1e-12 && (band[0].p90 - 3.6).abs() < 1e-12);
    }

    #[test]
    fn spearman_ranks_ties_and_infinities() {
        let up: Vec<_> = (0..10).map(|i| (f64::from(i), f64::from(i).exp())).collect();
        assert_eq!(spearman(&up).map(|c| c.rho), Some(1.0));
        let mut down: Vec<_> = up.iter().map(|&(a, b)| (a, -b)).collect();
        down[9].0 = f64::INFINITY;
        assert_eq!(spearman(&down).map(|c| c.rho), Some(-1.0));
        assert_eq!(spearman(&[(1.0, 1.0); 9]), None);
        assert_eq!(spearman(&up[..3]), None);
    }

    #[test]
    fn evenly_spreads_over_everything() {
        let items: Vec<usize> = (0..1000).collect();
        let chosen: Vec<usize> = evenly(&items, 100).copied().collect();
        assert!(chosen.iter().enumerate().all(|(i, at)| at / 10 == i), "{chosen:?}");
        // Every residue of a short cycle is met, as a fixed step of 10 would not.
        assert_eq!(chosen.iter().map(|at| at % 5).collect::<HashSet<_>>().len(), 5);
        assert!(evenly(&items, 5000).eq(&items));
        assert_eq!(evenly(&items, 0).count(), 0);
    }
}
