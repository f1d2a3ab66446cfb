"""CFG-Zero*. Knows no prompts."""

from collections.abc import Sequence

from torch import Tensor

from schedulers.ask import Ask
from schedulers.guidance.rule import Guide, Strength, dot, two_branches
from schedulers.level import Level, path_of


def cfg_zero(strength: Strength, levels: Sequence[Level]) -> Guide:
    """Guidance on velocities, the unconditional one scaled to lie nearest the conditional, and on a flow path
    no velocity at all in the first step (arXiv:2503.18886, algorithm 1).

    v = noise - x0 of any path; x0 = (x - sigma v) / (alpha + sigma).
    """
    flow = len(levels) > 2 and path_of(levels[1]) == "flow"
    return on_velocities(strength, levels[0] if flow else None, None)


def on_velocities(strength: Strength, still: Level | None, scale: float | None) -> Guide:
    """``cfg_zero`` that does not move at the level ``still``; a ``scale`` is taken in place of the nearest.
    With none and 1 it is CFG."""

    def combine(ask: Ask, c: Tensor, u: Tensor) -> Tensor:
        alpha, sigma = ask.level
        if ask.level == still:
            return ask.x / (alpha + sigma)
        v_c, v_u = ((ask.x - (alpha + sigma) * x0) / sigma for x0 in (c, u))
        nearest = dot(v_c, v_u) / dot(v_u, v_u).clamp_min(1e-12) if scale is None else scale  # (B, 1, 1, 1)
        v = nearest * v_u + strength.guidance * (v_c - nearest * v_u)
        return (ask.x - sigma * v) / (alpha + sigma)

    return two_branches(strength, combine)
