use nalgebra::DMatrix;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::conditional_gradient::FURTHER_STEPS;
use super::*;
use crate::{Domain, InputBox, Norm};

const UNIT: InputBox = InputBox::Interval { low: 0.0, high: 1.0 };
const NORMS: [Norm; 3] = [Norm::L1, Norm::L2, Norm::LInf];

/// `<slope, d> + sign |map (d - centre)|^2`, as a function of perturbed inputs: the perturbation
/// is `d = s u`.
#[derive(Debug, Clone)]
struct Quadratic {
    slope: Vec<f64>,
    sign: f64,
    map: DMatrix<f64>,
    centre: Vec<f64>,
}

impl Quadratic {
    fn linear(slope: Vec<f64>) -> Self {
        let features = slope.len();
        Self { slope, sign: 0.0, map: DMatrix::zeros(1, features), centre: vec![0.0; features] }
    }

    fn about(sign: f64, map: DMatrix<f64>, centre: Vec<f64>) -> Self {
        Self { slope: vec![0.0; centre.len()], sign, map, centre }
    }

    fn at(&self, d: &[f64]) -> (f64, Vec<f64>) {
        let shifted = DMatrix::from_fn(d.len(), 1, |i, _| d[i] - self.centre[i]);
        let image = &self.map * shifted;
        let slopes = self.map.tr_mul(&image) * (2.0 * self.sign);
        let linear: f64 = self.slope.iter().zip(d).map(|(slope, d)| slope * d).sum();
        let gradient = self.slope.iter().zip(slopes.iter()).map(|(a, b)| a + b).collect();
        (linear + self.sign * image.norm_squared(), gradient)
    }
}

/// A function on a ball, which may only be asked for points of the ball.
struct OnBall<'a> {
    ball: &'a Ball<'a>,
    radius: f64,
    function: &'a Quadratic,
    /// Perturbations of each evaluation.
    batches: Vec<usize>,
}

impl<'a> OnBall<'a> {
    fn new(ball: &'a Ball<'a>, radius: f64, function: &'a Quadratic) -> Self {
        Self { ball, radius, function, batches: vec![] }
    }

    fn at(&self, u: &[f32]) -> Evaluation {
        let unit = |i: usize| self.ball.units().map_or(1.0, |units| f64::from(units[i]));
        let d: Vec<f64> = u.iter().enumerate().map(|(i, &u)| f64::from(u) * unit(i)).collect();
        let (value, gradient) = self.function.at(&d);
        let mut gradient: Vec<f32> = gradient.into_iter().map(|g| g as f32).collect();
        self.ball.pull_back(&mut gradient);
        Evaluation { value, gradient }
    }

    fn inside(&self, u: &[f32]) -> bool {
        let (lower, upper) = self.ball.limits();
        let between = u.iter().zip(lower.iter().zip(upper)).all(|(u, (l, h))| (l..=h).contains(&u));
        between && self.ball.length(u) <= self.radius * (1.0 + 1e-6)
    }
}

impl Objective for OnBall<'_> {
    fn evaluate(&mut self, perturbations: &[Vec<f32>]) -> Result<Vec<Evaluation>, Error> {
        self.batches.push(perturbations.len());
        for u in perturbations {
            assert!(self.inside(u), "{u:?} is outside");
        }
        Ok(perturbations.iter().map(|u| self.at(u)).collect())
    }

    fn linearised(&mut self, perturbations: &[Vec<f32>]) -> Vec<Evaluation> {
        perturbations.iter().map(|u| self.at(u)).collect()
    }
}

fn candidates(starts: impl IntoIterator<Item = Vec<f32>>) -> Vec<Candidate> {
    let candidate = |u| Candidate { name: "start".to_string(), u, value: f64::NEG_INFINITY };
    starts.into_iter().map(candidate).collect()
}

/// A domain, a point of it and random numbers.
struct Setting {
    domain: Domain,
    x: Vec<f32>,
    random: ChaCha8Rng,
}

impl Setting {
    fn new(features: usize, norm: Norm, bounds: InputBox, scaled: bool, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let x = (0..features).map(|_| random.random_range(0.0f32..=1.0)).collect();
        let units = scaled.then(|| {
            // One feature must not change.
            (0..features).map(|i| if i == 1 { 0.0 } else { random.random_range(0.3f32..2.0) })
        });
        let units = units.map(Iterator::collect);
        Self { domain: Domain { norm, bounds, units }, x, random }
    }

    /// All norms, boxes and units.
    fn all(features: usize, seed: u64) -> Vec<Self> {
        let mut all = vec![];
        for norm in NORMS {
            for bounds in [InputBox::None, UNIT] {
                for scaled in [false, true] {
                    all.push(Self::new(features, norm, bounds, scaled, seed));
                }
            }
        }
        all
    }

    fn normal(&mut self) -> Vec<f64> {
        // Sums of uniform numbers will do.
        (0..self.x.len())
            .map(|_| (0..6).map(|_| self.random.random_range(-1.0..1.0)).sum())
            .collect()
    }

    fn start(&mut self) -> Vec<f32> {
        self.normal().into_iter().map(|value| value as f32).collect()
    }

    /// A radius that box and ball both limit.
    fn radius(&self) -> f64 {
        let features = self.x.len() as f64;
        0.5 * match self.domain.norm {
            Norm::L1 => features.sqrt(),
            Norm::L2 => 0.5 * features.sqrt(),
            Norm::LInf => 1.0,
        }
    }
}

/// The value that one ascent reaches from a random start.
fn reached(optimiser: Optimiser, objective: &OnBall<'_>, start: &[f32], steps: usize) -> f64 {
    let OnBall { ball, radius, function, .. } = *objective;
    let mut objective = OnBall::new(ball, radius, function);
    let mut candidates = candidates([start.to_vec()]);
    optimiser.ascend(ball, &mut objective, &mut candidates, radius, steps).unwrap();
    candidates[0].value
}

proptest! {
    #[test]
    fn candidates_stay_inside_and_never_fall(
        seed in any::<u64>(),
        features in 1usize..9,
        sign in prop::sample::select(vec![-1.0, 0.0, 1.0]),
        steps in 0usize..20,
        radius in prop_oneof![1 => Just(0.0), 9 => 0.01f64..3.0],
    ) {
        for mut setting in Setting::all(features, seed) {
            let slope = setting.normal();
            let random = &mut setting.random;
            let map = DMatrix::from_fn(3, features, |_, _| random.random_range(-1.0..1.0));
            let centre = setting.normal();
            let function = Quadratic { slope, sign, map, centre };
            let mut starts = vec![setting.start(), setting.start(), vec![0.0; features]];
            let ball = Ball::new(&setting.domain, &setting.x);
            let objective = OnBall::new(&ball, radius, &function);
            for optimiser in Optimiser::ALL {
                let mut ascent = OnBall::new(&ball, radius, &function);
                let mut candidates = candidates(starts.clone());
                optimiser.ascend(&ball, &mut ascent, &mut candidates, radius, steps).unwrap();
                // With no radius there is nowhere to go.
                let steps = if radius > 0.0 { steps } else { 0 };
                let batches = &ascent.batches;
                let most = match optimiser {
                    Optimiser::ConditionalGradient if steps > 0 => steps + FURTHER_STEPS,
                    _ => steps,
                };
                if optimiser == Optimiser::Lbfgsb {
                    prop_assert!(batches.len() <= steps + 1 && batches.is_sorted_by(|a, b| a >= b));
                } else {
                    prop_assert!((steps..=most).contains(&(batches.len() - 1)));
                    prop_assert!(batches.iter().all(|&candidates| candidates == 3));
                }
                for (candidate, start) in candidates.iter().zip(&mut starts) {
                    prop_assert!(objective.inside(&candidate.u));
                    prop_assert_eq!(candidate.value, objective.at(&candidate.u).value);
                    ball.project(start, radius);
                    prop_assert!(candidate.value >= objective.at(start).value);
                }
            }
        }
    }
}

#[test]
fn linear_functions_reach_their_corner() {
    for seed in 0..4 {
        for mut setting in Setting::all(20, seed) {
            let radius = setting.radius();
            let start = setting.start();
            let function = Quadratic::linear(setting.normal());
            let ball = Ball::new(&setting.domain, &setting.x);
            let objective = OnBall::new(&ball, radius, &function);
            let gradient = objective.at(&start).gradient;
            let most = objective.at(&ball.corner(&gradient, radius)).value;
            for optimiser in Optimiser::ALL {
                let sparse = setting.domain.norm == Norm::L1;
                let steps = match optimiser {
                    Optimiser::ConditionalGradient => 1,
                    Optimiser::ProjectedGradient => 20,
                    Optimiser::Lbfgsb if sparse => 100,
                    Optimiser::Adam if sparse => 200,
                    _ => 30,
                };
                let value = reached(optimiser, &objective, &start, steps);
                let case = format!("{optimiser} {:?} {seed}: {value} of {most}", setting.domain);
                assert!(value >= 0.99 * most && value <= most * (1.0 + 1e-5), "{case}");
            }
        }
    }
}

/// The conditional gradient is for convex goals; its steps end on the sphere.
#[test]
fn concave_functions_reach_their_maximum_on_and_inside_the_sphere() {
    for seed in 0..5 {
        let settings = Setting::all(20, seed).into_iter().map(|setting| (setting, 2.0));
        let settings =
            settings.chain(Setting::all(20, seed).into_iter().map(|setting| (setting, 0.5)));
        for (mut setting, centre) in settings {
            let radius = setting.radius();
            let start = setting.start();
            let function = concave(&mut setting, centre * radius);
            let ball = Ball::new(&setting.domain, &setting.x);
            let objective = OnBall::new(&ball, radius, &function);
            let most = constrained_maximum(&objective);
            let rest = objective.at(&[0.0; 20]).value;
            for optimiser in [Optimiser::ProjectedGradient, Optimiser::Lbfgsb, Optimiser::Adam] {
                let value = reached(optimiser, &objective, &start, 150);
                // Where a kink holds L-BFGS-B at an edge of both the l1 ball and the box.
                let kink = optimiser == Optimiser::Lbfgsb
                    && (setting.domain.norm, setting.domain.bounds) == (Norm::L1, UNIT);
                let gap = (most - value) / (most - rest);
                let case = format!("{optimiser} {:?} {centre} {seed}: {gap}", setting.domain);
                assert!(gap <= if kink { 0.02 } else { 0.01 }, "{case}");
            }
        }
    }
}

#[test]
fn conditional_gradients_go_on_while_it_pays() {
    let setting = Setting::new(2, Norm::L2, InputBox::None, false, 0);
    let ball = Ball::new(&setting.domain, &setting.x);
    let gains =
        Quadratic::about(1.0, DMatrix::from_row_slice(2, 2, &[2.0, 0.0, 0.0, 1.0]), vec![0.0; 2]);
    let gains_little =
        Quadratic::about(1.0, DMatrix::from_row_slice(2, 2, &[1.05, 0.0, 0.0, 1.0]), vec![0.0; 2]);
    for (function, evaluations) in [(&gains, 4), (&gains_little, 2)] {
        let mut objective = OnBall::new(&ball, 1.0, function);
        let mut candidates = candidates([vec![0.01, 1.0]]);
        let optimiser = Optimiser::ConditionalGradient;
        optimiser.ascend(&ball, &mut objective, &mut candidates, 1.0, 1).unwrap();
        assert_eq!(objective.batches.len(), evaluations);
    }
    let value =
        reached(Optimiser::ConditionalGradient, &OnBall::new(&ball, 1.0, &gains), &[0.01, 1.0], 1);
    assert!(value > 3.99, "{value}");
}

#[test]
fn convex_functions_reach_the_top_singular_value() {
    let domain = Domain::l2(InputBox::None);
    for seed in 0..6 {
        let mut setting = Setting::new(20, Norm::L2, InputBox::None, false, seed);
        let start = setting.start();
        let map = DMatrix::from_fn(20, 20, |_, _| setting.random.random_range(-1.0..1.0));
        let most = 1.5 * map.clone().singular_values().max();
        let function = Quadratic::about(1.0, map, vec![0.0; 20]);
        let ball = Ball::new(&domain, &setting.x);
        let objective = OnBall::new(&ball, 1.5, &function);
        for optimiser in Optimiser::ALL {
            let value = reached(optimiser, &objective, &start, 100).sqrt();
            let case = format!("{optimiser} {seed}: {value} of {most}");
            assert!(value >= 0.99 * most && value <= most * (1.0 + 1e-5), "{case}");
        }
    }
}

#[test]
fn nothing_moves_where_gradients_vanish_or_nothing_is_free() {
    let flat = Quadratic::linear(vec![0.0; 4]);
    let steep = Quadratic::linear(vec![1.0, -2.0, 3.0, 0.5]);
    for norm in NORMS {
        for bounds in [InputBox::None, UNIT] {
            for (units, function) in [(None, &flat), (Some(vec![0.0; 4]), &steep)] {
                let domain = Domain { norm, bounds, units };
                let x = [0.5, 0.0, 1.0, 0.2];
                let ball = Ball::new(&domain, &x);
                for optimiser in Optimiser::ALL {
                    let mut objective = OnBall::new(&ball, 0.5, function);
                    let mut candidates = candidates([vec![0.0; 4], vec![1.0, -1.0, 0.0, 2.0]]);
                    optimiser.ascend(&ball, &mut objective, &mut candidates, 0.5, 9).unwrap();
                    for candidate in &candidates {
                        assert!(objective.inside(&candidate.u), "{optimiser} {domain:?}");
                        assert_eq!(candidate.value, 0.0);
                    }
                    optimiser.ascend(&ball, &mut objective, &mut [], 0.5, 3).unwrap();
                }
            }
        }
    }
}

/// Fails at its third evaluation, in one way or another.
struct Failing {
    evaluations: usize,
    third: Result<Evaluation, Error>,
}

impl Objective for Failing {
    fn evaluate(&mut self, perturbations: &[Vec<f32>]) -> Result<Vec<Evaluation>, Error> {
        self.evaluations += 1;
        if self.evaluations == 3 {
            return Ok(vec![self.third.clone()?; perturbations.len()]);
        }
        let at = |u: &Vec<f32>| Evaluation { value: f64::from(u[0]), gradient: vec![1.0, 0.1] };
        Ok(perturbations.iter().map(at).collect())
    }

    fn linearised(&mut self, perturbations: &[Vec<f32>]) -> Vec<Evaluation> {
        let at = |u: &Vec<f32>| Evaluation { value: f64::from(u[0]), gradient: vec![1.0, 0.1] };
        perturbations.iter().map(at).collect()
    }
}

#[test]
fn errors_and_numbers_that_are_not_finite_end_the_ascent() {
    let domain = Domain::l2(InputBox::None);
    let ball = Ball::new(&domain, &[0.0, 0.0]);
    let not_finite = |value, gradient: f32| Ok(Evaluation { value, gradient: vec![gradient, 1.0] });
    let mut thirds = vec![Err(Error::NotFinite("the third")), not_finite(f64::NAN, 1.0)];
    thirds.extend([f32::NAN, f32::INFINITY].map(|gradient| not_finite(1.0, gradient)));
    for (number, third) in thirds.into_iter().enumerate() {
        for optimiser in Optimiser::ALL {
            // It never compares gradients.
            if optimiser == Optimiser::ConditionalGradient && number > 0 {
                continue;
            }
            let mut objective = Failing { evaluations: 0, third: third.clone() };
            let mut candidates = candidates([vec![0.0, 1.0]]);
            let outcome = optimiser.ascend(&ball, &mut objective, &mut candidates, 2.0, 9);
            assert!(matches!(outcome, Err(Error::NotFinite(_))), "{optimiser} {number}");
            assert_eq!(objective.evaluations, 3);
            assert!(candidates[0].value.is_finite());
            assert_eq!(candidates[0].value, f64::from(candidates[0].u[0]));
        }
    }
}

#[test]
fn names_are_those_that_are_stored() {
    for optimiser in Optimiser::ALL {
        let name = optimiser.to_string();
        assert_eq!(name.parse(), Ok(optimiser));
        assert_eq!(serde_json::to_string(&optimiser).unwrap(), format!("\"{name}\""));
    }
    let error = "sgd".parse::<Optimiser>().unwrap_err().to_string();
    let names = "conditional-gradient, projected-gradient, l-bfgs-b or adam";
    assert_eq!(error, format!("optimiser \"sgd\": expected {names}"));
}

/// A concave function whose maximum without a ball has the given length.
fn concave(setting: &mut Setting, length: f64) -> Quadratic {
    let features = setting.x.len();
    let random = &mut setting.random;
    let mut weight = |i, j| if i == j { random.random_range(0.3..1.0) } else { 0.0 };
    let weights = DMatrix::from_fn(features, features, &mut weight);
    let centre = setting.normal();
    let scale = length / setting.domain.norm.of(centre.iter().copied());
    Quadratic::about(-1.0, weights, centre.into_iter().map(|entry| scale * entry).collect())
}

/// By projected gradient steps of a fixed length, which converge for a concave function.
fn constrained_maximum(objective: &OnBall<'_>) -> f64 {
    let mut u = vec![0.0f32; objective.ball.limits().0.len()];
    let mut best = f64::NEG_INFINITY;
    for _ in 0..3000 {
        let evaluation = objective.at(&u);
        best = best.max(evaluation.value);
        // Weights and squared units are at most 1 and 4.
        u.iter_mut().zip(&evaluation.gradient).for_each(|(u, g)| *u += 0.12 * g);
        objective.ball.project(&mut u, objective.radius);
    }
    best
}
