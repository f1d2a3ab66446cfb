"""DPM-Solver++(3M), as it is commonly coded, for the ODE and the SDE. Knows no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, finite
from schedulers.noise import Noise
from schedulers.samplers.multistep import Memory, remember
from schedulers.samplers.sde import diffuse


def dpmpp_3m(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """The ODE: ``dpmpp_3m_sde`` without noise."""
    return dpmpp_3m_sde(x, levels, noise, 0.0)


def dpmpp_3m_sde(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """Third order by its name: the authors' multistep code (and k-diffusion's, diffusers' ...) gives the
    quadratic term half of what the derivation of arXiv:2211.01095, app. B asks for, so it is of second order.
    ``res-3m`` is the rule with the whole term (docs/decisions/0008-samplers.md).
    """
    past: Memory = ()
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        past = remember(past, a, x0, 3)
        d = _extrapolate(past, a, b, eta) if finite(a, b) else x0
        x = diffuse(x, d, (a, b), eta, noise, step)
    return x


def _extrapolate(past: Memory, a: Level, b: Level, eta: float) -> Tensor:
    """x0 + (phi_2 D1 - phi_3 D2) / (1 - e^{-H}), H = (1 + eta) h, in divided differences over lambda / h."""
    h = b.log_snr - a.log_snr
    big = (1 + eta) * h
    whole = -math.expm1(-big)
    phi_2 = 1 - whole / big
    phi_3 = phi_2 / big - 1 / 2
    r = [
        (level.log_snr - before.log_snr) / h for (level, _), (before, _) in zip(past, past[1:], strict=False)
    ]
    d = [(x0 - x0_before) / gap for (_, x0), (_, x0_before), gap in zip(past, past[1:], r, strict=False)]
    x0 = past[0][1]
    if not d:
        return x0
    if len(d) == 1:
        return x0 + phi_2 / whole * d[0]
    bend = (d[0] - d[1]) / (r[0] + r[1])
    return x0 + (phi_2 * (d[0] + r[0] * bend) - phi_3 * bend) / whole
