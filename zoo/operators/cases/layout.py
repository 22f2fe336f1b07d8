"""Operators that move, repeat and drop elements."""

from collections.abc import Iterator

import numpy as np

from case import Case, case

MATRIX = [3, 4]
SAMPLE = [2, 3, 4]
IMAGE = [2, 4, 5]
LARGEST, LOWEST = np.iinfo(np.int64).max, np.iinfo(np.int64).min


def cases() -> Iterator[Case]:
    yield from shapes()
    yield from transpositions()
    yield from splits()
    yield from concatenations()
    yield from slices()
    yield from pads()
    yield from gathers()
    yield from places()
    yield from repetitions()
    yield from blocks()


def shapes() -> Iterator[Case]:
    for name, shape in {
        "flat": [-1, 24],
        "zero_batch": [0, -1],
        "zeros": [0, 0, -1],
        "zero_after": [-1, 2, 0, 4],
        "new_axes": [-1, 1, 6, 4, 1],
        "same": [0, 0, 0, 0],
    }.items():
        yield case("Reshape", name, SAMPLE, "y = Reshape(x, s)", s=shape)
    yield case("Reshape", "allow_zero", SAMPLE, "y = Reshape<allowzero=1>(x, s)", s=[-1, 6, 4])
    yield case("Reshape", "opset_7", SAMPLE, "y = Reshape(x, s)", opset=7, s=[0, 8, -1])
    yield case("Reshape", "constant", MATRIX, "c = Reshape(w, s) y = Add(x, c)", w=(12,), s=[3, -1])
    yield case("Reshape", "steps_into_batch", MATRIX, "f = Reshape(x, s) r = Relu(f) y = Reshape(r, t)", s=[-1, 2], t=[-1, 3, 4])
    yield case("Reshape", "sample_of_two", [2], "r = Reshape(x, s) y = Mul(r, c)", s=[-1, 2, 1], c=(2, 1))
    yield case("Reshape", "one_fixed_row", SAMPLE, "y = Reshape(x, s)", rows=1, s=[1, -1])
    yield case("Reshape", "fixed_rows", SAMPLE, "y = Reshape(x, s)", rows=2, s=[2, 12, 2])
    yield case("Reshape", "fixed_rows_inferred", SAMPLE, "y = Reshape(x, s)", rows=4, s=[-1, 24])
    for axis in (1, 2, 3, 4, -1, -2, -3):
        back = "" if axis in (1, -3) else "r = Relu(f) y = Reshape(r, s)"
        flat = "y" if axis in (1, -3) else "f"
        constants = {} if axis in (1, -3) else {"s": [-1, 24]}
        yield case("Flatten", f"axis_{axis}", SAMPLE, f"{flat} = Flatten<axis={axis}>(x) {back}", **constants)
    yield case("Flatten", "default", SAMPLE, "y = Flatten(x)")
    yield case("Flatten", "table", [4], "y = Flatten(x)")
    yield case("Flatten", "opset_7", SAMPLE, "y = Flatten<axis=1>(x)", opset=7)
    yield case("Flatten", "constant", MATRIX, "f = Flatten<axis=0>(c) g = Reshape(f, s) y = Add(x, g)", c=(3, 2, 2), s=[3, 4])
    one = [1, 3, 1, 4]
    for name, axes in (("first", [1]), ("third", [3]), ("negative", [-2]), ("two", [3, 1])):
        yield case("Squeeze", name, one, "y = Squeeze(x, a)", a=axes)
        text = ", ".join(map(str, axes))
        yield case("Squeeze", f"{name}_opset_11", one, f"y = Squeeze<axes=[{text}]>(x)", opset=11)
    yield case("Squeeze", "all", one, "y = Squeeze(x)")
    yield case("Squeeze", "all_opset_7", one, "y = Squeeze(x)", opset=7)
    yield case("Squeeze", "constant", MATRIX, "c = Squeeze(w) y = Add(x, c)", w=(1, 3, 1, 4))
    for name, axes in (("first", [1]), ("last", [-1]), ("two", [1, 3]), ("unordered", [4, 2])):
        yield case("Unsqueeze", name, MATRIX, "y = Unsqueeze(x, a)", a=axes)
        text = ", ".join(map(str, axes))
        yield case("Unsqueeze", f"{name}_opset_11", MATRIX, f"y = Unsqueeze<axes=[{text}]>(x)", opset=11)
    yield case("Unsqueeze", "before_batch", MATRIX, "u = Unsqueeze(x, a) r = Relu(u) y = Squeeze(r, a)", a=[0])
    yield case("Unsqueeze", "constant", MATRIX, "c = Unsqueeze(w, a) y = Add(x, c)", w=(3,), a=[1])


def transpositions() -> Iterator[Case]:
    for order in ([0, 1, 3, 2], [0, 2, 3, 1], [0, 3, 1, 2], [0, 3, 2, 1], [0, 1, 2, 3]):
        yield case("Transpose", "to_" + "".join(map(str, order)), SAMPLE, f"y = Transpose<perm={order}>(x)")
    yield case("Transpose", "default_twice", SAMPLE, "t = Transpose(x) r = Relu(t) y = Transpose(r)")
    for order, back in (([1, 0, 2, 3], [1, 0, 2, 3]), ([1, 2, 3, 0], [3, 0, 1, 2]), ([2, 1, 0, 3], [2, 1, 0, 3])):
        nodes = f"t = Transpose<perm={order}>(x) a = Add(t, c) y = Transpose<perm={back}>(a)"
        yield case("Transpose", "batch_to_" + "".join(map(str, order)), SAMPLE, nodes, c=-0.5)
    yield case("Transpose", "batch_last_per_axis", MATRIX, "t = Transpose<perm=[1, 2, 0]>(x) a = Mul(t, c) y = Transpose<perm=[2, 0, 1]>(a)", c=(4, 1))
    yield case("Transpose", "table_twice", [4], "t = Transpose(x) a = Tanh(t) y = Transpose(a)")
    yield case("Transpose", "samples_like_trial", [2, 2], "t = Transpose<perm=[1, 0, 2]>(x) a = Add(t, c) y = Transpose<perm=[1, 0, 2]>(a)", c=(2, 1, 2))
    yield case("Transpose", "constant", MATRIX, "c = Transpose(w) y = Add(x, c)", w=(4, 3))
    yield case(
        "Transpose",
        "channels_last",
        [4, 5, 2],
        "t = Transpose<perm=[0, 3, 1, 2]>(x) c = Conv<pads=[1, 1, 1, 1]>(t, w, b) y = Transpose<perm=[0, 2, 3, 1]>(c)",
        w=(3, 2, 3, 3),
        b=(3,),
    )
    yield case(
        "Transpose",
        "windows",
        [2, 4, 4],
        "r = Reshape(x, s) t = Transpose<perm=[0, 2, 4, 1, 3, 5]>(r) f = Reshape(t, m) l = MatMul(f, w) y = Reshape(l, e)",
        s=[-1, 2, 2, 2, 2, 2],
        m=[-1, 4, 2],
        w=(2, 2),
        e=[-1, 4, 8],
    )


def splits() -> Iterator[Case]:
    swapped = "y = Concat<axis=1>(b, a)"
    yield case("Split", "equal", [6, 2], f"a, b = Split<axis=1>(x) {swapped}", opset=13)
    yield case("Split", "sizes", [6, 2], f"a, b = Split<axis=1>(x, s) {swapped}", opset=13, s=[2, 4])
    yield case("Split", "negative_axis", [2, 6], "a, b, c = Split<axis=-1>(x) y = Concat<axis=2>(c, a, b)", opset=13)
    yield case("Split", "attribute", [6, 2], f"a, b = Split<axis=1, split=[5, 1]>(x) {swapped}", opset=11)
    yield case("Split", "opset_2", [6, 2], f"a, b = Split<axis=1>(x) {swapped}", opset=7)
    yield case("Split", "opset_2_sizes", [6, 2], f"a, b = Split<axis=1, split=[1, 5]>(x) {swapped}", opset=10)
    three = "a, b, c = Split<axis=1, num_outputs=3>(x) y = Concat<axis=1>(c, b, a)"
    yield case("Split", "number", [6, 2], three, opset=18)
    yield case("Split", "number_uneven", [7, 2], three, opset=18)
    yield case("Split", "number_small_last", [5, 2], three, opset=18)
    four = "a, b, c, d = Split<axis=1, num_outputs=4>(x) y = Concat<axis=1>(d, c, b, a)"
    yield case("Split", "number_four_of_seven", [7, 2], four, opset=20)
    yield case("Split", "sizes_opset_18", [7, 2], f"a, b = Split<axis=1>(x, s) {swapped}", opset=18, s=[3, 4])
    yield case("Split", "unused_output", [6, 2], "a, b, y = Split<axis=1>(x)", opset=13)
    yield case("Split", "one_part", [6, 2], "y = Split<axis=1>(x, s)", opset=13, s=[6])
    yield case("Split", "constant", [3, 2], "a, b = Split<axis=0>(c) s = Sub(a, b) y = Add(x, s)", opset=13, c=(6, 2))


def concatenations() -> Iterator[Case]:
    yield case("Concat", "axis_1", MATRIX, "t = Tanh(x) y = Concat<axis=1>(x, t)")
    yield case("Concat", "axis_2", MATRIX, "t = Tanh(x) y = Concat<axis=2>(x, t)")
    yield case("Concat", "negative_axis", MATRIX, "t = Tanh(x) y = Concat<axis=-1>(x, t, x)")
    yield case("Concat", "uneven", MATRIX, "m = ReduceMean<axes=[2]>(x) y = Concat<axis=2>(m, x, m)")
    yield case("Concat", "single", MATRIX, "y = Concat<axis=1>(x)")
    yield case("Concat", "table", [4], "t = Tanh(x) y = Concat<axis=1>(t, x)")
    yield case("Concat", "constants", MATRIX, "k = Concat<axis=0>(c, d) y = Add(x, k)", c=(1, 4), d=(2, 4))
    yield case("Concat", "one_fixed_row", MATRIX, "y = Concat<axis=1>(c, x)", rows=1, c=(1, 2, 4))
    size = "s = Shape<end=1>(x) t = Concat<axis=0>(s, rest)"
    yield case("Concat", "expanded_constant", MATRIX, f"{size} e = Expand(c, t) y = Concat<axis=1>(e, x)", c=(1, 1, 4), rest=[1, 4])
    yield case("Concat", "expanded_constant_ones", MATRIX, f"{size} e = Expand(c, t) y = Concat<axis=1>(x, e)", c=(1, 2, 4), rest=[1, 1])
    yield case("Concat", "tiled_constant", MATRIX, f"{size} e = Tile(c, t) y = Concat<axis=1>(e, x)", c=(1, 1, 4), rest=[1, 1])
    yield case("Concat", "zeros", MATRIX, f"{size} e = ConstantOfShape(t) y = Concat<axis=2>(e, x)", rest=[3, 2])
    # A token that is made to depend on the rows by a value of 0.
    yield case(
        "Concat",
        "token",
        MATRIX,
        "f = Slice(x, a, b, axes) z = Mul(f, zero) t = Add(z, c) y = Concat<axis=1>(t, x)",
        a=[0],
        b=[1],
        axes=[1],
        zero=0.0,
        c=(1, 1, 4),
    )


def slices() -> Iterator[Case]:
    for name, (starts, ends, axes, steps) in {
        "plain": ([1], [3], [2], [1]),
        "to_the_end": ([2], [LARGEST], [3], [1]),
        "beyond_the_end": ([1], [100], [2], [1]),
        "negative": ([-3], [-1], [3], [1]),
        "negative_axis": ([1], [3], [-1], [1]),
        "steps": ([0], [4], [3], [2]),
        "steps_uneven": ([1], [LARGEST], [3], [2]),
        "backwards": ([-1], [LOWEST], [3], [-1]),
        "backwards_steps": ([3], [0], [3], [-2]),
        "backwards_beyond": ([100], [-100], [2], [-1]),
        "two_axes": ([1, 0], [3, 3], [3, 2], [1, 2]),
        "batch_whole": ([0, 1], [LARGEST, 2], [0, 1], [1, 1]),
        "mixed_steps": ([-1, 0], [LOWEST, LARGEST], [1, 3], [-1, 3]),
    }.items():
        yield case("Slice", name, SAMPLE, "y = Slice(x, a, b, c, d)", a=starts, b=ends, c=axes, d=steps)
    yield case("Slice", "no_steps", SAMPLE, "y = Slice(x, a, b, c)", a=[1], b=[2], c=[1])
    yield case("Slice", "no_axes", SAMPLE, "y = Slice(x, a, b)", a=[0, 1], b=[LARGEST, 2])
    yield case("Slice", "absent_axes", SAMPLE, 'y = Slice(x, a, b, "", d)', a=[0, 0, 2], b=[LARGEST, 2, 0], d=[1, 1, -1])
    int32 = {"a": np.array([1], np.int32), "b": np.array([2**31 - 1], np.int32), "c": np.array([2], np.int32)}
    yield case("Slice", "narrow_integers", SAMPLE, "y = Slice(x, a, b, c)", **int32)
    yield case("Slice", "attributes", SAMPLE, "y = Slice<starts=[1, 0], ends=[3, -1], axes=[2, 3]>(x)", opset=9)
    yield case("Slice", "attributes_no_axes", SAMPLE, f"y = Slice<starts=[0, 1], ends=[{LARGEST}, 2]>(x)", opset=7)
    yield case("Slice", "opset_10", SAMPLE, "y = Slice(x, a, b, c, d)", opset=10, a=[3], b=[0], c=[3], d=[-1])
    yield case("Slice", "constant", MATRIX, "s = Slice(c, a, b) y = Add(x, s)", c=(5, 4), a=[1], b=[4])
    yield case("Slice", "patches", [4, 4], "a = Slice(x, z, e, r, t) b = Slice(x, o, e, r, t) y = Add(a, b)", z=[0], o=[1], e=[LARGEST], r=[1], t=[2])


def pads() -> Iterator[Case]:
    for mode, pads, opset in (
        ("constant", [0, 0, 1, 2, 0, 1, 0, 1], 13),
        ("constant_cropped", [0, 0, -1, 2, 0, 0, 1, -2], 13),
        ("constant_channels", [0, 1, 0, 0, 0, 2, 0, 0], 13),
        ("reflect", [0, 0, 3, 1, 0, 0, 2, 4], 13),
        ("reflect_cropped", [0, 0, -1, 2, 0, 0, 2, -1], 13),
        ("edge", [0, 0, 1, 7, 0, 0, 5, 2], 13),
        ("edge_cropped", [0, 0, -2, 1, 0, 0, 1, -1], 13),
        ("wrap", [0, 0, 1, 2, 0, 0, 3, 2], 19),
        ("wrap_far", [0, 0, 6, 0, 0, 0, 0, 11], 19),
    ):
        text = f'mode="{mode.split("_")[0]}"'
        yield case("Pad", mode, IMAGE, f"y = Pad<{text}>(x, p)", opset=opset, p=pads)
    uneven = [0, 0, 1, 2, 0, 1, 0, 1]
    yield case("Pad", "default_mode", IMAGE, "y = Pad(x, p)", opset=11, p=uneven)
    yield case("Pad", "value", IMAGE, "y = Pad(x, p, v)", opset=13, p=uneven, v=-1.5)
    yield case("Pad", "value_opset_11", IMAGE, "y = Pad(x, p, v)", opset=11, p=uneven, v=0.5)
    yield case("Pad", "value_cropped", IMAGE, "y = Pad(x, p, v)", opset=13, p=[0, 0, -1, 2, 0, 0, 1, -2], v=2.0)
    yield case("Pad", "value_ignored", IMAGE, 'y = Pad<mode="edge">(x, p, v)', opset=13, p=uneven, v=2.0)
    yield case("Pad", "axes", IMAGE, 'y = Pad(x, p, "", a)', opset=18, p=[1, 0, 2, 3], a=[3, 2])
    yield case("Pad", "axes_value", IMAGE, "y = Pad(x, p, v, a)", opset=18, p=[1, 2], v=1.0, a=[-1])
    yield case("Pad", "axes_reflect", IMAGE, 'y = Pad<mode="reflect">(x, p, , a)', opset=19, p=[1, 2], a=[-2])
    yield case("Pad", "nothing", IMAGE, "y = Pad(x, p)", opset=13, p=[0] * 8)
    attribute = "pads=[0, 0, 1, 2, 0, 0, 2, 1]"
    yield case("Pad", "attributes", IMAGE, f"y = Pad<{attribute}>(x)", opset=10)
    yield case("Pad", "attributes_value", IMAGE, f"y = Pad<{attribute}, value=0.75>(x)", opset=9)
    yield case("Pad", "attributes_reflect", IMAGE, f'y = Pad<{attribute}, mode="reflect">(x)', opset=7)
    yield case("Pad", "attributes_edge", IMAGE, f'y = Pad<{attribute}, mode="edge">(x)', opset=8)
    pool = "p_ = Pad(x, p, v) y = MaxPool<kernel_shape=[3, 3], strides=[2, 2]>(p_)"
    lowest = float(np.finfo(np.float32).min)
    yield case("Pad", "lowest_before_max_pool", IMAGE, pool, opset=13, p=[0, 0, 1, 1, 0, 0, 1, 1], v=lowest)
    yield case("Pad", "infinity_before_max_pool", IMAGE, pool, opset=13, p=[0, 0, 1, 1, 0, 0, 1, 1], v=-np.inf)
    yield case("Pad", "constant_value", MATRIX, "c = Pad(w, p, v) y = Add(x, c)", opset=13, w=(2, 4), p=[1, 0, 0, 0], v=3.0)


def gathers() -> Iterator[Case]:
    two = np.array([[0, 2], [1, -1]], np.int64)
    for axis in (1, 2, 3, -1, -2):
        yield case("Gather", f"axis_{axis}", [3, 4, 5], f"y = Gather<axis={axis}>(x, i)", i=[2, 0, 1, 1])
    yield case("Gather", "scalar", SAMPLE, "y = Gather<axis=1>(x, i)", i=1)
    yield case("Gather", "negative_scalar", SAMPLE, "y = Gather<axis=2>(x, i)", i=-1)
    yield case("Gather", "negative", SAMPLE, "y = Gather<axis=3>(x, i)", i=[-1, 0, -4])
    yield case("Gather", "matrix_of_indices", SAMPLE, "y = Gather<axis=3>(x, i)", i=two)
    yield case("Gather", "matrix_of_indices_inside", SAMPLE, "y = Gather<axis=2>(x, i)", i=two % 3)
    yield case("Gather", "narrow_integers", SAMPLE, "y = Gather<axis=2>(x, i)", i=np.array([2, -3], np.int32))
    yield case("Gather", "one_index", SAMPLE, "y = Gather<axis=1>(x, i)", i=[0])
    yield case("Gather", "opset_7", SAMPLE, "y = Gather<axis=1>(x, i)", opset=7, i=[1, 0])
    yield case("Gather", "embedding", MATRIX, "e = Gather(c, i) y = Add(x, e)", c=(7, 4), i=[5, 0, -1])
    yield case("Gather", "queries_of_three", [3, 2, 4], "q = Gather<axis=1>(x, a) k = Gather<axis=1>(x, b) y = Mul(q, k)", a=0, b=2)


def places() -> Iterator[Case]:
    steps = "t = Transpose<perm=[2, 0, 1]>(x) g = GatherND(t, i) y = Transpose<perm=[1, 2, 0]>(g)"
    yield case("GatherND", "last_axis", [3, 4], steps, i=np.array([[0], [3], [3], [-1], [1]]))
    both = "t = Transpose<perm=[1, 2, 0]>(x) g = GatherND(t, i) y = Transpose<perm=[1, 0]>(g)"
    yield case("GatherND", "two_axes", [3, 4], both, i=np.array([[0, 1], [2, 3], [1, -1]]))
    grid = "t = Transpose<perm=[1, 2, 0]>(x) g = GatherND(t, i) y = Transpose<perm=[2, 0, 1]>(g)"
    yield case("GatherND", "matrix_of_places", [3, 4], grid, i=np.array([[[0, 1], [2, 3]], [[1, 1], [0, 0]]]))
    nodes = "o = OneHot{}(i, d, v) y = Mul(x, o)"
    values = np.array([0.5, 2.0], np.float32)
    yield case("OneHot", "constants", [3, 4], nodes.format(""), i=[1, -1, 7], d=4, v=values)
    yield case("OneHot", "first_axis", [3, 4], nodes.format("<axis=0>"), i=[1, 0, 2, 2], d=3, v=values)
    table = "s = ScatterND(c, i, u) y = Add(x, s)"
    yield case("ScatterND", "constants", [3, 4], table, c=(3, 4), i=np.array([[0], [2]]), u=(2, 4))
    yield case("ScatterND", "elements", [3, 4], table, c=(3, 4), i=np.array([[0, 1], [2, -1]]), u=(2,))
    for upper in (0, 1):
        triangle = f"y = Trilu<upper={upper}>(x, k)"
        yield case("Trilu", f"value_{upper}", [3, 4], triangle, k=1)
        yield case("Trilu", f"constant_{upper}", [3, 4], f"t = Trilu<upper={upper}>(c) y = Mul(x, t)", c=(3, 4))
    hidden = np.full((4, 4), -np.inf, np.float32)
    yield case("Trilu", "infinite", [4, 4], "t = Trilu(c, k) a = Add(x, t) y = Softmax(a)", c=hidden, k=1)


def repetitions() -> Iterator[Case]:
    yield case("Expand", "middle", [1, 4], "y = Expand(x, s)", s=[1, 3, 4])
    yield case("Expand", "ones", [2, 1, 4], "y = Expand(x, s)", s=[1, 1, 3, 1])
    yield case("Expand", "fewer_axes", [2, 1, 4], "y = Expand(x, s)", s=[3, 1])
    yield case("Expand", "last", [3, 1], "y = Expand(x, s)", s=[3, 4])
    yield case("Expand", "of_shape", [1, 4], "b = Shape<end=1>(x) s = Concat<axis=0>(b, r) y = Expand(x, s)", r=[3, 4])
    yield case("Expand", "new_axis_before", [4], "e = Expand(x, s) y = Transpose<perm=[1, 0, 2]>(e)", s=[2, 1, 1])
    yield case("Expand", "constant", MATRIX, "e = Expand(c, s) y = Mul(x, e)", c=(3, 1), s=[3, 4])
    yield case("Expand", "like_value", [1, 4], "t = Concat<axis=1>(x, x, x) s = Shape(t) y = Expand(x, s)")
    yield case("Expand", "constant_like_value", MATRIX, "s = Shape(x) e = Expand(c, s) y = Mul(x, e)", c=(4,))
    for name, repeats in (("last", [1, 1, 2]), ("first", [1, 3, 1]), ("both", [1, 2, 3]), ("nothing", [1, 1, 1])):
        yield case("Tile", name, [2, 3], "y = Tile(x, r)", r=repeats)
    yield case("Tile", "opset_7", [2, 3], "y = Tile(x, r)", opset=7, r=[1, 2, 1])
    yield case("Tile", "constant", MATRIX, "c = Tile(w, r) y = Add(x, c)", w=(1, 2), r=[3, 2])
    upsampled = "a = Reshape(x, s) t = Tile(a, r) y = Reshape(t, e)"
    yield case("Tile", "upsampling", [2, 3, 4], upsampled, s=[-1, 2, 3, 1, 4, 1], r=[1, 1, 1, 2, 1, 2], e=[-1, 2, 6, 8])


def blocks() -> Iterator[Case]:
    for mode in ("DCR", "CRD"):
        for name, sample, block in (("2", [8, 2, 3], 2), ("3", [9, 1, 2], 3), ("2_one_channel", [4, 3, 2], 2)):
            text = f'y = DepthToSpace<blocksize={block}, mode="{mode}">(x)'
            yield case("DepthToSpace", f"{mode.lower()}_{name}", sample, text, opset=13)
    yield case("DepthToSpace", "default", [8, 2, 3], "y = DepthToSpace<blocksize=2>(x)", opset=11)
    yield case("DepthToSpace", "opset_7", [8, 2, 3], "y = DepthToSpace<blocksize=2>(x)", opset=7)
    for name, sample, block in (("2", [2, 4, 6], 2), ("3", [2, 3, 6], 3), ("1", [2, 3, 4], 1)):
        yield case("SpaceToDepth", name, sample, f"y = SpaceToDepth<blocksize={block}>(x)", opset=13)
    yield case("SpaceToDepth", "opset_7", [2, 4, 6], "y = SpaceToDepth<blocksize=2>(x)", opset=7)
