//! The vaegis report: figures and one self-contained HTML page from stored results.
//!
//! This crate only shows. It computes no result: margins, bounds and summaries come
//! from `vaegis-audit`, and what is described here (bands, bins, a rank correlation) is
//! a description of stored rows. One file holds everything: it needs no network and no
//! script, reads in light, dark, on paper and on a phone, and can be mailed.
//!
//! Three rules shape it. *Comparison first*: models are rows or colours of one table or
//! figure, never pages to flip between. *Nothing vanishes*: infinite and zero margins,
//! sampled points, pixels out of range and failed points are drawn at a place of their
//! own or counted in words. *No claim beyond the numbers*: first-order estimates are
//! called that, and "not a certificate", wherever they appear; an attacked margin is an
//! upper bound, as good as the attack.
//!
//! ```no_run
//! # fn audits() -> Vec<vaegis_report::AuditData> { Vec::new() }
//! vaegis_report::write("report.html", &audits())?;
//! # Ok::<(), vaegis_report::Error>(())
//! ```

mod axis;
mod distortion;
mod error;
mod figures;
mod gallery;
mod marker;
mod page;
mod picture;
mod plot;
mod reading;
mod series;
mod stats;
mod svg;
mod tables;
mod text;
mod view;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use vaegis_audit::schema::{CurveRow, GalleryEntry, PointRow, Summary};

pub use distortion::distortion_plot;
pub use error::Error;

/// One audit, as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditData {
    /// What the page calls it; made unique if several audits share a name.
    pub name: String,
    /// The contents of `summary.json`.
    pub summary: Summary,
    /// The rows of `points.parquet`.
    pub rows: Vec<PointRow>,
    /// The rows of `curves.parquet`; may be empty.
    pub curves: Vec<CurveRow>,
    /// The points to show with their pictures; may be empty.
    pub gallery: Vec<GalleryEntry>,
    /// The effective configuration, as TOML.
    pub config: String,
}

/// The page for one audit, or for a comparison of several; the first is the baseline.
///
/// # Errors
/// [`Error::NoAudits`] without audits; [`Error::Picture`] and [`Error::Template`] if a
/// picture or the page cannot be made.
pub fn render(audits: &[AuditData]) -> Result<String, Error> {
    page::render(audits)
}

/// Writes the page to `path`, replacing it only once it is complete.
///
/// # Errors
/// As [`render`], and [`Error::Write`] if the file cannot be written.
pub fn write(path: impl AsRef<Path>, audits: &[AuditData]) -> Result<(), Error> {
    let path = path.as_ref();
    let page = render(audits)?;
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(page.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    written.map_err(|source| {
        // The page was not delivered; do not leave half of it behind either.
        let _ = fs::remove_file(&temporary);
        failed(source)
    })
}
