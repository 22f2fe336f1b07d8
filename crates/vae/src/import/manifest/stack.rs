//! A network under construction, layer by layer.

use std::path::Path;

use burn::tensor::Device;
use vaegis_network::ops::{
    ActivationConfig, ElementwiseAffineConfig, Function, Initialiser, OperatorConfig,
};
use vaegis_network::{Network, NetworkBuilder, Value, Weights};

use crate::Error;

/// Most features of a value.
const MOST_FEATURES: usize = 1 << 26;

/// A value and its sample shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    pub(super) value: Value,
    pub(super) shape: Vec<usize>,
}

impl Held {
    pub(super) fn features(&self) -> usize {
        self.shape.iter().product()
    }

    /// Channels, and the features of each.
    pub(super) fn channels(&self) -> (usize, usize) {
        (self.shape[0], self.shape[1..].iter().product())
    }

    /// As an image.
    pub(super) fn image(&self) -> Result<[usize; 3], String> {
        self.shape.as_slice().try_into().map_err(|_| {
            format!("it takes [channels, height, width], found samples of shape {:?}", self.shape)
        })
    }
}

/// Operators and their parameters.
pub(super) struct Stack {
    builder: NetworkBuilder,
    weights: Weights,
}

impl Stack {
    /// For inputs of that sample shape.
    pub(super) fn new(shape: &[usize]) -> Result<(Self, Held), String> {
        check(shape)?;
        let builder = NetworkBuilder::new(shape.to_vec());
        let input = Held { value: 0, shape: shape.to_vec() };
        Ok((Self { builder, weights: Weights::default() }, input))
    }

    /// Adds an operator with its parameters: name, shape and values of each.
    pub(super) fn push(
        &mut self,
        operator: OperatorConfig,
        inputs: &[&Held],
        parameters: Vec<(&str, Vec<usize>, Vec<f32>)>,
        shape: Vec<usize>,
    ) -> Result<Held, String> {
        check(&shape)?;
        let inputs: Vec<Value> = inputs.iter().map(|input| input.value).collect();
        let value = self.builder.push(operator, &inputs);
        for (name, shape, values) in parameters {
            self.weights.insert(format!("{}.{name}", value - 1), shape, values);
        }
        Ok(Held { value, shape })
    }

    pub(super) fn function(&mut self, x: &Held, function: Function) -> Result<Held, String> {
        let operator = OperatorConfig::Activation(ActivationConfig { function });
        self.push(operator, &[x], vec![], x.shape.clone())
    }

    /// `scale x + shift`, where each number holds for `inner` neighbouring features.
    pub(super) fn affine(
        &mut self,
        x: &Held,
        inner: usize,
        scale: Vec<f32>,
        shift: Vec<f32>,
    ) -> Result<Held, String> {
        let size = scale.len();
        let operator = OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size, inner });
        let parameters = vec![("scale", vec![size], scale), ("shift", vec![size], shift)];
        self.push(operator, &[x], parameters, x.shape.clone())
    }

    /// The network that returns these values; `origin` is the file to blame.
    pub(super) fn network(
        self,
        outputs: &[Value],
        device: &Device,
        origin: &Path,
    ) -> Result<Network, Error> {
        // The initial parameters are all replaced.
        let network = self.builder.finish(outputs, &mut Initialiser::new(0), device)?;
        Ok(self.weights.apply(network, "", origin)?.simplified()?)
    }
}

/// Sizes come from a file: nothing is done with them before they are known to be moderate.
pub(super) fn check(shape: &[usize]) -> Result<(), String> {
    let product = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    match product {
        Some(1..=MOST_FEATURES) if !shape.is_empty() => Ok(()),
        Some(0) => Err(format!("samples of shape {shape:?} are empty")),
        Some(_) if shape.is_empty() => Err("samples need at least one axis".to_string()),
        _ => Err(format!("samples of shape {shape:?} are too large")),
    }
}
