//! Penalties of a linear model: how long the best perturbation is has a closed form.

mod linear;

use linear::{FEATURES, LATENT, Linear};
use proptest::prelude::*;
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::Kind;
use vaegis_robustness::attack::optimiser::Optimiser;
use vaegis_robustness::trial::{Attempt, TrialSettings, trial, universal_perturbations};
use vaegis_robustness::{Aim, Domain, InputBox, Model, Norm, Point};
use vaegis_vae::Noise;

/// `mu_k = GAIN x_k + 0.1` of the first features.
const GAIN: f32 = 0.8;

/// How far the target is from the input in these features.
const GAP: [f64; LATENT] = [0.9, -0.5, 0.3];

fn linear() -> Linear {
    let entry = |k: usize| if k / LATENT == k % LATENT { GAIN } else { 0.0 };
    Linear { a: (0..FEATURES * LATENT).map(entry).collect(), ..Linear::new(0) }
}

fn input() -> Vec<f32> {
    (0..FEATURES).map(|k| 0.1 * k as f32).collect()
}

fn settings(attack: Attack, norm: Norm, sizes: &[f64]) -> TrialSettings {
    let mut aim = input();
    aim.iter_mut().zip(GAP).for_each(|(x, gap)| *x += gap as f32);
    TrialSettings {
        sizes: sizes.to_vec(),
        radius: None,
        draws: 100,
        picture: None,
        range: None,
        domain: Domain { norm, ..Domain::l2(InputBox::None) },
        attacks: vec![attack],
        aim: Some(Aim { row: 1, values: aim }),
    }
}

fn attempts(attack: Attack, norm: Norm, sizes: &[f64]) -> Vec<Attempt> {
    let (model, x) = (Model::new(&linear().vae()), input());
    trial(&model, &Noise::new(3), Point::new(0, &x), &settings(attack, norm, sizes))
        .unwrap()
        .attempts
}

fn penalised(goal: Kind, optimiser: Optimiser, penalty: f64) -> Attack {
    Attack { penalty, ..Attack::new(goal, optimiser).thorough() }
}

/// Those for concave goals: the conditional gradient is for damages.
const OPTIMISERS: [Optimiser; 3] =
    [Optimiser::ProjectedGradient, Optimiser::Lbfgsb, Optimiser::Adam];

/// `KL(q(.|x+d) || q_t) = |GAIN (gap - d)|^2 / (2 sigma^2)`.
fn divergence(d: &[f32]) -> f64 {
    let left = GAP.iter().zip(d).map(|(gap, &d)| (gap - f64::from(d)).powi(2)).sum::<f64>();
    0.5 * left * f64::from(GAIN / linear().sigma).powi(2)
}

/// The sum of what entries of the gap have above a level, to a power.
fn above(level: f64, power: i32) -> f64 {
    GAP.iter().map(|gap| (gap.abs() - level).max(0.0).powi(power)).sum()
}

/// The level at which what is above it sums up to `sum`.
fn level(sum: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if above(middle, 1) > sum { low = middle } else { high = middle }
    }
    low
}

/// The length that minimises `KL + lambda |d|`: with `k = lambda sigma^2 / GAIN^2`, the gap is
/// shortened by k (l2), each of its entries is (l1), or what is above the length sums up to k
/// (linf).
fn best_length(norm: Norm, penalty: f64) -> f64 {
    let k = penalty * f64::from(linear().sigma / GAIN).powi(2);
    match norm {
        Norm::L1 => above(k, 1),
        Norm::L2 => (Norm::L2.of(GAP.into_iter()) - k).max(0.0),
        Norm::LInf => level(k),
    }
}

/// The least KL within a length.
fn least_divergence(norm: Norm, length: f64) -> f64 {
    let left = match norm {
        // Where entries are cut off at a level, what is left of each is the level.
        Norm::L1 => {
            let cut = level(length);
            GAP.iter().map(|gap| gap.abs().min(cut).powi(2)).sum()
        }
        Norm::L2 => (Norm::L2.of(GAP.into_iter()) - length).powi(2),
        Norm::LInf => above(length, 2),
    };
    0.5 * left * f64::from(GAIN / linear().sigma).powi(2)
}

#[test]
fn the_penalty_says_how_long_the_perturbation_is() {
    for norm in [Norm::L1, Norm::L2, Norm::LInf] {
        for penalty in [0.3, 1.0, 1.7] {
            let exact = best_length(norm, penalty);
            assert!(exact > 0.1, "{norm} {penalty}: {exact}, so this test sees little");
            // A size below limits; what is best within the others does not change with them.
            let sizes = [0.6 * exact, 1.3 * exact, 3.0 * exact];
            for optimiser in OPTIMISERS {
                let attack = penalised(Kind::LatentKl, optimiser, penalty);
                let found = attempts(attack, norm, &sizes);
                for (attempt, exact) in found.iter().zip([sizes[0], exact, exact]) {
                    let (d, length) = (&attempt.perturbation.d, attempt.perturbation.norm);
                    let case = format!("{attack} {norm} {penalty}: {length}, exactly {exact}");
                    // What is reported is the goal itself.
                    let kl = divergence(d);
                    assert!((attempt.value + kl).abs() <= 1e-3 * (1.0 + kl), "{case}, {kl}");
                    let cost = kl + penalty * length;
                    let least = least_divergence(norm, exact) + penalty * exact;
                    let gain = divergence(&[0.0; FEATURES]) - least;
                    assert!(cost >= least - 1e-4, "{case}: {cost} below {least}");
                    assert!(cost <= least + 0.02 * gain, "{case}: {cost}, not {least}");
                    if optimiser == Kind::LatentKl.optimiser() {
                        assert!((length / exact - 1.0).abs() < 0.03, "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_penalty_above_the_steepest_gain_leaves_the_input_as_it_is() {
    // The gain of a damage per length is at most |Jg J|.
    let most = f64::from(GAIN * linear().scale);
    for norm in [Norm::L1, Norm::L2] {
        let attack = penalised(Kind::MaximumDamage, Optimiser::ConditionalGradient, 1.01 * most);
        for attempt in attempts(attack, norm, &[0.5, 2.0]) {
            assert_eq!((attempt.perturbation.norm, attempt.by.as_str()), (0.0, "none"));
            assert_eq!(attempt.value, attempt.value_at_rest);
        }
        // Below it, noise hides small perturbations, and large ones pay.
        let attack = Attack { penalty: 0.7 * most, ..attack };
        assert!((attempts(attack, norm, &[5.0])[0].perturbation.norm - 5.0).abs() < 0.01);
    }
}

#[test]
fn a_universal_perturbation_is_charged_once() {
    let (model, x) = (Model::new(&linear().vae()), input());
    let attack = penalised(Kind::LatentKl, Optimiser::Lbfgsb, 1.0);
    let settings = settings(attack, Norm::L2, &[0.3, 3.0]);
    let points: Vec<Point<'_>> = (0..4).map(|index| Point::new(index, &x)).collect();
    let mut seen = vec![];
    let mut watch = |done, total| {
        seen.push((done, total));
        true
    };
    let found =
        universal_perturbations(&model, &Noise::new(3), &points, &settings, &mut watch).unwrap();
    assert!(seen.iter().enumerate().all(|(step, &(done, total))| done == step && done < total));
    let lengths =
        found.iter().map(|found| Norm::L2.of(found.perturbed.iter().map(|&d| f64::from(d))));
    for (length, exact) in lengths.zip([0.3, best_length(Norm::L2, 1.0)]) {
        assert!((length / exact - 1.0).abs() < 0.03, "{length}, exactly {exact}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn perturbations_become_shorter_as_the_penalty_grows(
        norm in prop::sample::select(vec![Norm::L1, Norm::L2, Norm::LInf]),
        optimiser in prop::sample::select(OPTIMISERS.to_vec()),
        goal in prop::sample::select(vec![Kind::LatentKl, Kind::LatentL2, Kind::Output]),
        first in 0.05f64..1.0,
        growth in 1.1f64..3.0,
    ) {
        let lengths: Vec<f64> = (0..4)
            .map(|power| penalised(goal, optimiser, first * growth.powi(power)))
            .map(|attack| attempts(attack, norm, &[2.0])[0].perturbation.norm)
            .collect();
        let falls = lengths.windows(2).all(|pair| pair[1] <= 1.03 * pair[0] + 1e-3);
        prop_assert!(falls, "{goal}:{optimiser} {norm}: {lengths:?}");
    }
}
