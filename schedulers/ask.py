"""What samplers and guidance ask for. They never call a network; whoever drives them answers."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from torch import Tensor

from schedulers.level import Level
from schedulers.network import Network


@dataclass(frozen=True, eq=False)
class Ask:
    """A sampler's question: the (guided) estimate of x0 given ``x`` (B, C, h, w) at ``level``."""

    x: Tensor
    level: Level


class Branch(NamedTuple):
    """One way to ask the model: under which text, of which form."""

    text: str  # "conditional", "conditional 2" ..., "unconditional", "empty"
    network: Network = "whole"


PROMPT, NEGATIVE, WORDLESS = Branch("conditional"), Branch("unconditional"), Branch("empty")


@dataclass(frozen=True, eq=False)
class Evaluate:
    """A guidance rule's question: one branch's estimate of x0."""

    x: Tensor
    level: Level
    branch: Branch


Sampling: TypeAlias = Generator[Ask, Tensor, Tensor]
"""Yields ``Ask``, is sent x0 (B, C, h, w), returns the final x."""

Guiding: TypeAlias = Generator[tuple[Evaluate, ...], tuple[Tensor, ...], Tensor]
"""Yields the branches it wants now (together, so they can share a call), is sent one x0 for each,
returns the guided x0."""
