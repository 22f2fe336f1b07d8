//! Everything the theory says of one point.

mod attacked;

use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vaegis_vae::{Noise, Purpose};

pub use attacked::Attacked;
use attacked::{Attacks, agreed};

use crate::attack::{Attack, DamageCurve};
use crate::certificate::draws::Plan;
use crate::certificate::{self, Certificate, Measured};
use crate::jacobian::{Jacobians, Norm};
use crate::model::{Draws, host, lengths};
use crate::statistics::{CorrectedMoments, Proportion};
use crate::{Ball, Domain, Encoding, Error, Model, Radius, Target, bounds, probability};

/// What to assess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Radii in reconstruction space.
    pub radii: Vec<Radius>,
    /// Monte Carlo draws behind each probability, at least.
    pub draws: u64,
    /// Error probability of limits and verdicts.
    pub alpha: f64,
    /// Which perturbations are allowed.
    #[serde(flatten)]
    pub domain: Domain,
    /// Attacks: the best of them counts at each radius.
    pub attacks: Vec<Attack>,
    /// How margins are certified, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certify: Option<Certification>,
    /// What targeted attacks aim at.
    pub aim: Option<Aim>,
}

/// How margins are certified.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Certification {
    /// Error probability of each certificate.
    pub alpha: f64,
    /// The share of what certainty about `p_r(x)` would certify that is worth more draws: up to
    /// [`MOST_DRAWS`](certificate::draws::MOST_DRAWS) times as many. With 0 there are no more.
    pub tightness: f64,
}

impl Certification {
    /// More tightness costs more draws than it is worth.
    pub const TIGHTNESS: f64 = 0.88;
}

/// An input that targeted attacks aim at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aim {
    /// Its row in the data set.
    pub row: u64,
    /// The input.
    #[serde(skip)]
    pub values: Vec<f32>,
}

/// A point to assess.
#[derive(Debug, Clone, Copy)]
pub struct Point<'a> {
    /// Its row in the data set, which addresses its noise: results depend on nothing else.
    pub index: u64,
    /// The input.
    pub x: &'a [f32],
    /// Perturbations that were found elsewhere, one for each radius or none, and where.
    pub transferred: &'a [Option<Transferred>],
}

impl<'a> Point<'a> {
    /// A point of which nothing is known from elsewhere.
    pub fn new(index: u64, x: &'a [f32]) -> Self {
        Self { index, x, transferred: &[] }
    }
}

/// A perturbation of a point that was found on another model.
#[derive(Debug, Clone, PartialEq)]
pub struct Transferred {
    /// Where it comes from, as results name it.
    pub from: String,
    /// The perturbation d.
    pub d: Vec<f32>,
}

/// What is known of one point.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// Smallest posterior standard deviation.
    pub sigma_min: f64,
    /// Mean posterior standard deviation.
    pub sigma_mean: f64,
    /// `|J|_F`.
    pub jacobian_frobenius: Norm,
    /// `|J|_2`.
    pub jacobian_spectral: Norm,
    /// `|Sigma^(-1/2) J|_2`.
    pub whitened_jacobian_spectral: Norm,
    /// One entry per requested radius.
    pub radii: Vec<RadiusAssessment>,
    /// The damage curve, if there was an attack.
    pub curve: Option<DamageCurve>,
    /// Time that the attacks took, without the Jacobians that they begin from.
    pub attack_time: Duration,
}

/// What is known of one point at one radius.
#[derive(Debug, Clone)]
pub struct RadiusAssessment {
    /// The radius in reconstruction space.
    pub r: f64,
    /// Draws within r.
    pub p: Proportion,
    /// `p_r(x)` of the linearised decoder.
    pub p_linear: f64,
    /// Markov's lower bound on it.
    pub p_markov: f64,
    /// The paper's first-order estimate at the Monte Carlo estimate of p.
    pub bound_paper: f64,
    /// The sharp first-order estimate at the Monte Carlo estimate of p.
    pub bound_sharp: f64,
    /// The paper's first-order estimate at the lower limit of p.
    pub bound_paper_limit: f64,
    /// The sharp first-order estimate at the lower limit of p.
    pub bound_sharp_limit: f64,
    /// What is proved.
    pub certified: Certified,
    /// What the attacks found.
    pub attacked: Attacked,
    /// Draws within r under the perturbation that was found elsewhere, as it is.
    pub transferred: Option<Proportion>,
}

/// What is proved at one radius.
#[derive(Debug, Clone)]
pub enum Certified {
    /// No certificate was asked for.
    NotAsked,
    /// Nothing can be proved of this model, and why.
    Unavailable(String),
    /// The margin that is certified, which may be 0.
    Within(Certificate),
}

/// Assesses one point.
///
/// # Errors
/// If x lies outside the box, or a quantity that a verdict rests on is not finite: NaN
/// is never robust.
pub fn assess(
    model: &Model,
    noise: &Noise,
    point: Point<'_>,
    settings: &Settings,
) -> Result<Assessment, Error> {
    let Point { index, x, .. } = point;
    settings.domain.bounds.check(x)?;
    settings.domain.check(x.len())?;
    if !x.iter().all(|value| value.is_finite()) {
        return Err(Error::NotFinite("the input"));
    }
    let encoding = model.encoding(x)?;
    let reference = model.reconstruct(&encoding.mu)?;
    let ball = Ball::new(&settings.domain, x);
    let target = Target { model, x, reference: &reference, noise, index, ball: &ball };
    let directions = settings.attacks.iter().map(|attack| attack.effort.directions.max(1)).max();
    let directions = directions.unwrap_or(0);
    let jacobians = Jacobians::at(target, &encoding, directions, settings.draws)?;
    let radii = probability::radii(target, &encoding, &settings.radii, settings.draws)?;
    let certify = settings.certify.filter(|_| model.latent() <= certificate::LATENTS);
    let (purpose, draws) = (Purpose::Estimation, settings.draws);
    let plan = match certify {
        Some(Certification { alpha, tightness }) if tightness > 0.0 => {
            Plan::new(target, &encoding, &radii, draws, (alpha, tightness))?
        }
        _ => Plan::exactly(draws),
    };
    let (estimates, moments): (Vec<Proportion>, Vec<CorrectedMoments>) = if certify.is_some() {
        let found = probability::beyond(target, purpose, &encoding, &radii, 0, &plan)?;
        found.into_iter().map(|beyond| (beyond.within, beyond.moments)).unzip()
    } else {
        (probability::within(target, purpose, &encoding, &radii, 0..draws)?, vec![])
    };

    let sigmas = encoding.sigma.iter().map(|&sigma| f64::from(sigma));
    let sigma_min = sigmas.clone().fold(f64::INFINITY, f64::min);
    let sigma_mean = sigmas.sum::<f64>() / encoding.sigma.len() as f64;
    // Where norms are known up to an error, estimates of the margin take the upper end.
    // A perturbation of norm 1 is at most this long in l2, which they are about.
    let longest = ball.largest_l2();
    let frobenius = jacobians.frobenius.upper() * longest;
    let whitened = jacobians.whitened_spectral.upper() * longest;

    let aim = settings.aim.as_ref().map(|aim| aim.values.as_slice());
    let began = Instant::now();
    let mut curves = Vec::with_capacity(settings.attacks.len());
    for attack in &settings.attacks {
        let goal = attack.goal(target, aim)?;
        curves.push(DamageCurve::sweep(target, &jacobians, attack, goal.as_ref(), &radii)?);
    }
    let mut attack_time = began.elapsed();
    let attacks = Attacks { target, encoding: &encoding, settings, curves: &curves };
    let sharp = |p: &Proportion| bounds::sharp(p.lower_limit(settings.alpha), whitened);
    let guesses: Vec<f64> = estimates.iter().map(sharp).collect();
    let measured = Measured { radii: &radii, plan: &plan, beyond: &moments };
    let certificates = certificates(target, &encoding, settings, measured, &guesses);
    // Of all radii alike, and only if one of them is broken.
    let mut original = None;
    let mut assessed = Vec::with_capacity(radii.len());
    let judged = radii.iter().zip(&estimates).zip(certificates);
    for (slot, ((&r, &p), certified)) in judged.enumerate() {
        let limit = p.lower_limit(settings.alpha);
        let transferred = point.transferred.get(slot).and_then(Option::as_ref);
        let began = Instant::now();
        let attacked = agreed(attacks.at(slot, (r, p), transferred, &mut original)?, &certified)?;
        attack_time += began.elapsed();
        assessed.push(RadiusAssessment {
            r,
            p,
            p_linear: jacobians.decoder.within(r),
            p_markov: jacobians.decoder.markov(r),
            bound_paper: bounds::paper(p.estimate(), sigma_min, frobenius),
            bound_sharp: bounds::sharp(p.estimate(), whitened),
            bound_paper_limit: bounds::paper(limit, sigma_min, frobenius),
            bound_sharp_limit: bounds::sharp(limit, whitened),
            attacked,
            certified,
            transferred: transferred.map(|given| attacks.as_it_is(r, given)).transpose()?,
        });
    }
    Ok(Assessment {
        sigma_min,
        sigma_mean,
        jacobian_frobenius: jacobians.frobenius,
        jacobian_spectral: jacobians.spectral,
        whitened_jacobian_spectral: jacobians.whitened_spectral,
        radii: assessed,
        curve: DamageCurve::envelope(&curves),
        attack_time,
    })
}

/// What can be proved at each radius.
fn certificates(
    target: Target<'_>,
    encoding: &Encoding,
    settings: &Settings,
    measured: Measured<'_>,
    guesses: &[f64],
) -> Vec<Certified> {
    let radii = measured.radii;
    let Some(Certification { alpha, .. }) = settings.certify else {
        return vec![Certified::NotAsked; radii.len()];
    };
    if measured.beyond.is_empty() {
        let most = certificate::LATENTS;
        let reason = format!("models of more than {most} latents cannot be certified");
        return vec![Certified::Unavailable(reason); radii.len()];
    }
    let domain = &settings.domain;
    match certificate::at_point(target, encoding, domain, measured, alpha, guesses) {
        Ok(certificates) => certificates.into_iter().map(Certified::Within).collect(),
        Err(error) => vec![Certified::Unavailable(error.to_string()); radii.len()],
    }
}

/// Pictures of what a perturbation does.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstructions {
    /// `g(mu(x))`.
    pub original: Vec<f32>,
    /// A reconstruction of x': of an odd number of draws, the one whose damage is the median.
    pub perturbed: Vec<f32>,
}

/// Reconstructs x and x', whose posterior is `perturbed`.
///
/// # Errors
/// If a reconstruction is not finite.
pub fn reconstructions(
    model: &Model,
    noise: &Noise,
    index: u64,
    x: &[f32],
    perturbed: &Encoding,
) -> Result<Reconstructions, Error> {
    const SAMPLES: usize = 101;
    let reference = model.reconstruct(&model.encoding(x)?.mu)?;
    let draws = Draws { noise, purpose: Purpose::Scores, index };
    let z = model.sample(perturbed, draws, 0, SAMPLES);
    let damages = lengths(model.change(z.clone(), &reference));
    let mut order: Vec<usize> = (0..SAMPLES).collect();
    order.sort_by(|&a, &b| damages[a].total_cmp(&damages[b]));
    let row: Tensor<2> = z.narrow(0, order[SAMPLES / 2], 1);
    let median = host(model.generator().forward(row).remove(0));
    if median.iter().all(|value| value.is_finite()) {
        Ok(Reconstructions { original: host(reference), perturbed: median })
    } else {
        Err(Error::NotFinite("a perturbed reconstruction"))
    }
}
