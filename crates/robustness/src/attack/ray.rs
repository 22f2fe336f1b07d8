//! Where along one direction half of the draws stay within r.

use vaegis_vae::Purpose;

use super::goal::Landscape;
use crate::surrogate::{Fit, QuadraticForm, Sample};
use crate::{Encoding, Error, Target};

/// Norms that a sample of a ray is spread over.
const NORMS: usize = 8;

/// Halvings of the interval that holds a norm.
const HALVINGS: usize = 18;

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
    /// The posterior at the centre, and the latent samples about it with their squared damages.
    about: Encoding,
    z: Vec<f32>,
    squares: Vec<f64>,
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
        let latent = target.model.latent();
        let mut sample = Sample { latent, ..Sample::default() };
        let mut z = vec![];
        let each = draws.div_ceil(NORMS);
        for k in 0..NORMS {
            let t = span * (2.0 * (k as f64 + 0.5) / NORMS as f64 - 1.0);
            let u = target.ball.along(&direction, centre * (1.0 + t));
            let encoding = target.model.encoding(&target.ball.perturbed(&u))?;
            let first = first + (k * each) as u64;
            let eta = target.noise.normal(Purpose::Candidates, target.index, first, each, latent);
            for row in eta.chunks(latent) {
                let pairs = row.iter().zip(&encoding.mu).zip(&encoding.sigma);
                z.extend(pairs.map(|((eta, mu), sigma)| mu + eta * sigma));
            }
            let damages = target.damages(&encoding, eta.clone())?;
            sample.eta.extend(eta);
            sample.positions.extend(std::iter::repeat_n(t / span, each));
            sample.squares.extend(damages.iter().map(|&damage| f64::from(damage).powi(2)));
        }
        let middle = target.ball.perturbed(&target.ball.along(&direction, centre));
        let about = target.model.encoding(&middle)?;
        let fit = Fit::new(&sample, r * r);
        Ok(Self { direction, centre, span, fit, about, z, squares: sample.squares })
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

    /// Share of draws that a surrogate fitted to others puts on the wrong side of r.
    pub(super) fn misplaced(&self) -> f64 {
        self.fit.misplaced
    }

    fn position(&self, norm: f64) -> f64 {
        (norm / self.centre - 1.0) / self.span
    }
}
