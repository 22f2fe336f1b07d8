//! The damage curve `M(c)`: one warm-started sweep over norms.

use vaegis_vae::Purpose;

use super::Effort;
use super::goal::{MaximumDamage, Statistic};
use super::objective::PointObjective;
use super::optimiser::{Candidate, ascend};
use super::starts::starts;
use crate::criterion::median;
use crate::jacobian::Jacobians;
use crate::{Error, Target};

/// Draws that judge the strongest candidate at each norm.
pub(super) const JUDGING_DRAWS: usize = 128;

/// Largest number of norms in a sweep.
const MOST_NORMS: usize = 40;

/// The share of draws within r at which r counts as broken beyond doubt, so that the
/// sweep need not go on for it: three standard errors below 1/2.
const BROKEN: f64 = 0.35;

/// Candidates kept of each norm: refinements start from them.
const KEPT: usize = 3;

/// Steps of the encoder alone between two evaluations of the decoder.
pub(super) const INNER_STEPS: usize = 2;

/// Perturbations of a larger cosine count as the same.
const ALIKE: f64 = 0.95;

/// The search ends this many times beyond where a linear model would break.
const SEARCH_RANGE: f64 = 32.0;

/// The strongest attack found at one norm.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePoint {
    /// Length of the perturbation.
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
        let origin = judge(target, radii, vec![still(target)])?;
        let slope = slope(target, jacobians);
        // |Delta|^2 = noise^2 + (slope c)^2 to first order.
        let linear =
            |r: f64| (r * r - origin.median * origin.median).max(0.01 * r * r).sqrt() / slope;
        let norms = norms(radii, linear, target.ball.reach(), effort.growth);

        let goal =
            MaximumDamage { statistic: Statistic::Expected, reference: target.reference.clone() };
        let starts: Vec<Candidate> = starts(target, &jacobians.directions, effort)
            .into_iter()
            .map(|start| Candidate {
                name: start.name,
                u: start.direction,
                value: f64::NEG_INFINITY,
            })
            .collect();
        let mut curve = Self { points: vec![origin], draws_used: 0 };
        let mut survivors: Vec<Candidate> = vec![];
        for norm in norms {
            let mut climb = Climb {
                target,
                goal: &goal,
                norm,
                draws: effort.draws,
                used: &mut curve.draws_used,
            };
            let point = climb
                .screen(&mut survivors, &starts, effort.survivors)
                .and_then(|()| climb.ascend(&mut survivors, effort.steps))
                .and_then(|()| {
                    judge(target, radii, survivors.iter().take(KEPT).cloned().collect())
                });
            let point = match point {
                Ok(point) => point,
                // Out here the model leaves the range of numbers: the search ends.
                Err(Error::NotFinite(_)) => break,
                Err(error) => return Err(error),
            };
            let done = point.within.iter().all(|&within| within <= BROKEN);
            curve.points.push(point);
            if done {
                break;
            }
        }
        Ok(curve)
    }
}

/// The ascents at one norm.
struct Climb<'a> {
    target: Target<'a>,
    goal: &'a MaximumDamage,
    norm: f64,
    draws: usize,
    /// Draws of the attack's noise that were used up.
    used: &'a mut u64,
}

impl Climb<'_> {
    /// Lets all starts compete with those that survived so far: what is best at one norm need
    /// not be at the next. The best `count` that differ survive.
    fn screen(
        &mut self,
        survivors: &mut Vec<Candidate>,
        starts: &[Candidate],
        count: usize,
    ) -> Result<(), Error> {
        let ball = self.target.ball;
        survivors.extend(
            starts
                .iter()
                .map(|start| Candidate { u: ball.corner(&start.u, self.norm), ..start.clone() }),
        );
        self.ascend(survivors, 1)?;
        let mut kept: Vec<Candidate> = vec![];
        for candidate in survivors.drain(..) {
            let alike = |other: &Candidate| cosine(&other.u, &candidate.u) > ALIKE;
            if kept.len() < count.max(1) && !kept.iter().any(alike) {
                kept.push(candidate);
            }
        }
        *survivors = kept;
        Ok(())
    }

    /// Ascends with fresh noise; the strongest candidate comes first.
    fn ascend(&mut self, candidates: &mut [Candidate], steps: usize) -> Result<(), Error> {
        let ball = self.target.ball;
        for candidate in candidates.iter_mut() {
            candidate.u = ball.along(&candidate.u, self.norm);
        }
        let mut objective = PointObjective::new(self.target, self.goal, *self.used, self.draws);
        *self.used += self.draws as u64;
        ascend(ball, &mut objective, candidates, self.norm, steps, INNER_STEPS)?;
        candidates.sort_by(|a, b| b.value.total_cmp(&a.value));
        Ok(())
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

/// The largest damage per unit of length, to first order; for norms other than l2 a lower
/// bound on it, from the leading direction of l2.
fn slope(target: Target<'_>, jacobians: &Jacobians) -> f64 {
    let leading = jacobians.directions.composed.first();
    let gain = leading.map_or(1.0, |v| target.ball.dual_length(v.iter().copied()));
    jacobians.composed_spectral * gain
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
    Candidate { name: "none".to_string(), u: vec![0.0; target.x.len()], value: f64::NEG_INFINITY }
}

/// Damages under a perturbation, by draws the attack never sees.
pub(super) fn judging_damages(target: Target<'_>, u: &[f32]) -> Result<Vec<f32>, Error> {
    let encoding = target.model.encoding(&target.ball.perturbed(u))?;
    let latent = target.model.latent();
    let eta = target.noise.normal(Purpose::Candidates, target.index, 0, JUDGING_DRAWS, latent);
    target.damages(&encoding, eta)
}

/// Share of damages within r.
fn share_within(damages: &[f32], r: f64) -> f64 {
    let within = damages.iter().filter(|&&damage| f64::from(damage) <= r).count();
    within as f64 / damages.len() as f64
}

fn judge(
    target: Target<'_>,
    radii: &[f64],
    candidates: Vec<Candidate>,
) -> Result<CurvePoint, Error> {
    let strongest = &candidates[0].u;
    let mut damages = judging_damages(target, strongest)?;
    let within = radii.iter().map(|&r| share_within(&damages, r)).collect();
    let norm = target.ball.length(strongest);
    Ok(CurvePoint { norm, median: median(&mut damages), within, candidates })
}
