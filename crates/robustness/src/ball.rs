//! Where perturbations may go: an l2 ball about x, intersected with a box.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The interval every feature of a perturbed input must stay in. It belongs to the data
/// (images lie in [0, 1]), never to an attack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum InputBox {
    /// No limits.
    None,
    /// Both ends included.
    Interval {
        /// Lower end.
        low: f32,
        /// Upper end.
        high: f32,
    },
}

impl FromStr for InputBox {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = || Error::Box(text.to_string());
        if text.trim() == "none" {
            return Ok(Self::None);
        }
        let (low, high) = text.split_once(',').ok_or_else(fail)?;
        let number = |text: &str| text.trim().parse::<f32>().map_err(|_| fail());
        let (low, high) = (number(low)?, number(high)?);
        let valid = low < high && low.is_finite() && high.is_finite();
        if valid { Ok(Self::Interval { low, high }) } else { Err(fail()) }
    }
}

impl fmt::Display for InputBox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(formatter, "none"),
            Self::Interval { low, high } => write!(formatter, "{low},{high}"),
        }
    }
}

impl TryFrom<String> for InputBox {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<InputBox> for String {
    fn from(bounds: InputBox) -> Self {
        bounds.to_string()
    }
}

impl InputBox {
    /// Checks that a point lies inside.
    ///
    /// # Errors
    /// Names the first feature outside.
    pub fn check(&self, x: &[f32]) -> Result<(), Error> {
        let Self::Interval { low, high } = *self else { return Ok(()) };
        match x.iter().position(|value| !(low..=high).contains(value)) {
            None => Ok(()),
            Some(feature) => Err(Error::OutsideBox { feature, value: x[feature], low, high }),
        }
    }

    /// Whether a feature at `value` cannot move in the direction of `change`.
    pub fn blocks(&self, value: f32, change: f32) -> bool {
        match *self {
            Self::None => false,
            Self::Interval { low, high } => {
                (value <= low && change < 0.0) || (value >= high && change > 0.0)
            }
        }
    }

    /// The largest l2 norm of a perturbation that stays inside.
    pub fn reach(&self, x: &[f32]) -> f64 {
        match *self {
            Self::None => f64::INFINITY,
            Self::Interval { low, high } => {
                norm(x.iter().map(|&value| f64::from((value - low).max(high - value))))
            }
        }
    }

    /// Moves `perturbed` to the nearest point of the ball of `radius` about `x` that lies
    /// in the box: the exact projection, up to the rounding of f32.
    ///
    /// With a box the projection of `d` is `clip(d / (1 + lambda))` for the smallest
    /// `lambda >= 0` that meets the radius (Karush-Kuhn-Tucker); the norm falls in
    /// lambda, so bisection finds it.
    pub fn project(&self, x: &[f32], perturbed: &mut [f32], radius: f64) {
        let length = distance(x, perturbed);
        let (low, high) = match *self {
            Self::None => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Interval { low, high } => (low, high),
        };
        let at = |scale: f64, x: f32, moved: f32| {
            (x + (f64::from(moved - x) * scale) as f32).clamp(low, high)
        };
        let clipped_norm = |scale: f64| {
            norm(
                x.iter()
                    .zip(perturbed.iter())
                    .map(|(&x, &moved)| f64::from(at(scale, x, moved) - x)),
            )
        };
        let scale = if clipped_norm(1.0) <= radius {
            1.0
        } else if *self == Self::None {
            radius / length
        } else {
            // Clipping only shortens, so scaling to the radius without it is a lower end.
            let (mut inside, mut outside) = ((radius / length).min(1.0), 1.0);
            for _ in 0..40 {
                let middle = 0.5 * (inside + outside);
                if clipped_norm(middle) <= radius { inside = middle } else { outside = middle }
            }
            inside
        };
        for (&x, moved) in x.iter().zip(perturbed.iter_mut()) {
            *moved = at(scale, x, *moved);
        }
    }

    /// The point in direction `direction` from `x` whose distance, after clipping to the
    /// box, is `radius`; nearer if the box ends before.
    pub fn along(&self, x: &[f32], direction: &[f32], radius: f64) -> Vec<f32> {
        let length = norm(direction.iter().map(|&v| f64::from(v)));
        if length == 0.0 {
            return x.to_vec();
        }
        let (low, high) = match *self {
            Self::None => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Interval { low, high } => (low, high),
        };
        let at = |scale: f64, x: f32, d: f32| (x + (f64::from(d) * scale) as f32).clamp(low, high);
        let clipped_norm = |scale: f64| {
            norm(x.iter().zip(direction).map(|(&x, &d)| f64::from(at(scale, x, d) - x)))
        };
        let mut scale = radius / length;
        if *self != Self::None && clipped_norm(scale) < radius * (1.0 - 1e-6) {
            // What is clipped no longer grows: lengthen until the rest makes up for it.
            let (mut short, mut long) = (scale, scale);
            for _ in 0..30 {
                long *= 2.0;
                if clipped_norm(long) >= radius {
                    break;
                }
                short = long;
            }
            for _ in 0..40 {
                let middle = 0.5 * (short + long);
                if clipped_norm(middle) <= radius { short = middle } else { long = middle }
            }
            scale = short;
        }
        x.iter().zip(direction).map(|(&x, &d)| at(scale, x, d)).collect()
    }
}

impl InputBox {
    /// The perturbation `d` with `x + d`, as f32 arithmetic has it, nearest to `perturbed`
    /// and inside the box, and that sum. What is stored is d, so what is judged must be
    /// exactly what a reader of d will add up.
    pub fn perturbation(&self, x: &[f32], perturbed: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (low, high) = match *self {
            Self::None => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Interval { low, high } => (low, high),
        };
        x.iter()
            .zip(perturbed)
            .map(|(&x, &moved)| {
                let mut d = moved - x;
                while d != 0.0 && !(low..=high).contains(&(x + d)) {
                    d = if d > 0.0 { d.next_down() } else { d.next_up() };
                }
                (d, x + d)
            })
            .unzip()
    }
}

/// l2 norm, summed in f64.
pub fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// `|b - a|_2`, summed in f64: how far a stored perturbed input lies from its input.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    norm(a.iter().zip(b).map(|(&a, &b)| f64::from(b) - f64::from(a)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNIT: InputBox = InputBox::Interval { low: 0.0, high: 1.0 };

    #[test]
    fn boxes_parse_and_print() {
        assert_eq!("none".parse(), Ok(InputBox::None));
        assert_eq!("0,1".parse(), Ok(UNIT));
        assert_eq!(InputBox::Interval { low: -1.5, high: 2.0 }.to_string(), "-1.5,2");
        for text in ["", "0", "1,0", "0,inf", "0,1,2", "a,b", "nan,1"] {
            assert!(text.parse::<InputBox>().is_err(), "{text}");
        }
    }

    #[test]
    fn points_outside_are_named() {
        let error = UNIT.check(&[0.0, 1.0, 1.5]).unwrap_err();
        assert_eq!(error.to_string(), "feature 2 is 1.5, outside the box 0,1");
        assert!(UNIT.check(&[f32::NAN]).is_err());
        assert_eq!(InputBox::None.check(&[9.0]), Ok(()));
    }

    fn cases() -> impl Strategy<Value = (Vec<f32>, Vec<f32>, f64)> {
        (1usize..12).prop_flat_map(|n| {
            (
                prop::collection::vec(0.0f32..=1.0, n),
                prop::collection::vec(-3.0f32..3.0, n),
                0.01f64..3.0,
            )
        })
    }

    proptest! {
        #[test]
        fn projections_lie_in_ball_and_box((x, moved, radius) in cases(), boxed in any::<bool>()) {
            let bounds = if boxed { UNIT } else { InputBox::None };
            let mut projected = moved.clone();
            bounds.project(&x, &mut projected, radius);
            // x + d is rounded to f32: 6e-8 per feature of size 1.
            prop_assert!(distance(&x, &projected) <= radius + 5e-7);
            prop_assert!(bounds.check(&projected).is_ok());
            // Nearest: no feasible point of a random cloud is closer, and inside stays put.
            let gap = distance(&moved, &projected);
            for k in 0..50u32 {
                let blend = k as f32 / 50.0;
                let mut other: Vec<f32> =
                    x.iter().zip(&moved).enumerate().map(|(i, (x, m))| x + (m - x) * blend * (1.0 + 0.3 * ((i as u32 + k) % 3) as f32)).collect();
                if let InputBox::Interval { low, high } = bounds {
                    other.iter_mut().for_each(|v| *v = v.clamp(low, high));
                }
                if distance(&x, &other) <= radius {
                    prop_assert!(distance(&moved, &other) >= gap * (1.0 - 1e-5) - 1e-5);
                }
            }
            let mut again = projected.clone();
            bounds.project(&x, &mut again, radius * (1.0 + 1e-6));
            prop_assert!(distance(&projected, &again) < 1e-5);
        }

        #[test]
        fn rays_reach_their_radius_or_the_end_of_the_box((x, direction, radius) in cases(), boxed in any::<bool>()) {
            let bounds = if boxed { UNIT } else { InputBox::None };
            let point = bounds.along(&x, &direction, radius);
            prop_assert!(bounds.check(&point).is_ok());
            let length = distance(&x, &point);
            prop_assert!(length <= radius * (1.0 + 1e-5));
            let (d, sum) = bounds.perturbation(&x, &point);
            prop_assert!(bounds.check(&sum).is_ok());
            prop_assert!(x.iter().zip(&d).zip(&sum).all(|((x, d), sum)| x + d == *sum));
            prop_assert!(distance(&point, &sum) < 1e-5);
            let farthest = bounds.along(&x, &direction, 1e6);
            if length < radius * (1.0 - 1e-4) {
                prop_assert!(distance(&x, &farthest) <= radius * (1.0 + 1e-4));
            }
            prop_assert!(distance(&x, &farthest) <= bounds.reach(&x) * (1.0 + 1e-6));
        }
    }
}
