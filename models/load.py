"""From a name to ``Parts``: the starter, a folder, a file or the hub. Knows no samplers or recipes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from models.assemble import Wishes, assemble, parametrisation_of
from models.error import ModelError
from models.header import read_header
from models.networks import PICKLES
from models.parts import Parts
from models.source import CheckpointFile, Folder, Source
from models.table import PREDICTIONS
from models.torchvision_guard import guard_torchvision
from schedulers.level import Table

STARTER = Path(__file__).parent / "starter"
HUB_FILES = ["*.safetensors", "*.json", "*.txt"]
TO_CONVERT = (
    "a pickle, which can run any program; allowed: safetensors. docs/user-guide.md has the command that "
    "converts it without running what is in it."
)


def load(
    name: str = "starter",
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    download: bool = False,
    prediction: str | None = None,
    vae: str | None = None,
    config: str | None = None,
) -> Parts:
    """Load "starter", a folder in diffusers' layout, a checkpoint file of LDM's layout (.safetensors), or a
    model of the Hugging Face hub ("owner/name").

    ``device`` and ``dtype`` are the best of this machine unless given. Nothing is fetched from the hub unless
    ``download`` is true; without it the hub's local cache is used. ``prediction`` ("epsilon", "v_prediction",
    "sample") overrides what the model says of itself or, where it says nothing, what is guessed and noted in
    ``Parts.notes``. ``vae`` is the path of another VAE, a folder or a file. ``config`` is a folder in
    diffusers' layout that describes a checkpoint file of unusual shapes. Raises ``ModelError``.
    """
    guard_torchvision()
    if prediction is not None and prediction not in PREDICTIONS:
        raise ModelError(f"prediction: got {prediction!r}; allowed: {', '.join(PREDICTIONS)}.")
    path = _find(name, download)
    try:
        with _quiet():
            return assemble(_title(name), _source(path, config), Wishes(device, dtype, prediction, vae))
    except (ModelError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the libraries raise a dozen kinds over files that anyone may have written
        raise ModelError(f"Model {name!r} cannot be loaded: {error}") from error


def defaults(name: str, prediction: str | None = None) -> dict[str, Any]:
    """The recipe fields good for what ``load(name, prediction=prediction)`` gives, without its weights.

    Empty where they cannot be read: such a model cannot be loaded either, and ``load`` says what is wrong.
    For a Stable Diffusion 2 file that does not say what it predicts, they are those of the larger size.
    """
    try:
        return _source(_find(name, download=False), None).defaults(prediction)[1]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def table(name: str, prediction: str | None = None) -> Table | None:
    """The noise levels of what ``load(name, prediction=prediction)`` gives, without its weights.

    None where they cannot be read.
    """
    try:
        return parametrisation_of(_source(_find(name, download=False), None), prediction)[0].table
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _title(name: str) -> str:
    path = Path(name).expanduser().resolve()
    return path.stem if path.is_file() else path.name


def _source(path: Path, config: str | None) -> Source:
    if path.is_file():
        return CheckpointFile(read_header(path), Path(config).expanduser() if config is not None else None)
    if config is not None:
        raise ModelError(f"config: got {config!r} with a folder; allowed: only with a checkpoint file.")
    return Folder(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars, which would run through those of the command line."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _find(name: str, download: bool) -> Path:
    path = STARTER if name == "starter" else Path(name).expanduser()
    if name and path.is_dir():
        return path
    if path.suffix.lower() in PICKLES:
        raise ModelError(f"Model {name!r} is {TO_CONVERT}")
    if path.suffix.lower() == ".safetensors" and path.is_file():
        return path
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return _from_hub(name, download)
    raise ModelError(
        f"Model {name!r} was not found; allowed: 'starter', a folder, a .safetensors file, "
        "or a hub id 'owner/name'."
    )


def _from_hub(name: str, download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES, local_files_only=not download))
    except LocalEntryNotFoundError:
        raise ModelError(
            f"Model {name!r} is not on this machine; load it with download=True while online."
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"Model {name!r} could not be fetched from the hub: {error}") from error
