"""Which models there are, by name: in the studio's own folder and in those that were opened to it.

Only names leave it and come back: nobody who has a page names a path. Files are looked through when ``look``
is called, by their headers alone. Knows no jobs and no loaded models.
"""

import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.hashes import Hashes
from engine.tree import MOST_FILES, Found, look_at, model_files
from models import ModelError, Parts, defaults, load, table, with_vae
from models.defaults import read_converged
from models.kind import Described, Kind
from models.load import STARTER
from models.table import PREDICTIONS
from schedulers.level import Table

log = logging.getLogger("atelier.engine")
OWN = (
    "models",
    "loras",
    "controlnets",
    "ip-adapters",
    "image-encoders",
    "embeddings",
    "upscalers",
)  # in its folder
FORMAT = 4  # of the file of what was found


class FolderError(ValueError):
    """A model folder cannot be opened. The message says what was got and what is allowed."""


@dataclass(frozen=True)
class Model:
    """An entry of the catalogue."""

    kind: Kind | None  # None for what cannot be used
    name: str  # of its kind there is one by this name
    found: Found

    @property
    def about(self) -> Described | None:
        return self.found.described


class Catalogue:
    """The models below ``home``, in its folders for them, and below ``folders``, which are only read."""

    def __init__(self, home: Path, folders: Sequence[Path] = (), starter: Path | None = STARTER) -> None:
        """``starter`` is where the bundled model is. Call ``look`` before anything is asked."""
        self._home = home
        self._given = tuple(folder.expanduser().absolute() for folder in folders)
        self._starter = starter if starter is not None and starter.is_dir() else None
        self._changing = threading.RLock()
        self._found: dict[Path, Found] = {}
        self._models: dict[tuple[str, str], Model] = {}  # by kind (empty: cannot be used) and name
        self._settings = _read(home / "models.json")
        self.hashes = Hashes(home / "models-hashes.json")

    # What there is

    def look(self) -> None:
        """Look through the folders again; a file that has not changed is not opened again."""
        with self._changing:
            before = self._found or _read_found(self._home / "models-found.json")
            found: dict[Path, Found] = {}
            models: dict[tuple[str, str], Model] = {}
            for root, path in self._paths():
                if (one := look_at(path, before.get(path))) is not None:
                    found[path] = one
                    model = _named(one, root, models)
                    models[model.kind or "", model.name] = model
            self._found, self._models = found, models
            _write(self._home / "models-found.json", {"format": FORMAT, "found": _plain(found)})

    def all(self) -> list[Model]:
        """Every model, usable ones first, in the order of kinds and names; before all, the bundled one."""
        order = (
            "checkpoint",
            "lora",
            "vae",
            "embedding",
            "controlnet",
            "ip-adapter",
            "image-encoder",
            "upscaler",
            None,
        )

        def place(model: Model) -> tuple[int, bool, str]:
            return order.index(model.kind), model.found.path != self._starter, model.name.lower()

        return sorted(self._models.values(), key=place)

    def get(self, kind: str, name: str) -> Model | None:
        """``kind`` is empty for what cannot be used."""
        return self._models.get((kind, name))

    def files(self, kind: Kind) -> dict[str, Path]:
        """Every model of ``kind`` by its name."""
        return {name: model.found.path for (its, name), model in self._models.items() if its == kind}

    # Checkpoints

    @property
    def checkpoints(self) -> Mapping[str, Mapping[str, Any]]:
        """The checkpoints by name, as they are at any time, each with the recipe fields good for it."""
        return _Checkpoints(self)

    def names(self) -> list[str]:
        """The checkpoints, the bundled one first; where there is none, its name, as loading it says why."""
        return [name for kind, name in self._models if kind == "checkpoint"] or ["starter"]

    def good(self, name: str) -> Mapping[str, Any]:
        """The recipe fields good for a checkpoint; nothing where they are not known."""
        model = self.get("checkpoint", name)
        return {} if model is None else defaults(self._place(model), self.prediction(name))

    def table(self, name: str) -> Table | None:
        """The noise levels of a checkpoint, without loading it; None where they are not known."""
        model = self.get("checkpoint", name)
        return None if model is None else table(self._place(model), self.prediction(name))

    def converged(self, name: str) -> tuple[float, Mapping[str, int]]:
        """(distance, the fewest steps of each sampler within it of converged), where that was measured."""
        model = self.get("checkpoint", name)
        return (0.0, {}) if model is None else read_converged(model.found.path)

    def load(self, name: str) -> Parts:
        """Raises ``ModelError``."""
        if name not in self.names():
            known = ", ".join(self.names()[:20])
            raise ModelError(f"Model {name[:60]!r} is not here; allowed: {known}.")
        model = self.get("checkpoint", name)
        return load("starter" if model is None else self._place(model), prediction=self.prediction(name))

    def with_vae(self, parts: Parts, name: str) -> Parts:
        """``parts`` with another VAE. Raises ``ModelError``."""
        found = self.files("vae").get(name)
        if found is None:
            known = ", ".join(list(self.files("vae"))[:20]) or "only the model's own"
            raise ModelError(f"got {name[:60]!r}; allowed: {known}.")
        return with_vae(parts, str(found))

    def prediction(self, name: str) -> str | None:
        """What the host said that a checkpoint predicts; None where it is to be told from the file."""
        model = self.get("checkpoint", name)
        said = self._settings.get("prediction")
        told = said.get(str(model.found.path)) if model and isinstance(said, dict) else None
        return told if told in PREDICTIONS else None

    def predict(self, name: str, prediction: str | None) -> None:
        """Say what a checkpoint predicts, or with None, that it is to be told from the file.

        Raises ``ModelError``.
        """
        model = self.get("checkpoint", name)
        if model is None or prediction not in (None, *PREDICTIONS):
            raise ModelError(
                f"Prediction: got {prediction!r} of {name[:60]!r}; allowed: {', '.join(PREDICTIONS)}."
            )
        with self._changing:
            said = dict(self._settings.get("prediction") or {})
            said.pop(str(model.found.path), None)
            if prediction is not None:
                said[str(model.found.path)] = prediction
            self._keep("prediction", said)

    def take_in(self, name: str, write: Callable[[Path], None]) -> str:
        """Keep a checkpoint that ``write`` writes as the folder it is given, and look through it; one that is
        there stays. Returns what it is called here. ``name`` is a folder's. Raises what ``write`` raises."""
        folder = self._home / "models" / name
        with self._changing:
            if not folder.is_dir():
                staged = folder.with_name(f".{name}.part")  # hidden: not looked through
                shutil.rmtree(staged, ignore_errors=True)
                staged.parent.mkdir(parents=True, exist_ok=True)
                write(staged)
                staged.rename(folder)
            self.look()
            return next(model.name for model in self._models.values() if model.found.path == folder)

    # Folders

    @property
    def folders(self) -> tuple[Path, ...]:
        """The opened folders: those given at the start, then those opened since."""
        said = self._settings.get("folders")
        opened = (
            [Path(folder) for folder in said if isinstance(folder, str)] if isinstance(said, list) else []
        )
        return tuple(dict.fromkeys((*self._given, *opened)))

    def open(self, folder: str) -> None:
        """Open a folder from now on, and look through it. Raises ``FolderError``."""
        path = Path(folder.strip()).expanduser()
        if not folder.strip() or not path.is_absolute() or not path.is_dir():
            raise FolderError(
                f"Model folder: got {folder[:200]!r}; allowed: the whole path of a folder that is here."
            )
        if not os.access(path, os.R_OK | os.X_OK):
            raise FolderError(
                f"Model folder: got {folder[:200]!r}, which may not be read; allowed: one that may."
            )
        with self._changing:
            self._keep("folders", [str(p) for p in (*self.folders, path) if p not in self._given])
            self.look()

    def shut(self, folder: str) -> None:
        """Use a folder no longer; what is in it stays. Raises ``FolderError`` for one given at the start."""
        with self._changing:
            opened = [str(path) for path in self.folders if path not in self._given]
            if folder not in opened:
                raise FolderError(
                    f"Model folder: got {folder[:200]!r}; allowed: one of {', '.join(opened) or 'none'}."
                )
            self._keep("folders", [path for path in opened if path != folder])
            self.look()

    def _keep(self, setting: str, value: Any) -> None:
        self._settings = {**self._settings, setting: value}
        _write(self._home / "models.json", self._settings)

    def _place(self, model: Model) -> str:
        return "starter" if model.found.path == self._starter else str(model.found.path)

    def _paths(self) -> Iterator[tuple[Path, Path]]:
        """(folder, a model in it), each model once, though links or nested folders lead to it twice."""
        seen: set[Path] = set()
        shipped: tuple[Path, ...] = ()
        if self._starter is not None:
            seen.add(self._starter.resolve())
            yield self._starter.parent, self._starter
            shipped = tuple(self._starter / name for name in OWN if name != "models")
        for root in (*(self._home / name for name in OWN), *shipped, *self.folders):
            for path in _some(root):
                if (real := path.resolve()) not in seen:
                    seen.add(real)
                    yield root, path


class _Checkpoints(Mapping[str, Mapping[str, Any]]):
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        if name not in self._catalogue.names():
            raise KeyError(name)
        return self._catalogue.good(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalogue.names())

    def __len__(self) -> int:
        return len(self._catalogue.names())


def _named(found: Found, root: Path, taken: Collection[tuple[str, str]]) -> Model:
    """Under its own name if that is free, else with the folders that it is in."""
    inside = found.path.relative_to(root).with_name(
        found.path.stem if found.path.is_file() else found.path.name
    )
    names = (found.stem, inside.as_posix(), f"{root.name}/{inside.as_posix()}", str(found.path))
    return Model(found.kind, next(name for name in names if (found.kind or "", name) not in taken), found)


def _some(root: Path) -> list[Path]:
    """The model files of ``root``, none where it cannot be read."""
    found: list[Path] = []
    try:
        for path in model_files(root):
            found.append(path)
            if len(found) == MOST_FILES:
                log.warning("%s: more than %d model files; the others are not listed.", root, MOST_FILES)
                break
    except OSError as error:
        log.warning("%s: %s", root, error.strerror)
    return found


def _plain(found: Mapping[Path, Found]) -> list[dict[str, Any]]:
    return [asdict(one) | {"path": str(path)} for path, one in found.items()]


def _read_found(file: Path) -> dict[Path, Found]:
    """What was written when the folders were last looked through; nothing where it is of another format."""
    told = _read(file)
    try:
        if told["format"] != FORMAT:
            return {}
        found = {}
        for one in told["found"]:
            about = one["described"]
            if about is not None:
                about = Described(**about | {"triggers": tuple(about["triggers"])})
            path = Path(one["path"])
            found[path] = Found(path, one["size"], one["changed"], about, one["fault"])
        return found
    except (KeyError, TypeError):
        return {}


def _read(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _write(file: Path, told: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    new.write_text(json.dumps(told, indent=1), "utf-8")
    new.replace(file)
