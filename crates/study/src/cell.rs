//! One model of a study, from training to scores, in a folder of its own.
//!
//! ```text
//! cells/mnist-mlp-beta-vae-beta-4-seed-0/
//!   cell.toml      everything that decides what follows
//!   model/         as `vaegis train` writes it
//!   audit/         as `vaegis audit` writes it
//!   attacks/       as `vaegis attack --out` writes it: each size through each pathway
//!   scores.json    as `vaegis score --json` prints it
//!   cell.json      written last: the model is done
//! ```

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vaegis_audit::store::{settle, write};
use vaegis_audit::{
    AuditConfig, Execution, Subject, TrialConfig, audit, fingerprint, finish, try_points,
    write_trials,
};
use vaegis_data::Dataset;
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::Pathway;
use vaegis_robustness::trial::TrialSettings;
use vaegis_robustness::{Certification, Domain, Radius, Settings};
use vaegis_vae::{TrainConfig, Vae, VaeConfig, check, train};

use crate::schema::Cell;
use crate::scores::{Scores, score};
use crate::{Error, Grid, PlannedCell};

/// Name of the file that says what decides a model's results.
const SETTINGS: &str = "cell.toml";

/// What remains to be done of a model, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Epochs.
    Training,
    /// Points.
    Auditing,
    /// Points.
    Attacking,
    /// All at once.
    Scoring,
}

impl Stage {
    /// The share of a model's time that is over when a stage begins, about.
    fn begins(self) -> f64 {
        match self {
            Self::Training => 0.0,
            Self::Auditing => 0.35,
            Self::Attacking => 0.5,
            Self::Scoring => 0.95,
        }
    }

    /// And that which is over when it ends.
    fn ends(self) -> f64 {
        match self {
            Self::Training => Self::Auditing.begins(),
            Self::Auditing => Self::Attacking.begins(),
            Self::Attacking => Self::Scoring.begins(),
            Self::Scoring => 1.0,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Auditing => "auditing",
            Self::Attacking => "attacking",
            Self::Scoring => "scoring",
        }
    }
}

/// Everything that decides the results of one model.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Job {
    /// Which model.
    pub cell: Cell,
    /// Fingerprint of its data.
    data_hash: String,
    /// How it is trained.
    training: TrainConfig,
    /// What it is.
    model: VaeConfig,
    /// How it is judged.
    points: usize,
    rows: usize,
    seed: u64,
    sizes: Vec<f64>,
    settings: Settings,
}

/// What `cell.json` says: the model is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which model.
    pub cell: Cell,
    /// Whether it is the plain VAE that others are compared with.
    pub plain: bool,
    /// Epochs that were trained.
    pub epochs: usize,
    /// Its scores.
    pub scores: Scores,
    /// Seconds that this took, those of earlier runs not counted.
    pub seconds: f64,
}

impl Record {
    /// Name of its file.
    pub const FILE: &'static str = "cell.json";

    /// The record of a model that is done, if it is.
    ///
    /// # Errors
    /// Names the file that cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(Self::FILE);
        let unreadable = |reason: String| Error::File { path: path.clone(), reason };
        match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(error.to_string())),
            Ok(text) => {
                serde_json::from_str(&text).map(Some).map_err(|error| unreadable(error.to_string()))
            }
        }
    }
}

impl Job {
    /// What a grid asks of one of its models.
    ///
    /// # Errors
    /// Lists what cannot work.
    pub(crate) fn new(
        grid: &Grid,
        planned: &PlannedCell,
        dataset: &Dataset,
    ) -> Result<Self, Error> {
        let data = &grid.data[planned.data];
        let (training, judging) = (&grid.training, &grid.audit);
        let architecture =
            grid.architecture[planned.architecture].architecture().map_err(Error::problem)?;
        let radii = data.radii.iter().map(|radius| radius.parse::<Radius>());
        let radii = radii.collect::<Result<Vec<_>, _>>();
        let radii = radii.map_err(|error| Error::problem(error.to_string()))?;
        let job = Self {
            cell: planned.cell.clone(),
            data_hash: dataset.fingerprint(),
            training: TrainConfig {
                objective: planned.objective,
                epochs: data.epochs.unwrap_or(training.epochs),
                batch_size: training.batch_size,
                learning_rate: training.learning_rate,
                validation: training.validation,
                patience: 0,
                seed: planned.cell.seed,
                lipschitz: None,
            },
            model: VaeConfig {
                input_shape: architecture.input_shape(dataset.shape())?,
                latent: training.latent,
                architecture,
                likelihood: training.likelihood,
            },
            points: data.points.unwrap_or(judging.points),
            rows: judging.rows,
            seed: judging.seed,
            sizes: data.sizes.clone(),
            settings: Settings {
                radii,
                draws: judging.draws,
                alpha: judging.alpha,
                domain: Domain::l2(dataset.value_range().into()),
                attacks: vec![Attack::default()],
                certify: judging.certify.then_some(Certification {
                    alpha: judging.alpha,
                    tightness: Certification::TIGHTNESS,
                }),
                aim: None,
            },
        };
        job.check(dataset)?;
        Ok(job)
    }

    /// Refuses what cannot work before any work.
    fn check(&self, dataset: &Dataset) -> Result<(), Error> {
        let problems = [self.model.problems(), self.training.problems()].concat();
        if !problems.is_empty() {
            return Err(Error::Problems(problems));
        }
        let vae = self.model.init(self.training.seed, &Device::flex())?;
        check(&vae, dataset, &self.training)?;
        let test = dataset.test().len();
        if self.points > test || self.rows > test {
            return Err(Error::problem(format!(
                "data {}: {} points and {} rows are asked for, there are {test} test rows",
                self.cell.data, self.points, self.rows
            )));
        }
        let points = self.points(dataset);
        let subject = Subject { vae: &vae, dataset, points: &points, transfer_from: None };
        let execution = Execution { threads: 1, memory: usize::MAX, retry_failed: false };
        self.audit_config("", &vae, dataset).check(subject, execution)?;
        self.trial_config("", &vae, dataset).check(subject, execution)?;
        Ok(())
    }

    fn points(&self, dataset: &Dataset) -> Vec<usize> {
        dataset.test().take(self.points).collect()
    }

    fn audit_config(&self, name: &str, vae: &Vae, dataset: &Dataset) -> AuditConfig {
        AuditConfig {
            model: name.to_string(),
            description: format!("{}, {}", self.training.objective.describe(), vae.describe()),
            model_hash: fingerprint(vae),
            dataset: dataset.name().to_string(),
            data_hash: self.data_hash.clone(),
            points: self.points.to_string(),
            seed: self.seed,
            transfer: None,
            settings: self.settings.clone(),
        }
    }

    fn trial_config(&self, name: &str, vae: &Vae, dataset: &Dataset) -> TrialConfig {
        let through = |through| Attack { through, ..Attack::default() };
        let Settings { draws, alpha, domain, .. } = self.settings.clone();
        TrialConfig {
            model: name.to_string(),
            dataset: dataset.name().to_string(),
            seed: self.seed,
            alpha,
            model_hash: fingerprint(vae),
            data_hash: self.data_hash.clone(),
            universal: None,
            settings: TrialSettings {
                sizes: self.sizes.clone(),
                radius: None,
                draws,
                picture: None,
                range: dataset.value_range(),
                domain,
                attacks: Pathway::ALL.map(through).to_vec(),
                aim: None,
            },
        }
    }

    /// Refuses a folder that holds a model with other settings.
    pub(crate) fn check_folder(&self, folder: &Path) -> Result<(), Error> {
        if folder.join(SETTINGS).exists() { Ok(settle(folder, SETTINGS, self)?) } else { Ok(()) }
    }

    /// Does what is not done yet; `None` if `stop` was set before the end.
    ///
    /// `progress` is told the stage and the share of all the work that is done.
    ///
    /// # Errors
    /// If the folder is of another configuration, the training diverges, or a file cannot be
    /// written.
    pub(crate) fn run(
        &self,
        folder: &Path,
        dataset: &Dataset,
        execution: Execution,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Stage, f64),
    ) -> Result<Option<Record>, Error> {
        settle(folder, SETTINGS, self)?;
        if let Some(record) = Record::read(folder)? {
            return Ok(Some(record));
        }
        let started = Instant::now();
        let mut within = |stage: Stage, share: f64| {
            progress(stage, stage.begins() + share * (stage.ends() - stage.begins()));
        };
        let Some(vae) = self.train(&folder.join("model"), dataset, stop, &mut within)? else {
            return Ok(None);
        };
        let points = self.points(dataset);
        let subject = Subject { vae: &vae, dataset, points: &points, transfer_from: None };
        let name = folder.file_name().map_or_else(String::new, |at| at.to_string_lossy().into());

        let config = self.audit_config(&name, &vae, dataset);
        let mut report = |at: vaegis_audit::Progress| {
            let done = (at.resumed + at.done) as f64;
            within(Stage::Auditing, done / points.len() as f64);
        };
        let outcome = audit(subject, &config, execution, &folder.join("audit"), stop, &mut report)?;
        if outcome.interrupted {
            return Ok(None);
        }
        finish(&outcome.writer, subject, &config)?;

        let attacks = folder.join("attacks");
        if !attacks.join("attacks.parquet").exists() {
            let config = self.trial_config(&name, &vae, dataset);
            let mut report = |at: vaegis_audit::Progress| {
                within(Stage::Attacking, at.done as f64 / at.total as f64);
            };
            let trials = try_points(subject, &config, execution, None, stop, &mut report)?;
            if trials.len() < points.len() {
                return Ok(None);
            }
            std::fs::create_dir_all(&attacks).map_err(|error| Error::File {
                path: attacks.clone(),
                reason: error.to_string(),
            })?;
            write_trials(&attacks, subject, &config, &trials)?;
        }

        within(Stage::Scoring, 0.0);
        let rows: Vec<usize> = dataset.test().take(self.rows).collect();
        let record = Record {
            cell: self.cell.clone(),
            plain: crate::grid::is_plain(self.training.objective),
            epochs: self.training.epochs,
            scores: score(&vae, dataset, &rows, self.seed)?,
            seconds: started.elapsed().as_secs_f64(),
        };
        write_json(&folder.join("scores.json"), &record.scores)?;
        write_json(&folder.join(Record::FILE), &record)?;
        within(Stage::Scoring, 1.0);
        Ok(Some(record))
    }

    fn train(
        &self,
        folder: &Path,
        dataset: &Dataset,
        stop: &AtomicBool,
        within: &mut dyn FnMut(Stage, f64),
    ) -> Result<Option<Vae>, Error> {
        if folder.join("model.json").exists() {
            return Ok(Some(Vae::load(folder, &Device::flex())?));
        }
        let epochs = self.training.epochs as f64;
        let mut report = |progress| {
            match progress {
                vaegis_vae::Progress::Step { epoch, step, steps, .. } => {
                    let done = (epoch - 1) as f64 + step as f64 / steps as f64;
                    within(Stage::Training, done / epochs);
                }
                vaegis_vae::Progress::Resumed(at) | vaegis_vae::Progress::Epoch(at) => {
                    within(Stage::Training, at.epoch as f64 / epochs);
                }
            }
            if stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        std::fs::create_dir_all(folder).map_err(|error| Error::File {
            path: folder.to_path_buf(),
            reason: error.to_string(),
        })?;
        let vae = self.model.init(self.training.seed, &Device::flex())?;
        let trained = train(vae, dataset, &self.training, Some(folder), &mut report)?;
        if trained.interrupted {
            return Ok(None);
        }
        trained.save(folder, &self.model, &self.training, dataset.name())?;
        Ok(Some(trained.vae))
    }
}

fn write_json(path: &Path, content: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(content)
        .map_err(|error| Error::File { path: path.to_path_buf(), reason: error.to_string() })?;
    Ok(write(path, text.as_bytes())?)
}
