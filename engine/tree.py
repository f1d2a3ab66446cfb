"""The model files below a folder that another studio filled, and what each says of itself.

The folders' names mean nothing here: AUTOMATIC1111 and ComfyUI name them differently, and a file's header
tells what it is. Nothing is written. Knows no jobs and no loaded models.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.folder import OF_FOLDER, OF_TRANSFORMERS
from models import ModelError
from models.header import read_header
from models.kind import Described, Kind, describe, describe_folder, thumbnail
from models.load import TO_CONVERT
from models.networks import PICKLES

MOST_FILES = 10_000  # that are listed of one folder
PICTURES = (
    ".preview.png",
    ".png",
    ".preview.jpg",
    ".jpg",
    ".jpeg",
    ".preview.jpeg",
    ".webp",
    ".preview.webp",
)
SINGLE = ("AutoencoderKL", "ControlNetModel", "CLIPVisionModelWithProjection")  # one network in a folder


@dataclass(frozen=True)
class Found:
    """A model file or folder. ``fault`` says in one sentence why it cannot be used; empty where it can."""

    path: Path
    size: int  # bytes
    changed: int  # nanoseconds
    described: Described | None
    fault: str = ""

    @property
    def kind(self) -> Kind | None:
        return self.described.kind if self.described else None

    @property
    def stem(self) -> str:
        if self.path.is_dir():
            return self.path.name
        return self.path.parent.name if self.path.stem.startswith(OF_FOLDER) else self.path.stem

    def thumbnail(self) -> Path | None:
        """The picture that lies beside it under its name."""
        stem = self.path.name if self.path.is_dir() else self.path.stem
        names = (self.path.with_name(stem + ending) for ending in PICTURES)
        return next((file for file in names if file.is_file()), None)

    def embedded(self) -> bytes | None:
        """The file of the picture that its metadata holds, not decoded; None where there is none."""
        if self.described is None or not self.described.pictured:
            return None
        try:
            return thumbnail(read_header(self.path).metadata)
        except ModelError:  # it is gone, or another file since
            return None


def model_files(root: Path) -> Iterator[Path]:
    """Every model file below ``root``, and every folder that is one model, in the order of their paths.

    Links are followed, each place once. Left out are hidden folders and Python environments.
    """
    seen: set[tuple[int, int]] = set()
    for name, folders, files in os.walk(root, followlinks=True):
        here = Path(name)
        status = here.stat()
        if (status.st_dev, status.st_ino) in seen or "pyvenv.cfg" in files:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if "model_index.json" in files or _is_network(here, files):
            folders.clear()
            yield here
            continue
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for file in sorted(files):
            if (
                file.lower().endswith((".safetensors", *PICKLES))
                and not file.startswith(".")
                and _is_text(file)
            ):
                yield here / file


def look_at(path: Path, before: Found | None = None) -> Found | None:
    """What ``path`` is; ``before`` is what it was found to be, and is kept if it has not changed since.

    None where it is gone.
    """
    try:
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        status = [file.stat() for file in files]
        size, changed = sum(s.st_size for s in status), max(s.st_mtime_ns for s in status)
    except (OSError, ValueError):
        return None
    if before is not None and (before.size, before.changed) == (size, changed):
        return before
    found = Found(path, size, changed, None)
    if path.suffix.lower() in PICKLES and path.is_file():
        return replace(found, fault=f"This file is {TO_CONVERT}")
    try:
        told = describe(read_header(path)) if path.is_file() else describe_folder(path)
        return replace(found, described=told)
    except ModelError as error:
        return replace(found, fault=str(error).replace(repr(str(path)), repr(path.name)))
    except (OSError, ValueError, TypeError, KeyError) as error:
        return replace(found, fault=f"Its description cannot be read ({type(error).__name__}).")


def _is_text(name: str) -> bool:
    """Names that are not text cannot be shown, written down or asked for."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_network(folder: Path, files: list[str]) -> bool:
    """Whether a folder is one network in diffusers' or transformers' layout."""
    weights = (OF_FOLDER, OF_TRANSFORMERS)
    if "config.json" not in files or not any(file.startswith(weights) for file in files):
        return False
    try:
        head = (folder / "config.json").read_text("utf-8")[:100_000]
    except (OSError, ValueError):
        return False
    return any(f'"{name}"' in head for name in SINGLE)
