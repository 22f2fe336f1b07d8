//! Jacobians that were formed against the same ones known by products alone.

use burn::tensor::Device;
use vaegis_network::ops::Function;
use vaegis_vae::{Architecture, Likelihood, Noise, VaeConfig};

use super::lanczos::{dot, norm};
use super::{Jacobians, LinearisedDecoder, matrix_free, whole};
use crate::{Ball, Domain, Encoding, Error, InputBox, Model, Target};

/// Wide enough that Lanczos stops well before it has seen everything.
const LATENT: usize = 150;
const FEATURES: usize = 170;

fn model(seed: u64, architecture: Architecture, input_shape: &[usize], latent: usize) -> Model {
    let likelihood = Likelihood::Bernoulli;
    let config = VaeConfig { input_shape: input_shape.to_vec(), latent, architecture, likelihood };
    Model::new(&config.init(seed, &Device::flex()).unwrap())
}

fn mlp(seed: u64) -> Model {
    let architecture = Architecture::Mlp { hidden: vec![160], activation: Function::Tanh };
    model(seed, architecture, &[FEATURES], LATENT)
}

/// A point, and its posterior with scales that differ between latents.
fn point(model: &Model, seed: u64) -> (Vec<f32>, Encoding) {
    let x: Vec<f32> =
        (0..model.features()).map(|k| ((k as u64 * 37 + seed * 11) % 23) as f32 / 23.0).collect();
    let mut encoding = model.encoding(&x).unwrap();
    for (k, sigma) in encoding.sigma.iter_mut().enumerate() {
        *sigma *= 0.2 + 0.1 * (k % 7) as f32;
    }
    (x, encoding)
}

/// What `find` makes of a target.
fn at(
    model: &Model,
    x: &[f32],
    encoding: &Encoding,
    (seed, index): (u64, u64),
    find: impl Fn(Target<'_>) -> Result<Jacobians, Error>,
) -> Jacobians {
    let reference = model.reconstruct(&encoding.mu).unwrap();
    let (noise, domain) = (&Noise::new(seed), Domain::l2(InputBox::None));
    let ball = &Ball::new(&domain, x);
    find(Target { model, x, reference: &reference, noise, index, ball }).unwrap()
}

/// By products alone.
fn probed(model: &Model, x: &[f32], encoding: &Encoding, seed: u64, index: u64) -> Jacobians {
    at(model, x, encoding, (seed, index), |target| {
        matrix_free::jacobians(target, encoding, 2, 10_000)
    })
}

fn both(model: &Model, seed: u64) -> (Jacobians, Jacobians) {
    let (x, encoding) = point(model, seed);
    let exact =
        at(model, &x, &encoding, (seed, 5), |target| whole::jacobians(target, &encoding, 2));
    (exact, probed(model, &x, &encoding, seed, 5))
}

#[test]
fn norms_by_products_lie_within_their_error() {
    for seed in 0..4 {
        let (exact, probed) = both(&mlp(seed), seed);
        for (exact, probed, what) in [
            (exact.frobenius, probed.frobenius, "|J|_F"),
            (exact.spectral, probed.spectral, "|J|_2"),
            (exact.whitened_spectral, probed.whitened_spectral, "|Sigma^(-1/2) J|_2"),
        ] {
            assert_eq!(exact.error, 0.0);
            assert!(probed.error > 0.0 && probed.error <= 0.02, "{what}: {probed:?}");
            let error = (probed.value / exact.value - 1.0).abs();
            assert!(error <= probed.error, "{what}: {probed:?}, exactly {exact:?}");
            assert!(probed.upper() >= exact.value, "{what}");
        }
        // Ritz values come from below, and are far better than what is promised.
        for (exact, probed) in [
            (exact.spectral.value, probed.spectral.value),
            (exact.whitened_spectral.value, probed.whitened_spectral.value),
            (exact.composed_spectral, probed.composed_spectral),
        ] {
            let ratio = probed / exact;
            assert!(ratio < 1.0 + 1e-5 && ratio > 0.98, "{probed}, exactly {exact}");
        }
    }
}

#[test]
fn few_latents_are_seen_whole() {
    let architecture = Architecture::Mlp { hidden: vec![20], activation: Function::Tanh };
    let (exact, probed) = both(&model(1, architecture, &[30], 6), 1);
    for (exact, probed) in [
        (exact.frobenius, probed.frobenius),
        (exact.spectral, probed.spectral),
        (exact.whitened_spectral, probed.whitened_spectral),
    ] {
        assert_eq!(probed.error, 0.0);
        assert!((probed.value / exact.value - 1.0).abs() < 1e-5, "{probed:?}, exactly {exact:?}");
    }
}

#[test]
fn directions_stretch_as_much_as_they_should() {
    for seed in 0..3 {
        let model = mlp(seed);
        let (exact, probed) = both(&model, seed);
        let (x, encoding) = point(&model, seed);
        let trace = model.encoder().trace(model.tensor(x, FEATURES));
        let stretched = |direction: &[f64], scales: &[f32]| -> f64 {
            let values = direction.iter().map(|&value| value as f32).collect();
            let tangent = model.tensor(values, FEATURES).unsqueeze();
            let image = crate::model::host(model.encoder().jvp(&trace, tangent).remove(0));
            let scaled = image.iter().zip(scales).map(|(v, scale)| f64::from(v / scale));
            norm(&scaled.collect::<Vec<_>>())
        };
        for (directions, scales, exact) in [
            (&probed.directions.encoder, vec![1.0; LATENT], exact.spectral),
            (&probed.directions.whitened, encoding.sigma, exact.whitened_spectral),
        ] {
            assert_eq!(directions.len(), 2);
            assert!((norm(&directions[0]) - 1.0).abs() < 1e-6);
            assert!(dot(&directions[0], &directions[1]).abs() < 1e-2);
            assert!(stretched(&directions[0], &scales) > 0.98 * exact.value);
        }
        assert_eq!(probed.directions.composed.len(), 2);
    }
}

#[test]
fn convolutions_too() {
    let architecture =
        Architecture::Conv { channels: vec![4, 8], hidden: 64, activation: Function::Silu };
    let (exact, probed) = both(&model(3, architecture, &[1, 16, 16], 100), 3);
    let error = (probed.frobenius.value / exact.frobenius.value - 1.0).abs();
    assert!(error <= probed.frobenius.error, "{probed:?}");
    let ratio = probed.whitened_spectral.value / exact.whitened_spectral.value;
    assert!(ratio < 1.0 + 1e-5 && ratio * 1.01 > 1.0, "{ratio}");
}

#[test]
fn the_linearised_decoder_has_the_same_distribution() {
    let (exact, probed) = both(&mlp(7), 7);
    let (LinearisedDecoder::ClosedForm(_), LinearisedDecoder::Sampled(squares)) =
        (&exact.decoder, &probed.decoder)
    else {
        panic!("one is formed, the other sampled")
    };
    let middle = squares[squares.len() / 2].sqrt();
    for factor in [0.9, 0.95, 1.0, 1.05, 1.1] {
        let r = factor * middle;
        let (p, share) = (exact.decoder.within(r), probed.decoder.within(r));
        // Five standard errors of a share of draws.
        let error = 5.0 * (p * (1.0 - p) / squares.len() as f64).sqrt() + 1e-3;
        assert!((p - share).abs() < error, "at {r}: {share}, exactly {p}");
        let markov = (exact.decoder.markov(2.0 * r), probed.decoder.markov(2.0 * r));
        assert!((markov.0 - markov.1).abs() < 0.01, "{markov:?}");
    }
}

#[test]
fn probes_are_a_function_of_seed_and_index() {
    let model = mlp(2);
    let (x, encoding) = point(&model, 2);
    let at = |seed, index| probed(&model, &x, &encoding, seed, index);
    assert_eq!(at(1, 2), at(1, 2));
    assert_ne!(at(1, 2).frobenius, at(1, 3).frobenius);
    assert_ne!(at(1, 2).frobenius, at(2, 2).frobenius);
}
