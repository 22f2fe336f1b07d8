"""A strong attack in PyTorch: many starts, a ladder of norms, and a bisection for each radius."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ball import Ball
from models import Vae

# No draws are spent on judging candidates of which so many of the ranking draws stay within r.
DOUBTFUL = 0.65


@dataclass(frozen=True)
class Effort:
    # Singular directions of each of three maps, both signs.
    directions: int = 4
    random: int = 10
    # Ratio of neighbouring norms of the ladder, and the most norms on it.
    growth: float = 1.4
    norms: int = 30
    # Gradient steps at each norm of the ladder, draws of noise for each.
    steps: int = 12
    draws: int = 12
    # Bisections of the norm at each radius; candidates, steps and draws of each.
    bisections: int = 6
    survivors: int = 8
    refining_steps: int = 10
    refining_draws: int = 24
    # Fresh draws that rank candidates, and that decide success.
    ranking_draws: int = 64
    judging_draws: int = 2000


@dataclass(frozen=True)
class Attack:
    """The attack on one input `x` of shape `[features]`."""

    vae: Vae
    ball: Ball
    effort: Effort
    generator: torch.Generator

    def run(self, radii: list[float]) -> list[Tensor | None]:
        """For each radius the smallest perturbed input found under which fewer than half of the reconstructions stay
        within it: x itself where that needs no perturbation, nothing where none was found."""
        x, effort = self.ball.x, self.effort
        mu, sigma = self.vae.encode(x[None])
        reference = self.vae.decode(mu)
        directions, slope = self.directions(mu, sigma, reference)
        at_rest = self.damage(x[None], reference, effort.judging_draws)[0]

        margins: list[Tensor | None] = [x if self.share_within(at_rest, r) < 0.5 else None for r in radii]
        unbroken = [slot for slot, margin in enumerate(margins) if margin is None]
        if not unbroken:
            return margins
        # Below where a linear model would break the smallest radius: |Delta|^2 = noise^2 + (slope c)^2.
        smallest = min(radii[slot] for slot in unbroken)
        noise = float(at_rest.median())
        norm = 0.4 * math.sqrt(max(smallest**2 - noise**2, 0.01 * smallest**2)) / slope

        previous, points = 0.0, x + directions
        for _ in range(effort.norms):
            points = x + (points - x) * (norm / (points - x).norm(dim=1, keepdim=True).clamp_min(1e-30))
            points = self.ascend(points, norm, reference, effort.steps, effort.draws, lambda damage: damage.square())
            damage = self.damage(points, reference, effort.ranking_draws)
            for slot in list(unbroken):
                share = (damage <= radii[slot]).float().mean(dim=1)
                order = share.argsort()
                best = points[order[0]]
                if share[order[0]] < DOUBTFUL and self.breaks(best, reference, radii[slot]):
                    unbroken.remove(slot)
                    candidates = points[order[: effort.survivors]]
                    margins[slot] = self.bisect(candidates, best, previous, norm, reference, radii[slot])
            if not unbroken or norm >= self.ball.reach():
                break
            previous, norm = norm, effort.growth * norm
        return margins

    def bisect(
        self, candidates: Tensor, best: Tensor, inside: float, outside: float, reference: Tensor, r: float
    ) -> Tensor:
        """Shrinks the norm between one that did not break r and that of `best`, which did."""
        effort, x = self.effort, self.ball.x
        for _ in range(effort.bisections):
            norm = (inside + outside) / 2
            points = x + (candidates - x) * (norm / (candidates - x).norm(dim=1, keepdim=True).clamp_min(1e-30))
            # Draws count for the gradient that lie about as far from r as damages vary.
            width = 0.5 * float(self.damage(best[None], reference, effort.ranking_draws).std())

            def beyond(damage: Tensor) -> Tensor:
                return ((damage - r) / width).sigmoid()

            points = self.ascend(points, norm, reference, effort.refining_steps, effort.refining_draws, beyond)
            share = (self.damage(points, reference, effort.ranking_draws) <= r).float().mean(dim=1)
            strongest, candidates = points[share.argmin()], points
            if share.min() < DOUBTFUL and self.breaks(strongest, reference, r):
                outside, best = norm, strongest
            else:
                inside = norm
        return best

    def ascend(
        self,
        points: Tensor,
        norm: float,
        reference: Tensor,
        steps: int,
        draws: int,
        objective: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """Normalised gradient ascent of all points at once, on the mean of `objective` over draws of the damage; steps
        shrink from the whole norm to a fiftieth. All points see the same noise, each step fresh noise."""
        points = self.ball.project(points, norm)
        for step in range(steps):
            points.requires_grad_(True)
            damage = self.vae.damage(points, reference, self.noise(draws))
            (gradients,) = torch.autograd.grad(objective(damage).mean(dim=1).sum(), points)
            with torch.no_grad():
                points = points.detach()
                gradients = self.ball.free(points, gradients)
                length = gradients.norm(dim=1, keepdim=True).clamp_min(1e-30)
                size = norm * 0.02 ** (step / max(steps - 1, 1))
                points = self.ball.project(points + size * gradients / length, norm)
        return points

    def directions(self, mu: Tensor, sigma: Tensor, reference: Tensor) -> tuple[Tensor, float]:
        """Top right-singular vectors of `Jg J`, `Sigma^(-1/2) J` and `J`, both signs, and random ones, all of norm 1;
        and `|Jg J|_2`."""
        x, effort = self.ball.x, self.effort
        encoder = torch.func.jacrev(lambda x: self.vae.encode(x[None])[0][0])(x)
        decoder = torch.func.jacfwd(lambda z: self.vae.decode(z[None])[0])(mu[0])
        # All three maps have the row space of J.
        basis, factor = torch.linalg.qr(encoder.T)
        maps = [decoder @ factor.T, factor.T / sigma[0][:, None], factor.T]
        spectra = [torch.linalg.svd(map, full_matrices=False) for map in maps]
        singular = torch.cat([spectrum.Vh[: effort.directions] @ basis.T for spectrum in spectra])
        random = torch.randn(effort.random, len(x), generator=self.generator)
        random /= random.norm(dim=1, keepdim=True)
        return torch.cat([singular, -singular, random]), float(spectra[0].S[0])

    def breaks(self, perturbed: Tensor, reference: Tensor, r: float) -> bool:
        return self.share_within(self.damage(perturbed[None], reference, self.effort.judging_draws)[0], r) < 0.5

    @torch.no_grad()
    def damage(self, perturbed: Tensor, reference: Tensor, draws: int) -> Tensor:
        return self.vae.damage(perturbed, reference, self.noise(draws))

    def noise(self, draws: int) -> Tensor:
        return torch.randn(draws, self.vae.latent, generator=self.generator)

    @staticmethod
    def share_within(damage: Tensor, r: float) -> float:
        return float((damage <= r).float().mean())
