"""Convolutional models of images and of series."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F


class Conv(nn.Module):
    """Strided convolutions, and transposed ones with output padding; views with a dynamic batch."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 8, 3, stride=2, padding=1)
            self.conv2 = nn.Conv2d(8, 8, 3, stride=2, padding=1)
            self.fc_mu = nn.Linear(8 * 7 * 7, 6)
            self.fc_logvar = nn.Linear(8 * 7 * 7, 6)

        def forward(self, x):
            h = F.relu(self.conv2(F.relu(self.conv1(x))))
            h = h.view(h.size(0), -1)
            return self.fc_mu(h), self.fc_logvar(h)

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 8 * 7 * 7)
            self.deconv1 = nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1)
            self.deconv2 = nn.ConvTranspose2d(8, 1, 3, stride=2, padding=1, output_padding=1)

        def forward(self, z):
            h = F.relu(self.fc(z)).view(z.size(0), 8, 7, 7)
            return torch.sigmoid(self.deconv2(F.relu(self.deconv1(h))))

    def __init__(self):
        super().__init__()
        self.encoder = self.Encoder()
        self.decoder = self.Decoder()


class ConvBatchNorm(nn.Module):
    """Batch normalisation that an exporter can fold into a convolution (encoder) and that it cannot (decoder).

    The encoder has one output: mu and the logarithm of the variance, one after the other.
    """

    def __init__(self):
        super().__init__()
        channels = [3, 8, 12, 16]
        down, up = [], []
        for before, after in pairwise(channels):
            down += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.2),
            ]
        for before, after in pairwise(channels[:0:-1]):
            up += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1),
                nn.LeakyReLU(0.2),
                nn.BatchNorm2d(after),
            ]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(16 * 4 * 4, 2 * 8))
        self.decoder = nn.Sequential(
            nn.Linear(8, 16 * 4 * 4),
            nn.Unflatten(1, (16, 4, 4)),
            *up,
            nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1),
            nn.Tanh(),
        )


class ResidualBlock(nn.Module):
    def __init__(self, before: int, after: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.act = nn.PReLU(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x):
        return F.elu(self.conv2(self.act(self.conv1(x))) + self.skip(x))


class Residual(nn.Module):
    """Skip connections, both kinds of pooling, and bilinear upsampling in both alignments of corners.

    The encoder gives mu and a value whose softplus is sigma.
    """

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)
            self.block1 = ResidualBlock(8, 8)
            self.block2 = ResidualBlock(8, 12)
            self.fc_mu = nn.Linear(12 * 4 * 4, 4)
            self.fc_scale = nn.Linear(12 * 4 * 4, 4)

        def forward(self, x):
            h = F.max_pool2d(F.elu(self.stem(x)), 2)
            # Zeros of the padding count in the mean: PyTorch's default, not ONNX's.
            h = F.avg_pool2d(self.block1(h), 3, stride=2, padding=1)
            h = self.block2(h).flatten(1)
            return self.fc_mu(h), self.fc_scale(h)

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 12 * 4 * 4)
            self.block1 = ResidualBlock(12, 8)
            self.block2 = ResidualBlock(8, 8)
            self.out = nn.Conv2d(8, 3, 3, padding=1)

        def forward(self, z):
            h = F.elu(self.fc(z)).reshape(-1, 12, 4, 4)
            h = F.interpolate(self.block1(h), scale_factor=2, mode="bilinear", align_corners=False)
            h = F.interpolate(self.block2(h), size=(16, 16), mode="bilinear", align_corners=True)
            return torch.sigmoid(self.out(h))

    def __init__(self):
        super().__init__()
        self.encoder = self.Encoder()
        self.decoder = self.Decoder()


def separable(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, before, 3, stride=stride, padding=1, groups=before, bias=False),
        nn.Conv2d(before, after, 1),
        nn.InstanceNorm2d(after, affine=True),
        nn.ReLU6(),
    )


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.expand = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x):
        scale = self.expand(F.relu(self.reduce(F.adaptive_avg_pool2d(x, 1))))
        return x * F.hardsigmoid(scale)


class Depthwise(nn.Module):
    """A model of the kind that runs on telephones: depthwise-separable convolutions and hard activations."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 12, 3, stride=2, padding=1),
                nn.Hardswish(),
                separable(12, 24, stride=1),
                SqueezeExcitation(24),
                separable(24, 24, stride=2),
            )
            self.fc = nn.Linear(24 * 4 * 4, 2 * 5)

        def forward(self, x):
            mu, logvar = self.fc(torch.flatten(self.features(x), 1)).chunk(2, dim=1)
            return mu, logvar

    def __init__(self):
        super().__init__()
        self.encoder = self.Encoder()
        self.decoder = nn.Sequential(
            nn.Linear(5, 16 * 4 * 4),
            nn.Hardswish(),
            nn.Unflatten(1, (16, 4, 4)),
            separable(16, 32, stride=1),
            nn.PixelShuffle(2),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.PixelShuffle(2),
            nn.Hardsigmoid(),
        )


class Series(nn.Module):
    """One-dimensional convolutions with dilation and groups, normalised over channels."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv1d(2, 8, 5, stride=2, padding=2)
            self.conv2 = nn.Conv1d(8, 8, 3, dilation=2, padding=2, groups=4)
            self.conv3 = nn.Conv1d(8, 12, 3, stride=2, padding=1)
            self.norm = nn.LayerNorm(12)
            self.head = nn.Linear(12 * 16, 2 * 4)

        def forward(self, x):
            h = F.gelu(self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))
            h = self.norm(h.transpose(1, 2)).transpose(1, 2)
            mu, logvar = torch.split(self.head(h.flatten(1)), 4, dim=-1)
            return mu, logvar

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 12 * 16)
            self.deconv1 = nn.ConvTranspose1d(12, 8, 4, stride=2, padding=1)
            self.conv = nn.Conv1d(8, 8, 3, dilation=4, padding=4, groups=2)
            self.deconv2 = nn.ConvTranspose1d(8, 2, 5, stride=2, padding=2, output_padding=1)

        def forward(self, z):
            h = F.gelu(self.fc(z)).view(-1, 12, 16)
            return self.deconv2(F.gelu(self.conv(F.gelu(self.deconv1(h)))))

    def __init__(self):
        super().__init__()
        self.encoder = self.Encoder()
        self.decoder = self.Decoder()
