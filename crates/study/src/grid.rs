//! What a study is made of: a file in TOML that says which models to train and how to judge them.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use vaegis_robustness::Radius;
use vaegis_vae::{ACTIVATIONS, Architecture, BetaVae, Likelihood, Objective};

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

/// Data, and what is asked of models of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Name in the results.
    pub name: String,
    /// As `--data` takes it; the name if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Radii in reconstruction space, such as `"4"` and `"q0.9"`. The claims are tested at the first.
    pub radii: Vec<String>,
    /// Norms of the perturbations whose damage is measured, rising.
    pub sizes: Vec<f64>,
    /// Epochs, if not those of `[training]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Points, if not those of `[audit]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
}

impl Data {
    /// CIFAR-10 at a path.
    pub fn cifar(path: &Path) -> Self {
        Self {
            name: "cifar-10".to_string(),
            source: Some(path.display().to_string()),
            radii: vec!["4".to_string(), "6".to_string()],
            sizes: vec![0.5, 1.0, 2.0],
            epochs: None,
            points: None,
        }
    }

    /// As `--data` takes it.
    pub fn source(&self) -> &str {
        self.source.as_deref().unwrap_or(&self.name)
    }
}

/// An architecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum ArchitectureEntry {
    /// Fully connected layers.
    Mlp {
        /// Name in the results.
        #[serde(default = "mlp")]
        name: String,
        /// Widths of the hidden layers, from the input to the latent side.
        hidden: Vec<usize>,
        /// Between layers, as `--activation` takes it.
        #[serde(default = "relu")]
        activation: String,
    },
    /// Convolutions of kernel 4 and stride 2, then one fully connected layer.
    Conv {
        /// Name in the results.
        #[serde(default = "conv")]
        name: String,
        /// Channels of each convolution, from the input to the latent side.
        channels: Vec<usize>,
        /// Width of the fully connected layer.
        hidden: usize,
        /// Between layers, as `--activation` takes it.
        #[serde(default = "relu")]
        activation: String,
    },
}

fn mlp() -> String {
    "mlp".to_string()
}

fn conv() -> String {
    "conv".to_string()
}

fn relu() -> String {
    "relu".to_string()
}

impl ArchitectureEntry {
    /// Name in the results.
    pub fn name(&self) -> &str {
        match self {
            Self::Mlp { name, .. } | Self::Conv { name, .. } => name,
        }
    }

    /// What it is.
    ///
    /// # Errors
    /// If there is no such activation.
    pub fn architecture(&self) -> Result<Architecture, String> {
        let (Self::Mlp { activation: name, .. } | Self::Conv { activation: name, .. }) = self;
        let Some((_, activation)) = ACTIVATIONS.into_iter().find(|(known, _)| known == name) else {
            let names = ACTIVATIONS.map(|(name, _)| name).join(", ");
            let architecture = self.name();
            return Err(format!(
                "architecture {architecture}: activation {name:?}: expected {names}"
            ));
        };
        Ok(match self.clone() {
            Self::Mlp { hidden, .. } => Architecture::Mlp { hidden, activation },
            Self::Conv { channels, hidden, .. } => {
                Architecture::Conv { channels, hidden, activation }
            }
        })
    }
}

/// An objective: `kind` as `--objective` takes it, its settings, one of which may be a list of
/// strengths, and a `name` for the results if not its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveEntry(toml::Table);

/// An objective of one strength.
#[derive(Debug, Clone, PartialEq)]
pub struct Strength {
    /// The objective.
    pub objective: Objective,
    /// What its strength is called, and its value, if it has several.
    pub strength: Option<(String, f64)>,
}

impl ObjectiveEntry {
    /// Name in the results.
    pub fn name(&self) -> String {
        let text = |key| self.0.get(key).and_then(toml::Value::as_str);
        text("name").or(text("kind")).unwrap_or("objective").to_string()
    }

    /// Its strengths.
    ///
    /// # Errors
    /// Says what cannot be understood.
    pub fn strengths(&self) -> Result<Vec<Strength>, String> {
        let mut settings = self.0.clone();
        settings.remove("name");
        let lists: Vec<(String, Vec<toml::Value>)> = settings
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_array()?.clone())))
            .collect();
        let objective = |settings: toml::Table| {
            dip(settings).try_into::<Objective>().map_err(|error| {
                format!("objective {}: {}", self.name(), error.to_string().trim_end())
            })
        };
        match lists.as_slice() {
            [] => Ok(vec![Strength { objective: objective(settings)?, strength: None }]),
            [(key, values)] if !values.is_empty() => values
                .iter()
                .map(|value| {
                    let number = value.as_float().or(value.as_integer().map(|n| n as f64));
                    let number = number.ok_or_else(|| {
                        format!("objective {}: {key} has {value}, not a number", self.name())
                    })?;
                    settings.insert(key.clone(), value.clone());
                    let objective = objective(settings.clone())?;
                    Ok(Strength { objective, strength: Some((key.clone(), number)) })
                })
                .collect(),
            [(key, _)] => Err(format!("objective {}: {key} is an empty list", self.name())),
            many => {
                let names: Vec<&str> = many.iter().map(|(key, _)| key.as_str()).collect();
                Err(format!(
                    "objective {}: {} are lists; one of its settings may have several values",
                    self.name(),
                    names.join(" and ")
                ))
            }
        }
    }
}

/// DIP-VAE's second weight follows the first unless it is given, as on the command line.
fn dip(mut settings: toml::Table) -> toml::Table {
    let ratio = match settings.get("kind").and_then(toml::Value::as_str) {
        Some("dip-vae-i") => 10.0,
        Some("dip-vae-ii") => 1.0,
        _ => return settings,
    };
    let lambda = settings.get("lambda_od");
    let lambda = lambda.and_then(|value| value.as_float().or(value.as_integer().map(|n| n as f64)));
    if let (Some(lambda), false) = (lambda, settings.contains_key("lambda_d")) {
        settings.insert("lambda_d".to_string(), toml::Value::Float(ratio * lambda));
    }
    settings
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
            Scale::Small => include_str!("../grids/paper-small.toml"),
            Scale::Default => include_str!("../grids/paper.toml"),
            Scale::Full => include_str!("../grids/paper-full.toml"),
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

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: &str = r#"
        name = "small"
        seeds = [0, 7]
        [[data]]
        name = "mnist"
        radii = ["4", "q0.9"]
        sizes = [0.5, 1]
        [[architecture]]
        kind = "mlp"
        hidden = [16]
        [[objective]]
        kind = "beta-vae"
        beta = [1, 2.5]
        [[objective]]
        kind = "dip-vae-i"
        lambda_od = [4]
        [[objective]]
        name = "strong"
        kind = "factor-vae"
        gamma = 30
    "#;

    #[test]
    fn every_combination_is_a_model() {
        let cells = Grid::parse(GRID).unwrap().cells();
        let names: Vec<String> = cells.iter().map(PlannedCell::name).collect();
        let of_seed = |seed: u64| {
            ["beta-vae-beta-1", "beta-vae-beta-2.5", "dip-vae-i-lambda_od-4", "strong"]
                .map(|name| format!("mnist-mlp-{name}-seed-{seed}"))
        };
        assert_eq!(names, [of_seed(0), of_seed(7)].concat());
        let plain: Vec<bool> = cells[..4].iter().map(|cell| is_plain(cell.objective)).collect();
        assert_eq!(plain, [true, false, false, false]);
        let Objective::DipVaeI(dip) = cells[2].objective else { panic!("{:?}", cells[2]) };
        assert_eq!((dip.lambda_od, dip.lambda_d), (4.0, 40.0));
        let Objective::FactorVae(factor) = cells[3].objective else { panic!("{:?}", cells[3]) };
        assert_eq!((factor.gamma, factor.discriminator_layers), (30.0, 6));
        assert_eq!(cells[3].cell.strength, None);
    }

    #[test]
    fn a_grid_is_read_back() {
        let grid = Grid::parse(GRID).unwrap();
        assert_eq!(Grid::parse(&grid.text().unwrap()).unwrap(), grid);
    }

    #[test]
    fn the_built_in_study_is_in_order_at_every_scale() {
        let counts = [Scale::Small, Scale::Default, Scale::Full].map(|scale| {
            let grid = Grid::parse(Grid::paper(scale)).unwrap();
            let has = |name: &str| grid.data.iter().any(|data| data.name == name);
            assert!(has("mnist") && has("fashion-mnist") && has("sprites"));
            assert!(grid.seeds.len() >= 3);
            let cells = grid.cells();
            assert!(cells.iter().any(|cell| is_plain(cell.objective)));
            cells.len()
        });
        assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let wrong = GRID
            .replace("seeds = [0, 7]", "seeds = [3, 3]\nconfidence = 95")
            .replace("\"q0.9\"", "\"q9\"")
            .replace("[0.5, 1]", "[1, 0.5]")
            .replace("hidden = [16]", "hidden = [16]\nactivation = \"swish\"")
            .replace("beta = [1, 2.5]", "beta = [1, \"two\"]")
            .replace("gamma = 30", "gamma = -1")
            .replace("name = \"strong\"", "name = \"so/strong\"");
        let message = Grid::parse(&wrong).unwrap_err().to_string();
        for part in [
            "seeds: 3 is there twice",
            "confidence must lie between 0 and 1, found 95",
            "q9",
            "sizes must be positive and rise",
            "activation \"swish\": expected relu, leaky-relu",
            "beta has \"two\", not a number",
            "gamma must be finite and not negative",
            "\"so/strong\": a name is made of letters",
        ] {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
        for (from, to, part) in [
            ("gamma = 30", "gama = 30", "unknown field `gama`"),
            ("gamma = 30", "gamma = [1, 2]\nwarm_up = [0, 1]", "gamma and warm_up are lists"),
            ("kind = \"factor-vae\"", "kind = \"factor\"", "unknown variant `factor`"),
            ("seeds = [0, 7]", "sedes = [0, 7]", "unknown field `sedes`"),
            ("beta = [1, 2.5]", "beta = []", "beta is an empty list"),
            ("hidden = [16]", "hiden = [16]", "hiden"),
            ("[[data]]\n        name = \"mnist\"", "[[data]]", "missing field `name`"),
        ] {
            let message = Grid::parse(&GRID.replace(from, to)).unwrap_err().to_string();
            assert!(message.contains(part), "no {part:?} in {message}");
        }
    }
}
