//! From values to positions.
//!
//! An axis has up to three parts: the range of ordinary values and, where the data
//! need them, a gutter for `0` (which a logarithm cannot place) and one for `∞`.
//! Robustness data are full of both: a point that breaks without any perturbation
//! has margin 0, one that no attack breaks has margin ∞. Leaving them out would
//! silently flatter or slander a model, so they get a place of their own.

use crate::text;

/// Values whose largest is more than this many times the smallest get a log axis.
pub(crate) const LOG_FROM: f64 = 30.0;
/// The width of a gutter, its separation included.
const GUTTER: f64 = 30.0;

/// How values are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spacing {
    Linear,
    Log,
}

/// The values an axis shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Domain {
    pub(crate) spacing: Spacing,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Whether zeros have a gutter of their own.
    pub(crate) zeros: bool,
    /// Whether infinite values occur.
    pub(crate) infinities: bool,
    /// Whether ordinary values occur; without any there is nothing to put ticks on.
    pub(crate) ordinary: bool,
}

/// A labelled position on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

impl Domain {
    /// A domain for all of `values` (NaN aside): logarithmic when the largest positive
    /// value exceeds `log_from` times the smallest, otherwise linear from 0. `None`
    /// without values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>, log_from: f64) -> Option<Self> {
        let (mut any, mut zeros, mut infinities) = (false, false, false);
        let (mut least, mut most, mut negative) = (f64::INFINITY, 0f64, 0f64);
        for value in values.into_iter().filter(|value| !value.is_nan()) {
            any = true;
            zeros |= value == 0.0;
            infinities |= value == f64::INFINITY;
            if value > 0.0 && value.is_finite() {
                least = least.min(value);
                most = most.max(value);
            } else if value.is_finite() {
                negative = negative.min(value);
            }
        }
        if !any {
            return None;
        }
        let ordinary = most > 0.0 || negative < 0.0 || zeros;
        Some(if negative == 0.0 && most > log_from * least {
            let pad = (0.03 * (most.ln() - least.ln())).exp().min(1.3);
            let (low, high) = ((least / pad).max(f64::MIN_POSITIVE), (most * pad).min(f64::MAX));
            Self { spacing: Spacing::Log, low, high, zeros, infinities, ordinary }
        } else {
            let span = most - negative;
            let pad = if span > 0.0 { 0.04 * span } else { 1.0 };
            let low = if negative < 0.0 { negative - pad } else { 0.0 };
            let high = (most + pad).min(f64::MAX);
            Self { spacing: Spacing::Linear, low, high, zeros: false, infinities, ordinary }
        })
    }

    /// A linear domain around finite `values`, whose ends need not include 0. `None` without any.
    pub(crate) fn around(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        let pad = if high > low { 0.06 * (high - low) } else { 0.1 * high.abs().max(1.0) };
        (low <= high).then(|| Self {
            low: (low - pad).max(f64::MIN),
            high: (high + pad).min(f64::MAX),
            ..Self::unit()
        })
    }

    /// The range of a probability.
    pub(crate) fn unit() -> Self {
        Self {
            spacing: Spacing::Linear,
            low: 0.0,
            high: 1.0,
            zeros: false,
            infinities: false,
            ordinary: true,
        }
    }

    /// Where an ordinary value lies between `low` (0) and `high` (1).
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        let share = match self.spacing {
            Spacing::Linear => (value - self.low) / (self.high - self.low),
            Spacing::Log => {
                let low = self.low.ln();
                (value.ln() - low) / (self.high.ln() - low)
            }
        };
        share.clamp(0.0, 1.0)
    }

    /// The value at a share of the way from `low` to `high`.
    pub(crate) fn value(&self, fraction: f64) -> f64 {
        match self.spacing {
            Spacing::Linear => self.low + fraction * (self.high - self.low),
            Spacing::Log => {
                let low = self.low.ln();
                (low + fraction * (self.high.ln() - low)).exp()
            }
        }
    }

    /// Round values inside the domain, about `target` of them.
    pub(crate) fn ticks(&self, target: usize) -> Vec<Tick> {
        match (self.ordinary, self.spacing) {
            (false, _) => Vec::new(),
            (_, Spacing::Linear) => linear_ticks(self.low, self.high, target),
            (_, Spacing::Log) => log_ticks(self.low, self.high, target),
        }
    }
}

fn linear_ticks(low: f64, high: f64, target: usize) -> Vec<Tick> {
    let rough = (high - low) / target.max(1) as f64;
    if !(rough > 0.0 && rough.is_finite()) {
        return Vec::new();
    }
    let magnitude = rough.log10().floor();
    let base = 10f64.powf(magnitude);
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * base >= rough * 0.999);
    let (factor, magnitude) = factor.map_or((1.0, magnitude + 1.0), |f| (f, magnitude));
    let step = factor * 10f64.powf(magnitude);
    let plain = (-4.0..=5.0).contains(&magnitude);
    let decimals = (-magnitude).max(0.0) as usize;
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last)
        .map(|i| {
            let value = i as f64 * step;
            let label = match i {
                0 => "0".to_owned(),
                _ if plain => format!("{value:.decimals$}").replace('-', "−"),
                _ => text::number(value),
            };
            Tick { value, label }
        })
        .collect()
}

fn log_ticks(low: f64, high: f64, target: usize) -> Vec<Tick> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let inside = |mantissas: &[u32], every: i32| -> Vec<Tick> {
        (first..=last)
            .filter(|exponent| exponent.rem_euclid(every) == 0)
            .flat_map(|exponent| mantissas.iter().map(move |&m| (m, exponent)))
            .map(|(m, exponent)| Tick {
                value: f64::from(m) * 10f64.powi(exponent),
                label: power_label(m, exponent),
            })
            .filter(|tick| tick.value >= low && tick.value <= high)
            .collect()
    };
    // The finest of these that is not crowded.
    let finest = [&[1u32, 2, 3, 5, 7][..], &[1, 2, 5], &[1, 3], &[1]];
    for mantissas in finest {
        let ticks = inside(mantissas, 1);
        if ticks.len() <= target + 2 {
            // Less than a step of these: round values as on a linear axis.
            return if ticks.len() < 2 { linear_ticks(low, high, target.max(2)) } else { ticks };
        }
    }
    inside(&[1], (last - first) / target.max(1) as i32 + 1)
}

fn power_label(mantissa: u32, exponent: i32) -> String {
    match exponent {
        -3..=-1 => format!("{:.*}", -exponent as usize, f64::from(mantissa) * 10f64.powi(exponent)),
        0..=4 => text::integer(mantissa as usize * 10usize.pow(exponent as u32)),
        _ if mantissa == 1 => format!("10{}", text::superscript(exponent)),
        _ => format!("{mantissa}×10{}", text::superscript(exponent)),
    }
}

/// A domain laid out between two positions (`from` may exceed `to`: y grows downwards).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) domain: Domain,
    /// Where `low` and `high` are.
    pub(crate) range: (f64, f64),
    /// The ends of the axis, gutters included.
    pub(crate) ends: (f64, f64),
    gutter: f64,
}

impl Axis {
    pub(crate) fn new(domain: Domain, from: f64, to: f64) -> Self {
        Self::with_gutters(domain, from, to, GUTTER)
    }

    /// An axis whose gutters have another width than most.
    pub(crate) fn with_gutters(domain: Domain, from: f64, to: f64, gutter: f64) -> Self {
        let inwards = gutter * (to - from).signum();
        let start = if domain.zeros { from + inwards } else { from };
        let end = if domain.infinities { to - inwards } else { to };
        Self { domain, range: (start, end), ends: (from, to), gutter }
    }

    /// The middle of the gutter for zeros, and half its width.
    pub(crate) fn zero_gutter(&self) -> Option<f64> {
        let outwards = (self.ends.1 - self.ends.0).signum();
        self.domain.zeros.then_some(self.ends.0 + outwards * self.gutter_half())
    }

    /// The middle of the gutter for infinities.
    pub(crate) fn infinity_gutter(&self) -> Option<f64> {
        let outwards = (self.ends.1 - self.ends.0).signum();
        self.domain.infinities.then_some(self.ends.1 - outwards * self.gutter_half())
    }

    /// Half the width of a gutter's shaded part.
    pub(crate) fn gutter_half(&self) -> f64 {
        self.gutter * 11.0 / 30.0
    }

    /// Where `value` is drawn; `None` for NaN, which has no place.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        if value.is_nan() {
            return None;
        }
        if value == f64::INFINITY {
            return Some(self.infinity_gutter().unwrap_or(self.ends.1));
        }
        if value <= 0.0 && self.domain.zeros {
            return self.zero_gutter();
        }
        let (start, end) = self.range;
        Some(start + self.domain.fraction(value) * (end - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&linear_ticks(0.0, 1.0, 5)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&linear_ticks(0.0, 8.3, 5)), ["0", "2", "4", "6", "8"]);
        assert_eq!(labels(&linear_ticks(-1.0, 1.0, 4)), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        assert_eq!(labels(&linear_ticks(0.0, 0.0003, 3)), ["0", "0.0001", "0.0002", "0.0003"]);
        assert_eq!(labels(&linear_ticks(0.0, 2e9, 2)), ["0", "1.00×10⁹", "2.00×10⁹"]);
        assert!(linear_ticks(1.0, 1.0, 5).is_empty());
    }

    #[test]
    fn log_ticks_thin_out_as_decades_grow() {
        assert_eq!(labels(&log_ticks(0.9, 9.0, 5)), ["1", "2", "3", "5", "7"]);
        assert_eq!(labels(&log_ticks(0.09, 11.0, 6)), ["0.1", "0.2", "0.5", "1", "2", "5", "10"]);
        assert_eq!(labels(&log_ticks(0.31, 0.36, 3)), ["0.32", "0.34", "0.36"]);
        assert_eq!(labels(&log_ticks(1e-6, 1e3, 5)), ["10⁻⁶", "10⁻⁴", "0.01", "1", "100"]);
    }

    #[test]
    fn a_domain_gives_every_value_a_place() {
        let domain = Domain::of([0.0, 0.01, 5.0, f64::INFINITY, f64::NAN], LOG_FROM);
        let domain = domain.expect("there are values");
        assert_eq!(domain.spacing, Spacing::Log);
        assert!(domain.zeros && domain.infinities);
        let axis = Axis::new(domain, 300.0, 0.0);
        let places: Vec<f64> =
            [0.0, 0.01, 5.0, f64::INFINITY].iter().filter_map(|&v| axis.place(v)).collect();
        assert_eq!(places.len(), 4);
        assert!(places.is_sorted_by(|a, b| a > b), "{places:?}");
        assert_eq!(axis.place(f64::NAN), None);
    }

    #[test]
    fn degenerate_domains_do_not_divide_by_zero() {
        assert_eq!(Domain::of([f64::NAN], LOG_FROM), None);
        for values in [
            [0.0, 0.0],
            [f64::INFINITY; 2],
            [3.0, 3.0],
            [f64::MAX; 2],
            [f64::MIN_POSITIVE, f64::MAX],
        ] {
            let domain = Domain::of(values, LOG_FROM).expect("there are values");
            let axis = Axis::new(domain, 0.0, 100.0);
            assert!(axis.place(values[0]).is_some_and(f64::is_finite), "{values:?}");
            assert!(domain.ticks(5).len() <= 8);
        }
        assert!(Domain::of([f64::INFINITY], LOG_FROM).is_some_and(|d| d.ticks(5).is_empty()));
    }
}
