"""DPM-Solver++(2S). Knows no networks."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, between, finite, move
from schedulers.noise import Noise


def dpmpp_2s(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """arXiv:2211.01095, algorithm 1 with r = 1/2: x0 estimated half-way in lambda serves the whole step."""
    for a, b in pairwise(levels):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        if finite(a, b):
            m = between(a, b, 1 / 2)
            x0 = yield Ask(move(x, x0, a, m), m)
        x = move(x, x0, a, b)
    return x
