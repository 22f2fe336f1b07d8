use vaegis_robustness::Model;
use vaegis_robustness::assess::reconstructions;
use vaegis_vae::Noise;

use crate::schema::{GalleryEntry, PointRow, Rank, Summary};
use crate::store::{AuditFolder, AuditWriter};
use crate::summary::{Header, summarise};
use crate::{AuditConfig, Error, Subject};

/// Points shown at each end of the gallery, per radius.
const GALLERY: usize = 4;

/// Summarises a complete audit, makes its gallery, and compacts the folder. A folder that
/// is finished already only has its summary read.
///
/// # Errors
/// Names the file that could not be read or written.
pub fn finish(
    writer: &AuditWriter,
    subject: Subject<'_>,
    config: &AuditConfig,
) -> Result<Summary, Error> {
    let folder = writer.folder();
    if writer.is_finished()
        && let Some(summary) = folder.summary()?
    {
        return Ok(summary);
    }
    let settings = &config.settings;
    let radii: Vec<String> = settings.radii.iter().map(ToString::to_string).collect();
    let header = Header {
        model: config.model.clone(),
        description: config.description.clone(),
        dataset: config.dataset.clone(),
        draws: settings.draws as usize,
        alpha: settings.alpha,
        norm: settings.domain.norm.to_string(),
        r#box: settings.domain.bounds.to_string(),
        seed: config.seed,
        radii: radii.clone(),
    };
    let summary = summarise(&folder, header)?;
    let mut shown = vec![];
    for radius in &radii {
        shown.extend(extremes(&folder, radius)?);
    }
    let model = Model::new(subject.vae);
    let gallery = shown
        .into_iter()
        .filter_map(|(rank, row)| picture(&folder, &model, subject, config, rank, &row).transpose())
        .collect::<Result<Vec<_>, Error>>()?;
    writer.finish(&summary, &gallery)?;
    Ok(summary)
}

/// The rows of a radius with the smallest and the largest attacked margins: those that
/// were found, and are more than 0.
fn extremes(folder: &AuditFolder, radius: &str) -> Result<Vec<(Rank, PointRow)>, Error> {
    let margin = |row: &PointRow| row.attacked.unwrap_or(f64::NAN);
    let mut least: Vec<PointRow> = vec![];
    let mut most: Vec<PointRow> = vec![];
    folder.for_each_row(|row| {
        let found = row.attacked.is_some_and(|norm| norm > 0.0 && norm.is_finite());
        if row.radius != radius || !found {
            return;
        }
        least.push(row.clone());
        least.sort_by(|a, b| margin(a).total_cmp(&margin(b)));
        least.truncate(GALLERY);
        most.push(row);
        most.sort_by(|a, b| margin(b).total_cmp(&margin(a)));
        most.truncate(GALLERY);
    })?;
    // With few points the ends overlap: no point is shown as both.
    most.retain(|row| !least.iter().any(|other| other.index == row.index));
    let least = least.into_iter().map(|row| (Rank::Least, row));
    Ok(least.chain(most.into_iter().map(|row| (Rank::Most, row))).collect())
}

fn picture(
    folder: &AuditFolder,
    model: &Model,
    subject: Subject<'_>,
    config: &AuditConfig,
    rank: Rank,
    row: &PointRow,
) -> Result<Option<GalleryEntry>, Error> {
    let (Some(attacked), Some(r)) = (row.attacked, row.r) else { return Ok(None) };
    let Some((shape, perturbation)) = folder.perturbation(row.index, &row.radius)? else {
        return Ok(None);
    };
    let x = subject.dataset.row(row.index as usize);
    let perturbed: Vec<f32> = x.iter().zip(&perturbation).map(|(x, d)| x + d).collect();
    let noise = Noise::new(config.seed);
    let pictures = model
        .encoding(&perturbed)
        .and_then(|posterior| reconstructions(model, &noise, row.index as u64, &x, &posterior));
    // A point that was assessed a moment ago reconstructs; if not, it has no picture.
    Ok(pictures.ok().map(|pictures| GalleryEntry {
        index: row.index,
        label: row.label,
        radius: row.radius.clone(),
        r,
        rank,
        attacked,
        shape,
        original: x,
        perturbed,
        reconstruction: pictures.original,
        perturbed_reconstruction: pictures.perturbed,
    }))
}
