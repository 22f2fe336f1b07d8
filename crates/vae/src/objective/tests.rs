//! Every term beside its formula, written out in f64, and every gradient beside differences.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, TensorData};
use vaegis_network::ops::{Function, Operator};

use super::densities::LogDensities;
use super::*;
use crate::{Architecture, Likelihood, LipschitzLayers, Noise, PosteriorSigma, Purpose, VaeConfig};

pub(super) const LATENT: usize = 3;
const ROWS: usize = 4;
const POPULATION: usize = 11;

pub(super) fn vae() -> Vae {
    let config = VaeConfig {
        input_shape: vec![5],
        latent: LATENT,
        architecture: Architecture::Mlp { hidden: vec![6], activation: Function::Tanh },
        likelihood: Likelihood::Bernoulli,
    };
    config.init(4, &Device::flex()).unwrap()
}

pub(super) fn tensor(values: &[f32], rows: usize, device: &Device) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [rows, values.len() / rows]);
    Tensor::from_data(data, device)
}

pub(super) fn setting(discriminator: Option<&Discriminator>) -> Setting<'_> {
    Setting { warmth: 0.7, population: POPULATION, discriminator }
}

fn factor_vae() -> FactorVae {
    FactorVae {
        gamma: 3.0,
        discriminator_layers: 2,
        discriminator_width: 5,
        discriminator_learning_rate: 1e-3,
        warm_up: 0,
    }
}

fn discriminator() -> Discriminator {
    Discriminator::new(&factor_vae(), LATENT, 8, &Device::flex()).unwrap()
}

fn all() -> [Objective; 7] {
    let (lambda_od, lambda_d, warm_up) = (1.5, 2.5, 0);
    [
        Objective::BetaVae(BetaVae { beta: 4.0, warm_up }),
        Objective::Capacity(Capacity { gamma: 5.0, capacity: 3.0, warm_up }),
        Objective::BetaTcVae(BetaTcVae { alpha: 0.5, beta: 6.0, gamma: 2.0, warm_up }),
        Objective::DipVaeI(DipVaeI { lambda_od, lambda_d, warm_up }),
        Objective::DipVaeII(DipVaeII { lambda_od, lambda_d, warm_up }),
        Objective::FactorVae(factor_vae()),
        Objective::Margin(Margin { beta: 0.5, warm_up, weight: 2.0 }),
    ]
}

fn inputs(device: &Device) -> (Tensor<2>, Tensor<2>) {
    let x: Vec<f32> = (0..5 * ROWS).map(|k| (k as f32 * 0.37).fract()).collect();
    let eta: Vec<f32> = (0..LATENT * ROWS).map(|k| (k as f32 * 1.7).sin() * 1.5).collect();
    (tensor(&x, ROWS, device), tensor(&eta, ROWS, device))
}

fn loss(objective: Objective, vae: &Vae, device: &Device) -> BatchLoss {
    let (x, eta) = inputs(device);
    objective.loss(vae, x, eta, setting(Some(&discriminator())))
}

fn rows(values: Tensor<2>) -> Vec<Vec<f64>> {
    let columns = values.dims()[1];
    let values: Vec<f32> = values.into_data().try_to_vec().unwrap();
    values.chunks(columns).map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect()
}

/// The posteriors of the batch that all tests share, and their draws: `[row][latent]`.
struct Known {
    mu: Vec<Vec<f64>>,
    variance: Vec<Vec<f64>>,
    z: Vec<Vec<f64>>,
}

fn known() -> Known {
    let (x, eta) = inputs(&Device::flex());
    let posterior = vae().encode(x);
    let mut variance = rows(posterior.log_variance.clone());
    variance.iter_mut().flatten().for_each(|v| *v = v.exp());
    Known { mu: rows(posterior.mu.clone()), variance, z: rows(posterior.sample(eta)) }
}

impl Known {
    fn rate(&self) -> f64 {
        let pairs = self.mu.iter().flatten().zip(self.variance.iter().flatten());
        pairs.map(|(mu, v)| 0.5 * (mu * mu + v - v.ln() - 1.0)).sum::<f64>() / ROWS as f64
    }

    /// `q(z_l | x)` of a row at another row's draw.
    fn density(&self, draw: usize, row: usize, latent: usize) -> f64 {
        let (mu, variance) = (self.mu[row][latent], self.variance[row][latent]);
        let distance = self.z[draw][latent] - mu;
        (-0.5 * distance * distance / variance).exp() / (TAU * variance).sqrt()
    }

    fn covariance(&self, a: usize, b: usize) -> f64 {
        let mean =
            |of: &dyn Fn(&[f64]) -> f64| self.mu.iter().map(|mu| of(mu)).sum::<f64>() / ROWS as f64;
        mean(&|mu| mu[a] * mu[b]) - mean(&|mu| mu[a]) * mean(&|mu| mu[b])
    }
}

#[track_caller]
fn assert_terms(objective: Objective, expected: &[(&str, f64)], penalty: f64) {
    let found = loss(objective, &vae(), &Device::flex()).terms();
    let terms: BTreeMap<String, f64> =
        expected.iter().map(|(name, value)| (name.to_string(), *value)).collect();
    assert_eq!(found.terms.keys().collect::<Vec<_>>(), terms.keys().collect::<Vec<_>>());
    let near = |found: f64, exact: f64, what: &str| {
        assert!((found - exact).abs() < 2e-5 * (1.0 + exact.abs()), "{what}: {found} {exact}");
    };
    for (name, exact) in &terms {
        near(found.terms[name], *exact, name);
    }
    near(found.rate, known().rate(), "rate");
    near(found.total - found.distortion, penalty, "penalty");
}

#[test]
fn the_kl_term_has_its_weight() {
    assert_terms(all()[0], &[], 4.0 * 0.7 * known().rate());
}

#[test]
fn capacity_rises_and_is_kept_from_both_sides() {
    let rate = known().rate();
    // The warmth of 0.7 is that of the capacity, not of the weight.
    for capacity in [0.0, 0.5 * rate, 3.0, 40.0] {
        let objective = Capacity { gamma: 5.0, capacity, warm_up: 10 };
        let gap = (rate - 0.7 * capacity).abs();
        let terms = [("capacity", 0.7 * capacity), ("capacity_gap", gap)];
        assert_terms(Objective::Capacity(objective), &terms, 5.0 * gap);
    }
    let objective = Objective::Capacity(Capacity { gamma: 5.0, capacity: 25.0, warm_up: 10 });
    let shares = [0.0, 1.0, 2.5, 10.0, 99.0].map(|epochs| objective.warmth_at(epochs));
    assert_eq!(shares, [0.0, 0.1, 0.25, 1.0, 1.0]);
    assert!(!objective.is_settled(9) && objective.is_settled(10));
}

#[test]
fn minibatch_stratified_sampling_is_as_published() {
    let known = known();
    let (n, m) = (POPULATION as f64, (ROWS - 1) as f64);
    let mut sums = [0.0; 3];
    for draw in 0..ROWS {
        let weight = |row: usize| {
            if row == draw {
                1.0 / n
            } else if row == (draw + 1) % ROWS {
                (n - m) / (n * m)
            } else {
                1.0 / m
            }
        };
        assert!(((0..ROWS).map(weight).sum::<f64>() - 1.0).abs() < 1e-12);
        let joint =
            |row: usize| -> f64 { (0..LATENT).map(|l| known.density(draw, row, l)).product() };
        let aggregate: f64 = (0..ROWS).map(|row| weight(row) * joint(row)).sum();
        let marginal =
            |l: usize| -> f64 { (0..ROWS).map(|r| weight(r) * known.density(draw, r, l)).sum() };
        let product: f64 = (0..LATENT).map(marginal).product();
        let z = &known.z[draw];
        let prior: f64 = z.iter().map(|z| (-0.5 * z * z).exp() / TAU.sqrt()).product();
        sums[0] += (joint(draw) / aggregate).ln() / ROWS as f64;
        sums[1] += (aggregate / product).ln() / ROWS as f64;
        sums[2] += (product / prior).ln() / ROWS as f64;
    }
    let [mutual_information, total_correlation, dimension_wise] = sums;
    let terms = [
        ("mutual_information", mutual_information),
        ("total_correlation", total_correlation),
        ("dimension_wise_kl", dimension_wise),
    ];
    let penalty = 0.5 * mutual_information + 6.0 * total_correlation + 2.0 * dimension_wise;
    assert_terms(all()[2], &terms, 0.7 * penalty);
}

/// With equal weights the three parts are `log q(z|x) - log p(z)`, the KL term in expectation.
#[test]
fn equal_weights_make_the_elbo() {
    let objective = BetaTcVae { alpha: 1.0, beta: 1.0, gamma: 1.0, warm_up: 0 };
    let vae = vae();
    let device = Device::flex();
    let (x, _) = inputs(&device);
    let copies = 5_000;
    let x = x.repeat(&[copies / ROWS, 1]);
    let eta = Noise::new(2).normal(Purpose::Training, 0, 0, copies, LATENT);
    let mut sum = [0.0; 2];
    // In batches: the estimates are made of all pairs.
    for start in (0..copies).step_by(500) {
        let eta = tensor(&eta[start * LATENT..(start + 500) * LATENT], 500, &device);
        let x = x.clone().narrow(0, start, 500);
        let setting = Setting { warmth: 1.0, population: copies, discriminator: None };
        let losses = Objective::BetaTcVae(objective).loss(&vae, x, eta, setting).terms();
        sum[0] += (losses.total - losses.distortion) * 0.1;
        sum[1] += losses.rate * 0.1;
    }
    // Draws of 3 latents: the standard error is below sqrt(3 / 2 / 5000).
    assert!((sum[0] - sum[1]).abs() < 4.0 * 0.018, "{sum:?}");
}

/// Of means drawn from N(0, S) with posterior variances s, the aggregate posterior is N(0, S + s I), of
/// which all three parts of the KL term are known.
#[test]
fn estimates_of_a_gaussian_aggregate_approach_what_they_are() {
    let device = Device::flex();
    let (count, correlation, variance) = (2_000, 0.9f64, 0.2f64);
    let mut exact = [0.0; 3];
    let determinant = (1.0 + variance).powi(2) - correlation * correlation;
    // Mutual information, total correlation, and twice the KL of N(0, 1 + s).
    exact[0] = 0.5 * (determinant / variance.powi(2)).ln();
    exact[1] = 0.5 * ((1.0 + variance).powi(2) / determinant).ln();
    exact[2] = variance - (1.0 + variance).ln();
    let mut found = [0.0; 3];
    let repeats = 4;
    for repeat in 0..repeats {
        let noise = Noise::new(repeat);
        let mut mu = noise.normal(Purpose::Estimation, 0, 0, count, 2);
        for pair in mu.chunks_mut(2) {
            let rest = (1.0 - correlation * correlation).sqrt();
            pair[1] = (correlation * f64::from(pair[0]) + rest * f64::from(pair[1])) as f32;
        }
        let mu = tensor(&mu, count, &device);
        let log_variance = mu.zeros_like() + variance.ln();
        let posterior = Posterior { mu, log_variance };
        let eta = tensor(&noise.normal(Purpose::Training, 0, 0, count, 2), count, &device);
        let densities = LogDensities::estimate(&posterior, posterior.sample(eta), 1_000 * count);
        let LogDensities { conditional, aggregate, product, prior } = densities;
        let parts = [conditional - aggregate.clone(), aggregate - product.clone(), product - prior];
        for (sum, part) in found.iter_mut().zip(parts) {
            *sum += number(part) / repeats as f64;
        }
    }
    for (found, exact) in found.iter().zip(exact) {
        assert!((found - exact).abs() < 0.05 * (1.0 + exact), "{found} {exact}");
    }
}

#[test]
fn covariances_are_drawn_to_the_identity() {
    let known = known();
    for (objective, within) in [(all()[3], 0.0), (all()[4], 1.0)] {
        let (mut diagonal, mut off_diagonal) = (0.0, 0.0);
        for a in 0..LATENT {
            for b in 0..LATENT {
                if a == b {
                    let spread = known.variance.iter().map(|v| v[a]).sum::<f64>() / ROWS as f64;
                    diagonal += (known.covariance(a, a) + within * spread - 1.0).powi(2);
                } else {
                    off_diagonal += known.covariance(a, b).powi(2);
                }
            }
        }
        let terms = [("diagonal", diagonal), ("off_diagonal", off_diagonal)];
        let penalty = known.rate() + 1.5 * off_diagonal + 2.5 * diagonal;
        assert_terms(objective, &terms, 0.7 * penalty);
    }
}

/// The discriminator, written out.
fn log_ratio(z: &[f64]) -> f64 {
    let weights = discriminator().weights();
    let mut values = z.to_vec();
    for (layer, node) in [0, 2, 4].into_iter().enumerate() {
        let (shape, matrix) = weights.get(&format!("discriminator.{node}.weight")).unwrap();
        let (_, bias) = weights.get(&format!("discriminator.{node}.bias")).unwrap();
        let (inputs, outputs) = (shape[0], shape[1]);
        assert_eq!((inputs, outputs), (values.len(), bias.len()));
        values = (0..outputs)
            .map(|to| {
                let product = |from: usize| values[from] * f64::from(matrix[from * outputs + to]);
                let sum = (0..inputs).map(product).sum::<f64>() + f64::from(bias[to]);
                if layer == 2 || sum > 0.0 { sum } else { 0.2 * sum }
            })
            .collect();
    }
    values[0]
}

#[test]
fn the_discriminator_says_what_the_total_correlation_is() {
    let known = known();
    let total_correlation = known.z.iter().map(|z| log_ratio(z)).sum::<f64>() / ROWS as f64;
    assert!(total_correlation.abs() > 1e-3, "the discriminator says something");
    let penalty = known.rate() + 3.0 * total_correlation;
    assert_terms(all()[5], &[("total_correlation", total_correlation)], 0.7 * penalty);
}

#[test]
fn a_discriminator_minimises_its_cross_entropy() {
    let device = Device::flex();
    let (z, other) = (known().z, known().mu);
    let flat =
        |rows: &[Vec<f64>]| -> Vec<f32> { rows.iter().flatten().map(|&v| v as f32).collect() };
    let found = discriminator()
        .loss(tensor(&flat(&z), ROWS, &device), tensor(&flat(&other), ROWS, &device));
    let sigmoid = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    let missed: f64 = z.iter().map(|z| -sigmoid(log_ratio(z)).ln()).sum();
    let mistaken: f64 = other.iter().map(|z| -(1.0 - sigmoid(log_ratio(z))).ln()).sum();
    let exact = (missed + mistaken) / (2 * ROWS) as f64;
    assert!((number(found) - exact).abs() < 1e-5, "{exact}");
}

#[test]
fn every_objective_is_differentiated() {
    for objective in all() {
        let tracked = vae().train();
        let gradients = loss(objective, &tracked, &Device::flex().autodiff()).total.backward();
        let weights = vae().weights();
        let mut compared = 0;
        for name in ["encoder.0.weight", "encoder.2.weight", "encoder.3.weight", "encoder.0.bias"] {
            let (shape, values) = weights.get(name).unwrap();
            let at = values.len() / 2;
            let moved = |step: f32| {
                let mut values = values.to_vec();
                values[at] += step;
                let mut weights = weights.clone();
                weights.insert(name, shape.to_vec(), values);
                let vae = vae().with_weights(&weights, Path::new("moved")).unwrap();
                number(loss(objective, &vae, &Device::flex()).total)
            };
            let difference = (moved(0.01) - moved(-0.01)) / 0.02;
            let mut found = f64::NAN;
            tracked.encoder().clone().map_operators(|position, operator| {
                if let Operator::Linear(linear) = &operator {
                    let gradient = match name.rsplit('.').next() {
                        Some("bias") => linear.bias.val().grad(&gradients).unwrap().into_data(),
                        _ => linear.weight.val().grad(&gradients).unwrap().into_data(),
                    };
                    if name.split('.').nth(1) == Some(&position.to_string()) {
                        found = f64::from(gradient.as_slice::<f32>().unwrap()[at]);
                    }
                }
                operator
            });
            assert!(
                (found - difference).abs() < 2e-3 * (1.0 + found.abs()),
                "{objective:?}, {name}: {found} {difference}"
            );
            compared += 1;
        }
        assert_eq!(compared, 4);
    }
}

#[test]
fn a_batch_of_one_row_has_finite_terms() {
    for objective in all() {
        let device = Device::flex();
        let (x, eta) = inputs(&device);
        let setting = setting(None);
        let discriminator = discriminator();
        let setting = Setting { discriminator: Some(&discriminator), ..setting };
        let (x, eta) = (x.narrow(0, 0, 1), eta.narrow(0, 0, 1));
        let losses = objective.loss(&vae(), x, eta, setting).terms();
        assert!(losses.all().all(|(_, value)| value.is_finite()), "{objective:?}: {losses:?}");
        if let Some(total_correlation) = losses.terms.get("total_correlation") {
            assert!(*total_correlation == 0.0 || matches!(objective, Objective::FactorVae(_)));
        }
    }
}

#[test]
fn settings_are_kept_as_they_are() {
    for objective in all() {
        let text = serde_json::to_string(&objective).unwrap();
        assert_eq!(serde_json::from_str::<Objective>(&text).unwrap(), objective, "{text}");
        assert!(objective.problems().is_empty());
    }
    let text = r#"{"kind":"beta-vae","beta":4.0,"warm_up":0}"#;
    assert_eq!(serde_json::to_string(&all()[0]).unwrap(), text);
    assert_eq!(Objective::ELBO.describe(), "VAE");
    let described = all().map(Objective::describe);
    assert_eq!(
        described,
        [
            "beta-VAE (beta 4)",
            "annealed capacity (gamma 5, capacity 3)",
            "beta-TCVAE (alpha 0.5, beta 6, gamma 2)",
            "DIP-VAE-I (lambda_od 1.5, lambda_d 2.5)",
            "DIP-VAE-II (lambda_od 1.5, lambda_d 2.5)",
            "FactorVAE (gamma 3)",
            "margin (beta 0.5, margin weight 2)",
        ]
    );
}

#[test]
fn what_cannot_work_is_told() {
    let objective = FactorVae {
        gamma: f64::NAN,
        discriminator_layers: 0,
        discriminator_learning_rate: -1.0,
        ..factor_vae()
    };
    let problems = Objective::FactorVae(objective).problems().join("; ");
    for part in ["gamma", "NaN", "at least 1 layer", "discriminator learning rate"] {
        assert!(problems.contains(part), "{part} not in {problems}");
    }
    for objective in [all()[2], all()[5]] {
        assert!(objective.misfits(1, None).join("").contains("at least 2"));
        assert!(objective.misfits(2, None).is_empty());
    }
    let lipschitz = |sigma| LipschitzConfig {
        decoder: 2.0,
        encoder_mean: 2.0,
        sigma,
        layers: LipschitzLayers::Aol,
    };
    // 10 latents of sigma 0.1 have at least 18.08 nats.
    let fixed = lipschitz(PosteriorSigma::Fixed { sigma: 0.1 });
    let capacity = |capacity| Objective::Capacity(Capacity { gamma: 1.0, capacity, warm_up: 0 });
    assert!(capacity(18.0).misfits(10, Some(&fixed))[0].contains("at least 18.08"));
    assert!(capacity(18.1).misfits(10, Some(&fixed)).is_empty());
    let learned = lipschitz(PosteriorSigma::Bounded { constant: 1.0, low: 0.1, high: 2.0 });
    assert!(capacity(0.1).misfits(10, Some(&learned)).is_empty());
}
