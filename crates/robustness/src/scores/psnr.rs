//! The peak signal-to-noise ratio.

/// `10 log10(range^2 / MSE)` in decibels; infinite for equal pictures.
///
/// `range` is the length of the interval that values come from, such as 1 for `[0, 1]`: scores
/// under different ranges do not compare. `None` without values, or if `range` is not positive
/// and finite.
///
/// # Panics
/// If `a` and `b` differ in length.
pub fn psnr(a: &[f32], b: &[f32], range: f64) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "pictures of different sizes");
    if a.is_empty() || !(range > 0.0 && range.is_finite()) {
        return None;
    }
    let squares = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
    let mean = squares.sum::<f64>() / a.len() as f64;
    Some(20.0 * range.log10() - 10.0 * mean.log10())
}

#[cfg(test)]
mod tests {
    use super::psnr;

    #[test]
    fn by_hand() {
        // Mean square (0.01 + 0.03) / 4 = 0.01: 20 dB below a range of 1.
        let (a, b) = ([0.0, 0.5, 1.0, 0.25], [0.1, 0.5, 1.0 - 0.03_f32.sqrt(), 0.25]);
        assert!((psnr(&a, &b, 1.0).unwrap() - 20.0).abs() < 1e-6);
        assert!((psnr(&a, &b, 10.0).unwrap() - 40.0).abs() < 1e-6);
        assert_eq!(psnr(&[3.0, 3.0], &[2.0, 4.0], 1.0), Some(0.0));
    }

    #[test]
    fn edges() {
        assert_eq!(psnr(&[0.5], &[0.5], 1.0), Some(f64::INFINITY));
        assert!(psnr(&[f32::NAN], &[0.5], 1.0).unwrap().is_nan());
        for range in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(psnr(&[0.5], &[0.25], range), None);
        }
        assert_eq!(psnr(&[], &[], 1.0), None);
    }
}
