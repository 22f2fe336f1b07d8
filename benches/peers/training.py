"""Seconds per epoch of `vaegis train` beside the same VAE written by hand in PyTorch.

    python training.py --vaegis target/release/vaegis --threads 2

Both train on the same rows, with batches of the same size, Adam at the same step size, and end each epoch with a pass
over the same validation rows. Of each, the seconds of EPOCHS epochs are those of a run of 1 + EPOCHS epochs less those
of a run of one, so that starting up, reading data and compiling count for neither. Runs alternate, and ratios are of
neighbouring runs. vaegis also writes a checkpoint after every epoch, which is counted.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models import load_data

TRAINING_ROWS = 8000
VALIDATION_SHARE = 0.1
VALIDATION_BATCH = 512
LATENT = 10


class Mlp(nn.Module):
    def __init__(self, features: int, hidden: list[int]):
        super().__init__()
        widths = [features, *hidden]
        layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.encoder = nn.Sequential(*layers, nn.Linear(widths[-1], 2 * LATENT))
        widths = [LATENT, *reversed(hidden)]
        layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.decoder = nn.Sequential(*layers, nn.Linear(widths[-1], features))


class Conv(nn.Module):
    def __init__(self, side: int, channels: list[int], hidden: int):
        super().__init__()
        first, last = channels
        small = side // 4
        self.encoder = nn.Sequential(
            nn.Unflatten(1, (1, side, side)),
            nn.Conv2d(1, first, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, last, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(last * small * small, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2 * LATENT),
        )
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, hidden),
            nn.ReLU(),
            nn.Linear(hidden, last * small * small),
            nn.ReLU(),
            nn.Unflatten(1, (last, small, small)),
            nn.ConvTranspose2d(last, first, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(first, 1, 4, stride=2, padding=1),
            nn.Flatten(),
        )


def elbo_terms(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    mu, log_variance = model.encoder(x).chunk(2, dim=1)
    z = mu + torch.randn_like(mu) * (0.5 * log_variance).exp()
    distortion = functional.binary_cross_entropy_with_logits(model.decoder(z), x, reduction="sum") / len(x)
    rate = 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
    return distortion, rate, z, mu, log_variance


def beta_vae(model: nn.Module, x: Tensor, population: int) -> Tensor:
    distortion, rate, *_ = elbo_terms(model, x)
    return distortion + 4 * rate


def beta_tcvae(model: nn.Module, x: Tensor, population: int) -> Tensor:
    """Minibatch-stratified sampling, [Chen et al. 2018, appendix C.2]."""
    distortion, _, z, mu, log_variance = elbo_terms(model, x)
    rows = len(x)

    def log_normal(z: Tensor, mu: Tensor, log_variance: Tensor) -> Tensor:
        return -0.5 * ((z - mu).square() / log_variance.exp() + log_variance + 1.8378770664093453)

    each = log_normal(z[:, None], mu[None], log_variance[None])
    weights = torch.full((rows, rows), 1 / (rows - 1))
    weights.fill_diagonal_(1 / population)
    other = (torch.arange(rows) + 1) % rows
    weights[torch.arange(rows), other] = (population - rows + 1) / (population * (rows - 1))
    log_weights = weights.log()
    aggregate = torch.logsumexp(each.sum(2) + log_weights, 1)
    marginals = torch.logsumexp(each + log_weights[..., None], 1).sum(1)
    posterior = log_normal(z, mu, log_variance).sum(1)
    prior = log_normal(z, torch.zeros(()), torch.zeros(())).sum(1)
    terms = (posterior - aggregate) + 4 * (aggregate - marginals) + (marginals - prior)
    return distortion + terms.mean()


OBJECTIVES = {"beta-vae": beta_vae, "beta-tcvae": beta_tcvae}


def torch_seconds(arguments: argparse.Namespace, architecture: str, objective: str) -> float:
    torch.manual_seed(0)
    data = torch.from_numpy(load_data(arguments.data))[:TRAINING_ROWS]
    validation = data[: int(VALIDATION_SHARE * TRAINING_ROWS)]
    rows = data[len(validation) :]
    side = round(data.shape[1] ** 0.5)
    model = Mlp(data.shape[1], [400, 400]) if architecture == "mlp" else Conv(side, [32, 64], 256)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_of = OBJECTIVES[objective]

    def epoch() -> None:
        model.train()
        for batch in torch.randperm(len(rows)).split(arguments.batch_size):
            optimiser.zero_grad(set_to_none=True)
            loss_of(model, rows[batch], len(rows)).backward()
            optimiser.step()
        model.eval()
        with torch.no_grad():
            sum(loss_of(model, batch, len(validation)).item() for batch in validation.split(VALIDATION_BATCH))

    epoch()
    started = time.perf_counter()
    for _ in range(arguments.epochs):
        epoch()
    return (time.perf_counter() - started) / arguments.epochs


def vaegis_seconds(arguments: argparse.Namespace, architecture: str, objective: str) -> float:
    def run(epochs: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                *(str(arguments.vaegis), "train", "--data", arguments.data, "--objective", objective, "--beta", "4"),
                *("--architecture", architecture, "--hidden", "400,400" if architecture == "mlp" else "256"),
                *("--epochs", str(epochs), "--patience", "0", "--batch-size", str(arguments.batch_size)),
                *("--threads", str(arguments.threads), "--out", str(Path(folder) / "model")),
            ]
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            return time.perf_counter() - started

    return (run(1 + arguments.epochs) - run(1)) / arguments.epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vaegis", type=Path, default=Path("target/release/vaegis"))
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=128)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{'model':22} {'PyTorch':>10} {'vaegis':>10}   PyTorch / vaegis (least to most)")
    for architecture in ("mlp", "conv"):
        for objective in OBJECTIVES:
            pairs = [
                (torch_seconds(arguments, architecture, objective), vaegis_seconds(arguments, architecture, objective))
                for _ in range(arguments.repeats)
            ]
            peer, own = (statistics.median(seconds) for seconds in zip(*pairs))
            ratios = sorted(peer / own for peer, own in pairs)
            name = f"{architecture} {objective}"
            print(
                f"{name:22} {peer:8.2f} s {own:8.2f} s   {statistics.median(ratios):.2f}"
                f" ({ratios[0]:.2f} to {ratios[-1]:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
