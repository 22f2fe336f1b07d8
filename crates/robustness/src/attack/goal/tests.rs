//! Every goal's derivatives against finite differences, and closed forms.

use burn::tensor::{Device, Tensor};
use vaegis_network::ops::Function;
use vaegis_vae::{Architecture, Likelihood, Noise, Posterior, Purpose, VaeConfig};

use super::{
    Goal, Kind, Landscape, MaximumDamage, Pathway, Reference, Statistic, SymmetricKl, Through,
};
use crate::model::host;
use crate::surrogate::{Moments, Quartic};
use crate::{Ball, Domain, Encoding, Error, InputBox, Model, Target};

const LATENT: usize = 3;
const FEATURES: usize = 6;
const DRAWS: usize = 5;

fn model(likelihood: Likelihood, hidden: Vec<usize>) -> Model {
    let architecture = Architecture::Mlp { hidden, activation: Function::Tanh };
    let config =
        VaeConfig { input_shape: vec![FEATURES], latent: LATENT, architecture, likelihood };
    Model::new(&config.init(3, &Device::flex()).unwrap())
}

fn input(salt: usize) -> Vec<f32> {
    (0..FEATURES).map(|k| ((k * 5 + salt * 3) % 7) as f32 / 7.0).collect()
}

/// Two posteriors, away from that of the input.
fn posterior(model: &Model) -> Posterior {
    let rows = |scale: f32, salt: usize| {
        let value = |k: usize| scale * ((k * 7 + salt) % 11) as f32 / 11.0 - 0.3;
        model.tensor((0..2 * LATENT).map(value).collect(), LATENT)
    };
    Posterior { mu: rows(1.5, 1), log_variance: rows(0.8, 5) }
}

fn eta(model: &Model, noises: usize) -> Tensor<2> {
    let numbers = noises * LATENT;
    model.tensor(Noise::new(1).normal(Purpose::Attack, 0, 0, DRAWS, numbers), numbers)
}

/// Holds derivatives to central differences.
fn check(name: &str, model: &Model, goal: &dyn Goal) {
    let (at, eta) = (posterior(model), eta(model, goal.noises().max(1)));
    let response = goal.respond(model, &at, &eta);
    let (at_mu, at_log_variance) = (host(response.at_mu), host(response.at_log_variance));
    assert_eq!(response.values.len(), 2);
    let step = 4e-3f32;
    for entry in 0..2 * LATENT {
        let shifted = |part: usize, step: f32| {
            let mut bump = vec![0.0; 2 * LATENT];
            bump[entry] = step;
            let bump = model.tensor(bump, LATENT);
            let mut at = at.clone();
            match part {
                0 => at.mu = at.mu + bump,
                _ => at.log_variance = at.log_variance + bump,
            }
            goal.respond(model, &at, &eta).values[entry / LATENT]
        };
        for (part, derivative) in [at_mu[entry], at_log_variance[entry]].into_iter().enumerate() {
            let slope = (shifted(part, step) - shifted(part, -step)) / f64::from(2.0 * step);
            assert!(
                (slope - f64::from(derivative)).abs() <= 3e-3 * (1.0 + slope.abs()),
                "{name}, part {part}, entry {entry}: {derivative} against {slope}"
            );
        }
    }
}

#[test]
fn derivatives_are_those_of_the_values() {
    for likelihood in [
        Likelihood::Bernoulli,
        Likelihood::ContinuousBernoulli,
        Likelihood::Gaussian { sigma: 0.4 },
    ] {
        let model = model(likelihood, vec![8]);
        let (x, aim) = (input(0), input(4));
        let reference = model.reconstruct(&model.encoding(&x).unwrap().mu).unwrap();
        let domain = Domain::l2(InputBox::None);
        let (noise, ball) = (&Noise::new(0), &Ball::new(&domain, &x));
        let target = Target { model: &model, x: &x, reference: &reference, noise, index: 0, ball };
        for kind in Kind::ALL {
            // The median is smoothed: its weights are no derivative of it.
            if kind != Kind::MedianDamage {
                let goal = kind.goal(target, Reference::Mean, Some(&aim)).unwrap();
                check(kind.name(), &model, goal.as_ref());
            }
            for pathway in Pathway::ALL.into_iter().filter(|_| kind != Kind::MedianDamage) {
                let goal = kind.goal(target, Reference::Mean, Some(&aim)).unwrap();
                let original = model.encoding(&aim).unwrap();
                let name = format!("{kind} through {pathway}");
                check(&name, &model, &Through { goal, pathway, original });
            }
            match kind.goal(target, Reference::Sampled, Some(&aim)) {
                Ok(_) if kind == Kind::MedianDamage => {}
                Ok(goal) => check("sampled reference", &model, goal.as_ref()),
                Err(error) => assert_eq!(error, Error::Reference(kind)),
            }
            let aimless = kind.goal(target, Reference::Mean, None);
            assert_eq!(aimless.is_err(), kind.is_targeted());
            assert!(!kind.is_targeted() || aimless.unwrap_err() == Error::Aim(kind));
        }
        let statistic = Statistic::Exceedance { r: 0.5, width: 0.2 };
        check("exceedance", &model, &MaximumDamage { statistic, reference: reference.clone() });
    }
}

#[test]
fn a_pathway_holds_the_rest() {
    let model = model(Likelihood::Bernoulli, vec![8]);
    let (at, original) = (posterior(&model), model.encoding(&input(0)).unwrap());
    let row = |values: Vec<f32>| model.tensor(values, LATENT).repeat_dim(0, 2);
    let reference = model.reconstruct(&original.mu).unwrap();
    let damage = || MaximumDamage { statistic: Statistic::Expected, reference: reference.clone() };
    let eta = eta(&model, 1);
    let held = |pathway| {
        let original = original.clone();
        let goal = Through { goal: Box::new(damage()), pathway, original };
        goal.respond(&model, &at, &eta).values
    };
    let plain = |mu: &Tensor<2>, log_variance: &Tensor<2>| {
        let posterior = Posterior { mu: mu.clone(), log_variance: log_variance.clone() };
        damage().respond(&model, &posterior, &eta).values
    };
    let log_variance = row(original.sigma.iter().map(|sigma| 2.0 * sigma.ln()).collect());
    let mu = row(original.mu.clone());
    assert_eq!(held(Pathway::Both), plain(&at.mu, &at.log_variance));
    assert_eq!(held(Pathway::Mean), plain(&at.mu, &log_variance));
    assert_eq!(held(Pathway::Variance), plain(&mu, &at.log_variance));
    // And what is scored afterwards is the same mixture.
    let (mu, sigma) = (vec![9.0; LATENT], vec![7.0; LATENT]);
    let perturbed = Encoding { mu: mu.clone(), sigma: sigma.clone() };
    let mean = Pathway::Mean.apply(perturbed.clone(), &original);
    assert_eq!(mean, Encoding { mu, sigma: original.sigma.clone() });
    let variance = Pathway::Variance.apply(perturbed.clone(), &original);
    assert_eq!(variance, Encoding { mu: original.mu.clone(), sigma });
    assert_eq!(Pathway::Both.apply(perturbed.clone(), &original), perturbed);
}

#[test]
fn names_are_read_back() {
    for pathway in Pathway::ALL {
        assert_eq!(pathway.name().parse::<Pathway>().unwrap(), pathway);
    }
    let error = "sigma".parse::<Pathway>().unwrap_err().to_string();
    assert!(error.contains("\"sigma\"") && error.contains("variance"), "{error}");
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse::<Kind>().unwrap(), kind);
    }
    let error = "kl".parse::<Kind>().unwrap_err().to_string();
    assert!(error.contains("attack \"kl\"") && error.contains("symmetric-kl"), "{error}");
}

#[test]
fn symmetric_kl_is_its_closed_form() {
    let model = model(Likelihood::Bernoulli, vec![8]);
    let original = Encoding { mu: vec![0.2, -0.1, 1.0], sigma: vec![0.5, 2.0, 0.1] };
    let at = posterior(&model);
    let found = SymmetricKl { original: original.clone() }.respond(&model, &at, &eta(&model, 1));
    let (mu, sigma) = (host(at.mu.clone()), host(at.sigma()));
    for candidate in 0..2 {
        let mut exact = 0.0;
        for k in 0..LATENT {
            let at = candidate * LATENT + k;
            let (m, s) = (f64::from(mu[at]), f64::from(sigma[at]));
            let (n, t) = (f64::from(original.mu[k]), f64::from(original.sigma[k]));
            let gap = (m - n).powi(2);
            exact += 0.25 * ((s * s + gap) / (t * t) + (t * t + gap) / (s * s)) - 0.5;
        }
        assert!((found.values[candidate] - exact).abs() <= 1e-5 * exact, "{found:?} {exact}");
    }
}

/// The quartic that draws about a posterior tell.
fn quartic(model: &Model, about: &Encoding, reference: &Tensor<2>, r: f64) -> Quartic {
    let draws = 200;
    let z = about.samples(&Noise::new(2).normal(Purpose::Candidates, 0, 0, draws, LATENT));
    let mut moments = Moments::new(model, about, draws, r * r).unwrap();
    moments.add(model, &z, &model.change(model.tensor(z.clone(), LATENT), reference));
    moments.fit(model).unwrap()
}

#[test]
fn a_landscape_of_a_linear_decoder_is_the_damage() {
    let model = model(Likelihood::Gaussian { sigma: 1.0 }, vec![]);
    let about = Encoding { mu: vec![0.3, 0.0, -0.5], sigma: vec![0.4, 1.5, 0.8] };
    let reference = model.reconstruct(&[0.1, 0.2, 0.3]).unwrap();
    let (r, width) = (1.0, 0.2);
    let quartic = quartic(&model, &about, &reference, r);
    let landscape = Landscape::new(&quartic, r, width);
    let statistic = Statistic::Exceedance { r, width };
    let damage = MaximumDamage { statistic, reference };
    let (at, eta) = (posterior(&model), eta(&model, 1));
    let (found, exact) = (landscape.respond(&model, &at, &eta), damage.respond(&model, &at, &eta));
    for (found, exact) in found.values.iter().zip(&exact.values) {
        assert!((found - exact).abs() < 1e-4, "{found} {exact}");
    }
    let close = |a: Tensor<2>, b: Tensor<2>| {
        let (a, b) = (host(a), host(b));
        assert!(
            a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 2e-3 * (1.0 + b.abs())),
            "{a:?} {b:?}"
        );
    };
    close(found.at_mu, exact.at_mu);
    close(found.at_log_variance, exact.at_log_variance);
}

#[test]
fn derivatives_of_a_landscape_are_those_of_differences() {
    let model = model(Likelihood::Gaussian { sigma: 1.0 }, vec![8]);
    let about = Encoding { mu: vec![0.3, 0.0, -0.5], sigma: vec![0.4, 1.5, 0.8] };
    let reference = model.reconstruct(&[0.1, 0.2, 0.3]).unwrap();
    let quartic = quartic(&model, &about, &reference, 1.0);
    check("landscape", &model, &Landscape::new(&quartic, 1.0, 0.2));
}
