use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Initialiser, features, merge, only, split};
use crate::bounds::real;

/// Configuration of [`Linear`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearConfig {
    /// Features of the input: all of a sample, or those along its last axis.
    pub inputs: usize,
    /// Features of the output.
    pub outputs: usize,
}

impl LinearConfig {
    /// The operator with parameters drawn by `initialiser`.
    pub fn init(&self, initialiser: &mut Initialiser, device: &Device) -> Linear {
        // A configuration without a weight is refused when the graph asks for its shape.
        let shape = self.weight().unwrap_or_default();
        Linear {
            weight: initialiser.uniform(shape, self.inputs, device),
            bias: initialiser.uniform([shape[1]], self.inputs, device),
            config: self.clone(),
        }
    }

    /// Shape of the weight, or why there is none.
    fn weight(&self) -> Result<[usize; 2], String> {
        let shape = [self.inputs, self.outputs];
        features(&shape)?;
        Ok(shape)
    }
}

/// `x W + b`, over all features of a sample whatever its shape if they are as many as
/// the inputs, otherwise over its last axis.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    pub(super) config: LinearConfig,
}

/// Splits rows into rows of `width` features, or joins them.
fn refold(tensor: Tensor<2>, width: usize) -> Tensor<2> {
    let [rows, features] = tensor.dims();
    tensor.reshape([rows * features / width, width])
}

impl Linear {
    /// `x W + b` or `x W`.
    fn apply(&self, x: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
        let LinearConfig { inputs, outputs } = self.config;
        let positions = x.dims()[1] / inputs;
        let product = refold(x, inputs).matmul(self.weight.val());
        let output = match bias {
            Some(bias) => product + bias.unsqueeze(),
            None => product,
        };
        refold(output, positions * outputs)
    }
}

/// Share of the features that must be zero for their rows of the weight to be left out.
const SPARSE: f64 = 0.15;

impl Linear {
    /// The vjp of an operator on all features in f64, as bounds have it: no function of a row
    /// depends on a neuron that is inactive for all inputs, and these may be most.
    fn pull_sparse(&self, cotangent: Tensor<3>) -> Tensor<3> {
        let [rows, count, features] = cotangent.dims();
        let inputs = self.config.inputs;
        let numbers = real::numbers(cotangent);
        let weight = self.weight.val();
        let mut copied: Option<Vec<f64>> = None;
        let pull = |functions: &[f64]| {
            let used = used_features(functions, features);
            if used.len() as f64 > (1.0 - SPARSE) * features as f64 {
                let functions = real::tensor(functions.to_vec(), [count, features]);
                return functions.matmul(weight.clone().transpose());
            }
            if used.is_empty() {
                return real::tensor(vec![0.0; count * inputs], [count, inputs]);
            }
            let all = copied.get_or_insert_with(|| real::numbers(weight.clone()));
            let pick = |row: &[f64]| used.iter().map(|&f| row[f]).collect::<Vec<_>>();
            let kept = |numbers: &[f64]| -> Tensor<2> {
                let picked: Vec<f64> = numbers.chunks_exact(features).flat_map(pick).collect();
                let rows = numbers.len() / features;
                real::tensor(picked, [rows, used.len()])
            };
            kept(functions).matmul(kept(all).transpose())
        };
        let pulled: Vec<Tensor<2>> = numbers.chunks_exact(count * features).map(pull).collect();
        Tensor::cat(pulled, 0).reshape([rows, count, inputs])
    }
}

/// The features that some function depends on.
fn used_features(functions: &[f64], features: usize) -> Vec<usize> {
    let mut used = vec![0.0f64; features];
    for function in functions.chunks_exact(features) {
        used.iter_mut().zip(function).for_each(|(used, a)| *used += a.abs());
    }
    (0..features).filter(|&feature| used[feature] != 0.0).collect()
}

impl Calculus for Linear {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let LinearConfig { inputs: expected, outputs } = self.config;
        self.config.weight()?;
        let input = only(inputs)?;
        let found = features(input)?;
        match input {
            _ if found == expected => Ok(vec![outputs]),
            [positions @ .., last] if *last == expected => {
                let shape = [positions, &[outputs]].concat();
                features(&shape)?;
                Ok(shape)
            }
            _ => Err(format!("expects {expected} features, found {found}")),
        }
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.apply(inputs[0].clone(), Some(self.bias.val()))
    }

    fn jvp(&self, _at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        let count = tangents[0].dims()[1];
        split(self.apply(merge(tangents[0].clone()), None), count)
    }

    fn vjp(&self, _at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let LinearConfig { inputs, outputs } = self.config;
        let [_, count, features] = cotangent.dims();
        if cotangent.dtype() == DType::F64 && features == outputs {
            return vec![self.pull_sparse(cotangent)];
        }
        let pulled = refold(merge(cotangent), outputs).matmul(self.weight.val().transpose());
        vec![split(refold(pulled, features / outputs * inputs), count)]
    }

    fn is_affine(&self) -> bool {
        true
    }
}
