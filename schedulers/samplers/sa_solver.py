"""SA-Solver. Knows no networks."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, finite
from schedulers.noise import Noise
from schedulers.samplers.multistep import Memory, combine, remember
from schedulers.samplers.sde import drift, spread
from schedulers.samplers.weights import exponential

ORDER = 3


def sa_solver(x: Tensor, levels: Sequence[Level], noise: Noise, eta: float = 1.0) -> Sampling:
    """Stochastic Adams predictor and corrector on x0 (arXiv:2309.05019, algorithm 1), eta = tau^2.

    The step is taken twice with the same noise: by the predictor, and again once the estimate at its end is
    known, at one evaluation a step.
    """
    past: Memory = ()
    before, fresh = x, None
    for step, (a, b) in enumerate(pairwise(levels)):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        if past and past[0][0].alpha > 0:
            start = past[0][0]
            known: Memory = (past[0], (a, x0), *past[1:])
            d = combine(known, exponential([level for level, _ in known], start, a, eta))
            x = drift(before, d, start, a, eta)
            if fresh is not None:
                x = x + fresh
        past = remember(past, a, x0, ORDER)
        d = combine(past, exponential([level for level, _ in past], a, b, eta)) if finite(a, b) else x0
        wide = spread(a, b, eta)
        before, fresh = x, wide * noise(step) if wide > 0 else None
        x = drift(x, d, a, b, eta)
        if fresh is not None:
            x = x + fresh
    return x
