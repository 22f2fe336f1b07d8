//! Lipschitz VAEs keep their constants, whatever training does.

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use vaegis_data::Dataset;
use vaegis_network::ops::Function;
use vaegis_vae::{
    Architecture, Likelihood, LipschitzConfig, LipschitzConstants, LipschitzLayers, Objective,
    PosteriorSigma, Progress, TrainConfig, Trained, Vae, VaeConfig, train,
};

const FIXED: PosteriorSigma = PosteriorSigma::Fixed { sigma: 0.2 };
const BOUNDED: PosteriorSigma = PosteriorSigma::Bounded { constant: 0.5, low: 0.05, high: 0.8 };

fn mlp() -> Architecture {
    Architecture::Mlp { hidden: vec![32, 16], activation: Function::Relu }
}

fn conv() -> Architecture {
    Architecture::Conv { channels: vec![4, 6], hidden: 16, activation: Function::Relu }
}

fn vae(architecture: Architecture, likelihood: Likelihood) -> VaeConfig {
    VaeConfig { input_shape: vec![1, 28, 28], latent: 4, architecture, likelihood }
}

fn lipschitz(sigma: PosteriorSigma, layers: LipschitzLayers) -> LipschitzConfig {
    LipschitzConfig { decoder: 1.5, encoder_mean: 2.0, sigma, layers }
}

fn training(lipschitz: LipschitzConfig, epochs: usize) -> TrainConfig {
    TrainConfig {
        objective: Objective::ELBO,
        epochs,
        batch_size: 256,
        // Large steps, so that what holds does not hold because little moved.
        learning_rate: 1e-2,
        validation: 0.1,
        patience: 0,
        seed: 9,
        lipschitz: Some(lipschitz),
    }
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn trained(vae: &VaeConfig, lipschitz: LipschitzConfig, epochs: usize) -> Trained {
    let start = lipschitz.init(vae, 3, &Device::flex()).unwrap();
    train(start, &Dataset::mnist(), &training(lipschitz, epochs), None, &mut go_on).unwrap()
}

fn rows(tensor: Tensor<2>) -> Vec<Vec<f64>> {
    let width = tensor.dims()[1];
    let numbers: Vec<f32> = tensor.into_data().try_to_vec().unwrap();
    numbers.chunks(width).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
}

/// The largest ratio of distances after and before, of neighbouring rows.
fn stretch(from: &Tensor<2>, to: Tensor<2>) -> f64 {
    let distance =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let (from, to) = (rows(from.clone()), rows(to));
    let ratios = from.windows(2).zip(to.windows(2));
    ratios.map(|(x, y)| distance(&y[0], &y[1]) / distance(&x[0], &x[1])).fold(0.0, f64::max)
}

/// Images, and steps from one to the next of all sizes.
fn images(data: &Dataset) -> Tensor<2> {
    let images: Vec<f32> = (0..40)
        .flat_map(|row| {
            let share = 0.5f32.powi(row / 4);
            let (image, other) = (data.row(row as usize), data.row(row as usize + 100));
            let pair = image.iter().zip(other.iter());
            let near: Vec<f32> = pair.map(|(a, b)| a + share * (b - a)).collect();
            [image.to_vec(), near].concat()
        })
        .collect();
    Tensor::from_data(TensorData::new(images, [80, 784]), &Device::flex())
}

/// What is found on data is within the constants of the weights, these within the claims.
fn keeps(vae: &Vae, claimed: LipschitzConstants) -> LipschitzConstants {
    assert_eq!(vae.claimed_lipschitz(), Some(claimed));
    let found = vae.lipschitz().unwrap();
    let x = images(&Dataset::mnist());
    let posterior = vae.encode(x.clone());
    let reconstructions = vae.generator().forward(posterior.mu.clone()).remove(0);
    let sampled = [
        (stretch(&posterior.mu, reconstructions), found.decoder, claimed.decoder),
        (stretch(&x, posterior.mu.clone()), found.encoder_mean, claimed.encoder_mean),
        (stretch(&x, posterior.sigma()), found.encoder_sigma, claimed.encoder_sigma),
    ];
    for (sampled, found, claimed) in sampled {
        assert!(sampled <= found * (1.0 + 1e-3) + 1e-5, "{sampled} of {found}");
        assert!(found <= claimed, "{found} of {claimed}");
    }
    found
}

#[test]
fn orthogonal_layers_learn_and_use_their_constants_up() {
    for (sigma, likelihood) in [
        (FIXED, Likelihood::Bernoulli),
        (BOUNDED, Likelihood::Bernoulli),
        (FIXED, Likelihood::ContinuousBernoulli),
        (BOUNDED, Likelihood::Gaussian { sigma: 0.3 }),
    ] {
        let config = lipschitz(sigma, LipschitzLayers::Bjorck);
        let trained = trained(&vae(mlp(), likelihood), config, 3);
        let losses: Vec<f64> = trained.history.iter().map(|e| e.validation.total).collect();
        assert!(losses[2] < losses[0] - 1.0, "{likelihood:?}: {losses:?}");
        let found = keeps(&trained.vae, config.constants());
        for (found, claimed) in
            <[f64; 3]>::from(found).iter().zip(<[f64; 3]>::from(config.constants()))
        {
            assert!(*found >= claimed * 0.999, "{found} of {claimed}");
        }
        let posterior = trained.vae.encode(images(&Dataset::mnist()));
        let (low, high) = match sigma {
            PosteriorSigma::Fixed { sigma } => (sigma, sigma),
            PosteriorSigma::Bounded { low, high, .. } => (low, high),
        };
        for sigma in rows(posterior.sigma()).concat() {
            assert!((low * 0.9999..=high * 1.0001).contains(&sigma), "{sigma}");
        }
    }
}

#[test]
fn all_layers_and_architectures_keep_their_constants() {
    for layers in [LipschitzLayers::Bjorck, LipschitzLayers::Aol] {
        for architecture in [mlp(), conv()] {
            let config = lipschitz(BOUNDED, layers);
            let trained = trained(&vae(architecture, Likelihood::Bernoulli), config, 2);
            let losses: Vec<f64> = trained.history.iter().map(|e| e.validation.total).collect();
            assert!(losses[1] < losses[0], "{layers:?}: {losses:?}");
            keeps(&trained.vae, config.constants());
        }
    }
}

#[test]
fn an_interrupted_run_resumes_to_the_same_weights() {
    let config = lipschitz(BOUNDED, LipschitzLayers::Bjorck);
    let vae = vae(mlp(), Likelihood::Bernoulli);
    let whole = trained(&vae, config, 3);
    let folder = tempfile::tempdir().unwrap();
    let mut stop = |progress: Progress| match progress {
        Progress::Step { epoch: 2, step: 5, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let start = || config.init(&vae, 3, &Device::flex()).unwrap();
    let (data, training) = (Dataset::mnist(), training(config, 3));
    let part = train(start(), &data, &training, Some(folder.path()), &mut stop).unwrap();
    assert!(part.interrupted);
    // What was not trained to the end keeps its constants as well.
    keeps(&part.vae, config.constants());
    let resumed = train(start(), &data, &training, Some(folder.path()), &mut go_on).unwrap();
    assert_eq!(resumed.vae.weights(), whole.vae.weights());
}

#[test]
fn a_model_comes_back_with_its_claims_and_false_claims_are_found_out() {
    let config = lipschitz(FIXED, LipschitzLayers::Aol);
    let trained = trained(&vae(mlp(), Likelihood::Bernoulli), config, 1).vae;
    let folder = tempfile::tempdir().unwrap();
    trained.save(folder.path()).unwrap();
    let loaded = Vae::load(folder.path(), &Device::flex()).unwrap();
    assert_eq!(loaded.lipschitz().unwrap(), trained.lipschitz().unwrap());
    assert_eq!(loaded.describe(), "784-32-16-4, Bernoulli");

    let mut weights = loaded.weights();
    let (shape, values) = weights.get("decoder.0.weight").unwrap();
    let (shape, values) = (shape.to_vec(), values.iter().map(|w| 9.0 * w).collect());
    weights.insert("decoder.0.weight", shape, values);
    let stretched = loaded.with_weights(&weights, Path::new("stretched")).unwrap();
    let message = stretched.lipschitz().unwrap_err().to_string();
    assert!(message.contains("decoder: the model claims 1.5, but"), "{message}");
}

#[test]
fn of_ordinary_vaes_sigma_has_no_constant() {
    let ordinary = vae(mlp(), Likelihood::Bernoulli).init(1, &Device::flex()).unwrap();
    assert_eq!(ordinary.claimed_lipschitz(), None);
    let message = ordinary.lipschitz().unwrap_err().to_string();
    assert_eq!(
        message,
        "no Lipschitz constants: encoder sigma: node 5 (linear) bounds no Lipschitz constant: exp of \
         what it returns is unbounded"
    );
}

#[test]
fn what_cannot_work_is_told_at_once() {
    let bad = LipschitzConfig {
        decoder: 0.0,
        encoder_mean: f64::NAN,
        sigma: PosteriorSigma::Bounded { constant: -1.0, low: 0.5, high: 0.5 },
        layers: LipschitzLayers::Bjorck,
    };
    let odd = Architecture::Mlp { hidden: vec![0], activation: Function::Relu };
    let refused = |config: LipschitzConfig, architecture| {
        let vae = vae(architecture, Likelihood::Bernoulli);
        config.init(&vae, 1, &Device::flex()).unwrap_err().to_string()
    };
    let message = refused(bad, odd);
    for part in ["decoder", "mean", "sigma must be positive", "above the lower", "hidden widths"] {
        assert!(message.contains(part), "{part} not in {message}");
    }
    let odd = Architecture::Conv { channels: vec![4, 5], hidden: 7, activation: Function::Relu };
    let message = refused(lipschitz(FIXED, LipschitzLayers::Bjorck), odd);
    assert!(message.contains("must be even, found 5"), "{message}");
    assert!(message.contains("must be even, found 7"), "{message}");
}
