"""Branches and functions."""

from collections.abc import Iterator

import numpy as np

from case import Case, case

MATRIX = [3, 4]


def cases() -> Iterator[Case]:
    yield from branches()
    yield from functions()


def branches() -> Iterator[Case]:
    branch = """y = If(c) <then_branch = yes () => (float[] t) { t = Mul(x, w) },
        else_branch = no () => (float[] e) { e = Add(x, w) }>"""
    for name, condition in (("true", True), ("false", False)):
        yield case("If", name, MATRIX, branch, c=np.array(condition), w=(4,))
    yield case("If", "vector_condition", MATRIX, branch, c=np.array([True]), w=(4,))
    size = "n = Shape(x) l = Gather(n, i)"
    for operator, axis in (("Equal", 1), ("Equal", 2), ("Less", 1), ("Greater", 2)):
        nodes = f"{size} c = {operator}(l, three) {branch}"
        yield case("If", f"{operator.lower()}_axis_{axis}", MATRIX, nodes, i=axis, three=3, w=(4,))
    yield case("If", "not", MATRIX, f"{size} q = Equal(l, three) c = Not(q) {branch}", i=1, three=3, w=(4,))
    yield case("If", "and", MATRIX, f"{size} q = Equal(l, three) r = Less(three, l) c = And(q, r) {branch}", i=1, three=3, w=(4,))
    yield case("If", "or", MATRIX, f"{size} q = Equal(l, three) r = Less(three, l) c = Or(q, r) {branch}", i=1, three=3, w=(4,))
    yield case("If", "rows_are_not_minus_one", MATRIX, f"{size} c = Equal(l, minus) {branch}", i=0, minus=-1, w=(4,))
    squeeze = """y = If(c) <then_branch = yes () => (float[] t) { t = Squeeze(x, a) },
        else_branch = no () => (float[] e) { e = Identity(x) }>"""
    # As PyTorch writes it where it does not know whether the axis is of size 1.
    yield case("If", "squeeze", [1, 4], f"{size} c = Equal(l, one) {squeeze}", i=1, one=1, a=[1])
    yield case(
        "If",
        "nested",
        MATRIX,
        """y = If(c) <then_branch = yes () => (float[] t) {
            s = Mul(x, w)
            t = If(d) <then_branch = yes2 () => (float[] t2) { t2 = Identity(x) },
                else_branch = no2 () => (float[] e2) { e2 = Add(s, w) }>
        }, else_branch = no () => (float[] e) { e = Neg(x) }>""",
        c=np.array(True),
        d=np.array(False),
        w=(4,),
    )
    yield case(
        "If",
        "names_used_twice",
        MATRIX,
        """a = If(c) <then_branch = yes () => (float[] t) { k = Constant<value_float=2.0>() t = Mul(x, k) },
            else_branch = no () => (float[] e) { e = Identity(x) }>
        y = If(c) <then_branch = yes () => (float[] t) { k = Constant<value_float=3.0>() t = Add(a, k) },
            else_branch = no () => (float[] e) { e = Identity(a) }>""",
        c=np.array(True),
    )
    yield case(
        "If",
        "two_outputs",
        MATRIX,
        """a, b = If(c) <then_branch = yes () => (float[] t, float[] u) { t = Neg(x) u = Exp(x) },
            else_branch = no () => (float[] e, float[] f) { e = Exp(x) f = Neg(x) }>
        y = Sub(a, b)""",
        c=np.array(False),
    )


def functions() -> Iterator[Case]:
    yield case(
        "Function",
        "plain",
        MATRIX,
        "y = local.gate(x)",
        functions=("gate (X) => (Y) { s = Sigmoid(X) Y = Mul(X, s) }",),
    )
    slope = "leak <slope> (X) => (Y) { Y = LeakyRelu<alpha: float = @slope>(X) }"
    yield case("Function", "attribute", MATRIX, "y = local.leak<slope=0.3>(x)", functions=(slope,))
    default = "leak <slope: float = 0.3> (X) => (Y) { Y = LeakyRelu<alpha: float = @slope>(X) }"
    yield case("Function", "default_attribute", MATRIX, "y = local.leak(x)", functions=(default,))
    yield case("Function", "default_attribute_given", MATRIX, "y = local.leak<slope=0.7>(x)", functions=(default,))
    axes = "sum <axis> (X) => (Y) { a = Constant<value_ints: ints = @axis>() Y = ReduceSum<keepdims=0>(X, a) }"
    yield case("Function", "integers_attribute", MATRIX, "y = local.sum<axis=[2]>(x)", functions=(axes,))
    yield case("Function", "twice", MATRIX, "a = local.leak<slope=0.3>(x) y = local.leak<slope=-0.5>(a)", functions=(slope,))
    yield case(
        "Function",
        "weights_as_inputs",
        [4],
        "y = local.dense(x, w, b)",
        functions=("dense (X, W, B) => (Y) { p = MatMul(X, W) s = Add(p, B) Y = Relu(s) }",),
        w=(4, 3),
        b=(3,),
    )
    yield case(
        "Function",
        "nested",
        MATRIX,
        "y = local.outer<slope=0.2>(x)",
        functions=(slope, "outer <slope> (X) => (Y) { n = Neg(X) l = local.leak<slope: float = @slope>(n) Y = Neg(l) }"),
    )
    yield case(
        "Function",
        "two_outputs",
        MATRIX,
        "a, b = local.both(x) y = Sub(b, a)",
        functions=("both (X) => (P, N) { P = Relu(X) N = Neg(X) }",),
    )
    yield case(
        "Function",
        "shape_inside",
        MATRIX,
        "y = local.flat(x)",
        functions=("flat (X) => (Y) { b = Shape<end=1>(X) m = Constant<value_ints=[-1]>() s = Concat<axis=0>(b, m) Y = Reshape(X, s) }",),
    )
    gemm = "dense (X, W, B) => (Y) { Y = Gemm(X, W, B) }"
    yield case("Function", "input_left_out", [4], "y = local.dense(x, w)", functions=(gemm,), w=(4, 3))
    # The function's B is not the graph's.
    yield case("Function", "input_left_out_name_taken", [4], "g = local.dense(x, w) y = Add(g, B)", functions=(gemm,), w=(4, 3), B=(3,))
    yield case(
        "Function",
        "same_names_inside",
        MATRIX,
        "s = Tanh(x) y_ = local.gate(s) y = Add(y_, s)",
        functions=("gate (X) => (Y) { s = Sigmoid(X) Y = Mul(X, s) }",),
    )
    yield case(
        "Function",
        "branch_inside",
        MATRIX,
        "y = local.choose<flag=1>(x)",
        functions=(
            """choose <flag> (X) => (Y) { i = Constant<value_int: int = @flag>() c = Cast<to=9>(i)
            Y = If(c) <then_branch = yes () => (float[] t) { t = Neg(X) }, else_branch = no () => (float[] e) { e = Exp(X) }> }""",
        ),
    )
