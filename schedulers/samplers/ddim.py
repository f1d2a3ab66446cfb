"""DDIM. Knows no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, ratio
from schedulers.noise import Noise


def ddim(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 0.0) -> Sampling:
    """arXiv:2010.02502, eq. 12 and 16: eta 0 is the probability-flow ODE, eta 1 the DDPM posterior.

    Eq. 16's sqrt((1 - abar_b) / (1 - abar_a)) sqrt(1 - abar_a / abar_b) is sigma_b sqrt(1 - r^2), where r is
    the ratio of the VE sigmas: the form that needs no VP and no alpha_a > 0.
    """
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        fresh = eta**2 * (1 - ratio(a, b) ** 2)  # the share of b's noise variance drawn anew
        x = b.alpha * x0 + (b.sigma / a.sigma) * math.sqrt(1 - fresh) * (x - a.alpha * x0)
        if fresh > 0 and b.sigma > 0:
            x = x + b.sigma * math.sqrt(fresh) * noise(step)
    return x
