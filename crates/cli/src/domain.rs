//! Options that say which perturbations are allowed.

use anyhow::{Context, bail};
use clap::Args;
use vaegis_data::{Dataset, OpenOptions};
use vaegis_robustness::{Domain, InputBox, Norm};

/// Which perturbations are allowed, and how long they are.
#[derive(Debug, Clone, Args)]
pub(crate) struct DomainOptions {
    /// Norm of perturbations: l1, l2 or linf
    #[arg(long, default_value = "l2")]
    norm: Norm,
    /// Box of perturbed inputs: none, or two numbers such as 0,1 [default: the range of
    /// the data's pixel format, else none]
    #[arg(long = "box", value_name = "BOX", allow_hyphen_values = true)]
    bounds: Option<InputBox>,
    /// Unit of each feature, for tables: std (its standard deviation in the data), or a file of
    /// as many numbers as features (npy, or CSV with a header); norms are of changes in these units
    #[arg(long, value_name = "std|FILE")]
    units: Option<String>,
    /// Which features may change: a file of as many numbers as features (npy, or CSV with a
    /// header), 0 for those that stay
    #[arg(long, value_name = "FILE")]
    mask: Option<String>,
}

impl DomainOptions {
    /// The domain that was asked for, for these data.
    pub(crate) fn domain(&self, dataset: &Dataset) -> anyhow::Result<Domain> {
        let bounds = self.bounds.unwrap_or_else(|| natural_box(dataset));
        let features = dataset.shape().iter().product();
        let mut units = match self.units.as_deref() {
            None => None,
            Some("std") => Some(standard_deviations(dataset)),
            Some(file) => Some(numbers(file, features).context("--units")?),
        };
        if let Some(file) = &self.mask {
            let mask = numbers(file, features).context("--mask")?;
            let units = units.get_or_insert_with(|| vec![1.0; features]);
            units.iter_mut().zip(mask).filter(|(_, mask)| *mask == 0.0).for_each(|(u, _)| *u = 0.0);
        }
        Ok(Domain { norm: self.norm, bounds, units })
    }
}

/// The range of the data's format, if it has one.
pub(crate) fn natural_box(dataset: &Dataset) -> InputBox {
    dataset.value_range().into()
}

/// The numbers of a file, one for each feature.
fn numbers(file: &str, features: usize) -> anyhow::Result<Vec<f32>> {
    let dataset = Dataset::open_with(file, &OpenOptions::default())?;
    let numbers: Vec<f32> = (0..dataset.len()).flat_map(|row| dataset.row(row)).collect();
    if numbers.len() != features {
        bail!("{file} has {} numbers, the data have {features} features", numbers.len());
    }
    Ok(numbers)
}

/// Of each feature over all rows; features that never vary have 0 and may not change.
fn standard_deviations(dataset: &Dataset) -> Vec<f32> {
    let features: usize = dataset.shape().iter().product();
    let (mut mean, mut squares) = (vec![0.0f64; features], vec![0.0f64; features]);
    for row in 0..dataset.len() {
        let count = (row + 1) as f64;
        for (feature, value) in dataset.row(row).into_iter().enumerate() {
            // Welford's recurrence: means of large values lose nothing.
            let change = f64::from(value) - mean[feature];
            mean[feature] += change / count;
            squares[feature] += change * (f64::from(value) - mean[feature]);
        }
    }
    squares.into_iter().map(|sum| (sum / dataset.len().max(1) as f64).sqrt() as f32).collect()
}
