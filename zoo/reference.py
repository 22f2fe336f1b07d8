"""What PyTorch says, computed in double precision.

Jacobians are of flattened samples: of mu with respect to x, and of the *mean* of the reconstruction (after the
sigmoid, where the decoder gives logits) with respect to z at z = mu.
"""

import copy

import numpy as np
import torch
from torch import nn

import derivatives
from catalogue import Entry
from train import decode, encode

POINTS = 4
REFERENCE_SEED = 2


def reference(model: nn.Module, entry: Entry) -> dict[str, np.ndarray]:
    exact = copy.deepcopy(model).double()
    x = torch.from_numpy(entry.data(POINTS, REFERENCE_SEED)).double()
    with torch.no_grad():
        mu, sigma = encode(exact, entry, x)
        x_hat = decode(exact, entry, mu)

    def flat_mean(point):
        return encode(exact, entry, point.reshape(1, *x.shape[1:]))[0].flatten()

    def flat_reconstruction(latent):
        return decode(exact, entry, latent.reshape(1, *mu.shape[1:])).flatten()

    values = {"x": x, "mu": mu, "sigma": sigma, "x_hat": x_hat}
    points = derivatives.extent(x[0].numel()).points
    return {name: tensor.numpy() for name, tensor in values.items()} | derivatives.tensors(
        encoder=jacobians(flat_mean, x[:points]),
        decoder=jacobians(flat_reconstruction, mu[:points]),
    )


def jacobians(function, points: torch.Tensor) -> np.ndarray:
    """Jacobians of a function of flat points, `[n, outputs, inputs]`."""
    return torch.stack([torch.autograd.functional.jacobian(function, point) for point in points.flatten(1)]).numpy()
