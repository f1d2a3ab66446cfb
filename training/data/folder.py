"""Any folder of pictures as something to learn from: what each shows, and which files are of no use, and why.

What a picture is said to show is, first found: a ``.txt`` of its name beside it; its line in a
``metadata.jsonl`` or ``metadata.csv`` (``file_name``, ``text``) of its folder or of one above; the name of
its subfolder (ImageFolder). A subfolder ``<repeats>_<name>`` (kohya) has its pictures seen that often.
Knows no models.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from training.data.opened import Unusable, inside, open_photograph, read_text

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
METADATA = ("metadata.jsonl", "metadata.csv")
MOST_FILES = 200_000
MOST_REPEATS = 10_000
MAX_METADATA = 256 << 20  # bytes
MAX_CAPTION = 1 << 16  # characters
_KOHYA = re.compile(r"(\d{1,5})_(.+)")


@dataclass(frozen=True)
class Example:
    """A picture that can be used."""

    file: Path
    caption: str
    label: str  # of its subfolder; empty at the top
    repeats: int
    size: tuple[int, int]  # (width, height), upright


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be used."""

    file: str  # below the folder
    reason: str


@dataclass(frozen=True)
class Folder:
    """What was found, in the order of names."""

    root: Path
    examples: tuple[Example, ...]
    skipped: tuple[Skipped, ...]
    sha256: str  # over names, pictures, captions and repeats
    against: tuple[Example, ...] = ()  # of pairs, the picture that was liked less than each of ``examples``


def read_folder(root: Path) -> Folder:
    """Decodes every picture once. Raises ``ValueError`` where ``root`` is no folder or has none of use."""
    if not root.is_dir():
        raise ValueError(f"folder: got {str(root)!r}; allowed: a folder of pictures.")
    files = _files(root)
    said, skipped = _metadata(root, files)
    captioned = {file.with_suffix("") for file in files if file.suffix.lower() in ENDINGS}
    examples, seen = [], sha256()
    for file in files:
        name = file.relative_to(root).as_posix()
        if file.name in METADATA or (file.suffix == ".txt" and file.with_suffix("") in captioned):
            continue
        try:
            found = _example(file, root, said)
            with file.open("rb") as stream:
                what = [name, file_digest(stream, "sha256").hexdigest(), found.caption, found.repeats]
        except Unusable as reason:
            skipped.append(Skipped(name, str(reason)))
            continue
        seen.update(json.dumps(what).encode() + b"\n")
        examples.append(found)
    missing = sorted(said.keys() - set(files))
    skipped += [
        Skipped(file.relative_to(root).as_posix(), "named in the metadata, not there") for file in missing
    ]
    if not examples:
        why = f"; the first that cannot be used, {skipped[0].file}: {skipped[0].reason}" if skipped else ""
        raise ValueError(f"folder: got {str(root)!r}, which has no picture of use{why}.")
    return Folder(root, tuple(examples), tuple(skipped), seen.hexdigest())


def _files(root: Path) -> list[Path]:
    """Everything below ``root`` that is no folder, hidden ones left out; links to folders are not entered."""
    found: list[Path] = []
    for path in root.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        if path.is_symlink() or not path.is_dir():
            found.append(path)
        if len(found) > MOST_FILES:
            raise ValueError(f"folder: got {str(root)!r} with more files than are allowed, {MOST_FILES}.")
    return sorted(found)


def _example(file: Path, root: Path, said: dict[Path, str]) -> Example:
    """Raises ``Unusable``."""
    inside(file, root)
    if file.suffix.lower() not in ENDINGS:
        raise Unusable(f"not a picture; allowed: {', '.join(ENDINGS)}")
    size = open_photograph(file, root).size
    label, repeats = _of_subfolder(file.parent.name) if file.parent != root else ("", 1)
    beside = file.with_suffix(".txt")
    if beside.exists() or beside.is_symlink():
        caption = read_text(beside, root)
    else:
        caption = said.get(file, label.replace("_", " "))
    return Example(file, caption, label, repeats, size)


def _of_subfolder(name: str) -> tuple[str, int]:
    """(label, repeats) of a subfolder's name; raises ``Unusable``."""
    found = _KOHYA.fullmatch(name)
    if found is None:
        return name, 1
    if not 1 <= (repeats := int(found[1])) <= MOST_REPEATS:
        raise Unusable(f"its folder says {repeats} repeats; allowed: 1 to {MOST_REPEATS}")
    return found[2], repeats


def _metadata(root: Path, files: list[Path]) -> tuple[dict[Path, str], list[Skipped]]:
    """What metadata files say of which picture, and what in them cannot be used."""
    said: dict[Path, str] = {}
    skipped: list[Skipped] = []
    for file in files:
        if file.name not in METADATA:
            continue
        name = file.relative_to(root).as_posix()
        try:
            text = read_text(file, root, MAX_METADATA)
        except Unusable as reason:
            skipped.append(Skipped(name, str(reason)))
            continue
        for number, row in (_json_rows if file.suffix == ".jsonl" else _csv_rows)(text):
            try:
                picture, caption = _row(row, file.parent, root)
                said[picture] = caption
            except Unusable as reason:
                skipped.append(Skipped(f"{name}, line {number}", str(reason)))
    return said, skipped


def _json_rows(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def _csv_rows(text: str) -> Iterator[tuple[int, object]]:
    rows = csv.DictReader(io.StringIO(text))
    while True:
        try:
            yield rows.line_num + 1, next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield rows.line_num, None


def _row(row: object, folder: Path, root: Path) -> tuple[Path, str]:
    """(file, caption); raises ``Unusable``."""
    if not isinstance(row, dict):
        raise Unusable("cannot be read")
    name, caption = row.get("file_name"), row.get("text")
    if not isinstance(name, str) or not isinstance(caption, str) or not name or "\0" in name:
        raise Unusable("has no file_name and text")
    if len(caption) > MAX_CAPTION:
        raise Unusable(f"has a text of {len(caption)} characters; allowed: at most {MAX_CAPTION}")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise Unusable("names a file out of the folder")
    return folder / name, caption.strip()
