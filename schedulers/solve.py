"""Drive any sampler with a plain function in the place of a network. Knows no guidance and no prompts."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from schedulers.level import Level
from schedulers.noise import Noise
from schedulers.samplers import SAMPLERS, Sampler


def solve(
    sampler: str | Sampler,
    denoise: Callable[[Tensor, Level], Tensor],
    x: Tensor,
    levels: Sequence[Level],
    noise: Noise,
) -> Tensor:
    """Carry ``x`` (B, C, h, w) at ``levels[0]`` to ``levels[-1]``.

    ``denoise(x, level)`` returns the estimate of x0. Raises ``KeyError`` for an unknown sampler name.
    """
    sampling = (SAMPLERS[sampler] if isinstance(sampler, str) else sampler)(x, levels, noise)
    answer: Tensor | None = None
    while True:
        try:
            ask = sampling.send(answer)  # type: ignore[arg-type]  # a generator is started by sending None
        except StopIteration as done:
            return done.value
        answer = denoise(ask.x, ask.level)


def evaluations(sampler: Sampler, levels: Sequence[Level]) -> int:
    """How often the sampler asks for x0 over ``levels``, counted on one number of no noise."""
    asked = 0

    def network(x: Tensor, level: Level) -> Tensor:
        nonlocal asked
        asked += 1
        return x

    one = torch.ones(1, 1, 1, 1)
    solve(sampler, network, one, levels, lambda step, slot=0: one)
    return asked
