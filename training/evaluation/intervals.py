"""How sure a figure is: bootstrap confidence intervals. Knows only weights and numbers.

Every figure of ``training/evaluation`` is a function of *weights*, how often each sample counts: all ones for
the figure itself, a draw with replacement for each resampling. So nothing that depends on pairs of samples
(distances, kernels) is computed twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
RESAMPLINGS = 100
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure and its ``LEVEL`` interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def bootstrap(
    statistic: Callable[..., float],
    sizes: Sequence[int],
    seed: int,
    resamplings: int = RESAMPLINGS,
    level: float = LEVEL,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """``statistic`` of weights, one array (n,) for each set of samples of ``sizes``, and its interval.

    Percentiles of the resampled figure (Efron 1979), moved by the bootstrap's estimate of the bias: a
    Fréchet distance of samples with repetitions is larger than that of the samples themselves. ``within`` are
    the least and the largest value that the figure can have.
    """
    value = statistic(*(np.ones(size) for size in sizes))
    random = np.random.default_rng(seed)
    drawn = np.array([statistic(*(_weights(size, random) for size in sizes)) for _ in range(resamplings)])
    bias = float(drawn.mean()) - value
    edge = (1 - level) / 2
    low, high = np.quantile(drawn, (edge, 1 - edge)) - bias
    low, high = max(within[0], min(low, value)), min(within[1], max(high, value))
    return Estimate(float(value), float(low), float(high))


def share(flags: Array, seed: int) -> Estimate:
    """The mean of (n,) values, one a sample, with its interval."""
    within = (float(flags.min()), float(flags.max()))

    def mean(weights: Array) -> float:
        return float(weights @ flags / weights.sum())

    return bootstrap(mean, (len(flags),), seed, within=within)


def over(values: Sequence[float]) -> Estimate:
    """The mean over runs that differ in their seeds, with the smallest and the largest of them."""
    return Estimate(float(np.mean(values)), float(min(values)), float(max(values)))


def _weights(size: int, random: np.random.Generator) -> Array:
    return random.multinomial(size, np.full(size, 1 / size)).astype(np.float64)
