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

const HEIGHT: f32 = 2.0;

/// `g_i(z) = HEIGHT tanh(slope_i z_i - shift)`, and `mu = x`.
#[derive(Debug, Clone, Copy)]
struct Saturating {
    sigma: f32,
    slope: [f32; 2],
    shift: f32,
}

/// Steepest at rest, and flat farther out.
const BENT: Saturating = Saturating { sigma: 0.1, slope: [2.0, 0.7], shift: 0.0 };
/// So steep that almost all draws leave r within a few hundredths of the norm.
const CLIFF: Saturating = Saturating { sigma: 0.002, slope: [6.0, 4.5], shift: 2.0 };
/// Likewise, and flat at rest: to first order nothing moves.
const FAR_CLIFF: Saturating = Saturating { shift: 6.0, ..CLIFF };

fn model(Saturating { sigma, slope, shift }: Saturating) -> Model {
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
    set("encoder.1", [0.0; 2], 2.0 * sigma.ln());
    set("decoder.0", slope, -shift);
    set("decoder.2", [HEIGHT; 2], 0.0);
    let (encoder, decoder) = (finish(encoder, &outputs), finish(decoder, &[high]));
    let vae = Vae::new(encoder, decoder, Likelihood::Gaussian { sigma: 1.0 }).unwrap();
    Model::new(&vae.with_weights(&weights, "saturating".as_ref()).unwrap())
}

/// The least norm at which half of the draws leave r, by a scan of the directions: damages are no
/// larger towards negative components.
fn margin(Saturating { sigma, slope, shift }: Saturating, r: f32) -> f64 {
    let eta = Noise::new(7).normal(Purpose::Verdict, 0, 0, 4_000, 2);
    let is_broken = |angle: f32, norm: f32| {
        let mean = [norm * angle.cos(), norm * angle.sin()];
        let within = eta.chunks(2).filter(|eta| {
            let value = |i: usize, z: f32| HEIGHT * (slope[i] * z - shift).tanh();
            let change = |i: usize| value(i, mean[i] + sigma * eta[i]) - value(i, 0.0);
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

/// Within `most` times the truth.
fn are_tight(saturating: Saturating, radii: &[f32], most: f64) {
    let model = model(saturating);
    let truths: Vec<f64> = radii.iter().map(|&r| margin(saturating, r)).collect();
    for seed in 0..4 {
        let settings = Settings {
            radii: radii.iter().map(|&r| Radius::Absolute(f64::from(r))).collect(),
            draws: 10_000,
            alpha: 0.001,
            domain: Domain::l2(InputBox::None),
            attacks: vec![Attack::default()],
            certify: None,
            aim: None,
        };
        let found = assess(&model, &Noise::new(seed), Point::new(3, &[0.0; 2]), &settings).unwrap();
        for ((found, r), truth) in found.radii.iter().zip(radii).zip(&truths) {
            let Attacked::Broken(attacked, _) = &found.attacked else {
                panic!("r = {r}, seed {seed}: {:?}, true margin {truth}", found.attacked)
            };
            let ratio = attacked.perturbation.norm / truth;
            assert!(ratio > 0.99, "r = {r}, seed {seed}: {ratio} of {truth}");
            assert!(ratio < most, "r = {r}, seed {seed}: {ratio} of {truth}");
        }
    }
}

#[test]
fn attacked_margins_are_tight_where_damages_saturate() {
    are_tight(BENT, &[0.8, 1.9, 2.1, 2.3, 2.6], 1.015);
}

#[test]
fn attacked_margins_are_tight_where_all_draws_leave_r_at_once() {
    are_tight(CLIFF, &[0.5, 1.5, 3.0, 4.4, 5.2], 1.025);
    are_tight(FAR_CLIFF, &[0.5, 1.5, 3.0], 1.01);
}
