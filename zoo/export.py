"""PyTorch's exporters, called as their users call them."""

import contextlib
import io
import warnings
from pathlib import Path

import torch
from torch import nn

from catalogue import Entry, Variant
from train import BATCH, DATA_SEED, as_tuple


def export(model: nn.Module, entry: Entry, variant: Variant, folder: Path) -> list[str]:
    """Writes the files of a variant, each named after its role; the roles.

    Whatever the exporter raises is passed on.
    """
    x = torch.from_numpy(entry.data(1 if variant.fixed_batch else BATCH, DATA_SEED))
    input_name, latent_name = entry.input_names or (None, None)
    if entry.one_file:
        _export(model, x, input_name, entry.encoder_names, variant, folder / "model.onnx")
        return ["model"]
    with torch.no_grad():
        z = as_tuple(model.encoder(x))[0]
    if entry.convention == "halves":
        z = z.chunk(2, dim=1)[0].contiguous()
    _export(model.encoder, x, input_name, entry.encoder_names, variant, folder / "encoder.onnx")
    _export(model.decoder, z, latent_name, entry.decoder_names, variant, folder / "decoder.onnx")
    return ["encoder", "decoder"]


def _export(module: nn.Module, example, input_name, output_names, variant: Variant, path: Path) -> None:
    options = {"opset_version": variant.opset, "output_names": output_names}
    options["input_names"] = [input_name] if input_name else None
    if variant.dynamo:
        options["external_data"] = variant.external_data
        if not variant.fixed_batch:
            options["dynamic_shapes"] = ({0: "batch"},)
    elif not variant.fixed_batch:
        # The legacy exporter ties dynamic axes to names: the input needs one.
        options["input_names"] = [input_name or "input"]
        named = [*options["input_names"], *(output_names or [])]
        options["dynamic_axes"] = {name: {0: "batch"} for name in named}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (example,), path, dynamo=variant.dynamo, **options)
