"""What samplers and guidance ask for. They never call a network; whoever drives them answers."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from schedulers.level import Level


@dataclass(frozen=True, eq=False)
class Ask:
    """A sampler's question: the (guided) estimate of x0 given ``x`` (B, C, h, w) at ``level``."""

    x: Tensor
    level: Level


@dataclass(frozen=True, eq=False)
class Evaluate:
    """A guidance rule's question: one branch's estimate of x0. ``branch`` names the conditioning."""

    x: Tensor
    level: Level
    branch: str  # "conditional" or "unconditional"


Sampling: TypeAlias = Generator[Ask, Tensor, Tensor]
"""Yields ``Ask``, is sent x0 (B, C, h, w), returns the final x."""

Guiding: TypeAlias = Generator[tuple[Evaluate, ...], tuple[Tensor, ...], Tensor]
"""Yields the branches it wants now (together, so they can share a call), is sent one x0 for each,
returns the guided x0."""
