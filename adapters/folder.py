"""The adapters of one folder, by name. Knows no prompts."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from adapters.controlnet import ControlNet, load_controlnet
from adapters.lora import Lora, load_lora
from adapters.textual_inversion import Embedding, load_embedding
from models import ModelError, Parts

MOST_FILES = 10_000  # that are listed
OF_FOLDER = "diffusion_pytorch_model"  # how diffusers calls the weights in a folder that has the name

Adapter = TypeVar("Adapter")


class AdapterFolder(Mapping[str, Path], Generic[Adapter]):
    """Every ``.safetensors`` file below ``folder`` by its path there without the ending.

    Also by its bare name, as prompts of other studios have it, where only one file is called so. The weights
    of a folder in diffusers' layout have the name of that folder. Links that lead out of the folder are not
    followed. ``what`` says what the files are, ``read`` reads one for a model, ``more`` gives others by name,
    which may be the same files under shorter names.
    """

    def __init__(
        self,
        folder: Path,
        what: str,
        read: Callable[[Path, Parts], Adapter],
        more: Callable[[], Mapping[str, Path]] = dict,
    ) -> None:
        self._folder = folder
        self._what = what
        self._read = read
        self._more = more

    def __getitem__(self, name: str) -> Path:
        """Raises ``KeyError`` where there is no such file."""
        files = self._files()
        if name in files:
            return files[name]
        bare = {file.resolve(): file for there, file in files.items() if there.rpartition("/")[2] == name}
        if len(bare) != 1:
            raise KeyError(name)
        return bare.popitem()[1]  # as it is called there: a link's target may have another name

    def __iter__(self) -> Iterator[str]:
        """Each file once."""
        seen: set[Path] = set()
        for name, file in self._files().items():
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def load(self, name: str, parts: Parts) -> Adapter:
        """That adapter for the model ``parts``. Raises ``ModelError``."""
        if name not in self:
            there = ", ".join(sorted(self)[:20]) or "none, as its folder is empty"
            raise ModelError(f"got the {self._what} {name[:60]!r}; allowed: {there}.")
        return self._read(self[name], parts)

    def _files(self) -> dict[str, Path]:
        root = self._folder.resolve()
        found: dict[str, Path] = {}
        for file in sorted(root.rglob("*.safetensors"))[:MOST_FILES]:
            if file.is_file() and file.resolve().is_relative_to(root):
                named = file.parent if file.stem.startswith(OF_FOLDER) else file.with_suffix("")
                found[named.relative_to(root).as_posix()] = file
        return found | {name: file for name, file in self._more().items() if name not in found}


class LoraFolder(AdapterFolder[Lora]):
    """LoRAs, named in prompts: ``<lora:name:0.8>``."""

    def __init__(self, folder: Path, more: Callable[[], Mapping[str, Path]] = dict) -> None:
        super().__init__(folder, "LoRA", load_lora, more)


class ControlNetFolder(AdapterFolder[ControlNet]):
    """ControlNets, named in recipes."""

    def __init__(self, folder: Path, more: Callable[[], Mapping[str, Path]] = dict) -> None:
        super().__init__(folder, "ControlNet", load_controlnet, more)


class EmbeddingFolder(AdapterFolder[Embedding]):
    """Embeddings, whose names are words of prompts."""

    def __init__(self, folder: Path, more: Callable[[], Mapping[str, Path]] = dict) -> None:
        super().__init__(folder, "embedding", load_embedding, more)
