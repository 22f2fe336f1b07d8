//! Structural similarity of pictures \[W04\] and its multi-scale form \[W03\].
//!
//! \[W04\]: Wang, Bovik, Sheikh, Simoncelli, *Image Quality Assessment: From Error Visibility to
//! Structural Similarity*, IEEE Transactions on Image Processing 13(4), 2004. \[W03\]: Wang,
//! Simoncelli, Bovik, *Multi-Scale Structural Similarity for Image Quality Assessment*, Asilomar
//! 2003.

/// Side of the Gaussian window, in pixels.
const WINDOW: usize = 11;

/// Standard deviation of the Gaussian window, in pixels.
const DEVIATION: f64 = 1.5;

/// How far luminance and contrast are kept from 0 / 0, in units of the range.
const K: [f64; 2] = [0.01, 0.03];

/// Exponents of the scales, the finest first, as published: their sum is 1.0001.
const EXPONENTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// The mean structural similarity (SSIM), at most 1, which equal pictures have.
///
/// Windows are 11 x 11 Gaussians of standard deviation 1.5 that lie within the picture as a
/// whole: nothing is padded. Moments are those of the window's weights, without correction for
/// samples; `K_1 = 0.01`, `K_2 = 0.03`. Channels count alike.
///
/// `range` is the length of the interval that values come from, such as 1 for `[0, 1]`. `None`
/// if the picture is smaller than a window (11 x 11) or has no channel, or if `range` is not
/// positive and finite.
///
/// # Shapes
/// `a`, `b`: row-major pictures of `shape`, `[channels, height, width]`.
///
/// # Panics
/// If a picture is not of that shape.
pub fn ssim(a: &[f32], b: &[f32], shape: [usize; 3], range: f64) -> Option<f64> {
    let pairs = pairs(a, b, shape, range)?;
    Some(mean(pairs.into_iter().map(|(a, b)| Similarity::of(&a, &b, range).whole)))
}

/// A multi-scale structural similarity, and at how many scales it looked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MultiScale {
    /// From 0 to 1, which equal pictures have.
    pub value: f64,
    /// From 1 to 5. Values at different numbers of scales do not compare.
    pub scales: usize,
}

/// The multi-scale structural similarity (MS-SSIM): the product of contrast and structure at
/// all scales and of luminance at the coarsest, each to the exponent of its scale.
///
/// Each scale halves the one before: means of 2 x 2 pixels, the last row or column of an odd
/// number of them repeated, as TensorFlow does (pytorch-msssim pads by zeros). There are five
/// scales where the coarsest still holds a window (sides of at least 161 pixels). Smaller
/// pictures get the scales that hold one, the finest first, and the exponents of these, divided
/// by their sum: sides from 81 four, from 41 three, from 21 two (28 x 28, the size of MNIST,
/// among them), from 11 one, which is [`ssim()`] where that is not below 0. A window that does
/// not fit is not made smaller.
///
/// A factor below 0 counts as 0: a negative number has no such power. Of several channels it is
/// the mean of their values. `range`, `None`, shapes and panics are those of [`ssim()`].
pub fn ms_ssim(a: &[f32], b: &[f32], shape: [usize; 3], range: f64) -> Option<MultiScale> {
    let pairs = pairs(a, b, shape, range)?;
    let exponents = exponents(shape[1].min(shape[2]));
    let value = mean(pairs.into_iter().map(|(mut a, mut b)| {
        let mut product = 1.0;
        for (scale, &exponent) in exponents.iter().enumerate() {
            if scale > 0 {
                (a, b) = (a.halved(), b.halved());
            }
            let Similarity { whole, contrast_structure } = Similarity::of(&a, &b, range);
            let coarsest = scale + 1 == exponents.len();
            let factor = if coarsest { whole } else { contrast_structure };
            // `max` would make 0 of NaN.
            product *= if factor < 0.0 { 0.0 } else { factor.powf(exponent) };
        }
        product
    }));
    Some(MultiScale { value, scales: exponents.len() })
}

/// One exponent for each scale of a picture with this smaller side.
fn exponents(side: usize) -> Vec<f64> {
    let sides = std::iter::successors(Some(side), |side| Some(side.div_ceil(2)));
    let scales = sides.take(EXPONENTS.len()).take_while(|&side| side >= WINDOW).count();
    let exponents = &EXPONENTS[..scales];
    let sum = if scales == EXPONENTS.len() { 1.0 } else { exponents.iter().sum() };
    exponents.iter().map(|exponent| exponent / sum).collect()
}

/// The channels of both pictures, if a score is defined for them.
fn pairs(a: &[f32], b: &[f32], shape: [usize; 3], range: f64) -> Option<Vec<(Plane, Plane)>> {
    let [channels, height, width] = shape;
    for picture in [a, b] {
        let (values, size) = (picture.len(), channels * height * width);
        assert_eq!(values, size, "values of a picture of shape {shape:?}");
    }
    if channels == 0 || height.min(width) < WINDOW || !(range > 0.0 && range.is_finite()) {
        return None;
    }
    let plane =
        |values: &[f32]| Plane { width, values: values.iter().copied().map(f64::from).collect() };
    let channels = a.chunks(height * width).zip(b.chunks(height * width));
    Some(channels.map(|(a, b)| (plane(a), plane(b))).collect())
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// Means over all windows of one channel at one scale.
struct Similarity {
    /// Luminance, contrast and structure.
    whole: f64,
    contrast_structure: f64,
}

impl Similarity {
    fn of(a: &Plane, b: &Plane, range: f64) -> Self {
        let [c1, c2] = K.map(|k| (k * range).powi(2));
        let window = window();
        let moment = |a: &Plane, b: &Plane| a.times(b).filtered(&window).values;
        let (mean_a, mean_b) = (a.filtered(&window).values, b.filtered(&window).values);
        let (aa, bb, ab) = (moment(a, a), moment(b, b), moment(a, b));
        let (mut whole, mut contrast_structure) = (0.0, 0.0);
        for i in 0..ab.len() {
            let (means, product) = (mean_a[i].powi(2) + mean_b[i].powi(2), mean_a[i] * mean_b[i]);
            let luminance = (2.0 * product + c1) / (means + c1);
            let rest = (2.0 * (ab[i] - product) + c2) / (aa[i] + bb[i] - means + c2);
            whole += luminance * rest;
            contrast_structure += rest;
        }
        let windows = ab.len() as f64;
        Self { whole: whole / windows, contrast_structure: contrast_structure / windows }
    }
}

/// The window is the product of this with itself.
fn window() -> [f64; WINDOW] {
    let centre = (WINDOW / 2) as f64;
    let weights: [f64; WINDOW] =
        std::array::from_fn(|i| (-0.5 * ((i as f64 - centre) / DEVIATION).powi(2)).exp());
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// One channel, row-major.
struct Plane {
    width: usize,
    values: Vec<f64>,
}

impl Plane {
    fn times(&self, other: &Self) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(a, b)| a * b).collect();
        Self { width: self.width, values }
    }

    /// Means over all windows that lie within.
    fn filtered(&self, window: &[f64; WINDOW]) -> Self {
        let width = self.width + 1 - WINDOW;
        let rows: Vec<f64> = self
            .values
            .chunks(self.width)
            .flat_map(|row| row.windows(WINDOW))
            .map(|values| values.iter().zip(window).map(|(value, weight)| value * weight).sum())
            .collect();
        let values = (0..rows.len() - (WINDOW - 1) * width)
            .map(|i| (0..WINDOW).map(|k| rows[i + k * width] * window[k]).sum())
            .collect();
        Self { width, values }
    }

    /// Means of 2 x 2, the last row or column of an odd number repeated.
    fn halved(&self) -> Self {
        let rows: Vec<&[f64]> = self.values.chunks(self.width).collect();
        let values = rows
            .chunks(2)
            .flat_map(|rows| {
                let (upper, lower) = (rows[0], rows[rows.len() - 1]);
                upper.chunks(2).zip(lower.chunks(2)).map(|(upper, lower)| {
                    let ends = |pair: &[f64]| pair[0] + pair[pair.len() - 1];
                    0.25 * (ends(upper) + ends(lower))
                })
            })
            .collect();
        Self { width: self.width.div_ceil(2), values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(computed: f64, expected: f64, tolerance: f64) {
        let error = (computed - expected).abs();
        assert!(error <= tolerance, "{computed} is not {expected}: {error:e}");
    }

    /// Without contrast only luminance differs, at the coarsest scale alone.
    #[test]
    fn constant_pictures() {
        let luminance = (2.0 * 0.25 * 0.75 + 1e-4) / (0.0625 + 0.5625 + 1e-4);
        for (side, scales, exponent) in [(20, 1, 1.0), (28, 2, 0.2856 / 0.3304), (161, 5, 0.1333)] {
            let (a, b) = (vec![0.25; side * side], vec![0.75; side * side]);
            let shape = [1, side, side];
            close(ssim(&a, &b, shape, 1.0).unwrap(), luminance, 1e-12);
            let multi = ms_ssim(&a, &b, shape, 1.0).unwrap();
            close(multi.value, luminance.powf(exponent), 1e-12);
            assert_eq!(multi.scales, scales);
        }
    }

    /// A negative has the opposite structure.
    #[test]
    fn opposite_structure() {
        let a: Vec<f32> = (0..784).map(|i| (i % 2) as f32).collect();
        let b: Vec<f32> = a.iter().map(|value| 1.0 - value).collect();
        assert!(ssim(&a, &b, [1, 28, 28], 1.0).unwrap() < -0.9);
        assert_eq!(ms_ssim(&a, &b, [1, 28, 28], 1.0).unwrap().value, 0.0);
    }

    #[test]
    fn scales_that_hold_a_window() {
        let sides = [10, 11, 20, 21, 40, 41, 80, 81, 160, 161, 4096];
        assert_eq!(sides.map(|side| exponents(side).len()), [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
        for side in [11, 21, 41, 81] {
            close(exponents(side).iter().sum(), 1.0, 1e-15);
        }
        assert_eq!(exponents(161), EXPONENTS);
    }

    #[test]
    fn what_is_too_small_has_no_score() {
        let zeros = vec![0.0; 280];
        for shape in [[1, 28, 10], [1, 10, 28], [0, 28, 28], [1, 0, 28]] {
            let picture = &zeros[..shape.iter().product()];
            assert_eq!(ssim(picture, picture, shape, 1.0), None);
            assert_eq!(ms_ssim(picture, picture, shape, 1.0), None);
        }
        let picture = &zeros[..121];
        for range in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(ssim(picture, picture, [1, 11, 11], range), None);
        }
        assert_eq!(ssim(picture, picture, [1, 11, 11], 1.0), Some(1.0));
    }

    #[test]
    fn nan_is_no_score() {
        let (a, mut b) = (vec![0.5; 784], vec![0.5; 784]);
        b[400] = f32::NAN;
        assert!(ssim(&a, &b, [1, 28, 28], 1.0).unwrap().is_nan());
        assert!(ms_ssim(&a, &b, [1, 28, 28], 1.0).unwrap().value.is_nan());
    }

    #[test]
    #[should_panic(expected = "values of a picture of shape [1, 28, 28]")]
    fn pictures_of_another_shape() {
        ssim(&[0.0; 784], &[0.0; 783], [1, 28, 28], 1.0);
    }

    #[test]
    fn halves_repeat_the_last() {
        let values: Vec<f64> = (0..15).map(f64::from).collect();
        let half = Plane { width: 5, values }.halved();
        assert_eq!((half.width, half.values), (3, vec![3.0, 5.0, 6.5, 10.5, 12.5, 14.0]));
    }

    proptest! {
        #[test]
        fn equal_pictures_are_1_and_order_does_not_matter(
            (shape, a, b) in (1..3_usize, 11..30_usize, 11..30_usize).prop_flat_map(|(c, h, w)| {
                let picture = || prop::collection::vec(-2.0..2.0_f32, c * h * w);
                (Just([c, h, w]), picture(), picture())
            }),
        ) {
            prop_assert_eq!(ssim(&a, &a, shape, 4.0), Some(1.0));
            prop_assert_eq!(ms_ssim(&a, &a, shape, 4.0).unwrap().value, 1.0);
            let score = ssim(&a, &b, shape, 4.0).unwrap();
            prop_assert_eq!(ssim(&b, &a, shape, 4.0), Some(score));
            prop_assert!((-1.0..1.0).contains(&score));
            // The units of values do not matter.
            let [a, b] = [a, b].map(|x| x.iter().map(|value| 8.0 * value).collect::<Vec<_>>());
            prop_assert!((ssim(&a, &b, shape, 32.0).unwrap() - score).abs() < 1e-12);
        }
    }
}
