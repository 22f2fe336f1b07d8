"""Where perturbed inputs may lie: an l2 ball about x, and a box if there is one."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ball:
    """About one input `x` of shape `[features]`; `box` is `(low, high)` or nothing."""

    x: Tensor
    box: tuple[float, float] | None

    def clip(self, points: Tensor) -> Tensor:
        return points if self.box is None else points.clamp(*self.box)

    def project(self, points: Tensor, radius: float) -> Tensor:
        """The nearest point of ball and box, of every row.

        It is `clip(x + t (point - x))` with the largest t in [0, 1] that lies in the ball: what the Karush-Kuhn-Tucker
        conditions leave when x itself lies in the box.
        """
        moves = points - self.x
        scale = (radius / moves.norm(dim=1, keepdim=True).clamp_min(1e-30)).clamp_max(1)
        if self.box is not None:
            # Clipping only shortens, so that scale is a lower end.
            inside, outside = scale, torch.ones_like(scale)
            for _ in range(25):
                middle = (inside + outside) / 2
                fits = (self.clip(self.x + middle * moves) - self.x).norm(dim=1, keepdim=True) <= radius
                inside, outside = torch.where(fits, middle, inside), torch.where(fits, outside, middle)
            scale = inside
        return self.clip(self.x + scale * moves)

    def reach(self) -> float:
        """Norm of the largest perturbation in the box."""
        if self.box is None:
            return float("inf")
        low, high = self.box
        return float(torch.maximum(self.x - low, high - self.x).norm())

    def free(self, points: Tensor, gradients: Tensor) -> Tensor:
        """Gradients without what the box would clip away."""
        if self.box is None:
            return gradients
        low, high = self.box
        blocked = ((points <= low) & (gradients < 0)) | ((points >= high) & (gradients > 0))
        return gradients.masked_fill(blocked, 0)
