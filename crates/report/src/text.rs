//! How numbers become words.
//!
//! One place decides what a reader sees, so a table, a caption and an axis never
//! disagree. Three significant digits everywhere: a margin known to more is not
//! known to more across seeds. Probabilities are the exception: rounding 0.9999
//! to 1.00 would turn "almost always" into "always", which in an audit is a lie, so
//! they keep as many digits as it takes to tell them from 0 and 1.

use vaegis_audit::schema::Quantiles;

/// Shown where there is no value.
pub(crate) const MISSING: &str = "–";
const NARROW_SPACE: char = '\u{202f}';

/// Three significant digits; `∞`, `−∞`; [`MISSING`] for NaN.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        return MISSING.to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".to_owned() } else { "−∞".to_owned() };
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // Round first: 9.996 has to become 10.0, not 10.00.
    let scientific = format!("{:.2e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if value < 0.0 { "−" } else { "" };
    match exponent {
        -3..=2 => format!("{sign}{:.*}", (2 - exponent) as usize, value.abs()),
        3..=4 => {
            let rounded = mantissa.parse::<f64>().unwrap_or(0.0) * 10f64.powi(exponent);
            format!("{sign}{}", integer(rounded.round() as usize))
        }
        _ => format!("{sign}{mantissa}×10{}", superscript(exponent)),
    }
}

/// [`number`], or [`MISSING`].
pub(crate) fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| MISSING.to_owned(), number)
}

/// A probability, never rounded to 0 or 1 unless it is exactly that.
pub(crate) fn probability(p: f64) -> String {
    if p.is_nan() {
        return MISSING.to_owned();
    }
    if p == 0.0 || p == 1.0 {
        return format!("{p:.0}");
    }
    let to_the_edge = p.min(1.0 - p);
    if to_the_edge <= 0.0 {
        return number(p); // not a probability: show it as it is
    }
    // As many decimals as the distance to certainty has: 1e-4 needs four.
    let scientific = format!("{to_the_edge:.0e}");
    let exponent = scientific.split_once('e').and_then(|(_, e)| e.parse::<i32>().ok());
    let decimals = exponent.unwrap_or(0).unsigned_abs().clamp(3, 15) as usize;
    format!("{p:.decimals$}")
}

/// A share of 1 in percent, never rounded to 0% or 100% unless it is exactly that.
pub(crate) fn percent(share: f64) -> String {
    let rounded = (share * 100.0).round();
    match share {
        s if s.is_nan() => MISSING.to_owned(),
        s if s > 0.0 && rounded == 0.0 => "<1%".to_owned(),
        s if s < 1.0 && rounded == 100.0 => ">99%".to_owned(),
        _ => format!("{rounded:.0}%"),
    }
}

/// An integer in groups of three, separated by narrow spaces from five digits on.
pub(crate) fn integer(n: usize) -> String {
    let digits = n.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(NARROW_SPACE);
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 point`, `2 points`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", integer(n), if n == 1 { "" } else { "s" })
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// At most `limit` characters, cut in the middle where names differ least.
pub(crate) fn shorten(name: &str, limit: usize) -> String {
    let length = name.chars().count();
    if length <= limit {
        return name.to_owned();
    }
    let tail = limit / 2;
    let head: String = name.chars().take(limit - tail - 1).collect();
    let end: String = name.chars().skip(length - tail).collect();
    format!("{head}…{end}")
}

/// A perturbation norm as people write it: `l2` becomes `ℓ₂`.
pub(crate) fn norm(name: &str) -> String {
    match name {
        "l2" => "ℓ₂".to_owned(),
        "l1" => "ℓ₁".to_owned(),
        "linf" => "ℓ∞".to_owned(),
        other => other.to_owned(),
    }
}

/// A box as people write it: `[0, 1]`, or `none`.
pub(crate) fn bounds(name: &str) -> String {
    if name == "none" { name.to_owned() } else { format!("[{}]", name.replace(',', ", ")) }
}

/// The level of limits, and what it leaves.
pub(crate) fn confidence(alpha: f64) -> String {
    format!("{}% (α = {})", number(100.0 * (1.0 - alpha)), plain(alpha))
}

/// A small setting as it was typed.
fn plain(value: f64) -> String {
    if (1e-4..1.0).contains(&value) { value.to_string() } else { number(value) }
}

/// A radius label as a heading: `r = 4`, or `r at the 0.9 quantile` for `q0.9`.
pub(crate) fn radius(label: &str) -> String {
    match label.strip_prefix('q') {
        Some(level) if level.parse::<f64>().is_ok() => format!("r at the {level} quantile"),
        _ => format!("r = {label}"),
    }
}

/// The value of one order statistic. Summaries write infinities as null, so a null
/// beside infinite values is infinite and one without is missing.
pub(crate) fn order_statistic(of: &Quantiles, value: Option<f64>) -> Option<f64> {
    value.or((of.infinite > 0).then_some(f64::INFINITY))
}

/// The median, infinite or not.
pub(crate) fn median(of: &Quantiles) -> Option<f64> {
    order_statistic(of, of.median)
}

/// An exponent in superscript digits.
pub(crate) fn superscript(exponent: i32) -> String {
    exponent
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_digit(digit.to_digit(10).unwrap_or(0), 10)
                .and_then(|d| char::from_u32(d as u32 - '0' as u32 + '⁰' as u32))
                .unwrap_or(digit),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1.00"),
            (9.996, "10.0"),
            (3.23607, "3.24"),
            (0.012345, "0.0123"),
            (123.4, "123"),
            (1234.0, "1230"),
            (12_345.0, "12\u{202f}300"),
            (1.5e5, "1.50×10⁵"),
            (-2.5, "−2.50"),
            (1.5e-7, "1.50×10⁻⁷"),
            (4.2e14, "4.20×10¹⁴"),
            (f64::INFINITY, "∞"),
            (f64::NEG_INFINITY, "−∞"),
            (f64::NAN, "–"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected, "{value}");
        }
        assert_eq!(optional(None), "–");
    }

    #[test]
    fn probabilities_never_round_to_certainty() {
        assert_eq!(probability(1.0), "1");
        assert_eq!(probability(0.0), "0");
        assert_eq!(probability(0.5), "0.500");
        assert_eq!(probability(0.9987), "0.999");
        assert_eq!(probability(0.9999), "0.9999");
        assert_eq!(probability(0.99997), "0.99997");
        assert_eq!(probability(0.0002), "0.0002");
        assert_eq!(percent(0.004), "<1%");
        assert_eq!(percent(0.999), ">99%");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.0), "0%");
    }

    #[test]
    fn words() {
        assert_eq!(integer(1_000_000), "1\u{202f}000\u{202f}000");
        assert_eq!(integer(1234), "1234");
        assert_eq!(count(1, "point"), "1 point");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(shorten("abcdefghij", 5), "ab…ij");
        assert_eq!(shorten("abc", 5), "abc");
        assert_eq!(radius("4"), "r = 4");
        assert_eq!(radius("q0.9"), "r at the 0.9 quantile");
    }

    #[test]
    fn a_null_beside_infinities_is_infinite() {
        let mut of = Quantiles { count: 3, infinite: 2, ..Quantiles::default() };
        assert_eq!(median(&of), Some(f64::INFINITY));
        of.infinite = 0;
        assert_eq!(median(&of), None);
    }
}
