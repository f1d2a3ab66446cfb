"""What multistep samplers share: the past they remember, and the loop of those that extrapolate the noise."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, move

Memory: TypeAlias = tuple[tuple[Level, Tensor], ...]
"""The newest estimates (B, C, h, w) with the levels they were made at, newest first."""

Rule: TypeAlias = Callable[[Sequence[Level], Level, Level], Sequence[float]]
"""(levels of the past, a, b) -> one weight each, adding up to 1."""


def remember(past: Memory, level: Level, estimate: Tensor, order: int) -> Memory:
    """``past`` with one more. What was made at pure noise has no place on a polynomial and is forgotten."""
    kept = past if not past or past[0][0].alpha > 0 else ()
    return ((level, estimate), *kept)[:order]


def combine(past: Memory, weights: Sequence[float]) -> Tensor:
    """The weighted sum of the estimates."""
    return sum((w * estimate for w, (_, estimate) in zip(weights[1:], past[1:], strict=True)),
               start=weights[0] * past[0][1])  # fmt: skip


def adams(x: Tensor, levels: Sequence[Level], order: int, rule: Rule) -> Sampling:
    """Adams-Bashforth steps on d(x / alpha) / d sigma = e, the estimated noise, up to ``order`` of them.

    Euler's step plus alpha_b (s_b - s_a) (E - e_a), E the weighted past. The step from pure noise is Euler's.
    """
    past: Memory = ()
    for a, b in pairwise(levels):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        e = (x - a.alpha * x0) / a.sigma
        past = remember(past, a, e, order)
        x = move(x, x0, a, b)
        if len(past) > 1:
            tilt = combine(past, rule([level for level, _ in past], a, b)) - e
            x = x + b.alpha * (b.ve_sigma - a.ve_sigma) * tilt
    return x
