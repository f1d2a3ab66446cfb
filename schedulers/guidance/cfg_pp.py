"""CFG++. Knows no samplers, but the levels that the drawing goes through."""

from collections.abc import Sequence

from torch import Tensor

from schedulers.ask import Ask
from schedulers.guidance.rule import Guide, Strength, two_branches
from schedulers.level import Level

WHOLE = 12.5  # the guidance that is the paper's lambda = 1: a usual 7.5 is its usual 0.6


def cfg_pp(strength: Strength, levels: Sequence[Level]) -> Guide:
    """Guided x0, unguided noise: x_b = alpha_b (u + lambda (c - u)) + sigma_b e_u (arXiv:2406.08070, alg. 2).

    With the step's ratio r = s_b / s_a of the VE sigmas that is Euler's step along u + lambda / (1 - r)
    (c - u), so it is CFG whose strength follows the steps, and needs no sampler of its own.
    """

    def combine(ask: Ask, c: Tensor, u: Tensor) -> Tensor:
        r = _next(levels, ask.level) / ask.level.ve_sigma  # 0 from pure noise and to no noise
        return u + strength.guidance / WHOLE / (1 - r) * (c - u)

    return two_branches(strength, combine)


def _next(levels: Sequence[Level], at: Level) -> float:
    """The VE sigma of the first level with less noise than ``at``; none after the last."""
    return next((level.ve_sigma for level in levels if level.ve_sigma < at.ve_sigma), 0.0)
