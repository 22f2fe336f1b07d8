use anyhow::bail;
use clap::{Args, ValueEnum};
use vaegis_vae::{BetaTcVae, BetaVae, Capacity, DipVaeI, DipVaeII, FactorVae, Margin, Objective};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObjectiveName {
    /// The evidence lower bound
    Elbo,
    /// The ELBO with the KL term weighted by --beta
    BetaVae,
    /// A KL term of --capacity, reached over --warm-up epochs and held with weight --gamma
    Capacity,
    /// The KL term in three parts: mutual information (--alpha), total correlation (--beta) and
    /// dimension-wise KL (--gamma), estimated by minibatch stratified sampling
    BetaTcvae,
    /// The ELBO, and the covariance of posterior means drawn to the identity: covariances by
    /// --lambda-od, variances by --lambda-d
    DipVaeI,
    /// The same with the covariance of the aggregate posterior
    DipVaeIi,
    /// The ELBO, and the total correlation weighted by --gamma, estimated by a discriminator
    FactorVae,
    /// The ELBO with the KL term weighted by --beta, plus --margin-weight times the expected
    /// logarithm of |Sigma^(-1/2) J|_F, to which margins are inversely proportional
    Margin,
}

/// What to minimise.
#[derive(Debug, Clone, Args)]
pub(crate) struct ObjectiveOptions {
    /// What to minimise
    #[arg(long, value_enum, default_value = "beta-vae")]
    pub(crate) objective: ObjectiveName,
    /// Epochs over which the weights of all terms but the distortion, or the capacity, rise from 0
    /// [default: 0; capacity: 25; margin: 10]
    #[arg(long, value_name = "EPOCHS")]
    warm_up: Option<usize>,
    /// Weight of the KL term (beta-vae, margin) or of the total correlation (beta-tcvae)
    /// [default: 1; beta-tcvae: 6]
    #[arg(long, allow_negative_numbers = true)]
    beta: Option<f64>,
    /// Weight of the mutual information (beta-tcvae) [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    alpha: Option<f64>,
    /// Weight of the distance to the capacity (capacity), of the dimension-wise KL (beta-tcvae) or
    /// of the total correlation (factor-vae) [default: 1000; beta-tcvae: 1; factor-vae: 10]
    #[arg(long, allow_negative_numbers = true)]
    gamma: Option<f64>,
    /// Nats that the KL term is to reach (capacity) [default: 25]
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    capacity: Option<f64>,
    /// Weight of squared covariances (dip-vae-i, dip-vae-ii) [default: 10]
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true)]
    lambda_od: Option<f64>,
    /// Weight of squared differences between variances and 1 (dip-vae-i, dip-vae-ii)
    /// [default: dip-vae-i: 10 times --lambda-od; dip-vae-ii: --lambda-od]
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true)]
    lambda_d: Option<f64>,
    /// Hidden layers of the discriminator (factor-vae) [default: 6]
    #[arg(long, value_name = "LAYERS")]
    discriminator_layers: Option<usize>,
    /// Their width (factor-vae) [default: 1000]
    #[arg(long, value_name = "WIDTH")]
    discriminator_width: Option<usize>,
    /// Step size of the discriminator's Adam (factor-vae) [default: 0.0001]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    discriminator_learning_rate: Option<f64>,
    /// Weight of the logarithm of |Sigma^(-1/2) J|_F (margin) [default: 4]
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true)]
    margin_weight: Option<f64>,
}

impl ObjectiveOptions {
    /// The objective that was asked for.
    ///
    /// # Errors
    /// Lists every option that belongs to other objectives.
    pub(crate) fn objective(&self) -> anyhow::Result<Objective> {
        let mut given = self.clone();
        // An option that is used is taken; what is left at the end belongs elsewhere.
        let objective = match self.objective {
            ObjectiveName::Elbo => Objective::BetaVae(BetaVae {
                warm_up: given.warm_up.take().unwrap_or(0),
                ..BetaVae::default()
            }),
            ObjectiveName::BetaVae => {
                let default = BetaVae::default();
                Objective::BetaVae(BetaVae {
                    beta: given.beta.take().unwrap_or(default.beta),
                    warm_up: given.warm_up.take().unwrap_or(default.warm_up),
                })
            }
            ObjectiveName::Capacity => {
                let default = Capacity::default();
                Objective::Capacity(Capacity {
                    gamma: given.gamma.take().unwrap_or(default.gamma),
                    capacity: given.capacity.take().unwrap_or(default.capacity),
                    warm_up: given.warm_up.take().unwrap_or(default.warm_up),
                })
            }
            ObjectiveName::BetaTcvae => {
                let default = BetaTcVae::default();
                Objective::BetaTcVae(BetaTcVae {
                    alpha: given.alpha.take().unwrap_or(default.alpha),
                    beta: given.beta.take().unwrap_or(default.beta),
                    gamma: given.gamma.take().unwrap_or(default.gamma),
                    warm_up: given.warm_up.take().unwrap_or(default.warm_up),
                })
            }
            ObjectiveName::DipVaeI => {
                let default = given.lambda_od.take().map_or_else(DipVaeI::default, DipVaeI::new);
                Objective::DipVaeI(DipVaeI {
                    lambda_d: given.lambda_d.take().unwrap_or(default.lambda_d),
                    warm_up: given.warm_up.take().unwrap_or(default.warm_up),
                    ..default
                })
            }
            ObjectiveName::DipVaeIi => {
                let default = given.lambda_od.take().map_or_else(DipVaeII::default, DipVaeII::new);
                Objective::DipVaeII(DipVaeII {
                    lambda_d: given.lambda_d.take().unwrap_or(default.lambda_d),
                    warm_up: given.warm_up.take().unwrap_or(default.warm_up),
                    ..default
                })
            }
            ObjectiveName::FactorVae => {
                let default = FactorVae::default();
                let (layers, width, rate) = (
                    given.discriminator_layers.take(),
                    given.discriminator_width.take(),
                    given.discriminator_learning_rate.take(),
                );
                Objective::FactorVae(FactorVae {
                    gamma: given.gamma.take().unwrap_or(default.gamma),
                    discriminator_layers: layers.unwrap_or(default.discriminator_layers),
                    discriminator_width: width.unwrap_or(default.discriminator_width),
                    discriminator_learning_rate: rate
                        .unwrap_or(default.discriminator_learning_rate),
                    warm_up: given.warm_up.take().unwrap_or(default.warm_up),
                })
            }
            ObjectiveName::Margin => {
                let default = Margin::default();
                Objective::Margin(Margin {
                    beta: given.beta.take().unwrap_or(default.beta),
                    warm_up: given.warm_up.take().unwrap_or(default.warm_up),
                    weight: given.margin_weight.take().unwrap_or(default.weight),
                })
            }
        };
        let misplaced = given.left();
        if misplaced.is_empty() { Ok(objective) } else { bail!("{}", misplaced.join("; ")) }
    }

    /// What is still given, and where it belongs.
    fn left(&self) -> Vec<String> {
        [
            ("--beta", "beta-vae, beta-tcvae or margin", self.beta.is_some()),
            ("--alpha", "beta-tcvae", self.alpha.is_some()),
            ("--gamma", "capacity, beta-tcvae or factor-vae", self.gamma.is_some()),
            ("--capacity", "capacity", self.capacity.is_some()),
            ("--lambda-od", "dip-vae-i or dip-vae-ii", self.lambda_od.is_some()),
            ("--lambda-d", "dip-vae-i or dip-vae-ii", self.lambda_d.is_some()),
            ("--discriminator-layers", "factor-vae", self.discriminator_layers.is_some()),
            ("--discriminator-width", "factor-vae", self.discriminator_width.is_some()),
            (
                "--discriminator-learning-rate",
                "factor-vae",
                self.discriminator_learning_rate.is_some(),
            ),
            ("--margin-weight", "margin", self.margin_weight.is_some()),
        ]
        .into_iter()
        .filter(|(_, _, is_left)| *is_left)
        .map(|(option, owners, _)| format!("{option} is of --objective {owners}"))
        .collect()
    }
}
