"""Pairs of pictures, of which somebody liked one better: what preference tuning learns from."""

import json
from hashlib import file_digest, sha256
from pathlib import Path

from training.data.folder import MAX_METADATA, Example, Folder, Skipped
from training.data.opened import Unusable, open_photograph, read_text

PAIRS = "pairs.jsonl"


def read_pairs(root: Path) -> Folder:
    """The chosen pictures of a ``pairs.jsonl`` of {"prompt", "chosen", "rejected"}, files below
    ``root``, ``against`` the rejected ones. A line that cannot be used is listed. Raises ``ValueError`` where
    there is no such file, or no line of use."""
    try:
        lines = read_text(root / PAIRS, root, MAX_METADATA).splitlines()
    except Unusable as reason:
        raise ValueError(f"folder: got {str(root)!r}; its {PAIRS} is {reason}.") from None
    pairs: list[tuple[Example, Example]] = []
    skipped: list[Skipped] = []
    seen = sha256()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            chosen, rejected = _pair(line, root)
        except Unusable as reason:
            skipped.append(Skipped(f"{PAIRS}, line {number}", str(reason)))
            continue
        pairs.append((chosen, rejected))
        seen.update(json.dumps([chosen.caption, _digest(chosen), _digest(rejected)]).encode())
    if not pairs:
        why = f"; {skipped[0].file}: {skipped[0].reason}" if skipped else ""
        raise ValueError(f"folder: got {str(root)!r}, whose {PAIRS} has no pair of use{why}.")
    chosen, rejected = zip(*pairs, strict=True)
    return Folder(root, chosen, tuple(skipped), seen.hexdigest(), rejected)


def _pair(line: str, root: Path) -> tuple[Example, Example]:
    """(chosen, rejected); raises ``Unusable``."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise Unusable("cannot be read") from None
    names = ("prompt", "chosen", "rejected")
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in names):
        raise Unusable(f"has no {', '.join(names)}")
    chosen, rejected = (_example(root, row[name], row["prompt"]) for name in names[1:])
    if chosen.size != rejected.size:
        raise Unusable(f"has pictures of {chosen.size} and {rejected.size}; allowed: of one size")
    return chosen, rejected


def _example(root: Path, name: str, prompt: str) -> Example:
    if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise Unusable("names a file out of the folder")
    try:
        size = open_photograph(root / name, root).size
    except Unusable as reason:
        raise Unusable(f"{name[:80]}: {reason}") from None
    return Example(root / name, prompt.strip(), "", 1, size)


def _digest(one: Example) -> str:
    with one.file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
