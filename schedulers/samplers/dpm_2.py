"""DPM-Solver-2. Knows no networks."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, between, finite, move
from schedulers.noise import Noise


def dpm_2(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """The noise estimated half-way in log-SNR carries the whole step (arXiv:2206.00927, algorithm 1, r = 1/2)
    in the form of k-diffusion's: a straight step in sigma."""
    for a, b in pairwise(levels):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        e_a = (x - a.alpha * x0) / a.sigma
        landed = move(x, x0, a, b)
        if finite(a, b):
            m = between(a, b, 1 / 2)
            half = move(x, x0, a, m)
            x0 = yield Ask(half, m)
            e_m = (half - m.alpha * x0) / m.sigma
            landed = landed + b.alpha * (b.ve_sigma - a.ve_sigma) * (e_m - e_a)
        x = landed
    return x
