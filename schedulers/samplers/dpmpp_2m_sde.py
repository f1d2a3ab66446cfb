"""DPM-Solver++(2M) for the reverse SDE. Knows no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, ratio
from schedulers.noise import Noise
from schedulers.samplers.dpmpp_2m import extrapolate


def dpmpp_2m_sde(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """SDE-DPM-Solver++(2M), midpoint form (arXiv:2211.01095, sec. 5, with eta scaling the noise).

    q = exp(-eta h) is the share of the old noise that stays; eta 0 is DPM++ 2M exactly.
    """
    before = x0_before = None
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        d = extrapolate(x0, x0_before, before, a, b)
        q = ratio(a, b) ** eta
        x = b.alpha * d + (b.sigma / a.sigma) * q * (x - a.alpha * d)
        if q < 1 and b.sigma > 0:
            x = x + b.sigma * math.sqrt(1 - q**2) * noise(step)
        before, x0_before = a, x0
    return x
