//! Values as functions of what the operator reads that makes them.

use burn::tensor::Tensor;

use super::Relaxation;
use super::real;

/// Entries that are kept for a value.
const ENTRIES: usize = 1 << 22;

/// Entries of a tensor of coefficients while it is pulled back: what fits in the cache is faster
/// than more at once.
const CHUNK_ENTRIES: usize = 1 << 18;

/// A value as an affine function of another one. Rows of convolutions are mostly zeros, and
/// pulling unit vectors through these costs as much as if they were not.
#[derive(Debug)]
pub(super) struct Unit {
    /// Features of the other value.
    width: usize,
    /// Where the entries of each row begin, and where the last ends.
    starts: Vec<usize>,
    /// Places and coefficients that are not 0, row after row.
    entries: Vec<(u32, f64)>,
    pub(super) constants: Vec<f64>,
}

impl Unit {
    /// Of an operator's so many features, if it is affine and there are not too many entries.
    pub(super) fn new(relaxation: &dyn Relaxation, features: usize, width: usize) -> Option<Self> {
        if !relaxation.is_exact() || u32::try_from(width).is_err() {
            return None;
        }
        let (mut starts, mut entries, mut constants) = (vec![0], vec![], vec![]);
        for numbers in chunks(features, features.max(width)) {
            let mut pulled = relaxation.pull(identity(numbers, features));
            for row in real::numbers(pulled.inputs.pop()??).chunks_exact(width) {
                let kept = row.iter().enumerate().filter(|&(_, &entry)| entry != 0.0);
                entries.extend(kept.map(|(place, &entry)| (place as u32, entry)));
                starts.push(entries.len());
            }
            constants.extend(pulled.constants);
            // As many in every row as so far.
            if entries.len().saturating_mul(features) > ENTRIES.saturating_mul(constants.len()) {
                return None;
            }
        }
        entries.shrink_to_fit();
        Some(Self { width, starts, entries, constants })
    }

    /// The coefficients of some features, `[1, features, features of the other value]`.
    pub(super) fn rows(&self, features: impl ExactSizeIterator<Item = usize>) -> Tensor<3> {
        let count = features.len();
        let mut rows = vec![0.0; count * self.width];
        for (row, feature) in rows.chunks_exact_mut(self.width).zip(features) {
            for &(place, entry) in &self.entries[self.starts[feature]..self.starts[feature + 1]] {
                row[place as usize] = entry;
            }
        }
        real::tensor(rows, [1, count, self.width])
    }
}

/// Ranges of so many functions as are pulled back at a time, through values of so many features.
pub(super) fn chunks(
    functions: usize,
    widest: usize,
) -> impl Iterator<Item = std::ops::Range<usize>> {
    let step = (CHUNK_ENTRIES / widest.max(1)).max(1);
    (0..functions).step_by(step).map(move |start| start..(start + step).min(functions))
}

/// Unit vectors, `[1, numbers, features]`.
pub(super) fn identity(numbers: std::ops::Range<usize>, features: usize) -> Tensor<3> {
    let mut units = vec![0.0; numbers.len() * features];
    for (row, number) in numbers.clone().enumerate() {
        units[row * features + number] = 1.0;
    }
    real::tensor(units, [1, numbers.len(), features])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::Network;
    use crate::NetworkBuilder;
    use crate::bounds::{InputSet, Method, Norm};
    use crate::ops::{Conv2dConfig, Initialiser, LinearConfig, OperatorConfig};

    /// A network of one operator.
    fn network(shape: &[usize], config: OperatorConfig) -> Network {
        let mut builder = NetworkBuilder::new(shape.to_vec());
        let output = builder.push(config, &[0]);
        builder.finish(&[output], &mut Initialiser::new(1), &Device::flex()).unwrap()
    }

    #[test]
    fn rows_are_what_unit_vectors_are_pulled_back_to() {
        let convolution = Conv2dConfig {
            input: [2, 5, 4],
            channels: 3,
            kernel: [3, 2],
            stride: [2, 1],
            padding: [1, 1],
            dilation: [1, 2],
            groups: 1,
        };
        let linear = LinearConfig { inputs: 6, outputs: 4 };
        for (shape, config) in [
            (vec![2, 5, 4], OperatorConfig::Conv2d(convolution)),
            (vec![6], OperatorConfig::Linear(linear)),
        ] {
            let bounder = network(&shape, config).bounder();
            let width: usize = shape.iter().product();
            let point = real::tensor(vec![0.0; width], [1, width]);
            let set = InputSet::ball(Norm::L2, point, &[0.0]).unwrap();
            let bounds = bounder.bounds(&set, Method::Interval).unwrap();
            let relaxation = bounds.relaxations[0].as_ref();
            let features = bounds.output(0).features();
            let unit = Unit::new(relaxation, features, width).unwrap();
            let mut expected = relaxation.pull(identity(0..features, features));
            let expected = real::numbers(expected.inputs.remove(0).unwrap());
            assert_eq!(real::numbers(unit.rows(0..features)), expected);
            let chosen = [features - 1, 1];
            let rows = real::numbers(unit.rows(chosen.into_iter()));
            for (row, feature) in rows.chunks(width).zip(chosen) {
                assert_eq!(row, &expected[feature * width..][..width]);
            }
        }
    }
}
