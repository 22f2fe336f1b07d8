use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::bail;
use burn::tensor::Device;
use vaegis_data::Dataset;
use vaegis_vae::{
    Architecture, Checkpoint, EventFile, Likelihood, LipschitzConfig, LipschitzLayers, Losses,
    PosteriorSigma, Progress, TrainConfig, Trained, VaeConfig, check, train,
};

use super::{use_threads, writable};
use crate::arguments::{
    ArchitectureName, LayersName, LikelihoodName, TrainOptions, threads_or_all,
};
use crate::{interrupt, output, progress};

/// `vaegis train`.
pub(crate) fn run(options: &TrainOptions) -> anyhow::Result<ExitCode> {
    use_threads(threads_or_all(options.threads))?;
    let dataset = super::open(&options.data)?;
    let (vae, config) = settings(options, &dataset)?;
    if options.out.join("model.json").exists() {
        bail!("{} already holds a trained model; choose another --out", options.out.display());
    }
    let events = options.tensorboard.as_deref();
    let trained = train_into(&options.out, &vae, &config, &dataset, "training", events)?;
    let Some(trained) = trained else { return Ok(ExitCode::from(1)) };
    let best = &trained.history[trained.best_epoch - 1];
    output::print(&format!(
        "{}: ELBO {:.2} nats on the validation rows ({}), epoch {} of {}",
        options.out.display(),
        best.validation.elbo(),
        terms(&best.validation),
        trained.best_epoch,
        trained.history.len(),
    ))?;
    if config.lipschitz.is_some() {
        output::print(&constants(&trained)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The Lipschitz constants of a trained model, and what it was trained to keep.
fn constants(trained: &Trained) -> anyhow::Result<String> {
    let found: [f64; 3] = trained.vae.lipschitz()?.into();
    let names = ["decoder", "encoder mean", "encoder sigma"];
    let claimed = trained.vae.claimed_lipschitz().map(<[f64; 3]>::from).unwrap_or(found);
    let each = names.iter().zip(found).zip(claimed);
    let parts: Vec<String> = each
        .map(|((name, found), claimed)| format!("{name} {found:.4} (at most {claimed})"))
        .collect();
    Ok(format!("Lipschitz constants, from the weights: {}", parts.join(", ")))
}

/// What a loss is made of: `distortion 81.20, rate 20.13`.
fn terms(losses: &Losses) -> String {
    let parts: Vec<String> = losses
        .all()
        .filter(|(name, _)| *name != "total")
        .map(|(name, value)| format!("{} {value:.2}", name.replace('_', " ")))
        .collect();
    parts.join(", ")
}

/// Trains a model into `out`, with a bar and a line per epoch, and events for TensorBoard if there is
/// a folder for them; `None` if interrupted.
pub(crate) fn train_into(
    out: &Path,
    vae: &VaeConfig,
    config: &TrainConfig,
    dataset: &Dataset,
    name: &str,
    events: Option<&Path>,
) -> anyhow::Result<Option<Trained>> {
    let problems = [vae.problems(), config.problems()].concat();
    if !problems.is_empty() {
        return Err(vaegis_vae::Error::Config(problems).into());
    }
    let model = match &config.lipschitz {
        Some(lipschitz) => lipschitz.init(vae, config.seed, &Device::flex())?,
        None => vae.init(config.seed, &Device::flex())?,
    };
    check(&model, dataset, config)?;
    writable(out)?;
    let mut events = events.map(|folder| open_events(folder, out)).transpose()?;
    let mut unwritten = None;
    let stop = interrupt::flag();
    let bar = progress::bar(config.epochs, "epochs");
    bar.set_message(name.to_string());
    let mut epoch_started = Instant::now();
    let mut report = |progress: Progress| {
        if let (Progress::Resumed(report) | Progress::Epoch(report), Some(file)) =
            (&progress, &mut events)
            && let Err(error) = file.write(report)
        {
            unwritten = Some(error);
            return ControlFlow::Break(());
        }
        match progress {
            Progress::Resumed(_) => {}
            Progress::Step { epoch, step, steps, losses } => {
                if step == 1 {
                    epoch_started = Instant::now();
                    bar.set_position(epoch as u64 - 1);
                }
                if step % 16 == 0 || step == steps {
                    bar.set_message(format!("{name}: loss {:.1}", losses.total));
                }
            }
            Progress::Epoch(report) => {
                bar.set_position(report.epoch as u64);
                let rows = dataset.train().len() as f64 * (1.0 - config.validation);
                let line = format!(
                    "{name}: epoch {:3}/{}  loss {:8.2}  validation {:8.2} ({})  {:.0} rows/s",
                    report.epoch,
                    config.epochs,
                    report.training.total,
                    report.validation.total,
                    terms(&report.validation),
                    rows / epoch_started.elapsed().as_secs_f64(),
                );
                bar.suspend(|| output::note(&line));
            }
        }
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let trained = train(model, dataset, config, Some(out), &mut report)?;
    bar.finish_and_clear();
    if let Some(error) = unwritten {
        return Err(error.into());
    }
    if trained.interrupted && stop.load(Ordering::Relaxed) {
        output::note(&format!(
            "interrupted after epoch {}; run the same command to resume",
            trained.history.len()
        ));
        return Ok(None);
    }
    trained.save(out, vae, config, dataset.name())?;
    Ok(Some(trained))
}

/// The file for TensorBoard in `folder`: a new one, or that of the training which `out` resumes.
fn open_events(folder: &Path, out: &Path) -> anyhow::Result<EventFile> {
    let path = EventFile::path(folder);
    if path.exists() && !Checkpoint::exists(out) {
        bail!(
            "{} is of another training; choose another --tensorboard for this one",
            path.display()
        );
    }
    writable(folder)?;
    Ok(EventFile::create(folder)?)
}

fn settings(options: &TrainOptions, dataset: &Dataset) -> anyhow::Result<(VaeConfig, TrainConfig)> {
    let activation = options.activation;
    let architecture = match options.architecture {
        ArchitectureName::Mlp => Architecture::Mlp { hidden: options.hidden.clone(), activation },
        ArchitectureName::Conv => Architecture::Conv {
            channels: options.channels.clone(),
            hidden: options.hidden.first().copied().unwrap_or(0),
            activation,
        },
    };
    let likelihood = match options.likelihood {
        LikelihoodName::Bernoulli => Likelihood::Bernoulli,
        LikelihoodName::ContinuousBernoulli => Likelihood::ContinuousBernoulli,
        LikelihoodName::Gaussian => Likelihood::Gaussian { sigma: options.likelihood_sigma },
    };
    let objective = options.objective.objective()?;
    let vae = VaeConfig {
        input_shape: architecture.input_shape(dataset.shape())?,
        latent: options.latent,
        architecture,
        likelihood,
    };
    if let ([1, height, width], Architecture::Conv { .. }, [_, _] | [_, _, 1]) =
        (vae.input_shape.as_slice(), &vae.architecture, dataset.shape())
    {
        output::note(&format!(
            "data: samples {:?} are taken as images of one channel, {height} x {width}",
            dataset.shape()
        ));
    }
    let config = TrainConfig {
        objective,
        epochs: options.epochs,
        batch_size: options.batch_size,
        learning_rate: options.learning_rate,
        validation: options.validation,
        // Where epochs cannot be compared, none is better than another.
        patience: options.patience.unwrap_or(if objective.is_comparable() { 8 } else { 0 }),
        seed: options.seed,
        lipschitz: lipschitz(options)?,
    };
    Ok((vae, config))
}

/// What `--lipschitz` and `--sigma` say.
fn lipschitz(options: &TrainOptions) -> anyhow::Result<Option<LipschitzConfig>> {
    let sigma = match (options.lipschitz.len(), options.sigma.as_slice()) {
        (0, _) => return Ok(None),
        (2, []) => PosteriorSigma::Fixed { sigma: 0.1 },
        (2, &[sigma]) => PosteriorSigma::Fixed { sigma },
        (3, bounds @ ([] | [_, _])) => {
            let (low, high) = if let &[low, high] = bounds { (low, high) } else { (0.01, 1.0) };
            PosteriorSigma::Bounded { constant: options.lipschitz[2], low, high }
        }
        (2, many) => bail!(
            "--sigma {many:?}: bounds are of a learned sigma, whose Lipschitz constant is the third of \
             --lipschitz A,B,C"
        ),
        (3, other) => {
            bail!("--sigma {other:?}: with --lipschitz A,B,C sigma is learned, between two bounds")
        }
        (count, _) => bail!("--lipschitz takes A,B or A,B,C, found {count} numbers"),
    };
    Ok(Some(LipschitzConfig {
        decoder: options.lipschitz[0],
        encoder_mean: options.lipschitz[1],
        sigma,
        layers: match options.lipschitz_layers {
            LayersName::Bjorck => LipschitzLayers::Bjorck,
            LayersName::Aol => LipschitzLayers::Aol,
        },
    }))
}
