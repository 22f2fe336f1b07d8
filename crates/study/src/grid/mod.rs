//! What a study is made of: a file in TOML that says which models to train and how to judge them.

mod entries;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vaegis_robustness::Radius;
use vaegis_vae::{BetaVae, Likelihood, Objective};

pub use entries::{ArchitectureEntry, Data, ObjectiveEntry, Strength};

use crate::Error;
use crate::schema::Cell;

/// A study: every combination of data, architecture, objective, strength and seed is a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Name of the study.
    pub name: String,
    /// Seeds of trainings: intervals are over these.
    pub seeds: Vec<u64>,
    /// Confidence of intervals.
    #[serde(default = "confidence")]
    pub confidence: f64,
    /// How models are trained.
    #[serde(default)]
    pub training: Training,
    /// How they are judged.
    #[serde(default)]
    pub audit: Audit,
    /// Data.
    pub data: Vec<Data>,
    /// Architectures.
    pub architecture: Vec<ArchitectureEntry>,
    /// Objectives.
    pub objective: Vec<ObjectiveEntry>,
}

fn confidence() -> f64 {
    0.95
}

/// How much of the built-in study is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Minutes.
    Small,
    /// A night.
    Default,
    /// Days.
    Full,
}

/// How models are trained; as the options of `vaegis train`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Epochs: all models of one data set are trained for as many, so that they compare.
    pub epochs: usize,
    /// Rows per step.
    pub batch_size: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Share of the training rows set aside for validation.
    pub validation: f64,
    /// Dimensions of the latent space.
    pub latent: usize,
    /// `p(x|z)`.
    pub likelihood: Likelihood,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 128,
            learning_rate: 1e-3,
            validation: 0.1,
            latent: 10,
            likelihood: Likelihood::Bernoulli,
        }
    }
}

/// How models are judged; as the options of `vaegis audit`, `attack` and `score`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Test rows that are audited and attacked.
    pub points: usize,
    /// Draws per point.
    pub draws: u64,
    /// Error probability of limits and verdicts on points.
    pub alpha: f64,
    /// Whether margins are certified.
    pub certify: bool,
    /// Test rows behind ELBO and scores.
    pub rows: usize,
    /// Seed of all noise.
    pub seed: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self { points: 50, draws: 4_000, alpha: 0.001, certify: false, rows: 2_000, seed: 0 }
    }
}

/// One model to train and judge.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCell {
    /// Which one.
    pub cell: Cell,
    /// Place of its data in the grid; likewise its architecture.
    pub data: usize,
    /// Place of its architecture in the grid.
    pub architecture: usize,
    /// What it is trained for.
    pub objective: Objective,
}

impl PlannedCell {
    /// Name of its folder.
    pub fn name(&self) -> String {
        let Cell { data, architecture, objective, parameter, strength, seed } = &self.cell;
        let strength = match (parameter, strength) {
            (Some(parameter), Some(strength)) => format!("-{parameter}-{strength}"),
            _ => String::new(),
        };
        format!("{data}-{architecture}-{objective}{strength}-seed-{seed}")
    }

    /// Whether it is the plain VAE that others are compared with.
    pub fn is_plain(&self) -> bool {
        is_plain(self.objective)
    }
}

/// Whether an objective is the ELBO.
pub(crate) fn is_plain(objective: Objective) -> bool {
    matches!(objective, Objective::BetaVae(BetaVae { beta: 1.0, .. }))
}

impl Grid {
    /// Reads a grid.
    ///
    /// # Errors
    /// Says where the file cannot be understood, or lists everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let grid: Self = toml::from_str(text).map_err(|error| Error::Grid(error.to_string()))?;
        let problems = grid.problems();
        if problems.is_empty() { Ok(grid) } else { Err(Error::Problems(problems)) }
    }

    /// The built-in study of the paper's claims.
    pub fn paper(scale: Scale) -> &'static str {
        match scale {
            Scale::Small => include_str!("../../grids/paper-small.toml"),
            Scale::Default => include_str!("../../grids/paper.toml"),
            Scale::Full => include_str!("../../grids/paper-full.toml"),
        }
    }

    /// The grid as a file.
    ///
    /// # Errors
    /// If it cannot be written as TOML, which no grid that was read can cause.
    pub fn text(&self) -> Result<String, Error> {
        toml::to_string_pretty(self).map_err(|error| Error::Grid(error.to_string()))
    }

    /// All models: seed by seed, so that an interrupted study has seeds that are complete.
    pub fn cells(&self) -> Vec<PlannedCell> {
        let mut cells = vec![];
        for &seed in &self.seeds {
            for (data, at) in self.data.iter().enumerate() {
                for (architecture, kind) in self.architecture.iter().enumerate() {
                    for entry in &self.objective {
                        for Strength { objective, strength } in
                            entry.strengths().unwrap_or_default()
                        {
                            let (parameter, strength) = strength.unzip();
                            let cell = Cell {
                                data: at.name.clone(),
                                architecture: kind.name().to_string(),
                                objective: entry.name(),
                                parameter,
                                strength,
                                seed,
                            };
                            cells.push(PlannedCell { cell, data, architecture, objective });
                        }
                    }
                }
            }
        }
        cells
    }

    /// What cannot work, in words, as far as the file alone tells.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = vec![];
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        require(!self.seeds.is_empty(), "seeds: there must be one".to_string());
        require(!self.data.is_empty(), "data: there must be one".to_string());
        require(!self.architecture.is_empty(), "architecture: there must be one".to_string());
        require(!self.objective.is_empty(), "objective: there must be one".to_string());
        require(
            self.confidence > 0.0 && self.confidence < 1.0,
            format!("confidence must lie between 0 and 1, found {}", self.confidence),
        );
        require(
            self.audit.rows >= 2,
            format!("rows must be at least 2, found {}", self.audit.rows),
        );
        for (what, names) in [
            ("data", self.data.iter().map(|data| data.name.clone()).collect::<Vec<_>>()),
            ("architecture", self.architecture.iter().map(|at| at.name().to_string()).collect()),
            ("objective", self.objective.iter().map(ObjectiveEntry::name).collect()),
            ("seeds", self.seeds.iter().map(u64::to_string).collect()),
        ] {
            let mut seen = BTreeSet::new();
            for name in names {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                require(
                    !name.is_empty() && name.chars().all(plain),
                    format!(
                        "{what} {name:?}: a name is made of letters, digits, dots, - and _, as \
                         folders are"
                    ),
                );
                require(seen.insert(name.clone()), format!("{what}: {name} is there twice"));
            }
        }
        for data in &self.data {
            let name = &data.name;
            require(!data.radii.is_empty(), format!("data {name}: radii: there must be one"));
            for radius in &data.radii {
                if let Err(error) = radius.parse::<Radius>() {
                    require(false, format!("data {name}: {error}"));
                }
            }
            require(
                data.sizes.iter().all(|size| *size > 0.0 && size.is_finite())
                    && data.sizes.is_sorted_by(|a, b| a < b),
                format!("data {name}: sizes must be positive and rise, found {:?}", data.sizes),
            );
            require(!data.sizes.is_empty(), format!("data {name}: sizes: there must be one"));
            let points = data.points.unwrap_or(self.audit.points);
            require(points > 0, format!("data {name}: points: there must be one"));
        }
        for entry in &self.architecture {
            if let Err(problem) = entry.architecture() {
                require(false, problem);
            }
        }
        for entry in &self.objective {
            match entry.strengths() {
                Err(problem) => require(false, problem),
                Ok(strengths) => {
                    for Strength { objective, .. } in strengths {
                        for problem in objective.problems() {
                            require(false, format!("objective {}: {problem}", entry.name()));
                        }
                    }
                }
            }
        }
        problems
    }
}
