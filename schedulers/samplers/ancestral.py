"""The ancestral samplers of two stages: a second-order ODE step down, then fresh noise. Know no networks."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, between, finite, move
from schedulers.noise import Noise
from schedulers.samplers.sde import ancestral


def dpm_2_a(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """DPM-Solver-2 down to below b, then noise up to b (k-diffusion's ancestral form of arXiv:2206.00927)."""
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        down, up = ancestral(a, b, eta)
        e_a = (x - a.alpha * x0) / a.sigma
        landed = move(x, x0, a, down)
        if finite(a, b):
            m = between(a, down, 1 / 2)
            half = move(x, x0, a, m)
            x0 = yield Ask(half, m)
            e_m = (half - m.alpha * x0) / m.sigma
            landed = landed + down.alpha * (down.ve_sigma - a.ve_sigma) * (e_m - e_a)
        x = landed + up * noise(step) if up > 0 else landed
    return x


def dpmpp_2s_a(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """DPM++ 2S down to below b, then noise up to b (k-diffusion's ancestral form of arXiv:2211.01095)."""
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        down, up = ancestral(a, b, eta)
        if finite(a, b):
            m = between(a, down, 1 / 2)
            x0 = yield Ask(move(x, x0, a, m), m)
        x = move(x, x0, a, down)
        if up > 0:
            x = x + up * noise(step)
    return x
