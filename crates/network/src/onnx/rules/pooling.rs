//! Pools: maxima and means over windows.

use crate::ops::{Conv2dConfig, MaxPool2dConfig, OperatorConfig};

use super::super::call::Call;
use super::super::draft::Draft;
use super::super::value::{Features, Value};
use super::convolution::Window;
use super::reduction::reduced;

/// The window of a pool. In ceil mode the last window may begin inside the input and end
/// beyond the padding: that is padding, too.
fn window(call: &Call<'_>, x: &Features) -> Result<Window, String> {
    let kernel = call.integers("kernel_shape").ok_or("it has no kernel_shape")?;
    let mut window = Window::of(call, x, kernel)?;
    if call.integer("ceil_mode", 0) != 0 {
        for axis in [0, 1] {
            let [before, after] = window.pads[axis];
            let (size, stride) = (window.input[axis + 1], window.stride[axis]);
            let free = (size + before + after).checked_sub(window.span(axis));
            let free = free.ok_or("a kernel larger than the padded input")?;
            let mut steps = free.div_ceil(stride);
            if steps * stride >= size + before {
                steps -= 1;
            }
            let reach = steps * stride + window.span(axis);
            window.pads[axis][1] = reach.saturating_sub(size + before).max(after);
        }
    }
    Ok(window)
}

/// `MaxPool`.
pub(super) fn max(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    if call.node.output.get(1).is_some_and(|name| !name.is_empty()) {
        return Err("its indices as an output are not supported".to_string());
    }
    let window = window(call, &x)?;
    let [height, width] = window.output()?;
    let made = [window.input[0], height, width];
    let config = MaxPool2dConfig {
        input: window.input,
        kernel: window.kernel,
        stride: window.stride,
        padding: window.pads,
        dilation: window.dilation,
    };
    let x = draft.reshaped(&x, window.input.to_vec())?;
    let result = draft.push(OperatorConfig::MaxPool2d(config), &[&x], vec![], made.to_vec())?;
    Ok(vec![Value::Features(draft.reshaped(&result, window.graph_shape(made))?)])
}

/// `AveragePool`: a convolution of each channel with equal weights.
pub(super) fn average(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    let declared = {
        let kernel = call.integers("kernel_shape").ok_or("it has no kernel_shape")?;
        Window::of(call, &x, kernel)?.pads
    };
    let window = window(call, &x)?;
    let [height, width] = window.output()?;
    let channels = window.input[0];
    // Padding that is declared may count; what ceil mode adds never does.
    let counted = if call.integer("count_include_pad", 0) != 0 { declared } else { [[0; 2]; 2] };
    let taps = |axis: usize, position: usize| {
        let first = position * window.stride[axis];
        let low = window.pads[axis][0] - counted[axis][0];
        let high = window.pads[axis][0] + window.input[axis + 1] + counted[axis][1];
        (0..window.kernel[axis])
            .map(|tap| first + tap * window.dilation[axis])
            .filter(|place| (low..high).contains(place))
            .count()
    };
    let area = window.kernel[0] * window.kernel[1];
    let equal = 1.0 / area as f32;
    let weight = vec![equal; channels * area];
    let [[top, bottom], [left, right]] = window.pads;
    let (x, input, padding) = if top == bottom && left == right {
        (draft.reshaped(&x, window.input.to_vec())?, window.input, [top, left])
    } else {
        let x = draft.reshaped(&x, window.input.to_vec())?;
        let side = |axis: usize| {
            let [before, after] = window.pads[axis];
            let inside = (0..window.input[axis + 1]).map(Some);
            let before = std::iter::repeat_n(None, before);
            let after = std::iter::repeat_n(None, after);
            before.chain(inside).chain(after).collect::<Vec<Option<usize>>>()
        };
        let (tall, wide) = (side(0), side(1));
        let padded = draft.moved(&x, |positions| {
            positions.taken(2, &tall, Some(&None))?.taken(3, &wide, Some(&None))
        })?;
        (padded, [channels, tall.len(), wide.len()], [0, 0])
    };
    let config = Conv2dConfig {
        input,
        channels,
        kernel: window.kernel,
        stride: window.stride,
        padding,
        dilation: window.dilation,
        groups: channels,
    };
    let shape = vec![channels, 1, window.kernel[0], window.kernel[1]];
    let parameters = vec![("weight", shape, weight), ("bias", vec![channels], vec![0.0; channels])];
    let made = [channels, height, width];
    let mut result =
        draft.push(OperatorConfig::Conv2d(config), &[&x], parameters, made.to_vec())?;
    let rows: Vec<usize> = (0..height).map(|position| taps(0, position)).collect();
    let columns: Vec<usize> = (0..width).map(|position| taps(1, position)).collect();
    let full = rows.iter().all(|&n| n == window.kernel[0])
        && columns.iter().all(|&n| n == window.kernel[1]);
    if !full {
        // Windows that reach beyond what counts are means of fewer elements.
        let scale: Vec<f32> = rows
            .iter()
            .flat_map(|rows| {
                columns.iter().map(move |columns| area as f32 / (rows * columns) as f32)
            })
            .collect();
        let shift = vec![0.0; scale.len()];
        result = draft.affine(&result, 1, scale, shift)?;
    }
    Ok(vec![Value::Features(draft.reshaped(&result, window.graph_shape(made))?)])
}

/// `GlobalAveragePool` and `GlobalMaxPool`: over all axes but batch and channels.
pub(super) fn global(draft: &mut Draft, call: &Call<'_>) -> Result<Vec<Value>, String> {
    let x = call.features(0)?.clone();
    let axes: Vec<i64> = (2..=x.shape.len() as i64).collect();
    let kind = if call.node.op_type == "GlobalMaxPool" { "ReduceMax" } else { "ReduceMean" };
    Ok(vec![Value::Features(reduced(draft, &x, kind, &axes, true)?)])
}
