//! The geometry that attacks move in: balls about x intersected with the box.
//!
//! Perturbations are in units of the [`Domain`]: with units s, the
//! perturbation u stands for `d = s u`, so that its norm is its length and the box is a
//! pair of limits for each of its entries. Optimisers see nothing else of x.

use crate::{Domain, InputBox, Norm};

/// Halvings of an interval that holds a scale, enough for f32.
const HALVINGS: usize = 40;

/// All balls about one input.
#[derive(Debug, Clone)]
pub struct Ball<'a> {
    norm: Norm,
    bounds: InputBox,
    x: &'a [f32],
    units: Option<&'a [f32]>,
    /// Limits of each entry of a perturbation: where the box ends. They hold 0.
    lower: Vec<f32>,
    upper: Vec<f32>,
}

/// A perturbation as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Perturbation {
    /// The perturbation d.
    pub d: Vec<f32>,
    /// `x + d`, as f32 arithmetic has it: inside the box.
    pub perturbed: Vec<f32>,
    /// The length of d in the domain's norm and units, measured from d.
    pub norm: f64,
}

impl<'a> Ball<'a> {
    /// The balls about x, which must lie in the box of `domain`.
    pub fn new(domain: &'a Domain, x: &'a [f32]) -> Self {
        let units = domain.units.as_deref();
        let (low, high) = domain.bounds.ends();
        let limit = |end: f32, position: usize| {
            let unit = units.map_or(1.0, |units| units[position]);
            if unit == 0.0 { 0.0 } else { (end - x[position]) / unit }
        };
        let features = 0..x.len();
        Self {
            norm: domain.norm,
            bounds: domain.bounds,
            x,
            units,
            lower: features.clone().map(|position| limit(low, position)).collect(),
            upper: features.map(|position| limit(high, position)).collect(),
        }
    }

    /// The norm that measures perturbations.
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// Lower and upper limits of each entry.
    pub fn limits(&self) -> (&[f32], &[f32]) {
        (&self.lower, &self.upper)
    }

    /// The unit of each feature, if they are not all 1.
    pub fn units(&self) -> Option<&[f32]> {
        self.units
    }

    /// Features that may change.
    pub fn dimensions(&self) -> usize {
        let fixed = self.units.map_or(0, |units| units.iter().filter(|&&u| u == 0.0).count());
        self.x.len() - fixed
    }

    /// The largest l2 norm of a perturbation of norm 1: estimates for l2 perturbations hold
    /// in this domain after division by it.
    pub fn largest_l2(&self) -> f64 {
        self.norm.largest_l2(self.dimensions())
    }

    /// The largest l2 length of a change d whose perturbation has norm 1.
    pub fn largest_change(&self) -> f64 {
        let widest = self.units.map_or(1.0, |units| units.iter().copied().fold(0.0, f32::max));
        self.largest_l2() * f64::from(widest)
    }

    /// Length of a perturbation.
    pub fn length(&self, u: &[f32]) -> f64 {
        self.norm.of(u.iter().map(|&value| f64::from(value)))
    }

    /// The norm that measures gradients: of the largest gain per length.
    pub fn dual_length(&self, gradient: impl Iterator<Item = f64>) -> f64 {
        self.norm.dual().of(gradient)
    }

    /// The largest length of a perturbation that stays in the box.
    pub fn reach(&self) -> f64 {
        let farthest = |(&low, &high): (&f32, &f32)| f64::from(high.max(-low));
        self.norm.of(self.lower.iter().zip(&self.upper).map(farthest))
    }

    /// The perturbed input `x + s u`, inside the box.
    pub fn perturbed(&self, u: &[f32]) -> Vec<f32> {
        let (low, high) = self.bounds.ends();
        let moved = |(position, &u): (usize, &f32)| {
            (self.x[position] + u * self.unit(position)).clamp(low, high)
        };
        u.iter().enumerate().map(moved).collect()
    }

    /// The perturbation in units that takes x to x'.
    pub fn between(&self, perturbed: &[f32]) -> Vec<f32> {
        let entry = |(position, &moved): (usize, &f32)| match self.unit(position) {
            0.0 => 0.0,
            unit => (moved - self.x[position]) / unit,
        };
        perturbed.iter().enumerate().map(entry).collect()
    }

    /// Turns a gradient with respect to x' into one with respect to u.
    pub fn pull_back(&self, gradient: &mut [f32]) {
        if let Some(units) = self.units {
            gradient.iter_mut().zip(units).for_each(|(g, unit)| *g *= unit);
        }
    }

    /// What is stored of u: d and `x + d`, of which the box holds exactly, and the norm of
    /// d. What is judged must be exactly what a reader of d will add up.
    pub fn store(&self, u: &[f32]) -> Perturbation {
        let (low, high) = self.bounds.ends();
        let mut stored = Perturbation { d: vec![], perturbed: vec![], norm: 0.0 };
        let mut lengths = Vec::with_capacity(u.len());
        for (position, moved) in self.perturbed(u).into_iter().enumerate() {
            let x = self.x[position];
            let mut d = moved - x;
            while d != 0.0 && !(low..=high).contains(&(x + d)) {
                d = if d > 0.0 { d.next_down() } else { d.next_up() };
            }
            stored.d.push(d);
            stored.perturbed.push(x + d);
            let unit = f64::from(self.unit(position));
            lengths.push(if unit == 0.0 { 0.0 } else { f64::from(d) / unit });
        }
        stored.norm = self.norm.of(lengths.into_iter());
        stored
    }

    /// Moves u to the nearest point of the ball of `radius`, up to the rounding of f32.
    ///
    /// The projection is `clip(shrink(u, lambda))` for the smallest `lambda >= 0` that meets
    /// the radius (Karush-Kuhn-Tucker), where shrinking divides by `1 + lambda` (l2) or
    /// moves lambda towards 0 (l1): the norm falls in lambda, so bisection finds it.
    pub fn project(&self, u: &mut [f32], radius: f64) {
        if self.norm == Norm::LInf {
            let radius = radius as f32;
            let limits = self.lower.iter().zip(&self.upper);
            for (value, (&low, &high)) in u.iter_mut().zip(limits) {
                *value = value.clamp(low.max(-radius), high.min(radius));
            }
            return;
        }
        let shrink = |value: f64, lambda: f64| match self.norm {
            Norm::L1 => value.signum() * (value.abs() - lambda).max(0.0),
            _ => value / (1.0 + lambda),
        };
        let entry = |position: usize, value: f32, lambda: f64| {
            let shrunk = shrink(f64::from(value), lambda) as f32;
            shrunk.clamp(self.lower[position], self.upper[position])
        };
        let length = |lambda: f64| {
            let entries = u.iter().enumerate();
            self.norm.of(entries.map(|(position, &u)| f64::from(entry(position, u, lambda))))
        };
        let mut lambda = 0.0;
        if length(0.0) > radius {
            let free = self.length(u);
            // Without the box this much is enough; clipping only shortens.
            let (mut low, mut high) = match self.norm {
                Norm::L1 => (0.0, self.norm.dual().of(u.iter().map(|&u| f64::from(u)))),
                _ => (0.0, free / radius - 1.0),
            };
            for _ in 0..HALVINGS {
                let middle = 0.5 * (low + high);
                if length(middle) <= radius { high = middle } else { low = middle }
            }
            lambda = high;
        }
        for (position, value) in u.iter_mut().enumerate() {
            *value = entry(position, *value, lambda);
        }
    }

    /// The perturbation along `direction` whose length, after clipping to the box, is
    /// `radius`; shorter if the box ends before.
    pub fn along(&self, direction: &[f32], radius: f64) -> Vec<f32> {
        let length = self.length(direction);
        if length == 0.0 || !length.is_finite() {
            return vec![0.0; direction.len()];
        }
        let entry = |position: usize, scale: f64| {
            let moved = (f64::from(direction[position]) * scale) as f32;
            moved.clamp(self.lower[position], self.upper[position])
        };
        let clipped = |scale: f64| {
            self.norm.of((0..direction.len()).map(|position| f64::from(entry(position, scale))))
        };
        let mut scale = radius / length;
        let limited = self.bounds != InputBox::None || self.units.is_some();
        if limited && clipped(scale) < radius * (1.0 - 1e-6) {
            // What is clipped no longer grows: lengthen until the rest makes up for it.
            let (mut short, mut long) = (scale, scale);
            for _ in 0..30 {
                long *= 2.0;
                if clipped(long) >= radius {
                    break;
                }
                short = long;
            }
            for _ in 0..HALVINGS {
                let middle = 0.5 * (short + long);
                if clipped(middle) <= radius { short = middle } else { long = middle }
            }
            scale = short;
        }
        (0..direction.len()).map(|position| entry(position, scale)).collect()
    }

    /// The perturbation of the ball of `radius` that gains most along `gradient`:
    /// `argmax <gradient, u>`, exactly.
    ///
    /// For l2 that is the clipped ray along the gradient, for l-infinity the corner that the
    /// signs choose, and for l1 the length is spent on the entries of largest gradient, each
    /// up to its limit.
    pub fn corner(&self, gradient: &[f32], radius: f64) -> Vec<f32> {
        match self.norm {
            Norm::L2 => {
                // What the box blocks must not count towards the length.
                let free = |(position, &g): (usize, &f32)| {
                    let limit = if g > 0.0 { self.upper[position] } else { self.lower[position] };
                    if limit == 0.0 { 0.0 } else { g }
                };
                let free: Vec<f32> = gradient.iter().enumerate().map(free).collect();
                self.along(&free, radius)
            }
            Norm::LInf => {
                let radius = radius as f32;
                let entry = |(position, &g): (usize, &f32)| match g {
                    g if g > 0.0 => self.upper[position].min(radius),
                    g if g < 0.0 => self.lower[position].max(-radius),
                    _ => 0.0,
                };
                gradient.iter().enumerate().map(entry).collect()
            }
            Norm::L1 => {
                let mut order: Vec<usize> = (0..gradient.len()).collect();
                order.sort_by(|&a, &b| gradient[b].abs().total_cmp(&gradient[a].abs()));
                let mut corner = vec![0.0; gradient.len()];
                let mut left = radius as f32;
                for position in order {
                    let g = gradient[position];
                    if left <= 0.0 || g == 0.0 {
                        break;
                    }
                    corner[position] = if g > 0.0 {
                        self.upper[position].min(left)
                    } else {
                        self.lower[position].max(-left)
                    };
                    left -= corner[position].abs();
                }
                corner
            }
        }
    }

    fn unit(&self, position: usize) -> f32 {
        self.units.map_or(1.0, |units| units[position])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn domain() -> impl Strategy<Value = (Domain, Vec<f32>)> {
        let norms = prop::sample::select(vec![Norm::L1, Norm::L2, Norm::LInf]);
        let bounds =
            prop::sample::select(vec![InputBox::None, InputBox::Interval { low: 0.0, high: 1.0 }]);
        (1usize..12, norms, bounds, any::<bool>()).prop_flat_map(|(n, norm, bounds, scaled)| {
            let unit = prop_oneof![1 => Just(0.0f32), 6 => 0.1f32..5.0];
            let x = prop::collection::vec(0.0f32..=1.0, n);
            (prop::collection::vec(unit, n), x).prop_map(move |(units, x)| {
                (Domain { norm, bounds, units: scaled.then_some(units) }, x)
            })
        })
    }

    fn cases() -> impl Strategy<Value = (Domain, Vec<f32>, Vec<f32>, f64)> {
        domain().prop_flat_map(|(domain, x)| {
            let u = prop::collection::vec(-3.0f32..3.0, x.len());
            (Just(domain), Just(x), u, 0.01f64..3.0)
        })
    }

    fn product(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    fn gap(a: &[f32], b: &[f32]) -> f64 {
        crate::domain::distance(a, b)
    }

    /// Points of the ball: scaled corners of all kinds.
    fn feasible<'a>(
        ball: &'a Ball<'a>,
        u: &'a [f32],
        radius: f64,
    ) -> impl Iterator<Item = Vec<f32>> + 'a {
        (0..60u32).map(move |k| {
            let turned: Vec<f32> = u
                .iter()
                .enumerate()
                .map(|(i, &u)| u + 0.7 * ((i as u32 * 7 + k * 3) % 5) as f32 - 1.4)
                .collect();
            let radius = radius * (0.2 + 0.8 * f64::from(k % 10) / 9.0) * (1.0 - 1e-6);
            if k % 2 == 0 { ball.along(&turned, radius) } else { ball.corner(&turned, radius) }
        })
    }

    proptest! {
        #[test]
        fn projections_are_the_nearest_points_of_ball_and_box((domain, x, u, radius) in cases()) {
            let ball = Ball::new(&domain, &x);
            let mut projected = u.clone();
            ball.project(&mut projected, radius);
            prop_assert!(ball.length(&projected) <= radius * (1.0 + 1e-6));
            prop_assert!(domain.bounds.check(&ball.perturbed(&projected)).is_ok());
            let nearest = gap(&u, &projected);
            for other in feasible(&ball, &u, radius) {
                prop_assert!(gap(&u, &other) >= nearest * (1.0 - 1e-5) - 1e-5);
            }
            let mut again = projected.clone();
            ball.project(&mut again, radius * (1.0 + 1e-6));
            prop_assert!(gap(&projected, &again) < 1e-5);
        }

        #[test]
        fn corners_gain_most((domain, x, gradient, radius) in cases()) {
            let ball = Ball::new(&domain, &x);
            let corner = ball.corner(&gradient, radius);
            prop_assert!(ball.length(&corner) <= radius * (1.0 + 1e-5));
            prop_assert!(domain.bounds.check(&ball.perturbed(&corner)).is_ok());
            let gain = product(&gradient, &corner);
            for other in feasible(&ball, &gradient, radius) {
                prop_assert!(product(&gradient, &other) <= gain * (1.0 + 1e-4) + 1e-5);
            }
            // Without a box the gain is the dual norm.
            if domain.bounds == InputBox::None && domain.units.is_none() {
                let dual = ball.dual_length(gradient.iter().map(|&g| f64::from(g)));
                prop_assert!((gain - radius * dual).abs() <= 1e-4 * radius * dual + 1e-6);
            }
        }

        #[test]
        fn rays_reach_their_radius_or_the_end_of_the_box((domain, x, direction, radius) in cases()) {
            let ball = Ball::new(&domain, &x);
            let u = ball.along(&direction, radius);
            let length = ball.length(&u);
            prop_assert!(length <= radius * (1.0 + 1e-5));
            let farthest = ball.along(&direction, 1e6);
            if length < radius * (1.0 - 1e-4) && domain.units.is_none() {
                prop_assert!(ball.length(&farthest) <= radius * (1.0 + 1e-4));
            }
            prop_assert!(ball.length(&farthest) <= ball.reach() * (1.0 + 1e-5) + 1e-5);
        }

        #[test]
        fn what_is_stored_adds_up_and_is_measured((domain, x, u, radius) in cases()) {
            let ball = Ball::new(&domain, &x);
            let u = ball.along(&u, radius);
            let stored = ball.store(&u);
            prop_assert!(domain.bounds.check(&stored.perturbed).is_ok());
            for (position, (x, d)) in x.iter().zip(&stored.d).enumerate() {
                prop_assert_eq!(x + d, stored.perturbed[position]);
                let fixed = domain.units.as_ref().is_some_and(|units| units[position] == 0.0);
                prop_assert!(!fixed || *d == 0.0);
            }
            // x + d is rounded to f32, and units may enlarge that.
            let smallest = domain.units.iter().flatten().filter(|&&unit| unit > 0.0);
            let smallest = smallest.copied().fold(1.0f32, f32::min);
            let rounding = 2e-6 * x.len() as f64 / f64::from(smallest);
            prop_assert!((stored.norm - ball.length(&u)).abs() <= rounding + 1e-5 * radius);
            prop_assert!(gap(&ball.between(&stored.perturbed), &u) <= rounding + 1e-5 * radius);
        }
    }
}
