"""Noise levels, a model's table of them, and the one step between two of them.

A level says how much picture and how much noise a latent holds: ``x = alpha * x0 + sigma * noise``.
Variance-preserving (VP), variance-exploding (VE) and flow models are three conventions for the same
pair, so nothing that uses a ``Level`` needs to know which kind of model answers.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from torch import Tensor


class Level(NamedTuple):
    """``x = alpha * x0 + sigma * noise``; both numbers are >= 0 and not both are 0."""

    alpha: float
    sigma: float

    @property
    def log_snr(self) -> float:
        """Half the log signal-to-noise ratio, lambda = ln(alpha / sigma) (arXiv:2206.00927, sec. 3.1)."""
        if self.sigma == 0:
            return math.inf
        return math.log(self.alpha / self.sigma) if self.alpha > 0 else -math.inf

    @property
    def ve_sigma(self) -> float:
        """sigma / alpha: the level of ``x / alpha`` in the variance-exploding convention (EDM's sigma)."""
        return self.sigma / self.alpha if self.alpha > 0 else math.inf


CLEAN = Level(1.0, 0.0)

Path: TypeAlias = Literal["vp", "ve", "flow"]
"""How alpha follows sigma: VP alpha^2 + sigma^2 = 1, VE alpha = 1, flow alpha + sigma = 1."""

Spacing: TypeAlias = Literal["leading", "linspace", "trailing"]


def on_path(path: Path, ve_sigma: float) -> Level:
    """The level of a path whose ``ve_sigma`` is the one given (finite, >= 0)."""
    match path:
        case "vp":
            size = math.hypot(1.0, ve_sigma)
        case "ve":
            size = 1.0
        case "flow":
            size = 1.0 + ve_sigma
    return Level(1.0 / size, ve_sigma / size)


def path_of(level: Level) -> Path:
    """The path of a level that has both picture and noise."""
    if level.alpha == 1:
        return "ve"
    return "vp" if abs(math.hypot(*level) - 1) < abs(level.alpha + level.sigma - 1) else "flow"


def between(a: Level, b: Level, u: float) -> Level:
    """The level a fraction ``u`` of the way from ``a`` to ``b`` in log-SNR, on their path (both finite)."""
    return on_path(path_of(a), a.ve_sigma * (b.ve_sigma / a.ve_sigma) ** u)


@dataclass(frozen=True)
class Table:
    """The levels a model was trained on (index = timestep, noise growing) and how it likes them spaced."""

    levels: tuple[Level, ...]
    path: Path = "vp"
    spacing: Spacing = "trailing"
    offset: int = 0  # added to each timestep of "leading" spacing
    fitted: tuple[
        float, ...
    ] = ()  # VE sigmas that were found to suit this very model after its noisiest level

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest finite VE sigma above 0."""
        sigmas = [level.ve_sigma for level in self.levels if level.alpha > 0 and level.sigma > 0]
        return min(sigmas), max(sigmas)


def finite(a: Level, b: Level) -> bool:
    """Whether the step from ``a`` to ``b`` is finite in log-SNR: neither from pure noise nor to no noise."""
    return a.alpha > 0 and b.sigma > 0


def ratio(a: Level, b: Level) -> float:
    """b.ve_sigma / a.ve_sigma = exp(-h) with h = lambda_b - lambda_a; 0 from pure noise and to no noise."""
    return (b.sigma * a.alpha) / (b.alpha * a.sigma)


def move(x: Tensor, x0: Tensor, a: Level, b: Level) -> Tensor:
    """Carry ``x`` from level ``a`` to level ``b`` along the straight line through the estimate ``x0``.

    This single update is Euler on the probability-flow ODE, DDIM with eta = 0 (arXiv:2010.02502, eq. 12)
    and flow-Euler at once. Shapes: x, x0 and the result are (B, C, h, w).
    """
    return b.alpha * x0 + (b.sigma / a.sigma) * (x - a.alpha * x0)
