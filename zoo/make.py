"""Trains the PyTorch models, exports them and writes what PyTorch says about them.

python zoo/make.py [NAME...]
"""

import functools
import sys

import torch

from catalogue import CATALOGUE, Entry
from export import export
from fixture import Description, Fixture
from reference import reference
from train import trained


def main(names: list[str]) -> None:
    unknown = set(names) - {entry.name for entry in CATALOGUE}
    if unknown:
        raise SystemExit(f"no such model: {', '.join(sorted(unknown))}")
    # One thread and deterministic kernels: the same weights every time.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for entry in CATALOGUE:
        if not names or entry.name in names:
            make(entry)


def make(entry: Entry) -> None:
    model = trained(entry)
    fixture = Fixture(describe(entry))
    for variant in entry.variants:
        fixture.export(
            variant.name,
            f"torch.onnx.export(dynamo={variant.dynamo})",
            functools.partial(export, model, entry, variant),
            batch=1 if variant.fixed_batch else "dynamic",
        )
    fixture.finish(reference(model, entry))


def describe(entry: Entry) -> Description:
    encoder = {"convention": entry.convention}
    if entry.constant_sigma is not None:
        encoder["constant_sigma"] = entry.constant_sigma
    return Description(
        name=entry.name,
        framework=f"PyTorch {torch.__version__.split('+')[0]}",
        layout="channels first",
        encoder=encoder,
        decoder={"output": entry.decoder_output},
        notes=entry.notes,
        normalisation=entry.normalisation,
        one_file={"outputs": ["x_hat", "mu", "log_variance"], "sampled": entry.sampled} if entry.one_file else None,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
