"""Runs every model of the zoo in ONNX Runtime and compares it with the references.

    python zoo/check.py

The error of a feature is its largest difference divided by its largest magnitude in the reference; that of the worst
feature counts. Derivatives are compared among themselves, relative to the largest. Fails beyond `TOLERANCE`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

from conventions import posterior
from fixture import FIXTURES

TOLERANCE = 1e-5


def main() -> int:
    print(f"{'model':18} {'variant':20} {'opset':>5}  {'mu':>8} {'sigma':>8} {'x_hat':>8}")
    worst = [0.0]
    for description in sorted(FIXTURES.glob("*/model.json")):
        model = json.loads(description.read_text())
        reference = load_file(description.parent / "reference.safetensors")
        for variant in model["variants"]:
            results = run(description.parent, model, variant, reference)
            errors = [relative_error(results[name], reference[name], axis=0) for name in ("mu", "sigma", "x_hat")]
            worst += errors
            print(
                f"{model['name']:18} {variant['name']:20} {variant['opset']:5}  "
                + " ".join(f"{e:8.1e}" for e in errors)
            )
        error = derivative_error(reference)
        worst.append(error)
        print(f"{model['name']:18} {'Jacobians':20} {error:32.1e}")
    # NumPy's maximum and this comparison both let NaN fail.
    print(f"worst {np.max(worst):.1e}, tolerance {TOLERANCE:.0e}")
    return 0 if np.max(worst) <= TOLERANCE else 1


def run(folder: Path, model: dict, variant: dict, reference: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mu, sigma and the mean of the reconstruction as the files of a variant give them."""

    def function(role: str) -> Callable[[np.ndarray], list[np.ndarray]]:
        return session(folder / variant["files"][role], variant["batch"])

    convention, constant_sigma = model["encoder"]["convention"], model["encoder"].get("constant_sigma")
    if "one_file" in model:
        x_hat, *encoded = function("model")(reference["x"])
    else:
        encoded = function("encoder")(reference["x"])
        (x_hat,) = function("decoder")(reference["mu"])
    mu, sigma = posterior(encoded, convention, constant_sigma, np)
    if model["decoder"]["output"] == "logits":
        x_hat = 1.0 / (1.0 + np.exp(-x_hat))
    return {"mu": mu, "sigma": sigma, "x_hat": x_hat}


def session(path: Path, batch: int | str) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The function that a file computes, without its noise."""
    graph = onnx.load(path)
    for node in graph.graph.node:
        if node.op_type == "RandomNormalLike":
            # The runtime aborts at zero.
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("scale", 1e-30))
    runtime = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (name,) = (value.name for value in runtime.get_inputs())

    def function(samples: np.ndarray) -> list[np.ndarray]:
        if batch == "dynamic":
            return runtime.run(None, {name: samples})
        rows = [runtime.run(None, {name: samples[i : i + batch]}) for i in range(0, len(samples), batch)]
        return [np.concatenate(output) for output in zip(*rows)]

    return function


def derivative_error(reference: dict[str, np.ndarray]) -> float:
    """How far the stored products are from one another: u^T (J v) = (u^T J) v, and both from the full Jacobian."""
    # In double precision: these are sums of terms that cancel.
    reference = {name: tensor.astype(np.float64) for name, tensor in reference.items()}
    probe_input, probe_latent = reference["probe_input"], reference["probe_latent"]
    jvp, vjp = reference["encoder_jvp"], reference["encoder_vjp"]
    errors = [relative_error(vjp @ probe_input.T, probe_latent @ jvp.swapaxes(1, 2))]
    jvp, vjp = reference["decoder_jvp"], reference["decoder_vjp"]
    errors += [relative_error(vjp @ probe_latent.T, probe_input @ jvp.swapaxes(1, 2))]
    if "jacobian_mu" in reference:
        encoder, decoder = reference["jacobian_mu"], reference["jacobian_decoder"]
        errors += [relative_error(probe_input @ encoder.swapaxes(1, 2), reference["encoder_jvp"][:1])]
        errors += [relative_error(probe_latent @ decoder.swapaxes(1, 2), reference["decoder_jvp"][:1])]
    return float(np.max(errors))


def relative_error(actual: np.ndarray, expected: np.ndarray, axis: int | None = None) -> float:
    if actual.shape != expected.shape:
        raise SystemExit(f"shape {list(actual.shape)} where the reference has {list(expected.shape)}")
    return float((np.abs(actual - expected).max(axis) / np.abs(expected).max(axis)).max())


if __name__ == "__main__":
    sys.exit(main())
