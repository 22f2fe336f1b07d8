//! Effects of studies whose truth is known.

use super::*;
use crate::schema::{AttackFacts, Pathway, PointFacts};
use crate::statistics::median;

/// What a model of a made-up study is like.
#[derive(Clone, Copy)]
struct Truth {
    sigma: f64,
    jacobian: f64,
    /// The bound over the attacked margin.
    tightness: f64,
    /// Shares of an attack's gain through the mean and the variance alone.
    shares: (f64, f64),
    mig: Option<f64>,
}

const PLAIN: Truth =
    Truth { sigma: 0.1, jacobian: 10.0, tightness: 0.6, shares: (0.9, 0.1), mig: None };

const POINTS: usize = 20;

/// A number in 0..1 that looks random.
fn noise(keys: &[usize]) -> f64 {
    let mix = |hash: u64, key: &usize| {
        let hash = (hash ^ *key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^ (hash >> 29)
    };
    (keys.iter().fold(7, mix) % 10_000) as f64 / 10_000.0
}

/// Two data sets, seeds, and beta-VAEs of these strengths, of which 1 is plain.
fn study(seeds: usize, betas: &[f64], truth: impl Fn(f64, usize) -> Truth) -> StudyData {
    let mut data = StudyData { confidence: 0.95, ..StudyData::default() };
    for (place, name) in ["mnist", "sprites"].into_iter().enumerate() {
        for seed in 0..seeds {
            for (at, &beta) in betas.iter().enumerate() {
                add(&mut data, name, &[place, seed, at], beta, truth(beta, seed));
            }
        }
    }
    data.effects = effects(&data);
    data
}

fn add(data: &mut StudyData, name: &str, keys: &[usize], beta: f64, truth: Truth) {
    let model = format!("{name}-beta-{beta}-seed-{}", keys[1]);
    let (mut bounds, mut margins) = (vec![], vec![]);
    for index in 0..POINTS {
        let random = |salt| noise(&[keys[0], keys[1], keys[2], index, salt]);
        let attacked = truth.sigma / truth.jacobian * (20.0 + 20.0 * random(0));
        let bound = attacked * truth.tightness * (0.9 + 0.2 * random(1));
        bounds.push(bound);
        margins.push(attacked);
        data.points.push(PointFacts {
            model: model.clone(),
            index: index as i64,
            radius: "4".to_string(),
            bound_paper: bound,
            bound_sharp: 1.5 * bound,
            certified: None,
            attacked,
        });
        for size in [0.5, 1.0] {
            for (through, share) in [
                (Pathway::Both, 1.0),
                (Pathway::Mean, truth.shares.0),
                (Pathway::Variance, truth.shares.1),
            ] {
                data.attacks.push(AttackFacts {
                    model: model.clone(),
                    index: index as i64,
                    size,
                    through,
                    damage: 2.0 + share * size * (1.0 + 0.1 * random(2)),
                    damage_at_rest: 2.0,
                    degradation: size / attacked * (0.95 + 0.1 * random(3)),
                });
            }
        }
    }
    data.models.push(ModelRow {
        model,
        data: name.to_string(),
        architecture: "mlp".to_string(),
        objective: "beta-vae".to_string(),
        parameter: Some("beta".to_string()),
        strength: Some(beta),
        plain: beta == 1.0,
        seed: keys[1] as u64,
        epochs: 10,
        elbo: -100.0 - beta,
        distortion: 80.0,
        rate: 20.0,
        active_units: 8,
        total_correlation: 1.0,
        aggregate_kl: 2.0,
        mutual_information: 9.0,
        mig: truth.mig,
        dci_disentanglement: None,
        dci_completeness: None,
        dci_informativeness: None,
        sap: None,
        modularity: None,
        factor_vae_score: None,
        beta_vae_score: None,
        points: POINTS,
        failed: 0,
        sigma_mean: Some(truth.sigma),
        sigma_min: Some(truth.sigma),
        jacobian_frobenius: Some(truth.jacobian),
        jacobian_spectral: Some(truth.jacobian),
        whitened_jacobian_spectral: Some(truth.jacobian / truth.sigma),
        radius: "4".to_string(),
        r: Some(4.0),
        p: Some(0.9),
        bound_paper: Some(median(bounds)),
        bound_sharp: None,
        certified: None,
        attacked: Some(median(margins)),
    });
}

/// A study in which everything is as the paper says, with some difference between seeds.
fn as_claimed(beta: f64, seed: usize) -> Truth {
    let wiggle = 1.0 + 0.02 * seed as f64;
    Truth { sigma: 0.1 * beta.sqrt() * wiggle, jacobian: 10.0 / beta.powf(0.25), ..PLAIN }
}

/// The effect of all models together.
fn headline<'a>(data: &'a StudyData, claim: usize, part: &str) -> &'a Effect {
    let here = |effect: &&Effect| {
        effect.claim == claim && effect.part == part && effect.scope == Scope::default()
    };
    let mut found = data.effects.iter().filter(here);
    let effect = found.next().unwrap_or_else(|| panic!("no {claim} {part}"));
    assert!(found.next().is_none(), "{claim} {part} is there twice");
    effect
}

fn close(found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.expect("an estimate");
    assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}");
}

#[test]
fn what_the_paper_says_is_reproduced_where_it_holds() {
    let data = study(3, &[1.0, 2.0, 4.0], as_claimed);
    for (claim, part) in [
        (1, "validity-paper"),
        (1, "tightness-paper"),
        (2, "points-bound"),
        (2, "models-attacked"),
        (3, "sigma"),
        (3, "jacobian"),
        (3, "bound"),
        (3, "attacked"),
        (4, "difference"),
    ] {
        let effect = headline(&data, claim, part);
        assert_eq!(effect.verdict, Some(Verdict::Reproduced), "{effect:?}");
        let (low, high) = (effect.low.unwrap(), effect.high.unwrap());
        let estimate = effect.estimate.unwrap();
        assert!(low <= estimate && estimate <= high, "{effect:?}");
        assert_eq!((effect.replicates, effect.over.as_str()), (3, "seeds"));
    }
    // From the formulas above: sigma is doubled at beta = 4, |J| falls by 4^(1/4).
    close(headline(&data, 3, "sigma").estimate, 2.0, 1e-9);
    close(headline(&data, 3, "jacobian").estimate, 4f64.powf(-0.25), 1e-9);
    close(headline(&data, 3, "elbo").estimate, -3.0, 1e-9);
    close(headline(&data, 1, "tightness-paper").estimate, 0.6, 0.02);
    close(headline(&data, 4, "mean").estimate, 0.9, 1e-9);
    close(headline(&data, 4, "difference").estimate, 0.8, 1e-9);
    assert_eq!(headline(&data, 3, "elbo").verdict, None);
    // Headlines come first; each data set has effects of its own.
    let first = data.effects.iter().position(|effect| effect.scope != Scope::default()).unwrap();
    assert!(data.effects[first..].iter().all(|effect| effect.scope != Scope::default()));
    let sigma = data.effects.iter().filter(|at| at.claim == 3 && at.part == "sigma");
    let scopes: Vec<_> = sigma.map(|at| at.scope.data.clone()).collect();
    assert_eq!(scopes, [None, Some("mnist".to_string()), Some("sprites".to_string())]);
}

#[test]
fn what_does_not_hold_is_not_reproduced() {
    let against = |beta: f64, seed: usize| {
        let wiggle = 1.0 + 0.02 * seed as f64;
        Truth {
            sigma: 0.1 / beta * wiggle,
            jacobian: 10.0 * beta,
            tightness: 1.4,
            shares: (0.2, 0.7),
            mig: None,
        }
    };
    let data = study(3, &[1.0, 4.0], against);
    for (claim, part) in [
        (1, "validity-paper"),
        (3, "sigma"),
        (3, "jacobian"),
        (3, "bound"),
        (3, "attacked"),
        (4, "difference"),
    ] {
        let effect = headline(&data, claim, part);
        assert_eq!(effect.verdict, Some(Verdict::NotReproduced), "{effect:?}");
    }
    close(headline(&data, 1, "validity-paper").estimate, 1.0, 1e-9);
}

#[test]
fn seeds_that_disagree_are_inconclusive() {
    let data = study(3, &[1.0, 4.0], |beta, seed| {
        let sigma = if beta == 1.0 { 0.1 } else { [0.05, 0.1, 0.3][seed] };
        Truth { sigma, ..PLAIN }
    });
    let effect = headline(&data, 3, "sigma");
    assert_eq!(effect.verdict, Some(Verdict::Inconclusive), "{effect:?}");
    assert!(effect.low.unwrap() < 1.0 && effect.high.unwrap() > 1.0);
}

#[test]
fn what_cannot_be_told_says_why() {
    // One seed.
    let data = study(1, &[1.0, 4.0], as_claimed);
    let effect = headline(&data, 3, "sigma");
    assert_eq!((effect.verdict, effect.low), (Some(Verdict::Inconclusive), None));
    assert!(effect.estimate.is_some() && effect.remark.as_deref().unwrap().contains("one seed"));
    // Nothing to compare with.
    let data = study(3, &[2.0, 4.0], as_claimed);
    let effect = headline(&data, 3, "sigma");
    assert_eq!((effect.verdict, effect.estimate), (Some(Verdict::Inconclusive), None));
    assert!(effect.remark.as_deref().unwrap().contains("no models"), "{effect:?}");
    // No models at all, and none with factors.
    let empty = StudyData { confidence: 0.95, ..StudyData::default() };
    assert!(effects(&empty).iter().all(|effect| effect.estimate.is_none()));
    assert!(!data.effects.iter().any(|effect| effect.claim == 5));
    // Margins that no attack found, and those of models that are not robust at rest.
    let mut data = study(3, &[1.0, 4.0], as_claimed);
    for row in data.models.iter_mut().filter(|row| !row.plain) {
        row.attacked = Some(f64::INFINITY);
        row.bound_paper = Some(0.0);
    }
    data.points.iter_mut().for_each(|point| point.attacked = f64::INFINITY);
    data.effects = effects(&data);
    for part in ["bound", "attacked"] {
        let effect = headline(&data, 3, part);
        assert_eq!(effect.verdict, Some(Verdict::Inconclusive), "{effect:?}");
        assert!(effect.remark.as_deref().unwrap().contains("infinite or 0"), "{effect:?}");
    }
    let valid = headline(&data, 1, "validity-paper");
    assert_eq!((valid.estimate, valid.verdict), (Some(0.0), Some(Verdict::Reproduced)));
    assert_eq!(headline(&data, 1, "tightness-paper").estimate, None);
}

/// Seeds that agree on a share of 0 do not prove that it is 0.
#[test]
fn shares_of_few_points_are_as_uncertain_as_the_points() {
    let mut data = study(3, &[1.0], as_claimed);
    data.points.retain(|point| point.index < 3);
    data.effects = effects(&data);
    let effect = headline(&data, 1, "validity-paper");
    // Clopper-Pearson, 0 of 18.
    close(effect.high, 1.0 - 0.025f64.powf(1.0 / 18.0), 1e-6);
    assert_eq!(effect.verdict, Some(Verdict::Inconclusive));
}

/// What disentangles more than the plain VAE, by seed; nothing where factors are not known.
#[test]
fn objectives_are_asked_whether_they_disentangle() {
    let with_mig = |beta: f64, seed: usize| Truth {
        mig: Some(0.1 * beta + 0.01 * seed as f64 * beta),
        ..PLAIN
    };
    let mut data = study(3, &[1.0, 2.0, 4.0], with_mig);
    // 0.4 + 0.04 seed less 0.1 + 0.01 seed.
    let effect = headline(&data, 3, "mig");
    close(effect.estimate, 0.33, 1e-9);
    assert_eq!(effect.verdict, Some(Verdict::Reproduced), "{effect:?}");
    data.models.iter_mut().for_each(|row| row.mig = row.mig.filter(|_| row.data == "sprites"));
    let found = effects(&data);
    let scopes = found.iter().filter(|effect| (effect.claim, &effect.part[..]) == (3, "mig"));
    let scopes: Vec<_> = scopes.map(|effect| effect.scope.data.as_deref()).collect();
    assert_eq!(scopes, [None, Some("sprites")]);
    let unknown = study(3, &[1.0, 4.0], as_claimed).effects;
    assert!(!unknown.iter().any(|effect| effect.part == "mig"));
}

/// A score that follows sigma predicts the margin, and nothing once sigma is known; a score that
/// moves the margin by itself still does.
#[test]
fn scores_are_asked_for_what_they_add() {
    let truth = |adds: bool| {
        move |beta: f64, seed: usize| {
            let random = |salt: usize| noise(&[seed, (10.0 * beta) as usize, salt]);
            let (sigma, jacobian) = (0.1 + 0.2 * random(0), 5.0 + 5.0 * random(1));
            let mig = if adds { random(2) } else { 2.0 * sigma + 0.02 * random(2) };
            Truth { sigma, jacobian, mig: Some(mig), ..PLAIN }
        }
    };
    let betas = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let data = study(4, &betas, truth(false));
    assert_eq!(headline(&data, 5, "mig").verdict, Some(Verdict::Reproduced));
    let beyond = headline(&data, 5, "mig-beyond");
    assert_eq!(beyond.verdict, Some(Verdict::Inconclusive), "{beyond:?}");
    assert_eq!((beyond.replicates, beyond.over.as_str()), (48, "models"));

    let mut data = study(4, &betas, truth(true));
    for row in &mut data.models {
        row.attacked = row.attacked.map(|margin| margin * (0.5 * row.mig.unwrap()).exp());
    }
    data.effects = effects(&data);
    let beyond = headline(&data, 5, "mig-beyond");
    assert_eq!(beyond.verdict, Some(Verdict::Reproduced), "{beyond:?}");
}
