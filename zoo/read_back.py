"""Runs ONNX files in ONNX Runtime and compares what they give with what vaegis computed.

    python zoo/read_back.py CASES.json

The file lists cases: `model`, an ONNX file; `tensors`, safetensors with its input and the outputs that are expected of
it, by their names in the model; `tolerance`, the largest error of an output, relative to its largest magnitude. Every
model is also checked against the standard. The tests write such lists (`onnx_runtime.rs`).
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file


def main(cases: Path) -> int:
    # Errors go into the list of failures, warnings say nothing about results.
    onnxruntime.set_default_logger_severity(4)
    failures, worst, count = [], 0.0, 0
    for case in json.loads(cases.read_text()):
        count += 1
        try:
            errors = compare(Path(case["model"]), load_file(case["tensors"]))
        except Exception as error:
            failures.append(f"{case['model']}: {type(error).__name__}: {error}")
            continue
        for name, error in errors.items():
            worst = np.maximum(worst, error)
            # Not `error > tolerance`: NaN must count.
            if not error <= case["tolerance"]:
                failures.append(f"{case['model']}: {name} is off by {error:.1e} (tolerance {case['tolerance']:.0e})")
    print(f"{count} models in ONNX Runtime {onnxruntime.__version__}: largest relative error {worst:.1e}")
    print("\n".join(failures), end="")
    return 1 if failures else 0


def compare(path: Path, tensors: dict[str, np.ndarray]) -> dict[str, float]:
    """The error of every output that `tensors` has."""
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    outputs = [output.name for output in session.get_outputs() if output.name in tensors]
    if not outputs or set(tensors) != {given.name, *outputs}:
        raise ValueError(f"tensors {sorted(tensors)} for a model from {given.name}")
    x = tensors[given.name]
    # Some models take one row at a time.
    step = given.shape[0] if isinstance(given.shape[0], int) else len(x)
    parts = [session.run(outputs, {given.name: x[at : at + step]}) for at in range(0, len(x), step)]
    return {
        name: relative_error(np.concatenate(rows), tensors[name]) for name, rows in zip(outputs, zip(*parts))
    }


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        raise ValueError(f"shape {list(found.shape)}, expected {list(expected.shape)}")
    difference = np.abs(found.astype(np.float64) - expected).max()
    return float(difference / max(np.abs(expected).max(), np.finfo(np.float32).tiny))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
