//! Attacks through the mean or the variance of the posterior alone: `[C21]` claims that attacks act
//! through the mean.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vaegis_vae::Posterior;

use super::{Goal, Response};
use crate::{Encoding, Error, Model};

/// What of the posterior a perturbation moves. The rest stays that of x, which no input need have:
/// it is a way to tell what an attack acts through, not an attack that anyone could mount.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Pathway {
    /// Mean and variance, as they are.
    #[default]
    Both,
    /// The mean; the variance stays that of x.
    Mean,
    /// The variance; the mean stays that of x.
    Variance,
}

impl Pathway {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Both, Self::Mean, Self::Variance];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Mean => "mean",
            Self::Variance => "variance",
        }
    }

    /// What is left of a perturbed posterior if the rest stays `original`.
    pub fn apply(self, perturbed: Encoding, original: &Encoding) -> Encoding {
        match self {
            Self::Both => perturbed,
            Self::Mean => Encoding { sigma: original.sigma.clone(), ..perturbed },
            Self::Variance => Encoding { mu: original.mu.clone(), ..perturbed },
        }
    }

    /// Whether it is the posterior as it is.
    pub(in crate::attack) fn is_both(&self) -> bool {
        *self == Self::Both
    }
}

impl fmt::Display for Pathway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Pathway {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = |pathway: &Self| pathway.name() == text.trim();
        Self::ALL.into_iter().find(named).ok_or_else(|| Error::Pathway(text.to_string()))
    }
}

/// A goal of perturbations that act through a pathway alone.
#[derive(Debug)]
pub struct Through {
    /// What is increased.
    pub goal: Box<dyn Goal>,
    /// What perturbations move.
    pub pathway: Pathway,
    /// The posterior of x.
    pub original: Encoding,
}

impl Goal for Through {
    fn respond(&self, model: &Model, posterior: &Posterior, eta: &Tensor<2>) -> Response {
        let Posterior { mu, log_variance } = posterior.clone();
        let held = |values: Vec<f32>| {
            model.tensor(values, self.original.mu.len()).repeat_dim(0, mu.dims()[0])
        };
        match self.pathway {
            Pathway::Both => self.goal.respond(model, posterior, eta),
            Pathway::Mean => {
                let variances = self.original.sigma.iter().map(|sigma| 2.0 * sigma.ln());
                let log_variance = held(variances.collect());
                let response = self.goal.respond(model, &Posterior { mu, log_variance }, eta);
                Response { at_log_variance: response.at_log_variance.zeros_like(), ..response }
            }
            Pathway::Variance => {
                let mu = held(self.original.mu.clone());
                let response = self.goal.respond(model, &Posterior { mu, log_variance }, eta);
                Response { at_mu: response.at_mu.zeros_like(), ..response }
            }
        }
    }

    fn noises(&self) -> usize {
        self.goal.noises()
    }
}
