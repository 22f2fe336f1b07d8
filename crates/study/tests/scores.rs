//! Scores of linear models, whose values are known, on tables and on sprites.

use burn::tensor::Device;
use vaegis_data::{Dataset, Style};
use vaegis_network::ops::Function;
use vaegis_study::scores::{Scores, score};
use vaegis_vae::{Architecture, Likelihood, Vae, VaeConfig};

const GAUSSIAN: Likelihood = Likelihood::Gaussian { sigma: 0.7 };

/// `mu = x A + b`, one `log sigma^2`, and natural parameters `z D`.
struct Linear<'a> {
    shape: &'a [usize],
    latent: usize,
    a: &'a dyn Fn(usize, usize) -> f64,
    b: f64,
    log_variance: f64,
    d: &'a dyn Fn(usize, usize) -> f64,
    likelihood: Likelihood,
}

impl Linear<'_> {
    fn vae(&self) -> Vae {
        let config = VaeConfig {
            input_shape: self.shape.to_vec(),
            latent: self.latent,
            architecture: Architecture::Mlp { hidden: vec![], activation: Function::Relu },
            likelihood: self.likelihood,
        };
        let vae = config.init(0, &Device::flex()).unwrap();
        let (features, latent) = (self.shape.iter().product(), self.latent);
        let matrix = |rows: usize, columns: usize, entry: &dyn Fn(usize, usize) -> f64| {
            let entry = |k: usize| entry(k / columns, k % columns) as f32;
            (0..rows * columns).map(entry).collect::<Vec<f32>>()
        };
        let mut weights = vae.weights();
        let mut set = |name: &str, shape: Vec<usize>, values| weights.insert(name, shape, values);
        set("encoder.0.weight", vec![features, latent], matrix(features, latent, self.a));
        set("encoder.0.bias", vec![latent], vec![self.b as f32; latent]);
        set("encoder.1.weight", vec![features, latent], vec![0.0; features * latent]);
        set("encoder.1.bias", vec![latent], vec![self.log_variance as f32; latent]);
        set("decoder.0.weight", vec![latent, features], matrix(latent, features, self.d));
        set("decoder.0.bias", vec![features], vec![0.0; features]);
        vae.with_weights(&weights, "a linear model".as_ref()).unwrap()
    }
}

fn identity(i: usize, j: usize) -> f64 {
    f64::from(u8::from(i == j))
}

fn nothing(_: usize, _: usize) -> f64 {
    0.0
}

/// Posteriors about the rows of a table themselves.
fn faithful(log_variance: f64) -> Vae {
    let linear = Linear {
        shape: &[2],
        latent: 2,
        a: &identity,
        b: 0.0,
        log_variance,
        d: &identity,
        likelihood: GAUSSIAN,
    };
    linear.vae()
}

/// A table of two columns.
fn table(rows: usize) -> Dataset {
    let values = (0..rows).flat_map(|i| {
        let turn = i as f32 * 0.618;
        [turn.sin() * 2.0, 0.8 * turn.sin() + (3.0 * turn).cos()]
    });
    Dataset::from_f32("table", [2], values.collect(), None).unwrap()
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}");
}

/// `ln(sigma sqrt(2 pi))` for two features.
fn constant() -> f64 {
    2.0 * (0.7_f64.ln() + 0.5 * std::f64::consts::TAU.ln())
}

#[test]
fn a_linear_model_has_its_closed_form() {
    let (data, sigma) = (table(700), 0.5_f64);
    let rows: Vec<usize> = (0..700).collect();
    let found = score(&faithful(2.0 * sigma.ln()), &data, &rows, 1).unwrap();
    let of_row = |&row: &usize| {
        let of = |x: f32| 0.5 * (f64::from(x).powi(2) + sigma * sigma - 1.0) - sigma.ln();
        data.row(row).into_iter().map(of).sum::<f64>()
    };
    let rate = rows.iter().map(of_row).sum::<f64>() / 700.0;
    close(found.rate.estimate, rate, 1e-5);
    // The noise is all that is lost: sigma^2 eta^2 / (2 0.7^2) for each feature.
    let distortion = constant() + (sigma / 0.7).powi(2);
    let width = found.distortion.high - found.distortion.low;
    close(found.distortion.estimate, distortion, width);
    assert!(width < 0.1);
    let Scores { elbo, mutual_information, total_correlation, marginal_kl, .. } = found;
    close(elbo.estimate, -found.distortion.estimate - found.rate.estimate, 1e-10);
    let [information, correlation, marginal] =
        [mutual_information, total_correlation, marginal_kl].map(|part| part.estimate);
    close(information + correlation + marginal, found.rate.estimate, 1e-10);
    close(correlation + marginal, found.aggregate_kl.estimate, 1e-10);
    // The columns share a wave.
    assert!(total_correlation.low > 0.05 && mutual_information.low > 0.5, "{found:?}");
    assert_eq!((found.rows, found.latents, found.active_units), (700, 2, 2));
    assert!(found.disentanglement.is_none());
}

#[test]
fn a_collapsed_model_has_no_rate() {
    let data = table(90);
    let linear = Linear {
        shape: &[2],
        latent: 3,
        a: &nothing,
        b: 0.0,
        log_variance: 0.0,
        d: &nothing,
        likelihood: GAUSSIAN,
    };
    let rows: Vec<usize> = (10..90).collect();
    let found = score(&linear.vae(), &data, &rows, 1).unwrap();
    for interval in [
        found.rate,
        found.mutual_information,
        found.total_correlation,
        found.marginal_kl,
        found.aggregate_kl,
    ] {
        assert_eq!((interval.low, interval.estimate, interval.high), (0.0, 0.0, 0.0));
    }
    let square: f64 = data.rows(&rows).iter().map(|&x| f64::from(x).powi(2)).sum();
    close(found.distortion.estimate, constant() + square / 80.0 / (2.0 * 0.7 * 0.7), 1e-5);
    assert_eq!(found.active_units, 0);
}

#[test]
fn noise_belongs_to_rows_and_seeds() {
    let (data, vae) = (table(600), faithful(-1.0));
    let (all, one_by_one): (Vec<usize>, Vec<usize>) =
        ((0..600).collect(), (0..600).rev().collect());
    let found = score(&vae, &data, &all, 4).unwrap();
    assert_eq!(found, score(&vae, &data, &all, 4).unwrap());
    // Other batches of other rows, the same draws.
    let backwards = score(&vae, &data, &one_by_one, 4).unwrap();
    close(backwards.elbo.estimate, found.elbo.estimate, 1e-5);
    let other = score(&vae, &data, &all, 5).unwrap();
    assert_eq!(other.rate, found.rate);
    assert!((other.distortion.estimate - found.distortion.estimate).abs() > 1e-4);
    assert!((other.mutual_information.estimate - found.mutual_information.estimate).abs() > 1e-6);
}

/// The size of sprites and where they are, turned by an angle in the plane of places.
fn moments(angle: f64) -> Scores {
    let (sine, cosine) = angle.sin_cos();
    let weight = |pixel: usize, latent: usize| {
        let [x, y] = [pixel % 64, pixel / 64].map(|place| (place as f64 - 31.5) / 2_000.0);
        match latent {
            0 => 1.0 / 100.0,
            1 => cosine * x + sine * y,
            _ => cosine * y - sine * x,
        }
    };
    let linear = Linear {
        shape: &[1, 64, 64],
        latent: 3,
        a: &weight,
        b: -0.5,
        log_variance: -4.0,
        d: &nothing,
        likelihood: Likelihood::Bernoulli,
    };
    let data = Dataset::sprites(Style::AntiAliased, 4_000).unwrap();
    score(&linear.vae(), &data, &(0..1_000).collect::<Vec<_>>(), 0).unwrap()
}

#[test]
fn moments_of_sprites_are_disentangled_unless_turned() {
    let (straight, turned) = (moments(0.0), moments(std::f64::consts::FRAC_PI_4));
    assert_eq!(straight.active_units, 3);
    // A black picture costs ln 2 for each pixel, whatever is in it.
    close(straight.distortion.estimate, 4096.0 * 2_f64.ln(), 0.1);
    let (up, askew) = (straight.disentanglement.clone().unwrap(), turned.disentanglement.unwrap());
    for (up, askew) in [
        (up.mig, askew.mig),
        (up.sap, askew.sap),
        (up.modularity, askew.modularity),
        (up.dci_disentanglement, askew.dci_disentanglement),
        (up.factor_vae_score, askew.factor_vae_score),
    ] {
        assert!(up.low > askew.high, "{up:?} {askew:?}");
    }
    // Shape and orientation have no latent: their completeness is chance, and as wide as that.
    let completeness = up.dci_completeness.unwrap();
    assert!(completeness.low < 0.5 && completeness.high > 0.6, "{completeness:?}");
    // Turning changes nothing about what all latents together know.
    close(up.dci_informativeness.estimate, askew.dci_informativeness.estimate, 0.02);
    // Size and place are three of five factors.
    assert!((0.45..0.75).contains(&up.factor_vae_score.estimate), "{up:?}");
    let text = serde_json::to_string(&straight).unwrap();
    assert_eq!(serde_json::from_str::<Scores>(&text).unwrap(), straight);
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let (data, vae) = (table(50), faithful(0.0));
    let bernoulli = Linear {
        shape: &[2],
        latent: 1,
        a: &nothing,
        b: 0.0,
        log_variance: 0.0,
        d: &nothing,
        likelihood: Likelihood::Bernoulli,
    };
    let sprites = Dataset::sprites(Style::Binary, 100).unwrap();
    for (vae, data, rows, expected) in [
        (&vae, &data, vec![3], &["1 rows, expected at least 2"][..]),
        (&vae, &data, vec![3, 50], &["row 50 of data set table, which has 50 rows"]),
        (&vae, &sprites, vec![1, 2], &["[2]", "[1, 64, 64]", "2 rows, expected at least 40"]),
        (&bernoulli.vae(), &data, vec![0, 1, 2], &["row 1 of", "Bernoulli", "values in [0, 1]"]),
        (&faithful(1e4), &data, vec![7, 8], &["row 7: the encoder's log sigma is not finite"]),
    ] {
        let message = score(vae, data, &rows, 0).unwrap_err().to_string();
        for part in expected {
            assert!(message.contains(part), "{message}");
        }
    }
}
