//! The damage curve `M(c)`: one warm-started sweep over norms.

use vaegis_vae::Purpose;

use super::Attack;
use super::climb::Climb;
use super::goal::Goal;
use super::objective::{Objective, PointObjective};
use super::optimiser::Candidate;
use super::starts::starts;
use crate::criterion::median;
use crate::jacobian::{Directions, Jacobians};
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

/// The search begins at so much of where a linear model would break.
const BEGIN: f64 = 0.8;

/// By how much it begins earlier where a leading direction breaks a radius there already, how often
/// at most, and the draws that tell.
const EARLIER: f64 = 2.5;
const MOST_EARLIER: usize = 10;
const LEADING_DRAWS: usize = 32;

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
    /// Standard deviation of the damages.
    pub(super) deviation: f64,
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
        attack: &Attack,
        goal: &dyn Goal,
        radii: &[f64],
    ) -> Result<Self, Error> {
        let origin = judge(target, radii, vec![still(target)])?;
        let slope = slope(target, jacobians);
        // |Delta|^2 = noise^2 + (slope c)^2 to first order.
        let linear =
            |r: f64| (r * r - origin.median * origin.median).max(0.01 * r * r).sqrt() / slope;
        let (begin, end) = range(radii, linear, target.ball.reach());
        // Radii that are broken at rest are broken everywhere.
        let whole = |(&r, &within): (&f64, &f64)| (within > 0.5).then_some(r);
        let whole: Vec<f64> = radii.iter().zip(&origin.within).filter_map(whole).collect();
        let begin = unbroken(target, jacobians, &whole, begin);
        let norms = geometric(begin, end, attack.effort.growth);

        let objectives = |first, draws| -> Box<dyn Objective> {
            Box::new(PointObjective::new(target, goal, first, draws))
        };
        let starts = starts(target, &jacobians.directions, &attack.effort);
        let mut climb = Climb::new(target.ball, attack, &objectives, starts);
        let mut curve = Self { points: vec![origin], draws_used: 0 };
        for norm in norms {
            let point = climb.to(norm, 1).and_then(|survivors| {
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
        curve.draws_used = climb.draws_used();
        Ok(curve)
    }

    /// The strongest of several sweeps over the same norms, at each norm.
    pub fn envelope(curves: &[Self]) -> Option<Self> {
        let mut envelope = curves.first()?.clone();
        for curve in &curves[1..] {
            for (position, point) in curve.points.iter().enumerate() {
                match envelope.points.get_mut(position) {
                    Some(strongest) if strongest.median >= point.median => {}
                    Some(strongest) => strongest.clone_from(point),
                    None => envelope.points.push(point.clone()),
                }
            }
        }
        Some(envelope)
    }
}

/// The largest damage per unit of length, to first order; for norms other than l2 a lower
/// bound on it, from the leading direction of l2.
fn slope(target: Target<'_>, jacobians: &Jacobians) -> f64 {
    let leading = jacobians.directions.composed.first();
    let gain = leading.map_or(1.0, |v| target.ball.dual_length(v.iter().copied()));
    jacobians.composed_spectral * gain
}

/// The norms that a sweep goes from and to: from a little before where a linear model breaks the
/// smallest radius to the end of the search range.
fn range(radii: &[f64], linear: impl Fn(f64) -> f64, reach: f64) -> (f64, f64) {
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
    let nearest = BEGIN * linear(smallest);
    (if nearest > 0.0 && nearest < end { nearest } else { end / SEARCH_RANGE }, end)
}

/// A norm to begin at that no leading direction breaks a radius long before: a model that hardly
/// moves to first order may well move farther out.
fn unbroken(target: Target<'_>, jacobians: &Jacobians, radii: &[f64], begin: f64) -> f64 {
    let Directions { composed, whitened, encoder } = &jacobians.directions;
    let leading = [composed, whitened, encoder].into_iter().filter_map(|of| of.first());
    let signed =
        |v: &Vec<f64>| [1.0, -1.0].map(|sign| v.iter().map(|v| (sign * v) as f32).collect());
    let directions: Vec<Vec<f32>> = leading.flat_map(signed).collect();
    let is_broken = |norm: f64| {
        let mut damages = directions
            .iter()
            .map(|u| judging_damages(target, &target.ball.along(u, norm), LEADING_DRAWS));
        let is_broken = |damages: &[f32]| radii.iter().any(|&r| share_within(damages, r) <= BROKEN);
        // Out there, the model may leave the range of numbers.
        damages.any(|damages| damages.map_or(true, |damages| is_broken(&damages)))
    };
    let earlier = std::iter::successors(Some(begin), |norm| Some(norm / EARLIER));
    let mut earlier = earlier.take(MOST_EARLIER).skip_while(|norm| is_broken(norm / EARLIER));
    // What is broken everywhere is broken at rest, by these few draws.
    earlier.next().unwrap_or(begin)
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
fn judging_damages(target: Target<'_>, u: &[f32], draws: usize) -> Result<Vec<f32>, Error> {
    let encoding = target.model.encoding(&target.ball.perturbed(u))?;
    let latent = target.model.latent();
    let eta = target.noise.normal(Purpose::Candidates, target.index, 0, draws, latent);
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
    let mut damages = judging_damages(target, strongest, JUDGING_DRAWS)?;
    let within = radii.iter().map(|&r| share_within(&damages, r)).collect();
    let norm = target.ball.length(strongest);
    let deviation = deviation(&damages);
    Ok(CurvePoint { norm, median: median(&mut damages), within, candidates, deviation })
}

fn deviation(damages: &[f32]) -> f64 {
    let count = damages.len() as f64;
    let mean = damages.iter().map(|&damage| f64::from(damage)).sum::<f64>() / count;
    let squares = damages.iter().map(|&damage| (f64::from(damage) - mean).powi(2)).sum::<f64>();
    (squares / count).sqrt()
}

#[cfg(test)]
mod tests {
    use vaegis_vae::Noise;

    use super::*;
    use crate::attack::linear::{Linear, X};
    use crate::{Ball, Domain, InputBox};

    #[test]
    fn sweeps_begin_where_radii_are_whole_and_no_earlier_for_those_that_never_are() {
        let linear = Linear::new();
        let Linear { model, reference, rest, .. } = &linear;
        let domain = Domain::l2(InputBox::None);
        let ball = &Ball::new(&domain, &X);
        let noise = &Noise::new(2);
        let target = Target { model, x: &X, reference, noise, index: 5, ball };
        let jacobians = Jacobians::at(target, rest, 2, 1_000).unwrap();
        let direction: Vec<f32> =
            jacobians.directions.composed[0].iter().map(|&v| v as f32).collect();
        let share = |norm: f64, r: f64| {
            let perturbed = ball.perturbed(&ball.along(&direction, norm));
            linear.squares(&model.encoding(&perturbed).unwrap()).cdf(r * r)
        };
        let r = linear.radius(rest, 0.95);
        let begin = 100.0;
        assert!(share(begin, r) < 0.01);
        let earlier = unbroken(target, &jacobians, &[r], begin);
        assert!(earlier < begin && share(earlier / EARLIER, r) > 0.2, "{earlier}");
        assert_eq!(unbroken(target, &jacobians, &[r], earlier), earlier);
        // A radius that most draws leave at rest is no reason to begin at nothing.
        let broken = linear.radius(rest, 0.05);
        assert_eq!(unbroken(target, &jacobians, &[broken], begin), begin);
        let attack = Attack::default();
        let goal = attack.goal(target, None).unwrap();
        let sweep = |radii: &[f64]| {
            DamageCurve::sweep(target, &jacobians, &attack, goal.as_ref(), radii).unwrap()
        };
        let (alone, both) = (sweep(&[r]), sweep(&[broken, r]));
        assert!(both.points.len() <= alone.points.len() + 12, "{}", both.points.len());
        assert!(both.points[1].norm > 1e-2 * alone.points[1].norm, "{}", both.points[1].norm);
    }
}
