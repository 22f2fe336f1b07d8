use std::process::ExitCode;

use anyhow::Context;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use vaegis_audit::Subject;
use vaegis_audit::schema::{PointRow, Status};
use vaegis_audit::store::AuditFolder;
use vaegis_robustness::Settings;

use super::audit::{audit_into, certification, configuration, execution, points, settings};
use super::{report, use_threads};
use crate::arguments::CertifyOptions;
use crate::output::{self, number};

/// One certificate, as it is printed.
#[derive(Debug, Serialize)]
struct Line<'a> {
    index: i64,
    radius: &'a str,
    r: Option<f64>,
    norm: &'a str,
    r#box: &'a str,
    /// Lower limit of the probability within r at the point itself.
    p_lower_limit: Option<f64>,
    certified: Option<f64>,
    certified_by: Option<&'a str>,
    certified_confidence: Option<f64>,
    message: Option<&'a str>,
}

/// `vaegis certify`.
pub(crate) fn run(options: &CertifyOptions) -> anyhow::Result<ExitCode> {
    use_threads(options.machine.threads())?;
    let (dataset, vae) = super::open_both(&options.data, &options.model)?;
    let judge = &options.judge;
    let points = points(judge, &dataset)?;
    let certify = Some(certification(judge, points.len()));
    let settings = Settings { certify, ..settings(judge, &dataset)? };
    let config = configuration(judge, &options.model, (&vae, &dataset), settings);
    let subject = Subject { vae: &vae, dataset: &dataset, points: &points, transfer_from: None };
    // What nobody wants to keep is nowhere else than in a folder that goes away.
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let out = options.out.clone().unwrap_or_else(|| scratch.path().join("certificates"));
    let execution = execution(&options.machine, false);
    let Some(summary) = audit_into(&out, subject, &config, execution)? else {
        return Ok(ExitCode::from(1));
    };
    let mut rows = vec![];
    AuditFolder::open(&out)?.for_each_row(|row| rows.push(row))?;
    rows.sort_by_key(|row| points.iter().position(|&point| point as i64 == row.index));
    if options.json {
        for row in &rows {
            output::print(&serde_json::to_string(&line(row))?)?;
        }
    } else {
        output::print(&table(&rows))?;
        let confidence = 1.0 - config.settings.certify.map_or(0.0, |certify| certify.alpha);
        let own_units = config.settings.domain.units.is_some();
        let units = if own_units { " in the units of the features" } else { "" };
        let together = if judge.simultaneous { "all together" } else { "each" };
        output::print(&format!(
            "proved with confidence {}, {together}; norm {}{units}, box {}",
            if judge.simultaneous { 1.0 - judge.alpha } else { confidence },
            summary.norm,
            summary.r#box
        ))?;
    }
    for remark in output::remarks(&summary, true) {
        output::note(&format!("note: {remark}"));
    }
    if options.out.is_some() {
        let page = out.join("report.html");
        report::write(&[&out], &page)?;
        output::note(&format!("report: {}", page.display()));
    }
    Ok(if summary.failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn line(row: &PointRow) -> Line<'_> {
    Line {
        index: row.index,
        radius: &row.radius,
        r: row.r,
        norm: &row.norm,
        r#box: &row.r#box,
        p_lower_limit: row.p_lower_limit,
        certified: row.certified,
        certified_by: row.certified_by.as_deref(),
        certified_confidence: row.certified_confidence,
        message: row.message.as_deref(),
    }
}

fn table(rows: &[PointRow]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["point", "r", "p(r) at least", "certified margin", "by"]);
    for row in rows {
        let known = |value: Option<f64>| value.map_or_else(|| "-".to_string(), number);
        let by = match (row.status, row.certified) {
            (Status::Failed, _) | (_, None) => row.message.clone().unwrap_or_default(),
            // Nothing has proved nothing.
            (_, Some(0.0)) => "nothing could be shown".to_string(),
            _ => row.certified_by.clone().unwrap_or_default(),
        };
        table.add_row([
            row.index.to_string(),
            known(row.r),
            row.p_lower_limit.map_or_else(|| "-".to_string(), |p| format!("{p:.3}")),
            known(row.certified),
            by,
        ]);
    }
    for column in table.column_iter_mut().take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
