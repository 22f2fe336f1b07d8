"""A miniature of the autoencoder of latent diffusion models (AutoencoderKL)."""

import torch
from torch import nn
from torch.nn import functional as F

GROUPS = 4


def norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    def __init__(self, before: int, after: int):
        super().__init__()
        self.norm1 = norm(before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = norm(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = None if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.shortcut is None else self.shortcut(x))


class AttnBlock(nn.Module):
    """Single-head self-attention over all pixels."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        h = self.norm(x)
        b, c, height, width = x.shape
        q = self.q(h).reshape(b, c, height * width).permute(0, 2, 1)
        k = self.k(h).reshape(b, c, height * width)
        weights = F.softmax(torch.bmm(q, k) * int(c) ** (-0.5), dim=2)
        v = self.v(h).reshape(b, c, height * width)
        h = torch.bmm(v, weights.permute(0, 2, 1)).reshape(b, c, height, width)
        return x + self.proj_out(h)


class Downsample(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1), mode="constant", value=0))


class Upsample(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def middle(channels: int) -> nn.Sequential:
    return nn.Sequential(ResnetBlock(channels, channels), AttnBlock(channels), ResnetBlock(channels, channels))


class LatentDiffusion(nn.Module):
    """3x32x32 to 4x4x4. The encoder gives the moments in one tensor of 8 channels."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_in = nn.Conv2d(3, 4, 3, padding=1)
            self.down = nn.Sequential(
                ResnetBlock(4, 4), Downsample(4), ResnetBlock(4, 8), Downsample(8), ResnetBlock(8, 8), Downsample(8)
            )
            self.mid = middle(8)
            self.norm_out = norm(8)
            self.conv_out = nn.Conv2d(8, 8, 3, padding=1)
            self.quant_conv = nn.Conv2d(8, 8, 1)

        def forward(self, x):
            h = self.mid(self.down(self.conv_in(x)))
            return self.quant_conv(self.conv_out(F.silu(self.norm_out(h))))

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.post_quant_conv = nn.Conv2d(4, 4, 1)
            self.conv_in = nn.Conv2d(4, 8, 3, padding=1)
            self.mid = middle(8)
            self.up = nn.Sequential(Upsample(8), ResnetBlock(8, 8), Upsample(8), ResnetBlock(8, 4), Upsample(4))
            self.norm_out = norm(4)
            self.conv_out = nn.Conv2d(4, 3, 3, padding=1)

        def forward(self, z):
            h = self.up(self.mid(self.conv_in(self.post_quant_conv(z))))
            return self.conv_out(F.silu(self.norm_out(h)))

    def __init__(self):
        super().__init__()
        self.encoder = self.Encoder()
        self.decoder = self.Decoder()
