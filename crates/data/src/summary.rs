//! A data set in numbers, for people who want to see what was understood.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::dataset::Dataset;

/// Smallest, largest and mean value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
    /// Mean.
    pub mean: f64,
}

/// What [`Dataset::summary`] computes.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Of all values.
    pub values: Extent,
    /// Standard deviation of all values (of the population).
    pub standard_deviation: f64,
    /// Features that have one value in all rows.
    pub constant_features: usize,
    /// Of each feature, in order.
    pub features: Vec<Extent>,
    /// How many rows of the training split and of the test split have each label.
    pub labels: BTreeMap<i64, [usize; 2]>,
}

impl Dataset {
    /// Reads all values twice.
    pub fn summary(&self) -> Summary {
        let start = Extent { min: f32::INFINITY, max: f32::NEG_INFINITY, mean: 0.0 };
        let mut features = vec![start; self.features()];
        let mut row = vec![0.0; self.features()];
        for i in 0..self.len() {
            self.copy_row(i, &mut row);
            for (extent, &value) in features.iter_mut().zip(&row) {
                extent.min = extent.min.min(value);
                extent.max = extent.max.max(value);
                extent.mean += f64::from(value);
            }
        }
        features.iter_mut().for_each(|extent| extent.mean /= self.len() as f64);
        let mean = features.iter().map(|extent| extent.mean).sum::<f64>() / features.len() as f64;
        let mut squares = 0.0;
        for i in 0..self.len() {
            self.copy_row(i, &mut row);
            squares += row.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>();
        }
        let mut labels: BTreeMap<i64, [usize; 2]> = BTreeMap::new();
        let mut count = |rows: Range<usize>, split: usize| {
            for label in rows.filter_map(|row| self.label(row)) {
                labels.entry(label).or_default()[split] += 1;
            }
        };
        count(self.train(), 0);
        count(self.test(), 1);
        Summary {
            values: Extent {
                min: features.iter().fold(f32::INFINITY, |min, extent| min.min(extent.min)),
                max: features.iter().fold(f32::NEG_INFINITY, |max, extent| max.max(extent.max)),
                mean,
            },
            standard_deviation: (squares / (self.len() * self.features()) as f64).sqrt(),
            constant_features: features.iter().filter(|extent| extent.min == extent.max).count(),
            features,
            labels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_values() {
        let values = vec![1.0, 5.0, 3.0, 5.0, 5.0, 5.0];
        let data = Dataset::from_f32("d", [2], values, Some(vec![7, 7, -1])).unwrap();
        let summary = data.summary();
        assert_eq!(summary.values, Extent { min: 1.0, max: 5.0, mean: 4.0 });
        assert!((summary.standard_deviation - (14_f64 / 6.0).sqrt()).abs() < 1e-12);
        assert_eq!(summary.constant_features, 1);
        assert_eq!(summary.features[0], Extent { min: 1.0, max: 5.0, mean: 3.0 });
        assert_eq!(summary.labels, BTreeMap::from([(-1, [0, 1]), (7, [2, 0])]));
    }
}
