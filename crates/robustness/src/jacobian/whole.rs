//! Jacobians that are small enough to be formed: every number is exact up to rounding.

use burn::tensor::Tensor;

use super::{DECODER, Directions, ENCODER, Jacobians, LinearisedDecoder, Matrix, Norm, finite};
use crate::model::host;
use crate::statistics::GeneralisedChiSquare;
use crate::{Encoding, Error, Model, Target};

pub(super) fn jacobians(
    target: Target<'_>,
    encoding: &Encoding,
    directions: usize,
) -> Result<Jacobians, Error> {
    let model = target.model;
    let encoder = encoder(target)?;
    let whitened = encoder.rows_divided_by(&encoding.sigma);
    let decoder_gram = decoder_gram(model, encoding)?;
    let decoder = LinearisedDecoder::ClosedForm(linearised(&decoder_gram, &encoding.sigma)?);

    let (along_encoder, along_whitened) =
        (encoder.spectrum(directions), whitened.spectrum(directions));
    let norm = |spectrum: &super::Spectrum| spectrum.values.first().copied().unwrap_or(0.0);
    let mut jacobians = Jacobians {
        frobenius: Norm::exact(encoder.frobenius()),
        spectral: Norm::exact(norm(&along_encoder)),
        whitened_spectral: Norm::exact(norm(&along_whitened)),
        composed_spectral: 0.0,
        directions: Directions {
            composed: vec![],
            whitened: along_whitened.right,
            encoder: along_encoder.right,
        },
        decoder,
    };
    if directions > 0 {
        // The same singular values and right singular vectors as `Jg J`: latent x features.
        let composed = decoder_gram.square_root().times(&encoder).spectrum(directions);
        jacobians.composed_spectral = norm(&composed);
        jacobians.directions.composed = composed.right;
    }
    Ok(jacobians)
}

/// `J` in units of the domain, latent x features, by pulling unit cotangents back.
fn encoder(target: Target<'_>) -> Result<Matrix, Error> {
    let Target { model, x, ball, .. } = target;
    let (latent, features) = (model.latent(), model.features());
    let trace = model.encoder().trace(model.tensor(x.to_vec(), features));
    let mut values = for_unit_vectors(model, |units| {
        let cotangents = vec![Some(units), None];
        model.encoder().vjp(&trace, cotangents)
    });
    values.chunks_mut(features).for_each(|row| ball.pull_back(row));
    Ok(Matrix::from_row_major(latent, features, &finite(values, ENCODER)?))
}

/// `Jg' Jg`, latent x latent. The decoder is tall: pushing latent tangents forward is cheaper
/// than pulling one cotangent per feature back.
fn decoder_gram(model: &Model, encoding: &Encoding) -> Result<Matrix, Error> {
    let (latent, features) = (model.latent(), model.features());
    let trace = model.generator().trace(model.tensor(encoding.mu.clone(), latent));
    let values = for_unit_vectors(model, |units| model.generator().jvp(&trace, units).remove(0));
    let transposed = Matrix::from_row_major(latent, features, &finite(values, DECODER)?);
    Ok(transposed.outer_gram())
}

/// What `derivative` makes of each latent unit vector, a batch at a time: `[1, k, latent]` to
/// `[1, k, features]`.
fn for_unit_vectors(model: &Model, derivative: impl Fn(Tensor<3>) -> Tensor<3>) -> Vec<f32> {
    let latent = model.latent();
    let units = Tensor::<2>::eye(latent, &model.device());
    let mut values = Vec::with_capacity(latent * model.features());
    for first in (0..latent).step_by(model.rows()) {
        let count = model.rows().min(latent - first);
        let batch: Tensor<3> = units.clone().narrow(0, first, count).unsqueeze();
        values.extend(host(derivative(batch)));
    }
    values
}

/// The distribution of `|Jg Sigma^(1/2) eta|^2`, from `Jg' Jg`.
fn linearised(decoder_gram: &Matrix, sigma: &[f32]) -> Result<GeneralisedChiSquare, Error> {
    let latent = sigma.len();
    let scaled = Matrix::from_fn(latent, latent, |i, j| {
        f64::from(sigma[i]) * decoder_gram[(i, j)] * f64::from(sigma[j])
    });
    // Rounding can leave eigenvalues of a singular matrix slightly negative.
    let weights = scaled.symmetric_eigenvalues().iter().map(|weight| weight.max(0.0)).collect();
    GeneralisedChiSquare::central(weights).map_err(|_| Error::NotFinite(DECODER))
}
