"""The same judge for all parties: perturbations measured and judged on noise that none of them saw."""

from dataclasses import dataclass

import torch
from scipy.optimize import brentq
from torch import Tensor

from ball import Ball
from models import Vae

# Draws along a ray, common to all perturbations of a point; ratio of the scales that bracket the median, and the largest.
RAY_DRAWS = 4096
RAY_GROWTH = 1.1
RAY_LONGEST = 8.0


@dataclass(frozen=True)
class Verdict:
    # |x' - x|_2, summed in double precision.
    norm: float
    # Share of fresh draws within r.
    p: float
    # The norm of the perturbation shortened or lengthened, inside the box, to where the median damage is r.
    levelled: float
    # How far x' lies outside the box.
    outside: float


class Judge:
    """Judges perturbations of one input `x` of shape `[features]`, with `draws` of noise derived from `seed`."""

    def __init__(self, vae: Vae, ball: Ball, draws: int, seed: int):
        self.vae, self.ball = vae, ball
        mu, _ = vae.encode(ball.x[None])
        self.reference = vae.decode(mu)
        generator = torch.Generator().manual_seed(seed)
        self.noise = torch.randn(draws, vae.latent, generator=generator)
        self.ray_noise = torch.randn(RAY_DRAWS, vae.latent, generator=generator)
        self.at_rest = self.median(ball.x)

    def __call__(self, perturbed: Tensor, r: float) -> Verdict:
        return Verdict(
            norm=self.norm(perturbed),
            p=self.share_within(perturbed, r),
            levelled=self.level(perturbed, r),
            outside=float((self.ball.clip(perturbed) - perturbed).abs().max()),
        )

    def share_within(self, perturbed: Tensor, r: float) -> float:
        return float((self.damage(perturbed, self.noise) <= r).double().mean())

    def norm(self, perturbed: Tensor) -> float:
        return float((perturbed.double() - self.ball.x.double()).norm())

    def level(self, perturbed: Tensor, r: float) -> float:
        if self.at_rest >= r:
            return 0.0

        def excess(scale: float) -> float:
            # Nearly linear in the square of the scale.
            return self.median(self.along(perturbed, scale)) ** 2 - r**2

        low, high = 1.0, RAY_GROWTH
        while excess(low) >= 0:
            low, high = low / RAY_GROWTH, low
        while excess(high) < 0:
            low, high = high, high * RAY_GROWTH
            if high > RAY_LONGEST:
                return float("inf")
        return self.norm(self.along(perturbed, brentq(excess, low, high, xtol=1e-4)))

    def along(self, perturbed: Tensor, scale: float) -> Tensor:
        return self.ball.clip(self.ball.x + scale * (perturbed - self.ball.x))

    def median(self, perturbed: Tensor) -> float:
        return float(self.damage(perturbed, self.ray_noise).median())

    @torch.no_grad()
    def damage(self, perturbed: Tensor, noise: Tensor) -> Tensor:
        return self.vae.damage(perturbed[None], self.reference, noise)[0]
