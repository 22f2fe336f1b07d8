//! What attacks find of one point.

use vaegis_vae::Purpose;

use super::{Certified, Settings, Transferred};
use crate::attack::margin::level_at_rest;
use crate::attack::optimiser::Candidate;
use crate::attack::{Attack, AttackedMargin, DamageCurve};
use crate::scores::{expected_log_likelihood, relative_degradation};
use crate::statistics::Proportion;
use crate::{Encoding, Error, Target, probability};

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

/// What an attack found, unless it contradicts what is proved.
pub(super) fn agreed(attacked: Attacked, certified: &Certified) -> Result<Attacked, Error> {
    let Certified::Within(certificate) = certified else { return Ok(attacked) };
    let broken_at = match &attacked {
        Attacked::AtRest => 0.0,
        Attacked::Broken(margin, _) => margin.perturbation.norm,
        Attacked::NotAsked | Attacked::NotFound => return Ok(attacked),
    };
    if broken_at < certificate.margin() {
        let (certified, r) = (certificate.margin(), certificate.r());
        return Err(Error::Contradiction { r, certified, attacked: broken_at });
    }
    Ok(attacked)
}

/// All attacks on one point.
pub(super) struct Attacks<'a> {
    pub(super) target: Target<'a>,
    pub(super) encoding: &'a Encoding,
    pub(super) settings: &'a Settings,
    /// One for each attack.
    pub(super) curves: &'a [DamageCurve],
}

impl Attacks<'_> {
    /// The best of all attacks at one radius. `original`: the expected log-likelihood of x, which
    /// is computed when it is first needed.
    pub(super) fn at(
        &self,
        slot: usize,
        (r, p): (f64, Proportion),
        transferred: Option<&Transferred>,
        original: &mut Option<f64>,
    ) -> Result<Attacked, Error> {
        let Settings { draws, alpha, attacks, .. } = self.settings;
        let tries = attacks.len() + usize::from(transferred.is_some());
        if tries == 0 {
            return Ok(Attacked::NotAsked);
        }
        if p.below_half(level_at_rest(*alpha)) {
            return Ok(Attacked::AtRest);
        }
        let (target, alpha) = (self.target, alpha / tries as f64);
        let mut best: Option<AttackedMargin> = None;
        let mut consider = |found: Result<Option<AttackedMargin>, Error>, name: Option<String>| {
            let found = match found {
                Ok(Some(found)) => found,
                // A perturbation that takes the model out of the range of numbers shows nothing.
                Ok(None) | Err(Error::NotFinite(_)) => return Ok(()),
                Err(error) => return Err(error),
            };
            if best.as_ref().is_none_or(|best| found.perturbation.norm < best.perturbation.norm) {
                let by = name.map_or(found.by.clone(), |name| format!("{name} {}", found.by));
                best = Some(AttackedMargin { by, ..found });
            }
            Ok(())
        };
        for (attack, curve) in attacks.iter().zip(self.curves) {
            let name = (*attack != Attack::default()).then(|| attack.to_string());
            consider(curve.margin(target, attack, slot, r, *draws, alpha), name)?;
        }
        if let Some(given) = transferred {
            let u = target.ball.between(&self.perturbed(given));
            let candidate = Candidate { name: given.from.clone(), u, value: f64::NEG_INFINITY };
            let found = AttackedMargin::along(target, &candidate, slot, r, *draws, alpha);
            consider(found, Some("transferred from".to_string()))?;
        }
        let Some(margin) = best else { return Ok(Attacked::NotFound) };
        let Target { model, x, noise, index, .. } = target;
        let original = match original {
            Some(original) => *original,
            None => {
                *original.insert(expected_log_likelihood(model, noise, index, self.encoding, x)?)
            }
        };
        let perturbed = model.encoding(&margin.perturbation.perturbed)?;
        let perturbed = expected_log_likelihood(model, noise, index, &perturbed, x)?;
        Ok(Attacked::Broken(margin, relative_degradation(original, perturbed)))
    }

    /// Draws within r under a perturbation exactly as it was found elsewhere.
    pub(super) fn as_it_is(&self, r: f64, given: &Transferred) -> Result<Proportion, Error> {
        let encoding = self.target.model.encoding(&self.perturbed(given))?;
        let draws = 0..self.settings.draws;
        let found = probability::within(self.target, Purpose::Transfer, &encoding, &[r], draws)?;
        Ok(found[0])
    }

    fn perturbed(&self, given: &Transferred) -> Vec<f32> {
        self.target.x.iter().zip(&given.d).map(|(x, d)| x + d).collect()
    }
}
