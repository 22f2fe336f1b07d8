//! A decoder that saturates: what models of the damage say far from their draws is wrong there, and an
//! attack that believes them misses the shortest perturbation, which a scan of all directions finds.

use burn::tensor::Device;
use vaegis_network::ops::{
    ActivationConfig, ElementwiseAffineConfig, Function, Initialiser, OperatorConfig,
};
use vaegis_network::{NetworkBuilder, Weights};
use vaegis_robustness::assess::{Attacked, Point, assess};
use vaegis_robustness::attack::Attack;
use vaegis_robustness::{Domain, InputBox, Model, Radius, Settings};
use vaegis_vae::{Likelihood, Noise, Purpose, Vae};

const SIGMA: f32 = 0.1;
/// `g_i(z) = HEIGHT_i tanh(SLOPE_i z_i)`, and `mu = x`.
const HEIGHT: [f32; 2] = [2.0, 2.0];
const SLOPE: [f32; 2] = [2.0, 0.7];

fn model() -> Model {
    let affine =
        || OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size: 2, inner: 1 });
    let finish = |builder: NetworkBuilder, outputs: &[usize]| {
        builder.finish(outputs, &mut Initialiser::new(0), &Device::flex()).unwrap()
    };
    let mut encoder = NetworkBuilder::new(vec![2]);
    let outputs = [encoder.push(affine(), &[0]), encoder.push(affine(), &[0])];
    let mut decoder = NetworkBuilder::new(vec![2]);
    let steep = decoder.push(affine(), &[0]);
    let bent = decoder
        .push(OperatorConfig::Activation(ActivationConfig { function: Function::Tanh }), &[steep]);
    let high = decoder.push(affine(), &[bent]);
    let mut weights = Weights::default();
    let mut set = |name: &str, scale: [f32; 2], shift: f32| {
        weights.insert(format!("{name}.scale"), vec![2], scale.to_vec());
        weights.insert(format!("{name}.shift"), vec![2], vec![shift; 2]);
    };
    set("encoder.0", [1.0; 2], 0.0);
    set("encoder.1", [0.0; 2], 2.0 * SIGMA.ln());
    set("decoder.0", SLOPE, 0.0);
    set("decoder.2", HEIGHT, 0.0);
    let (encoder, decoder) = (finish(encoder, &outputs), finish(decoder, &[high]));
    let vae = Vae::new(encoder, decoder, Likelihood::Gaussian { sigma: 1.0 }).unwrap();
    Model::new(&vae.with_weights(&weights, "saturating".as_ref()).unwrap())
}

/// The least norm at which half of the draws leave r, by a scan of the directions: signs do not
/// matter at 0.
fn margin(r: f32) -> f64 {
    let eta = Noise::new(7).normal(Purpose::Verdict, 0, 0, 4_000, 2);
    let is_broken = |angle: f32, norm: f32| {
        let mean = [norm * angle.cos(), norm * angle.sin()];
        let within = eta.chunks(2).filter(|eta| {
            let change = |i: usize| HEIGHT[i] * (SLOPE[i] * (mean[i] + SIGMA * eta[i])).tanh();
            change(0).hypot(change(1)) <= r
        });
        2 * within.count() < eta.len() / 2
    };
    let crossing = |degrees: u8| {
        let (mut low, mut high) = (0.0, 16.0);
        for _ in 0..24 {
            let middle = 0.5 * (low + high);
            if is_broken(f32::from(degrees).to_radians(), middle) {
                high = middle
            } else {
                low = middle
            }
        }
        f64::from(high)
    };
    (0..=90).map(crossing).fold(f64::INFINITY, f64::min)
}

#[test]
fn attacked_margins_are_tight_where_damages_saturate() {
    let model = model();
    let radii = [0.8, 1.9, 2.1, 2.3, 2.6];
    for seed in 0..4 {
        let settings = Settings {
            radii: radii.map(|r| Radius::Absolute(f64::from(r))).to_vec(),
            draws: 10_000,
            alpha: 0.001,
            domain: Domain::l2(InputBox::None),
            attacks: vec![Attack::default()],
            certify: None,
            aim: None,
        };
        let found = assess(&model, &Noise::new(seed), Point::new(3, &[0.0; 2]), &settings).unwrap();
        for (found, r) in found.radii.iter().zip(radii) {
            let truth = margin(r);
            let Attacked::Broken(attacked, _) = &found.attacked else {
                panic!("r = {r}, seed {seed}: {:?}, true margin {truth}", found.attacked)
            };
            let ratio = attacked.perturbation.norm / truth;
            assert!(ratio > 0.99, "r = {r}, seed {seed}: {ratio} of {truth}");
            assert!(ratio < 1.015, "r = {r}, seed {seed}: {ratio} of {truth}");
        }
    }
}
