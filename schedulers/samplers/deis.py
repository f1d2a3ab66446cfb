"""DEIS. Knows no networks."""

from collections.abc import Sequence

from torch import Tensor

from schedulers.ask import Sampling
from schedulers.level import Level
from schedulers.noise import Noise
from schedulers.samplers.multistep import adams
from schedulers.samplers.weights import in_log_sigma


def deis_2(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """Diffusion exponential integrator (arXiv:2204.13902, algorithm 1), the noise linear in log sigma."""
    return adams(x, levels, 2, _rule)


def deis_3(x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
    """The same with a quadratic; its first steps, of lower order, are what remains at very many steps."""
    return adams(x, levels, 3, _rule)


def _rule(past: Sequence[Level], a: Level, b: Level) -> Sequence[float]:
    """Of first order in the step to no noise, where log sigma has no end."""
    return in_log_sigma(past, a, b) if b.sigma > 0 else [1.0] + [0.0] * (len(past) - 1)
