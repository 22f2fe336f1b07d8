"""What must be refused: models that are no function of one row alone, and what is not supported."""

from collections.abc import Iterator

import numpy as np

from case import Case, case, floats

MATRIX = [3, 4]
IMAGE = [2, 4, 5]
LARGEST = np.iinfo(np.int64).max


def cases() -> Iterator[Case]:
    yield from mixing_rows()
    yield from for_some_numbers_of_rows()
    yield from random()
    yield from beyond_support()


def mixing_rows() -> Iterator[Case]:
    for operator in ("ReduceMean", "ReduceMax", "ReduceL2"):
        yield case(operator, "over_rows", MATRIX, f"r = {operator}<axes=[0]>(x) y = Sub(x, r)")
        yield case(operator, "over_rows_too", MATRIX, f"r = {operator}<axes=[0, 2]>(x) y = Sub(x, r)")
        yield case(operator, "over_everything", MATRIX, f"r = {operator}(x) y = Sub(x, r)")
        yield case(operator, "over_rows_counted_from_the_end", MATRIX, f"r = {operator}<axes=[-3]>(x) y = Sub(x, r)")
    yield case("ReduceSum", "over_rows", MATRIX, "r = ReduceSum(x, a) y = Sub(x, r)", a=[0])
    yield case("ReduceSum", "over_everything", MATRIX, "r = ReduceSum(x) y = Sub(x, r)")
    yield case("ReduceMean", "over_moved_rows", MATRIX, "t = Transpose<perm=[1, 0, 2]>(x) r = ReduceMean<axes=[1]>(t) s = Sub(t, r) y = Transpose<perm=[1, 0, 2]>(s)")
    # The constant's leading axis moves the rows to the second axis.
    yield case("MatMul", "rows_moved_by_constant", [4], "m = MatMul(x, w) r = ReduceMean<axes=[1], keepdims=0>(m) y = Sub(x, r)", w=(1, 4, 4))
    yield case("MatMul", "softmax_of_rows_moved_by_constant", [4], "m = MatMul(x, w) s = Softmax<axis=1>(m) y = Squeeze(s, a)", w=(1, 4, 4), a=[0])
    yield case("Add", "rows_moved_by_constant", [4], "m = Add(x, c) s = Softmax<axis=1>(m) y = Squeeze(s, a)", c=(1, 1, 4), a=[0])
    yield case("MatMul", "rows_by_rows", [4], "t = Transpose(x) y = MatMul(x, t)")
    yield case("Gemm", "rows_by_rows", [4], "y = Gemm<transB=1>(x, x)")
    yield case("Gemm", "transposed_rows", [4], "g = Gemm<transA=1>(x, x) y = MatMul(x, g)")
    yield case("Softmax", "over_rows", MATRIX, "y = Softmax<axis=0>(x)")
    yield case("Softmax", "over_rows_opset_11", MATRIX, "y = Softmax<axis=0>(x)", opset=11)
    yield case("LogSoftmax", "over_rows", MATRIX, "y = LogSoftmax<axis=-3>(x)")
    yield case("LayerNormalization", "over_rows", MATRIX, "y = LayerNormalization<axis=0>(x, s)", s=(1, 3, 4))
    yield case("BatchNormalization", "training", [4], "y, m2, v2 = BatchNormalization<training_mode=1>(x, s, b, m, v)", s=(4,), b=(4,), m=(4,), v=floats(1, 2, 3, 4))
    yield case("Concat", "rows", MATRIX, "y = Concat<axis=0>(x, x)")
    yield case("Gather", "rows_reversed", MATRIX, "y = Gather<axis=0>(x, i)", i=[2, 1, 0])
    yield case("Slice", "rows_reversed", MATRIX, "y = Slice(x, a, b, c, d)", a=[-1], b=[-LARGEST], c=[0], d=[-1])
    yield case("Tile", "rows", MATRIX, "y = Tile(x, r)", r=[2, 1, 1])
    yield case("Pad", "rows", MATRIX, "y = Pad(x, p)", p=[1, 0, 0, 0, 0, 0])
    yield case("Pad", "rows_around", MATRIX, 'y = Pad<mode="wrap">(x, p)', opset=19, p=[1, 0, 0, -1, 0, 0])
    yield case("Reshape", "rows_last", [4], "y = Reshape(x, s)", s=[4, -1])
    yield case("Reshape", "rows_within_samples", [4], "n = Shape(x) t = Transpose(x) y = Reshape(t, n)")
    yield case("Flatten", "rows", MATRIX, "f = Flatten<axis=0>(x) s = Softmax(f) n = Shape(x) y = Reshape(s, n)")
    yield case("Transpose", "rows_stay_moved", MATRIX, "y = Transpose<perm=[1, 0, 2]>(x)")
    yield case("Add", "rows_by_rows", [4], "u = Unsqueeze(x, a) y = Add(u, x)", a=[1])
    yield case("Softmax", "samples_like_rows", [3], "t = Transpose(x) s = Softmax<axis=-1>(t) y = Transpose(s)")


def for_some_numbers_of_rows() -> Iterator[Case]:
    """Models that say which rows, or how many: what holds for two rows need not hold for more."""
    yield case("Slice", "first_row", MATRIX, "y = Slice(x, a, b, c)", a=[0], b=[1], c=[0])
    yield case("Slice", "two_rows", MATRIX, "y = Slice(x, a, b, c)", a=[0], b=[2], c=[0])
    yield case("Slice", "last_two_rows", MATRIX, "y = Slice(x, a, b, c)", a=[-2], b=[LARGEST], c=[0])
    yield case("Slice", "two_rows_attributes", MATRIX, "y = Slice<starts=[0], ends=[2], axes=[0]>(x)", opset=9)
    yield case("Gather", "two_rows", MATRIX, "y = Gather<axis=0>(x, i)", i=[0, 1])
    yield case("Gather", "one_row", MATRIX, "y = Gather<axis=0>(x, i)", i=[0])
    yield case("Split", "rows", MATRIX, "a, b, c = Split<axis=0>(x, s) y = Concat<axis=2>(a, b, c)", s=[1, 1, 1])
    yield case("Split", "two_rows", MATRIX, "y = Split<axis=0>(x, s)", s=[2])
    yield case("Split", "rows_halved", MATRIX, "a, b = Split<axis=0>(x) y = Concat<axis=2>(a, b)", opset=13)
    yield case("Expand", "rows", MATRIX, "y = Expand(x, s)", s=[2, 3, 4])
    yield case("Add", "constant_of_rows", MATRIX, "y = Add(x, c)", c=(3, 3, 4))
    yield case("Mul", "constant_of_two_rows", MATRIX, "y = Mul(x, c)", c=(2, 1, 1))
    yield case("Concat", "constant_of_rows", MATRIX, "y = Concat<axis=2>(x, c)", c=(3, 3, 1))
    yield case("Shape", "number_of_rows", MATRIX, "n = Shape(x) b = Gather(n, z) f = Cast<to=1>(b) y = Div(x, f)", z=0)
    yield case("Range", "of_rows", MATRIX, "n = Shape(x) b = Gather(n, z) r = Range(z, b, one) f = Cast<to=1>(r) u = Reshape(f, s) y = Add(x, u)", z=0, one=1, s=[-1, 1, 1])
    yield case("If", "number_of_rows", MATRIX, "n = Shape(x) b = Gather(n, z) c = Less(b, two) y = If(c) <then_branch = yes () => (float[] t) { t = Neg(x) }, else_branch = no () => (float[] e) { e = Exp(x) }>", z=0, two=2)
    yield case("If", "value", [4], "m = ReduceMax<keepdims=0>(x) c = Greater(m, z) y = If(c) <then_branch = yes () => (float[] t) { t = Neg(x) }, else_branch = no () => (float[] e) { e = Exp(x) }>", z=0.0)


def random() -> Iterator[Case]:
    yield case("RandomNormalLike", "noise", MATRIX, "r = RandomNormalLike(x) y = Add(x, r)")
    yield case("RandomNormal", "noise", MATRIX, "r = RandomNormal<shape=[1, 3, 4]>() y = Add(x, r)")
    yield case("RandomUniformLike", "noise", MATRIX, "r = RandomUniformLike(x) y = Add(x, r)")
    yield case("Dropout", "training", MATRIX, "y = Dropout(x, r, t)", r=0.5, t=np.array(True))


def beyond_support() -> Iterator[Case]:
    yield case("Resize", "antialias", IMAGE, 'y = Resize<mode="linear", antialias=1>(x, , s)', opset=18, s=floats(1, 1, 0.5, 0.5))
    yield case("Resize", "crop", IMAGE, 'y = Resize<coordinate_transformation_mode="tf_crop_and_resize">(x, r, s)', opset=13, r=floats(0, 0, 0, 0, 1, 1, 0.5, 0.5), s=floats(1, 1, 2, 2))
    yield case("Resize", "keep_aspect_ratio", IMAGE, 'y = Resize<axes=[2, 3], keep_aspect_ratio_policy="not_larger">(x, , , s)', opset=18, s=[6, 6])
    yield case("MaxPool", "indices", IMAGE, "y_, i = MaxPool<kernel_shape=[2, 2]>(x) f = Cast<to=1>(i) y = Add(y_, f)")
    yield case("Conv", "volume", [1, 3, 3, 3], "y = Conv(x, w)", w=(1, 1, 2, 2, 2))
    yield case("LayerNormalization", "mean_too", MATRIX, "n, m = LayerNormalization(x, s) y = Add(n, m)", s=(4,))
    yield case("Attention", "softcap", MATRIX, "y = Attention<q_num_heads=1, kv_num_heads=1, softcap=2.0>(x, x, x)", opset=23)
    yield case("Attention", "shared_keys", [2, 4], "k = MatMul(x, w) y = Attention<q_num_heads=2, kv_num_heads=1>(x, k, k)", opset=23, w=(4, 2))
    yield case("Swish", "alpha", MATRIX, "y = Swish<alpha=1.5>(x)", opset=24)
    yield case("Floor", "value", MATRIX, "y = Floor(x)")
    yield case("Mod", "value", MATRIX, "y = Mod<fmod=1>(x, c)", c=0.5)
    yield case("Pow", "two_values", MATRIX, "y = Pow(x, x)", positive=True)
    yield case("Cast", "value_to_integers", MATRIX, "i = Cast<to=7>(x) y = Cast<to=1>(i)")
    yield case("Conv", "time_distributed", [3, 2, 5], "r = Reshape(x, f) n = Conv<pads=[1, 1]>(r, w) y = Reshape(n, s)", f=[-1, 2, 5], s=[-1, 3, 4, 5], w=(4, 2, 3))
    yield case("Einsum", "rows_by_rows", [4], 'y = Einsum<equation="bi,ci->bc">(x, x)')
    yield case("Einsum", "over_rows", [4], 'r = Einsum<equation="bi->i">(x) y = Sub(x, r)')
    yield case("Einsum", "diagonal", [4, 4], 'y = Einsum<equation="bii->bi">(x)')
    yield case("CumSum", "over_rows", MATRIX, "y = CumSum(x, a)", a=0)
    yield case("GatherND", "one_row", MATRIX, "y = GatherND(x, i)", i=np.array([[0], [0]]))
    yield case("ReduceProd", "value", MATRIX, "y = ReduceProd<axes=[1]>(x)")
    yield case("TopK", "value", MATRIX, "y, i = TopK(x, k)", k=[2])
    yield case("Clip", "reversed_limits", MATRIX, "y = Clip(x, a, b)", a=1.0, b=-1.0)
