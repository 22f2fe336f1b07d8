"""Writes small models of single ONNX operators, with what ONNX Runtime gives for them.

    python zoo/operators/make.py

| file | what |
|---|---|
| `models/NAME.onnx` | a model from `x` [batch, ...] to `y` |
| `refused/NAME.onnx` | a model that is no function of one row alone, or that uses what is not supported |
| `cases.safetensors` | `NAME.x` and `NAME.y` of every model in `models/` |
| `README.md` | the table of cases at its end |

The outputs are those of ONNX Runtime, or of ONNX's reference implementation where the runtime has no kernel. Every
model must give for each row alone what it gives for all of them together. Where the two implementations disagree, that
is printed. All random numbers derive from the names of the cases, so that a new case changes no other.
"""

import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file

import cases
from case import Case

FOLDER = Path(__file__).parent
TABLE = "## Cases\n"
MOST_BYTES = 4096
# Between two implementations in single precision, relative to the largest output.
TOLERANCE = 1e-5


def main() -> None:
    supported, refused = list(cases.supported()), list(cases.refused())
    names = [case.name for case in supported + refused]
    if len(set(names)) < len(names):
        raise ValueError(f"used twice: {sorted(name for name in names if names.count(name) > 1)}")
    tensors, problems = {}, []
    for case in supported:
        try:
            tensors |= {f"{case.name}.x": case.x, f"{case.name}.y": output(case)}
        except ValueError as problem:
            problems.append(str(problem))
    if problems:
        raise ValueError("\n".join(problems))
    for folder, written in (("models", supported), ("refused", refused)):
        shutil.rmtree(FOLDER / folder, ignore_errors=True)
        (FOLDER / folder).mkdir()
        for case in written:
            model = case.model.SerializeToString(deterministic=True)
            if len(model) > MOST_BYTES:
                raise ValueError(f"{case.name} takes {len(model)} bytes")
            (FOLDER / folder / f"{case.name}.onnx").write_bytes(model)
    save_file(tensors, FOLDER / "cases.safetensors")
    write_table(supported, refused)
    print(f"{len(supported)} cases, {len(refused)} to refuse")


def output(case: Case) -> np.ndarray:
    """`y` for all rows."""
    y = attempt(lambda: runtime(case))
    reference = attempt(lambda: ReferenceEvaluator(case.model).run(None, {"x": case.x})[0])
    if isinstance(y, Exception):
        print(f"{case.name}: not by ONNX Runtime ({y})")
        y = reference
    elif isinstance(reference, Exception):
        print(f"{case.name}: not by the reference implementation ({reference})")
    elif difference(reference, y) > TOLERANCE:
        print(f"{case.name}: the reference implementation differs by {difference(reference, y):.1e}")
    if isinstance(y, Exception):
        raise ValueError(f"{case.name}: {y}")
    if y.dtype != np.float32 or len(y) != len(case.x) or not np.isfinite(y).all():
        raise ValueError(f"{case.name} gives {y.shape} of {y.dtype}, finite: {np.isfinite(y).all()}")
    return np.ascontiguousarray(y)


def runtime(case: Case) -> np.ndarray:
    """`y` for all rows by ONNX Runtime, which must be the same for each row alone."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    # Operators as they are written, not fused.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(case.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    y = session.run(None, {"x": case.x})[0]
    if case.has_open_batch:
        alone = np.stack([session.run(None, {"x": row[None]})[0] for row in case.x])
        if alone.size != y.size or not difference(alone.reshape(y.shape), y) <= TOLERANCE:
            raise ValueError("it is no function of single rows")
    return y


def attempt(function):
    """What the function returns, or its exception: each implementation has gaps of its own."""
    try:
        return function()
    except Exception as problem:  # noqa: BLE001
        return problem


def difference(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        return np.inf
    return np.max(np.abs(a - b)) / max(np.max(np.abs(b)), 1e-3)


def write_table(supported: list[Case], refused: list[Case]) -> None:
    readme = FOLDER / "README.md"
    text = readme.read_text()
    head = text[: text.index(TABLE) + len(TABLE)]
    sections = []
    for title, written in (("Supported", supported), ("Refused", refused)):
        variants = defaultdict(list)
        for case in written:
            variants[case.operator].append(f"`{case.variant}`")
        lines = [f"| `{name}` | {len(of)} | {', '.join(of)} |" for name, of in sorted(variants.items())]
        sections.append("\n".join([f"\n### {title}: {len(written)}\n", "| operator | | variants |", "|---|---|---|", *lines]))
    readme.write_text(head + "\n".join(sections) + "\n")


if __name__ == "__main__":
    main()
