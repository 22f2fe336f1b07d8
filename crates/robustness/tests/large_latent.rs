//! Latent spaces whose Jacobians are too big to form: 4 x 32 x 32 latents of a model whose every
//! quantity is known.

use burn::tensor::Device;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use vaegis_network::ops::{ElementwiseAffineConfig, Initialiser, OperatorConfig};
use vaegis_network::{NetworkBuilder, Weights};
use vaegis_robustness::assess::{Attacked, Point, assess};
use vaegis_robustness::attack::{Attack, Effort};
use vaegis_robustness::{Domain, InputBox, Model, Radius, Settings};
use vaegis_vae::{Likelihood, Noise, Vae};

const SHAPE: [usize; 3] = [4, 32, 32];
const FEATURES: usize = 4 * 32 * 32;
const SIGMA: f64 = 0.5;
const SCALE: f64 = 0.25;

/// `mu_i = gain_i x_i`, one sigma, `g(z) = SCALE z`: 4096 by 4096 entries, the diagonal ones not 0.
fn model(gain: impl Fn(usize) -> f64) -> Model {
    let affine =
        || OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size: FEATURES, inner: 1 });
    let build = |outputs: usize| {
        let mut builder = NetworkBuilder::new(SHAPE.to_vec());
        let values: Vec<usize> = (0..outputs).map(|_| builder.push(affine(), &[0])).collect();
        builder.finish(&values, &mut Initialiser::new(0), &Device::flex()).unwrap()
    };
    let mut weights = Weights::default();
    let mut set = |name: &str, value: &dyn Fn(usize) -> f64| {
        weights.insert(name, vec![FEATURES], (0..FEATURES).map(|i| value(i) as f32).collect());
    };
    set("encoder.0.scale", &gain);
    set("encoder.0.shift", &|_| 0.0);
    set("encoder.1.scale", &|_| 0.0);
    set("encoder.1.shift", &|_| 2.0 * SIGMA.ln());
    set("decoder.0.scale", &|_| SCALE);
    set("decoder.0.shift", &|_| 0.0);
    let vae = Vae::new(build(2), build(1), Likelihood::Gaussian { sigma: 1.0 }).unwrap();
    Model::new(&vae.with_weights(&weights, "closed form".as_ref()).unwrap())
}

#[test]
fn every_quantity_lies_within_its_error() {
    let gain = |i: usize| 3.0 / (1.0 + (i % 64) as f64);
    let model = model(gain);
    let unit = SCALE * SIGMA;
    let chi_square = ChiSquared::new(FEATURES as f64).unwrap();
    let r = unit * (FEATURES as f64 + 2.0 * (2.0 * FEATURES as f64).sqrt()).sqrt();
    let settings = Settings {
        radii: vec![Radius::Absolute(r)],
        draws: 2_000,
        alpha: 0.001,
        domain: Domain::l2(InputBox::None),
        attacks: vec![Attack {
            effort: Effort { steps: 3, ..Effort::default() },
            ..Attack::default()
        }],
        certify: None,
        aim: None,
    };
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
