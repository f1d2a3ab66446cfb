"""The exponential spacing with a bend."""

from schedulers.level import Level, Table
from schedulers.levels.ramp import ramp

RHO = 1.5


def polyexponential(table: Table, steps: int) -> list[Level]:
    """Even in (log sigma)^(1 / rho) from the low end, rho = 1.5 (k-diffusion; its rho = 1 is exponential)."""
    return ramp(table, steps, lambda high, low, u: low * (high / low) ** ((1 - u) ** RHO))
