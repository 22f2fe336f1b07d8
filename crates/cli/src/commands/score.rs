use std::process::ExitCode;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use vaegis_data::{Dataset, Selection};
use vaegis_disentanglement::Interval;
use vaegis_study::scores::{CONFIDENCE, Disentanglement, Scores, score};

use super::use_threads;
use crate::arguments::{ScoreOptions, threads_or_all};
use crate::output::{self, number};

/// Rows that are scored unless others are asked for: aggregate posteriors cost their square.
const DEFAULT_ROWS: usize = 2_000;

/// Everything, as it is printed.
#[derive(Debug, Serialize)]
struct Record<'a> {
    model: String,
    dataset: &'a str,
    points: String,
    seed: u64,
    confidence: f64,
    #[serde(flatten)]
    scores: &'a Scores,
}

/// `vaegis score`.
pub(crate) fn run(options: &ScoreOptions) -> anyhow::Result<ExitCode> {
    use_threads(threads_or_all(options.threads))?;
    let (dataset, vae) = super::open_both(&options.data, &options.model)?;
    let points = options.points.clone().unwrap_or_else(|| default_points(&dataset));
    let scores = score(&vae, &dataset, &points.resolve(&dataset)?, options.seed)?;
    if options.json {
        let record = Record {
            model: options.name.clone().unwrap_or_else(|| options.model.name()),
            dataset: dataset.name(),
            points: points.to_string(),
            seed: options.seed,
            confidence: CONFIDENCE,
            scores: &scores,
        };
        output::print(&serde_json::to_string_pretty(&record)?)?;
    } else {
        output::print(&table(&scores))?;
    }
    for remark in remarks(&scores) {
        output::note(&format!("note: {remark}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// All test rows, or as many as do not take long, which is said.
fn default_points(dataset: &Dataset) -> Selection {
    let test = dataset.test().len();
    if test <= DEFAULT_ROWS {
        return Selection::Test;
    }
    output::note(&format!(
        "the first {DEFAULT_ROWS} of {test} test rows are scored; all with --points test"
    ));
    Selection::Count(DEFAULT_ROWS)
}

/// A line for each score, with its interval and what it means.
fn table(scores: &Scores) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["score", "value", "95% interval", "what it is"]);
    let mut add = |name: &str, value: String, interval: String, meaning: &str| {
        table.add_row([name, &value, &interval, meaning]);
    };
    let active = format!("{} of {}", scores.active_units, scores.latents);
    for (name, interval, meaning) in [
        ("ELBO", scores.elbo, "lower bound of log p(x), nats per row"),
        ("distortion", scores.distortion, "-log p(x|z): what is lost, nats per row"),
        ("rate", scores.rate, "KL(q(z|x) || p(z)), nats per row, the sum of"),
        ("  mutual information", scores.mutual_information, "what z tells of which row it is from"),
        ("  total correlation", scores.total_correlation, "how far latents depend on each other"),
        ("  marginal KL", scores.marginal_kl, "how far single latents are from the prior"),
        ("aggregate KL", scores.aggregate_kl, "KL(q(z) || p(z)): the last two together"),
    ] {
        add(name, nats(interval.estimate), limits(interval, nats), meaning);
    }
    add("active units", active, String::new(), "latents whose mean varies");
    for (name, interval, meaning) in with_factors(scores) {
        add(name, share(interval.estimate), limits(interval, share), meaning);
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// Names and meanings of the scores that need factors; none where these are not known.
fn with_factors(scores: &Scores) -> Vec<(&'static str, Interval, &'static str)> {
    let Some(known) = &scores.disentanglement else { return vec![] };
    let Disentanglement { mig, modularity, sap, factor_vae_score, beta_vae_score, .. } = *known;
    let mut lines = vec![
        ("MIG", mig, "1: one latent knows a factor, no other"),
        ("modularity", modularity, "1: a latent knows one factor only"),
        ("SAP", sap, "1: one latent predicts a factor, no other"),
        ("DCI disentanglement", known.dci_disentanglement, "1: a latent predicts one factor"),
        ("DCI informativeness", known.dci_informativeness, "1: factors are linear in latents"),
        ("FactorVAE score", factor_vae_score, "1: the stillest latent tells the fixed factor"),
        ("beta-VAE score", beta_vae_score, "1: differences tell the fixed factor"),
    ];
    if let Some(completeness) = known.dci_completeness {
        lines.insert(4, ("DCI completeness", completeness, "1: one latent predicts a factor"));
    }
    lines
}

/// What too few rows do to scores.
fn remarks(scores: &Scores) -> Vec<String> {
    let mut remarks = vec![];
    let most = (scores.rows as f64).ln();
    if scores.mutual_information.estimate > most - 2_f64.ln() {
        remarks.push(format!(
            "mutual information is near its limit, ln {} = {most:.2}: more rows would raise it and \
             lower the aggregate KL",
            scores.rows
        ));
    }
    let outside = |i: &Interval| !(i.low..=i.high).contains(&i.estimate);
    let lines = with_factors(scores).into_iter();
    let names: Vec<&str> = lines.filter(|line| outside(&line.1)).map(|line| line.0).collect();
    if !names.is_empty() {
        remarks.push(format!(
            "{}: so few rows bias the estimate, and the interval is nearer to the truth; more rows \
             help",
            names.join(", ")
        ));
    }
    remarks
}

fn limits(interval: Interval, show: fn(f64) -> String) -> String {
    format!("{} to {}", show(interval.low), show(interval.high))
}

fn share(score: f64) -> String {
    format!("{score:.3}")
}

/// Hundredths of a nat, if that is no endless number.
fn nats(value: f64) -> String {
    if value.abs() < 1e6 { format!("{value:.2}") } else { number(value) }
}
