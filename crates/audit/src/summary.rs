//! From rows to the numbers of `summary.json`.
//!
//! Rows are pushed one at a time and only the values that quantiles need are kept, so a summary
//! of an audit takes a few numbers per point and not its rows. Quantiles are exact; a sketch
//! would save memory nobody misses and make the headline of a report approximate.
//!
//! What counts as what:
//! - A failed row counts towards `failed` and nothing else: it enters no quantile, and it is
//!   neither robust nor non-robust. `points` counts every point, failed ones included, once.
//! - NaN is no value: it is left out of quantiles, and a point whose limit is NaN or missing is
//!   not robust.
//! - Quantities of a point (not of a radius) are counted once per point.

use std::collections::HashMap;

use crate::schema::{PointRow, Quantiles, RadiusSummary, SCHEMA_VERSION, Status, Summary};
use crate::store::{AuditFolder, Error};

impl Quantiles {
    /// Order statistics of `values`, NaN left out; percentiles interpolate linearly between
    /// neighbours.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let infinite = values.iter().filter(|value| value.is_infinite()).count();
        let finite = values.len() - infinite;
        let sum: f64 = values.iter().filter(|value| value.is_finite()).sum();
        Self {
            count: values.len(),
            infinite,
            mean: (finite > 0).then(|| sum / finite as f64).filter(|mean| mean.is_finite()),
            p10: percentile(&values, 0.10),
            p25: percentile(&values, 0.25),
            median: percentile(&values, 0.50),
            p75: percentile(&values, 0.75),
            p90: percentile(&values, 0.90),
        }
    }
}

fn percentile(sorted: &[f64], level: f64) -> Option<f64> {
    let position = level * sorted.len().checked_sub(1)? as f64;
    let below = position.floor();
    let weight = position - below;
    let low = *sorted.get(below as usize)?;
    // A weight of zero must not meet an infinite neighbour.
    let value = match sorted.get(below as usize + 1) {
        Some(high) if weight > 0.0 => low + weight * (high - low),
        _ => low,
    };
    value.is_finite().then_some(value)
}

/// What a summary says that rows do not.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Name of the model.
    pub model: String,
    /// One line on what the model is.
    pub description: String,
    /// Name of the data set.
    pub dataset: String,
    /// Draws per point.
    pub draws: usize,
    /// 1 - alpha is the level of intervals and limits.
    pub alpha: f64,
    /// Norm of perturbations.
    pub norm: String,
    /// Box of perturbed inputs.
    pub r#box: String,
    /// Seed of all noise.
    pub seed: u64,
    /// The radii in the order they were asked for. Each gets an entry, even without rows; rows
    /// of other radii get entries after them.
    pub radii: Vec<String>,
}

/// Summarises everything that is stored in a folder.
pub fn summarise(folder: &AuditFolder, header: Header) -> Result<Summary, Error> {
    let mut builder = SummaryBuilder::default();
    folder.for_each_row(|row| builder.push(&row))?;
    Ok(builder.finish(header))
}

/// A summary in the making; rows may come in any order.
#[derive(Debug, Clone, Default)]
pub struct SummaryBuilder {
    points: HashMap<i64, Point>,
    sigma_min: Vec<f64>,
    sigma_mean: Vec<f64>,
    jacobian_frobenius: Vec<f64>,
    jacobian_spectral: Vec<f64>,
    whitened_jacobian_spectral: Vec<f64>,
    jacobian_error: Vec<f64>,
    seconds: Vec<f64>,
    seconds_attacked: Vec<f64>,
    radii: Vec<(String, Radius)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Point {
    measured: bool,
    failed: bool,
}

#[derive(Debug, Clone, Default)]
struct Radius {
    rows: usize,
    robust: usize,
    r: Vec<f64>,
    p: Vec<f64>,
    bound_paper: Vec<f64>,
    bound_sharp: Vec<f64>,
    certified: Vec<f64>,
    certified_share: Vec<f64>,
    attacked: Vec<f64>,
    degradation: Vec<f64>,
    compared: usize,
    below_paper: usize,
    below_sharp: usize,
}

impl SummaryBuilder {
    /// Takes a row into account.
    pub fn push(&mut self, row: &PointRow) {
        let point = self.points.entry(row.index).or_default();
        if row.status == Status::Failed {
            point.failed = true;
            return;
        }
        if !point.measured {
            point.measured = true;
            self.sigma_min.extend(row.sigma_min);
            self.sigma_mean.extend(row.sigma_mean);
            self.jacobian_frobenius.extend(row.jacobian_frobenius);
            self.jacobian_spectral.extend(row.jacobian_spectral);
            self.whitened_jacobian_spectral.extend(row.whitened_jacobian_spectral);
            self.jacobian_error.extend(row.jacobian_error);
            self.seconds.push(row.seconds);
            self.seconds_attacked.extend(row.seconds_attacked);
        }
        let known = self.radii.iter().position(|(name, _)| *name == row.radius);
        let at = known.unwrap_or_else(|| {
            self.radii.push((row.radius.clone(), Radius::default()));
            self.radii.len() - 1
        });
        if let Some((_, radius)) = self.radii.get_mut(at) {
            radius.push(row);
        }
    }

    /// The summary of the rows so far.
    pub fn finish(mut self, header: Header) -> Summary {
        let of = |values: Vec<f64>| Quantiles::of(values.into_iter());
        let asked = header.radii.into_iter().map(|name| {
            let known = self.radii.iter().position(|(other, _)| *other == name);
            known.map_or_else(|| (name, Radius::default()), |at| self.radii.remove(at))
        });
        let mut radii: Vec<(String, Radius)> = asked.collect();
        radii.append(&mut self.radii);
        Summary {
            schema_version: SCHEMA_VERSION,
            vaegis_version: env!("CARGO_PKG_VERSION").to_owned(),
            model: header.model,
            description: header.description,
            dataset: header.dataset,
            points: self.points.len(),
            failed: self.points.values().filter(|point| point.failed).count(),
            draws: header.draws,
            alpha: header.alpha,
            norm: header.norm,
            r#box: header.r#box,
            seed: header.seed,
            sigma_min: of(self.sigma_min),
            sigma_mean: of(self.sigma_mean),
            jacobian_frobenius: of(self.jacobian_frobenius),
            jacobian_spectral: of(self.jacobian_spectral),
            whitened_jacobian_spectral: of(self.whitened_jacobian_spectral),
            jacobian_error: of(self.jacobian_error),
            seconds: of(self.seconds),
            seconds_attacked: of(self.seconds_attacked),
            radii: radii.into_iter().map(|(name, radius)| radius.finish(name)).collect(),
        }
    }
}

impl Radius {
    fn push(&mut self, row: &PointRow) {
        self.rows += 1;
        // False for NaN and for nothing.
        self.robust += usize::from(row.p_lower_limit.is_some_and(|limit| limit > 0.5));
        self.r.extend(row.r);
        self.p.extend(row.p);
        self.bound_paper.extend(row.bound_paper_limit);
        self.bound_sharp.extend(row.bound_sharp_limit);
        self.certified.extend(row.certified);
        self.attacked.extend(row.attacked);
        self.degradation.extend(row.degradation);
        let value = |cell: Option<f64>| cell.filter(|value| !value.is_nan());
        if let (Some(certified), Some(attacked)) = (value(row.certified), value(row.attacked))
            && attacked > 0.0
            && attacked.is_finite()
        {
            self.certified_share.push(certified / attacked);
        }
        if let (Some(attacked), Some(paper), Some(sharp)) =
            (value(row.attacked), value(row.bound_paper_limit), value(row.bound_sharp_limit))
        {
            self.compared += 1;
            self.below_paper += usize::from(attacked < paper);
            self.below_sharp += usize::from(attacked < sharp);
        }
    }

    fn finish(self, radius: String) -> RadiusSummary {
        let certified = self.certified.iter().filter(|&&margin| margin > 0.0).count();
        let of = |values: Vec<f64>| Quantiles::of(values.into_iter());
        RadiusSummary {
            radius,
            r: of(self.r),
            p: of(self.p),
            robust_fraction: self.robust as f64 / self.rows.max(1) as f64,
            bound_paper: of(self.bound_paper),
            bound_sharp: of(self.bound_sharp),
            certified_fraction: certified as f64 / self.rows.max(1) as f64,
            certified: of(self.certified),
            certified_share: of(self.certified_share),
            attacked: of(self.attacked),
            degradation: of(self.degradation),
            below_paper: self.below_paper,
            below_sharp: self.below_sharp,
            compared: self.compared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample::row;

    const INF: f64 = f64::INFINITY;

    fn header(radii: &[&str]) -> Header {
        Header {
            model: "m".to_owned(),
            description: "a model".to_owned(),
            dataset: "d".to_owned(),
            draws: 100,
            alpha: 0.05,
            norm: "l2".to_owned(),
            r#box: "0,1".to_owned(),
            seed: 0,
            radii: radii.iter().map(|radius| (*radius).to_owned()).collect(),
        }
    }

    fn summary(rows: &[PointRow], radii: &[&str]) -> Summary {
        let mut builder = SummaryBuilder::default();
        rows.iter().for_each(|row| builder.push(row));
        builder.finish(header(radii))
    }

    #[test]
    fn quantiles_interpolate() {
        let quantiles = Quantiles::of((0..=10).rev().map(f64::from));
        assert_eq!(quantiles.count, 11);
        assert_eq!(quantiles.mean, Some(5.0));
        assert_eq!((quantiles.p10, quantiles.median), (Some(1.0), Some(5.0)));
        assert_eq!((quantiles.p25, quantiles.p75), (Some(2.5), Some(7.5)));
    }

    #[test]
    fn quantiles_leave_out_nan_and_sort_infinity_last() {
        let quantiles = Quantiles::of([INF, 1.0, f64::NAN, 3.0, 2.0, INF].into_iter());
        assert_eq!((quantiles.count, quantiles.infinite), (5, 2));
        assert_eq!(quantiles.mean, Some(2.0));
        // The median is a value, so its infinite neighbour is not mixed in.
        assert_eq!((quantiles.median, quantiles.p90), (Some(3.0), None));
        assert_eq!(Quantiles::of([f64::NAN].into_iter()), Quantiles::default());
    }

    #[test]
    fn a_point_counts_once_whatever_its_radii() {
        let rows = [row(1, "4"), row(1, "8"), row(2, "8"), row(2, "4")];
        let summary = summary(&rows, &["4", "8", "q0.9"]);
        assert_eq!((summary.points, summary.failed), (2, 0));
        assert_eq!((summary.sigma_min.count, summary.seconds.count), (2, 2));
        let radii: Vec<_> = summary.radii.iter().map(|r| (&r.radius[..], r.p.count)).collect();
        assert_eq!(radii, [("4", 2), ("8", 2), ("q0.9", 0)]);
        assert_eq!(summary.radii[2].robust_fraction, 0.0);
    }

    #[test]
    fn failed_rows_only_count_as_failed() {
        let failed = PointRow { status: Status::Failed, p_lower_limit: Some(0.9), ..row(1, "4") };
        let again = PointRow { radius: "8".to_owned(), ..failed.clone() };
        let ok = PointRow { p_lower_limit: Some(0.9), ..row(2, "4") };
        let summary = summary(&[failed, again, ok], &["4"]);
        assert_eq!((summary.points, summary.failed), (2, 1));
        assert_eq!(summary.radii.len(), 1);
        let radius = &summary.radii[0];
        assert_eq!((radius.p.count, radius.robust_fraction), (1, 1.0));
    }

    #[test]
    fn nan_and_nothing_are_not_robust() {
        let rows: Vec<_> = [Some(f64::NAN), None, Some(0.5), Some(0.51)]
            .into_iter()
            .zip(0..)
            .map(|(p_lower_limit, index)| PointRow { p_lower_limit, ..row(index, "4") })
            .collect();
        assert_eq!(summary(&rows, &["4"]).radii[0].robust_fraction, 0.25);
    }

    #[test]
    fn below_means_strictly_below_both_given() {
        let case = |index, attacked, paper, sharp| PointRow {
            attacked,
            bound_paper_limit: paper,
            bound_sharp_limit: sharp,
            ..row(index, "4")
        };
        let rows = [
            case(0, Some(1.0), Some(1.0), Some(1.5)),
            case(1, Some(1.0), Some(1.1), Some(0.5)),
            case(2, Some(INF), Some(2.0), Some(INF)),
            case(3, Some(f64::NAN), Some(2.0), Some(3.0)),
            case(4, None, Some(2.0), Some(3.0)),
            case(5, Some(1.0), Some(2.0), Some(f64::NAN)),
        ];
        let radius = &summary(&rows, &["4"]).radii[0];
        assert_eq!((radius.compared, radius.below_paper, radius.below_sharp), (3, 1, 1));
    }
}
