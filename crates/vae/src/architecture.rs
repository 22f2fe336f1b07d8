use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vaegis_network::ops::{
    ActivationConfig, Conv2dConfig, ConvTranspose2dConfig, Function, Initialiser, LinearConfig,
    OperatorConfig, ReshapeConfig,
};
use vaegis_network::{Network, NetworkBuilder, Value};

use crate::{Error, Likelihood, Vae};

/// What networks may have between their layers, by name.
pub const ACTIVATIONS: [(&str, Function); 8] = [
    ("relu", Function::Relu),
    ("leaky-relu", Function::LeakyRelu { slope: 0.01 }),
    ("elu", Function::Elu { alpha: 1.0 }),
    ("gelu", Function::Gelu),
    ("silu", Function::Silu),
    ("softplus", Function::Softplus),
    ("sigmoid", Function::Sigmoid),
    ("tanh", Function::Tanh),
];

/// Shape of the encoder; the decoder mirrors it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Architecture {
    /// Fully connected layers.
    Mlp {
        /// Widths of the hidden layers, from the input to the latent side.
        hidden: Vec<usize>,
        /// Between layers.
        activation: Function,
    },
    /// Convolutions of kernel 4 and stride 2, then one hidden fully connected layer.
    Conv {
        /// Channels of each convolution, from the input to the latent side.
        channels: Vec<usize>,
        /// Width of the fully connected layer.
        hidden: usize,
        /// Between layers.
        activation: Function,
    },
}

impl Architecture {
    /// The input shape for samples of a data set: convolutions take `[channels, height, width]`, a
    /// plane of pixels as one channel. No value moves.
    ///
    /// # Errors
    /// If channels come last, which convolutions cannot take.
    pub fn input_shape(&self, sample: &[usize]) -> Result<Vec<usize>, Error> {
        match (self, sample) {
            (Self::Conv { .. }, &[height, width] | &[height, width, 1]) if height > 1 => {
                Ok(vec![1, height, width])
            }
            (Self::Conv { .. }, &[channels, _, last @ (3 | 4)]) if channels > 4 => {
                Err(Error::Config(vec![format!(
                    "samples {sample:?} have their {last} channels last, a conv architecture needs \
                     [channels, height, width]; save them by \
                     `numpy.save(\"x.npy\", numpy.moveaxis(x, -1, 1))`"
                )]))
            }
            _ => Ok(sample.to_vec()),
        }
    }
}

/// Everything that decides the structure of a VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VaeConfig {
    /// Sample shape of the data: `[channels, height, width]`, or `[features]` for tables.
    pub input_shape: Vec<usize>,
    /// Dimensions of the latent space.
    pub latent: usize,
    /// Encoder and decoder.
    pub architecture: Architecture,
    /// `p(x|z)`.
    pub likelihood: Likelihood,
}

impl VaeConfig {
    /// A VAE with parameters drawn from `seed`.
    ///
    /// # Errors
    /// Lists every setting that cannot work.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Vae, Error> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let mut initialiser = Initialiser::new(seed);
        let (encoder, decoder) = match &self.architecture {
            Architecture::Mlp { hidden, activation } => {
                self.mlp(hidden, *activation, &mut initialiser, device)?
            }
            Architecture::Conv { channels, hidden, activation } => {
                self.conv(channels, *hidden, *activation, &mut initialiser, device)?
            }
        };
        Vae::new(encoder, decoder, self.likelihood)
    }

    /// What cannot work, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = vec![];
        let mut require = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_string());
            }
        };
        require(self.latent > 0, "latent must be at least 1");
        require(
            !self.input_shape.is_empty() && !self.input_shape.contains(&0),
            "input_shape must have features",
        );
        if let Likelihood::Gaussian { sigma } = self.likelihood {
            require(sigma > 0.0 && sigma.is_finite(), "likelihood sigma must be positive");
        }
        match &self.architecture {
            Architecture::Mlp { hidden, .. } => {
                require(!hidden.contains(&0), "hidden widths must be at least 1");
            }
            Architecture::Conv { channels, hidden, .. } => {
                require(
                    !channels.is_empty() && !channels.contains(&0),
                    "channels must be at least 1",
                );
                require(*hidden > 0, "hidden width must be at least 1");
                require(
                    self.input_shape.len() == 3,
                    "a conv architecture needs data of shape [channels, height, width]",
                );
            }
        }
        problems
    }

    fn features(&self) -> usize {
        self.input_shape.iter().product()
    }

    fn mlp(
        &self,
        hidden: &[usize],
        activation: Function,
        initialiser: &mut Initialiser,
        device: &Device,
    ) -> Result<(Network, Network), Error> {
        let mut encoder = NetworkBuilder::new(self.input_shape.clone());
        let mut value = 0;
        let mut width = self.features();
        for &next in hidden {
            value = dense(&mut encoder, value, width, next, activation);
            width = next;
        }
        let encoder = self.heads(encoder, value, width, initialiser, device)?;

        let mut decoder = NetworkBuilder::new(vec![self.latent]);
        let mut value = 0;
        let mut width = self.latent;
        for &next in hidden.iter().rev() {
            value = dense(&mut decoder, value, width, next, activation);
            width = next;
        }
        let value = decoder.push(linear(width, self.features()), &[value]);
        let value = decoder.push(reshape(&self.input_shape), &[value]);
        Ok((encoder, decoder.finish(&[value], initialiser, device)?))
    }

    fn conv(
        &self,
        channels: &[usize],
        hidden: usize,
        activation: Function,
        initialiser: &mut Initialiser,
        device: &Device,
    ) -> Result<(Network, Network), Error> {
        const KERNEL: [usize; 2] = [4, 4];
        const STRIDE: [usize; 2] = [2, 2];
        const PADDING: [usize; 2] = [1, 1];
        let mut shape = [self.input_shape[0], self.input_shape[1], self.input_shape[2]];
        let mut shapes = vec![shape];
        let mut encoder = NetworkBuilder::new(self.input_shape.clone());
        let mut value = 0;
        for &next in channels {
            let config = Conv2dConfig {
                input: shape,
                channels: next,
                kernel: KERNEL,
                stride: STRIDE,
                padding: PADDING,
                dilation: [1, 1],
                groups: 1,
            };
            shape = config.output().map_err(|reason| {
                Error::Config(vec![format!(
                    "channels {channels:?} are too many for {:?}: {reason}",
                    self.input_shape
                )])
            })?;
            shapes.push(shape);
            value = encoder.push(OperatorConfig::Conv2d(config), &[value]);
            value = encoder.push(nonlinearity(activation), &[value]);
        }
        let flat: usize = shape.iter().product();
        let value = dense(&mut encoder, value, flat, hidden, activation);
        let encoder = self.heads(encoder, value, hidden, initialiser, device)?;

        let mut decoder = NetworkBuilder::new(vec![self.latent]);
        let value = dense(&mut decoder, 0, self.latent, hidden, activation);
        let value = dense(&mut decoder, value, hidden, flat, activation);
        let mut value = decoder.push(reshape(&shape), &[value]);
        for stage in (0..channels.len()).rev() {
            let (input, output) = (shapes[stage + 1], shapes[stage]);
            let config = ConvTranspose2dConfig {
                input,
                channels: output[0],
                kernel: KERNEL,
                stride: STRIDE,
                padding: PADDING,
                // Sizes that halving rounded down need one more row to come back.
                output_padding: [output[1] - 2 * input[1], output[2] - 2 * input[2]],
                dilation: [1, 1],
                groups: 1,
            };
            value = decoder.push(OperatorConfig::ConvTranspose2d(config), &[value]);
            if stage > 0 {
                value = decoder.push(nonlinearity(activation), &[value]);
            }
        }
        Ok((encoder, decoder.finish(&[value], initialiser, device)?))
    }

    /// The two linear heads: mu and log sigma^2.
    fn heads(
        &self,
        mut encoder: NetworkBuilder,
        value: Value,
        width: usize,
        initialiser: &mut Initialiser,
        device: &Device,
    ) -> Result<Network, Error> {
        let mean = encoder.push(linear(width, self.latent), &[value]);
        let log_variance = encoder.push(linear(width, self.latent), &[value]);
        Ok(encoder.finish(&[mean, log_variance], initialiser, device)?)
    }
}

fn linear(inputs: usize, outputs: usize) -> OperatorConfig {
    OperatorConfig::Linear(LinearConfig { inputs, outputs })
}

fn nonlinearity(function: Function) -> OperatorConfig {
    OperatorConfig::Activation(ActivationConfig { function })
}

fn reshape(shape: &[usize]) -> OperatorConfig {
    OperatorConfig::Reshape(ReshapeConfig { shape: shape.to_vec() })
}

fn dense(
    builder: &mut NetworkBuilder,
    value: Value,
    inputs: usize,
    outputs: usize,
    activation: Function,
) -> Value {
    let value = builder.push(linear(inputs, outputs), &[value]);
    builder.push(nonlinearity(activation), &[value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tensor;

    fn config(input_shape: Vec<usize>, architecture: Architecture) -> VaeConfig {
        VaeConfig { input_shape, latent: 3, architecture, likelihood: Likelihood::Bernoulli }
    }

    #[test]
    fn decoders_return_to_the_shape_of_the_data() {
        let conv =
            Architecture::Conv { channels: vec![4, 6, 8], hidden: 16, activation: Function::Relu };
        let mlp = Architecture::Mlp { hidden: vec![12, 7], activation: Function::Silu };
        for (shape, architecture) in [
            (vec![1, 28, 28], conv.clone()),
            (vec![3, 31, 17], conv),
            (vec![1, 28, 28], mlp.clone()),
            (vec![5], mlp),
            (vec![5], Architecture::Mlp { hidden: vec![], activation: Function::Relu }),
        ] {
            let device = Device::flex();
            let vae = config(shape.clone(), architecture).init(1, &device).unwrap();
            assert_eq!(vae.decoder().output_shape(0), shape);
            let x = Tensor::ones([2, shape.iter().product()], &device);
            let posterior = vae.encode(x);
            assert_eq!(posterior.mu.dims(), [2, 3]);
            assert_eq!(
                vae.generator().forward(posterior.mu).remove(0).dims(),
                [2, shape.iter().product()]
            );
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let bad = VaeConfig {
            input_shape: vec![5],
            latent: 0,
            architecture: Architecture::Conv {
                channels: vec![],
                hidden: 0,
                activation: Function::Relu,
            },
            likelihood: Likelihood::Gaussian { sigma: -1.0 },
        };
        let message = bad.init(0, &Device::flex()).unwrap_err().to_string();
        for part in ["latent", "channels", "hidden", "sigma", "[channels, height, width]"] {
            assert!(message.contains(part), "{part} not in {message}");
        }
        let deep =
            Architecture::Conv { channels: vec![4; 9], hidden: 8, activation: Function::Relu };
        let message =
            config(vec![1, 28, 28], deep).init(0, &Device::flex()).unwrap_err().to_string();
        assert!(message.contains("too many"), "{message}");
    }
}
