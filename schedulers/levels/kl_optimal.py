"""The KL-optimal spacing."""

import math

from schedulers.level import Level, Table
from schedulers.levels.ramp import ramp


def kl_optimal(table: Table, steps: int) -> list[Level]:
    """Even in the angle arctan sigma (arXiv:2404.14507, eq. 10, for Gaussian data of unit variance).

    The angle is the time of the cosine schedule, so this is that one too. ComfyUI ends it clean, as here; an
    older AUTOMATIC1111 ends it at the smallest sigma and leaves that noise in the picture.
    """

    def curve(high: float, low: float, u: float) -> float:
        return math.tan(u * math.atan(low) + (1 - u) * math.atan(high))

    return ramp(table, steps, curve)
