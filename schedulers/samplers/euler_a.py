"""Euler ancestral. Knows no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, move, ratio
from schedulers.noise import Noise


def euler_a(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """Euler down to a level below b, then fresh noise up to b (Karras et al.'s notation for the ancestral
    step of arXiv:2006.11239; sigma_up^2 = eta^2 s_b^2 (s_a^2 - s_b^2) / s_a^2). DDPM's picture at eta 1.
    """
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        up = eta * math.sqrt(1 - ratio(a, b) ** 2)  # in units of b.sigma
        x = move(x, x0, a, Level(b.alpha, b.sigma * math.sqrt(1 - up**2)))
        if up > 0 and b.sigma > 0:
            x = x + b.sigma * up * noise(step)
    return x
