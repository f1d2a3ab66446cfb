"""The two spacings that studios call "KL optimal": even angles, to the end or to a step before it."""

import math

from schedulers.level import CLEAN, Level, Table
from schedulers.levels.ramp import ramp


def kl_optimal(table: Table, steps: int) -> list[Level]:
    """Even in the angle arctan sigma (arXiv:2404.14507, eq. 10, for Gaussian data of unit variance).

    The angle is the time of the cosine schedule, so this is that one too. As in ComfyUI, the last step begins
    at the smallest sigma.
    """
    return ramp(table, steps, _even)


def kl_optimal_a1111(table: Table, steps: int) -> list[Level]:
    """The same with the smallest sigma as the end of the last step: sigma_i = tan((1 - i / n) arctan high +
    i / n arctan low), i from 0 to n, as in AUTOMATIC1111 and Forge. They stop there and leave that noise in
    the picture; here the last step goes on to none.
    """
    return [*ramp(table, steps + 1, _even)[:-2], CLEAN]


def _even(high: float, low: float, u: float) -> float:
    return math.tan(u * math.atan(low) + (1 - u) * math.atan(high))
