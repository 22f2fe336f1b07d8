//! Matrix products and convolutions.

use vaegis_network::ops::{
    Conv2dConfig, ConvTranspose2dConfig, LinearConfig, OperatorConfig, ReshapeConfig,
};

use super::layers::{Made, fed};
use super::settings::Settings;
use super::stack::{Held, Stack};

pub(super) fn linear(stack: &mut Stack, mut settings: Settings<'_, '_>, x: Option<&Held>) -> Made {
    let name = settings.text("linear");
    let weight = settings.tensor_of(name.as_deref(), "weight", 2);
    let outputs = weight.as_ref().map(|weight| weight.shape[0]);
    let bias = settings.vector(name.as_deref(), "bias", outputs, 0.0);
    settings.finish()?;
    let (Some(weight), Some(bias)) = (weight, bias) else { return Ok(None) };
    let &[outputs, inputs] = weight.shape.as_slice() else { return Ok(None) };
    fed(x, |x| {
        if x.shape.last() != Some(&inputs) {
            let advice =
                if x.features() == inputs { " (\"flatten\" comes before it?)" } else { "" };
            return Err(format!(
                "it takes {inputs} features, found samples of shape {:?}{advice}",
                x.shape
            ));
        }
        // PyTorch keeps a row for each output.
        let mut transposed = vec![0.0; weight.values.len()];
        for (output, row) in weight.values.chunks_exact(inputs).enumerate() {
            for (input, &value) in row.iter().enumerate() {
                transposed[input * outputs + output] = value;
            }
        }
        let mut shape = x.shape.clone();
        *shape.last_mut().expect("a last axis of that size") = outputs;
        let parameters =
            vec![("weight", vec![inputs, outputs], transposed), ("bias", vec![outputs], bias)];
        let operator = OperatorConfig::Linear(LinearConfig { inputs, outputs });
        // Of samples that are one vector the operator makes a vector.
        let made = if x.features() == inputs { vec![outputs] } else { shape.clone() };
        let result = stack.push(operator, &[x], parameters, made)?;
        if result.shape == shape {
            return Ok(result);
        }
        let operator = OperatorConfig::Reshape(ReshapeConfig { shape: shape.clone() });
        stack.push(operator, &[&result], vec![], shape)
    })
}

pub(super) fn conv2d(stack: &mut Stack, mut settings: Settings<'_, '_>, x: Option<&Held>) -> Made {
    let name = settings.text("conv2d");
    let stride = settings.pair("stride").unwrap_or([1, 1]);
    let padding = settings.pair("padding").unwrap_or([0, 0]);
    let dilation = settings.pair("dilation").unwrap_or([1, 1]);
    let groups = settings.count("groups").unwrap_or(1);
    let weight = settings.tensor_of(name.as_deref(), "weight", 4);
    let channels = weight.as_ref().map(|weight| weight.shape[0]);
    let bias = settings.vector(name.as_deref(), "bias", channels, 0.0);
    settings.finish()?;
    let (Some(weight), Some(bias)) = (weight, bias) else { return Ok(None) };
    let &[channels, inputs, height, width] = weight.shape.as_slice() else { return Ok(None) };
    fed(x, |x| {
        let input = x.image()?;
        if inputs.checked_mul(groups) != Some(input[0]) {
            return Err(format!(
                "its weight {:?} in {groups} groups does not take {} channels",
                weight.shape, input[0]
            ));
        }
        let kernel = [height, width];
        let config = Conv2dConfig { input, channels, kernel, stride, padding, dilation, groups };
        let shape = config.output()?.to_vec();
        let parameters =
            vec![("weight", weight.shape, weight.values), ("bias", vec![channels], bias)];
        stack.push(OperatorConfig::Conv2d(config), &[x], parameters, shape)
    })
}

pub(super) fn conv_transpose2d(
    stack: &mut Stack,
    mut settings: Settings<'_, '_>,
    x: Option<&Held>,
) -> Made {
    let name = settings.text("conv_transpose2d");
    let stride = settings.pair("stride").unwrap_or([1, 1]);
    let padding = settings.pair("padding").unwrap_or([0, 0]);
    let output_padding = settings.pair("output_padding").unwrap_or([0, 0]);
    let dilation = settings.pair("dilation").unwrap_or([1, 1]);
    let groups = settings.count("groups").unwrap_or(1);
    let weight = settings.tensor_of(name.as_deref(), "weight", 4);
    let channels = weight.as_ref().and_then(|weight| weight.shape[1].checked_mul(groups));
    let bias = settings.vector(name.as_deref(), "bias", channels, 0.0);
    settings.finish()?;
    let (Some(weight), Some(bias)) = (weight, bias) else { return Ok(None) };
    let &[inputs, _, height, width] = weight.shape.as_slice() else { return Ok(None) };
    fed(x, |x| {
        let input = x.image()?;
        if inputs != input[0] {
            return Err(format!(
                "its weight {:?} does not take {} channels",
                weight.shape, input[0]
            ));
        }
        let (channels, kernel) = (bias.len(), [height, width]);
        let config = ConvTranspose2dConfig {
            input,
            channels,
            kernel,
            stride,
            padding,
            output_padding,
            dilation,
            groups,
        };
        let shape = config.output()?.to_vec();
        let parameters =
            vec![("weight", weight.shape, weight.values), ("bias", vec![channels], bias)];
        stack.push(OperatorConfig::ConvTranspose2d(config), &[x], parameters, shape)
    })
}

/// Without padding: a convolution of each channel with equal weights.
pub(super) fn avg_pool2d(
    stack: &mut Stack,
    mut settings: Settings<'_, '_>,
    x: Option<&Held>,
) -> Made {
    let kernel = settings.pair("avg_pool2d");
    let stride = settings.pair("stride");
    settings.finish()?;
    let Some(kernel) = kernel else { return Ok(None) };
    fed(x, |x| {
        let input = x.image()?;
        let channels = input[0];
        let config = Conv2dConfig {
            input,
            channels,
            kernel,
            stride: stride.unwrap_or(kernel),
            padding: [0, 0],
            dilation: [1, 1],
            groups: channels,
        };
        // The kernel is not larger than the input, then.
        let shape = config.output()?.to_vec();
        let area = kernel[0] * kernel[1];
        let parameters = vec![
            (
                "weight",
                vec![channels, 1, kernel[0], kernel[1]],
                vec![1.0 / area as f32; channels * area],
            ),
            ("bias", vec![channels], vec![0.0; channels]),
        ];
        stack.push(OperatorConfig::Conv2d(config), &[x], parameters, shape)
    })
}
