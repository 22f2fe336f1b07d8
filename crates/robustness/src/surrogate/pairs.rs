//! What a quadratic form and a quartic say of pairs of opposite draws.
//!
//! Products of two components of the noise are the same for a draw and its opposite, components
//! have the other sign. About the posterior that is drawn from, a surrogate is an even and an odd
//! function of the noise, both of which follow from one matrix product for the pair.

use burn::tensor::Tensor;

use super::quartic::{count, dot, fill_products};
use super::{Kind, QuadraticForm, Quartic};
use crate::model::host;
use crate::{Encoding, Model};

/// What surrogates say of one draw: values of the squared damage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    /// The quadratic form.
    pub(crate) rough: f64,
    /// The quartic, if there is one, or the same.
    pub(crate) fine: f64,
}

/// Surrogates about one posterior.
#[derive(Debug)]
pub(crate) struct Pairs {
    latent: usize,
    kind: Kind,
    /// Coefficients of the components in the quadratic form.
    linear: Vec<f32>,
    /// Even terms (1 and products) to the even part of the form, and, if there is a quartic, to
    /// what its even part is the product of with the even terms, and its odd part with the
    /// components: `[even, 1 + even + latent]`.
    even: Tensor<2>,
    quartic: Option<Components>,
}

/// The rest of a quartic.
#[derive(Debug)]
struct Components {
    offset: f64,
    /// The products of components in it, `[latent, latent]`.
    matrix: Tensor<2>,
}

impl Pairs {
    /// For draws from a posterior: the form is of their noise, the quartic of their latent samples.
    pub(crate) fn new(
        model: &Model,
        encoding: &Encoding,
        form: &QuadraticForm<'_>,
        quartic: Option<&Quartic>,
    ) -> Self {
        let m = encoding.mu.len();
        let kind = if form.axes.is_some() { Kind::Full } else { Kind::Diagonal };
        let even: Vec<usize> = std::iter::once(0).chain(1 + m..count(kind, m)).collect();
        let (even_form, linear) = form.polynomial(kind);
        let quartic = quartic.filter(|quartic| quartic.kind == kind);
        let about = quartic.map(|quartic| quartic.about(encoding));
        let columns = 1 + about.as_ref().map_or(0, |_| even.len() + m);
        let mut rows = Vec::with_capacity(even.len() * columns);
        for (&i, value) in even.iter().zip(even_form) {
            rows.push(value as f32);
            if let Some(about) = &about {
                rows.extend(even.iter().map(|&j| about[(i, j)] as f32));
                rows.extend((1..=m).map(|k| 2.0 * about[(i, k)] as f32));
            }
        }
        let quartic = quartic.zip(about).map(|(quartic, about)| {
            let matrix = about.view((1, 1), (m, m)).iter().map(|&value| value as f32).collect();
            Components { offset: quartic.offset, matrix: model.tensor(matrix, m) }
        });
        Self { latent: m, kind, linear, even: model.tensor(rows, columns), quartic }
    }

    /// What is said of each draw and its opposite, one after the other, for the noise of the first of
    /// each pair, one row of `latent` numbers each.
    pub(crate) fn values(&self, model: &Model, eta: &[f32]) -> Vec<Said> {
        let mut said = Vec::with_capacity(2 * eta.len() / self.latent);
        // Batches as small as those of the decoder stay in the cache.
        for eta in eta.chunks(model.rows() * self.latent) {
            self.add_values(model, eta, &mut said);
        }
        said
    }

    fn add_values(&self, model: &Model, eta: &[f32], said: &mut Vec<Said>) {
        let m = self.latent;
        let [even, columns] = self.even.dims();
        let mut terms = vec![1.0; eta.len() / m * even];
        for (eta, terms) in eta.chunks_exact(m).zip(terms.chunks_exact_mut(even)) {
            fill_products(self.kind, eta, &mut terms[1..]);
        }
        let mapped = host(model.tensor(terms.clone(), even).matmul(self.even.clone()));
        let rows = mapped.chunks_exact(columns).zip(eta.chunks_exact(m));
        let Some(quartic) = &self.quartic else {
            for (mapped, eta) in rows {
                let odd = dot(&self.linear, eta);
                let values = [mapped[0] + odd, mapped[0] - odd].map(f64::from);
                said.extend(values.map(|rough| Said { rough, fine: rough }));
            }
            return;
        };
        let components = host(model.tensor(eta.to_vec(), m).matmul(quartic.matrix.clone()));
        let terms = terms.chunks_exact(even).zip(components.chunks_exact(m));
        for ((mapped, eta), (terms, components)) in rows.zip(terms) {
            let odd = dot(&self.linear, eta);
            let rough = [mapped[0] + odd, mapped[0] - odd].map(f64::from);
            let (for_even, for_odd) = mapped[1..].split_at(even);
            let even =
                quartic.offset + f64::from(dot(for_even, terms)) + f64::from(dot(components, eta));
            let odd = f64::from(dot(for_odd, eta));
            said.push(Said { rough: rough[0], fine: even + odd });
            said.push(Said { rough: rough[1], fine: even - odd });
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use vaegis_network::ops::Function;
    use vaegis_vae::{Architecture, Likelihood, Noise, Purpose, VaeConfig};

    use super::*;
    use crate::surrogate::{Moments, Sample, Surrogate};

    const LATENT: usize = 3;

    /// Fits both surrogates to draws of a quadratic change, and asks them about pairs of draws of
    /// another posterior, one by one and together.
    fn alike(draws: usize) {
        let architecture = Architecture::Mlp { hidden: vec![], activation: Function::Tanh };
        let likelihood = Likelihood::Gaussian { sigma: 1.0 };
        let config = VaeConfig { input_shape: vec![4], latent: LATENT, architecture, likelihood };
        let model = Model::new(&config.init(3, &Device::flex()).unwrap());
        let about = Encoding { mu: vec![0.5, -1.0, 2.0], sigma: vec![0.3, 1.0, 0.1] };
        let eta = Noise::new(1).normal(Purpose::Candidates, 0, 0, draws, LATENT);
        let z = about.samples(&eta);
        let change = |z: &[f32]| {
            let [a, b, c] = [z[0] - 0.2, z[1] + 0.5, z[2] - 1.9];
            [a + b * b, 2.0 * c - a * b, b + 0.3, 5.0 * a * c]
        };
        let changes: Vec<f32> = z.chunks(LATENT).flat_map(change).collect();
        let squares = changes.chunks(4).map(|row| row.iter().map(|c| f64::from(c * c)).sum());
        let squares: Vec<f64> = squares.collect();
        let mut moments = Moments::new(&model, &about, draws, 2.0).unwrap();
        moments.add(&model, &z, &model.tensor(changes, 4));
        let quartic = moments.fit(&model).unwrap();
        let sample = Sample { eta, positions: vec![0.0; draws], squares, latent: LATENT };
        let surrogate = Surrogate::fit(&sample, 2.0);
        let form = surrogate.at(0.0);

        let other = Encoding { mu: vec![0.6, -0.7, 2.05], sigma: vec![0.25, 0.8, 0.12] };
        let half = Noise::new(2).normal(Purpose::Verdict, 0, 0, 40, LATENT);
        let opposite = |eta: &[f32]| eta.iter().map(|e| -e).collect::<Vec<f32>>();
        let each: Vec<f32> =
            half.chunks(LATENT).flat_map(|eta| [eta.to_vec(), opposite(eta)].concat()).collect();
        let fine = quartic.values(&model, &other.samples(&each));
        let said = Pairs::new(&model, &other, &form, Some(&quartic)).values(&model, &half);
        let without = Pairs::new(&model, &other, &form, None).values(&model, &half);
        assert_eq!((said.len(), without.len()), (80, 80));
        for (draw, eta) in each.chunks(LATENT).enumerate() {
            let rough = form.value(eta);
            let close = |a: f64, b: f64| (a - b).abs() < 1e-4 * (1.0 + b.abs());
            assert!(close(said[draw].rough, rough), "{} {rough}", said[draw].rough);
            assert!(close(said[draw].fine, fine[draw]), "{} {}", said[draw].fine, fine[draw]);
            assert!(close(without[draw].fine, rough), "{} {rough}", without[draw].fine);
        }
    }

    #[test]
    fn pairs_are_what_draws_are_one_by_one() {
        alike(200);
    }

    #[test]
    fn pairs_are_that_too_where_draws_tell_squares_only() {
        alike(50);
    }
}
