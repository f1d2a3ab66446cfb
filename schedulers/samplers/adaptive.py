"""Samplers whose steps follow the picture: each is as long as an error estimate allows. Know no networks.

They take ``levels`` for their ends (and for the step out of pure noise) and the number of them for a
tolerance: 20 steps mean a twentieth. Since no two images want the same steps, they are given one image at a
time.
"""

import math
from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, between, move, on_path, path_of
from schedulers.noise import Noise
from schedulers.samplers.multistep import combine
from schedulers.samplers.weights import exponential

ABSOLUTE = 0.156  # of the tolerance, in units of the data: at 20 steps k-diffusion's atol of 0.0078
FIRST = 0.05  # the first step, in lambda
SAFETY, LEAST, MOST = 0.9, 0.2, 5.0  # of the next step's length over the last one's
LONGEST = 0.7  # in lambda, half the noise: over more the two ends may agree by luck
SHORTEST = 1e-4  # in lambda: a network that is not smooth must not stop the drawing

Trial: TypeAlias = Generator[Ask, Tensor, tuple[Tensor, Tensor]]
"""One step tried two ways: (the better end, the other)."""


def dpm_adaptive(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """DPM-Solver-23 (arXiv:2206.00927, app. C) on x0: third order, checked by the second order inside it."""
    return _adaptive(x, levels, _solver_23, 3)


def rk45(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Dormand and Prince's pair of orders 5 and 4 on d(x / alpha) / d lambda = x0 - x / alpha: a general
    solver, as the score SDE paper samples its ODE (arXiv:2011.13456, app. D.4)."""
    return _adaptive(x, levels, _dormand_prince, 5)


def _adaptive(
    x: Tensor, levels: Sequence[Level], attempt: Callable[[Tensor, Tensor, Level, Level], Trial], order: int
) -> Sampling:
    tolerance = 1 / (len(levels) - 1)
    a, *later = levels
    x0 = yield Ask(x, a)  # (1, C, h, w)
    if a.alpha == 0 and later[0].sigma > 0:  # pure noise has no lambda to step from
        x, a = move(x, x0, a, later[0]), later.pop(0)
        x0 = yield Ask(x, a)
    end = next((level for level in reversed(levels) if level.sigma > 0), a)
    if a.alpha > 0:
        h, way = FIRST, 1 if end.log_snr > a.log_snr else -1  # the noise grows when the ODE is inverted
        while (rest := way * (end.log_snr - a.log_snr)) > 1e-9:
            h = max(min(h, LONGEST, rest), SHORTEST)
            b = end if rest <= h else on_path(path_of(a), a.ve_sigma * math.exp(-way * h))
            better, other = yield from attempt(x, x0, a, b)
            wide = torch.maximum((better / b.alpha).abs(), (x / a.alpha).abs()) * tolerance
            off = (better - other) / b.alpha / wide.clamp_min(ABSOLUTE * tolerance)
            error = off.square().mean().sqrt().item()
            if error <= 1 or h <= SHORTEST:
                x, a = better, b
                if a != end or levels[-1].sigma == 0:
                    x0 = yield Ask(x, a)
            grow = MOST if error == 0 else SAFETY * error ** (-1 / order)
            h *= min(max(grow, LEAST), MOST)
    return move(x, x0, a, levels[-1]) if levels[-1].sigma == 0 else x


def _solver_23(x: Tensor, x0: Tensor, a: Level, b: Level) -> Trial:
    m, n = between(a, b, 1 / 3), between(a, b, 2 / 3)
    x0_m = yield Ask(move(x, x0, a, m), m)
    early = ((a, x0), (m, x0_m))
    x0_n = yield Ask(move(x, combine(early, exponential((a, m), a, n)), a, n), n)
    better = move(x, combine(((a, x0), (n, x0_n)), exponential((a, n), a, b)), a, b)
    return better, move(x, combine(early, exponential((a, m), a, b)), a, b)


# Dormand and Prince 1980: the stages' places, their weights, and those of the two results.
C = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
A = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
FIFTH = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
FOURTH = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)


def _dormand_prince(x: Tensor, x0: Tensor, a: Level, b: Level) -> Trial:
    h, y = b.log_snr - a.log_snr, x / a.alpha
    slopes = [x0 - y]
    for c, row in zip(C, A, strict=True):
        at = b if c == 1 else between(a, b, c)
        stage = y + h * _sum(row, slopes)
        slopes.append((yield Ask(at.alpha * stage, at)) - stage)
    fifth = y + h * _sum(FIFTH, slopes)
    slopes.append((yield Ask(b.alpha * fifth, b)) - fifth)
    return b.alpha * fifth, b.alpha * (y + h * _sum(FOURTH, slopes))


def _sum(weights: Sequence[float], slopes: Sequence[Tensor]) -> Tensor:
    return sum((w * s for w, s in zip(weights[1:], slopes[1:], strict=True)), start=weights[0] * slopes[0])
