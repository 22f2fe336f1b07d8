"""Saves the weights of PyTorch models as users do, with what PyTorch says about them.

    python zoo/state_dicts/make.py

`NAME/vae.safetensors` is the model's `state_dict()`, `NAME/vae.toml` (written by hand) says which layers its tensors
belong to, `NAME/reference.safetensors` holds inputs, outputs and Jacobians, as in the fixtures of ONNX files
(`reference.py`), all computed in double precision.

The weights are random: nothing here depends on what a model has learnt. Normalisations have seen random data.
"""

import copy
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file
from torch import nn

FOLDER = Path(__file__).parent
POINTS = 3


class Mlp(nn.Module):
    """The PyTorch example: layers with names of their own, functions in `forward`."""

    shape = (1, 6, 6)

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(36, 20)
        self.fc_mu = nn.Linear(20, 4)
        self.fc_logvar = nn.Linear(20, 4)
        self.fc3 = nn.Linear(4, 20)
        self.fc4 = nn.Linear(20, 36, bias=False)

    def encode(self, x):
        h = torch.relu(self.fc1(x.flatten(1)))
        return self.fc_mu(h), torch.exp(0.5 * self.fc_logvar(h))

    def decode(self, z):
        return torch.sigmoid(self.fc4(torch.relu(self.fc3(z)))).reshape(-1, 1, 6, 6)


class ConvolutionalBatchNorm(nn.Module):
    """`nn.Sequential` of convolutions and batch normalisation; softplus gives sigma."""

    shape = (3, 8, 8)

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 6, 4, stride=2, padding=1),
            nn.BatchNorm2d(6),
            nn.LeakyReLU(0.2),
            nn.Conv2d(6, 8, 3, stride=2, padding=1, groups=2),
            nn.BatchNorm2d(8, eps=1e-3),
            nn.PReLU(8),
            nn.Flatten(),
            nn.Linear(32, 16),
            nn.BatchNorm1d(16),
            nn.ELU(),
        )
        self.mu = nn.Linear(16, 5)
        self.rho = nn.Linear(16, 5)
        self.decoder = nn.Sequential(
            nn.Linear(5, 32),
            nn.Unflatten(1, (8, 2, 2)),
            nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(6, affine=False),
            nn.PReLU(),
            nn.ConvTranspose2d(6, 4, (2, 4), stride=2, padding=(0, 1), groups=2, bias=False),
            nn.SiLU(),
            nn.Conv2d(4, 3, 3, padding="same"),
        )

    def encode(self, x):
        h = self.encoder(x)
        return self.mu(h), nn.functional.softplus(self.rho(h))

    def decode(self, z):
        return self.decoder(z)


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(2, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(4, outputs, eps=1e-6)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        h = self.conv1(nn.functional.silu(self.norm1(x)))
        return self.skip(x) + self.conv2(nn.functional.silu(self.norm2(h)))


class GroupNormResidual(nn.Module):
    """Residual blocks with group normalisation in the manner of latent diffusion: a latent image, moments in one
    tensor, bare logits."""

    shape = (2, 8, 8)

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(2, 4, 3, padding=1)
        self.down = nn.ModuleList([Residual(4, 8), Residual(8, 8)])
        self.moments = nn.Conv2d(8, 4, 1)
        self.conv_out = nn.Conv2d(4, 2, 3, padding=1)
        self.up = nn.ModuleList([Residual(2, 8), Residual(8, 4)])
        self.norm_out = nn.LayerNorm((8, 8))
        # Not part of the VAE.
        self.discriminator = nn.Linear(128, 1)

    def encode(self, x):
        h = self.down[0](self.conv_in(x))
        h = self.down[1](nn.functional.max_pool2d(h, 2))
        mu, log_variance = self.moments(nn.functional.avg_pool2d(h, 2)).chunk(2, dim=1)
        return mu, torch.exp(0.5 * log_variance)

    def decode(self, z):
        h = nn.functional.interpolate(self.up[0](z), scale_factor=2)
        h = nn.functional.interpolate(self.up[1](h), scale_factor=2)
        return torch.sigmoid(self.logits(h))

    def logits(self, h):
        return self.conv_out(torch.tanh(self.norm_out(h)))


MODELS = {"mlp": Mlp, "conv_batchnorm": ConvolutionalBatchNorm, "groupnorm_residual": GroupNormResidual}


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, kind in MODELS.items():
        torch.manual_seed(len(name))
        model = kind()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            for _ in range(20):
                model.decode(model.encode(torch.rand(64, *model.shape))[0])
        model.eval()
        save_file(model.state_dict(), FOLDER / name / "vae.safetensors")
        save_arrays(reference(model), FOLDER / name / "reference.safetensors")
        print(name, sum(tensor.numel() for tensor in model.state_dict().values()), "numbers")


def reference(model: nn.Module) -> dict[str, np.ndarray]:
    exact = copy.deepcopy(model).double()
    x = torch.rand(POINTS, *model.shape).double()
    with torch.no_grad():
        mu, sigma = exact.encode(x)
        x_hat = exact.decode(mu)
    jacobian_mu = jacobian(lambda point: exact.encode(point.reshape(1, *model.shape))[0].flatten(), x)
    jacobian_decoder = jacobian(lambda z: exact.decode(z.reshape(1, *mu.shape[1:])).flatten(), mu)
    tensors = {"x": x, "mu": mu, "sigma": sigma, "x_hat": x_hat} | {
        "jacobian_mu": jacobian_mu,
        "jacobian_decoder": jacobian_decoder,
    }
    return {name: np.ascontiguousarray(tensor.numpy().astype(np.float32)) for name, tensor in tensors.items()}


def jacobian(function, points: torch.Tensor) -> torch.Tensor:
    """`[points, outputs, inputs]`."""
    return torch.stack([torch.autograd.functional.jacobian(function, point) for point in points.flatten(1)])


if __name__ == "__main__":
    sys.exit(main())
