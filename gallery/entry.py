"""A finished picture as the gallery knows it. Says nothing of how it is stored."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.recipe import Recipe


@dataclass(frozen=True)
class Entry:
    """One picture: an opaque id, its file and how it was made.

    ``recipe`` is None and ``width`` and ``height`` are 0 where the file could not be read: such an entry
    is shown as a broken tile, so that it can be deleted, and hides no other. ``created`` has a time zone;
    ``width`` and ``height`` are pixels; ``parents`` are the ids of the entries that its file says it
    was made from; ``Gallery.parents_of`` knows those by their pixels too.
    """

    id: str
    path: Path
    recipe: Recipe | None
    created: datetime
    width: int
    height: int
    parents: tuple[str, ...] = ()

    @property
    def damaged(self) -> bool:
        return self.width == 0
