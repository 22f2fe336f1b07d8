"""Maxima and means over windows."""

from collections.abc import Iterator

from case import Case, case

SIGNAL = [2, 9]
IMAGE = [2, 7, 6]

WINDOWS = {
    "kernel_2": "kernel_shape=[2, 2]",
    "strides": "kernel_shape=[2, 2], strides=[2, 2]",
    "wide_strides": "kernel_shape=[2, 2], strides=[3, 4]",
    "pads": "kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]",
    "uneven_pads": "kernel_shape=[3, 2], pads=[0, 1, 2, 0]",
    "ceil": "kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1",
    "ceil_pads": "kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1",
    "ceil_uneven_pads": "kernel_shape=[3, 3], strides=[2, 3], pads=[0, 1, 1, 0], ceil_mode=1",
    # The last window would begin in the padding after the image and is left out.
    "ceil_window_in_padding": "kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1",
    "ceil_wide_strides": "kernel_shape=[1, 1], strides=[4, 4], ceil_mode=1",
    "same_upper": 'kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"',
    "same_lower": 'kernel_shape=[2, 3], strides=[2, 2], auto_pad="SAME_LOWER"',
    "same_upper_strides_3": 'kernel_shape=[2, 4], strides=[3, 3], auto_pad="SAME_UPPER"',
    "valid": 'kernel_shape=[3, 3], strides=[2, 2], auto_pad="VALID"',
    "whole_image": "kernel_shape=[7, 6]",
}
SIGNAL_WINDOWS = {
    "plain": "kernel_shape=[3]",
    "strides": "kernel_shape=[2], strides=[2]",
    "pads": "kernel_shape=[3], strides=[2], pads=[1, 1]",
    "uneven_pads": "kernel_shape=[4], strides=[2], pads=[2, 1]",
    "ceil": "kernel_shape=[2], strides=[2], ceil_mode=1",
    "ceil_window_in_padding": "kernel_shape=[2], strides=[4], pads=[0, 1], ceil_mode=1",
    "same_lower": 'kernel_shape=[4], strides=[2], auto_pad="SAME_LOWER"',
}


def cases() -> Iterator[Case]:
    for operator in ("MaxPool", "AveragePool"):
        for name, attributes in WINDOWS.items():
            yield case(operator, name, IMAGE, f"y = {operator}<{attributes}>(x)")
        for name, attributes in SIGNAL_WINDOWS.items():
            yield case(operator, f"signal_{name}", SIGNAL, f"y = {operator}<{attributes}>(x)")
        dilated = "kernel_shape=[3, 2], dilations=[2, 3]"
        yield case(operator, "dilations", IMAGE, f"y = {operator}<{dilated}>(x)", opset=19)
        padded = "kernel_shape=[2, 2], dilations=[2, 3], pads=[1, 1, 1, 1], strides=[2, 1]"
        yield case(operator, "dilations_pads", IMAGE, f"y = {operator}<{padded}>(x)", opset=19)
        ceiled = "kernel_shape=[2, 2], dilations=[2, 2], strides=[2, 2], ceil_mode=1"
        yield case(operator, "dilations_ceil", IMAGE, f"y = {operator}<{ceiled}>(x)", opset=19)
        yield case(operator, "opset_7", IMAGE, f"y = {operator}<kernel_shape=[2, 2], strides=[2, 2]>(x)", opset=7)
        yield case(operator, "opset_10", IMAGE, f"y = {operator}<kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1>(x)", opset=10)
        yield case(operator, "negative_values", IMAGE, f"a = Exp(x) n = Neg(a) y = {operator}<{WINDOWS['pads']}>(n)")
    for name in ("kernel_2", "pads", "uneven_pads", "ceil", "ceil_pads", "ceil_uneven_pads", "ceil_window_in_padding"):
        yield case("AveragePool", f"padding_counts_{name}", IMAGE, f"y = AveragePool<{WINDOWS[name]}, count_include_pad=1>(x)")
    for name in ("same_upper", "same_lower"):
        yield case("AveragePool", f"padding_counts_{name}", IMAGE, f"y = AveragePool<{WINDOWS[name]}, count_include_pad=1>(x)")
    for name in ("uneven_pads", "ceil", "ceil_window_in_padding"):
        text = f"{SIGNAL_WINDOWS[name]}, count_include_pad=1"
        yield case("AveragePool", f"padding_counts_signal_{name}", SIGNAL, f"y = AveragePool<{text}>(x)")
    padded = "kernel_shape=[2, 2], dilations=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1"
    yield case("AveragePool", "padding_counts_dilations", IMAGE, f"y = AveragePool<{padded}>(x)", opset=19)
    yield case("MaxPool", "column_major", IMAGE, "y = MaxPool<kernel_shape=[2, 2], storage_order=1>(x)")
    for operator in ("GlobalAveragePool", "GlobalMaxPool"):
        yield case(operator, "image", IMAGE, f"y = {operator}(x)")
        yield case(operator, "signal", SIGNAL, f"y = {operator}(x)")
        yield case(operator, "one_pixel", [3, 1, 1], f"y = {operator}(x)")
        yield case(operator, "volume", [2, 3, 2, 2], f"y = {operator}(x)")
        yield case(operator, "flattened", IMAGE, f"p = {operator}(x) y = Flatten(p)", opset=11)
