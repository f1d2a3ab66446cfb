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

    ``denoise(x, level)`` returns the estimate of x0, whatever rows x has. Raises ``KeyError`` for an unknown
    sampler name.
    """
    chosen = SAMPLERS[sampler] if isinstance(sampler, str) else sampler
    if chosen.alone and len(x) > 1:
        return torch.cat([solve(chosen, denoise, row, levels, noise) for row in x.split(1)])
    sampling = chosen(x, levels, noise)
    answer: Tensor | None = None
    while True:
        try:
            ask = sampling.send(answer)  # type: ignore[arg-type]  # a generator is started by sending None
        except StopIteration as done:
            return done.value
        answer = denoise(ask.x, ask.level)


def invert(
    sampler: str | Sampler, denoise: Callable[[Tensor, Level], Tensor], x: Tensor, levels: Sequence[Level]
) -> Tensor:
    """Carry ``x`` (B, C, h, w) at ``levels[-1]`` back up to ``levels[0]``, along the ODE that leads down.

    DDIM inversion (arXiv:2010.02502, sec. 4.3) with ``"euler"`` or ``"ddim"`` at eta 0, and as exact as the
    sampler with any other deterministic one. Both ends have picture and noise: a finished picture counts as
    one at the model's least level. Raises ``ValueError`` for a sampler that draws noise or, if its eta were
    more than 0, would; and for a level of none or of noise alone.
    """
    chosen = SAMPLERS[sampler] if isinstance(sampler, str) else sampler
    if chosen.stochastic or chosen.eta:
        at = "" if chosen.eta is None else f" at eta {chosen.eta:g}"
        why = "draws noise" if chosen.eta != 0 else "is made for falling noise"
        allowed = ", ".join(one.name for one in SAMPLERS.values() if not (one.stochastic or one.eta))
        raise ValueError(f"got the sampler {chosen.name}{at}, which {why}; allowed: one of {allowed}.")
    if levels[-1].sigma == 0 or levels[0].alpha == 0:
        raise ValueError("got a level without noise or without picture; allowed: levels that have both.")

    def none(step: int, slot: int = 0) -> Tensor:
        raise AssertionError("a deterministic sampler asked for noise")

    return solve(chosen, denoise, x, levels[::-1], none)


def evaluations(sampler: Sampler, levels: Sequence[Level]) -> int:
    """How often the sampler asks for x0 over ``levels``. One whose steps follow the picture asks as often as
    that needs: this is the least."""
    return len(asked(sampler, levels))


def asked(sampler: Sampler, levels: Sequence[Level]) -> list[Level]:
    """The levels at which the sampler asks for x0, in their order, found on one number."""
    found: list[Level] = []

    def network(x: Tensor, level: Level) -> Tensor:
        found.append(level)
        return x

    one = torch.ones(1, 1, 1, 1)
    solve(sampler, network, one, levels, lambda step, slot=0: one)
    return found
