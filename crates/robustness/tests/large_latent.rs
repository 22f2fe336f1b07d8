//! Latent spaces that are too big for what smaller ones get, of a model whose every quantity is known.

use burn::tensor::Device;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use vaegis_network::ops::{ElementwiseAffineConfig, Initialiser, OperatorConfig};
use vaegis_network::{NetworkBuilder, Weights};
use vaegis_robustness::assess::{Attacked, Point, assess};
use vaegis_robustness::attack::{Attack, Effort};
use vaegis_robustness::statistics::GeneralisedChiSquare;
use vaegis_robustness::{Domain, InputBox, Model, Radius, Settings};
use vaegis_vae::{Likelihood, Noise, Vae};

const SIGMA: f64 = 0.5;
const SCALE: f64 = 0.25;

/// `mu_i = gain_i x_i`, one sigma, `g_i(z) = scale_i z_i`: as many latents as inputs.
fn model(shape: &[usize], gain: impl Fn(usize) -> f64, scale: impl Fn(usize) -> f64) -> Model {
    let features = shape.iter().product();
    let affine =
        || OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size: features, inner: 1 });
    let build = |outputs: usize| {
        let mut builder = NetworkBuilder::new(shape.to_vec());
        let values: Vec<usize> = (0..outputs).map(|_| builder.push(affine(), &[0])).collect();
        builder.finish(&values, &mut Initialiser::new(0), &Device::flex()).unwrap()
    };
    let mut weights = Weights::default();
    let mut set = |name: &str, value: &dyn Fn(usize) -> f64| {
        weights.insert(name, vec![features], (0..features).map(|i| value(i) as f32).collect());
    };
    set("encoder.0.scale", &gain);
    set("encoder.0.shift", &|_| 0.0);
    set("encoder.1.scale", &|_| 0.0);
    set("encoder.1.shift", &|_| 2.0 * SIGMA.ln());
    set("decoder.0.scale", &scale);
    set("decoder.0.shift", &|_| 0.0);
    let vae = Vae::new(build(2), build(1), Likelihood::Gaussian { sigma: 1.0 }).unwrap();
    Model::new(&vae.with_weights(&weights, "closed form".as_ref()).unwrap())
}

fn settings(r: f64, draws: u64, steps: usize) -> Settings {
    let effort = Effort { steps, ..Effort::default() };
    Settings {
        radii: vec![Radius::Absolute(r)],
        draws,
        alpha: 0.001,
        domain: Domain::l2(InputBox::None),
        attacks: vec![Attack { effort, ..Attack::default() }],
        certify: None,
        aim: None,
    }
}

/// Jacobians that are too big to form: 4096 by 4096 entries, the diagonal ones not 0.
#[test]
fn every_quantity_lies_within_its_error() {
    const SHAPE: [usize; 3] = [4, 32, 32];
    const FEATURES: usize = 4 * 32 * 32;
    let gain = |i: usize| 3.0 / (1.0 + (i % 64) as f64);
    let model = model(&SHAPE, gain, |_| SCALE);
    let unit = SCALE * SIGMA;
    let chi_square = ChiSquared::new(FEATURES as f64).unwrap();
    let r = unit * (FEATURES as f64 + 2.0 * (2.0 * FEATURES as f64).sqrt()).sqrt();
    let settings = settings(r, 2_000, 3);
    let x = vec![0.1; FEATURES];
    let found = assess(&model, &Noise::new(1), Point::new(0, &x), &settings).unwrap();

    let frobenius = (0..FEATURES).map(|i| gain(i).powi(2)).sum::<f64>().sqrt();
    for (norm, exact) in [
        (found.jacobian_frobenius, frobenius),
        (found.jacobian_spectral, 3.0),
        (found.whitened_jacobian_spectral, 3.0 / SIGMA),
    ] {
        assert!(norm.error > 0.0 && norm.error <= 0.02, "{norm:?}");
        assert!((norm.value / exact - 1.0).abs() <= norm.error, "{norm:?}, exactly {exact}");
    }
    let at = &found.radii[0];
    let p = chi_square.cdf((r / unit).powi(2));
    assert!((at.p_linear - p).abs() < 0.02, "{}, exactly {p}", at.p_linear);
    assert!((at.p.estimate() - p).abs() < 0.02, "{}, exactly {p}", at.p.estimate());
    assert!(at.bound_paper_limit > 0.0 && at.bound_paper_limit <= at.bound_sharp_limit);

    // |Delta|^2 is unit^2 times a non-central chi-square variable, whose median is close to
    // degrees of freedom + noncentrality where both are large: that gives the margin.
    let margin = ((r / unit).powi(2) - FEATURES as f64).sqrt() * SIGMA / 3.0;
    let Attacked::Broken(attacked, _) = &at.attacked else { panic!("{:?}", at.attacked) };
    let ratio = attacked.perturbation.norm / margin;
    assert!(
        (0.99..1.1).contains(&ratio),
        "attacked {}, margin {margin}",
        attacked.perturbation.norm
    );
}

/// Draws tell all products of few latents; of many, derivatives tell most.
#[test]
fn attacked_margins_are_tight_in_latent_spaces_of_all_sizes() {
    // How many latents, how fast the decoder's scales decay, and by how much margins may be off.
    for (latents, decay, most) in [
        (20, 0.0, 1.01),
        (60, 0.0, 1.01),
        (150, 0.0, 1.01),
        (400, 0.0, 1.02),
        (60, 0.1, 1.01),
        (150, 0.1, 1.025),
    ] {
        let scale = |i: usize| SCALE / (1.0 + decay * i as f64).sqrt();
        let model = model(&[latents], |i| 3.0 / (1.0 + i as f64), scale);
        // Damages are largest along the first latent, where both gain and scale are.
        let within = |r: f64, shift: f64| {
            let weights = (0..latents).map(|i| (SIGMA * scale(i)).powi(2)).collect();
            let mut shifts = vec![0.0; latents];
            shifts[0] = shift;
            GeneralisedChiSquare::new(weights, shifts).unwrap().cdf(r * r)
        };
        let first = |holds: &dyn Fn(f64) -> bool| {
            (0..).map(|k| 0.001 * f64::from(k)).find(|&value| holds(value)).unwrap()
        };
        let r = first(&|r| within(r, 0.0) > 0.95);
        let margin = first(&|shift| within(r, shift) < 0.5) * SIGMA / 3.0;
        let x = vec![0.1; latents];
        let settings = settings(r, 10_000, Effort::default().steps);
        for seed in 0..4 {
            let found = assess(&model, &Noise::new(seed), Point::new(0, &x), &settings).unwrap();
            let attacked = &found.radii[0].attacked;
            let Attacked::Broken(attacked, _) = attacked else { panic!("{latents}: {attacked:?}") };
            let ratio = attacked.perturbation.norm / margin;
            assert!(
                (0.999..most).contains(&ratio),
                "{latents}, {decay}, {seed}: {ratio} of {margin}"
            );
        }
    }
}
