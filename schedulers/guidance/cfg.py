"""Classifier-free guidance. Knows no prompts: it names branches, the pipeline knows their texts."""

from collections.abc import Sequence

from torch import Tensor

from schedulers.ask import Ask
from schedulers.guidance.rule import Guide, Strength, two_branches
from schedulers.level import Level


def cfg(strength: Strength, levels: Sequence[Level]) -> Guide:
    """x0 = u + w (c - u) (arXiv:2207.12598, eq. 6, in x0)."""

    def combine(ask: Ask, c: Tensor, u: Tensor) -> Tensor:
        return u + strength.guidance * (c - u)

    return two_branches(strength, combine)
