use burn::tensor::Tensor;
use vaegis_vae::Noise;

use crate::model::lengths;
use crate::{Ball, Encoding, Error, Model};

/// One point under assessment: what every estimate and attack needs to know of it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The model.
    pub model: &'a Model,
    /// The input.
    pub x: &'a [f32],
    /// The mean reconstruction `g(mu(x))`, `[1, features]`.
    pub reference: &'a Tensor<2>,
    /// The source of all noise.
    pub noise: &'a Noise,
    /// The point's index, which addresses its noise.
    pub index: u64,
    /// Where perturbed inputs may be.
    pub ball: &'a Ball<'a>,
}

impl Target<'_> {
    /// `|Delta|` under a posterior, for noise given as one row of `latent` numbers per draw.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub(crate) fn damages(self, encoding: &Encoding, eta: Vec<f32>) -> Result<Vec<f32>, Error> {
        let latent = self.model.latent();
        let z = encoding.samples(&eta);
        let damages = z.chunks(self.model.rows() * latent).flat_map(|batch| {
            let z = self.model.tensor(batch.to_vec(), latent);
            self.model.damages(z, self.reference)
        });
        finite(damages.collect())
    }

    /// `|Delta|` of latent samples, one row of `latent` numbers each; visits the samples and their
    /// changes Delta, `[rows, features]`, batch by batch.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub(crate) fn decode(
        self,
        z: &[f32],
        mut visit: impl FnMut(&[f32], &Tensor<2>),
    ) -> Result<Vec<f32>, Error> {
        let latent = self.model.latent();
        let mut damages = Vec::with_capacity(z.len() / latent);
        for batch in z.chunks(self.model.rows() * latent) {
            let z = self.model.tensor(batch.to_vec(), latent);
            let change = self.model.change(z, self.reference);
            damages.extend(lengths(change.clone()));
            visit(batch, &change);
        }
        finite(damages)
    }
}

fn finite(damages: Vec<f32>) -> Result<Vec<f32>, Error> {
    if damages.iter().all(|damage| damage.is_finite()) {
        Ok(damages)
    } else {
        Err(Error::NotFinite("a perturbed reconstruction"))
    }
}
