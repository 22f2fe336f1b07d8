//! What a file says of itself: vaegis leaves it there when it exports a model.

use serde::de::DeserializeOwned;
use vaegis_network::onnx::OnnxModel;

use super::{Reconstruction, open};
use crate::{Error, Likelihood};

/// Key of the likelihood in a file's metadata, as JSON.
pub(crate) const LIKELIHOOD: &str = "vaegis.likelihood";
/// Key of what the decoder returns.
pub(crate) const RETURNS: &str = "vaegis.decoder_returns";

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Declared {
    pub(super) likelihood: Option<Likelihood>,
    pub(super) returns: Option<Reconstruction>,
}

impl Declared {
    /// What the file of a decoder says.
    pub(super) fn of(decoder: &OnnxModel) -> Result<Self, Error> {
        let likelihood = parsed(decoder, LIKELIHOOD)?;
        if let Some(Likelihood::Gaussian { sigma }) = likelihood
            && !(sigma > 0.0 && sigma.is_finite())
        {
            return Err(open(decoder, &format!("{LIKELIHOOD} has sigma {sigma}")));
        }
        Ok(Self { likelihood, returns: parsed(decoder, RETURNS)? })
    }
}

fn parsed<T: DeserializeOwned>(model: &OnnxModel, key: &str) -> Result<Option<T>, Error> {
    let parse = |text: &str| {
        serde_json::from_str(text)
            .map_err(|error| open(model, &format!("{key} is {text:?} in its metadata: {error}")))
    };
    model.metadata(key).map(parse).transpose()
}
