//! What an audit stores, as plain rows and records.
//!
//! These types are public API: `points.parquet`, `curves.parquet` and
//! `summary.json` have exactly these fields under exactly these names. A change
//! of meaning bumps [`SCHEMA_VERSION`].

use serde::{Deserialize, Serialize};

/// Version of every file an audit writes.
pub const SCHEMA_VERSION: u32 = 2;

/// Whether the audit of a point succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every quantity asked for was computed.
    #[default]
    Ok,
    /// The point could not be judged (NaN, for example); it is never called robust.
    Failed,
}

/// One row of `points.parquet`: one (model, point, radius).
///
/// `None` where a quantity was not asked for or could not be computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointRow {
    /// Name of the model.
    pub model: String,
    /// Row in the data set.
    pub index: i64,
    /// Label of that row, if the data set has labels.
    pub label: Option<i64>,
    /// The radius as it was asked for: `4`, `q0.9`.
    pub radius: String,
    /// Radius in reconstruction space (l2); differs between points for quantile radii.
    pub r: Option<f64>,
    /// Norm of the perturbation: `l2`.
    pub norm: String,
    /// Box that perturbed inputs stay in: `none` or `lo,hi`.
    pub r#box: String,
    /// Monte Carlo estimate of `p_r(x)`.
    pub p: Option<f64>,
    /// Lower end of the two-sided Clopper-Pearson interval (level 1 - alpha).
    pub p_low: Option<f64>,
    /// Upper end of the two-sided Clopper-Pearson interval (level 1 - alpha).
    pub p_high: Option<f64>,
    /// One-sided lower Clopper-Pearson limit (level 1 - alpha).
    pub p_lower_limit: Option<f64>,
    /// Number of draws behind `p`; where none were taken, how many were asked for.
    pub draws: i64,
    /// `p_r(x)` of the decoder linearised at `mu(x)`: a generalised chi-square probability
    /// (where the Jacobian was too big to form, a share of draws of it, at most 2,048).
    pub p_linear: Option<f64>,
    /// Markov's lower bound on `p_linear`: `1 - tr/r^2`, floored at 0.
    pub p_markov: Option<f64>,
    /// Smallest posterior standard deviation.
    pub sigma_min: Option<f64>,
    /// Mean posterior standard deviation.
    pub sigma_mean: Option<f64>,
    /// `|J|_F` of the encoder mean at x.
    pub jacobian_frobenius: Option<f64>,
    /// `|J|_2` of the encoder mean at x.
    pub jacobian_spectral: Option<f64>,
    /// `|Sigma^(-1/2) J|_2` of the encoder at x.
    pub whitened_jacobian_spectral: Option<f64>,
    /// Largest relative error of these three norms, exceeded with a probability of at most
    /// 1 in 1000 each: 0 where the Jacobian was formed, positive where it was too big.
    pub jacobian_error: Option<f64>,
    /// The paper's first-order estimate at `p`; 0 when p <= 1/2, +inf when p = 1.
    pub bound_paper: Option<f64>,
    /// The sharp first-order estimate at `p`; 0 when p <= 1/2, +inf when p = 1.
    pub bound_sharp: Option<f64>,
    /// The paper's first-order estimate at `p_lower_limit`.
    pub bound_paper_limit: Option<f64>,
    /// The sharp first-order estimate at `p_lower_limit`.
    pub bound_sharp_limit: Option<f64>,
    /// Certified margin: no perturbation shorter than this breaks r-robustness, with the
    /// confidence in `certified_confidence`. 0 if nothing could be shown; `None` if no certificate
    /// was asked for, or the model has none (`message` says why).
    pub certified: Option<f64>,
    /// What certified it: `moments-2`, for example.
    pub certified_by: Option<String>,
    /// The probability with which this certificate is right, at least.
    pub certified_confidence: Option<f64>,
    /// Norm of the smallest perturbation found that breaks r-robustness on fresh
    /// noise; +inf when none within the search range, 0 when x itself is not r-robust.
    pub attacked: Option<f64>,
    /// Estimate from fresh draws of the probability to stay within r under that perturbation.
    pub attacked_p: Option<f64>,
    /// The error probability at which those draws say that it is below 1/2; null where x itself
    /// is not r-robust.
    pub attacked_p_value: Option<f64>,
    /// Estimate, not judged, of the norm at which perturbations in that direction begin to break
    /// r-robustness.
    pub attacked_crossing: Option<f64>,
    /// The attack (start) that found it.
    pub attacked_by: Option<String>,
    /// Relative log-likelihood degradation under that perturbation.
    pub degradation: Option<f64>,
    /// Fraction of draws within r under the perturbation that broke another model, as it is; null
    /// where none was transferred.
    pub transferred_p: Option<f64>,
    /// Whether the point could be judged.
    pub status: Status,
    /// Why not, if not.
    pub message: Option<String>,
    /// Wall-clock seconds the point took, all its radii together.
    pub seconds: f64,
    /// Those of them that attacks took; null where there were none or the point failed.
    pub seconds_attacked: Option<f64>,
}

/// One row of `curves.parquet`: the strongest attack found at one perturbation norm,
/// judged on fresh noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveRow {
    /// Name of the model.
    pub model: String,
    /// Row in the data set.
    pub index: i64,
    /// The radius as it was asked for.
    pub radius: String,
    /// That radius in reconstruction space.
    pub r: f64,
    /// Norm of the perturbation.
    pub perturbation_norm: f64,
    /// Median of `|Delta(x, d)|`: a point of the damage curve `M(c)`.
    pub damage: f64,
    /// Fraction of draws with `|Delta(x, d)| <= r`.
    pub p: f64,
}

/// One row of `attacks.parquet`: the strongest attack found on one point at one size, judged on
/// draws that no attack has seen.
///
/// `None` where a quantity was not asked for or could not be computed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AttackRow {
    /// Name of the model.
    pub model: String,
    /// Row in the data set.
    pub index: i64,
    /// Label of that row, if the data set has labels.
    pub label: Option<i64>,
    /// What the attack increased.
    pub attack: Option<String>,
    /// What of the posterior the perturbation moves: `both`, or `mean` or `variance` alone, while
    /// the other stays that of x.
    pub through: Option<String>,
    /// The optimiser that found it: the best of those that were asked for.
    pub optimiser: Option<String>,
    /// The start it came from.
    pub start: Option<String>,
    /// Norm of the perturbation: `l2`.
    pub norm: String,
    /// Box that perturbed inputs stay in: `none` or `lo,hi`.
    pub r#box: String,
    /// The length that was allowed.
    pub size: Option<f64>,
    /// The length of the perturbation, at most the size.
    pub length: Option<f64>,
    /// The attack's goal at x + d.
    pub value: Option<f64>,
    /// The attack's goal at x, under the same noise.
    pub value_at_rest: Option<f64>,
    /// Median of `|Delta(x, d)|`.
    pub damage: Option<f64>,
    /// Median of `|Delta(x, 0)|`.
    pub damage_at_rest: Option<f64>,
    /// The radius in reconstruction space that is judged.
    pub r: Option<f64>,
    /// Fraction of draws with `|Delta(x, d)| <= r`.
    pub p: Option<f64>,
    /// Lower end of its two-sided Clopper-Pearson interval (level 1 - alpha).
    pub p_low: Option<f64>,
    /// Upper end of its two-sided Clopper-Pearson interval (level 1 - alpha).
    pub p_high: Option<f64>,
    /// `KL(q(.|x+d) || q(.|x))`, in nats.
    pub kl: Option<f64>,
    /// Symmetric Kullback-Leibler divergence of both posteriors, in nats.
    pub symmetric_kl: Option<f64>,
    /// Relative log-likelihood degradation.
    pub degradation: Option<f64>,
    /// Peak signal-to-noise ratio between the reconstructions of x and x + d, in dB.
    pub psnr: Option<f64>,
    /// Structural similarity of these reconstructions.
    pub ssim: Option<f64>,
    /// Multi-scale structural similarity of these reconstructions.
    pub ms_ssim: Option<f64>,
    /// Length of `x_t - x`, where there is a target x_t.
    pub aim_size: Option<f64>,
    /// `|g(mu(x+d)) - x_t|`, where there is a target x_t.
    pub aim_distance: Option<f64>,
    /// `|g(mu(x)) - x_t|`, where there is a target x_t.
    pub aim_distance_at_rest: Option<f64>,
    /// `|g(mu(x_t)) - x_t|`, where there is a target x_t.
    pub aim_distance_of_target: Option<f64>,
    /// Area under the distortion-distortion curve of this attack over all its sizes, where there is
    /// a target: 1 where nothing moves towards it, 0 where a small change is reconstructed as the
    /// target is.
    pub auddc: Option<f64>,
    /// Whether the point could be attacked.
    pub status: Status,
    /// Why not, if not.
    pub message: Option<String>,
    /// Wall-clock seconds the point took, all its attacks together.
    pub seconds: f64,
}

impl AttackRow {
    /// What the attack increased, and through what if not through all: `maximum-damage through mean`.
    pub fn question(&self) -> Option<String> {
        let attack = self.attack.as_ref()?;
        match self.through.as_deref() {
            None | Some("both") => Some(attack.clone()),
            Some(pathway) => Some(format!("{attack} through {pathway}")),
        }
    }
}

/// Order statistics over points; a value that is not finite is `None` (`null` in JSON).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many values there were.
    pub count: usize,
    /// How many of them were infinite.
    pub infinite: usize,
    /// Mean of the finite values.
    pub mean: Option<f64>,
    /// 10th percentile (infinite values sort last).
    pub p10: Option<f64>,
    /// 25th percentile.
    pub p25: Option<f64>,
    /// Median.
    pub median: Option<f64>,
    /// 75th percentile.
    pub p75: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
}

/// What a summary says of one requested radius.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RadiusSummary {
    /// The radius as it was asked for: `4`, `q0.9`.
    pub radius: String,
    /// The radius in reconstruction space.
    pub r: Quantiles,
    /// `p_r(x)`.
    pub p: Quantiles,
    /// Fraction of points whose lower limit `p_lower_limit` exceeds 1/2.
    pub robust_fraction: f64,
    /// The paper's first-order estimate at the lower limit.
    pub bound_paper: Quantiles,
    /// The sharp first-order estimate at the lower limit.
    pub bound_sharp: Quantiles,
    /// Certified margins.
    #[serde(default)]
    pub certified: Quantiles,
    /// Share of rows whose certified margin is more than 0.
    #[serde(default)]
    pub certified_fraction: f64,
    /// Certified over attacked margins, where an attack succeeded.
    #[serde(default)]
    pub certified_share: Quantiles,
    /// The attacked margin.
    pub attacked: Quantiles,
    /// Relative likelihood degradation.
    pub degradation: Quantiles,
    /// Points whose attacked margin is below the paper's estimate (first-order error).
    pub below_paper: usize,
    /// Points whose attacked margin is below the sharp estimate (first-order error).
    pub below_sharp: usize,
    /// Points with both an attacked margin and bounds.
    pub compared: usize,
}

/// The contents of `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA_VERSION`] at the time of writing.
    pub schema_version: u32,
    /// Version of vaegis.
    pub vaegis_version: String,
    /// Name of the model.
    pub model: String,
    /// One line on what the model is: architecture, likelihood, objective.
    pub description: String,
    /// Name of the data set.
    pub dataset: String,
    /// Points audited.
    pub points: usize,
    /// Points that failed.
    pub failed: usize,
    /// Draws per point.
    pub draws: usize,
    /// 1 - alpha is the level of intervals and limits.
    pub alpha: f64,
    /// Norm of perturbations.
    pub norm: String,
    /// Box of perturbed inputs.
    pub r#box: String,
    /// Seed of all noise.
    pub seed: u64,
    /// Smallest posterior standard deviation.
    pub sigma_min: Quantiles,
    /// Mean posterior standard deviation.
    pub sigma_mean: Quantiles,
    /// `|J|_F`.
    pub jacobian_frobenius: Quantiles,
    /// `|J|_2`.
    pub jacobian_spectral: Quantiles,
    /// `|Sigma^(-1/2) J|_2`.
    pub whitened_jacobian_spectral: Quantiles,
    /// Largest relative error of these norms at a point; 0 where Jacobians were formed.
    pub jacobian_error: Quantiles,
    /// Seconds of work per point.
    pub seconds: Quantiles,
    /// Those of them that attacks took.
    pub seconds_attacked: Quantiles,
    /// One entry per requested radius, in the order they were asked for.
    pub radii: Vec<RadiusSummary>,
}

/// Which end of the audit a gallery entry shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// Among the smallest attacked margins.
    Least,
    /// Among the largest attacked margins.
    Most,
}

/// A point shown with its pictures: input and perturbed input, and what the model
/// makes of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GalleryEntry {
    /// Row in the data set.
    pub index: i64,
    /// Label of that row.
    pub label: Option<i64>,
    /// The radius as it was asked for.
    pub radius: String,
    /// That radius in reconstruction space.
    pub r: f64,
    /// Most or least robust.
    pub rank: Rank,
    /// The attacked margin: the norm of the perturbation shown.
    pub attacked: f64,
    /// Shape of each picture: channels, height, width (or one number for a table row).
    pub shape: Vec<usize>,
    /// The input x.
    #[serde(skip)]
    pub original: Vec<f32>,
    /// The perturbed input x + d.
    #[serde(skip)]
    pub perturbed: Vec<f32>,
    /// The mean reconstruction `g(mu(x))`.
    #[serde(skip)]
    pub reconstruction: Vec<f32>,
    /// A reconstruction of x + d: the draw whose damage is the median.
    #[serde(skip)]
    pub perturbed_reconstruction: Vec<f32>,
}
