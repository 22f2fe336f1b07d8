//! What a quadratic form and a quartic say of pairs of opposite draws.
//!
//! Products of two components of the noise are the same for a draw and its opposite, components
//! have the other sign. About the posterior that is drawn from, a surrogate is an even and an odd
//! function of the noise, both of which follow from one matrix product for the pair.

use std::borrow::Cow;

use burn::tensor::Tensor;

use super::quartic::{dot, fill_products, tensor};
use super::{Kind, QuadraticForm, Quartic};
use crate::model::host;
use crate::{Encoding, Model, lanes};

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
    form: Form,
    quartic: Option<Components>,
}

/// A quadratic form along its axes.
#[derive(Debug)]
struct Form {
    /// `[latent, axes]`, unless they are the noise's own.
    axes: Option<Tensor<2>>,
    constant: f64,
    /// Coefficients of the components.
    linear: Vec<f32>,
    /// Coefficients of their squares, and of that of the whole draw.
    square: Vec<f32>,
    whole: f32,
}

/// A quartic `|a(e) + b(e)|^2`, a even and b odd.
#[derive(Debug)]
struct Components {
    kind: Kind,
    offset: f64,
    /// Even terms (1 and products) to a: `[even, rank]`.
    even: Tensor<2>,
    /// Components to b: `[latent, rank]`.
    odd: Tensor<2>,
}

impl Form {
    fn new(model: &Model, form: &QuadraticForm<'_>) -> Self {
        let QuadraticForm { offset, weights, shifts, axes, rest, .. } = form;
        let axes = axes.map(|axes| model.tensor(axes.to_vec(), model.latent()).transpose());
        // What is not along the axes is the whole without what is.
        let (weights, whole) = match weights.split_last() {
            Some((whole, weights)) if *rest > 0 => (weights, *whole),
            _ => (weights.as_slice(), 0.0),
        };
        let pairs = || weights.iter().zip(shifts);
        Self {
            axes,
            constant: offset + pairs().map(|(w, s)| w * s * s).sum::<f64>(),
            linear: pairs().map(|(w, s)| (2.0 * w * s) as f32).collect(),
            square: weights.iter().map(|&w| (w - whole) as f32).collect(),
            whole: whole as f32,
        }
    }

    /// What it says of each draw and its opposite.
    fn values(&self, model: &Model, eta: &[f32]) -> Vec<[f64; 2]> {
        if self.square.is_empty() {
            return vec![[self.constant; 2]; eta.len() / model.latent()];
        }
        let components = match &self.axes {
            Some(axes) => {
                host(model.tensor(eta.to_vec(), model.latent()).matmul(axes.clone())).into()
            }
            None => Cow::Borrowed(eta),
        };
        let value = |(components, eta): (&[f32], &[f32])| {
            let mut even = lanes::sum(&self.square, components, |weight, e| weight * e * e);
            if self.whole > 0.0 {
                even += self.whole * dot(eta, eta);
            }
            let even = self.constant + f64::from(even);
            let odd = f64::from(dot(&self.linear, components));
            [even + odd, even - odd]
        };
        let rows = components.chunks_exact(self.square.len());
        rows.zip(eta.chunks_exact(model.latent())).map(value).collect()
    }
}

impl Components {
    fn new(model: &Model, encoding: &Encoding, quartic: &Quartic) -> Self {
        let factor = quartic.about(encoding);
        let odd = tensor(model, &factor.rows(1, model.latent()).into_owned());
        let even = tensor(model, &factor.remove_rows(1, model.latent()));
        Self { kind: quartic.kind, offset: quartic.offset, even, odd }
    }

    /// What it says of each draw and its opposite.
    fn values(&self, model: &Model, eta: &[f32]) -> Vec<[f64; 2]> {
        let m = model.latent();
        let [terms, rank] = self.even.dims();
        let mut even = vec![1.0; eta.len() / m * terms];
        for (eta, even) in eta.chunks_exact(m).zip(even.chunks_exact_mut(terms)) {
            fill_products(self.kind, eta, &mut even[1..]);
        }
        let even = host(model.tensor(even, terms).matmul(self.even.clone()));
        let odd = host(model.tensor(eta.to_vec(), m).matmul(self.odd.clone()));
        let value = |(a, b): (&[f32], &[f32])| {
            let alike = self.offset + f64::from(dot(a, a) + dot(b, b));
            let other = 2.0 * f64::from(dot(a, b));
            [alike + other, alike - other]
        };
        even.chunks_exact(rank).zip(odd.chunks_exact(rank)).map(value).collect()
    }
}

impl Pairs {
    /// For draws from a posterior: the form is of their noise, the quartic of their latent samples.
    pub(crate) fn new(
        model: &Model,
        encoding: &Encoding,
        form: &QuadraticForm<'_>,
        quartic: Option<&Quartic>,
    ) -> Self {
        let quartic = quartic.map(|quartic| Components::new(model, encoding, quartic));
        Self { latent: model.latent(), form: Form::new(model, form), quartic }
    }

    /// What is said of each draw and its opposite, one after the other, for the noise of the first of
    /// each pair, one row of `latent` numbers each.
    pub(crate) fn values(&self, model: &Model, eta: &[f32]) -> Vec<Said> {
        let mut said = Vec::with_capacity(2 * eta.len() / self.latent);
        // Batches as small as those of the decoder stay in the cache.
        for eta in eta.chunks(model.rows() * self.latent) {
            let rough = self.form.values(model, eta);
            let fine = self.quartic.as_ref().map(|quartic| quartic.values(model, eta));
            let fine = fine.as_ref().unwrap_or(&rough);
            for (rough, fine) in rough.iter().zip(fine) {
                said.extend([0, 1].map(|k| Said { rough: rough[k], fine: fine[k] }));
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use vaegis_network::ops::Function;
    use vaegis_vae::{Architecture, Likelihood, Noise, Purpose, VaeConfig};

    use super::*;
    use crate::surrogate::{Fit, Moments, Sample, Surrogate};

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
        let positions = vec![0.0; draws];
        let sample = Sample { eta, positions, squares, latent: LATENT, ..Sample::default() };
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
    fn forms_have_the_distribution_of_what_pairs_say() {
        // Axes for all dimensions, and for some of them and the length along the rest.
        for latent in [30, 60] {
            let architecture = Architecture::Mlp { hidden: vec![], activation: Function::Tanh };
            let likelihood = Likelihood::Gaussian { sigma: 1.0 };
            let config = VaeConfig { input_shape: vec![4], latent, architecture, likelihood };
            let model = Model::new(&config.init(3, &Device::flex()).unwrap());
            let draws = 200;
            let eta = Noise::new(1).normal(Purpose::Candidates, 0, 0, draws, latent);
            // |e + 1 / (i + 1)|^2 with one weight for most, and products of neighbours.
            let weight = |i: usize| if i < 20 { 3.0 } else { 0.5 };
            let (mut squares, mut slopes) = (vec![], vec![]);
            for eta in eta.chunks(latent) {
                let e = |i: usize| eta[i] + 1.0 / (i + 1) as f32;
                let next = |i: usize| 0.5 * eta[(i + 1) % 8] + 0.5 * eta[(i + 7) % 8];
                let few = |i: usize| if i < 8 { next(i) } else { 0.0 };
                slopes.extend((0..latent).map(|i| 2.0 * weight(i) * e(i) + few(i)));
                let terms = (0..latent).map(|i| weight(i) * e(i) * e(i) + 0.5 * few(i) * eta[i]);
                squares.push(f64::from(terms.sum::<f32>()));
            }
            let boundary = squares.iter().sum::<f64>() / draws as f64;
            let positions = vec![0.0; draws];
            let sample = Sample { eta, positions, squares, slopes, latent };
            let surrogate = Fit::new(&sample, boundary).surrogate;
            let form = surrogate.at(0.0);
            let encoding = Encoding { mu: vec![0.0; latent], sigma: vec![1.0; latent] };
            let half = Noise::new(2).normal(Purpose::Verdict, 0, 0, 20_000, latent);
            let said = Pairs::new(&model, &encoding, &form, None).values(&model, &half);
            let pairs = half.chunks(latent).zip(said.chunks(2));
            for (eta, said) in pairs.take(100) {
                let value = form.value(eta);
                assert!((said[0].rough - value).abs() < 1e-4 * (1.0 + value.abs()), "{latent}");
            }
            for share in [0.8, 1.0, 1.2] {
                let square = share * boundary;
                let below = said.iter().filter(|said| said.rough <= square).count();
                let counted = below as f64 / said.len() as f64;
                // Pairs have their even part in common.
                let missed = counted - form.below(square);
                assert!(missed.abs() < 5.0 * (0.25f64 / 20_000.0).sqrt(), "{latent}: {missed}");
            }
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
