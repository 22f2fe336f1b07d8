//! What happens to the data before an encoder sees it. It belongs to the model: perturbations
//! and their norms are always in the space of the data.

use serde::{Deserialize, Serialize};

/// Where a decoder's means live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReconstructionSpace {
    /// In that of the data, before preprocessing.
    Data,
    /// In that of the encoder's input, after preprocessing.
    Model,
}

/// `(scale x - mean) / std`, with one mean and std for all or one for each channel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preprocessing {
    /// Factor, 1 if none.
    pub scale: Option<f64>,
    /// One number, or one for each channel.
    pub mean: Vec<f64>,
    /// One number, or one for each channel.
    pub std: Vec<f64>,
    /// Where the decoder's means live; must be known if there is any preprocessing.
    pub space: Option<ReconstructionSpace>,
}

/// `gain x + shift` for each channel (or for all, if there is one).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affine {
    pub(super) gain: Vec<f64>,
    pub(super) shift: Vec<f64>,
}

impl Affine {
    pub(super) fn inverse(&self) -> Self {
        let gain: Vec<f64> = self.gain.iter().map(|gain| 1.0 / gain).collect();
        let shift = self.shift.iter().zip(&gain).map(|(shift, gain)| -shift * gain).collect();
        Self { gain, shift }
    }
}

impl Preprocessing {
    /// The map, if there is any; `channels` is the first axis of a sample.
    ///
    /// # Errors
    /// Lists numbers that cannot be.
    pub(super) fn affine(&self, channels: usize) -> Result<Option<Affine>, Vec<String>> {
        let Self { scale, mean, std, space } = self;
        if scale.is_none() && mean.is_empty() && std.is_empty() {
            return Ok(None);
        }
        let mut problems = vec![];
        for (option, values) in [("--mean", mean), ("--std", std)] {
            if ![0, 1, channels].contains(&values.len()) {
                problems.push(format!(
                    "{option} has {} numbers, expected one or {channels}",
                    values.len()
                ));
            }
            if !values.iter().all(|value| value.is_finite()) {
                problems.push(format!("{option} must be finite numbers"));
            }
        }
        if std.iter().any(|&std| std <= 0.0) {
            problems.push("--std must be positive".to_string());
        }
        if scale.is_some_and(|scale| !scale.is_finite() || scale == 0.0) {
            problems.push("--scale must be a finite number other than 0".to_string());
        }
        if space.is_none() {
            problems.push(
                "with preprocessing, say where the decoder's means live (--reconstruction-space \
                 data or model)"
                    .to_string(),
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let count = mean.len().max(std.len()).max(1);
        let at = |values: &[f64], slot: usize, default: f64| match values {
            [] => default,
            [only] => *only,
            many => many[slot],
        };
        let scale = scale.unwrap_or(1.0);
        let (gain, shift) = (0..count)
            .map(|slot| {
                let std = at(std, slot, 1.0);
                (scale / std, -at(mean, slot, 0.0) / std)
            })
            .unzip();
        Ok(Some(Affine { gain, shift }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_undoes_the_map() {
        let preprocessing = Preprocessing {
            scale: Some(255.0),
            mean: vec![1.0, 2.0, 3.0],
            std: vec![0.5],
            space: Some(ReconstructionSpace::Model),
        };
        let map = preprocessing.affine(3).unwrap().unwrap();
        assert_eq!(map.gain, [510.0; 3]);
        assert_eq!(map.shift, [-2.0, -4.0, -6.0]);
        let inverse = map.inverse();
        for channel in 0..3 {
            let y = map.gain[channel] * 0.3 + map.shift[channel];
            assert!((inverse.gain[channel] * y + inverse.shift[channel] - 0.3).abs() < 1e-12);
        }
    }

    #[test]
    fn all_that_cannot_be_is_listed() {
        let preprocessing =
            Preprocessing { scale: Some(0.0), mean: vec![1.0, 2.0], std: vec![-1.0], space: None };
        let problems = preprocessing.affine(3).unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert_eq!(Preprocessing::default().affine(3), Ok(None));
    }
}
