use burn::tensor::Tensor;
use multiversion::multiversion;

use super::real;
use super::relaxation::Pulled;
use super::{Interval, Relaxation};

/// For every output feature, a linear function of the same feature of every input.
#[derive(Debug, Clone)]
pub(crate) struct Planes {
    /// One for each input, `[rows, features]` flattened.
    pub(crate) slopes: Vec<Vec<f64>>,
    /// `[rows, features]` flattened.
    pub(crate) offsets: Vec<f64>,
}

impl Planes {
    pub(crate) fn with_capacity(inputs: usize, count: usize) -> Self {
        Self { slopes: vec![Vec::with_capacity(count); inputs], offsets: Vec::with_capacity(count) }
    }

    pub(crate) fn push(&mut self, slopes: &[f64], offset: f64) {
        self.slopes.iter_mut().zip(slopes).for_each(|(all, &slope)| all.push(slope));
        self.offsets.push(offset);
    }
}

/// The relaxation of an operator that works feature by feature.
#[derive(Debug)]
pub(crate) struct Elementwise {
    below: Planes,
    above: Planes,
    reach: Vec<f64>,
}

impl Elementwise {
    /// # Errors
    /// If a plane is not finite.
    pub(crate) fn new(below: Planes, above: Planes, inputs: &[&Interval]) -> Result<Self, String> {
        let magnitudes: Vec<Vec<f64>> = inputs.iter().map(|input| input.magnitudes()).collect();
        let reach = |planes: &Planes, f: usize| -> f64 {
            let terms = planes.slopes.iter().zip(&magnitudes).map(|(s, m)| s[f].abs() * m[f]);
            terms.sum::<f64>() + planes.offsets[f].abs()
        };
        // The output lies between the planes.
        let count = below.offsets.len();
        let reach: Vec<f64> = (0..count).map(|f| reach(&below, f).max(reach(&above, f))).collect();
        let features = inputs[0].features();
        match reach.iter().position(|reach| !reach.is_finite()) {
            None => Ok(Self { below, above, reach }),
            Some(at) => {
                let (row, feature) = (at / features, at % features);
                Err(format!("lines about row {row}, feature {feature} are not finite"))
            }
        }
    }
}

impl Elementwise {
    /// The [`reach`](Relaxation::reach) if an input is a sum of terms of these absolute sizes.
    pub(crate) fn reach_of(&self, input: usize, sizes: impl Iterator<Item = f64>) -> Vec<f64> {
        let slopes = self.below.slopes[input].iter().zip(&self.above.slopes[input]);
        let larger = slopes.map(|(below, above)| below.abs().max(above.abs()));
        let offsets = self.below.offsets.iter().zip(&self.above.offsets);
        let offsets = offsets.map(|(below, above)| below.abs().max(above.abs()));
        let terms = larger.zip(sizes).map(|(slope, size)| slope * size);
        terms.zip(offsets).map(|(term, offset)| term + offset).collect()
    }

    /// The slopes below and above in the direction of an input.
    pub(crate) fn slopes_of(&self, input: usize) -> [&[f64]; 2] {
        [&self.below.slopes[input], &self.above.slopes[input]]
    }
}

impl Relaxation for Elementwise {
    fn pull(&self, coefficients: Tensor<3>) -> Pulled {
        let [rows, count, features] = coefficients.dims();
        let mut numbers = real::numbers(coefficients);
        let mut constants = Vec::with_capacity(rows * count);
        for (position, function) in numbers.chunks_exact(features).enumerate() {
            let row = position / count * features..;
            constants.push(dot(
                function,
                &self.below.offsets[row.clone()][..features],
                &self.above.offsets[row][..features],
            ));
        }
        let mut inputs = vec![];
        for input in (0..self.below.slopes.len()).rev() {
            // The last one takes the memory.
            let mut product =
                if input == 0 { std::mem::take(&mut numbers) } else { numbers.clone() };
            for (position, function) in product.chunks_exact_mut(features).enumerate() {
                let row = position / count * features..;
                scale(
                    function,
                    &self.below.slopes[input][row.clone()][..features],
                    &self.above.slopes[input][row][..features],
                );
            }
            inputs.push(Some(real::tensor(product, [rows, count, features])));
        }
        inputs.reverse();
        Pulled { inputs, constants }
    }

    fn reach(&self) -> &[f64] {
        &self.reach
    }
}

/// Positive coefficients take what is below, negative ones what is above.
#[multiversion(targets = "simd")]
fn scale(coefficients: &mut [f64], below: &[f64], above: &[f64]) {
    for ((a, below), above) in coefficients.iter_mut().zip(below).zip(above) {
        *a *= if *a > 0.0 { below } else { above };
    }
}

/// The sum of coefficients times what is below, where they are positive, or above.
#[multiversion(targets = "simd")]
pub(crate) fn dot(coefficients: &[f64], below: &[f64], above: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let chosen = |a: f64, below: f64, above: f64| a * if a > 0.0 { below } else { above };
    let (functions, rest) = coefficients.as_chunks::<8>();
    let (belows, belows_rest) = below.as_chunks::<8>();
    let (aboves, aboves_rest) = above.as_chunks::<8>();
    for ((a, below), above) in functions.iter().zip(belows).zip(aboves) {
        for lane in 0..8 {
            lanes[lane] += chosen(a[lane], below[lane], above[lane]);
        }
    }
    let rest = rest.iter().zip(belows_rest).zip(aboves_rest);
    lanes.iter().sum::<f64>() + rest.map(|((&a, &b), &c)| chosen(a, b, c)).sum::<f64>()
}
