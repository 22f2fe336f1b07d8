"""A few seconds of training, so that the fixtures have posteriors and reconstructions worth comparing."""

import torch
from torch import nn

from catalogue import Entry
from conventions import posterior

BATCH = 64
SAMPLES = 4096
DATA_SEED = 1


def as_tuple(outputs) -> tuple:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def encode(model: nn.Module, entry: Entry, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mu and sigma of a batch."""
    return posterior(as_tuple(model.encoder(x)), entry.convention, entry.constant_sigma, torch)


def decode(model: nn.Module, entry: Entry, z: torch.Tensor) -> torch.Tensor:
    """Mean of the reconstruction of a batch of latents."""
    output = model.decoder(z)
    return torch.sigmoid(output) if entry.decoder_output == "logits" else output


def trained(entry: Entry) -> nn.Module:
    """The model in evaluation mode, after maximising the evidence lower bound for `entry.steps` steps."""
    torch.manual_seed(0)
    model = entry.model().train()
    samples = torch.from_numpy(entry.data(SAMPLES, DATA_SEED))
    noise = torch.as_tensor(entry.observation_noise)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, entry.steps)
    for _ in range(entry.steps):
        x = samples[torch.randint(SAMPLES, (BATCH,))]
        mu, sigma = encode(model, entry, x)
        x_hat = decode(model, entry, mu + sigma * torch.randn_like(sigma))
        misfit = 0.5 * ((x_hat.reshape(x.shape) - x) / noise).square().sum() / BATCH
        divergence = (0.5 * (mu.square() + sigma.square() - 1.0) - sigma.log()).sum() / BATCH
        optimiser.zero_grad()
        (misfit + divergence).backward()
        optimiser.step()
        schedule.step()
    return model.eval()
