"""SEEDS and DPM++ SDE: several stages of the reverse SDE in a step. Know no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, between, finite
from schedulers.noise import Noise
from schedulers.samplers.multistep import combine
from schedulers.samplers.sde import diffuse, drift, spread
from schedulers.samplers.weights import exponential


def dpmpp_sde(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """SDE-DPM-Solver++(2S), r = 1/2 (arXiv:2211.01095, sec. 5; k-diffusion's form).

    Its two noises are increments of one Brownian motion over sigma, as k-diffusion's tree makes them: the
    whole step's is the two halves' sum, weighted by the roots of their lengths. Drawn apart, they would
    lower the order to one.
    """
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        if not finite(a, b):
            x = diffuse(x, x0, (a, b), eta, noise, step)
            continue
        m = between(a, b, 1 / 2)
        x0 = yield Ask(diffuse(x, x0, (a, m), eta, noise, step), m)
        x = drift(x, x0, a, b, eta)
        if eta > 0:
            long, first = a.ve_sigma - b.ve_sigma, a.ve_sigma - m.ve_sigma
            share = first / long
            whole = math.sqrt(share) * noise(step, 0) + math.sqrt(1 - share) * noise(step, 1)
            x = x + spread(a, b, eta) * whole
    return x


def seeds_2(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """SEEDS-2 with c_2 = 1/2 (arXiv:2305.14267, algorithm 2)."""
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        stops = (a, b)
        if finite(a, b):
            m = between(a, b, 1 / 2)
            stops = (a, m, b)
            x0 = yield Ask(diffuse(x, x0, (a, m), eta, noise, step), m)
        x = diffuse(x, x0, stops, eta, noise, step)
    return x


def seeds_3(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """SEEDS-3 with c_2 = 1/3, c_3 = 2/3 (arXiv:2305.14267, algorithm 3)."""
    for step, (a, b) in enumerate(pairwise(levels)):
        d = x0 = yield Ask(x, a)  # (B, C, h, w)
        stops = (a, b)
        if finite(a, b):
            m, n = between(a, b, 1 / 3), between(a, b, 2 / 3)
            stops = (a, m, n, b)
            x0_m = yield Ask(diffuse(x, x0, (a, m), eta, noise, step), m)
            d = combine(((a, x0), (m, x0_m)), exponential((a, m), a, n, eta))
            x0_n = yield Ask(diffuse(x, d, (a, m, n), eta, noise, step), n)
            d = combine(((a, x0), (n, x0_n)), exponential((a, n), a, b, eta))
        x = diffuse(x, d, stops, eta, noise, step)
    return x
