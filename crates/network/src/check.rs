//! A network's derivatives held against its own values: what can be verified of an imported
//! graph without the program that wrote it.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::Network;

/// How well derivatives agree with what they must equal; relative errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DerivativeCheck {
    /// Of `jvp` against central differences: limited by the differences, about 1e-3.
    pub differences: f64,
    /// Of `<c, J t>` by `jvp` against the same by `vjp`: rounding only.
    pub adjoint: f64,
}

/// Compares derivatives at a point, `x`: `[input features]`, in random directions; all
/// outputs together.
pub fn check_derivatives(network: &Network, x: &[f32], seed: u64) -> DerivativeCheck {
    let features = network.input_features();
    let device = network.device();
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut random = |count: usize| -> Vec<f32> {
        (0..count).map(|_| generator.random_range(-1.0f32..1.0)).collect()
    };
    let row = |values: Vec<f32>| tensor(values, &device);
    let x = row(x.to_vec());
    let direction = random(features);
    // A step that is small against the input but not against its rounding.
    let step = 3e-3;
    let tangent = row(direction);
    let ahead = network.forward(x.clone() + tangent.clone() * step);
    let behind = network.forward(x.clone() - tangent.clone() * step);
    let trace = network.trace(x);
    let pushed = network.jvp(&trace, tangent.clone().unsqueeze_dim(1));

    let (mut error, mut size) = (0.0, 0.0);
    let (mut by_jvp, mut magnitude, mut cotangents) = (0.0, 0.0, vec![]);
    for ((ahead, behind), pushed) in ahead.into_iter().zip(behind).zip(pushed) {
        let difference = values((ahead - behind) / (2.0 * step));
        let pushed = values(pushed.flatten::<2>(0, 1));
        let cotangent = random(pushed.len());
        for ((pushed, difference), cotangent) in pushed.iter().zip(&difference).zip(&cotangent) {
            error += (pushed - difference).powi(2);
            size += pushed.powi(2);
            by_jvp += pushed * f64::from(*cotangent);
            magnitude += (pushed * f64::from(*cotangent)).abs();
        }
        cotangents.push(Some(row(cotangent).unsqueeze_dim(1)));
    }
    let pulled = values(network.vjp(&trace, cotangents).flatten::<2>(0, 1));
    let by_vjp: f64 = pulled.iter().zip(&values(tangent)).map(|(a, b)| a * b).sum();
    DerivativeCheck {
        differences: (error / f64::max(size, f64::MIN_POSITIVE)).sqrt(),
        adjoint: (by_jvp - by_vjp).abs() / f64::max(magnitude, f64::MIN_POSITIVE),
    }
}

fn tensor(values: Vec<f32>, device: &Device) -> Tensor<2> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [1, count]), device)
}

fn values(tensor: Tensor<2>) -> Vec<f64> {
    let data = tensor.into_data().convert_dtype(burn::tensor::DType::F64);
    data.try_to_vec::<f64>().expect("converted to f64 just above")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NetworkBuilder;
    use crate::ops::{ActivationConfig, Function, Initialiser, LinearConfig, OperatorConfig};

    #[test]
    fn right_derivatives_pass() {
        let mut builder = NetworkBuilder::new(vec![7]);
        let linear = OperatorConfig::Linear(LinearConfig { inputs: 7, outputs: 5 });
        let hidden = builder.push(linear, &[0]);
        let function = ActivationConfig { function: Function::Tanh };
        let output = builder.push(OperatorConfig::Activation(function), &[hidden]);
        let network = builder.finish(&[hidden, output], &mut Initialiser::new(3), &Device::flex());
        let check = check_derivatives(&network.unwrap(), &[0.2; 7], 1);
        assert!(check.differences < 1e-3 && check.adjoint < 1e-6, "{check:?}");
    }
}
