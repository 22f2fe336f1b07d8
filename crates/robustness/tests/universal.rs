//! Universal perturbations of a model of which the best one is known.

mod linear;

use linear::{FEATURES, Linear};
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::Kind;
use vaegis_robustness::attack::optimiser::Optimiser;
use vaegis_robustness::trial::{
    Found, Trial, TrialSettings, judge, trial, universal_perturbations,
};
use vaegis_robustness::{Domain, Error, InputBox, Model, Point, Radius};
use vaegis_vae::Noise;

const UNIT: InputBox = InputBox::Interval { low: 0.0, high: 1.0 };
const SIZES: [f64; 2] = [0.4, 1.2];

fn settings(bounds: InputBox, attacks: Vec<Attack>) -> TrialSettings {
    TrialSettings {
        sizes: SIZES.to_vec(),
        radius: Some(Radius::Absolute(1.6)),
        draws: 2_000,
        picture: None,
        range: None,
        domain: Domain::l2(bounds),
        attacks,
        aim: None,
    }
}

/// Every optimiser increases the damage, and one the divergence.
fn attacks() -> Vec<Attack> {
    let damage = |optimiser| Attack::new(Kind::MaximumDamage, optimiser);
    let divergence = Attack::new(Kind::SymmetricKl, Optimiser::ConditionalGradient);
    Optimiser::ALL.into_iter().map(damage).chain([divergence]).collect()
}

/// Universal perturbations, with the whole work watched.
fn find(model: &Model, points: &[Point<'_>], settings: &TrialSettings) -> Vec<Found> {
    let mut seen = vec![];
    let mut watch = |done, total| {
        seen.push((done, total));
        true
    };
    let found =
        universal_perturbations(model, &Noise::new(4), points, settings, &mut watch).unwrap();
    // Every step is told, once.
    let total = seen[0].1;
    assert_eq!(seen, (0..total).map(|done| (done, total)).collect::<Vec<_>>());
    found
}

/// The universal perturbation d, at x.
fn at(found: &Found, x: &[f32]) -> Found {
    let perturbed = x.iter().zip(&found.perturbed).map(|(x, d)| x + d).collect();
    Found { perturbed, ..found.clone() }
}

#[test]
fn for_identical_points_it_is_the_best_for_one() {
    for salt in 0..3 {
        let linear = Linear::new(salt);
        let (model, noise) = (Model::new(&linear.vae()), Noise::new(4));
        let x = [0.3; FEATURES];
        let points: Vec<Point<'_>> = (0..5).map(|index| Point::new(index, &x)).collect();
        let settings = settings(InputBox::None, attacks());
        let universal = find(&model, &points, &settings);
        assert_eq!(universal.len(), attacks().len() * SIZES.len());
        // A linear model is moved most along the leading singular vector of its encoder.
        let spectral = linear.norms().0;
        for found in &universal {
            let shift = linear.shift(&found.perturbed);
            let case = format!("{} at {}: {shift}", found.attack, found.size);
            assert!(shift >= 0.99 * spectral * found.size, "{case}");
            assert!(shift <= spectral * found.size * (1.0 + 1e-5), "{case}");
        }
        // It does to a point what the point's own does.
        let own = trial(&model, &noise, points[2], &settings).unwrap();
        let universal: Vec<Found> = universal.iter().map(|found| at(found, &x)).collect();
        let judged = judge(&model, &noise, points[2], &settings, &universal).unwrap();
        for attempt in &judged.attempts {
            let same = |other: &&vaegis_robustness::trial::Attempt| {
                other.attack.goal == attempt.attack.goal && other.size == attempt.size
            };
            let own = own.attempts.iter().find(same).expect("the same goal and size");
            assert!((attempt.value / own.value - 1.0).abs() < 0.02, "{attempt:?} {own:?}");
            let [ours, theirs] = [attempt, own].map(|at| at.scores.damage);
            assert!((ours / theirs - 1.0).abs() < 0.02, "{ours} {theirs}");
            assert!(ours > judged.at_rest.damage);
        }
    }
}

#[test]
fn it_is_clipped_to_the_box_at_every_point() {
    let linear = Linear::new(1);
    let (model, noise) = (Model::new(&linear.vae()), Noise::new(4));
    // Near one end of the box or the other, by turns.
    let inputs: Vec<Vec<f32>> = (0..6)
        .map(|row| (0..FEATURES).map(|k| if (k * 7 + row) % 4 == 0 { 0.05 } else { 0.8 }).collect())
        .collect();
    let points: Vec<Point<'_>> =
        inputs.iter().enumerate().map(|(row, x)| Point::new(row as u64, x)).collect();
    let damage = vec![Attack::default()];
    let boxed = settings(UNIT, damage.clone());
    let found = find(&model, &points, &boxed);
    let free = find(&model, &points, &settings(InputBox::None, damage));
    let mut clipped = 0;
    let mut means = [[0.0; SIZES.len()]; 2];
    for (point, x) in points.iter().zip(&inputs) {
        for (found, means) in [&found, &free].into_iter().zip(&mut means) {
            let moved: Vec<Found> = found.iter().map(|found| at(found, x)).collect();
            let judged: Trial = judge(&model, &noise, *point, &boxed, &moved).unwrap();
            for (slot, (attempt, moved)) in judged.attempts.iter().zip(&moved).enumerate() {
                means[slot] += attempt.value;
                let kept = &attempt.perturbation;
                assert!(kept.norm <= attempt.size * (1.0 + 1e-6), "{} {}", kept.norm, attempt.size);
                for (kept, moved) in kept.perturbed.iter().zip(&moved.perturbed) {
                    assert!((kept - moved.clamp(0.0, 1.0)).abs() <= 1e-6, "{kept} {moved}");
                    assert!((0.0..=1.0).contains(kept));
                    clipped += usize::from(!(0.0..=1.0).contains(moved));
                }
            }
        }
    }
    assert!(clipped > 20, "{clipped} features were clipped: this test saw little");
    // What is found knowing the box does no less than what is found without it.
    for (boxed, free) in means[0].iter().zip(means[1]) {
        assert!(*boxed >= 0.99 * free, "{means:?}");
    }
}

#[test]
fn it_stops_when_asked_to() {
    let linear = Linear::new(0);
    let (model, x) = (Model::new(&linear.vae()), [0.3; FEATURES]);
    let settings = settings(InputBox::None, attacks());
    let points = [Point::new(0, &x)];
    let mut watch = |done, _| done < 2;
    let outcome = universal_perturbations(&model, &Noise::new(4), &points, &settings, &mut watch);
    assert_eq!(outcome, Err(Error::Interrupted));
}
