"""One picture on its way: its pipeline, what it asks now, how far it is. It knows no other pictures."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from torch import Tensor

from adapters import Seen
from engine.batch import NotFinite
from engine.job import Job
from engine.shelf import Loaded
from models import Context
from pipelines import resolved
from pipelines.draw import coded
from pipelines.recipe import Recipe
from pipelines.requests import (
    Decode,
    Denoise,
    EncodeImage,
    EncodeReference,
    EncodeText,
    Enlarge,
    Prepare,
    Step,
)

Beside: TypeAlias = Callable[[Callable[[], Any]], Future[Any]]
"""Does something in a thread of its own."""
GRACE = 0.1  # seconds that are waited for what is prepared: small pictures need no turn of their own


@dataclass(eq=False)
class Picture:
    """Picture ``index`` of ``job``; making one raises ``RecipeError``.

    It asks nothing until ``go_on`` was called, nor when it has ended.
    """

    job: Job
    index: int
    recipe: Recipe  # this picture's own: count 1
    model: Loaded
    beside: Beside

    def __post_init__(self) -> None:
        self._pipeline = self.model.pipeline(self.recipe)
        self.made = resolved(self.recipe, self.model.parts)  # what is kept beside the picture
        self.asks: tuple[Denoise, ...] = ()
        self.step = 0
        self.of = max(1, sum(self.recipe.passes()))
        self._tile: Enlarge | None = None  # of an upscale: one a turn, so that others go on meanwhile
        self._made: Future[Any] | None = None  # what is prepared meanwhile
        self.estimate: Tensor | None = None  # x0 (1, C, h, w) of the newest step

    @property
    def ready(self) -> bool:
        """Whether it can go on, or waits for what is prepared beside."""
        return self._made is None or self._made.done()

    def go_on(self, answers: tuple[Tensor, ...] | None = None) -> Tensor | None:
        """Send the answers to ``asks`` (None at the start) and go on to the next ones.

        Returns the pixels (1, 3, H, W) in [-1, 1] at the end, else None. Raises what the pipeline raises, and
        ``NotFinite`` rather than give pixels that are not numbers.
        """
        self.asks = ()
        answer: Any = answers
        if self._tile is not None:
            answer, self._tile = self._tile.upscaler.enlarge(self._tile.pixels), None
        if self._made is not None:
            made, self._made = self._made, None
            answer = made.result()
        try:
            while True:
                request = self._pipeline.send(answer)
                if isinstance(request, tuple):
                    self.asks = request
                    return None
                if isinstance(request, Enlarge):
                    self._tile = request
                    return None
                if isinstance(request, Prepare):
                    self._made = self.beside(partial(self.model.prepare, request))
                    if not _soon(self._made):
                        return None
                    made, self._made = self._made, None
                    answer = made.result()
                    continue
                answer = self._answer(request)
        except StopIteration as end:
            return end.value

    def _answer(
        self, request: EncodeText | EncodeReference | Step | EncodeImage | Decode
    ) -> Context | Seen | Tensor | None:
        match request:
            case Step(index, of, x0):
                self.step, self.of, self.estimate = index, of, x0
                return None
            case EncodeText():
                return self.model.encode(request)
            case EncodeReference():
                return self.model.see(request)
            case EncodeImage():
                return self.model.encode_image(request, self.recipe)
            case Decode():
                pixels = coded(request, self.model.parts_of(self.recipe))
                if not bool(pixels.isfinite().all()):
                    raise NotFinite
                return pixels


def _soon(made: Future[Any]) -> bool:
    return bool(wait([made], timeout=GRACE).done)
