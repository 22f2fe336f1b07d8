use std::collections::HashMap;
use std::rc::Rc;

use vaegis_vae::{LipschitzConstants, Purpose};

use super::centres::Centres;
use super::coupling::{self, lipschitz_distance};
use super::cover::Wanted;
use super::drawn::{Drawn, length};
use super::draws::Plan;
use super::{
    Certificate, Lipschitz, Neighbourhood, Posteriors, Reachable, Search, SectorLimits, cover,
    posteriors,
};
use crate::attack::goal::Reference;
use crate::statistics::{CorrectedMoments, Sectors};
use crate::{Domain, Encoding, Model, Target, probability};

/// Models of more latents are not certified: second moments have as many entries as their square.
pub const LATENTS: usize = 512;

/// Certified margins are found up to this share of themselves.
const TOLERANCE: f64 = 0.01;

/// Where a margin is looked for first, as a share of the first-order estimate.
const START: f64 = 0.8;

/// Draws that are coupled: to show more than a half takes few.
const COUPLED: u64 = 2_000;

/// Bytes that certifying a point takes, beside those of its draws.
pub fn bytes(model: &Model) -> usize {
    if model.latent() <= LATENTS { posteriors::bytes(model.encoder_bounder()) } else { 0 }
}

/// What draws say about a point without a perturbation.
#[derive(Clone, Copy)]
pub(crate) struct Measured<'a> {
    pub(crate) radii: &'a [f64],
    /// The draws, and what predicted them.
    pub(crate) plan: &'a Plan,
    /// Of each radius ([`probability::beyond`]).
    pub(crate) beyond: &'a [CorrectedMoments],
}

/// The certified margins of a point, in the domain's norm and units, one for each radius: the largest
/// of all that can be shown.
///
/// Each certificate has an error of at most
/// `alpha`; where there are Lipschitz constants, half of it is the coupling's. `guesses` say where
/// margins are looked for.
///
/// # Errors
/// If the encoder has an operator that cannot be bounded, with its name, and no Lipschitz constants.
pub(crate) fn at_point(
    target: Target<'_>,
    encoding: &Encoding,
    domain: &Domain,
    measured: Measured<'_>,
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
    let point = Place { target, encoding, neighbourhood: &neighbourhood, measured };
    let Some(constants) = target.model.lipschitz() else {
        return point.by_draws(alpha, &searches, None);
    };
    let longest = target.ball.largest_change();
    let LipschitzConstants { decoder, encoder_mean, encoder_sigma } = constants;
    let per_unit = [encoder_mean * longest, encoder_sigma * longest];
    let half = 0.5 * alpha;
    let drawn = Drawn::new(&neighbourhood, encoding)?;
    let by_draws = point.by_draws(half, &searches, Some(per_unit));
    let coupled = Coupled::new(target, encoding, &drawn, decoder, per_unit);
    let largest_sigmas = drawn.sigmas().into_iter().map(|[_, high]| high).collect();
    let by_construction = Lipschitz::new(constants.into(), largest_sigmas, Reference::Mean).ok();
    let certificates =
        measured.radii.iter().zip(&searches).enumerate().map(|(slot, (&r, search))| {
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
    measured: Measured<'a>,
}

impl Place<'_> {
    /// From bounds on the posterior and draws.
    fn by_draws(
        self,
        alpha: f64,
        searches: &[Search],
        lipschitz: Option<[f64; 2]>,
    ) -> Result<Vec<Certificate>, vaegis_network::Error> {
        let Self { target, encoding, neighbourhood, measured } = self;
        let Measured { radii, plan, beyond } = measured;
        let posteriors = Posteriors::new(neighbourhood, encoding, lipschitz)?;
        // Radii share what is known, and look at the same distances at first.
        let mut reachable: HashMap<u64, Option<Reachable>> = HashMap::new();
        let axis = posteriors.axis();
        let sectors = axis.map_or(Sectors::whole(), Sectors::about);
        let mut centres = Centres::new(target, encoding, radii, axis, &sectors, plan, alpha);
        let certificates = (0..radii.len()).map(|slot| {
            let mut limits = |centre: isize, wanted: Wanted| {
                let alpha = alpha * cover::share(centre);
                let known = match (centre, wanted) {
                    (0, _) => beyond[slot].limits_in(alpha, &sectors),
                    (_, Wanted::Guess) => centres.guess(centre, slot)?.to_vec(),
                    (_, Wanted::Limits) => {
                        centres.moments(centre, slot)?.limits_in(alpha, &sectors)
                    }
                };
                Some(Rc::new(SectorLimits::new(&sectors, known)))
            };
            let mut all: HashMap<(isize, Wanted), Option<Rc<SectorLimits>>> = HashMap::new();
            let limits = |centre: isize, wanted: Wanted| {
                all.entry((centre, wanted)).or_insert_with(|| limits(centre, wanted)).clone()
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
