use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::{RATE, Term};

/// The differentiable loss of one batch.
#[derive(Debug, Clone)]
pub(crate) struct BatchLoss {
    /// What is minimised.
    pub(crate) total: Tensor<1>,
    /// The draws of the posteriors that it is a loss of, `[rows, latent]`.
    pub(crate) z: Tensor<2>,
    distortion: Tensor<1>,
    terms: Vec<Term>,
}

impl BatchLoss {
    pub(super) fn new(distortion: Tensor<1>, terms: Vec<Term>, z: Tensor<2>) -> Self {
        let total = terms
            .iter()
            .filter(|term| term.weight != 0.0)
            .fold(distortion.clone(), |sum, term| sum + term.value.clone() * term.weight);
        Self { total, z, distortion, terms }
    }

    /// The terms as numbers.
    pub(crate) fn terms(&self) -> Losses {
        let mut losses = Losses {
            total: number(self.total.clone()),
            distortion: number(self.distortion.clone()),
            ..Losses::default()
        };
        for term in &self.terms {
            let value = number(term.value.clone());
            if term.name == RATE {
                losses.rate = value;
            } else {
                losses.terms.insert(term.name.to_string(), value);
            }
        }
        losses
    }
}

pub(crate) fn number(scalar: Tensor<1>) -> f64 {
    let data = scalar.into_data().convert_dtype(DType::F64);
    data.as_slice::<f64>().map_or(f64::NAN, |values| values[0])
}

/// Loss terms averaged over rows, in nats.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// What is minimised.
    pub total: f64,
    /// `-E[log p(x|z)]`.
    pub distortion: f64,
    /// `KL(q(z|x) || N(0, I))`, without its weight.
    pub rate: f64,
    /// The other terms of the objective by name, without their weights.
    #[serde(flatten)]
    pub terms: BTreeMap<String, f64>,
}

impl Losses {
    /// The evidence lower bound: `-(distortion + rate)`.
    pub fn elbo(&self) -> f64 {
        -(self.distortion + self.rate)
    }

    /// All that there is, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, f64)> {
        [("total", self.total), ("distortion", self.distortion), (RATE, self.rate)]
            .into_iter()
            .chain(self.terms.iter().map(|(name, value)| (name.as_str(), *value)))
    }

    /// Adds `rows` rows of `other` to a sum over rows.
    pub(crate) fn add(&mut self, other: &Losses, rows: usize) {
        let rows = rows as f64;
        self.total += other.total * rows;
        self.distortion += other.distortion * rows;
        self.rate += other.rate * rows;
        for (name, value) in &other.terms {
            *self.terms.entry(name.clone()).or_default() += value * rows;
        }
    }

    /// A sum over `rows` rows as an average.
    pub(crate) fn averaged(self, rows: usize) -> Losses {
        let rows = rows.max(1) as f64;
        Losses {
            total: self.total / rows,
            distortion: self.distortion / rows,
            rate: self.rate / rows,
            terms: self.terms.into_iter().map(|(name, value)| (name, value / rows)).collect(),
        }
    }
}
