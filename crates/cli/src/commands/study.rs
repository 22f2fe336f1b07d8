use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use vaegis_audit::store::write;
use vaegis_data::{Dataset, OpenOptions};
use vaegis_report::{pdf, study_figures, write_study};
use vaegis_study::schema::StudyData;
use vaegis_study::{Data, Event, Grid, Plan, Scale, Shard, collect, effects_csv, models_csv};

use super::audit::execution;
use super::{use_threads, writable};
use crate::arguments::{ScaleName, StudyOptions};
use crate::{interrupt, output, progress, verdicts};

/// The name that stands for the built-in study.
const PAPER: &str = "paper";

/// `vaegis study`.
pub(crate) fn run(options: &StudyOptions) -> anyhow::Result<ExitCode> {
    let (grid, text) = grid(options)?;
    if options.print {
        output::print(text.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let out = options.out.as_deref().context("--out is missing")?;
    use_threads(options.machine.threads())?;
    let open = |source: &str| Ok(Dataset::open_with(source, &OpenOptions::default())?);
    let plan = Plan::new(grid, &open)?;
    writable(out)?;
    write(&out.join("study.toml"), text.as_bytes())?;

    let shard = options.shard.unwrap_or(Shard::WHOLE);
    let total = plan.count(shard);
    let bar = progress::models(total);
    bar.set_message(plan.grid.name.clone());
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    let mut over = 0;
    let mut report = |event: &Event| {
        let (model, share) = match event {
            Event::Working { model, stage, share } => {
                bar.set_message(format!("{} {model}", stage.name()));
                (model, *share)
            }
            Event::Done { model, seconds } => {
                over += 1;
                if let Some(seconds) = seconds {
                    let line = format!("{model}: done in {seconds:.0} s, {over} of {total} models");
                    bar.suspend(|| output::note(&line));
                }
                (model, 1.0)
            }
            Event::Failed { model, reason } => {
                over += 1;
                bar.suspend(|| output::note(&format!("{model}: failed: {reason}")));
                (model, 1.0)
            }
            Event::Elsewhere { model } => {
                bar.suspend(|| output::note(&format!("{model}: another process works on it")));
                (model, 1.0)
            }
        };
        let resumed = matches!(event, Event::Done { seconds: None, .. });
        shares.insert(model.clone(), share);
        bar.set_position((progress::MODEL as f64 * shares.values().sum::<f64>()) as u64);
        if resumed {
            bar.reset_eta();
        }
    };
    let machine = execution(&options.machine, false);
    let outcome = plan.run(out, shard, machine, interrupt::flag(), &mut report)?;
    bar.finish_and_clear();
    if outcome.interrupted {
        output::note(&format!(
            "interrupted with {} of {total} models done; run the same command to resume",
            outcome.done
        ));
        return Ok(ExitCode::from(1));
    }
    let (data, missing) = collect(&plan.grid, out)?;
    if data.models.is_empty() {
        bail!("no model of the study is done");
    }
    publish(out, &data)?;
    output::print(&verdicts::table(&data.effects))?;
    let all = plan.count(Shard::WHOLE);
    if !missing.is_empty() {
        output::note(&format!(
            "{} of {all} models are not done, and the verdicts are without them: {}",
            missing.len(),
            shorten(&missing)
        ));
    }
    for (model, reason) in &outcome.failed {
        output::note(&format!("{model} failed: {reason}"));
    }
    output::note(&format!("report: {}", out.join("report.html").display()));
    Ok(if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The grid that was asked for, and its text.
fn grid(options: &StudyOptions) -> anyhow::Result<(Grid, String)> {
    let is_paper = options.grid == PAPER;
    ensure!(is_paper || options.cifar.is_none(), "--cifar is for the built-in study, `paper`");
    let text = if is_paper {
        let scale = match options.scale {
            ScaleName::Small => Scale::Small,
            ScaleName::Default => Scale::Default,
            ScaleName::Full => Scale::Full,
        };
        Grid::paper(scale).to_string()
    } else {
        std::fs::read_to_string(&options.grid)
            .with_context(|| format!("cannot read {}", options.grid))?
    };
    let mut grid = Grid::parse(&text).with_context(|| options.grid.clone())?;
    let edited = options.cifar.is_some() || !options.only.is_empty();
    if let Some(path) = &options.cifar {
        grid.data.push(Data::cifar(path));
    }
    let names: Vec<String> = grid.data.iter().map(|data| data.name.clone()).collect();
    for name in &options.only {
        ensure!(
            names.contains(name),
            "--only {name}: the data of the grid are {}",
            names.join(", ")
        );
    }
    if !options.only.is_empty() {
        grid.data.retain(|data| options.only.contains(&data.name));
    }
    // A file keeps its comments as long as nothing is changed.
    let text = if edited { grid.text()? } else { text };
    Ok((grid, text))
}

/// Tables, figures and the page.
fn publish(out: &Path, data: &StudyData) -> anyhow::Result<()> {
    write(&out.join("models.csv"), models_csv(&data.models).as_bytes())?;
    write(&out.join("claims.csv"), effects_csv(&data.effects).as_bytes())?;
    write(&out.join("claims.md"), verdicts::markdown(&data.name, &data.effects).as_bytes())?;
    write(&out.join("claims.json"), serde_json::to_string_pretty(&data.effects)?.as_bytes())?;
    let figures = out.join("figures");
    std::fs::create_dir_all(&figures)
        .with_context(|| format!("cannot write to {}", figures.display()))?;
    for figure in study_figures(data) {
        let file = |extension: &str| figures.join(format!("{}.{extension}", figure.name));
        write(&file("svg"), figure.svg.as_bytes())?;
        write(&file("pdf"), &pdf(&figure.svg)?)?;
        write(&file("csv"), figure.csv.as_bytes())?;
    }
    write_study(out.join("report.html"), data)?;
    Ok(())
}

/// The first of many names.
fn shorten(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
