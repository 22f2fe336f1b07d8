//! What is known of the posteriors of all perturbed inputs.

/// Bounds that hold for every input x' that a perturbation may lead to.
///
/// Lengths are whitened: in units of the posterior standard deviations at x.
#[derive(Debug, Clone, PartialEq)]
pub struct Reachable {
    shift: f64,
    shifts: Option<Vec<f64>>,
    scales: Vec<[f64; 2]>,
}

/// Why numbers do not bound posteriors.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidReachable {
    /// The shift is negative or not finite.
    #[error("the shift is at most {0}; a bound is finite and not negative")]
    Shift(f64),
    /// The shift of a latent is negative or not finite.
    #[error("the shift of latent {latent} is at most {value}; bounds are finite and not negative")]
    LatentShift {
        /// Which latent.
        latent: usize,
        /// The bound.
        value: f64,
    },
    /// Not one bound on the shift for each latent.
    #[error("{found} bounds on the shifts of {latents} latents")]
    Latents {
        /// Bounds given.
        found: usize,
        /// Latents.
        latents: usize,
    },
    /// A range of scales that is empty, not positive or not finite.
    #[error("the scale of latent {latent} is in [{low}, {high}]; scales are positive and finite")]
    Scale {
        /// Which latent.
        latent: usize,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

impl Reachable {
    /// Posteriors with `|Sigma^(-1/2) (mu(x') - mu(x))| <= shift` and
    /// `sigma_i(x') / sigma_i(x)` within `scales[i]`.
    ///
    /// # Errors
    /// If the numbers are no bounds.
    pub fn new(shift: f64, scales: Vec<[f64; 2]>) -> Result<Self, InvalidReachable> {
        if !shift.is_finite() || shift < 0.0 {
            return Err(InvalidReachable::Shift(shift));
        }
        for (latent, &[low, high]) in scales.iter().enumerate() {
            if !(0.0 < low && low <= high && high.is_finite()) {
                return Err(InvalidReachable::Scale { latent, low, high });
            }
        }
        Ok(Self { shift, shifts: None, scales })
    }

    /// The same, where the shift of each latent alone, `|mu_i(x') - mu_i(x)| / sigma_i(x)`, is
    /// bounded too.
    ///
    /// # Errors
    /// If the numbers are no bounds.
    pub fn with_shifts(mut self, shifts: Vec<f64>) -> Result<Self, InvalidReachable> {
        if shifts.len() != self.scales.len() {
            let (found, latents) = (shifts.len(), self.scales.len());
            return Err(InvalidReachable::Latents { found, latents });
        }
        for (latent, &value) in shifts.iter().enumerate() {
            if !value.is_finite() || value < 0.0 {
                return Err(InvalidReachable::LatentShift { latent, value });
            }
        }
        let together = shifts.iter().map(|shift| shift * shift).sum::<f64>().sqrt();
        self.shift = self.shift.min(together * (1.0 + 1e-12));
        self.shifts = Some(shifts);
        Ok(self)
    }

    /// The length of the whitened shift, at most.
    pub fn shift(&self) -> f64 {
        self.shift
    }

    /// The shift of each latent, at most, if bounded one by one.
    pub fn shifts(&self) -> Option<&[f64]> {
        self.shifts.as_deref()
    }

    /// The range of each latent's scale.
    pub fn scales(&self) -> &[[f64; 2]] {
        &self.scales
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bound_is_refused() {
        let say = |result: Result<Reachable, InvalidReachable>| result.unwrap_err().to_string();
        for shift in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(say(Reachable::new(shift, vec![])).starts_with("the shift is at most"));
        }
        for range in
            [[0.0, 1.0], [1.1, 1.0], [0.5, f64::INFINITY], [f64::NAN, 1.0], [1.0, f64::NAN]]
        {
            let error = say(Reachable::new(1.0, vec![[1.0, 1.0], range]));
            assert!(error.starts_with("the scale of latent 1 is in"), "{error}");
        }
        let one = Reachable::new(1.0, vec![[1.0, 1.0]]).unwrap();
        assert_eq!(say(one.clone().with_shifts(vec![])), "0 bounds on the shifts of 1 latents");
        assert!(say(one.with_shifts(vec![f64::NAN])).starts_with("the shift of latent 0"));
    }

    #[test]
    fn the_length_of_all_shifts_counts_if_it_is_less() {
        let two = |shift| Reachable::new(shift, vec![[1.0, 1.0]; 2]).unwrap();
        let shift = |shift| two(shift).with_shifts(vec![3.0, 4.0]).unwrap().shift();
        assert_eq!(shift(2.0), 2.0);
        assert!((shift(9.0) - 5.0).abs() < 1e-9);
    }
}
