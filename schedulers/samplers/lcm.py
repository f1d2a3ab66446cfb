"""The samplers of few-step models: LCM and TCD. Know no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, move
from schedulers.noise import Noise


def lcm(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Multistep consistency sampling (arXiv:2303.01469, algorithm 1; arXiv:2310.04378, sec. 4): to x0, and
    fresh noise up to the next level. For models distilled to say x0 at once."""
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        x = b.alpha * x0
        if b.sigma > 0:
            x = x + b.sigma * noise(step)
    return x


def tcd(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 0.3) -> Sampling:
    """Strategic stochastic sampling (arXiv:2402.19159, algorithm 4, eta its gamma): down to the level at
    (1 - gamma) of b's sigma, and up again to b with fresh noise. gamma 0 is DDIM, gamma 1 is LCM.

    The paper counts (1 - gamma) in timesteps, which a sampler does not know; here it is of the VE sigma.
    """
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        kept = 1 - eta
        x = move(x, x0, a, Level(b.alpha, b.sigma * kept))
        up = b.sigma * math.sqrt(1 - kept**2)
        if up > 0:
            x = x + up * noise(step)
    return x
