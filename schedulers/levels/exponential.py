"""The spacing even in log sigma, which is even in log-SNR."""

from schedulers.level import Level, Table
from schedulers.levels.ramp import ramp


def exponential(table: Table, steps: int) -> list[Level]:
    """Even in log sigma (arXiv:2206.00927, sec. 3.3, 'uniform lambda')."""
    return ramp(table, steps, lambda high, low, u: high * (low / high) ** u)
