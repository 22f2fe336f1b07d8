//! Training: shuffled mini-batches, Adam, validation, early stopping, checkpoints.
//!
//! An epoch is a pure function of the parameters, the optimiser's state and the
//! epoch's number: the order of rows and the posterior noise are counter-based. So
//! a run resumed from its last checkpoint ends where an uninterrupted one ends.

mod adam;
mod adversary;
mod checkpoint;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use vaegis_data::{Dataset, shuffled, split_validation};

pub use checkpoint::Checkpoint;

use adversary::{Adversary, permuted};

use crate::lipschitz::Parameterisation;
use crate::objective::Setting;
use crate::{Error, LipschitzConfig, Losses, Noise, Objective, Purpose, Vae, VaeConfig};

/// Epochs that are shorter share a checkpoint, so that it is a small part of the work.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Rows per batch of a validation pass.
const VALIDATION_BATCH: usize = 512;

/// How to train. Two runs with the same settings, data and initial parameters end
/// with the same weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// What to minimise.
    pub objective: Objective,
    /// Most epochs to train.
    pub epochs: usize,
    /// Rows per step.
    pub batch_size: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Share of the training rows set aside for validation.
    pub validation: f64,
    /// Stop after this many epochs without a better validation loss; 0 never stops early.
    pub patience: usize,
    /// Seed of initial weights, orders and noise.
    pub seed: u64,
    /// What the VAE is to keep by construction; for one that [`LipschitzConfig::init`] made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lipschitz: Option<LipschitzConfig>,
}

impl TrainConfig {
    /// What cannot work, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.objective.problems();
        problems.extend(self.lipschitz.iter().flat_map(LipschitzConfig::problems));
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        require(self.epochs > 0, "epochs must be at least 1".into());
        let least = if self.objective.is_aggregate() { 2 } else { 1 };
        require(
            self.batch_size >= least,
            format!("batch size must be at least {least}, found {}", self.batch_size),
        );
        require(
            self.patience == 0 || self.objective.is_comparable(),
            format!(
                "patience must be 0, found {}: losses by a discriminator that learns cannot be \
                 compared between epochs",
                self.patience
            ),
        );
        require(
            self.learning_rate > 0.0 && self.learning_rate.is_finite(),
            format!("learning rate must be positive, found {}", self.learning_rate),
        );
        require(
            self.validation > 0.0 && self.validation < 1.0,
            format!("validation share must lie between 0 and 1, found {}", self.validation),
        );
        problems
    }
}

/// What one epoch did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// Counted from 1.
    pub epoch: usize,
    /// Averages over the training rows, at the weights each batch saw.
    pub training: Losses,
    /// Averages over the validation rows after the epoch, at the final weight of the KL term.
    pub validation: Losses,
}

/// What training tells while it runs.
#[derive(Debug, Clone)]
pub enum Progress {
    /// An epoch was done before training was interrupted: told first, one by one.
    Resumed(EpochReport),
    /// A step was taken.
    Step {
        /// Counted from 1.
        epoch: usize,
        /// Steps done in this epoch.
        step: usize,
        /// Steps per epoch.
        steps: usize,
        /// The batch's losses.
        losses: Losses,
    },
    /// An epoch ended.
    Epoch(EpochReport),
}

/// A trained model: the weights of the epoch with the best validation loss, or of the last epoch
/// where [losses cannot be compared](Objective::is_comparable).
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model, ready for inference.
    pub vae: Vae,
    /// Every epoch that ran, those before a resume included.
    pub history: Vec<EpochReport>,
    /// The epoch whose weights these are.
    pub best_epoch: usize,
    /// Whether `progress` asked to stop before the end; run again to resume.
    pub interrupted: bool,
}

impl Trained {
    /// Writes the model to a folder, with a record of its training in `training.json`, and removes
    /// the checkpoint. `model.json` is written last: it says that the training is complete.
    ///
    /// # Errors
    /// Names the file that cannot be written.
    pub fn save(
        &self,
        folder: &Path,
        architecture: &VaeConfig,
        config: &TrainConfig,
        data: &str,
    ) -> Result<(), Error> {
        let record = serde_json::json!({
            "config": config,
            "architecture": architecture,
            "data": data,
            "best_epoch": self.best_epoch,
            "history": self.history,
        });
        let path = folder.join("training.json");
        let text =
            serde_json::to_string_pretty(&record).map_err(|error| Error::format(&path, error))?;
        std::fs::write(&path, text).map_err(Error::io(&path))?;
        self.vae.save(folder)?;
        Checkpoint::remove(folder)
    }
}

/// Trains `vae` on the training rows of `dataset`.
///
/// With a `folder`, there are checkpoints there: of the first epoch, and of those that end more
/// than five seconds after the last checkpoint. One of the same settings, data and architecture
/// is resumed, so that a kill loses an epoch, or at most five seconds if epochs are shorter.
///
/// # Errors
/// Lists settings that cannot work; names what does not fit between data and model,
/// files that cannot be read or written, and the epoch in which the loss diverged.
pub fn train(
    vae: Vae,
    dataset: &Dataset,
    config: &TrainConfig,
    folder: Option<&Path>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Trained, Error> {
    let (training, validation) = check(&vae, dataset, config)?;
    let parameterisation = Parameterisation::new(&vae, config.lipschitz.as_ref())?;
    let vae = numbered(parameterisation.start(vae));
    let mut state = Checkpoint::start(&vae, config)?;
    let identity = checkpoint::Identity::of(&state.vae, config, dataset);
    if let Some(folder) = folder {
        state = state.resume(folder, &identity)?;
    }
    let mut model = state.vae.clone().train();
    let mut optimiser = ModuleOptimizer::from(adam::Adam::default());
    if let Some(record) = state.optimiser.take() {
        optimiser = optimiser.load_record(record);
    }
    let noise = Noise::new(config.seed);
    let run = Run { dataset, config, parameterisation: &parameterisation, noise };

    let mut saved: Option<Instant> = None;
    let mut interrupted =
        state.history.iter().any(|report| progress(Progress::Resumed(report.clone())).is_break());
    while !interrupted && state.history.len() < config.epochs && !state.is_stale(config) {
        let epoch = state.history.len() + 1;
        let adversary = state.adversary.as_mut();
        let outcome = run.epoch(model, &mut optimiser, adversary, &training, epoch, progress)?;
        let Some((trained, losses)) = outcome else {
            interrupted = true;
            break;
        };
        model = trained;
        state.vae = model.valid();
        let validated = run.validate(&state.vae, state.adversary.as_ref(), &validation);
        if !validated.total.is_finite() {
            return Err(Error::Diverged { epoch, loss: validated.total });
        }
        let report = EpochReport { epoch, training: losses, validation: validated };
        state.record(report.clone(), config.objective);
        interrupted = progress(Progress::Epoch(report)).is_break();
        let is_due = interrupted || saved.is_none_or(|at| at.elapsed() >= CHECKPOINT_EVERY);
        if let Some(folder) = folder.filter(|_| is_due) {
            state.save(folder, &optimiser, &identity)?;
            saved = Some(Instant::now());
        }
    }
    Ok(Trained {
        vae: parameterisation.finish(&state.best),
        history: state.history,
        best_epoch: state.best_epoch,
        interrupted,
    })
}

/// Refuses what cannot work, before any work: settings, and data that do not fit the
/// model. Returns the training and the validation rows.
///
/// # Errors
/// Lists settings that cannot work; names what does not fit between data and model.
pub fn check(
    vae: &Vae,
    dataset: &Dataset,
    config: &TrainConfig,
) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let problems = config.problems();
    if !problems.is_empty() {
        return Err(Error::Config(problems));
    }
    let misfits = config.objective.misfits(vae.latent(), config.lipschitz.as_ref());
    if !misfits.is_empty() {
        return Err(Error::Config(misfits));
    }
    check_data(vae, dataset)?;
    let (training, validation) = split_validation(dataset.train(), config.validation, config.seed);
    if training.is_empty() || validation.is_empty() {
        let reason = format!(
            "a validation share of {} leaves {} of {} rows to train on and {} to validate on: too few",
            config.validation,
            training.len(),
            dataset.train().len(),
            validation.len()
        );
        return Err(Error::Data { dataset: dataset.name().to_string(), reason });
    }
    Ok((training, validation))
}

/// What all epochs of a training share.
struct Run<'a> {
    dataset: &'a Dataset,
    config: &'a TrainConfig,
    parameterisation: &'a Parameterisation,
    noise: Noise,
}

impl Run<'_> {
    /// One pass over the training rows; `None` if `progress` asked to stop.
    fn epoch(
        &self,
        mut model: Vae,
        optimiser: &mut ModuleOptimizer,
        mut adversary: Option<&mut Adversary>,
        rows: &[usize],
        epoch: usize,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Option<(Vae, Losses)>, Error> {
        let Self { config, parameterisation, .. } = *self;
        let device = model.encoder().device().autodiff();
        let order = shuffled(rows.iter().copied(), config.seed, epoch as u64);
        let steps = order.len().div_ceil(config.batch_size);
        let mut sum = Losses::default();
        for (step, batch) in order.chunks(config.batch_size).enumerate() {
            let at = (epoch as u64, (step * config.batch_size) as u64);
            let (x, eta) = self.inputs(Purpose::Training, at, batch, model.latent(), &device);
            let progressed = (epoch - 1) as f64 + step as f64 / steps as f64;
            let setting = Setting {
                warmth: config.objective.warmth_at(progressed),
                population: order.len(),
                discriminator: adversary.as_deref().map(Adversary::discriminator),
            };
            let loss = config.objective.loss(&parameterisation.apply(&model), x, eta, setting);
            let mut losses = loss.terms();
            if !losses.total.is_finite() {
                return Err(Error::Diverged { epoch, loss: losses.total });
            }
            let gradients = GradientsParams::from_grads(loss.total.backward(), &model);
            model =
                parameterisation.retract(optimiser.step(config.learning_rate, model, gradients));
            if let Some(adversary) = adversary.as_deref_mut() {
                let permuted = self.permuted(&model.valid(), &order, batch.len(), at);
                let missed = adversary.step(loss.z, permuted);
                if !missed.is_finite() {
                    return Err(Error::Diverged { epoch, loss: missed });
                }
                losses.terms.insert("discriminator_loss".to_string(), missed);
            }
            sum.add(&losses, batch.len());
            let report = Progress::Step { epoch, step: step + 1, steps, losses };
            if progress(report).is_break() {
                return Ok(None);
            }
        }
        Ok(Some((model, sum.averaged(order.len()))))
    }

    /// Losses over the validation rows, with noise that is the same in every epoch and
    /// terms at their full strength, so that epochs can be compared.
    fn validate(&self, vae: &Vae, adversary: Option<&Adversary>, rows: &[usize]) -> Losses {
        let vae = self.parameterisation.apply(vae);
        let device = vae.encoder().device();
        let objective = self.config.objective;
        let setting = Setting {
            warmth: objective.warmth_at(f64::INFINITY),
            population: rows.len(),
            discriminator: adversary.map(Adversary::discriminator),
        };
        let mut sum = Losses::default();
        for (position, batch) in rows.chunks(VALIDATION_BATCH).enumerate() {
            let at = (0, (position * VALIDATION_BATCH) as u64);
            let (x, eta) = self.inputs(Purpose::Validation, at, batch, vae.latent(), &device);
            sum.add(&objective.loss(&vae, x, eta, setting).terms(), batch.len());
        }
        sum.averaged(rows.len())
    }

    /// Draws of the product of the aggregate posterior's marginals, from the batch half an epoch
    /// from that at `at`: as `order` is random, that is another random batch.
    fn permuted(&self, vae: &Vae, order: &[usize], rows: usize, at: (u64, u64)) -> Tensor<2> {
        let device = vae.encoder().device();
        let first = at.1 as usize + order.len() / 2;
        let batch: Vec<usize> = order.iter().copied().cycle().skip(first).take(rows).collect();
        let latent = vae.latent();
        let (x, eta) = self.inputs(Purpose::Discriminator, at, &batch, latent, &device);
        let z = self.parameterisation.apply(vae).encode(x).sample(eta);
        permuted(z, &self.noise.normal(Purpose::Permutation, at.0, at.1, rows, latent))
    }

    /// A batch of data and its posterior noise, draws `at.1` and on of `at.0`.
    fn inputs(
        &self,
        purpose: Purpose,
        at: (u64, u64),
        rows: &[usize],
        latent: usize,
        device: &Device,
    ) -> (Tensor<2>, Tensor<2>) {
        let x = TensorData::new(self.dataset.rows(rows), [rows.len(), self.dataset.features()]);
        let eta = self.noise.normal(purpose, at.0, at.1, rows.len(), latent);
        let eta = TensorData::new(eta, [rows.len(), latent]);
        (Tensor::from_data(x, device), Tensor::from_data(eta, device))
    }
}

fn check_data(vae: &Vae, dataset: &Dataset) -> Result<(), Error> {
    let fail = |reason| Err(Error::Data { dataset: dataset.name().to_string(), reason });
    if !vae.takes(dataset.shape()) {
        return fail(format!(
            "rows have shape {:?}, the model takes {:?}",
            dataset.shape(),
            vae.input_shape()
        ));
    }
    if vae.likelihood().needs_unit_interval() && dataset.value_range() != Some((0.0, 1.0)) {
        for row in dataset.train() {
            if let Some(value) = dataset.row(row).iter().find(|value| !(0.0..=1.0).contains(*value))
            {
                return fail(format!(
                    "row {row} holds {value}; this likelihood needs values in [0, 1]"
                ));
            }
        }
    }
    Ok(())
}

/// `module` with parameters numbered in order, so that a checkpointed optimiser finds
/// its parameters again.
fn numbered<M: Module>(module: M) -> M {
    struct Number(u64);
    impl ModuleMapper for Number {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            Param::initialized(ParamId::from(self.0), param.into_value()).set_require_grad(true)
        }
    }
    module.map(&mut Number(0))
}
