"""UniPC. Knows no networks."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, finite, move
from schedulers.noise import Noise
from schedulers.samplers.multistep import Memory, combine, remember
from schedulers.samplers.weights import exponential

HALVES = (0.5, 0.5)


def unipc_2(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """UniPC of order 2 (a corrector of order 3)."""
    return unipc(x, levels, 2)


def unipc_3(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """UniPC of order 3."""
    return unipc(x, levels, 3)


def unipc(x: Tensor, levels: Sequence[Level], order: int) -> Sampling:
    """Predictor and corrector on x0 at one evaluation a step (arXiv:2302.04867, algorithm 5, B(h) = e^h - 1).

    The estimate made where the predictor landed corrects the step that led there, and serves the next.
    With k past estimates both rules are exact for polynomials, but for k = 2 in the predictor and k = 1 in
    the corrector, where the paper takes the constant 1/2 (sec. 3.4) and so do we.
    """
    past: Memory = ()
    before = x
    for a, b in pairwise(levels):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        if past and past[0][0].alpha > 0:
            x = move(before, _corrected(past, a, x0), past[0][0], a)
        past = remember(past, a, x0, order)
        before = x
        x = move(x, _predicted(past, a, b), a, b)
    return x


def _predicted(past: Memory, a: Level, b: Level) -> Tensor:
    if len(past) == 1 or not finite(a, b):
        return past[0][1]
    if len(past) == 2:
        (_, x0), (level, x0_before) = past
        r = (b.log_snr - a.log_snr) / (a.log_snr - level.log_snr)
        return x0 + r / 2 * (x0 - x0_before)
    return combine(past, exponential([level for level, _ in past], a, b))


def _corrected(past: Memory, b: Level, x0: Tensor) -> Tensor:
    """The estimate that would have carried the last step, now that its end has been looked at."""
    a = past[0][0]
    known: Memory = (past[0], (b, x0), *past[1:])
    weights = HALVES if len(known) == 2 else exponential([level for level, _ in known], a, b)
    return combine(known, weights)
