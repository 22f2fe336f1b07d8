//! What is known of a safe set by directions, and the worst of them.
//!
//! Encoders shift the mean farther in some directions than in others, and safe sets end nearer in
//! some: rarely the same. So all directions are cut into sectors, and a shift into each is as long as
//! can be there ([`Reachable::shift_towards`](super::Reachable::shift_towards)) and meets the largest
//! moments there ([`Sectors`]). The worst sector counts.
//!
//! Their axis is the direction in which the encoder moves the mean farthest at x: it does not depend
//! on any draw that limits rest on.
//!
//! Sectors that are neighbours can be bounded together, by the longest of their shifts and the largest
//! of their moments. Where that is clearly little, it is enough: so few sectors are looked at alone.

use std::ops::Range;

use super::Method;
use super::scale::{ENOUGH, Scales};
use crate::statistics::{MomentLimits, Sectors, normal_quantile};

/// Limits of the moments of "beyond r" about a posterior, sector by sector of its noise.
#[derive(Debug, Clone, PartialEq)]
pub struct SectorLimits {
    sectors: Sectors,
    /// Of each sector.
    limits: Vec<MomentLimits>,
}

impl SectorLimits {
    /// Limits in each sector.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn new(sectors: &Sectors, limits: Vec<MomentLimits>) -> Self {
        assert_eq!(sectors.count(), limits.len(), "limits in sectors");
        Self { sectors: sectors.clone(), limits }
    }

    /// The most that `P(|Delta| > r)` can be without a perturbation.
    pub fn probability(&self) -> f64 {
        self.limits.iter().map(|limits| limits.probability).fold(f64::NEG_INFINITY, larger)
    }

    /// `PhiInv` of the most that the probability beyond r can be under all posteriors: negative where
    /// that is less than one half.
    pub(super) fn excess(&self, scales: &Scales<'_>) -> f64 {
        let probability = self.beyond(scales, 2);
        // What decides is the probability, not the rounding of its quantile.
        let quantile = normal_quantile(probability);
        if probability < 0.5 { quantile.min(-f64::MIN_POSITIVE) } else { quantile.max(0.0) }
    }

    /// By the least order of moments that shows what [`excess`](Self::excess) says.
    pub(super) fn method(&self, scales: &Scales<'_>) -> Method {
        let shows = |order: &usize| self.beyond(scales, *order) < 0.5;
        Method::of_order((0..2).find(shows).unwrap_or(2))
    }

    /// The most that the probability beyond r can be under all posteriors, from moments up to an
    /// order. One half and more say no more than that less was not shown.
    fn beyond(&self, scales: &Scales<'_>, order: usize) -> f64 {
        let count = self.limits.len();
        let together = |sectors: Range<usize>| {
            let limits = self.largest(sectors.clone());
            scales.towards(self.sectors.cosines(sectors)).beyond(&limits, order)
        };
        let first = self.suspect(scales);
        let mut worst = together(first..first + 1);
        let mut rest = vec![0..first, first + 1..count];
        while let Some(sectors) = rest.pop().filter(|_| worst < 0.5) {
            if sectors.is_empty() {
                continue;
            }
            let here = together(sectors.clone());
            if sectors.len() == 1 || here <= worst.max(ENOUGH) {
                worst = worst.max(here);
            } else {
                let middle = sectors.start + sectors.len() / 2;
                rest.extend([sectors.start..middle, middle..sectors.end]);
            }
        }
        worst
    }

    /// The sector that is likely to be the worst.
    fn suspect(&self, scales: &Scales<'_>) -> usize {
        let gain = |sector: usize| {
            let shift = scales.shift_towards(self.sectors.cosines(sector..sector + 1));
            let MomentLimits { mean, curvature, .. } = self.limits[sector];
            shift * (mean + 0.5 * shift * curvature)
        };
        let gains: Vec<f64> = (0..self.limits.len()).map(gain).collect();
        (0..gains.len()).max_by(|&a, &b| gains[a].total_cmp(&gains[b])).unwrap_or(0)
    }

    /// The largest moments of some sectors.
    fn largest(&self, sectors: Range<usize>) -> MomentLimits {
        let both = |a: MomentLimits, b: &MomentLimits| MomentLimits {
            probability: larger(a.probability, b.probability),
            mean: larger(a.mean, b.mean),
            curvature: larger(a.curvature, b.curvature),
        };
        let [first, rest @ ..] = &self.limits[sectors] else { unreachable!("no sector") };
        rest.iter().fold(*first, both)
    }
}

impl From<MomentLimits> for SectorLimits {
    /// Of all directions alike.
    fn from(limits: MomentLimits) -> Self {
        Self { sectors: Sectors::whole(), limits: vec![limits] }
    }
}

/// The larger one; NaN if one is.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::Event;
    use super::super::{Ellipsoid, Reachable};
    use super::*;

    /// Shifts in an ellipsoid about the first latent.
    fn shifted(along: f64, across: f64, range: [f64; 2], latents: usize) -> Reachable {
        let longest = along.max(across);
        let axes = [along, across];
        let ellipsoid = Ellipsoid { along, across, axes, joint: 1.0, misplaced: 0.0 };
        let all = Reachable::new(longest, vec![range; latents]).unwrap();
        all.with_ellipsoid(ellipsoid).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        /// No posterior within the bounds exceeds what its sectors say, whatever the event; and they
        /// never say more than the worst of all directions does.
        #[test]
        fn no_direction_exceeds_the_bound(
            latents in prop::collection::vec((0.05..1.0_f64, -1.5..1.5_f64), 2..4),
            (start, width) in (0.3..3.0_f64, 0.2..3.0_f64), beyond in prop::bool::ANY,
            (along, across) in (0.2..2.0_f64, 0.1..2.0_f64), spread in 0.0..0.1_f64,
            probes in prop::collection::vec(
                (prop::array::uniform3(-1.0..1.0_f64), prop::array::uniform3(prop::bool::ANY)), 30),
        ) {
            let (weights, centre): (Vec<f64>, Vec<f64>) = latents.into_iter().unzip();
            let m = weights.len();
            let end = if beyond { f64::INFINITY } else { start + width };
            let event = Event { weights, centre, ends: vec![start, end] };
            let range = [(-spread).exp(), spread.exp()];
            let all = shifted(along, across, range, m);
            let scales = Scales::new(&all);
            let known = event.known();
            for order in 0..=2 {
                let bound = known.beyond(&scales, order);
                let whole = SectorLimits::from(event.limits()).beyond(&scales, order);
                prop_assert!(bound <= whole + 1e-4 || whole >= 0.5, "{order}: {bound} {whole}");
                for (direction, wide) in &probes {
                    let length = direction[..m].iter().map(|u| u * u).sum::<f64>().sqrt();
                    let axes = [along, across, across];
                    let shift: Vec<f64> =
                        (0..m).map(|i| axes[i] * direction[i] / length.max(1e-9)).collect();
                    let scales: Vec<f64> =
                        (0..m).map(|i| range[usize::from(wide[i])]).collect();
                    let truly = event.probability(&shift, &scales);
                    prop_assert!(truly <= bound + 1e-8 || bound >= 0.5, "{order}: {truly} {bound}");
                }
            }
        }
    }

    /// A half-space beside the axis is far away, for shifts that are long along the axis.
    #[test]
    fn what_is_beside_the_axis_is_far() {
        // So far off and flat that it is nearly a plane: beyond 1 in the second latent.
        let event = Event {
            weights: vec![1e-9, 1.0],
            centre: vec![0.0, -1e3],
            ends: vec![1001.0_f64.powi(2), f64::INFINITY],
        };
        let longest = |known: &SectorLimits| {
            let safe = |along: f64| {
                known.excess(&Scales::new(&shifted(along, 0.2 * along, [1.0; 2], 2))) < 0.0
            };
            let (mut low, mut high) = (0.0, 10.0);
            for _ in 0..30 {
                let middle = 0.5 * (low + high);
                if safe(middle) { low = middle } else { high = middle }
            }
            low
        };
        let (whole, directed) = (longest(&event.limits().into()), longest(&event.known()));
        // Truly 1 and 5, where no limit errs.
        assert!((0.97..1.0).contains(&whole), "{whole}");
        assert!((1.8..5.0).contains(&directed), "{directed}");
    }

    #[test]
    fn sectors_together_have_the_largest_moments_of_each() {
        let sectors = Sectors::about(&[1.0, 0.0]);
        let limits = |sector: usize| {
            let at = sector as f64;
            MomentLimits { probability: 0.1, mean: 0.01 * at, curvature: 0.5 - 0.01 * at }
        };
        let known = SectorLimits::new(&sectors, (0..sectors.count()).map(limits).collect());
        let together = MomentLimits { mean: limits(9).mean, ..limits(4) };
        assert_eq!(known.largest(4..10), together);
        let mut unknown = known;
        unknown.limits[6].mean = f64::NAN;
        assert!(unknown.largest(4..10).mean.is_nan() && unknown.largest(7..9).mean == 0.08);
    }

    #[test]
    fn what_is_not_a_number_is_not_safe() {
        let all = shifted(1.0, 0.5, [0.99, 1.01], 2);
        let limits = |mean| MomentLimits { probability: 0.1, mean, curvature: 0.0 };
        let sectors = Sectors::about(&[1.0, 0.0]);
        let known = |probability| {
            let mut all = vec![limits(0.1); sectors.count()];
            all[20].probability = probability;
            SectorLimits::new(&sectors, all)
        };
        assert!(known(0.1).excess(&Scales::new(&all)) < 0.0);
        assert!(known(f64::NAN).excess(&Scales::new(&all)) > 0.0);
        assert!(known(f64::NAN).probability().is_nan());
    }
}
