use burn::module::Module;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::{Calculus, Evaluation, Indices, Initialiser, features, host, merge, only, split};

/// Configuration of [`Gather`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatherConfig {
    /// Sample shape of the output.
    pub shape: Vec<usize>,
    /// The input feature that every output feature takes, or none for 0.
    pub indices: Indices,
}

impl GatherConfig {
    /// The operator (it has no parameters).
    pub fn init(&self, _initialiser: &mut Initialiser, _device: &Device) -> Gather {
        Gather { config: self.clone() }
    }
}

/// Features in another order, repeated, left out, or 0: transpositions of axes, slices,
/// padding by zeros, reflection or repetition, upsampling to nearest neighbours.
#[derive(Module, Debug)]
pub struct Gather {
    #[module(skip)]
    pub(super) config: GatherConfig,
}

impl Gather {
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let indices = &self.config.indices;
        if host::holds(&x) {
            return host::map_rows(x, indices.len(), |_, input, output| {
                indices.gather(input, output)
            });
        }
        // Outputs that take nothing select a zero put after the features.
        let [rows, features] = x.dims();
        let zero = Tensor::zeros([rows, 1], (&x.device(), x.dtype()));
        let positions = self.positions(features, &x.device());
        Tensor::cat(vec![x, zero], 1).select(1, positions)
    }

    /// The transpose of [`apply`](Self::apply).
    fn transposed(&self, cotangent: Tensor<2>, features: usize) -> Tensor<2> {
        let indices = &self.config.indices;
        if host::holds(&cotangent) {
            return host::map_rows(cotangent, features, |_, output, input| {
                indices.scatter(output, input);
            });
        }
        let device = cotangent.device();
        let positions = self.positions(features, &device);
        let shape = [cotangent.dims()[0], features + 1];
        let zeros = Tensor::zeros(shape, (&device, cotangent.dtype()));
        let sums = zeros.select_assign(1, positions, cotangent, IndexingUpdateOp::Add);
        sums.narrow(1, 0, features)
    }

    /// The indices as a tensor, with `features` for none.
    fn positions(&self, features: usize, device: &Device) -> Tensor<1, Int> {
        let indices = self.config.indices.iter();
        let positions: Vec<i64> =
            indices.map(|index| index.map_or(features as i64, i64::from)).collect();
        let count = positions.len();
        Tensor::from_data(TensorData::new(positions, [count]), device)
    }
}

impl Calculus for Gather {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let GatherConfig { shape, indices } = &self.config;
        let found = features(only(inputs)?)?;
        if indices.bound() > found {
            return Err(format!("takes feature {}, found {found}", indices.bound() - 1));
        }
        if indices.len() != features(shape)? {
            return Err(format!("{} indices do not make shape {shape:?}", indices.len()));
        }
        Ok(shape.clone())
    }

    fn forward(&self, inputs: &[&Tensor<2>]) -> Tensor<2> {
        self.apply(inputs[0].clone())
    }

    fn forward_owned(&self, mut inputs: Vec<Tensor<2>>) -> Tensor<2> {
        // Not shared any more, so that its numbers are read where they are.
        self.apply(inputs.remove(0))
    }

    fn jvp(&self, _at: Evaluation<'_>, tangents: &[Tensor<3>]) -> Tensor<3> {
        let count = tangents[0].dims()[1];
        split(self.apply(merge(tangents[0].clone())), count)
    }

    fn vjp(&self, at: Evaluation<'_>, cotangent: Tensor<3>) -> Vec<Tensor<3>> {
        let [_, count, _] = cotangent.dims();
        let features = at.inputs[0].dims()[1];
        vec![split(self.transposed(merge(cotangent), features), count)]
    }

    fn is_affine(&self) -> bool {
        true
    }
}
