"""The tables of Align Your Steps."""

from schedulers.level import Level, Table
from schedulers.levels.ramp import ramp
from schedulers.levels.through import at

# VE sigmas of ten steps, optimised for each model (arXiv:2404.14507, app. B).
SD15 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152)
SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113)


def ays_sd15(table: Table, steps: int) -> list[Level]:
    """The table for Stable Diffusion 1.5; other step counts are interpolated in log sigma."""
    return _between(SD15, table, steps)


def ays_sdxl(table: Table, steps: int) -> list[Level]:
    """The table for SDXL."""
    return _between(SDXL, table, steps)


def _between(nodes: tuple[float, ...], table: Table, steps: int) -> list[Level]:
    return ramp(table, steps, lambda high, low, u: at(nodes, u))
