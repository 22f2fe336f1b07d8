//! No attack inside a certified ball breaks what is certified, whatever the model and the domain:
//! a certificate that an attack breaks is the worst mistake this program can make.

use std::cell::Cell;
use std::time::{Duration, Instant};

use burn::tensor::{DType, Device, Tensor, TensorData};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vaegis_network::ops::{
    ActivationConfig, Function, Initialiser, LinearConfig, MaxPool2dConfig, MultiplyConfig,
    OperatorConfig, ReshapeConfig, SoftmaxConfig,
};
use vaegis_network::{Network, NetworkBuilder, Weights};
use vaegis_robustness::assess::{Certified, assess};
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::Kind;
use vaegis_robustness::attack::optimiser::Optimiser;
use vaegis_robustness::certificate::{Certificate, Neighbourhood, Posteriors, Weighted};
use vaegis_robustness::trial::{TrialSettings, trial};
use vaegis_robustness::{Certification, Domain, InputBox, Model, Norm, Point, Radius, Settings};
use vaegis_vae::{Architecture, Likelihood, Noise, Vae, VaeConfig};

/// The chance that draws contradict a probability of exactly 1/2.
const LEVEL: f64 = 1e-7;

/// Error of certificates: over all cases here, mistakes by chance are not to be expected.
const ALPHA: f64 = 1e-6;

/// What encoders are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kinds {
    Dense(Function),
    Conv(Function),
    /// Operators that are bounded by linear functions only.
    Pooled,
    Gated,
    Attentive,
}

#[derive(Debug, Clone)]
struct Case {
    kind: Kinds,
    latent: usize,
    gain: f32,
    x: Vec<f32>,
    domain: Domain,
    level: f64,
    seed: u64,
}

const SIDE: usize = 4;
const FEATURES: usize = SIDE * SIDE;

impl Case {
    fn vae(&self) -> Vae {
        let Self { kind, latent, seed, .. } = *self;
        let likelihood = Likelihood::Gaussian { sigma: 0.5 };
        let architecture = match kind {
            Kinds::Dense(activation) => Architecture::Mlp { hidden: vec![14, 10], activation },
            Kinds::Conv(activation) => {
                Architecture::Conv { channels: vec![3], hidden: 8, activation }
            }
            _ => Architecture::Mlp { hidden: vec![10], activation: Function::Tanh },
        };
        let input_shape = vec![1, SIDE, SIDE];
        let config = VaeConfig { input_shape, latent, architecture, likelihood };
        let vae = config.init(seed, &Device::flex()).unwrap();
        let vae = match self.encoder() {
            Some(encoder) => {
                let network =
                    encoder.0.finish(&encoder.1, &mut Initialiser::new(seed), &Device::flex());
                Vae::new(network.unwrap(), vae.decoder().clone(), likelihood).unwrap()
            }
            None => vae,
        };
        let mut weights = Weights::default();
        for (name, shape, values) in vae.weights().iter() {
            let scaled = values.iter().map(|value| self.gain * value).collect();
            weights.insert(name, shape.to_vec(), scaled);
        }
        vae.with_weights(&weights, "scaled".as_ref()).unwrap()
    }

    /// Encoders that no architecture makes.
    fn encoder(&self) -> Option<(NetworkBuilder, [usize; 2])> {
        let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
        let activation = |function| OperatorConfig::Activation(ActivationConfig { function });
        let mut builder = NetworkBuilder::new(vec![1, SIDE, SIDE]);
        let flat =
            builder.push(OperatorConfig::Reshape(ReshapeConfig { shape: vec![FEATURES] }), &[0]);
        let hidden = builder.push(linear(FEATURES, 16), &[flat]);
        let (value, width) = match self.kind {
            Kinds::Dense(_) | Kinds::Conv(_) => return None,
            Kinds::Pooled => {
                let shape = OperatorConfig::Reshape(ReshapeConfig { shape: vec![1, 4, 4] });
                let value = builder.push(shape, &[hidden]);
                let pool = MaxPool2dConfig {
                    input: [1, 4, 4],
                    kernel: [2, 2],
                    stride: [2, 2],
                    padding: [[0; 2]; 2],
                    dilation: [1, 1],
                };
                let value = builder.push(OperatorConfig::MaxPool2d(pool), &[value]);
                let shape = OperatorConfig::Reshape(ReshapeConfig { shape: vec![4] });
                (builder.push(shape, &[value]), 4)
            }
            Kinds::Gated => {
                let gate = builder.push(linear(FEATURES, 16), &[flat]);
                let gate = builder.push(activation(Function::Sigmoid), &[gate]);
                (builder.push(OperatorConfig::Multiply(MultiplyConfig {}), &[hidden, gate]), 16)
            }
            Kinds::Attentive => {
                let softmax = OperatorConfig::Softmax(SoftmaxConfig { block: 4 });
                (builder.push(softmax, &[hidden]), 16)
            }
        };
        let mean = builder.push(linear(width, self.latent), &[value]);
        let spread = builder.push(linear(width, self.latent), &[value]);
        Some((builder, [mean, spread]))
    }

    fn settings(&self) -> Settings {
        Settings {
            radii: vec![Radius::Quantile(self.level)],
            draws: 4_000,
            alpha: ALPHA,
            domain: self.domain.clone(),
            attacks: vec![],
            certify: Some(Certification { alpha: ALPHA, tightness: 0.9 }),
            aim: None,
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let function = prop::sample::select(vec![
        Function::Relu,
        Function::LeakyRelu { slope: 0.2 },
        Function::Tanh,
        Function::Silu,
        Function::Gelu,
        Function::Elu { alpha: 1.0 },
        Function::Softplus,
    ]);
    let kind = prop_oneof![
        4 => function.clone().prop_map(Kinds::Dense),
        2 => function.prop_map(Kinds::Conv),
        1 => Just(Kinds::Pooled),
        1 => Just(Kinds::Gated),
        1 => Just(Kinds::Attentive),
    ];
    let value = prop_oneof![1 => Just(0.0f32), 1 => Just(1.0f32), 4 => 0.0f32..=1.0];
    let norm = prop::sample::select(vec![Norm::L2, Norm::L2, Norm::L1, Norm::LInf]);
    let bounds =
        prop::sample::select(vec![InputBox::None, InputBox::Interval { low: 0.0, high: 1.0 }]);
    let unit = prop_oneof![1 => Just(0.0f32), 4 => 0.2f32..3.0];
    let units = prop::option::weighted(
        0.3,
        prop::collection::vec(unit, FEATURES).prop_map(|mut units| {
            units[0] = units[0].max(0.5);
            units
        }),
    );
    let domain =
        (norm, bounds, units).prop_map(|(norm, bounds, units)| Domain { norm, bounds, units });
    let level = prop::sample::select(vec![0.6, 0.9, 0.99]);
    let x = prop::collection::vec(value, FEATURES);
    (kind, 1usize..=4, 0.8f32..3.0, x, domain, level, any::<u32>()).prop_map(
        |(kind, latent, gain, x, domain, level, seed)| Case {
            kind,
            latent,
            gain,
            x,
            domain,
            level,
            seed: u64::from(seed),
        },
    )
}

/// The certificate of a case, if it has one that is worth an attack.
fn certificate(case: &Case, model: &Model) -> Option<Certificate> {
    let point = Point::new(7, &case.x);
    let found = assess(model, &Noise::new(case.seed), point, &case.settings());
    // A radius that is a quantile needs a decoder that varies.
    let found = found.ok()?;
    match &found.radii[0].certified {
        Certified::Within(certificate) if certificate.margin() > 0.0 => Some(certificate.clone()),
        Certified::Within(_) => None,
        other => panic!("{:?} is not certified: {other:?}", case.kind),
    }
}

/// Attacks at exactly the certified norm; how many were judged.
fn unbroken(case: &Case) -> Result<usize, TestCaseError> {
    let model = Model::new(&case.vae());
    let Some(certificate) = certificate(case, &model) else { return Ok(0) };
    let Domain { bounds, .. } = &case.domain;
    let size = match bounds {
        InputBox::None => certificate.margin().min(1e3),
        InputBox::Interval { .. } => certificate.margin(),
    };
    let attacks = vec![
        Attack::default().thorough(),
        Attack::new(Kind::MedianDamage, Optimiser::ProjectedGradient).thorough(),
        Attack::new(Kind::SymmetricKl, Optimiser::ProjectedGradient),
    ];
    let settings = TrialSettings {
        sizes: vec![0.5 * size, size],
        radius: Some(Radius::Absolute(certificate.r())),
        draws: 8_000,
        picture: None,
        range: None,
        domain: case.domain.clone(),
        attacks,
        aim: None,
    };
    // Other noise than the certificate's.
    let noise = Noise::new(case.seed ^ 0x5eed);
    let found = trial(&model, &noise, Point::new(8, &case.x), &settings)
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    for attempt in &found.attempts {
        let within = attempt.scores.within.expect("there is a radius");
        prop_assert!(
            !within.complement().exceeds_half(LEVEL),
            "{} of {} draws within r = {} at {}, by {} from {}; {certificate:?}",
            within.successes(),
            within.draws(),
            certificate.r(),
            attempt.perturbation.norm,
            attempt.attack,
            attempt.by,
        );
    }
    Ok(found.attempts.len())
}

fn run(cases_count: u32, judged: &Cell<usize>) {
    let config = Config { cases: cases_count, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let property = |case: Case| {
        judged.set(judged.get() + unbroken(&case)?);
        Ok(())
    };
    runner.run(&cases(), property).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn no_attack_inside_a_certified_ball_breaks_it() {
    let judged = Cell::new(0);
    run(48, &judged);
    assert!(judged.get() > 100, "only {} attacks were judged", judged.get());
}

/// Inputs at exactly a distance, or nearer where the box ends: along each row of the encoder's
/// Jacobian, both ways, and along random directions, but for what is at the end of the box already.
fn perturbed(case: &Case, encoder: &Network, distance: f64) -> Vec<Vec<f64>> {
    let Domain { norm, bounds, units } = &case.domain;
    let unit = |k: usize| units.as_ref().map_or(1.0, |units| f64::from(units[k]));
    let (low, high) = bounds.ends();
    let x: Vec<f64> = case.x.iter().map(|&x| f64::from(x)).collect();
    let trace = encoder.trace(tensor(x.clone(), [1, FEATURES]).cast(DType::F32));
    let rows = [0, 1].map(|output| numbers(encoder.jacobian(&trace, output))).concat();
    let mut directions: Vec<Vec<f64>> = rows.chunks(FEATURES).map(<[f64]>::to_vec).collect();
    let mut generator = ChaCha8Rng::seed_from_u64(case.seed);
    directions
        .extend((0..100).map(|_| {
            (0..FEATURES).map(|_| generator.random_range(-1.0..1.0f64).powi(3)).collect()
        }));
    let mut all = vec![];
    for direction in directions {
        let scaled: Vec<f64> = direction.iter().enumerate().map(|(k, d)| d * unit(k)).collect();
        for sign in [-1.0, 1.0] {
            // No step is wasted on what is at the end of the box.
            let step = |(&d, &x): (&f64, &f64)| {
                let end = if sign * d > 0.0 { high } else { low };
                if x == f64::from(end) { 0.0 } else { sign * d }
            };
            let possible: Vec<f64> = scaled.iter().zip(&x).map(step).collect();
            // What a linear function rises most by.
            let steepest: Vec<f64> = match norm {
                Norm::L2 => possible,
                Norm::LInf => {
                    possible.iter().map(|d| if *d == 0.0 { 0.0 } else { d.signum() }).collect()
                }
                Norm::L1 => {
                    let largest = possible.iter().fold(0.0f64, |m, d| m.max(d.abs()));
                    let chosen = |d: &f64| if d.abs() == largest { *d } else { 0.0 };
                    possible.iter().map(chosen).collect()
                }
            };
            let size = norm.of(steepest.iter().copied());
            if size == 0.0 {
                continue;
            }
            all.push(
                (0..FEATURES)
                    .map(|k| x[k] + distance * unit(k) * steepest[k] / size)
                    .map(|x| x.clamp(f64::from(low), f64::from(high)))
                    .collect(),
            );
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    /// Certificates are far below attacks, which would not tell if a bound on the posterior were
    /// too small: all of them against posteriors of inputs within the distance.
    #[test]
    fn posteriors_are_within_their_bounds(case in cases(), distance in 0.01..1.5f64) {
        let vae = case.vae();
        let (model, bounder) = (Model::new(&vae), vae.encoder().bounder());
        let encoding = model.encoding(&case.x).unwrap();
        let neighbourhood = Neighbourhood::new(&bounder, &case.domain, &case.x).unwrap();
        let posteriors = Posteriors::new(&neighbourhood, &encoding, None).unwrap();
        let found = posteriors.within(distance).expect("small networks are bounded");
        let (mu, sigma) = (&encoding.mu, &encoding.sigma);
        for x in perturbed(&case, vae.encoder(), distance) {
            let outputs = bounder.network().forward(tensor(x, [1, FEATURES]));
            let [mean, spread] = [0, 1].map(|output: usize| numbers(outputs[output].clone()));
            let shifts: Vec<f64> =
                (0..case.latent).map(|i| (mean[i] - f64::from(mu[i])) / f64::from(sigma[i])).collect();
            let length = |parts: &[f64]| Norm::L2.of(parts.iter().copied());
            prop_assert!(length(&shifts) <= found.shift(), "{} {}", length(&shifts), found.shift());
            if let Some(bounds) = found.shifts() {
                for (shift, bound) in shifts.iter().zip(bounds) {
                    prop_assert!(shift.abs() <= *bound, "{shift} {bound}");
                }
            }
            let scale = |i: usize| (0.5 * spread[i]).exp() / f64::from(sigma[i]);
            let scales: Vec<f64> = (0..case.latent).map(scale).collect();
            for (scale, [low, high]) in scales.iter().zip(found.scales()) {
                prop_assert!((*low..=*high).contains(scale), "{scale} {low} {high}");
            }
            let changes: Vec<f64> = scales.iter().map(|scale| scale.ln()).collect();
            let (all, known) = (length(&changes), found.logarithms());
            prop_assert!(all <= known.length * (1.0 + 1e-9), "{all} {known:?}");
            for Weighted { weight, joint, .. } in &known.weighted {
                // The rest of a shift counts no less than the part along the axis.
                let both = length(&shifts).hypot(weight * all);
                prop_assert!(both <= joint * (1.0 + 1e-9), "{both} {known:?}");
            }
            prop_assert!(all <= found.logarithms_beyond(length(&shifts)) * (1.0 + 1e-9), "{known:?}");
            let (Some(ellipsoid), Some(axis)) = (found.ellipsoid(), posteriors.axis()) else { continue };
            let along: f64 = shifts.iter().zip(axis).map(|(h, a)| h * a).sum();
            let rest: Vec<f64> = shifts.iter().zip(axis).map(|(h, a)| h - along * a).collect();
            let across = length(&rest);
            let joint = (along / ellipsoid.axes[0]).hypot(across / ellipsoid.axes[1]);
            prop_assert!(along.abs() <= ellipsoid.along, "{along} {ellipsoid:?}");
            prop_assert!(across <= ellipsoid.across + 1e-12, "{across} {ellipsoid:?}");
            prop_assert!(joint <= ellipsoid.joint * (1.0 + 1e-12), "{joint} {ellipsoid:?}");
            for Weighted { across: count, weight, joint } in &known.weighted {
                let both = along.hypot(count * across).hypot(weight * all);
                prop_assert!(both <= joint * (1.0 + 1e-9), "{both} {known:?}");
            }
            let longest = length(&shifts);
            if longest == 0.0 {
                continue;
            }
            let there = found.towards([along / longest; 2]);
            prop_assert!(longest <= there.shift() * (1.0 + 1e-9), "{longest} {ellipsoid:?}");
            let left = there.logarithms_beyond(longest);
            prop_assert!(all <= left * (1.0 + 1e-9), "{all} {left} {known:?}");
        }
    }
}

fn tensor<const D: usize>(numbers: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), (&Device::flex(), DType::F64))
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert_dtype(DType::F64).try_into_vec().expect("converted just above")
}

/// Attacks for as many minutes as `VAEGIS_MINUTES` says: `cargo xtask soundness`.
#[test]
#[ignore = "takes as long as it is given"]
fn no_attack_breaks_a_certificate_for_an_hour() {
    let minutes = std::env::var("VAEGIS_MINUTES").map_or(60, |text| text.parse().unwrap());
    let (start, judged) = (Instant::now(), Cell::new(0));
    let mut points = 0;
    while start.elapsed() < Duration::from_secs(60 * minutes) {
        run(50, &judged);
        points += 50;
        println!("{points} points, {} attacks judged, none broke a certificate", judged.get());
    }
}
