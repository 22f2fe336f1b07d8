//! The squared damage where the change of the reconstruction is a quadratic function of the
//! latent sample: a quartic.
//!
//! It errs about half as much as the best quadratic, and unlike that holds for all posteriors near
//! those it was fitted to. Its distribution is known only by drawing from it, which costs a
//! hundredth of decoding.

use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector};

use super::{Kind, likely, low_rank};
use crate::model::host;
use crate::{Encoding, Model, lanes};

/// Most terms of a fit.
const MOST_TERMS: usize = 352;

/// What may be neglected of the mean squared damage, relative to `r^2`, so that fewer numbers tell
/// the rest: a tenth of that takes longer, and attacks find the same.
const NEGLECTED: f64 = 0.01;

/// Most numbers of a fit, one for each term and feature.
const MOST_NUMBERS: usize = 1 << 22;

/// Bytes that each of them takes while fitting.
const BYTES_PER_NUMBER: usize = 24;

/// Products of all terms with each other that are held at once, in those units.
const GRAMS: usize = 2;

/// Bytes that a fit takes, about.
pub(super) fn bytes(model: &Model) -> usize {
    let terms = MOST_TERMS.min(count(Kind::Full, model.latent()));
    let numbers = MOST_NUMBERS.min(terms * model.features()) + GRAMS * terms * terms;
    BYTES_PER_NUMBER * numbers
}

/// Whether so many fits to so many draws of a model stay within what one may take.
pub(super) fn affordable(model: &Model, draws: usize, fits: usize) -> bool {
    let terms = count(Kind::affordable(draws, model.latent()), model.latent());
    terms <= MOST_TERMS && fits * terms * model.features() <= MOST_NUMBERS
}

/// What draws tell of the change: sums of products, taken batch by batch as they are decoded.
#[derive(Debug)]
pub(crate) struct Moments {
    kind: Kind,
    about: Encoding,
    /// `r^2`: draws count by how close they are to it.
    boundary: f64,
    /// Of the terms with each other.
    gram: DMatrix<f64>,
    /// Of the terms with the change, `[terms, features]`.
    products: Tensor<2>,
    /// The terms of each draw, one row after the other.
    terms: Vec<f32>,
    /// `|Delta|^2` of each draw.
    squares: Vec<f64>,
}

impl Moments {
    /// For so many draws about a posterior, of which those near `boundary` count most; `None` if
    /// they are too few to tell anything, or the model is too big.
    pub(crate) fn new(
        model: &Model,
        about: &Encoding,
        draws: usize,
        boundary: f64,
    ) -> Option<Self> {
        let (m, features) = (model.latent(), model.features());
        let kind = Kind::affordable(draws, m);
        let terms = count(kind, m);
        (kind != Kind::Constant && affordable(model, draws, 1)).then(|| Self {
            kind,
            about: about.clone(),
            boundary,
            gram: DMatrix::zeros(terms, terms),
            products: Tensor::zeros([terms, features], &model.device()),
            terms: vec![],
            squares: vec![],
        })
    }

    /// Adds draws: latent samples, one row of `latent` numbers each, and the change of the
    /// reconstruction, `[rows, features]`.
    pub(crate) fn add(&mut self, model: &Model, z: &[f32], change: &Tensor<2>) {
        let size = self.gram.nrows();
        let terms = terms(self.kind, &self.about, z);
        let squares = host(change.clone().square().sum_dim(1));
        let weights = squares.iter().map(|&square| {
            let distance = f64::from(square) / self.boundary - 1.0;
            (-0.5 * distance * distance).exp() as f32
        });
        let weighted: Vec<f32> = terms
            .chunks(size)
            .zip(weights)
            .flat_map(|(terms, weight)| terms.iter().map(move |term| term * weight))
            .collect();
        let weighted = model.tensor(weighted, size).transpose();
        let gram = host(weighted.clone().matmul(model.tensor(terms.clone(), size)));
        self.gram += DMatrix::from_row_iterator(size, size, gram.into_iter().map(f64::from));
        self.products = self.products.clone() + weighted.matmul(change.clone());
        self.squares.extend(squares.into_iter().map(f64::from));
        self.terms.extend(terms);
    }

    /// Fits by least squares. `None` if the draws do not tell the terms apart.
    pub(crate) fn fit(&self, model: &Model) -> Option<Quartic> {
        let size = self.gram.nrows();
        let mut gram = self.gram.clone();
        // The first term is 1.
        let total = gram[(0, 0)];
        for k in 0..size {
            gram[(k, k)] *= 1.0 + 1e-9;
        }
        let products = host(self.products.clone()).into_iter().map(f64::from);
        let products = DMatrix::from_row_iterator(size, model.features(), products);
        // C^T C for C^T = G^-1 P, which has fewer columns than P. Terms of which G is the identity
        // say what is neglected of the mean.
        let lower = gram.cholesky()?.unpack();
        let half = lower.solve_lower_triangular(&(&products * products.transpose()))?;
        let whitened = lower.solve_lower_triangular(&half.transpose())?;
        if !whitened.trace().is_finite() {
            return None;
        }
        let neglected = NEGLECTED * self.boundary * total;
        let factor = low_rank::factor(&whitened, neglected);
        let factor = lower.tr_solve_lower_triangular(&factor)?;
        let at_terms = tensor(model, &factor);
        let fitted = lengths(&at_terms, model.tensor(self.terms.clone(), size));
        // What is left matters where the fit, not the truth, is near the boundary.
        let spread = DVector::from_column_slice(&self.squares).variance().sqrt();
        let (mut sum, mut sum_left, mut squares) = (0.0, 0.0, 0.0);
        let pairs = || fitted.iter().map(|&v| f64::from(v)).zip(&self.squares);
        for (says, is) in pairs() {
            let weight = (-0.5 * ((says - self.boundary) / spread).powi(2)).exp();
            sum += weight;
            sum_left += weight * (is - says);
            squares += weight * (is - says).powi(2);
        }
        let offset = sum_left / sum;
        let draws = self.squares.len() as f64;
        let freedom = (draws - size as f64).max(1.0) / draws;
        let residual = ((squares / sum - offset * offset).max(0.0) / freedom).sqrt();
        let left = pairs().map(|(says, is)| is - says - offset).collect();
        let Self { kind, ref about, .. } = *self;
        let about = about.clone();
        let quartic = Quartic { kind, about, factor, at_terms, offset, residual, left };
        (offset.is_finite() && residual.is_finite()).then_some(quartic)
    }
}

/// `|L^T phi(z)|^2` and a constant, phi all products of at most two components of z.
#[derive(Debug)]
pub(crate) struct Quartic {
    pub(super) kind: Kind,
    /// Components of z are taken relative to this posterior.
    about: Encoding,
    /// L, `[terms, rank]`.
    factor: DMatrix<f64>,
    at_terms: Tensor<2>,
    pub(super) offset: f64,
    /// Root mean square of what the fit leaves near the boundary.
    pub(crate) residual: f64,
    /// What it leaves of each draw that it was fitted to.
    pub(crate) left: Vec<f64>,
}

impl Quartic {
    /// The values at latent samples, one row of `latent` numbers each.
    pub(crate) fn values(&self, model: &Model, z: &[f32]) -> Vec<f64> {
        // Batches as small as those of the decoder stay in the cache.
        z.chunks(model.rows() * model.latent())
            .flat_map(|z| self.values_at(&self.terms(model, z)))
            .collect()
    }

    /// How likely the squared damage of a draw is to be at most `square`.
    pub(crate) fn likely(&self, value: f64, square: f64) -> f64 {
        likely(value, square, self.residual.max(f64::MIN_POSITIVE))
    }

    /// How far a mean is from that of the posterior which the fit is about, in units of the latter's
    /// standard deviations.
    pub(crate) fn distance(&self, mean: &[f32]) -> f64 {
        let Encoding { mu, sigma } = &self.about;
        let shifts = mean.iter().zip(mu).zip(sigma);
        shifts.map(|((a, b), sigma)| f64::from((a - b) / sigma).powi(2)).sum::<f64>().sqrt()
    }

    /// The values at latent samples, one row of `latent` numbers each, and their derivatives with
    /// respect to the samples, likewise.
    pub(crate) fn values_and_slopes(&self, model: &Model, z: &[f32]) -> (Vec<f64>, Vec<f32>) {
        let (m, [size, rank]) = (model.latent(), self.at_terms.dims());
        let back = self.at_terms.clone().transpose();
        let pairs: Vec<(usize, usize)> = products(self.kind, m).collect();
        let mut values = Vec::with_capacity(z.len() / m);
        let mut slopes = Vec::with_capacity(z.len());
        for z in z.chunks(model.rows() * m) {
            let terms = terms(self.kind, &self.about, z);
            let mapped = model.tensor(terms.clone(), size).matmul(self.at_terms.clone());
            let half = host(mapped.clone().matmul(back.clone()));
            let rows = half.chunks_exact(size).zip(terms.chunks_exact(size));
            for (mapped, (half, terms)) in host(mapped).chunks_exact(rank).zip(rows) {
                values.push(f64::from(dot(mapped, mapped)) + self.offset);
                let (e, at_products) = (&terms[1..=m], &half[1 + m..]);
                let first = slopes.len();
                slopes.extend_from_slice(&half[1..=m]);
                let at_e = &mut slopes[first..];
                for (&(i, j), at_product) in pairs.iter().zip(at_products) {
                    at_e[i] += at_product * e[j];
                    at_e[j] += at_product * e[i];
                }
                for (at_e, sigma) in at_e.iter_mut().zip(&self.about.sigma) {
                    *at_e *= 2.0 / sigma;
                }
            }
        }
        (values, slopes)
    }

    /// The terms of latent samples, one row each: the same for all that were fitted to the same
    /// draws.
    pub(super) fn terms(&self, model: &Model, z: &[f32]) -> Tensor<2> {
        model.tensor(terms(self.kind, &self.about, z), self.factor.nrows())
    }

    /// The values at latent samples, of which the terms are given.
    pub(super) fn values_at(&self, terms: &Tensor<2>) -> impl Iterator<Item = f64> + use<> {
        let offset = self.offset;
        let values = lengths(&self.at_terms, terms.clone()).into_iter();
        values.map(move |value| f64::from(value) + offset)
    }

    /// L for the terms of another posterior's noise.
    pub(super) fn about(&self, other: &Encoding) -> DMatrix<f64> {
        let m = self.about.mu.len();
        let Encoding { mu, sigma } = &self.about;
        // Components are c + s e.
        let c: Vec<f64> = (0..m).map(|i| f64::from((other.mu[i] - mu[i]) / sigma[i])).collect();
        let s: Vec<f64> = (0..m).map(|i| f64::from(other.sigma[i] / sigma[i])).collect();
        let pairs: Vec<(usize, usize)> = products(self.kind, m).collect();
        let mut factor = self.factor.clone();
        for mut column in factor.column_iter_mut() {
            let (first, products) = column.as_mut_slice().split_at_mut(1 + m);
            let (constant, linear) = first.split_at_mut(1);
            for i in 0..m {
                constant[0] += c[i] * linear[i];
                linear[i] *= s[i];
            }
            for (&(i, j), product) in pairs.iter().zip(products) {
                constant[0] += c[i] * c[j] * *product;
                linear[i] += c[j] * s[i] * *product;
                linear[j] += c[i] * s[j] * *product;
                *product *= s[i] * s[j];
            }
        }
        factor
    }
}

/// `|L^T phi|^2` for rows phi of terms.
fn lengths(factor: &Tensor<2>, terms: Tensor<2>) -> Vec<f32> {
    host(terms.matmul(factor.clone()).square().sum_dim(1))
}

/// A matrix as a tensor of its shape.
pub(super) fn tensor(model: &Model, matrix: &DMatrix<f64>) -> Tensor<2> {
    let rows =
        matrix.row_iter().flat_map(|row| row.iter().map(|&value| value as f32).collect::<Vec<_>>());
    model.tensor(rows.collect(), matrix.ncols())
}

/// The scalar product.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    lanes::sum(a, b, |a, b| a * b)
}

/// How many terms m components have.
pub(super) fn count(kind: Kind, m: usize) -> usize {
    match kind {
        Kind::Full => (m + 1) * (m + 2) / 2,
        Kind::Diagonal => 2 * m + 1,
        Kind::Constant => 1,
    }
}

/// The terms of latent samples, row after row.
fn terms(kind: Kind, about: &Encoding, z: &[f32]) -> Vec<f32> {
    let (m, count) = (about.mu.len(), count(kind, about.mu.len()));
    let mut terms = vec![1.0; z.len() / m * count];
    for (z, terms) in z.chunks_exact(m).zip(terms.chunks_exact_mut(count)) {
        let (e, products) = terms[1..].split_at_mut(m);
        for (e, ((z, mu), sigma)) in e.iter_mut().zip(z.iter().zip(&about.mu).zip(&about.sigma)) {
            *e = (z - mu) / sigma;
        }
        fill_products(kind, e, products);
    }
    terms
}

/// The products of components that are terms, in the order of [`products`].
pub(super) fn fill_products(kind: Kind, e: &[f32], mut products: &mut [f32]) {
    for (i, a) in e.iter().enumerate() {
        let others = if kind == Kind::Full { &e[i..] } else { &e[i..=i] };
        let (here, rest) = products.split_at_mut(others.len());
        here.iter_mut().zip(others).for_each(|(product, b)| *product = a * b);
        products = rest;
    }
}

/// The pairs of components whose products are terms.
pub(super) fn products(kind: Kind, m: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..m).flat_map(move |i| {
        let end = if kind == Kind::Full { m } else { i + 1 };
        (i..end).map(move |j| (i, j))
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use vaegis_network::ops::Function;
    use vaegis_vae::{Architecture, Likelihood, Noise, Purpose, VaeConfig};

    use super::*;

    const LATENT: usize = 3;
    const FEATURES: usize = 5;

    /// Shapes and a device are all that is asked of it.
    fn model() -> Model {
        let architecture = Architecture::Mlp { hidden: vec![], activation: Function::Tanh };
        let likelihood = Likelihood::Gaussian { sigma: 1.0 };
        let config =
            VaeConfig { input_shape: vec![FEATURES], latent: LATENT, architecture, likelihood };
        Model::new(&config.init(3, &Device::flex()).unwrap())
    }

    fn about() -> Encoding {
        Encoding { mu: vec![0.5, -1.0, 2.0], sigma: vec![0.3, 1.0, 0.1] }
    }

    /// A change that is a quadratic function of z, and a cubic one if asked for.
    fn change(model: &Model, z: &[f32], cubic: f32) -> (Tensor<2>, Vec<f64>) {
        let row = |z: &[f32]| -> Vec<f32> {
            let feature = |k: usize| {
                let [a, b, c] = [z[0] - 0.5, z[1] + 1.0, z[2] - 2.0];
                let k = k as f32;
                0.2 * k + a * (k - 2.0) + 0.5 * b * c + 0.1 * k * b * b - a * c * k
                    + cubic * b * b * b
            };
            (0..FEATURES).map(feature).collect()
        };
        let rows: Vec<f32> = z.chunks(LATENT).flat_map(row).collect();
        let squares = rows
            .chunks(FEATURES)
            .map(|row| row.iter().map(|&value| f64::from(value).powi(2)).sum())
            .collect();
        (model.tensor(rows, FEATURES), squares)
    }

    fn fitted(model: &Model, draws: usize, cubic: f32) -> Option<Quartic> {
        let noise = Noise::new(1);
        let mut moments = Moments::new(model, &about(), draws, 4.0)?;
        for first in (0..draws).step_by(50) {
            let count = 50.min(draws - first);
            let eta = noise.normal(Purpose::Candidates, 0, first as u64, count, LATENT);
            let z = about().samples(&eta);
            moments.add(model, &z, &change(model, &z, cubic).0);
        }
        moments.fit(model)
    }

    /// Damages of draws about another posterior, and what a fit says of them.
    fn elsewhere(model: &Model, quartic: &Quartic, cubic: f32) -> Vec<(f64, f64)> {
        let other = Encoding { mu: vec![0.6, -0.8, 2.05], sigma: vec![0.2, 0.9, 0.12] };
        let eta = Noise::new(2).normal(Purpose::Verdict, 0, 0, 200, LATENT);
        let z = other.samples(&eta);
        let (_, squares) = change(model, &z, cubic);
        squares.into_iter().zip(quartic.values(model, &z)).collect()
    }

    #[test]
    fn quadratic_changes_are_known_exactly_also_about_other_posteriors() {
        let model = model();
        let quartic = fitted(&model, 240, 0.0).unwrap();
        assert!(quartic.residual < 1e-4, "{}", quartic.residual);
        for (is, says) in elsewhere(&model, &quartic, 0.0) {
            assert!((is - says).abs() < 1e-4 * (1.0 + is), "{is} {says}");
        }
    }

    #[test]
    fn what_a_fit_leaves_is_what_it_errs_by_on_other_draws() {
        let model = model();
        let quartic = fitted(&model, 240, 0.05).unwrap();
        let near = |(is, says): &(f64, f64)| (is - 4.0).abs() < 4.0 || (says - 4.0).abs() < 4.0;
        let errors: Vec<f64> = elsewhere(&model, &quartic, 0.05)
            .iter()
            .filter(|pair| near(pair))
            .map(|(is, says)| (is - says).powi(2))
            .collect();
        let error = (errors.iter().sum::<f64>() / errors.len() as f64).sqrt();
        let ratio = error / quartic.residual;
        assert!((0.4..2.5).contains(&ratio), "{error} against {}", quartic.residual);
    }

    #[test]
    fn too_few_draws_tell_squares_only_or_nothing() {
        let model = model();
        assert_eq!(fitted(&model, 60, 0.0).unwrap().kind, Kind::Full);
        assert_eq!(fitted(&model, 59, 0.0).unwrap().kind, Kind::Diagonal);
        assert!(fitted(&model, 47, 0.0).is_none());
    }
}
