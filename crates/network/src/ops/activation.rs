use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Function, Initialiser, Piece, only};
use crate::bounds::{Elementwise, Envelope, Interval, Line, Planes, Pulled, Relaxation, is_line};

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
    /// Pieces of the function for inputs within an interval, on all of which it must be defined.
    pub(crate) fn pieces(&self, input: &Interval) -> Result<Vec<Piece>, String> {
        input.ends().try_for_each(|[low, high]| self.config.function.defined(low, high))?;
        let low = input.low().iter().copied().fold(f64::INFINITY, f64::min);
        let high = input.high().iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.config.function.pieces(low, high)
    }

    /// Whether the function is defined and one straight line on an interval.
    pub(crate) fn is_line(&self, low: f64, high: f64) -> bool {
        let function = self.config.function;
        low.is_finite()
            && high.is_finite()
            && function.defined(low, high).is_ok()
            && function.pieces(low, high).is_ok_and(|pieces| is_line(&pieces, [low, high]))
    }

    fn scale(&self, at: Evaluation<'_>, vectors: Tensor<3>) -> Tensor<3> {
        let derivative = self.config.function.derivative(at.inputs[0], at.output);
        vectors * derivative.unsqueeze_dim(1)
    }
}

impl Calculus for Activation {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        self.config.function.check()?;
        Ok(only(inputs)?.to_vec())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.config.function.value(inputs[0].clone())
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        self.config.function.value(inputs.remove(0))
    }

    fn jvp(&self, at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        self.scale(at, tangents[0].clone())
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        vec![self.scale(at, cotangent)]
    }

    fn interval(&self, inputs: &[&Interval]) -> Result<Interval, String> {
        let input = inputs[0];
        let pieces = self.pieces(input)?;
        let range = |[low, high]: [f64; 2]| Envelope::new(&pieces, low, high).range();
        let (low, high) = input.ends().map(range).map(|[low, high]| (low, high)).unzip();
        Interval::new(input.rows(), low, high)
    }

    fn relax(&self, inputs: &[&Interval]) -> Result<Box<dyn Relaxation>, String> {
        let input = inputs[0].clone();
        let pieces = self.pieces(&input)?;
        let lines = input.ends().map(|[low, high]| Envelope::new(&pieces, low, high).lines());
        let planes = planes(lines, &input)?;
        Ok(Box::new(Lines { planes, pieces, input }))
    }
}

/// Lines below and above an element-wise function.
#[derive(Debug)]
struct Lines {
    planes: Elementwise,
    /// Of the function.
    pieces: Vec<Piece>,
    input: Interval,
}

fn planes(lines: impl Iterator<Item = [Line; 2]>, input: &Interval) -> Result<Elementwise, String> {
    let count = input.low().len();
    let mut below = Planes::with_capacity(1, count);
    let mut above = below.clone();
    for [lower, upper] in lines {
        below.push(&[lower.slope], lower.offset);
        above.push(&[upper.slope], upper.offset);
    }
    Elementwise::new(below, above, &[input])
}

impl Relaxation for Lines {
    fn pull(&self, coefficients: Tensor<3>) -> Pulled {
        self.planes.pull(coefficients)
    }

    fn reach(&self) -> &[f64] {
        self.planes.reach()
    }

    fn slopes(&self) -> Option<[&[f64]; 2]> {
        Some(self.planes.slopes_of(0))
    }

    fn set_slopes(&mut self, below: &[f64], above: &[f64]) -> Result<(), String> {
        let count = self.input.low().len();
        if below.len() != count || above.len() != count {
            let (below, above) = (below.len(), above.len());
            return Err(format!("expects {count} slopes, found {below} and {above}"));
        }
        let lines = self.input.ends().zip(below.iter().zip(above));
        let lines = lines.map(|([low, high], (&below, &above))| {
            Envelope::new(&self.pieces, low, high).lines_of_slopes(below, above)
        });
        self.planes = planes(lines, &self.input)?;
        Ok(())
    }
}
