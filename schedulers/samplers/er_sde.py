"""ER-SDE. Knows no networks."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, finite
from schedulers.noise import Noise
from schedulers.samplers.multistep import Memory, remember
from schedulers.samplers.weights import MASSES, U


def er_sde(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """ER-SDE-Solver-3 (arXiv:2309.06169, algorithm 3) on x / alpha, with the paper's noise scale
    phi(s) = s (e^{s^0.3} + 10): less noise than the reverse SDE's phi(s) = s^2 and more than the ODE's s."""
    past: Memory = ()
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        past = remember(past, a, x0, 3)
        if not finite(a, b):
            r = 0.0
            x = b.alpha * x0
        else:
            r = _phi(b.ve_sigma) / _phi(a.ve_sigma)
            x = b.alpha * (r * (x / a.alpha) + (1 - r) * x0 + _curve(past, b.ve_sigma))
        if b.sigma > 0:
            s_a = a.ve_sigma if a.alpha > 0 else 0.0  # from pure noise nothing of it is kept: r = 0
            x = x + b.alpha * math.sqrt(b.ve_sigma**2 - (s_a * r) ** 2) * noise(step)
    return x


def _curve(past: Memory, s_b: float) -> Tensor | float:
    """The terms of first and second derivative of x0 over sigma (eq. 17): phi(s_b) times the integral of
    x0'(s) (s - s_a)^k / phi, plus the Taylor term."""
    if len(past) == 1:
        return 0.0
    s = [level.ve_sigma for level, _ in past]
    step = s_b - s[0]
    slope = (past[0][1] - past[1][1]) / (s[0] - s[1])
    made = (step + _phi(s_b) * _integral(lambda at: 1 / _phi(at), s_b, s[0])) * slope
    if len(past) == 3:
        before = (past[1][1] - past[2][1]) / (s[1] - s[2])
        bend = (slope - before) / ((s[0] - s[2]) / 2)
        weighed = _integral(lambda at: (at - s[0]) / _phi(at), s_b, s[0])
        made = made + (step**2 / 2 + _phi(s_b) * weighed) * bend
    return made


def _phi(s):  # of a number or of an array
    return s * (np.exp(s**0.3) + 10)


def _integral(f: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    return float((high - low) * (MASSES @ f(low + (high - low) * U)))
