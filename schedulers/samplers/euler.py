"""Euler. Knows no networks."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, move
from schedulers.noise import Noise


def euler(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Euler steps on the probability-flow ODE (arXiv:2206.00364, alg. 2 without churn and correction)."""
    for a, b in pairwise(levels):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        x = move(x, x0, a, b)
    return x
