//! Points with balls about them, and what can be found in these.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use vaegis_network::Network;
use vaegis_network::bounds::{InputSet, Norm};

use super::{plain, to_vec, values};

pub(crate) const NORMS: [Norm; 3] = [Norm::L1, Norm::L2, Norm::LInf];

pub(crate) fn double<const D: usize>(numbers: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), (&Device::flex(), DType::F64))
}

pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Two points in `[-1, 1]` and their balls, within that box if `boxed`.
pub(crate) struct Balls {
    pub(crate) norm: Norm,
    pub(crate) centres: Vec<Vec<f64>>,
    pub(crate) radii: Vec<f64>,
    pub(crate) boxed: bool,
}

impl Balls {
    pub(crate) fn new(norm: Norm, features: usize, radius: f64, boxed: bool, salt: u64) -> Self {
        let centre = |row| {
            let values = values(features, salt.wrapping_add(row)).into_iter();
            // Some lie on the sides of the box.
            values.map(|x| f64::from(x * 1.5).clamp(-1.0, 1.0)).collect()
        };
        Self {
            norm,
            centres: (0..2).map(centre).collect(),
            radii: vec![radius, 0.4 * radius],
            boxed,
        }
    }

    pub(crate) fn set(&self) -> InputSet {
        let features = self.centres[0].len();
        let centres = double(self.centres.concat(), [2, features]);
        let set = InputSet::ball(self.norm, centres, &self.radii).unwrap();
        if self.boxed {
            set.within(&vec![-1.0; features], &vec![1.0; features]).unwrap()
        } else {
            set
        }
    }

    pub(crate) fn norm(&self, change: &[f64]) -> f64 {
        match self.norm {
            Norm::L1 => change.iter().map(|d| d.abs()).sum(),
            Norm::L2 => change.iter().map(|d| d * d).sum::<f64>().sqrt(),
            Norm::LInf => change.iter().fold(0.0, |m, d| m.max(d.abs())),
        }
    }

    /// A point of the set, in the direction of a change that is cut to `share` of the radius.
    fn point(&self, row: usize, change: Vec<f64>, share: f64) -> Vec<f64> {
        let centre = &self.centres[row];
        // Rounding must not lead outside.
        let scale = share * (1.0 - 1e-14) * self.radii[row] / self.norm(&change).max(1e-300);
        let limit = |x: f64| if self.boxed { x.clamp(-1.0, 1.0) } else { x };
        centre.iter().zip(change).map(|(c, d)| limit(c + scale * d)).collect()
    }

    /// Points on the sphere, inside, and at corners.
    pub(crate) fn sample(
        &self,
        row: usize,
        count: usize,
        generator: &mut ChaCha8Rng,
    ) -> Vec<Vec<f64>> {
        let features = self.centres[row].len();
        let sample = |number: usize| {
            let sparse = number.is_multiple_of(3);
            let change = (0..features)
                .map(|_| {
                    let x: f64 = generator.random_range(-1.0..1.0);
                    let zero = sparse && generator.random_range(0..features) > 0;
                    if zero {
                        0.0
                    } else if number.is_multiple_of(5) {
                        x.signum()
                    } else {
                        x
                    }
                })
                .collect();
            let share =
                if number.is_multiple_of(2) { 1.0 } else { generator.random_range(0.0..1.0) };
            self.point(row, change, share)
        };
        (0..count).map(sample).collect()
    }

    /// Points found by ascent of random functions of the outputs.
    pub(crate) fn attack(
        &self,
        network: &Network,
        row: usize,
        count: usize,
        generator: &mut ChaCha8Rng,
    ) -> Vec<Vec<f64>> {
        let features = self.centres[row].len();
        let outputs = network.output_features(0);
        let mut points = self.sample(row, count, generator);
        // Each goes up or down one output, or a mixture of them.
        let mut goals = vec![0.0; count * outputs];
        for (number, goal) in goals.chunks_mut(outputs).enumerate() {
            goal[number / 2 % outputs] = if number.is_multiple_of(2) { 1.0 } else { -1.0 };
        }
        let single = |numbers: &[f64]| numbers.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let goals = plain(single(&goals), [count, 1, outputs]);
        for step in 0..30 {
            let trace = network.trace(plain(single(&points.concat()), [count, features]));
            let gradients = to_vec(network.vjp(&trace, vec![Some(goals.clone())]));
            let gradients: Vec<f64> = gradients.into_iter().map(f64::from).collect();
            let length = self.radii[row] * 0.5f64.powi(step / 6);
            for (point, gradient) in points.iter_mut().zip(gradients.chunks(features)) {
                let size = self.norm(gradient).max(1e-300);
                let change = point.iter().zip(gradient).zip(&self.centres[row]);
                let change: Vec<f64> =
                    change.map(|((x, g), c)| x - c + length * g / size).collect();
                let share = (self.norm(&change) / self.radii[row]).min(1.0);
                *point = self.point(row, change, share);
            }
        }
        points
    }
}
