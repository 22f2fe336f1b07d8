//! Whatever is attacked, however: what is reported is what a reader of it can check.

use std::cell::Cell;

use burn::tensor::Device;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use vaegis_network::Weights;
use vaegis_network::ops::Function;
use vaegis_robustness::assess::{Attacked, assess};
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::Kind;
use vaegis_robustness::attack::optimiser::Optimiser;
use vaegis_robustness::ball::Perturbation;
use vaegis_robustness::statistics::Proportion;
use vaegis_robustness::trial::{TrialSettings, trial};
use vaegis_robustness::{
    Aim, Ball, Certification, Domain, InputBox, Model, Norm, Point, Radius, Settings, Target,
    probability,
};
use vaegis_vae::{Architecture, Likelihood, Noise, Purpose, VaeConfig};

/// Fresh draws that a reported break is held against.
const FRESH_DRAWS: u64 = 20_000;

/// The chance that these contradict a break whose probability is exactly 1/2. Attacks aim below
/// that, so over all the checks here a right program fails about never.
const FRESH_LEVEL: f64 = 1e-6;

/// A model, an input, and what may be done to it.
#[derive(Debug, Clone)]
struct Case {
    latent: usize,
    activation: Function,
    likelihood: Likelihood,
    /// Factor of all weights: freshly initialised models hardly react.
    gain: f32,
    x: Vec<f32>,
    aim: Vec<f32>,
    domain: Domain,
    attacks: Vec<Attack>,
    radii: Vec<Radius>,
    sizes: Vec<f64>,
    draws: u64,
    alpha: f64,
    seed: u64,
}

impl Case {
    fn model(&self) -> Model {
        let Self { latent, activation, likelihood, .. } = *self;
        let config = VaeConfig {
            input_shape: vec![self.x.len()],
            latent,
            architecture: Architecture::Mlp { hidden: vec![9], activation },
            likelihood,
        };
        let vae = config.init(self.seed, &Device::flex()).unwrap();
        let mut weights = Weights::default();
        for (name, shape, values) in vae.weights().iter() {
            let scaled = values.iter().map(|value| self.gain * value).collect();
            weights.insert(name, shape.to_vec(), scaled);
        }
        Model::new(&vae.with_weights(&weights, "scaled".as_ref()).unwrap())
    }

    fn aim(&self) -> Option<Aim> {
        Some(Aim { row: 0, values: self.aim.clone() })
    }

    fn settings(&self) -> Settings {
        Settings {
            radii: self.radii.clone(),
            draws: self.draws,
            alpha: self.alpha,
            domain: self.domain.clone(),
            attacks: self.attacks.clone(),
            certify: Some(Certification { alpha: self.alpha, tightness: 0.0 }),
            aim: self.aim(),
        }
    }

    fn trial_settings(&self) -> TrialSettings {
        TrialSettings {
            sizes: self.sizes.clone(),
            radius: self.radii.first().copied(),
            draws: self.draws,
            picture: None,
            range: None,
            domain: self.domain.clone(),
            attacks: self.attacks.clone(),
            aim: self.aim(),
        }
    }

    /// Inside the box, nothing fixed moved, and exactly what d adds up to; returns the length of
    /// d, measured here.
    fn check(&self, found: &Perturbation) -> Result<f64, TestCaseError> {
        let (low, high) = self.domain.bounds.ends();
        let mut lengths = vec![];
        for (feature, (&x, &d)) in self.x.iter().zip(&found.d).enumerate() {
            let perturbed = found.perturbed[feature];
            prop_assert_eq!(perturbed, x + d);
            prop_assert!((low..=high).contains(&perturbed), "{perturbed} at {feature}");
            let unit = self.domain.units.as_ref().map_or(1.0, |units| units[feature]);
            if unit == 0.0 {
                prop_assert_eq!((d, perturbed), (0.0, x));
            } else {
                lengths.push((f64::from(d) / f64::from(unit)).abs());
            }
        }
        let length = match self.domain.norm {
            Norm::L1 => lengths.iter().sum::<f64>(),
            Norm::L2 => lengths.iter().map(|length| length * length).sum::<f64>().sqrt(),
            Norm::LInf => lengths.iter().copied().fold(0.0, f64::max),
        };
        prop_assert!((found.norm - length).abs() <= 1e-12 * length, "{} {length}", found.norm);
        Ok(length)
    }

    /// How many of the fresh draws stay within r at an input.
    fn fresh(&self, model: &Model, at: &[f32], r: f64) -> Proportion {
        let noise = Noise::new(self.seed ^ 0x5eed);
        let reference = model.reconstruct(&model.encoding(&self.x).unwrap().mu).unwrap();
        let ball = Ball::new(&self.domain, &self.x);
        let target = Target {
            model,
            x: &self.x,
            reference: &reference,
            noise: &noise,
            index: 1,
            ball: &ball,
        };
        let encoding = model.encoding(at).unwrap();
        let draws = 0..FRESH_DRAWS;
        probability::within(target, Purpose::Estimation, &encoding, &[r], draws).unwrap()[0]
    }
}

/// Cases with an attack, and up to two others.
fn cases(attack: Attack) -> impl Strategy<Value = Case> {
    (4usize..=12).prop_flat_map(move |features| {
        let activation = prop::sample::select(vec![
            Function::Relu,
            Function::Tanh,
            Function::Softplus,
            Function::Elu { alpha: 1.0 },
        ]);
        let likelihood = prop::sample::select(vec![
            Likelihood::Bernoulli,
            Likelihood::ContinuousBernoulli,
            Likelihood::Gaussian { sigma: 0.5 },
        ]);
        let model = (1usize..=4, activation, likelihood, 1.0f32..2.5);
        let value = || prop_oneof![1 => Just(0.0f32), 1 => Just(1.0f32), 4 => 0.0f32..=1.0];
        // What is aimed at may be the input itself.
        let aim = prop_oneof![
            1 => Just(None),
            4 => prop::collection::vec(value(), features).prop_map(Some),
        ];
        let inputs = (prop::collection::vec(value(), features), aim)
            .prop_map(|(x, aim)| (x.clone(), aim.unwrap_or(x)));
        let norm = prop::sample::select(vec![Norm::L1, Norm::L2, Norm::LInf]);
        let bounds = prop::sample::select(vec![
            InputBox::None,
            InputBox::Interval { low: 0.0, high: 1.0 },
            InputBox::Interval { low: -1.5, high: 2.5 },
        ]);
        let unit = prop_oneof![1 => Just(0.0f32), 4 => 0.2f32..3.0];
        let units =
            prop::option::of(prop::collection::vec(unit, features).prop_map(|mut units| {
                // Something may change.
                units[0] = units[0].max(0.5);
                units
            }));
        let domain =
            (norm, bounds, units).prop_map(|(norm, bounds, units)| Domain { norm, bounds, units });
        let others: Vec<Attack> = all().into_iter().filter(|other| *other != attack).collect();
        let others = prop::sample::subsequence(others, 0..=2);
        let radius = prop_oneof![
            3 => (0.55f64..0.95).prop_map(Radius::Quantile),
            1 => (0.3f64..2.0).prop_map(Radius::Absolute),
        ];
        let sizes = prop::collection::vec(0.05f64..1.5, 1..=3).prop_map(|steps| {
            let mut size = 0.0;
            steps
                .into_iter()
                .map(|step| {
                    size += step;
                    size
                })
                .collect::<Vec<f64>>()
        });
        let judging = (
            prop::collection::vec(radius, 1..=2),
            sizes,
            100u64..3_000,
            prop::sample::select(vec![0.001, 0.01]),
            0u64..1 << 32,
        );
        (model, inputs, domain, others, judging).prop_map(
            move |(model, (x, aim), domain, others, (radii, sizes, draws, alpha, seed))| {
                let (latent, activation, likelihood, gain) = model;
                let attacks = [vec![attack], others].concat();
                Case {
                    latent,
                    activation,
                    likelihood,
                    gain,
                    x,
                    aim,
                    domain,
                    attacks,
                    radii,
                    sizes,
                    draws,
                    alpha,
                    seed,
                }
            },
        )
    })
}

/// Every goal with every optimiser.
fn all() -> Vec<Attack> {
    let attacks = |goal| Optimiser::ALL.into_iter().map(move |how| Attack::new(goal, how));
    Kind::ALL.into_iter().flat_map(attacks).collect()
}

/// Runs a property on `each` cases with every attack among theirs.
fn for_every_attack(each: u32, property: impl Fn(Case) -> Result<(), TestCaseError>) {
    for attack in all() {
        let config = Config { cases: each, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new(config);
        runner.run(&cases(attack), &property).unwrap_or_else(|error| panic!("{attack}: {error}"));
    }
}

#[test]
fn reported_breaks_are_inside_and_not_contradicted_by_fresh_noise() {
    let broken = Cell::new(0);
    for_every_attack(3, |case| {
        let model = case.model();
        let point = Point::new(7, &case.x);
        let found = assess(&model, &Noise::new(case.seed), point, &case.settings()).unwrap();
        prop_assert_eq!(found.radii.len(), case.radii.len());
        for at in &found.radii {
            match &at.attacked {
                Attacked::Broken(margin, degradation) => {
                    broken.set(broken.get() + 1);
                    let length = case.check(&margin.perturbation)?;
                    prop_assert!(length > 0.0);
                    prop_assert!(margin.verdict.p_value <= case.alpha);
                    prop_assert!(margin.verdict.draws <= case.draws);
                    prop_assert!(*degradation >= 0.0);
                    let fresh = case.fresh(&model, &margin.perturbation.perturbed, at.r);
                    prop_assert!(
                        !fresh.exceeds_half(FRESH_LEVEL),
                        "{} of {FRESH_DRAWS} fresh draws within r, {margin:?}",
                        fresh.successes()
                    );
                }
                Attacked::AtRest => {
                    prop_assert!(!case.fresh(&model, &case.x, at.r).exceeds_half(FRESH_LEVEL));
                }
                Attacked::NotFound => {}
                Attacked::NotAsked => prop_assert!(false, "there were attacks"),
            }
        }
        Ok(())
    });
    assert!(broken.get() > 30, "only {} breaks: this test saw little", broken.get());
}

#[test]
fn the_best_of_several_attacks_counts() {
    let several = Cell::new(0);
    for_every_attack(1, |case| {
        let model = case.model();
        let norms = |attacks: &[Attack], alpha: f64| {
            let settings = Settings { attacks: attacks.to_vec(), alpha, ..case.settings() };
            let found =
                assess(&model, &Noise::new(case.seed), Point::new(7, &case.x), &settings).unwrap();
            let norm = |attacked: &Attacked| match attacked {
                Attacked::AtRest => None,
                Attacked::Broken(margin, _) => Some(margin.perturbation.norm),
                _ => Some(f64::INFINITY),
            };
            found.radii.iter().map(|at| norm(&at.attacked)).collect::<Vec<_>>()
        };
        let together = norms(&case.attacks, case.alpha);
        // Each errs with its share of alpha.
        let share = case.alpha / case.attacks.len() as f64;
        let alone: Vec<_> =
            case.attacks.iter().map(|attack| norms(std::slice::from_ref(attack), share)).collect();
        for (slot, best) in together.into_iter().enumerate() {
            let alone: Option<Vec<f64>> = alone.iter().map(|norms| norms[slot]).collect();
            // At rest is decided at another level.
            let (Some(best), Some(alone)) = (best, alone) else { continue };
            prop_assert_eq!(best, alone.iter().copied().fold(f64::INFINITY, f64::min));
            several.set(several.get() + usize::from(alone.iter().any(|&norm| norm > best)));
        }
        Ok(())
    });
    assert!(several.get() > 3, "attacks differed {} times only", several.get());
}

#[test]
fn trials_keep_their_sizes_and_gain() {
    let tries = Cell::new(0);
    for_every_attack(3, |case| {
        let model = case.model();
        let point = Point::new(7, &case.x);
        let found = trial(&model, &Noise::new(case.seed), point, &case.trial_settings()).unwrap();
        let mut goals: Vec<Kind> = vec![];
        for attack in &case.attacks {
            if !goals.contains(&attack.goal) {
                goals.push(attack.goal);
            }
        }
        let expected: Vec<(Kind, f64)> = goals
            .iter()
            .flat_map(|&goal| case.sizes.iter().map(move |&size| (goal, size)))
            .collect();
        let attempts: Vec<(Kind, f64)> =
            found.attempts.iter().map(|attempt| (attempt.attack.goal, attempt.size)).collect();
        prop_assert_eq!(attempts, expected);
        for attempts in found.attempts.chunks(case.sizes.len()) {
            let mut before = f64::NEG_INFINITY;
            for attempt in attempts {
                tries.set(tries.get() + 1);
                let length = case.check(&attempt.perturbation)?;
                prop_assert!(length <= attempt.size * (1.0 + 1e-6), "{length} {}", attempt.size);
                let (value, at_rest) = (attempt.value, attempt.value_at_rest);
                prop_assert!(case.attacks.contains(&attempt.attack));
                let noisy = matches!(
                    attempt.attack.goal,
                    Kind::MaximumDamage | Kind::MedianDamage | Kind::Degradation
                );
                // Other draws choose than those that score; without noise, rounding is left.
                let share = if noisy { 0.05 } else { 1e-4 };
                let tolerance = |value: f64| share * value.abs() + 1e-5;
                prop_assert!(
                    value >= at_rest - tolerance(at_rest),
                    "{}: {value} and {at_rest} at rest, size {}",
                    attempt.attack,
                    attempt.size
                );
                // The few draws that chose between two sizes' candidates may have been wrong by
                // their standard error, some 7% of a median.
                let allowed = if noisy { 4.0 * tolerance(before) } else { tolerance(before) };
                prop_assert!(value >= before - allowed, "{}: {value}, {before}", attempt.attack);
                before = value;
            }
        }
        Ok(())
    });
    assert!(tries.get() > 200, "{} tries", tries.get());
}
