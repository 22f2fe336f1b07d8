//! Data and model fitted to each other: preprocessing, layout and shape of samples.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use vaegis_network::ops::{
    ElementwiseAffineConfig, GatherConfig, Indices, Initialiser, Operator, OperatorConfig,
    ReshapeConfig,
};
use vaegis_network::{Network, NetworkBuilder};

use super::preprocessing::Affine;

/// Whether samples of one shape are those of another, axes of size 1 aside or flattened.
pub(super) fn is_same(a: &[usize], b: &[usize]) -> bool {
    let long = |shape: &[usize]| -> Vec<usize> {
        shape.iter().copied().filter(|&size| size != 1).collect()
    };
    let (a, b) = (long(a), long(b));
    let equal = a.iter().product::<usize>() == b.iter().product::<usize>();
    equal && (a == b || a.len() <= 1 || b.len() <= 1)
}

/// Whether one shape has several axes where the other is flat.
pub(super) fn is_folded(a: &[usize], b: &[usize]) -> bool {
    let axes = |shape: &[usize]| shape.iter().filter(|&&size| size != 1).count();
    is_same(a, b) && axes(a) != axes(b)
}

pub(super) fn affine_operator(affine: &Affine, inner: usize, device: &Device) -> Operator {
    let size = affine.gain.len();
    let config = ElementwiseAffineConfig { size, inner };
    let tensor = |values: &[f64]| {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        Tensor::from_data(TensorData::new(values, [size]), device)
    };
    let mut operator = config.init(&mut Initialiser::new(0), device);
    operator.scale = Param::from_tensor(tensor(&affine.gain));
    operator.shift = Param::from_tensor(tensor(&affine.shift));
    Operator::ElementwiseAffine(operator)
}

/// Whether images with their channels first are wanted with their channels last.
pub(super) fn is_channels_last(data: &[usize], model: &[usize]) -> bool {
    matches!((data, model), (&[c, h, w], &[a, b, d]) if [h, w, c] == [a, b, d] && [c, h, w] != [a, b, d] && c > 1)
}

/// From the data to what the encoder takes, if that is not the same.
pub(super) fn to_model(
    data: &[usize],
    model: &[usize],
    affine: Option<&Affine>,
) -> Result<Option<Network>, String> {
    if data == model && affine.is_none() {
        return Ok(None);
    }
    let mut chain = Chain::new(data, affine)?;
    if is_channels_last(data, model) {
        let (channels, area) = (data[0], data[1] * data[2]);
        chain.gather(model, (0..area).flat_map(|at| (0..channels).map(move |c| c * area + at)))?;
    } else if is_same(data, model) {
        chain.reshape(model)?;
    } else {
        return Err(format!("the encoder takes samples of shape {model:?}, the data has {data:?}"));
    }
    chain.network.map(Some)
}

/// From what the decoder returns to the data, if that is not the same.
pub(super) fn to_data(
    made: &[usize],
    data: &[usize],
    affine: Option<&Affine>,
) -> Result<Option<Network>, String> {
    if made == data && affine.is_none() {
        return Ok(None);
    }
    let mut chain = Chain::new(made, None)?;
    if is_channels_last(data, made) {
        let (channels, area) = (data[0], data[1] * data[2]);
        chain
            .gather(data, (0..channels).flat_map(|c| (0..area).map(move |at| at * channels + c)))?;
    } else if is_same(made, data) {
        chain.reshape(data)?;
    } else {
        return Err(format!(
            "the decoder returns samples of shape {made:?}, the data has {data:?}"
        ));
    }
    if let Some(affine) = affine {
        chain.affine(affine, data)?;
    }
    chain.network.map(Some)
}

/// A network of operators in a row.
struct Chain {
    network: Result<Network, String>,
}

impl Chain {
    fn new(shape: &[usize], affine: Option<&Affine>) -> Result<Self, String> {
        let mut builder = NetworkBuilder::new(shape.to_vec());
        let start =
            builder.push(OperatorConfig::Reshape(ReshapeConfig { shape: shape.to_vec() }), &[0]);
        let network = builder.finish(&[start], &mut Initialiser::new(0), &Device::flex());
        let mut chain = Self { network: network.map_err(|error| error.to_string()) };
        if let Some(affine) = affine {
            chain.affine(affine, shape)?;
        }
        Ok(chain)
    }

    fn push(&mut self, operator: Operator) -> Result<(), String> {
        let network = std::mem::replace(&mut self.network, Err(String::new()))?;
        let from = network.outputs()[0];
        let extended = network.extended(operator, &[from]);
        self.network = extended
            .and_then(|(network, value)| network.with_outputs(&[value]))
            .map_err(|error| error.to_string());
        Ok(())
    }

    fn config(&mut self, config: &OperatorConfig) -> Result<(), String> {
        self.push(config.init(&mut Initialiser::new(0), &Device::flex()))
    }

    fn reshape(&mut self, shape: &[usize]) -> Result<(), String> {
        if self.network.as_ref().is_ok_and(|network| network.output_shape(0) == shape) {
            return Ok(());
        }
        self.config(&OperatorConfig::Reshape(ReshapeConfig { shape: shape.to_vec() }))
    }

    fn gather(
        &mut self,
        shape: &[usize],
        indices: impl Iterator<Item = usize>,
    ) -> Result<(), String> {
        let indices = Indices::from(indices.map(|at| Some(at as u32)).collect::<Vec<_>>());
        self.config(&OperatorConfig::Gather(GatherConfig { shape: shape.to_vec(), indices }))
    }

    fn affine(&mut self, affine: &Affine, shape: &[usize]) -> Result<(), String> {
        let inner = if affine.gain.len() == 1 { 1 } else { shape[1..].iter().product() };
        self.push(affine_operator(affine, inner, &Device::flex()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_apart() {
        assert!(is_channels_last(&[3, 8, 8], &[8, 8, 3]));
        assert!(!is_channels_last(&[3, 3, 3], &[3, 3, 3]));
        assert!(!is_channels_last(&[1, 8, 8], &[8, 8, 1]) && is_same(&[1, 8, 8], &[8, 8, 1]));
        assert!(is_same(&[2, 3], &[6]) && !is_same(&[2, 3], &[3, 2]));
    }
}
