"""A model of one operator, or of a few that belong together, in ONNX's text form."""

import zlib
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array
from onnx.parser import parse_function, parse_graph

ROWS = 2
LOCAL_DOMAIN = "local"

# An array as it is, or in short: a tuple is the shape of random weights, a list are integers, a number is a scalar.
Constant = np.ndarray | TensorProto | tuple | list | int | float


class Case(NamedTuple):
    """A model from `x` to `y` and the rows to evaluate it at."""

    operator: str
    variant: str
    model: onnx.ModelProto
    x: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.operator}_{self.variant}"

    @property
    def has_open_batch(self) -> bool:
        return bool(self.model.graph.input[0].type.tensor_type.shape.dim[0].dim_param)


def case(
    operator: str,
    variant: str,
    sample: list[int],
    nodes: str,
    opset: int = 17,
    rows: int | None = None,
    spread: float = 1.0,
    positive: bool = False,
    functions: tuple[str, ...] = (),
    **constants: Constant,
) -> Case:
    """A case whose `nodes` take `x` [batch, *sample] and the constants to `y`.

    `rows` fixes the batch. The rows are drawn from a normal distribution, times `spread`, or from (0.3, 2.3) if
    `positive`. `functions` belong to the domain `local`.
    """
    random = np.random.default_rng(zlib.crc32(f"{operator}_{variant}".encode()))
    weights = [tensor(name, constant, random) for name, constant in constants.items()]
    graph = make_graph(
        # The text form knows no empty list of attributes.
        parse_graph(f"case () => () {{ {nodes.replace('<>', '')} }}").node,
        "case",
        [make_tensor_value_info("x", TensorProto.FLOAT, [rows or "batch", *sample])],
        # How many axes it has, the runtime finds out.
        [make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    sets = [make_opsetid("", opset)] + [make_opsetid(LOCAL_DOMAIN, 1)] * bool(functions)
    parsed = [function(text, opset) for text in functions]
    model = make_model(graph, opset_imports=sets, functions=parsed, ir_version=9, producer_name="")
    shape = (rows or ROWS, *sample)
    x = random.uniform(0.3, 2.3, shape) if positive else spread * random.standard_normal(shape)
    return Case(operator, variant, model, x.astype(np.float32))


def tensor(name: str, constant: Constant, random: np.random.Generator) -> TensorProto:
    match constant:
        case TensorProto():
            constant.name = name
            return constant
        case tuple():
            constant = random.standard_normal(constant).astype(np.float32)
        case list() | int():
            constant = np.array(constant, np.int64)
        case float():
            constant = np.array(constant, np.float32)
    return from_array(constant, name)


def function(text: str, opset: int) -> onnx.FunctionProto:
    parsed = parse_function(f'<domain: "{LOCAL_DOMAIN}", opset_import: ["": {opset}]> {text}')
    # A function that calls another needs its domain.
    parsed.opset_import.append(make_opsetid(LOCAL_DOMAIN, 1))
    return parsed


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)
