"""What a guidance rule is: one entry of the table. Knows no particular rule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from schedulers.ask import Ask, Guiding


@dataclass(frozen=True)
class Strength:
    """How strongly one picture is guided; a rule reads what it has a use for."""

    guidance: float = 1.0
    rescale: float = 0.0


Guide: TypeAlias = Callable[[Ask], Guiding]
"""Guides one picture from its first ask to its last; what it carries between asks, it keeps to itself."""


@dataclass(frozen=True)
class Rule:
    name: str
    label: str
    help: str
    start: Callable[[Strength], Guide]
