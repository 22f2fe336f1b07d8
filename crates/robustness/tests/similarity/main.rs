//! Scores of pictures against scikit-image, TensorFlow and pytorch-msssim.
//!
//! `reference.json` holds what they gave; `reference.py` writes it.

use serde::Deserialize;
use vaegis_data::Dataset;
use vaegis_robustness::scores::{ms_ssim, psnr, ssim};

/// What others gave for one pair of pictures.
#[derive(Deserialize)]
struct Reference {
    name: String,
    /// By scikit-image, as `ssim`.
    psnr: f64,
    ssim: f64,
    /// Of the multi-scale similarities.
    scales: usize,
    /// In single precision.
    tensorflow: f64,
    /// In double precision, where it means the same.
    pytorch_msssim: Option<f64>,
}

#[derive(Deserialize)]
struct References {
    pairs: Vec<Reference>,
}

#[derive(Clone)]
struct Picture {
    shape: [usize; 3],
    values: Vec<f32>,
}

/// A number in [0, 1) for each integer, the same in every language.
fn noise(k: u64) -> f64 {
    (k.wrapping_mul(k).wrapping_mul(2_654_435_761) % (1 << 32)) as f64 / (1_u64 << 32) as f64
}

fn random(shape: [usize; 3]) -> Picture {
    let values = (0..shape.iter().product()).map(|i: usize| noise(1 + i as u64) as f32).collect();
    Picture { shape, values }
}

fn disturbed(picture: &Picture, strength: f64) -> Picture {
    let values = picture
        .values
        .iter()
        .zip(1_000_000..)
        .map(|(&value, k)| ((1.0 - strength) * f64::from(value) + strength * noise(k)) as f32);
    Picture { shape: picture.shape, values: values.collect() }
}

fn digit(data: &Dataset, row: usize) -> Picture {
    Picture { shape: [1, 28, 28], values: data.row(row) }
}

/// `side` x `side` digits.
fn mosaic(data: &Dataset, side: usize) -> Picture {
    let size = 28 * side;
    let mut values = vec![0.0; size * size];
    for row in 0..side * side {
        let (top, left) = (row / side * 28, row % side * 28);
        for (y, line) in data.row(row).chunks(28).enumerate() {
            let start = (top + y) * size + left;
            values[start..start + 28].copy_from_slice(line);
        }
    }
    Picture { shape: [1, size, size], values }
}

/// Name, both pictures, range: those of `reference.py`.
fn pairs() -> Vec<(&'static str, Picture, Picture, f64)> {
    let data = Dataset::mnist();
    let (first, second) = (digit(&data, 0), digit(&data, 1));
    let with = |name, picture: Picture, strength, range| {
        let other = disturbed(&picture, strength);
        (name, picture, other, range)
    };
    vec![
        ("two digits", first.clone(), second, 1.0),
        with("a disturbed digit", first.clone(), 0.2, 1.0),
        with("a digit on [-2, 2]", first, 0.2, 4.0),
        with("noise in three channels", random([3, 48, 40]), 0.4, 1.0),
        with("noise of odd sides", random([2, 45, 37]), 0.4, 1.0),
        with("one window", random([1, 11, 11]), 0.4, 1.0),
        with("noise at five scales", random([2, 176, 192]), 0.4, 1.0),
        with("noise at five scales of odd sides", random([1, 161, 187]), 0.4, 1.0),
        with("a mosaic of digits", mosaic(&data, 7), 0.3, 1.0),
    ]
}

#[test]
fn as_others_score() {
    let references: References = serde_json::from_str(include_str!("reference.json")).unwrap();
    let pairs = pairs();
    assert_eq!(pairs.len(), references.pairs.len());
    for ((name, a, b, range), expected) in pairs.into_iter().zip(references.pairs) {
        assert_eq!(name, expected.name);
        let close = |score: &str, computed: f64, expected: f64, tolerance: f64| {
            let error = (computed - expected).abs();
            assert!(error <= tolerance, "{score} of {name}: {computed} is not {expected}");
        };
        let (a, b, shape) = (&a.values, &b.values, a.shape);
        close("PSNR", psnr(a, b, range).unwrap(), expected.psnr, 1e-11);
        close("SSIM", ssim(a, b, shape, range).unwrap(), expected.ssim, 1e-12);
        let multi = ms_ssim(a, b, shape, range).unwrap();
        assert_eq!(multi.scales, expected.scales, "{name}");
        close("MS-SSIM by TensorFlow", multi.value, expected.tensorflow, 1e-5);
        if let Some(expected) = expected.pytorch_msssim {
            close("MS-SSIM by pytorch-msssim", multi.value, expected, 1e-12);
        }
    }
}
