//! Adam [Kingma & Ba 2015] in one pass over memory.
//!
//! Burn's Adam is a dozen tensor operations per parameter, each a pass of its own on
//! one thread; on a multilayer perceptron they take longer than the gradients. And the
//! moments of weights that rarely see a gradient (pixels at the edge of digits) decay
//! into denormal numbers after some hundred steps, which processors handle a hundred
//! times slower: training slowed down by half. This kernel is the same formula on the
//! host, on all threads, with vanishing moments set to 0. Its state is Burn's own.

use burn::optim::{AdamState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::prelude::*;

/// PyTorch's epsilon.
const EPSILON: f32 = 1e-8;

/// Moments below this are 0: an update of that size changes no f32 weight.
const VANISHING: f32 = 1e-30;

/// Elements per task: enough work to be worth handing to another thread.
const CHUNK: usize = 1 << 15;

/// How fast the averages of gradients and of their squares forget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adam {
    pub(super) beta_1: f32,
    pub(super) beta_2: f32,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999 }
    }
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let device = parameter.device();
        let (time, first, second) = match state {
            Some(AdamState { momentum }) => (momentum.time, momentum.moment_1, momentum.moment_2),
            None => (0, gradient.zeros_like(), gradient.zeros_like()),
        };
        let time = time + 1;
        let [mut parameter, gradient, mut first, mut second] = [parameter, gradient, first, second]
            .map(|tensor| tensor.into_data().convert_dtype(DType::F32));
        let steps = time.min(i32::MAX as usize) as i32;
        let kernel = Kernel {
            adam: *self,
            rate: rate as f32 / (1.0 - self.beta_1.powi(steps)),
            second_correction: 1.0 / (1.0 - self.beta_2.powi(steps)).sqrt(),
        };
        kernel.apply_all(slice(&mut parameter), &gradient, slice(&mut first), slice(&mut second));
        let [parameter, first, second] =
            [parameter, first, second].map(|data| Tensor::from_data(data, &device));
        let momentum =
            AdaptiveMomentumState { time, moment_1: first, moment_2: second, max_moment_2: None };
        (parameter, Some(AdamState { momentum }))
    }

    fn to_device<const D: usize>(mut state: AdamState<D>, device: &Device) -> AdamState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

fn slice(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice::<f32>().expect("converted to f32 on the way here")
}

#[derive(Debug, Clone, Copy)]
struct Kernel {
    adam: Adam,
    rate: f32,
    second_correction: f32,
}

impl Kernel {
    fn apply_all(
        self,
        parameter: &mut [f32],
        gradient: &TensorData,
        first: &mut [f32],
        second: &mut [f32],
    ) {
        let gradient = gradient.as_slice::<f32>().expect("converted to f32 on the way here");
        parameter
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK)))
            .for_each(|((parameter, gradient), (first, second))| {
                self.apply(parameter, gradient, first, second);
            });
    }

    fn apply(self, parameter: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let Adam { beta_1, beta_2 } = self.adam;
        for (((weight, &g), m), v) in parameter.iter_mut().zip(gradient).zip(first).zip(second) {
            *m = flush(beta_1 * *m + (1.0 - beta_1) * g);
            *v = flush(beta_2 * *v + (1.0 - beta_2) * g * g);
            *weight -= self.rate * *m / (v.sqrt() * self.second_correction + EPSILON);
        }
    }
}

fn flush(moment: f32) -> f32 {
    if moment.abs() < VANISHING { 0.0 } else { moment }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::optim::AdamConfig;

    #[test]
    fn steps_agree_with_burns_adam() {
        let device = Device::flex();
        for adam in [Adam::default(), Adam { beta_1: 0.5, beta_2: 0.9 }] {
            let reference = AdamConfig::new()
                .with_beta_1(adam.beta_1)
                .with_beta_2(adam.beta_2)
                .with_epsilon(EPSILON)
                .build();
            let start = Tensor::<1>::from_floats([0.5, -1.0, 2.0, 1e-3], &device);
            let (mut ours, mut theirs) = ((start.clone(), None), (start, None));
            for step in 0..50 {
                let scale = (step as f32 * 0.7).sin();
                let gradient = Tensor::<1>::from_floats([scale, -0.1 * scale, 3.0, 1e-6], &device);
                ours = adam.step(0.01, ours.0, gradient.clone(), ours.1);
                theirs = reference.step(0.01, theirs.0, gradient, theirs.1);
            }
            let values = |tensor: Tensor<1>| tensor.into_data().try_to_vec::<f32>().unwrap();
            for (ours, theirs) in values(ours.0).iter().zip(values(theirs.0)) {
                assert!((ours - theirs).abs() < 1e-5, "{ours} and {theirs}");
            }
        }
    }

    #[test]
    fn vanishing_moments_become_zero() {
        let device = Device::flex();
        let weight = Tensor::<1>::from_floats([1.0], &device);
        let (mut weight, mut state) =
            Adam::default().step(0.01, weight, Tensor::<1>::from_floats([1.0], &device), None);
        for _ in 0..1_000 {
            (weight, state) =
                Adam::default().step(0.01, weight, Tensor::<1>::zeros([1], &device), state);
        }
        let moment = state.unwrap().momentum.moment_1.into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(moment, [0.0]);
        assert!(weight.into_data().try_to_vec::<f32>().unwrap()[0].is_finite());
    }
}
