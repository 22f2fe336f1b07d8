//! One point under attacks at given norms: the strongest perturbations, and what they do.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vaegis_vae::{Noise, Purpose};

use crate::assess::reconstructions;
use crate::attack::objective::{Objective, PointObjective};
use crate::attack::{Attack, Strongest, strongest, universal, universal_steps};
use crate::ball::Perturbation;
use crate::criterion::median;
use crate::domain::distance;
use crate::jacobian::Jacobians;
use crate::model::{Draws, host};
use crate::scores::{
    Distances, expected_log_likelihood, kl_divergence, ms_ssim, psnr, relative_degradation, ssim,
    symmetric_kl_divergence,
};
use crate::statistics::Proportion;
use crate::{
    Aim, Ball, Domain, Encoding, Error, InputBox, Model, Point, Radius, Target, probability,
};

/// Draws behind the value of a goal before and after an attack.
const VALUE_DRAWS: usize = 1024;

/// What to try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialSettings {
    /// Norms of perturbations, rising.
    pub sizes: Vec<f64>,
    /// Radius in reconstruction space whose criterion is judged, if any.
    pub radius: Option<Radius>,
    /// Draws behind each score.
    pub draws: u64,
    /// Shape of inputs as pictures, `[channels, height, width]`, if they are.
    pub picture: Option<[usize; 3]>,
    /// Smallest and largest value of inputs, if they have a range.
    pub range: Option<(f32, f32)>,
    /// Which perturbations are allowed.
    #[serde(flatten)]
    pub domain: Domain,
    /// Attacks; of those with the same goal the best counts.
    pub attacks: Vec<Attack>,
    /// What targeted attacks aim at.
    pub aim: Option<Aim>,
}

/// What was tried on one point.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The radius in reconstruction space, if one was asked for.
    pub r: Option<f64>,
    /// The scores of x itself, unperturbed.
    pub at_rest: Scores,
    /// What distortions are normalised by, if there is a target.
    pub distances: Option<Distances>,
    /// The mean reconstruction of x.
    pub reconstruction: Vec<f32>,
    /// Goal by goal, and size by size.
    pub attempts: Vec<Attempt>,
}

/// The best of all attacks with one goal and pathway at one size.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The attack.
    pub attack: Attack,
    /// The size that was allowed.
    pub size: f64,
    /// The start it came from.
    pub by: String,
    /// The perturbation, measured as it is stored.
    pub perturbation: Perturbation,
    /// The goal's value at x + d, by draws that no attack has seen.
    pub value: f64,
    /// The goal's value at x, under the same noise.
    pub value_at_rest: f64,
    /// What the perturbation does.
    pub scores: Scores,
    /// Of an odd number of reconstructions of x + d, the one whose damage is the median.
    pub reconstruction: Vec<f32>,
}

/// What a perturbation does to a point, by draws that no attack has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Median of `|Delta|`.
    pub damage: f64,
    /// Draws within r.
    pub within: Option<Proportion>,
    /// `KL(q(.|x+d) || q(.|x))`, in nats.
    pub kl: f64,
    /// The symmetric divergence of both posteriors, in nats.
    pub symmetric_kl: f64,
    /// Relative log-likelihood degradation.
    pub degradation: f64,
    /// Peak signal-to-noise ratio between the mean reconstruction of x and the median one of
    /// x + d, in dB, if data have a range.
    pub psnr: Option<f64>,
    /// Structural similarity of these, if they are pictures that are big enough.
    pub ssim: Option<f64>,
    /// Structural similarity on as many scales as they are big enough for, likewise.
    pub ms_ssim: Option<f64>,
    /// `|g(mu(x+d)) - x_t|`, if there is a target.
    pub aim_distance: Option<f64>,
}

/// A perturbation to judge, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The attack.
    pub attack: Attack,
    /// The length that was allowed.
    pub size: f64,
    /// The start it came from.
    pub by: String,
    /// The perturbed input.
    pub perturbed: Vec<f32>,
}

/// Attacks one point.
///
/// # Errors
/// If x lies outside the box, a targeted attack has no target, or a quantity is not finite.
pub fn trial(
    model: &Model,
    noise: &Noise,
    point: Point<'_>,
    settings: &TrialSettings,
) -> Result<Trial, Error> {
    let TrialSettings { sizes, draws, domain, attacks, aim, .. } = settings;
    let site = Site::new(model, point, settings)?;
    let ball = Ball::new(domain, point.x);
    let target = site.target(model, noise, point, &ball);
    let jacobians = Jacobians::at(target, &site.encoding, directions(attacks), *draws)?;
    let mut found = vec![];
    let aim = aim.as_ref().map(|aim| aim.values.as_slice());
    for attacks in by_goal(attacks) {
        let mut best: Vec<(Attack, Strongest)> = vec![];
        for attack in attacks {
            let goal = attack.goal(target, aim)?;
            let strongest = strongest(target, &jacobians, &attack, goal.as_ref(), sizes)?;
            for (slot, strongest) in strongest.into_iter().enumerate() {
                match best.get_mut(slot) {
                    Some((_, best)) if best.value >= strongest.value => {}
                    Some(best) => *best = (attack, strongest),
                    None => best.push((attack, strongest)),
                }
            }
        }
        found.extend(best.into_iter().zip(sizes).map(|((attack, strongest), &size)| Found {
            attack,
            size,
            by: strongest.by,
            perturbed: strongest.perturbation.perturbed,
        }));
    }
    judge(model, noise, point, settings, &found)
}

/// Judges perturbations of one point that were found before.
///
/// # Errors
/// If x lies outside the box, a targeted attack has no target, or a quantity is not finite.
pub fn judge(
    model: &Model,
    noise: &Noise,
    point: Point<'_>,
    settings: &TrialSettings,
    found: &[Found],
) -> Result<Trial, Error> {
    let Point { index, x, .. } = point;
    let site = Site::new(model, point, settings)?;
    let ball = Ball::new(&settings.domain, x);
    let target = site.target(model, noise, point, &ball);
    let requests: Vec<Radius> = settings.radius.into_iter().collect();
    let r = probability::radii(target, &site.encoding, &requests, settings.draws)?;
    let judge = Judge {
        target,
        settings,
        r: r.first().copied(),
        original: expected_log_likelihood(model, noise, index, &site.encoding, x)?,
        encoding: &site.encoding,
    };
    let mut attempts = Vec::with_capacity(found.len());
    for Found { attack, size, by, perturbed } in found {
        let aim = settings.aim.as_ref().map(|aim| aim.values.as_slice());
        let goal = attack.goal(target, aim)?;
        let stored = ball.store(&ball.between(perturbed));
        let points = [vec![0.0; x.len()], ball.between(&stored.perturbed)];
        let values =
            PointObjective::scoring(target, goal.as_ref(), VALUE_DRAWS).evaluate(&points)?;
        let perturbed = model.encoding(&stored.perturbed)?;
        let perturbed = attack.through.apply(perturbed, &site.encoding);
        let reconstruction = reconstructions(model, noise, index, x, &perturbed)?.perturbed;
        attempts.push(Attempt {
            attack: *attack,
            size: *size,
            by: by.clone(),
            value: values[1].value,
            value_at_rest: values[0].value,
            scores: judge.scores(&perturbed, &reconstruction)?,
            reconstruction,
            perturbation: stored,
        });
    }
    let reconstruction = host(site.reference.clone());
    let at_rest = judge.scores(&site.encoding, &reconstruction)?;
    let distances = match (&settings.aim, at_rest.aim_distance) {
        (Some(aim), Some(unperturbed)) => {
            let own = host(model.reconstruct(&model.encoding(&aim.values)?.mu)?);
            Some(Distances {
                inputs: ball.length(&ball.between(&aim.values)),
                unperturbed,
                target: distance(&own, &aim.values),
            })
        }
        _ => None,
    };
    Ok(Trial { r: judge.r, at_rest, distances, reconstruction, attempts })
}

/// The strongest universal perturbations for some points: one for each goal and size, as
/// perturbed inputs of a point at 0. `watch` is told how much of the work is done, of how much, and
/// says whether to go on.
///
/// # Errors
/// If a point lies outside the box, a targeted attack has no target, a quantity is not finite, or
/// `watch` ends the work.
pub fn universal_perturbations(
    model: &Model,
    noise: &Noise,
    points: &[Point<'_>],
    settings: &TrialSettings,
    watch: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Vec<Found>, Error> {
    let TrialSettings { sizes, draws, domain, attacks, aim, .. } = settings;
    let sites = points
        .iter()
        .map(|&point| Site::new(model, point, settings))
        .collect::<Result<Vec<_>, _>>()?;
    let balls: Vec<Ball<'_>> = points.iter().map(|point| Ball::new(domain, point.x)).collect();
    let targets: Vec<Target<'_>> = sites
        .iter()
        .zip(points.iter().zip(&balls))
        .map(|(site, (&point, ball))| site.target(model, noise, point, ball))
        .collect();
    let count = directions(attacks);
    let jacobians = targets
        .iter()
        .zip(&sites)
        .map(|(&target, site)| Jacobians::at(target, &site.encoding, count, *draws))
        .collect::<Result<Vec<_>, _>>()?;
    let origin = vec![0.0; model.features()];
    let free = Domain { bounds: InputBox::None, ..domain.clone() };
    let ball = Ball::new(&free, &origin);
    let total = attacks.iter().map(|attack| universal_steps(attack, sizes)).sum();
    let mut done = 0;
    let mut found = vec![];
    let aim = aim.as_ref().map(|aim| aim.values.as_slice());
    for attack in by_goal(attacks).into_iter().flatten() {
        let goal = |&target| attack.goal(target, aim);
        let goals = targets.iter().map(goal).collect::<Result<Vec<_>, _>>()?;
        let strongest =
            universal(&ball, &targets, &goals, &jacobians, &attack, sizes, &mut |step| {
                watch(done + step, total)
            })?;
        done += universal_steps(&attack, sizes);
        found.extend(strongest.into_iter().zip(sizes).map(|(strongest, &size)| Found {
            attack,
            size,
            by: strongest.by,
            perturbed: strongest.perturbation.perturbed,
        }));
    }
    Ok(found)
}

/// Directions that starts need.
fn directions(attacks: &[Attack]) -> usize {
    attacks.iter().map(|attack| attack.effort.directions).max().unwrap_or(0).max(1)
}

/// The attacks of each goal and pathway, in the order of their first attacks.
fn by_goal(attacks: &[Attack]) -> Vec<Vec<Attack>> {
    let mut groups: Vec<Vec<Attack>> = vec![];
    for attack in attacks {
        match groups.iter_mut().find(|group| group[0].is_rival(attack)) {
            Some(group) => group.push(*attack),
            None => groups.push(vec![*attack]),
        }
    }
    groups
}

/// What all attacks on one point begin with.
struct Site {
    encoding: Encoding,
    reference: Tensor<2>,
}

impl Site {
    fn new(model: &Model, point: Point<'_>, settings: &TrialSettings) -> Result<Self, Error> {
        settings.domain.bounds.check(point.x)?;
        settings.domain.check(point.x.len())?;
        if !point.x.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite("the input"));
        }
        let encoding = model.encoding(point.x)?;
        let reference = model.reconstruct(&encoding.mu)?;
        Ok(Self { encoding, reference })
    }

    fn target<'a>(
        &'a self,
        model: &'a Model,
        noise: &'a Noise,
        point: Point<'a>,
        ball: &'a Ball<'a>,
    ) -> Target<'a> {
        let Point { index, x, .. } = point;
        Target { model, x, reference: &self.reference, noise, index, ball }
    }
}

/// What the scores of one point have in common.
struct Judge<'a> {
    target: Target<'a>,
    settings: &'a TrialSettings,
    r: Option<f64>,
    encoding: &'a Encoding,
    /// The expected log-likelihood of x.
    original: f64,
}

impl Judge<'_> {
    /// The scores of the posterior of a perturbed input, and of a reconstruction of it.
    fn scores(&self, encoding: &Encoding, reconstruction: &[f32]) -> Result<Scores, Error> {
        let Target { model, x, reference, noise, index, .. } = self.target;
        let draws = Draws { noise, purpose: Purpose::Verdict, index };
        let mut damages = Vec::with_capacity(self.settings.draws as usize);
        model.for_each_damage(encoding, reference, draws, 0..self.settings.draws, |_, batch| {
            damages.extend_from_slice(batch);
        });
        if !damages.iter().all(|damage| damage.is_finite()) {
            return Err(Error::NotFinite("a perturbed reconstruction"));
        }
        let within = self.r.map(|r| {
            let within = damages.iter().filter(|&&damage| f64::from(damage) <= r).count();
            Proportion::new(within as u64, damages.len() as u64)
        });
        let likelihood = expected_log_likelihood(model, noise, index, encoding, x)?;
        let aim_distance = match &self.settings.aim {
            Some(aim) => Some(distance(&host(model.reconstruct(&encoding.mu)?), &aim.values)),
            None => None,
        };
        let before = host(reference.clone());
        let range = self.settings.range.map(|(low, high)| f64::from(high - low));
        let picture = self.settings.picture.zip(range);
        Ok(Scores {
            damage: median(&mut damages),
            within,
            kl: kl_divergence(encoding, self.encoding),
            symmetric_kl: symmetric_kl_divergence(encoding, self.encoding),
            degradation: relative_degradation(self.original, likelihood),
            psnr: range.and_then(|range| psnr(&before, reconstruction, range)),
            ssim: picture.and_then(|(shape, range)| ssim(&before, reconstruction, shape, range)),
            ms_ssim: picture
                .and_then(|(shape, range)| ms_ssim(&before, reconstruction, shape, range))
                .map(|similarity| similarity.value),
            aim_distance,
        })
    }
}
