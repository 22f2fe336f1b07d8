//! What the folders of a study hold, as the rows that claims, figures and tables are made of.

use std::path::Path;

use vaegis_audit::schema::{PointRow, Status};
use vaegis_audit::store::{AuditFolder, read_attacks};

use crate::cell::Record;
use crate::claims;
use crate::run::CELLS;
use crate::schema::{AttackFacts, ModelRow, Pathway, PointFacts, StudyData};
use crate::statistics::median;
use crate::{Error, Grid};

/// Reads the models of a grid that are done, and tests the claims on these. Also returns the names of
/// models that are not done.
///
/// # Errors
/// Names what cannot be read.
pub fn collect(grid: &Grid, out: &Path) -> Result<(StudyData, Vec<String>), Error> {
    let mut data = StudyData {
        name: grid.name.clone(),
        confidence: grid.confidence,
        grid: grid.text()?,
        vaegis_version: env!("CARGO_PKG_VERSION").to_string(),
        ..StudyData::default()
    };
    let mut missing = vec![];
    for planned in grid.cells() {
        let name = planned.name();
        let folder = out.join(CELLS).join(&name);
        match Record::read(&folder)? {
            Some(record) => read(&mut data, &name, &folder, &record)?,
            None => missing.push(name),
        }
    }
    data.effects = claims::effects(&data);
    Ok((data, missing))
}

/// Reads one model.
fn read(data: &mut StudyData, name: &str, folder: &Path, record: &Record) -> Result<(), Error> {
    let rows = AuditFolder::open(folder.join("audit"))?.rows()?;
    let mut radii: Vec<&str> = vec![];
    for row in &rows {
        if !radii.contains(&row.radius.as_str()) {
            radii.push(&row.radius);
        }
    }
    for radius in radii {
        let here: Vec<&PointRow> = rows.iter().filter(|row| row.radius == radius).collect();
        data.models.push(model_row(name, record, radius, &here));
        data.points.extend(here.iter().filter_map(|row| point(name, row)));
    }
    for row in read_attacks(&folder.join("attacks"))? {
        let through = row.through.as_deref().and_then(|through| through.parse().ok());
        let facts = row.size.zip(row.damage).zip(row.damage_at_rest).zip(row.degradation);
        if let (Some(through), Some((((size, damage), damage_at_rest), degradation))) =
            (through, facts)
        {
            let through: Pathway = through;
            let (model, index) = (name.to_string(), row.index);
            let attack =
                AttackFacts { model, index, size, through, damage, damage_at_rest, degradation };
            data.attacks.push(attack);
        }
    }
    Ok(())
}

fn point(model: &str, row: &PointRow) -> Option<PointFacts> {
    if row.status == Status::Failed {
        return None;
    }
    Some(PointFacts {
        model: model.to_string(),
        index: row.index,
        radius: row.radius.clone(),
        bound_paper: row.bound_paper_limit?,
        bound_sharp: row.bound_sharp_limit?,
        certified: row.certified,
        attacked: row.attacked?,
    })
}

fn model_row(name: &str, record: &Record, radius: &str, rows: &[&PointRow]) -> ModelRow {
    let ok: Vec<&&PointRow> = rows.iter().filter(|row| row.status == Status::Ok).collect();
    let of = |quantity: fn(&PointRow) -> Option<f64>| {
        let value = median(ok.iter().filter_map(|row| quantity(row)));
        (!value.is_nan()).then_some(value)
    };
    let (cell, scores) = (record.cell.clone(), &record.scores);
    let factors = scores.disentanglement.as_ref();
    ModelRow {
        model: name.to_string(),
        data: cell.data,
        architecture: cell.architecture,
        objective: cell.objective,
        parameter: cell.parameter,
        strength: cell.strength,
        plain: record.plain,
        seed: cell.seed,
        epochs: record.epochs,
        elbo: scores.elbo.estimate,
        distortion: scores.distortion.estimate,
        rate: scores.rate.estimate,
        active_units: scores.active_units,
        total_correlation: scores.total_correlation.estimate,
        aggregate_kl: scores.aggregate_kl.estimate,
        mutual_information: scores.mutual_information.estimate,
        mig: factors.map(|at| at.mig.estimate),
        dci_disentanglement: factors.map(|at| at.dci_disentanglement.estimate),
        dci_completeness: factors.and_then(|at| at.dci_completeness).map(|at| at.estimate),
        dci_informativeness: factors.map(|at| at.dci_informativeness.estimate),
        sap: factors.map(|at| at.sap.estimate),
        modularity: factors.map(|at| at.modularity.estimate),
        factor_vae_score: factors.map(|at| at.factor_vae_score.estimate),
        beta_vae_score: factors.map(|at| at.beta_vae_score.estimate),
        points: rows.len(),
        failed: rows.len() - ok.len(),
        sigma_mean: of(|row| row.sigma_mean),
        sigma_min: of(|row| row.sigma_min),
        jacobian_frobenius: of(|row| row.jacobian_frobenius),
        jacobian_spectral: of(|row| row.jacobian_spectral),
        whitened_jacobian_spectral: of(|row| row.whitened_jacobian_spectral),
        radius: radius.to_string(),
        r: of(|row| row.r),
        p: of(|row| row.p),
        bound_paper: of(|row| row.bound_paper_limit),
        bound_sharp: of(|row| row.bound_sharp_limit),
        certified: of(|row| row.certified),
        attacked: of(|row| row.attacked),
    }
}
