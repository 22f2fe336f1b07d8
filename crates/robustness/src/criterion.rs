//! The criterion of r-robustness [C21, Def. 1-2].
//!
//! A VAE is r-robust at x to d iff `P(|Delta(x,d)| <= r) > 1/2`, that is iff the
//! median of `|Delta(x,d)|` is below r.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How a radius in reconstruction space is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Radius {
    /// The same l2 distance for every point.
    Absolute(f64),
    /// A quantile of `|Delta(x)|`, so a distance of its own for every point: `q0.9` asks
    /// that nine reconstructions in ten count as unchanged when nothing is perturbed.
    Quantile(f64),
}

impl FromStr for Radius {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = || Error::Radius(text.to_string());
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| fail());
        if text.trim() == "auto" {
            return Ok(Self::AUTO);
        }
        match text.trim().strip_prefix('q') {
            Some(level) => {
                let level = number(level)?;
                if level > 0.0 && level < 1.0 { Ok(Self::Quantile(level)) } else { Err(fail()) }
            }
            None => {
                let r = number(text)?;
                if r > 0.0 && r.is_finite() { Ok(Self::Absolute(r)) } else { Err(fail()) }
            }
        }
    }
}

impl Radius {
    /// What `auto` stands for.
    pub const AUTO: Self = Self::Quantile(0.9);
}

impl fmt::Display for Radius {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(r) => write!(formatter, "{r}"),
            Self::Quantile(level) => write!(formatter, "q{level}"),
        }
    }
}

impl TryFrom<String> for Radius {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Radius> for String {
    fn from(radius: Radius) -> Self {
        radius.to_string()
    }
}

/// The empirical median: the middle value, or the mean of the middle two.
///
/// Reorders `values`; NaN if there are none.
pub fn median(values: &mut [f32]) -> f64 {
    let count = values.len();
    if count == 0 {
        return f64::NAN;
    }
    let (below, &mut middle, _) = values.select_nth_unstable_by(count / 2, f32::total_cmp);
    let upper = f64::from(middle);
    if count % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().max_by(f32::total_cmp).map_or(upper, f64::from);
    0.5 * (lower + upper)
}

/// The smallest value v with at least a share `level` of `values` at or below v.
///
/// Reorders `values`; NaN if there are none.
pub fn quantile(values: &mut [f32], level: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let rank = (level * values.len() as f64).ceil().max(1.0) as usize - 1;
    let rank = rank.min(values.len() - 1);
    f64::from(*values.select_nth_unstable_by(rank, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radii_parse_and_print() {
        for (text, radius) in [
            ("4", Radius::Absolute(4.0)),
            ("0.25", Radius::Absolute(0.25)),
            ("q0.9", Radius::Quantile(0.9)),
        ] {
            assert_eq!(text.parse(), Ok(radius));
            assert_eq!(radius.to_string(), text);
        }
        assert_eq!("auto".parse(), Ok(Radius::AUTO));
        for text in ["0", "-1", "nan", "inf", "q0", "q1", "q", "q-0.5", "four", ""] {
            let error = text.parse::<Radius>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(&mut []).is_nan());
        let mut values: Vec<f32> = (1..=10).rev().map(|v| v as f32).collect();
        assert_eq!(quantile(&mut values, 0.9), 9.0);
        assert_eq!(quantile(&mut values, 0.95), 10.0);
        assert_eq!(quantile(&mut values, 0.01), 1.0);
    }
}
