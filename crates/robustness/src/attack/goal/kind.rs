//! The goals by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    Goal, LatentDistance, LikelihoodDegradation, MaximumDamage, Reference, SampledDamage,
    Statistic, SymmetricKl, TargetedLatent, TargetedOutput,
};
use crate::attack::optimiser::Optimiser;
use crate::{Error, Target};

/// What an attack increases, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The expected damage.
    MaximumDamage,
    /// The median damage, which r-robustness is about.
    MedianDamage,
    /// Closeness to another input's posterior, by `KL(q(.|x+d) || q(.|x_t))`.
    LatentKl,
    /// Closeness to another input's posterior mean.
    LatentL2,
    /// Closeness of the reconstruction to another input.
    Output,
    /// The symmetric Kullback-Leibler divergence from the input's own posterior.
    SymmetricKl,
    /// The likelihood of x that its reconstruction loses.
    Degradation,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::MaximumDamage,
        Self::MedianDamage,
        Self::LatentKl,
        Self::LatentL2,
        Self::Output,
        Self::SymmetricKl,
        Self::Degradation,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaximumDamage => "maximum-damage",
            Self::MedianDamage => "median-damage",
            Self::LatentKl => "latent-kl",
            Self::LatentL2 => "latent-l2",
            Self::Output => "output",
            Self::SymmetricKl => "symmetric-kl",
            Self::Degradation => "degradation",
        }
    }

    /// Whether it aims at another input.
    pub fn is_targeted(self) -> bool {
        matches!(self, Self::LatentKl | Self::LatentL2 | Self::Output)
    }

    /// The optimiser that suits it: targeted goals have their optimum inside the ball as soon as
    /// the target is near, where steps to its sphere do not end.
    pub fn optimiser(self) -> Optimiser {
        if self.is_targeted() { Optimiser::Lbfgsb } else { Optimiser::ConditionalGradient }
    }

    /// Whether it increases the damage, so that refining for a radius is the same attack.
    pub fn is_damage(self) -> bool {
        matches!(self, Self::MaximumDamage | Self::MedianDamage)
    }

    /// The goal at one point; `reference` is what damages are measured from, `aim` the input that
    /// targeted goals aim at.
    ///
    /// # Errors
    /// If a targeted goal has nothing to aim at, a goal that is no damage is to have a sampled
    /// reference, or a posterior is not finite.
    pub fn goal(
        self,
        target: Target<'_>,
        reference: Reference,
        aim: Option<&[f32]>,
    ) -> Result<Box<dyn Goal>, Error> {
        let Target { model, x, .. } = target;
        if reference == Reference::Sampled && !self.is_damage() {
            return Err(Error::Reference(self));
        }
        let damage = |statistic| -> Result<Box<dyn Goal>, Error> {
            Ok(match reference {
                Reference::Mean => {
                    Box::new(MaximumDamage { statistic, reference: target.reference.clone() })
                }
                Reference::Sampled => {
                    Box::new(SampledDamage { statistic, original: model.encoding(x)? })
                }
            })
        };
        let aim = || aim.ok_or(Error::Aim(self));
        let latent = |distance, aim: &[f32]| -> Result<Box<dyn Goal>, Error> {
            Ok(Box::new(TargetedLatent { distance, aim: model.encoding(aim)? }))
        };
        Ok(match self {
            Self::MaximumDamage => damage(Statistic::Expected)?,
            Self::MedianDamage => damage(Statistic::Median)?,
            Self::LatentKl => latent(LatentDistance::Kl, aim()?)?,
            Self::LatentL2 => latent(LatentDistance::L2, aim()?)?,
            Self::Output => {
                let aim = aim()?;
                Box::new(TargetedOutput { aim: model.tensor(aim.to_vec(), aim.len()) })
            }
            Self::SymmetricKl => Box::new(SymmetricKl { original: model.encoding(x)? }),
            Self::Degradation => {
                Box::new(LikelihoodDegradation { x: model.tensor(x.to_vec(), x.len()) })
            }
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = |kind: &Self| kind.name() == text.trim();
        Self::ALL.into_iter().find(named).ok_or_else(|| Error::Goal(text.to_string()))
    }
}
