//! The damage curve `M(c)`: one warm-started sweep over norms.

use std::ops::Range;

use vaegis_vae::Purpose;

use super::Effort;
use super::ascent::{Candidate, ascend};
use super::gradient::Goal;
use super::starts::starts;
use crate::ball::distance;
use crate::criterion::median;
use crate::jacobian::Jacobians;
use crate::model::Draws;
use crate::{Error, Target};

/// Draws that judge the strongest candidate at each norm.
pub(super) const JUDGING_DRAWS: u64 = 256;

/// Largest number of norms in a sweep.
const MOST_NORMS: usize = 40;

/// The share of draws within r at which r counts as broken beyond doubt, so that the
/// sweep need not go on for it: five standard errors below 1/2.
const BROKEN: f64 = 0.35;

/// Candidates kept of each norm: refinements start from them.
const KEPT: usize = 3;

/// The search ends this many times beyond where a linear model would break.
const SEARCH_RANGE: f64 = 32.0;

/// The strongest attack found at one norm.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePoint {
    /// `|x' - x|_2`, measured.
    pub norm: f64,
    /// Median damage under noise the attack never saw: a point of `M(c)`.
    pub median: f64,
    /// Share of damages within each radius.
    pub within: Vec<f64>,
    /// The strongest candidates at this norm, the strongest first.
    pub candidates: Vec<Candidate>,
}

/// The damage curve of a point: norms rise, and every r is priced by it.
#[derive(Debug, Clone, PartialEq)]
pub struct DamageCurve {
    /// From norm 0 (the input itself) upwards.
    pub points: Vec<CurvePoint>,
    /// Draws of the attack's noise that were used up.
    pub(super) draws_used: u64,
}

impl DamageCurve {
    /// Sweeps norms upwards, each warm-started from the one before, until every radius
    /// is broken beyond doubt or the search range ends (the end of the box, or far
    /// beyond where a linear model would break).
    ///
    /// # Errors
    /// If a damage of the unperturbed input is not finite.
    pub fn sweep(
        target: Target<'_>,
        jacobians: &Jacobians,
        effort: &Effort,
        radii: &[f64],
    ) -> Result<Self, Error> {
        let origin = judge(target, radii, 0.0, vec![still(target)])?;
        let slope = jacobians.composed_spectral;
        // |Delta|^2 = noise^2 + (slope c)^2 to first order.
        let linear =
            |r: f64| (r * r - origin.median * origin.median).max(0.01 * r * r).sqrt() / slope;
        let norms = norms(radii, linear, target.bounds.reach(target.x), effort.growth);

        let mut candidates: Vec<Candidate> = starts(target, &jacobians.directions, effort)
            .into_iter()
            .map(|start| Candidate {
                name: start.name,
                perturbed: target.x.iter().zip(&start.direction).map(|(x, d)| x + d).collect(),
                value: f64::NEG_INFINITY,
            })
            .collect();
        let mut curve = Self { points: vec![origin], draws_used: 0 };
        for (level, norm) in norms.into_iter().enumerate() {
            for candidate in &mut candidates {
                rescale(target, candidate, norm);
            }
            let first = curve.draws_used;
            curve.draws_used += effort.draws as u64;
            let point = climb(target, &mut candidates, norm, effort, first).and_then(|()| {
                let strongest = candidates.iter().take(KEPT).cloned().collect();
                judge(target, radii, norm, strongest)
            });
            let point = match point {
                Ok(point) => point,
                // Out here the model leaves the range of numbers: the search ends.
                Err(Error::NotFinite(_)) => break,
                Err(error) => return Err(error),
            };
            // All starts get two norms to show what they are worth.
            if level == 1 {
                candidates.truncate(effort.survivors.max(1));
            }
            let done = point.within.iter().all(|&within| within <= BROKEN);
            curve.points.push(point);
            if done {
                break;
            }
        }
        Ok(curve)
    }
}

/// Ascends at one norm; the strongest candidate comes first.
fn climb(
    target: Target<'_>,
    candidates: &mut [Candidate],
    norm: f64,
    effort: &Effort,
    first: u64,
) -> Result<(), Error> {
    ascend(target, Goal::ExpectedDamage, candidates, norm, effort.steps, first, effort.draws)?;
    candidates.sort_by(|a, b| b.value.total_cmp(&a.value));
    Ok(())
}

/// The norms of a sweep: geometric, from half of where a linear model breaks the
/// smallest radius to the end of the search range.
fn norms(radii: &[f64], linear: impl Fn(f64) -> f64, reach: f64, growth: f64) -> Vec<f64> {
    let smallest = radii.iter().copied().fold(f64::INFINITY, f64::min);
    let finite = |norm: &f64| norm.is_finite();
    let farthest = radii.iter().map(|&r| linear(r)).filter(finite).fold(0.0, f64::max);
    let end = match (SEARCH_RANGE * farthest).min(reach) {
        end if end.is_finite() && end > 0.0 => end,
        // Nothing moves to first order: search the box, or a range about 1.
        _ if reach.is_finite() => reach,
        _ => SEARCH_RANGE,
    };
    // Where a linear model finds nothing inside the range, cover the range.
    let nearest = 0.5 * linear(smallest);
    let begin = if nearest > 0.0 && nearest < end { nearest } else { end / SEARCH_RANGE };
    geometric(begin, end, growth)
}

fn geometric(begin: f64, end: f64, growth: f64) -> Vec<f64> {
    let mut norms: Vec<f64> = std::iter::successors(Some(begin), |norm| Some(norm * growth))
        .take_while(|norm| *norm < end)
        .take(MOST_NORMS)
        .collect();
    norms.push(end);
    norms
}

/// The input itself as a candidate.
fn still(target: Target<'_>) -> Candidate {
    Candidate { name: "none".to_string(), perturbed: target.x.to_vec(), value: f64::NEG_INFINITY }
}

/// Moves a candidate to another norm along its direction.
pub(super) fn rescale(target: Target<'_>, candidate: &mut Candidate, norm: f64) {
    let direction: Vec<f32> =
        candidate.perturbed.iter().zip(target.x).map(|(p, x)| p - x).collect();
    candidate.perturbed = target.bounds.along(target.x, &direction, norm);
}

/// Damages of one perturbed input, by draws the attack never sees.
pub(super) fn damages(
    target: Target<'_>,
    perturbed: &[f32],
    draws: Range<u64>,
) -> Result<Vec<f32>, Error> {
    let encoding = target.model.encoding(perturbed)?;
    let stream = Draws { noise: target.noise, purpose: Purpose::Candidates, index: target.index };
    let mut damages = Vec::with_capacity((draws.end - draws.start) as usize);
    target.model.for_each_damage(&encoding, target.reference, stream, draws, |batch| {
        damages.extend_from_slice(batch);
    });
    if damages.iter().all(|damage| damage.is_finite()) {
        Ok(damages)
    } else {
        Err(Error::NotFinite("a perturbed reconstruction"))
    }
}

/// Share of damages within r.
fn share_within(damages: &[f32], r: f64) -> f64 {
    let within = damages.iter().filter(|&&damage| f64::from(damage) <= r).count();
    within as f64 / damages.len() as f64
}

fn judge(
    target: Target<'_>,
    radii: &[f64],
    norm: f64,
    candidates: Vec<Candidate>,
) -> Result<CurvePoint, Error> {
    let strongest = &candidates[0].perturbed;
    let mut damages = damages(target, strongest, 0..JUDGING_DRAWS)?;
    let within = radii.iter().map(|&r| share_within(&damages, r)).collect();
    let measured = distance(target.x, strongest);
    debug_assert!(measured <= norm * (1.0 + 1e-4));
    Ok(CurvePoint { norm: measured, median: median(&mut damages), within, candidates })
}
