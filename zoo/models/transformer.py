"""A vision transformer for 16 x 16 images in patches of 4 x 4."""

import math

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HEADS, PATCH, SIDE = 8, 2, 4, 4


class FusedAttention(nn.Module):
    """Queries, keys and values of one product; the attention itself is PyTorch's."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        h = F.scaled_dot_product_attention(q, k, v)
        return self.proj(h.transpose(1, 2).reshape(b, n, c))


class ExplicitAttention(nn.Module):
    """Attention in matrix products that one can see."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def heads(self, x):
        return x.view(x.size(0), x.size(1), HEADS, WIDTH // HEADS).transpose(1, 2)

    def forward(self, x):
        q, k, v = self.heads(self.query(x)), self.heads(self.key(x)), self.heads(self.value(x))
        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(WIDTH // HEADS)
        h = torch.matmul(scores.softmax(dim=-1), v)
        return self.proj(h.transpose(1, 2).contiguous().view(x.size(0), x.size(1), WIDTH))


class Block(nn.Module):
    def __init__(self, attention: nn.Module):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attention = attention
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VitLike(nn.Module):
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch_embed = nn.Conv2d(1, WIDTH, PATCH, stride=PATCH)
            self.cls_token = nn.Parameter(0.1 * torch.randn(1, 1, WIDTH))
            self.pos_embed = nn.Parameter(0.1 * torch.randn(1, 1 + SIDE * SIDE, WIDTH))
            self.blocks = nn.Sequential(Block(FusedAttention()), Block(FusedAttention()))
            self.norm = nn.LayerNorm(WIDTH)
            self.head = nn.Linear(WIDTH, 2 * 4)

        def forward(self, x):
            tokens = self.patch_embed(x).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), tokens], dim=1)
            tokens = self.norm(self.blocks(tokens + self.pos_embed))
            mu, logvar = self.head(tokens[:, 0]).chunk(2, dim=-1)
            return mu, logvar

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(4, WIDTH)
            self.pos_embed = nn.Parameter(0.5 * torch.randn(1, SIDE * SIDE, WIDTH))
            self.block = Block(ExplicitAttention())
            self.norm = nn.LayerNorm(WIDTH)
            self.pixels = nn.Linear(WIDTH, PATCH * PATCH)

        def forward(self, z):
            tokens = self.embed(z).unsqueeze(1) + self.pos_embed
            patches = self.pixels(self.norm(self.block(tokens)))
            image = patches.reshape(-1, SIDE, SIDE, PATCH, PATCH).permute(0, 1, 3, 2, 4)
            return torch.sigmoid(image.reshape(-1, 1, SIDE * PATCH, SIDE * PATCH))

    def __init__(self):
        super().__init__()
        self.encoder = self.Encoder()
        self.decoder = self.Decoder()
