"""What a sampler is: one entry of the table. Knows no particular sampler."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from schedulers.ask import Sampling
from schedulers.level import Level
from schedulers.noise import Noise


@dataclass(frozen=True)
class Sampler:
    """``run(x, levels, noise)``, and ``eta`` after them when the sampler has one (is not None)."""

    name: str
    label: str
    help: str
    run: Callable[..., Sampling]
    order: int | None  # of convergence: of the trajectory, or of the marginal variance when stochastic;
    # None: more steps do not lead to the data's distribution, or no order is known
    evaluations: int = 1  # of x0 in a step; a step from pure noise or to none takes one
    stochastic: bool = False
    alone: bool = False  # its steps follow the picture: it is given one image at a time
    path: bool = False  # the noise of its steps may be one Brownian path's: it draws once a step, downwards
    eta: float | None = None  # the default; None: the sampler takes no eta

    def __call__(self, x: Tensor, levels: Sequence[Level], noise: Noise) -> Sampling:
        """Start from ``x`` (B, C, h, w) at ``levels[0]``; there are steps + 1 levels, the noise falling."""
        return self.run(x, levels, noise) if self.eta is None else self.run(x, levels, noise, self.eta)

    def with_eta(self, eta: float | None) -> Self:
        """The same sampler with another eta; None keeps its own. Raises ``ValueError`` if it takes none."""
        if eta is None:
            return self
        if self.eta is None:
            raise ValueError(f"{self.label} takes no eta, got {eta:g}; leave it empty.")
        return replace(self, eta=eta)
