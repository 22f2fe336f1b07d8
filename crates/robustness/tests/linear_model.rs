//! With a linear encoder, a constant sigma and a decoder that is an isometry times a
//! factor, every quantity has a closed form: the program must agree with it.

mod linear;

use linear::{FEATURES, LATENT, Linear};
use statrs::distribution::{ChiSquared, ContinuousCDF};
use vaegis_robustness::assess::{Attacked, Certified, Point, assess};
use vaegis_robustness::attack::Attack;
use vaegis_robustness::attack::goal::{Kind, Pathway, Reference};
use vaegis_robustness::attack::optimiser::Optimiser;
use vaegis_robustness::certificate::{Method, Neighbourhood, Posteriors};
use vaegis_robustness::statistics::{GeneralisedChiSquare, normal_quantile};
use vaegis_robustness::trial::{TrialSettings, trial};
use vaegis_robustness::{Certification, Domain, InputBox, Model, Radius, Settings};
use vaegis_vae::Noise;

fn settings(radii: &[f64], attack: bool) -> Settings {
    Settings {
        radii: radii.iter().map(|&r| Radius::Absolute(r)).collect(),
        draws: 10_000,
        alpha: 0.001,
        domain: Domain::l2(InputBox::None),
        attacks: attack.then(Attack::default).into_iter().collect(),
        certify: None,
        aim: None,
    }
}

fn close(found: f64, exact: f64, tolerance: f64, what: &str) {
    assert!((found - exact).abs() <= tolerance * exact.abs(), "{what}: {found}, exactly {exact}");
}

const RADII: [f64; 3] = [1.2, 1.6, 3.0];

#[test]
fn deterministic_quantities_are_exact() {
    for salt in 0..4 {
        let linear = Linear::new(salt);
        let model = Model::new(&linear.vae());
        let x = vec![0.3; FEATURES];
        let found =
            assess(&model, &Noise::new(1), Point::new(5, &x), &settings(&RADII, false)).unwrap();
        let (spectral, frobenius) = linear.norms();
        let sigma = f64::from(linear.sigma);
        close(found.sigma_min, sigma, 1e-5, "sigma_min");
        close(found.sigma_mean, sigma, 1e-5, "sigma_mean");
        close(found.jacobian_spectral.value, spectral, 1e-5, "|J|_2");
        close(found.jacobian_frobenius.value, frobenius, 1e-5, "|J|_F");
        close(found.whitened_jacobian_spectral.value, spectral / sigma, 1e-5, "whitened");
        for (found, r) in found.radii.iter().zip(RADII) {
            // The decoder is linear, so its linearisation is exact.
            close(found.p_linear, linear.p(r), 1e-5, "p_linear");
            let unit = f64::from(linear.scale * linear.sigma);
            let markov = (1.0 - LATENT as f64 * unit * unit / (r * r)).max(0.0);
            assert!((found.p_markov - markov).abs() < 1e-5);
            let limit = found.p.lower_limit(0.001);
            close(
                found.bound_paper_limit,
                sigma * normal_quantile(limit) / frobenius,
                1e-5,
                "paper",
            );
            close(
                found.bound_sharp_limit,
                sigma * normal_quantile(limit) / spectral,
                1e-5,
                "sharp",
            );
            assert!(found.bound_paper_limit <= found.bound_sharp_limit);
            // First-order bounds are exact lower bounds here: nothing is curved.
            assert!(found.bound_sharp_limit <= linear.margin(r));
        }
    }
}

#[test]
fn intervals_cover_as_often_as_they_claim() {
    // Many seeds at a large alpha, so that misses occur and can be counted.
    let linear = Linear::new(0);
    let model = Model::new(&linear.vae());
    let (seeds, alpha) = (1_000u64, 0.1);
    let settings = Settings { draws: 400, alpha, ..settings(&RADII, false) };
    let mut misses = [[0u32; 2]; RADII.len()];
    for seed in 0..seeds {
        let found =
            assess(&model, &Noise::new(seed), Point::new(3, &[0.0; FEATURES]), &settings).unwrap();
        for (slot, (found, r)) in found.radii.iter().zip(RADII).enumerate() {
            let exact = linear.p(r);
            let (low, high) = found.p.interval(alpha);
            misses[slot][0] += u32::from(!(low..=high).contains(&exact));
            misses[slot][1] += u32::from(found.p.lower_limit(alpha) > exact);
        }
    }
    // At most alpha of them, plus four standard errors; and not absurdly few either.
    let most = alpha * seeds as f64 + 4.0 * (seeds as f64 * alpha * (1.0 - alpha)).sqrt();
    for counts in misses {
        assert!(counts.iter().all(|&count| f64::from(count) <= most), "{misses:?}");
    }
    assert!(misses.iter().flatten().sum::<u32>() > 200, "{misses:?}");
}

#[test]
fn attacked_margins_are_as_tight_as_their_verdict_allows() {
    for (salt, bounds) in [
        (0, InputBox::None),
        (1, InputBox::None),
        (2, InputBox::Interval { low: -50.0, high: 50.0 }),
    ] {
        let linear = Linear::new(salt);
        let model = Model::new(&linear.vae());
        let x = vec![0.1; FEATURES];
        let settings = Settings { domain: Domain::l2(bounds), ..settings(&RADII, true) };
        let found = assess(&model, &Noise::new(2), Point::new(9, &x), &settings).unwrap();
        for (found, r) in found.radii.iter().zip(RADII) {
            let truth = linear.margin(r);
            let Attacked::Broken(margin, degradation) = &found.attacked else {
                panic!("r = {r}: {:?}, true margin {truth}", found.attacked)
            };
            assert!(
                margin.perturbation.norm >= truth * (1.0 - 1e-5),
                "r = {r}: {} below the truth {truth}",
                margin.perturbation.norm
            );
            assert!(
                margin.perturbation.norm <= truth * 1.01,
                "r = {r}: {} and {truth}",
                margin.perturbation.norm
            );
            assert!(margin.verdict.p_value < 0.001);
            assert!(*degradation > 0.0);
        }
    }
}

#[test]
fn a_point_that_is_not_robust_at_rest_has_margin_zero() {
    let linear = Linear::new(0);
    let model = Model::new(&linear.vae());
    let found =
        assess(&model, &Noise::new(2), Point::new(9, &[0.0; FEATURES]), &settings(&[0.5], true))
            .unwrap();
    assert!(linear.p(0.5) < 0.4);
    assert!(matches!(found.radii[0].attacked, Attacked::AtRest));
    assert_eq!(found.radii[0].bound_sharp, 0.0);
}

#[test]
fn a_radius_beyond_reach_is_not_found_and_not_an_error() {
    let linear = Linear::new(0);
    let model = Model::new(&linear.vae());
    let bounds = InputBox::Interval { low: -0.01, high: 0.01 };
    let settings = Settings { domain: Domain::l2(bounds), ..settings(&[3.0], true) };
    let found = assess(&model, &Noise::new(2), Point::new(9, &[0.0; FEATURES]), &settings).unwrap();
    assert!(matches!(found.radii[0].attacked, Attacked::NotFound));
}

#[test]
fn nan_is_never_robust() {
    let linear = Linear::new(0);
    let model = Model::new(&linear.vae());
    let mut x = vec![0.0; FEATURES];
    x[3] = f32::NAN;
    assert!(assess(&model, &Noise::new(1), Point::new(0, &x), &settings(&[3.0], true)).is_err());
    // Weights so large that reconstructions overflow.
    let huge = Linear { scale: 1e38, ..Linear::new(0) };
    let model = Model::new(&huge.vae());
    let error =
        assess(&model, &Noise::new(1), Point::new(0, &[1.0; FEATURES]), &settings(&[3.0], true))
            .unwrap_err();
    assert!(error.to_string().contains("finite"), "{error}");
}

#[test]
fn points_near_one_half_at_rest_are_broken_or_at_rest() {
    // The hardest verdicts: the margin is 0 or nearly so, and the attack must not take a
    // point that is barely r-robust for one that cannot be broken.
    let linear = Linear::new(1);
    let model = Model::new(&linear.vae());
    let unit = f64::from(linear.scale * linear.sigma);
    let radius = |p: f64| unit * ChiSquared::new(LATENT as f64).unwrap().inverse_cdf(p).sqrt();
    for p in [0.49, 0.5, 0.51, 0.53, 0.56] {
        for seed in 0..10 {
            let settings = Settings { draws: 4_000, ..settings(&[radius(p)], true) };
            let found =
                assess(&model, &Noise::new(seed), Point::new(seed, &[0.2; FEATURES]), &settings)
                    .unwrap();
            match &found.radii[0].attacked {
                Attacked::AtRest => assert!(p < 0.5),
                Attacked::Broken(margin, _) => {
                    assert!(margin.perturbation.norm >= linear.margin(radius(p)) * (1.0 - 1e-4));
                    assert!(
                        margin.perturbation.norm <= linear.reach(radius(p), 0.49).max(1e-3),
                        "{p}: {}",
                        margin.perturbation.norm
                    );
                }
                other => panic!("p = {p}, seed {seed}: {other:?}"),
            }
        }
    }
}

#[test]
fn damages_from_a_sampled_reference_have_twice_the_variance() {
    let linear = Linear::new(2);
    let (model, x) = (Model::new(&linear.vae()), [0.3; FEATURES]);
    let damage = |reference| Attack {
        reference,
        ..Attack::new(Kind::MedianDamage, Optimiser::ConditionalGradient)
    };
    let found = |reference| {
        let settings = TrialSettings {
            sizes: vec![0.4, 1.2],
            radius: None,
            draws: 10_000,
            picture: None,
            range: None,
            domain: Domain::l2(InputBox::None),
            attacks: vec![damage(reference).thorough()],
            aim: None,
        };
        trial(&model, &Noise::new(6), Point::new(1, &x), &settings).unwrap()
    };
    let sigma = f64::from(linear.sigma);
    for (reference, variances) in [(Reference::Mean, 1.0), (Reference::Sampled, 2.0f64)] {
        let found = found(reference);
        // How many of all damages are below, in a model where a perturbation moves mu by `shift`.
        let below = |damage: f64, shift: f64, variances: f64| {
            let deviation = variances.sqrt() * sigma;
            let shift = vec![shift / deviation, 0.0, 0.0];
            let unit = f64::from(linear.scale) * deviation;
            GeneralisedChiSquare::new(vec![1.0; LATENT], shift)
                .unwrap()
                .cdf((damage / unit).powi(2))
        };
        for attempt in &found.attempts {
            let shift = linear.shift(&attempt.perturbation.d);
            assert!(shift >= 0.95 * linear.norms().0 * attempt.size, "{attempt:?}");
            for (value, shift) in [(attempt.value, shift), (attempt.value_at_rest, 0.0)] {
                // Four standard errors of 1024 draws.
                let share = below(value, shift, variances);
                assert!((share - 0.5).abs() < 4.0 / 64.0, "{reference:?}, {value}: {share}");
            }
            // Scores are about the mean reconstruction, whatever was increased.
            let share = below(attempt.scores.damage, shift, 1.0);
            assert!((share - 0.5).abs() < 4.0 / 200.0, "{reference:?}: {share}");
        }
    }
}

/// The variance of this model is constant: all that an attack can do goes through the mean.
#[test]
fn attacks_act_through_the_mean_where_the_variance_is_constant() {
    let linear = Linear::new(1);
    let model = Model::new(&linear.vae());
    let x = vec![0.3; FEATURES];
    let through = |through| Attack { through, ..Attack::default().thorough() };
    let settings = TrialSettings {
        sizes: vec![0.2, 0.4],
        radius: None,
        draws: 2_000,
        picture: None,
        range: None,
        domain: Domain::l2(InputBox::None),
        attacks: Pathway::ALL.map(through).to_vec(),
        aim: None,
    };
    let found = trial(&model, &Noise::new(6), Point::new(1, &x), &settings).unwrap();
    let pathways: Vec<_> = found.attempts.iter().map(|attempt| attempt.attack.through).collect();
    let [both, mean, variance] = Pathway::ALL;
    assert_eq!(pathways, [both, both, mean, mean, variance, variance]);
    for size in 0..2 {
        let [both, mean, variance] = [0, 2, 4].map(|first| &found.attempts[first + size]);
        close(mean.scores.damage, both.scores.damage, 1e-3, "damage through the mean");
        assert!(both.scores.damage > 1.1 * found.at_rest.damage, "{both:?}");
        assert_eq!(variance.scores.damage, found.at_rest.damage);
        assert_eq!((variance.by.as_str(), variance.scores.kl), ("none", 0.0));
    }
}

/// Where everything is linear, certificates are the margin itself.
#[test]
fn certificates_are_exact() {
    for salt in 0..4 {
        let linear = Linear::new(salt);
        let model = Model::new(&linear.vae());
        let x = vec![0.3; FEATURES];
        let settings = Settings {
            certify: Some(Certification { alpha: 0.001, tightness: 0.9 }),
            ..settings(&RADII, false)
        };
        let found = assess(&model, &Noise::new(1), Point::new(5, &x), &settings).unwrap();
        for (found, r) in found.radii.iter().zip(RADII) {
            let Certified::Within(certificate) = &found.certified else {
                panic!("{:?}", found.certified)
            };
            let (margin, truth) = (certificate.margin(), linear.margin(r));
            assert!(margin <= truth && margin > 0.999 * truth, "{margin} of {truth}");
            assert_eq!(certificate.method(), Method::Lipschitz);
        }
    }
}

#[test]
fn bounds_on_the_posterior_are_exact() {
    for salt in 0..4 {
        let linear = Linear::new(salt);
        let vae = linear.vae();
        let (bounder, x) = (vae.encoder().bounder(), vec![0.3; FEATURES]);
        let domain = Domain::l2(InputBox::None);
        let neighbourhood = Neighbourhood::new(&bounder, &domain, &x).unwrap();
        let encoding = Model::new(&vae).encoding(&x).unwrap();
        let posteriors = Posteriors::new(&neighbourhood, &encoding, None).unwrap();
        for distance in [1e-3, 0.5, 20.0] {
            let found = posteriors.within(distance).unwrap();
            let shift = distance * linear.norms().0 / f64::from(linear.sigma);
            close(found.shift(), shift, 1e-3, "shift");
            for &[low, high] in found.scales() {
                // Seen from a posterior in f32.
                assert!(1.0 - 1e-6 < low && high < 1.0 + 1e-6, "{low} {high}");
                assert!(high - low < 1e-9, "{low} {high}");
            }
        }
    }
}
