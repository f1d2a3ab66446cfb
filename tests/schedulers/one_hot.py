"""Samplers' coefficients, read off with unit vectors: what ours and other people's are compared by.

Given the levels, a sampler is linear in its first x, in the estimates of x0 that it is sent and in the noises
that it draws. So all of them are unit vectors here, and each x at which it asks, and the last one, is a row
of its coefficients.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from schedulers import Level, Sampler, solve
from schedulers.level import on_path

MOST = 44  # questions of a sampler, and draws
UNIT = torch.eye(1 + 2 * MOST, dtype=torch.float64)[:, None, None, None]  # each (1, 1, 1, 1 + 2 MOST)
START, ANSWERS, DRAWS = UNIT[0], UNIT[1 : 1 + MOST], UNIT[1 + MOST :]


class Network:
    """Answers the k-th question with the k-th unit vector; the questions are the rows read off."""

    def __init__(self) -> None:
        self.asked: list[Tensor] = []

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        self.asked.append(x)
        return ANSWERS[len(self.asked) - 1]

    def rows(self, last: Tensor) -> Tensor:
        """(questions + 1, 1 + 2 MOST)."""
        return torch.cat([*self.asked, last]).flatten(1)


def ours(
    sampler: str | Sampler, levels: Sequence[Level], noise: Callable[..., Tensor] | None = None
) -> Tensor:
    network = Network()
    drawn = noise or (lambda step, slot=0: DRAWS[step])
    return network.rows(solve(sampler, network, START, levels, drawn))


Output = Callable[[Tensor, Tensor, Level], Tensor]
"""(x, x0, level) -> what their network is to say."""


def x0_of(x: Tensor, x0: Tensor, level: Level) -> Tensor:
    return x0


def noise_of(x: Tensor, x0: Tensor, level: Level) -> Tensor:
    return (x - level.alpha * x0) / level.sigma


def theirs(scheduler: Any, levels: Sequence[Level], says: Output, **keywords: Any) -> Tensor:
    """``levels``: of each question, which are as many as their timesteps."""
    network, x = Network(), START
    for t, level in zip(scheduler.timesteps, levels, strict=True):
        scheduler.scale_model_input(x, t)  # finds the step's index; a network would see its result
        x = scheduler.step(says(x, network(x, level), level), t, x, **keywords).prev_sample
    return network.rows(x)


def close(a: Tensor, b: Tensor) -> None:
    assert a.dtype == b.dtype == torch.float64
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def bars(scheduler: Any, timesteps: Sequence[int] | None = None) -> list[Level]:
    """The levels of timesteps, theirs if none are given."""
    chosen = scheduler.timesteps.tolist() if timesteps is None else timesteps
    return [Level(bar**0.5, (1 - bar) ** 0.5) for bar in scheduler.alphas_cumprod[chosen].tolist()]


def exploding(sigmas: Tensor) -> list[Level]:
    return [Level(1.0, sigma) for sigma in sigmas.tolist()]


def preserving(sigmas: Tensor) -> list[Level]:
    return [on_path("vp", sigma) for sigma in sigmas.tolist()]
