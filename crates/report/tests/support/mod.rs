//! Audits made up from formulas: deterministic, cheap, and of the shapes that real ones have.
#![allow(dead_code, missing_docs, unreachable_pub)] // each user needs a part of it

use vaegis_audit::schema::*;
use vaegis_report::AuditData;

/// A number in [0, 1) that depends on its arguments only.
pub fn noise(seed: u64, index: u64) -> f64 {
    let mut x =
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index.wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..3 {
        x ^= x >> 29;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^= x >> 32;
    }
    (x >> 11) as f64 / (1u64 << 53) as f64
}

/// Roughly normal.
fn bell(seed: u64, index: u64) -> f64 {
    (0..6).map(|k| noise(seed + 1000 * k, index)).sum::<f64>() / 6.0 * 4.9 - 2.45
}

/// What to make up.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub name: &'static str,
    pub points: usize,
    pub radii: &'static [&'static str],
    /// Typical attacked margin.
    pub margin: f64,
    pub seed: u64,
    pub attacks: bool,
    pub certificates: bool,
    pub failed: usize,
}

impl Recipe {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            points: 40,
            radii: &["4", "q0.9"],
            margin: 2.2,
            seed: 1,
            attacks: true,
            certificates: true,
            failed: 0,
        }
    }

    pub fn audit(&self) -> AuditData {
        let (mut rows, mut curves) = (Vec::new(), Vec::new());
        for index in 0..self.points {
            for (k, radius) in self.radii.iter().enumerate() {
                let row = self.row(index as u64, k, radius);
                if row.status == Status::Ok && self.attacks {
                    self.curve(&row, &mut curves);
                }
                rows.push(row);
            }
        }
        let gallery = if self.attacks { self.gallery(&rows) } else { Vec::new() };
        AuditData {
            name: self.name.to_owned(),
            summary: summarise(self.name, &rows, self.radii, self.points, self.failed),
            rows,
            curves,
            gallery,
            config: format!(
                "points = {}\nr = {:?}\nseed = {}\n",
                self.points, self.radii, self.seed
            ),
        }
    }

    pub fn row(&self, index: u64, k: usize, radius: &str) -> PointRow {
        let random = |what: u64| bell(self.seed * 31 + what, index);
        let difficulty = (0.35 * random(1)).exp();
        let r = if radius.starts_with('q') { 3.1 * (0.2 * random(2)).exp() } else { 4.0 };
        let p = if k == 0 { 1.0 - 0.002 * noise(7, index) } else { 0.9 };
        let limit = if k == 0 { p - 0.004 } else { 0.89 };
        let zero = index % 50 == 37 && k == 1;
        let (p, limit) = if zero { (0.4, 0.39) } else { (p, limit) };
        let attacked = match index % 50 {
            49 => f64::INFINITY,
            _ if zero => 0.0,
            _ => self.margin * difficulty * if k == 0 { 1.6 } else { 1.0 },
        };
        let whitened = 1.9 / self.margin / difficulty * (0.18 * random(3)).exp();
        let sharp = if zero { 0.0 } else { statistical_quantile(limit) / whitened };
        let failed = (index as usize) < self.failed;
        let ok = |value: f64| (!failed).then_some(value);
        let attack = |value: f64| ok(value).filter(|_| self.attacks);
        let certificate = |value: f64| ok(value).filter(|_| self.certificates);
        // What is proved lies below both, and sometimes nothing is.
        let certified = match index % 25 {
            11 => 0.0,
            _ => (0.6 * sharp * (0.1 * random(9)).exp()).min(0.8 * attacked),
        };
        PointRow {
            model: self.name.to_owned(),
            index: index as i64,
            label: Some((index % 10) as i64),
            radius: radius.to_owned(),
            r: ok(r),
            norm: "l2".into(),
            r#box: "0,1".into(),
            p: ok(p),
            p_low: ok(limit),
            p_high: ok((p + 0.004).min(1.0)),
            p_lower_limit: ok(limit),
            draws: 10_000,
            p_linear: ok(p),
            p_markov: ok(0.2),
            sigma_min: ok(0.05 * self.margin * (0.2 * random(4)).exp()),
            sigma_mean: ok(0.3),
            jacobian_frobenius: ok(1.4 * (0.2 * random(5)).exp()),
            jacobian_spectral: ok(0.8 * (0.2 * random(5)).exp()),
            whitened_jacobian_spectral: ok(whitened),
            jacobian_error: ok(0.0),
            bound_paper: ok(sharp * 0.37),
            bound_sharp: ok(sharp),
            bound_paper_limit: ok(sharp * 0.35 * (0.1 * random(6)).exp()),
            bound_sharp_limit: ok(sharp),
            certified: certificate(certified),
            certified_by: Some("moments-2".to_owned()).filter(|_| !failed && self.certificates),
            certified_confidence: certificate(0.999),
            attacked: attack(attacked),
            transferred_p: None,
            attacked_p: attack(0.49),
            attacked_p_value: attack(1e-4),
            attacked_crossing: attack(1.0),
            attacked_by: Some("minimum norm, top singular vector".to_owned())
                .filter(|_| self.attacks),
            degradation: attack(0.4 / difficulty * (0.4 * random(8)).exp() / self.margin)
                .filter(|_| attacked.is_finite()),
            status: if failed { Status::Failed } else { Status::Ok },
            message: failed.then(|| "encoder output 3 is not a number <at> x & y".to_owned()),
            seconds: 0.4,
            seconds_attacked: None,
        }
    }

    fn curve(&self, row: &PointRow, curves: &mut Vec<CurveRow>) {
        let (Some(r), Some(attacked)) = (row.r, row.attacked) else {
            return;
        };
        let scale = if attacked.is_finite() { attacked.max(0.4) } else { 3.0 * self.margin };
        for step in 0..9 {
            let norm = scale * 0.25 * f64::from(step);
            let t = norm / scale;
            curves.push(CurveRow {
                model: row.model.clone(),
                index: row.index,
                radius: row.radius.clone(),
                r,
                perturbation_norm: norm,
                damage: r * (0.45 + 0.55 * t.powf(1.3)),
                p: row.p.unwrap_or(1.0) / (1.0 + (9.0 * (t - 1.0)).exp()),
            });
        }
    }

    fn gallery(&self, rows: &[PointRow]) -> Vec<GalleryEntry> {
        let mut gallery = Vec::new();
        for radius in self.radii {
            let mut found: Vec<&PointRow> = rows
                .iter()
                .filter(|row| row.radius == *radius && row.attacked.is_some_and(f64::is_finite))
                .collect();
            found.sort_by(|a, b| a.attacked.partial_cmp(&b.attacked).expect("no NaN"));
            for (rank, rows) in [
                (Rank::Least, found.iter().take(3).collect::<Vec<_>>()),
                (Rank::Most, found.iter().rev().take(3).collect()),
            ] {
                gallery.extend(rows.into_iter().map(|row| entry(row, rank)));
            }
        }
        gallery
    }
}

/// A smiling face, pushed around.
fn entry(row: &PointRow, rank: Rank) -> GalleryEntry {
    let attacked = row.attacked.unwrap_or(0.0);
    let original = face(row.index as u64, 0.0);
    let perturbed: Vec<f32> = original
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let d = bell(row.index as u64, i as u64) as f32 * attacked as f32 / 28.0;
            (v + d).clamp(0.0, 1.0)
        })
        .collect();
    GalleryEntry {
        index: row.index,
        label: row.label,
        radius: row.radius.clone(),
        r: row.r.unwrap_or(0.0),
        rank,
        attacked,
        shape: vec![1, 28, 28],
        reconstruction: original.iter().map(|v| v * 0.9 + 0.02).collect(),
        perturbed_reconstruction: face(row.index as u64, 1.0),
        original,
        perturbed,
    }
}

fn face(index: u64, mood: f64) -> Vec<f32> {
    let wobble = noise(99, index) * 3.0;
    (0..28 * 28)
        .map(|i| {
            let (x, y) = (f64::from(i % 28) - 13.5, f64::from(i / 28) - 13.5);
            let ring = (-(x.hypot(y) - 10.0 + wobble / 3.0).powi(2) / 2.0).exp();
            let eyes: f64 = [-4.0, 4.0]
                .iter()
                .map(|e| (-((x - e).powi(2) + (y + 4.0).powi(2)) / 2.5).exp())
                .sum();
            let bend = (1.0 - 2.0 * mood) * 0.1;
            let mouth = (-(y - 5.0 + bend * x * x - mood * 2.0).powi(2) / 1.6).exp()
                * f64::from(x.abs() < 5.5);
            (ring + eyes + mouth).min(1.0) as f32
        })
        .collect()
}

/// A normal quantile good enough for pictures.
fn statistical_quantile(p: f64) -> f64 {
    let t = (-2.0 * (1.0 - p).max(1e-12).ln()).sqrt();
    t - (2.30753 + 0.27061 * t) / (1.0 + 0.99229 * t + 0.04481 * t * t)
}

pub fn quantiles(values: impl Iterator<Item = Option<f64>>) -> Quantiles {
    let mut values: Vec<f64> = values.flatten().collect();
    values.sort_by(f64::total_cmp);
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let at = |level: f64| {
        let value = *values.get((level * values.len().saturating_sub(1) as f64) as usize)?;
        value.is_finite().then_some(value)
    };
    Quantiles {
        count: values.len(),
        infinite: values.len() - finite.len(),
        mean: (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / finite.len() as f64),
        p10: at(0.1),
        p25: at(0.25),
        median: at(0.5),
        p75: at(0.75),
        p90: at(0.9),
    }
}

pub fn summarise(
    model: &str,
    rows: &[PointRow],
    radii: &[&str],
    points: usize,
    failed: usize,
) -> Summary {
    let of = |pick: fn(&PointRow) -> Option<f64>| quantiles(rows.iter().map(pick));
    let radii = radii
        .iter()
        .map(|radius| {
            let rows = || rows.iter().filter(|row| row.radius == *radius);
            let of = |pick: fn(&PointRow) -> Option<f64>| quantiles(rows().map(pick));
            let below = |bound: fn(&PointRow) -> Option<f64>| {
                rows()
                    .filter(|row| row.attacked.zip(bound(row)).is_some_and(|(a, b)| a < b))
                    .count()
            };
            let robust = rows().filter(|row| row.p_lower_limit.is_some_and(|p| p > 0.5)).count();
            let certified = rows().filter(|row| row.certified.is_some_and(|c| c > 0.0)).count();
            RadiusSummary {
                radius: (*radius).to_owned(),
                r: of(|row| row.r),
                p: of(|row| row.p),
                robust_fraction: robust as f64 / points.max(1) as f64,
                bound_paper: of(|row| row.bound_paper_limit),
                bound_sharp: of(|row| row.bound_sharp_limit),
                certified: of(|row| row.certified),
                certified_fraction: certified as f64 / points.saturating_sub(failed).max(1) as f64,
                certified_share: of(|row| {
                    let attacked = row.attacked.filter(|&a| a > 0.0 && a.is_finite())?;
                    Some(row.certified? / attacked)
                }),
                attacked: of(|row| row.attacked),
                degradation: of(|row| row.degradation),
                below_paper: below(|row| row.bound_paper_limit),
                below_sharp: below(|row| row.bound_sharp_limit),
                compared: rows().filter(|row| row.attacked.is_some()).count(),
            }
        })
        .collect();
    Summary {
        schema_version: SCHEMA_VERSION,
        vaegis_version: "0.1.0".into(),
        model: model.to_owned(),
        description: "dense 784-256-64-10 encoder, Bernoulli likelihood, β-VAE objective".into(),
        dataset: "mnist (test)".into(),
        points,
        failed,
        draws: 10_000,
        alpha: 0.001,
        norm: "l2".into(),
        r#box: "0,1".into(),
        seed: 7,
        sigma_min: of(|row| row.sigma_min),
        sigma_mean: of(|row| row.sigma_mean),
        jacobian_frobenius: of(|row| row.jacobian_frobenius),
        jacobian_spectral: of(|row| row.jacobian_spectral),
        whitened_jacobian_spectral: of(|row| row.whitened_jacobian_spectral),
        jacobian_error: of(|row| row.jacobian_error),
        seconds: of(|row| Some(row.seconds)),
        seconds_attacked: of(|row| row.seconds_attacked),
        radii,
    }
}
