//! `p_r(x) = P(|Delta(x)| <= r)` by Monte Carlo with exact confidence limits.

use vaegis_vae::Purpose;

use crate::ball::norm;
use crate::criterion::quantile;
use crate::model::{Draws, host};
use crate::statistics::Proportion;
use crate::{Encoding, Error, Radius, Target};

/// Most draws that choosing a quantile radius takes: they are held in memory, and their error
/// is small against what quantiles differ by.
const SELECTION_DRAWS: u64 = 8_192;

/// The radius each request means at a point. Quantiles come from draws of their own, as many
/// as `draws` or 8192, so that estimates at the radius are not biased by its choice.
///
/// # Errors
/// If a damage is not finite, or a quantile is 0 (a decoder that ignores z).
pub fn radii(
    target: Target<'_>,
    encoding: &Encoding,
    requests: &[Radius],
    draws: u64,
) -> Result<Vec<f64>, Error> {
    let mut damages = vec![];
    if requests.iter().any(|request| matches!(request, Radius::Quantile(_))) {
        let stream =
            Draws { noise: target.noise, purpose: Purpose::Selection, index: target.index };
        target.model.for_each_damage(
            encoding,
            target.reference,
            stream,
            0..draws.min(SELECTION_DRAWS),
            |batch| {
                damages.extend_from_slice(batch);
            },
        );
        if !damages.iter().all(|damage| damage.is_finite()) {
            return Err(Error::NotFinite("a sampled reconstruction"));
        }
    }
    let scale = norm(host(target.reference.clone()).iter().map(|&v| f64::from(v)));
    let radius = |request: &Radius| match request {
        Radius::Absolute(r) => Ok(*r),
        Radius::Quantile(level) => {
            let r = quantile(&mut damages, *level);
            // Below the rounding of f32 a quantile measures the arithmetic, not the model.
            if r > 1e-6 * scale { Ok(r) } else { Err(Error::NoSpread) }
        }
    };
    requests.iter().map(radius).collect()
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
    target.model.for_each_damage(encoding, target.reference, draws, range, |batch| {
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
