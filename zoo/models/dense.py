"""Fully connected models, and the two that are exported as one file."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from data import TABLE_OFFSET, TABLE_SCALE


class TwoHeads(nn.Module):
    """A trunk with one linear head for mu and one for the logarithm of the variance."""

    def __init__(self, trunk: nn.Module, width: int, latent: int):
        super().__init__()
        self.trunk = trunk
        self.fc_mu = nn.Linear(width, latent)
        self.fc_logvar = nn.Linear(width, latent)

    def forward(self, x):
        h = self.trunk(x)
        return self.fc_mu(h), self.fc_logvar(h)


class Mlp(nn.Module):
    """784-24-16-5 and back; the decoder ends in a sigmoid."""

    def __init__(self):
        super().__init__()
        trunk = nn.Sequential(nn.Linear(784, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU())
        self.encoder = TwoHeads(trunk, 16, 5)
        self.decoder = nn.Sequential(
            nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 784), nn.Sigmoid()
        )


class MlpSoftplus(nn.Module):
    """The encoder gives sigma itself, the decoder logits."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(196, 24)
            self.fc2 = nn.Linear(24, 12)
            self.fc_mu = nn.Linear(12, 4)
            self.fc_scale = nn.Linear(12, 4)

        def forward(self, x):
            h = torch.tanh(self.fc2(torch.tanh(self.fc1(x))))
            return self.fc_mu(h), F.softplus(self.fc_scale(h)) + 1e-4

    def __init__(self):
        super().__init__()
        self.encoder = self.Encoder()
        self.decoder = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 24), nn.Tanh(), nn.Linear(24, 196))


class Table(nn.Module):
    """Standardises inside the model; the encoder gives mu alone, sigma being a constant."""

    class Encoder(nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            self.register_buffer("mean", mean)
            self.register_buffer("std", std)
            self.layers = nn.Sequential(
                nn.Linear(12, 24), nn.SELU(), nn.Linear(24, 16), nn.GELU(approximate="tanh"), nn.Linear(16, 3)
            )

        def forward(self, x):
            return self.layers((x - self.mean) / self.std)

    class Decoder(nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            self.register_buffer("mean", mean)
            self.register_buffer("std", std)
            self.layers = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 24), nn.SELU(), nn.Linear(24, 12))

        def forward(self, z):
            return self.layers(z) * self.std + self.mean

    def __init__(self):
        super().__init__()
        mean, std = (torch.from_numpy(value.astype(np.float32)) for value in (TABLE_OFFSET, TABLE_SCALE))
        self.encoder = self.Encoder(mean, std)
        self.decoder = self.Decoder(mean, std)


class OneFileMean(nn.Module):
    """x -> (x_hat, mu, logvar), where z is mu outside training."""

    def __init__(self):
        super().__init__()
        trunk = nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.SiLU(), nn.Flatten(), nn.Linear(6 * 7 * 7, 24), nn.SiLU()
        )
        self.encoder = TwoHeads(trunk, 24, 4)
        self.decoder = nn.Sequential(
            nn.Linear(4, 6 * 7 * 7),
            nn.SiLU(),
            nn.Unflatten(1, (6, 7, 7)),
            nn.ConvTranspose2d(6, 1, 4, stride=2, padding=1),
            nn.Sigmoid(),
        )

    def reparameterize(self, mu, logvar):
        if not self.training:
            return mu
        return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)

    def forward(self, x):
        mu, logvar = self.encoder(x)
        return self.decoder(self.reparameterize(mu, logvar)), mu, logvar


class OneFileSampled(nn.Module):
    """x -> (x_hat, mu, logvar), drawing z in every mode; x_hat is flat though x is an image."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(196, 32)
            self.fc21 = nn.Linear(32, 4)
            self.fc22 = nn.Linear(32, 4)

        def forward(self, x):
            h1 = F.relu(self.fc1(x.view(-1, 196)))
            return self.fc21(h1), self.fc22(h1)

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc3 = nn.Linear(4, 32)
            self.fc4 = nn.Linear(32, 196)

        def forward(self, z):
            return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def __init__(self):
        super().__init__()
        self.encoder = self.Encoder()
        self.decoder = self.Decoder()

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def forward(self, x):
        mu, logvar = self.encoder(x)
        z = self.reparameterize(mu, logvar)
        return self.decoder(z), mu, logvar
