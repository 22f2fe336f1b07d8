"""Normalisations and softmax."""

from collections.abc import Iterator

import numpy as np

from case import Case, case, floats

IMAGE = [4, 3, 2]
VARIANCE = floats(0.2, 1.0, 0.5, 3.0)


def cases() -> Iterator[Case]:
    yield from batch()
    yield from instance_and_group()
    yield from layer()
    yield from root_mean_square()
    yield from softmax()


def batch() -> Iterator[Case]:
    statistics = {"s": (4,), "b": (4,), "m": (4,), "v": VARIANCE}
    nodes = "y = BatchNormalization(x, s, b, m, v)"
    for name, sample in (("table", [4]), ("signal", [4, 5]), ("image", IMAGE), ("volume", [4, 2, 2, 2])):
        yield case("BatchNormalization", name, sample, nodes, **statistics)
    text = "y = BatchNormalization<epsilon=0.1, momentum=0.5>(x, s, b, m, v)"
    yield case("BatchNormalization", "epsilon", IMAGE, text, **statistics)
    for opset in (7, 9, 14, 15):
        yield case("BatchNormalization", f"opset_{opset}", IMAGE, nodes, opset=opset, **statistics)
    yield case("BatchNormalization", "evaluation", IMAGE, nodes.replace("(x", "<training_mode=0>(x"), **statistics)
    small = {**statistics, "v": floats(0.0, 1e-6, 1e-4, 1.0)}
    yield case("BatchNormalization", "small_variance", IMAGE, nodes, **small)


def instance_and_group() -> Iterator[Case]:
    weights = {"s": (4,), "b": (4,)}
    for name, sample in (("signal", [4, 5]), ("image", IMAGE)):
        yield case("InstanceNormalization", name, sample, "y = InstanceNormalization(x, s, b)", **weights)
    yield case("InstanceNormalization", "epsilon", IMAGE, "y = InstanceNormalization<epsilon=0.5>(x, s, b)", **weights)
    yield case("InstanceNormalization", "opset_7", IMAGE, "y = InstanceNormalization(x, s, b)", opset=7, **weights)
    # Group normalisation as PyTorch writes it for older operator sets.
    yield case(
        "InstanceNormalization",
        "of_groups",
        IMAGE,
        """r = Reshape(x, groups) n = InstanceNormalization(r, one, zero) a = Shape(x) o = Reshape(n, a)
        p = Mul(o, s) y = Add(p, b)""",
        groups=[0, 2, -1],
        one=floats(1.0, 1.0),
        zero=floats(0.0, 0.0),
        s=(4, 1, 1),
        b=(4, 1, 1),
    )
    for groups in (1, 2, 4):
        text = f"y = GroupNormalization<num_groups={groups}>(x, s, b)"
        for name, sample in (("signal", [4, 5]), ("image", IMAGE)):
            yield case(
                "GroupNormalization", f"opset_18_{name}_{groups}_groups", sample, text, opset=18, s=(groups,), b=(groups,)
            )
            yield case("GroupNormalization", f"opset_21_{name}_{groups}_groups", sample, text, opset=21, **weights)
    text = "y = GroupNormalization<num_groups=2, epsilon=0.3>(x, s, b)"
    yield case("GroupNormalization", "epsilon", IMAGE, text, opset=21, **weights)


def layer() -> Iterator[Case]:
    sequence = [3, 4]
    yield case("LayerNormalization", "table", [5], "y = LayerNormalization(x, s, b)", s=(5,), b=(5,))
    yield case("LayerNormalization", "sequence", sequence, "y = LayerNormalization(x, s, b)", s=(4,), b=(4,))
    yield case("LayerNormalization", "no_bias", sequence, "y = LayerNormalization(x, s)", s=(4,))
    text = "y = LayerNormalization<epsilon=0.2, stash_type=1>(x, s, b)"
    yield case("LayerNormalization", "epsilon", sequence, text, s=(4,), b=(4,))
    for axis in (1, -2):
        text = f"y = LayerNormalization<axis={axis}>(x, s, b)"
        yield case("LayerNormalization", f"axis_{axis}", sequence, text, s=(3, 4), b=(3, 4))
    for axis, shape in ((1, (4, 3, 2)), (2, (3, 2)), (3, (2,)), (-1, (2,)), (-3, (4, 3, 2))):
        text = f"y = LayerNormalization<axis={axis}>(x, s, b)"
        yield case("LayerNormalization", f"image_axis_{axis}", IMAGE, text, s=shape, b=shape)
    text = "y = LayerNormalization<axis=1>(x, s, b)"
    yield case("LayerNormalization", "broadcast_weights", sequence, text, s=(3, 1), b=(4,))
    # As it was written before it was an operator.
    yield case(
        "LayerNormalization",
        "written_out",
        sequence,
        """m = ReduceMean<axes=[-1]>(x) d = Sub(x, m) q = Pow(d, two) v = ReduceMean<axes=[-1]>(q) e = Add(v, epsilon)
        r = Sqrt(e) n = Div(d, r) p = Mul(n, s) y = Add(p, b)""",
        two=2.0,
        epsilon=1e-5,
        s=(4,),
        b=(4,),
    )


def root_mean_square() -> Iterator[Case]:
    for axis in (1, 2, -1):
        shape = (4,) if axis != 1 else (3, 4)
        nodes = f"y = RMSNormalization<axis={axis}>(x, s)"
        yield case("RMSNormalization", f"axis_{axis}", [3, 4], nodes, opset=23, s=shape)
    yield case("RMSNormalization", "epsilon", [3, 4], "y = RMSNormalization<epsilon=0.1>(x, s)", opset=23, s=(4,))


def softmax() -> Iterator[Case]:
    sample = [2, 3, 4]
    for operator in ("Softmax", "LogSoftmax"):
        yield case(operator, "default", sample, f"y = {operator}(x)")
        yield case(operator, "table", [5], f"y = {operator}(x)")
        yield case(operator, "one_element", [1], f"s = {operator}(x) y = Add(s, x)")
        for axis in (1, 2, 3, -1, -2, -3):
            yield case(operator, f"axis_{axis}", sample, f"y = {operator}<axis={axis}>(x)")
            yield case(operator, f"opset_11_axis_{axis}", sample, f"y = {operator}<axis={axis}>(x)", opset=11)
        yield case(operator, "opset_11_default", sample, f"y = {operator}(x)", opset=11)
        yield case(operator, "opset_7", sample, f"y = {operator}<axis=2>(x)", opset=7)
        yield case(operator, "wide", [6], f"y = {operator}(x)", spread=100.0)
        yield case(operator, "large_offset", [6], f"a = Add(x, c) y = {operator}(a)", c=1000.0)
    yield case(
        "Softmax",
        "written_out",
        sample,
        "m = ReduceMax<axes=[-1]>(x) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, axes) y = Div(e, s)",
        axes=[-1],
    )
    yield case("Softmax", "of_constant", [4], "s = Softmax(c) y = Mul(x, s)", c=np.linspace(-1, 1, 4, dtype=np.float32))
