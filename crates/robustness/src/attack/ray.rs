//! Where along one direction half of the draws stay within r.

use std::cell::OnceCell;

use nalgebra::{Matrix3, Vector3};
use vaegis_vae::Purpose;

use crate::statistics::{normal_cdf, normal_quantile};
use crate::surrogate::{
    Fit, Moments, Pairs, QuadraticForm, Quartic, Said, Sample, Surrogate, tell_products,
};
use crate::{Encoding, Error, Model, Target};

/// Norms that a sample of a ray is spread over.
const NORMS: usize = 8;

/// Halvings of the interval that holds a norm.
const HALVINGS: usize = 18;

/// Half the relative range of norms that slopes are taken over: the wider, the less noise.
const SLOPE_SPAN: f64 = 0.15;

/// No slope is taken to be less.
const LEAST_SLOPE: f64 = 0.01;

/// Norms that a trend is fitted to, in units of the reach, and pairs of opposite draws at each.
const TREND: [f64; 3] = [-0.8, 0.0, 0.8];
const TREND_PAIRS: usize = 2048;

/// Where the noise of trends begins.
const TREND_BLOCK: u64 = 1 << 38;

/// No share is taken to be less, or more than 1 without it.
const LEAST_SHARE: f64 = 1e-3;

/// Squared errors of what a fit and a trend say of `P(|Delta| <= r)`.
const FIT_ERROR: f64 = 1e-4;
const TREND_ERROR: f64 = 1.5e-5;

/// Estimates that differ by more of their common deviation are not of the same number.
const CONTRADICTION: f64 = 3.0;

/// How far beyond the sampled norms the fit is trusted, in units of their span.
const EXTRAPOLATION: f64 = 1.5;

/// A direction from x, with a model of the damage along it near one norm.
#[derive(Debug)]
pub(super) struct Ray {
    direction: Vec<f32>,
    centre: f64,
    /// Half the width of the sampled norms, relative to the centre.
    span: f64,
    r: f64,
    fit: Fit,
    /// The squared damage in the direction.
    form: Surrogate,
    /// What the quartic says of the norms, once it was asked.
    trend: Option<Trend>,
    /// What estimates at single norms add to what they say, and its squared error.
    correction: f64,
    error: f64,
    sample: Sample,
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
        let Target { model, noise, index, .. } = target;
        let latent = model.latent();
        let positions = (0..NORMS).map(position).chain([0.0]);
        let norms = positions.map(|position| centre * (1.0 + span * position));
        let mut posteriors = posteriors(target, &direction, norms)?;
        let about = posteriors.pop().expect("the centre is one");
        let each = draws.div_ceil(NORMS);
        let eta = noise.normal(Purpose::Candidates, index, first, NORMS * each, latent);
        let rows = eta.chunks(each * latent).zip(&posteriors);
        let z: Vec<f32> = rows.flat_map(|(eta, posterior)| posterior.samples(eta)).collect();
        let (mut moments, mut slopes) = (None, vec![]);
        let damages = if tell_products(draws, latent) {
            moments = Moments::new(model, &about, draws, r * r);
            target.decode(&z, |z, change| {
                if let Some(moments) = &mut moments {
                    moments.add(model, z, change);
                }
            })?
        } else {
            let (damages, at_z) = target.differentiate(&z)?;
            // z = mu + sigma eta.
            for (at_z, posterior) in at_z.chunks(each * latent).zip(&posteriors) {
                let both = at_z.iter().zip(posterior.sigma.iter().cycle());
                slopes.extend(both.map(|(slope, sigma)| slope * sigma));
            }
            damages
        };
        let mut sample = Sample {
            positions: (0..NORMS).flat_map(|k| std::iter::repeat_n(position(k), each)).collect(),
            squares: damages.iter().map(|&damage| f64::from(damage).powi(2)).collect(),
            slopes,
            latent,
            eta,
        };
        let fit = Fit::new(&sample, r * r);
        // They are many, and have said what they know.
        sample.slopes = vec![];
        let quartic = OnceCell::new();
        let form = fit.surrogate.clone();
        Ok(Self {
            direction,
            centre,
            span,
            r,
            fit,
            form,
            trend: None,
            correction: 0.0,
            error: FIT_ERROR,
            sample,
            moments,
            quartic,
        })
    }

    /// Goes in a direction near to its own, along which the quartic, if there is one, tells more than
    /// the draws do.
    ///
    /// # Errors
    /// If a posterior is not finite.
    pub(super) fn follow(&mut self, target: Target<'_>, direction: &[f32]) -> Result<(), Error> {
        let Some(quartic) = self.quartic(target.model) else { return Ok(()) };
        // What would have become of the draws.
        let norms = (0..NORMS).map(|k| self.centre * (1.0 + self.span * position(k)));
        let posteriors = posteriors(target, direction, norms)?;
        let rows = self.sample.eta.chunks(self.sample.eta.len() / NORMS).zip(&posteriors);
        let z: Vec<f32> = rows.flat_map(|(eta, posterior)| posterior.samples(eta)).collect();
        let values = quartic.values(target.model, &z).into_iter().zip(&quartic.left);
        let mut sample = self.sample.clone();
        sample.squares = values.map(|(value, left)| (value + left).max(0.0)).collect();
        let form = Surrogate::fit(&sample, self.r * self.r);
        let trend = Trend::of(target, quartic, (direction, &form), self)?;
        (self.correction, self.error) = (0.0, TREND_ERROR + trend.error);
        (self.form, self.trend) = (form, Some(trend));
        self.direction.copy_from_slice(direction);
        Ok(())
    }

    /// The perturbation at a norm.
    pub(super) fn at(&self, target: Target<'_>, norm: f64) -> Vec<f32> {
        target.ball.along(&self.direction, norm)
    }

    /// Estimate of `P(|Delta| <= r)` at a norm.
    pub(super) fn within(&self, norm: f64) -> f64 {
        let within = match &self.trend {
            Some(trend) => trend.within(norm / self.centre - 1.0),
            None => self.fit.within(self.r, self.position(norm)),
        };
        (within + self.correction).clamp(0.0, 1.0)
    }

    /// Takes an estimate of that from other draws into account, and its squared error.
    pub(super) fn learn(&mut self, norm: f64, p: f64, error: f64) {
        let (miss, both) = (p - self.within(norm), self.error + error);
        // A model that draws contradict errs by more than it knows.
        let is_contradicted = miss * miss > CONTRADICTION.powi(2) * both;
        let share = if is_contradicted { 1.0 } else { self.error / both.max(f64::MIN_POSITIVE) };
        self.correction += share * miss;
        self.error = if is_contradicted { error } else { self.error * (1.0 - share) };
    }

    /// By how much that falls where the norm grows, relative to it; at least a little.
    pub(super) fn slope(&self, norm: f64) -> f64 {
        let [shorter, longer] = [1.0 - SLOPE_SPAN, 1.0 + SLOPE_SPAN].map(|scale| scale * norm);
        let fall = self.within(shorter) - self.within(longer);
        (fall / (2.0 * SLOPE_SPAN)).max(LEAST_SLOPE)
    }

    /// Whether no slope is seen at a norm.
    pub(super) fn is_flat(&self, norm: f64) -> bool {
        self.slope(norm) <= LEAST_SLOPE
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
    pub(super) fn norm_of(&self, p: f64) -> f64 {
        let reach = self.reach();
        let (mut low, mut high) = (self.centre * (1.0 - reach), self.centre * (1.0 + reach));
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if self.within(middle) > p { low = middle } else { high = middle }
        }
        high
    }

    /// The surrogate of the squared damage at a norm, and how far it errs.
    pub(super) fn form(&self, norm: f64) -> (QuadraticForm<'_>, f64) {
        (self.form.at(self.position(norm)), self.form.residual)
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

/// Where the k-th norms of a ray are, in units of its span.
fn position(k: usize) -> f64 {
    2.0 * (k as f64 + 0.5) / NORMS as f64 - 1.0
}

/// The posteriors at norms in a direction.
fn posteriors(
    target: Target<'_>,
    direction: &[f32],
    norms: impl Iterator<Item = f64>,
) -> Result<Vec<Encoding>, Error> {
    let ball = target.ball;
    let perturbed = |norm| ball.perturbed(&ball.along(direction, norm));
    target.model.encodings(norms.flat_map(perturbed).collect())
}

/// `P(|Delta| <= r)` along a direction as a quartic has it: a normal distribution function of a
/// parabola of the norm.
#[derive(Debug)]
struct Trend {
    parabola: Vector3<f64>,
    /// What the draws of the ray add to it.
    offset: f64,
    /// Squared error of that.
    error: f64,
}

impl Trend {
    fn of(
        target: Target<'_>,
        quartic: &Quartic,
        (direction, form): (&[f32], &Surrogate),
        ray: &Ray,
    ) -> Result<Self, Error> {
        let Target { model, noise, index, .. } = target;
        let square = ray.r * ray.r;
        let likely = |value: f64| quartic.likely(value, square);
        let pairs =
            noise.normal(Purpose::Candidates, index, TREND_BLOCK, TREND_PAIRS, model.latent());
        let scales = TREND.map(|position| position * ray.reach());
        let norms = scales.iter().map(|scale| ray.centre * (1.0 + scale));
        // Least squares.
        let (mut gram, mut right) = (Matrix3::zeros(), Vector3::zeros());
        for (scale, posterior) in scales.iter().zip(posteriors(target, direction, norms)?) {
            let form = form.at(ray.position(ray.centre * (1.0 + scale)));
            let said = Pairs::new(model, &posterior, &form, Some(quartic)).values(model, &pairs);
            let mean =
                |of: &dyn Fn(&Said) -> f64| said.iter().map(of).sum::<f64>() / said.len() as f64;
            // Of the form both the mean and that of these draws are known.
            let known =
                form.below(square) - mean(&|said| f64::from(u8::from(said.rough <= square)));
            let share =
                mean(&|said| likely(said.fine)) + if known.is_finite() { known } else { 0.0 };
            let powers = Vector3::new(1.0, *scale, scale * scale);
            gram += powers * powers.transpose();
            right += powers * normal_quantile(share.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE));
        }
        let parabola = gram.cholesky().map_or_else(Vector3::zeros, |factor| factor.solve(&right));
        // The draws that the quartic was fitted to are seldom on the side that it puts them.
        let draws = ray.sample.squares.iter().zip(&quartic.left);
        let missed = draws.map(|(is, left)| f64::from(u8::from(*is <= square)) - likely(is - left));
        let missed: Vec<f64> = missed.collect();
        let count = missed.len() as f64;
        let offset = missed.iter().sum::<f64>() / count;
        let error = missed.iter().map(|missed| missed * missed).sum::<f64>() / (count * count);
        Ok(Self { parabola, offset, error })
    }

    /// At a norm, relative to the centre of the ray.
    fn within(&self, scale: f64) -> f64 {
        let powers = Vector3::new(1.0, scale, scale * scale);
        normal_cdf(self.parabola.dot(&powers)) + self.offset
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use vaegis_network::ops::Function;
    use vaegis_vae::{Architecture, Likelihood, Noise, VaeConfig};

    use super::*;
    use crate::{Ball, Domain, InputBox};

    const X: [f32; 6] = [0.2, 0.5, 0.9, 0.1, 0.7, 0.4];

    #[test]
    fn trends_are_right_about_norms_and_directions_near_to_the_draws() {
        let architecture = Architecture::Mlp { hidden: vec![8], activation: Function::Tanh };
        let likelihood = Likelihood::Gaussian { sigma: 1.0 };
        let config = VaeConfig { input_shape: vec![6], latent: 3, architecture, likelihood };
        let model = Model::new(&config.init(3, &Device::flex()).unwrap());
        let domain = Domain::l2(InputBox::None);
        let ball = Ball::new(&domain, &X);
        let rest = model.encoding(&X).unwrap();
        let reference = model.reconstruct(&rest.mu).unwrap();
        let noise = &Noise::new(4);
        let (model, reference, ball) = (&model, &reference, &ball);
        let target = Target { model, x: &X, reference, noise, index: 5, ball };
        let damages = |direction: &[f32], norm: f64| {
            let perturbed = ball.perturbed(&ball.along(direction, norm));
            let eta = noise.normal(Purpose::Verdict, 0, 0, 40_000, 3);
            target.damages(&model.encoding(&perturbed).unwrap(), eta).unwrap()
        };
        let direction = vec![0.3f32, -0.5, 0.8, 0.2, -0.4, 0.6];
        let mut at_centre = damages(&direction, 1.0);
        let r = crate::criterion::median(&mut at_centre);
        let mut ray = Ray::sample(target, direction.clone(), 1.0, 0.25, 0, 768, r).unwrap();
        let turned = vec![0.4f32, -0.5, 0.7, 0.1, -0.5, 0.6];
        for direction in [direction, turned] {
            ray.follow(target, &direction).unwrap();
            for norm in [0.7, 0.85, 1.0, 1.15, 1.3] {
                let draws = damages(&direction, norm);
                let within = draws.iter().filter(|&&damage| f64::from(damage) <= r).count();
                let p = within as f64 / draws.len() as f64;
                // Half a percent is three standard errors of the draws that were counted here; the rest
                // is of those that the trend knows.
                let says = ray.within(norm);
                assert!((says - p).abs() < 0.02, "{norm}: {says} against {p}");
            }
            let norm = ray.norm_of(0.5);
            assert!(ray.ends_at(norm) || (ray.within(norm) - 0.5).abs() < 1e-3, "{norm}");
        }
        // What counts is how exact each is: as exact as the trend, half of the difference.
        let says = ray.within(1.0);
        ray.learn(1.0, says - 1e-3, ray.error);
        assert!((ray.within(1.0) - (says - 5e-4)).abs() < 1e-9);
        // Unless they contradict each other.
        ray.learn(1.0, 0.3, 1e-6);
        assert!((ray.within(1.0) - 0.3).abs() < 1e-9);
    }
}
