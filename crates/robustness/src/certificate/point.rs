use std::collections::HashMap;

use vaegis_vae::{LipschitzConstants, Purpose};

use super::coupling::{self, lipschitz_distance};
use super::cover::Wanted;
use super::drawn::{Drawn, length};
use super::{
    Certificate, Lipschitz, Neighbourhood, Posteriors, Reachable, Search, cover, posteriors,
};
use crate::attack::goal::Reference;
use crate::statistics::{IndicatorMoments, MomentLimits};
use crate::{Domain, Encoding, Model, Target, probability};

/// Models of more latents are not certified: second moments have as many entries as their square.
pub const LATENTS: usize = 512;

/// Certified margins are found up to this share of themselves.
const TOLERANCE: f64 = 0.01;

/// Where a margin is looked for first, as a share of the first-order estimate.
const START: f64 = 0.8;

/// Draws about each other centre, as a share of those at x.
const SHARE: u64 = 4;

/// Draws about each other centre by which it is guessed whether those are worth it.
const GUESSED: u64 = 400;

/// Between the numbers of the first draws of two centres.
const APART: u64 = 1 << 40;

/// Draws that are coupled: to show more than a half takes few.
const COUPLED: u64 = 2_000;

/// Bytes that certifying a point takes, beside those of its draws.
pub fn bytes(model: &Model) -> usize {
    if model.latent() <= LATENTS { posteriors::bytes(model.encoder_bounder()) } else { 0 }
}

/// The certified margins of a point, in the domain's norm and units, one for each radius: the largest
/// of all that can be shown.
///
/// The radii come with the draws beyond each without a perturbation
/// ([`probability::beyond`]). Each certificate has an error of at most
/// `alpha`; where there are Lipschitz constants, half of it is the coupling's. `guesses` say where
/// margins are looked for.
///
/// # Errors
/// If the encoder has an operator that cannot be bounded, with its name, and no Lipschitz constants.
pub fn at_point(
    target: Target<'_>,
    encoding: &Encoding,
    domain: &Domain,
    (radii, beyond): (&[f64], &[IndicatorMoments]),
    alpha: f64,
    guesses: &[f64],
) -> Result<Vec<Certificate>, vaegis_network::Error> {
    let largest = target.ball.reach();
    let searches: Vec<Search> = guesses
        .iter()
        .map(|guess| {
            let start = if guess.is_finite() { START * guess } else { 1.0 };
            Search { start: start.min(largest), largest, tolerance: TOLERANCE }
        })
        .collect();
    let neighbourhood = Neighbourhood::new(target.model.encoder_bounder(), domain, target.x)?;
    let point = Place { target, encoding, neighbourhood: &neighbourhood, radii };
    let Some(constants) = target.model.lipschitz() else {
        return point.by_draws(beyond, alpha, &searches, None);
    };
    let longest = target.ball.largest_change();
    let LipschitzConstants { decoder, encoder_mean, encoder_sigma } = constants;
    let per_unit = [encoder_mean * longest, encoder_sigma * longest];
    let half = 0.5 * alpha;
    let drawn = Drawn::new(&neighbourhood, encoding)?;
    let by_draws = point.by_draws(beyond, half, &searches, Some(per_unit));
    let coupled = Coupled::new(target, encoding, &drawn, decoder, per_unit);
    let largest_sigmas = drawn.sigmas().into_iter().map(|[_, high]| high).collect();
    let by_construction = Lipschitz::new(constants.into(), largest_sigmas, Reference::Mean).ok();
    let certificates = radii.iter().zip(&searches).enumerate().map(|(slot, (&r, search))| {
        let mut best = coupled.certificate(r, half, search);
        if let Ok(by_draws) = &by_draws {
            best = best.larger(by_draws[slot].clone());
        }
        match &by_construction {
            Some(lipschitz) => best.larger(lipschitz.certificate(r).in_units_of(longest)),
            None => best,
        }
    });
    Ok(certificates.collect())
}

/// What is certified.
#[derive(Clone, Copy)]
struct Place<'a> {
    target: Target<'a>,
    encoding: &'a Encoding,
    neighbourhood: &'a Neighbourhood<'a>,
    radii: &'a [f64],
}

impl Place<'_> {
    /// From bounds on the posterior and draws.
    fn by_draws(
        self,
        beyond: &[IndicatorMoments],
        alpha: f64,
        searches: &[Search],
        lipschitz: Option<[f64; 2]>,
    ) -> Result<Vec<Certificate>, vaegis_network::Error> {
        let Self { target, encoding, neighbourhood, radii } = self;
        let posteriors = Posteriors::new(neighbourhood, encoding, lipschitz)?;
        // Radii share what is known, and look at the same distances at first.
        let mut reachable: HashMap<u64, Option<Reachable>> = HashMap::new();
        let mut centres =
            Centres { target, encoding, radii, axis: posteriors.axis(), known: HashMap::new() };
        let certificates = (0..radii.len()).map(|slot| {
            let draws = beyond[slot].events().draws() / SHARE;
            let mut limits = |centre: isize, wanted: Wanted| {
                Some(match (centre, wanted) {
                    (0, _) => beyond[slot].limits(alpha * cover::share(centre)),
                    (_, Wanted::Guess) => {
                        centres.beyond(centre, wanted, draws.min(GUESSED))?[slot].guess()
                    }
                    (_, Wanted::Limits) => {
                        let moments = &centres.beyond(centre, wanted, draws)?[slot];
                        moments.limits(alpha * cover::share(centre))
                    }
                })
            };
            let mut all: HashMap<(isize, Wanted), Option<MomentLimits>> = HashMap::new();
            let limits = |centre: isize, wanted: Wanted| {
                *all.entry((centre, wanted)).or_insert_with(|| limits(centre, wanted))
            };
            cover::from_centres(radii[slot], alpha, &searches[slot], limits, |distance| {
                let found = reachable.entry(distance.to_bits());
                found.or_insert_with(|| posteriors.within(distance)).clone()
            })
        });
        Ok(certificates.collect())
    }
}

/// Draws that drive the posteriors of x and x' alike, where all is Lipschitz.
struct Coupled {
    decoder: f64,
    /// Of mean and sigma, per unit of a perturbation.
    encoder: [f64; 2],
    /// How far the true mean and standard deviations are from those that were drawn from.
    errors: (f64, Vec<f64>),
    eta: Vec<f32>,
    /// `|g(mu + eta sigma) - g(mu)|`, and what its evaluation may lose; none if one is not finite.
    distances: Option<Vec<f64>>,
}

impl Coupled {
    fn new(
        target: Target<'_>,
        encoding: &Encoding,
        drawn: &Drawn,
        decoder: f64,
        encoder: [f64; 2],
    ) -> Self {
        let Target { noise, index, .. } = target;
        let latent = encoding.mu.len();
        let eta = noise.normal(Purpose::Coupling, index, 0, COUPLED as usize, latent);
        let distances = target.damages(encoding, eta.clone()).ok();
        let error = probability::evaluation_error(target);
        let upper = |&damage: &f32| f64::from(damage) + error(f64::from(damage));
        let distances = distances.map(|all| all.iter().map(upper).collect());
        let mean_error = length(drawn.mean_errors().into_iter());
        let pairs = drawn.sigmas().into_iter().zip(&drawn.sigma);
        let sigma_errors = pairs.map(|([low, high], sigma)| (high - sigma).max(sigma - low));
        let errors = (mean_error, sigma_errors.collect());
        Self { decoder, encoder, errors, eta, distances }
    }

    fn certificate(&self, r: f64, alpha: f64, search: &Search) -> Certificate {
        let ([mean, sigma], (mean_error, sigma_errors)) = (self.encoder, &self.errors);
        coupling::coupled(r, COUPLED, alpha, search, |distance| {
            let shift = mean * distance + mean_error;
            let scales: Vec<f64> =
                sigma_errors.iter().map(|error| sigma * distance + error).collect();
            let etas = self.eta.chunks_exact(scales.len());
            let pairs = etas.zip(self.distances.as_ref()?);
            let farthest = pairs.map(|(eta, &at_rest)| {
                lipschitz_distance(at_rest, self.decoder, shift, &scales, eta)
            });
            Some(farthest.collect())
        })
    }
}

/// Draws about posteriors that are shifted along the axis.
struct Centres<'a> {
    target: Target<'a>,
    encoding: &'a Encoding,
    radii: &'a [f64],
    axis: Option<&'a [f64]>,
    /// None where a reconstruction is not finite.
    known: HashMap<(isize, Wanted), Option<Vec<IndicatorMoments>>>,
}

impl Centres<'_> {
    /// Draws beyond each radius about a centre.
    fn beyond(
        &mut self,
        centre: isize,
        wanted: Wanted,
        draws: u64,
    ) -> Option<&Vec<IndicatorMoments>> {
        let Self { target, encoding, radii, axis, known } = self;
        let axis = (*axis)?;
        let measured = known.entry((centre, wanted)).or_insert_with(|| {
            let shift = centre as f64 * cover::STEP;
            let moved = encoding.mu.iter().zip(&encoding.sigma).zip(axis);
            let moved = moved.map(|((&mu, &sigma), along)| {
                (f64::from(mu) + shift * f64::from(sigma) * along) as f32
            });
            let shifted = Encoding { mu: moved.collect(), sigma: encoding.sigma.clone() };
            // Every centre has draws of its own.
            let first = APART * (centre + cover::CENTRES) as u64;
            let range = first..first + draws;
            let purpose = match wanted {
                Wanted::Guess => Purpose::Pilot,
                Wanted::Limits => Purpose::Certification,
            };
            let found = probability::beyond(*target, purpose, &shifted, radii, range).ok()?;
            Some(found.into_iter().map(|beyond| beyond.moments).collect())
        });
        measured.as_ref()
    }
}
