"""What the lab knows of a kind of generative model: how it is built, what it learns, how it draws.

A family is one file beside this one and one line in ``FAMILIES``. Knows no data, no loop, no measure.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

Setting = float | int | str | tuple[float, float]
Kind = Literal["diffusion", "autoencoder", "adversarial", "flow", "autoregressive", "energy"]


@dataclass(frozen=True)
class Shape:
    """Of the pictures that are learnt: (channels, side, side) in [-1, 1], of ``classes`` kinds that have
    ``names`` where those are known."""

    channels: int
    side: int
    classes: int
    names: tuple[str, ...] = ()

    @property
    def called(self) -> tuple[str, ...]:
        """The kinds' names, or their numbers."""
        return self.names or tuple(map(str, range(self.classes)))


class Learner(nn.Module, ABC):
    """One model of a family. Parameters and buffers are all of its state, so a checkpoint is whole."""

    @abstractmethod
    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """Scalars of one batch, ``"loss"`` the one to minimise.

        x (B, C, H, W) in [-1, 1]; label (B,) int64; seed (B,) int64, all of row k's randomness a function of
        its own, or () int64 from which theirs follow (``Chance.of``).
        """

    @abstractmethod
    def draw(self, label: Tensor, seed: int) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1], one for each of ``label`` (B,) int64; a model without classes
        draws as many and does not look at them."""

    @property
    @abstractmethod
    def evaluations(self) -> int:
        """How often its network is asked for one picture."""

    @abstractmethod
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        """How pictures come to be, (frames, B, C, H, W) in [-1, 1]: from noise to picture where there are
        steps, a walk through the latents where there are none."""


class Likelihood(ABC):
    """A learner that says how probable a picture is."""

    @abstractmethod
    def bits_per_dimension(self, x: Tensor, seed: int) -> Tensor:
        """(B,) of x (B, C, H, W), eight-bit pictures as [-1, 1]: at most this many (a bound where the family
        has only a bound)."""


class Reconstruction(ABC):
    """A learner that encodes a picture and decodes it."""

    @abstractmethod
    def reconstruct(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] of the same."""


class Checkpoint(ABC):
    """A learner that the studio draws with like any other model."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """As a Stable Diffusion model in diffusers' layout, into a folder that is not there yet."""


@dataclass(frozen=True)
class Family:
    """A line of the table. ``needs`` names the family whose trained model ``build`` is given (a teacher, an
    autoencoder); None where it starts from nothing. ``checkpoint``: what it builds is a ``Checkpoint``."""

    title: str
    kind: Kind
    source: str  # arXiv id and equation of its loss
    explains: str  # for a student: two or three plain sentences
    build: Callable[[Shape, Learner | None], Learner]
    needs: str | None = None
    batch: int = 32
    plan: Mapping[str, Setting] = field(default_factory=dict[str, Setting])  # fields of Plan
    checkpoint: bool = False
