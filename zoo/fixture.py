"""The folder of a fixture: its exported files, `reference.safetensors` and `model.json`."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from safetensors.numpy import save_file

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Description:
    name: str
    framework: str
    # `channels first` or `channels last`, of the input and of the reconstruction.
    layout: str
    # What the outputs of the encoder mean, see `conventions.py`.
    encoder: dict
    # What the decoder gives: `means` of the reconstruction or `logits`.
    decoder: dict
    notes: list[str]
    # What the user of the model does to pixels in [0, 1] before; the references are after it.
    normalisation: str | None = None
    # For models in one file: the roles of the outputs, and whether z is drawn inside.
    one_file: dict | None = None


class Fixture:
    """A fixture being written; what was there under its name goes."""

    def __init__(self, description: Description):
        self.description = description
        self.folder = FIXTURES / description.name
        self.variants, self.failures = [], []
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def export(self, variant: str, exporter: str, write: Callable[[Path], list[str]], batch: int | str = "dynamic"):
        """Calls `write` with a new folder, where it leaves files named after the roles that it returns.

        A failure is recorded: what an exporter cannot do is part of the truth.
        """
        folder = self.folder / variant
        folder.mkdir()
        try:
            roles = write(folder)
            for role in roles:
                onnx.checker.check_model(folder / f"{role}.onnx")
        except Exception as error:
            shutil.rmtree(folder)
            reason = str(error).strip().splitlines()[0]
            self.failures.append({"name": variant, "exporter": exporter, "error": f"{type(error).__name__}: {reason}"})
            return
        for role in roles:
            _forget_sources(folder / f"{role}.onnx")
        files = {role: f"{variant}/{role}.onnx" for role in roles}
        model = onnx.load(folder / f"{roles[0]}.onnx", load_external_data=False)
        (opset,) = (entry.version for entry in model.opset_import if not entry.domain)
        self.variants.append({"name": variant, "exporter": exporter, "opset": opset, "batch": batch, "files": files})

    def finish(self, tensors: dict[str, np.ndarray]) -> None:
        tensors = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
        save_file(tensors, self.folder / "reference.safetensors")
        described = {key: value for key, value in asdict(self.description).items() if value is not None}
        sample = {"shape": list(tensors["x"].shape[1:]), "layout": described.pop("layout")}
        if "normalisation" in described:
            sample["normalisation"] = described.pop("normalisation")
        document = {
            "name": described.pop("name"),
            "framework": described.pop("framework"),
            "input": sample,
            "latent": {"shape": list(tensors["mu"].shape[1:])},
            **described,
            "variants": self.variants,
            "failures": self.failures,
        }
        (self.folder / "model.json").write_text(json.dumps(document, indent=2) + "\n")
        self._summarise(tensors)

    def _summarise(self, tensors: dict[str, np.ndarray]) -> None:
        x, mu, sigma, x_hat = (tensors[name] for name in ("x", "mu", "sigma", "x_hat"))
        print(
            f"{self.description.name:17} spread of mu {mu.std(axis=0).min():.2f} to {mu.std(axis=0).max():.2f}, "
            f"sigma {sigma.min():.2f} to {sigma.max():.2f}, spread of x {x.std(axis=0).mean():.3g}, "
            f"of x_hat {x_hat.std(axis=0).mean():.3g}, misfit {(x_hat - x.reshape(x_hat.shape)).std():.3g}",
            flush=True,
        )
        for failure in self.failures:
            print(f"  {failure['name']}: {failure['error']}", flush=True)


def _forget_sources(path: Path) -> None:
    """Removes the metadata of nodes: lines and paths of the sources on the machine of the export."""
    model = onnx.load(path, load_external_data=False)
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    path.write_bytes(model.SerializeToString())
