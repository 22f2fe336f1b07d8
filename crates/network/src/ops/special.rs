//! The error function in f64, by the rational approximations of Cody 1969, which are exact to
//! about 1e-16.

/// The polynomial with these coefficients, the highest power first.
pub(super) fn horner(x: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

pub(super) fn erf(x: f64) -> f64 {
    let magnitude = x.abs();
    if magnitude < NEAR { near(x) } else { (1.0 - tail(magnitude)).copysign(x) }
}

/// `1 - erf(x)`, with all digits in the upper tail.
pub(super) fn erfc(x: f64) -> f64 {
    let magnitude = x.abs();
    if magnitude < NEAR {
        1.0 - near(x)
    } else if x > 0.0 {
        tail(magnitude)
    } else {
        2.0 - tail(magnitude)
    }
}

/// Where the approximation by [`near`] ends.
const NEAR: f64 = 0.46875;

fn near(x: f64) -> f64 {
    let square = x * x;
    let numerator = [
        1.857_777_061_846_031_5e-1,
        3.161_123_743_870_565_6,
        1.138_641_541_510_501_6e2,
        3.774_852_376_853_02e2,
        3.209_377_589_138_469_5e3,
    ];
    let denominator = [
        1.0,
        2.360_129_095_234_412_1e1,
        2.440_246_379_344_441_7e2,
        1.282_616_526_077_372_3e3,
        2.844_236_833_439_171e3,
    ];
    x * horner(square, &numerator) / horner(square, &denominator)
}

/// `erfc(x)` for x of at least [`NEAR`].
fn tail(x: f64) -> f64 {
    if x > 27.0 {
        return 0.0;
    }
    // The square as the sum of one that is exact and a rest, because the exponential magnifies
    // its error.
    let coarse = (x * 16.0).trunc() / 16.0;
    let gaussian = (-coarse * coarse).exp() * (-(x - coarse) * (x + coarse)).exp();
    if x <= 4.0 {
        let numerator = [
            2.153_115_354_744_038_5e-8,
            5.641_884_969_886_701e-1,
            8.883_149_794_388_376,
            6.611_919_063_714_163e1,
            2.986_351_381_974_001e2,
            8.819_522_212_417_69e2,
            1.712_047_612_634_070_6e3,
            2.051_078_377_826_071_5e3,
            1.230_339_354_797_997_2e3,
        ];
        let denominator = [
            1.0,
            1.574_492_611_070_983_5e1,
            1.176_939_508_913_125e2,
            5.371_811_018_620_099e2,
            1.621_389_574_566_690_2e3,
            3.290_799_235_733_459_6e3,
            4.362_619_090_143_247e3,
            3.439_367_674_143_721_6e3,
            1.230_339_354_803_749_4e3,
        ];
        return gaussian * horner(x, &numerator) / horner(x, &denominator);
    }
    let inverse = (x * x).recip();
    let numerator = [
        1.631_538_713_730_209_8e-2,
        3.053_266_349_612_323_4e-1,
        3.603_448_999_498_044_4e-1,
        1.257_817_261_112_292_5e-1,
        1.608_378_514_874_228e-2,
        6.587_491_615_298_378e-4,
    ];
    let denominator = [
        1.0,
        2.568_520_192_289_822,
        1.872_952_849_923_467_3,
        5.279_051_029_514_284e-1,
        6.051_834_131_244_132e-2,
        2.335_204_976_268_691_9e-3,
    ];
    let correction = inverse * horner(inverse, &numerator) / horner(inverse, &denominator);
    gaussian * (INVERSE_SQRT_PI - correction) / x
}

/// `1 / sqrt(pi)`.
const INVERSE_SQRT_PI: f64 = 0.5 * std::f64::consts::FRAC_2_SQRT_PI;

#[cfg(test)]
mod tests {
    use super::*;

    /// By the series of all positive terms, and by a continued fraction in the tail.
    fn exact(x: f64) -> (f64, f64) {
        let gaussian = (-x * x).exp() * INVERSE_SQRT_PI;
        let terms = (0..300).scan(2.0 * x, |term, k| {
            let current = *term;
            *term *= 2.0 * x * x / f64::from(2 * k + 3);
            Some(current)
        });
        let erf = gaussian * terms.sum::<f64>();
        let fraction = (1..300).rev().fold(x, |sum, k| x + 0.5 * f64::from(k) / sum);
        (erf, gaussian / fraction)
    }

    #[test]
    fn the_error_function_has_all_digits() {
        for step in 1..2600 {
            let x = f64::from(step) * 0.01;
            let (expected, complement) = exact(x);
            if x < 3.0 {
                assert!((erf(x) / expected - 1.0).abs() < 1e-14, "erf({x}) is {}", erf(x));
            }
            if x > 2.0 {
                let error = (erfc(x) / complement - 1.0).abs();
                assert!(error < 1e-14 + 3e-16 * x * x, "erfc({x}) is {}", erfc(x));
            }
            assert!((erf(x) + erfc(x) - 1.0).abs() < 1e-15, "at {x}");
            assert_eq!(erf(-x), -erf(x));
            assert!((erfc(-x) - (2.0 - erfc(x))).abs() < 1e-15);
        }
    }
}
