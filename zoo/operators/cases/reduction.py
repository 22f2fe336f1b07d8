"""Reductions over axes."""

from collections.abc import Iterator

import numpy as np

from case import Case, case

SAMPLE = [2, 3, 4]

# Since which operator set the axes are an input.
INPUT_SINCE = {
    "ReduceMean": 18,
    "ReduceSum": 13,
    "ReduceMax": 18,
    "ReduceMin": 18,
    "ReduceL2": 18,
    "ReduceSumSquare": 18,
    "ReduceL1": 18,
    "ReduceLogSumExp": 18,
}


def cases() -> Iterator[Case]:
    for operator, since in INPUT_SINCE.items():
        for name, axes in {
            "axis_1": [1],
            "axis_2": [2],
            "axis_3": [3],
            "last": [-1],
            "negative": [-2, -3],
            "two_axes": [2, 3],
            "outer_axes": [3, 1],
            "sample": [1, 2, 3],
        }.items():
            yield case(operator, name, SAMPLE, f"y = {operator}(x, a)", opset=since, a=axes)
        yield case(operator, "dropped", SAMPLE, f"y = {operator}<keepdims=0>(x, a)", opset=since, a=[2])
        yield case(operator, "dropped_two", SAMPLE, f"y = {operator}<keepdims=0>(x, a)", opset=since, a=[1, -1])
        yield case(operator, "attribute", SAMPLE, f"y = {operator}<axes=[1, 2]>(x)", opset=since - 1)
        yield case(operator, "attribute_dropped", SAMPLE, f"y = {operator}<axes=[-1], keepdims=0>(x)", opset=11)
        yield case(operator, "opset_7", SAMPLE, f"y = {operator}<axes=[2, 3], keepdims=1>(x)", opset=7)
        noop = f"y = {operator}<noop_with_empty_axes=1>"
        yield case(operator, "noop", SAMPLE, f"{noop}(x)", opset=since)
        yield case(operator, "noop_empty", SAMPLE, f"{noop}(x, a)", opset=since, a=np.zeros(0, np.int64))
        yield case(operator, "noop_with_axes", SAMPLE, f"{noop}(x, a)", opset=since, a=[1])
        yield case(operator, "axis_of_one", [1, 4], f"y = {operator}<keepdims=0>(x, a)", opset=since, a=[1])
        yield case(operator, "constant", [2, 4], f"r = {operator}(c, a) y = Mul(x, r)", opset=since, c=(2, 4), a=[1])
    yield case("ReduceLogSum", "axis_1", SAMPLE, "y = ReduceLogSum(x, a)", opset=18, a=[1], positive=True)
    yield case("ReduceLogSumExp", "wide", SAMPLE, "y = ReduceLogSumExp(x, a)", opset=18, a=[3], spread=60.0)
    for axis in (1, 2, 3, -1):
        yield case("CumSum", f"axis_{axis}", SAMPLE, "y = CumSum(x, a)", a=axis)
    yield case("CumSum", "exclusive", SAMPLE, "y = CumSum<exclusive=1>(x, a)", a=2)
    yield case("CumSum", "reverse", SAMPLE, "y = CumSum<reverse=1>(x, a)", a=2)
    yield case("CumSum", "both", SAMPLE, "y = CumSum<exclusive=1, reverse=1>(x, a)", a=-1)
    yield case("CumSum", "constant", SAMPLE, "c = CumSum(w, a) y = Mul(x, c)", w=(3, 4), a=0)
    yield case("CumSum", "constant_reverse", SAMPLE, "c = CumSum<exclusive=1, reverse=1>(w, a) y = Mul(x, c)", w=(3, 4), a=1)
    yield case("ReduceMean", "opset_20", SAMPLE, "y = ReduceMean(x, a)", opset=20, a=[1])
    yield case("ReduceMax", "opset_20", SAMPLE, "y = ReduceMax(x, a)", opset=20, a=[1])
    yield case("ReduceMax", "ties", [4], "r = Relu(x) y = ReduceMax(r, a)", opset=18, a=[1])
    # Weights that are normalised inside the graph.
    yield case(
        "ReduceL2",
        "weight_normalisation",
        [2, 5],
        "n = ReduceL2<axes=[1, 2]>(v) d = Div(v, n) w = Mul(d, g) y = Conv(x, w)",
        v=(3, 2, 3),
        g=(3, 1, 1),
    )
    yield case(
        "ReduceMean",
        "weight_standardisation",
        [2, 5],
        """m = ReduceMean<axes=[1, 2]>(v) c = Sub(v, m) q = Mul(c, c) s = ReduceMean<axes=[1, 2]>(q) r = Sqrt(s)
        w = Div(c, r) y = Conv(x, w)""",
        v=(3, 2, 3),
    )
    yield case(
        "ReduceProd",
        "shape",
        [2, 3, 4],
        """s = Shape(x) u = Slice(s, a, b) p = ReduceProd<keepdims=1>(u) r = Concat<axis=0>(m, p) y = Reshape(x, r)""",
        a=[1],
        b=[9],
        m=[-1],
    )
    yield case(
        "ReduceProd",
        "shape_with_rows",
        [2, 3, 4],
        """s = Shape(x) u = Slice(s, a, b) p = ReduceProd<keepdims=1>(u) r = Concat<axis=0>(p, last) f = Reshape(x, r)
        g = Relu(f) y = Reshape(g, s)""",
        a=[0],
        b=[3],
        last=[4],
    )
    yield case(
        "ReduceProd",
        "shape_dropped",
        [2, 3],
        """s = Shape<start=1>(x) p = ReduceProd<keepdims=0>(s) u = Unsqueeze(p, z) r = Concat<axis=0>(m, u)
        y = Reshape(x, r)""",
        z=[0],
        m=[-1],
    )
    yield case("ReduceProd", "constant", [3], "p = ReduceProd<keepdims=0>(c) y = Mul(x, p)", c=(3,))
