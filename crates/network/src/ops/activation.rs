use burn::module::Module;
use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, elementwise, only};

/// The element-wise functions that networks use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "function")]
pub enum Function {
    /// `max(x, 0)`.
    Relu,
    /// `x` for positive x, `slope * x` otherwise.
    LeakyRelu {
        /// Slope of the negative side.
        slope: f64,
    },
    /// `x` for positive x, `alpha (e^x - 1)` otherwise.
    Elu {
        /// Depth of the negative side.
        alpha: f64,
    },
    /// `x Phi(x)`, exact (not the tanh approximation).
    Gelu,
    /// `x sigmoid(x)`, also called swish.
    Silu,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `(1 + coth(x/2) - 2/x) / 2`: the mean of the density proportional to `e^(x u)`
    /// on [0, 1], that is of a continuous Bernoulli with logit x (a Langevin function).
    ContinuousBernoulliMean,
}

impl Function {
    fn value(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Relu => activation::relu(x),
            Self::LeakyRelu { slope } => activation::leaky_relu(x, slope),
            Self::Elu { alpha } => activation::elu(x, alpha),
            Self::Gelu => activation::gelu(x),
            Self::Silu => elementwise::apply(x, elementwise::silu_in_place, activation::silu),
            Self::Softplus => softplus(x),
            Self::Sigmoid => {
                elementwise::apply(x, elementwise::sigmoid_in_place, activation::sigmoid)
            }
            Self::Tanh => elementwise::apply(x, elementwise::tanh_in_place, Tensor::tanh),
            Self::ContinuousBernoulliMean => continuous_bernoulli_mean(x),
        }
    }

    /// Derivative at input `x` with value `y`. At a kink, the right derivative of
    /// the negative side (0 for ReLU at 0), as PyTorch has it.
    fn derivative(self, x: &Tensor<2>, y: &Tensor<2>) -> Tensor<2> {
        let positive = || x.clone().greater_elem(0.0).float();
        let logistic = || Self::Sigmoid.value(x.clone());
        match self {
            Self::Relu => positive(),
            Self::LeakyRelu { slope } => positive() * (1.0 - slope) + slope,
            // alpha e^x = y + alpha on the negative side.
            Self::Elu { alpha } => (y.clone() + alpha).mask_fill(x.clone().greater_elem(0.0), 1.0),
            Self::Gelu => {
                let density = (x.clone().square() * -0.5).exp() * 0.398_942_280_401_432_7;
                let cumulative = ((x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
                cumulative + x.clone() * density
            }
            Self::Silu => {
                let s = logistic();
                s.clone() * (x.clone() * (s * -1.0 + 1.0) + 1.0)
            }
            Self::Softplus => logistic(),
            Self::Sigmoid => y.clone() * (y.clone() * -1.0 + 1.0),
            Self::Tanh => y.clone().square() * -1.0 + 1.0,
            Self::ContinuousBernoulliMean => continuous_bernoulli_variance(x.clone()),
        }
    }
}

/// Logits nearer to 0 than this use a series: the closed forms cancel there.
const SERIES_RANGE: f64 = 1.0;

/// `x` with logits near 0 replaced by [`SERIES_RANGE`], and where that was.
fn away_from_zero(x: Tensor<2>) -> (Tensor<2>, Tensor<2, burn::tensor::Bool>) {
    let near = x.clone().abs().lower_elem(SERIES_RANGE);
    (x.mask_fill(near.clone(), SERIES_RANGE), near)
}

fn continuous_bernoulli_mean(x: Tensor<2>) -> Tensor<2> {
    let square = x.clone().square();
    let series = (((square.clone() * (-1.0 / 1_209_600.0) + 1.0 / 30_240.0) * square.clone()
        - 1.0 / 720.0)
        * square
        + 1.0 / 12.0)
        * x.clone()
        + 0.5;
    let (x, near) = away_from_zero(x);
    let far = (x.clone() * 0.5).tanh().recip() * 0.5 - x.recip() + 0.5;
    far.mask_where(near, series)
}

/// Derivative of [`continuous_bernoulli_mean`]: `1/x^2 - 1/(4 sinh(x/2)^2)`.
fn continuous_bernoulli_variance(x: Tensor<2>) -> Tensor<2> {
    let square = x.clone().square();
    let series = ((square.clone() * (-7.0 / 1_209_600.0) + 5.0 / 30_240.0) * square.clone()
        - 3.0 / 720.0)
        * square
        + 1.0 / 12.0;
    let (x, near) = away_from_zero(x);
    let magnitude = x.clone().abs();
    // 4 sinh(x/2)^2 = e^|x| (1 - e^-|x|)^2, which cannot overflow once inverted.
    let decay = (magnitude * -1.0).exp();
    let far = x.square().recip() - decay.clone() / (decay * -1.0 + 1.0).square();
    far.mask_where(near, series)
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: Tensor<2>) -> Tensor<2> {
    x.clone().clamp_min(0.0) + (x.abs() * -1.0).exp().log1p()
}

/// Configuration of [`Activation`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivationConfig {
    /// Which function.
    #[serde(flatten)]
    pub function: Function,
}

impl ActivationConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Activation {
        Activation { config: self.clone() }
    }
}

/// An element-wise function.
#[derive(Module, Debug)]
pub struct Activation {
    #[module(skip)]
    pub(super) config: ActivationConfig,
}

impl Activation {
    fn scale(&self, at: Evaluation<'_>, vectors: &Tensor<3>) -> Tensor<3> {
        let derivative = self.config.function.derivative(at.inputs[0], at.output);
        vectors.clone() * derivative.unsqueeze_dim(1)
    }
}

impl Calculus for Activation {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        Ok(only(inputs)?.to_vec())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.config.function.value(inputs[0].clone())
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        self.config.function.value(inputs.remove(0))
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        self.scale(at, &tangents[0])
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![self.scale(at, &cotangent)]
    }
}
