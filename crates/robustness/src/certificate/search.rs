//! Where certified margins are looked for.

/// Shares of the first guess below which no margin is looked for, and above which none is.
const LEAST: f64 = 1e-9;
const MOST: f64 = 1e18;
/// The most that a distance which holds is multiplied by to find one that does not.
const STRIDE: f64 = 4.0;
/// Likewise, from a distance that is known to hold.
const NEAR_STRIDE: f64 = 1.25;
/// Distances that are interpolated before the rest is halved: enough for what is smooth.
const INTERPOLATED: usize = 10;

/// Where margins are looked for, in units of the norm of perturbations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// A first guess, such as a first-order estimate.
    pub start: f64,
    /// No margin above this is of interest.
    pub largest: f64,
    /// The margin is found up to this share of itself.
    pub tolerance: f64,
}

/// A distance, and by how much it exceeds what holds.
#[derive(Debug, Clone, Copy)]
struct End {
    at: f64,
    excess: f64,
}

impl Search {
    /// The largest distance that is seen to hold, and what was known there.
    ///
    /// `seen` tells by how much a distance exceeds what holds, which is negative where it holds, and
    /// what is known there; none where there is nothing to know. `at_rest` is the excess at 0.
    ///
    /// Every distance that holds is a sound margin by itself; that the excess increases is needed
    /// to find the largest only, that it does so smoothly to find it soon. Bounds take their time,
    /// and more of it the farther out: so the next distance is where the excess would be 0 if it
    /// were linear (regula falsi, with the weights of the Illinois method: Dowell and Jarratt 1971).
    pub(super) fn largest<T>(
        &self,
        at_rest: f64,
        seen: impl FnMut(f64) -> Option<(f64, T)>,
    ) -> Option<(f64, T)> {
        self.from((0.0, at_rest, None), seen)
    }

    /// Likewise, beyond a distance that holds, given its excess and what is known there.
    pub(super) fn from<T>(
        &self,
        (at, excess, mut known): (f64, f64, Option<T>),
        mut seen: impl FnMut(f64) -> Option<(f64, T)>,
    ) -> Option<(f64, T)> {
        if !(self.start > 0.0 && self.largest > 0.0) {
            return known.map(|known| (at, known));
        }
        let first = self.start.min(self.largest);
        let stride = if known.is_some() { NEAR_STRIDE } else { STRIDE };
        let tolerance = self.tolerance.max(1e-12);
        let (mut low, mut high) = (End { at, excess }, None::<End>);
        let (mut at, mut interpolated, mut rose) = (first, 0, false);
        loop {
            let here = seen(at);
            let excess = here.as_ref().map_or(f64::INFINITY, |&(excess, _)| excess);
            let before = low;
            if let Some((_, found)) = here.filter(|_| excess < 0.0) {
                // An end that stays where it is counts half as much every time.
                if let (Some(high), true) = (&mut high, rose) {
                    high.excess *= 0.5;
                }
                (low, known, rose) = (End { at, excess }, Some(found), true);
            } else {
                if high.is_some() && !rose {
                    low.excess *= 0.5;
                }
                (high, rose) = (Some(End { at, excess }), false);
            }
            at = match high {
                None if low.at >= self.largest || low.at >= first * MOST => break,
                None => beyond([before, low], tolerance, stride).min(self.largest),
                Some(high) if high.at - low.at <= tolerance * low.at => break,
                Some(high) if high.at <= first * LEAST => break,
                Some(high) => {
                    interpolated += 1;
                    let middle = 0.5 * (low.at + high.at);
                    let zero =
                        (interpolated <= INTERPOLATED).then(|| between(low, high, tolerance));
                    zero.flatten().unwrap_or(middle)
                }
            };
        }
        known.map(|known| (low.at, known))
    }
}

/// Where the line through two distances that hold says that no more do.
fn beyond([before, low]: [End; 2], tolerance: f64, stride: f64) -> f64 {
    let slope = (low.excess - before.excess) / (low.at - before.at);
    let zero = low.at - low.excess / slope;
    let farthest = stride * low.at;
    // Not in doubt: the next is no farther than the tolerance if the line is right.
    if zero > low.at { zero.clamp(low.at * (1.0 + 0.9 * tolerance), farthest) } else { farthest }
}

/// Where the line through both ends says that the last distance holds, if it says anything.
fn between(low: End, high: End, tolerance: f64) -> Option<f64> {
    let (width, share) = (high.at - low.at, low.excess / (low.excess - high.excess));
    // So near to an end that both are within the tolerance once the line is right.
    let near = 0.45 * tolerance * low.at;
    let least = if low.at > 0.0 { near } else { width / 64.0 };
    let line = share.is_finite() && high.excess.is_finite() && 2.0 * near < width;
    line.then(|| low.at + (share * width).clamp(least, width - near))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    /// What a search finds, and how many distances it looks at.
    fn found(search: Search, at_rest: f64, excess: impl Fn(f64) -> f64) -> (f64, usize) {
        let looked = Cell::new(0);
        let seen = |distance: f64| {
            looked.set(looked.get() + 1);
            let excess = excess(distance);
            (!excess.is_nan()).then_some((excess, distance))
        };
        let found = search.largest(at_rest, seen);
        if let Some((margin, known)) = found {
            assert_eq!(margin, known, "what is known is known of another distance");
        }
        (found.map_or(0.0, |(margin, _)| margin), looked.get())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Smooth excesses, as bounds give: found from few distances, wherever one starts.
        #[test]
        fn few_distances_are_needed(
            margin in 0.01..10.0_f64, ln_start in -1.2..1.2_f64, bend in 0.0..1.5_f64,
            steepness in 0.1..4.0_f64,
        ) {
            let excess = |d: f64| {
                let line = |d: f64| steepness * (d / margin + bend * (d / margin).powi(2));
                line(d) - line(margin)
            };
            let search = Search { start: margin * ln_start.exp(), largest: 1e3, tolerance: 0.01 };
            let (found, looked) = found(search, excess(0.0), excess);
            prop_assert!(found < margin && found >= 0.99 * margin, "{found}, truly {margin}");
            prop_assert!(looked <= 7, "{looked} distances");
        }

        /// Excesses that tell no more than their sign, or nothing at all, or jump.
        #[test]
        fn whatever_it_is_like_the_margin_is_found(
            margin in 1e-6..1e6_f64, above in prop::sample::select(vec![1.0, 1e-9, 1e9, f64::INFINITY, f64::NAN]),
            below in prop::sample::select(vec![-1.0, -1e-9, -1e9, f64::NEG_INFINITY]),
            at_rest in prop::sample::select(vec![-1.0, f64::NEG_INFINITY, f64::NAN]),
        ) {
            let excess = |d: f64| if d < margin { below } else { above };
            let search = Search { start: 1.0, largest: 1e9, tolerance: 1e-3 };
            let (found, looked) = found(search, at_rest, excess);
            prop_assert!(found < margin && found >= 0.999 * margin, "{found}, truly {margin}");
            prop_assert!(looked <= 60, "{looked} distances");
        }
    }

    #[test]
    fn what_is_known_is_the_least_that_is_found() {
        let search = Search { start: 1.1, largest: 10.0, tolerance: 1e-3 };
        let from = |margin: f64, start: f64| {
            let search = Search { start, ..search };
            search.from((1.0, -0.5, Some(1.0)), |at| Some((at - margin, at))).unwrap()
        };
        assert_eq!(from(0.5, 1.1), (1.0, 1.0));
        assert_eq!(from(0.5, f64::NAN), (1.0, 1.0));
        let (margin, known) = from(3.0, 1.1);
        assert!(margin < 3.0 && margin > 2.997 && margin == known, "{margin} {known}");
    }

    #[test]
    fn margins_end_where_interest_ends() {
        let search = Search { start: 1.0, largest: 10.0, tolerance: 1e-3 };
        let (margin, looked) = found(search, -1.0, |_| -1.0);
        assert_eq!(margin, 10.0);
        assert!(looked <= 4, "{looked} distances");
        assert_eq!(found(search, -1.0, |_| f64::NAN).0, 0.0);
        assert_eq!(found(search, -1.0, |_| 0.0).0, 0.0);
        for search in [Search { start: f64::NAN, ..search }, Search { largest: 0.0, ..search }] {
            assert_eq!(found(search, -1.0, |_| -1.0), (0.0, 0));
        }
    }
}
