"""RES, the exponential Adams and Runge-Kutta rules with their exact weights. Knows no networks."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, between, finite, move
from schedulers.noise import Noise
from schedulers.samplers.multistep import Memory, combine, remember
from schedulers.samplers.sde import diffuse
from schedulers.samplers.weights import exponential


def res_2m(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """x0 linear in lambda through the last two estimates, integrated exactly (arXiv:2308.02157, sec. 3)."""
    return exponential_adams(x, levels, noise, 2, 0.0)


def res_3m(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """x0 quadratic in lambda: DPM++ 3M with the whole quadratic term. A step of DPM++ 2S's kind starts it."""
    return exponential_adams(x, levels, noise, 3, 0.0)


def dpmpp_2m_sde_heun(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """DPM++ 2M SDE in its Heun form: the slope of x0 with its exact weight, not the midpoint's."""
    return exponential_adams(x, levels, noise, 2, eta)


def exponential_adams(x: Tensor, levels: Sequence[Level], noise: Noise, order: int, eta: float) -> Sampling:
    """Each step along the weighted past; order 3 asks once more in its first finite step, so that the error
    of that step is of the order of the others."""
    past: Memory = ()
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        past = remember(past, a, x0, order)
        d = x0
        if finite(a, b):
            if order == 3 and len(past) == 1:
                m = between(a, b, 1 / 2)
                d = yield Ask(move(x, x0, a, m), m)
            else:
                d = combine(past, exponential([level for level, _ in past], a, b, eta))
        x = diffuse(x, d, (a, b), eta, noise, step)
    return x


def res_2s(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Two stages, the second half-way in lambda (arXiv:2308.02157, eq. 15, c_2 = 1/2)."""
    for a, b in pairwise(levels):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        if finite(a, b):
            m = between(a, b, 1 / 2)
            x0_m = yield Ask(move(x, x0, a, m), m)
            x0 = combine(((a, x0), (m, x0_m)), exponential((a, m), a, b))
        x = move(x, x0, a, b)
    return x
