use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Serialize;
use vaegis_robustness::assess::{Attacked, Certified};
use vaegis_robustness::certificate;
use vaegis_robustness::{
    Assessment, Model, Point, Radius, RadiusAssessment, Settings, Transferred, assess,
};
use vaegis_vae::Noise;

use crate::schema::{CurveRow, PointRow, Status};
use crate::store::{AuditFolder, AuditWriter, Part, Perturbation};
use crate::{AuditConfig, Error, Execution, Subject, workers};

/// A part is written when the oldest result in it is this old: what a kill can lose.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// A part is written when it holds this many points.
const POINTS_PER_PART: usize = 64;

/// How far an audit is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Points finished in this run.
    pub done: usize,
    /// Points to do in this run.
    pub total: usize,
    /// Points that were already in the folder.
    pub resumed: usize,
    /// Points that failed in this run.
    pub failed: usize,
}

/// How an audit ended.
#[derive(Debug)]
pub struct Outcome {
    /// The folder, ready for [`finish`](crate::finish()) unless interrupted.
    pub writer: AuditWriter,
    /// Where the run ended.
    pub progress: Progress,
    /// Whether `stop` ended it early; run again to resume.
    pub interrupted: bool,
}

/// Assesses the points of `subject` that the folder at `out` does not hold yet.
///
/// Setting `stop` ends the run after the points in flight.
///
/// # Errors
/// Lists everything that is wrong with the configuration; names what is wrong with the
/// folder. A point that fails is stored as failed and the run goes on.
pub fn audit(
    subject: Subject<'_>,
    config: &AuditConfig,
    execution: Execution,
    out: &Path,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    #[derive(Serialize)]
    struct Info {
        vaegis_version: &'static str,
        threads: usize,
    }
    config.check(subject, execution)?;
    let info = Info { vaegis_version: env!("CARGO_PKG_VERSION"), threads: execution.threads };
    let writer = AuditFolder::create(out, config, &info, execution.retry_failed)?;
    let done = writer.done()?;
    let todo: Vec<usize> =
        subject.points.iter().copied().filter(|&point| !done.contains(&(point as i64))).collect();
    let mut progress = Progress {
        done: 0,
        total: todo.len(),
        resumed: subject.points.len() - todo.len(),
        failed: 0,
    };
    report(progress);
    if todo.is_empty() || writer.is_finished() {
        return Ok(Outcome { writer, progress, interrupted: false });
    }

    let model = Model::new(subject.vae);
    let job = Job { subject, config, model: &model };
    let work = |point| job.point(point);
    let certificates = config.settings.certify.map_or(0, |_| certificate::bytes(&model));
    workers::share(model.point_bytes() + certificates, &todo, execution, stop, work, |results| {
        store(&writer, results, &mut progress, report)
    })?;
    let interrupted = progress.done < progress.total;
    Ok(Outcome { writer, progress, interrupted })
}

/// Collects results into parts and writes them.
fn store(
    writer: &AuditWriter,
    results: &mpsc::Receiver<Part>,
    progress: &mut Progress,
    report: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let mut pending = Part::default();
    let mut points = 0;
    let mut oldest = Instant::now();
    loop {
        let age = if points > 0 { oldest.elapsed() } else { Duration::ZERO };
        let result = results.recv_timeout(FLUSH_AFTER.saturating_sub(age));
        let ended = matches!(result, Err(mpsc::RecvTimeoutError::Disconnected));
        if let Ok(part) = result {
            if points == 0 {
                oldest = Instant::now();
            }
            points += 1;
            progress.done += 1;
            progress.failed +=
                usize::from(part.rows.iter().any(|row| row.status == Status::Failed));
            pending.rows.extend(part.rows);
            pending.curves.extend(part.curves);
            pending.perturbations.extend(part.perturbations);
            report(*progress);
        }
        if points > 0 && (ended || points >= POINTS_PER_PART || oldest.elapsed() >= FLUSH_AFTER) {
            writer.append(&std::mem::take(&mut pending))?;
            points = 0;
        }
        if ended {
            return Ok(());
        }
    }
}

/// What all workers share.
#[derive(Clone, Copy)]
struct Job<'a> {
    subject: Subject<'a>,
    config: &'a AuditConfig,
    model: &'a Model,
}

impl Job<'_> {
    fn point(&self, point: usize) -> Part {
        let started = Instant::now();
        let x = self.subject.dataset.row(point);
        let noise = Noise::new(self.config.seed);
        let outcome = self.transferred(point).and_then(|transferred| {
            let point = Point { index: point as u64, x: &x, transferred: &transferred };
            assess(self.model, &noise, point, &self.config.settings)
                .map_err(|error| error.to_string())
        });
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(assessment) => self.assessed(point, &assessment, seconds),
            Err(error) => {
                let settings = &self.config.settings;
                let failed = |radius: &Radius| PointRow {
                    status: Status::Failed,
                    message: Some(error.clone()),
                    ..self.row(point, radius.to_string(), seconds)
                };
                Part { rows: settings.radii.iter().map(failed).collect(), ..Part::default() }
            }
        }
    }

    /// What the other audit found for a point, radius by radius.
    fn transferred(&self, point: usize) -> Result<Vec<Option<Transferred>>, String> {
        let (Some(folder), Some(transfer)) = (self.subject.transfer_from, &self.config.transfer)
        else {
            return Ok(vec![]);
        };
        let found = |radius: &Radius| {
            let found = folder.perturbation(point as i64, &radius.to_string());
            let found = found.map_err(|error| error.to_string())?;
            Ok(found.map(|(_, d)| Transferred { from: transfer.model.clone(), d }))
        };
        self.config.settings.radii.iter().map(found).collect()
    }

    fn assessed(&self, point: usize, assessment: &Assessment, seconds: f64) -> Part {
        let mut part = Part::default();
        let Settings { radii, alpha, .. } = &self.config.settings;
        for (slot, (radius, found)) in radii.iter().zip(&assessment.radii).enumerate() {
            let radius = radius.to_string();
            let row = self.row(point, radius.clone(), seconds);
            part.rows.push(fill(row, assessment, found, *alpha));
            if let Attacked::Broken(margin, _) = &found.attacked {
                part.perturbations.push(Perturbation {
                    index: point as i64,
                    radius: radius.clone(),
                    values: margin.perturbation.d.clone(),
                    shape: self.subject.dataset.shape().to_vec(),
                });
            }
            for at in assessment.curve.iter().flat_map(|curve| &curve.points) {
                part.curves.push(CurveRow {
                    model: self.config.model.clone(),
                    index: point as i64,
                    radius: radius.clone(),
                    r: found.r,
                    perturbation_norm: at.norm,
                    damage: at.median,
                    p: at.within[slot],
                });
            }
        }
        part
    }

    /// A row that knows only what was asked.
    fn row(&self, point: usize, radius: String, seconds: f64) -> PointRow {
        PointRow {
            model: self.config.model.clone(),
            index: point as i64,
            label: self.subject.dataset.label(point),
            radius,
            r: None,
            norm: self.config.settings.domain.norm.to_string(),
            r#box: self.config.settings.domain.bounds.to_string(),
            p: None,
            p_low: None,
            p_high: None,
            p_lower_limit: None,
            draws: self.config.settings.draws as i64,
            p_linear: None,
            p_markov: None,
            sigma_min: None,
            sigma_mean: None,
            jacobian_frobenius: None,
            jacobian_spectral: None,
            whitened_jacobian_spectral: None,
            jacobian_error: None,
            bound_paper: None,
            bound_sharp: None,
            bound_paper_limit: None,
            bound_sharp_limit: None,
            certified: None,
            certified_by: None,
            certified_confidence: None,
            attacked: None,
            attacked_p: None,
            attacked_p_value: None,
            attacked_crossing: None,
            attacked_by: None,
            degradation: None,
            transferred_p: None,
            status: Status::Ok,
            message: None,
            seconds,
            seconds_attacked: None,
        }
    }
}

fn fill(row: PointRow, assessment: &Assessment, found: &RadiusAssessment, alpha: f64) -> PointRow {
    let (p_low, p_high) = found.p.interval(alpha);
    let Assessment {
        jacobian_frobenius: frobenius,
        jacobian_spectral: spectral,
        whitened_jacobian_spectral: whitened,
        ..
    } = assessment;
    let row = match &found.attacked {
        Attacked::NotAsked => row,
        Attacked::AtRest => PointRow {
            attacked: Some(0.0),
            attacked_p: Some(found.p.estimate()),
            attacked_by: Some("at rest".to_string()),
            ..row
        },
        Attacked::NotFound => PointRow { attacked: Some(f64::INFINITY), ..row },
        Attacked::Broken(margin, degradation) => PointRow {
            attacked: Some(margin.perturbation.norm),
            attacked_p: Some(margin.verdict.p),
            attacked_p_value: Some(margin.verdict.p_value),
            attacked_crossing: margin.crossing,
            attacked_by: Some(margin.by.clone()),
            degradation: Some(*degradation),
            ..row
        },
    };
    let row = match &found.certified {
        Certified::NotAsked => row,
        Certified::Unavailable(reason) => {
            PointRow { message: Some(format!("no certificate: {reason}")), ..row }
        }
        Certified::Within(certificate) => PointRow {
            certified: Some(certificate.margin()),
            certified_by: Some(certificate.method().to_string()),
            certified_confidence: Some(certificate.confidence()),
            ..row
        },
    };
    let is_attacked = !matches!(found.attacked, Attacked::NotAsked);
    PointRow {
        r: Some(found.r),
        p: Some(found.p.estimate()),
        p_low: Some(p_low),
        p_high: Some(p_high),
        p_lower_limit: Some(found.p.lower_limit(alpha)),
        draws: found.p.draws() as i64,
        p_linear: Some(found.p_linear),
        p_markov: Some(found.p_markov),
        sigma_min: Some(assessment.sigma_min),
        sigma_mean: Some(assessment.sigma_mean),
        jacobian_frobenius: Some(frobenius.value),
        jacobian_spectral: Some(spectral.value),
        whitened_jacobian_spectral: Some(whitened.value),
        jacobian_error: Some(frobenius.error.max(spectral.error).max(whitened.error)),
        bound_paper: Some(found.bound_paper),
        bound_sharp: Some(found.bound_sharp),
        bound_paper_limit: Some(found.bound_paper_limit),
        bound_sharp_limit: Some(found.bound_sharp_limit),
        transferred_p: found.transferred.map(|p| p.estimate()),
        seconds_attacked: is_attacked.then_some(assessment.attack_time.as_secs_f64()),
        ..row
    }
}
