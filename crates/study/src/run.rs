//! A study on one machine: jobs take models in order, whatever is done is skipped.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use vaegis_audit::Execution;
use vaegis_audit::store::lock;
use vaegis_data::Dataset;

use crate::cell::{Job, Stage};
use crate::{Error, Grid};

/// Folder of the models within that of the study.
pub const CELLS: &str = "cells";

/// A part of a study's models: every `of`-th, from the `number`-th on, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

impl Shard {
    /// All models.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    fn holds(self, place: usize) -> bool {
        place % self.of == self.number - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    /// `2/4`.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.trim().parse().ok()?, of.trim().parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err(format!("expected a part such as 2/4, from 1/4 to 4/4, found {text:?}")),
        }
    }
}

/// A study that can run: its data are open, and every model was checked.
#[derive(Debug)]
pub struct Plan {
    /// The grid.
    pub grid: Grid,
    datasets: Vec<Dataset>,
    jobs: BTreeMap<usize, (String, Job)>,
}

/// What a running study tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// How far a model is: share of all its work.
    Working {
        /// Name of its folder.
        model: String,
        /// What is being done.
        stage: Stage,
        /// From 0 to 1.
        share: f64,
    },
    /// A model is done; `seconds` of work in this run, none if it was done before.
    Done {
        /// Name of its folder.
        model: String,
        /// Seconds of work, if any.
        seconds: Option<f64>,
    },
    /// A model cannot be had.
    Failed {
        /// Name of its folder.
        model: String,
        /// Why.
        reason: String,
    },
    /// Another process works on a model.
    Elsewhere {
        /// Name of its folder.
        model: String,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Models that are done.
    pub done: usize,
    /// Models that cannot be had, and why.
    pub failed: Vec<(String, String)>,
    /// Models that another process works on.
    pub elsewhere: Vec<String>,
    /// Whether `stop` ended it early; run again to resume.
    pub interrupted: bool,
}

impl Plan {
    /// Opens all data and checks every model before any work.
    ///
    /// # Errors
    /// Lists everything that cannot work.
    pub fn new(grid: Grid, open: &dyn Fn(&str) -> Result<Dataset, Error>) -> Result<Self, Error> {
        let mut problems = vec![];
        let mut datasets = vec![];
        for data in &grid.data {
            match open(data.source()) {
                Ok(dataset) => datasets.push(dataset),
                Err(error) => problems.push(format!("data {}: {error}", data.name)),
            }
        }
        let mut jobs = BTreeMap::new();
        if problems.is_empty() {
            for (place, planned) in grid.cells().into_iter().enumerate() {
                match Job::new(&grid, &planned, &datasets[planned.data]) {
                    Ok(job) => drop(jobs.insert(place, (planned.name(), job))),
                    Err(error) => {
                        // Seeds make no difference: each problem is told once.
                        let cell = &planned.cell;
                        let problem = format!(
                            "{}, {}, {}: {error}",
                            cell.data, cell.architecture, cell.objective
                        );
                        if !problems.contains(&problem) {
                            problems.push(problem);
                        }
                    }
                }
            }
        }
        if problems.is_empty() {
            Ok(Self { grid, datasets, jobs })
        } else {
            Err(Error::Problems(problems))
        }
    }

    /// How many models a shard has.
    pub fn count(&self, shard: Shard) -> usize {
        self.jobs.keys().filter(|place| shard.holds(**place)).count()
    }

    /// Works on the models of a shard until all are done. Models are independent, so as many are
    /// worked on at once as there are threads.
    ///
    /// # Errors
    /// If models in the folder have other settings or threads cannot be had. A model that cannot be
    /// had is told and the run goes on.
    pub fn run(
        &self,
        out: &Path,
        shard: Shard,
        execution: Execution,
        stop: &AtomicBool,
        report: &mut dyn FnMut(&Event),
    ) -> Result<Outcome, Error> {
        let todo: Vec<&(String, Job)> = self
            .jobs
            .iter()
            .filter(|(place, _)| shard.holds(**place))
            .map(|(_, job)| job)
            .collect();
        check_folders(out, &todo)?;
        let workers = execution.threads.clamp(1, todo.len().max(1));
        let threads = (execution.threads / workers).max(1);
        let share = Execution { threads, memory: execution.memory / workers, ..execution };
        let pools = (0..workers)
            .map(|_| rayon::ThreadPoolBuilder::new().num_threads(threads).build())
            .collect::<Result<Vec<_>, _>>()?;
        let next = AtomicUsize::new(0);
        let work = |events: &mpsc::Sender<Event>| {
            while !stop.load(Ordering::Relaxed) {
                let Some((name, job)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    return;
                };
                let event = self.one(&out.join(CELLS).join(name), name, job, share, stop, events);
                if let Some(event) = event {
                    // The receiver outlives all workers.
                    let _ = events.send(event);
                }
            }
        };
        let mut outcome = Outcome::default();
        std::thread::scope(|scope| {
            let (sender, events) = mpsc::channel();
            for pool in &pools {
                let (sender, work) = (sender.clone(), &work);
                scope.spawn(move || pool.install(|| work(&sender)));
            }
            drop(sender);
            for event in events {
                match &event {
                    Event::Working { .. } => {}
                    Event::Done { .. } => outcome.done += 1,
                    Event::Failed { model, reason } => {
                        outcome.failed.push((model.clone(), reason.clone()));
                    }
                    Event::Elsewhere { model } => outcome.elsewhere.push(model.clone()),
                }
                report(&event);
            }
        });
        let ended = outcome.done + outcome.failed.len() + outcome.elsewhere.len();
        outcome.interrupted = ended < todo.len();
        Ok(outcome)
    }

    /// Works on one model; `None` if `stop` ended it.
    fn one(
        &self,
        folder: &Path,
        name: &str,
        job: &Job,
        execution: Execution,
        stop: &AtomicBool,
        events: &mpsc::Sender<Event>,
    ) -> Option<Event> {
        let model = name.to_string();
        let failed =
            |error: Error| Event::Failed { model: name.to_string(), reason: error.to_string() };
        if let Err(error) = std::fs::create_dir_all(folder) {
            let reason = format!("cannot create {}: {error}", folder.display());
            return Some(Event::Failed { model, reason });
        }
        // Held until this model is done, so that processes can share a folder.
        let _lock = match lock(folder) {
            Ok(lock) => lock,
            Err(vaegis_audit::store::Error::Locked { .. }) => {
                return Some(Event::Elsewhere { model });
            }
            Err(error) => return Some(failed(error.into())),
        };
        let before = crate::cell::Record::read(folder).is_ok_and(|record| record.is_some());
        let mut told = -1.0;
        let mut progress = |stage, share| {
            // A step of training takes milliseconds, and nobody reads that fast.
            if share - told >= 0.002 {
                told = share;
                let _ = events.send(Event::Working { model: name.to_string(), stage, share });
            }
        };
        let dataset = self.grid.data.iter().position(|data| data.name == job.cell.data)?;
        match job.run(folder, &self.datasets[dataset], execution, stop, &mut progress) {
            Ok(Some(record)) => {
                let seconds = (!before).then_some(record.seconds);
                Some(Event::Done { model, seconds })
            }
            Ok(None) => None,
            Err(error) => Some(failed(error)),
        }
    }
}

/// Refuses folders of models with other settings, before any work.
fn check_folders(out: &Path, jobs: &[&(String, Job)]) -> Result<(), Error> {
    let others: Vec<Error> = jobs
        .iter()
        .filter_map(|(name, job)| job.check_folder(&out.join(CELLS).join(name)).err())
        .collect();
    match others.as_slice() {
        [] => Ok(()),
        [first, others @ ..] => {
            Err(Error::Folders { first: first.to_string(), others: others.len() })
        }
    }
}
