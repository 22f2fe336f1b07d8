//! Normalisations: of a batch, an affine map; of the others, standardised blocks of features.

use vaegis_network::ops::{OperatorConfig, StandardiseConfig};

use super::layers::{Made, fed};
use super::settings::Settings;
use super::stack::{Held, Stack};

/// PyTorch's default in normalisations.
const EPSILON: f64 = 1e-5;

pub(super) fn batch_norm(
    stack: &mut Stack,
    mut settings: Settings<'_, '_>,
    x: Option<&Held>,
) -> Made {
    let name = settings.text("batch_norm");
    let epsilon = settings.real("eps", EPSILON);
    let mean = settings.tensor(name.as_deref(), "running_mean").map(|mean| mean.values);
    let channels = mean.as_ref().map(Vec::len);
    let variance = settings.tensor(name.as_deref(), "running_var").map(|variance| variance.values);
    let gain = settings.vector(name.as_deref(), "weight", channels, 1.0);
    let bias = settings.vector(name.as_deref(), "bias", channels, 0.0);
    settings.finish()?;
    let (Some(mean), Some(variance), Some(gain), Some(bias)) = (mean, variance, gain, bias) else {
        return Ok(None);
    };
    fed(x, |x| {
        let inner = of_channels(x, mean.len())?;
        if variance.len() != mean.len() {
            return Err(format!("{} means but {} variances", mean.len(), variance.len()));
        }
        let deviations = variance.iter().map(|&variance| (f64::from(variance) + epsilon).sqrt());
        let scale: Vec<f64> = gain
            .iter()
            .zip(deviations)
            .map(|(&gain, deviation)| f64::from(gain) / deviation)
            .collect();
        let shift = bias.iter().zip(&mean).zip(&scale);
        let shift =
            shift.map(|((&bias, &mean), scale)| (f64::from(bias) - f64::from(mean) * scale) as f32);
        let shift = shift.collect();
        stack.affine(x, inner, scale.iter().map(|&scale| scale as f32).collect(), shift)
    })
}

/// Features of each channel of samples that must have so many.
pub(super) fn of_channels(x: &Held, expected: usize) -> Result<usize, String> {
    let (channels, inner) = x.channels();
    if channels == expected {
        Ok(inner)
    } else {
        Err(format!("it takes {expected} channels, found samples of shape {:?}", x.shape))
    }
}

fn standardised(stack: &mut Stack, x: &Held, block: usize, epsilon: f64) -> Result<Held, String> {
    let operator = OperatorConfig::Standardise(StandardiseConfig { block, epsilon });
    stack.push(operator, &[x], vec![], x.shape.clone())
}

/// Each channel of each sample, without gains.
pub(super) fn plain_instance_norm(stack: &mut Stack, x: &Held) -> Result<Held, String> {
    standardised(stack, x, x.channels().1, EPSILON)
}

/// Weight and bias of a normalisation, of the shape of its weight.
fn gains(settings: &mut Settings<'_, '_>, name: Option<&str>) -> Option<(Vec<f32>, Vec<f32>)> {
    let weight = settings.tensor(name, "weight")?;
    let bias = settings.tensor(name, "bias")?;
    if weight.shape == bias.shape {
        return Some((weight.values, bias.values));
    }
    settings.problem(format!("weight {:?} and bias {:?} differ", weight.shape, bias.shape));
    None
}

pub(super) fn instance_norm(
    stack: &mut Stack,
    mut settings: Settings<'_, '_>,
    x: Option<&Held>,
) -> Made {
    let name = settings.text("instance_norm");
    let epsilon = settings.real("eps", EPSILON);
    let gains = gains(&mut settings, name.as_deref());
    settings.finish()?;
    let Some((scale, shift)) = gains else { return Ok(None) };
    fed(x, |x| {
        let inner = of_channels(x, scale.len())?;
        let normal = standardised(stack, x, inner, epsilon)?;
        stack.affine(&normal, inner, scale, shift)
    })
}

pub(super) fn group_norm(
    stack: &mut Stack,
    mut settings: Settings<'_, '_>,
    x: Option<&Held>,
) -> Made {
    let name = settings.text("group_norm");
    let groups = settings.count("groups");
    let epsilon = settings.real("eps", EPSILON);
    if groups.is_none() {
        settings.problem("it needs `groups`".to_string());
    }
    let gains = gains(&mut settings, name.as_deref());
    settings.finish()?;
    let (Some(groups), Some((scale, shift))) = (groups, gains) else { return Ok(None) };
    fed(x, |x| {
        let inner = of_channels(x, scale.len())?;
        if groups == 0 || !scale.len().is_multiple_of(groups) {
            return Err(format!("{groups} groups of {} channels", scale.len()));
        }
        let normal = standardised(stack, x, scale.len() / groups * inner, epsilon)?;
        stack.affine(&normal, inner, scale, shift)
    })
}

pub(super) fn layer_norm(
    stack: &mut Stack,
    mut settings: Settings<'_, '_>,
    x: Option<&Held>,
) -> Made {
    let name = settings.text("layer_norm");
    let epsilon = settings.real("eps", EPSILON);
    let weight = settings.tensor(name.as_deref(), "weight");
    let length = weight.as_ref().map(|weight| weight.values.len());
    let bias = settings.tensor(name.as_deref(), "bias").map(|bias| bias.values);
    if let (Some(bias), Some(length)) = (&bias, length)
        && bias.len() != length
    {
        settings.problem(format!("a weight of {length} numbers, a bias of {}", bias.len()));
    }
    settings.finish()?;
    let (Some(weight), Some(bias)) = (weight, bias) else { return Ok(None) };
    fed(x, |x| {
        if !x.shape.ends_with(&weight.shape) || weight.shape.is_empty() {
            return Err(format!(
                "it normalises the last axes {:?}, found samples of shape {:?}",
                weight.shape, x.shape
            ));
        }
        let normal = standardised(stack, x, weight.values.len(), epsilon)?;
        stack.affine(&normal, 1, weight.values, bias)
    })
}
