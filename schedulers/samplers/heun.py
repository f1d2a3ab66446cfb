"""Heun. Knows no networks."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, move
from schedulers.noise import Noise


def heun(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Euler, then corrected by the slope at the far end (arXiv:2206.00364, algorithm 1).

    With e = (x - alpha x0) / sigma the slope of x / alpha over ve_sigma, the corrected step is Euler's plus
    alpha_b (s_a - s_b) (e_a - e_b) / 2. A step from pure noise (s_a infinite) or to no noise (e_b undefined)
    stays Euler's.
    """
    for a, b in pairwise(levels):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        e_a = (x - a.alpha * x0) / a.sigma
        x = move(x, x0, a, b)
        if a.alpha > 0 and b.sigma > 0:
            x0 = yield Ask(x, b)
            e_b = (x - b.alpha * x0) / b.sigma
            x = x + b.alpha * (a.ve_sigma - b.ve_sigma) / 2 * (e_a - e_b)
    return x
