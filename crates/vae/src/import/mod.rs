//! VAEs that users bring as ONNX files, or as weights of PyTorch with a manifest (`manifest/`):
//! which value is what, and what it means.
//!
//! Nothing is guessed. What the names, shapes and operators of a file say beyond doubt is
//! taken and stated; everything else is asked for, in one message that names the option.

mod declared;
mod fitting;
mod manifest;
mod names;
mod parts;
mod posterior;
mod preprocessing;

use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vaegis_network::onnx::{OnnxModel, Part, Port};

use crate::{Error, Likelihood, Vae};
use declared::Declared;
pub(crate) use declared::{LIKELIHOOD, RETURNS};
pub use manifest::import_manifest;
use names::{Role, role, says_logits, says_means};
use posterior::posterior;
pub(crate) use posterior::{BY_NAMES, PosteriorOutputs};
pub use preprocessing::{Preprocessing, ReconstructionSpace};

/// What an encoder's second output holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// `log sigma^2`.
    LogVariance,
    /// `log sigma`.
    LogSigma,
    /// `sigma`.
    Sigma,
    /// `sigma^2`.
    Variance,
    /// `s` with `sigma = softplus(s) = ln(1 + e^s)`.
    SoftplusSigma,
    /// There is none: one fixed sigma.
    Fixed(f64),
}

impl Spread {
    fn describe(self) -> String {
        match self {
            Self::LogVariance => "the log variance".to_string(),
            Self::LogSigma => "the log standard deviation".to_string(),
            Self::Sigma => "the standard deviation".to_string(),
            Self::Variance => "the variance".to_string(),
            Self::SoftplusSigma => "the inverse softplus of the standard deviation".to_string(),
            Self::Fixed(sigma) => format!("sigma = {sigma} everywhere"),
        }
    }
}

/// What a decoder returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reconstruction {
    /// Means of `p(x|z)`.
    Means,
    /// Logits of a Bernoulli or continuous Bernoulli distribution.
    Logits,
}

/// What the user says of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportOptions {
    /// Shape of a sample of the data; where it is left out, that of the model's input.
    pub data_shape: Option<Vec<usize>>,
    /// What the encoder tells of the posterior's spread.
    pub spread: Option<Spread>,
    /// Names of the outputs that hold mu and the spread (or both in one).
    pub posterior: Option<Vec<String>>,
    /// Of a one-file model, the name of the reconstruction.
    pub reconstruction: Option<String>,
    /// Of a one-file model, the name of the value that the decoder starts from.
    pub latent: Option<String>,
    /// What the decoder returns.
    pub returns: Option<Reconstruction>,
    /// `p(x|z)`.
    pub likelihood: Option<Likelihood>,
    /// The data leaves [0, 1], so that it cannot be scored as Bernoulli.
    pub beyond_unit_interval: bool,
    /// What happens to the data before the encoder.
    pub preprocessing: Preprocessing,
}

/// A VAE from files, and how it was understood.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The model.
    pub vae: Vae,
    /// One line for each thing that was concluded.
    pub remarks: Vec<String>,
}

/// Imports an encoder and a decoder.
///
/// # Errors
/// Lists everything that is unsupported, does not fit or is left open.
pub fn import_pair(
    encoder: &Path,
    decoder: &Path,
    options: &ImportOptions,
    device: &Device,
) -> Result<Imported, Error> {
    let (encoder, decoder) = (OnnxModel::open(encoder), OnnxModel::open(decoder));
    let (encoder, decoder) = both(encoder, decoder)?;
    let x = only_input(&encoder)?;
    let z = only_input(&decoder)?;
    let mut remarks = vec![];
    let outputs = encoder.outputs();
    let posterior = match posterior(&encoder, &outputs, options) {
        Ok(posterior) => posterior,
        Err(question) => {
            let questions =
                [problems(question), other_questions(&encoder, &decoder, options, device)];
            return Err(Error::Import(questions.concat()));
        }
    };
    remarks.push(posterior.describe());
    let decoded = decoder.outputs();
    let reconstruction = match (decoded.as_slice(), &options.reconstruction) {
        ([only], None) => only.name.clone(),
        (many, None) if let Some(mean) = only_mean(many) => mean.name.clone(),
        (many, name) => named(&decoder, many, name.as_deref(), "--reconstruction")?,
    };
    let names = posterior.names();
    remarks.extend(left_out(&encoder, &outputs, &names));
    remarks.extend(left_out(&decoder, &decoded, &[&reconstruction]));
    let model_shape = shape_for(&x, options);
    let encoded = encoder
        .network(&Part { from: &x.name, sample_shape: model_shape.as_deref(), to: &names }, device);
    // The latent shape is the decoder's if it is stated, else that of mu.
    let stated = z.sample_shape();
    let latent = match (&stated, &encoded) {
        (Some(stated), _) => Some(stated.clone()),
        (None, Ok(network)) if !posterior.in_one() => Some(network.output_shape(0).to_vec()),
        (None, Ok(network)) => parts::half(network.output_shape(0)),
        (None, Err(_)) => None,
    };
    let decoded = decoder.network(
        &Part { from: &z.name, sample_shape: latent.as_deref(), to: &[&reconstruction] },
        device,
    );
    let (encoded, decoded) = both(encoded, decoded)?;
    let declared = Declared::of(&decoder)?;
    let origins = [encoder.origin(), decoder.origin()];
    let named = (reconstruction.as_str(), declared);
    parts::assemble(encoded, decoded, &posterior, named, options, origins, remarks)
}

/// What else stands in the way of importing a pair whose posterior is not known yet.
fn other_questions(
    encoder: &OnnxModel,
    decoder: &OnnxModel,
    options: &ImportOptions,
    device: &Device,
) -> Vec<String> {
    let mut found = vec![];
    let outputs = encoder.outputs();
    let names: Vec<&str> = outputs.iter().map(|port| port.name.as_str()).collect();
    if let Ok(x) = only_input(encoder) {
        let shape = shape_for(&x, options);
        let network = |to: &[&str]| {
            encoder.network(&Part { from: &x.name, sample_shape: shape.as_deref(), to }, device)
        };
        // An output that is not the posterior may be anything, but one must be understood.
        if names.iter().all(|name| network(&[name]).is_err()) {
            found.extend(network(&names).err().map(|error| error.to_string()));
        }
    }
    let decoded = decoder.outputs();
    let (Ok(z), [made]) = (only_input(decoder), decoded.as_slice()) else { return found };
    if z.sample_shape().is_some() {
        let part = Part { from: &z.name, sample_shape: None, to: &[&made.name] };
        found.extend(match decoder.network(&part, device) {
            Err(error) => vec![error.to_string()],
            Ok(network) => {
                let range = parts::range_of(&network);
                let answer = Declared::of(decoder).and_then(|declared| {
                    let (stated, declared) = (options.returns, declared.returns);
                    returned(&made.name, range, stated, declared, decoder.origin())
                });
                answer.err().map(problems).unwrap_or_default()
            }
        });
    }
    found
}

fn problems(error: Error) -> Vec<String> {
    match error {
        Error::Import(problems) => problems,
        other => vec![other.to_string()],
    }
}

/// Imports a model that holds encoder and decoder in one graph: x to reconstruction, mu and
/// spread, drawing the latent variable inside or not.
///
/// # Errors
/// Lists everything that is unsupported, does not fit or is left open; in particular when no
/// value separates an encoder from a decoder.
pub fn import_file(
    model: &Path,
    options: &ImportOptions,
    device: &Device,
) -> Result<Imported, Error> {
    let model = OnnxModel::open(model)?;
    let x = only_input(&model)?;
    let outputs = model.outputs();
    let shape = shape_for(&x, options);
    let reconstruction = match &options.reconstruction {
        Some(name) => named(&model, &outputs, Some(name), "--reconstruction")?,
        None => reconstruction_of(&model, &outputs, &x, options)?,
    };
    let rest: Vec<Port> = outputs.into_iter().filter(|port| port.name != reconstruction).collect();
    let posterior = posterior(&model, &rest, options)?;
    let mut remarks = vec![posterior.describe()];
    let names = posterior.names();
    remarks.extend(left_out(&model, &rest, &names));
    let encoder = model
        .network(&Part { from: &x.name, sample_shape: shape.as_deref(), to: &names }, device)?;
    let latent = match &options.latent {
        Some(name) => name.clone(),
        None => cut(&model, &x.name, &reconstruction, &posterior)?,
    };
    remarks.push(format!("the decoder starts at {latent:?}"));
    let latent_shape = if posterior.in_one() {
        parts::half(encoder.output_shape(0))
    } else {
        Some(encoder.output_shape(0).to_vec())
    };
    let decoder = model.network(
        &Part { from: &latent, sample_shape: latent_shape.as_deref(), to: &[&reconstruction] },
        device,
    )?;
    let origins = [model.origin(); 2];
    let named = (reconstruction.as_str(), Declared::of(&model)?);
    parts::assemble(encoder, decoder, &posterior, named, options, origins, remarks)
}

/// Two results, or the problems of both.
fn both<T>(
    first: Result<T, vaegis_network::Error>,
    second: Result<T, vaegis_network::Error>,
) -> Result<(T, T), Error> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(first), Err(second)) => {
            Err(Error::Import(vec![first.to_string(), second.to_string()]))
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error.into()),
    }
}

fn open(model: &OnnxModel, problem: &str) -> Error {
    Error::Import(vec![format!("{}: {problem}", model.origin().display())])
}

fn list(ports: &[Port]) -> String {
    let described: Vec<String> = ports.iter().map(Port::describe).collect();
    if described.is_empty() { "none".to_string() } else { described.join(", ") }
}

fn only_input(model: &OnnxModel) -> Result<Port, Error> {
    match model.inputs().as_slice() {
        [only] => Ok(only.clone()),
        many => {
            Err(open(model, &format!("expected one input, found {} ({})", many.len(), list(many))))
        }
    }
}

fn named(
    model: &OnnxModel,
    ports: &[Port],
    name: Option<&str>,
    option: &str,
) -> Result<String, Error> {
    match name {
        Some(name) if ports.iter().any(|port| port.name == name) => Ok(name.to_string()),
        Some(name) => {
            Err(open(model, &format!("there is no output {name:?}, only {}", list(ports))))
        }
        None => Err(open(
            model,
            &format!("which output is the reconstruction ({option})? There are {}", list(ports)),
        )),
    }
}

/// The sample shape for the model's input: its own, or that of the data where it is open.
fn shape_for(x: &Port, options: &ImportOptions) -> Option<Vec<usize>> {
    if x.sample_shape().is_some() {
        return None;
    }
    options.data_shape.clone()
}

/// The only mean among outputs that are all means or spreads: a decoder that returns the
/// parameters of a Gaussian.
fn only_mean(ports: &[Port]) -> Option<&Port> {
    let roles: Vec<Role> = ports.iter().map(|port| role(&port.name)).collect::<Option<_>>()?;
    let mut means = ports.iter().zip(&roles).filter(|(_, role)| **role == Role::Mean);
    let (mean, _) = means.next()?;
    means.next().is_none().then_some(mean)
}

/// Says which outputs are not used.
fn left_out(model: &OnnxModel, ports: &[Port], used: &[&str]) -> Option<String> {
    let unused: Vec<Port> =
        ports.iter().filter(|port| !used.contains(&port.name.as_str())).cloned().collect();
    (!unused.is_empty()).then(|| {
        let file = model.origin().file_name().unwrap_or_default().display();
        format!("outputs of {file} that are not used: {}", list(&unused))
    })
}

/// The only output with as many features as the input that is not the input itself.
fn reconstruction_of(
    model: &OnnxModel,
    outputs: &[Port],
    x: &Port,
    options: &ImportOptions,
) -> Result<String, Error> {
    let features = |port: &Port| port.sample_shape().map(|shape| shape.iter().product::<usize>());
    let wanted = features(x).or(options.data_shape.as_ref().map(|shape| shape.iter().product()));
    let known = outputs.iter().all(|port| features(port).is_some());
    let fitting: Vec<&Port> = outputs
        .iter()
        .filter(|port| role(&port.name).is_none())
        .filter(|port| !model.is_reshaped(&port.name, &x.name))
        .filter(|port| !known || features(port) == wanted)
        .collect();
    match fitting.as_slice() {
        [only] => Ok(only.name.clone()),
        _ => named(model, outputs, None, "--reconstruction"),
    }
}

/// Where the decoder begins: at mu, or at the sum of mu and noise.
fn cut(
    model: &OnnxModel,
    x: &str,
    reconstruction: &str,
    posterior: &PosteriorOutputs,
) -> Result<String, Error> {
    let bottlenecks = model.bottlenecks(x, reconstruction);
    let ask = |why: &str| {
        Err(open(model, &format!("{why}: name the value that the decoder starts from (--latent)")))
    };
    let mean = match posterior {
        PosteriorOutputs::Two { mean, .. } | PosteriorOutputs::Mean { mean, .. } => mean,
        PosteriorOutputs::One { .. } => return ask("mu and spread are one value"),
    };
    if let Some(copy) = bottlenecks.iter().find(|value| model.is_same_value(value, mean)) {
        return Ok(copy.clone());
    }
    match bottlenecks.iter().find(|value| model.is_sum_with(value, mean)) {
        Some(sum) => Ok(sum.clone()),
        None if bottlenecks.is_empty() => ask(
            "no value separates an encoder from a decoder (something of the input, or of random \
             numbers, bypasses the latent variable)",
        ),
        None => {
            ask(&format!("what the decoder starts from is neither {mean:?} nor that plus noise"))
        }
    }
}

/// What the decoder returns: the user says it, or the file, its last operator or its name.
fn returned(
    name: &str,
    range: Option<[f64; 2]>,
    stated: Option<Reconstruction>,
    declared: Option<Reconstruction>,
    origin: &Path,
) -> Result<(Reconstruction, String), Error> {
    let means = |why: String| Ok((Reconstruction::Means, why));
    match (stated.or(declared), range) {
        (Some(known), _) => {
            let why = if stated.is_some() { "as stated" } else { "as the file says" };
            Ok((known, why.to_string()))
        }
        (None, None) if says_logits(name) => {
            Ok((Reconstruction::Logits, "by its name".to_string()))
        }
        (None, None) if says_means(name) => means("by its name".to_string()),
        (None, Some([low, high])) if !says_logits(name) => {
            means(format!("they lie in [{low}, {high}]"))
        }
        _ => Err(Error::Import(vec![format!(
            "{}: does output {name:?} hold means of p(x|z) or logits (--decoder-returns means or \
             logits)?",
            origin.display()
        )])),
    }
}
