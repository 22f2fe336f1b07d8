//! Everything the theory says of one point.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vaegis_vae::{Noise, Purpose};

use crate::attack::margin::level_at_rest;
use crate::attack::{AttackedMargin, DamageCurve, Effort};
use crate::degradation::{expected_log_likelihood, relative};
use crate::jacobian::{Jacobians, Norm};
use crate::model::{Draws, host};
use crate::statistics::Proportion;
use crate::{Ball, Domain, Encoding, Error, Model, Radius, Target, bounds, probability};

/// What to assess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Radii in reconstruction space.
    pub radii: Vec<Radius>,
    /// Monte Carlo draws behind each probability.
    pub draws: u64,
    /// Error probability of limits and verdicts.
    pub alpha: f64,
    /// Which perturbations are allowed.
    #[serde(flatten)]
    pub domain: Domain,
    /// How hard to attack, if at all.
    pub attack: Option<Effort>,
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
    /// What the attack found.
    pub attacked: Attacked,
}

/// The outcome of an attack at one radius.
#[derive(Debug, Clone)]
pub enum Attacked {
    /// There was no attack.
    NotAsked,
    /// x is significantly not r-robust as it is: the margin is 0.
    AtRest,
    /// A perturbation that breaks r-robustness, and its likelihood degradation.
    Broken(AttackedMargin, f64),
    /// No perturbation within the search range was shown to break r-robustness.
    NotFound,
}

/// Assesses one point. `index` addresses its noise: the result depends on nothing else.
///
/// # Errors
/// If x lies outside the box, or a quantity that a verdict rests on is not finite: NaN
/// is never robust.
pub fn assess(
    model: &Model,
    noise: &Noise,
    index: u64,
    x: &[f32],
    settings: &Settings,
) -> Result<Assessment, Error> {
    settings.domain.bounds.check(x)?;
    settings.domain.check(x.len())?;
    if !x.iter().all(|value| value.is_finite()) {
        return Err(Error::NotFinite("the input"));
    }
    let encoding = model.encoding(x)?;
    let reference = model.reconstruct(&encoding.mu)?;
    let ball = Ball::new(&settings.domain, x);
    let target = Target { model, x, reference: &reference, noise, index, ball: &ball };
    let directions = settings.attack.map_or(0, |effort| effort.directions.max(1));
    let jacobians = Jacobians::at(target, &encoding, directions, settings.draws)?;
    let radii = probability::radii(target, &encoding, &settings.radii, settings.draws)?;
    let estimates =
        probability::within(target, Purpose::Estimation, &encoding, &radii, 0..settings.draws)?;

    let sigmas = encoding.sigma.iter().map(|&sigma| f64::from(sigma));
    let sigma_min = sigmas.clone().fold(f64::INFINITY, f64::min);
    let sigma_mean = sigmas.sum::<f64>() / encoding.sigma.len() as f64;
    // Where norms are known up to an error, estimates of the margin take the upper end.
    // A perturbation of norm 1 is at most this long in l2, which they are about.
    let longest = ball.largest_l2();
    let frobenius = jacobians.frobenius.upper() * longest;
    let whitened = jacobians.whitened_spectral.upper() * longest;

    let sweep = |effort: &Effort| DamageCurve::sweep(target, &jacobians, effort, &radii);
    let curve = settings.attack.as_ref().map(sweep).transpose()?;
    // Of all radii alike, and only if one of them is broken.
    let mut original = None;
    let mut assessed = Vec::with_capacity(radii.len());
    for (slot, (&r, &p)) in radii.iter().zip(&estimates).enumerate() {
        let limit = p.lower_limit(settings.alpha);
        assessed.push(RadiusAssessment {
            r,
            p,
            p_linear: jacobians.decoder.within(r),
            p_markov: jacobians.decoder.markov(r),
            bound_paper: bounds::paper(p.estimate(), sigma_min, frobenius),
            bound_sharp: bounds::sharp(p.estimate(), whitened),
            bound_paper_limit: bounds::paper(limit, sigma_min, frobenius),
            bound_sharp_limit: bounds::sharp(limit, whitened),
            attacked: attack(
                target,
                &encoding,
                settings,
                curve.as_ref(),
                slot,
                (r, p),
                &mut original,
            )?,
        });
    }
    Ok(Assessment {
        sigma_min,
        sigma_mean,
        jacobian_frobenius: jacobians.frobenius,
        jacobian_spectral: jacobians.spectral,
        whitened_jacobian_spectral: jacobians.whitened_spectral,
        radii: assessed,
        curve,
    })
}

/// The attack at one radius: the damage curve inverted.
fn attack(
    target: Target<'_>,
    encoding: &Encoding,
    settings: &Settings,
    curve: Option<&DamageCurve>,
    slot: usize,
    (r, p): (f64, Proportion),
    original: &mut Option<f64>,
) -> Result<Attacked, Error> {
    let (Some(effort), Some(curve)) = (&settings.attack, curve) else {
        return Ok(Attacked::NotAsked);
    };
    let Settings { draws, alpha, .. } = *settings;
    if p.below_half(level_at_rest(alpha)) {
        return Ok(Attacked::AtRest);
    }
    let margin = match curve.margin(target, effort, slot, r, draws, alpha) {
        Ok(Some(margin)) => margin,
        // A perturbation that takes the model out of the range of numbers shows nothing.
        Ok(None) | Err(Error::NotFinite(_)) => return Ok(Attacked::NotFound),
        Err(error) => return Err(error),
    };
    let Target { model, x, noise, index, .. } = target;
    let original = match original {
        Some(original) => *original,
        None => *original.insert(expected_log_likelihood(model, noise, index, encoding, x)?),
    };
    let perturbed = model.encoding(&margin.perturbation.perturbed)?;
    let perturbed = expected_log_likelihood(model, noise, index, &perturbed, x)?;
    Ok(Attacked::Broken(margin, relative(original, perturbed)))
}

/// Pictures of what a perturbation does.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstructions {
    /// `g(mu(x))`.
    pub original: Vec<f32>,
    /// A reconstruction of x': of an odd number of draws, the one whose damage is the median.
    pub perturbed: Vec<f32>,
}

/// Reconstructs x and x'.
///
/// # Errors
/// If a reconstruction is not finite.
pub fn reconstructions(
    model: &Model,
    noise: &Noise,
    index: u64,
    x: &[f32],
    perturbed: &[f32],
) -> Result<Reconstructions, Error> {
    const SAMPLES: usize = 101;
    let reference = model.reconstruct(&model.encoding(x)?.mu)?;
    let draws = Draws { noise, purpose: Purpose::Scores, index };
    let z = model.sample(&model.encoding(perturbed)?, draws, 0, SAMPLES);
    let damages = model.distances(z.clone(), &reference);
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
