"""The procedure of the code released with "Certifiably Robust Variational Autoencoders" [Barrett, Camuto, Willetts,
Rainforth 2022; github.com/FabianBarrett/Lipschitz_VAEs, `max_damage_attack.py`], written anew.

For each candidate norm, from the largest down, L-BFGS-B maximises the damage of one draw of noise, drawn anew at each
evaluation, from a few random starts; the perturbation is then scaled to the candidate norm. The margin is the first norm
at which none of the starts leaves at most half of the draws within r.

Here, as everywhere in this folder, damage is measured from g(mu(x)); there, from a random reconstruction of x.
"""

from dataclasses import dataclass

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from ball import Ball
from models import Vae


@dataclass(frozen=True)
class Procedure:
    smallest: float = 1e-6
    largest: float = 10.0
    spacing: float = 0.5
    starts: int = 5
    draws: int = 40


@dataclass(frozen=True)
class Outcome:
    # What the procedure reports: the largest candidate norm below those that broke r.
    margin: float
    # The perturbed input of the smallest norm that did break r, if one did: an upper bound on the margin.
    perturbed: Tensor | None


@dataclass(frozen=True)
class Attack:
    """The attack on one input `x` of shape `[features]`. Perturbations are scaled after the box was seen to, as in the
    original: they may leave it."""

    vae: Vae
    ball: Ball
    procedure: Procedure
    generator: torch.Generator

    def run(self, r: float) -> Outcome:
        mu, _ = self.vae.encode(self.ball.x[None])
        reference = self.vae.decode(mu)
        candidates = np.arange(self.procedure.smallest, self.procedure.largest, self.procedure.spacing)
        broken = self.breaking(candidates[0], reference, r)
        if broken is not None:
            return Outcome(float(candidates[0]), broken)
        for norm in reversed(candidates):
            found = self.breaking(norm, reference, r)
            if found is None:
                return Outcome(float(norm), broken)
            broken = found
        raise RuntimeError("the smallest norm broke r on second thoughts: no margin, as in the original")

    def breaking(self, norm: float, reference: Tensor, r: float) -> Tensor | None:
        """The perturbed input that leaves the fewest draws within r, if at most half."""
        perturbed = torch.stack([self.maximise(norm, reference) for _ in range(self.procedure.starts)])
        with torch.no_grad():
            shares = (self.vae.damage(perturbed, reference, self.noise(self.procedure.draws)) <= r).float().mean(dim=1)
        return perturbed[shares.argmin()] if shares.min() <= 0.5 else None

    def maximise(self, norm: float, reference: Tensor) -> Tensor:
        x = self.ball.x

        def objective(perturbation: np.ndarray) -> tuple[float, np.ndarray]:
            perturbation = torch.from_numpy(perturbation)
            # The original takes the derivative here, after scaling.
            scaled = (norm * perturbation / perturbation.norm()).float().requires_grad_(True)
            loss = -self.vae.damage((x + scaled)[None], reference, self.noise(1)).sum()
            (gradient,) = torch.autograd.grad(loss, scaled)
            return float(loss.detach()), gradient.double().numpy()

        bounds = None
        if self.ball.box is not None:
            low, high = self.ball.box
            bounds = np.stack([low - x.numpy(), high - x.numpy()], axis=1)
        found, _, _ = scipy.optimize.fmin_l_bfgs_b(
            objective, self.start(norm), bounds=bounds, m=100, factr=10, pgtol=1e-20
        )
        found = torch.from_numpy(found)
        return x + (norm * found / found.norm()).float()

    def start(self, norm: float) -> np.ndarray:
        """A random direction; its length, at most `norm`, matters only to the box."""
        direction = torch.randn(len(self.ball.x), generator=self.generator, dtype=torch.float64)
        length = max(1e-8, norm * float(torch.rand((), generator=self.generator)))
        return (length * direction / direction.norm()).numpy()

    def noise(self, draws: int) -> Tensor:
        return torch.randn(draws, self.vae.latent, generator=self.generator)
