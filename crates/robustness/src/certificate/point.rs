use std::collections::HashMap;

use super::{Certificate, Neighbourhood, Posteriors, Reachable, Search, margin};
use crate::statistics::IndicatorMoments;
use crate::{Domain, Target};

/// Models of more latents are not certified: second moments have as many entries as their square.
pub const LATENTS: usize = 512;

/// Certified margins are found up to this share of themselves.
const TOLERANCE: f64 = 0.005;

/// Where a margin is looked for first, as a share of the first-order estimate.
const START: f64 = 0.7;

/// The certified margins of a point, in the domain's norm and units, one for each radius.
///
/// `beyond` holds the draws beyond each radius without a perturbation ([`crate::probability::beyond`]).
/// Each certificate has an error of at most `alpha`. `guesses` say where margins are looked for.
///
/// # Errors
/// If the encoder has an operator that cannot be bounded, with its name.
pub fn at_point(
    target: Target<'_>,
    domain: &Domain,
    radii: &[f64],
    beyond: &[IndicatorMoments],
    alpha: f64,
    guesses: &[f64],
) -> Result<Vec<Certificate>, vaegis_network::Error> {
    let neighbourhood = Neighbourhood::new(target.model.encoder_bounder(), domain, target.x)?;
    let posteriors = Posteriors::new(&neighbourhood)?;
    let largest = target.ball.reach();
    // Radii look at the same distances at first.
    let mut known: HashMap<u64, Option<Reachable>> = HashMap::new();
    let certificates = radii.iter().zip(beyond).zip(guesses).map(|((&r, beyond), &guess)| {
        let start = (START * guess).min(largest);
        let start = if start.is_finite() { start } else { 1.0 };
        let search = Search { start, largest, tolerance: TOLERANCE };
        margin::from_posteriors(r, beyond, alpha, &search, |distance| {
            let found = known.entry(distance.to_bits());
            found.or_insert_with(|| posteriors.within(distance)).clone()
        })
    });
    Ok(certificates.collect())
}
