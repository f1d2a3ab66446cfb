"""What a guidance rule is: one entry of the table, and what the rules share. Knows no particular rule."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from schedulers.ask import NEGATIVE, PROMPT, Ask, Branch, Evaluate, Guiding
from schedulers.level import Level
from schedulers.network import Network

OVER = (1, 2, 3)  # the dimensions of one image in (B, C, h, w)


@dataclass(frozen=True)
class Strength:
    """How strongly one picture is guided; a rule reads what it has a use for.

    ``low`` and ``high`` are VE sigmas: where sigma is not in (low, high] the prompt alone is asked, so the
    other branches cost nothing there (arXiv:2404.07724).
    """

    guidance: float = 1.0
    rescale: float = 0.0
    low: float = 0.0
    high: float = math.inf
    perturbation: float = 0.0  # how far from a perturbed network, for rules that ask one beside the texts

    def inside(self, level: Level) -> bool:
        """Whether it guides at ``level``."""
        return self.low < level.ve_sigma <= self.high


Guide: TypeAlias = Callable[[Ask], Guiding]
"""Guides one picture from its first ask to its last; what it carries between asks, it keeps to itself."""

Combine: TypeAlias = Callable[[Ask, Tensor, Tensor], Tensor]
"""(ask, conditional, unconditional) -> the guided x0; all (B, C, h, w), one image not seeing another."""


@dataclass(frozen=True)
class Rule:
    """``start(strength, levels)`` gives the ``Guide`` of one drawing over ``levels``."""

    name: str
    label: str
    help: str
    start: Callable[[Strength, Sequence[Level]], Guide]
    branches: tuple[Branch, ...] = (PROMPT, NEGATIVE)  # what guidance goes between; the last is its origin
    perturbed: Network | None = None  # asked for the prompt beside them while there is a perturbation

    def asks(self, strength: Strength) -> tuple[Branch, ...]:
        """All that it asks within the interval. Guidance 1 is the prompt alone, guidance 0 the origin alone
        (the negative prompt, or no words); a perturbation comes on top of either."""
        match strength.guidance:
            case 1:
                wanted = (PROMPT,)
            case 0:
                wanted = self.branches[-1:]
            case _:
                wanted = self.branches
        if self.perturbed is None or strength.perturbation == 0:
            return wanted
        return (
            PROMPT,
            *(branch for branch in wanted if branch != PROMPT),
            PROMPT._replace(network=self.perturbed),
        )

    def asks_at(self, strength: Strength, level: Level) -> tuple[Branch, ...]:
        """All that it asks at ``level``."""
        wanted = self.asks(strength)
        return wanted if len(wanted) == 1 or strength.inside(level) else (PROMPT,)

    def begin(self, strength: Strength, levels: Sequence[Level]) -> Guide:
        """The guide of one drawing, within the interval that ``strength`` allows.

        A single branch is returned untouched.
        """
        wanted = self.asks(strength)
        if len(wanted) == 1:
            return lambda ask: _alone(ask, wanted[0])
        guide = self.start(strength, levels)

        def limited(ask: Ask) -> Guiding:
            return guide(ask) if strength.inside(ask.level) else _alone(ask, PROMPT)

        return limited


def two_branches(strength: Strength, combine: Combine, origin: Branch = NEGATIVE) -> Guide:
    """Ask for the prompt and the origin and combine them, then rescale."""

    def guide(ask: Ask) -> Guiding:
        c, u = yield tuple(Evaluate(ask.x, ask.level, branch) for branch in (PROMPT, origin))
        return rescale(combine(ask, c, u), c, strength.rescale)

    return guide


def _alone(ask: Ask, branch: Branch) -> Guiding:
    (only,) = yield (Evaluate(ask.x, ask.level, branch),)
    return only


def rescale(guided: Tensor, conditional: Tensor, phi: float) -> Tensor:
    """Give each image the standard deviation its conditional estimate has (arXiv:2305.08891, eq. 15-16).

    Shapes (B, C, h, w); phi 0 returns ``guided`` itself. The paper works on the network's output; here it is
    the x0 estimate, which every kind of model has.
    """
    if phi == 0:
        return guided
    wide = guided.std(OVER, keepdim=True).clamp_min(1e-12)  # (B, 1, 1, 1); a flat image stays as it is
    return phi * guided * (conditional.std(OVER, keepdim=True) / wide) + (1 - phi) * guided


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of each image of (B, C, h, w) with the other's: (B, 1, 1, 1)."""
    return (a * b).sum(OVER, keepdim=True)
