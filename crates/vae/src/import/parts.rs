//! Two imported networks become a VAE: from data to `mu, log sigma^2`, and from z to the
//! natural parameters of the likelihood, both in the space of the data.

use std::path::Path;

use vaegis_network::ops::{
    ActivationConfig, Function, GatherConfig, Indices, Initialiser, OperatorConfig,
};
use vaegis_network::{Network, Value};

use super::declared::Declared;
use super::fitting::{affine_operator, is_channels_last, is_folded, is_same, to_data, to_model};
use super::preprocessing::Affine;
use super::{
    BY_NAMES, ImportOptions, Imported, PosteriorOutputs, Reconstruction, ReconstructionSpace,
    Spread, returned,
};
use crate::{Error, Likelihood, Vae};

/// Standard deviation of the Gaussian that means are scored by if nothing else is known.
const UNKNOWN_SIGMA: f64 = 1.0;

pub(super) fn assemble(
    encoder: Network,
    decoder: Network,
    posterior: &PosteriorOutputs,
    (reconstruction, declared): (&str, Declared),
    options: &ImportOptions,
    [encoder_file, decoder_file]: [&Path; 2],
    mut remarks: Vec<String>,
) -> Result<Imported, Error> {
    let problem = |origin: &Path, problem: String| {
        Error::Import(vec![format!("{}: {problem}", origin.display())])
    };
    let data = options.data_shape.clone().unwrap_or_else(|| encoder.input_shape().to_vec());
    let model = encoder.input_shape().to_vec();
    let affine = options.preprocessing.affine(data[0]).map_err(Error::Import)?;

    let prefix =
        to_model(&data, &model, affine.as_ref()).map_err(|reason| problem(encoder_file, reason))?;
    if is_channels_last(&data, &model) {
        remarks.push(format!("images {data:?} are given to the encoder as {model:?}"));
    } else if is_folded(&data, &model) {
        remarks.push(format!("samples {data:?} are given to the encoder as {model:?}, in order"));
    }
    let encoder = with_posterior(encoder, posterior, decoder.input_shape())
        .map_err(|reason| problem(encoder_file, reason))?;
    let encoder = match prefix {
        Some(prefix) => prefix.then(encoder)?,
        None => encoder,
    };

    let range = range_of(&decoder);
    let (returns, why) =
        returned(reconstruction, range, options.returns, declared.returns, decoder_file)?;
    let scaled = options.preprocessing.space == Some(ReconstructionSpace::Model);
    let inverse = affine.as_ref().filter(|_| scaled).map(Affine::inverse);
    let last = decoder.final_function().filter(|_| inverse.is_none());
    let (likelihood, strip) = likelihood(returns, last, declared.likelihood, options)
        .map_err(|reason| problem(decoder_file, reason))?;
    if returns == Reconstruction::Logits && inverse.is_some() {
        return Err(problem(
            decoder_file,
            "logits live in no space that preprocessing could be undone in".to_string(),
        ));
    }
    let holds = match returns {
        Reconstruction::Means => "means",
        Reconstruction::Logits => "logits",
    };
    let scored = match (likelihood, options.likelihood, declared.likelihood) {
        (likelihood, None, Some(_)) => {
            format!("scored as {}, as the file says", likelihood.name())
        }
        (Likelihood::Gaussian { sigma }, None, None) => {
            format!("scored as Gaussian with sigma = {sigma}, which only likelihoods depend on")
        }
        (likelihood, ..) => format!("scored as {}", likelihood.name()),
    };
    remarks.push(format!("output {reconstruction:?} holds {holds} ({why}), {scored}"));
    if range == Some([0.0, 1.0]) && options.beyond_unit_interval && !scaled {
        remarks.push(
            "the data leaves [0, 1], where these means lie: if the model saw the data scaled, \
             state --scale, --mean, --std and --reconstruction-space"
                .to_string(),
        );
    }
    let decoder = if strip { decoder.without_final_function()? } else { decoder };
    let made = decoder.output_shape(0).to_vec();
    let suffix =
        to_data(&made, &data, inverse.as_ref()).map_err(|reason| problem(decoder_file, reason))?;
    let decoder = match suffix {
        Some(suffix) => decoder.then(suffix)?,
        None => decoder,
    };
    if affine.is_some() {
        let space =
            if scaled { "and decoded means are taken back" } else { "decoded means are not" };
        remarks.push(format!("data is preprocessed for the encoder, {space}"));
    }
    Ok(Imported { vae: Vae::new(encoder, decoder, likelihood)?, remarks })
}

/// Where the only output of a network lies, if that is an interval that no logits are limited to.
pub(super) fn range_of(network: &Network) -> Option<[f64; 2]> {
    match network.final_operator()? {
        OperatorConfig::Softmax(_) => Some([0.0, 1.0]),
        OperatorConfig::Activation(ActivationConfig { function }) => match function {
            Function::Sigmoid
            | Function::HardSigmoid { .. }
            | Function::ContinuousBernoulliMean => Some([0.0, 1.0]),
            Function::Tanh => Some([-1.0, 1.0]),
            // Logits are clipped, too, but on both sides of 0.
            Function::Clip { low: Some(low), high: Some(high) } if low >= 0.0 => Some([low, high]),
            _ => None,
        },
        _ => None,
    }
}

/// The likelihood, and whether the decoder's last function is left out to get logits.
fn likelihood(
    returns: Reconstruction,
    last: Option<Function>,
    declared: Option<Likelihood>,
    options: &ImportOptions,
) -> Result<(Likelihood, bool), String> {
    // The mean of a continuous Bernoulli is no accident; a sigmoid means one to most who train
    // with that likelihood.
    let continuous = last == Some(Function::ContinuousBernoulliMean);
    let sigmoid = last == Some(Function::Sigmoid);
    match (returns, options.likelihood.or(declared)) {
        (Reconstruction::Logits, Some(Likelihood::Gaussian { .. })) => {
            Err("a Gaussian likelihood has means, not logits".to_string())
        }
        (Reconstruction::Logits, likelihood) => {
            Ok((likelihood.unwrap_or(Likelihood::Bernoulli), false))
        }
        (Reconstruction::Means, Some(likelihood @ Likelihood::Gaussian { .. })) => {
            Ok((likelihood, false))
        }
        (Reconstruction::Means, Some(Likelihood::ContinuousBernoulli)) if continuous => {
            Ok((Likelihood::ContinuousBernoulli, true))
        }
        (Reconstruction::Means, Some(likelihood)) if sigmoid => Ok((likelihood, true)),
        (Reconstruction::Means, Some(likelihood)) => Err(format!(
            "a {} likelihood needs a decoder that returns logits or ends in a sigmoid",
            likelihood.name()
        )),
        (Reconstruction::Means, None) if options.beyond_unit_interval => {
            Ok((Likelihood::Gaussian { sigma: UNKNOWN_SIGMA }, false))
        }
        (Reconstruction::Means, None) if continuous => Ok((Likelihood::ContinuousBernoulli, true)),
        (Reconstruction::Means, None) if sigmoid => Ok((Likelihood::Bernoulli, true)),
        (Reconstruction::Means, None) => Ok((Likelihood::Gaussian { sigma: UNKNOWN_SIGMA }, false)),
    }
}

/// A shape with its first axis halved, if that is possible.
pub(super) fn half(shape: &[usize]) -> Option<Vec<usize>> {
    let mut half = shape.to_vec();
    let first = half.first_mut()?;
    *first = first.is_multiple_of(2).then_some(*first / 2)?;
    Some(half)
}

/// The encoder with outputs mu and `log sigma^2`.
fn with_posterior(
    encoder: Network,
    posterior: &PosteriorOutputs,
    latent: &[usize],
) -> Result<Network, String> {
    let (network, mean, spread, kind) = match posterior {
        PosteriorOutputs::Two { kind, mean, spread, by } => {
            let shapes = (encoder.output_shape(0), encoder.output_shape(1));
            if shapes.0 != shapes.1 {
                return Err(format!(
                    "outputs {mean:?} and {spread:?} have shapes {:?} and {:?}",
                    shapes.0, shapes.1
                ));
            }
            check_latent(encoder.output_shape(0), latent)?;
            let outputs = (encoder.outputs()[0], encoder.outputs()[1]);
            if *by == BY_NAMES && matches!(kind, Spread::Sigma | Spread::Variance) {
                check_positive(&encoder, outputs.1, spread)?;
            }
            (encoder, outputs.0, outputs.1, *kind)
        }
        PosteriorOutputs::Mean { sigma, .. } => {
            check_latent(encoder.output_shape(0), latent)?;
            if !(*sigma > 0.0 && sigma.is_finite()) {
                return Err(format!("sigma must be positive, found {sigma}"));
            }
            let mean = encoder.outputs()[0];
            (encoder, mean, mean, Spread::Fixed(*sigma))
        }
        PosteriorOutputs::One { both, kind } => {
            let shape = encoder.output_shape(0).to_vec();
            let from = encoder.outputs()[0];
            let parts = halves(&shape, latent).ok_or_else(|| {
                format!(
                    "output {both:?} of shape {shape:?} is not twice what the decoder takes, \
                     {latent:?}"
                )
            })?;
            let mut network = encoder;
            let mut values = vec![];
            for indices in parts {
                let config = GatherConfig { shape: latent.to_vec(), indices };
                let value;
                (network, value) = extend(network, &OperatorConfig::Gather(config), from)?;
                values.push(value);
            }
            (network, values[0], values[1], *kind)
        }
    };
    let function = |function| OperatorConfig::Activation(ActivationConfig { function });
    let (network, spread) = match kind {
        Spread::LogVariance => (network, spread),
        Spread::LogSigma => scaled(network, spread, 2.0, 0.0)?,
        Spread::Variance => extend(network, &function(Function::Log), spread)?,
        Spread::Sigma => {
            let (network, log) = extend(network, &function(Function::Log), spread)?;
            scaled(network, log, 2.0, 0.0)?
        }
        Spread::SoftplusSigma => {
            let (network, sigma) = extend(network, &function(Function::Softplus), spread)?;
            let (network, log) = extend(network, &function(Function::Log), sigma)?;
            scaled(network, log, 2.0, 0.0)?
        }
        Spread::Fixed(sigma) => scaled(network, spread, 0.0, 2.0 * sigma.ln())?,
    };
    network.with_outputs(&[mean, spread]).map_err(|error| error.to_string())
}

/// What is called a standard deviation or a variance cannot be the result of an affine map.
fn check_positive(encoder: &Network, value: Value, name: &str) -> Result<(), String> {
    let alone = encoder.clone().with_outputs(&[value]).map_err(|error| error.to_string())?;
    match alone.final_operator() {
        Some(
            OperatorConfig::Linear(_)
            | OperatorConfig::Conv2d(_)
            | OperatorConfig::ConvTranspose2d(_),
        ) => Err(format!(
            "output {name:?} may be negative: what does it hold (--spread log-variance, \
             log-sigma, sigma, variance or softplus-sigma)?"
        )),
        _ => Ok(()),
    }
}

/// mu must be what the decoder takes: the same shape, or the same features where one is flat.
fn check_latent(mean: &[usize], latent: &[usize]) -> Result<(), String> {
    if is_same(mean, latent) {
        Ok(())
    } else {
        Err(format!("mu has shape {mean:?}, the decoder takes {latent:?}"))
    }
}

/// Which features of `whole` are the first and the second half along the axis in which it is
/// twice `latent`.
fn halves(whole: &[usize], latent: &[usize]) -> Option<[Indices; 2]> {
    let latent = if whole.len() == 1 { vec![latent.iter().product()] } else { latent.to_vec() };
    if whole.len() != latent.len() {
        return None;
    }
    let mut differ = (0..whole.len()).filter(|&axis| whole[axis] != latent[axis]);
    let axis = differ.next()?;
    if differ.next().is_some() || whole[axis] != 2 * latent[axis] {
        return None;
    }
    let inner: usize = latent[axis..].iter().product();
    let outer: usize = latent[..axis].iter().product();
    Some([0, 1].map(|part| {
        let block = |k: usize| (2 * k + part) * inner..(2 * k + part + 1) * inner;
        let indices = (0..outer).flat_map(block).map(|place| Some(place as u32));
        Indices::from(indices.collect::<Vec<_>>())
    }))
}

fn extend(
    network: Network,
    operator: &OperatorConfig,
    from: Value,
) -> Result<(Network, Value), String> {
    let operator = operator.init(&mut Initialiser::new(0), &network.device());
    network.extended(operator, &[from]).map_err(|error| error.to_string())
}

fn scaled(
    network: Network,
    from: Value,
    gain: f64,
    shift: f64,
) -> Result<(Network, Value), String> {
    let affine = Affine { gain: vec![gain], shift: vec![shift] };
    let operator = affine_operator(&affine, 1, &network.device());
    network.extended(operator, &[from]).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_found_along_the_axis_that_doubles() {
        let split = |whole: &[usize], latent: &[usize]| {
            halves(whole, latent).map(|parts| parts.map(|p| p.iter().flatten().collect::<Vec<_>>()))
        };
        assert_eq!(split(&[4], &[2]), Some([vec![0, 1], vec![2, 3]]));
        assert_eq!(split(&[4, 2], &[2, 2]), Some([vec![0, 1, 2, 3], vec![4, 5, 6, 7]]));
        assert_eq!(split(&[2, 4], &[2, 2]), Some([vec![0, 1, 4, 5], vec![2, 3, 6, 7]]));
        assert_eq!(split(&[8], &[2, 2]), Some([vec![0, 1, 2, 3], vec![4, 5, 6, 7]]));
        for (whole, latent) in [(&[4, 4][..], &[2, 2][..]), (&[4], &[3]), (&[2, 2], &[2, 2])] {
            assert_eq!(split(whole, latent), None, "{whole:?} {latent:?}");
        }
    }
}
