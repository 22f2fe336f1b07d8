//! What a run needs to go on after a kill, on disk.
//!
//! ```text
//! checkpoint/
//!   state.json              identity of the run, history, best epoch
//!   current/                the model after the last epoch
//!   best/                   the model of the best epoch
//!   optimiser.burnpack      Adam's moments
//!   discriminator.*         of a FactorVAE: the discriminator's weights and moments
//! ```
//! A new checkpoint is written beside the old one and takes its place by renaming,
//! so at every moment one of the two is whole.

use std::fs;
use std::path::{Path, PathBuf};

use burn::optim::{ModuleOptimizer, OptimizerRecord};
use serde::{Deserialize, Serialize};
use vaegis_data::Dataset;

use super::adversary::Adversary;
use super::{EpochReport, TrainConfig};
use crate::{Error, Objective, Vae};

/// Training between two epochs.
#[derive(Debug)]
pub struct Checkpoint {
    pub(super) vae: Vae,
    pub(super) best: Vae,
    pub(super) best_epoch: usize,
    pub(super) history: Vec<EpochReport>,
    pub(super) optimiser: Option<OptimizerRecord>,
    pub(super) adversary: Option<Adversary>,
}

/// What must agree for a checkpoint to be resumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    config: TrainConfig,
    data: String,
    encoder: vaegis_network::NetworkConfig,
    decoder: vaegis_network::NetworkConfig,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    identity: Identity,
    best_epoch: usize,
    history: Vec<EpochReport>,
}

impl Identity {
    pub(super) fn of(vae: &Vae, config: &TrainConfig, dataset: &Dataset) -> Self {
        // Training longer than first asked for is a continuation, not another run.
        let config = TrainConfig { epochs: 0, ..config.clone() };
        Self {
            config,
            data: dataset.fingerprint(),
            encoder: vae.encoder().config(),
            decoder: vae.decoder().config(),
        }
    }
}

impl Checkpoint {
    /// Training before its first epoch.
    ///
    /// # Errors
    /// If what the objective learns beside the VAE cannot be made.
    pub(super) fn start(vae: &Vae, config: &TrainConfig) -> Result<Self, Error> {
        let device = vae.encoder().device();
        Ok(Self {
            vae: vae.clone(),
            best: vae.clone(),
            best_epoch: 0,
            history: vec![],
            optimiser: None,
            adversary: Adversary::of(config.objective, vae.latent(), config.seed, &device)?,
        })
    }

    /// Whether there is a checkpoint in `folder`.
    pub fn exists(folder: &Path) -> bool {
        current(folder).exists() || previous(folder).exists()
    }

    /// Removes the checkpoint of a finished run.
    ///
    /// # Errors
    /// Names the folder that could not be removed.
    pub fn remove(folder: &Path) -> Result<(), Error> {
        for path in [current(folder), previous(folder), next(folder)] {
            if path.exists() {
                fs::remove_dir_all(&path).map_err(Error::io(&path))?;
            }
        }
        Ok(())
    }

    /// The last whole checkpoint in `folder`; if there is none, training as it is.
    ///
    /// # Errors
    /// If there is one of another run, or it is damaged.
    pub(super) fn resume(self, folder: &Path, wanted: &Identity) -> Result<Self, Error> {
        let Some(path) = [current(folder), previous(folder)].into_iter().find(|path| path.exists())
        else {
            return Ok(self);
        };
        let file = path.join("state.json");
        let text = fs::read_to_string(&file).map_err(Error::io(&file))?;
        let state: State =
            serde_json::from_str(&text).map_err(|error| Error::format(&file, error))?;
        if state.identity != *wanted {
            let mut differs = vec![];
            if state.identity.config != wanted.config {
                differs.push("training settings");
            }
            if state.identity.data != wanted.data {
                differs.push("data");
            }
            if (&state.identity.encoder, &state.identity.decoder)
                != (&wanted.encoder, &wanted.decoder)
            {
                differs.push("architecture");
            }
            let reason = format!(
                "belongs to a run with other {}; remove it or choose another folder",
                differs.join(", ")
            );
            return Err(Error::format(&path, reason));
        }
        let device = self.vae.encoder().device();
        let record = path.join("optimiser.burnpack");
        let optimiser =
            OptimizerRecord::load(&record).map_err(|error| Error::format(&record, error))?;
        Ok(Self {
            vae: super::numbered(Vae::load(&path.join("current"), &device)?),
            best: Vae::load(&path.join("best"), &device)?,
            best_epoch: state.best_epoch,
            history: state.history,
            optimiser: Some(optimiser),
            adversary: self.adversary.map(|adversary| adversary.load(&path)).transpose()?,
        })
    }

    pub(super) fn save(
        &self,
        folder: &Path,
        optimiser: &ModuleOptimizer,
        identity: &Identity,
    ) -> Result<(), Error> {
        let (new, now, old) = (next(folder), current(folder), previous(folder));
        if new.exists() {
            fs::remove_dir_all(&new).map_err(Error::io(&new))?;
        }
        for (vae, name) in [(&self.vae, "current"), (&self.best, "best")] {
            let path = new.join(name);
            fs::create_dir_all(&path).map_err(Error::io(&path))?;
            vae.save(&path)?;
        }
        let record = new.join("optimiser.burnpack");
        optimiser.save(&record).map_err(|error| Error::format(&record, error))?;
        if let Some(adversary) = &self.adversary {
            adversary.save(&new)?;
        }
        let state = State {
            identity: identity.clone(),
            best_epoch: self.best_epoch,
            history: self.history.clone(),
        };
        let file = new.join("state.json");
        let text = serde_json::to_string_pretty(&state).expect("states have string keys");
        fs::write(&file, text).map_err(Error::io(&file))?;
        if now.exists() {
            if old.exists() {
                fs::remove_dir_all(&old).map_err(Error::io(&old))?;
            }
            fs::rename(&now, &old).map_err(Error::io(&old))?;
        }
        fs::rename(&new, &now).map_err(Error::io(&now))?;
        if old.exists() {
            fs::remove_dir_all(&old).map_err(Error::io(&old))?;
        }
        Ok(())
    }

    /// Appends an epoch, and keeps its weights if they are the best so far. Epochs
    /// before the end of a warm-up never count as best unless there is nothing else, and where
    /// epochs cannot be compared, the last counts.
    pub(super) fn record(&mut self, report: EpochReport, objective: Objective) {
        let best = self.history.iter().find(|past| past.epoch == self.best_epoch);
        let improves = best.is_none_or(|best| {
            !objective.is_comparable()
                || !objective.is_settled(best.epoch)
                || report.validation.total < best.validation.total
        });
        if improves {
            self.best = self.vae.clone();
            self.best_epoch = report.epoch;
        }
        self.history.push(report);
    }

    pub(super) fn is_stale(&self, config: &TrainConfig) -> bool {
        let epoch = self.history.len();
        let settled = config.objective.is_settled(self.best_epoch);
        config.patience > 0 && settled && epoch >= self.best_epoch + config.patience
    }
}

fn current(folder: &Path) -> PathBuf {
    folder.join("checkpoint")
}

fn previous(folder: &Path) -> PathBuf {
    folder.join("checkpoint.old")
}

fn next(folder: &Path) -> PathBuf {
    folder.join("checkpoint.new")
}
