"""What the host has written down for prompts: wildcards and styles, as files of one folder. Knows no jobs.

``wildcards/colours/warm.txt`` holds the lines of ``__colours/warm__``, ``styles.csv`` the styles. Both are
read when they are asked for, so a change needs no restart.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from pipelines.prompt import NAME, Style, read_styles, without_comments

MOST_BYTES = 1 << 20  # of one file
MOST_FILES = 1000  # that are listed


class WildcardFolder(Mapping[str, tuple[str, ...]]):
    """The lines of each ``.txt`` file below ``folder``, by its path there without the ending.

    A name is never a path of its own: letters, digits, ``_``, ``-`` and ``/``, and what it leads to must be
    below the folder, links followed. Empty lines and comments are left out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> tuple[str, ...]:
        """Raises ``KeyError`` where there is no such file, ``ValueError`` where it cannot be used."""
        file = self._file(name)
        if file is None:
            raise KeyError(name)
        try:
            lines = _text(file).splitlines()
        except ValueError as error:
            raise ValueError(f"got __{name}__, whose file is {error}.") from None
        kept = tuple(line for line in (without_comments(line).strip() for line in lines) if line)
        if not kept:
            raise ValueError(f"got __{name}__, whose file is empty; allowed: a line or more.")
        return kept

    def __iter__(self) -> Iterator[str]:
        for file in islice(sorted(self._folder.rglob("*.txt")), MOST_FILES):
            name = file.relative_to(self._folder).with_suffix("").as_posix()
            if self._file(name) is not None:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _file(self, name: str) -> Path | None:
        if not re.fullmatch(NAME, name) or "__" in name:
            return None
        try:
            file = (self._folder / f"{name}.txt").resolve()
            inside = file.is_relative_to(self._folder.resolve())
        except (OSError, RuntimeError):  # links that go round
            return None
        return file if inside and file.is_file() else None


def styles_in(file: Path) -> tuple[Style, ...]:
    """The styles of ``file``, none where it is not there. Raises ``ValueError`` where it cannot be read."""
    return read_styles(_text(file)) if file.is_file() else ()


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"larger than is read; allowed: {MOST_BYTES} bytes")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not text; allowed: UTF-8") from None
    except OSError as error:
        raise ValueError(f"not readable ({error.strerror}); allowed: one that is") from None
