//! Operators that bring their own derivative to Burn's autodiff.
//!
//! Burn differentiates each of its operations by others of its own. Where an operator's own loops
//! are faster, it is recorded as a single step instead, on the CPU.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor};
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

/// A tensor of any rank that autodiff records.
pub(super) type Recorded = FloatTensor<Autodiff<Flex>>;

/// A tensor of any rank that it does not.
pub(super) type Plain = FloatTensor<Flex>;

/// What autodiff keeps of a function of N tensors.
pub(super) trait Pullback<const N: usize>: Clone + Debug + Send + 'static {
    /// The gradients with respect to the inputs that are wanted.
    fn pull(self, cotangent: Tensor<2>, wanted: [bool; N]) -> [Option<Plain>; N];
}

/// `tensor` as autodiff records it, if it is an f32 tensor on the CPU that autodiff records.
pub(super) fn recorded<const D: usize>(tensor: &Tensor<D>) -> Option<Recorded> {
    if !tensor.is_autodiff() || tensor.dtype() != DType::F32 {
        return None;
    }
    tensor.clone().try_into_primitive::<Autodiff<Flex>>().ok()
}

/// `tensor` without its rank.
pub(super) fn plain<const D: usize>(tensor: Tensor<D>) -> Plain {
    tensor.try_into_primitive::<Flex>().expect("gradients are where their tensors are")
}

/// Records that `output` is a function of `inputs` whose derivative is `pullback`.
pub(super) fn record<P: Pullback<N>, const N: usize>(
    inputs: [Recorded; N],
    output: Tensor<2>,
    pullback: P,
) -> Tensor<2> {
    let nodes = inputs.each_ref().map(Recorded::node);
    let step = Step(PhantomData::<P>).prepare::<NoCheckpointing>(nodes).compute_bound();
    let output = match step.stateful() {
        OpsKind::Tracked(step) => step.finish(pullback, plain(output)),
        OpsKind::UnTracked(step) => step.finish(plain(output)),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

#[derive(Debug)]
struct Step<P>(PhantomData<P>);

impl<P: Pullback<N>, const N: usize> Backward<Flex, N> for Step<P> {
    type State = P;

    fn backward(self, step: Ops<P, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let cotangent = Tensor::from_primitive::<Flex>(gradients.consume::<Flex>(&step.node));
        let wanted = step.parents.each_ref().map(Option::is_some);
        let pulled = step.state.pull(cotangent, wanted);
        for (parent, gradient) in step.parents.into_iter().zip(pulled) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
