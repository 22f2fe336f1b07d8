"""VAEs that `vaegis train` wrote, as plain PyTorch modules; and data sets.

    python models.py MODEL --data mnist --exported FOLDER

compares such a module with the ONNX files that `vaegis export MODEL --out FOLDER` wrote, in ONNX Runtime.
"""

import argparse
import gzip
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

TOLERANCE = 1e-5

ASSETS = Path(__file__).parents[2] / "crates" / "data" / "assets"
EMBEDDED = {"mnist": "mnist-10k-images-idx3-ubyte.gz", "fashion-mnist": "fashion-10k-images-idx3-ubyte.gz"}

# Rows decoded at a time: measured to be the fastest, as what they need stays in the cache.
ROWS = {"dense": 512, "convolutional": 128}

ACTIVATIONS = {
    "relu": lambda _: nn.ReLU(),
    "leaky_relu": lambda node: nn.LeakyReLU(node["slope"]),
    "elu": lambda node: nn.ELU(node["alpha"]),
    "gelu": lambda _: nn.GELU(),
    "silu": lambda _: nn.SiLU(),
    "softplus": lambda _: nn.Softplus(threshold=80),
    "sigmoid": lambda _: nn.Sigmoid(),
    "tanh": lambda _: nn.Tanh(),
}

OPERATORS = {
    # All features of a sample, whatever its shape.
    "linear": lambda node: nn.Sequential(nn.Flatten(), nn.Linear(node["inputs"], node["outputs"])),
    # Images come in as rows.
    "conv2d": lambda node: nn.Sequential(
        *([nn.Unflatten(1, node["input"])] if node["from"] == [0] else []),
        nn.Conv2d(node["input"][0], node["channels"], node["kernel"], **settings(node)),
    ),
    "conv_transpose2d": lambda node: nn.Sequential(
        nn.ConvTranspose2d(
            node["input"][0],
            node["channels"],
            node["kernel"],
            output_padding=node["output_padding"],
            **settings(node),
        ),
    ),
    "reshape": lambda node: nn.Sequential(nn.Flatten(), nn.Unflatten(1, node["shape"])),
    "activation": lambda node: ACTIVATIONS[node["function"]](node),
}


def settings(node: dict) -> dict:
    return {key: node[key] for key in ("stride", "padding", "dilation", "groups")}


class Graph(nn.Module):
    """A network of `model.json`: nodes in order, each computed from the values before it."""

    def __init__(self, description: dict, weights: dict[str, Tensor], prefix: str):
        super().__init__()
        nodes = description["nodes"]
        unknown = sorted(
            {node["operator"] for node in nodes if node["operator"] not in OPERATORS}
            | {node["function"] for node in nodes if "function" in node and node["function"] not in ACTIVATIONS}
        )
        if unknown:
            raise ValueError(f"the {prefix} has operators that these scripts do not know: {', '.join(unknown)}")
        self.sources = [node["from"][0] for node in nodes]
        self.outputs = description["outputs"]
        self.operators = nn.ModuleList(OPERATORS[node["operator"]](node) for node in nodes)
        for number, (node, operator) in enumerate(zip(nodes, self.operators)):
            if f"{prefix}.{number}.weight" in weights:
                weight = weights[f"{prefix}.{number}.weight"]
                # Stored as [inputs, outputs].
                weight = weight.T if node["operator"] == "linear" else weight
                state = {"weight": weight, "bias": weights[f"{prefix}.{number}.bias"]}
                operator[-1].load_state_dict(state)

    def forward(self, value: Tensor) -> list[Tensor]:
        values = [value]
        for source, operator in zip(self.sources, self.operators):
            values.append(operator(values[source]))
        return [values[output].flatten(1) for output in self.outputs]


class Vae(nn.Module):
    """Rows in, rows out: inputs and reconstructions are `[rows, features]`."""

    def __init__(self, folder: Path):
        super().__init__()
        description = json.loads((folder / "model.json").read_text())
        weights = load_file(folder / "weights.safetensors")
        self.encoder = Graph(description["encoder"], weights, "encoder")
        self.decoder = Graph(description["decoder"], weights, "decoder")
        self.likelihood = description["likelihood"]["kind"]
        self.features = math.prod(description["encoder"]["input_shape"])
        (self.latent,) = description["decoder"]["input_shape"]
        convolutional = any(node["operator"] == "conv_transpose2d" for node in description["decoder"]["nodes"])
        self.rows = ROWS["convolutional" if convolutional else "dense"]
        # Attacks differentiate by inputs alone.
        self.requires_grad_(False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mu and sigma of q(z|x)."""
        mu, log_variance = self.encoder(x)
        return mu, (0.5 * log_variance).exp()

    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x|z)."""
        (natural,) = self.decoder(z)
        match self.likelihood:
            case "bernoulli":
                return natural.sigmoid()
            case "continuous_bernoulli":
                return torch.distributions.ContinuousBernoulli(logits=natural).mean
            case "gaussian":
                return natural
        raise ValueError(f"unknown likelihood {self.likelihood}")

    def damage(self, perturbed: Tensor, reference: Tensor, noise: Tensor) -> Tensor:
        """`|g(mu(x') + eps sigma(x')) - reference|_2` of every row of `perturbed` and every row of `noise`."""
        mu, sigma = self.encode(perturbed)
        z = mu[:, None] + sigma[:, None] * noise[None]
        chunks = z.flatten(0, 1).split(self.rows)
        damage = [torch.linalg.vector_norm(self.decode(chunk) - reference, dim=1) for chunk in chunks]
        return torch.cat(damage).unflatten(0, z.shape[:2])


def load_data(name: str) -> np.ndarray:
    """`[rows, features]` in single precision: an embedded data set, or the array of an npy file."""
    if name not in EMBEDDED:
        array = np.load(name, allow_pickle=False)
        if array.dtype.kind != "f":
            raise ValueError(f"{name} holds {array.dtype}, expected floating point numbers")
        return array.reshape(len(array), -1).astype(np.float32)
    content = gzip.decompress((ASSETS / EMBEDDED[name]).read_bytes())
    _, rows, height, width = struct.unpack(">4I", content[:16])
    return np.frombuffer(content, np.uint8, offset=16).reshape(rows, height * width).astype(np.float32) / 255


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares a model with what vaegis exported of it")
    parser.add_argument("model", type=Path, help="folder that vaegis train wrote")
    parser.add_argument("--data", required=True, help="mnist, fashion-mnist or an npy file")
    parser.add_argument("--exported", type=Path, required=True, help="folder that vaegis export wrote")
    arguments = parser.parse_args()

    x = load_data(arguments.data)[:256]
    vae = Vae(arguments.model)
    mu, sigma = vae.encode(torch.from_numpy(x))
    found = {"mu": mu, "logvar": 2 * sigma.log(), "x_hat": vae.decode(mu)}

    encoder, decoder = (
        onnxruntime.InferenceSession(arguments.exported / name, providers=["CPUExecutionProvider"])
        for name in ("encoder.onnx", "decoder.onnx")
    )
    shape = [-1, *encoder.get_inputs()[0].shape[1:]]
    expected_mu, expected_log_variance = encoder.run(["mu", "logvar"], {"x": x.reshape(shape)})
    (x_hat,) = decoder.run(["x_hat"], {"z": expected_mu})
    expected = {"mu": expected_mu, "logvar": expected_log_variance, "x_hat": x_hat.reshape(len(x), -1)}

    errors = {name: float(np.max(np.abs(found[name].numpy() - expected[name]))) for name in found}
    for name, error in errors.items():
        print(f"{name:8} largest difference {error:.1e}, largest value {np.max(np.abs(expected[name])):.2f}")
    # Comparisons with NaN are false.
    exact = all(errors[name] <= TOLERANCE * max(1.0, np.max(np.abs(expected[name]))) for name in found)
    print("the same" if exact else f"not the same to {TOLERANCE:.0e}")
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
