use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use vaegis_audit::schema::{AttackRow, Status};
use vaegis_audit::{
    PointTrial, Progress, Subject, TrialConfig, find_universal, fingerprint, try_points,
    write_trials,
};
use vaegis_data::{Dataset, Selection, sheet};
use vaegis_report::{AttackData, AttackPicture, distortion_gaps, distortion_plot, write_attack};
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::Reference;
use vaegis_robustness::trial::TrialSettings;

use super::audit::{aim, execution};
use super::{use_threads, writable};
use crate::arguments::AttackOptions;
use crate::output::number;
use crate::{interrupt, output, progress};

/// Points whose pictures fit on a sheet.
const SHOWN: usize = 32;

/// `vaegis attack`.
pub(crate) fn run(options: &AttackOptions) -> anyhow::Result<ExitCode> {
    use_threads(options.machine.threads())?;
    let (dataset, vae) = super::open_both(&options.data, &options.model)?;
    let points = match (&options.points, options.index.as_slice()) {
        (Some(points), _) => points.clone(),
        (None, []) => Selection::Count(1),
        (None, rows) => Selection::Rows(rows.iter().map(|&row| row..row + 1).collect()),
    };
    let points = points.resolve(&dataset)?;
    let attacks = match options.goals.attack.as_slice() {
        [] => vec![Attack::default()],
        attacks => attacks.to_vec(),
    };
    let reference = Reference::from(options.reference);
    let asked = |attack: Attack| {
        let attack = Attack { reference, penalty: options.penalty, ..attack.thorough() };
        options.through.iter().map(move |&through| Attack { through, ..attack })
    };
    let mut sizes = options.size.clone();
    sizes.sort_by(f64::total_cmp);
    let config = TrialConfig {
        model: options.name.clone().unwrap_or_else(|| options.model.name()),
        model_hash: fingerprint(&vae),
        dataset: dataset.name().to_string(),
        data_hash: dataset.fingerprint(),
        seed: options.seed,
        alpha: options.alpha,
        universal: options.universal.as_ref().map(|rows| rows.resolve(&dataset)).transpose()?,
        settings: TrialSettings {
            sizes,
            radius: options.r,
            draws: options.draws,
            picture: picture(dataset.shape()),
            range: dataset.value_range(),
            domain: options.domain.domain(&dataset)?,
            attacks: attacks.into_iter().flat_map(asked).collect(),
            aim: options.goals.target.map(|row| aim(&dataset, row)).transpose()?,
        },
    };
    let subject = Subject { vae: &vae, dataset: &dataset, points: &points, transfer_from: None };
    let execution = execution(&options.machine, false);
    config.check(subject, execution)?;
    if let Some(out) = &options.out {
        let results = out.join("attacks.parquet");
        ensure!(!results.exists(), "{} exists; choose another --out", results.display());
        writable(out)?;
    }
    let stop = interrupt::flag();
    let universal = match &config.universal {
        None => None,
        Some(rows) => {
            let bar = progress::bar(0, "steps");
            bar.set_message(format!("one perturbation for {} rows", rows.len()));
            let mut report = |progress: Progress| {
                bar.set_length(progress.total as u64);
                bar.set_position(progress.done as u64);
            };
            let found = find_universal(subject, &config, execution, rows, stop, &mut report);
            bar.finish_and_clear();
            let Some(found) = found? else {
                output::note("interrupted before a universal perturbation was found");
                return Ok(ExitCode::from(1));
            };
            Some(found)
        }
    };
    let bar = progress::bar(points.len(), "points");
    bar.set_message(format!("attacking {}", config.model));
    let mut report = |progress: Progress| bar.set_position(progress.done as u64);
    let trials = try_points(subject, &config, execution, universal.as_deref(), stop, &mut report);
    bar.finish_and_clear();
    let trials = trials?;

    let rows = match &options.out {
        Some(out) => {
            let rows = write_trials(out, subject, &config, &trials)?;
            pictures(out, &dataset, &trials)?;
            if let Some(plot) = distortion_plot(&rows) {
                let path = out.join("distortion.svg");
                std::fs::write(&path, plot)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            let record = out.join("attack.toml");
            let record = std::fs::read_to_string(&record)
                .with_context(|| format!("cannot read {}", record.display()))?;
            let pictures = shown(&dataset, &trials);
            let data = AttackData { config: config.clone(), record, rows, pictures };
            write_attack(out.join("attack.html"), &data)?;
            let rows = data.rows;
            output::note(&format!("results: {}", out.display()));
            rows
        }
        None => vaegis_audit::trial_rows(subject, &config, &trials),
    };
    if options.json {
        output::print(&serde_json::to_string_pretty(&rows)?)?;
    } else {
        output::print(&table(&rows))?;
    }
    for gap in distortion_gaps(&config, &rows) {
        output::note(&gap);
    }
    let failed: Vec<&AttackRow> = rows.iter().filter(|row| row.status == Status::Failed).collect();
    for row in &failed {
        let why = row.message.as_deref().unwrap_or("unknown");
        output::note(&format!("row {} failed: {why}", row.index));
    }
    if trials.len() < points.len() {
        output::note(&format!("interrupted after {} of {} points", trials.len(), points.len()));
    }
    let complete = failed.is_empty() && trials.len() == points.len();
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// One line for each point, goal and size. Columns that are empty everywhere are left out.
fn table(rows: &[AttackRow]) -> String {
    type Cell = fn(&AttackRow) -> Option<String>;
    let columns: [(&str, Cell); 14] = [
        ("row", |row| Some(row.index.to_string())),
        ("attack", |row| row.attack.clone()),
        ("through", |row| row.through.clone()),
        ("size", |row| row.size.map(number)),
        ("|d|", |row| row.length.map(number)),
        ("damage", |row| row.damage.map(number)),
        ("at rest", |row| row.damage_at_rest.map(number)),
        ("P(|Delta| <= r)", |row| row.p.map(|p| format!("{p:.3}"))),
        ("KL", |row| row.kl.map(number)),
        ("degradation", |row| row.degradation.map(number)),
        ("PSNR", |row| row.psnr.map(number)),
        ("SSIM", |row| row.ssim.map(|ssim| format!("{ssim:.3}"))),
        ("to target", |row| row.aim_distance.map(number)),
        ("AUDDC", |row| row.auddc.map(|area| format!("{area:.3}"))),
    ];
    let ok: Vec<&AttackRow> = rows.iter().filter(|row| row.status == Status::Ok).collect();
    // That attacks act through all is worth a column only beside some that do not.
    let tells = |name: &str, text: &str| name != "through" || text != "both";
    let used: Vec<_> = columns
        .iter()
        .filter(|(name, cell)| {
            ok.iter().any(|row| cell(row).is_some_and(|text| tells(name, &text)))
        })
        .collect();
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(used.iter().map(|(name, _)| *name));
    for row in ok {
        table.add_row(used.iter().map(|(_, cell)| cell(row).unwrap_or_else(|| "-".to_string())));
    }
    for (column, (name, _)) in table.column_iter_mut().zip(&used) {
        if *name != "attack" {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Input, perturbed input, perturbation, reconstruction of either: one line for each attempt.
fn pictures(out: &Path, dataset: &Dataset, trials: &[PointTrial]) -> anyhow::Result<()> {
    let mut lines = vec![];
    for tried in trials.iter().take(SHOWN) {
        let x = dataset.row(tried.index);
        if let Ok(trial) = &tried.outcome {
            for attempt in &trial.attempts {
                let d = &attempt.perturbation.d;
                let largest = d.iter().fold(0.0f32, |largest, d| largest.max(d.abs()));
                // No change is grey, the largest change black or white.
                let change = |d: &f32| 0.5 + 0.5 * d / largest.max(f32::MIN_POSITIVE);
                lines.push(vec![
                    x.to_vec(),
                    attempt.perturbation.perturbed.clone(),
                    d.iter().map(change).collect(),
                    trial.reconstruction.clone(),
                    attempt.reconstruction.clone(),
                ]);
            }
        }
    }
    if let Some(png) = sheet(dataset.shape(), &lines, dataset.value_range().unwrap_or((0.0, 1.0))) {
        let path = out.join("pictures.png");
        std::fs::write(&path, png).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What the page shows of the same points.
fn shown(dataset: &Dataset, trials: &[PointTrial]) -> Vec<AttackPicture> {
    let mut pictures = vec![];
    for tried in trials.iter().take(SHOWN) {
        let Ok(trial) = &tried.outcome else { continue };
        pictures.extend(trial.attempts.iter().map(|attempt| AttackPicture {
            index: tried.index as i64,
            label: dataset.label(tried.index),
            attack: attempt.attack.question(),
            size: attempt.size,
            length: attempt.perturbation.norm,
            shape: dataset.shape().to_vec(),
            original: dataset.row(tried.index).to_vec(),
            perturbed: attempt.perturbation.perturbed.clone(),
            reconstruction: trial.reconstruction.clone(),
            perturbed_reconstruction: attempt.reconstruction.clone(),
        }));
    }
    pictures
}

/// The shape of inputs as one plane of pixels for each channel. Values of pixels whose channels
/// are next to each other would have to be put in another order.
fn picture(shape: &[usize]) -> Option<[usize; 3]> {
    match *shape {
        [height, width] | [height, width, 1] => Some([1, height, width]),
        [channels @ (1 | 3), height, width] => Some([channels, height, width]),
        _ => None,
    }
}
