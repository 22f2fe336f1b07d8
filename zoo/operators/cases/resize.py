"""Interpolation."""

from collections.abc import Iterator

import numpy as np

from case import Case, case, floats

IMAGE = [2, 4, 5]
SIGNAL = [2, 10]
TRANSFORMATIONS = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
# Height and width, to larger and to smaller images; none whose ties depend on rounding errors.
UP, DOWN = (2.0, 1.75), (0.5, 0.6)


def cases() -> Iterator[Case]:
    yield from nearest()
    yield from interpolated()
    yield from spellings()
    yield from older()


def by_scales(variant: str, attributes: str, height: float, width: float, opset: int = 18) -> Case:
    constants = {"s": floats(1.0, 1.0, height, width)}
    if opset < 13:
        # The region of interest could not be left out.
        constants["roi"] = np.zeros(0, np.float32)
    region = "roi" if opset < 13 else ""
    return case("Resize", variant, IMAGE, f"y = Resize<{attributes}>(x, {region}, s)", opset=opset, **constants)


def by_sizes(variant: str, attributes: str, height: int, width: int, opset: int = 18) -> Case:
    nodes = f"n = Shape<end=2>(x) s = Concat<axis=0>(n, t) y = Resize<{attributes}>(x, , , s)"
    return case("Resize", variant, IMAGE, nodes, opset=opset, t=[height, width])


def nearest() -> Iterator[Case]:
    for transformation in TRANSFORMATIONS:
        for rounding in ROUNDINGS:
            opset = 19 if transformation == "half_pixel_symmetric" else 18
            text = f'coordinate_transformation_mode="{transformation}", nearest_mode="{rounding}"'
            name = f"nearest_{transformation}_{rounding}"
            yield by_scales(f"{name}_up", text, *UP, opset=opset)
            yield by_sizes(f"{name}_down", text, 3, 2, opset=opset)
    yield by_scales("nearest_default", "", 2.0, 3.0)
    yield by_scales("nearest_channels_too", 'mode="nearest"', 2.0, 2.0)
    yield case("Resize", "nearest_channels", IMAGE, "y = Resize(x, , s)", opset=18, s=floats(1.0, 2.0, 1.0, 1.0))
    yield case("Resize", "nearest_signal", SIGNAL, "y = Resize(x, , s)", opset=18, s=floats(1.0, 1.0, 1.5))
    yield case("Resize", "nearest_volume", [1, 2, 3, 2], "y = Resize(x, , s)", opset=18, s=floats(1.0, 1.0, 2.0, 1.0, 2.0))
    # Places such as 4 / 1.6 = 2.5 are ties in single precision only.
    for rounding in ROUNDINGS:
        text = f'coordinate_transformation_mode="asymmetric", nearest_mode="{rounding}"'
        yield by_scales(f"nearest_single_precision_ties_{rounding}", text, 1.2, 1.6)
    legacy = 'coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor"'
    yield by_scales("nearest_tf_half_pixel_for_nn", legacy, 2.0, 1.5, opset=11)


def interpolated() -> Iterator[Case]:
    for transformation in TRANSFORMATIONS:
        opset = 19 if transformation == "half_pixel_symmetric" else 18
        for mode in ("linear", "cubic"):
            text = f'mode="{mode}", coordinate_transformation_mode="{transformation}"'
            yield by_scales(f"{mode}_{transformation}_up", text, *UP, opset=opset)
            yield by_scales(f"{mode}_{transformation}_down", text, *DOWN, opset=opset)
            yield by_sizes(f"{mode}_{transformation}_to_sizes", text, 7, 3, opset=opset)
            yield by_sizes(f"{mode}_{transformation}_to_one_pixel", text, 1, 1, opset=opset)
    for coefficient in (-0.5, -1.0):
        name = f"cubic_{coefficient:g}".replace("-", "minus_").replace(".", "_")
        yield by_scales(f"{name}_up", f'mode="cubic", cubic_coeff_a={coefficient}', *UP)
        yield by_sizes(f"{name}_down", f'mode="cubic", cubic_coeff_a={coefficient}', 3, 3)
    for coefficient in (-0.75, -0.5):
        text = f'mode="cubic", cubic_coeff_a={coefficient}, exclude_outside=1'
        name = f"cubic_{coefficient:g}_exclude_outside".replace("-", "minus_").replace(".", "_")
        yield by_scales(f"{name}_up", text, *UP)
        yield by_sizes(f"{name}_down", text, 3, 3)
    yield case("Resize", "linear_signal", SIGNAL, 'y = Resize<mode="linear">(x, , s)', opset=18, s=floats(1.0, 1.0, 1.5))
    yield case("Resize", "linear_height_only", IMAGE, 'y = Resize<mode="linear">(x, , s)', opset=18, s=floats(1.0, 1.0, 2.0, 1.0))
    yield case("Resize", "linear_one_pixel", [2, 1, 1], 'y = Resize<mode="linear">(x, , s)', opset=18, s=floats(1.0, 1.0, 3.0, 2.0))


def spellings() -> Iterator[Case]:
    text = 'mode="linear", coordinate_transformation_mode="asymmetric"'
    scales = floats(1.0, 1.0, 2.0, 2.0)
    for opset in (11, 13, 18, 19):
        yield by_scales(f"opset_{opset}", text, 2.0, 1.5, opset=opset)
    empty = np.zeros(0, np.float32)
    sized = "n = Shape(x) k = Slice(n, z, two) t = Concat<axis=0>(k, hw)"
    constants = {"z": [0], "two": [2], "hw": [8, 7]}
    yield case("Resize", "opset_11_sizes", IMAGE, f"{sized} y = Resize<{text}>(x, r, r, t)", opset=11, r=empty, **constants)
    yield case("Resize", "opset_13_sizes", IMAGE, f"{sized} y = Resize<{text}>(x, , , t)", opset=13, **constants)
    yield case("Resize", "axes", IMAGE, "y = Resize<axes=[2, 3]>(x, , s)", opset=18, s=floats(2.0, 1.5))
    yield case("Resize", "axes_swapped", IMAGE, "y = Resize<axes=[3, 2]>(x, , s)", opset=18, s=floats(2.0, 1.5))
    yield case("Resize", "axes_negative", IMAGE, "y = Resize<axes=[-1]>(x, , s)", opset=18, s=floats(3.0))
    yield case("Resize", "axes_sizes", IMAGE, 'y = Resize<axes=[2, 3], mode="linear">(x, , , s)', opset=18, s=[7, 9])
    yield case("Resize", "axes_cubic", IMAGE, 'y = Resize<axes=[2, 3], mode="cubic">(x, , , s)', opset=18, s=[7, 9])
    yield case("Resize", "fixed_rows", IMAGE, "y = Resize(x, , , s)", rows=2, opset=18, s=[2, 2, 8, 10])
    yield case("Resize", "stretched", IMAGE, 'y = Resize<keep_aspect_ratio_policy="stretch">(x, , s)', opset=18, s=scales)
    # Sizes are scale times size in single precision: 0.7 x 10 = 7 and 1.4 x 5 = 7 there, a little less in double.
    for scale, sample in ((0.7, 10), (1.4, 5), (0.6, 5), (1.2, 5), (2.3, 10)):
        name = f"rounded_size_{sample}_by_{scale}".replace(".", "_")
        attributes = 'coordinate_transformation_mode="asymmetric", nearest_mode="floor"'
        yield case("Resize", name, [1, sample], f"y = Resize<{attributes}>(x, , s)", opset=18, s=floats(1.0, 1.0, scale))
    yield case(
        "Resize",
        "of_computed_sizes",
        IMAGE,
        """n = Shape(x) hw = Slice(n, two, four) f = Cast<to=1>(hw) d = Mul(f, c) e = Floor(d) i = Cast<to=7>(e)
        k = Slice(n, z, two) t = Concat<axis=0>(k, i) y = Resize(x, , , t)""",
        z=[0],
        two=[2],
        four=[4],
        c=1.5,
    )
    yield case(
        "Resize",
        "of_size_of_each_axis",
        IMAGE,
        """n = Shape(x) h = Gather(n, i2) w = Gather(n, i3) h2 = Mul(h, c) w2 = Mul(w, c) hu = Unsqueeze(h2, z)
        wu = Unsqueeze(w2, z) k = Slice(n, z, two) t = Concat<axis=0>(k, hu, wu) y = Resize<mode="linear">(x, , , t)""",
        i2=2,
        i3=3,
        c=2,
        z=[0],
        two=[2],
    )


def older() -> Iterator[Case]:
    for mode in ("nearest", "linear"):
        for name, height, width in (("up", 2.0, 3.0), ("uneven", 1.5, 1.6), ("down", 0.5, 0.6)):
            scales = floats(1.0, 1.0, height, width)
            yield case("Resize", f"opset_10_{mode}_{name}", IMAGE, f'y = Resize<mode="{mode}">(x, s)', opset=10, s=scales)
            if name != "down":
                yield case("Upsample", f"opset_9_{mode}_{name}", IMAGE, f'y = Upsample<mode="{mode}">(x, s)', opset=9, s=scales)
                text = f'mode="{mode}", scales=[1.0, 1.0, {height}, {width}]'
                yield case("Upsample", f"opset_7_{mode}_{name}", IMAGE, f"y = Upsample<{text}>(x)", opset=7)
    yield case("Upsample", "default_mode", IMAGE, "y = Upsample(x, s)", opset=9, s=floats(1.0, 1.0, 2.0, 2.0))
    yield case("Upsample", "signal", SIGNAL, "y = Upsample(x, s)", opset=9, s=floats(1.0, 1.0, 2.0))
    scales = "s = Constant<value_floats=[1.0, 1.0, 2.0, 2.0]>()"
    yield case("Resize", "constant_node", IMAGE, f"{scales} y = Resize(x, , s)", opset=13)
