"""DPM-Solver++(2M). Knows no networks."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, move
from schedulers.noise import Noise


def dpmpp_2m(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """arXiv:2211.01095, algorithm 2: move along x0 extrapolated to the middle of the step in lambda.

    The first step, the one after pure noise and the last one to no noise are of first order.
    """
    before = x0_before = None
    for a, b in pairwise(levels):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        d = extrapolate(x0, x0_before, before, a, b)
        x = move(x, d, a, b)
        before, x0_before = a, x0
    return x


def extrapolate(x0: Tensor, x0_before: Tensor | None, before: Level | None, a: Level, b: Level) -> Tensor:
    """D = x0 + h / (2 h_before) (x0 - x0_before); x0 itself where a step is infinite or the first."""
    h = b.log_snr - a.log_snr
    if x0_before is None or before is None or math.isinf(h):
        return x0
    return x0 + h / (2 * (a.log_snr - before.log_snr)) * (x0 - x0_before)
