"""A sampler that is told what it need not find out. Knows no particular sampler and no pictures."""

from collections.abc import Callable

from torch import Tensor

from schedulers.ask import Sampling
from schedulers.level import Level


def held(sampling: Sampling, known: Tensor, free: Callable[[int, Level], Tensor]) -> Sampling:
    """``sampling`` with the estimate of x0 replaced by ``known`` (1 or B, C, h, w) where it is known.

    ``free(asked, level)`` (1, 1, h, w) is 1 where the ask at ``level`` after ``asked`` others is free. The
    mean of x0 given that it is known is itself, so this is the exact answer there, and whatever the sampler
    does with it (memory, fresh noise, trial steps) leads to a sample of ``known`` at every level: no noise
    has to be kept. RePaint (arXiv:2201.09865, eq. 8) replaces x instead, behind the sampler's back.
    """
    x0: Tensor | None = None
    asked = 0
    while True:
        try:
            ask = sampling.send(x0)  # type: ignore[arg-type]  # a generator is started by sending None
        except StopIteration as end:
            return end.value
        estimate = yield ask
        mask = free(asked, ask.level).to(estimate)
        x0 = mask * estimate + (1 - mask) * known.to(estimate)
        asked += 1
