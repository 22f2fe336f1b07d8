//! Training on real data: it learns, repeats itself, stops, and resumes exactly.

use std::ops::ControlFlow;

use burn::tensor::Device;
use vaegis_data::Dataset;
use vaegis_network::ops::Function;
use vaegis_vae::{
    Architecture, Likelihood, Objective, Progress, TrainConfig, Vae, VaeConfig, train,
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

#[test]
fn an_interrupted_run_resumes_to_the_same_weights() {
    let data = Dataset::mnist();
    let whole = train(small(Likelihood::Bernoulli), &data, &config(3), None, &mut go_on).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Stop in the middle of the second epoch: that epoch is lost, the first is not.
    let mut stop = |progress: Progress| match progress {
        Progress::Step { epoch: 2, step: 5, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let part =
        train(small(Likelihood::Bernoulli), &data, &config(3), Some(folder.path()), &mut stop)
            .unwrap();
    assert!(part.interrupted);
    assert_eq!(part.history.len(), 1);
    let resumed =
        train(small(Likelihood::Bernoulli), &data, &config(3), Some(folder.path()), &mut go_on)
            .unwrap();
    assert_eq!(resumed.history, whole.history);
    assert_eq!(resumed.vae.weights(), whole.vae.weights());
    // A different run must not continue this one.
    let other = TrainConfig { learning_rate: 1e-3, ..config(3) };
    let error = train(small(Likelihood::Bernoulli), &data, &other, Some(folder.path()), &mut go_on)
        .unwrap_err();
    assert!(error.to_string().contains("training settings"), "{error}");
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

#[test]
fn larger_beta_buys_a_smaller_rate() {
    let data = Dataset::mnist();
    let rate = |beta| {
        let objective = Objective::BetaVae { beta, warm_up: 1 };
        let config = TrainConfig { objective, ..config(3) };
        let trained =
            train(small(Likelihood::Bernoulli), &data, &config, None, &mut go_on).unwrap();
        trained.history[2].validation.rate
    };
    assert!(rate(8.0) < 0.7 * rate(1.0));
}

#[test]
fn margin_training_lowers_the_norm_that_margins_fall_with() {
    let data = Dataset::mnist();
    let log_norm = |weight| {
        let objective = Objective::Margin { beta: 1.0, warm_up: 3, weight };
        let config = TrainConfig { objective, ..config(8) };
        let trained =
            train(small(Likelihood::Bernoulli), &data, &config, None, &mut go_on).unwrap();
        trained.history[7].validation.log_norm
    };
    let (without, with) = (log_norm(0.0), log_norm(5.0));
    assert!(with < without - 0.3, "{with} {without}");
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
    let bad = TrainConfig { objective: Objective::BetaVae { beta: -1.0, warm_up: 0 }, ..bad };
    let message =
        train(small(Likelihood::Bernoulli), &data, &bad, None, &mut go_on).unwrap_err().to_string();
    for part in ["epochs", "batch size", "learning rate", "validation", "beta"] {
        assert!(message.contains(part), "{part} not in {message}");
    }
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
