//! Which outputs of an encoder hold the posterior.

use vaegis_network::onnx::{OnnxModel, Port};

use super::names::{Role, role};
use super::{ImportOptions, Spread, list, named, open};
use crate::Error;

/// How outputs were told apart where nothing was stated.
pub(crate) const BY_NAMES: &str = "by their names";

/// Which outputs hold the posterior.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PosteriorOutputs {
    /// Mean and spread apart.
    Two { mean: String, spread: String, kind: Spread, by: &'static str },
    /// Mean and spread in one value, the mean first.
    One { both: String, kind: Spread },
    /// The mean alone, with a fixed sigma.
    Mean { mean: String, sigma: f64 },
}

impl PosteriorOutputs {
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Two { mean, spread, .. } => vec![mean, spread],
            Self::One { both, .. } => vec![both],
            Self::Mean { mean, .. } => vec![mean],
        }
    }

    pub(super) fn in_one(&self) -> bool {
        matches!(self, Self::One { .. })
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Two { mean, spread, kind, by } => {
                format!("output {mean:?} is mu and {spread:?} {} ({by})", kind.describe())
            }
            Self::One { both, kind } => {
                format!("output {both:?} holds mu, then {} (as stated)", kind.describe())
            }
            Self::Mean { mean, sigma } => {
                format!("output {mean:?} is mu, and sigma = {sigma} everywhere (as stated)")
            }
        }
    }
}

pub(super) fn posterior(
    model: &OnnxModel,
    outputs: &[Port],
    options: &ImportOptions,
) -> Result<PosteriorOutputs, Error> {
    let chosen: Vec<Port> = match &options.posterior {
        None => outputs.to_vec(),
        Some(names) => {
            let mut chosen = vec![];
            for name in names {
                let name = named(model, outputs, Some(name), "--posterior")?;
                chosen.extend(outputs.iter().find(|port| port.name == name).cloned());
            }
            chosen
        }
    };
    let ask = |what: &str| Err(open(model, &format!("{what} Its outputs: {}", list(outputs))));
    let kinds = "--spread log-variance, log-sigma, sigma, variance or softplus-sigma";
    let fixed = matches!(options.spread, Some(Spread::Fixed(_)));
    if options.posterior.is_none() && !fixed {
        // Names that say everything, among any number of outputs.
        let with = |wanted: fn(&Role) -> bool| -> Vec<(&Port, Role)> {
            let roles = chosen.iter().filter_map(|port| Some((port, role(&port.name)?)));
            roles.filter(|(_, role)| wanted(role)).collect()
        };
        let means = with(|role| *role == Role::Mean);
        let spreads = with(|role| matches!(role, Role::Spread(_)));
        if let ([(mean, _)], [(spread, Role::Spread(kind))]) =
            (means.as_slice(), spreads.as_slice())
        {
            return Ok(PosteriorOutputs::Two {
                mean: mean.name.clone(),
                spread: spread.name.clone(),
                kind: options.spread.unwrap_or(*kind),
                by: if options.spread.is_some() { "as stated" } else { BY_NAMES },
            });
        }
    }
    match (chosen.as_slice(), options.spread) {
        ([mean], Some(Spread::Fixed(sigma))) => {
            Ok(PosteriorOutputs::Mean { mean: mean.name.clone(), sigma })
        }
        ([both], Some(kind)) => Ok(PosteriorOutputs::One { both: both.name.clone(), kind }),
        ([_], None) => ask(&format!(
            "there is one output: if it holds mu and then the spread, say what that is ({kinds}); \
             if it is mu alone, state sigma (--sigma 0.1)."
        )),
        (many, Some(Spread::Fixed(_))) => ask(&format!(
            "a fixed sigma goes with one output, mu, not with {} (--posterior NAME).",
            many.len()
        )),
        ([first, second], Some(kind)) => {
            // Stated names come in the stated order; otherwise one name may still tell which
            // is which.
            let reversed = match (&options.posterior, role(&first.name), role(&second.name)) {
                (Some(_), _, _) | (None, Some(Role::Mean) | None, None) => false,
                (None, None, Some(second)) => second == Role::Mean,
                (None, Some(Role::Spread(_)), None) => true,
                (None, Some(_), Some(_)) => {
                    return ask("which outputs hold mu and the spread (--posterior MU,SPREAD)?");
                }
            };
            let (mean, spread) = if reversed { (second, first) } else { (first, second) };
            Ok(PosteriorOutputs::Two {
                mean: mean.name.clone(),
                spread: spread.name.clone(),
                kind,
                by: "as stated",
            })
        }
        ([_, second], None) if options.posterior.is_some() => match role(&second.name) {
            Some(Role::Spread(kind)) => Ok(PosteriorOutputs::Two {
                mean: chosen[0].name.clone(),
                spread: second.name.clone(),
                kind,
                by: BY_NAMES,
            }),
            _ => ask(&format!("what does {:?} hold ({kinds})?", second.name)),
        },
        ([_, _], None) => ask(&format!(
            "the names do not say what the outputs hold: mu comes first, and the second ({kinds})?"
        )),
        _ => ask("which outputs hold mu and the spread (--posterior MU,SPREAD)?"),
    }
}
