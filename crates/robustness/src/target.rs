use burn::tensor::Tensor;
use vaegis_vae::Noise;

use crate::model::{host, lengths};
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

    /// `|Delta|` of latent samples, one row of `latent` numbers each, and the derivatives of its
    /// square with respect to them, likewise.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub(crate) fn differentiate(self, z: &[f32]) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let (latent, generator) = (self.model.latent(), self.model.generator());
        let mut damages = Vec::with_capacity(z.len() / latent);
        let mut slopes = Vec::with_capacity(z.len());
        for batch in z.chunks(self.model.rows() * latent) {
            let trace = generator.trace(self.model.tensor(batch.to_vec(), latent));
            let change = generator.output(&trace, 0) - self.reference.clone();
            damages.extend(lengths(change.clone()));
            let cotangent = (change * 2.0).unsqueeze_dim::<3>(1);
            slopes.extend(host::<3>(generator.vjp(&trace, vec![Some(cotangent)])));
        }
        Ok((finite(damages)?, slopes))
    }
}

fn finite(damages: Vec<f32>) -> Result<Vec<f32>, Error> {
    if damages.iter().all(|damage| damage.is_finite()) {
        Ok(damages)
    } else {
        Err(Error::NotFinite("a perturbed reconstruction"))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use vaegis_network::ops::Function;
    use vaegis_vae::{Architecture, Likelihood, VaeConfig};

    use super::*;
    use crate::{Domain, InputBox};

    #[test]
    fn derivatives_are_those_of_squared_damages() {
        let architecture = Architecture::Mlp { hidden: vec![8], activation: Function::Tanh };
        let likelihood = Likelihood::Bernoulli;
        let config = VaeConfig { input_shape: vec![6], latent: 3, architecture, likelihood };
        let model = &Model::new(&config.init(5, &Device::flex()).unwrap());
        let x = &[0.2, 0.5, 0.9, 0.1, 0.7, 0.4];
        let domain = Domain::l2(InputBox::None);
        let ball = &Ball::new(&domain, x);
        let reference = &model.reconstruct(&model.encoding(x).unwrap().mu).unwrap();
        let noise = &Noise::new(1);
        let target = Target { model, x, reference, noise, index: 0, ball };
        let z = [1.0f32, -0.5, 2.0, 0.3, 1.5, -1.0];
        let (damages, slopes) = target.differentiate(&z).unwrap();
        let decoded = |z: &[f32]| target.decode(z, |_, _| ()).unwrap();
        assert_eq!(damages, decoded(&z));
        for k in 0..z.len() {
            let square = |shift: f32| {
                let mut z = z;
                z[k] += shift;
                f64::from(decoded(&z)[k / 3]).powi(2)
            };
            let difference = (square(0.01) - square(-0.01)) / 0.02;
            assert!(
                (f64::from(slopes[k]) - difference).abs() < 1e-3 * (1.0 + difference.abs()),
                "{k}"
            );
        }
    }
}
