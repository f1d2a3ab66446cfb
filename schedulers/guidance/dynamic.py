"""Dynamic thresholding. Knows no prompts."""

from collections.abc import Sequence

import torch
from torch import Tensor

from schedulers.ask import Ask
from schedulers.guidance.rule import Guide, Strength, two_branches
from schedulers.level import Level

PERCENTILE = 0.995


def dynamic(strength: Strength, levels: Sequence[Level]) -> Guide:
    """CFG, each channel clamped at a percentile and shrunk to the range of the conditional estimate.

    Imagen's rule (arXiv:2205.11487, sec. 2.3) for latents, whose range is not [-1, 1]: the range to return to
    is the one that the prompt alone has. What does not go beyond it stays plain CFG.
    """

    def combine(ask: Ask, c: Tensor, u: Tensor) -> Tensor:
        guided = u + strength.guidance * (c - u)
        middle = guided.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        away = guided - middle
        usual = _reach(c - c.mean((2, 3), keepdim=True))
        reach = torch.maximum(_reach(away), usual).clamp_min(1e-12)
        return middle + torch.minimum(torch.maximum(away, -reach), reach) * (usual / reach)

    return two_branches(strength, combine)


def _reach(away: Tensor) -> Tensor:
    """The percentile of |away| of each image and channel: (B, C, 1, 1)."""
    return torch.quantile(away.abs().flatten(2), PERCENTILE, dim=2)[..., None, None]
