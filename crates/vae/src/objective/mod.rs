//! What training minimises: the distortion `-E[log p(x|z)]`, and terms on top that differ from
//! objective to objective. Each has a file of its own, with its source.

mod beta_tcvae;
mod beta_vae;
mod capacity;
mod densities;
mod dip_vae;
mod discriminator;
mod factor_vae;
mod losses;
mod margin;
#[cfg(test)]
mod tests;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vaegis_network::Trace;

pub use beta_tcvae::BetaTcVae;
pub use beta_vae::BetaVae;
pub use capacity::Capacity;
pub use dip_vae::{DipVaeI, DipVaeII};
pub(crate) use discriminator::Discriminator;
pub use factor_vae::FactorVae;
pub use losses::Losses;
pub(crate) use losses::{BatchLoss, number};
pub use margin::Margin;

use crate::{LipschitzConfig, Posterior, Vae};

/// What training minimises.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Objective {
    /// The ELBO, with a weight on its KL term.
    BetaVae(BetaVae),
    /// A KL term of a size that is chosen, and grows during training.
    Capacity(Capacity),
    /// The KL term of the aggregate posterior in three parts, each with a weight.
    #[serde(rename = "beta-tcvae")]
    BetaTcVae(BetaTcVae),
    /// Posterior means with the identity for covariance.
    DipVaeI(DipVaeI),
    /// Aggregate posteriors with the identity for covariance.
    #[serde(rename = "dip-vae-ii")]
    DipVaeII(DipVaeII),
    /// A total correlation that a discriminator estimates.
    FactorVae(FactorVae),
    /// A small norm of the encoder's whitened Jacobian.
    Margin(Margin),
}

/// What an objective is made of.
pub(crate) trait Regulariser {
    /// As summaries show it.
    fn name(&self) -> String;

    /// All that is to be finite and not negative, by name.
    fn strengths(&self) -> Vec<(&'static str, f64)>;

    /// Epochs until the terms have their full strength.
    fn warm_up(&self) -> usize;

    /// The terms of a batch, the distortion aside.
    fn terms(&self, batch: &Batch) -> Vec<Term>;

    /// Name with its strengths.
    fn describe(&self) -> String {
        let strength = |(name, value)| format!("{name} {value}");
        let strengths: Vec<String> = self.strengths().into_iter().map(strength).collect();
        format!("{} ({})", self.name(), strengths.join(", "))
    }

    /// Other reasons why it cannot work.
    fn problems(&self) -> Vec<String> {
        vec![]
    }

    /// Whether terms depend on how posteriors are spread over a batch.
    fn is_aggregate(&self) -> bool {
        false
    }

    /// Whether terms need the encoder's derivatives.
    fn needs_trace(&self) -> bool {
        false
    }

    /// What in a VAE with so many latents stands in its way.
    fn misfits(&self, _latent: usize, _lipschitz: Option<&LipschitzConfig>) -> Vec<String> {
        vec![]
    }
}

/// A part of a loss, averaged over rows.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    name: &'static str,
    value: Tensor<1>,
    /// 0 if the term is only told.
    weight: f64,
}

impl Term {
    fn new(name: &'static str, value: Tensor<1>, weight: f64) -> Self {
        Self { name, value, weight }
    }

    /// `KL(q(z|x) || N(0, I))`, which every objective tells.
    fn rate(posterior: &Posterior, weight: f64) -> Self {
        Self::new(RATE, posterior.kl_to_prior().mean(), weight)
    }
}

const RATE: &str = "rate";

/// What the terms of a batch are made of.
pub(crate) struct Batch<'a> {
    vae: &'a Vae,
    posterior: Posterior,
    /// Of the encoder, if the objective needs it.
    trace: Option<Trace>,
    /// Standard normal noise, `[rows, latent]`.
    eta: Tensor<2>,
    /// A draw of each posterior, by that noise.
    z: Tensor<2>,
    setting: Setting<'a>,
}

/// What a loss depends on beside model and batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// The share of its strength that a term has, as it warms up.
    pub(crate) warmth: f64,
    /// Rows that the batch is drawn from, without replacement.
    pub(crate) population: usize,
    /// [`Objective::FactorVae`] has one.
    pub(crate) discriminator: Option<&'a Discriminator>,
}

impl Objective {
    /// The negative ELBO.
    pub const ELBO: Self = Self::BetaVae(BetaVae { beta: 1.0, warm_up: 0 });

    fn regulariser(&self) -> &dyn Regulariser {
        match self {
            Self::BetaVae(objective) => objective,
            Self::Capacity(objective) => objective,
            Self::BetaTcVae(objective) => objective,
            Self::DipVaeI(objective) => objective,
            Self::DipVaeII(objective) => objective,
            Self::FactorVae(objective) => objective,
            Self::Margin(objective) => objective,
        }
    }

    /// The share of their strength that terms have after `progress` epochs (fractions count).
    pub fn warmth_at(self, progress: f64) -> f64 {
        let warm_up = self.regulariser().warm_up();
        if warm_up == 0 { 1.0 } else { (progress / warm_up as f64).min(1.0) }
    }

    /// Whether the warm-up is over after `epochs` epochs.
    pub fn is_settled(self, epochs: usize) -> bool {
        epochs >= self.regulariser().warm_up()
    }

    /// Whether losses of different epochs mean the same, so that the best epoch can be told:
    /// not if a discriminator learns meanwhile.
    pub fn is_comparable(self) -> bool {
        !matches!(self, Self::FactorVae(_))
    }

    /// Whether terms depend on how posteriors are spread over a batch, so that a batch needs
    /// more than one row.
    pub fn is_aggregate(self) -> bool {
        self.regulariser().is_aggregate()
    }

    /// What cannot work, in words.
    pub fn problems(self) -> Vec<String> {
        let regulariser = self.regulariser();
        let mut problems = regulariser.problems();
        for (name, value) in regulariser.strengths() {
            if !(value >= 0.0 && value.is_finite()) {
                problems.push(format!("{name} must be finite and not negative, found {value}"));
            }
        }
        problems
    }

    /// What in a VAE with so many latents stands in its way.
    pub(crate) fn misfits(self, latent: usize, lipschitz: Option<&LipschitzConfig>) -> Vec<String> {
        self.regulariser().misfits(latent, lipschitz)
    }

    /// Name with its strengths, as summaries show it: `beta-VAE (beta 4), warm-up 10`.
    pub fn describe(self) -> String {
        let regulariser = self.regulariser();
        match regulariser.warm_up() {
            0 => regulariser.describe(),
            warm_up => format!("{}, warm-up {warm_up}", regulariser.describe()),
        }
    }

    /// The loss of a batch, averaged over rows.
    ///
    /// # Shapes
    /// `x`: `[rows, features]`, `eta`: `[rows, latent]` of standard normal noise.
    pub(crate) fn loss(
        self,
        vae: &Vae,
        x: Tensor<2>,
        eta: Tensor<2>,
        setting: Setting,
    ) -> BatchLoss {
        let regulariser = self.regulariser();
        let batch = Batch::new(vae, x.clone(), eta, setting, regulariser.needs_trace());
        let natural = vae.decoder().forward(batch.z.clone()).remove(0);
        let distortion = vae.likelihood().log_probability(natural, x).mean() * -1.0;
        let terms = regulariser.terms(&batch);
        BatchLoss::new(distortion, terms, batch.z)
    }
}

impl<'a> Batch<'a> {
    fn new(
        vae: &'a Vae,
        x: Tensor<2>,
        eta: Tensor<2>,
        setting: Setting<'a>,
        with_trace: bool,
    ) -> Self {
        let (posterior, trace) = if with_trace {
            let encoder = vae.encoder();
            let trace = encoder.trace(x);
            let [mu, log_variance] = [0, 1].map(|output| encoder.output(&trace, output));
            (Posterior { mu, log_variance }, Some(trace))
        } else {
            (vae.encode(x), None)
        };
        let z = posterior.sample(eta.clone());
        Self { vae, posterior, trace, eta, z, setting }
    }
}
