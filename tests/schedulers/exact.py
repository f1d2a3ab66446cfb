"""Denoisers whose answers, and whose solutions of the probability-flow ODE, are known exactly (float64)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from schedulers import Level
from schedulers.level import Path, on_path


@dataclass(frozen=True)
class Mixture:
    """A mixture of normal distributions on the line, the same one for every element of x."""

    weights: tuple[float, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[x0 | x]; also at pure noise, where it is the mean."""
        w, mean, s = (
            torch.tensor(v, dtype=torch.float64) for v in (self.weights, self.means, self.deviations)
        )
        y, wide = x[..., None], (level.alpha * s) ** 2 + level.sigma**2  # of x within each component
        away = y - level.alpha * mean
        share = torch.softmax(w.log() - wide.log() / 2 - away**2 / (2 * wide), -1)
        return (share * (mean + level.alpha * s**2 / wide * away)).sum(-1)

    def carry(self, x: Tensor, a: Level, b: Level) -> Tensor:
        """Where the ODE takes x from a to b: it keeps quantiles, so F_b^-1(F_a(x)), by bisection."""
        target = self._cdf(x, a)
        low, high = torch.full_like(x, -100), torch.full_like(x, 100)
        for _ in range(100):
            middle = (low + high) / 2
            under = self._cdf(middle, b) < target
            low, high = torch.where(under, middle, low), torch.where(under, high, middle)
        return (low + high) / 2

    def _cdf(self, x: Tensor, level: Level) -> Tensor:
        parts = zip(self.weights, self.means, self.deviations, strict=True)
        return sum(
            (
                w * torch.special.ndtr((x - level.alpha * m) / math.hypot(level.alpha * s, level.sigma))
                for w, m, s in parts
            ),
            start=torch.zeros_like(x),
        )


GAUSSIAN = Mixture((1.0,), (0.0,), (0.5,))
PAIR = Mixture((0.4, 0.6), (-1.0, 1.2), (0.3, 0.5))

Curve = Callable[[float, float, float], float]


def uniform(high: float, low: float, u: float) -> float:
    """Even in log sigma."""
    return high * (low / high) ** u


def karras(high: float, low: float, u: float) -> float:
    return (high ** (1 / 7) + u * (low ** (1 / 7) - high ** (1 / 7))) ** 7


def levels_between(curve: Curve, high: float, low: float, steps: int, path: Path = "vp") -> list[Level]:
    """steps + 1 levels from VE sigma ``high`` to ``low`` > 0."""
    return [on_path(path, curve(high, low, i / steps)) for i in range(steps + 1)]


def silence(step: int, slot: int = 0) -> Tensor:
    raise AssertionError("a deterministic sampler asked for noise")
