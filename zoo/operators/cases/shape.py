"""Constants, shapes, and arithmetic with them."""

from collections.abc import Iterator

import numpy as np
from onnx import TensorProto
from onnx.helper import make_tensor

from case import Case, case, floats

MATRIX = [3, 4]
SAMPLE = [2, 3, 4]


def cases() -> Iterator[Case]:
    yield from constants()
    yield from element_types()
    yield from casts()
    yield from of_rows()
    yield from of_sizes()
    yield from unchanged()


def constants() -> Iterator[Case]:
    for name, attribute in {
        "float": "value_float=0.5",
        "floats": "value_floats=[1.0, 2.0, 3.0, 4.0]",
        "tensor": "value=float[2] {0.5, 2.0}".replace("[2] {0.5, 2.0}", "[4] {0.5, 2.0, -1.0, 3.0}"),
        "scalar_tensor": "value=float {0.5}",
    }.items():
        yield case("Constant", name, MATRIX, f"c = Constant<{attribute}>() y = Mul(x, c)")
    for name, attribute in {
        "int": "value_int=2",
        "ints": "value_ints=[0, 2]",
        "integer_tensor": "value=int64[2] {2, 0}",
        "integer_scalar": "value=int64 {1}",
    }.items():
        yield case("Constant", name, MATRIX, f"c = Constant<{attribute}>() y = Gather<axis=1>(x, c)")
    yield case("Constant", "opset_7", MATRIX, "c = Constant<value=float[1] {3.0}>() y = Mul(x, c)", opset=7)
    for name, value in {"zeros": "", "value": "<value=float[1] {0.5}>"}.items():
        yield case("ConstantOfShape", name, MATRIX, f"c = ConstantOfShape{value}(s) y = Add(x, c)", s=[3, 4])
    rows = "n = Shape(x) c = ConstantOfShape<value=float[1] {2.5}>(n)"
    yield case("ConstantOfShape", "like_value", MATRIX, f"{rows} y = Mul(x, c)")
    yield case("ConstantOfShape", "scalar", MATRIX, "c = ConstantOfShape<value=float[1] {2.0}>(s) y = Mul(x, c)", s=np.zeros(0, np.int64))
    yield case("ConstantOfShape", "integers", MATRIX, "c = ConstantOfShape<value=int64[1] {1}>(s) y = Gather<axis=1>(x, c)", s=[2])
    # Expansion with -1 for sizes to keep, as PyTorch writes it.
    yield case(
        "ConstantOfShape",
        "expansion",
        [1, 4],
        """one = ConstantOfShape<value=int64[1] {1}>(three) m = Mul(one, minus) e = Equal(wanted, m)
        s = Where(e, one, wanted) y = Expand(x, s)""",
        three=[3],
        minus=-1,
        wanted=[-1, 3, -1],
    )
    yield case("Range", "positions", MATRIX, "r = Range(a, b, c) e = Gather(w, r) y = Add(x, e)", a=0, b=3, c=1, w=(5, 4))
    yield case("Range", "of_shape", MATRIX, "n = Shape(x) l = Gather(n, i) r = Range(a, l, c) e = Gather(w, r) y = Add(x, e)", i=1, a=0, c=1, w=(5, 4))
    yield case("Range", "backwards", MATRIX, "r = Range(a, b, c) y = Gather<axis=2>(x, r)", a=3, b=-1, c=-2)
    yield case("Range", "reals", MATRIX, "r = Range(a, b, c) y = Add(x, r)", a=0.5, b=2.4, c=0.5)
    yield case("Range", "frequencies", MATRIX, "r = Range(a, b, c) f = Cast<to=1>(r) n = Neg(f) e = Exp(n) y = Mul(x, e)", a=0, b=8, c=2)


def element_types() -> Iterator[Case]:
    weights = np.linspace(-1.0, 1.0, 4)
    narrowed = "c = Cast<to=1>(w) y = Mul(x, c)"
    yield case("Cast", "half_weights", MATRIX, narrowed, w=weights.astype(np.float16))
    yield case("Cast", "double_weights", MATRIX, narrowed, w=weights)
    yield case("Cast", "integer_weights", MATRIX, narrowed, w=np.array([1, -2, 3, 4], np.int32))
    yield case("Cast", "small_integer_weights", MATRIX, narrowed, w=np.array([1, -2, 127, -128], np.int8))
    yield case("Cast", "unsigned_weights", MATRIX, narrowed, w=np.array([1, 2, 200, 255], np.uint8))
    yield case("Cast", "truth_weights", MATRIX, narrowed, w=np.array([True, False, True, True]))
    for name, kind, values in (
        ("float", TensorProto.FLOAT, weights),
        ("half", TensorProto.FLOAT16, weights),
        ("brain", TensorProto.BFLOAT16, weights),
        ("double", TensorProto.DOUBLE, weights),
        ("int32", TensorProto.INT32, [1, -2, 3, 4]),
        ("int16", TensorProto.INT16, [1, -2, 3, 4]),
        ("int64", TensorProto.INT64, [1, -2, 3, 4]),
        ("uint64", TensorProto.UINT64, [1, 2, 3, 4]),
        ("uint32", TensorProto.UINT32, [1, 2, 3, 4]),
        ("bool", TensorProto.BOOL, [1, 0, 0, 1]),
    ):
        yield case("Cast", f"typed_{name}", MATRIX, narrowed, w=make_tensor("w", kind, [4], values))


def casts() -> Iterator[Case]:
    yield case("Cast", "to_double_and_back", [4], "d = Cast<to=11>(x) m = MatMul(d, w) y = Cast<to=1>(m)", w=np.linspace(-1, 1, 12).reshape(4, 3))
    yield case("Cast", "to_itself", MATRIX, "y = Cast<to=1>(x)")
    yield case("Cast", "truncates", MATRIX, "i = Cast<to=7>(c) f = Cast<to=1>(i) y = Add(x, f)", c=floats(-1.7, -0.5, 0.5, 2.9))
    yield case("Cast", "to_truth", MATRIX, "b = Cast<to=9>(c) f = Cast<to=1>(b) y = Add(x, f)", c=floats(0.0, -0.5, 0.5, 2.0))
    yield case("Cast", "integers_to_truth", MATRIX, "b = Cast<to=9>(c) f = Cast<to=1>(b) y = Add(x, f)", c=[0, -3, 1, 2])
    yield case("Cast", "opset_7", MATRIX, "f = Cast<to=1>(c) y = Add(x, f)", opset=7, c=[0, -3, 1, 2])
    yield case("Cast", "through_half", MATRIX, "h = Cast<to=10>(c) f = Cast<to=1>(h) y = Mul(x, f)", c=floats(0.1, 0.3, 0.7, 1.1))
    yield case("CastLike", "value", MATRIX, "c = CastLike(w, x) y = Mul(x, c)", w=np.linspace(-1.0, 1.0, 4))
    yield case("CastLike", "constant", MATRIX, "y = CastLike(x, w)", w=(1,))
    yield case("CastLike", "integers", MATRIX, "c = CastLike(w, x) y = Mul(x, c)", w=[1, 2, 3, 4])
    yield case("CastLike", "to_integers", MATRIX, "i = CastLike(w, k) y = Gather<axis=1>(x, i)", w=floats(1.9, 0.2), k=[1])


def of_rows() -> Iterator[Case]:
    """Shapes of which the number of rows is a part."""
    yield case("Shape", "gather_concat", SAMPLE, "n = Shape(x) b = Gather(n, z) u = Unsqueeze(b, a) s = Concat<axis=0>(u, m) y = Reshape(x, s)", z=0, a=[0], m=[-1])
    yield case("Shape", "unsqueeze_attribute", SAMPLE, "n = Shape(x) b = Gather(n, z) u = Unsqueeze<axes=[0]>(b) s = Concat<axis=0>(u, m) y = Reshape(x, s)", opset=11, z=0, m=[6, 4])
    yield case("Shape", "slice_concat", SAMPLE, "n = Shape(x) b = Slice(n, z, o) s = Concat<axis=0>(b, m) y = Reshape(x, s)", z=[0], o=[1], m=[-1, 4])
    yield case("Shape", "start_end", SAMPLE, "b = Shape<start=0, end=1>(x) s = Concat<axis=0>(b, m) y = Reshape(x, s)", m=[24])
    yield case("Shape", "negative_start", SAMPLE, "l = Shape<start=-1>(x) s = Concat<axis=0>(z, m, l) y = Reshape(x, s)", z=[0], m=[-1])
    yield case("Shape", "products", SAMPLE, "n = Shape(x) a, b, c, d = Split<axis=0>(n) e = Mul(b, c) s = Concat<axis=0>(a, e, d) y = Reshape(x, s)")
    yield case("Shape", "squeezed", SAMPLE, "n = Shape(x) a, b = Split<axis=0>(n, p) q = Squeeze(a) u = Unsqueeze(q, z) s = Concat<axis=0>(u, m) y = Reshape(x, s)", p=[1, 3], z=[0], m=[-1])
    yield case("Shape", "merge_and_part", SAMPLE, "n = Shape(x) b = Gather(n, z) h = Mul(b, two) u = Unsqueeze(h, a) s = Concat<axis=0>(u, m) f = Reshape(x, s) r = Relu(f) y = Reshape(r, n)", z=0, two=2, a=[0], m=[3, 4])
    yield case("Shape", "halved_and_doubled", SAMPLE, "n = Shape(x) b = Gather(n, z) t = Mul(b, four) h = Div(t, four) u = Unsqueeze(h, a) s = Concat<axis=0>(u, m) y = Reshape(x, s)", z=0, four=4, a=[0], m=[-1])
    yield case("Shape", "scatter_of_axes", SAMPLE, "n = Shape(x) i = Gather(n, order) y = Reshape(x, i)", order=[0, 2, 1, 3])
    yield case("Shape", "of_later_value", MATRIX, "t = Transpose<perm=[0, 2, 1]>(x) n = Shape(t) y = Reshape(x, n)")
    yield case("Shape", "of_steps_first", MATRIX, "t = Transpose<perm=[1, 0, 2]>(x) n = Shape(t) b = Gather(n, one) u = Unsqueeze(b, z) s = Concat<axis=0>(u, m) y = Reshape(x, s)", one=1, z=[0], m=[-1])
    yield case("Size", "over_rows", SAMPLE, "t = Size(x) n = Shape(x) b = Gather(n, i) f = Div(t, b) u = Unsqueeze(f, z) s = Concat<axis=0>(m, u) y = Reshape(x, s)", i=0, z=[0], m=[-1])
    yield case("Size", "constant", MATRIX, "t = Size(c) f = Cast<to=1>(t) d = Div(c, f) y = Add(x, d)", c=(4,))
    yield case("Reshape", "by_number_of_elements", SAMPLE, "t = Size(x) u = Unsqueeze(t, z) d = Div(u, w) s = Concat<axis=0>(d, w) y = Reshape(x, s)", z=[0], w=[24])


def of_sizes() -> Iterator[Case]:
    """Numbers read off the sizes of a sample."""
    size = "n = Shape(x) l = Gather(n, i) f = Cast<to=1>(l)"
    yield case("Shape", "divides", SAMPLE, f"{size} y = Div(x, f)", i=3)
    yield case("Shape", "root", SAMPLE, f"{size} r = Sqrt(f) y = Div(x, r)", i=-1)
    yield case("Shape", "mean_by_sum", SAMPLE, f"{size} t = ReduceSum(x, a) y = Div(t, f)", i=2, a=[2])
    cut = "e = Cast<to=7>(d) u = Unsqueeze(e, z) y = Slice(x, z, u, a)"
    axis = {"i": 2, "z": [0], "a": [2]}
    for name, operation in {
        "half_down": "d_ = Mul(f, c) d = Floor(d_)",
        "half_up": "d_ = Mul(f, c) d = Ceil(d_)",
        "half_rounded": "d_ = Mul(f, c) d = Round(d_)",
        "half_cut": "d = Mul(f, c)",
        "half_less": "d_ = Sub(f, c) d = Neg(n_)".replace("d = Neg(n_)", "g = Neg(d_) h = Abs(g) d = Floor(h)"),
    }.items():
        yield case("Shape", name, SAMPLE, f"{size} {operation} {cut}", c=0.5, **axis)
    # A fraction must not be cut off before the last step, whether or not the rows are in the same vector.
    yield case("Shape", "fraction_of_size", [4, 5], f"{size} h = Div(f, two) d = Mul(h, c) {cut}", two=2.0, c=1.7, **axis)
    yield case(
        "Shape",
        "fraction_beside_rows",
        [4, 5],
        """n = Shape(x) f = Cast<to=1>(n) h = Div(f, two) d = Mul(h, c) g = Gather(d, i) e = Cast<to=7>(g)
        u = Unsqueeze(e, z) y = Slice(x, z, u, a)""",
        two=2.0,
        c=1.7,
        **axis,
    )
    yield case("Shape", "quotient", SAMPLE, "n = Shape(x) l = Gather(n, i) h = Div(l, two) u = Unsqueeze(h, z) y = Slice(x, z, u, a)", two=2, **axis)
    yield case("Shape", "remainder", SAMPLE, "n = Shape(x) l = Gather(n, i) h = Mod(l, two) u = Unsqueeze(h, z) y = Slice(x, u, big, a)", two=2, big=[9], **axis)
    yield case("Shape", "smaller", SAMPLE, "n = Shape(x) l = Gather(n, i) h = Min(l, two) u = Unsqueeze(h, z) y = Slice(x, z, u, a)", two=2, **axis)
    yield case("Shape", "concat_of_two", [3, 3], "n = Shape(x) k = Shape<start=1, end=2>(x) m = Slice(n, two, big) e = Equal(k, m) s = Where(e, a, b) y = Reshape(x, s)", two=[2], big=[9], a=[-1, 9, 1], b=[-1, 1, 9])
    yield case("Range", "reversed_by_shape", MATRIX, "n = Shape(x) l = Gather(n, i) t = Sub(l, one) r = Range(t, minus, minus) y = Gather<axis=1>(x, r)", i=1, one=1, minus=-1)


def unchanged() -> Iterator[Case]:
    yield case("Identity", "value", MATRIX, "i = Identity(x) y = Identity(i)")
    yield case("Identity", "constant", MATRIX, "c = Identity(w) y = Add(x, c)", w=(4,))
    yield case("Identity", "shape", MATRIX, "n = Shape(x) s = Identity(n) f = Flatten(x) y = Reshape(f, s)")
    yield case("Dropout", "attribute", MATRIX, "y = Dropout<ratio=0.4>(x)", opset=10)
    yield case("Dropout", "opset_7", MATRIX, "y = Dropout(x)", opset=7)
    yield case("Dropout", "inputs", MATRIX, "y = Dropout(x, r)", opset=12, r=0.4)
    yield case("Dropout", "evaluation", MATRIX, "y = Dropout(x, r, t)", opset=13, r=0.4, t=np.array(False))
    yield case("Dropout", "mask", MATRIX, "y, m = Dropout(x)", opset=13)
