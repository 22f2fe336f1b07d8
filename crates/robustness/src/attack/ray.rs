//! Where along one direction half of the draws stay within r.

use std::cell::OnceCell;

use vaegis_vae::Purpose;

use super::goal::Landscape;
use crate::surrogate::{Fit, Moments, QuadraticForm, Quartic, Sample};
use crate::{Encoding, Error, Model, Target};

/// Norms that a sample of a ray is spread over.
const NORMS: usize = 8;

/// Halvings of the interval that holds a norm.
const HALVINGS: usize = 18;

/// Half the relative range of norms that slopes are taken over: the wider, the less noise.
const SLOPE_SPAN: f64 = 0.15;

/// No slope is taken to be less.
const LEAST_SLOPE: f64 = 0.01;

/// How far beyond the sampled norms the fit is trusted, in units of their span.
const EXTRAPOLATION: f64 = 1.5;

/// A direction from x, with a model of the damage along it near one norm.
#[derive(Debug)]
pub(super) struct Ray {
    direction: Vec<f32>,
    centre: f64,
    /// Half the width of the sampled norms, relative to the centre.
    span: f64,
    fit: Fit,
    /// The posterior at the centre, and the draws about it: their noise, latent samples and
    /// squared damages.
    about: Encoding,
    eta: Vec<f32>,
    z: Vec<f32>,
    squares: Vec<f64>,
    moments: Option<Moments>,
    quartic: OnceCell<Option<Quartic>>,
}

impl Ray {
    /// Samples damages along `direction` at norms within `span` (relative) of `centre`, with
    /// `draws` of the noise that compares candidates, from number `first` on; what they are
    /// close to r matters.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub(super) fn sample(
        target: Target<'_>,
        direction: Vec<f32>,
        centre: f64,
        span: f64,
        first: u64,
        draws: usize,
        r: f64,
    ) -> Result<Self, Error> {
        let Target { model, ball, noise, index, .. } = target;
        let latent = model.latent();
        let posterior = |t: f64| {
            let u = ball.along(&direction, centre * (1.0 + t));
            model.encoding(&ball.perturbed(&u))
        };
        let about = posterior(0.0)?;
        let mut moments = Moments::new(model, &about, draws, r * r);
        let mut sample = Sample { latent, ..Sample::default() };
        let mut z = vec![];
        let each = draws.div_ceil(NORMS);
        for k in 0..NORMS {
            let t = span * (2.0 * (k as f64 + 0.5) / NORMS as f64 - 1.0);
            let first = first + (k * each) as u64;
            let eta = noise.normal(Purpose::Candidates, index, first, each, latent);
            sample.eta.extend(&eta);
            let damages = target.decode(&posterior(t)?, eta, |batch, change| {
                z.extend_from_slice(batch);
                if let Some(moments) = &mut moments {
                    moments.add(model, batch, change);
                }
            })?;
            sample.positions.extend(std::iter::repeat_n(t / span, each));
            sample.squares.extend(damages.iter().map(|&damage| f64::from(damage).powi(2)));
        }
        let fit = Fit::new(&sample, r * r);
        let Sample { eta, squares, .. } = sample;
        let quartic = OnceCell::new();
        Ok(Self { direction, centre, span, fit, about, eta, z, squares, moments, quartic })
    }

    /// The share of draws beyond r about this ray as a function of the posterior, if its draws
    /// tell enough.
    pub(super) fn landscape(&self, target: Target<'_>, r: f64, width: f64) -> Option<Landscape> {
        Landscape::fit(target.model, &self.about, &self.z, &self.squares, r, width)
    }

    /// The perturbation at a norm.
    pub(super) fn at(&self, target: Target<'_>, norm: f64) -> Vec<f32> {
        target.ball.along(&self.direction, norm)
    }

    /// Estimate of `P(|Delta| <= r)` at a norm.
    pub(super) fn within(&self, r: f64, norm: f64) -> f64 {
        self.fit.within(r, self.position(norm))
    }

    /// By how much that falls where the norm grows, relative to it; at least a little.
    pub(super) fn slope(&self, r: f64, norm: f64) -> f64 {
        let [shorter, longer] = [1.0 - SLOPE_SPAN, 1.0 + SLOPE_SPAN].map(|scale| scale * norm);
        let fall = self.within(r, shorter) - self.within(r, longer);
        (fall / (2.0 * SLOPE_SPAN)).max(LEAST_SLOPE)
    }

    /// Whether `norm` is the end of what can be said.
    pub(super) fn ends_at(&self, norm: f64) -> bool {
        (norm / self.centre - 1.0).abs() > 0.95 * self.reach()
    }

    fn reach(&self) -> f64 {
        (EXTRAPOLATION * self.span).min(0.75)
    }

    /// The smallest norm near the centre at which a share `p` of the draws stays within r, or
    /// the end of what can be said.
    pub(super) fn norm_of(&self, r: f64, p: f64) -> f64 {
        let reach = self.reach();
        let (mut low, mut high) = (self.centre * (1.0 - reach), self.centre * (1.0 + reach));
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if self.within(r, middle) > p { low = middle } else { high = middle }
        }
        high
    }

    /// The surrogate of the squared damage at a norm, and how far it errs.
    pub(super) fn form(&self, norm: f64) -> (QuadraticForm<'_>, f64) {
        let surrogate = &self.fit.surrogate;
        (surrogate.at(self.position(norm)), surrogate.residual)
    }

    /// The noise of its draws.
    pub(super) fn eta(&self) -> &[f32] {
        &self.eta
    }

    /// The damage as a quartic of the latent sample, if the draws tell that.
    pub(super) fn quartic(&self, model: &Model) -> Option<&Quartic> {
        let fit = || self.moments.as_ref().and_then(|moments| moments.fit(model));
        self.quartic.get_or_init(fit).as_ref()
    }

    fn position(&self, norm: f64) -> f64 {
        (norm / self.centre - 1.0) / self.span
    }
}
