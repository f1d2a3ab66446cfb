"""The LoRAs of one folder, by name. Knows no prompts."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from adapters.lora import Lora, load_lora
from models import ModelError, Parts

MOST_FILES = 10_000  # that are listed


class LoraFolder(Mapping[str, Path]):
    """Every ``.safetensors`` file below ``folder`` by its path there without the ending.

    Also by its bare name, as prompts of other studios have it, where only one file is called so.

    Links that lead out of the folder are not followed. ``more`` gives others by name, which may be the same
    files under shorter names.
    """

    def __init__(self, folder: Path, more: Callable[[], Mapping[str, Path]] = dict) -> None:
        self._folder = folder
        self._more = more

    def __getitem__(self, name: str) -> Path:
        """Raises ``KeyError`` where there is no such file."""
        files = self._files()
        if name in files:
            return files[name]
        bare = {file.resolve() for file in files.values() if file.stem == name}
        if len(bare) != 1:
            raise KeyError(name)
        return bare.pop()

    def __iter__(self) -> Iterator[str]:
        """Each file once."""
        seen: set[Path] = set()
        for name, file in self._files().items():
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def load(self, name: str, parts: Parts) -> Lora:
        """That LoRA for the model ``parts``. Raises ``ModelError``."""
        if name not in self:
            there = ", ".join(sorted(self)[:20]) or "none, as its folder is empty"
            raise ModelError(f"got the LoRA {name[:60]!r}; allowed: {there}.")
        return load_lora(self[name], parts)

    def _files(self) -> dict[str, Path]:
        root = self._folder.resolve()
        found: dict[str, Path] = {}
        for file in sorted(root.rglob("*.safetensors"))[:MOST_FILES]:
            if file.is_file() and file.resolve().is_relative_to(root):
                found[file.relative_to(root).with_suffix("").as_posix()] = file
        return found | {name: file for name, file in self._more().items() if name not in found}
