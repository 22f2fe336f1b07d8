//! What is expected of a perturbation's damages before its verdict, and which fresh draws are
//! worth decoding.
//!
//! Draws come in groups. For each draw e of a group two surrogates say how likely it is to stay
//! within r: `a(e)`, whose mean F is known exactly, and the better `b(e)`. One draw J of the K is
//! decoded, chosen with a probability `s_J / sum(s)`, and the group counts as
//!
//! ```text
//! Y = F + 1/K sum_k (b(e_k) - a(e_k)) + w (1[J is within] - b(e_J)),    w = sum(s) / (K s_J)
//! ```
//!
//! The mean of Y is `P(|Delta| <= r)` whatever a, b and s are, as long as they are fixed before
//! anything is decoded: bad ones cost draws, not truth. Draws whose side is doubtful are decoded
//! most often, and others often enough that none weighs much.

use vaegis_vae::Purpose;

use crate::statistics::{BettingTest, normal_cdf, normal_quantile};
use crate::surrogate::{Pairs, QuadraticForm, Quartic, Said, likely};
use crate::{Encoding, Error, Target};

/// Draws of a group: pairs of opposite ones, so that odd terms cancel. Beyond `SMALL_LATENT` latent
/// dimensions the noise of large groups costs more than they save.
const GROUPS: [usize; 2] = [16, 8];
const SMALL_LATENT: usize = 32;

/// Numbers of noise that each draw has for itself, however large its group is.
const STRIDE: u64 = GROUPS[0] as u64 / 2;

/// Steps of the staircase that `a` is: its mean is that of as many probabilities of a form.
const STEPS: usize = 8;

/// Least and most of [`Limits::weight`], which grows from one to the other with the doubt.
const WEIGHTS: [f64; 2] = [1.1, 1.5];
const WEIGHT_PER_DOUBT: f64 = 8.0;

/// Least and most of [`Limits::difference`], and what it is in units of its deviation.
const DIFFERENCES: [f64; 2] = [0.01, 0.15];
const DIFFERENCE_DEVIATIONS: f64 = 4.0;

/// How often draws beyond doubt within r are decoded, relative to the average: rarely, as being
/// wrong there speaks against "robust".
const SURE: f64 = 0.1;

/// Share of the draws beyond doubt that are expected to be on the other side.
const SURPRISES: f64 = 0.0005;

/// Groups that a plan is made from.
const PLANNED: usize = 128;

/// Draws that an aim is corrected by, and where their noise begins.
const PROBE_DRAWS: usize = 512;
const PROBE_BLOCK: u64 = 1 << 37;

/// No surrogate is trusted to err less than this, relative to `r^2`: that would be rounding.
const LEAST_RESIDUAL: f64 = 1e-6;

/// Where the noise begins that chooses draws.
const CHOICES: u64 = 1 << 39;

/// What is known of the damages under a perturbation before its verdict.
#[derive(Debug)]
pub(super) struct Expectation<'a> {
    target: Target<'a>,
    encoding: &'a Encoding,
    square: f64,
    surrogates: Option<Surrogates>,
    /// Variance of Y.
    variance: f64,
}

/// What says how likely a draw is to stay within r.
#[derive(Debug)]
struct Surrogates {
    pairs: Pairs,
    /// The steps of a, as squared damages.
    steps: [f64; STEPS],
    /// F, the mean of a.
    known: f64,
    /// How far what b is made of errs.
    residual: f64,
    limits: Limits,
}

/// What keeps Y bounded: the lower the bound, the more may be staked on it.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// A draw that is not expected to be within counts at most this much when it is.
    weight: f64,
    /// What the surrogates may differ by in the mean of a group.
    difference: f64,
}

/// Draws to decode: noise, and how each counts, `Y = rest + weight * 1[within]`.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) eta: Vec<f32>,
    rests: Vec<f64>,
    weights: Vec<f64>,
}

impl<'a> Expectation<'a> {
    /// For a perturbed input's posterior: what a quadratic form that errs by about `residual`
    /// expects, and a quartic.
    pub(super) fn new(
        target: Target<'a>,
        encoding: &'a Encoding,
        r: f64,
        (quadratic, residual): (QuadraticForm<'_>, f64),
        quartic: Option<&Quartic>,
    ) -> Self {
        let square = r * r;
        let step = |k| square + residual * normal_quantile((k as f64 + 0.5) / STEPS as f64);
        let steps: [f64; STEPS] = std::array::from_fn(step);
        let known = steps.iter().map(|&step| quadratic.below(step)).sum::<f64>() / STEPS as f64;
        let residual = quartic.map_or(residual, |quartic| quartic.residual);
        let residual = residual.max(LEAST_RESIDUAL * square);
        let is_usable = !quadratic.is_constant() && known.is_finite();
        let limits = Limits { weight: WEIGHTS[1], difference: DIFFERENCES[1] };
        let surrogates = is_usable.then(|| {
            let pairs = Pairs::new(target.model, encoding, &quadratic, quartic);
            Surrogates { pairs, steps, known, residual, limits }
        });
        // A coin's, where nothing is known.
        let mut expectation = Self { target, encoding, square, surrogates, variance: 0.25 };
        expectation.plan();
        expectation
    }

    /// How far below 1/2 the probability must be for `share` of at most `draws` draws to decide
    /// at `level`, on average: what their variance asks for, with draws to spare for bad luck, and what can be
    /// won at the largest stakes, where luck has no part.
    pub(super) fn distance(&self, draws: u64, level: f64, share: f64) -> f64 {
        let information = -level.ln() / draws as f64;
        let largest = self.most_loss() * information / BettingTest::MOST_AT_STAKE;
        (2.0 * information / share * self.variance).sqrt().max(1.15 * largest)
    }

    /// The test of `P(|Delta| <= r) >= 1/2` by observing `1/2 - Y`.
    pub(super) fn test(&self, expected: f64) -> BettingTest {
        BettingTest::new(self.most_loss(), expected, self.variance)
    }

    /// `Y - 1/2` is at most this.
    fn most_loss(&self) -> f64 {
        match &self.surrogates {
            None => 0.5,
            Some(Surrogates { known, limits, .. }) => {
                known + limits.difference + limits.weight - 0.5
            }
        }
    }

    /// Estimate of `P(|Delta| <= r)` from draws that no verdict looks at, and its squared error.
    ///
    /// # Errors
    /// If a damage is not finite.
    pub(super) fn probe(&self) -> Result<(f64, f64), Error> {
        let batch = self.choose(Purpose::Candidates, PROBE_BLOCK, PROBE_DRAWS);
        let damages = self.target.damages(self.encoding, batch.eta.clone())?;
        let p = self.values(&batch, &damages).sum::<f64>() / PROBE_DRAWS as f64;
        Ok((p, self.variance / PROBE_DRAWS as f64))
    }

    /// Y of each draw, given its damage.
    pub(super) fn values<'b>(
        &'b self,
        batch: &'b Batch,
        damages: &'b [f32],
    ) -> impl Iterator<Item = f64> + 'b {
        let counts = batch.rests.iter().zip(&batch.weights);
        counts.zip(damages).map(|((rest, weight), damage)| {
            let is_within = f64::from(*damage).powi(2) <= self.square;
            rest + if is_within { *weight } else { 0.0 }
        })
    }

    /// Chooses `count` draws of some noise, one each of groups number `first` on.
    pub(super) fn choose(&self, purpose: Purpose, first: u64, count: usize) -> Batch {
        let Target { noise, index, model, .. } = self.target;
        let (latent, size) = (model.latent(), self.group());
        let Some(surrogates) = &self.surrogates else {
            let eta = noise.normal(purpose, index, first * STRIDE, count, latent);
            return Batch { eta, rests: vec![0.0; count], weights: vec![1.0; count] };
        };
        let choices = noise.normal(purpose, index, CHOICES + first, count, 1);
        let eta = self.groups(purpose, first, count);
        let groups = self.likelihoods(surrogates, &eta);
        let mut batch = Batch::default();
        for ((eta, group), choice) in
            eta.chunks(size / 2 * latent).zip(groups.chunks(size)).zip(choices)
        {
            let plan = Plan::new(surrogates.known, surrogates.limits, group);
            let chosen = plan.choose(normal_cdf(f64::from(choice)));
            let (pair, sign) = (chosen / 2, if chosen.is_multiple_of(2) { 1.0 } else { -1.0 });
            batch.eta.extend(eta[pair * latent..][..latent].iter().map(|e| sign * e));
            let weight = plan.weight(chosen);
            batch.rests.push(plan.base - weight * plan.likely[chosen]);
            batch.weights.push(weight);
        }
        batch
    }

    /// Draws of a group.
    fn group(&self) -> usize {
        GROUPS[usize::from(self.target.model.latent() > SMALL_LATENT)]
    }

    /// The noise of groups: that of the first of each pair of opposite draws.
    fn groups(&self, purpose: Purpose, first: u64, count: usize) -> Vec<f32> {
        let Target { noise, index, model, .. } = self.target;
        let half = self.group() / 2;
        noise.normal(purpose, index, first * STRIDE, count * half, model.latent())
    }

    /// a and b of each draw of groups: every draw is followed by its opposite.
    fn likelihoods(&self, surrogates: &Surrogates, eta: &[f32]) -> Vec<[f64; 2]> {
        let likely = |Said { rough, fine }: Said| {
            let passed = surrogates.steps.iter().filter(|&step| rough <= *step).count();
            [passed as f64 / STEPS as f64, likely(fine, self.square, surrogates.residual)]
        };
        surrogates.pairs.values(self.target.model, eta).into_iter().map(likely).collect()
    }

    /// Sets the limits, and the variance that Y has if the surrogates are right about themselves.
    fn plan(&mut self) {
        let Some(surrogates) = &self.surrogates else { return };
        let groups = self.likelihoods(surrogates, &self.groups(Purpose::Candidates, 0, PLANNED));
        let plans = |limits| -> Vec<Plan> {
            let plan = |group| Plan::new(surrogates.known, limits, group);
            groups.chunks(self.group()).map(plan).collect()
        };
        let average = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / PLANNED as f64;
        let spread = |plans: &[Plan]| {
            let mean = average(&mut plans.iter().map(|plan| plan.base));
            average(&mut plans.iter().map(|plan| (plan.base - mean).powi(2)))
        };
        let widest = plans(surrogates.limits);
        let doubt = average(&mut widest.iter().map(|plan| plan.doubt));
        let deviation = spread(&widest).sqrt();
        let limits = Limits {
            weight: (WEIGHTS[0] + WEIGHT_PER_DOUBT * doubt).min(WEIGHTS[1]),
            difference: (DIFFERENCE_DEVIATIONS * deviation).clamp(DIFFERENCES[0], DIFFERENCES[1]),
        };
        let plans = plans(limits);
        let within = average(&mut plans.iter().map(Plan::variance));
        let variance = spread(&plans) + within + SURPRISES * limits.weight;
        match &mut self.surrogates {
            Some(surrogates) if variance.is_finite() => {
                surrogates.limits = limits;
                self.variance = variance;
            }
            surrogates => *surrogates = None,
        }
    }
}

/// How one group is dealt with.
#[derive(Debug)]
struct Plan {
    /// `F + 1/K sum_k (b - a)`.
    base: f64,
    /// The mean deviation of what is not known.
    doubt: f64,
    /// b of each draw.
    likely: Vec<f64>,
    /// s of each draw, and their sum.
    shares: Vec<f64>,
    total: f64,
}

impl Plan {
    /// For F, and a group's a and b.
    fn new(known: f64, limits: Limits, group: &[[f64; 2]]) -> Self {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / group.len() as f64;
        let rough: Vec<f64> = group.iter().map(|[rough, _]| *rough).collect();
        let mut likely: Vec<f64> = group.iter().map(|[_, fine]| *fine).collect();
        let difference = mean(&likely) - mean(&rough);
        if difference > limits.difference {
            // Any b is as true: one closer to a keeps Y bounded.
            let scale = limits.difference / difference;
            for (likely, rough) in likely.iter_mut().zip(&rough) {
                *likely = rough + scale * (*likely - rough);
            }
        }
        // The best shares are the standard deviations of what is not known. Those added keep
        // `w (1 - b)` below the most weight: `mean(s) <= doubt + floor mean(1 - b)`.
        let doubts: Vec<f64> = likely.iter().map(|b| (b * (1.0 - b)).sqrt()).collect();
        let sure = SURE * mean(&doubts) + 1e-6;
        let doubt = mean(&doubts) + sure;
        let floor = doubt / (limits.weight - (1.0 - mean(&likely)));
        let share = |(b, doubt): (&f64, &f64)| doubt + sure * b + floor * (1.0 - b);
        let shares: Vec<f64> = likely.iter().zip(&doubts).map(share).collect();
        let base = known + mean(&likely) - mean(&rough);
        let (doubt, total) = (mean(&doubts), shares.iter().sum());
        Self { base, doubt, likely, shares, total }
    }

    /// The draw that a uniform number chooses.
    fn choose(&self, uniform: f64) -> usize {
        let mut left = uniform * self.total;
        for (k, share) in self.shares.iter().enumerate() {
            left -= share;
            if left < 0.0 {
                return k;
            }
        }
        self.shares.len() - 1
    }

    fn weight(&self, chosen: usize) -> f64 {
        self.total / (self.shares.len() as f64 * self.shares[chosen])
    }

    /// Variance of `w (1[within] - b)` if b is right.
    fn variance(&self) -> f64 {
        let terms = self.likely.iter().zip(&self.shares).map(|(b, share)| b * (1.0 - b) / share);
        self.total / (self.shares.len() as f64).powi(2) * terms.sum::<f64>()
    }
}
