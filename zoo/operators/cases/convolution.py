"""Convolutions and transposed convolutions over one or two axes."""

from collections.abc import Iterator

from case import Case, case

SIGNAL = [4, 9]
IMAGE = [4, 7, 6]

# Each with the kernel that it is tried with: 4 channels in.
CONVOLUTIONS = {
    "kernel_1": ("", (3, 4, 1, 1)),
    "kernel_3": ("", (3, 4, 3, 3)),
    "kernel_shape": ("kernel_shape=[3, 2]", (3, 4, 3, 2)),
    "even_pads": ("pads=[1, 2, 1, 2]", (3, 4, 3, 3)),
    "pads_before": ("pads=[2, 1, 0, 0]", (3, 4, 3, 2)),
    "pads_after": ("pads=[0, 0, 1, 1], strides=[2, 2]", (3, 4, 3, 3)),
    "uneven_pads": ("pads=[0, 2, 3, 1]", (3, 4, 2, 3)),
    "large_pads": ("pads=[4, 3, 4, 3]", (2, 4, 3, 3)),
    "strides": ("strides=[2, 3]", (3, 4, 3, 2)),
    "wide_strides": ("strides=[4, 5]", (3, 4, 2, 2)),
    "strides_and_pads": ("strides=[2, 2], pads=[1, 1, 1, 1]", (3, 4, 4, 4)),
    "dilations": ("dilations=[2, 3]", (3, 4, 3, 2)),
    "dilations_and_pads": ("dilations=[2, 2], pads=[2, 1, 2, 3], strides=[1, 2]", (3, 4, 3, 3)),
    "two_groups": ("group=2", (6, 2, 3, 3)),
    "depthwise": ("group=4, pads=[1, 1, 1, 1]", (4, 1, 3, 3)),
    "depthwise_multiplied": ("group=4, strides=[2, 2]", (8, 1, 3, 2)),
    "groups_uneven_pads": ("group=2, pads=[1, 0, 2, 1], dilations=[1, 2]", (2, 2, 3, 2)),
    "whole_image": ("", (5, 4, 7, 6)),
}
TRANSPOSED = {
    "kernel_1": ("", (4, 3, 1, 1)),
    "kernel_3": ("", (4, 3, 3, 3)),
    "kernel_shape": ("kernel_shape=[3, 2]", (4, 3, 3, 2)),
    "strides": ("strides=[2, 3]", (4, 2, 3, 2)),
    "pads": ("strides=[2, 2], pads=[1, 1, 1, 1]", (4, 2, 4, 4)),
    "uneven_pads": ("strides=[2, 2], pads=[0, 1, 2, 0]", (4, 2, 3, 3)),
    "output_padding": ("strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]", (4, 2, 3, 3)),
    "output_padding_height": ("strides=[3, 2], output_padding=[2, 0]", (4, 2, 3, 3)),
    "output_padding_uneven_pads": ("strides=[2, 2], pads=[2, 0, 0, 1], output_padding=[1, 1]", (4, 2, 3, 3)),
    "dilations": ("dilations=[2, 3]", (4, 2, 3, 2)),
    "dilations_strides_pads": ("dilations=[2, 1], strides=[2, 3], pads=[1, 0, 2, 1]", (4, 2, 3, 3)),
    "two_groups": ("group=2, strides=[2, 2]", (4, 3, 2, 2)),
    "depthwise": ("group=4, strides=[2, 2], pads=[1, 1, 1, 1]", (4, 1, 4, 4)),
    "output_shape_even": ("strides=[2, 2], output_shape=[13, 11]", (4, 2, 3, 3)),
    "output_shape_odd": ("strides=[2, 2], output_shape=[14, 12]", (4, 2, 3, 3)),
    "output_shape_upper": ('auto_pad="SAME_UPPER", strides=[2, 2], output_shape=[14, 12]', (4, 2, 3, 3)),
    "output_shape_lower": ('auto_pad="SAME_LOWER", strides=[2, 2], output_shape=[14, 12]', (4, 2, 3, 3)),
    "output_shape_output_padding": ("strides=[2, 2], output_shape=[14, 12], output_padding=[1, 1]", (4, 2, 3, 3)),
    "output_shape_small": ("strides=[2, 2], output_shape=[9, 8]", (4, 2, 3, 3)),
    "same_upper": ('auto_pad="SAME_UPPER", strides=[2, 2]', (4, 2, 3, 3)),
    "same_lower": ('auto_pad="SAME_LOWER", strides=[2, 2]', (4, 2, 3, 3)),
    "same_upper_even_kernel": ('auto_pad="SAME_UPPER", strides=[1, 3]', (4, 2, 4, 4)),
    "same_wide_strides": ('auto_pad="SAME_UPPER", strides=[3, 3]', (4, 2, 2, 2)),
    "same_dilations": ('auto_pad="SAME_UPPER", strides=[2, 2], dilations=[2, 2]', (4, 2, 3, 3)),
    "valid": ('auto_pad="VALID", strides=[2, 2]', (4, 2, 3, 3)),
}


def cases() -> Iterator[Case]:
    yield from convolutions()
    yield from transposed()


def convolutions() -> Iterator[Case]:
    for name, (attributes, kernel) in CONVOLUTIONS.items():
        yield case("Conv", name, IMAGE, f"y = Conv<{attributes}>(x, w, b)", w=kernel, b=(kernel[0],))
    yield case("Conv", "no_bias", IMAGE, "y = Conv<pads=[1, 1, 1, 1]>(x, w)", w=(3, 4, 3, 3))
    yield case("Conv", "absent_bias", IMAGE, 'y = Conv<pads=[1, 1, 1, 1]>(x, w, "")', w=(3, 4, 3, 3))
    yield case("Conv", "opset_1", IMAGE, "y = Conv<kernel_shape=[3, 3]>(x, w)", opset=7, w=(3, 4, 3, 3))
    yield case("Conv", "opset_11", IMAGE, "y = Conv<strides=[2, 1]>(x, w)", opset=11, w=(3, 4, 3, 3))
    yield case("Conv", "one_pixel", [4, 1, 1], "y = Conv<pads=[1, 1, 1, 1]>(x, w)", w=(3, 4, 3, 3))
    for auto_pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        for name, attributes, kernel in (
            ("kernel_3", "strides=[1, 1]", (2, 4, 3, 3)),
            ("kernel_4", "strides=[1, 1]", (2, 4, 4, 4)),
            ("strides_2", "strides=[2, 2]", (2, 4, 3, 3)),
            ("strides_3", "strides=[3, 3]", (2, 4, 2, 4)),
        ):
            text = f'auto_pad="{auto_pad}", {attributes}'
            yield case("Conv", f"{auto_pad.lower()}_{name}", IMAGE, f"y = Conv<{text}>(x, w)", w=kernel)
    yield case(
        "Conv", "same_upper_dilations", IMAGE, 'y = Conv<auto_pad="SAME_UPPER", dilations=[2, 2]>(x, w)', w=(2, 4, 3, 2)
    )
    yield case("Conv", "not_set", IMAGE, 'y = Conv<auto_pad="NOTSET", pads=[1, 0, 1, 0]>(x, w)', w=(2, 4, 3, 3))
    for name, attributes, kernel in (
        ("plain", "", (3, 4, 3)),
        ("pads", "pads=[1, 1]", (3, 4, 3)),
        ("causal", "pads=[4, 0], dilations=[2]", (3, 4, 3)),
        ("pads_after", "pads=[0, 3], strides=[2]", (3, 4, 3)),
        ("strides", "strides=[3]", (3, 4, 4)),
        ("depthwise", "group=4", (4, 1, 3)),
        ("groups", "group=2, pads=[2, 1], strides=[2]", (6, 2, 3)),
        ("same_upper", 'auto_pad="SAME_UPPER", strides=[2]', (3, 4, 4)),
        ("same_lower", 'auto_pad="SAME_LOWER", strides=[2]', (3, 4, 4)),
    ):
        yield case("Conv", f"signal_{name}", SIGNAL, f"y = Conv<{attributes}>(x, w, b)", w=kernel, b=(kernel[0],))


def transposed() -> Iterator[Case]:
    for name, (attributes, kernel) in TRANSPOSED.items():
        channels = 4 if "group=4" in attributes else kernel[1] * (2 if "group=2" in attributes else 1)
        yield case("ConvTranspose", name, IMAGE, f"y = ConvTranspose<{attributes}>(x, w, b)", w=kernel, b=(channels,))
    yield case("ConvTranspose", "no_bias", IMAGE, "y = ConvTranspose<strides=[2, 2]>(x, w)", w=(4, 2, 2, 2))
    yield case("ConvTranspose", "opset_1", IMAGE, "y = ConvTranspose<strides=[2, 2]>(x, w)", opset=7, w=(4, 2, 2, 2))
    yield case("ConvTranspose", "one_pixel", [4, 1, 1], "y = ConvTranspose(x, w)", w=(4, 2, 3, 3))
    for name, attributes, kernel in (
        ("plain", "", (4, 3, 3)),
        ("strides", "strides=[3]", (4, 3, 2)),
        ("pads", "strides=[2], pads=[1, 1], output_padding=[1]", (4, 3, 3)),
        ("uneven_pads", "strides=[2], pads=[0, 2]", (4, 3, 4)),
        ("groups", "group=2, strides=[2]", (4, 3, 3)),
        ("dilations", "dilations=[3]", (4, 3, 3)),
        ("output_shape", "strides=[2], output_shape=[18]", (4, 3, 3)),
        ("same_upper", 'auto_pad="SAME_UPPER", strides=[2]', (4, 3, 3)),
        ("same_lower", 'auto_pad="SAME_LOWER", strides=[2]', (4, 3, 3)),
    ):
        yield case("ConvTranspose", f"signal_{name}", SIGNAL, f"y = ConvTranspose<{attributes}>(x, w)", w=kernel)
