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

    def combine(ask: Ask, c: Tensor, u: Tensor) -> Tensor:
        alpha, sigma = ask.level
        if flow and ask.level == levels[0]:
            return ask.x / (alpha + sigma)
        v_c, v_u = ((ask.x - (alpha + sigma) * x0) / sigma for x0 in (c, u))
        scale = dot(v_c, v_u) / dot(v_u, v_u).clamp_min(1e-12)  # (B, 1, 1, 1)
        v = scale * v_u + strength.guidance * (v_c - scale * v_u)
        return (ask.x - sigma * v) / (alpha + sigma)

    return two_branches(strength, combine)
