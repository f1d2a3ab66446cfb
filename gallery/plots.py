"""Grids that were drawn: which picture of the gallery stands where, and what is written beside it.

The pictures are the gallery's; their sheet is made again from them. Knows no recipes.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from gallery.files import is_id, write_durably

MOST_BYTES = 1_000_000  # of one
_KEY = re.compile(r"[\w-]{8,64}", re.ASCII)

Place: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Plot:
    """``names`` and ``labels`` of one to three axes, and the ids of the entries by their places (x, y, z)."""

    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    entries: tuple[tuple[Place, str], ...]


class Plots:
    """Below ``folder``, each by a key that only who made it knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, key: str, plot: Plot) -> None:
        """Raises OSError."""
        assert _KEY.fullmatch(key)
        self.folder.mkdir(parents=True, exist_ok=True)
        values = {"names": plot.names, "labels": plot.labels, "entries": plot.entries}
        write_durably(self.folder / f"{key}.json", json.dumps(values).encode())

    def read(self, key: str) -> Plot | None:
        """None where there is none of that key, or a damaged one."""
        file = self.folder / f"{key}.json"
        if not _KEY.fullmatch(key) or not file.is_file() or file.stat().st_size > MOST_BYTES:
            return None
        try:
            values = json.loads(file.read_bytes())
            names = tuple(map(str, values["names"]))
            labels = tuple(tuple(map(str, side)) for side in values["labels"])
            entries = tuple(((int(x), int(y), int(z)), str(name)) for (x, y, z), name in values["entries"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        if len(names) != len(labels) or not all(is_id(name) for _, name in entries):
            return None
        return Plot(names, labels, entries)
