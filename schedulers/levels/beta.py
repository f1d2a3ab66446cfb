"""The two spacings that studios call "beta": steps crowd at both ends, as a Beta(0.6, 0.6) has its mass."""

from schedulers.level import Level, Table
from schedulers.levels.ramp import ramp
from schedulers.levels.timesteps import at_timesteps

A = B = 0.6


def beta(table: Table, steps: int) -> list[Level]:
    """Quantiles over the timesteps (arXiv:2407.12173, sec. 3.3; ComfyUI's "beta", which rounds them and
    loses the steps that then fall together)."""
    last = len(table.levels) - 1
    return at_timesteps(table, [last * _quantile(1 - i / steps) for i in range(steps)])


def beta_sigma(table: Table, steps: int) -> list[Level]:
    """Quantiles over sigma (diffusers' and AUTOMATIC1111's "beta")."""
    return ramp(table, steps, lambda high, low, u: low + (high - low) * _quantile(1 - u))


def _quantile(p: float) -> float:
    from scipy.special import betaincinv

    return float(betaincinv(A, B, p))
