use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::transposed::Transposed;
use super::{Calculus, Evaluation, Initialiser, features, host, merge, only, split};
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
            transposed: Transposed::default(),
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
    #[module(skip)]
    transposed: Transposed,
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
        let product = product(refold(x, inputs), self.weight.val());
        let output = match bias {
            Some(bias) => product + bias.unsqueeze(),
            None => product,
        };
        refold(output, positions * outputs)
    }
}

/// Share of the features that must be zero for their rows of the weight to be left out.
const SPARSE: f64 = 0.15;

/// With fewer rows, copying the weight would take about as long as is saved.
const SPARSE_ROWS: usize = 64;

/// `x W` without the features that are zero in every row: of hidden ReLU units about one posterior
/// a third may be. As weights are finite, that is the same number.
fn product(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let ([rows, inputs], outputs) = (x.dims(), weight.dims()[1]);
    if rows < SPARSE_ROWS || !host::holds(&x) || !host::holds(&weight) {
        return x.matmul(weight);
    }
    let numbers = host::read(x.clone());
    let least = (SPARSE * inputs as f64) as usize;
    let Some(used) = features_in_use(numbers.get(), inputs, least) else {
        return x.matmul(weight);
    };
    let device = x.device();
    let mut kept = Vec::with_capacity(rows * used.len());
    for row in numbers.get().chunks_exact(inputs) {
        kept.extend(used.iter().map(|&feature| row[feature]));
    }
    let weights = host::read(weight);
    let mut picked = Vec::with_capacity(used.len() * outputs);
    for &feature in &used {
        picked.extend_from_slice(&weights.get()[feature * outputs..][..outputs]);
    }
    let kept: Tensor<2> = Tensor::from_data(TensorData::new(kept, [rows, used.len()]), &device);
    let picked = TensorData::new(picked, [used.len(), outputs]);
    kept.matmul(Tensor::from_data(picked, &device))
}

/// The features that are not zero in every row, unless no more than `least` are.
fn features_in_use(rows: &[f32], inputs: usize, least: usize) -> Option<Vec<usize>> {
    let mut unused: Vec<usize> = (0..inputs).collect();
    for row in rows.chunks_exact(inputs) {
        unused.retain(|&feature| row[feature] == 0.0);
        if unused.len() <= least {
            return None;
        }
    }
    let mut unused = unused.into_iter().peekable();
    Some((0..inputs).filter(|feature| unused.next_if_eq(feature).is_none()).collect())
}

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
        let weight = self.weight.val();
        let cotangents = refold(merge(cotangent), outputs);
        let pulled = if host::holds(&cotangents) {
            // A neuron that is inactive in every row has no part in any cotangent.
            product(cotangents, self.transposed.of(weight))
        } else {
            cotangents.matmul(weight.transpose())
        };
        vec![split(refold(pulled, features / outputs * inputs), count)]
    }

    fn is_affine(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, salt: usize) -> Vec<f32> {
        (0..count).map(|k| ((k * 7919 + salt * 104_729) % 1013) as f32 / 1013.0 - 0.5).collect()
    }

    #[test]
    fn features_that_are_zero_in_every_row_change_nothing() {
        let (inputs, outputs) = (40, 9);
        let device = Device::flex();
        let weight: Tensor<2> = Tensor::from_data(
            TensorData::new(numbers(inputs * outputs, 1), [inputs, outputs]),
            &device,
        );
        // None, a few, many and all of the features are zero in every row but one; in that too.
        for (unused, rows) in [(0, 70), (3, 70), (20, 70), (40, 70), (20, 8)] {
            for exception in [None, Some(rows - 1)] {
                let mut values = numbers(rows * inputs, 2);
                for (row, values) in values.chunks_mut(inputs).enumerate() {
                    if exception != Some(row) {
                        // From every part of the row.
                        (0..unused).for_each(|k| values[(k * 13) % inputs] = 0.0);
                    }
                }
                let x =
                    || Tensor::from_data(TensorData::new(values.clone(), [rows, inputs]), &device);
                let found = product(x(), weight.clone()).into_data();
                let exact = x().matmul(weight.clone()).into_data();
                let pairs =
                    found.as_slice::<f32>().unwrap().iter().zip(exact.as_slice::<f32>().unwrap());
                for (found, exact) in pairs {
                    assert!((found - exact).abs() < 1e-5, "{unused} {rows}: {found} {exact}");
                }
            }
        }
    }

    #[test]
    fn only_features_in_use_are_kept() {
        let rows = [0.0, 1.0, 0.0, 0.0, 0.0, -2.0, 0.0, 3.0];
        assert_eq!(features_in_use(&rows, 4, 1), Some(vec![1, 3]));
        assert_eq!(features_in_use(&rows, 4, 2), None);
        assert_eq!(features_in_use(&rows, 2, 0), Some(vec![1]));
        assert_eq!(features_in_use(&rows, 8, 4), Some(vec![1, 5, 7]));
    }
}
