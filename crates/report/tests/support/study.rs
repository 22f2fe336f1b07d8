//! Studies made up from formulas: all that a study knows, with trends that look like real ones.
#![allow(dead_code, missing_docs, unreachable_pub)] // each user needs a part of it

use vaegis_study::schema::*;

use super::noise;

/// What to make up.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub data: &'static [&'static str],
    pub architectures: &'static [&'static str],
    pub objectives: &'static [(&'static str, &'static str, &'static [f64])],
    pub seeds: u64,
    pub points: i64,
    pub sizes: &'static [f64],
}

pub const SMALL: Recipe = Recipe {
    data: &["mnist", "sprites"],
    architectures: &["mlp"],
    objectives: &[("beta-vae", "beta", &[1.0, 4.0]), ("factor-vae", "gamma", &[10.0])],
    seeds: 2,
    points: 3,
    sizes: &[1.0, 2.0],
};

pub const FULL: Recipe = Recipe {
    data: &["mnist", "fashion", "sprites"],
    architectures: &["mlp"],
    objectives: &[
        ("beta-vae", "beta", &[1.0, 2.0, 4.0, 8.0]),
        ("beta-tcvae", "beta", &[2.0, 4.0, 8.0]),
        ("factor-vae", "gamma", &[5.0, 10.0, 40.0]),
        ("dip-vae-i", "lambda", &[5.0, 50.0]),
    ],
    seeds: 3,
    points: 60,
    sizes: &[0.5, 1.0, 2.0, 4.0],
};

impl Recipe {
    pub fn study(&self) -> StudyData {
        let mut study = StudyData {
            name: "paper".to_owned(),
            confidence: 0.95,
            grid: "seeds = 3\n".to_owned(),
            vaegis_version: "0.1.0".to_owned(),
            effects: effects(self.data, self.objectives.iter().map(|(name, _, _)| *name)),
            ..StudyData::default()
        };
        let mut number = 0;
        for (d, data) in self.data.iter().enumerate() {
            for architecture in self.architectures {
                for (objective, parameter, strengths) in self.objectives {
                    for &strength in *strengths {
                        for seed in 0..self.seeds {
                            number += 1;
                            let shape = Shape { number, level: d as f64, strength };
                            let plain = *objective == "beta-vae" && strength == 1.0;
                            let name =
                                format!("{data}-{architecture}-{objective}-{strength}-{seed}");
                            let mut model = shape.model(name);
                            model.data = (*data).to_owned();
                            model.architecture = (*architecture).to_owned();
                            model.objective = (*objective).to_owned();
                            model.parameter = Some((*parameter).to_owned());
                            model.strength = Some(strength);
                            (model.plain, model.seed, model.points) =
                                (plain, seed, self.points as usize);
                            if *data == "sprites" {
                                let score = (0.05 + 0.1 * strength.ln()).max(0.0);
                                model.mig = Some(score + 0.05 * noise(21, number));
                                model.dci_disentanglement =
                                    Some(score + 0.1 + 0.05 * noise(22, number));
                            }
                            for point in 0..self.points {
                                study.points.push(shape.point(&model, point));
                                study.attacks.extend(shape.attacks(&model, point, self.sizes));
                            }
                            study.models.push(model);
                        }
                    }
                }
            }
        }
        study
    }
}

/// One model's place in the grid.
struct Shape {
    number: u64,
    level: f64,
    strength: f64,
}

impl Shape {
    fn sigma(&self) -> f64 {
        0.05 * self.strength.powf(0.5)
            * (1.0 + 0.2 * noise(1, self.number))
            * (1.0 + 0.3 * self.level)
    }

    fn jacobian(&self) -> f64 {
        3.0 * self.strength.powf(-0.4) * (1.0 + 0.2 * noise(2, self.number))
    }

    fn bound(&self) -> f64 {
        30.0 * self.sigma() / self.jacobian()
    }

    fn model(&self, name: String) -> ModelRow {
        let elbo = -90.0 - 60.0 * self.level - 6.0 * self.strength.sqrt() + noise(3, self.number);
        ModelRow {
            model: name,
            data: String::new(),
            architecture: String::new(),
            objective: String::new(),
            parameter: None,
            strength: None,
            plain: false,
            seed: 0,
            epochs: 20,
            elbo,
            distortion: -elbo - 20.0,
            rate: 20.0,
            active_units: 9,
            total_correlation: 1.5,
            aggregate_kl: 4.0,
            mutual_information: 16.0,
            mig: None,
            dci_disentanglement: None,
            dci_completeness: None,
            dci_informativeness: None,
            sap: None,
            modularity: None,
            factor_vae_score: None,
            beta_vae_score: None,
            points: 0,
            failed: 0,
            sigma_mean: Some(self.sigma()),
            sigma_min: Some(0.5 * self.sigma()),
            jacobian_frobenius: Some(self.jacobian()),
            jacobian_spectral: Some(0.6 * self.jacobian()),
            whitened_jacobian_spectral: Some(0.6 * self.jacobian() / self.sigma()),
            radius: "q0.9".to_owned(),
            r: Some(4.0),
            p: Some(0.9),
            bound_paper: Some(self.bound()),
            bound_sharp: Some(2.2 * self.bound()),
            certified: None,
            attacked: Some(4.0 * self.bound() * (1.0 + 0.5 * noise(4, self.number))),
        }
    }

    fn point(&self, model: &ModelRow, index: i64) -> PointFacts {
        let key = self.number * 1000 + index as u64;
        let bound = self.bound() * (0.4 + 1.4 * noise(5, key));
        PointFacts {
            model: model.model.clone(),
            index,
            radius: model.radius.clone(),
            bound_paper: bound,
            bound_sharp: 2.2 * bound,
            certified: None,
            attacked: bound * (1.8 + 4.0 * noise(6, key)),
        }
    }

    fn attacks(&self, model: &ModelRow, index: i64, sizes: &[f64]) -> Vec<AttackFacts> {
        let key = self.number * 1000 + index as u64;
        let point = self.point(model, index);
        let pathways = [(Pathway::Both, 1.0), (Pathway::Mean, 0.93), (Pathway::Variance, 0.08)];
        let attack = |size: f64, (through, share): (Pathway, f64)| {
            let rest = 2.0 + noise(7, key);
            let gain = 4.0 * size / (1.0 + 0.3 * size) / self.bound().sqrt();
            AttackFacts {
                model: model.model.clone(),
                index,
                size,
                through,
                damage: rest + share * gain * (0.7 + 0.6 * noise(8, key)),
                damage_at_rest: rest,
                degradation: 0.3 * size / point.bound_paper * (0.5 + noise(9, key)),
            }
        };
        sizes.iter().flat_map(|&size| pathways.map(|pathway| attack(size, pathway))).collect()
    }
}

fn effect(claim: usize, part: &str, statement: &str, measure: Measure, claimed: Claimed) -> Effect {
    Effect {
        claim,
        part: part.to_owned(),
        statement: statement.to_owned(),
        scope: Scope::default(),
        measure,
        claimed,
        estimate: None,
        low: None,
        high: None,
        replicates: 36,
        over: "models".to_owned(),
        verdict: None,
        remark: None,
    }
}

fn effects<'a>(data: &[&str], objectives: impl Iterator<Item = &'a str>) -> Vec<Effect> {
    let known = |effect: Effect, estimate: f64, low: f64, high: f64, verdict| Effect {
        estimate: Some(estimate),
        low: Some(low),
        high: Some(high),
        verdict,
        ..effect
    };
    let validity = effect(
        1,
        "validity",
        "share of points whose attacked margin is not below the paper's bound",
        Measure::Share,
        Claimed::Above(0.95),
    );
    let tightness = effect(
        1,
        "tightness",
        "attacked margin as a multiple of the paper's bound",
        Measure::Ratio,
        Claimed::Below(10.0),
    );
    let points = effect(
        2,
        "points",
        "rank correlation of margin and likelihood degradation over points of a model",
        Measure::Correlation,
        Claimed::Below(0.0),
    );
    let models = effect(
        2,
        "models",
        "rank correlation of margin and likelihood degradation over models",
        Measure::Correlation,
        Claimed::Below(0.0),
    );
    let sigma =
        effect(3, "sigma", "σ when the strength doubles", Measure::Ratio, Claimed::Above(1.0));
    let jacobian =
        effect(3, "jacobian", "|J| when the strength doubles", Measure::Ratio, Claimed::Below(1.0));
    let margin = effect(
        3,
        "margin",
        "attacked margin when the strength doubles",
        Measure::Ratio,
        Claimed::Above(1.0),
    );
    let price =
        effect(3, "price", "ELBO when the strength doubles", Measure::Nats, Claimed::Nothing);
    let mean = effect(
        4,
        "mean",
        "damage that attacks add through the mean, as a multiple of the variance's",
        Measure::Ratio,
        Claimed::Above(1.0),
    );
    let score = effect(
        5,
        "mig",
        "partial rank correlation of MIG and margin given σ and |J|",
        Measure::Correlation,
        Claimed::Above(0.0),
    );
    use Verdict::*;
    let mut effects = vec![
        known(validity, 0.998, 0.981, 1.0, Some(Reproduced)),
        known(tightness, 4.1, 3.2, 5.4, Some(Reproduced)),
        known(points, -0.31, -0.62, 0.08, Some(Inconclusive)),
        known(models, -0.84, -0.93, -0.71, Some(Reproduced)),
        known(sigma.clone(), 1.38, 1.29, 1.47, Some(Reproduced)),
        known(jacobian, 1.12, 1.04, 1.21, Some(NotReproduced)),
        known(margin, 1.71, 1.52, 1.93, Some(Reproduced)),
        known(price, -2.6, -3.1, -2.2, None),
        known(mean, 11.6, 8.9, f64::INFINITY, Some(Reproduced)),
        Effect {
            remark: Some("factors are known of 4 models, and 6 are needed".to_owned()),
            verdict: Some(Inconclusive),
            ..score
        },
    ];
    for data in data {
        let of_data = |effect: Effect| Effect {
            scope: Scope { data: Some((*data).to_owned()), ..Scope::default() },
            ..effect
        };
        effects.push(of_data(known(sigma.clone(), 1.4, 1.2, 1.6, Some(Reproduced))));
    }
    for objective in objectives {
        let scope = Scope {
            data: Some(data[0].to_owned()),
            objective: Some(objective.to_owned()),
            ..Scope::default()
        };
        effects.push(Effect { scope, ..known(sigma.clone(), 1.5, 0.9, 1.9, Some(Inconclusive)) });
    }
    effects
}
