//! Standard normal numbers from random words.
//!
//! Logarithm, sine and cosine are of our own: a library takes them one by one, which was a fifth of
//! the time of an audit with 64 latent dimensions. They are nothing but additions, multiplications,
//! divisions and roots, which every processor rounds alike: so noise is the same on every machine.
//! The polynomials are those of fdlibm (`e_log.c`, `k_sin.c`, `k_cos.c`); results err by a few units
//! in the last place of f64 at most, far below the rounding to f32.

use std::f64::consts::{LN_2, SQRT_2, TAU};

use multiversion::multiversion;

/// Numbers that are computed side by side.
const LANES: usize = 8;

/// `log(1 + f) = f - s (f - R)`, with `s = f / (2 + f)` and R `s^2` times this polynomial of `s^2`.
const LOGARITHM: [f64; 7] = [
    0.6666666666666735,
    0.3999999999940942,
    0.2857142874366239,
    0.22222198432149784,
    0.1818357216161805,
    0.15313837699209373,
    0.14798198605116586,
];

/// `sin x = x + x^3` times this polynomial of `x^2`.
const SINE: [f64; 6] = [
    -0.16666666666666632,
    0.00833333333332249,
    -0.0001984126982985795,
    2.7557313707070068e-06,
    -2.5050760253406863e-08,
    1.58969099521155e-10,
];

/// `cos x = 1 - x^2 / 2 + x^4` times this polynomial of `x^2`.
const COSINE: [f64; 6] = [
    0.0416666666666666,
    -0.001388888888887411,
    2.480158728947673e-05,
    -2.7557314351390663e-07,
    2.087572321298175e-09,
    -1.1359647557788195e-11,
];

/// Box-Muller in f64 from 53-bit uniforms, in (0, 1] for the length: tails reach 8.6 standard
/// deviations. Each pair of words adds a pair of numbers.
#[multiversion(targets = "simd")]
pub(crate) fn extend(normals: &mut Vec<[f32; 2]>, words: &[[u64; 2]]) {
    let (chunks, rest) = words.as_chunks::<LANES>();
    for chunk in chunks {
        let mut pairs = [[0.0; 2]; LANES];
        for (pair, &words) in pairs.iter_mut().zip(chunk) {
            *pair = normal_pair(words);
        }
        normals.extend(pairs);
    }
    normals.extend(rest.iter().map(|&words| normal_pair(words)));
}

#[inline(always)]
fn normal_pair([a, b]: [u64; 2]) -> [f32; 2] {
    let unit = 1.0 / (1u64 << 53) as f64;
    let radius = (-2.0 * logarithm(((a >> 11) + 1) as f64 * unit)).sqrt();
    let [sine, cosine] = sine_and_cosine((b >> 11) as f64 * unit);
    [(radius * cosine) as f32, (radius * sine) as f32]
}

/// Of a positive number that is not subnormal.
#[inline(always)]
fn logarithm(x: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    // In [1, 2), and then about 1.
    let mantissa = f64::from_bits(bits & FRACTION | 1023 << 52);
    let is_large = mantissa > SQRT_2;
    let mantissa = if is_large { 0.5 * mantissa } else { mantissa };
    let exponent = f64::from(exponent + i32::from(is_large));
    let f = mantissa - 1.0;
    let s = f / (2.0 + f);
    let r = s * s * polynomial(LOGARITHM, s * s);
    let half = 0.5 * f * f;
    exponent * LN_2 - (half - s * (half + r) - f)
}

/// Of a share of a full turn, in [0, 1).
#[inline(always)]
fn sine_and_cosine(turn: f64) -> [f64; 2] {
    // Quarters to the nearest, and the rest, which is exact.
    let quarter = (4.0 * turn + 0.5) as i32;
    let x = TAU * (turn - 0.25 * f64::from(quarter));
    let square = x * x;
    let sine = x + x * square * polynomial(SINE, square);
    let cosine = 1.0 - (0.5 * square - square * square * polynomial(COSINE, square));
    let (a, b) = if quarter & 1 == 0 { (sine, cosine) } else { (cosine, sine) };
    let sign = |is_negative: bool| if is_negative { -1.0 } else { 1.0 };
    [sign(quarter & 2 != 0) * a, sign((quarter + 1) & 2 != 0) * b]
}

/// Coefficients from the constant on.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: [f64; N], x: f64) -> f64 {
    let mut value = 0.0;
    for coefficient in coefficients.into_iter().rev() {
        value = value * x + coefficient;
    }
    value
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_1_SQRT_2;

    use super::*;

    /// Numbers in (0, 1], close to both ends too.
    fn numbers() -> impl Iterator<Item = f64> {
        let inside = (1..100_000).map(|k| f64::from(k) / 100_000.0);
        let ends = (1..=53).map(|k| 0.5f64.powi(k));
        inside.chain(ends.clone()).chain(ends.map(|end| 1.0 - end)).chain([FRAC_1_SQRT_2])
    }

    #[test]
    fn logarithms_sines_and_cosines_are_those_of_the_library() {
        for x in numbers().filter(|&x| x > 0.0).chain([1.0]) {
            let (found, exact) = (logarithm(x), x.ln());
            assert!(
                (found - exact).abs() <= 4.0 * f64::EPSILON * exact.abs(),
                "{x}: {found} {exact}"
            );
        }
        for turn in numbers().filter(|&turn| turn < 1.0).chain([0.0]) {
            let [sine, cosine] = sine_and_cosine(turn);
            // The library sees the rounding of its argument, up to 7.
            let (exact_sine, exact_cosine) = (TAU * turn).sin_cos();
            for (found, exact) in [(sine, exact_sine), (cosine, exact_cosine)] {
                assert!((found - exact).abs() < 1.5e-15, "{turn}: {found} {exact}");
            }
        }
    }

    fn normals(words: &[[u64; 2]]) -> Vec<[f32; 2]> {
        let mut normals = vec![];
        extend(&mut normals, words);
        normals
    }

    #[test]
    fn pairs_are_alike_wherever_they_stand() {
        let words: Vec<[u64; 2]> = (0..37u64)
            .map(|k| [k, k + 100].map(|k| k.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        let all = normals(&words);
        for (words, pair) in words.iter().zip(all) {
            assert_eq!(normals(&[*words]), [pair]);
        }
        // The ends of what words can be.
        let ends = normals(&[[0, 0], [u64::MAX, u64::MAX]]);
        assert!((ends[0][0] - 8.572).abs() < 1e-3 && ends[0][1] == 0.0, "{ends:?}");
        assert!(ends[1].iter().all(|&value| value == 0.0), "{ends:?}");
    }
}
