//! The posterior that draws come from, and that of real numbers.
//!
//! Bounds are about the network as a function of real numbers; draws come from a posterior that was
//! evaluated in f32. The two differ by rounding: little, but where standard deviations are small
//! against means that is not little against them. So everything is measured from the posterior that
//! was drawn from, and how far the true one may be from it is charged.

use vaegis_network::bounds::Method;

use super::Neighbourhood;
use crate::Encoding;

/// Half of the last place of an f32, relatively, and more.
const ROUNDED: f64 = 6e-8;

/// A posterior as it is drawn from, and ends of what it is.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    /// The means that are drawn from.
    pub(super) mu: Vec<f64>,
    /// The standard deviations that are drawn from.
    pub(super) sigma: Vec<f64>,
    /// Ends of the true means.
    pub(super) means: Vec<[f64; 2]>,
    /// Ends of the logarithms of the true standard deviations.
    pub(super) logarithms: Vec<[f64; 2]>,
}

impl Drawn {
    /// Of an encoding of the point of a neighbourhood.
    ///
    /// # Errors
    /// If bounds at the point are not finite, or an operator has no rule for intervals.
    pub(super) fn new(
        neighbourhood: &Neighbourhood<'_>,
        encoding: &Encoding,
    ) -> Result<Self, vaegis_network::Error> {
        let set = neighbourhood.set(0.0)?;
        let bounds = neighbourhood.bounder().bounds(&set, Method::Interval)?;
        let ends = |output: usize, factor: f64| -> Vec<[f64; 2]> {
            let interval = bounds.output(output);
            let ends = interval.low().iter().zip(interval.high());
            ends.map(|(low, high)| [factor * low, factor * high]).collect()
        };
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        let (mu, sigma) = (wide(&encoding.mu), wide(&encoding.sigma));
        Ok(Self { mu, sigma, means: ends(0, 1.0), logarithms: ends(1, 0.5) })
    }

    /// How far each true mean is from the one that is drawn from, at most.
    pub(super) fn mean_errors(&self) -> Vec<f64> {
        let error = |(mu, [low, high]): (&f64, &[f64; 2])| (high - mu).max(mu - low);
        self.mu.iter().zip(&self.means).map(error).collect()
    }

    /// Ends of the true standard deviations.
    pub(super) fn sigmas(&self) -> Vec<[f64; 2]> {
        let ends = |[low, high]: &[f64; 2]| [low.exp() * (1.0 - 1e-12), high.exp() * (1.0 + 1e-12)];
        self.logarithms.iter().map(ends).collect()
    }

    /// Ends of the true standard deviations in units of those that are drawn from.
    pub(super) fn ratios(&self) -> Vec<[f64; 2]> {
        let pairs = self.sigmas().into_iter().zip(&self.sigma);
        pairs.map(|([low, high], sigma)| [low / sigma, high / sigma]).collect()
    }

    /// [`mean_errors`](Self::mean_errors) in units of the standard deviations.
    pub(super) fn offsets(&self) -> Vec<f64> {
        let errors = self.mean_errors().into_iter().zip(&self.sigma);
        errors.map(|(error, sigma)| error / sigma * (1.0 + 1e-12)).collect()
    }

    /// How far off its place a posterior may stand that is shifted by up to `shift` standard
    /// deviations and rounded to f32, in standard deviations.
    pub(super) fn misplaced(&self, shift: f64) -> f64 {
        let error =
            |(mu, sigma): (&f64, &f64)| ROUNDED * (mu.abs() / sigma + shift) + 1e-37 / sigma;
        length(self.mu.iter().zip(&self.sigma).map(error))
    }
}

/// The Euclidean length, rounded up.
pub(super) fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt() * (1.0 + 1e-12)
}
