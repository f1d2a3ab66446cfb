"""EDM's stochastic sampler, and Restart. Know no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Sampling
from schedulers.level import Level, on_path, path_of
from schedulers.noise import Noise
from schedulers.samplers.heun import heun

CHURN = 20.0  # S_churn: noise added over a whole drawing, in steps' worth
LOW, HIGH = 0.05, 50.0  # S_tmin, S_tmax: VE sigmas between which it is added
MOST = math.sqrt(2) - 1  # gamma of a step

RESTART_LOW, RESTART_HIGH, RESTARTS = 0.1, 2.0, 2  # VE sigmas of the interval that is gone through again


def churn(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """Noise up by gamma, then Heun's step down, also in the step to no noise (arXiv:2206.00364, algorithm 2,
    S_noise = 1); eta scales S_churn. Never up above the first level: the model may know no noisier one.
    """
    steps, first = len(levels) - 1, levels[0].ve_sigma
    for step, (a, b) in enumerate(pairwise(levels)):
        gamma = min(eta * CHURN / steps, MOST) if LOW <= a.ve_sigma <= HIGH else 0.0
        higher = min(a.ve_sigma * (1 + gamma), first)
        if higher > a.ve_sigma:
            up = on_path(path_of(a), higher)
            x = raised(x, a, up, noise(step))
            a = up
        x = yield from heun(x, (a, b), noise)
    return x


def restart(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Heun, and where sigma passes below ``RESTART_LOW``, twice back up to ``RESTART_HIGH`` with fresh noise
    and down again (arXiv:2306.14878, algorithm 1)."""
    first = next((k for k, level in enumerate(levels) if level.ve_sigma <= RESTART_HIGH), None)
    last = next((k for k, level in enumerate(levels) if level.ve_sigma <= RESTART_LOW), None)
    if first is None or last is None or last - first < 1 or levels[last].sigma == 0:
        return (yield from heun(x, levels, noise))
    x = yield from heun(x, levels[: last + 1], noise)
    for again in range(RESTARTS):
        x = raised(x, levels[last], levels[first], noise(0, again))
        x = yield from heun(x, levels[first : last + 1], noise)
    return (yield from heun(x, levels[last:], noise))


def raised(x: Tensor, a: Level, up: Level, fresh: Tensor) -> Tensor:
    """x at ``a`` with noise added until it is at the noisier level ``up``."""
    added = up.alpha * math.sqrt(up.ve_sigma**2 - a.ve_sigma**2)
    return (up.alpha / a.alpha) * x + added * fresh
