//! Whether draws are beyond a radius, predicted instead of decoded.

use vaegis_vae::Purpose;

use super::quartic::{self, Moments, Quartic};
use crate::statistics::{IndicatorMoments, Proportion, normal_cdf};
use crate::{Encoding, Error, Target};

/// A prediction of `|Delta| > r`, for posteriors near one that it was fitted about.
#[derive(Debug)]
pub(crate) struct Prediction {
    quartic: Quartic,
    /// `r^2`.
    square: f64,
    /// The share of draws about that posterior that it is expected to be wrong about.
    pub(crate) wrong: f64,
}

impl Prediction {
    /// Fits one for each radius to the draws `range` of a posterior, and counts those within it.
    /// There is none where the draws are too few, or the model too big.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub(crate) fn fit(
        target: Target<'_>,
        purpose: Purpose,
        encoding: &Encoding,
        radii: &[f64],
        range: std::ops::Range<u64>,
    ) -> Result<Vec<(Proportion, Option<Self>)>, Error> {
        let Target { model, noise, index, .. } = target;
        let count = (range.end - range.start) as usize;
        let affordable = quartic::affordable(model, count, radii.len());
        let moments = |r: &f64| Moments::new(model, encoding, count, r * r).filter(|_| affordable);
        let mut moments: Vec<Option<Moments>> = radii.iter().map(moments).collect();
        let eta = noise.normal(purpose, index, range.start, count, model.latent());
        let z = encoding.samples(&eta);
        let damages = target.decode(&z, |z, change| {
            moments.iter_mut().flatten().for_each(|moments| moments.add(model, z, change));
        });
        let damages = damages.map_err(|_| Error::NotFinite("a sampled reconstruction"))?;
        let fitted = radii.iter().zip(moments).map(|(&r, moments)| {
            let within = damages.iter().filter(|&&damage| f64::from(damage) <= r).count();
            let prediction = moments.and_then(|moments| {
                let quartic = moments.fit(model)?;
                let square = r * r;
                // What a fit says of its own draws flatters it; how much it leaves does not.
                let doubt = |value: f64| normal_cdf(-(value - square).abs() / quartic.residual);
                let doubts = quartic.values(model, &z).into_iter().map(doubt);
                let wrong = doubts.sum::<f64>() / count as f64;
                wrong.is_finite().then_some(Self { quartic, square, wrong })
            });
            (Proportion::new(within as u64, count as u64), prediction)
        });
        Ok(fitted.collect())
    }

    /// What each of several predictions, which were fitted together, says of a batch of latent
    /// samples, one row after the other.
    ///
    /// Limits take a prediction for one function of the noise, whichever draws it is asked about: so
    /// all batches have the same shape, on which the rounding of products may depend.
    pub(crate) fn beyond(
        predictions: &[Option<Self>],
        target: Target<'_>,
        z: &[f32],
    ) -> Vec<Option<Vec<bool>>> {
        let (model, first) = (target.model, predictions.iter().flatten().next());
        let count = z.len() / model.latent();
        let mut padded = z.to_vec();
        padded.resize(model.rows().max(count) * model.latent(), 0.0);
        let terms = first.map(|first| first.quartic.terms(model, &padded));
        let said = predictions.iter().map(|prediction| {
            let Self { quartic, square, .. } = prediction.as_ref()?;
            let values = quartic.values_at(terms.as_ref()?).take(count);
            Some(values.map(|value| value > *square).collect())
        });
        said.collect()
    }

    /// What the draws `range` of a posterior say of each prediction.
    pub(crate) fn moments(
        predictions: &[Option<Self>],
        target: Target<'_>,
        purpose: Purpose,
        encoding: &Encoding,
        range: std::ops::Range<u64>,
    ) -> Vec<Option<IndicatorMoments>> {
        let Target { model, noise, index, .. } = target;
        let latent = model.latent();
        let none =
            |prediction: &Option<Self>| prediction.as_ref().map(|_| IndicatorMoments::new(latent));
        let mut moments: Vec<Option<IndicatorMoments>> = predictions.iter().map(none).collect();
        if predictions.iter().all(Option::is_none) {
            return moments;
        }
        for first in range.clone().step_by(model.rows()) {
            let count = (range.end - first).min(model.rows() as u64) as usize;
            let eta = noise.normal(purpose, index, first, count, latent);
            let z = encoding.samples(&eta);
            let said = Self::beyond(predictions, target, &z);
            for (moments, beyond) in moments.iter_mut().flatten().zip(said.into_iter().flatten()) {
                for (eta, beyond) in eta.chunks_exact(latent).zip(beyond) {
                    moments.observe(eta, beyond);
                }
            }
        }
        moments
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use vaegis_network::ops::Function;
    use vaegis_vae::{Architecture, Likelihood, Noise, VaeConfig};

    use super::*;
    use crate::{Ball, Domain, InputBox, Model};

    /// Asks about a small VAE, untrained, at radii that fewer and fewer draws are beyond.
    fn about(ask: impl FnOnce(Target<'_>, &Encoding, &[f64])) {
        let architecture = Architecture::Mlp { hidden: vec![16], activation: Function::Tanh };
        let likelihood = Likelihood::Gaussian { sigma: 1.0 };
        let config = VaeConfig { input_shape: vec![6], latent: 3, architecture, likelihood };
        let model = Model::new(&config.init(3, &Device::flex()).unwrap());
        let x = [0.2, 0.5, 0.9, 0.1, 0.7, 0.4];
        let domain = Domain::l2(InputBox::None);
        let ball = &Ball::new(&domain, &x);
        let encoding = model.encoding(&x).unwrap();
        let reference = &model.reconstruct(&encoding.mu).unwrap();
        let noise = &Noise::new(1);
        let target = Target { model: &model, x: &x, reference, noise, index: 0, ball };
        let eta = noise.normal(Purpose::Selection, 0, 0, 1_000, 3);
        let mut damages = target.damages(&encoding, eta).unwrap();
        damages.sort_by(f32::total_cmp);
        ask(target, &encoding, &[500, 900].map(|rank| f64::from(damages[rank])));
    }

    #[test]
    fn predictions_are_wrong_as_often_as_they_expect() {
        about(|target, encoding, radii| {
            let fitted =
                Prediction::fit(target, Purpose::Pilot, encoding, radii, 0..1_000).unwrap();
            let (seen, predictions): (Vec<_>, Vec<_>) = fitted.into_iter().unzip();
            let draws = 4_000;
            let eta = target.noise.normal(Purpose::Estimation, 0, 0, draws, 3);
            let damages = target.damages(encoding, eta.clone()).unwrap();
            let said = Prediction::beyond(&predictions, target, &encoding.samples(&eta));
            for (slot, &r) in radii.iter().enumerate() {
                let beyond = [0.5, 0.1][slot];
                assert!((seen[slot].complement().estimate() - beyond).abs() < 0.05);
                let said = said[slot].as_ref().unwrap();
                let pairs = said.iter().zip(&damages);
                let wrong = pairs.filter(|(says, is)| **says != (f64::from(**is) > r)).count();
                let (share, expected) =
                    (wrong as f64 / draws as f64, predictions[slot].as_ref().unwrap().wrong);
                assert!(share < 0.4 * beyond, "{share} of draws at {r}");
                assert!((share - expected).abs() < 0.5 * share + 0.003, "{share}, not {expected}");
            }
            let range = 0..draws as u64;
            let moments =
                Prediction::moments(&predictions, target, Purpose::Estimation, encoding, range);
            for (moments, said) in moments.iter().zip(&said) {
                let count = said.as_ref().unwrap().iter().filter(|&&beyond| beyond).count();
                let events = moments.as_ref().unwrap().events();
                assert_eq!((events.successes(), events.draws()), (count as u64, draws as u64));
            }
        });
    }

    #[test]
    fn too_few_draws_predict_nothing() {
        about(|target, encoding, radii| {
            let fitted = Prediction::fit(target, Purpose::Pilot, encoding, radii, 0..20).unwrap();
            assert!(fitted.iter().all(|(seen, none)| none.is_none() && seen.draws() == 20));
        });
    }
}
