//! What a study knows when its models are done, as plain rows.
//!
//! `models.csv` and `claims.csv` of a study have exactly these columns.

use serde::{Deserialize, Serialize};
pub use vaegis_robustness::attack::goal::Pathway;

/// Which model of the grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Name of the data, as the study calls them: `mnist`.
    pub data: String,
    /// Name of the architecture: `mlp`.
    pub architecture: String,
    /// Name of the objective: `beta-vae`.
    pub objective: String,
    /// What its strength is called: `beta`; none if it has one value only.
    pub parameter: Option<String>,
    /// The strength.
    pub strength: Option<f64>,
    /// Seed of the training.
    pub seed: u64,
}

/// One model at one radius. Quantities of points are medians over those that did not fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRow {
    /// Name of its folder: unique in the study.
    pub model: String,
    /// Name of the data, as the study calls them: `mnist`.
    pub data: String,
    /// Name of the architecture: `mlp`.
    pub architecture: String,
    /// Name of the objective: `beta-vae`.
    pub objective: String,
    /// What its strength is called: `beta`; none if it has one value only.
    pub parameter: Option<String>,
    /// The strength.
    pub strength: Option<f64>,
    /// Whether this is the plain VAE that others are compared with.
    pub plain: bool,
    /// Seed of the training.
    pub seed: u64,
    /// Epochs that were trained.
    pub epochs: usize,
    /// ELBO of test rows, in nats.
    pub elbo: f64,
    /// `-E[log p(x|z)]` of test rows, in nats.
    pub distortion: f64,
    /// `KL(q(z|x) || p(z))` of test rows, in nats.
    pub rate: f64,
    /// Latents whose posterior mean varies.
    pub active_units: usize,
    /// `KL(q(z) || prod q(z_j))` of test rows, in nats.
    pub total_correlation: f64,
    /// `KL(q(z) || p(z))` of test rows, in nats.
    pub aggregate_kl: f64,
    /// Of rows and latents, in nats: rate less aggregate KL.
    pub mutual_information: f64,
    /// Mutual information gap, where factors are known; likewise those that follow.
    pub mig: Option<f64>,
    /// Disentanglement of DCI.
    pub dci_disentanglement: Option<f64>,
    /// Completeness of DCI.
    pub dci_completeness: Option<f64>,
    /// Informativeness of DCI.
    pub dci_informativeness: Option<f64>,
    /// Separated attribute predictability.
    pub sap: Option<f64>,
    /// Modularity.
    pub modularity: Option<f64>,
    /// The FactorVAE score.
    pub factor_vae_score: Option<f64>,
    /// The beta-VAE score.
    pub beta_vae_score: Option<f64>,
    /// Points that were audited.
    pub points: usize,
    /// Points that failed.
    pub failed: usize,
    /// Mean posterior standard deviation.
    pub sigma_mean: Option<f64>,
    /// Smallest posterior standard deviation.
    pub sigma_min: Option<f64>,
    /// `|J|_F` of the encoder mean.
    pub jacobian_frobenius: Option<f64>,
    /// `|J|_2` of the encoder mean.
    pub jacobian_spectral: Option<f64>,
    /// `|Sigma^(-1/2) J|_2`.
    pub whitened_jacobian_spectral: Option<f64>,
    /// The radius as it was asked for: `4`, `q0.9`.
    pub radius: String,
    /// Radius in reconstruction space.
    pub r: Option<f64>,
    /// `p_r(x)`.
    pub p: Option<f64>,
    /// The paper's first-order estimate, at the lower limit of p.
    pub bound_paper: Option<f64>,
    /// The sharp first-order estimate, likewise.
    pub bound_sharp: Option<f64>,
    /// Certified margin, if certificates were asked for.
    pub certified: Option<f64>,
    /// Attacked margin; +inf if half of the points or more were not broken.
    pub attacked: Option<f64>,
}

/// One point of a model at one radius, of those that did not fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointFacts {
    /// Name of the model's folder.
    pub model: String,
    /// Row in the data set.
    pub index: i64,
    /// The radius as it was asked for.
    pub radius: String,
    /// The paper's first-order estimate, at the lower limit of p.
    pub bound_paper: f64,
    /// The sharp first-order estimate, likewise.
    pub bound_sharp: f64,
    /// Certified margin, if certificates were asked for.
    pub certified: Option<f64>,
    /// Attacked margin; +inf where no attack succeeded.
    pub attacked: f64,
}

/// The strongest attack of one length on one point of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttackFacts {
    /// Name of the model's folder.
    pub model: String,
    /// Row in the data set.
    pub index: i64,
    /// The length that was allowed.
    pub size: f64,
    /// What could move.
    pub through: Pathway,
    /// Median damage under the attack.
    pub damage: f64,
    /// Median damage at x itself.
    pub damage_at_rest: f64,
    /// Relative likelihood degradation.
    pub degradation: f64,
}

/// How an effect is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// A share, between 0 and 1.
    Share,
    /// A ratio; 1 is no effect. Shown on a logarithmic axis.
    Ratio,
    /// A correlation, between -1 and 1.
    Correlation,
    /// A difference; 0 is no effect.
    Difference,
    /// A difference in nats; 0 is no effect.
    Nats,
}

/// Which values of an effect are what the paper says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "side", content = "of")]
pub enum Claimed {
    /// Values above this.
    Above(f64),
    /// Values below this.
    Below(f64),
    /// Nothing is claimed: the effect is told.
    Nothing,
}

/// What the data say about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// The whole interval is what the paper says.
    #[serde(rename = "reproduced")]
    Reproduced,
    /// The whole interval is not.
    #[serde(rename = "not reproduced")]
    NotReproduced,
    /// The interval has both, or there is none.
    #[serde(rename = "inconclusive")]
    Inconclusive,
}

impl Verdict {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::NotReproduced => "not reproduced",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Which models an effect is about; `None` in a field: all of them together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Name of the data.
    pub data: Option<String>,
    /// Name of the architecture.
    pub architecture: Option<String>,
    /// Name of the objective.
    pub objective: Option<String>,
}

/// One measured effect with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Number of the claim, 1 to 5.
    pub claim: usize,
    /// Name of the effect within it: `validity`, unique together with claim and scope.
    pub part: String,
    /// What is measured, in a few words: `share of points whose attacked margin is below the bound`.
    pub statement: String,
    /// Which models.
    pub scope: Scope,
    /// How it is measured.
    pub measure: Measure,
    /// What the paper says.
    pub claimed: Claimed,
    /// The effect; `None` if the grid cannot tell (`remark` says why).
    pub estimate: Option<f64>,
    /// Lower end of its confidence interval; `None` if there is none.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// What replicates the interval is over: 5 seeds, 36 models.
    pub replicates: usize,
    /// What these are: `seeds`, `models`.
    pub over: String,
    /// `None` where nothing is claimed.
    pub verdict: Option<Verdict>,
    /// Why there is no estimate or no interval, if there is none.
    pub remark: Option<String>,
}

/// Everything that figures and pages show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StudyData {
    /// Name of the study.
    pub name: String,
    /// One row for each model and radius.
    pub models: Vec<ModelRow>,
    /// One for each model, point and radius.
    pub points: Vec<PointFacts>,
    /// One for each model, point, size and pathway.
    pub attacks: Vec<AttackFacts>,
    /// Effects: those of all models together first, claim by claim.
    pub effects: Vec<Effect>,
    /// Confidence of their intervals.
    pub confidence: f64,
    /// The grid, as TOML.
    pub grid: String,
    /// Version of vaegis.
    pub vaegis_version: String,
}
