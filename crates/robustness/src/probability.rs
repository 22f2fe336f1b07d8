//! `p_r(x) = P(|Delta(x)| <= r)` by Monte Carlo with exact confidence limits.

use vaegis_vae::Purpose;

use crate::certificate::draws::Plan;
use crate::criterion::quantile;
use crate::domain::norm;
use crate::model::{Draws, host};
use crate::statistics::{CorrectedMoments, Proportion};
use crate::surrogate::{Fit, Prediction, Sample, is_full};
use crate::{Encoding, Error, Radius, Target};

/// Most draws that choosing quantile radii takes: their error is small against what quantiles
/// differ by. Where a quadratic function of the noise is known to describe the damage, a
/// quarter of them choose as well.
const SELECTION_DRAWS: [u64; 2] = [8_192, 2_048];

/// Halvings of the interval that holds a quantile.
const HALVINGS: usize = 30;

/// The radius each request means at a point. Quantiles come from draws of their own, at most as
/// many as `draws`, so that estimates at the radius are not biased by its choice.
///
/// # Errors
/// If a damage is not finite, or a quantile is 0 (a decoder that ignores z).
pub fn radii(
    target: Target<'_>,
    encoding: &Encoding,
    requests: &[Radius],
    draws: u64,
) -> Result<Vec<f64>, Error> {
    let latent = target.model.latent();
    let [most, fewer] = SELECTION_DRAWS;
    let fitted = draws >= fewer && is_full(fewer as usize, latent);
    let count = draws.min(if fitted { fewer } else { most }) as usize;
    let mut sample = Sample { latent, ..Sample::default() };
    if requests.iter().any(|request| matches!(request, Radius::Quantile(_))) {
        let Target { noise, index, .. } = target;
        sample.eta = noise.normal(Purpose::Selection, index, 0, count, latent);
        let damages = target
            .damages(encoding, sample.eta.clone())
            .map_err(|_| Error::NotFinite("a sampled reconstruction"))?;
        sample.positions = vec![0.0; count];
        sample.squares = damages.iter().map(|&damage| f64::from(damage).powi(2)).collect();
    }
    let scale = norm(host(target.reference.clone()).iter().map(|&v| f64::from(v)));
    let radius = |request: &Radius| match request {
        Radius::Absolute(r) => Ok(*r),
        Radius::Quantile(level) => {
            let mut squares: Vec<f32> = sample.squares.iter().map(|&s| s as f32).collect();
            let counted = quantile(&mut squares, *level).sqrt();
            let r = if fitted { fitted_quantile(&sample, *level, counted) } else { counted };
            // Below the rounding of f32 a quantile measures the arithmetic, not the model.
            if r > 1e-6 * scale { Ok(r) } else { Err(Error::NoSpread) }
        }
    };
    requests.iter().map(radius).collect()
}

/// The quantile of the damages that a fit to the sample says, near the one `counted`.
fn fitted_quantile(sample: &Sample, level: f64, counted: f64) -> f64 {
    let fit = Fit::new(sample, counted * counted);
    let (mut low, mut high) = (0.5 * counted, 2.0 * counted);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if fit.within(middle, 0.0) < level { low = middle } else { high = middle }
    }
    high
}

/// Monte Carlo estimates of `P(|Delta| <= r)` under a posterior, for several radii from
/// the same draws, those numbered `range`.
///
/// # Errors
/// If a damage is not finite: NaN is never robust.
pub fn within(
    target: Target<'_>,
    purpose: Purpose,
    encoding: &Encoding,
    radii: &[f64],
    range: std::ops::Range<u64>,
) -> Result<Vec<Proportion>, Error> {
    let draws = Draws { noise: target.noise, purpose, index: target.index };
    let mut counts = vec![0u64; radii.len()];
    let mut finite = true;
    let total = range.end - range.start;
    target.model.for_each_damage(encoding, target.reference, draws, range, |_, batch| {
        for &damage in batch {
            finite &= damage.is_finite();
            for (count, r) in counts.iter_mut().zip(radii) {
                *count += u64::from(f64::from(damage) <= *r);
            }
        }
    });
    if !finite {
        return Err(Error::NotFinite("a sampled reconstruction"));
    }
    Ok(counts.into_iter().map(|count| Proportion::new(count, total)).collect())
}

/// What draws say about a radius.
#[derive(Debug, Clone)]
pub struct Beyond {
    /// Draws within the radius.
    pub within: Proportion,
    /// Draws that are not surely within it, whatever their evaluation in f32 may have lost, with the
    /// noise that led there.
    pub moments: CorrectedMoments,
}

/// What the evaluation of `|Delta|` may lose, in f32, relative to it and to the reconstruction it is
/// measured from: a hundred times the rounding of one operation. An allowance, not a bound.
const EVALUATION: f64 = 1e-5;

/// How much damages may differ from what they are in real numbers.
pub(crate) fn evaluation_error(target: Target<'_>) -> impl Fn(f64) -> f64 {
    let reference = norm(host(target.reference.clone()).iter().map(|&v| f64::from(v)));
    move |damage| EVALUATION * (damage + reference)
}

/// Draws that are predicted for each that is decoded: so many that what they leave unknown is
/// mostly less than what those do, for a few hundredths of the time.
pub(crate) const PREDICTED: u64 = 10;

/// What the draws of a plan, from number `first` on, say about each of several radii under a
/// posterior: the same draws as those of [`within`].
///
/// # Errors
/// If a damage is not finite: NaN is never robust.
pub(crate) fn beyond(
    target: Target<'_>,
    purpose: Purpose,
    encoding: &Encoding,
    radii: &[f64],
    first: u64,
    plan: &Plan,
) -> Result<Vec<Beyond>, Error> {
    let Plan { draws: total, predictions } = plan;
    let range = first..first + total;
    let draws = Draws { noise: target.noise, purpose, index: target.index };
    let latent = target.model.latent();
    let predicted = PREDICTED * range.start..PREDICTED * range.end;
    let predicted =
        Prediction::moments(predictions, target, Purpose::Prediction, encoding, predicted);
    let mut moments: Vec<CorrectedMoments> = (0..radii.len())
        .map(|slot| CorrectedMoments::new(latent, predicted.get(slot).cloned().flatten()))
        .collect();
    let mut counts = vec![0u64; radii.len()];
    let error = evaluation_error(target);
    let surely: Vec<f64> = radii.iter().map(|&r| r - error(r)).collect();
    let mut finite = true;
    target.model.for_each_damage(encoding, target.reference, draws, range, |noise, batch| {
        finite &= batch.iter().all(|damage| damage.is_finite());
        let z = encoding.samples(noise);
        let predicted = Prediction::beyond(predictions, target, &z);
        for slot in 0..radii.len() {
            let predicted = predicted.get(slot).and_then(Option::as_ref);
            let draws = noise.chunks_exact(latent).zip(batch).enumerate();
            for (draw, (eta, &damage)) in draws {
                let damage = f64::from(damage);
                let predicted = predicted.is_some_and(|predicted| predicted[draw]);
                counts[slot] += u64::from(damage <= radii[slot]);
                moments[slot].observe(eta, damage > surely[slot], predicted);
            }
        }
    });
    if !finite {
        return Err(Error::NotFinite("a sampled reconstruction"));
    }
    let pairs = counts.into_iter().zip(moments);
    Ok(pairs
        .map(|(count, moments)| Beyond { within: Proportion::new(count, *total), moments })
        .collect())
}
