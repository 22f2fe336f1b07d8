//! What grids are made of: data, architectures, objectives with their strengths.

use std::path::Path;

use serde::{Deserialize, Serialize};
use vaegis_vae::{ACTIVATIONS, Architecture, Objective};

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
