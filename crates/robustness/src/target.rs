use burn::tensor::Tensor;
use vaegis_vae::Noise;

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
    pub(crate) fn damages(self, encoding: &Encoding, mut eta: Vec<f32>) -> Result<Vec<f32>, Error> {
        let latent = self.model.latent();
        for row in eta.chunks_mut(latent) {
            for ((value, mu), sigma) in row.iter_mut().zip(&encoding.mu).zip(&encoding.sigma) {
                *value = mu + *value * sigma;
            }
        }
        let mut damages = Vec::with_capacity(eta.len() / latent);
        for batch in eta.chunks(self.model.rows() * latent) {
            let z = self.model.tensor(batch.to_vec(), latent);
            damages.extend(self.model.distances(z, self.reference));
        }
        if damages.iter().all(|damage| damage.is_finite()) {
            Ok(damages)
        } else {
            Err(Error::NotFinite("a perturbed reconstruction"))
        }
    }
}
