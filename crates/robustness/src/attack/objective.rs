//! What optimisers see: a function of perturbations with a gradient.

use burn::tensor::Tensor;
use vaegis_network::Trace;
use vaegis_vae::{Posterior, Purpose};

use super::goal::Goal;
use crate::model::host;
use crate::{Error, Target};

/// A function of perturbations that an optimiser increases.
pub trait Objective {
    /// Values and gradients at several perturbations.
    ///
    /// # Errors
    /// If a value is not finite.
    fn evaluate(&mut self, perturbations: &[Vec<f32>]) -> Result<Vec<Evaluation>, Error>;

    /// Values and gradients of the objective linearised at the posteriors that
    /// [`evaluate`](Self::evaluate) saw last, at as many perturbations near those. It costs a
    /// pass through the encoder only.
    fn linearised(&mut self, perturbations: &[Vec<f32>]) -> Vec<Evaluation>;
}

/// The value of an objective at one perturbation and its gradient there.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The value.
    pub value: f64,
    /// With respect to the perturbation, in units of the domain.
    pub gradient: Vec<f32>,
}

/// A goal at one point, as a function of its perturbation.
#[derive(Debug)]
pub struct PointObjective<'a> {
    target: Target<'a>,
    goal: &'a dyn Goal,
    eta: Tensor<2>,
    /// What the goal made of the posteriors it saw last, batch by batch.
    cotangents: Vec<[Tensor<2>; 2]>,
}

impl<'a> PointObjective<'a> {
    /// The goal under the attack's draws `first .. first + draws`, the same for every
    /// evaluation: steps of one ascent are comparable only under common noise.
    pub fn new(target: Target<'a>, goal: &'a dyn Goal, first: u64, draws: usize) -> Self {
        Self::under(target, goal, Purpose::Attack, first, draws)
    }

    /// The goal under draws that no attack sees: those that compare candidates.
    pub fn judging(target: Target<'a>, goal: &'a dyn Goal, draws: usize) -> Self {
        Self::under(target, goal, Purpose::Candidates, 0, draws)
    }

    /// The goal under draws that no attack and no choice between its candidates sees.
    pub fn scoring(target: Target<'a>, goal: &'a dyn Goal, draws: usize) -> Self {
        Self::under(target, goal, Purpose::Scores, 0, draws)
    }

    fn under(
        target: Target<'a>,
        goal: &'a dyn Goal,
        purpose: Purpose,
        first: u64,
        draws: usize,
    ) -> Self {
        let draws = if goal.noises() > 0 { draws } else { 1 };
        let numbers = goal.noises().max(1) * target.model.latent();
        // Antithetic pairs: what noise does to the gradient to first order cancels.
        let half = draws.div_ceil(2);
        let mut eta = target.noise.normal(purpose, target.index, first, half, numbers);
        eta.extend_from_within(..(draws - half) * numbers);
        eta[half * numbers..].iter_mut().for_each(|value| *value = -*value);
        Self { target, goal, eta: target.model.tensor(eta, numbers), cotangents: vec![] }
    }

    /// Candidates whose draws fill a batch.
    fn per_batch(&self) -> usize {
        (self.target.model.rows() / self.eta.dims()[0]).max(1)
    }

    fn encode(&self, perturbations: &[Vec<f32>]) -> (Trace, Posterior) {
        let Target { model, ball, .. } = self.target;
        let rows: Vec<f32> = perturbations.iter().flat_map(|u| ball.perturbed(u)).collect();
        let trace = model.encoder().trace(model.tensor(rows, model.features()));
        let mu = model.encoder().output(&trace, 0);
        let log_variance = model.encoder().output(&trace, 1);
        (trace, Posterior { mu, log_variance })
    }

    fn gradients(&self, trace: &Trace, cotangents: &[Tensor<2>; 2]) -> Vec<Vec<f32>> {
        let Target { model, ball, .. } = self.target;
        let cotangents =
            cotangents.iter().map(|cotangent| Some(cotangent.clone().unsqueeze_dim(1))).collect();
        let mut gradients = host(model.encoder().vjp(trace, cotangents));
        let rows = gradients.chunks_mut(model.features());
        rows.map(|gradient| {
            ball.pull_back(gradient);
            gradient.to_vec()
        })
        .collect()
    }
}

impl Objective for PointObjective<'_> {
    fn evaluate(&mut self, perturbations: &[Vec<f32>]) -> Result<Vec<Evaluation>, Error> {
        let mut evaluations = Vec::with_capacity(perturbations.len());
        self.cotangents.clear();
        for batch in perturbations.chunks(self.per_batch()) {
            let (trace, posterior) = self.encode(batch);
            let response = self.goal.respond(self.target.model, &posterior, &self.eta);
            if !response.values.iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite("a perturbed reconstruction"));
            }
            let cotangents = [response.at_mu, response.at_log_variance];
            let gradients = self.gradients(&trace, &cotangents);
            let pairs = response.values.into_iter().zip(gradients);
            evaluations.extend(pairs.map(|(value, gradient)| Evaluation { value, gradient }));
            self.cotangents.push(cotangents);
        }
        Ok(evaluations)
    }

    fn linearised(&mut self, perturbations: &[Vec<f32>]) -> Vec<Evaluation> {
        let mut evaluations = Vec::with_capacity(perturbations.len());
        for (batch, cotangents) in perturbations.chunks(self.per_batch()).zip(&self.cotangents) {
            let (trace, posterior) = self.encode(batch);
            let values = posterior.mu * cotangents[0].clone()
                + posterior.log_variance * cotangents[1].clone();
            let values = host(values.sum_dim(1));
            let gradients = self.gradients(&trace, cotangents);
            evaluations.extend(
                values
                    .into_iter()
                    .zip(gradients)
                    .map(|(value, gradient)| Evaluation { value: f64::from(value), gradient }),
            );
        }
        evaluations
    }
}
