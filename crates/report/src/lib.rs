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
//! upper bound, as good as the attack; a certified one is a lower bound, proved with a stated
//! confidence for each point, and never in one place with estimates.
//!
//! Studies have figures for papers, as SVG and PDF with the data beside them, and a page of their
//! own ([`study_figures`], [`pdf`], [`write_study`]).
//!
//! ```no_run
//! # fn audits() -> Vec<vaegis_report::AuditData> { Vec::new() }
//! vaegis_report::write("report.html", &audits())?;
//! # Ok::<(), vaegis_report::Error>(())
//! ```

mod attack;
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
mod study;
mod svg;
mod tables;
mod text;
mod view;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use vaegis_audit::TrialConfig;
use vaegis_audit::schema::{AttackRow, CurveRow, GalleryEntry, PointRow, Summary};
use vaegis_study::schema::StudyData;

pub use distortion::{distortion_gaps, distortion_plot};
pub use error::Error;
pub use study::{StudyFigure, pdf, study_figures};

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

/// Attacks at given norms, as they were stored.
#[derive(Debug, Clone)]
pub struct AttackData {
    /// What was asked for.
    pub config: TrialConfig,
    /// The contents of `attack.toml`.
    pub record: String,
    /// The rows of `attacks.parquet`.
    pub rows: Vec<AttackRow>,
    /// The perturbations to show with their pictures; may be empty.
    pub pictures: Vec<AttackPicture>,
}

/// What an attack did to one point.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackPicture {
    /// Row in the data set.
    pub index: i64,
    /// Label of that row.
    pub label: Option<i64>,
    /// What the attack increased.
    pub attack: String,
    /// The length that was allowed.
    pub size: f64,
    /// The length of the perturbation.
    pub length: f64,
    /// Shape of each picture: channels, height, width (or one number for a table row).
    pub shape: Vec<usize>,
    /// The input x.
    pub original: Vec<f32>,
    /// The perturbed input x + d.
    pub perturbed: Vec<f32>,
    /// The mean reconstruction `g(mu(x))`.
    pub reconstruction: Vec<f32>,
    /// A reconstruction of x + d: the draw whose damage is the median.
    pub perturbed_reconstruction: Vec<f32>,
}

/// The page for one audit, or for a comparison of several; the first is the baseline.
///
/// # Errors
/// [`Error::NoAudits`] without audits; [`Error::Picture`] and [`Error::Template`] if a
/// picture or the page cannot be made.
pub fn render(audits: &[AuditData]) -> Result<String, Error> {
    page::render(audits)
}

/// The page for attacks at given norms.
///
/// # Errors
/// [`Error::Picture`] and [`Error::Template`] if a picture or the page cannot be made.
pub fn render_attack(data: &AttackData) -> Result<String, Error> {
    attack::render(data)
}

/// The page of a study: its verdicts, and for each claim a figure and all effects.
///
/// # Errors
/// [`Error::Template`] if the page cannot be made.
pub fn render_study(data: &StudyData) -> Result<String, Error> {
    study::render(data)
}

/// Writes the page to `path`, replacing it only once it is complete.
///
/// # Errors
/// As [`render`], and [`Error::Write`] if the file cannot be written.
pub fn write(path: impl AsRef<Path>, audits: &[AuditData]) -> Result<(), Error> {
    replace(path.as_ref(), &render(audits)?)
}

/// Writes the page for attacks to `path`, replacing it only once it is complete.
///
/// # Errors
/// As [`render_attack`], and [`Error::Write`] if the file cannot be written.
pub fn write_attack(path: impl AsRef<Path>, data: &AttackData) -> Result<(), Error> {
    replace(path.as_ref(), &render_attack(data)?)
}

/// Writes the page of a study to `path`, replacing it only once it is complete.
///
/// # Errors
/// As [`render_study`], and [`Error::Write`] if the file cannot be written.
pub fn write_study(path: impl AsRef<Path>, data: &StudyData) -> Result<(), Error> {
    replace(path.as_ref(), &render_study(data)?)
}

fn replace(path: &Path, page: &str) -> Result<(), Error> {
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
