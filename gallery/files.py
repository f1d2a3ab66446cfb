"""Files that survive a kill: temporary file in the same folder, fsync, rename, fsync of the folder.

Names are opaque ids in dated folders and never come from a prompt or a client. This module knows bytes
and paths; it does not know pictures.
"""

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

PART = ".part"  # being written
DELETED = ".deleted"  # being deleted
ABANDONED_AFTER = 60.0  # seconds; another process may still be writing a younger temporary file

_ID = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """128 random bits as 32 hex digits: unguessable, and one name on every file system."""
    return secrets.token_hex(16)


def is_id(name: str) -> bool:
    """Whether ``name`` can be an id of ours, and therefore a file's name."""
    return _ID.fullmatch(name) is not None


def place(root: Path, entry_id: str, created: datetime) -> Path:
    """Where the picture ``entry_id`` of that day lives; makes the dated folder, durably."""
    folder = root / f"{created:%Y-%m-%d}"
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(root)
    return folder / f"{entry_id}.png"


def write_durably(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` so that after a crash it is there whole or not at all.

    Raises OSError; then no temporary file is left and what was at ``path`` before is unchanged.
    """
    with durable(path) as file:
        file.write(data)


@contextmanager
def durable(path: Path) -> Iterator[BinaryIO]:
    """A file to write in pieces, which is at ``path`` whole once the block ends, or not at all.

    Whatever the block raises, no temporary file is left and what was at ``path`` before is unchanged.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    _sync_folder(path.parent)


def withdraw(path: Path) -> Path:
    """Take ``path`` out of the gallery in one rename; ``discard`` the result once its row is gone."""
    deleted = path.with_name(f".{path.name}{DELETED}")
    with suppress(FileNotFoundError):
        os.replace(path, deleted)
        _sync_folder(path.parent)
    return deleted


def discard(path: Path) -> None:
    path.unlink(missing_ok=True)


def pictures(root: Path) -> Iterator[tuple[str, Path]]:
    """(id, path) of every picture under ``root``, in no order. Other files are left alone."""
    for folder in _folders(root):
        for item in os.scandir(folder):
            stem, suffix = os.path.splitext(item.name)
            if suffix == ".png" and is_id(stem) and item.is_file(follow_symlinks=False):
                yield stem, Path(item.path)


def sweep(root: Path) -> int:
    """Remove what interrupted saves and deletions left behind; returns how many files."""
    swept = 0
    for folder in _folders(root):
        for item in os.scandir(folder):
            abandoned = item.name.endswith(PART) and item.stat().st_mtime < time.time() - ABANDONED_AFTER
            if item.name.startswith(".") and (abandoned or item.name.endswith(DELETED)):
                os.unlink(item.path)
                swept += 1
    return swept


def _folders(root: Path) -> list[str]:
    return [item.path for item in os.scandir(root) if item.is_dir(follow_symlinks=False)]


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder; NTFS journals the rename itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
