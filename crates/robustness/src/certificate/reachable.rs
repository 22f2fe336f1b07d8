//! What is known of the posteriors of all perturbed inputs.

/// Bounds that hold for every input x' that a perturbation may lead to.
///
/// Lengths are whitened: in units of the posterior standard deviations at x.
#[derive(Debug, Clone, PartialEq)]
pub struct Reachable {
    shift: f64,
    shifts: Option<Vec<f64>>,
    scales: Vec<[f64; 2]>,
    logarithms: Logarithms,
    ellipsoid: Option<Ellipsoid>,
    /// Of the direction of shifts with the axis, the largest, as an absolute value.
    cosine: f64,
}

/// Bounds on the logarithms k of all scales together, and of both with whitened shifts h:
///
/// ```text
/// |k| <= length,    along^2 + (across |rest|)^2 + (weight |k|)^2 <= joint^2
/// ```
///
/// with `h = along axis + rest` as in an [`Ellipsoid`].
#[derive(Debug, Clone, PartialEq)]
pub struct Logarithms {
    /// Of the logarithms.
    pub length: f64,
    /// Of both, where anything is known.
    pub weighted: Vec<Weighted>,
}

/// A bound on shifts and weighted logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighted {
    /// What the rest of a shift counts beside its part along the axis: 1 or more.
    pub across: f64,
    /// What logarithms count beside shifts.
    pub weight: f64,
    /// Of both together.
    pub joint: f64,
}

impl Logarithms {
    /// The length of the logarithms where the shift is at least so long, and the absolute cosine of
    /// its direction with the axis at most as large.
    fn beyond(&self, shift: f64, cosine: f64) -> f64 {
        let (square, along) = (shift * shift, cosine * cosine);
        let rest = |&Weighted { across, weight, joint }: &Weighted| {
            let counted = square * (along + across * across * (1.0 - along).max(0.0));
            let rest = joint * joint * (1.0 + 1e-9) - counted;
            rest.max(0.0).sqrt() / weight * (1.0 + 1e-12)
        };
        // A weight of 0 says nothing: the minimum is never NaN.
        self.weighted.iter().map(rest).fold(self.length, f64::min)
    }
}

/// Bounds on whitened shifts h in terms of their part along an axis and the rest: with
/// `h = along axis + rest`,
///
/// ```text
/// |along| <= self.along,   |rest| <= self.across,
/// (along / axes[0])^2 + (|rest| / axes[1])^2 <= joint^2
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipsoid {
    /// Of the part along the axis.
    pub along: f64,
    /// Of the length of the rest.
    pub across: f64,
    /// What they are measured in, together.
    pub axes: [f64; 2],
    /// Of both together.
    pub joint: f64,
    /// How far posteriors that are said to stand on the axis may stand beside their places.
    pub misplaced: f64,
}

impl Ellipsoid {
    /// The length of the rest where the part along the axis is at least `along` (not negative), at
    /// most; none if there is no such shift.
    fn rest(&self, along: f64, shift: f64) -> Option<f64> {
        // All numbers are bounds with their rounding; what is done to them here is not.
        const ROUNDING: f64 = 1.0 + 1e-12;
        let [axis, other] = self.axes;
        let within = |length: f64, part: f64| (length * length * ROUNDING - part * part).max(0.0);
        if along > self.along.min(shift).min(axis * self.joint) * ROUNDING {
            return None;
        }
        let joint = other * within(self.joint, along / axis).sqrt();
        Some(self.across.min(joint).min(within(shift, along).sqrt()) * ROUNDING)
    }

    /// The longest shift of which the direction has a cosine with the axis in a range, or more.
    fn towards(&self, [low, high]: [f64; 2]) -> f64 {
        let most = low.abs().max(high.abs()).min(1.0);
        let least = if low <= 0.0 && high >= 0.0 { 0.0 } else { low.abs().min(high.abs()) };
        // Squares of sines; where there is nothing to divide by, nothing is known.
        let squares = [least, most].map(|cosine| cosine * cosine);
        let along = self.along / least;
        let across = self.across / (1.0 - squares[1]).max(0.0).sqrt();
        let counted = squares.map(|square| {
            let [axis, other] = self.axes;
            square / (axis * axis) + (1.0 - square).max(0.0) / (other * other)
        });
        let joint = self.joint / counted[0].min(counted[1]).sqrt();
        let known = [along, across, joint].into_iter().filter(|length| !length.is_nan());
        known.fold(f64::INFINITY, f64::min) * (1.0 + 1e-9)
    }
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
    /// The logarithms of all scales are bounded by a number that is negative or none.
    #[error("logarithms of scales are at most {0} long; bounds are not negative")]
    Logarithms(f64),
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
        let squares = scales.iter().map(|[low, high]| low.ln().powi(2).max(high.ln().powi(2)));
        let length = squares.sum::<f64>().sqrt() * (1.0 + 1e-12);
        let logarithms = Logarithms { length, weighted: vec![] };
        Ok(Self { shift, shifts: None, scales, logarithms, ellipsoid: None, cosine: 1.0 })
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

    /// The same, where the logarithms of all scales are bounded together.
    ///
    /// # Errors
    /// If a number is negative or NaN.
    pub fn with_logarithms(mut self, logarithms: Logarithms) -> Result<Self, InvalidReachable> {
        let pairs = logarithms
            .weighted
            .iter()
            .flat_map(|both| [both.across - 1.0, both.weight, both.joint]);
        let all = std::iter::once(logarithms.length).chain(pairs);
        if let Some(value) = all.into_iter().find(|value| value.is_nan() || *value < 0.0) {
            return Err(InvalidReachable::Logarithms(value));
        }
        let length = logarithms.length.min(self.logarithms.length);
        self.logarithms = Logarithms { length, ..logarithms };
        Ok(self)
    }

    /// The same, where shifts are known to be in an ellipsoid too.
    ///
    /// # Errors
    /// If a number is negative or not finite, or an axis is 0.
    pub fn with_ellipsoid(mut self, ellipsoid: Ellipsoid) -> Result<Self, InvalidReachable> {
        let Ellipsoid { along, across, axes, joint, misplaced } = ellipsoid;
        for value in [along, across, joint, misplaced] {
            if !value.is_finite() || value < 0.0 {
                return Err(InvalidReachable::Shift(value));
            }
        }
        if let Some(axis) = axes.into_iter().find(|axis| !(axis.is_finite() && *axis > 0.0)) {
            return Err(InvalidReachable::Shift(axis));
        }
        self.ellipsoid = Some(ellipsoid);
        Ok(self)
    }

    /// Whether shifts are known to be in an ellipsoid.
    pub fn ellipsoid(&self) -> Option<&Ellipsoid> {
        self.ellipsoid.as_ref()
    }

    /// These posteriors as seen from the one that is shifted by `centre` along the ellipsoid's axis,
    /// where they are shifted by no more than `half` further or less along it; none if there are
    /// none, or shifts are not known to be in an ellipsoid.
    pub fn slice(&self, centre: f64, half: f64) -> Option<Self> {
        // The rest is longest where the part along the axis is least.
        let least = (centre.abs() - half).max(0.0);
        let ellipsoid = self.ellipsoid?;
        let rest = ellipsoid.rest(least, self.shift)?;
        let shift = (half.hypot(rest) + ellipsoid.misplaced) * (1.0 + 1e-12);
        let length = self.logarithms_beyond(least);
        let logarithms = Logarithms { length, weighted: vec![] };
        let scales = self.scales.clone();
        let [along, across] = [half, rest].map(|part| part + ellipsoid.misplaced);
        let ellipsoid = Ellipsoid { along, across, axes: [1.0; 2], joint: shift, misplaced: 0.0 };
        Some(Self {
            shift,
            shifts: None,
            scales,
            logarithms,
            ellipsoid: Some(ellipsoid),
            cosine: 1.0,
        })
    }

    /// The length of whitened shifts, at most, of which the direction has a cosine with the axis of
    /// the ellipsoid in a range; of all where there is none.
    pub fn shift_towards(&self, cosines: [f64; 2]) -> f64 {
        self.ellipsoid.map_or(self.shift, |all| all.towards(cosines).min(self.shift))
    }

    /// Those of these posteriors that have such a shift.
    pub fn towards(&self, cosines: [f64; 2]) -> Self {
        let cosine = cosines[0].abs().max(cosines[1].abs()).min(1.0);
        Self { shift: self.shift_towards(cosines), cosine, ..self.clone() }
    }

    /// The length of the whitened shift, at most.
    pub fn shift(&self) -> f64 {
        self.shift
    }

    /// The shift of each latent, at most, if bounded one by one.
    pub fn shifts(&self) -> Option<&[f64]> {
        self.shifts.as_deref()
    }

    /// Bounds on the logarithms of all scales.
    pub fn logarithms(&self) -> &Logarithms {
        &self.logarithms
    }

    /// The length of the logarithms of all scales where the whitened shift is at least so long, at
    /// most.
    pub fn logarithms_beyond(&self, shift: f64) -> f64 {
        self.logarithms.beyond(shift, self.cosine)
    }

    /// The range of each latent's scale.
    pub fn scales(&self) -> &[[f64; 2]] {
        &self.scales
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use proptest::prelude::*;

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
    fn logarithms_are_what_ranges_and_shifts_leave() {
        let two = Reachable::new(2.0, vec![[0.9, 1.05], [1.0, 1.2]]).unwrap();
        let by_ranges = 0.9_f64.ln().hypot(1.2_f64.ln());
        assert!((two.logarithms_beyond(1.9) - by_ranges).abs() < 1e-9);
        let with = |length, weight, joint| {
            let weighted = vec![Weighted { across: 1.0, weight, joint }];
            two.clone().with_logarithms(Logarithms { length, weighted })
        };
        let known = with(0.15, 10.0, 2.0).unwrap();
        assert_eq!(known.logarithms_beyond(0.0), 0.15);
        assert!((known.logarithms_beyond(1.6) - 0.12).abs() < 1e-9);
        assert!(known.logarithms_beyond(2.0) < 1e-5);
        assert!((with(9.0, 0.0, 1.0).unwrap().logarithms_beyond(0.5) - by_ranges).abs() < 1e-9);
        let said = with(-1.0, 1.0, 1.0).unwrap_err().to_string();
        assert_eq!(said, "logarithms of scales are at most -1 long; bounds are not negative");
        assert!(with(1.0, f64::NAN, 1.0).is_err() && with(1.0, 1.0, -1.0).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// No shift within all bounds is longer than what is said of its direction.
        #[test]
        fn shifts_are_no_longer_than_their_direction_allows(
            (along, across) in (0.0..3.0_f64, 0.0..3.0_f64), axes in prop::array::uniform2(0.1..2.0_f64),
            (joint, shift) in (0.1..3.0_f64, 0.1..3.0_f64), (angle, share) in (0.0..PI, 0.0..1.0_f64),
            (before, after) in (0.0..0.3_f64, 0.0..0.3_f64),
        ) {
            let ellipsoid = Ellipsoid { along, across, axes, joint, misplaced: 0.0 };
            let all = Reachable::new(shift, vec![]).unwrap().with_ellipsoid(ellipsoid).unwrap();
            let (sine, cosine) = angle.sin_cos();
            let unit = (cosine / axes[0]).hypot(sine / axes[1]);
            let length = [along / cosine.abs(), across / sine, joint / unit, shift];
            let length = share * length.into_iter().fold(f64::INFINITY, f64::min);
            let cosines = [(angle + after).min(PI).cos(), (angle - before).max(0.0).cos()];
            prop_assert!(length <= all.shift_towards(cosines), "{length}");
            prop_assert_eq!(all.towards(cosines).shift(), all.shift_towards(cosines));
            let exact = all.shift_towards([cosine, cosine]);
            prop_assert!(share < 1.0 || exact <= length * (1.0 + 1e-6));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Where a shift leaves room for logarithms, no more is said than its direction allows, and
        /// all of that.
        #[test]
        fn logarithms_are_what_directions_leave(
            (across, weight, joint) in (1.0..2.0_f64, 0.5..4.0_f64, 0.5..2.0_f64),
            (angle, share) in (0.0..PI, 0.0..1.0_f64), (before, after) in (0.0..0.3_f64, 0.0..0.3_f64),
        ) {
            let weighted = vec![Weighted { across, weight, joint }];
            let all = Reachable::new(9.0, vec![[0.1, 9.0]]).unwrap();
            let all = all.with_logarithms(Logarithms { length: 9.0, weighted }).unwrap();
            let (sine, cosine) = angle.sin_cos();
            let unit = cosine.hypot(across * sine);
            let shift = share * joint / unit;
            let left = (joint * joint - (shift * unit).powi(2)).max(0.0).sqrt() / weight;
            let cosines = [(angle + after).min(PI).cos(), (angle - before).max(0.0).cos()];
            let found = |all: Reachable| all.logarithms_beyond(shift);
            prop_assert!(left.min(2.2) <= found(all.clone()) && left.min(2.2) <= found(all.towards(cosines)));
            let exact = found(all.towards([cosine; 2]));
            prop_assert!(left > 2.2 || exact <= left + 1e-3, "{exact} {left}");
        }
    }

    #[test]
    fn the_length_of_all_shifts_counts_if_it_is_less() {
        let two = |shift| Reachable::new(shift, vec![[1.0, 1.0]; 2]).unwrap();
        let shift = |shift| two(shift).with_shifts(vec![3.0, 4.0]).unwrap().shift();
        assert_eq!(shift(2.0), 2.0);
        assert!((shift(9.0) - 5.0).abs() < 1e-9);
    }
}
