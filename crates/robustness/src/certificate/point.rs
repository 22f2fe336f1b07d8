use std::collections::HashMap;

use vaegis_vae::Purpose;

use super::{Certificate, Neighbourhood, Posteriors, Reachable, Search, cover};
use crate::statistics::{IndicatorMoments, MomentLimits};
use crate::{Domain, Encoding, Target, probability};

/// Models of more latents are not certified: second moments have as many entries as their square.
pub const LATENTS: usize = 512;

/// Certified margins are found up to this share of themselves.
const TOLERANCE: f64 = 0.01;

/// Where a margin is looked for first, as a share of the first-order estimate.
const START: f64 = 0.8;

/// Draws about each other centre, as a share of those at x.
const SHARE: u64 = 4;

/// The certified margins of a point, in the domain's norm and units, one for each radius.
///
/// The radii come with the draws beyond each without a perturbation
/// ([`probability::beyond`](crate::probability::beyond)). Each certificate has an error of at most
/// `alpha`. `guesses` say where margins are looked for.
///
/// # Errors
/// If the encoder has an operator that cannot be bounded, with its name.
pub fn at_point(
    target: Target<'_>,
    encoding: &Encoding,
    domain: &Domain,
    (radii, beyond): (&[f64], &[IndicatorMoments]),
    alpha: f64,
    guesses: &[f64],
) -> Result<Vec<Certificate>, vaegis_network::Error> {
    let neighbourhood = Neighbourhood::new(target.model.encoder_bounder(), domain, target.x)?;
    let posteriors = Posteriors::new(&neighbourhood)?;
    let largest = target.ball.reach();
    // Radii share what is known, and look at the same distances at first.
    let mut reachable: HashMap<u64, Option<Reachable>> = HashMap::new();
    let mut centres =
        Centres { target, encoding, radii, axis: posteriors.axis(), known: HashMap::new() };
    let certificates = (0..radii.len()).map(|slot| {
        let guess = START * guesses[slot];
        let start = if guess.is_finite() { guess } else { 1.0 }.min(largest);
        let search = Search { start, largest, tolerance: TOLERANCE };
        let limits = |centre: isize| {
            let moments = match centre {
                0 => &beyond[slot],
                _ => &centres.beyond(centre, beyond[slot].events().draws() / SHARE)?[slot],
            };
            Some(moments.limits(alpha * cover::share(centre)))
        };
        let mut all: HashMap<isize, Option<MomentLimits>> = HashMap::new();
        let mut limits = limits;
        let limits = |centre: isize| *all.entry(centre).or_insert_with(|| limits(centre));
        cover::from_centres(radii[slot], alpha, &search, limits, |distance| {
            let found = reachable.entry(distance.to_bits());
            found.or_insert_with(|| posteriors.within(distance)).clone()
        })
    });
    Ok(certificates.collect())
}

/// Draws about posteriors that are shifted along the axis.
struct Centres<'a> {
    target: Target<'a>,
    encoding: &'a Encoding,
    radii: &'a [f64],
    axis: Option<&'a [f64]>,
    /// None where a reconstruction is not finite.
    known: HashMap<isize, Option<Vec<IndicatorMoments>>>,
}

impl Centres<'_> {
    /// Draws beyond each radius about a centre.
    fn beyond(&mut self, centre: isize, draws: u64) -> Option<&Vec<IndicatorMoments>> {
        let Self { target, encoding, radii, axis, known } = self;
        let axis = (*axis)?;
        let measured = known.entry(centre).or_insert_with(|| {
            let shift = centre as f64 * cover::STEP;
            let moved = encoding.mu.iter().zip(&encoding.sigma).zip(axis);
            let moved = moved.map(|((&mu, &sigma), along)| {
                (f64::from(mu) + shift * f64::from(sigma) * along) as f32
            });
            let shifted = Encoding { mu: moved.collect(), sigma: encoding.sigma.clone() };
            // Every centre has draws of its own.
            let first = (centre + cover::CENTRES) as u64 * draws;
            let range = first..first + draws;
            probability::beyond(*target, Purpose::Certification, &shifted, radii, range).ok()
        });
        measured.as_ref()
    }
}
