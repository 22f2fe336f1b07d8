use std::io::Write;

use anyhow::Context;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use vaegis_audit::schema::{Quantiles, RadiusSummary, Summary};

/// Writes a line to stdout. Whoever closed the pipe has seen enough: that is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}

/// Writes a line to stderr, if anyone still reads it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The comparison of audits: one column per model and radius.
pub(crate) fn comparison(summaries: &[Summary]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    let columns: Vec<(&Summary, &RadiusSummary)> = summaries
        .iter()
        .flat_map(|summary| summary.radii.iter().map(move |radius| (summary, radius)))
        .collect();
    let several = columns.len() > summaries.len();
    let mut header = vec!["median over points".to_string()];
    header.extend(columns.iter().map(|(summary, radius)| {
        if several {
            format!("{} r={}", summary.model, radius.radius)
        } else {
            summary.model.clone()
        }
    }));
    table.set_header(header);
    type Cell = fn(&Summary, &RadiusSummary) -> String;
    let rows: [(&str, Cell); 15] = [
        ("radius r", |_, radius| median(&radius.r)),
        ("p(r) without perturbation", |_, radius| probability(&radius.p)),
        ("r-robust points", |_, radius| format!("{:.0}%", 100.0 * radius.robust_fraction)),
        ("paper's bound (first-order estimate)", |_, radius| median(&radius.bound_paper)),
        ("sharp bound (first-order estimate)", |_, radius| median(&radius.bound_sharp)),
        ("certified margin (proved)", |_, radius| median(&radius.certified)),
        ("points with a certificate", |_, radius| certified(radius)),
        ("attacked margin (upper bound)", |_, radius| median(&radius.attacked)),
        ("certified / attacked", |_, radius| median(&radius.certified_share)),
        ("likelihood degradation", |_, radius| median(&radius.degradation)),
        ("smallest sigma", |summary, _| median(&summary.sigma_min)),
        ("|J|_F of the encoder", |summary, _| median(&summary.jacobian_frobenius)),
        ("|Sigma^(-1/2) J|_2", |summary, _| median(&summary.whitened_jacobian_spectral)),
        ("seconds per point and thread", |summary, _| median(&summary.seconds)),
        ("of these, attacks", |summary, _| median(&summary.seconds_attacked)),
    ];
    for (name, cell) in rows {
        let mut row = vec![name.to_string()];
        row.extend(columns.iter().map(|(summary, radius)| cell(summary, radius)));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// What the table cannot say: failed points, and breaks of the first-order bounds.
///
/// `certify` says whether certificates were asked for.
pub(crate) fn remarks(summary: &Summary, certify: bool) -> Vec<String> {
    let mut remarks = vec![];
    if summary.failed > 0 {
        remarks.push(format!(
            "{}: {} of {} points failed; their messages are in points.parquet",
            summary.model, summary.failed, summary.points
        ));
    }
    if let Some(error) = summary.jacobian_error.p90.filter(|&error| error > 0.0) {
        remarks.push(format!(
            "{}: its Jacobians are too big to form; their norms are known to {:.1}%, and the \
             first-order bounds allow for that",
            summary.model,
            100.0 * error
        ));
    }
    let uncertified = |radius: &RadiusSummary| radius.certified.count < radius.p.count;
    if certify && summary.radii.iter().any(uncertified) {
        remarks.push(format!(
            "{}: some or all margins could not be certified; points.parquet and the report say why",
            summary.model
        ));
    }
    for radius in &summary.radii {
        if radius.below_paper + radius.below_sharp > 0 {
            remarks.push(format!(
                "{}, r={}: of {} attacked margins, {} lie below the paper's bound and {} below the \
                 sharp bound (both are first order)",
                summary.model,
                radius.radius,
                radius.compared,
                radius.below_paper,
                radius.below_sharp
            ));
        }
    }
    remarks
}

fn median(quantiles: &Quantiles) -> String {
    match quantiles.median {
        Some(value) => number(value),
        None if quantiles.count > 0 => "inf".to_string(),
        None => "-".to_string(),
    }
}

fn certified(radius: &RadiusSummary) -> String {
    match radius.certified.count {
        0 => "-".to_string(),
        _ => format!("{:.0}%", 100.0 * radius.certified_fraction),
    }
}

/// Rounds no probability to 1 that is not 1.
fn probability(quantiles: &Quantiles) -> String {
    match quantiles.median {
        Some(value) if (0.9995..1.0).contains(&value) => ">0.999".to_string(),
        Some(value) => format!("{value:.3}"),
        None => "-".to_string(),
    }
}

/// Three significant digits.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_string()
    } else if (1e-4..1e6).contains(&size) {
        // What rounds to the next power of ten is as long as that.
        let magnitude = (size * (1.0 + 5e-4)).log10().floor() as i32;
        let digits = (2 - magnitude).clamp(0, 6) as usize;
        format!("{value:.digits$}")
    } else {
        format!("{value:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        let cases = [
            (0.0, "0"),
            (0.99999, "1.00"),
            (0.9994, "0.999"),
            (9.9951, "10.0"),
            (1.0, "1.00"),
            (12.345, "12.3"),
            (0.0123456, "0.0123"),
            (123.456, "123"),
            (99999.0, "99999"),
            (1e-30, "1.00e-30"),
            (1e30, "1.00e30"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
