"""Functions of single elements."""

from collections.abc import Iterator

import numpy as np

from case import Case, case, floats

SAMPLE = [2, 5]

# Operator: the set it came with, attributes to try, and whether its argument must be positive.
FUNCTIONS = {
    "Relu": (7, {}, False),
    "LeakyRelu": (7, {"alpha": "alpha=0.3", "negative": "alpha=-0.2"}, False),
    "Elu": (7, {"alpha": "alpha=0.4"}, False),
    "Selu": (7, {"alpha": "alpha=1.2", "gamma": "gamma=0.8", "both": "alpha=2.0, gamma=1.5"}, False),
    "Celu": (12, {"alpha": "alpha=0.5"}, False),
    "Gelu": (20, {"none": 'approximate="none"', "tanh": 'approximate="tanh"'}, False),
    "Sigmoid": (7, {}, False),
    "Tanh": (7, {}, False),
    "Softplus": (7, {}, False),
    "Softsign": (7, {}, False),
    "HardSigmoid": (7, {"alpha": "alpha=0.3", "beta": "beta=0.1", "both": "alpha=0.16666667, beta=0.4"}, False),
    "HardSwish": (14, {}, False),
    "Mish": (18, {}, False),
    "Swish": (24, {"one": "alpha=1.0"}, False),
    "Exp": (7, {}, False),
    "Log": (7, {}, True),
    "Sqrt": (7, {}, True),
    "Reciprocal": (7, {}, True),
    "Abs": (7, {}, False),
    "Neg": (7, {}, False),
    "Erf": (9, {}, False),
    "Sin": (7, {}, False),
    "Cos": (7, {}, False),
}
# Those whose tails are easily lost to overflow or cancellation.
WIDE = ["Sigmoid", "Tanh", "Softplus", "Softsign", "Elu", "Selu", "Celu", "Gelu", "Mish", "Erf", "HardSwish", "Sin", "Cos"]


def cases() -> Iterator[Case]:
    for operator, (since, attributes, positive) in FUNCTIONS.items():
        opset = max(since, 17)
        yield case(operator, "default", SAMPLE, f"y = {operator}(x)", opset=opset, positive=positive)
        for name, text in attributes.items():
            yield case(operator, name, SAMPLE, f"y = {operator}<{text}>(x)", opset=opset)
        if operator != "Swish":
            c = np.linspace(0.2, 3.0, 5, dtype=np.float32) * (1 if positive else [1, -1, 1, -1, 1])
            nodes = f"f = {operator}(c) y = Mul(x, f)"
            yield case(operator, "constant", SAMPLE, nodes, opset=opset, c=c.astype(np.float32))
    for operator in WIDE:
        opset = max(FUNCTIONS[operator][0], 17)
        yield case(operator, "wide", [40], f"y = {operator}(x)", opset=opset, spread=30.0)
    yield case("Gelu", "tanh_wide", [40], 'y = Gelu<approximate="tanh">(x)', opset=20, spread=30.0)
    for operator in ("Relu", "Sigmoid", "Neg"):
        yield case(operator, "opset_7", SAMPLE, f"y = {operator}(x)", opset=7)
    for operator in ("Floor", "Ceil", "Round"):
        c = floats(-2.5, -1.5, -0.3, 0.5, 1.5)
        yield case(operator, "constant", SAMPLE, f"f = {operator}(c) y = Add(x, f)", c=c)
    yield case("Sigmoid", "written_out", SAMPLE, "n = Neg(x) e = Exp(n) d = Add(e, c) y = Div(c, d)", c=1.0)
    yield case(
        "Gelu",
        "written_out",
        SAMPLE,
        "d = Div(x, root) e = Erf(d) s = Add(e, one) m = Mul(x, s) y = Mul(m, half)",
        root=float(np.sqrt(2.0)),
        one=1.0,
        half=0.5,
    )
    yield case("Swish", "written_out", SAMPLE, "s = Sigmoid(x) y = Mul(x, s)")
    yield from clips()
    yield from learned_slopes()


def clips() -> Iterator[Case]:
    yield case("Clip", "both", SAMPLE, "y = Clip(x, a, b)", a=-0.5, b=0.7)
    yield case("Clip", "low", SAMPLE, "y = Clip(x, a)", a=-0.5)
    yield case("Clip", "high", SAMPLE, "y = Clip(x, , b)", b=0.5)
    yield case("Clip", "none", SAMPLE, "y = Clip(x)")
    yield case("Clip", "largest_numbers", SAMPLE, "y = Clip(x, a, b)", a=0.0, b=float(np.finfo(np.float32).max))
    yield case("Clip", "infinite", SAMPLE, "y = Clip(x, a, b)", a=-np.inf, b=0.0)
    yield case("Clip", "equal_limits", SAMPLE, "c = Clip(x, a, a) y = Add(x, c)", a=0.25)
    yield case("Clip", "constant_nodes", SAMPLE, "a = Constant<value_float=0.0>() b = Constant<value_float=6.0>() y = Clip(x, a, b)")
    yield case("Clip", "constant", SAMPLE, "f = Clip(c, a, b) y = Mul(x, f)", c=(5,), a=-0.5, b=0.5)
    yield case("Clip", "opset_6_both", SAMPLE, "y = Clip<min=-0.5, max=0.7>(x)", opset=10)
    yield case("Clip", "opset_6_low", SAMPLE, "y = Clip<min=0.1>(x)", opset=8)
    yield case("Clip", "opset_6_high", SAMPLE, "y = Clip<max=0.1>(x)", opset=7)
    yield case("Clip", "opset_6_none", SAMPLE, "y = Clip(x)", opset=9)
    yield case("Clip", "opset_11", SAMPLE, "y = Clip(x, a, b)", opset=11, a=-0.5, b=0.7)


def learned_slopes() -> Iterator[Case]:
    image = [3, 2, 4]
    for name, shape in {
        "one": (1,),
        "scalar": (),
        "channels": (3, 1, 1),
        "leading_channels": (1, 3, 1, 1),
        "last": (4,),
        "rows": (2, 1),
        "sample": (3, 2, 4),
        "outer_axes": (3, 1, 4),
    }.items():
        yield case("PRelu", name, image, "y = PRelu(x, s)", s=shape)
    yield case("PRelu", "table", [4], "y = PRelu(x, s)", s=(4,))
    yield case("PRelu", "opset_7", image, "y = PRelu(x, s)", opset=7, s=(3, 1, 1))
    yield case("PRelu", "opset_9", image, "y = PRelu(x, s)", opset=9, s=(1, 3, 1, 1))
