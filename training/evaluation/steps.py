"""Long work as generators that return: whoever has no better use for the steps takes the answer at once."""

from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")


def finished(steps: Generator[Any, None, T]) -> T:
    """What ``steps`` return at their end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
