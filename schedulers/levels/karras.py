"""The spacing of Karras et al."""

from schedulers.level import Level, Table
from schedulers.levels.ramp import ramp

RHO = 7.0


def karras(table: Table, steps: int) -> list[Level]:
    """Even in sigma^(1 / rho), rho = 7 (arXiv:2206.00364, eq. 5)."""

    def curve(high: float, low: float, u: float) -> float:
        return (high ** (1 / RHO) + u * (low ** (1 / RHO) - high ** (1 / RHO))) ** RHO

    return ramp(table, steps, curve)
