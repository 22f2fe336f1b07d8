//! What effects are estimated with, and figures describe models with.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// An estimate, and the ends of its interval if it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) ends: Option<(f64, f64)>,
}

/// The mean of replicates with Student's interval; one replicate has none.
pub(crate) fn mean(values: &[f64], confidence: f64) -> Option<Estimate> {
    let count = values.len() as f64;
    if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let value = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return Some(Estimate { value, ends: None });
    }
    let squares: f64 = values.iter().map(|at| (at - value).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    let student = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
    let reach = student.inverse_cdf(0.5 + confidence / 2.0) * error;
    Some(Estimate { value, ends: Some((value - reach, value + reach)) })
}

/// The median; NaN of none. Infinite values sort last, and a median between a finite and an infinite
/// value is infinite.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    if low == high { low } else { 0.5 * (low + high) }
}

/// Spearman's rank correlation, ties at their mean rank; `None` of fewer than three pairs, or if a
/// side is constant.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    pearson(&ranks(&x), &ranks(&y))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let same = |&&at: &&usize| values[at] == values[order[first]];
        let count = order[first..].iter().take_while(same).count();
        for &at in &order[first..first + count] {
            ranks[at] = first as f64 + 0.5 * (count as f64 - 1.0);
        }
        first += count;
    }
    ranks
}

/// Pearson's correlation; `None` of fewer than three pairs, or if a side is constant.
fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let count = x.len() as f64;
    let centre = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / count;
        values.iter().map(|value| value - mean).collect::<Vec<_>>()
    };
    let (x, y) = (centre(x), centre(y));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let correlation = product(&x, &y) / (product(&x, &x) * product(&y, &y)).sqrt();
    (x.len() > 2 && correlation.is_finite()).then(|| correlation.clamp(-1.0, 1.0))
}

/// What is left of values when their linear regression on others, and on a constant, is taken off.
/// `others`: a column each; those that depend on the columns before them are left out.
pub fn residuals(values: &[f64], others: &[Vec<f64>]) -> Vec<f64> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = vec![];
    let constant = vec![1.0; values.len()];
    let take_off = |column: &[f64], basis: &[Vec<f64>]| {
        let mut left = column.to_vec();
        // Twice, as one pass of Gram and Schmidt leaves rounding along the basis.
        for _ in 0..2 {
            for unit in basis {
                let along = product(&left, unit);
                left.iter_mut().zip(unit).for_each(|(left, unit)| *left -= along * unit);
            }
        }
        left
    };
    for column in std::iter::once(&constant).chain(others) {
        let left = take_off(column, &basis);
        let (length, before) = (product(&left, &left).sqrt(), product(column, column).sqrt());
        if length > 1e-9 * before {
            basis.push(left.iter().map(|entry| entry / length).collect());
        }
    }
    take_off(values, &basis)
}

/// The correlation of what is left of two variables when others are taken off both, with Fisher's
/// interval.
pub(crate) fn partial_correlation(
    x: &[f64],
    y: &[f64],
    others: &[Vec<f64>],
    confidence: f64,
) -> Option<Estimate> {
    let (x, y) = (residuals(x, others), residuals(y, others));
    let freedom = x.len() as f64 - others.len() as f64 - 3.0;
    fisher(pearson(&x, &y)?, 1.0 / freedom, confidence)
}

fn fisher(value: f64, variance: f64, confidence: f64) -> Option<Estimate> {
    if !(variance > 0.0 && variance.is_finite()) {
        return Some(Estimate { value, ends: None });
    }
    let reach = Normal::standard().inverse_cdf(0.5 + confidence / 2.0) * variance.sqrt();
    let z = value.atanh();
    let ends =
        if z.is_finite() { ((z - reach).tanh(), (z + reach).tanh()) } else { (value, value) };
    Some(Estimate { value, ends: Some(ends) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
    }

    /// Against scipy.stats: t.interval, spearmanr, pearsonr of residuals.
    #[test]
    fn estimates_are_those_of_scipy() {
        let found = mean(&[1.0, 2.5, 3.0, 4.5], 0.95).unwrap();
        close(found.value, 2.75);
        close(found.ends.unwrap().0, 0.453_267);
        close(found.ends.unwrap().1, 5.046_733);
        let pairs = [(1.0, 2.0), (2.0, 1.0), (2.0, 4.0), (3.0, 3.0), (5.0, 9.0), (4.0, 9.0)];
        close(spearman(&pairs).unwrap(), 0.794_12);
        assert_eq!(spearman(&[(1.0, 2.0), (1.0, 3.0), (1.0, 4.0)]), None);
        assert_eq!(spearman(&[(1.0, 2.0), (2.0, 3.0)]), None);
    }

    #[test]
    fn replicates_that_say_nothing_have_no_interval() {
        assert_eq!(mean(&[], 0.95), None);
        assert_eq!(mean(&[1.0, f64::INFINITY], 0.95), None);
        assert_eq!(mean(&[2.0], 0.95), Some(Estimate { value: 2.0, ends: None }));
        assert_eq!(mean(&[2.0; 3], 0.95), Some(Estimate { value: 2.0, ends: Some((2.0, 2.0)) }));
    }

    #[test]
    fn medians_know_infinity() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([1.0, 2.0]), 1.5);
        assert_eq!(median([1.0, f64::INFINITY]), f64::INFINITY);
        assert_eq!(median([f64::INFINITY; 2]), f64::INFINITY);
        assert!(median([]).is_nan());
    }

    /// y = 2 a - b + e and x = a + e: what is left of both after a and b is e.
    #[test]
    fn what_others_explain_is_taken_off() {
        let wave = |k: f64| (0..40).map(move |i| (f64::from(i) * k).sin()).collect::<Vec<f64>>();
        let (a, b, e) = (wave(0.7), wave(1.9), wave(3.1));
        let y: Vec<f64> = (0..40).map(|i| 2.0 * a[i] - b[i] + e[i] + 5.0).collect();
        let x: Vec<f64> = (0..40).map(|i| a[i] + 0.1 * e[i] - 1.0).collect();
        let others = [a.clone(), b.clone(), a.clone()];
        let found = partial_correlation(&x, &y, &others[..2], 0.95).unwrap();
        close(found.value, 1.0);
        let left = residuals(&y, &others);
        for other in [&a, &b] {
            let along: f64 = left.iter().zip(other).map(|(left, other)| left * other).sum();
            assert!(along.abs() < 1e-9);
        }
        let plain = partial_correlation(&x, &y, &[], 0.95).unwrap();
        assert!(plain.value < 0.95);
        let (low, high) = plain.ends.unwrap();
        assert!(low < plain.value && plain.value < high && high < 1.0);
    }

    /// Where the truth is known, 95% intervals hold it 95% of the time.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let normal = |k: u64| {
            let noise = vaegis_vae::Noise::new(k);
            noise.normal(vaegis_vae::Purpose::Verdict, 0, 0, 1, 120)
        };
        let (mut means, mut partials) = (0, 0);
        let tries = 2_000;
        for k in 0..tries {
            let noise: Vec<f64> = normal(k).into_iter().map(f64::from).collect();
            let (low, high) = mean(&noise[..5], 0.95).unwrap().ends.unwrap();
            means += u64::from(low <= 0.0 && 0.0 <= high);
            let (x, y, z) = (&noise[..40], &noise[40..80], &noise[80..]);
            // Both depend on z and on nothing else that is shared.
            let with =
                |part: &[f64]| part.iter().zip(z).map(|(e, z)| e + 3.0 * z).collect::<Vec<_>>();
            let found = partial_correlation(&with(x), &with(y), &[z.to_vec()], 0.95);
            let (low, high) = found.unwrap().ends.unwrap();
            partials += u64::from(low <= 0.0 && 0.0 <= high);
        }
        for covered in [means, partials] {
            let share = covered as f64 / tries as f64;
            assert!((share - 0.95).abs() < 0.015, "{share}");
        }
    }
}
