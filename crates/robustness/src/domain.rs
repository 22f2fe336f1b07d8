//! Where perturbed inputs may be, and how far from x they are. It belongs to the data
//! (images lie in `[0, 1]`, columns of a table have units), never to an attack.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How the length of a perturbation is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Norm {
    /// The sum of all changes.
    L1,
    /// The Euclidean length.
    #[default]
    L2,
    /// The largest change.
    LInf,
}

impl Norm {
    /// The norm of `values`, summed in f64.
    pub fn of(self, values: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::L1 => values.map(f64::abs).sum(),
            Self::L2 => norm(values),
            Self::LInf => values.map(f64::abs).fold(0.0, f64::max),
        }
    }

    /// The dual norm: `max <v, d>` over all d of norm 1 is the dual norm of v.
    pub fn dual(self) -> Self {
        match self {
            Self::L1 => Self::LInf,
            Self::L2 => Self::L2,
            Self::LInf => Self::L1,
        }
    }

    /// The largest l2 norm of a perturbation of norm 1 in `dimensions` dimensions: a bound
    /// on l2 perturbations holds for this norm after division by it.
    pub fn largest_l2(self, dimensions: usize) -> f64 {
        match self {
            Self::L1 | Self::L2 => 1.0,
            Self::LInf => (dimensions as f64).sqrt(),
        }
    }
}

impl FromStr for Norm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "l1" => Ok(Self::L1),
            "l2" => Ok(Self::L2),
            "linf" => Ok(Self::LInf),
            _ => Err(Error::Norm(text.to_string())),
        }
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::LInf => "linf",
        })
    }
}

impl TryFrom<String> for Norm {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Norm> for String {
    fn from(norm: Norm) -> Self {
        norm.to_string()
    }
}

/// The interval every feature of a perturbed input must stay in.
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

impl From<Option<(f32, f32)>> for InputBox {
    /// The range of data, if they have one.
    fn from(range: Option<(f32, f32)>) -> Self {
        range.map_or(Self::None, |(low, high)| Self::Interval { low, high })
    }
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
    /// Lower and upper end of every feature; infinite without limits.
    pub fn ends(self) -> (f32, f32) {
        match self {
            Self::None => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Interval { low, high } => (low, high),
        }
    }

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
}

/// Which perturbations are allowed, and how long they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// The norm of perturbations.
    pub norm: Norm,
    /// The box of perturbed inputs.
    #[serde(rename = "box")]
    pub bounds: InputBox,
    /// The unit of each feature: perturbations are measured as `d / unit`. A feature of
    /// unit 0 must not change. `None` means 1 everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<Vec<f32>>,
}

impl Domain {
    /// l2 perturbations within `bounds`.
    pub fn l2(bounds: InputBox) -> Self {
        Self { norm: Norm::L2, bounds, units: None }
    }

    /// Checks the units against a number of features.
    ///
    /// # Errors
    /// If there is not one per feature, one is negative or not finite, or all are 0.
    pub fn check(&self, features: usize) -> Result<(), Error> {
        let Some(units) = &self.units else { return Ok(()) };
        if units.len() != features {
            return Err(Error::Units { found: units.len(), features });
        }
        if let Some(feature) = units.iter().position(|unit| !(unit.is_finite() && *unit >= 0.0)) {
            return Err(Error::Unit { feature, value: units[feature] });
        }
        if units.iter().all(|&unit| unit == 0.0) { Err(Error::NothingMayChange) } else { Ok(()) }
    }
}

/// l2 norm, summed in f64.
pub fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// `|b - a|_2`, summed in f64.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    norm(a.iter().zip(b).map(|(&a, &b)| f64::from(b) - f64::from(a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: InputBox = InputBox::Interval { low: 0.0, high: 1.0 };

    #[test]
    fn boxes_and_norms_parse_and_print() {
        assert_eq!("none".parse(), Ok(InputBox::None));
        assert_eq!("0,1".parse(), Ok(UNIT));
        assert_eq!(InputBox::Interval { low: -1.5, high: 2.0 }.to_string(), "-1.5,2");
        for text in ["", "0", "1,0", "0,inf", "0,1,2", "a,b", "nan,1"] {
            assert!(text.parse::<InputBox>().is_err(), "{text}");
        }
        for (text, norm) in [("l1", Norm::L1), ("l2", Norm::L2), ("linf", Norm::LInf)] {
            assert_eq!(text.parse(), Ok(norm));
            assert_eq!(norm.to_string(), text);
        }
        let error = "l3".parse::<Norm>().unwrap_err();
        assert_eq!(error.to_string(), "\"l3\": expected l1, l2 or linf");
    }

    #[test]
    fn points_outside_are_named() {
        let error = UNIT.check(&[0.0, 1.0, 1.5]).unwrap_err();
        assert_eq!(error.to_string(), "feature 2 is 1.5, outside the box 0,1");
        assert!(UNIT.check(&[f32::NAN]).is_err());
        assert_eq!(InputBox::None.check(&[9.0]), Ok(()));
    }

    #[test]
    fn units_are_checked() {
        let check = |units: &[f32]| {
            let domain = Domain { units: Some(units.to_vec()), ..Domain::l2(UNIT) };
            domain.check(2).map_err(|error| error.to_string())
        };
        assert_eq!(check(&[0.0, 2.0]), Ok(()));
        assert_eq!(check(&[1.0]), Err("1 units for 2 features".to_string()));
        assert!(check(&[1.0, -1.0]).unwrap_err().starts_with("the unit of feature 1 is -1"));
        assert!(check(&[f32::NAN, 1.0]).is_err());
        assert_eq!(check(&[0.0, 0.0]), Err("no feature may change: all units are 0".to_string()));
    }

    #[test]
    fn dual_norms_bound_scalar_products() {
        let (v, d) = ([3.0, -4.0, 0.5], [0.2, 0.7, -1.0]);
        let product: f64 = v.iter().zip(d).map(|(v, d)| v * d).sum();
        for norm in [Norm::L1, Norm::L2, Norm::LInf] {
            let bound = norm.of(d.into_iter()) * norm.dual().of(v.into_iter());
            assert!(product.abs() <= bound);
            let l2 = Norm::L2.of(d.into_iter());
            assert!(l2 <= norm.largest_l2(3) * norm.of(d.into_iter()) + 1e-12);
        }
    }
}
