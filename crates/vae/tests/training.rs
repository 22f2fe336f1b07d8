//! Training on real data: it learns, repeats itself, stops, and resumes exactly.

use std::ops::ControlFlow;

use burn::tensor::Device;
use vaegis_data::Dataset;
use vaegis_network::ops::Function;
use vaegis_vae::{
    Architecture, BetaTcVae, BetaVae, Capacity, DipVaeI, DipVaeII, FactorVae, Likelihood,
    LipschitzConfig, LipschitzLayers, Margin, Objective, PosteriorSigma, Progress, TrainConfig,
    Vae, VaeConfig, train,
};

fn small(likelihood: Likelihood) -> Vae {
    let config = VaeConfig {
        input_shape: vec![1, 28, 28],
        latent: 4,
        architecture: Architecture::Mlp { hidden: vec![32], activation: Function::Relu },
        likelihood,
    };
    config.init(3, &Device::flex()).unwrap()
}

fn config(epochs: usize) -> TrainConfig {
    TrainConfig {
        objective: Objective::ELBO,
        epochs,
        batch_size: 256,
        learning_rate: 2e-3,
        validation: 0.1,
        patience: 0,
        seed: 9,
        lipschitz: None,
    }
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn every_likelihood_learns() {
    let data = Dataset::mnist();
    for likelihood in [
        Likelihood::Bernoulli,
        Likelihood::ContinuousBernoulli,
        Likelihood::Gaussian { sigma: 0.3 },
    ] {
        let trained = train(small(likelihood), &data, &config(3), None, &mut go_on).unwrap();
        let losses: Vec<f64> = trained.history.iter().map(|e| e.validation.total).collect();
        assert!(losses[2] < losses[0] - 1.0, "{likelihood:?}: {losses:?}");
        assert_eq!(trained.best_epoch, 3);
        assert!(trained.history[2].validation.rate > 1.0, "the latent space is used");
    }
}

/// Every objective, with strengths that a few epochs are enough for.
fn objectives() -> [Objective; 7] {
    let (lambda_od, lambda_d, warm_up) = (5.0, 5.0, 0);
    [
        Objective::ELBO,
        Objective::Capacity(Capacity { gamma: 20.0, capacity: 6.0, warm_up: 2 }),
        Objective::BetaTcVae(BetaTcVae { alpha: 1.0, beta: 6.0, gamma: 1.0, warm_up }),
        Objective::DipVaeI(DipVaeI { lambda_od, lambda_d, warm_up }),
        Objective::DipVaeII(DipVaeII { lambda_od, lambda_d, warm_up }),
        Objective::FactorVae(FactorVae {
            gamma: 5.0,
            discriminator_layers: 2,
            discriminator_width: 32,
            discriminator_learning_rate: 1e-3,
            warm_up,
        }),
        Objective::Margin(Margin { beta: 1.0, warm_up: 2, weight: 1.0 }),
    ]
}

#[test]
fn every_objective_learns_and_an_interrupted_run_resumes_to_the_same_weights() {
    let data = Dataset::mnist();
    for objective in objectives() {
        let config = TrainConfig { objective, ..config(3) };
        let vae = || small(Likelihood::Bernoulli);
        let whole = train(vae(), &data, &config, None, &mut go_on).unwrap();
        let losses: Vec<f64> = whole.history.iter().map(|e| e.validation.total).collect();
        assert!(losses[2] < losses[0] - 1.0, "{objective:?}: {losses:?}");
        for losses in whole.history.iter().flat_map(|e| [&e.training, &e.validation]) {
            assert!(losses.all().all(|(_, value)| value.is_finite()), "{losses:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        // Stop in the middle of the second epoch: that epoch is lost, the first is not.
        let mut stop = |progress: Progress| match progress {
            Progress::Step { epoch: 2, step: 5, .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let part = train(vae(), &data, &config, Some(folder.path()), &mut stop).unwrap();
        assert!(part.interrupted);
        assert_eq!(part.history.len(), 1);
        let mut told = vec![];
        let mut listen = |progress: Progress| {
            match progress {
                Progress::Resumed(report) | Progress::Epoch(report) => told.push(report),
                Progress::Step { .. } => {}
            }
            ControlFlow::Continue(())
        };
        let resumed = train(vae(), &data, &config, Some(folder.path()), &mut listen).unwrap();
        assert_eq!(told, whole.history);
        assert_eq!(resumed.history, whole.history, "{objective:?}");
        assert_eq!(resumed.vae.weights(), whole.vae.weights(), "{objective:?}");
        // A different run must not continue this one.
        let other = TrainConfig { learning_rate: 1e-3, ..config };
        let error = train(vae(), &data, &other, Some(folder.path()), &mut go_on).unwrap_err();
        assert!(error.to_string().contains("training settings"), "{error}");
    }
}

/// Both players' states are on disk: without the discriminator's, a run does not go on.
#[test]
fn a_checkpoint_without_its_discriminator_is_refused() {
    let data = Dataset::mnist();
    let config = TrainConfig { objective: objectives()[5], ..config(2) };
    for file in ["discriminator.safetensors", "discriminator.burnpack"] {
        let folder = tempfile::tempdir().unwrap();
        let mut stop = |progress: Progress| match progress {
            Progress::Epoch(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let vae = || small(Likelihood::Bernoulli);
        train(vae(), &data, &config, Some(folder.path()), &mut stop).unwrap();
        std::fs::remove_file(folder.path().join("checkpoint").join(file)).unwrap();
        let error = train(vae(), &data, &config, Some(folder.path()), &mut go_on).unwrap_err();
        assert!(error.to_string().contains(file), "{error}");
    }
}

#[test]
fn lipschitz_vaes_train_with_every_objective() {
    let lipschitz = LipschitzConfig {
        decoder: 3.0,
        encoder_mean: 2.0,
        sigma: PosteriorSigma::Bounded { constant: 1.0, low: 0.05, high: 1.0 },
        layers: LipschitzLayers::Aol,
    };
    let data = Dataset::mnist();
    let architecture = Architecture::Mlp { hidden: vec![16], activation: Function::Relu };
    let vae = VaeConfig {
        input_shape: vec![1, 28, 28],
        latent: 3,
        architecture,
        likelihood: Likelihood::Bernoulli,
    };
    for objective in objectives() {
        let config = TrainConfig { objective, lipschitz: Some(lipschitz), ..config(1) };
        let model = lipschitz.init(&vae, 1, &Device::flex()).unwrap();
        let trained = train(model, &data, &config, None, &mut go_on).unwrap();
        let [decoder, mean, sigma]: [f64; 3] = trained.vae.lipschitz().unwrap().into();
        assert!(decoder <= 3.0 && mean <= 2.0 && sigma <= 1.0, "{objective:?}");
    }
}

#[test]
fn patience_ends_a_run_that_no_longer_improves() {
    let data = Dataset::mnist();
    // Steps too small to move any weight: the first epoch stays the best.
    let config = TrainConfig { learning_rate: 1e-30, patience: 2, ..config(30) };
    let trained = train(small(Likelihood::Bernoulli), &data, &config, None, &mut go_on).unwrap();
    assert_eq!((trained.best_epoch, trained.history.len()), (1, 3));
    assert!(!trained.interrupted);
}

/// The validation terms of a last epoch.
fn last(objective: Objective, epochs: usize) -> vaegis_vae::Losses {
    let config = TrainConfig { objective, ..config(epochs) };
    let trained =
        train(small(Likelihood::Bernoulli), &Dataset::mnist(), &config, None, &mut go_on).unwrap();
    trained.history[epochs - 1].validation.clone()
}

#[test]
fn larger_beta_buys_a_smaller_rate() {
    let rate = |beta| last(Objective::BetaVae(BetaVae { beta, warm_up: 1 }), 3).rate;
    assert!(rate(8.0) < 0.7 * rate(1.0));
}

#[test]
fn margin_training_lowers_the_norm_that_margins_fall_with() {
    let log_norm = |weight| {
        last(Objective::Margin(Margin { beta: 1.0, warm_up: 3, weight }), 8).terms["log_norm"]
    };
    let (without, with) = (log_norm(0.0), log_norm(5.0));
    assert!(with < without - 0.3, "{with} {without}");
}

#[test]
fn the_rate_is_held_at_the_capacity() {
    for capacity in [3.0, 9.0] {
        let losses = last(Objective::Capacity(Capacity { gamma: 50.0, capacity, warm_up: 2 }), 4);
        assert!((losses.rate - capacity).abs() < 0.5, "{losses:?}");
    }
}

#[test]
fn a_weight_on_the_total_correlation_lowers_it() {
    let total_correlation = |beta| {
        let objective = BetaTcVae { alpha: 1.0, beta, gamma: 1.0, warm_up: 0 };
        last(Objective::BetaTcVae(objective), 5).terms["total_correlation"]
    };
    let (without, with) = (total_correlation(1.0), total_correlation(10.0));
    assert!(with < without - 0.1, "{with} {without}");
}

#[test]
fn covariances_of_latents_approach_the_identity() {
    let distance = |make: &dyn Fn(f64) -> Objective| {
        let [without, with] = [0.0, 20.0].map(|weight| {
            let terms = last(make(weight), 4).terms;
            terms["off_diagonal"] + terms["diagonal"]
        });
        assert!(with < 0.5 * without, "{with} {without}");
    };
    let warm_up = 0;
    distance(&|w| Objective::DipVaeI(DipVaeI { lambda_od: w, lambda_d: w, warm_up }));
    distance(&|w| Objective::DipVaeII(DipVaeII { lambda_od: w, lambda_d: w, warm_up }));
}

#[test]
fn bad_settings_and_data_are_refused_before_work() {
    let data = Dataset::mnist();
    let bad = TrainConfig {
        epochs: 0,
        batch_size: 0,
        learning_rate: f64::NAN,
        validation: 1.5,
        ..config(1)
    };
    let bad =
        TrainConfig { objective: Objective::BetaVae(BetaVae { beta: -1.0, warm_up: 0 }), ..bad };
    let message =
        train(small(Likelihood::Bernoulli), &data, &bad, None, &mut go_on).unwrap_err().to_string();
    for part in ["epochs", "batch size", "learning rate", "validation", "beta"] {
        assert!(message.contains(part), "{part} not in {message}");
    }
    for objective in &objectives()[2..6] {
        let single = TrainConfig { objective: *objective, batch_size: 1, ..config(1) };
        let error = train(small(Likelihood::Bernoulli), &data, &single, None, &mut go_on);
        let message = error.unwrap_err().to_string();
        assert!(message.contains("batch size must be at least 2"), "{message}");
    }
    let patient = TrainConfig { objective: objectives()[5], patience: 3, ..config(1) };
    let message = train(small(Likelihood::Bernoulli), &data, &patient, None, &mut go_on)
        .unwrap_err()
        .to_string();
    assert!(message.contains("patience must be 0, found 3"), "{message}");
    let table = Dataset::from_f32("table", vec![784], vec![2.0; 784 * 20], None).unwrap();
    let message = train(small(Likelihood::Bernoulli), &table, &config(1), None, &mut go_on)
        .unwrap_err()
        .to_string();
    assert!(message.contains("shape [784]"), "{message}");
    let shaped = Dataset::from_f32("table", vec![1, 28, 28], vec![2.0; 784 * 20], None).unwrap();
    let message = train(small(Likelihood::Bernoulli), &shaped, &config(1), None, &mut go_on)
        .unwrap_err()
        .to_string();
    assert!(message.contains("row 0 holds 2"), "{message}");
}
