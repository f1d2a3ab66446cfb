"""DDPM, the ancestral sampler. Knows no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, ratio
from schedulers.noise import Noise


def ddpm(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Draw from the posterior q(x_b | x_a, x0), its variance the smaller one (arXiv:2006.11239, eq. 6-7)."""
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        r = ratio(a, b)
        keep = r * b.sigma / a.sigma
        x = (b.alpha - keep * a.alpha) * x0 + keep * x
        if b.sigma > 0:
            x = x + b.sigma * math.sqrt(1 - r**2) * noise(step)
    return x
