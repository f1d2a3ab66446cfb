"""What the tunings are made of: settings, a line of the table, a task of the loop that can be written down.

A tuning is one file beside this one and one line in ``TUNINGS``.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from PIL import Image
from pydantic import Field
from torch import Tensor, nn

from models import Parts
from training.data.folder import Folder, read_folder
from training.settings import Settings


class TuningConfig(Settings):
    """Everything that decides a tuning. What is None is the tuning's own, or the loop's."""

    tuning: str
    folder: Path = Field(description="of pictures, or of pairs of them")
    model: str = Field("starter", description="as the studio names it, or a folder or file")
    batch: int = Field(4, ge=1, le=4096)
    side: int | None = Field(None, ge=8, le=4096, description="pixels; the area is its square")
    flip: bool = Field(False, description="learn from mirrored pictures too")
    dropout: float | None = Field(None, ge=0, le=1, description="of captions, for guidance")
    min_snr: float = Field(5.0, ge=0, le=1000, description="0 weighs all noise levels alike")
    samples: tuple[str, ...] = Field((), description="prompts that are drawn while it learns")
    prompt: str | None = Field(None, description="said of every picture, in place of its caption")
    rank: int = Field(4, ge=1, le=1024)
    layers: Literal["attention", "attention+ends"] = "attention"
    bits: Literal[4, 8] = 4
    class_prompt: str | None = None
    class_pictures: int = Field(50, ge=1, le=10_000)
    prior_weight: float = Field(1.0, ge=0, le=100)
    word: str | None = Field(None, description="that is taught")
    vectors: int = Field(2, ge=1, le=32, description="that stand for the word")
    initial: str | None = Field(None, description="what the word is like at the start")
    map: str | None = Field(None, description="the preprocessor that makes the maps")
    maps: Path | None = Field(None, description="a folder of maps, named as the pictures are")
    beta: float = Field(2000.0, gt=0, le=1e6, description="how near to the model it stays")


OF_SOME = (
    "prompt", "rank", "layers", "bits", "class_prompt", "class_pictures", "prior_weight", "word", "vectors",
    "initial", "map", "maps", "beta", "dropout", "flip",
)  # fmt: skip
"""The settings that a tuning may not have."""


@dataclass(frozen=True)
class At:
    """``step`` of ``of`` steps of what it is ``doing`` now are done."""

    step: int
    of: int
    doing: str
    losses: Mapping[str, float] = field(default_factory=dict[str, float])


class Tuned:
    """A task of the loop, and how what it learnt is written."""

    def __init__(
        self,
        module: nn.Module,
        batch: Callable[[int, int], tuple[Tensor, ...]],
        sample: Callable[[], Image.Image | None],
        save: Callable[[Path], Path],
    ) -> None:
        """``save`` writes into a folder, for ``adapters`` or ``models`` to load; it returns what it wrote."""
        self.module, self._batch, self._sample, self.save = module, batch, sample, save

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        return self._batch(step, rank)

    def sample(self) -> Image.Image | None:
        return self._sample()


Begin: TypeAlias = Callable[[TuningConfig, Parts, Folder, Path], Generator[At, None, Tuned]]


@dataclass(frozen=True)
class Tuning:
    """A line of the table. ``settings`` are those of ``OF_SOME`` that it has, ``needs`` those that must be
    given; ``begin`` makes ready to learn from what was found, in the run's folder; ``read`` finds it."""

    title: str
    source: str  # arXiv id
    explains: str
    begin: Begin
    settings: tuple[str, ...]
    needs: tuple[str, ...] = ()
    plan: Mapping[str, Any] = field(default_factory=dict[str, Any])  # fields of the loop's Plan
    read: Callable[[Path], Folder] = read_folder
