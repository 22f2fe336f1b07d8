use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vaegis_network::ops::{ActivationConfig, Function, OperatorConfig};

/// What the decoder's outputs, the natural parameters, mean: `p(x|z)`, independent
/// over the features of x.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Likelihood {
    /// Bernoulli with the parameters as logits. Pixels between 0 and 1 are scored by
    /// cross-entropy, as is usual, though that is no density on [0, 1].
    Bernoulli,
    /// Continuous Bernoulli with the parameters as logits [Loaiza-Ganem & Cunningham 2019]:
    /// a density on [0, 1].
    ContinuousBernoulli,
    /// Gaussian with the parameters as means and one fixed standard deviation.
    Gaussian {
        /// Standard deviation of every feature.
        sigma: f64,
    },
}

impl Likelihood {
    /// Its name with its parameters: `Bernoulli`, `Gaussian (sigma 0.1)`.
    pub fn name(self) -> String {
        match self {
            Self::Bernoulli => "Bernoulli".to_string(),
            Self::ContinuousBernoulli => "continuous Bernoulli".to_string(),
            Self::Gaussian { sigma } => format!("Gaussian (sigma {sigma})"),
        }
    }

    /// The function from natural parameters to the mean of `p(x|z)`, if it is not the identity.
    pub fn mean_function(self) -> Option<OperatorConfig> {
        let function = match self {
            Self::Bernoulli => Function::Sigmoid,
            Self::ContinuousBernoulli => Function::ContinuousBernoulliMean,
            Self::Gaussian { .. } => return None,
        };
        Some(OperatorConfig::Activation(ActivationConfig { function }))
    }

    /// `log p(x|z)`, summed over features, in nats.
    ///
    /// # Shapes
    /// `natural`, `x`: `[rows, features]`; result `[rows]`.
    pub fn log_probability(self, natural: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        if natural.is_autodiff() {
            return self.differentiable_log_probability(natural, x);
        }
        let features = x.dims()[1];
        match self {
            Self::Bernoulli => {
                sum_features(x * natural.clone() - Function::Softplus.value(natural))
            }
            Self::ContinuousBernoulli => sum_features(x * natural.clone() - log_partition(natural)),
            Self::Gaussian { sigma } => {
                let constant = features as f64 * (sigma.ln() + 0.5 * std::f64::consts::TAU.ln());
                sum_features((x - natural).square()) * (-0.5 / (sigma * sigma)) - constant
            }
        }
    }

    /// The same with its derivative by the natural parameters, which is known: to differentiate the
    /// formula operation by operation was a fifth of an epoch of a multilayer perceptron.
    fn differentiable_log_probability(self, natural: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let plain = natural.clone().inner();
        let x = if x.is_autodiff() { x.inner() } else { x };
        let value = self.log_probability(plain.clone(), x.clone());
        let along = sum_features(natural * Tensor::from_inner(self.score(plain, x)));
        along.clone() - along.detach() + Tensor::from_inner(value)
    }

    /// The derivative of [`log_probability`](Self::log_probability) with respect to the natural
    /// parameters: `x - E[x|z]`, over sigma^2 for a Gaussian.
    ///
    /// # Shapes
    /// `natural`, `x` and result: `[rows, features]`.
    pub fn score(self, natural: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Bernoulli => x - Function::Sigmoid.value(natural),
            Self::ContinuousBernoulli => x - Function::ContinuousBernoulliMean.value(natural),
            Self::Gaussian { sigma } => (x - natural) * (sigma * sigma).recip(),
        }
    }

    /// Whether data must lie in [0, 1].
    pub fn needs_unit_interval(self) -> bool {
        !matches!(self, Self::Gaussian { .. })
    }
}

fn sum_features(values: Tensor<2>) -> Tensor<1> {
    values.sum_dim(1).squeeze_dim(1)
}

/// `ln((e^t - 1) / t)`, the log normaliser of the continuous Bernoulli with logit t:
/// `max(t, 0) + ln((1 - e^-|t|) / |t|)`, by its series near 0 where that cancels.
fn log_partition(t: Tensor<2>) -> Tensor<2> {
    const SERIES_RANGE: f64 = 0.5;
    let square = t.clone().square();
    let series = t.clone() * 0.5
        + ((square.clone() * (1.0 / 181_440.0) - 1.0 / 2_880.0) * square.clone() + 1.0 / 24.0)
            * square;
    let magnitude = t.clone().abs();
    let near = magnitude.clone().lower_elem(SERIES_RANGE);
    // The value put in place of small logits keeps the unused branch's gradient finite.
    let safe = magnitude.mask_fill(near.clone(), SERIES_RANGE);
    let far = t.clamp_min(0.0) + ((safe.clone() * -1.0).exp() * -1.0 + 1.0).log() - safe.log();
    far.mask_where(near, series)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    const LOGITS: [f64; 13] =
        [-60.0, -12.0, -3.0, -0.6, -0.4, -1e-3, 0.0, 1e-4, 0.3, 0.51, 2.0, 9.0, 60.0];

    fn column(values: &[f64]) -> Tensor<2> {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        Tensor::from_data(TensorData::new(values.clone(), [values.len(), 1]), &Device::flex())
    }

    fn score(likelihood: Likelihood, logits: &[f64], x: f64) -> Vec<f32> {
        let natural = column(logits);
        let x = natural.zeros_like() + x;
        likelihood.log_probability(natural, x).into_data().try_to_vec().unwrap()
    }

    #[test]
    fn bernoulli_is_cross_entropy() {
        for x in [0.0, 0.25, 1.0] {
            for (t, found) in LOGITS.iter().zip(score(Likelihood::Bernoulli, &LOGITS, x)) {
                let p = 1.0 / (1.0 + (-t).exp());
                let exact = x * t - if *t > 30.0 { *t } else { t.exp().ln_1p() };
                assert!(
                    (f64::from(found) - exact).abs() < 1e-5 * (1.0 + exact.abs()),
                    "{t} {x} {p}"
                );
            }
        }
    }

    #[test]
    fn continuous_bernoulli_is_a_density() {
        // Simpson's rule over x in [0, 1] for every logit at once.
        let steps = 2000;
        let mut integral = vec![0.0f64; LOGITS.len()];
        let mut first_moment = integral.clone();
        for k in 0..=steps {
            let x = k as f64 / steps as f64;
            let weight = if k == 0 || k == steps {
                1.0
            } else if k % 2 == 1 {
                4.0
            } else {
                2.0
            };
            let densities = score(Likelihood::ContinuousBernoulli, &LOGITS, x);
            for (slot, value) in densities.iter().enumerate() {
                let mass = weight / 3.0 / steps as f64 * f64::from(*value).exp();
                integral[slot] += mass;
                first_moment[slot] += mass * x;
            }
        }
        let device = Device::flex();
        let operator = Likelihood::ContinuousBernoulli.mean_function().unwrap();
        let mut builder = vaegis_network::NetworkBuilder::new(vec![1]);
        let value = builder.push(operator, &[0]);
        let mut initialiser = vaegis_network::ops::Initialiser::new(0);
        let network = builder.finish(&[value], &mut initialiser, &device).unwrap();
        let means: Vec<f32> =
            network.forward(column(&LOGITS)).remove(0).into_data().try_to_vec().unwrap();
        for slot in 0..LOGITS.len() {
            assert!((integral[slot] - 1.0).abs() < 2e-5, "{}: {}", LOGITS[slot], integral[slot]);
            assert!((first_moment[slot] - f64::from(means[slot])).abs() < 2e-5, "{}", LOGITS[slot]);
        }
    }

    #[test]
    fn gaussian_matches_its_formula() {
        let found = score(Likelihood::Gaussian { sigma: 0.5 }, &[0.25], 1.0)[0];
        let exact = -0.5 * (0.75f64 / 0.5).powi(2) - 0.5f64.ln() - 0.5 * std::f64::consts::TAU.ln();
        assert!((f64::from(found) - exact).abs() < 1e-5);
    }

    #[test]
    fn scores_are_finite_derivatives() {
        let gaussian = Likelihood::Gaussian { sigma: 0.5 };
        for likelihood in [Likelihood::Bernoulli, Likelihood::ContinuousBernoulli, gaussian] {
            let values: Vec<f32> = LOGITS.iter().map(|&v| v as f32).collect();
            let data = TensorData::new(values, [LOGITS.len(), 1]);
            let natural = Tensor::<2>::from_data(data, &Device::flex().autodiff()).require_grad();
            let x = natural.zeros_like() + 0.3;
            let each = likelihood.log_probability(natural.clone(), x);
            let gradient = natural.grad(&each.clone().sum().backward()).unwrap();
            let gradient: Vec<f32> = gradient.into_data().try_to_vec().unwrap();
            // Values are those without derivatives, and derivatives those of the values.
            let each: Vec<f32> = each.into_data().try_to_vec().unwrap();
            let shifted = |by: f64| self::score(likelihood, &LOGITS.map(|t| t + by), 0.3);
            assert_eq!(each, shifted(0.0));
            for ((above, below), found) in shifted(0.02).iter().zip(shifted(-0.02)).zip(&gradient) {
                let slope = (above - below) / 0.04;
                assert!((slope - found).abs() <= 2e-3 * (1.0 + slope.abs()), "{slope} {found}");
            }
            if likelihood.needs_unit_interval() {
                // d log p / dt = x - mean, so it lies in [-1, 1].
                assert!(gradient.iter().all(|g| g.is_finite() && g.abs() <= 1.0), "{gradient:?}");
            }
            let natural = column(&LOGITS);
            let x = natural.zeros_like() + 0.3;
            let score: Vec<f32> = likelihood.score(natural, x).into_data().try_to_vec().unwrap();
            for ((found, exact), t) in score.iter().zip(&gradient).zip(LOGITS) {
                assert!(
                    (found - exact).abs() <= 1e-6 * (1.0 + exact.abs()),
                    "{t}: {found} {exact}"
                );
            }
        }
    }
}
