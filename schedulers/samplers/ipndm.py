"""iPNDM and PNDM. Knows no networks."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from schedulers.ask import Ask, Sampling
from schedulers.level import Level, move
from schedulers.noise import Noise
from schedulers.samplers.multistep import Memory, adams, combine, remember
from schedulers.samplers.weights import in_sigma

ADAMS = (  # arXiv:2202.09778, eq. 12: the weights on an even grid, used on any
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def ipndm(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """PNDM without its costly start (arXiv:2204.13902, app. H.2: "iPNDM"), fourth order on an even grid.

    The grid of sigmas is not even, which leaves it of second order; at few steps it is among the best.
    """
    return adams(x, levels, 4, _even)


def ipndm_v(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """iPNDM with the weights of the grid as it is: LMS by its derivation, whatever the order of its terms.

    The published code of this variable-step form (diff-sampler) misplaces a parenthesis from order 3 on;
    this is the rule it derives.
    """
    return adams(x, levels, 4, in_sigma)


def pndm(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Pseudo linear multistep (arXiv:2202.09778, algorithm 2) as Stable Diffusion starts it, with Heun's step
    for the three Runge-Kutta ones ("PLMS")."""
    past: Memory = ()
    for a, b in pairwise(levels):
        x0 = yield Ask(x, a)  # (B, C, h, w)
        e = (x - a.alpha * x0) / a.sigma
        past = remember(past, a, e, 4)
        landed = move(x, x0, a, b)
        tilt = combine(past, _even([level for level, _ in past], a, b)) - e
        if len(past) == 1 and a.alpha > 0 and b.sigma > 0:
            x0 = yield Ask(landed, b)
            tilt = ((landed - b.alpha * x0) / b.sigma - e) / 2
        if a.alpha > 0:
            landed = landed + b.alpha * (b.ve_sigma - a.ve_sigma) * tilt
        x = landed
    return x


def _even(past: Sequence[Level], a: Level, b: Level) -> Sequence[float]:
    return ADAMS[len(past) - 1]
