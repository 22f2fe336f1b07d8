//! Convolutions over one or two axes.

use crate::ops::{Conv2dConfig, ConvTranspose2dConfig, OperatorConfig};

use super::super::array::Array;
use super::super::call::Call;
use super::super::draft::Draft;
use super::super::value::{Features, Value};

/// What convolutions and pools have in common, in two axes: signals of one axis are images
/// of height 1.
pub(super) struct Window {
    /// Channels, height, width.
    pub(super) input: [usize; 3],
    /// Whether there is one axis only.
    pub(super) flat: bool,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Before and after, for height and width.
    pub(super) pads: [[usize; 2]; 2],
}

/// One or two numbers of height and width; height 1 is added to flat signals.
pub(super) fn pair(
    values: &[i64],
    flat: bool,
    fill: usize,
    what: &str,
) -> Result<[usize; 2], String> {
    let fail = || format!("{what} {values:?}");
    let value = |value: i64| usize::try_from(value).ok().filter(|&v| v <= 1 << 20).ok_or_else(fail);
    match (values, flat) {
        (&[width], true) => Ok([fill, value(width)?]),
        (&[height, width], false) => Ok([value(height)?, value(width)?]),
        _ => Err(fail()),
    }
}

impl Window {
    /// The window of a node over `x`, with this kernel.
    pub(super) fn of(call: &Call<'_>, x: &Features, kernel: &[i64]) -> Result<Self, String> {
        let (input, flat) = match x.shape.as_slice() {
            &[channels, width] => ([channels, 1, width], true),
            &[channels, height, width] => ([channels, height, width], false),
            shape => {
                return Err(format!(
                    "samples of {shape:?}: only one or two axes after the channels"
                ));
            }
        };
        let list = |name: &str| call.integers(name).filter(|values| !values.is_empty());
        if let Some(stated) = list("kernel_shape").filter(|stated| *stated != kernel) {
            return Err(format!("kernel_shape {stated:?}, but a kernel of {kernel:?}"));
        }
        let kernel = pair(kernel, flat, 1, "kernel")?;
        let both = |name: &str| list(name).map_or(Ok([1, 1]), |values| pair(values, flat, 1, name));
        let (stride, dilation) = (both("strides")?, both("dilations")?);
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err("a kernel, stride or dilation of 0".to_string());
        }
        let mut window = Self { input, flat, kernel, stride, dilation, pads: [[0; 2]; 2] };
        window.pads = match call.text("auto_pad", "NOTSET")? {
            "NOTSET" => match list("pads") {
                None => [[0; 2]; 2],
                Some(pads) if pads.len().is_multiple_of(2) => {
                    let (before, after) = pads.split_at(pads.len() / 2);
                    let before = pair(before, flat, 0, "pads")?;
                    let after = pair(after, flat, 0, "pads")?;
                    [[before[0], after[0]], [before[1], after[1]]]
                }
                Some(pads) => return Err(format!("pads {pads:?}")),
            },
            "VALID" => [[0; 2]; 2],
            // Transposed convolutions are handled by their own rule.
            same @ ("SAME_UPPER" | "SAME_LOWER") => [0, 1].map(|axis| {
                let size = window.input[axis + 1];
                let reach = (size.div_ceil(window.stride[axis]) - 1) * window.stride[axis]
                    + window.span(axis);
                let total = reach.saturating_sub(size);
                let less = total / 2;
                if same == "SAME_UPPER" { [less, total - less] } else { [total - less, less] }
            }),
            other => return Err(format!("auto_pad {other:?}")),
        };
        Ok(window)
    }

    /// Positions from the first to the last tap of the kernel.
    pub(super) fn span(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// Height and width of what the window yields.
    pub(super) fn output(&self) -> Result<[usize; 2], String> {
        let side = |axis: usize| {
            let padded = self.input[axis + 1] + self.pads[axis][0] + self.pads[axis][1];
            let steps = padded.checked_sub(self.span(axis)).map(|free| free / self.stride[axis]);
            steps.map(|steps| steps + 1).ok_or_else(|| {
                format!("a kernel of {} over a padded size of {padded}", self.span(axis))
            })
        };
        Ok([side(0)?, side(1)?])
    }

    /// The padding on both sides, with whatever one side has more added to `x` beforehand.
    fn symmetric(
        &mut self,
        draft: &mut Draft,
        x: &Features,
    ) -> Result<(Features, [usize; 2]), String> {
        let even = self.pads.map(|[before, after]| before.min(after));
        let x = draft.reshaped(x, self.input.to_vec())?;
        if self.pads == even.map(|pad| [pad, pad]) {
            return Ok((x, even));
        }
        let picks = [0, 1].map(|axis| {
            let [before, after] = self.pads[axis].map(|pad| pad - even[axis]);
            let inside = (0..self.input[axis + 1]).map(Some);
            std::iter::repeat_n(None, before)
                .chain(inside)
                .chain(std::iter::repeat_n(None, after))
                .collect::<Vec<Option<usize>>>()
        });
        let padded = draft.moved(&x, |positions| {
            positions.taken(2, &picks[0], Some(&None))?.taken(3, &picks[1], Some(&None))
        })?;
        self.input = [self.input[0], picks[0].len(), picks[1].len()];
        Ok((padded, even))
    }

    /// The shape in the graph of what has these channels, height and width here.
    pub(super) fn graph_shape(&self, [channels, height, width]: [usize; 3]) -> Vec<usize> {
        if self.flat { vec![channels, width] } else { vec![channels, height, width] }
    }
}

/// A kernel with both axes.
fn kernel_of(weight: Array<f32>) -> Result<(Array<f32>, Vec<i64>), String> {
    match weight.shape.as_slice() {
        &[out, inner, width] => {
            Ok((weight.reshaped(vec![out, inner, 1, width])?, vec![width as i64]))
        }
        &[_, _, height, width] => Ok((weight, vec![height as i64, width as i64])),
        shape => Err(format!("a kernel of shape {shape:?}: only one or two axes are supported")),
    }
}

fn bias_of(call: &Call<'_>, channels: usize) -> Result<Vec<f32>, String> {
    match call.optional_numbers(2)? {
        Some(bias) if bias.values.len() == channels => Ok(bias.values),
        Some(bias) => Err(format!("a bias of {} for {channels} channels", bias.values.len())),
        None => Ok(vec![0.0; channels]),
    }
}

fn groups(call: &Call<'_>) -> Result<usize, String> {
    let groups = call.integer("group", 1);
    usize::try_from(groups).ok().filter(|&g| g > 0).ok_or_else(|| format!("{groups} groups"))
}

/// `Conv`.
pub(super) fn conv(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    let (weight, kernel) = kernel_of(call.numbers(1)?)?;
    let groups = groups(call)?;
    let mut window = Window::of(call, &x, &kernel)?;
    let channels = weight.shape[0];
    if Some(window.input[0]) != weight.shape[1].checked_mul(groups)
        || !channels.is_multiple_of(groups)
    {
        return Err(format!(
            "a kernel of shape {:?} in {groups} groups for {} channels",
            weight.shape, window.input[0]
        ));
    }
    let [height, width] = window.output()?;
    let (x, padding) = window.symmetric(draft, &x)?;
    let config = Conv2dConfig {
        input: window.input,
        channels,
        kernel: window.kernel,
        stride: window.stride,
        padding,
        dilation: window.dilation,
        groups,
    };
    let parameters = vec![
        ("weight", weight.shape, weight.values),
        ("bias", vec![channels], bias_of(call, channels)?),
    ];
    let made = [channels, height, width];
    let result = draft.push(OperatorConfig::Conv2d(config), &[&x], parameters, made.to_vec())?;
    Ok(vec![Value::Features(draft.reshaped(&result, window.graph_shape(made))?)])
}

/// `ConvTranspose`.
pub(super) fn conv_transpose(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    let (weight, kernel) = kernel_of(call.numbers(1)?)?;
    let groups = groups(call)?;
    let mut window = Window::of(call, &x, &kernel)?;
    if window.input[0] != weight.shape[0] || !weight.shape[0].is_multiple_of(groups) {
        return Err(format!(
            "a kernel of shape {:?} in {groups} groups for {} channels",
            weight.shape, window.input[0]
        ));
    }
    let channels = weight.shape[1].checked_mul(groups).ok_or("too many channels")?;
    let list = |name: &str| call.integers(name).filter(|values| !values.is_empty());
    let extra = match list("output_padding") {
        Some(values) => pair(values, window.flat, 0, "output_padding")?,
        None => [0, 0],
    };
    // All that the kernel reaches, before anything is cut off.
    let full = [0, 1].map(|axis| {
        (window.input[axis + 1] - 1) * window.stride[axis] + window.span(axis) + extra[axis]
    });
    let same = call.text("auto_pad", "NOTSET")?.to_string();
    let wanted = match list("output_shape") {
        Some(values) => {
            let spatial = &values[values.len().saturating_sub(if window.flat { 1 } else { 2 })..];
            Some(pair(spatial, window.flat, 1, "output_shape")?)
        }
        None if same.starts_with("SAME") => {
            Some([0, 1].map(|axis| window.input[axis + 1] * window.stride[axis]))
        }
        None => None,
    };
    if let Some(wanted) = wanted {
        for axis in [0, 1] {
            // Wide strides leave gaps that no padding fills.
            let fills = full[axis] < wanted[axis] && same.starts_with("SAME");
            let total = if fills { Some(0) } else { full[axis].checked_sub(wanted[axis]) };
            let total = total.ok_or_else(|| format!("an output of {wanted:?}"))?;
            let (less, more) = (total / 2, total - total / 2);
            window.pads[axis] = if same == "SAME_UPPER" { [less, more] } else { [more, less] };
        }
    }
    let cut = |axis: usize| {
        let [before, after] = window.pads[axis];
        full[axis]
            .checked_sub(before + after)
            .filter(|&side| side > 0)
            .ok_or_else(|| format!("pads of {before} and {after} remove the whole output"))
    };
    let sides = [cut(0)?, cut(1)?];
    let even = window.pads.map(|[before, after]| before.min(after));
    let input = draft.reshaped(&x, window.input.to_vec())?;
    let config = ConvTranspose2dConfig {
        input: window.input,
        channels,
        kernel: window.kernel,
        stride: window.stride,
        padding: even,
        output_padding: extra,
        dilation: window.dilation,
        groups,
    };
    let parameters = vec![
        ("weight", weight.shape, weight.values),
        ("bias", vec![channels], bias_of(call, channels)?),
    ];
    let made = [channels, full[0] - 2 * even[0], full[1] - 2 * even[1]];
    let operator = OperatorConfig::ConvTranspose2d(config);
    let mut result = draft.push(operator, &[&input], parameters, made.to_vec())?;
    let rest = [0, 1].map(|axis| window.pads[axis][0] - even[axis]);
    if [made[1], made[2]] != sides {
        let picks =
            [0, 1].map(|axis| (rest[axis]..rest[axis] + sides[axis]).map(Some).collect::<Vec<_>>());
        result = draft.moved(&result, |positions| {
            positions.taken(2, &picks[0], None)?.taken(3, &picks[1], None)
        })?;
    }
    let shape = window.graph_shape([channels, sides[0], sides[1]]);
    Ok(vec![Value::Features(draft.reshaped(&result, shape)?)])
}
