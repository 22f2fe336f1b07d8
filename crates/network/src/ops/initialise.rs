use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Draws initial parameters as a pure function of a seed, in the order they are asked for.
///
/// Burn's own initialisers draw from one generator per process, which concurrent
/// users would disturb; a training run must be reproducible whatever runs beside it.
#[derive(Debug, Clone)]
pub struct Initialiser {
    generator: ChaCha8Rng,
}

impl Initialiser {
    /// An initialiser whose draws depend on `seed` only.
    pub fn new(seed: u64) -> Self {
        Self { generator: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A parameter drawn uniformly from `±1/sqrt(fan_in)`, PyTorch's default for
    /// linear and convolutional layers, weights and biases alike.
    pub fn uniform<const D: usize>(
        &mut self,
        shape: [usize; D],
        fan_in: usize,
        device: &Device,
    ) -> Param<Tensor<D>> {
        let limit = 1.0 / (fan_in.max(1) as f32).sqrt();
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| self.generator.random_range(-limit..limit))
            .collect();
        let tensor = Tensor::from_data(TensorData::new(values, shape), device);
        Param::from_tensor(tensor)
    }
}
