//! Representations of real pictures whose factors are known: moments of sprites, which know where
//! a sprite is and how large, but not its shape and orientation.

use vaegis_data::{Dataset, Sprites, Style};
use vaegis_disentanglement::{
    FixedFactor, Interval, Kind, Sample, beta_vae_score, bootstrap, dci, factor_vae_score,
    modularity, mutual_information_gap, separated_attribute_predictability,
};

const SIDE: usize = 64;

/// Centre in columns and rows, and the square root of the area.
fn moments(picture: &[f32]) -> [f32; 3] {
    let ink: f32 = picture.iter().sum();
    let mean = |place: fn(usize) -> usize| {
        picture.iter().enumerate().map(|(k, value)| place(k) as f32 * value).sum::<f32>() / ink
    };
    [mean(|k| k % SIDE), mean(|k| k / SIDE), ink.sqrt()]
}

/// Moments turned by an angle in the plane of the places.
fn turned([x, y, size]: [f32; 3], angle: f32) -> [f32; 3] {
    let (sine, cosine) = angle.sin_cos();
    [cosine * x + sine * y, cosine * y - sine * x, size]
}

/// Rows of sprites with the factors scale, x and y.
fn sample(rows: usize, angle: f32) -> Sample {
    let data = Dataset::sprites(Style::AntiAliased, rows).unwrap();
    let codes: Vec<f32> = (0..rows).flat_map(|i| turned(moments(&data.row(i)), angle)).collect();
    let factors: Vec<usize> = (0..rows)
        .flat_map(|i| {
            let factors = data.factor_indices(i).unwrap();
            [factors[1], factors[3], factors[4]]
        })
        .collect();
    Sample::new(&codes, 3, &factors, &[Kind::Ordered; 3]).unwrap()
}

fn within(found: Interval, low: f64, high: f64) {
    let Interval { estimate, low: from, high: to } = found;
    assert!(low < from && from <= to && to < high && (low..high).contains(&estimate), "{found:?}");
}

#[test]
fn moments_of_sprites_are_disentangled() {
    let sample = sample(6000, 0.0);
    let score = |score: fn(&Sample) -> f64| bootstrap(&sample, score, 100, 0.95, 0);
    // 32 places in 20 bins: nearly all information.
    within(score(mutual_information_gap), 0.75, 1.01);
    within(score(modularity), 0.97, 1.01);
    within(score(separated_attribute_predictability), 0.95, 1.01);
    within(score(|sample| dci(sample).disentanglement), 0.9, 1.01);
    within(score(|sample| dci(sample).informativeness), 0.98, 1.01);
}

#[test]
fn turned_by_45_degrees_they_are_not() {
    let (straight, turned) = (sample(3000, 0.0), sample(3000, std::f32::consts::FRAC_PI_4));
    // The size is still one latent.
    for score in [mutual_information_gap, separated_attribute_predictability, |sample: &Sample| {
        dci(sample).completeness
    }] {
        assert!(score(&turned) < score(&straight) - 0.4);
    }
    assert!((dci(&turned).informativeness - dci(&straight).informativeness).abs() < 1e-2);
}

#[test]
fn fixed_factors_are_told_from_moments() {
    let sprites = Sprites::new(Style::Binary);
    let encode = |combinations: &[Vec<usize>]| -> Vec<f32> {
        let numbers: Vec<usize> =
            combinations.iter().map(|indices| sprites.factors().number(indices)).collect();
        sprites.rows(&numbers).chunks(SIDE * SIDE).flat_map(moments).collect()
    };
    let settings = FixedFactor { batches: 300, rows: 32, ..FixedFactor::default() };
    let sizes = sprites.factors().sizes();
    // Scale, x and y are told, shape and orientation never are.
    let found = factor_vae_score(&sizes, encode, &settings).unwrap();
    assert!(found.low < 0.6 && 0.6 < found.high, "{found:?}");
    let found = beta_vae_score(&sizes, encode, &settings).unwrap();
    assert!(found.low > 0.6, "{found:?}");
}
