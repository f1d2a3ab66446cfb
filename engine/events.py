"""What a job tells whoever follows it. Frozen data; knows no threads and no tensors."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from PIL import Image


@dataclass(frozen=True)
class Queued:
    """Waiting behind ``position`` jobs; done in about ``eta`` seconds, None while that is unmeasured."""

    position: int
    eta: float | None = None


@dataclass(frozen=True)
class Progress:
    """``step`` of ``of`` steps are done, over all pictures of the job.

    ``preview`` is a rough picture of the newest estimate, at most two a second and only while somebody
    follows the job; ``eta`` is seconds until the job is done, None while unmeasured.
    """

    step: int
    of: int
    preview: Image.Image | None = field(default=None, compare=False)
    eta: float | None = None


@dataclass(frozen=True)
class Done:
    """Every picture is made and saved: gallery entries in order, or the pictures if there is no gallery."""

    entries: tuple[Any, ...]


@dataclass(frozen=True)
class Failed:
    """``what`` went wrong and ``hint``, what to do about it; one plain sentence each."""

    what: str
    hint: str = ""


@dataclass(frozen=True)
class Cancelled:
    """Stopped on request. Pictures that were finished before stay."""


Ending: TypeAlias = Done | Failed | Cancelled
Event: TypeAlias = Queued | Progress | Ending
ENDINGS = (Done, Failed, Cancelled)
