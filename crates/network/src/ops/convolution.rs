//! Two-dimensional convolution and its transpose, which is also its vjp: `Conv2d` is the one
//! and pulls back by the other, `ConvTranspose2d` the other way round.

use burn::tensor::Tensor;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use super::recorded::{Plain, Pullback, plain, record, recorded};
use super::window::Window;
use super::{columns, features, host};

/// A kernel that slides over an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Convolution {
    /// Channels, height and width of the image: the large side of the convolution.
    pub(super) image: [usize; 3],
    /// Channels, and positions of the kernel in height and width: the small side.
    pub(super) positions: [usize; 3],
    /// The kernel in height and width.
    pub(super) windows: [Window; 2],
    /// Rows and columns at the end of the padded image that the kernel never reads.
    pub(super) unread: [usize; 2],
    /// Equal parts of the channels that do not see each other.
    pub(super) groups: usize,
}

/// The `groups` that manifests may leave out.
pub(super) fn ungrouped() -> usize {
    1
}

/// The `dilation` that manifests may leave out.
pub(super) fn undilated() -> [usize; 2] {
    [1, 1]
}

/// A kernel in height and width, padded alike on both sides.
pub(super) fn windows(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
) -> [Window; 2] {
    [0, 1].map(|axis| Window {
        kernel: kernel[axis],
        stride: stride[axis],
        dilation: dilation[axis],
        padding: [padding[axis]; 2],
    })
}

impl Convolution {
    /// `[position channels, image channels / groups, kernel height, kernel width]`, or why
    /// there is no such weight.
    pub(super) fn weight(&self) -> Result<[usize; 4], String> {
        let (channels, image_channels) = (self.positions[0], self.image[0]);
        for channels in [channels, image_channels] {
            if channels.checked_rem(self.groups) != Some(0) {
                let groups = self.groups;
                return Err(format!("{channels} channels cannot be divided into {groups} groups"));
            }
        }
        let [height, width] = self.windows.map(|window| window.kernel);
        let shape = [channels, image_channels / self.groups, height, width];
        features(&shape)?;
        Ok(shape)
    }

    /// From the image to the positions.
    ///
    /// # Shapes
    /// `image`: `[rows, image features]`; `weight` as [`weight`](Self::weight) says; `bias`:
    /// `[position channels]`; result `[rows, position features]`.
    pub(super) fn correlate(
        &self,
        image: Tensor<2>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
    ) -> Tensor<2> {
        if self.has_columns() {
            if host::holds(&image) && host::holds(&weight) {
                return columns::correlate(self, image, weight, bias);
            }
            if let Some(output) = self.record(Direction::Correlate, &image, &weight, bias.as_ref())
            {
                return output;
            }
        }
        let [channels, height, width] = self.image;
        let rows = image.dims()[0];
        let image = image.reshape([rows, channels, height, width]);
        let options = ConvOptions::new(
            self.windows.map(|window| window.stride),
            self.windows.map(|window| window.padding[0]),
            self.windows.map(|window| window.dilation),
            self.groups,
        );
        conv2d(image, weight, bias, options).flatten(1, 3)
    }

    /// From the positions to the image.
    ///
    /// # Shapes
    /// `values`: `[rows, position features]`; `weight` as [`weight`](Self::weight) says;
    /// `bias`: `[image channels]`; result `[rows, image features]`.
    pub(super) fn transpose(
        &self,
        values: Tensor<2>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
    ) -> Tensor<2> {
        if self.has_columns() {
            if host::holds(&values) && host::holds(&weight) {
                return columns::transpose(self, values, weight, bias);
            }
            if let Some(output) = self.record(Direction::Transpose, &values, &weight, bias.as_ref())
            {
                return output;
            }
        }
        let [channels, height, width] = self.positions;
        let rows = values.dims()[0];
        let values = values.reshape([rows, channels, height, width]);
        let options = ConvTransposeOptions::new(
            self.windows.map(|window| window.stride),
            self.windows.map(|window| window.padding[0]),
            self.unread,
            self.windows.map(|window| window.dilation),
            self.groups,
        );
        conv_transpose2d(values, weight, bias, options).flatten(1, 3)
    }

    /// Whether there are sums over channels and kernels; where there are none, Burn has loops that
    /// need no columns.
    fn has_columns(&self) -> bool {
        let depthwise = self.groups == self.image[0] && self.groups == self.positions[0];
        let pointwise = self.windows.iter().all(|window| window.kernel == 1);
        !depthwise && !pointwise
    }

    /// The convolution of tensors that autodiff records on the CPU.
    fn record(
        &self,
        direction: Direction,
        input: &Tensor<2>,
        weight: &Tensor<4>,
        bias: Option<&Tensor<1>>,
    ) -> Option<Tensor<2>> {
        let [first, second] = [recorded(input)?, recorded(weight)?];
        let (input, weight) = (input.clone().inner(), weight.clone().inner());
        let pullback = Derivative {
            convolution: *self,
            direction,
            input: input.clone(),
            weight: weight.clone(),
        };
        let Some(bias) = bias else {
            let output = direction.apply(self, input, weight, None);
            return Some(record([first, second], output, pullback));
        };
        let third = recorded(bias)?;
        let output = direction.apply(self, input, weight, Some(bias.clone().inner()));
        Some(record([first, second, third], output, pullback))
    }

    /// The gradient of a function with respect to the weight, from that with respect to the
    /// positions, if [`correlate`](Self::correlate) came before it, or from the image's if
    /// [`transpose`](Self::transpose) did: for CPU tensors.
    ///
    /// # Shapes
    /// `image`: `[rows, image features]`; `values`: `[rows, position features]`; result as
    /// [`weight`](Self::weight) says.
    fn weight_gradient(&self, image: Tensor<2>, values: Tensor<2>) -> Tensor<4> {
        columns::weight_gradient(self, image, values)
    }
}

/// Which way a convolution goes.
#[derive(Debug, Clone, Copy)]
enum Direction {
    /// From the image to the positions.
    Correlate,
    /// From the positions to the image.
    Transpose,
}

impl Direction {
    fn apply(
        self,
        convolution: &Convolution,
        input: Tensor<2>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
    ) -> Tensor<2> {
        match self {
            Self::Correlate => convolution.correlate(input, weight, bias),
            Self::Transpose => convolution.transpose(input, weight, bias),
        }
    }
}

/// What autodiff keeps of a convolution of an input, a weight and maybe a bias.
#[derive(Debug, Clone)]
struct Derivative {
    convolution: Convolution,
    direction: Direction,
    input: Tensor<2>,
    weight: Tensor<4>,
}

impl<const N: usize> Pullback<N> for Derivative {
    fn pull(self, cotangent: Tensor<2>, wanted: [bool; N]) -> [Option<Plain>; N] {
        let Self { convolution, direction, input, weight } = self;
        let (back, channels) = match direction {
            Direction::Correlate => (Direction::Transpose, convolution.positions[0]),
            Direction::Transpose => (Direction::Correlate, convolution.image[0]),
        };
        let gradient = |place| match place {
            0 => plain(back.apply(&convolution, cotangent.clone(), weight.clone(), None)),
            1 => {
                let (input, output) = (input.clone(), cotangent.clone());
                plain(match direction {
                    Direction::Correlate => convolution.weight_gradient(input, output),
                    Direction::Transpose => convolution.weight_gradient(output, input),
                })
            }
            _ => plain(columns::channel_sums(cotangent.clone(), channels)),
        };
        std::array::from_fn(|place| wanted[place].then(|| gradient(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// Convolutions of every kind: strides, paddings, dilations, groups, channels that fill no
    /// register, one channel, kernels larger than the stride and smaller.
    fn convolutions() -> Vec<Convolution> {
        let convolution =
            |image: [usize; 3], channels, kernel, stride, padding, dilation, groups| {
                let windows = windows(kernel, stride, padding, dilation);
                let (lines, unread_rows) = windows[0].positions(image[1]).unwrap();
                let (places, unread_columns) = windows[1].positions(image[2]).unwrap();
                let positions = [channels, lines, places];
                let unread = [unread_rows, unread_columns];
                Convolution { image, positions, windows, unread, groups }
            };
        vec![
            convolution([1, 28, 28], 3, [4, 4], [2, 2], [1, 1], [1, 1], 1),
            convolution([3, 9, 7], 5, [3, 3], [1, 1], [1, 1], [1, 1], 1),
            convolution([4, 8, 11], 6, [2, 3], [3, 2], [0, 2], [1, 2], 2),
            convolution([2, 6, 6], 1, [5, 1], [1, 1], [2, 0], [1, 1], 1),
            convolution([32, 14, 14], 64, [4, 4], [2, 2], [1, 1], [1, 1], 1),
        ]
    }

    /// Numbers that are not alike, and whose sums do not cancel.
    fn numbers<const D: usize>(shape: [usize; D], phase: f32, device: &Device) -> Tensor<D> {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|n| (n as f32 * 0.37 + phase).sin() + 0.1).collect();
        Tensor::from_data(burn::tensor::TensorData::new(values, shape), device)
    }

    fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
        let largest = expected.clone().abs().max().into_scalar::<f32>();
        let error = (found - expected).abs().max().into_scalar::<f32>();
        assert!(error <= 2e-5 * largest, "{what}: {error} of {largest}");
    }

    /// Burn's own operation, which autodiff differentiates by others.
    fn reference(
        convolution: &Convolution,
        direction: Direction,
        input: Tensor<2>,
        weight: Tensor<4>,
        bias: Tensor<1>,
    ) -> Tensor<2> {
        let Convolution { image, positions, windows, unread, groups } = *convolution;
        let [stride, padding, dilation] =
            [windows.map(|w| w.stride), windows.map(|w| w.padding[0]), windows.map(|w| w.dilation)];
        let rows = input.dims()[0];
        match direction {
            Direction::Correlate => {
                let [channels, height, width] = image;
                let options = ConvOptions::new(stride, padding, dilation, groups);
                let image = input.reshape([rows, channels, height, width]);
                conv2d(image, weight, Some(bias), options).flatten(1, 3)
            }
            Direction::Transpose => {
                let [channels, height, width] = positions;
                let options = ConvTransposeOptions::new(stride, padding, unread, dilation, groups);
                let values = input.reshape([rows, channels, height, width]);
                conv_transpose2d(values, weight, Some(bias), options).flatten(1, 3)
            }
        }
    }

    #[test]
    fn values_and_gradients_are_those_of_burns_operations() {
        let device = Device::flex().autodiff();
        for convolution in convolutions() {
            for direction in [Direction::Correlate, Direction::Transpose] {
                for rows in [1, 5, 16, 37] {
                    let (input, channels, outputs) = match direction {
                        Direction::Correlate => {
                            (convolution.image, convolution.positions[0], convolution.positions)
                        }
                        Direction::Transpose => {
                            (convolution.positions, convolution.image[0], convolution.image)
                        }
                    };
                    let [inputs, outputs] = [input, outputs].map(|shape| shape.iter().product());
                    let leaves = || {
                        let weight = convolution.weight().unwrap();
                        (
                            numbers([rows, inputs], 0.0, &device).require_grad(),
                            numbers(weight, 1.0, &device).require_grad(),
                            numbers([channels], 2.0, &device).require_grad(),
                        )
                    };
                    let along = numbers([rows, outputs], 3.0, &device);
                    let (input, weight, bias) = leaves();
                    let found = direction.apply(
                        &convolution,
                        input.clone(),
                        weight.clone(),
                        Some(bias.clone()),
                    );
                    let (input_2, weight_2, bias_2) = leaves();
                    let expected = reference(
                        &convolution,
                        direction,
                        input_2.clone(),
                        weight_2.clone(),
                        bias_2.clone(),
                    );
                    let what = format!("{convolution:?} {direction:?} of {rows} rows");
                    assert_close(found.clone().inner(), expected.clone().inner(), &what);
                    let plain = direction.apply(
                        &convolution,
                        input.clone().inner(),
                        weight.clone().inner(),
                        Some(bias.clone().inner()),
                    );
                    assert_close(plain, found.clone().inner(), &what);
                    let found = (found * along.clone()).sum().backward();
                    let expected = (expected * along).sum().backward();
                    let what = |of: &str| format!("gradient of {of}, {what}");
                    assert_close(
                        input.grad(&found).unwrap(),
                        input_2.grad(&expected).unwrap(),
                        &what("input"),
                    );
                    assert_close(
                        weight.grad(&found).unwrap(),
                        weight_2.grad(&expected).unwrap(),
                        &what("weight"),
                    );
                    assert_close(
                        bias.grad(&found).unwrap(),
                        bias_2.grad(&expected).unwrap(),
                        &what("bias"),
                    );
                }
            }
        }
    }

    #[test]
    fn gradients_do_not_depend_on_threads_or_on_what_else_is_wanted() {
        let convolution = convolutions()[4];
        let gradient = |threads, with_input: bool| {
            let device = Device::flex().autodiff();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let weight = numbers(convolution.weight().unwrap(), 1.0, &device).require_grad();
                let input = numbers([600, 32 * 14 * 14], 0.0, &device);
                let input = if with_input { input.require_grad() } else { input };
                let output = convolution.correlate(input, weight.clone(), None);
                let gradients = output.square().sum().backward();
                weight.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap()
            })
        };
        let alone = gradient(1, false);
        assert_eq!(alone, gradient(3, false));
        assert_eq!(alone, gradient(2, true));
    }
}
