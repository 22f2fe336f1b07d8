//! Attacks at given norms on many points.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;
use vaegis_robustness::attack::Attack;
use vaegis_robustness::scores::{Distortion, DistortionCurve};
use vaegis_robustness::trial::{
    Attempt, Found, Trial, TrialSettings, judge, trial, universal_perturbations,
};
use vaegis_robustness::{Model, Point};
use vaegis_vae::Noise;

use crate::config::problems_of;
use crate::schema::{AttackRow, Status};
use crate::store::{Perturbation, write_attacks};
use crate::{Error, Execution, Progress, Subject, workers};

/// Everything that decides the results of attacks at given norms.
#[derive(Debug, Clone, Serialize)]
pub struct TrialConfig {
    /// Name of the model in the results.
    pub model: String,
    /// Name of the data set.
    pub dataset: String,
    /// Seed of all noise.
    pub seed: u64,
    /// Error probability of limits.
    pub alpha: f64,
    /// [`fingerprint`](crate::fingerprint) of the model.
    pub model_hash: String,
    /// Fingerprint of the data set.
    pub data_hash: String,
    /// Rows of the data for which one universal perturbation is found; without them, every point
    /// has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub universal: Option<Vec<usize>>,
    /// Norms, attacks and what they may change.
    #[serde(flatten)]
    pub settings: TrialSettings,
}

/// What was tried on one point.
#[derive(Debug)]
pub struct PointTrial {
    /// The point's row in the data set.
    pub index: usize,
    /// What was found, or why the point could not be attacked.
    pub outcome: Result<Trial, String>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl TrialConfig {
    /// Refuses what cannot work, all problems at once, before any work starts.
    ///
    /// # Errors
    /// Lists every problem.
    pub fn check(&self, subject: Subject<'_>, execution: Execution) -> Result<(), Error> {
        let TrialSettings { sizes, draws, domain, attacks, aim, .. } = &self.settings;
        let mut problems = subject.problems(&self.dataset, domain, execution);
        if let Some(points) = &self.universal {
            let subject = Subject { points, ..subject };
            for problem in subject.problems(&self.dataset, domain, execution) {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        problems.extend(problems_of(attacks, aim.as_ref()));
        for size in sizes {
            if !(*size > 0.0 && size.is_finite()) {
                problems.push(format!("sizes must be positive numbers, found {size}"));
            }
        }
        if sizes.is_empty() || !sizes.is_sorted_by(|a, b| a < b) {
            problems.push("sizes must rise, and there must be one".to_string());
        }
        if *draws < 2 {
            problems.push(format!("draws must be at least 2, found {draws}"));
        }
        if !(self.alpha > 0.0 && self.alpha < 0.5) {
            problems.push(format!("alpha must lie between 0 and 1/2, found {}", self.alpha));
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Config(problems)) }
    }
}

/// Attacks every point of `subject`, or judges `universal` perturbations at each; the results are
/// ordered as the points are. Setting `stop` ends the run after the points in flight: those not
/// attacked are missing.
///
/// # Errors
/// Lists everything that is wrong with the configuration. A point that fails is among the results
/// and the run goes on.
pub fn try_points(
    subject: Subject<'_>,
    config: &TrialConfig,
    execution: Execution,
    universal: Option<&[Found]>,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<Vec<PointTrial>, Error> {
    config.check(subject, execution)?;
    let model = Model::new(subject.vae);
    let noise = Noise::new(config.seed);
    let work = |index: usize| {
        let started = Instant::now();
        let x = subject.dataset.row(index);
        let point = Point::new(index as u64, &x);
        let outcome = match universal {
            Some(found) => {
                let found: Vec<Found> = found.iter().map(|found| at(found, &x)).collect();
                judge(&model, &noise, point, &config.settings, &found)
            }
            None => trial(&model, &noise, point, &config.settings),
        };
        let outcome = outcome.map_err(|error| error.to_string());
        PointTrial { index, outcome, seconds: started.elapsed().as_secs_f64() }
    };
    let mut progress = Progress { done: 0, total: subject.points.len(), resumed: 0, failed: 0 };
    report(progress);
    let mut trials = Vec::with_capacity(subject.points.len());
    workers::share(model.point_bytes(), subject.points, execution, stop, work, |results| {
        for tried in results {
            progress.done += 1;
            progress.failed += usize::from(tried.outcome.is_err());
            trials.push(tried);
            report(progress);
        }
        Ok(())
    })?;
    let position = |tried: &PointTrial| subject.points.iter().position(|&at| at == tried.index);
    trials.sort_by_key(position);
    Ok(trials)
}

/// The universal perturbations for the rows that `config` names; `None` if `stop` was set before
/// they were found.
///
/// # Errors
/// Lists everything that is wrong with the configuration, or says which quantity is not finite.
pub fn find_universal(
    subject: Subject<'_>,
    config: &TrialConfig,
    execution: Execution,
    rows: &[usize],
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<Option<Vec<Found>>, Error> {
    config.check(subject, execution)?;
    let model = Model::new(subject.vae);
    let inputs: Vec<_> = rows.iter().map(|&row| subject.dataset.row(row)).collect();
    let points: Vec<Point<'_>> =
        rows.iter().zip(&inputs).map(|(&row, x)| Point::new(row as u64, x)).collect();
    let mut watch = |done, total| {
        report(Progress { done, total, resumed: 0, failed: 0 });
        !stop.load(Ordering::Relaxed)
    };
    let noise = Noise::new(config.seed);
    match universal_perturbations(&model, &noise, &points, &config.settings, &mut watch) {
        Ok(found) => Ok(Some(found)),
        Err(vaegis_robustness::Error::Interrupted) => Ok(None),
        Err(error) => Err(Error::Universal(error)),
    }
}

/// A universal perturbation at x.
fn at(found: &Found, x: &[f32]) -> Found {
    let perturbed = x.iter().zip(&found.perturbed).map(|(x, d)| x + d).collect();
    Found { perturbed, by: format!("universal {}", found.by), ..found.clone() }
}

/// The rows of all trials.
pub fn rows(subject: Subject<'_>, config: &TrialConfig, trials: &[PointTrial]) -> Vec<AttackRow> {
    let mut rows = vec![];
    for tried in trials {
        let empty = AttackRow {
            model: config.model.clone(),
            index: tried.index as i64,
            label: subject.dataset.label(tried.index),
            norm: config.settings.domain.norm.to_string(),
            r#box: config.settings.domain.bounds.to_string(),
            seconds: tried.seconds,
            ..AttackRow::default()
        };
        match &tried.outcome {
            Ok(trial) => {
                rows.extend(
                    trial
                        .attempts
                        .iter()
                        .map(|attempt| row(empty.clone(), trial, attempt, config.alpha)),
                );
            }
            Err(message) => rows.push(AttackRow {
                status: Status::Failed,
                message: Some(message.clone()),
                ..empty
            }),
        }
    }
    rows
}

fn row(empty: AttackRow, trial: &Trial, attempt: &Attempt, alpha: f64) -> AttackRow {
    let scores = &attempt.scores;
    let interval = scores.within.map(|within| within.interval(alpha));
    AttackRow {
        attack: Some(attempt.attack.goal.to_string()),
        through: Some(attempt.attack.through.to_string()),
        optimiser: Some(attempt.attack.optimiser.to_string()),
        start: Some(attempt.by.clone()),
        size: Some(attempt.size),
        length: Some(attempt.perturbation.norm),
        value: Some(attempt.value),
        value_at_rest: Some(attempt.value_at_rest),
        damage: Some(scores.damage),
        damage_at_rest: Some(trial.at_rest.damage),
        r: trial.r,
        p: scores.within.map(|within| within.estimate()),
        p_low: interval.map(|(low, _)| low),
        p_high: interval.map(|(_, high)| high),
        kl: Some(scores.kl),
        symmetric_kl: Some(scores.symmetric_kl),
        degradation: Some(scores.degradation),
        psnr: scores.psnr,
        ssim: scores.ssim,
        ms_ssim: scores.ms_ssim,
        aim_size: trial.distances.map(|distances| distances.inputs),
        aim_distance_of_target: trial.distances.map(|distances| distances.target),
        aim_distance: scores.aim_distance,
        aim_distance_at_rest: trial.at_rest.aim_distance,
        auddc: area(trial, &attempt.attack),
        ..empty
    }
}

/// The area under the distortion-distortion curve of an attack and its rivals.
fn area(trial: &Trial, attack: &Attack) -> Option<f64> {
    if !attack.goal.is_targeted() {
        return None;
    }
    let of_goal = trial.attempts.iter().filter(|attempt| attempt.attack.is_rival(attack));
    let attacks: Option<Vec<Distortion>> = of_goal
        .map(|at| Some(Distortion { input: at.perturbation.norm, output: at.scores.aim_distance? }))
        .collect();
    Some(DistortionCurve::new(&attacks?, &trial.distances?)?.area())
}

/// Writes `attack.toml`, which says what was asked for, `attacks.parquet` and
/// `perturbations.safetensors` into a folder. A perturbation is the tensor `INDEX/QUESTION/SIZE`,
/// see [`Attack::question`].
///
/// # Errors
/// Names the file that could not be written.
pub fn write(
    folder: &Path,
    subject: Subject<'_>,
    config: &TrialConfig,
    trials: &[PointTrial],
) -> Result<Vec<AttackRow>, Error> {
    let rows = rows(subject, config, trials);
    let mut perturbations = vec![];
    for tried in trials {
        for attempt in tried.outcome.iter().flat_map(|trial| &trial.attempts) {
            perturbations.push(Perturbation {
                index: tried.index as i64,
                radius: format!("{}/{}", attempt.attack.question(), attempt.size),
                values: attempt.perturbation.d.clone(),
                shape: subject.dataset.shape().to_vec(),
            });
        }
    }
    write_attacks(folder, config, &rows, &perturbations)?;
    Ok(rows)
}
