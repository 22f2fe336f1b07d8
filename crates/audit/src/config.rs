use serde::{Deserialize, Serialize};
use vaegis_data::Dataset;
use vaegis_robustness::attack::least_draws;
use vaegis_robustness::{Model, Settings};
use vaegis_vae::Vae;

use crate::Error;

/// Everything that decides the results of an audit. Two audits with the same
/// configuration have the same rows (but for `seconds`), up to floating-point noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditConfig {
    /// Name of the model in the results.
    pub model: String,
    /// One line on what the model is.
    pub description: String,
    /// [`fingerprint`] of the model.
    pub model_hash: String,
    /// Name of the data set.
    pub dataset: String,
    /// Fingerprint of the data set.
    pub data_hash: String,
    /// Which points, as asked for.
    pub points: String,
    /// Seed of all noise.
    pub seed: u64,
    /// Radii, draws, limits, box and attack.
    #[serde(flatten)]
    pub settings: Settings,
}

/// How to run: nothing here changes a result, because batches depend on the model alone
/// and noise on the point alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Most points assessed at once, one thread each.
    pub threads: usize,
    /// Bytes that the values of all batches together may take: it limits the points
    /// assessed at once.
    pub memory: usize,
    /// Assess points again that failed in an earlier run.
    pub retry_failed: bool,
}

/// What is audited.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The model.
    pub vae: &'a Vae,
    /// The data.
    pub dataset: &'a Dataset,
    /// Rows of the data set.
    pub points: &'a [usize],
}

/// blake3 of a model's structure and weights, in hex.
pub fn fingerprint(vae: &Vae) -> String {
    let mut hasher = blake3::Hasher::new();
    let structure = (vae.encoder().config(), vae.decoder().config(), vae.likelihood());
    hasher.update(serde_json::to_string(&structure).unwrap_or_default().as_bytes());
    for (name, shape, values) in vae.weights().iter() {
        hasher.update(format!("{name}{shape:?}").as_bytes());
        for value in values {
            hasher.update(&value.to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Rounded up.
fn mebibytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

impl AuditConfig {
    /// Refuses what cannot work, all problems at once, before any work starts.
    ///
    /// # Errors
    /// Lists every problem.
    pub fn check(&self, subject: Subject<'_>, execution: Execution) -> Result<(), Error> {
        let Settings { radii, draws, alpha, domain, attack } = &self.settings;
        let mut problems = vec![];
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let (takes, rows) = (subject.vae.input_shape(), subject.dataset.shape());
        require(
            subject.vae.takes(rows),
            format!(
                "the model takes samples of shape {takes:?}, data set {} has {rows:?}",
                self.dataset
            ),
        );
        require(!subject.points.is_empty(), "no points are selected".into());
        require(!radii.is_empty(), "no radius is given".into());
        let labels: Vec<String> = radii.iter().map(ToString::to_string).collect();
        let repeated = labels.iter().enumerate().find(|(at, label)| labels[..*at].contains(label));
        if let Some((_, label)) = repeated {
            require(false, format!("radius {label} is given twice"));
        }
        require(*draws >= 2, format!("draws must be at least 2, found {draws}"));
        require(
            *alpha > 0.0 && *alpha < 0.5,
            format!("alpha must lie between 0 and 1/2, found {alpha}"),
        );
        require(
            i64::try_from(self.seed).is_ok(),
            format!("seed must be below 2^63, found {}", self.seed),
        );
        require(execution.threads > 0, "threads must be at least 1".into());
        let least = Model::new(subject.vae).point_bytes();
        require(
            execution.memory >= least,
            format!(
                "this model needs at least {} MiB, --memory allows {}",
                mebibytes(least),
                execution.memory >> 20
            ),
        );
        if let Some(effort) = attack {
            require(effort.draws > 0, "an attack needs at least 1 draw per gradient".into());
            require(effort.random > 0, "an attack needs at least 1 random start".into());
            require(
                effort.growth >= 1.1 && effort.growth.is_finite(),
                "the growth of an attack's norms must be at least 1.1".into(),
            );
            let least = least_draws(*alpha);
            require(
                *draws >= least,
                format!(
                    "the verdict on an attack needs at least {least} draws at alpha {alpha}, found {draws}"
                ),
            );
        }
        if takes == rows {
            if let Err(error) = domain.check(subject.dataset.row(subject.points[0]).len()) {
                require(false, error.to_string());
            }
            for &point in subject.points {
                let row = subject.dataset.row(point);
                if let Err(error) = domain.bounds.check(&row) {
                    require(
                        false,
                        format!("row {point} of {}: {error}; choose another --box", self.dataset),
                    );
                    break;
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Config(problems)) }
    }
}
