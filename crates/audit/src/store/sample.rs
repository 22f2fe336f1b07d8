//! Records for tests.

use super::{Part, Perturbation};
use crate::schema::{CurveRow, PointRow, Status};

/// A row in which every cell has a value.
pub(crate) fn row(index: i64, radius: &str) -> PointRow {
    PointRow {
        model: "beta4".to_owned(),
        index,
        label: Some(index % 10),
        radius: radius.to_owned(),
        r: Some(4.0),
        norm: "l2".to_owned(),
        r#box: "0,1".to_owned(),
        p: Some(0.75),
        p_low: Some(0.7),
        p_high: Some(0.8),
        p_lower_limit: Some(0.72),
        draws: 1000,
        p_linear: Some(0.77),
        p_markov: Some(0.25),
        sigma_min: Some(0.1),
        sigma_mean: Some(0.2),
        jacobian_frobenius: Some(3.0),
        jacobian_spectral: Some(2.0),
        whitened_jacobian_spectral: Some(20.0),
        jacobian_error: Some(0.0),
        bound_paper: Some(0.03),
        bound_sharp: Some(0.06),
        bound_paper_limit: Some(0.02),
        bound_sharp_limit: Some(0.05),
        certified: Some(0.04),
        certified_by: Some("moments-2".to_owned()),
        certified_confidence: Some(0.999),
        attacked: Some(index as f64),
        transferred_p: None,
        attacked_p: Some(0.49),
        attacked_p_value: Some(1e-4),
        attacked_crossing: Some(1.2),
        attacked_by: Some("max-damage".to_owned()),
        degradation: Some(0.3),
        status: Status::Ok,
        message: None,
        seconds: 1.5,
        seconds_attacked: Some(1.0),
    }
}

/// A row of a point that could not be judged.
pub(crate) fn failed(index: i64, radius: &str) -> PointRow {
    PointRow {
        p: None,
        attacked: None,
        status: Status::Failed,
        message: Some("the encoder gave NaN".to_owned()),
        ..row(index, radius)
    }
}

/// A whole part: two radii, two curve points each and one perturbation each.
pub(crate) fn part(indices: &[i64]) -> Part {
    let mut part = Part::default();
    for &index in indices {
        for (k, radius) in ["8", "4"].into_iter().enumerate() {
            part.rows.push(row(index, radius));
            part.curves.extend([0.5, 1.0].map(|perturbation_norm| CurveRow {
                model: "beta4".to_owned(),
                index,
                radius: radius.to_owned(),
                r: 4.0,
                perturbation_norm,
                damage: perturbation_norm * index as f64,
                p: 0.9,
            }));
            part.perturbations.push(Perturbation {
                index,
                radius: radius.to_owned(),
                values: [1.0, 2.0, 3.0, 4.0].map(|x| x * index as f32 + k as f32).to_vec(),
                shape: vec![1, 2, 2],
            });
        }
    }
    part
}
