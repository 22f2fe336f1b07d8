"""Writes `hostile/`: files to refuse with a reason, quickly and without much memory.

    python zoo/hostile.py

They are `control.onnx`, an encoder that is fine, with one thing changed; `hostile.json` says which.
"""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

FOLDER = Path(__file__).parent / "hostile"

# What is wrong, by file name.
Cases = Iterator[tuple[str, str, onnx.ModelProto | bytes]]


def tensor(name: str, values, element=np.float32) -> TensorProto:
    return onnx.numpy_helper.from_array(np.array(values, element), name)


def integers(name: str, *values: int) -> TensorProto:
    return tensor(name, values, np.int64)


def model(nodes: list, initialisers: list, sample: list | None = None) -> onnx.ModelProto:
    """From `x` [batch, *sample], [batch, 4] by default, to `moments` [batch, 4]."""
    shape = ["batch", *(sample or [4])]
    graph = make_graph(
        nodes,
        "encoder",
        [make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [make_tensor_value_info("moments", TensorProto.FLOAT, ["batch", 4])],
        initialisers,
    )
    return make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=8)


def weights(rows: int = 4) -> TensorProto:
    return tensor("weight", np.linspace(-1.0, 1.0, 4 * rows).reshape(rows, 4))


def product(name: str = "x") -> onnx.NodeProto:
    return make_node("MatMul", [name, "weight"], ["moments"], name="product")


def control() -> onnx.ModelProto:
    return model([product()], [weights()])


def changed_weight(**fields) -> onnx.ModelProto:
    """The control with fields of its weight replaced; an empty value clears one."""
    broken = control()
    weight = broken.graph.initializer[0]
    for name, value in fields.items():
        weight.ClearField(name)
        if isinstance(value, list):
            getattr(weight, name).extend(value)
        else:
            setattr(weight, name, value)
    return broken


def alone(op: str, *constants: TensorProto, sample: list[int] | None = None, **attributes) -> onnx.ModelProto:
    """One operator with constant further inputs; an empty name stands for an input left out.

    The output says nothing of its shape, so that nothing but the operator can be wrong.
    """
    names = ["x", *(constant.name for constant in constants)]
    node = make_node(op, names, ["moments"], name="changed", **attributes)
    result = model([node], [constant for constant in constants if constant.name], sample)
    result.graph.output[0].type.tensor_type.ClearField("shape")
    return result


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def containers() -> Cases:
    whole = control().SerializeToString()
    yield "empty.onnx", "no bytes at all", b""
    yield "text.onnx", "plain text", b"This is not a model.\n"
    for percent in (1, 25, 50, 75, 99):
        cut = len(whole) * percent // 100
        yield f"truncated_{percent}.onnx", f"the first {cut} of {len(whole)} bytes", whole[:cut]
    yield "length_overflow.onnx", "a graph that says it takes 2^63 bytes", varint(7 << 3 | 2) + varint(2**63)
    yield "endless_varint.onnx", "a number that never ends", b"\x08" + b"\xff" * 64
    yield "name_not_utf8.onnx", "a name that is not UTF-8", whole.replace(b"product", b"pr\xff\xfeuct")
    yield "nested_subgraphs.onnx", "200 graphs, one inside the other by If", nested_subgraphs(200)


def nested_subgraphs(depth: int) -> bytes:
    # By hand, because the Python library refuses to go that deep.
    body = make_node("Identity", ["x"], ["moments"]).SerializeToString()
    for _ in range(depth):
        branch = (
            field(1, b"then_branch") + varint(20 << 3) + varint(onnx.AttributeProto.GRAPH) + field(6, field(1, body))
        )
        body = field(1, b"x") + field(2, b"moments") + field(4, b"If") + field(5, branch)
    outer = control()
    del outer.graph.node[:]
    return outer.SerializeToString() + field(7, field(1, body))


def headers() -> Cases:
    for name, wrong, version in [
        ("ir_version_huge", "an IR version of 10^9", 10**9),
        ("ir_version_negative", "an IR version of -1", -1),
    ]:
        broken = control()
        broken.ir_version = version
        yield f"{name}.onnx", wrong, broken
    broken = control()
    broken.ClearField("ir_version")
    yield "ir_version_missing.onnx", "no IR version", broken
    broken = control()
    broken.ClearField("graph")
    yield "no_graph.onnx", "no graph", broken
    broken = control()
    broken.ClearField("opset_import")
    yield "opset_missing.onnx", "no operator set", broken
    broken = control()
    broken.opset_import[0].version = 999
    yield "opset_huge.onnx", "operator set 999", broken


def graphs() -> Cases:
    nodes = [make_node("Add", ["x", "b"], ["a"]), make_node("Relu", ["a"], ["b"]), product("b")]
    yield "cycle.onnx", "two nodes that need one another", model(nodes, [weights()])
    yield "missing_value.onnx", "a node reads `nowhere`, which nothing writes", model([product("nowhere")], [weights()])
    yield (
        "duplicate_initialisers.onnx",
        "two different initialisers named `weight`",
        model([product()], [weights(), tensor("weight", np.ones((4, 4)))]),
    )
    twice = [make_node("Relu", ["x"], ["h"]), make_node("Tanh", ["x"], ["h"]), product("h")]
    yield "duplicate_values.onnx", "two nodes that both write `h`", model(twice, [weights()])
    yield "unwritten_output.onnx", "nothing writes the output `moments`", model([make_node("Relu", ["x"], ["h"])], [])
    for end in ("input", "output"):
        broken = control()
        broken.graph.ClearField(end)
        yield f"no_{end}.onnx", f"a graph without {end}s", broken
    broken = control()
    broken.graph.input[0].type.Clear()
    yield "untyped_input.onnx", "an input without type and shape", broken
    for name, wrong, width in [
        ("negative_input", "an input of [batch, -4]", -4),
        ("huge_input", "an input of [batch, 2^62]", 2**62),
        ("zero_input", "an input of [batch, 0]", 0),
    ]:
        # Without a weight, whose size would not fit.
        broken = model([make_node("Relu", ["x"], ["moments"])], [], sample=[width])
        broken.graph.output[0].type.CopyFrom(broken.graph.input[0].type)
        yield f"{name}.onnx", wrong, broken
    yield (
        "dynamic_features.onnx",
        "an input whose number of features is left open",
        model([product()], [weights()], sample=["features"]),
    )


def tensors() -> Cases:
    for name, wrong, dims in [
        ("huge_dims", "a weight of [4, 2^40] with 64 bytes of data", [4, 2**40]),
        ("overflowing_dims", "a weight of [4, 2^62], a size that wraps around to 0", [4, 2**62]),
        ("negative_dims", "a weight of [4, -4]", [4, -4]),
    ]:
        yield f"{name}.onnx", wrong, changed_weight(dims=dims)
    yield (
        "overflowing_dims_empty.onnx",
        "a weight of [4, 2^62] without data",
        changed_weight(dims=[4, 2**62], raw_data=b""),
    )
    yield "negative_dims_squared.onnx", "a weight of [-4, -4]", changed_weight(dims=[-4, -4])
    yield "zero_dims.onnx", "a weight of [4, 0]", changed_weight(dims=[4, 0], raw_data=b"")
    data = control().graph.initializer[0].raw_data
    yield "short_data.onnx", "a weight of 64 bytes with 60", changed_weight(raw_data=data[:-4])
    yield "odd_data.onnx", "a weight of 64 bytes with 63", changed_weight(raw_data=data[:-1])
    yield "long_data.onnx", "a weight of 64 bytes with 68", changed_weight(raw_data=data + data[:4])
    yield "no_data.onnx", "a weight without data", changed_weight(raw_data=b"")
    yield "nan_weight.onnx", "a weight that is not a number", changed_weight(raw_data=b"\xff" * 64)
    yield (
        "string_weight.onnx",
        "a weight of strings",
        changed_weight(data_type=TensorProto.STRING, raw_data=b"", string_data=[b"a"] * 16),
    )
    yield "unknown_type.onnx", "a weight whose element type is 99", changed_weight(data_type=99)
    broken = control()
    broken.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    yield "string_input.onnx", "an input of strings", broken


def external() -> Cases:
    for name, wrong, entries in [
        ("climbing", "data at ../../etc/passwd", {"location": "../../etc/passwd"}),
        ("hidden_climbing", "data at a/../../../etc/passwd", {"location": "a/../../../etc/passwd"}),
        ("absolute", "data at /etc/passwd", {"location": "/etc/passwd"}),
        ("missing", "data in a file that is not there", {"location": "nowhere.data"}),
        ("folder", "data in a folder", {"location": "."}),
        ("no_location", "external data without a place", {}),
        ("beyond", "64 bytes at 8 of a file of 16", {"location": "external.data", "offset": "8", "length": "64"}),
        (
            "huge_offset",
            "an offset of 2^63 - 8",
            {"location": "external.data", "offset": str(2**63 - 8), "length": "64"},
        ),
        ("negative_offset", "an offset of -8", {"location": "external.data", "offset": "-8", "length": "64"}),
        ("wrong_length", "8 bytes for a weight of 64", {"location": "external.data", "offset": "0", "length": "8"}),
        ("not_a_number", "an offset of `here`", {"location": "external.data", "offset": "here"}),
    ]:
        entry = [onnx.StringStringEntryProto(key=key, value=value) for key, value in entries.items()]
        broken = changed_weight(raw_data=b"", external_data=entry, data_location=TensorProto.EXTERNAL)
        yield f"external_{name}.onnx", wrong, broken


def operators() -> Cases:
    unsupported = [
        make_node("Fold", ["x"], ["a"], domain="com.example", name="fold"),
        make_node("LSTM", ["a", "w", "r"], ["b"], hidden_size=4, name="lstm"),
        make_node("NonMaxSuppression", ["b", "b"], ["c"], name="suppression"),
        product("c"),
    ]
    yield (
        "unsupported.onnx",
        "com.example.Fold, LSTM and NonMaxSuppression, all to be named",
        model(unsupported, [weights(), tensor("w", np.ones((1, 16, 4))), tensor("r", np.ones((1, 16, 4)))]),
    )
    body = make_graph(
        [make_node("Identity", ["go"], ["again"]), make_node("Add", ["h", "h"], ["next"])],
        "body",
        [make_tensor_value_info(*value) for value in BODY_INPUTS],
        [
            make_tensor_value_info("again", TensorProto.BOOL, []),
            make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    yield (
        "loop.onnx",
        "a Loop of 2^62 rounds",
        model(
            [make_node("Loop", ["rounds", "", "x"], ["h"], body=body), product("h")],
            [weights(), tensor("rounds", 2**62, np.int64)],
        ),
    )
    called = make_node("Again", ["a"], ["b"], domain="local")
    broken = model([make_node("Again", ["x"], ["h"], domain="local"), product("h")], [weights()])
    broken.functions.append(
        onnx.helper.make_function("local", "Again", ["a"], ["b"], [called], [make_opsetid("local", 1)])
    )
    broken.opset_import.append(make_opsetid("local", 1))
    yield "recursive_function.onnx", "a function that calls itself", broken
    yield "missing_input.onnx", "a MatMul of one matrix", model([make_node("MatMul", ["x"], ["moments"])], [])
    yield "wrong_widths.onnx", "a product of 4 columns with 5 rows", model([product()], [weights(5)])
    yield "attribute_type.onnx", "a Concat whose axis is a string", alone("Concat", axis="one")
    yield "axis_beyond.onnx", "a Softmax along axis 7", alone("Softmax", axis=7)
    yield "permutation.onnx", "a Transpose by [1, 1]", alone("Transpose", perm=[1, 1])
    yield "index_beyond.onnx", "a Gather of column 9 of 4", alone("Gather", integers("i", 9), axis=1)
    yield (
        "split_sum.onnx",
        "a Split of 4 columns in 3 and 3",
        model(
            [make_node("Split", ["x", "sizes"], ["h", "rest"], axis=1), product("h")],
            [weights(3), integers("sizes", 3, 3)],
        ),
    )


BODY_INPUTS = [("round", TensorProto.INT64, []), ("go", TensorProto.BOOL, []), ("h", TensorProto.FLOAT, None)]


def sizes() -> Cases:
    """Operators whose outputs would not fit into any memory, or that have none."""
    image = [1, 2, 2]
    scale = tensor("scale", [1.0, 1.0, 1e9, 1e9])
    yield "resize_huge.onnx", "a Resize by 10^9", alone("Resize", tensor("", []), scale, sample=image)
    scale = tensor("scale", [1.0, 1.0, math.inf, math.nan])
    yield "resize_not_finite.onnx", "a Resize by infinity and NaN", alone("Resize", tensor("", []), scale, sample=image)
    yield "reshape_huge.onnx", "a Reshape to [-1, 2^40]", alone("Reshape", integers("shape", -1, 2**40))
    yield "reshape_negative.onnx", "a Reshape to [-5, -1]", alone("Reshape", integers("shape", -5, -1))
    yield "tile_huge.onnx", "a Tile by 2^31", alone("Tile", integers("repeats", 1, 2**31))
    yield "expand_huge.onnx", "an Expand to [1, 2^40]", alone("Expand", integers("shape", 1, 2**40), sample=[1])
    yield "pad_huge.onnx", "a Pad by 2^40", alone("Pad", integers("pads", 0, 0, 0, 2**40))
    yield "pad_negative.onnx", "a Pad by -2^40", alone("Pad", integers("pads", 0, 0, 0, -(2**40)))
    constant = make_node("ConstantOfShape", ["shape"], ["weight"])
    yield (
        "constant_huge.onnx",
        "a ConstantOfShape of [4, 2^40]",
        model([constant, product()], [integers("shape", 4, 2**40)]),
    )
    limits = [tensor(name, value, np.int64) for name, value in [("start", 0), ("limit", 2**62), ("delta", 1)]]
    nodes = [
        make_node("Range", ["start", "limit", "delta"], ["numbers"]),
        make_node("Cast", ["numbers"], ["floats"], to=TensorProto.FLOAT),
        make_node("Reshape", ["floats", "shape"], ["weight"]),
        product(),
    ]
    yield "range_huge.onnx", "a Range of 2^62 numbers", model(nodes, [*limits, integers("shape", 4, -1)])
    kernel = tensor("kernel", np.ones((1, 1, 1, 1)))
    for name, wrong, attributes in [
        ("stride_zero", "a convolution of stride 0", {"strides": [0, 0]}),
        ("stride_negative", "a convolution of stride -1", {"strides": [-1, -1]}),
        ("dilation_zero", "a convolution of dilation 0", {"dilations": [0, 0]}),
        ("group_zero", "a convolution of 0 groups", {"group": 0}),
        ("pads_huge", "a convolution padded by 2^40", {"pads": [2**40] * 4}),
        ("pads_negative", "a convolution padded by -3 pixels of 2", {"pads": [-3] * 4}),
        ("kernel_lies", "a convolution whose kernel_shape is not its kernel's", {"kernel_shape": [3, 3]}),
    ]:
        yield f"conv_{name}.onnx", wrong, alone("Conv", kernel, sample=image, **attributes)


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    (FOLDER / "control.onnx").write_bytes(control().SerializeToString())
    (FOLDER / "external.data").write_bytes(bytes(16))
    wrongs = {}
    for cases in (containers, headers, graphs, tensors, external, operators, sizes):
        for name, wrong, content in cases():
            assert name not in wrongs, name
            (FOLDER / name).write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
            wrongs[name] = wrong
    (FOLDER / "hostile.json").write_text(json.dumps(wrongs, indent=2) + "\n")
    print(f"{len(wrongs)} files")


if __name__ == "__main__":
    main()
