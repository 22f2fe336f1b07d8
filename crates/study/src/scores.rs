//! Scores of a model on rows of data: how well it reconstructs and at which rate, how its latents are
//! used, and, where factors are known, whether latents stand for them.

use burn::tensor::{DType, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use vaegis_data::{Dataset, Factors, Sprites};
use vaegis_disentanglement::{
    FixedFactor, Interval, Kind, Posteriors, Sample, beta_vae_score, bootstrap, dci,
    factor_vae_score, jackknife, modularity, mutual_information_gap,
    separated_attribute_predictability,
};
use vaegis_robustness::Model;
use vaegis_vae::{Noise, Purpose, Vae};

use crate::Error;

/// Confidence of all intervals.
pub const CONFIDENCE: f64 = 0.95;

/// Draws from the aggregate posterior, fewer in large latent spaces: each meets every latent of every row.
const MOST_DRAWS: usize = 2_000;
const LEAST_DRAWS: usize = 200;
const MOST_MEETINGS: usize = 400_000_000;

/// Resamples behind the intervals of scores with factors.
const RESAMPLES: usize = 200;

/// Batches that the scores with a fixed factor are measured on, and as many that they learn from. They
/// take most of the time: 83,200 pictures go through the encoder.
const BATCHES: usize = 200;

/// Scores with factors take some rows, each half of which has all of them vary.
const LEAST_ROWS_WITH_FACTORS: usize = 40;

/// What a model is worth on some rows, without any attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Rows that were scored.
    pub rows: usize,
    /// Dimensions of the latent space.
    pub latents: usize,
    /// `E[log p(x|z)] - KL(q(z|x) || p(z))`, in nats per row; the interval is over rows.
    pub elbo: Interval,
    /// `-E[log p(x|z)]`, in nats per row, by one draw of each; the interval is over rows.
    pub distortion: Interval,
    /// `KL(q(z|x) || p(z))`, in nats per row; the interval is over rows.
    pub rate: Interval,
    /// Latents whose posterior mean has a variance above 0.01.
    pub active_units: usize,
    /// Of rows and latents, in nats. Together with total correlation and marginal KL it is the rate;
    /// the intervals of all of them are over draws from the aggregate posterior of exactly these
    /// rows.
    pub mutual_information: Interval,
    /// `KL(q(z) || prod q(z_j))`, in nats.
    pub total_correlation: Interval,
    /// The sum of `KL(q(z_j) || p(z_j))` over latents, in nats.
    pub marginal_kl: Interval,
    /// `KL(q(z) || p(z))`, in nats: total correlation and marginal KL.
    pub aggregate_kl: Interval,
    /// Where factors are known.
    pub disentanglement: Option<Disentanglement>,
}

/// Scores of posterior means, from 0 to 1, where the factors of the rows are known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disentanglement {
    /// The mutual information gap; its interval is over resamples of the rows, as those of the next
    /// two. It corrects the bias of the estimate, which may lie outside.
    pub mig: Interval,
    /// Modularity.
    pub modularity: Interval,
    /// Separated attribute predictability.
    pub sap: Interval,
    /// Disentanglement of DCI; the intervals of DCI are over halves of the rows.
    pub dci_disentanglement: Interval,
    /// Completeness of DCI; none if there is one latent.
    pub dci_completeness: Option<Interval>,
    /// Informativeness of DCI.
    pub dci_informativeness: Interval,
    /// The FactorVAE score; the interval is over batches of pictures made to order.
    pub factor_vae_score: Interval,
    /// The beta-VAE score; likewise.
    pub beta_vae_score: Interval,
}

/// Scores a model on these rows of a data set. All noise is a function of `seed`.
///
/// # Errors
/// If the model does not take these data; if a row does not exist, or if there are fewer than 2 rows, 40
/// where factors are known; if the model gives numbers that are not finite; or if a factor has one value
/// in all rows.
pub fn score(vae: &Vae, dataset: &Dataset, rows: &[usize], seed: u64) -> Result<Scores, Error> {
    check(vae, dataset, rows)?;
    let model = Model::new(vae);
    let noise = Noise::new(seed);
    let Passes { mu, sigma, distortions } = Passes::of(&model, dataset, rows, noise)?;
    let latents = vae.latent();
    let posteriors = Posteriors::new(&mu, &sigma, latents)?;
    let draws = aggregate_draws(rows.len(), latents);
    let aggregate = posteriors
        .aggregate(&noise.normal(Purpose::AggregatePosterior, 0, 0, draws, latents), CONFIDENCE)?;
    let rates = posteriors.rates();
    let elbos: Vec<f64> = distortions.iter().zip(&rates).map(|(d, rate)| -d - rate).collect();
    Ok(Scores {
        rows: rows.len(),
        latents,
        elbo: Interval::of_mean(&elbos, CONFIDENCE),
        distortion: Interval::of_mean(&distortions, CONFIDENCE),
        rate: Interval::of_mean(&rates, CONFIDENCE),
        active_units: posteriors.active_units(),
        mutual_information: aggregate.mutual_information,
        total_correlation: aggregate.total_correlation,
        marginal_kl: aggregate.marginal_kl,
        aggregate_kl: aggregate.kl,
        disentanglement: match dataset.generator() {
            Some(sprites) => Some(disentanglement(&model, dataset, sprites, (rows, &mu), seed)?),
            None => None,
        },
    })
}

/// Draws from the aggregate posterior: as many of each row, if not fewer than rows.
fn aggregate_draws(rows: usize, latents: usize) -> usize {
    let draws = (MOST_MEETINGS / (rows * latents)).clamp(LEAST_DRAWS, MOST_DRAWS);
    if draws > rows { draws / rows * rows } else { draws }
}

/// What keeps these rows from being scored.
fn check(vae: &Vae, dataset: &Dataset, rows: &[usize]) -> Result<(), Error> {
    let mut problems = vec![];
    let (takes, shape, name) = (vae.input_shape(), dataset.shape(), dataset.name());
    if !vae.takes(shape) {
        problems.push(format!(
            "the model takes samples of shape {takes:?}, data set {name} has {shape:?}"
        ));
    }
    let least = if dataset.factors().is_some() { LEAST_ROWS_WITH_FACTORS } else { 2 };
    if rows.len() < least {
        problems.push(format!("{} rows, expected at least {least}", rows.len()));
    }
    if let Some(row) = rows.iter().find(|&&row| row >= dataset.len()) {
        problems.push(format!("row {row} of data set {name}, which has {} rows", dataset.len()));
    } else if vae.likelihood().needs_unit_interval() && dataset.value_range() != Some((0.0, 1.0)) {
        let beyond = |&row: &usize| {
            let values = dataset.row(row);
            let found = values.into_iter().find(|value| !(0.0..=1.0).contains(value))?;
            let likelihood = vae.likelihood().name();
            Some(format!(
                "row {row} of data set {name} holds {found}, a {likelihood} likelihood needs values \
                 in [0, 1]"
            ))
        };
        problems.extend(rows.iter().find_map(beyond));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Unfit(problems)) }
}

/// What comes of passing rows through a model once.
#[derive(Default)]
struct Passes {
    /// Rows x latents.
    mu: Vec<f32>,
    /// Rows x latents.
    sigma: Vec<f32>,
    /// `-log p(x|z)` of each row at one draw.
    distortions: Vec<f64>,
}

impl Passes {
    fn of(model: &Model, dataset: &Dataset, rows: &[usize], noise: Noise) -> Result<Self, Error> {
        let mut passes = Self::default();
        let latents = model.latent();
        for batch in rows.chunks(model.rows()) {
            let x = tensor(model, dataset.rows(batch), dataset.features());
            let draw = |&row: &usize| noise.normal(Purpose::Evaluation, row as u64, 0, 1, latents);
            let eta = tensor(model, batch.iter().flat_map(draw).collect(), latents);
            let posterior = model.encode(x.clone());
            let natural = model.decoder().forward(posterior.sample(eta)).remove(0);
            let fit = host(model.likelihood().log_probability(natural, x));
            let (mu, sigma) = (host(posterior.mu.clone()), host(posterior.sigma()));
            let spread = |sigma: &f32| sigma.is_finite() && *sigma > 0.0;
            finite(batch, latents, "the encoder's mu", &mu, |mu| mu.is_finite())?;
            finite(batch, latents, "the encoder's log sigma", &sigma, spread)?;
            finite(batch, 1, "the log-likelihood", &fit, |fit| fit.is_finite())?;
            passes.mu.extend(mu);
            passes.sigma.extend(sigma);
            passes.distortions.extend(fit.iter().map(|&fit| -f64::from(fit)));
        }
        Ok(passes)
    }
}

/// Refuses numbers of which one does not hold, by the row that it is of.
fn finite(
    rows: &[usize],
    columns: usize,
    what: &'static str,
    numbers: &[f32],
    holds: impl Fn(&f32) -> bool,
) -> Result<(), Error> {
    match numbers.iter().position(|number| !holds(number)) {
        Some(place) => Err(Error::NotFinite { row: rows[place / columns], what }),
        None => Ok(()),
    }
}

/// The scores that need factors, of the posterior means `mu` of rows and of pictures made to order.
fn disentanglement(
    model: &Model,
    dataset: &Dataset,
    sprites: Sprites,
    (rows, mu): (&[usize], &[f32]),
    seed: u64,
) -> Result<Disentanglement, Error> {
    let factors = sprites.factors();
    let indices: Vec<usize> =
        rows.iter().filter_map(|&row| dataset.factor_indices(row)).flatten().collect();
    let sample = Sample::new(mu, model.latent(), &indices, &kinds(factors))?;
    let resampled =
        |score: fn(&Sample) -> f64| bootstrap(&sample, score, RESAMPLES, CONFIDENCE, seed);
    let of_dci = |sample: &Sample| {
        let found = dci(sample);
        [found.disentanglement, found.completeness, found.informativeness]
    };
    let [dci_disentanglement, completeness, dci_informativeness] =
        jackknife(&sample, of_dci, CONFIDENCE, seed);
    let encode = |combinations: &[Vec<usize>]| -> Vec<f32> {
        let numbers: Vec<usize> =
            combinations.iter().map(|indices| factors.number(indices)).collect();
        let means = |numbers: &[usize]| {
            let pictures = tensor(model, sprites.rows(numbers), model.features());
            host(model.encode(pictures).mu)
        };
        numbers.chunks(model.rows()).flat_map(means).collect()
    };
    let settings =
        FixedFactor { batches: BATCHES, confidence: CONFIDENCE, seed, ..FixedFactor::default() };
    let sizes = factors.sizes();
    Ok(Disentanglement {
        mig: resampled(mutual_information_gap),
        modularity: resampled(modularity),
        sap: resampled(separated_attribute_predictability),
        dci_disentanglement,
        dci_completeness: (model.latent() > 1).then_some(completeness),
        dci_informativeness,
        factor_vae_score: factor_vae_score(&sizes, encode, &settings)?,
        beta_vae_score: beta_vae_score(&sizes, encode, &settings)?,
    })
}

/// Shapes and colours are names; everything else about a sprite is a number.
fn kinds(factors: Factors) -> Vec<Kind> {
    let kind = |name: &str| match name {
        "shape" | "colour" => Kind::Categorical,
        _ => Kind::Ordered,
    };
    factors.names().into_iter().map(kind).collect()
}

/// Host values as `[rows, columns]` on the model's device.
fn tensor(model: &Model, values: Vec<f32>, columns: usize) -> Tensor<2> {
    let rows = values.len() / columns;
    Tensor::from_data(TensorData::new(values, [rows, columns]), &model.device())
}

/// The values of a tensor, row-major, on the host.
fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert_dtype(DType::F32);
    data.try_to_vec::<f32>().expect("converted to f32 just above")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_data::Style;

    #[test]
    fn rows_have_as_many_draws_as_each_other() {
        for (rows, latents, draws) in [
            (2, 10, 2_000),
            (700, 10, 1_400),
            (2_000, 10, 2_000),
            (60_000, 10, 666),
            (2_000, 4_096, 200),
            (150, 100_000, 150),
        ] {
            assert_eq!(aggregate_draws(rows, latents), draws);
        }
    }

    #[test]
    fn names_are_told_from_numbers() {
        use Kind::{Categorical, Ordered};
        let kinds = |style| super::kinds(Sprites::new(style).factors());
        let plain = [Categorical, Ordered, Ordered, Ordered, Ordered];
        assert_eq!(kinds(Style::Binary), plain);
        assert_eq!(kinds(Style::Colour), [&[Categorical], &plain[..]].concat());
    }
}
