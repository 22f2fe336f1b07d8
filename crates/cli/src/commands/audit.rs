use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use vaegis_audit::schema::Summary;
use vaegis_audit::store::AuditFolder;
use vaegis_audit::{AuditConfig, Execution, Subject, Transfer, audit, fingerprint, finish};
use vaegis_data::{Dataset, Selection};
use vaegis_robustness::attack::Attack;
use vaegis_robustness::certificate::draws::simultaneous;
use vaegis_robustness::{Aim, Certification, Settings};
use vaegis_vae::Vae;

use super::{report, use_threads};
use crate::arguments::{AuditOptions, JudgeOptions, Machine};
use crate::model::ModelOptions;
use crate::{interrupt, output, progress};

/// Points that are audited unless others are asked for.
const DEFAULT_POINTS: usize = 100;

/// `vaegis audit`.
pub(crate) fn run(options: &AuditOptions) -> anyhow::Result<ExitCode> {
    use_threads(options.machine.threads())?;
    let (dataset, vae) = super::open_both(&options.data, &options.model)?;
    let judge = &options.judge;
    let points = points(judge, &dataset)?;
    let settings = Settings {
        attacks: attacks(options),
        certify: (!options.no_certify).then(|| certification(judge, points.len())),
        aim: options.goals.target.map(|row| aim(&dataset, row)).transpose()?,
        ..settings(judge, &dataset)?
    };
    let config = configuration(judge, &options.model, (&vae, &dataset), settings);
    let source = options.transfer_from.as_ref().map(AuditFolder::open).transpose()?;
    let transfer = source.as_ref().map(|source| Transfer::of(source, &config)).transpose()?;
    let config = AuditConfig { transfer, ..config };
    let subject =
        Subject { vae: &vae, dataset: &dataset, points: &points, transfer_from: source.as_ref() };
    let execution = execution(&options.machine, options.retry_failed);
    let Some(summary) = audit_into(&options.out, subject, &config, execution)? else {
        return Ok(ExitCode::from(1));
    };
    let page = options.out.join("report.html");
    report::write(&[&options.out], &page)?;
    if options.json {
        output::print(&serde_json::to_string_pretty(&summary)?)?;
    } else {
        output::print(&output::comparison(std::slice::from_ref(&summary)))?;
        output::print(&format!("{} points, {} failed", summary.points, summary.failed))?;
    }
    for remark in output::remarks(&summary, !options.no_certify) {
        output::note(&format!("note: {remark}"));
    }
    output::note(&format!("report: {}", page.display()));
    Ok(if summary.failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The rows that were asked for.
pub(super) fn points(judge: &JudgeOptions, dataset: &Dataset) -> anyhow::Result<Vec<usize>> {
    Ok(selection(judge, dataset).resolve(dataset)?)
}

fn selection(judge: &JudgeOptions, dataset: &Dataset) -> Selection {
    let default = || Selection::Count(DEFAULT_POINTS.min(dataset.test().len()));
    judge.points.clone().unwrap_or_else(default)
}

/// How to judge, with neither attacks nor certificates.
pub(super) fn settings(judge: &JudgeOptions, dataset: &Dataset) -> anyhow::Result<Settings> {
    Ok(Settings {
        radii: judge.r.clone(),
        draws: judge.draws,
        alpha: judge.alpha,
        domain: judge.domain.domain(dataset)?,
        attacks: vec![],
        certify: None,
        aim: None,
    })
}

/// How to certify.
pub(super) fn certification(judge: &JudgeOptions, points: usize) -> Certification {
    let certificates = if judge.simultaneous { points * judge.r.len() } else { 1 };
    let alpha = simultaneous(judge.alpha, certificates);
    Certification { alpha, tightness: judge.tightness }
}

/// Everything that decides the results.
pub(super) fn configuration(
    judge: &JudgeOptions,
    model: &ModelOptions,
    (vae, dataset): (&Vae, &Dataset),
    settings: Settings,
) -> AuditConfig {
    AuditConfig {
        model: judge.name.clone().unwrap_or_else(|| model.name()),
        description: describe(model.model.as_deref(), vae),
        model_hash: fingerprint(vae),
        dataset: dataset.name().to_string(),
        data_hash: dataset.fingerprint(),
        points: selection(judge, dataset).to_string(),
        seed: judge.seed,
        transfer: None,
        settings,
    }
}

/// The attacks that were asked for: none of its own for a transfer, unless they are named.
fn attacks(options: &AuditOptions) -> Vec<Attack> {
    if options.no_attack || (options.transfer_from.is_some() && options.goals.attack.is_empty()) {
        return vec![];
    }
    if options.goals.attack.is_empty() {
        vec![Attack::default()]
    } else {
        options.goals.attack.clone()
    }
}

/// The row that targeted attacks aim at.
pub(crate) fn aim(dataset: &Dataset, row: usize) -> anyhow::Result<Aim> {
    let rows = dataset.len();
    ensure!(row < rows, "--target {row}: {} has {rows} rows", dataset.name());
    Ok(Aim { row: row as u64, values: dataset.row(row) })
}

/// How to run on this machine.
pub(crate) fn execution(machine: &Machine, retry_failed: bool) -> Execution {
    Execution { threads: machine.threads(), memory: machine.memory, retry_failed }
}

/// Audits into `out` with a bar; `None` if interrupted.
pub(crate) fn audit_into(
    out: &Path,
    subject: Subject<'_>,
    config: &AuditConfig,
    execution: Execution,
) -> anyhow::Result<Option<Summary>> {
    let stop = interrupt::flag();
    let bar = progress::bar(subject.points.len(), "points");
    bar.set_message(format!("auditing {}", config.model));
    let outcome = audit(subject, config, execution, out, stop, &mut |progress| {
        if progress.done == 0 {
            bar.set_position(progress.resumed as u64);
            bar.reset_eta();
        }
        bar.set_position((progress.resumed + progress.done) as u64);
        if progress.failed > 0 {
            bar.set_message(format!("auditing {} ({} failed)", config.model, progress.failed));
        }
    });
    bar.finish_and_clear();
    let outcome = outcome?;
    if outcome.interrupted {
        let stored = outcome.progress.resumed + outcome.progress.done;
        output::note(&format!(
            "interrupted with {stored} points stored; run the same command to resume"
        ));
        return Ok(None);
    }
    Ok(Some(finish(&outcome.writer, subject, config)?))
}

/// Architecture, likelihood, and what the model was trained for, if that is known.
pub(crate) fn describe(folder: Option<&Path>, vae: &Vae) -> String {
    let objective = || -> anyhow::Result<String> {
        let folder = folder.context("no folder")?;
        let text = std::fs::read_to_string(folder.join("training.json"))?;
        let record: serde_json::Value = serde_json::from_str(&text)?;
        let config: vaegis_vae::TrainConfig =
            serde_json::from_value(record["config"].clone()).context("training.json")?;
        Ok(config.objective.describe())
    };
    match objective() {
        Ok(objective) => format!("{objective}, {}", vae.describe()),
        Err(_) => vae.describe(),
    }
}
