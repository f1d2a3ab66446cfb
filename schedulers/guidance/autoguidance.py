"""Autoguidance. Knows no networks."""

from collections.abc import Sequence

from torch import Tensor

from schedulers.ask import PROMPT, Ask
from schedulers.guidance.rule import Guide, Strength, two_branches
from schedulers.level import Level

WEAK = PROMPT._replace(network="weak")


def autoguidance(strength: Strength, levels: Sequence[Level]) -> Guide:
    """x0 = p + w (c - p), p by a weaker model of the same prompt (arXiv:2406.02507, eq. 3)."""

    def combine(ask: Ask, c: Tensor, p: Tensor) -> Tensor:
        return p + strength.guidance * (c - p)

    return two_branches(strength, combine, WEAK)
