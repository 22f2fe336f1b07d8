//! Operators that do not fit their input, whatever a file claims, are refused by name.

use burn::tensor::Device;
use vaegis_network::NetworkBuilder;
use vaegis_network::ops::{
    ActivationConfig, ConcatConfig, Conv2dConfig, ConvTranspose2dConfig, ElementwiseAffineConfig,
    Function, GatherConfig, GroupSortConfig, Indices, Initialiser, LinearConfig, MatMulConfig,
    MaxPool2dConfig, MultiplyConfig, OperatorConfig, ReshapeConfig, SelectConfig, SoftmaxConfig,
    StandardiseConfig,
};

fn activation(function: Function) -> OperatorConfig {
    OperatorConfig::Activation(ActivationConfig { function })
}

fn power(exponent: f64) -> OperatorConfig {
    activation(Function::Power { exponent })
}

/// Why `operator` cannot take values of these sample shapes.
fn refusal(operator: OperatorConfig, inputs: &[&[usize]]) -> String {
    let features = inputs.iter().map(|shape| shape.iter().product::<usize>()).max().unwrap();
    let mut builder = NetworkBuilder::new(vec![features]);
    let values: Vec<_> = inputs
        .iter()
        .map(|shape| {
            let outputs = shape.iter().product();
            let linear = LinearConfig { inputs: features, outputs };
            let value = builder.push(OperatorConfig::Linear(linear), &[0]);
            let reshape = ReshapeConfig { shape: shape.to_vec() };
            builder.push(OperatorConfig::Reshape(reshape), &[value])
        })
        .collect();
    let name = operator.name();
    let output = builder.push(operator, &values);
    let built = builder.finish(&[output], &mut Initialiser::new(0), &Device::flex());
    let message = built.unwrap_err().to_string();
    let prefix = format!("node {} ({name}): ", output - 1);
    message.strip_prefix(&prefix).unwrap_or_else(|| panic!("{message}")).to_string()
}

const CONVOLUTION: Conv2dConfig = Conv2dConfig {
    input: [4, 5, 5],
    channels: 6,
    kernel: [3, 3],
    stride: [1, 1],
    padding: [1, 1],
    dilation: [1, 1],
    groups: 2,
};

#[test]
fn convolutions() {
    let refusal = |config| refusal(OperatorConfig::Conv2d(config), &[&[4, 5, 5]]);
    for (config, reason) in [
        (
            Conv2dConfig { input: [4, 5, 6], ..CONVOLUTION },
            "expects shape [4, 5, 6], found [4, 5, 5]",
        ),
        (Conv2dConfig { groups: 0, ..CONVOLUTION }, "6 channels cannot be divided into 0 groups"),
        (
            Conv2dConfig { channels: 1 << 62, ..CONVOLUTION },
            "shape [4611686018427387904, 2, 3, 3] is too large",
        ),
        (Conv2dConfig { groups: 3, ..CONVOLUTION }, "4 channels cannot be divided into 3 groups"),
        (Conv2dConfig { channels: 3, ..CONVOLUTION }, "3 channels cannot be divided into 2 groups"),
        (
            Conv2dConfig { stride: [1, 0], ..CONVOLUTION },
            "kernel, stride and dilation must be at least 1",
        ),
        (
            Conv2dConfig { dilation: [0, 1], ..CONVOLUTION },
            "kernel, stride and dilation must be at least 1",
        ),
        (
            Conv2dConfig { dilation: [4, 1], ..CONVOLUTION },
            "kernel 3 is larger than the padded input",
        ),
        (Conv2dConfig { dilation: [usize::MAX, 1], ..CONVOLUTION }, "kernel 3 is too large"),
        (
            Conv2dConfig { padding: [usize::MAX, 1], ..CONVOLUTION },
            "padding [18446744073709551615, 18446744073709551615] is too large",
        ),
        (
            Conv2dConfig { kernel: [0, 3], ..CONVOLUTION },
            "kernel, stride and dilation must be at least 1",
        ),
        (
            Conv2dConfig { kernel: [usize::MAX, 3], ..CONVOLUTION },
            "kernel 18446744073709551615 is larger than the padded input",
        ),
        (
            Conv2dConfig { padding: [1 << 62, 1 << 61], ..CONVOLUTION },
            "shape [6, 9223372036854775811, 4611686018427387907] is too large",
        ),
    ] {
        assert_eq!(refusal(config), reason);
    }
}

#[test]
fn transposed_convolutions() {
    let valid = ConvTranspose2dConfig {
        input: [4, 5, 5],
        channels: 6,
        kernel: [3, 3],
        stride: [2, 2],
        padding: [1, 1],
        output_padding: [0, 1],
        dilation: [1, 1],
        groups: 2,
    };
    for (config, reason) in [
        (
            ConvTranspose2dConfig { output_padding: [2, 0], ..valid.clone() },
            "output padding must be smaller than the stride",
        ),
        (
            ConvTranspose2dConfig { padding: [6, 0], ..valid.clone() },
            "padding removes the whole output",
        ),
        (
            ConvTranspose2dConfig { stride: [usize::MAX, 1], ..valid.clone() },
            "stride 18446744073709551615 is too large",
        ),
        (
            ConvTranspose2dConfig { groups: 4, ..valid.clone() },
            "6 channels cannot be divided into 4 groups",
        ),
    ] {
        assert_eq!(refusal(OperatorConfig::ConvTranspose2d(config), &[&[4, 5, 5]]), reason);
    }
}

#[test]
fn pooling_of_padding_alone() {
    let valid = MaxPool2dConfig {
        input: [1, 2, 4],
        kernel: [2, 2],
        stride: [1, 1],
        padding: [[0, 0], [0, 0]],
        dilation: [1, 1],
    };
    for (config, reason) in [
        (
            MaxPool2dConfig { padding: [[2, 0], [0, 0]], ..valid.clone() },
            "padding [[2, 0], [0, 0]] is wider than the kernel",
        ),
        (
            MaxPool2dConfig { padding: [[0, 0], [0, 2]], ..valid.clone() },
            "padding [[0, 0], [0, 2]] is wider than the kernel",
        ),
        (
            MaxPool2dConfig { padding: [[1, 1], [0, 0]], dilation: [3, 1], ..valid.clone() },
            "padding [[1, 1], [0, 0]] is wider than the kernel",
        ),
        (
            MaxPool2dConfig { kernel: [3, 1], ..valid.clone() },
            "kernel 3 is larger than the padded input",
        ),
    ] {
        assert_eq!(refusal(OperatorConfig::MaxPool2d(config), &[&[1, 2, 4]]), reason);
    }
}

#[test]
fn features_that_do_not_match() {
    let gather = |shape: &[usize], indices: &[Option<u32>]| {
        let config = GatherConfig { shape: shape.to_vec(), indices: indices.to_vec().into() };
        OperatorConfig::Gather(config)
    };
    let affine =
        |size, inner| OperatorConfig::ElementwiseAffine(ElementwiseAffineConfig { size, inner });
    let linear = |inputs, outputs| OperatorConfig::Linear(LinearConfig { inputs, outputs });
    let standardise =
        |block, epsilon| OperatorConfig::Standardise(StandardiseConfig { block, epsilon });
    for (operator, reason) in [
        (gather(&[2], &[Some(6), None]), "takes feature 6, found 6"),
        (gather(&[3], &[Some(5), None]), "2 indices do not make shape [3]"),
        (
            gather(&[usize::MAX, 2], &[Some(5), None]),
            "shape [18446744073709551615, 2] is too large",
        ),
        (affine(4, 1), "4 scales of 1 features do not divide [2, 3]"),
        (affine(3, 0), "3 scales of 0 features do not divide [2, 3]"),
        (affine(2, usize::MAX), "2 scales of 18446744073709551615 features do not divide [2, 3]"),
        (linear(2, 5), "expects 2 features, found 6"),
        (linear(3, 0), "shape [3, 0] is empty"),
        (linear(usize::MAX, 2), "shape [18446744073709551615, 2] is too large"),
        (activation(Function::Elu { alpha: f64::NAN }), "alpha of elu must be finite, found NaN"),
        (
            activation(Function::LeakyRelu { slope: f64::INFINITY }),
            "the slope of leaky-relu must be finite, found inf",
        ),
        (
            activation(Function::HardSigmoid { slope: 0.2, offset: f64::NAN }),
            "the offset of hard-sigmoid must be finite, found NaN",
        ),
        (
            activation(Function::Clip { low: None, high: Some(f64::NAN) }),
            "the limits of clip must be numbers, found NaN",
        ),
        (standardise(4, 0.1), "blocks of 4 features do not divide [2, 3]"),
        (standardise(0, 0.1), "a block must have at least one feature"),
        (standardise(3, -0.1), "epsilon must be finite and at least 0, found -0.1"),
        (
            OperatorConfig::Softmax(SoftmaxConfig { block: 5 }),
            "blocks of 5 features do not divide [2, 3]",
        ),
        (
            OperatorConfig::GroupSort(GroupSortConfig { inner: 2 }),
            "blocks of 4 features do not divide [2, 3]",
        ),
        (
            OperatorConfig::GroupSort(GroupSortConfig { inner: 0 }),
            "a block must have at least one feature",
        ),
        (power(1e20), "an exponent must lie within 2^31, found 100000000000000000000"),
        (power(f64::NAN), "an exponent must lie within 2^31, found NaN"),
        (power(f64::NEG_INFINITY), "an exponent must lie within 2^31, found -inf"),
        (OperatorConfig::Multiply(MultiplyConfig {}), "takes two inputs, found 1"),
        (OperatorConfig::Select(SelectConfig {}), "takes three inputs, found 1"),
        (
            OperatorConfig::Concat(ConcatConfig { shape: vec![6] }),
            "takes at least two inputs, found 1",
        ),
    ] {
        assert_eq!(refusal(operator, &[&[2, 3]]), reason);
    }
}

#[test]
fn pairs_that_do_not_match() {
    let matmul = |inner| {
        let shape = vec![2, 2];
        OperatorConfig::MatMul(MatMulConfig { batch: 1, rows: 2, inner, columns: 2, shape })
    };
    for (operator, reason) in [
        (matmul(4), "expects [1, 2, 4] or the like, found [2, 3]"),
        (matmul(3), "expects [1, 3, 2] or the like, found [4]"),
        (OperatorConfig::Multiply(MultiplyConfig {}), "inputs differ in shape: [2, 3] and [4]"),
        (
            OperatorConfig::Concat(ConcatConfig { shape: vec![11] }),
            "cannot make [11] of [[2, 3], [4]]",
        ),
    ] {
        assert_eq!(refusal(operator, &[&[2, 3], &[4]]), reason);
    }
}

#[test]
fn indices_that_no_list_has() {
    let parse =
        |text: &str| serde_json::from_str::<Indices>(text).map_err(|error| error.to_string());
    for (text, reason) in [
        ("[[0, 1, 0]]", "run [Some(0), 1, 0] of indices is empty"),
        ("[[3, -1, 5]]", "run [Some(3), -1, 5] of indices leaves the range of 32 bits"),
        ("[[4294967295, 0, 1]]", "leaves the range of 32 bits"),
        ("[[1, 9223372036854775807, 3]]", "leaves the range of 32 bits"),
        (
            "[[null, 0, 4294967295], [0, 1, 1]]",
            "run [Some(0), 1, 1] of indices makes the list too long",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
    // Claims of many indices are not written out.
    let indices = parse("[[null, 0, 4294967294], [7, 0, 1]]").unwrap();
    assert_eq!(
        (indices.len(), indices.get(4_294_967_294), indices.get(5)),
        (4_294_967_295, Some(7), None)
    );
    let gather = OperatorConfig::Gather(GatherConfig { shape: vec![3], indices });
    assert_eq!(refusal(gather, &[&[8]]), "4294967295 indices do not make shape [3]");
}

#[test]
fn indices_are_stored_as_runs() {
    let list = [Some(0), Some(1), Some(2), None, None, Some(9), Some(7), Some(5), Some(4), Some(4)];
    let indices = Indices::from(list.to_vec());
    let text = serde_json::to_string(&indices).unwrap();
    assert_eq!(text, "[[0,1,3],[null,0,2],[9,-2,3],[4,0,2]]");
    assert_eq!(serde_json::from_str::<Indices>(&text).unwrap(), indices);
    // The same list in other runs.
    let other = "[[0,1,2],[2,1,1],[null,5,1],[null,0,1],[9,-2,3],[4,0,1],[4,0,1]]";
    assert_eq!(serde_json::from_str::<Indices>(other).unwrap(), indices);
    assert_eq!(indices.iter().collect::<Vec<_>>(), list);
    assert_eq!((0..11).map(|k| indices.get(k)).collect::<Vec<_>>(), [&list[..], &[None]].concat());
    assert_ne!(indices, Indices::from(list[..9].to_vec()));
    assert_eq!(format!("{indices:?}"), "Indices(10 in 4 runs)");
}
