//! What the optimiser changes, and what the loss sees of it.
//!
//! The optimiser works on a VAE with weights of any size. The loss sees another VAE of the same
//! graphs, whose weights are differentiable functions of these: 1-Lipschitz layers, and gains on
//! the last ones that bring each output to the constant it is to have. What training ends with
//! is that VAE, made in f64: an ordinary one, of ordinary operators.

use burn::tensor::{DType, Tensor};
use vaegis_network::lipschitz::norm;
use vaegis_network::ops::{Operator, OperatorConfig};
use vaegis_network::{Network, Value};

use super::layers::{bjorck, filters, orthonormal};
use super::{LipschitzConfig, LipschitzLayers, PosteriorSigma};
use crate::{Error, Vae};

/// By how much layers are made shorter than they may be, so that rounding to f32 and bounds of
/// norms have room.
const SHORTER: f64 = 1.0 - 1e-6;

/// From what is trained to the VAE that it stands for; of ordinary VAEs, the identity.
#[derive(Debug)]
pub(crate) struct Parameterisation(Option<Constrained>);

#[derive(Debug)]
struct Constrained {
    config: LipschitzConfig,
    /// Of every node: what its layer is multiplied by.
    encoder: Vec<f64>,
    decoder: Vec<f64>,
}

impl Parameterisation {
    /// # Errors
    /// Lists what in the networks stands in the way of the constants.
    pub(crate) fn new(vae: &Vae, config: Option<&LipschitzConfig>) -> Result<Self, Error> {
        let Some(&config) = config else { return Ok(Self(None)) };
        let encoder = vae.encoder();
        let mean = encoder.outputs()[0];
        let mut gains = vec![1.0; encoder.config().nodes.len()];
        let mut problems: Vec<String> =
            [encoder, vae.decoder()].into_iter().flat_map(unfit_layers).collect();
        let mut set = |gains: &mut [f64], network: &Network, value, constant: f64, whole| match (
            last_layer(network, value),
            whole,
        ) {
            (Some(layer), Ok(unit)) => gains[layer] = constant / unit,
            (None, _) => problems.push("an output comes out of no layer".to_string()),
            (_, Err(error)) => problems.push(vaegis_network::Error::to_string(&error)),
        };
        let unit = encoder.lipschitz_of_unit_layers(mean);
        set(&mut gains, encoder, mean, config.encoder_mean, unit);
        if let PosteriorSigma::Bounded { constant, .. } = config.sigma {
            match sigma(encoder) {
                Some(value) => {
                    let unit = encoder.lipschitz_of_unit_layers(value);
                    set(&mut gains, encoder, value, constant, unit);
                }
                None => return Err(Error::Config(vec!["sigma is not bounded".to_string()])),
            }
        }
        let generator = vae.generator();
        let mut decoder = vec![1.0; vae.decoder().config().nodes.len()];
        let output = vae.decoder().outputs()[0];
        let unit = generator.lipschitz_of_unit_layers(generator.outputs()[0]);
        set(&mut decoder, vae.decoder(), output, config.decoder, unit);
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        Ok(Self(Some(Constrained { config, encoder: gains, decoder })))
    }

    /// The VAE to start from: with the same weights, all of them orthonormal.
    pub(crate) fn start(&self, vae: Vae) -> Vae {
        self.each(&vae, |_, operator, _| match operator {
            Operator::Linear(mut linear) => {
                linear.weight = linear.weight.map(|weight| afresh(weight, orthonormal));
                Operator::Linear(linear)
            }
            other => {
                on_kernels(other, |weight| afresh(weight, |weight| by_rows(weight, orthonormal)))
            }
        })
    }

    /// The VAE that `vae` stands for, differentiable.
    pub(crate) fn apply(&self, vae: &Vae) -> Vae {
        self.each(vae, |layers, operator, gain| match operator {
            Operator::Linear(mut linear) => {
                linear.weight = linear.weight.map(|weight| layers.matrix(weight) * gain);
                Operator::Linear(linear)
            }
            // The ends of sigma are no parameters.
            Operator::ElementwiseAffine(mut affine) => {
                affine.scale = affine.scale.map(Tensor::detach);
                affine.shift = affine.shift.map(Tensor::detach);
                Operator::ElementwiseAffine(affine)
            }
            other => {
                let stride = stride(&other);
                on_kernels(other, |weight| layers.kernel(weight, stride) * gain)
            }
        })
    }

    /// After a step of the optimiser: weights back to the orthonormal ones, which stand for
    /// themselves, so that one step of the iteration is enough in [`apply`](Self::apply).
    pub(crate) fn retract(&self, vae: Vae) -> Vae {
        if self.0.as_ref().is_none_or(|c| !c.config.layers.is_iterative()) {
            return vae;
        }
        self.each(&vae, |_, operator, _| match operator {
            Operator::Linear(mut linear) => {
                linear.weight = linear.weight.map(|weight| afresh(weight, bjorck));
                Operator::Linear(linear)
            }
            other => on_kernels(other, |weight| afresh(weight, |weight| by_rows(weight, bjorck))),
        })
    }

    /// The VAE that `vae` stands for, made in f64 and rounded so that it keeps its constants.
    pub(crate) fn finish(&self, vae: &Vae) -> Vae {
        let finished = self.each(vae, |layers, operator, gain| {
            let narrow = |weight: Tensor<2>| weight.cast(DType::F32);
            let operator = match operator {
                Operator::Linear(mut linear) => {
                    linear.weight = linear.weight.map(|weight| {
                        narrow(layers.exact_matrix(weight.cast(DType::F64)) * (gain * SHORTER))
                    });
                    Operator::Linear(linear)
                }
                other => {
                    let stride = stride(&other);
                    on_kernels(other, |weight| {
                        let kernel = layers.exact_kernel(weight.cast(DType::F64), stride);
                        (kernel * (gain * SHORTER)).cast(DType::F32)
                    })
                }
            };
            kept(operator, gain)
        });
        match &self.0 {
            Some(constrained) => finished.with_claims(Some(constrained.config.constants())),
            None => finished,
        }
    }

    fn each(&self, vae: &Vae, change: impl Fn(LipschitzLayers, Operator, f64) -> Operator) -> Vae {
        let Some(Constrained { config, encoder, decoder }) = &self.0 else { return vae.clone() };
        let changed = |network: &Network, gains: &[f64]| {
            network
                .clone()
                .map_operators(|node, operator| change(config.layers, operator, gains[node]))
        };
        vae.with_networks(changed(vae.encoder(), encoder), changed(vae.decoder(), decoder))
    }
}

/// A layer whose norm is surely no more than its gain.
fn kept(operator: Operator, gain: f64) -> Operator {
    let is_layer = matches!(
        operator,
        Operator::Linear(_) | Operator::Conv2d(_) | Operator::ConvTranspose2d(_)
    );
    let excess = match norm(&operator) {
        Ok(norm) if is_layer && norm.is_finite() => norm / (gain * (1.0 - 1e-9)),
        _ => return operator,
    };
    if excess <= 1.0 {
        return operator;
    }
    let factor = SHORTER / excess;
    let shorter = match operator {
        Operator::Linear(mut linear) => {
            linear.weight = linear.weight.map(|weight| weight * factor);
            Operator::Linear(linear)
        }
        other => on_kernels(other, |weight| weight * factor),
    };
    kept(shorter, gain)
}

/// A parameter of its own, without the graph it came out of, in the order of memory in which it
/// will be read from a checkpoint: products of others round differently.
fn afresh<const D: usize>(weight: Tensor<D>, change: impl Fn(Tensor<D>) -> Tensor<D>) -> Tensor<D> {
    let (tracked, autodiff) = (weight.is_require_grad(), weight.is_autodiff());
    let changed = change(weight.without_autodiff());
    let changed = Tensor::<D>::from_data(changed.clone().into_data(), &changed.device());
    let changed = if autodiff { changed.autodiff() } else { changed };
    if tracked { changed.require_grad() } else { changed }
}

fn on_kernels(operator: Operator, change: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Operator {
    match operator {
        Operator::Conv2d(mut conv) => {
            conv.weight = conv.weight.map(change);
            Operator::Conv2d(conv)
        }
        Operator::ConvTranspose2d(mut conv) => {
            conv.weight = conv.weight.map(change);
            Operator::ConvTranspose2d(conv)
        }
        other => other,
    }
}

fn by_rows(weight: Tensor<4>, change: impl Fn(Tensor<2>) -> Tensor<2>) -> Tensor<4> {
    let shape = weight.dims();
    change(filters(weight)).reshape(shape)
}

fn stride(operator: &Operator) -> [usize; 2] {
    match operator.config() {
        OperatorConfig::Conv2d(config) => config.stride,
        OperatorConfig::ConvTranspose2d(config) => config.stride,
        _ => [1, 1],
    }
}

/// Convolutions that no layer is made of.
fn unfit_layers(network: &Network) -> Vec<String> {
    let nodes = network.config().nodes.into_iter().enumerate();
    let unfit = |(position, node): (usize, vaegis_network::NodeConfig)| {
        let (kernel, stride, dilation, groups) = match &node.operator {
            OperatorConfig::Conv2d(c) => (c.kernel, c.stride, c.dilation, c.groups),
            OperatorConfig::ConvTranspose2d(c) => (c.kernel, c.stride, c.dilation, c.groups),
            _ => return None,
        };
        let fits = (0..2).all(|axis| kernel[axis].is_multiple_of(stride[axis]));
        (!fits || dilation != [1, 1] || groups != 1).then(|| {
            let name = node.operator.name();
            format!(
                "node {position} ({name}): Lipschitz layers need kernels that the stride divides, \
                 and no dilation or groups; found kernel {kernel:?}, stride {stride:?}, dilation \
                 {dilation:?}, groups {groups}"
            )
        })
    };
    nodes.filter_map(unfit).collect()
}

/// The last layer on the way to a value.
fn last_layer(network: &Network, value: Value) -> Option<usize> {
    let nodes = network.config().nodes;
    let mut value = value;
    while let Some(position) = value.checked_sub(1) {
        let node = &nodes[position];
        if matches!(
            node.operator,
            OperatorConfig::Linear(_)
                | OperatorConfig::Conv2d(_)
                | OperatorConfig::ConvTranspose2d(_)
        ) {
            return Some(position);
        }
        value = node.from[0];
    }
    None
}

/// The value that is sigma, where the encoder returns twice its logarithm.
fn sigma(encoder: &Network) -> Option<Value> {
    let nodes = encoder.config().nodes;
    let twice = &nodes[encoder.outputs()[1].checked_sub(1)?];
    let logarithm = &nodes[twice.from[0].checked_sub(1)?];
    Some(logarithm.from[0])
}
