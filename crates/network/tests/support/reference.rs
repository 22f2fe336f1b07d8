//! Every operator by its definition, one feature after another in f64.

use vaegis_network::ops::{
    Conv2dConfig, ConvTranspose2dConfig, ElementwiseAffineConfig, GatherConfig, GroupSortConfig,
    LinearConfig, MatMulConfig, MaxPool2dConfig, OperatorConfig, SoftmaxConfig, StandardiseConfig,
};
use vaegis_network::{Network, Weights};

/// The first output of a network for one sample.
pub(crate) fn evaluate(network: &Network, x: &[f32]) -> Vec<f64> {
    let weights = Weights::of(network, "");
    let mut values = vec![widen(x)];
    for (position, node) in network.config().nodes.iter().enumerate() {
        let inputs: Vec<&[f64]> = node.from.iter().map(|&value| values[value].as_slice()).collect();
        let parameter = |name: &str| widen(weights.get(&format!("{position}.{name}")).unwrap().1);
        values.push(apply(&node.operator, &inputs, &parameter));
    }
    values.swap_remove(network.config().outputs[0])
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn apply(
    operator: &OperatorConfig,
    inputs: &[&[f64]],
    parameter: &dyn Fn(&str) -> Vec<f64>,
) -> Vec<f64> {
    let x = inputs[0];
    match operator {
        OperatorConfig::Linear(config) => {
            linear(config, x, &parameter("weight"), &parameter("bias"))
        }
        OperatorConfig::Conv2d(config) => {
            convolution(config, x, &parameter("weight"), &parameter("bias"))
        }
        OperatorConfig::ConvTranspose2d(config) => {
            transposed_convolution(config, x, &parameter("weight"), &parameter("bias"))
        }
        OperatorConfig::Activation(config) => unreachable!("{config:?} has tests of its own"),
        OperatorConfig::Reshape(_) => x.to_vec(),
        OperatorConfig::Add(_) => {
            (0..x.len()).map(|f| inputs.iter().map(|input| input[f]).sum()).collect()
        }
        OperatorConfig::Multiply(_) => x.iter().zip(inputs[1]).map(|(a, b)| a * b).collect(),
        OperatorConfig::Select(_) => {
            (0..x.len()).map(|f| if x[f] > 0.0 { inputs[1][f] } else { inputs[2][f] }).collect()
        }
        OperatorConfig::Concat(_) => inputs.concat(),
        OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size, inner }) => {
            let (scale, shift) = (parameter("scale"), parameter("shift"));
            let affine = |(f, x)| scale[(f / inner) % size] * x + shift[(f / inner) % size];
            x.iter().enumerate().map(affine).collect()
        }
        OperatorConfig::Gather(GatherConfig { indices, .. }) => (0..indices.len())
            .map(|output| indices.get(output).map_or(0.0, |index| x[index as usize]))
            .collect(),
        OperatorConfig::Standardise(StandardiseConfig { block, epsilon }) => {
            x.chunks(*block).flat_map(|x| standardise(x, *epsilon)).collect()
        }
        OperatorConfig::Softmax(SoftmaxConfig { block }) => {
            let softmax = |x: &[f64]| {
                let sum: f64 = x.iter().map(|x| x.exp()).sum();
                x.iter().map(|x| x.exp() / sum).collect::<Vec<_>>()
            };
            x.chunks(*block).flat_map(softmax).collect()
        }
        OperatorConfig::MaxPool2d(config) => max_pool(config, x),
        OperatorConfig::GroupSort(GroupSortConfig { inner }) => {
            let sorted = |block: &[f64]| {
                let pairs = || (0..*inner).map(|k| (block[k], block[k + inner]));
                let larger = pairs().map(|(a, b)| a.max(b));
                larger.chain(pairs().map(|(a, b)| a.min(b))).collect::<Vec<_>>()
            };
            x.chunks(2 * inner).flat_map(sorted).collect()
        }
        OperatorConfig::MatMul(config) => matrix_product(config, x, inputs[1]),
    }
}

fn linear(config: &LinearConfig, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let output = |x: &[f64], output: usize| {
        let terms = x.iter().enumerate().map(|(i, x)| x * weight[i * config.outputs + output]);
        bias[output] + terms.sum::<f64>()
    };
    let positions = x.chunks(config.inputs);
    positions.flat_map(|x| (0..config.outputs).map(move |o| output(x, o))).collect()
}

fn standardise(x: &[f64], epsilon: f64) -> Vec<f64> {
    let count = x.len() as f64;
    let mean = x.iter().sum::<f64>() / count;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    x.iter().map(|x| (x - mean) / (variance + epsilon).sqrt()).collect()
}

/// The row or column that an element of a window reads, if it is not in the padding.
fn read(
    position: usize,
    step: usize,
    tap: usize,
    gap: usize,
    padding: usize,
    size: usize,
) -> Option<usize> {
    (position * step + tap * gap).checked_sub(padding).filter(|&read| read < size)
}

/// All pairs of rows and columns.
fn grid(height: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..height).flat_map(move |row| (0..width).map(move |column| (row, column)))
}

fn convolution(config: &Conv2dConfig, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let Conv2dConfig { input: [inputs, height, width], kernel, stride, padding, dilation, .. } =
        *config;
    let [channels, rows, columns] = config.output().unwrap();
    let (group_inputs, group_outputs) = (inputs / config.groups, channels / config.groups);
    let mut output = vec![];
    for (channel, bias) in bias.iter().enumerate() {
        for (row, column) in grid(rows, columns) {
            let mut sum = *bias;
            for input in 0..group_inputs {
                for (i, j) in grid(kernel[0], kernel[1]) {
                    let y = read(row, stride[0], i, dilation[0], padding[0], height);
                    let z = read(column, stride[1], j, dilation[1], padding[1], width);
                    if let (Some(y), Some(z)) = (y, z) {
                        let source = channel / group_outputs * group_inputs + input;
                        let tap =
                            ((channel * group_inputs + input) * kernel[0] + i) * kernel[1] + j;
                        sum += weight[tap] * x[(source * height + y) * width + z];
                    }
                }
            }
            output.push(sum);
        }
    }
    output
}

fn transposed_convolution(
    config: &ConvTranspose2dConfig,
    x: &[f64],
    weight: &[f64],
    bias: &[f64],
) -> Vec<f64> {
    let ConvTranspose2dConfig {
        input: [inputs, height, width],
        kernel,
        stride,
        padding,
        dilation,
        ..
    } = *config;
    let [channels, rows, columns] = config.output().unwrap();
    let (group_inputs, group_outputs) = (inputs / config.groups, channels / config.groups);
    let mut output: Vec<f64> =
        (0..channels * rows * columns).map(|feature| bias[feature / (rows * columns)]).collect();
    for input in 0..inputs {
        for (row, column) in grid(height, width) {
            for local in 0..group_outputs {
                for (i, j) in grid(kernel[0], kernel[1]) {
                    let y = read(row, stride[0], i, dilation[0], padding[0], rows);
                    let z = read(column, stride[1], j, dilation[1], padding[1], columns);
                    if let (Some(y), Some(z)) = (y, z) {
                        let channel = input / group_inputs * group_outputs + local;
                        let tap = ((input * group_outputs + local) * kernel[0] + i) * kernel[1] + j;
                        output[(channel * rows + y) * columns + z] +=
                            weight[tap] * x[(input * height + row) * width + column];
                    }
                }
            }
        }
    }
    output
}

fn max_pool(config: &MaxPool2dConfig, x: &[f64]) -> Vec<f64> {
    let MaxPool2dConfig { input: [_, height, width], kernel, stride, padding, dilation } = *config;
    let [channels, rows, columns] = config.output().unwrap();
    let mut output = vec![];
    for channel in 0..channels {
        for (row, column) in grid(rows, columns) {
            let mut largest = f64::NEG_INFINITY;
            for (i, j) in grid(kernel[0], kernel[1]) {
                let y = read(row, stride[0], i, dilation[0], padding[0][0], height);
                let z = read(column, stride[1], j, dilation[1], padding[1][0], width);
                if let (Some(y), Some(z)) = (y, z) {
                    largest = largest.max(x[(channel * height + y) * width + z]);
                }
            }
            output.push(largest);
        }
    }
    output
}

fn matrix_product(config: &MatMulConfig, left: &[f64], right: &[f64]) -> Vec<f64> {
    let MatMulConfig { batch, rows, inner, columns, .. } = *config;
    let entry = |number: usize, row: usize, column: usize| {
        (0..inner)
            .map(|k| {
                let left = left[(number * rows + row) * inner + k];
                left * right[(number * inner + k) * columns + column]
            })
            .sum()
    };
    (0..batch)
        .flat_map(|number| grid(rows, columns).map(move |(row, column)| (number, row, column)))
        .map(|(number, row, column)| entry(number, row, column))
        .collect()
}
